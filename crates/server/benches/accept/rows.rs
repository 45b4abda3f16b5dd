//! Counts the rows that messages write, by triggers that the database itself runs.
//!
//! Only while they count; they are gone when something is timed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rusqlite::Connection;

/// A count under way.
pub(super) struct RowCount {
    db: Connection,
    tables: Vec<String>,
}

impl RowCount {
    /// Begins to count what is written to any table.
    ///
    /// # Errors
    ///
    /// SQLite's.
    pub(super) fn begin(path: &Path) -> Result<Self> {
        let db = Connection::open(path).with_context(|| path.display().to_string())?;
        db.busy_timeout(Duration::from_secs(10))?;
        let tables = {
            let sql =
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
            let mut names = db.prepare(sql)?;
            names.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?
        };
        let mut sql =
            "BEGIN IMMEDIATE; CREATE TABLE counted (name TEXT PRIMARY KEY, rows INTEGER);"
                .to_owned();
        for table in &tables {
            for change in ["INSERT", "UPDATE", "DELETE"] {
                sql.push_str(&format!(
                    "CREATE TRIGGER counted_{table}_{change} AFTER {change} ON {table} BEGIN
                         INSERT INTO counted VALUES ('{table}', 1)
                         ON CONFLICT (name) DO UPDATE SET rows = rows + 1;
                     END;"
                ));
            }
        }
        sql.push_str("COMMIT;");
        db.execute_batch(&sql)?;
        Ok(Self { db, tables })
    }

    /// Stops counting; says how many rows each of so many messages wrote, and where.
    ///
    /// # Errors
    ///
    /// SQLite's.
    pub(super) fn end(self, messages: usize) -> Result<String> {
        let messages = f64::from(u32::try_from(messages)?);
        let counts = {
            let mut counts = self.db.prepare("SELECT name, rows FROM counted ORDER BY name")?;
            counts
                .query_map([], |row| Ok((row.get(0)?, row.get::<_, u32>(1)?)))?
                .collect::<Result<Vec<(String, u32)>, _>>()?
        };
        let mut sql = "BEGIN IMMEDIATE;".to_owned();
        for table in &self.tables {
            for change in ["INSERT", "UPDATE", "DELETE"] {
                sql.push_str(&format!("DROP TRIGGER counted_{table}_{change};"));
            }
        }
        sql.push_str("DROP TABLE counted; COMMIT;");
        self.db.execute_batch(&sql)?;
        let total: u32 = counts.iter().map(|(_, rows)| rows).sum();
        let parts: Vec<String> = counts
            .iter()
            .map(|(name, rows)| format!("{name} {:.3}", f64::from(*rows) / messages))
            .map(|part| part.trim_end_matches('0').trim_end_matches('.').to_owned())
            .collect();
        Ok(format!("{:.1} rows a message ({})", f64::from(total) / messages, parts.join(", ")))
    }
}
