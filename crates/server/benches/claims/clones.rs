//! Many devices out of one: its rows, written again under other numbers.
//!
//! To add ten million devices the way a client does would take the better part of an hour.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;

/// A table of the database, and what is its own in the n-th clone: an SQL expression over `n`.
type Table = (&'static str, &'static [(&'static str, &'static str)]);

/// Names and numbers grow with `n`, so that every index is written from end to end: random ones
/// would make a database of the same size, slower.
const TABLES: [Table; 5] = [
    ("inboxes", &[("id", "n"), ("user", "'clone-' || n")]),
    (
        "devices",
        &[
            ("id", "n"),
            ("name", "'clone-' || n"),
            ("inbox", "n"),
            ("secret", "CAST(printf('%032d', n) AS BLOB)"),
        ],
    ),
    ("targets", &[("device", "n"), ("token", "printf('%064x', n)")]),
    ("entries", &[("inbox", "n"), ("id", "CAST(printf('%016d', n) AS BLOB)")]),
    (
        "wakes",
        &[
            ("device", "n"),
            ("inbox", "n"),
            ("id", "CAST(printf('%016d', n) AS BLOB)"),
            ("due", "due + 86400000000"),
        ],
    ),
];

/// The database, with one device in it to be cloned.
pub(super) struct Clones {
    database: Connection,
    /// The inbox and the device that are the pattern.
    inbox: i64,
    device: i64,
    /// The first number no clone has.
    next: i64,
}

impl Clones {
    /// Opens a stopped server's database, in which one device alone is owed a wake.
    ///
    /// # Errors
    ///
    /// SQLite's, or when there is no such device.
    pub(super) fn open(data: &Path) -> Result<Self> {
        let database = Connection::open(data.join("reveille.db"))?;
        // Nothing here has to outlive a power cut.
        database.pragma_update(None, "synchronous", "off")?;
        let (device, inbox) = database
            .query_row("SELECT device, inbox FROM wakes", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .context("no wake is open")?;
        let next = 1 + database.query_row(
            "SELECT max((SELECT max(id) FROM inboxes), (SELECT max(id) FROM devices))",
            [],
            |row| row.get::<_, i64>(0),
        )?;
        Ok(Self { database, inbox, device, next })
    }

    /// Clones until there are so many; the wakes of the new ones are due in a day.
    ///
    /// # Errors
    ///
    /// SQLite's.
    pub(super) fn grow_to(&mut self, clones: i64, first: i64) -> Result<()> {
        let end = first + clones;
        // So many at a time that a transaction's log stays small.
        while self.next < end {
            let until = end.min(self.next + 250_000);
            let mut sql = "BEGIN IMMEDIATE;".to_owned();
            for (table, own) in TABLES {
                sql.push_str(&self.insert(table, own, until)?);
            }
            sql.push_str("COMMIT;");
            self.database.execute_batch(&sql).context("cloning a device")?;
            self.next = until;
            anstream::eprintln!("{} devices of {end}", self.next);
        }
        self.settle()
    }

    /// Everything is on the disk: what is measured next does not wait for what was written here.
    fn settle(&self) -> Result<()> {
        self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let file = self.database.path().context("a database in memory")?;
        Ok(std::fs::File::open(file)?.sync_all()?)
    }

    /// The first number that the next clone gets.
    pub(super) const fn next(&self) -> i64 {
        self.next
    }

    /// Makes the wakes of so many devices due, spread evenly over all clones; those of `round` are
    /// not those of another one.
    ///
    /// # Errors
    ///
    /// SQLite's.
    pub(super) fn make_due(&self, count: i64, round: i64, first: i64) -> Result<()> {
        let stride = (self.next - first) / count;
        ensure!(round < stride, "too few devices for so many rounds");
        let mut due = self
            .database
            .prepare("UPDATE wakes SET due = due - 172800000000 WHERE device = ?1 AND call = 0")?;
        self.database.execute_batch("BEGIN IMMEDIATE")?;
        for number in 0..count {
            ensure!(due.execute([first + number * stride + round])? == 1, "no such wake");
        }
        self.database.execute_batch("COMMIT")?;
        Ok(())
    }

    /// The statement that writes the rows of one table.
    fn insert(&self, table: &str, own: &[(&str, &str)], until: i64) -> Result<String> {
        let mut columns = self.database.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let columns: Vec<String> =
            columns.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let values: Vec<&str> = columns
            .iter()
            .map(|column| {
                let own = own.iter().find(|(name, _)| name == column);
                own.map_or(column.as_str(), |(_, expression)| expression)
            })
            .collect();
        let pattern = match table {
            "inboxes" => format!("id = {}", self.inbox),
            "entries" => format!("inbox = {}", self.inbox),
            "devices" => format!("id = {}", self.device),
            _ => format!("device = {}", self.device),
        };
        Ok(format!(
            "WITH RECURSIVE numbers (n) AS
                 (SELECT {} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {until})
             INSERT INTO {table} ({}) SELECT {} FROM numbers CROSS JOIN {table}
             WHERE {pattern};",
            self.next,
            columns.join(", "),
            values.join(", "),
        ))
    }
}
