//! What people read about the options, written from the table: the reference page, the file of
//! defaults, the explanation of one option.

use std::fmt::Write as _;

use super::environment::CommandVariable;
use super::kind::Kind;
use super::options::{self, OptionRow};

/// The page `docs/configuration.md`.
pub fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    for variable in CommandVariable::ALL {
        let about = match variable {
            CommandVariable::Ca => {
                "the certificate authorities that commands trust beside the system's when the server's URL is https, as `--ca`"
            }
            CommandVariable::Config => "the configuration file, as `--config`",
            CommandVariable::Key => "the key of the app, as `--key`",
            CommandVariable::PushPassword => {
                "the password of the certificate that `reveille push apns --cert` is given"
            }
            CommandVariable::Server => "the server that commands talk to, as `--server`",
        };
        page.push_str(&format!("| `{}` | {about} |\n", variable.name()));
    }
    let mut section = None;
    page.push_str("\n## Top of the file\n");
    page.push_str(TABLE_HEAD);
    for row in options::ALL {
        let (row_section, _) = row.section_and_key();
        if row_section != section {
            section = row_section;
            page.push_str(&format!("\n## {}\n", row_section.unwrap_or_default()));
            page.push_str(TABLE_HEAD);
        }
        let default = row.default.map_or_else(|| "not set".to_owned(), |text| format!("`{text}`"));
        let (name, about) = (row.name, row.about);
        let (values, change) = (values(row), row.change.word());
        page.push_str(&format!("| `{name}` | {values} | {default} | {change} | {about} |\n"));
    }
    page
}

/// A configuration file in which every option stands at its default, as a comment.
pub fn defaults_file() -> String {
    let mut file = String::from(
        "# Every option of Reveille at its default. Take the # away to change one.\n\
         # What each is for: docs/configuration.md, or `reveille config explain`.\n",
    );
    let mut section = None;
    for row in options::ALL {
        let (row_section, key) = row.section_and_key();
        if row_section != section {
            section = row_section;
            file.push_str(&format!("\n[{}]\n", row_section.unwrap_or_default()));
        } else if section.is_none() {
            file.push('\n');
        }
        file.push_str(&format!("# {}\n", row.about));
        let value = row.default.map_or(String::new(), |text| as_toml(row, text));
        file.push_str(format!("#{key} = {value}").trim_end());
        file.push('\n');
    }
    file
}

/// A value as it stands in the file.
pub fn as_toml(row: &OptionRow, text: &str) -> String {
    match row.kind {
        Kind::Count { .. } | Kind::Days { .. } | Kind::Milliseconds { .. } => text.to_owned(),
        Kind::Address
        | Kind::Networks
        | Kind::Origins
        | Kind::Path
        | Kind::Secret
        | Kind::Text
        | Kind::Url(_)
        | Kind::Word(_) => toml::Value::String(text.to_owned()).to_string(),
    }
}

/// The values an option takes, in a few words.
pub fn values(row: &OptionRow) -> String {
    match row.kind {
        Kind::Address => "address and port".to_owned(),
        Kind::Count { least, most } => format!("{least} to {most}"),
        Kind::Days { least, most } => format!("{least} to {most} days"),
        Kind::Milliseconds { least, most } => format!("{least} to {most} ms"),
        Kind::Networks => "networks".to_owned(),
        Kind::Origins => "origins".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Secret => "secret".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Url(_) => "https URL".to_owned(),
        Kind::Word(words) => words.iter().fold(String::new(), |mut list, word| {
            let comma = if list.is_empty() { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(list, "{comma}`{word}`");
            list
        }),
    }
}

const TABLE_HEAD: &str =
    "\n| option | values | default | holds after | what it is for |\n|---|---|---|---|---|\n";

const INTRODUCTION: &str = "\
# Configuration

<!-- Written from the options table in crates/server/src/config/options.rs; a test compares them. -->

`reveille serve` runs without any configuration.
What differs from the defaults comes from three places, each winning over the one before:

1. the file: `--config FILE`, else the one that `REVEILLE_CONFIG` names, else `reveille.toml` in the current folder;
2. the environment: `session.ack_deadline_ms` is `REVEILLE_SESSION_ACK_DEADLINE_MS`; a variable that is empty counts as not set;
3. flags of `reveille serve`: `--session-ack-deadline-ms`. A secret has no flag, because every user of a machine can read its command lines.

A name that is no option is refused wherever it stands, and everything that is wrong is told at once.
A relative path in the file starts from the file's folder, any other from the current folder.
Durations are whole milliseconds.

SIGHUP makes a running server read all of it anew, and the certificate too; of the options, those that hold after a `reload` have their new values from then on.
Others that changed are named in the log, since they take a `restart`; and so is what is wrong, and then all stays as it was.
`reveille serve --dev` takes no SIGHUP and ends: it is what a terminal sends when it is closed.

| command | says |
|---|---|
| `reveille config check` | whether the configuration is right, and what in it differs from the defaults |
| `reveille config defaults` | a file with every option at its default |
| `reveille config explain [NAME]` | what an option is for, its value and where that comes from |

Variables that are no options:

| variable | meaning |
|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, RawConfig, golden};

    #[test]
    fn the_reference_page_is_what_the_table_says() {
        golden::check_page("configuration.md", &page());
    }

    #[test]
    fn the_defaults_uncommented_are_a_file_that_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("defaults.toml");
        let commented = |line: &str| line.starts_with('#') && line.contains(" = ");
        let text: Vec<String> = defaults_file()
            .lines()
            .map(|line| if commented(line) { line[1..].to_owned() } else { line.to_owned() })
            .collect();
        std::fs::write(&path, text.join("\n")).unwrap();
        let raw = RawConfig::read(Some(&path), &Environment::default(), []).unwrap();
        assert!(raw.resolve().is_ok(), "{:?}", raw.resolve());
        for row in options::ALL.iter().filter(|row| row.default.is_some()) {
            assert_eq!(raw.shown(row).as_deref(), row.default, "{}", row.name);
            assert_ne!(raw.origin(row), crate::config::Origin::Default, "{}", row.name);
        }
    }
}
