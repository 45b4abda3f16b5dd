//! The configuration file, read as TOML with the line of every key.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Fault};
use super::kind::Typed;
use super::nearest::nearest;
use super::options::{self, OptionRow};
use super::raw::Origin;

/// No configuration is larger; a file that is was named by mistake.
const LARGEST_FILE: u64 = 1024 * 1024;

/// What a file says.
#[derive(Debug, Default)]
pub(crate) struct FileOptions {
    /// The options in it, with their lines.
    pub(crate) typed: Vec<(&'static OptionRow, Typed, Origin)>,
    /// Keys that are no options.
    pub(crate) faults: Vec<Fault>,
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<FileOptions, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    // One byte more than allowed tells a file that is too large from one that just fits.
    file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST_FILE {
        let message = format!("the file is larger than {LARGEST_FILE} bytes; name the right one");
        return Err(ConfigError::Syntax { path: path.to_owned(), line: 1, message });
    }
    parse(path, &text)
}

/// Parses the text of a file; `path` is for the faults only.
pub(crate) fn parse(path: &Path, text: &str) -> Result<FileOptions, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_at(text, span.start)),
        message: explained(error.message(), error.span().and_then(|span| text.get(span))),
    })?;
    let mut walk = Walk { path, text, found: FileOptions::default() };
    walk.table("", table.get_ref());
    Ok(walk.found)
}

/// What the reader says, and what to do where that does not follow from it: what is pasted under a
/// section that is there already, as the sections that `reveille sim` prints are.
fn explained(message: &str, key: Option<&str>) -> String {
    if message != "duplicate key" {
        return message.to_owned();
    }
    let key = key.unwrap_or("the key").trim_matches(['[', ']', ' ']);
    format!(
        "duplicate key: {key} stands above already; put the lines of both into one place, a \
         section's name once"
    )
}

struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    found: FileOptions,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = match prefix {
                "" => key.get_ref().to_string(),
                section => format!("{section}.{}", key.get_ref()),
            };
            let line = line_at(self.text, key.span().start);
            let place = Origin::File { path: self.path.to_owned(), line };
            match (options::find(&name), value.get_ref()) {
                (Some(row), value) => self.found.typed.push((row, typed(value), place)),
                (None, DeValue::Table(inner)) if is_section(&name) => self.table(&name, inner),
                (None, value) => self.found.faults.push(stranger(place, name, value)),
            }
        }
    }
}

fn is_section(name: &str) -> bool {
    options::ALL.iter().any(|row| row.section_and_key().0 == Some(name))
}

fn stranger(place: Origin, name: String, value: &DeValue<'_>) -> Fault {
    let names = options::ALL.iter().map(|row| row.name);
    let sections = options::ALL.iter().filter_map(|row| row.section_and_key().0);
    let (problem, meant) = match value {
        DeValue::Table(_) => ("is not a section", nearest(&name, sections)),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => ("is not an option", nearest(&name, names)),
    };
    let remedy = match meant {
        Some(meant) => format!("did you mean {meant}? Else delete it"),
        None => "delete it; `reveille config explain` lists the options".to_owned(),
    };
    Fault { place, name, problem: problem.to_owned(), remedy }
}

fn typed(value: &DeValue<'_>) -> Typed {
    match value {
        DeValue::String(text) => Typed::Quoted(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Typed::Other("a number too large to read"), Typed::Integer),
        DeValue::Float(_) => Typed::Other("a number with a fraction"),
        DeValue::Boolean(_) => Typed::Other("true or false"),
        DeValue::Datetime(_) => Typed::Other("a date or time"),
        DeValue::Array(_) => Typed::Other("a list"),
        DeValue::Table(_) => Typed::Other("a section"),
    }
}

/// The line, from 1, of a place in a text.
fn line_at(text: &str, place: usize) -> usize {
    let before = text.as_bytes().iter().take(place);
    1 + before.filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> FileOptions {
        parse(Path::new("reveille.toml"), text).unwrap()
    }

    #[test]
    fn options_come_with_their_lines() {
        let found = parsed("listen = \"[::1]:1\"\n\n[session]\nack_deadline_ms = 5_000\n");
        let seen: Vec<_> = found
            .typed
            .iter()
            .map(|(row, typed, place)| (row.name, typed.clone(), place.to_string()))
            .collect();
        assert_eq!(
            seen,
            [
                ("listen", Typed::Quoted("[::1]:1".into()), "reveille.toml:1".into()),
                ("session.ack_deadline_ms", Typed::Integer(5_000), "reveille.toml:4".into()),
            ]
        );
        assert_eq!(parsed("session.ack_deadline_ms = 1").typed.len(), 1);
    }

    #[test]
    fn what_is_no_option_is_named_with_its_line_and_the_one_meant() {
        for (text, expected) in [
            (
                "\nlisten_on = \"x\"",
                "reveille.toml:2: listen_on is not an option; did you mean listen? Else delete it",
            ),
            (
                "[session]\nack_deadline = 1",
                "reveille.toml:2: session.ack_deadline is not an option; did you mean session.ack_deadline_ms? Else delete it",
            ),
            (
                "[sesion]\nack_deadline_ms = 1",
                "reveille.toml:1: sesion is not a section; did you mean session? Else delete it",
            ),
            (
                "[session.more]\nx = 1",
                "reveille.toml:1: session.more is not a section; delete it; `reveille config explain` lists the options",
            ),
            (
                "session = 3",
                "reveille.toml:1: session is not an option; delete it; `reveille config explain` lists the options",
            ),
        ] {
            let faults: Vec<_> = parsed(text).faults.iter().map(Fault::to_string).collect();
            assert_eq!(faults, [expected]);
        }
    }

    #[test]
    fn a_file_that_is_no_toml_is_named_with_its_line() {
        let error = parse(Path::new("reveille.toml"), "listen = \"a\"\n[session\n").unwrap_err();
        assert!(error.to_string().starts_with("reveille.toml:2: "), "{error}");
        let error = parse(Path::new("reveille.toml"), "listen = 1\nlisten = 2\n").unwrap_err();
        assert!(
            error.to_string().starts_with("reveille.toml:2: duplicate key: listen "),
            "{error}"
        );
        let twice = "[providers]\n#a = 1\n\n[providers]\nextra_ca_file = \"x\"\n";
        let error = parse(Path::new("reveille.toml"), twice).unwrap_err();
        let says = "reveille.toml:4: duplicate key: providers stands above already; put the lines";
        assert!(error.to_string().starts_with(says), "{error}");
    }

    #[test]
    fn a_file_that_is_missing_too_large_or_binary_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = read(&folder.path().join("none.toml")).unwrap_err();
        assert!(missing.to_string().ends_with("none.toml"), "{missing}");
        let large = folder.path().join("large.toml");
        std::fs::write(&large, "#".repeat(1024 * 1024 + 1)).unwrap();
        let large = read(&large).unwrap_err();
        assert!(large.to_string().contains("larger than 1048576 bytes"), "{large}");
        let binary = folder.path().join("binary.toml");
        std::fs::write(&binary, [0xff, 0xfe]).unwrap();
        assert!(matches!(read(&binary), Err(ConfigError::Unreadable { .. })));
    }
}
