//! What can be wrong with a configuration.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::raw::Origin;

/// Why there is no configuration, by what the operator does next.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Correct the values; all of them are listed.
    #[error("{}", lines(.0))]
    Invalid(Vec<Fault>),
    /// Correct the file; nothing of it could be read.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the reader expected.
        message: String,
    },
    /// Name another file, or make this one readable.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it was typed.
    pub place: Origin,
    /// The name as it was typed.
    pub name: String,
    /// What is wrong, to follow the name.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, name, problem, remedy } = self;
        match place {
            // The place is the name in another spelling.
            Origin::Environment(_) | Origin::Flag(_) => write!(f, "{place} {problem}; {remedy}"),
            Origin::Default | Origin::File { .. } => {
                write!(f, "{place}: {name} {problem}; {remedy}")
            }
        }
    }
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}
