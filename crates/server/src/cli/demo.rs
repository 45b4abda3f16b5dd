//! `reveille demo`: the whole way on one machine.

use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Play the scenes, print what was expected and seen, and end: 0 only if every scene held
    #[arg(long)]
    headless: bool,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    crate::demo::run(args.headless).await
}
