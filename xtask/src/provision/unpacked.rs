//! Programs that a few tests run and nothing else does: unpacked from Debian's packages into the
//! target folder. Installed, they would start a web server on the machine.
//!
//! Nobody needs them to work on the project: where one cannot be had, its tests are skipped, which
//! is said with their names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run::answer;
use crate::say;
use crate::workspace::Workspace;

/// A program, and the tests that want it.
struct Program {
    /// Its name, and that of Debian's package.
    name: &'static str,
    /// What makes it say its version.
    probe: &'static str,
    /// Whether its package can be unpacked anywhere; else the system has it or not.
    moves: bool,
    /// The names of the tests begin with this.
    tests: &'static str,
}

/// Every one. The tests look for them in the same places: `crates/server/tests/contrib.rs`.
const PROGRAMS: [Program; 3] = [
    Program { name: "nginx", probe: "-v", moves: true, tests: "contrib::proxies::nginx" },
    Program { name: "caddy", probe: "version", moves: true, tests: "contrib::proxies::caddy" },
    Program {
        name: "systemd-analyze",
        probe: "--version",
        moves: false,
        tests: "contrib::systemd",
    },
];

/// Provides what can be had, and says what is skipped.
pub(crate) fn run(workspace: &Workspace) {
    let folder = workspace.target_dir.join("programs");
    for program in &PROGRAMS {
        if let Err(error) = program.provide(&folder) {
            let Program { name, tests, .. } = program;
            say::line(format_args!("    skipped: {tests}…: there is no {name}: {error:#}"));
        }
    }
}

impl Program {
    fn provide(&self, folder: &Path) -> Result<()> {
        if self.is_there(folder) {
            return Ok(());
        }
        if !self.moves {
            bail!("it is a part of the system, or not");
        }
        if answer("dpkg-deb", &["--version"]).is_none() {
            bail!("packages are unpacked on Debian and Ubuntu only; install it to run them");
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        if self.download(folder).is_err() {
            // The lists of packages are missing, or old. Only root may renew them.
            quiet(Command::new("apt-get").arg("update"))?;
            self.download(folder)?;
        }
        let package = self.package(folder).context("apt-get brought no package")?;
        let unpacked = quiet(Command::new("dpkg-deb").arg("-x").arg(&package).arg(folder));
        fs::remove_file(&package)?;
        unpacked?;
        if !self.is_there(folder) {
            bail!("it does not run here; a library that it needs may be missing");
        }
        Ok(())
    }

    fn is_there(&self, folder: &Path) -> bool {
        [&folder.join("usr"), Path::new("/usr"), Path::new("/usr/local")]
            .iter()
            .flat_map(|place| [place.join("sbin"), place.join("bin")])
            .map(|place| place.join(self.name))
            .filter(|path| path.is_file())
            .any(|path| answer(&path.display().to_string(), &[self.probe]).is_some())
    }

    fn download(&self, folder: &Path) -> Result<()> {
        quiet(Command::new("apt-get").args(["download", self.name]).current_dir(folder))
    }

    /// What was downloaded.
    fn package(&self, folder: &Path) -> Option<PathBuf> {
        let prefix = format!("{}_", self.name);
        let names = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        names.into_iter().find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&prefix) && name.ends_with(".deb")
        })
    }
}

/// Runs it; its words come with a failure only.
fn quiet(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} failed: {}", said.lines().last().unwrap_or_default());
    }
    Ok(())
}
