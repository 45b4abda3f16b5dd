//! What can go wrong with the store, by what the caller does next.

use std::path::PathBuf;

/// A failure of the store. Refusals that a sender caused are values of the operations, not errors.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk is full: nothing was stored, nothing stored before is lost. Free space, try again.
    #[error(
        "the disk that holds the database is full; free some space, the server goes on by itself"
    )]
    Full,
    /// The database was written by a later version. Run that version, or restore a backup.
    #[error(
        "the database {path} has schema version {found}, this program knows up to {known}; \
         run a newer reveille, or restore a backup made by this one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another process holds the data directory.
    #[error("{path} is in use by another reveille; stop it, or choose another data_dir")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot use {path}: {source}; check that it exists and who owns it")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The database refused; a fault of ours or of the disk.
    #[error("the database failed: {0}")]
    Database(String),
    /// The store is closed; the server is stopping.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ => Self::Database(error.to_string()),
        }
    }
}
