//! `cargo xtask soak`: builds the server and the soak program with optimizations, and runs the one
//! against the other. What a soak does and judges is the program's to say:
//! `crates/sim/src/bin/soak/main.rs`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::run::Cargo;
use crate::workspace::{Kind, Workspace};

/// What a soak is.
#[derive(Args)]
pub(crate) struct Options {
    /// How long, in minutes; below 20 there is no verdict
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1440))]
    minutes: u32,
    /// The seed of everything random [default: drawn and printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Where the samples go [default: target/soak.csv]
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Arguments passed on to the soak program
    #[arg(last = true)]
    more: Vec<String>,
}

/// Runs it; fails if memory or files grow beyond their bounds.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    workspace.require_target("reveille-server", Kind::Bin, "reveille")?;
    workspace.require_target("reveille-sim", Kind::Bin, "soak")?;
    Cargo::new(["build", "--release", "--package", "reveille-server", "--package", "reveille-sim"])
        .with_arguments(["--bin", "reveille", "--bin", "soak"])
        .within(&workspace.root)
        .run()?;
    let soak = workspace.release_binary("soak");
    let mut command = Command::new(&soak);
    command.arg("--server").arg(workspace.release_binary("reveille"));
    command.args(["--minutes", &options.minutes.to_string()]);
    if let Some(seed) = options.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    if let Some(csv) = &options.csv {
        command.arg("--csv").arg(csv);
    }
    let status = command
        .args(&options.more)
        .current_dir(&workspace.root)
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", soak.display()))?;
    if !status.success() {
        bail!("the soak failed ({status})");
    }
    Ok(())
}
