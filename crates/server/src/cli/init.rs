//! `reveille init`: from nothing to a server of one's own. Run again, it keeps what is there.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use wire::http::{App, AppCreate};

use super::client::ServerAddress;
use super::say::{self, Advice, BOLD, GOOD};
use crate::config::{Config, Environment, FILE_NAME, RawConfig, options, reference};
use crate::console::CODE_FILE;
use crate::offline::create_app_offline;
use crate::secret::{
    ADMIN_KEY_FILE, APP_KEY_FILE, KeyKind, KeyText, load_or_create_admin_key, write_private,
};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The folder to start in
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// A name for the app
    #[arg(long, value_name = "NAME", default_value = "my app")]
    app: String,
}

pub(super) async fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    make_folder(&args.dir)?;
    let file = args.dir.join(FILE_NAME);
    told(&file, write_config(&file)?)?;
    let config = RawConfig::read(Some(&file), environment, [])?.resolve()?;
    make_folder(&config.data_dir)?;
    let admin_file = config.data_dir.join(ADMIN_KEY_FILE);
    let had_admin = admin_file.exists();
    let admin = load_or_create_admin_key(&config.data_dir)?;
    told(&admin_file, if had_admin { Found::Kept } else { Found::Made })?;
    let app_file = args.dir.join(APP_KEY_FILE);
    if app_file.exists() {
        told(&app_file, Found::Kept)?;
    } else {
        let (id, key) = create_app(&config, &admin, &args.app).await?;
        write_private(&app_file, key.expose()).with_context(|| {
            format!("the app {id} was made, and its key is lost: make another by POST /v1/apps")
        })?;
        told(&app_file, Found::Made)?;
        say::line(format!("{GOOD}app{GOOD:#}     {id} {:?}", args.app))?;
    }
    next_steps(&args.dir, &config)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a file was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Kept,
    Made,
}

fn told(path: &Path, found: Found) -> anyhow::Result<()> {
    match found {
        Found::Kept => say::line(format!("kept    {}", path.display())),
        Found::Made => say::line(format!("{GOOD}made{GOOD:#}    {}", path.display())),
    }
}

fn next_steps(folder: &Path, config: &Config) -> anyhow::Result<()> {
    let enter = match folder {
        here if here == Path::new(".") => String::new(),
        folder => format!("  cd {}\n", folder.display()),
    };
    say::line(format!(
        "\n{BOLD}next{BOLD:#}\n{enter}  reveille serve --dev\n  reveille listen --user alice\n  reveille send --to alice \"hello\""
    ))?;
    let code = config.data_dir.join(CODE_FILE);
    say::line(format!(
        "\n{BOLD}console{BOLD:#}\n  http://{}/console, once it serves; its first visit asks for the code in {}",
        config.internal_listen,
        code.display()
    ))
}

/// Makes a folder that is its owner's alone; one that exists stays as it is.
fn make_folder(path: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Writes the configuration: all defaults as comments, and a data folder beside the file.
fn write_config(path: &Path) -> anyhow::Result<Found> {
    let data_dir = options::DATA_DIR.default.unwrap_or_default();
    let line = format!("data_dir = {}", reference::as_toml(&options::DATA_DIR, data_dir));
    let text = reference::defaults_file().replacen(&format!("#{line}"), &line, 1);
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
    match file {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(Found::Kept),
        file => {
            let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
            written.with_context(|| format!("cannot write {}", path.display()))?;
            Ok(Found::Made)
        }
    }
}

/// Makes an app: through the server if it runs, for then the data folder is its own; else straight
/// in the store.
async fn create_app(
    config: &Config,
    admin: &KeyText,
    name: &str,
) -> anyhow::Result<(String, KeyText)> {
    let server = ServerAddress::of_config(config, None)?;
    if config.listen.port() == 0 || !server.answers().await {
        let (id, key) = create_app_offline(config, name).await?;
        return Ok((id.to_string(), key));
    }
    let body = AppCreate { name: name.to_owned() };
    let app: App = server.post("/v1/apps", admin, &body).await.with_context(|| {
        Advice::new(
            format!("the server at {server} did not make the app"),
            "if it is the server of another folder, change `listen` in reveille.toml and run this again",
        )
    })?;
    let key = app.key.with_context(|| format!("{server} made {} and told no key", app.id))?;
    Ok((app.id, KeyText::parse_kind(&key, KeyKind::App)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_keeps_its_data_beside_it_and_all_else_at_its_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        assert_eq!(write_config(&file).unwrap(), Found::Made);
        let raw = RawConfig::read(Some(&file), &Environment::default(), []).unwrap();
        assert_eq!(raw.resolve().unwrap().data_dir, folder.path().join("reveille-data"));
        fs::write(&file, "listen = \"[::1]:1\"\n").unwrap();
        assert_eq!(write_config(&file).unwrap(), Found::Kept);
        assert_eq!(fs::read_to_string(&file).unwrap(), "listen = \"[::1]:1\"\n");
    }

    #[tokio::test]
    async fn a_second_run_keeps_everything() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("new");
        // Port 0, so that no server of this machine is asked.
        let environment = [("REVEILLE_LISTEN".to_owned(), "127.0.0.1:0".into())];
        let environment = environment.into_iter().collect();
        let mut seen = Vec::new();
        for _ in 0..2 {
            let args = Args { dir: dir.clone(), app: "clinic".to_owned() };
            run(args, &environment).await.unwrap();
            seen.push([
                fs::read_to_string(dir.join(FILE_NAME)).unwrap(),
                fs::read_to_string(dir.join(APP_KEY_FILE)).unwrap(),
                fs::read_to_string(dir.join("reveille-data").join(ADMIN_KEY_FILE)).unwrap(),
            ]);
        }
        assert_eq!(seen[0], seen[1]);
    }
}
