//! `reveille demo`: the whole way on one machine.

use std::net::SocketAddr;
use std::process::ExitCode;

use crate::demo::Show;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Play the scenes, print what was expected and seen, and end: 0 only if every scene held
    #[arg(long)]
    headless: bool,
    /// The lab alone: play no scenes
    #[arg(long, conflicts_with = "headless")]
    lab: bool,
    /// Where the lab listens, an address of this machine alone; by default 127.0.0.1:7302, or
    /// another port if that one is in use
    #[arg(long, value_name = "ADDRESS", conflicts_with = "headless")]
    lab_listen: Option<SocketAddr>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let show = match args {
        Args { headless: true, .. } => Show::Scenes,
        Args { lab: true, lab_listen, .. } => Show::Lab(lab_listen),
        Args { lab_listen, .. } => Show::ScenesAndLab(lab_listen),
    };
    crate::demo::run(show).await
}
