//! The yardstick of the store: how fast this disk takes bare SQLite transactions.
//!
//! One table, one row of 200 bytes a message, the server's own settings (WAL, full sync), no
//! queue, no threads: what no store on SQLite with the same promise can beat.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rusqlite::Connection;

/// Bytes in a row.
const ROW_BYTES: usize = 200;

/// A bare SQLite database.
pub(crate) struct Yardstick {
    db: Connection,
    body: Vec<u8>,
}

impl Yardstick {
    /// Makes one in the folder `dir`.
    ///
    /// # Errors
    ///
    /// SQLite's, with the path.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let path = dir.join("yardstick.db");
        let db = Connection::open(&path).with_context(|| path.display().to_string())?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA cache_size = -65536;
             PRAGMA wal_autocheckpoint = 4000;
             CREATE TABLE messages (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;",
        )?;
        Ok(Self { db, body: vec![0x5a; ROW_BYTES] })
    }

    /// Commits one transaction of so many rows; returns how long it took.
    ///
    /// # Errors
    ///
    /// SQLite's: a full disk, above all.
    pub(crate) fn commit(&self, rows: usize) -> Result<Duration> {
        let start = Instant::now();
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        {
            let mut insert = self.db.prepare_cached("INSERT INTO messages (body) VALUES (?1)")?;
            for _ in 0..rows {
                insert.execute([&self.body])?;
            }
        }
        self.db.prepare_cached("COMMIT")?.execute([])?;
        Ok(start.elapsed())
    }
}

/// The kind of file system that a folder lies on, as the system names it.
pub(crate) fn file_system(dir: &Path) -> String {
    // Linux only; elsewhere the reader has to know the machine.
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let kind = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(place, _)| dir.starts_with(place))
        .max_by_key(|(place, _)| place.len())
        .map(|(_, kind)| kind);
    kind.unwrap_or("an unknown file system").to_owned()
}
