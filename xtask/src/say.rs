//! The one place that prints: results to standard output, trouble to standard error.

#![expect(clippy::print_stdout, reason = "a command-line tool's results belong on standard output")]
#![expect(clippy::print_stderr, reason = "a command-line tool's trouble belongs on standard error")]

use std::fmt::Display;

/// Prints one line.
pub(crate) fn line(text: impl Display) {
    println!("{text}");
}

/// Announces a step; what follows until the next one belongs to it.
pub(crate) fn step(name: impl Display) {
    println!("==> {name}");
}

/// Says what went wrong, and what to do about it.
pub(crate) fn trouble(text: impl Display) {
    eprintln!("xtask: {text}");
}

/// Passes a line of a child process through to standard error, where it came from.
pub(crate) fn echo_error(text: &str) {
    eprintln!("{text}");
}
