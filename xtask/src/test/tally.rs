//! Counts tests, and names those that failed, from what their runners print.

use std::fmt;
use std::ops::AddAssign;

/// How a line of cargo-nextest about a test that failed begins.
const WAYS_TO_FAIL: [&str; 4] = ["FAIL", "TIMEOUT", "SIG", "ABORT"];

/// How many tests passed, failed and were left out, and which ones failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
    /// Names, each once; fewer than `failed` where a runner names none.
    pub(super) failures: Vec<String>,
}

impl Tally {
    /// One thing that counts as one test, and passed.
    pub(super) fn one() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// One thing that counts as one test, and failed: what it is, and why.
    pub(super) fn failure(what: String) -> Self {
        Self { failed: 1, failures: vec![what], ..Self::default() }
    }

    fn named(name: &str) -> Self {
        Self { failures: vec![name.to_owned()], ..Self::default() }
    }

    /// The counts of cargo-nextest's summary, the name of a test that failed; nothing for any other
    /// line.
    ///
    /// `Summary [ 0.1s] 412 tests run: 411 passed (2 slow), 1 failed, 3 skipped`,
    /// `FAIL [   0.5s] ( 1/71) reveille-store outbox::tests::a_row`
    pub(super) fn of_nextest(line: &str) -> Self {
        let line = without_colours(line);
        let line = line.trim_start();
        if WAYS_TO_FAIL.iter().any(|way| line.starts_with(way)) {
            let name = line.split_once("] (").and_then(|(_, rest)| rest.split_once(") "));
            return name.map_or_else(Self::default, |(_, name)| Self::named(name));
        }
        let Some(rest) = line.strip_prefix("Summary [") else {
            return Self::default();
        };
        let Some((_, counts)) = rest.split_once(" run: ") else { return Self::default() };
        let mut tally = Self::default();
        for count in without_brackets(counts).split(',') {
            // Whatever is neither passed nor skipped is a way to fail: failed, timed out, exec
            // failed.
            match number_and_word(count) {
                Some((number, "passed")) => tally.passed += number,
                Some((number, "skipped")) => tally.skipped += number,
                Some((number, _)) => tally.failed += number,
                None => {}
            }
        }
        tally
    }

    /// The counts of a summary of Rust's own test harness, of which `cargo test` prints one per
    /// binary, and the name of a test that failed; nothing for any other line.
    ///
    /// `test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished …`,
    /// `test outbox::tests::a_row ... FAILED`
    pub(super) fn of_cargo(line: &str) -> Self {
        let line = without_colours(line);
        let failed = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"));
        if let Some(name) = failed {
            return Self::named(name);
        }
        let Some(counts) = line.trim_start().strip_prefix("test result: ") else {
            return Self::default();
        };
        let mut tally = Self::default();
        for count in counts.split([';', '.']) {
            match number_and_word(count) {
                Some((number, "passed")) => tally.passed += number,
                Some((number, "failed")) => tally.failed += number,
                Some((number, "ignored" | "filtered")) => tally.skipped += number,
                Some(_) | None => {}
            }
        }
        tally
    }

    /// A count of the summary of Node's test runner, which has one a line, or the name of a test
    /// that failed; nothing for any other line.
    ///
    /// `ℹ pass 104`, `✖ a phone is woken (31069.7ms)`
    pub(super) fn of_node(line: &str) -> Self {
        let line = without_colours(line);
        if let Some(name) = line.trim_start().strip_prefix("✖ ") {
            // The heading of those that failed, which are told once more, has no time.
            let name = name.strip_suffix("ms)").and_then(|rest| rest.rsplit_once(" ("));
            return name.map_or_else(Self::default, |(name, _)| Self::named(name));
        }
        let Some((word, number)) = line.strip_prefix("ℹ ").and_then(|rest| rest.split_once(' '))
        else {
            return Self::default();
        };
        let Ok(number) = number.trim().parse() else { return Self::default() };
        match word {
            "pass" => Self { passed: number, ..Self::default() },
            "fail" | "cancelled" => Self { failed: number, ..Self::default() },
            "skipped" | "todo" => Self { skipped: number, ..Self::default() },
            _ => Self::default(),
        }
    }

    /// The tally, with one more failure if the runner failed without a failed test.
    ///
    /// Such a runner did not run them all: a test did not compile, or a binary died before its
    /// summary. The runner has said so itself.
    pub(super) fn checked_against(mut self, succeeded: bool) -> Self {
        if !succeeded && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        for name in other.failures {
            // A runner tells it at once, and again at its end.
            if !self.failures.contains(&name) {
                self.failures.push(name);
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        match self.skipped {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

/// `"  3 passed "` as its number and the word after it.
fn number_and_word(text: &str) -> Option<(u64, &str)> {
    let mut words = text.split_whitespace();
    let number = words.next()?.parse().ok()?;
    Some((number, words.next()?))
}

fn without_brackets(text: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            other if depth == 0 => out.push(other),
            _ => {}
        }
    }
    out
}

/// The text without terminal colours: ESC, `[`, digits and `;`, up to a letter.
fn without_colours(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
        Tally { passed, failed, skipped, failures: Vec::new() }
    }

    #[test]
    fn nextest_summaries_are_counted() {
        for (line, expected) in [
            ("     Summary [   0.005s] 5 tests run: 5 passed, 0 skipped", tally(5, 0, 0)),
            ("     Summary [   0.005s] 1 test run: 1 passed, 0 skipped", tally(1, 0, 0)),
            (
                "Summary [ 90.1s] 9/12 tests run: 5 passed (2 slow, 1 flaky), 1 failed, \
                 2 timed out, 1 exec failed, 3 skipped",
                tally(5, 4, 3),
            ),
            (
                "\u{1b}[31;1m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m2\u{1b}[0m tests run: \
                 \u{1b}[1m1\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, 1 failed, 0 skipped",
                tally(1, 1, 0),
            ),
            ("        PASS [   0.004s] (1/5) store tests::a_summary", tally(0, 0, 0)),
        ] {
            assert_eq!(Tally::of_nextest(line), expected, "{line}");
        }
    }

    #[test]
    fn cargo_summaries_are_counted() {
        for (line, expected) in [
            (
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; \
                 finished in 0.00s",
                tally(3, 0, 3),
            ),
            (
                "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; \
                 finished in 1.25s",
                tally(1, 2, 0),
            ),
            ("test tests::a ... ok", tally(0, 0, 0)),
        ] {
            assert_eq!(Tally::of_cargo(line), expected, "{line}");
        }
    }

    #[test]
    fn summaries_of_node_are_counted() {
        for (line, expected) in [
            ("ℹ pass 104", tally(104, 0, 0)),
            ("ℹ fail 2", tally(0, 2, 0)),
            ("ℹ cancelled 1", tally(0, 1, 0)),
            ("ℹ skipped 3", tally(0, 0, 3)),
            ("\u{1b}[34mℹ pass 7\u{1b}[39m", tally(7, 0, 0)),
            ("ℹ tests 106", tally(0, 0, 0)),
            ("ℹ duration_ms 40686.295055", tally(0, 0, 0)),
            ("✔ a ping is answered with what it carries, and shown (2.1ms)", tally(0, 0, 0)),
        ] {
            assert_eq!(Tally::of_node(line), expected, "{line}");
        }
    }

    #[test]
    fn what_failed_is_named_once() {
        let mut all = Tally::default();
        for line in [
            "        FAIL [   0.527s] ( 1/71) reveille-domain spread::tests::a_bound",
            "\u{1b}[31;1m     TIMEOUT\u{1b}[0m [  60.0s] (10/71) \u{1b}[35mreveille-store\u{1b}[0m wakes",
            "     SIGABRT [   0.1s] (─────) reveille-sim dies",
            "        PASS [   0.527s] ( 1/71) reveille-domain spread::tests::another",
            "        FAIL [   0.527s] ( 1/71) reveille-domain spread::tests::a_bound",
        ] {
            all += Tally::of_nextest(line);
        }
        for line in ["test outbox::a_row ... FAILED", "test outbox::another ... ok"] {
            all += Tally::of_cargo(line);
        }
        for line in [
            "✖ a phone (an old one) is woken (31069.733118ms)",
            "✔ a phone sleeps (1.5ms)",
            "✖ failing tests:",
            "\u{1b}[31m✖ a phone (an old one) is woken \u{1b}[90m(31069.733118ms)\u{1b}[39m\u{1b}[39m",
        ] {
            all += Tally::of_node(line);
        }
        let expected = [
            "reveille-domain spread::tests::a_bound",
            "reveille-store wakes",
            "reveille-sim dies",
            "outbox::a_row",
            "a phone (an old one) is woken",
        ];
        assert_eq!(all.failures, expected);
        assert_eq!(all.failed, 0, "the summaries count, not the names");
    }

    #[test]
    fn the_closing_line_is_plain() {
        assert_eq!(tally(412, 0, 0).to_string(), "412 passed, 0 failed");
        assert_eq!(tally(1, 2, 3).to_string(), "1 passed, 2 failed, 3 skipped");
    }

    #[test]
    fn a_runner_that_dies_is_no_success() {
        assert_eq!(tally(3, 0, 0).checked_against(true), tally(3, 0, 0));
        assert_eq!(tally(3, 2, 0).checked_against(false), tally(3, 2, 0));
        assert_eq!(tally(3, 0, 0).checked_against(false), tally(3, 1, 0));
    }
}
