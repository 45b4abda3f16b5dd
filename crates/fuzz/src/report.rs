//! What is said of a run and of a failure.

use std::panic::{set_hook, take_hook};
use std::path::Path;

use crate::tried;
use crate::watch::Watch;

/// The most calls that making an input smaller may cost.
const MOST_CALLS: usize = 2_000;

/// What stands above everything else of a test, and is shown if it fails in whatever way.
pub(crate) fn begins(name: &str, seed: u64) {
    say(&format!("fuzz {name}: seed {seed}"));
}

/// Where the last input is if the process dies, as of a stack that is too deep.
pub(crate) fn remains(name: &str, path: &Path) {
    say(&format!("fuzz {name}: should the process die, its input is in {}", path.display()));
}

/// How much was tried; shown by `cargo xtask fuzz`.
pub(crate) fn ended(name: &str, runs: u64, more: &str) {
    say(&format!("fuzz {name}: {runs} runs{more}, nothing found"));
}

/// What a failure was, and how to have it again.
pub(crate) fn failed(name: &str, seed: u64, number: u64, input: &[u8]) {
    say(&format!(
        "fuzz {name}: run {number} of seed {seed} failed; made as small as it goes, the input is\n\
         {}\n\
         the same again, with new keys where the examples have any:\n    \
         cargo xtask fuzz {name} --seed {seed}\n\
         put the input into a row of the parser's own tests and correct the parser",
        literal(input)
    ));
}

/// The bytes as Rust writes them.
pub(crate) fn literal(bytes: &[u8]) -> String {
    format!("b\"{}\"", bytes.escape_ascii())
}

/// A part of the input that fails as well, the smallest that is found by leaving parts out.
pub(crate) fn shrink(entry: &dyn Fn(&[u8]), input: Vec<u8>, watch: &Watch) -> Vec<u8> {
    // The same message some hundred times over hides the one that matters; the hook is the whole
    // process's, but one of its tests has failed already.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let mut smallest = input;
    let mut part = smallest.len().div_ceil(2);
    let mut calls = 0;
    while part > 0 {
        let mut at = 0;
        while at < smallest.len() && calls < MOST_CALLS {
            let end = (at + part).min(smallest.len());
            let mut smaller = smallest.clone();
            smaller.drain(at..end);
            calls += 1;
            watch.sees(&smaller);
            if tried(entry, &smaller).is_err() {
                smallest = smaller;
            } else {
                at = end;
            }
        }
        part /= 2;
    }
    set_hook(hook);
    smallest
}

#[expect(clippy::print_stderr, reason = "a test's output, shown when it fails")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let fails = |input: &[u8]| assert!(!input.windows(2).any(|pair| pair == b"\"\\"));
        Watch::over("planted", |watch| {
            let input = b"{\"name\": \"\\u0000\", \"more\": [1, 2, 3]}".to_vec();
            assert_eq!(shrink(&fails, input, watch), b"\"\\");
        });
    }

    #[test]
    fn an_input_can_be_pasted_into_a_test() {
        assert_eq!(literal(b"a\"\\\n\xff"), r#"b"a\"\\\n\xff""#);
    }
}
