//! What others wrote: under which licences, from where, twice or not, and whether a hole is known.
//!
//! `cargo deny` looks, by `deny.toml`. It is taken from the path, else built once into the target
//! folder, which takes some minutes and the network. Where neither is to be had this says so and
//! goes on: nobody's work should wait for a registry.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::run::{Cargo, answer};
use crate::say;
use crate::workspace::Workspace;

/// The release that is built where there is none.
const RELEASE: &str = "0.20.2";

/// What is looked at whatever the network.
const CHECKS: [&str; 3] = ["bans", "licenses", "sources"];

/// Looks at the dependencies.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let Some(tool) = tool(workspace) else {
        say::line("    not looked at: cargo-deny is not here and cannot be installed just now");
        return Ok(());
    };
    // It reads every crate of the lock file, those of other systems too.
    if Cargo::new(["fetch", "--locked", "--quiet"]).within(&workspace.root).run().is_err() {
        say::line("    not looked at: the crates of the lock file cannot be fetched just now");
        return Ok(());
    }
    let looked = look(&tool, &workspace.root, &CHECKS)?;
    say::line(format_args!("    crates in two versions: {}", duplicates(&looked)));
    if !database().is_some_and(|database| database.is_dir()) {
        say::line("    known holes not looked at: their list is not on this machine");
        return Ok(());
    }
    look(&tool, &workspace.root, &["advisories"]).map(drop)
}

/// How cargo-deny is called; `None`: it is not to be had.
fn tool(workspace: &Workspace) -> Option<PathBuf> {
    if answer("cargo-deny", &["--version"]).is_some() {
        return Some(PathBuf::from("cargo-deny"));
    }
    let folder = workspace.target_dir.join("tools");
    let built = folder.join("bin/cargo-deny");
    if built.is_file() {
        return Some(built);
    }
    say::line(format_args!("    cargo install cargo-deny {RELEASE}, once, into target/tools"));
    let folder = folder.display().to_string();
    let install = ["install", "cargo-deny", "--version", RELEASE, "--locked", "--quiet"];
    // It is called twice a day: what an optimised build would save it would take to build.
    let build = ["--debug", "--no-default-features", "--root", &folder];
    let installed =
        Cargo::new(install).with_arguments(build).with_env("CARGO_PROFILE_DEV_DEBUG", "0");
    installed.run().ok().map(|()| built)
}

/// Checks these; of what it says the errors are shown.
fn look(tool: &Path, root: &Path, checks: &[&str]) -> Result<String> {
    let called = |level: &str| {
        let mut call = Command::new(tool);
        call.args(["--offline", "--locked", "--log-level", level]);
        call.args(["check", "--hide-inclusion-graph"]).args(checks);
        let called = call.current_dir(root).stdin(Stdio::null()).output();
        called.with_context(|| format!("cannot start {}", tool.display()))
    };
    let Output { status, stderr, .. } = called("warn")?;
    if !status.success() {
        say::echo_error(&String::from_utf8_lossy(&called("error")?.stderr));
        bail!("cargo deny refuses {}; deny.toml says why", checks.join(", "));
    }
    Ok(String::from_utf8_lossy(&stderr).into_owned())
}

/// How many crates it says are there in more than one version.
fn duplicates(said: &str) -> usize {
    said.lines().filter(|line| line.starts_with("warning[duplicate]")).count()
}

/// Where the list of known holes is kept; the same in deny.toml.
fn database() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".cargo/advisory-dbs"))
}
