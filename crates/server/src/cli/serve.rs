//! `reveille serve`: the server.

use std::path::PathBuf;
use std::process::ExitCode;

use super::flags::OptionFlags;
use crate::config::{Environment, LogFormat, ServeMode};
use crate::logging;
use crate::reload::Reload;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The configuration file; without it REVEILLE_CONFIG, then reveille.toml in this folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// For developers of apps: strict about unknown fields in frames
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    options: OptionFlags,
}

pub(super) async fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    let sources = args.options.sources(args.config, environment)?;
    let typed = sources.read()?;
    let config = typed.resolve()?;
    let mode = if args.dev { ServeMode::Dev } else { ServeMode::Standard };
    let log = config.log;
    let level = logging::start(log)?;
    let reload = Reload::new(sources, typed, level);
    match crate::serve::run(config, mode, reload).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => match log.format {
            LogFormat::Text => Err(error.into()),
            // Whoever reads objects can read nothing else.
            LogFormat::Json => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(error, "the server cannot start");
                Ok(ExitCode::FAILURE)
            }
        },
    }
}
