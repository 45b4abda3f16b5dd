//! Who is signed in at the console.

use domain::Time;
use rusqlite::params;

use super::Sqlite;
use super::rows::At;
use crate::Error;
use crate::model::{ConsoleLimits, ConsoleVisit, Digest};

impl Sqlite {
    pub(crate) async fn open_console_session(
        &self,
        token: Digest,
        limits: ConsoleLimits,
        now: Time,
    ) -> Result<(), Error> {
        self.writer
            .change(move |tx| {
                let ConsoleLimits { idle, longest } = limits;
                tx.run(
                    "DELETE FROM console_sessions WHERE seen_at <= ?1 OR created_at <= ?2",
                    params![At(now.minus(idle)), At(now.minus(longest))],
                )?;
                tx.run(
                    "INSERT INTO console_sessions (token, created_at, seen_at)
                     VALUES (?1, ?2, ?2)",
                    params![&token[..], At(now)],
                )?;
                Ok(())
            })
            .await
    }

    pub(crate) async fn console_session(
        &self,
        token: Digest,
        limits: ConsoleLimits,
        visit: ConsoleVisit,
        now: Time,
    ) -> Result<bool, Error> {
        self.writer
            .change(move |tx| {
                let seen = tx.one(
                    "SELECT seen_at, created_at FROM console_sessions WHERE token = ?1",
                    params![&token[..]],
                    |row| Ok((row.get::<_, At>(0)?.0, row.get::<_, At>(1)?.0)),
                )?;
                let Some((seen_at, created_at)) = seen else { return Ok(false) };
                let ConsoleLimits { idle, longest } = limits;
                if now >= seen_at.plus(idle) || now >= created_at.plus(longest) {
                    return Ok(false);
                }
                // A page has many requests; the minute is enough.
                if visit == ConsoleVisit::Person && now.since(seen_at).as_secs() >= 60 {
                    tx.run(
                        "UPDATE console_sessions SET seen_at = ?2 WHERE token = ?1",
                        params![&token[..], At(now)],
                    )?;
                }
                Ok(true)
            })
            .await
    }

    pub(crate) async fn close_console_session(&self, token: Digest) -> Result<(), Error> {
        self.writer
            .change(move |tx| {
                tx.run("DELETE FROM console_sessions WHERE token = ?1", params![&token[..]])?;
                Ok(())
            })
            .await
    }

    pub(crate) async fn set_console_password(&self, hash: String) -> Result<(), Error> {
        self.writer
            .change(move |tx| {
                tx.run(
                    "REPLACE INTO meta (key, value) VALUES ('console_password', ?1)",
                    params![hash.as_bytes()],
                )?;
                // Whoever was signed in by the old one is so no more.
                tx.run("DELETE FROM console_sessions", [])?;
                Ok(())
            })
            .await
    }
}
