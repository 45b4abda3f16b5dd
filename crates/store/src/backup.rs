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

use rusqlite::backup::{Backup, StepResult};
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

/// A database that was brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What is known of it.
    pub copied: Copied,
    /// What nobody could open any more.
    pub taken_out: TakenOut,
}

/// How much was taken out of a restored database because its master key is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenOut {
    /// Credentials, which are gone.
    pub credentials: usize,
    /// Webhooks, which are there without a secret and switched off.
    pub webhooks: usize,
    /// Token keys with a shared secret, which are there without it.
    pub token_keys: usize,
}

/// Whether what is sealed in a restored database stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// Its master key is there.
    Keep,
    /// Nobody has its master key: credentials are taken out, to be uploaded again, and so are the
    /// secrets of webhooks and token keys, which stay to be given others.
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
    copy_pages(&source, &mut target, || {})?;
    let schema = target.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    // One file, without its journal beside it.
    target.execute_batch("PRAGMA journal_mode = DELETE;")?;
    check(&target)?;
    target.close().map_err(|(_, error)| error)?;
    let bytes = std::fs::metadata(to).map_err(|source| file(to, source.kind().into()))?.len();
    Ok(Copied { schema, bytes })
}

/// Copies all pages as one reader sees them. `between` runs after each step but the last.
fn copy_pages(
    source: &Connection,
    target: &mut Connection,
    mut between: impl FnMut(),
) -> Result<(), Error> {
    // A reader's view from the first step to the last: without it each commit of the server's
    // begins the copy anew, and on a busy one it never ends.
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let copy = Backup::new(source, target)?;
    while copy.step(STEP_PAGES)? != StepResult::Done {
        between();
    }
    drop(copy);
    source.execute_batch("COMMIT")?;
    Ok(())
}

/// Refuses a copy that is damaged.
fn check(conn: &Connection) -> Result<(), Error> {
    let said: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if said == "ok" {
        return Ok(());
    }
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(corrupt, Some(said)).into())
}

/// Puts a copy into a data folder that has no database, as one whose inboxes begin new epochs.
///
/// # Errors
///
/// [`Error::File`] if there is a database already or no copy; [`Error::Newer`] if the copy was
/// made by a later version; [`Error::Database`].
pub fn restore(from: &Path, data_dir: &Path, sealed: Sealed) -> Result<Restored, Error> {
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
    // Sessions stay: the first start ends them as it ends those of a server that was killed, and
    // opens the wakes and notes the sides of calls that they stood for.
    conn.execute_batch(
        "BEGIN IMMEDIATE;
         UPDATE inboxes SET epoch = random() & 9223372036854775807;",
    )?;
    let taken_out = match sealed {
        Sealed::Keep => TakenOut::default(),
        Sealed::TakeOut => take_out(&conn)?,
    };
    conn.execute_batch("COMMIT;")?;
    let schema = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    conn.close().map_err(|(_, error)| error)?;
    let bytes = std::fs::metadata(&half).map_err(|source| file(&half, source))?.len();
    std::fs::rename(&half, &to).map_err(|source| file(&to, source))?;
    Ok(Restored { copied: Copied { schema, bytes }, taken_out })
}

/// Takes out what is sealed.
fn take_out(conn: &Connection) -> Result<TakenOut, Error> {
    conn.execute_batch(
        "DELETE FROM provider_tokens; DELETE FROM meta WHERE key = 'master_key_check';",
    )?;
    Ok(TakenOut {
        credentials: conn.execute("DELETE FROM credentials", [])?,
        webhooks: conn.execute(
            "UPDATE webhooks SET secret = x'', old_secret = NULL, old_until = NULL,
                state = CASE state WHEN 'on' THEN 'off' ELSE state END",
            [],
        )?,
        token_keys: conn
            .execute("UPDATE token_keys SET material = x'' WHERE source = 'secret'", [])?,
    })
}

/// The largest database that is read through when it is looked at: some seconds.
const LOOKED_THROUGH_BYTES: u64 = 1 << 30;

/// Looks at a database, whether or not a server runs on it: its schema is known, and a file of at
/// most 1 GiB is whole.
///
/// # Errors
///
/// [`Error::File`] if there is none; [`Error::Newer`]; [`Error::Database`] if it is damaged.
pub fn look(database: &Path) -> Result<Copied, Error> {
    let file = |source| Error::File { path: database.to_owned(), source };
    let bytes = std::fs::metadata(database).map_err(file)?.len();
    let conn = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    let schema = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = sqlite::known_schema();
    if schema > known {
        return Err(Error::Newer { path: database.to_owned(), found: schema, known });
    }
    if bytes <= LOOKED_THROUGH_BYTES {
        let said: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if said != "ok" {
            return Err(Error::Database(said));
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_ends_though_a_writer_commits_between_any_two_steps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DATABASE_FILE);
        let writer = Connection::open(&path).unwrap();
        writer
            .execute_batch(
                "PRAGMA journal_mode = WAL; CREATE TABLE t (x);
                 INSERT INTO t VALUES (zeroblob(20000000));",
            )
            .unwrap();
        let source = Connection::open(&path).unwrap();
        let mut target = Connection::open_in_memory().unwrap();
        let pages: i32 = source.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let mut steps = 0;
        copy_pages(&source, &mut target, || {
            steps += 1;
            assert!(steps <= pages / STEP_PAGES + 1, "it began anew");
            writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
        })
        .unwrap();
        assert!(steps > 1, "several steps make the test");
        let rows = |conn: &Connection| -> i32 {
            conn.query_row("SELECT COUNT(*) FROM t", [], |row| row.get(0)).unwrap()
        };
        assert_eq!((rows(&target), rows(&writer)), (1, 1 + steps), "a view of its beginning");
    }

    #[test]
    fn a_damaged_database_is_not_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join(DATABASE_FILE);
        let conn = Connection::open(&from).unwrap();
        conn.execute_batch("CREATE TABLE t (x); CREATE INDEX i ON t (x);").unwrap();
        conn.execute_batch("INSERT INTO t VALUES (1), (2), (3);").unwrap();
        let page: u32 = conn
            .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'i'", [], |row| row.get(0))
            .unwrap();
        drop(conn);
        let mut bytes = std::fs::read(&from).unwrap();
        let start = usize::try_from(page - 1).unwrap() * 4096;
        bytes[start + 8..start + 4096].fill(0);
        std::fs::write(&from, bytes).unwrap();
        assert!(matches!(
            copy(folder.path(), &folder.path().join("copy")),
            Err(Error::Database(_))
        ));
    }
}
