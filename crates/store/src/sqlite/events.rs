//! Events: written in the transaction of what they report.

use domain::{AppId, Time};
use rusqlite::{Connection, params};

use super::Sqlite;
use super::rows::{At, word};
use super::writer::Tx;
use crate::Error;
use crate::model::{Event, EventType};

impl Sqlite {
    pub(crate) async fn add_event(
        &self,
        app: AppId,
        kind: EventType,
        body: serde_json::Value,
        now: Time,
    ) -> Result<(), Error> {
        self.writer.change(move |tx| tx.add_event(app, kind, &body, now)).await
    }

    pub(crate) async fn events(
        &self,
        app: AppId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        self.readers.read(move |conn| events(conn, app, after, limit)).await
    }
}

impl Tx<'_> {
    pub(super) fn add_event(
        &self,
        app: AppId,
        kind: EventType,
        body: &serde_json::Value,
        now: Time,
    ) -> Result<(), Error> {
        self.run(
            "INSERT INTO events (app, at, type, body) VALUES (?1, ?2, ?3, ?4)",
            params![app.number(), At(now), kind.as_str(), body.to_string()],
        )?;
        Ok(())
    }

    /// Forgets events from before `before`.
    pub(super) fn sweep_events(&self, before: Time) -> Result<(), Error> {
        self.run("DELETE FROM events WHERE at < ?1", [At(before)])?;
        Ok(())
    }
}

fn events(conn: &Connection, app: AppId, after: i64, limit: usize) -> Result<Vec<Event>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT number, app, at, type, body FROM events
         WHERE app = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![app.number(), after, limit], |row| {
        Ok(Event {
            number: row.get(0)?,
            app: AppId::from_number(row.get(1)?),
            at: row.get::<_, At>(2)?.0,
            kind: word(row, 3, EventType::parse)?,
            body: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
