//! `reveille demo`.

use std::process::ExitCode;

/// Plays the scenes; with `headless` it ends by itself.
///
/// # Errors
/// Always, until the scenes are here.
pub async fn run(_headless: bool) -> anyhow::Result<ExitCode> {
    anyhow::bail!("the demo is not part of this build yet")
}
