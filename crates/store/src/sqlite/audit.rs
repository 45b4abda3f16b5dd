//! The audit log: a row before the act, its status after it.

use domain::{AppId, KeyId, Time};
use rusqlite::{Connection, params};

use super::Sqlite;
use super::rows::At;
use super::writer::Tx;
use crate::Error;
use crate::model::{Act, NewAct};

impl Sqlite {
    pub(crate) async fn audit(&self, act: NewAct) -> Result<i64, Error> {
        self.writer.change(move |tx| tx.audit(&act)).await
    }

    pub(crate) async fn audit_answered(&self, number: i64, status: u16) -> Result<(), Error> {
        self.writer.change(move |tx| tx.audit_answered(number, status)).await
    }

    pub(crate) async fn audit_log(
        &self,
        app: Option<AppId>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Act>, Error> {
        self.readers.read(move |conn| audit_log(conn, app, before, limit)).await
    }
}

impl Tx<'_> {
    fn audit(&self, act: &NewAct) -> Result<i64, Error> {
        self.run(
            "INSERT INTO audit (at, key, app, source, method, path)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                At(act.at),
                act.key.map(KeyId::number),
                act.app.map(AppId::number),
                act.source,
                act.method,
                act.path,
            ],
        )?;
        Ok(self.last_id())
    }

    fn audit_answered(&self, number: i64, status: u16) -> Result<(), Error> {
        self.run("UPDATE audit SET status = ?2 WHERE id = ?1", params![number, status])?;
        Ok(())
    }

    /// Forgets what is older than this.
    pub(super) fn sweep_audit(&self, before: Time) -> Result<(), Error> {
        self.run("DELETE FROM audit WHERE at < ?1", [At(before)])?;
        Ok(())
    }
}

fn audit_log(
    conn: &Connection,
    app: Option<AppId>,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Act>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT id, at, key, app, source, method, path, status FROM audit
         WHERE (?1 IS NULL OR app = ?1) AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![app.map(AppId::number), before, limit], |row| {
        Ok(Act {
            number: row.get(0)?,
            asked: NewAct {
                at: row.get::<_, At>(1)?.0,
                key: row.get::<_, Option<i64>>(2)?.map(KeyId::from_number),
                app: row.get::<_, Option<i64>>(3)?.map(AppId::from_number),
                source: row.get(4)?,
                method: row.get(5)?,
                path: row.get(6)?,
            },
            status: row.get(7)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
