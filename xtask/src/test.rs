//! `cargo xtask test`: one run that says whether the project works.
//!
//! ```text
//! provision ──▶ tests ──▶ doc tests ──▶ fuzz ──▶ sdk ──▶ browser ──▶ torture ──▶ demo ──▶ one closing line
//! ```
//!
//! The parsers of foreign bytes are fed guided by coverage where the machine can, as a part of their
//! own; else blindly, among the tests. Torture and demo count as one test each. All of it uses the
//! dev profile and one target folder: a second build with optimizations would cost more time than it
//! saves here.

mod browser;
mod node;
mod sdk;
mod tally;

use std::path::PathBuf;
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

/// Runs everything, says once more what failed, prints the closing line `reveille: N passed, N
/// failed`, and fails if anything failed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    timed("provision", || provision::run(workspace))?;
    let mut tally = Tally::default();
    // A part that could not even run (a test that does not compile) is a failure of its own; the
    // other parts still run, and the closing line still comes.
    let mut part = |name: &str, run: &dyn Fn(&Workspace) -> Result<Tally>| {
        let (result, took) = clocked(name, || run(workspace));
        let mut part = result.unwrap_or_else(|error| {
            say::trouble(format_args!("{name}: {error:#}"));
            Tally::failure(format!("{error:#}"))
        });
        say::line(format_args!("    {name}: {part} ({took})"));
        for failure in &mut part.failures {
            *failure = format!("{name}: {failure}");
        }
        tally += part;
    };
    let engine = fuzz::Engine::built(workspace);
    part("tests", &|workspace| tests(workspace, engine));
    part("doc tests", &doc_tests);
    part("fuzz", &|workspace| fuzzed(workspace, engine));
    part("sdk", &sdk::run);
    part("browser", &browser::run);
    if !options.quick {
        part("torture", &|workspace| passes(torture::run(workspace, &torture::Options::default())));
        part("demo", &|workspace| passes(demo(workspace)));
    }
    for failure in &tally.failures {
        say::line(format_args!("FAILED {failure}"));
    }
    say::line(format_args!("reveille: {tally}"));
    if tally.failed > 0 {
        bail!("the test run failed, see above");
    }
    Ok(())
}

/// Unit and integration tests, by cargo-nextest where it is installed: it is quicker, and one
/// test's crash ends only that test. The parsers of foreign bytes are fed among them if not apart.
fn tests(workspace: &Workspace, engine: fuzz::Engine) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = if answer("cargo", &["nextest", "--version"]).is_some() {
        let cargo = engine.other_tests(workspace);
        cargo.watch(Stream::Error, |line| tally += Tally::of_nextest(line))?
    } else {
        // Not `--all-targets`: that would run the benches.
        let cargo = Cargo::new(["test", "--workspace", "--tests", "--no-fail-fast"]);
        fuzz::among_tests(cargo.within(&workspace.root))
            .watch(Stream::Output, |line| tally += Tally::of_cargo(line))?
    };
    let tally = tally.checked_against(status.success());
    if tally == Tally::default() {
        bail!("the test runner ran no test: that is no success");
    }
    Ok(tally)
}

/// The parsers of foreign bytes, guided by coverage; nothing if they were fed among the tests.
fn fuzzed(workspace: &Workspace, engine: fuzz::Engine) -> Result<Tally> {
    let mut tally = Tally::default();
    let Some(cargo) = engine.feeds(workspace)? else { return Ok(tally) };
    let status = cargo.watch(Stream::Error, |line| tally += Tally::of_nextest(line))?;
    // What this runner left out has run among the tests.
    tally.skipped = 0;
    let tally = tally.checked_against(status.success());
    if tally == Tally::default() {
        bail!("no parser was fed: that is no success");
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
    let reveille = server(workspace)?;
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

/// The server, built as the tests are.
fn server(workspace: &Workspace) -> Result<PathBuf> {
    workspace.require_target("reveille-server", Kind::Bin, "reveille")?;
    Cargo::new(["build", "--package", "reveille-server", "--bin", "reveille"])
        .within(&workspace.root)
        .run()?;
    Ok(workspace.dev_binary("reveille"))
}

/// One thing that passed; its failure is the caller's to count.
fn passes(result: Result<()>) -> Result<Tally> {
    result.map(|()| Tally::one())
}
