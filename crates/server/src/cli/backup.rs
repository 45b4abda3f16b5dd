//! `reveille backup` and `reveille restore`: a copy of the database, and back.

#[cfg(test)]
mod fuzz;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use store::backup::{self, DATABASE_FILE, Restored, Sealed, TakenOut};

use super::flags::OptionFlags;
use super::say::{self, Advice, GOOD};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::seal::rotate::MASTER_KEY_NOTE;
use crate::seal::{MASTER_KEY_FILE, MasterKey};
use crate::to_wire;

/// What a backup says about itself.
const MANIFEST: &str = "backup.json";
/// The longest text that says what is wrong with it, in characters.
const LONGEST_REASON: usize = 200;

#[derive(clap::Args)]
pub(super) struct BackupArgs {
    /// The folder to put it in; made, or empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The configuration file; without it REVEILLE_CONFIG, then reveille.toml in this folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The master key is lost: copy what is not sealed with it all the same
    #[arg(long)]
    without_master_key: bool,
}

#[derive(clap::Args)]
pub(super) struct RestoreArgs {
    /// The folder of the backup
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The configuration file; without it REVEILLE_CONFIG, then reveille.toml in this folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The master key is lost: leave out what it sealed, credentials and secrets of webhooks and
    /// token keys, to be given again
    #[arg(long)]
    without_master_key: bool,
}

/// `backup.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    made_at: jiff::Timestamp,
    made_by: String,
    schema: i64,
    /// The fingerprint of the master key that sealed what is in it; `None`: it was lost.
    master_key: Option<String>,
}

impl Manifest {
    /// Reads what a backup says about itself; it may have been anywhere in the meantime.
    fn parse(text: &str) -> anyhow::Result<Self> {
        // The reader's words may repeat all that it found.
        let manifest: Self = serde_json::from_str(text)
            .map_err(|error| anyhow!("{}", wire::shortened(&error.to_string(), LONGEST_REASON)))?;
        let is_fingerprint =
            |key: &String| key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !manifest.master_key.as_ref().is_none_or(is_fingerprint) {
            bail!(Advice::new(
                "its `master_key` is no fingerprint, which has 12 hexadecimal digits",
                "take the backup.json that came with this database",
            ));
        }
        Ok(manifest)
    }
}

pub(super) fn backup(args: BackupArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let config = OptionFlags::default().read(args.config, environment)?.resolve()?;
    let key = if args.without_master_key { None } else { Some(existing_key(&config)?) };
    empty_folder(&args.to)?;
    let copied = backup::copy(&config.data_dir, &args.to.join(DATABASE_FILE))?;
    let manifest = Manifest {
        made_at: to_wire::time(Clock::system().now()),
        made_by: format!("reveille {}", env!("CARGO_PKG_VERSION")),
        schema: copied.schema,
        master_key: key.map(|key| key.fingerprint().to_owned()),
    };
    let path = args.to.join(MANIFEST);
    std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&manifest)?))
        .with_context(|| format!("cannot write {}", path.display()))?;
    let mib = copied.bytes.div_ceil(1 << 20);
    say::line(format!("{GOOD}backed up{GOOD:#}  {} ({mib} MiB)", args.to.display()))?;
    match &manifest.master_key {
        Some(fingerprint) => {
            let place = match config.master_key {
                Some(_) => "REVEILLE_MASTER_KEY (option master_key)".to_owned(),
                None => config.data_dir.join(MASTER_KEY_FILE).display().to_string(),
            };
            say::line(format!(
                "its credentials are sealed with the master key {fingerprint}, which is not in it: {place}"
            ))?;
            say::line(
                "keep a copy of that key elsewhere; without it credentials must be uploaded again",
            )?;
        }
        None => say::line("bring it back with `reveille restore --without-master-key`")?,
    }
    say::line("the push log and the admin key are not in it either")?;
    Ok(ExitCode::SUCCESS)
}

/// The master key, which has to be there.
fn existing_key(config: &Config) -> anyhow::Result<MasterKey> {
    let missing = || {
        let file = config.data_dir.join(MASTER_KEY_FILE);
        Advice::new(
            format!("there is no master key in {}", file.display()),
            "name the configuration of the server with --config; a server makes its key at its first start. If it is lost, add --without-master-key",
        )
    };
    Ok(master_key(config)?.ok_or_else(missing)?)
}

pub(super) fn restore(args: RestoreArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let config = OptionFlags::default().read(args.config, environment)?.resolve()?;
    let path = args.from.join(MANIFEST);
    let text = std::fs::read_to_string(&path).with_context(|| {
        Advice::new(
            format!("{} is no backup: it has no readable {MANIFEST}", args.from.display()),
            "name the folder that `reveille backup --to` made",
        )
    })?;
    let manifest = Manifest::parse(&text)
        .with_context(|| format!("{} is not as `reveille backup` wrote it", path.display()))?;
    let database = args.from.join(DATABASE_FILE);
    let sealed = if args.without_master_key {
        Sealed::TakeOut
    } else {
        check_key(&config, &manifest, &database)?;
        Sealed::Keep
    };
    let existing = config.data_dir.join(DATABASE_FILE);
    if existing.exists() {
        return Err(Advice::new(
            format!("there is a database already: {}", existing.display()),
            "stop the server, move its data folder away, and restore into a new one",
        )
        .into());
    }
    let Restored { copied, taken_out } = backup::restore(&database, &config.data_dir, sealed)?;
    let mib = copied.bytes.div_ceil(1 << 20);
    say::line(format!(
        "{GOOD}restored{GOOD:#}  {} ({mib} MiB), as it was at {}",
        config.data_dir.display(),
        manifest.made_at
    ))?;
    say::line("every inbox begins a new epoch: devices resume at what the server knows of them")?;
    if sealed == Sealed::TakeOut {
        left_out(taken_out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what nobody could open any more, and what to do about it.
fn left_out(taken_out: TakenOut) -> anyhow::Result<()> {
    let TakenOut { credentials, webhooks, token_keys } = taken_out;
    say::line(format!(
        "left out: {credentials} credentials; upload them again, until then pushes wait (901)"
    ))?;
    if webhooks > 0 {
        say::line(format!(
            "left out: the secrets of {webhooks} webhooks, which are switched off; give each another with POST …/rotate, then switch it on with PATCH and enabled true"
        ))?;
    }
    if token_keys > 0 {
        say::line(format!(
            "left out: the shared secrets of {token_keys} token keys, which prove nothing now; delete each and add it again"
        ))?;
    }
    say::line("`reveille doctor` names each of them once the server runs")
}

/// Refuses a restore whose credentials would not open.
fn check_key(config: &Config, manifest: &Manifest, database: &Path) -> anyhow::Result<()> {
    let hint = format!(
        "put the file master.key with that fingerprint into {}, or set REVEILLE_MASTER_KEY to it; if it is lost, restore with --without-master-key and upload the credentials again",
        config.data_dir.display()
    );
    let wanted = manifest.master_key.as_deref().unwrap_or("that was lost when it was made");
    let Some(key) = master_key(config)? else {
        let problem = format!(
            "the backup's credentials are sealed with the master key {wanted}, and there is no master key here"
        );
        return Err(Advice::new(problem, hint).into());
    };
    let opens = match backup::note(database, MASTER_KEY_NOTE)? {
        Some(sealed) => key.open(MASTER_KEY_NOTE, &sealed).is_ok(),
        None => true,
    };
    if opens {
        return Ok(());
    }
    let problem = format!(
        "the backup's credentials are sealed with the master key {wanted}, and the one here is {}",
        key.fingerprint()
    );
    Err(Advice::new(problem, hint).into())
}

/// The master key that is there; never a new one.
pub(super) fn master_key(config: &Config) -> anyhow::Result<Option<MasterKey>> {
    if config.master_key.is_none() && !config.data_dir.join(MASTER_KEY_FILE).exists() {
        return Ok(None);
    }
    Ok(Some(MasterKey::of(config)?))
}

/// Makes a folder for its owner alone, or takes one that is empty.
fn empty_folder(path: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut inside =
        std::fs::read_dir(path).with_context(|| format!("cannot look into {}", path.display()))?;
    if inside.next().is_some() {
        let problem = format!("{} is not empty", path.display());
        return Err(Advice::new(problem, "name a folder that is new").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::Time;
    use store::Store;
    use store::model::NewCredential;

    use super::*;

    const NOW: Time = Time::from_millis(1_800_000_000_000);

    fn environment(dir: &Path) -> Environment {
        let data = ("REVEILLE_DATA_DIR".to_owned(), dir.as_os_str().to_owned());
        [data].into_iter().collect()
    }

    /// A data folder with an app and a credential, its server running.
    async fn running(dir: &Path) -> Store {
        let key = MasterKey::load_or_create(&dir.join(MASTER_KEY_FILE)).unwrap();
        let store = Store::open(&store::Options::new(dir)).unwrap();
        crate::seal::rotate::check(&store, key, dir).await.unwrap();
        let app = store.add_app("clinic".to_owned(), NOW).await.unwrap().id;
        let new = NewCredential {
            app,
            kind: "apns_key".to_owned(),
            facts: "{}".to_owned(),
            sealed: vec![1],
            not_after: None,
            now: NOW,
        };
        store.add_credential(new).await.unwrap();
        store
    }

    fn made(from: &Path, to: &Path) {
        let args = BackupArgs { to: to.to_owned(), config: None, without_master_key: false };
        backup(args, &environment(from)).unwrap();
    }

    fn restored(from: &Path, to: &Path, without_master_key: bool) -> anyhow::Result<ExitCode> {
        let args = RestoreArgs { from: from.to_owned(), config: None, without_master_key };
        restore(args, &environment(to))
    }

    #[tokio::test]
    async fn a_backup_of_a_running_server_comes_back_with_its_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let [from, copy, to] = ["data", "copy", "new"].map(|name| folder.path().join(name));
        std::fs::create_dir(&from).unwrap();
        let store = running(&from).await;
        made(&from, &copy);
        // Without the key it says so, and what to do.
        let refused = restored(&copy, &to, false).unwrap_err().to_string();
        assert!(refused.contains("there is no master key here"), "{refused}");
        std::fs::create_dir(&to).unwrap();
        MasterKey::load_or_create(&to.join(MASTER_KEY_FILE)).unwrap();
        let refused = restored(&copy, &to, false).unwrap_err().to_string();
        assert!(refused.contains("and the one here is"), "{refused}");
        std::fs::copy(from.join(MASTER_KEY_FILE), to.join(MASTER_KEY_FILE)).unwrap();
        restored(&copy, &to, false).unwrap();
        store.close();
        let store = Store::open(&store::Options::new(&to)).unwrap();
        assert_eq!(store.credentials(None).await.unwrap().len(), 1);
        store.close();
        let refused = restored(&copy, &to, false).unwrap_err().to_string();
        assert!(refused.contains("there is a database already"), "{refused}");
    }

    #[test]
    fn what_a_backup_says_is_shown_only_if_it_was_written_so() {
        let manifest = |key: &str| {
            let key = serde_json::json!(key);
            format!(
                r#"{{"made_at":"2026-03-01T06:30:00Z","made_by":"x","schema":1,"master_key":{key}}}"#
            )
        };
        assert!(Manifest::parse(&manifest("0123456789ab")).is_ok());
        for key in ["", "0123456789a", "\u{1b}[2J56789ab", "0123456789ag", "0123456789abc"] {
            let error = Manifest::parse(&manifest(key)).err().unwrap().to_string();
            assert!(error.contains("`master_key` is no fingerprint"), "{key:?}: {error}");
        }
        let long = format!(r#"{{"{}":1}}"#, "x".repeat(10_000));
        let error = Manifest::parse(&long).err().unwrap().to_string();
        assert!(error.starts_with("unknown field `xxx") && error.len() < 300, "{error}");
    }

    #[tokio::test]
    async fn without_its_key_a_backup_comes_back_without_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let [from, copy, to] = ["data", "copy", "new"].map(|name| folder.path().join(name));
        std::fs::create_dir(&from).unwrap();
        running(&from).await.close();
        made(&from, &copy);
        restored(&copy, &to, true).unwrap();
        let store = Store::open(&store::Options::new(&to)).unwrap();
        assert_eq!(store.apps().await.unwrap().len(), 1);
        assert!(store.credentials(None).await.unwrap().is_empty());
        let key = MasterKey::load_or_create(&to.join(MASTER_KEY_FILE)).unwrap();
        assert!(crate::seal::rotate::check(&store, key, &to).await.is_ok());
        store.close();
    }

    #[test]
    fn every_inbox_of_a_restored_database_begins_a_new_epoch() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let [from, copy, to] = ["data", "copy", "new"].map(|name| folder.path().join(name));
            std::fs::create_dir(&from).unwrap();
            let store = running(&from).await;
            let app = store.apps().await.unwrap()[0].id;
            let inbox = store.ensure_user(app, "alice".to_owned(), NOW).await.unwrap().unwrap();
            let before = store.read(inbox, domain::Offset::ZERO, 1, NOW).await.unwrap().unwrap();
            made(&from, &copy);
            store.close();
            restored(&copy, &to, true).unwrap();
            let store = Store::open(&store::Options::new(&to)).unwrap();
            let after = store.read(inbox, domain::Offset::ZERO, 1, NOW).await.unwrap().unwrap();
            assert_ne!(before.epoch, after.epoch);
            store.close();
        });
    }
}
