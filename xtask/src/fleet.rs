//! `cargo xtask fleet`: runs the fleet study and shows its tables. What it studies is the program's
//! to say: `crates/server/benches/fleet/`.

use std::fs;

use anyhow::{Context, Result};
use clap::Args;

use crate::document;
use crate::run::{Cargo, timed};
use crate::say;
use crate::workspace::{Kind, Workspace};

/// The document that holds the tables, and the chart beside it.
const DOCUMENT: &str = "docs/wake-study.md";
const CHART: &str = "docs/wake-study.svg";

/// What a study is.
#[derive(Args)]
pub(crate) struct Options {
    /// How many virtual devices
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    devices: u64,
    /// How many hours of their life, from eight in the morning on
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=240))]
    hours: u64,
    /// The seed of everything that is drawn: the same seed gives the same tables
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Put tables and chart into docs/wake-study.md and docs/wake-study.svg
    #[arg(long)]
    write: bool,
}

/// Runs it and prints the tables. Nothing can fail by what it finds.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    workspace.require_target("reveille-server", Kind::Bench, "fleet")?;
    let out = workspace.target_dir.join("fleet");
    let Options { devices, hours, seed, write } = options;
    timed("fleet", || {
        Cargo::new(["bench", "--package", "reveille-server", "--bench", "fleet", "--"])
            .with_arguments(["--devices", &devices.to_string(), "--hours", &hours.to_string()])
            .with_arguments(["--seed", &seed.to_string(), "--out", &out.to_string_lossy()])
            .within(&workspace.root)
            .run()
    })?;
    let made = |name: &str| {
        let path = out.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let tables = made("tables.md")?;
    say::line(format_args!("\n{tables}"));
    if !write {
        return Ok(());
    }
    let path = workspace.root.join(DOCUMENT);
    let old = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let new =
        document::replace(&old, "fleet", &tables).with_context(|| format!("in {DOCUMENT}"))?;
    fs::write(&path, new).with_context(|| format!("cannot write {DOCUMENT}"))?;
    fs::write(workspace.root.join(CHART), made("chart.svg")?)
        .with_context(|| format!("cannot write {CHART}"))?;
    say::line(format_args!("{DOCUMENT} and {CHART} hold it now"));
    Ok(())
}
