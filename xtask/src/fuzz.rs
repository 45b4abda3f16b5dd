//! `cargo xtask fuzz`: feeds the parsers of foreign bytes for longer than the tests do.
//!
//! The entry points are tests in modules called `fuzz`; what they are fed is the crate `fuzz`'s to
//! say. The toolchain is the stable one, so no coverage guides it.

use anyhow::{Result, bail};
use clap::Args;

use crate::run::{Cargo, Stream, answer};
use crate::say;
use crate::workspace::Workspace;

/// How long each entry point is fed if nothing else is said, in seconds.
const SECONDS: u64 = 10;
/// The same among all other tests, where they must not be what everybody waits for: two dozen
/// processes of two seconds, as many at once as the machine has cores.
pub(crate) const SECONDS_AMONG_TESTS: u64 = 2;
/// The variable that says so to the entry points.
pub(crate) const SECONDS_VARIABLE: &str = "FUZZ_SECONDS";

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

/// Feeds them; fails if something is found, or if there is no such entry point.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let name = options.name.as_deref().unwrap_or_default();
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        bail!("{name:?} is no name of an entry point: give one such as apns_p12, or none for all");
    }
    let mut cargo = if answer("cargo", &["nextest", "--version"]).is_some() {
        let tests = if name.is_empty() {
            "test(/(^|::)fuzz::/)".to_owned()
        } else {
            format!("test(/(^|::)fuzz::(tests::)?{name}$/)")
        };
        let arguments = ["nextest", "run", "--workspace", "--no-fail-fast"];
        let shown = ["--success-output", "immediate", "--no-tests", "pass"];
        Cargo::new(arguments).with_arguments(shown).with_arguments(["-E", &tests])
    } else {
        let filter = if name.is_empty() { "fuzz::" } else { name };
        let arguments = ["test", "--workspace", "--lib", "--tests", "--no-fail-fast", "--"];
        Cargo::new(arguments).with_arguments(["--nocapture", filter])
    };
    cargo = cargo.within(&workspace.root).with_env(SECONDS_VARIABLE, options.seconds.to_string());
    if let Some(seed) = options.seed {
        cargo = cargo.with_env("FUZZ_SEED", seed.to_string());
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

/// Whether a line is the last one of an entry point that was fed, as the crate `fuzz` prints it.
fn says_of_a_run(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("fuzz ") && line.ends_with(" runs, nothing found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_line_of_a_run_counts() {
        for (line, expected) in [
            ("    fuzz apns_p12: 9729 runs, nothing found", true),
            ("    fuzz apns_p12: seed 17", false),
            ("        PASS [   4.0s] reveille-providers apns::fuzz::tests::apns_p12", false),
        ] {
            assert_eq!(says_of_a_run(line), expected, "{line}");
        }
    }
}
