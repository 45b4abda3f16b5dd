//! Acks: the cursor moves, senders get their receipts, what everybody holds goes.

use std::collections::BTreeSet;

use domain::inbox::{Held, Holder, Known, Owing, Verdict, judge, trim_to};
use domain::wake::Rung;
use domain::{DeviceNumber, EntryId, InboxId, Offset, Reason, SessionId, Time};
use rusqlite::params;

use super::inboxes::{InboxRow, MESSAGE};
use super::rows::{At, Bits, offset};
use super::wakes::DeviceRow;
use super::writer::Tx;
use crate::Error;
use crate::model::{Acked, Effects, WakeKey};

/// An entry that was just deleted.
struct Gone {
    offset: Offset,
    bytes: i64,
    /// If it was a message from a user.
    message: Option<GoneMessage>,
}

/// What is left of its message.
struct GoneMessage {
    id: Bits,
    sender: i64,
    thread: Option<String>,
    expires_at: Time,
}

fn gone(row: &rusqlite::Row<'_>) -> rusqlite::Result<Gone> {
    let sender: Option<i64> = row.get(4)?;
    let message = match sender {
        Some(sender) if row.get::<_, i64>(3)? == MESSAGE => Some(GoneMessage {
            id: row.get(2)?,
            sender,
            thread: row.get(5)?,
            expires_at: row.get::<_, At>(6)?.0,
        }),
        Some(_) | None => None,
    };
    Ok(Gone { offset: offset(row, 0)?, bytes: row.get(1)?, message })
}

impl Tx<'_> {
    /// A device says it holds everything up to a position.
    pub(super) fn ack(
        &mut self,
        device: DeviceNumber,
        held: Held,
        session: Option<SessionId>,
        now: Time,
        fx: &mut Effects,
    ) -> Result<Acked, Error> {
        let Some(row) = self.device(device)? else { return Ok(Acked::NoDevice) };
        let Some(inbox) = self.inbox(row.inbox)? else { return Ok(Acked::NoDevice) };
        let entry_there = match held.entry {
            None => None,
            Some(_) => self.entry_at(inbox.id, held.offset)?,
        };
        let known = Known { epoch: inbox.epoch, head: inbox.head, cursor: row.cursor, entry_there };
        match judge(held, known) {
            Verdict::Nothing => Ok(Acked::Nothing),
            Verdict::OtherEpoch => Ok(Acked::OtherEpoch),
            Verdict::Contradiction => Ok(Acked::Contradiction),
            Verdict::Progress(offset) => {
                self.progress(&row, &inbox, offset, session, now, fx)?;
                Ok(Acked::Progress(offset))
            }
        }
    }

    pub(super) fn entry_at(&self, inbox: InboxId, at: Offset) -> Result<Option<EntryId>, Error> {
        self.one(
            "SELECT id FROM entries WHERE inbox = ?1 AND offset = ?2",
            params![inbox.number(), at.number()],
            |row| Ok(EntryId::from_bits(row.get::<_, Bits>(0)?.0)),
        )
    }

    /// The cursor moves: receipts, trimming, and the device's wake.
    pub(super) fn progress(
        &mut self,
        device: &DeviceRow,
        inbox: &InboxRow,
        cursor: Offset,
        session: Option<SessionId>,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        self.run(
            "UPDATE devices SET cursor = ?2, last_seen_at = ?3 WHERE id = ?1",
            params![device.number.number(), cursor.number(), At(now)],
        )?;
        if let Some(session) = session {
            self.run(
                "UPDATE sessions SET suspect = 0 WHERE id = ?1 AND suspect = 1",
                [Bits(session.bits())],
            )?;
        }
        let delivered = inbox.delivered.max(cursor);
        if delivered > inbox.delivered {
            self.receipts(inbox, delivered, now, fx)?;
        }
        self.trim(inbox, delivered, now)?;
        let key = WakeKey { device: device.number, call: 0 };
        if let Some(mut stored) = self.wake(key)? {
            match self.owing(inbox.id, cursor, stored.wake.pushed, now)? {
                Owing::Nothing => {
                    stored.was_acknowledged(device.app, now, fx);
                    self.close_wake(&stored, device, Reason::Acked, fx)?;
                }
                Owing::Quiet(_) | Owing::Owed(_) => {
                    let settings = self.settings(device.app)?;
                    let first = Rung::first(&settings.policy, device.platform);
                    stored.wake = stored.wake.progressed(first, &settings.policy, now);
                    self.save_wake(stored, device, None, fx)?;
                }
            }
        }
        Ok(())
    }

    /// Deletes what every device that counts has acknowledged.
    pub(super) fn trim(&self, inbox: &InboxRow, delivered: Offset, now: Time) -> Result<(), Error> {
        let holders = self.all(
            "SELECT cursor, last_seen_at,
                    EXISTS (SELECT 1 FROM sessions s WHERE s.device = devices.id)
             FROM devices WHERE inbox = ?1",
            [inbox.id.number()],
            |row| {
                let last_seen = if row.get(2)? { now } else { row.get::<_, At>(1)?.0 };
                Ok(Holder { cursor: offset(row, 0)?, last_seen })
            },
        )?;
        let floor = trim_to(&holders, delivered, now.minus(self.limits.silent_after));
        self.cut(inbox, floor, delivered, now)
    }

    /// Deletes everything up to `floor`, and notes what was delivered.
    pub(super) fn cut(
        &self,
        inbox: &InboxRow,
        floor: Offset,
        delivered: Offset,
        now: Time,
    ) -> Result<(), Error> {
        let floor = floor.max(inbox.floor);
        let (mut entries, mut bytes) = (0_i64, 0_i64);
        if floor > inbox.floor {
            let read = self.all(
                "DELETE FROM read_entries WHERE inbox = ?1 AND offset <= ?2 RETURNING offset",
                [inbox.id.number(), floor.number()],
                |row| offset(row, 0),
            )?;
            let read = BTreeSet::from_iter(read);
            let gone = self.all(
                "DELETE FROM entries WHERE inbox = ?1 AND offset <= ?2
                 RETURNING offset, length(CAST(body AS BLOB)), id, kind, sender, thread, expires_at",
                params![inbox.id.number(), floor.number()],
                gone,
            )?;
            entries = i64::try_from(gone.len()).unwrap_or(i64::MAX);
            bytes = gone.iter().map(|gone| gone.bytes).sum();
            // Whom to tell once they are read. What was never delivered has nobody to read it.
            for gone in gone.iter().filter(|gone| !read.contains(&gone.offset)) {
                self.keep_unread(inbox.id, gone, now)?;
            }
        }
        if floor > inbox.floor || delivered > inbox.delivered {
            self.run(
                "UPDATE inboxes SET delivered = ?2, floor = ?3, entries = entries - ?4,
                        bytes = bytes - ?5 WHERE id = ?1",
                params![inbox.id.number(), delivered.number(), floor.number(), entries, bytes],
            )?;
        }
        Ok(())
    }

    /// Keeps whom to tell once a message is read whose entry went.
    fn keep_unread(&self, inbox: InboxId, gone: &Gone, now: Time) -> Result<(), Error> {
        let Some(message) = &gone.message else { return Ok(()) };
        if message.expires_at <= now {
            return Ok(());
        }
        self.run(
            "INSERT INTO unread (inbox, message, offset, sender, thread, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            params![
                inbox.number(),
                message.id,
                gone.offset.number(),
                message.sender,
                message.thread,
                At(message.expires_at)
            ],
        )?;
        Ok(())
    }

    /// Deletes what has expired, of some inboxes at a time; returns whether all were looked at.
    pub(super) fn sweep_entries(
        &mut self,
        now: Time,
        inboxes: i64,
        fx: &mut Effects,
    ) -> Result<bool, Error> {
        let from = self.cache.swept;
        let ids = self.all(
            "SELECT id FROM inboxes WHERE id > ?1 ORDER BY id LIMIT ?2",
            [from, inboxes],
            |row| row.get::<_, i64>(0),
        )?;
        for inbox in &ids {
            self.expire_entries(InboxId::from_number(*inbox), now, fx)?;
        }
        let done = i64::try_from(ids.len()).unwrap_or(i64::MAX) < inboxes;
        self.cache.swept = if done { 0 } else { ids.last().copied().unwrap_or(0) };
        Ok(done)
    }
}
