//! Tests for Node's own runner, which talk to the built server.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::server;
use super::tally::Tally;
use crate::provision::node::Suite;
use crate::run::{Stream, watch};
use crate::workspace::Workspace;

/// How long a test file may take, in milliseconds: a test waits for events, and one that waits in
/// vain must end.
const PATIENCE_MS: &str = "--test-timeout=300000";

/// Runs the test files of a folder inside the suite's.
pub(super) fn tests(workspace: &Workspace, suite: Suite, below: &str) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut command = node_in(workspace, suite);
    command.args(["--test", "--test-reporter=spec", PATIENCE_MS]);
    command.args(files(&suite.folder(workspace), below)?).env("REVEILLE_BIN", server(workspace)?);
    let status =
        watch(command, "node --test", Stream::Output, |line| tally += Tally::of_node(line))?;
    let tally = tally.checked_against(status.success());
    anyhow::ensure!(tally != Tally::default(), "node ran no test: that is no success");
    Ok(tally)
}

/// Node, started in the suite's folder.
pub(super) fn node_in(workspace: &Workspace, suite: Suite) -> Command {
    let mut command = Command::new("node");
    command.current_dir(suite.folder(workspace)).stdin(Stdio::null());
    command
}

/// The test files by name: what a folder or a pattern means differs between versions of Node.
fn files(folder: &Path, below: &str) -> Result<Vec<String>> {
    let folder = folder.join(below);
    let entries = fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut files: Vec<_> = names
        .filter(|name| name.ends_with(".test.js"))
        .map(|name| format!("{below}/{name}"))
        .collect();
    files.sort_unstable();
    Ok(files)
}
