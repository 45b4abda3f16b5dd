//! How commands speak to people: results on standard output, remarks and errors on standard error,
//! coloured where a terminal shows it.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

/// What is worth a look.
pub(super) const BOLD: Style = Style::new().bold();
/// What may be skipped.
pub(super) const DIM: Style = Style::new().dimmed();
/// What went well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// What went wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What to do about it.
pub(super) const HINT: Style = AnsiColor::Cyan.on_default();

/// A failure together with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Advice {
    message: String,
    hint: String,
}

impl Advice {
    /// `message` says what is wrong, `hint` what to do.
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    /// What to do.
    pub(super) fn hint(&self) -> &str {
        &self.hint
    }
}

/// Whoever read the output has gone, as `head` does: no failure of ours.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
struct ReaderGone;

/// A line of the result.
pub(super) fn line(text: impl Display) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        result => Ok(result?),
    }
}

/// A remark beside the result. One that cannot be shown is not worth a failure.
pub(super) fn remark(text: impl Display) {
    let _ = writeln!(anstream::stderr().lock(), "{DIM}{text}{DIM:#}");
}

/// Shows why a command failed: the error, its causes, what to do. The exit code is 1.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.is::<ReaderGone>() {
        return ExitCode::SUCCESS;
    }
    // When standard error is gone too there is nobody to tell.
    let _ = anstream::stderr().lock().write_all(described(error).as_bytes());
    ExitCode::FAILURE
}

fn described(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for (index, cause) in error.chain().enumerate() {
        let label = if index == 0 { "error" } else { "because" };
        let cause = cause.to_string();
        // Some errors tell their cause themselves.
        if index > 0 && last.contains(&cause) {
            continue;
        }
        last.clone_from(&cause);
        // Several faults at once come as several lines; each is one of its own.
        for line in cause.lines() {
            text.push_str(&format!("{BAD}{label}:{BAD:#} {}\n", plain(line)));
        }
    }
    if let Some(Advice { hint, .. }) = error.downcast_ref() {
        text.push_str(&format!("{HINT}hint:{HINT:#} {}\n", plain(hint)));
    }
    text
}

/// A text from elsewhere as a terminal may show it: what could move the cursor, change colours or
/// turn the direction of writing becomes visible instead.
pub(super) fn plain(text: &str) -> String {
    let is_direction = |letter| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        if letter.is_control() || is_direction(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn without_colours(error: &anyhow::Error) -> String {
        anstream::adapter::strip_str(&described(error)).to_string()
    }

    #[test]
    fn an_error_is_shown_with_its_causes_and_its_hint() {
        let error = Err::<(), _>(anyhow::anyhow!("connection refused"))
            .context(Advice::new("no server answers", "start it with `reveille serve`"))
            .unwrap_err();
        assert_eq!(
            without_colours(&error),
            "error: no server answers\nbecause: connection refused\nhint: start it with `reveille serve`\n"
        );
    }

    #[test]
    fn a_cause_that_was_told_is_not_told_again() {
        let error = anyhow::anyhow!("refused").context("cannot connect: refused").context("no app");
        assert_eq!(without_colours(&error), "error: no app\nbecause: cannot connect: refused\n");
    }

    #[test]
    fn several_faults_are_several_lines() {
        assert_eq!(without_colours(&anyhow::anyhow!("one\ntwo")), "error: one\nerror: two\n");
    }

    #[test]
    fn what_could_take_over_the_terminal_is_made_visible() {
        assert_eq!(plain("a\u{1b}[2Jb\n\u{202e}ü"), "a\\u{1b}[2Jb\\u{a}\\u{202e}ü");
    }
}
