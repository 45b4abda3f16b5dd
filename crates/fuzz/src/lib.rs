//! Feeds the parsers of foreign bytes what nobody thought of; in tests only.
//!
//! What it does: makes inputs out of examples, hands them to an entry point for a time, and says of a
//! failure what the input was and how to have it again. What it does **not** do: know what an entry
//! point parses.
//!
//! ```text
//!               blind: examples, changed by chance ──┐
//!   examples ──┤                                     ├─▶ entry point ── panics ──▶ report
//!               guided: what reached something new ──┘        └── does not end ──▶ watch
//! ```
//!
//! There are two engines for the same entry points. In an ordinary build, as in any run of a crate's
//! tests, inputs are blind. In a build that counts which code runs, `--cfg fuzzing`, LLVM's libFuzzer
//! chooses them and changes them as the other engine would, or as it would itself. `cargo xtask fuzz`
//! and `cargo xtask test` make that build with the stable toolchain, where there is a C++ compiler.
//!
//! An entry point is a plain `fn(&[u8])` that asserts what must hold of whatever comes in. They stand
//! beside what they feed, in modules called `fuzz`, and each has a test that calls [`run`].
//!
//! Read first: [`run`].

#[cfg(not(fuzzing))]
mod blind;
mod budget;
#[cfg(fuzzing)]
mod guided;
mod mutate;
mod report;
mod rng;
mod watch;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

#[cfg(not(fuzzing))]
use blind::feed;
use budget::Budget;
#[cfg(fuzzing)]
use guided::feed;
use watch::Watch;

/// Hands an entry point each example, then what is made of the examples, until its time is over.
///
/// The name is the one that `cargo xtask fuzz` takes. Examples are what the entry point knows what
/// to do with: the better they are, the deeper their offspring gets.
///
/// # Panics
///
/// If the entry point does. The input, made as small as it goes, is printed before, as a literal
/// for a row in the parser's own tests. A call that does not end aborts the process.
pub fn run(name: &str, entry: impl Fn(&[u8]), examples: Vec<Vec<u8>>) {
    run_within(&Budget::of_environment(), name, &entry, examples);
}

/// The same with a budget of the caller's.
fn run_within(budget: &Budget, name: &str, entry: &dyn Fn(&[u8]), examples: Vec<Vec<u8>>) {
    report::begins(name, budget.seed);
    Watch::over(name, |watch| {
        let started = Instant::now();
        let mut number = 0;
        let mut failure = None;
        let more = feed(name, budget, examples, &mut |input| {
            if !budget.has_left(started, number) {
                return ControlFlow::Break(());
            }
            watch.sees(input);
            if let Err(panic) = tried(entry, input) {
                failure = Some((input.to_vec(), panic));
                return ControlFlow::Break(());
            }
            number += 1;
            ControlFlow::Continue(())
        });
        match failure {
            Some((input, panic)) => {
                let smallest = report::shrink(entry, input, watch);
                report::failed(name, budget.seed, number, &smallest);
                resume_unwind(panic);
            }
            None => report::ended(name, number, &more),
        }
    });
}

/// Calls an entry point. What it may have left half done is its own: a failure ends the run.
fn tried(entry: &dyn Fn(&[u8]), input: &[u8]) -> std::thread::Result<()> {
    catch_unwind(AssertUnwindSafe(|| entry(input)))
}

// libFuzzer runs once in a process, these do so several times.
#[cfg(all(test, not(fuzzing)))]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Enough for what is to be found below, whatever the machine.
    const BUDGET: Budget = Budget { time: Duration::ZERO, least: 20_000, seed: 7 };

    /// A parser with the usual mistake: it believes a length.
    fn believes_a_length(bytes: &[u8]) {
        if let [b'L', length, rest @ ..] = bytes {
            let _ = &rest[..usize::from(*length)];
        }
    }

    /// One that does not expect a number to be large.
    fn multiplies(bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        if let Some(number) = text.strip_prefix("{\"ttl\":").and_then(|t| t.strip_suffix('}')) {
            let number: u32 = number.parse().unwrap_or_default();
            assert!(number.checked_mul(1_000).is_some());
        }
    }

    /// One that takes a byte's place for a character's.
    fn cuts_a_text(bytes: &[u8]) {
        if let Ok(text) = std::str::from_utf8(bytes) {
            let _ = &text[..text.len().min(3)];
        }
    }

    /// One that calls itself for every bracket.
    fn counts_brackets(bytes: &[u8]) {
        let depth = bytes.iter().take_while(|byte| **byte == b'[').count();
        assert!(depth < 200);
    }

    fn fails(entry: fn(&[u8]), example: &str) -> bool {
        let examples = vec![example.as_bytes().to_vec()];
        catch_unwind(|| run_within(&BUDGET, "planted", &entry, examples)).is_err()
    }

    #[test]
    fn the_usual_mistakes_are_found() {
        for (mistake, entry, example) in [
            ("a length", believes_a_length as fn(&[u8]), "L\u{3}abc"),
            ("a number", multiplies, "{\"ttl\":60}"),
            ("a character", cuts_a_text, "abc"),
            ("a nesting", counts_brackets, "[1]"),
        ] {
            assert!(fails(entry, example), "{mistake}");
        }
        assert!(!fails(|_| {}, "abc"));
    }

    #[test]
    fn an_example_that_fails_is_found_at_once() {
        let budget = Budget { least: 1, ..BUDGET };
        let run = || {
            run_within(
                &budget,
                "planted",
                &|input: &[u8]| assert_ne!(input, b"no"),
                vec![b"no".into()],
            )
        };
        assert!(catch_unwind(run).is_err());
    }
}
