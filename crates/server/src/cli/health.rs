//! `reveille health`: whether a server takes requests, by the exit code.
//!
//! For what watches over a process and has no HTTP client at hand, as in the container.

use std::process::ExitCode;

use super::peer::ServerArgs;
use super::say;
use crate::config::Environment;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    let server = args.server.find(environment)?;
    let _: serde_json::Value = server.get_open("/readyz").await?;
    say::line("ready")?;
    Ok(ExitCode::SUCCESS)
}
