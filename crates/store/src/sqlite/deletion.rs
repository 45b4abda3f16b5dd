//! An app is deleted: at once for whoever asks, its rows one slice after the other.
//!
//! ```text
//!   delete_app: marked; keys, credentials, secrets gone   ─── one transaction, answered ───
//!   end_deleted_sessions: nobody is connected any more
//!        ▼
//!   purge_app: pushes ─▶ topics ─▶ calls ─▶ devices ─▶ inboxes ─▶ … ─▶ the app itself
//!              └── a slice a transaction, so that nobody waits for it; a restart goes on ──┘
//! ```
//!
//! A slice takes some parents (devices, inboxes) with what hangs on each, by its key: what it costs
//! depends on what it takes away, not on how much there is or was.
//!
//! What is keyed by a message's id alone (`sends`) and by a token's hash (`user_tokens`) goes with
//! the sweep, as its time comes: without the app nobody finds it. The audit log stays.

use domain::{AppId, InboxId, Time};
use rusqlite::params;
use rusqlite::types::Value;

use super::Sqlite;
use super::rows::At;
use super::writer::Tx;
use crate::Error;

/// Rows taken away in one transaction.
const SLICE: u32 = 1_000;

/// Parents that a slice goes through.
const PARENTS: u32 = 100;

/// Some of what an app has.
struct Part {
    /// At most `?2` of them, of the app `?1`.
    parents: &'static str,
    /// What hangs on one, `?1`: each takes at most `?2` rows of it.
    children: &'static [&'static str],
    /// The one itself.
    parent: &'static str,
}

/// What an app has, in the order in which it goes.
const PARTS: [Part; 9] = [
    Part {
        parents: "SELECT id FROM pushes WHERE app = ?1 LIMIT ?2",
        children: &["DELETE FROM deliveries WHERE push = ?1 AND number IN
            (SELECT number FROM deliveries WHERE push = ?1 LIMIT ?2)"],
        parent: "DELETE FROM pushes WHERE id = ?1",
    },
    Part {
        parents: "SELECT id FROM topics WHERE app = ?1 LIMIT ?2",
        children: &["DELETE FROM topic_devices WHERE topic = ?1 AND device IN
            (SELECT device FROM topic_devices WHERE topic = ?1 LIMIT ?2)"],
        parent: "DELETE FROM topics WHERE id = ?1",
    },
    Part {
        parents: "SELECT number FROM calls WHERE app = ?1 LIMIT ?2",
        children: &[
            "DELETE FROM call_rings WHERE call = ?1 AND device IN
                (SELECT device FROM call_rings WHERE call = ?1 LIMIT ?2)",
            "DELETE FROM call_signals WHERE call = ?1 AND sequence IN
                (SELECT sequence FROM call_signals WHERE call = ?1 LIMIT ?2)",
        ],
        parent: "DELETE FROM calls WHERE number = ?1",
    },
    Part {
        parents: "SELECT id FROM devices WHERE app = ?1 LIMIT ?2",
        children: &[
            "DELETE FROM wakes WHERE device = ?1 AND call IN
                (SELECT call FROM wakes WHERE device = ?1 LIMIT ?2)",
            "DELETE FROM targets WHERE device = ?1 AND kind IN
                (SELECT kind FROM targets WHERE device = ?1 LIMIT ?2)",
        ],
        parent: "DELETE FROM devices WHERE id = ?1",
    },
    Part {
        parents: "SELECT id FROM inboxes WHERE app = ?1 LIMIT ?2",
        children: &[
            "DELETE FROM entries WHERE inbox = ?1 AND offset IN
                (SELECT offset FROM entries WHERE inbox = ?1 LIMIT ?2)",
            "DELETE FROM read_entries WHERE inbox = ?1 AND offset IN
                (SELECT offset FROM read_entries WHERE inbox = ?1 LIMIT ?2)",
            "DELETE FROM read_marks WHERE inbox = ?1 AND thread IN
                (SELECT thread FROM read_marks WHERE inbox = ?1 LIMIT ?2)",
            "DELETE FROM unread WHERE inbox = ?1 AND message IN
                (SELECT message FROM unread WHERE inbox = ?1 LIMIT ?2)",
            "DELETE FROM mutes WHERE inbox = ?1 AND thread IN
                (SELECT thread FROM mutes WHERE inbox = ?1 LIMIT ?2)",
            "DELETE FROM blocks WHERE inbox = ?1 AND user IN
                (SELECT user FROM blocks WHERE inbox = ?1 LIMIT ?2)",
        ],
        parent: "DELETE FROM inboxes WHERE id = ?1",
    },
    Part {
        parents: "SELECT id FROM webhooks WHERE app = ?1 LIMIT ?2",
        children: &["DELETE FROM webhook_deliveries WHERE webhook = ?1 AND event IN
            (SELECT event FROM webhook_deliveries WHERE webhook = ?1 LIMIT ?2)"],
        parent: "DELETE FROM webhooks WHERE id = ?1",
    },
    Part {
        parents: "SELECT number FROM events WHERE app = ?1 LIMIT ?2",
        children: &[],
        parent: "DELETE FROM events WHERE number = ?1",
    },
    Part {
        parents: "SELECT id FROM lanes WHERE app = ?1 LIMIT ?2",
        children: &[],
        parent: "DELETE FROM lanes WHERE id = ?1",
    },
    Part {
        parents: "SELECT app FROM relanes WHERE app = ?1 LIMIT ?2",
        children: &[],
        parent: "DELETE FROM relanes WHERE app = ?1",
    },
];

impl Sqlite {
    pub(crate) async fn delete_app(&self, app: AppId, now: Time) -> Result<bool, Error> {
        self.writer.change(move |tx| tx.delete_app(app, now)).await
    }

    pub(crate) async fn end_deleted_sessions(&self) -> Result<Vec<InboxId>, Error> {
        self.writer.change(|tx| tx.end_deleted_sessions()).await
    }

    pub(crate) async fn purge_app(&self) -> Result<bool, Error> {
        self.writer.change(|tx| tx.purge_app()).await
    }
}

impl Tx<'_> {
    /// Whether there is such an app.
    pub(super) fn is_app(&self, app: AppId) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM apps WHERE id = ?1 AND deleted_at IS NULL";
        Ok(self.one(sql, [app.number()], |_| Ok(()))?.is_some())
    }

    fn delete_app(&self, app: AppId, now: Time) -> Result<bool, Error> {
        let marked = self.run(
            "UPDATE apps SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL",
            params![app.number(), At(now)],
        )?;
        if marked == 0 {
            return Ok(false);
        }
        for secrets in [
            "DELETE FROM api_keys WHERE app = ?1",
            "DELETE FROM token_keys WHERE app = ?1",
            "DELETE FROM provider_tokens
                WHERE credential IN (SELECT id FROM credentials WHERE app = ?1)",
            "DELETE FROM credentials WHERE app = ?1",
            "UPDATE webhooks SET state = 'off', secret = x'', old_secret = NULL, old_until = NULL
                WHERE app = ?1",
        ] {
            self.run(secrets, [app.number()])?;
        }
        Ok(true)
    }

    /// Ends some sessions of deleted apps. There are only as many in all as a server can hold, far
    /// fewer than an app may have devices: so they are gone through, and not those.
    fn end_deleted_sessions(&self) -> Result<Vec<InboxId>, Error> {
        self.all(
            "DELETE FROM sessions WHERE id IN (SELECT s.id FROM sessions s
                CROSS JOIN devices d ON d.id = s.device CROSS JOIN apps a ON a.id = d.app
                WHERE a.deleted_at IS NOT NULL LIMIT ?1)
             RETURNING inbox",
            [SLICE],
            |row| row.get(0).map(InboxId::from_number),
        )
    }

    /// Takes away some of what deleted apps had; returns whether there may be more.
    fn purge_app(&self) -> Result<bool, Error> {
        let sql = "SELECT id FROM apps WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT 1";
        let Some(app) = self.one(sql, [], |row| row.get::<_, i64>(0))? else {
            return Ok(false);
        };
        for part in &PARTS {
            if self.purge_part(app, part)? {
                return Ok(true);
            }
        }
        self.run("DELETE FROM apps WHERE id = ?1", [app])?;
        Ok(true)
    }

    /// Takes away some of a part; returns whether there was anything of it.
    fn purge_part(&self, app: i64, part: &Part) -> Result<bool, Error> {
        let parents =
            self.all(part.parents, params![app, PARENTS], |row| row.get::<_, Value>(0))?;
        let mut left = SLICE;
        for parent in &parents {
            for child in part.children {
                let gone = self.run(child, params![parent, left])?;
                left = left.saturating_sub(u32::try_from(gone).unwrap_or(SLICE));
                if left == 0 {
                    return Ok(true);
                }
            }
            self.run(part.parent, [parent])?;
            left -= 1;
            if left == 0 {
                break;
            }
        }
        Ok(!parents.is_empty())
    }
}
