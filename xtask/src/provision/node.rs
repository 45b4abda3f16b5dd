//! Node and the packages that the tests of `clients/js` want.
//!
//! Nobody needs Node to work on the server: where it, or its registry, cannot be had, those tests
//! are skipped, which is said.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run::answer;
use crate::say;
use crate::workspace::Workspace;

/// The oldest Node that the client promises to run on.
const OLDEST: u32 = 20;

/// The folder of the client.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("clients/js")
}

/// Provides the packages, or says what is skipped.
pub(super) fn run(workspace: &Workspace) {
    if let Err(error) = provide(workspace) {
        say::line(format_args!("    skipped: clients/js…: {error:#}"));
    }
}

/// Whether the tests can run.
pub(crate) fn is_there(workspace: &Workspace) -> bool {
    node().is_ok() && has_packages(workspace).unwrap_or(false)
}

fn provide(workspace: &Workspace) -> Result<()> {
    node()?;
    if has_packages(workspace)? {
        return Ok(());
    }
    // What the lock file says, checked by its hashes; scripts of packages are not run.
    let output = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder(workspace))
        .stdin(Stdio::null())
        .output()
        .context("there is no npm")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`npm ci` failed: {}", said.lines().next().unwrap_or_default());
    }
    let marker = marker(workspace);
    std::fs::write(&marker, lock(workspace)?)
        .with_context(|| format!("cannot write {}", marker.display()))
}

fn node() -> Result<()> {
    let said = answer("node", &["--version"]).context("there is no node")?;
    match major(&said) {
        Some(major) if major >= OLDEST => Ok(()),
        _ => bail!("node says it is {said}; {OLDEST} is the oldest that will do"),
    }
}

/// Whether the packages are those of the lock file.
fn has_packages(workspace: &Workspace) -> Result<bool> {
    let wanted = lock(workspace)?;
    Ok(std::fs::read_to_string(marker(workspace)).is_ok_and(|has| has == wanted))
}

fn lock(workspace: &Workspace) -> Result<String> {
    let path = folder(workspace).join("package-lock.json");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn marker(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("node_modules/.reveille-packages")
}

/// `v20.20.2` as 20.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_read() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major("v8.0.0"), Some(8));
        assert_eq!(major("nodejs"), None);
    }
}
