//! The client in `clients/js`: its types by tsc, its tests by Node's own runner against the server.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::tally::Tally;
use super::{Verdict, passes, server};
use crate::provision::node;
use crate::run::{Stream, watch};
use crate::say;
use crate::workspace::Workspace;

/// How long a test file may take, in milliseconds: a test waits for events, and one that waits in
/// vain must end.
const PATIENCE_MS: &str = "--test-timeout=120000";

/// Runs both; nothing where there is no Node.
pub(super) fn run(workspace: &Workspace) -> Result<Tally> {
    if !node::is_there(workspace) {
        say::line("    skipped: clients/js…: node or its packages are missing, see above");
        return Ok(Tally::default());
    }
    let mut tally = passes(types(workspace))
        .inspect_err(|error| say::trouble(format_args!("types: {error:#}")))
        .unwrap_or_else(|_| Tally::one(Verdict::Failed));
    tally += tests(workspace)?;
    Ok(tally)
}

/// What the types promise and refuse counts as one test.
fn types(workspace: &Workspace) -> Result<()> {
    let mut command = node_in(workspace);
    command.args(["node_modules/typescript/bin/tsc", "--project", "test"]);
    let status = watch(command, "tsc", Stream::Output, |_| {})?;
    anyhow::ensure!(status.success(), "the types of clients/js do not hold ({status})");
    Ok(())
}

fn tests(workspace: &Workspace) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut command = node_in(workspace);
    command.args(["--test", "--test-reporter=spec", PATIENCE_MS]);
    command.args(files(workspace)?).env("REVEILLE_BIN", server(workspace)?);
    let status =
        watch(command, "node --test", Stream::Output, |line| tally += Tally::of_node(line))?;
    let tally = tally.checked_against(status.success());
    anyhow::ensure!(tally != Tally::default(), "node ran no test: that is no success");
    Ok(tally)
}

/// The test files by name: what a folder or a pattern means differs between versions of Node.
fn files(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = node::folder(workspace).join("test");
    let entries = fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut files: Vec<_> = names
        .filter(|name| name.ends_with(".test.js"))
        .map(|name| format!("test/{name}"))
        .collect();
    files.sort_unstable();
    Ok(files)
}

fn node_in(workspace: &Workspace) -> Command {
    let mut command = Command::new("node");
    command.current_dir(node::folder(workspace)).stdin(Stdio::null());
    command
}
