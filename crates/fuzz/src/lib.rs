//! Feeds the parsers of foreign bytes what nobody thought of; in tests only.
//!
//! What it does: makes inputs out of examples and out of nothing, hands them to an entry point for
//! a time, and says of a failure what the input was and how to have it again. What it does **not**
//! do: watch which code an input reaches (that needs a nightly toolchain); know what an entry point
//! parses.
//!
//! ```text
//!   examples ─┐
//!             ├─[mutate: seed, number of the run]──▶ input ──▶ entry point ── panics ──▶ report
//!   nothing ──┘                                        └── does not end ──▶ watch ──▶ report
//! ```
//!
//! An entry point is a plain `fn(&[u8])` that asserts what must hold of whatever comes in, so that
//! any other fuzzer can call it too. They stand beside what they feed, in modules called `fuzz`, and
//! each has a test that calls [`run`]. `cargo xtask fuzz` runs them for longer.
//!
//! Read first: [`run`].

mod budget;
mod mutate;
mod report;
mod rng;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use budget::Budget;
use mutate::Source;
use watch::Watch;

/// Hands an entry point each example, then what is made of the examples, and now and then bytes
/// that come from nowhere, until its time is over.
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
    let source = Source::new(examples);
    report::begins(name, budget.seed);
    Watch::over(name, |watch| {
        let started = Instant::now();
        let mut number = 0;
        while budget.has_left(started, number) {
            let input = source.input(budget.seed, number);
            watch.sees(&input);
            if let Err(panic) = tried(entry, &input) {
                let smallest = report::shrink(entry, input, watch);
                report::failed(name, budget.seed, number, &smallest);
                resume_unwind(panic);
            }
            number += 1;
        }
        report::ended(name, number);
    });
}

/// Calls an entry point. What it may have left half done is its own: a failure ends the run.
fn tried(entry: &dyn Fn(&[u8]), input: &[u8]) -> std::thread::Result<()> {
    catch_unwind(AssertUnwindSafe(|| entry(input)))
}

#[cfg(test)]
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
