//! Running other programs: cargo above all.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::say;

/// A call of cargo.
///
/// Always by its plain name: rustup's proxy then picks the toolchain that the project pins.
pub(crate) struct Cargo {
    command: Command,
    shown: String,
}

impl Cargo {
    /// A call with these arguments, in the current folder.
    pub(crate) fn new<const N: usize>(arguments: [&str; N]) -> Self {
        let mut command = Command::new("cargo");
        command.args(arguments).stdin(Stdio::null());
        Self { command, shown: format!("cargo {}", arguments.join(" ")) }
    }

    /// The same call with more arguments.
    pub(crate) fn with_arguments<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.command.args(arguments);
        self.shown = format!("{} {}", self.shown, arguments.join(" "));
        self
    }

    /// The same call, started in that folder.
    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// The same call with an environment variable set.
    pub(crate) fn with_env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it with its output passed through; fails when it fails.
    pub(crate) fn run(mut self) -> Result<()> {
        let status = self.command.status().with_context(|| cannot_start(&self.shown))?;
        if !status.success() {
            bail!("`{}` failed ({status})", self.shown);
        }
        Ok(())
    }

    /// Runs it and returns what it printed on standard output; fails when it fails.
    pub(crate) fn read(mut self) -> Result<String> {
        self.command.stderr(Stdio::inherit());
        let output = self.command.output().with_context(|| cannot_start(&self.shown))?;
        if !output.status.success() {
            bail!("`{}` failed ({})", self.shown, output.status);
        }
        String::from_utf8(output.stdout)
            .with_context(|| format!("`{}` printed bytes that are not UTF-8", self.shown))
    }

    /// As [`watch`].
    pub(crate) fn watch(self, stream: Stream, each: impl FnMut(&str)) -> Result<ExitStatus> {
        watch(self.command, &self.shown, stream, each)
    }
}

/// Runs a program, shows each line of one stream as it comes and hands it to `each`.
///
/// The other stream is passed through. A failure is a value here: a test run that failed still
/// has its numbers.
pub(crate) fn watch(
    mut command: Command,
    shown: &str,
    stream: Stream,
    mut each: impl FnMut(&str),
) -> Result<ExitStatus> {
    match stream {
        Stream::Error => command.stderr(Stdio::piped()),
        Stream::Output => command.stdout(Stdio::piped()),
    };
    let mut child = command.spawn().with_context(|| cannot_start(shown))?;
    if let Some(error) = child.stderr.take() {
        each_line(error, |line| {
            say::echo_error(line);
            each(line);
        })?;
    }
    if let Some(output) = child.stdout.take() {
        each_line(output, |line| {
            say::line(line);
            each(line);
        })?;
    }
    child.wait().with_context(|| format!("`{shown}` did not end properly"))
}

/// Which stream of a child is read line by line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    /// Standard error: cargo-nextest reports there.
    Error,
    /// Standard output: `cargo test` and the benches report there.
    Output,
}

/// What a program says on standard output, trimmed; `None` when it is missing or fails.
pub(crate) fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs one step, prints whether it worked and how long it took.
pub(crate) fn timed<T>(name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
    let (result, took) = clocked(name, step);
    let verdict = if result.is_ok() { "ok" } else { "FAILED" };
    say::line(format_args!("    {name}: {verdict} ({took})"));
    result
}

/// Runs one step and says how long it took, in seconds and tenths.
pub(crate) fn clocked<T>(name: &str, step: impl FnOnce() -> T) -> (T, String) {
    say::step(name);
    let started = Instant::now();
    let result = step();
    (result, format!("{:.1} s", started.elapsed().as_secs_f64()))
}

fn each_line(stream: impl std::io::Read, mut each: impl FnMut(&str)) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        // By bytes, not by `lines()`: a test may print what is not UTF-8, and that is no reason
        // to stop reading.
        if reader.read_until(b'\n', &mut bytes).context("cannot read a child's output")? == 0 {
            return Ok(());
        }
        each(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']));
    }
}

fn cannot_start(shown: &str) -> String {
    format!("cannot start `{shown}`: is it installed and in PATH?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_foreign_bytes_and_a_missing_end() {
        let mut seen = Vec::new();
        each_line(&b"one\r\n\xfftwo\nthree"[..], |line| seen.push(line.to_owned()))
            .expect("a slice is always readable");
        assert_eq!(seen, ["one", "\u{fffd}two", "three"]);
    }

    #[test]
    fn a_missing_program_has_no_answer() {
        assert_eq!(answer("no-such-program-of-ours", &[]), None);
    }
}
