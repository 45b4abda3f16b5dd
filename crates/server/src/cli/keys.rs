//! `reveille keys`: the master key, changed.

use std::path::PathBuf;
use std::process::ExitCode;

use super::backup::master_key;
use super::flags::OptionFlags;
use super::say::{self, Advice, GOOD};
use crate::config::Environment;
use crate::seal::{MASTER_KEY_FILE, rotate};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Make a new master key and seal every secret in the database anew; the server must be stopped
    Reseal {
        /// The configuration file; without it REVEILLE_CONFIG, then reveille.toml in this folder
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(super) async fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    let What::Reseal { config } = args.what;
    let config = OptionFlags::default().read(config, environment)?.resolve()?;
    if !config.data_dir.join(store::backup::DATABASE_FILE).exists() {
        return Err(Advice::new(
            format!("there is no database in {}", config.data_dir.display()),
            "run this where reveille.toml lies, or name it with --config",
        )
        .into());
    }
    let file = config.data_dir.join(MASTER_KEY_FILE);
    let key =
        master_key(&config)?.ok_or_else(|| rotate::RotateError::Lost { file: file.clone() })?;
    let rotated = rotate::rotate(&config.data_dir, key).await.map_err(advise)?;
    say::line(format!(
        "{GOOD}resealed{GOOD:#}  {} values, from master key {} to {}",
        rotated.values, rotated.old, rotated.new
    ))?;
    say::line(format!("the new key is in {}; keep a copy of it elsewhere", file.display()))?;
    if config.master_key.is_some() {
        say::line(
            "REVEILLE_MASTER_KEY (option master_key) still holds the old key: take it away, or set it to the new one, before the next start",
        )?;
    } else {
        say::line(
            "the old key is beside it as master.key.old: backups made before open with that one",
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn advise(error: rotate::RotateError) -> anyhow::Error {
    match error {
        rotate::RotateError::Store(error @ store::Error::InUse { .. }) => {
            Advice::new(error.to_string(), "stop the server, run this again, start it again").into()
        }
        error => error.into(),
    }
}
