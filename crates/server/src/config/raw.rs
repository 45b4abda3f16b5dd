//! The configuration as typed: which option was given where, later places winning.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::{ConfigError, Fault};
use super::file;
use super::kind::Typed;
use super::options::{self, OptionRow};

/// The three places that the configuration comes from, to be read, and read again.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// The environment of the process.
    pub environment: Environment,
    /// Its flags: rows with the text behind them.
    pub flags: Vec<(&'static OptionRow, String)>,
}

impl Sources {
    /// Reads them as they are now.
    ///
    /// # Errors
    /// As [`RawConfig::read`].
    pub fn read(&self) -> Result<RawConfig, ConfigError> {
        RawConfig::read(self.file.as_deref(), &self.environment, self.flags.iter().cloned())
    }
}

/// The configuration as typed: the file's values, over them the environment's, over them the
/// flags', each with where it came from. Nothing is checked yet but the names.
#[derive(Clone, Debug, Default)]
pub struct RawConfig {
    pub(crate) entries: BTreeMap<&'static str, Entry>,
    /// Names that are no options; `resolve` tells them together with the values that are wrong.
    pub(crate) faults: Vec<Fault>,
}

/// One value as typed.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) typed: Typed,
    pub(crate) origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave one.
    Default,
    /// The environment variable of this name.
    Environment(String),
    /// A line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The flag of this name, without its dashes.
    Flag(String),
}

impl RawConfig {
    /// Reads the three places. `flags` are rows with the text behind them.
    ///
    /// # Errors
    /// When the file cannot be read or is no TOML. Names and values that are wrong are told by
    /// [`RawConfig::resolve`], all together.
    pub fn read(
        file: Option<&Path>,
        environment: &Environment,
        flags: impl IntoIterator<Item = (&'static OptionRow, String)>,
    ) -> Result<Self, ConfigError> {
        let mut raw = Self::default();
        if let Some(path) = file {
            let found = file::read(path)?;
            raw.faults.extend(found.faults);
            for (row, typed, origin) in found.typed {
                raw.entries.insert(row.name, Entry { typed, origin });
            }
        }
        for row in options::ALL {
            match environment.value(&row.variable()) {
                Ok(None) => {}
                Ok(Some(text)) => {
                    let origin = Origin::Environment(row.variable());
                    let typed = Typed::Text(text.to_owned());
                    raw.entries.insert(row.name, Entry { typed, origin });
                }
                Err(fault) => raw.faults.push(fault),
            }
        }
        raw.faults.extend(environment.strangers());
        for (row, text) in flags {
            let origin = Origin::Flag(row.flag().unwrap_or_else(|| row.name.to_owned()));
            raw.entries.insert(row.name, Entry { typed: Typed::Text(text), origin });
        }
        Ok(raw)
    }

    /// Where the value of an option comes from.
    pub fn origin(&self, row: &OptionRow) -> Origin {
        self.entries.get(row.name).map_or(Origin::Default, |entry| entry.origin.clone())
    }

    /// The value of an option as it was typed, or its default; `None`: it is not set.
    /// A secret shows only that it is set.
    pub fn shown(&self, row: &OptionRow) -> Option<String> {
        match row.kind {
            super::Kind::Secret => self.entries.get(row.name).map(|_| "(set)".to_owned()),
            super::Kind::Address
            | super::Kind::Count { .. }
            | super::Kind::Days { .. }
            | super::Kind::Milliseconds { .. }
            | super::Kind::Networks
            | super::Kind::Origins
            | super::Kind::Path
            | super::Kind::Text
            | super::Kind::Url(_)
            | super::Kind::Word(_) => self.text(row),
        }
    }

    /// Leaves an option at what it is there.
    pub fn leave(&mut self, row: &OptionRow, there: &Self) {
        match there.entries.get_key_value(row.name) {
            Some((name, entry)) => drop(self.entries.insert(name, entry.clone())),
            None => drop(self.entries.remove(row.name)),
        }
    }

    /// The options that have other values here than there, secrets included.
    pub fn differences(&self, there: &Self) -> Vec<&'static OptionRow> {
        let differs = |row: &&'static OptionRow| self.text(row) != there.text(row);
        options::ALL.iter().copied().filter(differs).collect()
    }

    fn text(&self, row: &OptionRow) -> Option<String> {
        match self.entries.get(row.name).map(|entry| &entry.typed) {
            None => row.default.map(str::to_owned),
            Some(Typed::Integer(number)) => Some(number.to_string()),
            Some(Typed::Other(found)) => Some((*found).to_owned()),
            Some(Typed::Quoted(text) | Typed::Text(text)) => Some(text.clone()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}
