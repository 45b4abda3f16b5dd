//! How many rows and bytes the tables of the server's database have.
//!
//! The database is read beside the running server, by a connection that cannot write; it is closed
//! again at once, so that it holds no checkpoint back.

use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags};

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) rows: u64,
    /// Its pages and those of its indexes.
    pub(crate) bytes: u64,
}

/// Tables whose rows are kept for a set time by design, and what bounds them.
pub(crate) const KEPT: [(&str, &str); 6] = [
    ("sends", "idempotency, kept for `inbox.idempotency_days`"),
    ("pushes", "direct pushes, kept after their end for later questions"),
    ("deliveries", "one for each device of a listed direct push, as long as the push"),
    ("events", "what happened, kept for later questions"),
    ("calls", "kept for a day after their end"),
    ("call_rings", "who rang, as long as the call"),
];

/// All tables, by name.
pub(crate) fn read(database: &Path) -> Result<Vec<Table>> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| format!("cannot open {}", database.display()))?;
    let mut names = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         ORDER BY name",
    )?;
    let names =
        names.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        let rows: i64 =
            connection
                .query_row(&format!("SELECT COUNT(*) FROM \"{name}\""), [], |row| row.get(0))?;
        let bytes: i64 = connection.query_row(
            "SELECT COALESCE(SUM(pgsize), 0) FROM dbstat
             WHERE aggregate = TRUE AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?1)",
            [&name],
            |row| row.get(0),
        )?;
        let (rows, bytes) = (u64::try_from(rows)?, u64::try_from(bytes)?);
        tables.push(Table { name, rows, bytes });
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_pages_are_counted_with_those_of_indexes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let connection = Connection::open(&file).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE a (x INTEGER, y TEXT) STRICT; CREATE INDEX a_by_y ON a (y);
                 INSERT INTO a VALUES (1, 'one'), (2, 'two');
                 CREATE TABLE b (x INTEGER PRIMARY KEY) STRICT, WITHOUT ROWID;",
            )
            .unwrap();
        let tables = read(&file).unwrap();
        let a = Table { name: "a".to_owned(), rows: 2, bytes: 8192 };
        let b = Table { name: "b".to_owned(), rows: 0, bytes: 4096 };
        assert_eq!(tables, [a, b]);
    }
}
