//! `cargo xtask bench`: runs the benches and gathers what they say into one table.
//!
//! A bench is a program of the server crate without a harness. It talks to people on standard
//! error, and prints one line of JSON per row of the table on standard output; see [`table::Row`].

mod machine;
mod table;

use std::fs;

use anyhow::{Context, Result, bail};
use clap::Args;

use self::table::Row;
use crate::document;
use crate::run::{Cargo, Stream, timed};
use crate::say;
use crate::workspace::{Kind, Workspace};

/// The benches, in the order of the table.
const BENCHES: [&str; 7] =
    ["accept", "providers", "broadcast", "wire_latency", "isolation", "sessions", "claims"];

/// The document that holds the table.
const DOCUMENT: &str = "docs/performance.md";

/// What a bench run measures.
#[derive(Args)]
pub(crate) struct Options {
    /// The benches to run; `providers` is followed by `broadcast`, which pushes through the same
    /// clients [default: all]
    #[arg(value_name = "NAME", value_parser = BENCHES)]
    names: Vec<String>,
    /// Put the table into docs/performance.md
    #[arg(long, conflicts_with = "names")]
    write: bool,
}

/// Runs the benches and prints the table. A missed budget is said, it is no failure: the machine
/// may be busy, and a number that breaks the build is a number that gets raised.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let names: Vec<&str> = match options.names.as_slice() {
        [] => BENCHES.to_vec(),
        names => BENCHES.into_iter().filter(|name| is_meant(name, names)).collect(),
    };
    let mut rows = Vec::new();
    for name in names {
        rows.extend(timed(name, || bench(workspace, name))?);
    }
    let text = format!("{}\n\n{}", machine::describe(&workspace.root), table::render(&rows));
    say::line(format_args!("\n{text}"));
    match rows.iter().filter(|row| row.met == Some(false)).count() {
        0 => {}
        missed => say::line(format_args!("{missed} of the budgets missed, see the table")),
    }
    if options.write {
        write(workspace, &text)?;
    }
    Ok(())
}

fn is_meant(bench: &str, names: &[String]) -> bool {
    names.iter().any(|name| name == bench || (name == "providers" && bench == "broadcast"))
}

/// The program that measures it. `isolation` is measured on the stage of `wire_latency`.
fn program(bench: &str) -> &str {
    if bench == "isolation" { "wire_latency" } else { bench }
}

fn bench(workspace: &Workspace, name: &str) -> Result<Vec<Row>> {
    let program = program(name);
    workspace.require_target("reveille-server", Kind::Bench, program)?;
    let mut rows: Vec<Result<Row>> = Vec::new();
    let mut cargo = Cargo::new(["bench", "--package", "reveille-server", "--bench", program]);
    if program != name {
        cargo = cargo.with_arguments(["--", name]);
    }
    let status = cargo.within(&workspace.root).watch(Stream::Output, |line| {
        if line.starts_with('{') {
            rows.push(Row::parse(line));
        }
    })?;
    if !status.success() {
        bail!("the bench {name} failed ({status})");
    }
    if rows.is_empty() {
        bail!("the bench {name} printed no row: it prints one line of JSON per row");
    }
    rows.into_iter().collect::<Result<_>>().with_context(|| format!("the bench {name}"))
}

fn write(workspace: &Workspace, text: &str) -> Result<()> {
    let path = workspace.root.join(DOCUMENT);
    let old = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let new = document::replace(&old, "bench", text).with_context(|| format!("in {DOCUMENT}"))?;
    fs::write(&path, new).with_context(|| format!("cannot write {DOCUMENT}"))?;
    say::line(format_args!("{DOCUMENT} holds the table now"));
    Ok(())
}
