//! The client in `clients/js`: its types by tsc, its tests by Node's own runner against the server.

use anyhow::Result;

use super::node::{node_in, tests};
use super::passes;
use super::tally::Tally;
use crate::provision::node::CLIENT;
use crate::run::{Stream, watch};
use crate::say;
use crate::workspace::Workspace;

/// Runs both; nothing where there is no Node.
pub(super) fn run(workspace: &Workspace) -> Result<Tally> {
    if !CLIENT.is_there(workspace) {
        say::line("    skipped: clients/js…: node or its packages are missing, see above");
        return Ok(Tally::default());
    }
    let mut tally = passes(types(workspace))
        .inspect_err(|error| say::trouble(format_args!("types: {error:#}")))
        .unwrap_or_else(|error| Tally::failure(format!("types: {error:#}")));
    tally += tests(workspace, CLIENT, "test")?;
    Ok(tally)
}

/// What the types promise and refuse counts as one test.
fn types(workspace: &Workspace) -> Result<()> {
    let mut command = node_in(workspace, CLIENT);
    command.args(["node_modules/typescript/bin/tsc", "--project", "test"]);
    let status = watch(command, "tsc", Stream::Output, |_| {})?;
    anyhow::ensure!(status.success(), "the types of clients/js do not hold ({status})");
    Ok(())
}
