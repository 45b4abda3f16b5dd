//! Copies of a database, made while a server uses it, and brought back.
//!
//! ```text
//!   data folder ──backup (a reader's view, page by page)──▶ copy ──restore──▶ another data folder
//!                                                                    └─ every inbox begins a new epoch
//! ```
//!
//! A copy is older than what clients have seen since, so every inbox of a restored database begins
//! a new epoch: a device that comes back resumes at its stored cursor, and offsets that are given
//! again cannot be taken for the ones that are lost.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use crate::Error;
use crate::sqlite;

/// The database's name in a data folder and in a backup.
pub const DATABASE_FILE: &str = "reveille.db";

/// Pages copied in one step; a writer may go on between two.
const STEP_PAGES: i32 = 1_000;

/// What is known of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The version of its schema.
    pub schema: i64,
    /// Its size.
    pub bytes: u64,
}

/// Whether what is sealed in a restored database stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// Its master key is there.
    Keep,
    /// Nobody has its master key: credentials are taken out, to be uploaded again.
    TakeOut,
}

/// Copies the database of a data folder into a file that does not exist, whether or not a server
/// runs on it.
///
/// # Errors
///
/// [`Error::File`] if there is none, or the copy is there already; [`Error::Database`].
pub fn copy(data_dir: &Path, to: &Path) -> Result<Copied, Error> {
    let from = data_dir.join(DATABASE_FILE);
    let file = |path: &Path, kind| Error::File { path: path.to_owned(), source: kind };
    if !from.exists() {
        return Err(file(&from, std::io::ErrorKind::NotFound.into()));
    }
    if to.exists() {
        return Err(file(to, std::io::ErrorKind::AlreadyExists.into()));
    }
    // No lock file: a copy is a reader beside the server's writer.
    let source = Connection::open_with_flags(&from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    source.busy_timeout(Duration::from_secs(10))?;
    let mut target = Connection::open(to)?;
    Backup::new(&source, &mut target)?.run_to_completion(STEP_PAGES, Duration::ZERO, None)?;
    let schema = target.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    // One file, without its journal beside it.
    target.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA integrity_check;")?;
    target.close().map_err(|(_, error)| error)?;
    let bytes = std::fs::metadata(to).map_err(|source| file(to, source.kind().into()))?.len();
    Ok(Copied { schema, bytes })
}

/// Puts a copy into a data folder that has no database, as one whose inboxes begin new epochs.
///
/// # Errors
///
/// [`Error::File`] if there is a database already or no copy; [`Error::Newer`] if the copy was
/// made by a later version; [`Error::Database`].
pub fn restore(from: &Path, data_dir: &Path, sealed: Sealed) -> Result<Copied, Error> {
    let to = data_dir.join(DATABASE_FILE);
    let file = |path: &Path, source| Error::File { path: path.to_owned(), source };
    if to.exists() {
        return Err(file(&to, std::io::ErrorKind::AlreadyExists.into()));
    }
    sqlite::make_private(data_dir).map_err(|source| file(data_dir, source))?;
    // Written under another name first, so that a restore that is cut off leaves no half database.
    let half = data_dir.join("reveille.db.restoring");
    std::fs::copy(from, &half).map_err(|source| file(from, source))?;
    let conn = Connection::open(&half)?;
    sqlite::migrate(&conn, &half)?;
    conn.execute_batch(
        "BEGIN IMMEDIATE;
         UPDATE inboxes SET epoch = random() & 9223372036854775807;
         DELETE FROM sessions;",
    )?;
    if sealed == Sealed::TakeOut {
        conn.execute_batch(
            "DELETE FROM credentials; DELETE FROM provider_tokens;
             DELETE FROM meta WHERE key = 'master_key_check';",
        )?;
    }
    conn.execute_batch("COMMIT;")?;
    let schema = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    conn.close().map_err(|(_, error)| error)?;
    let bytes = std::fs::metadata(&half).map_err(|source| file(&half, source))?.len();
    std::fs::rename(&half, &to).map_err(|source| file(&to, source))?;
    Ok(Copied { schema, bytes })
}

/// A note of a database that no server uses now.
///
/// # Errors
///
/// [`Error::Database`] if it cannot be read.
pub fn note(database: &Path, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let conn = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = conn.prepare("SELECT value FROM meta WHERE key = ?1")?;
    let mut rows = statement.query([name])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}
