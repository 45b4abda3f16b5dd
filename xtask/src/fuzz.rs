//! `cargo xtask fuzz`: feeds the parsers of foreign bytes for longer than the tests do.
//!
//! The entry points are tests in modules called `fuzz`; what they are fed is the crate `fuzz`'s to
//! say. Where the machine allows it their code is built to count what runs ([`coverage`]), and
//! libFuzzer guides; else the same entry points are fed blindly.

pub(crate) mod coverage;

use anyhow::{Result, bail};
use clap::Args;

use crate::run::{Cargo, Stream, answer};
use crate::say;
use crate::workspace::Workspace;

/// How long each entry point is fed if nothing else is said, in seconds.
const SECONDS: u64 = 10;
/// The same among all other tests if fed blindly, which finds most in the first moments.
const SECONDS_AMONG_TESTS: u64 = 2;
/// The same if guided: some three dozen processes, as many at once as there are cores.
const SECONDS_AMONG_TESTS_GUIDED: u64 = 10;
/// The seed among all other tests: what fails there fails again. `cargo xtask fuzz` draws its own.
const SEED_AMONG_TESTS: u64 = 1;
/// The variables that say so to the entry points.
const SECONDS_VARIABLE: &str = "FUZZ_SECONDS";
const SEED_VARIABLE: &str = "FUZZ_SEED";
const CORPUS_VARIABLE: &str = "FUZZ_CORPUS";
/// The entry points, for nextest: what is in a module called `fuzz`, but for our own.
const ALL: &str = "test(/(^|::)fuzz::/) - package(xtask)";
/// All other tests.
const OTHERS: &str = "not (test(/(^|::)fuzz::/) - package(xtask))";

/// What is fed, and how long.
#[derive(Args)]
pub(crate) struct Options {
    /// The entry point, such as apns_p12 [default: all, as many at once as there are cores]
    name: Option<String>,
    /// How long each, in seconds
    #[arg(long, default_value_t = SECONDS, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// The seed of everything random, to run the same again [default: drawn and printed]
    #[arg(long)]
    seed: Option<u64>,
}

/// What chooses the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Chance, as in any run of a crate's tests.
    Blind,
    /// libFuzzer, by what code an input reaches.
    Guided,
}

impl Engine {
    /// Builds what is guided where this machine can, and says which it is.
    pub(crate) fn built(workspace: &Workspace) -> Self {
        match coverage::build(workspace) {
            Ok(()) => {
                say::line("fuzz: guided by coverage");
                Self::Guided
            }
            Err(obstacle) => {
                say::line(format_args!("fuzz: blind, by chance alone, because {obstacle:#}"));
                Self::Blind
            }
        }
    }

    /// The unit and integration tests with cargo-nextest; those that [`Self::feeds`] runs left out.
    pub(crate) fn other_tests(self, workspace: &Workspace) -> Cargo {
        let cargo = Cargo::new(["nextest", "run", "--workspace", "--no-fail-fast"]);
        let cargo = cargo.within(&workspace.root);
        match self {
            Self::Blind => among_tests(cargo),
            Self::Guided => cargo.with_arguments(["-E", OTHERS]),
        }
    }

    /// The entry points among the tests, where they do not run with the others.
    pub(crate) fn feeds(self, workspace: &Workspace) -> Result<Option<Cargo>> {
        match self {
            Self::Blind => Ok(None),
            Self::Guided => {
                let cargo =
                    coverage::tests(workspace)?.with_arguments(["--no-fail-fast", "-E", ALL]);
                let cargo = among_tests(cargo);
                Ok(Some(cargo.with_env(SECONDS_VARIABLE, SECONDS_AMONG_TESTS_GUIDED.to_string())))
            }
        }
    }
}

/// A call of a test runner in which entry points are fed, blindly if nothing else is said.
pub(crate) fn among_tests(cargo: Cargo) -> Cargo {
    cargo
        .with_env(SECONDS_VARIABLE, SECONDS_AMONG_TESTS.to_string())
        .with_env(SEED_VARIABLE, SEED_AMONG_TESTS.to_string())
}

/// Feeds them; fails if something is found, or if there is no such entry point.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let name = options.name.as_deref().unwrap_or_default();
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        bail!("{name:?} is no name of an entry point: give one such as apns_p12, or none for all");
    }
    let cargo = match Engine::built(workspace) {
        Engine::Blind => blind(workspace, name),
        Engine::Guided => {
            let corpus = workspace.target_dir.join("fuzz");
            let cargo =
                coverage::tests(workspace)?.with_arguments(shown(name).each_ref().map(|it| &**it));
            cargo.with_env(CORPUS_VARIABLE, corpus)
        }
    };
    let mut cargo = cargo.with_env(SECONDS_VARIABLE, options.seconds.to_string());
    if let Some(seed) = options.seed {
        cargo = cargo.with_env(SEED_VARIABLE, seed.to_string());
    }
    let mut fed = 0;
    let status = cargo.watch(Stream::Error, |line| fed += u64::from(says_of_a_run(line)))?;
    if !status.success() {
        bail!("something was found, or it does not build; see above");
    }
    if fed == 0 {
        bail!("no entry point is called {name}: `grep -rn 'fuzz::run' crates` lists them all");
    }
    say::line(format_args!("fuzz: {fed} entry points, {} s each, nothing found", options.seconds));
    Ok(())
}

/// What is fed without coverage: in the ordinary build, with the runner that there is.
fn blind(workspace: &Workspace, name: &str) -> Cargo {
    let cargo = if answer("cargo", &["nextest", "--version"]).is_some() {
        Cargo::new(["nextest", "run", "--workspace"])
            .with_arguments(shown(name).each_ref().map(|it| &**it))
    } else {
        let filter = if name.is_empty() { "fuzz::" } else { name };
        let arguments = ["test", "--workspace", "--lib", "--tests", "--no-fail-fast", "--"];
        Cargo::new(arguments).with_arguments(["--nocapture", filter])
    };
    cargo.within(&workspace.root)
}

/// cargo-nextest's arguments for the entry point of that name, or all, with what they say.
fn shown(name: &str) -> [String; 7] {
    let tests = if name.is_empty() {
        ALL.to_owned()
    } else {
        format!("test(/(^|::)fuzz::(tests::)?{name}$/)")
    };
    ["--no-fail-fast", "--success-output", "immediate", "--no-tests", "pass", "-E", &tests]
        .map(str::to_owned)
}

/// Whether a line is the last one of an entry point that was fed, as the crate `fuzz` prints it.
fn says_of_a_run(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("fuzz ") && line.contains(" runs") && line.ends_with(", nothing found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_line_of_a_run_counts() {
        for (line, expected) in [
            ("    fuzz apns_p12: 9729 runs, nothing found", true),
            ("    fuzz apns_p12: 9 runs, guided by coverage, 3 inputs kept, nothing found", true),
            ("    fuzz apns_p12: seed 17", false),
            ("        PASS [   4.0s] reveille-providers apns::fuzz::tests::apns_p12", false),
        ] {
            assert_eq!(says_of_a_run(line), expected, "{line}");
        }
    }
}
