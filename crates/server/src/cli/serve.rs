//! `reveille serve`: the server.

use std::path::PathBuf;
use std::process::ExitCode;

use super::flags::OptionFlags;
use crate::config::{Environment, ServeMode};
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
    let level = logging::start(config.log)?;
    let reload = Reload::new(sources, typed, level);
    crate::serve::run(config, mode, reload).await?;
    Ok(ExitCode::SUCCESS)
}
