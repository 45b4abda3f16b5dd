//! `reveille serve`: the server.

use std::path::PathBuf;
use std::process::ExitCode;

use super::flags::OptionFlags;
use crate::config::{Environment, ServeMode};
use crate::logging;

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
    let config = args.options.read(args.config, environment)?.resolve()?;
    let mode = if args.dev { ServeMode::Dev } else { ServeMode::Standard };
    logging::start(config.log)?;
    crate::serve::run(config, mode).await?;
    Ok(ExitCode::SUCCESS)
}
