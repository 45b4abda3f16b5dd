//! `cargo xtask lint`: everything that can be said about the code without running it.

use anyhow::{Result, bail};

use crate::deny;
use crate::run::{Cargo, timed};
use crate::say;
use crate::tidy;
use crate::workspace::Workspace;

/// One lint.
struct Lint {
    name: &'static str,
    check: fn(&Workspace) -> Result<()>,
}

/// Quick ones first: who has a missing link does not want to wait for clippy.
const LINTS: [Lint; 5] = [
    Lint { name: "tidy", check: tidy::run },
    Lint { name: "rustfmt", check: rustfmt },
    Lint { name: "deny", check: deny::run },
    Lint { name: "clippy", check: clippy },
    Lint { name: "rustdoc", check: rustdoc },
];

/// Runs every lint, also after one has failed, and fails if one did.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    run_each(workspace, &LINTS)
}

/// Runs only tidy.
pub(crate) fn run_tidy(workspace: &Workspace) -> Result<()> {
    run_each(workspace, &LINTS[..1])
}

fn run_each(workspace: &Workspace, lints: &[Lint]) -> Result<()> {
    let mut failed = Vec::new();
    for Lint { name, check } in lints {
        if let Err(error) = timed(name, || check(workspace)) {
            say::trouble(format_args!("{name}: {error:#}"));
            failed.push(*name);
        }
    }
    if !failed.is_empty() {
        bail!("lint failed: {}", failed.join(", "));
    }
    Ok(())
}

fn rustfmt(workspace: &Workspace) -> Result<()> {
    Cargo::new(["fmt", "--all", "--", "--check"]).within(&workspace.root).run()
}

fn clippy(workspace: &Workspace) -> Result<()> {
    Cargo::new([
        "clippy",
        "--workspace",
        "--all-targets",
        "--keep-going",
        "--",
        "-Dwarnings",
        // An expectation without its reason is a riddle for whoever comes next.
        "-Dclippy::allow_attributes_without_reason",
    ])
    .within(&workspace.root)
    .run()
}

fn rustdoc(workspace: &Workspace) -> Result<()> {
    Cargo::new(["doc", "--workspace", "--no-deps", "--document-private-items"])
        .within(&workspace.root)
        .with_env("RUSTDOCFLAGS", "-Dwarnings")
        .run()
}
