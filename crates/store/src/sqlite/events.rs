//! Events: written in the transaction of what they report.

use domain::{AppId, DeviceNumber, EventSet, EventType, InboxId, MessageId, Offset, Time};
use rusqlite::{Connection, Row, params};
use tokio::sync::watch;

use super::Sqlite;
use super::bodies::parse;
use super::inboxes::MESSAGE;
use super::rows::{At, Bits, word};
use super::wakes::DeviceRow;
use super::writer::Tx;
use crate::Error;
use crate::model::{Event, NewEvent};

impl Sqlite {
    pub(crate) async fn add_event(
        &self,
        app: AppId,
        event: NewEvent,
        now: Time,
    ) -> Result<(), Error> {
        self.writer.change(move |tx| tx.tell(app, None, &event, now)).await
    }

    pub(crate) async fn events(
        &self,
        app: AppId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        self.readers.read(move |conn| events(conn, app, after, limit)).await
    }

    pub(crate) async fn newest_event(&self, app: AppId) -> Result<i64, Error> {
        self.readers.read(move |conn| newest_event(conn, app)).await
    }

    pub(crate) async fn wanted_events(&self, app: AppId) -> Result<EventSet, Error> {
        self.writer.change(move |tx| tx.wanted(app)).await
    }

    pub(crate) fn new_events(&self, app: AppId) -> watch::Receiver<i64> {
        self.bell.listen(app)
    }
}

impl Tx<'_> {
    /// Whether an app keeps events of this frequent kind: a webhook of it wants them, or a setting.
    pub(super) fn wants(&mut self, app: AppId, kind: EventType) -> Result<bool, Error> {
        Ok(self.wanted(app)?.has(kind))
    }

    /// Which frequent events an app keeps; the writer remembers them.
    fn wanted(&mut self, app: AppId) -> Result<EventSet, Error> {
        if let Some(wanted) = self.cache.wanted.get(&app) {
            return Ok(*wanted);
        }
        let mut wanted = self.settings(app)?.kept_events;
        for subscription in self.subscriptions(app)? {
            wanted = wanted.union(subscription.types());
        }
        self.cache.wanted.insert(app, wanted);
        Ok(wanted)
    }

    /// Writes an event that the caller made, unless it is a frequent one that the app does not want.
    pub(super) fn tell(
        &mut self,
        app: AppId,
        device: Option<DeviceNumber>,
        event: &NewEvent,
        now: Time,
    ) -> Result<(), Error> {
        if event.kind.is_frequent() && !self.wants(app, event.kind)? {
            return Ok(());
        }
        self.add_event(app, device, event.kind, &event.body, now)
    }

    /// Writes an event, about a device where it is about one. Whether a frequent one is wanted, the
    /// caller has asked.
    pub(super) fn add_event(
        &self,
        app: AppId,
        device: Option<DeviceNumber>,
        kind: EventType,
        body: &serde_json::Value,
        now: Time,
    ) -> Result<(), Error> {
        let sequence = match device {
            Some(device) => self.one(
                "UPDATE devices SET events = events + 1 WHERE id = ?1 RETURNING events",
                [device.number()],
                |row| row.get::<_, i64>(0),
            )?,
            None => None,
        };
        self.run(
            "INSERT INTO events (app, at, type, sequence, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![app.number(), At(now), kind.as_str(), sequence, body.to_string()],
        )?;
        self.cache.told.borrow_mut().push((app, self.last_id()));
        Ok(())
    }

    /// What waits at `at` waits for devices of a user that are not connected: if it is a message,
    /// their app is told, once until somebody connects or a set time has passed, and of no message
    /// twice: who connects and is gone again without an ack has left what was told of already. A
    /// missed call has an event of its own.
    pub(super) fn tell_offline(
        &mut self,
        app: AppId,
        inbox: InboxId,
        at: Offset,
        now: Time,
    ) -> Result<(), Error> {
        if !self.wants(app, EventType::MessageOffline)? {
            return Ok(());
        }
        let settings = self.settings(app)?;
        let again = now.minus(settings.offline_event_every);
        let tell = self.run(
            "UPDATE inboxes SET offline_at = ?2, offline_told = ?4
             WHERE id = ?1 AND offline_told < ?4 AND (offline_at IS NULL OR offline_at <= ?3)
               AND EXISTS (SELECT 1 FROM entries
                           WHERE inbox = ?1 AND offset = ?4 AND kind = ?5)",
            params![inbox.number(), At(now), At(again), at.number(), MESSAGE],
        )?;
        if tell == 0 {
            return Ok(());
        }
        let message = self.one(
            "SELECT id, sender_name, thread, body FROM entries WHERE inbox = ?1 AND offset = ?2",
            params![inbox.number(), at.number()],
            |row| {
                let id = MessageId::from_bits(row.get::<_, Bits>(0)?.0);
                let said: (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
                Ok((id, said, row.get::<_, String>(3)?))
            },
        )?;
        let Some((message, (from, thread), text)) = message else { return Ok(()) };
        let mut body = serde_json::json!({
            "user": self.user_of(inbox)?,
            "message": message.to_string(),
            "from": from,
            "thread": thread,
            "devices": self.asleep(inbox)?,
        });
        if settings.offline_event_body {
            body["body"] = parse(&text)?;
        }
        self.add_event(app, None, EventType::MessageOffline, &body, now)
    }

    /// A user's devices without a session to rely on.
    fn asleep(&self, inbox: InboxId) -> Result<Vec<serde_json::Value>, Error> {
        self.all(
            "SELECT d.name, d.platform, d.locale,
                    (SELECT group_concat(t.kind) FROM targets t WHERE t.device = d.id)
             FROM devices d WHERE d.inbox = ?1
               AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.device = d.id AND s.suspect = 0)
             ORDER BY d.id",
            [inbox.number()],
            |row| {
                let targets: Option<String> = row.get(3)?;
                let mut targets: Vec<&str> =
                    targets.iter().flat_map(|kinds| kinds.split(',')).collect();
                targets.sort_unstable();
                Ok(serde_json::json!({
                    "device": row.get::<_, String>(0)?,
                    "platform": row.get::<_, String>(1)?,
                    "locale": row.get::<_, Option<String>>(2)?,
                    "targets": targets,
                }))
            },
        )
    }

    /// Somebody connects: what waits from now on is news to the app again.
    pub(super) fn end_offline(&self, inbox: InboxId) -> Result<(), Error> {
        self.run(
            "UPDATE inboxes SET offline_at = NULL WHERE id = ?1 AND offline_at IS NOT NULL",
            [inbox.number()],
        )?;
        Ok(())
    }

    /// Whether a user has a session of their app, suspect or not.
    pub(super) fn is_connected(&self, inbox: InboxId) -> Result<bool, Error> {
        let session = self.one(
            "SELECT 1 FROM devices d JOIN sessions s ON s.device = d.id
             WHERE d.inbox = ?1 AND s.fetch = 0 LIMIT 1",
            [inbox.number()],
            |_| Ok(()),
        )?;
        Ok(session.is_some())
    }

    /// A session of a user's app began, and they had none; or their last one ended.
    pub(super) fn tell_presence(
        &self,
        kind: EventType,
        device: &DeviceRow,
        now: Time,
    ) -> Result<(), Error> {
        let body = serde_json::json!({
            "user": self.user_of(device.inbox)?,
            "device": device.name,
            "platform": device.platform.as_str(),
        });
        self.add_event(device.app, Some(device.number), kind, &body, now)
    }

    /// A session of this device ended: if it was its user's last one, their app is told.
    pub(super) fn tell_disconnected(
        &mut self,
        device: &DeviceRow,
        inbox: InboxId,
        now: Time,
    ) -> Result<(), Error> {
        if !self.wants(device.app, EventType::UserDisconnected)? || self.is_connected(inbox)? {
            return Ok(());
        }
        let was = DeviceRow { inbox, ..device.clone() };
        self.tell_presence(EventType::UserDisconnected, &was, now)
    }

    /// Forgets events from before `before`, and what became of them.
    pub(super) fn sweep_events(&self, before: Time) -> Result<(), Error> {
        let swept = self.run("DELETE FROM events WHERE at < ?1", [At(before)])?;
        if swept > 0 {
            self.sweep_webhook_deliveries()?;
        }
        Ok(())
    }
}

/// The columns of an event, from the alias `e`.
pub(super) const EVENT_COLUMNS: &str = "e.number, e.app, e.at, e.type, e.sequence, e.body";

/// How many [`EVENT_COLUMNS`] there are.
pub(super) const EVENT_WIDTH: usize = 6;

pub(super) fn event_row(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        number: row.get(0)?,
        app: AppId::from_number(row.get(1)?),
        at: row.get::<_, At>(2)?.0,
        kind: word(row, 3, EventType::parse)?,
        sequence: row.get(4)?,
        body: row.get(5)?,
    })
}

pub(super) fn newest_event(conn: &Connection, app: AppId) -> Result<i64, Error> {
    let mut statement = conn.prepare_cached("SELECT MAX(number) FROM events WHERE app = ?1")?;
    let newest = statement.query_row([app.number()], |row| row.get::<_, Option<i64>>(0))?;
    Ok(newest.unwrap_or(0))
}

fn events(conn: &Connection, app: AppId, after: i64, limit: usize) -> Result<Vec<Event>, Error> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {EVENT_COLUMNS} FROM events e
         WHERE e.app = ?1 AND e.number > ?2 ORDER BY e.number LIMIT ?3"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![app.number(), after, limit], event_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
