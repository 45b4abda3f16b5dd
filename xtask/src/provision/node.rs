//! Node and the packages that the tests written for it want.
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

/// A folder with tests for Node and a lock file of the packages that they want.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suite {
    /// Where it is, relative to the root.
    pub(crate) place: &'static str,
}

/// The client for browsers and Node.
pub(crate) const CLIENT: Suite = Suite { place: "clients/js" };

/// The pages that the server serves.
pub(crate) const PAGES: Suite = Suite { place: "browser-tests" };

/// Provides the packages of both, or says what is skipped.
pub(super) fn run(workspace: &Workspace) {
    for suite in [CLIENT, PAGES] {
        if let Err(error) = suite.provide(workspace) {
            say::line(format_args!("    skipped: {}…: {error:#}", suite.place));
        }
    }
}

impl Suite {
    /// The folder.
    pub(crate) fn folder(self, workspace: &Workspace) -> PathBuf {
        workspace.root.join(self.place)
    }

    /// Whether its tests can run, as far as Node goes.
    pub(crate) fn is_there(self, workspace: &Workspace) -> bool {
        node().is_ok() && self.has_packages(workspace).unwrap_or(false)
    }

    fn provide(self, workspace: &Workspace) -> Result<()> {
        node()?;
        if self.has_packages(workspace)? {
            return Ok(());
        }
        // What the lock file says, checked by its hashes; scripts of packages are not run.
        let output = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(self.folder(workspace))
            .stdin(Stdio::null())
            .output()
            .context("there is no npm")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`npm ci` failed: {}", said.lines().next().unwrap_or_default());
        }
        let marker = self.marker(workspace);
        std::fs::write(&marker, self.lock(workspace)?)
            .with_context(|| format!("cannot write {}", marker.display()))
    }

    /// Whether the packages are those of the lock file.
    fn has_packages(self, workspace: &Workspace) -> Result<bool> {
        let wanted = self.lock(workspace)?;
        Ok(std::fs::read_to_string(self.marker(workspace)).is_ok_and(|has| has == wanted))
    }

    fn lock(self, workspace: &Workspace) -> Result<String> {
        let path = self.folder(workspace).join("package-lock.json");
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn marker(self, workspace: &Workspace) -> PathBuf {
        self.folder(workspace).join("node_modules/.reveille-packages")
    }
}

fn node() -> Result<()> {
    let said = answer("node", &["--version"]).context("there is no node")?;
    match major(&said) {
        Some(major) if major >= OLDEST => Ok(()),
        _ => bail!("node says it is {said}; {OLDEST} is the oldest that will do"),
    }
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
