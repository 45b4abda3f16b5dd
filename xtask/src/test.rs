//! `cargo xtask test`: one run that says whether the project works.
//!
//! ```text
//! provision ──▶ tests ──▶ doc tests ──▶ torture ──▶ demo ──▶ one closing line
//! ```
//!
//! Torture and demo count as one test each. All of it uses the dev profile and one target folder:
//! a second build with optimizations would cost more time than it saves here.

mod tally;

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use self::tally::Tally;
use crate::run::{Cargo, Stream, answer, clocked, timed};
use crate::workspace::{Kind, Workspace};
use crate::{fuzz, provision, say, torture};

/// What a test run includes.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Leave out torture and demo
    #[arg(long)]
    quick: bool,
}

/// Runs everything, prints the closing line `reveille: N passed, N failed`, and fails if anything
/// failed or nothing ran.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    timed("provision", provision::run)?;
    let mut tally = Tally::default();
    // A part that could not even run (a test that does not compile) is a failure of its own; the
    // other parts still run, and the closing line still comes.
    let mut part = |name: &str, run: &dyn Fn(&Workspace) -> Result<Tally>| {
        let (result, took) = clocked(name, || run(workspace));
        let part = result.unwrap_or_else(|error| {
            say::trouble(format_args!("{name}: {error:#}"));
            Tally::one(Verdict::Failed)
        });
        say::line(format_args!("    {name}: {part} ({took})"));
        tally += part;
    };
    part("tests", &tests);
    part("doc tests", &doc_tests);
    if !options.quick {
        part("torture", &|workspace| passes(torture::run(workspace, &torture::Options::default())));
        part("demo", &|workspace| passes(demo(workspace)));
    }
    say::line(format_args!("reveille: {tally}"));
    if tally.failed > 0 {
        bail!("the test run failed, see above");
    }
    Ok(())
}

/// How one thing that counts as one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Failed,
    Passed,
}

/// Unit and integration tests, by cargo-nextest where it is installed: it is quicker, and one
/// test's crash ends only that test. The parsers of foreign bytes are fed for longer than when a
/// crate's tests are run alone.
fn tests(workspace: &Workspace) -> Result<Tally> {
    let mut tally = Tally::default();
    let fuzz_seconds = fuzz::SECONDS_AMONG_TESTS.to_string();
    let status = if answer("cargo", &["nextest", "--version"]).is_some() {
        Cargo::new(["nextest", "run", "--workspace", "--no-fail-fast"])
            .within(&workspace.root)
            .with_env(fuzz::SECONDS_VARIABLE, fuzz_seconds)
            .watch(Stream::Error, |line| tally += Tally::of_nextest(line))?
    } else {
        // Not `--all-targets`: that would run the benches.
        Cargo::new(["test", "--workspace", "--tests", "--no-fail-fast"])
            .within(&workspace.root)
            .with_env(fuzz::SECONDS_VARIABLE, fuzz_seconds)
            .watch(Stream::Output, |line| tally += Tally::of_cargo(line))?
    };
    let tally = tally.checked_against(status.success());
    if tally == Tally::default() {
        bail!("the test runner ran no test: that is no success");
    }
    Ok(tally)
}

/// The examples in the documentation. There may be none: each is shown where it helps.
fn doc_tests(workspace: &Workspace) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = Cargo::new(["test", "--workspace", "--doc", "--no-fail-fast"])
        .within(&workspace.root)
        .watch(Stream::Output, |line| tally += Tally::of_cargo(line))?;
    Ok(tally.checked_against(status.success()))
}

/// Runs the scenes of the demo without a terminal; they pass only if every one held.
fn demo(workspace: &Workspace) -> Result<()> {
    workspace.require_target("reveille-server", Kind::Bin, "reveille")?;
    Cargo::new(["build", "--package", "reveille-server", "--bin", "reveille"])
        .within(&workspace.root)
        .run()?;
    let reveille = workspace.dev_binary("reveille");
    let status = Command::new(&reveille)
        .args(["demo", "--headless"])
        .current_dir(&workspace.root)
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", reveille.display()))?;
    if !status.success() {
        bail!("`reveille demo --headless` failed ({status})");
    }
    Ok(())
}

/// One thing that passed; its failure is the caller's to count.
fn passes(result: Result<()>) -> Result<Tally> {
    result.map(|()| Tally::one(Verdict::Passed))
}
