//! An app is deleted: at once for whoever asks, its rows one slice after the other.
//!
//! ```text
//!   delete_app: marked; keys, credentials, secrets gone   ─── one transaction, answered ───
//!        ▼
//!   purge_app: sessions ─▶ pushes ─▶ calls ─▶ devices ─▶ inboxes ─▶ … ─▶ the app itself
//!              └── a slice a transaction, so that nobody waits for it; a restart goes on ──┘
//! ```
//!
//! What is keyed by a message's id alone (`sends`) and by a token's hash (`user_tokens`) goes with
//! the sweep, as its time comes: without the app nobody finds it. The audit log stays.

use domain::{AppId, InboxId, Time};
use rusqlite::params;

use super::Sqlite;
use super::rows::At;
use super::writer::Tx;
use crate::Error;
use crate::model::Purged;

/// Rows taken away in one transaction.
const SLICE: i64 = 1_000;

/// What an app has, in the order in which it goes: what hangs on something before that. Each takes
/// at most `?2` rows of the app `?1`.
const ROWS: [&str; 22] = [
    "DELETE FROM wakes WHERE (device, call) IN (SELECT w.device, w.call FROM devices d
        CROSS JOIN wakes w ON w.device = d.id WHERE d.app = ?1 LIMIT ?2)",
    "DELETE FROM deliveries WHERE (push, number) IN (SELECT r.push, r.number FROM pushes p
        CROSS JOIN deliveries r ON r.push = p.id WHERE p.app = ?1 LIMIT ?2)",
    "DELETE FROM pushes WHERE id IN (SELECT id FROM pushes WHERE app = ?1 LIMIT ?2)",
    "DELETE FROM topic_devices WHERE (topic, device) IN (SELECT m.topic, m.device FROM topics t
        CROSS JOIN topic_devices m ON m.topic = t.id WHERE t.app = ?1 LIMIT ?2)",
    "DELETE FROM topics WHERE id IN (SELECT id FROM topics WHERE app = ?1 LIMIT ?2)",
    "DELETE FROM call_rings WHERE (call, device) IN (SELECT r.call, r.device FROM calls c
        CROSS JOIN call_rings r ON r.call = c.number WHERE c.app = ?1 LIMIT ?2)",
    "DELETE FROM call_signals WHERE (call, sequence) IN (SELECT s.call, s.sequence FROM calls c
        CROSS JOIN call_signals s ON s.call = c.number WHERE c.app = ?1 LIMIT ?2)",
    "DELETE FROM calls WHERE number IN (SELECT number FROM calls WHERE app = ?1 LIMIT ?2)",
    "DELETE FROM targets WHERE (device, kind) IN (SELECT device, kind FROM targets
        WHERE app = ?1 LIMIT ?2)",
    "DELETE FROM devices WHERE id IN (SELECT id FROM devices WHERE app = ?1 LIMIT ?2)",
    "DELETE FROM entries WHERE (inbox, offset) IN (SELECT e.inbox, e.offset FROM inboxes i
        CROSS JOIN entries e ON e.inbox = i.id WHERE i.app = ?1 LIMIT ?2)",
    "DELETE FROM read_entries WHERE (inbox, offset) IN (SELECT e.inbox, e.offset FROM inboxes i
        CROSS JOIN read_entries e ON e.inbox = i.id WHERE i.app = ?1 LIMIT ?2)",
    "DELETE FROM read_marks WHERE (inbox, thread) IN (SELECT m.inbox, m.thread FROM inboxes i
        CROSS JOIN read_marks m ON m.inbox = i.id WHERE i.app = ?1 LIMIT ?2)",
    "DELETE FROM unread WHERE (inbox, message) IN (SELECT u.inbox, u.message FROM inboxes i
        CROSS JOIN unread u ON u.inbox = i.id WHERE i.app = ?1 LIMIT ?2)",
    "DELETE FROM mutes WHERE (inbox, thread) IN (SELECT m.inbox, m.thread FROM inboxes i
        CROSS JOIN mutes m ON m.inbox = i.id WHERE i.app = ?1 LIMIT ?2)",
    "DELETE FROM blocks WHERE (inbox, user) IN (SELECT b.inbox, b.user FROM inboxes i
        CROSS JOIN blocks b ON b.inbox = i.id WHERE i.app = ?1 LIMIT ?2)",
    "DELETE FROM inboxes WHERE id IN (SELECT id FROM inboxes WHERE app = ?1 LIMIT ?2)",
    "DELETE FROM webhook_deliveries WHERE (webhook, event) IN (SELECT r.webhook, r.event
        FROM webhooks w CROSS JOIN webhook_deliveries r ON r.webhook = w.id
        WHERE w.app = ?1 LIMIT ?2)",
    "DELETE FROM webhooks WHERE id IN (SELECT id FROM webhooks WHERE app = ?1 LIMIT ?2)",
    "DELETE FROM events WHERE number IN (SELECT number FROM events WHERE app = ?1 LIMIT ?2)",
    "DELETE FROM lanes WHERE id IN (SELECT id FROM lanes WHERE app = ?1 LIMIT ?2)",
    "DELETE FROM relanes WHERE app IN (SELECT app FROM relanes WHERE app = ?1 LIMIT ?2)",
];

impl Sqlite {
    pub(crate) async fn delete_app(&self, app: AppId, now: Time) -> Result<bool, Error> {
        self.writer.change(move |tx| tx.delete_app(app, now)).await
    }

    pub(crate) async fn purge_app(&self) -> Result<Purged, Error> {
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

    /// Takes away some of what deleted apps had.
    fn purge_app(&self) -> Result<Purged, Error> {
        let sql = "SELECT id FROM apps WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT 1";
        let Some(app) = self.one(sql, [], |row| row.get::<_, i64>(0))? else {
            return Ok(Purged::default());
        };
        let sessions = self.all(
            "DELETE FROM sessions WHERE id IN (SELECT s.id FROM devices d
                CROSS JOIN sessions s ON s.device = d.id WHERE d.app = ?1 LIMIT ?2)
             RETURNING inbox",
            [app, SLICE],
            |row| row.get(0).map(InboxId::from_number),
        )?;
        if !sessions.is_empty() {
            return Ok(Purged { sessions, more: true });
        }
        for rows in ROWS {
            if self.run(rows, [app, SLICE])? > 0 {
                return Ok(Purged { sessions, more: true });
            }
        }
        self.run("DELETE FROM apps WHERE id = ?1", [app])?;
        Ok(Purged { sessions, more: true })
    }
}
