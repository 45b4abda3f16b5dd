//! Counts for whoever watches over the process. The wakes are gone through one by one, which a
//! reader beside the writer has the time for: a million take a fraction of a second.

use domain::{AppId, Time, WebhookId};
use rusqlite::{Connection, Row};

use super::Sqlite;
use super::rows::At;
use crate::Error;
use crate::model::{Standing, Waiting, WebhookStanding, Written};

impl Sqlite {
    pub(crate) async fn standing(&self, now: Time) -> Result<Standing, Error> {
        self.readers.read(move |conn| standing(conn, now)).await
    }

    pub(crate) fn written(&self) -> Written {
        self.writer.written()
    }
}

fn standing(conn: &Connection, now: Time) -> Result<Standing, Error> {
    let (message_wakes, call_wakes) = wakes(conn, now)?;
    Ok(Standing {
        message_wakes,
        call_wakes,
        deliveries: deliveries(conn, now)?,
        broadcasts: count(
            conn,
            "SELECT count(*) FROM pushes
             WHERE state IN ('open', 'paused') AND audience <> 'listed'
               AND started_at IS NOT NULL AND ended_at IS NULL",
        )?,
        calls: count(conn, "SELECT count(*) FROM calls WHERE phase <> 'ended'")?,
        webhooks: webhooks(conn)?,
        database_bytes: count(conn, "PRAGMA page_count")? * count(conn, "PRAGMA page_size")?,
    })
}

/// Those for messages and those for calls, in one walk through all.
fn wakes(conn: &Connection, now: Time) -> Result<(Waiting, Waiting), Error> {
    let sql = "SELECT call <> 0,
                      count(*) FILTER (WHERE attempt IS NULL AND due <= ?1),
                      count(*) FILTER (WHERE attempt IS NULL AND due > ?1),
                      count(*) FILTER (WHERE attempt IS NOT NULL AND due IS NOT NULL),
                      count(*) FILTER (WHERE due IS NULL)
               FROM wakes GROUP BY 1";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([At(now)])?;
    let (mut messages, mut calls) = (Waiting::default(), Waiting::default());
    while let Some(row) = rows.next()? {
        let waiting = Waiting {
            due: number(row, 1)?,
            later: number(row, 2)?,
            under_way: number(row, 3)?,
            parked: number(row, 4)?,
        };
        *(if row.get(0)? { &mut calls } else { &mut messages }) = waiting;
    }
    Ok((messages, calls))
}

/// Those that are over are kept for a week; none of them is due.
fn deliveries(conn: &Connection, now: Time) -> Result<Waiting, Error> {
    let sql = "SELECT count(*) FILTER (WHERE attempt IS NULL AND due <= ?1),
                      count(*) FILTER (WHERE attempt IS NULL AND due > ?1),
                      count(*) FILTER (WHERE attempt IS NOT NULL)
               FROM deliveries WHERE due IS NOT NULL";
    let waiting = conn.prepare_cached(sql)?.query_row([At(now)], |row| {
        let (due, later, under_way) = (number(row, 0)?, number(row, 1)?, number(row, 2)?);
        Ok(Waiting { due, later, under_way, parked: 0 })
    })?;
    Ok(waiting)
}

fn webhooks(conn: &Connection) -> Result<Vec<WebhookStanding>, Error> {
    let sql = "SELECT w.app, w.id,
                      (SELECT count(*) FROM webhook_deliveries d
                       WHERE d.webhook = w.id AND d.due IS NOT NULL),
                      (SELECT count(*) FROM webhook_deliveries d
                       WHERE d.webhook = w.id AND d.state = 'parked')
               FROM webhooks w ORDER BY w.id";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(WebhookStanding {
            app: AppId::from_number(row.get(0)?),
            webhook: WebhookId::from_number(row.get(1)?),
            waiting: number(row, 2)?,
            parked: number(row, 3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn count(conn: &Connection, sql: &str) -> Result<u64, Error> {
    Ok(conn.prepare_cached(sql)?.query_row([], |row| number(row, 0))?)
}

/// SQLite's counts are never negative.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}
