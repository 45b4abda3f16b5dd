//! `cargo xtask`: everything that CI does, runnable at home.
//!
//! What it does: checks the shape of the project ([`lint`], [`tidy`]), runs its tests
//! ([`mod@test`], [`fuzz`], [`torture`], [`soak`]), measures it ([`mod@bench`]) and studies its
//! defaults ([`fleet`]). What it does **not** do: nothing
//! of the product is here, it imports no crate of ours, and no crate imports it.
//!
//! ```text
//! ci ──▶ lint ──▶ rustfmt, clippy, rustdoc, cargo deny, tidy (edges, absence, size, markdown, …)
//!   └──▶ test ──▶ provision ──▶ tests, doc tests ──▶ fuzz, sdk, browser ──▶ torture ──▶ demo ──▶ "N passed, N failed"
//!        soak ──▶ a row a minute, and whether anything grows
//!        bench ─▶ one table, with the machine's description
//!        fleet ─▶ tables and a chart
//! ```
//!
//! Read first: [`tidy::edges::table`] (who may import what), [`tidy::absence::RULES`] (what must
//! not be where), [`test::run`] (what a test run is).

mod bench;
mod deny;
mod document;
mod fleet;
mod fuzz;
mod lint;
mod provision;
mod run;
mod say;
mod soak;
mod test;
mod tidy;
mod torture;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The project's own tool: lint, test, torture, soak, bench, fleet.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lint, then test: exactly what CI runs
    Ci,
    /// Check formatting, lints, documentation and the shape of the project
    Lint,
    /// Check the shape of the project only: edges, absences, sizes, links (a second)
    Tidy,
    /// Run every test, then a minute of torture and the demo
    Test(test::Options),
    /// Feed the parsers of foreign bytes what nobody thought of
    Fuzz(fuzz::Options),
    /// Kill the server again and again under load, and check that nothing was lost
    Torture(torture::Options),
    /// Run the server under constant load for an hour, and see whether memory or files grow
    Soak(soak::Options),
    /// Measure the budgets and print one table
    Bench(bench::Options),
    /// Let many virtual devices live a day under each rule of pushing
    Fleet(fleet::Options),
}

fn main() -> ExitCode {
    if let Some(code) = fuzz::coverage::as_wrapper() {
        return code;
    }
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::trouble(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<()> {
    let workspace = Workspace::load()?;
    match command {
        Command::Ci => {
            lint::run(&workspace)?;
            test::run(&workspace, &test::Options::default())
        }
        Command::Lint => lint::run(&workspace),
        Command::Tidy => lint::run_tidy(&workspace),
        Command::Test(options) => test::run(&workspace, &options),
        Command::Fuzz(options) => fuzz::run(&workspace, &options),
        Command::Torture(options) => torture::run(&workspace, &options),
        Command::Soak(options) => soak::run(&workspace, &options),
        Command::Bench(options) => bench::run(&workspace, &options),
        Command::Fleet(options) => fleet::run(&workspace, &options),
    }
}
