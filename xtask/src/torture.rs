//! `cargo xtask torture`: builds the server and the torture program, and runs the one against the
//! other. What torture does and checks is the program's to say: `crates/sim/src/bin/torture/main.rs`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use clap::Args;

use crate::run::{Cargo, Stream, watch};
use crate::say;
use crate::workspace::{Kind, Workspace};

/// How a line begins in which the program says what it found; the first goes into the failure.
const FINDINGS: [&str; 2] = ["BROKEN", "TROUBLE"];

/// How long a run lasts if nothing else is said, in seconds.
const SECONDS: u64 = 60;

/// What a torture run is.
#[derive(Args)]
pub(crate) struct Options {
    /// How long, in seconds
    #[arg(long, default_value_t = SECONDS, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// The seed of everything random, to run the same again [default: drawn and printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Arguments passed on to the torture program
    #[arg(last = true)]
    more: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seconds: SECONDS, seed: None, more: Vec::new() }
    }
}

/// Runs it; fails if the program finds that a promise was broken.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(draw_seed);
    let again = format!("cargo xtask torture --seconds {} --seed {seed}", options.seconds);
    say::line(format_args!("torture: seed {seed} (the same again: {again})"));
    workspace.require_target("reveille-server", Kind::Bin, "reveille")?;
    workspace.require_target("reveille-sim", Kind::Bin, "torture")?;
    // One call for both, so that they share their dependencies' features.
    Cargo::new(["build", "--package", "reveille-server", "--package", "reveille-sim", "--bins"])
        .within(&workspace.root)
        .run()?;
    let torture = workspace.dev_binary("torture");
    let mut command = Command::new(&torture);
    command
        .arg("--server")
        .arg(workspace.dev_binary("reveille"))
        .args(["--seconds", &options.seconds.to_string(), "--seed", &seed.to_string()])
        .args(&options.more)
        .current_dir(&workspace.root)
        .stdin(Stdio::null());
    let mut found = None;
    let status = watch(command, "torture", Stream::Output, |line| {
        if found.is_none() && FINDINGS.iter().any(|word| line.starts_with(word)) {
            found = Some(line.to_owned());
        }
    })?;
    if !status.success() {
        let found = found.unwrap_or_else(|| status.to_string());
        bail!("torture failed: {found}; the same again: {again}");
    }
    Ok(())
}

/// A number nobody chose: the standard library seeds every hasher from the system.
fn draw_seed() -> u64 {
    // 32 bits are plenty, and a seed is read aloud and typed again.
    RandomState::new().build_hasher().finish() >> 32
}
