//! What a user has read, muted and blocked.

use std::collections::{BTreeMap, HashSet};

use domain::inbox::{Owing, Quiet};
use domain::wake::Wake;
use domain::{AppId, DeviceNumber, InboxId, MessageId, Offset, Time, Urgency};
use rusqlite::{Connection, OptionalExtension, params};

use super::Sqlite;
use super::bodies::{Answer, ReadBody, json, parse};
use super::inboxes::{MESSAGE, NewEntry, READ};
use super::receipts::{RECEIPT_TTL, ReceiptOf};
use super::rows::{At, Bits, offset};
use super::wakes::DeviceRow;
use super::writer::Tx;
use crate::Error;
use crate::model::{
    Effects, Hush, HushKind, Hushed, Reach, ReadDone, ReadWhat, Reading, ReceiptState, WakeKey,
};

/// Mutes, or blocks, of one user at most.
const MOST_HUSHES: i64 = 1_000;

/// An SQL condition: the entry `e` is read, or muted. Quiet entries are owed and bother nobody.
pub(super) const IS_READ: &str =
    "EXISTS (SELECT 1 FROM read_entries r WHERE r.inbox = e.inbox AND r.offset = e.offset)";
pub(super) const IS_MUTED: &str =
    "EXISTS (SELECT 1 FROM mutes m WHERE m.inbox = e.inbox AND m.thread IN ('*', e.thread))";

impl Sqlite {
    pub(crate) async fn read_mark(&self, reading: Reading) -> Result<(ReadDone, Effects), Error> {
        self.with_effects(move |tx, fx| tx.read_mark(&reading, fx)).await
    }

    pub(crate) async fn hush(
        &self,
        inbox: InboxId,
        kind: HushKind,
        name: String,
        now: Time,
    ) -> Result<Hushed, Error> {
        self.writer.change(move |tx| tx.hush(inbox, kind, &name, now)).await
    }

    pub(crate) async fn unhush(
        &self,
        inbox: InboxId,
        kind: HushKind,
        name: String,
        now: Time,
    ) -> Result<(bool, Effects), Error> {
        self.with_effects(move |tx, fx| tx.unhush(inbox, kind, &name, now, fx)).await
    }

    pub(crate) async fn hushes(&self, inbox: InboxId, kind: HushKind) -> Result<Vec<Hush>, Error> {
        self.readers.read(move |conn| hushes(conn, inbox, kind)).await
    }

    pub(crate) async fn reach(
        &self,
        app: AppId,
        to: String,
        from: Option<String>,
    ) -> Result<Reach, Error> {
        self.readers.read(move |conn| reach(conn, app, &to, from.as_deref())).await
    }
}

/// A message that its user has just read.
struct JustRead {
    message: u128,
    sender: Option<InboxId>,
}

impl Tx<'_> {
    fn read_mark(&self, reading: &Reading, fx: &mut Effects) -> Result<ReadDone, Error> {
        let Some(inbox) = self.inbox(reading.inbox)? else {
            return Ok(ReadDone::Noted(Vec::new()));
        };
        let (read, sync) = match &reading.what {
            ReadWhat::Thread { thread, epoch, up_to } => {
                if *epoch != inbox.epoch {
                    return Ok(ReadDone::OtherEpoch);
                }
                if *up_to > inbox.head {
                    return Ok(ReadDone::AboveHead);
                }
                let Some(before) = self.raise_mark(inbox.id, thread, *up_to)? else {
                    return Ok(ReadDone::Noted(Vec::new()));
                };
                let read = self.read_thread(inbox.id, thread, before, *up_to)?;
                let thread = Some(thread.clone());
                (read, ReadBody { thread, up_to: Some(up_to.number()), messages: Vec::new() })
            }
            ReadWhat::Messages(messages) => {
                let read = self.read_messages(inbox.id, messages)?;
                if read.is_empty() {
                    return Ok(ReadDone::Noted(Vec::new()));
                }
                let messages = read.iter().map(|read| read.message).collect();
                (read, ReadBody { thread: None, up_to: None, messages })
            }
        };
        self.tell_own_devices(inbox.id, &sync, reading.now, fx)?;
        let mut by_sender: BTreeMap<i64, Vec<ReceiptOf>> = BTreeMap::new();
        let messages = read.iter().map(|read| MessageId::from_bits(read.message)).collect();
        for read in read {
            if let Some(sender) = read.sender {
                let receipt = ReceiptOf { message: read.message, state: ReceiptState::Read };
                by_sender.entry(sender.number()).or_default().push(receipt);
            }
        }
        self.tell_senders(inbox.id, by_sender, reading.now, fx)?;
        Ok(ReadDone::Noted(messages))
    }

    /// Returns where the mark was before; `None`: there or beyond already.
    fn raise_mark(
        &self,
        inbox: InboxId,
        thread: &str,
        up_to: Offset,
    ) -> Result<Option<Offset>, Error> {
        let before = self.one(
            "SELECT up_to FROM read_marks WHERE inbox = ?1 AND thread = ?2",
            params![inbox.number(), thread],
            |row| offset(row, 0),
        )?;
        let before = before.unwrap_or(Offset::ZERO);
        if up_to <= before {
            return Ok(None);
        }
        self.run(
            "REPLACE INTO read_marks (inbox, thread, up_to) VALUES (?1, ?2, ?3)",
            params![inbox.number(), thread, up_to.number()],
        )?;
        Ok(Some(before))
    }

    fn read_thread(
        &self,
        inbox: InboxId,
        thread: &str,
        before: Offset,
        up_to: Offset,
    ) -> Result<Vec<JustRead>, Error> {
        let mut read = self.all(
            "DELETE FROM unread WHERE inbox = ?1 AND thread = ?2 AND offset <= ?3
             RETURNING message, sender",
            params![inbox.number(), thread, up_to.number()],
            just_read,
        )?;
        let sql = format!(
            "SELECT e.offset, e.id, e.sender FROM entries e
             WHERE e.inbox = ?1 AND e.offset > ?2 AND e.offset <= ?3 AND e.thread = ?4
               AND e.kind = ?5 AND NOT {IS_READ}"
        );
        let kept = self.all(
            &sql,
            params![inbox.number(), before.number(), up_to.number(), thread, MESSAGE],
            |row| Ok((offset(row, 0)?, row.get::<_, Bits>(1)?.0, row.get::<_, Option<i64>>(2)?)),
        )?;
        for (at, message, sender) in kept {
            self.mark_entry(inbox, at)?;
            read.push(JustRead { message, sender: sender.map(InboxId::from_number) });
        }
        Ok(read)
    }

    fn read_messages(
        &self,
        inbox: InboxId,
        messages: &[MessageId],
    ) -> Result<Vec<JustRead>, Error> {
        let mut read = Vec::new();
        let mut kept = HashSet::new();
        for message in messages {
            let found = self.all(
                "DELETE FROM unread WHERE inbox = ?1 AND message = ?2 RETURNING message, sender",
                params![inbox.number(), Bits(message.bits())],
                just_read,
            )?;
            if found.is_empty() {
                kept.insert(message.bits());
            }
            read.extend(found);
        }
        for (at, message, sender) in self.entries_of(inbox, kept)? {
            self.mark_entry(inbox, at)?;
            read.push(JustRead { message, sender });
        }
        Ok(read)
    }

    /// The kept and unread entries of messages: where the table of sends knows them, there; those
    /// older than its window by going through the inbox, once.
    fn entries_of(
        &self,
        inbox: InboxId,
        mut messages: HashSet<u128>,
    ) -> Result<Vec<(Offset, u128, Option<InboxId>)>, Error> {
        let mut found = Vec::new();
        for message in messages.clone() {
            let sql = "SELECT result FROM sends WHERE message = ?1";
            let Some(answer) = self.one(sql, [Bits(message)], |row| row.get::<_, String>(0))?
            else {
                continue;
            };
            messages.remove(&message);
            let places = parse::<Answer>(&answer)?.entries;
            let Some((_, at)) = places.into_iter().find(|(of, _)| *of == inbox.number()) else {
                continue;
            };
            let sql = format!(
                "SELECT e.offset, e.id, e.sender FROM entries e
                 WHERE e.inbox = ?1 AND e.offset = ?2 AND e.kind = ?3 AND NOT {IS_READ}"
            );
            found.extend(self.one(&sql, params![inbox.number(), at, MESSAGE], entry_of)?);
        }
        if messages.is_empty() {
            return Ok(found);
        }
        let sql = format!(
            "SELECT e.offset, e.id, e.sender FROM entries e
             WHERE e.inbox = ?1 AND e.kind = ?2 AND NOT {IS_READ}"
        );
        let old = self.all(&sql, params![inbox.number(), MESSAGE], entry_of)?;
        found.extend(old.into_iter().filter(|(_, message, _)| messages.contains(message)));
        Ok(found)
    }

    fn mark_entry(&self, inbox: InboxId, at: Offset) -> Result<(), Error> {
        self.run(
            "INSERT INTO read_entries (inbox, offset) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            [inbox.number(), at.number()],
        )?;
        Ok(())
    }

    /// The reader's other devices, if there are any, learn of it in their inbox's order.
    fn tell_own_devices(
        &self,
        inbox: InboxId,
        read: &ReadBody,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let devices =
            self.all("SELECT id FROM devices WHERE inbox = ?1 LIMIT 2", [inbox.number()], |row| {
                row.get::<_, i64>(0)
            })?;
        if devices.len() < 2 {
            return Ok(());
        }
        let new = NewEntry {
            id: rand::random(),
            kind: READ,
            wakes: false,
            urgency: Urgency::Normal,
            expires_at: now.plus(RECEIPT_TTL),
            sender: None,
            sender_name: None,
            thread: read.thread.as_deref(),
            push: None,
            body: &json(read)?,
        };
        self.append(inbox, &new, now, fx)?;
        Ok(())
    }

    /// Why an entry of that thread would bother nobody.
    pub(super) fn quiet(
        &self,
        inbox: InboxId,
        thread: Option<&str>,
    ) -> Result<Option<Quiet>, Error> {
        self.one(
            "SELECT 1 FROM mutes WHERE inbox = ?1 AND thread IN ('*', ?2) LIMIT 1",
            params![inbox.number(), thread],
            |_| Ok(Quiet::Muted),
        )
    }

    /// Whether a user has blocked another.
    pub(super) fn blocks(&self, inbox: InboxId, user: &str) -> Result<bool, Error> {
        let blocked = self.one(
            "SELECT 1 FROM blocks WHERE inbox = ?1 AND user = ?2",
            params![inbox.number(), user],
            |_| Ok(()),
        )?;
        Ok(blocked.is_some())
    }

    fn hush(&self, inbox: InboxId, kind: HushKind, name: &str, now: Time) -> Result<Hushed, Error> {
        let (table, column) = place(kind);
        let count = format!("SELECT COUNT(*) FROM {table} WHERE inbox = ?1 AND {column} <> ?2");
        let others = self.one(&count, params![inbox.number(), name], |row| row.get::<_, i64>(0))?;
        if others.unwrap_or(0) >= MOST_HUSHES {
            return Ok(Hushed::TooMany);
        }
        let insert = format!(
            "INSERT INTO {table} (inbox, {column}, created_at) VALUES (?1, ?2, ?3)
             ON CONFLICT DO NOTHING"
        );
        self.run(&insert, params![inbox.number(), name, At(now)])?;
        Ok(Hushed::Stands)
    }

    fn unhush(
        &self,
        inbox: InboxId,
        kind: HushKind,
        name: &str,
        now: Time,
        fx: &mut Effects,
    ) -> Result<bool, Error> {
        let (table, column) = place(kind);
        let delete = format!("DELETE FROM {table} WHERE inbox = ?1 AND {column} = ?2");
        let was = self.run(&delete, params![inbox.number(), name])? > 0;
        if was && kind == HushKind::Mute {
            self.unmuted(inbox, now, fx)?;
        }
        Ok(was)
    }

    fn unmuted(&self, inbox: InboxId, now: Time, fx: &mut Effects) -> Result<(), Error> {
        let devices = self.all(
            "SELECT id FROM devices WHERE inbox = ?1 ORDER BY id",
            [inbox.number()],
            |row| row.get(0).map(DeviceNumber::from_number),
        )?;
        for device in devices {
            let (Some(mut stored), Some(row)) =
                (self.wake(WakeKey { device, call: 0 })?, self.device(device)?)
            else {
                continue;
            };
            let next = match stored.wake.unmuted(now) {
                None => self.heard_first(&stored.wake, &row, now)?,
                next => next,
            };
            if let Some(next) = next {
                stored.wake = next;
                self.save_wake(stored, &row, None, fx)?;
            }
        }
        Ok(())
    }

    /// What was muted while its device was pushed for something else is news to it now, as if it
    /// had just come.
    fn heard_first(&self, wake: &Wake, row: &DeviceRow, now: Time) -> Result<Option<Wake>, Error> {
        match self.owing(row.inbox, row.cursor, wake.pushed, now)? {
            Owing::Owed(owed) if owed.oldest_unpushed.is_some() => Ok(wake.join(owed.urgency, now)),
            Owing::Owed(_) | Owing::Quiet(_) | Owing::Nothing => Ok(None),
        }
    }
}

fn just_read(row: &rusqlite::Row<'_>) -> rusqlite::Result<JustRead> {
    let sender = InboxId::from_number(row.get(1)?);
    Ok(JustRead { message: row.get::<_, Bits>(0)?.0, sender: Some(sender) })
}

fn entry_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Offset, u128, Option<InboxId>)> {
    let sender: Option<i64> = row.get(2)?;
    Ok((offset(row, 0)?, row.get::<_, Bits>(1)?.0, sender.map(InboxId::from_number)))
}

/// Table and column.
const fn place(kind: HushKind) -> (&'static str, &'static str) {
    match kind {
        HushKind::Mute => ("mutes", "thread"),
        HushKind::Block => ("blocks", "user"),
    }
}

fn hushes(conn: &Connection, inbox: InboxId, kind: HushKind) -> Result<Vec<Hush>, Error> {
    let (table, column) = place(kind);
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {column}, created_at FROM {table} WHERE inbox = ?1 ORDER BY {column}"
    ))?;
    let rows = statement.query_map([inbox.number()], |row| {
        Ok(Hush { name: row.get(0)?, created_at: row.get::<_, At>(1)?.0 })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn reach(conn: &Connection, app: AppId, to: &str, from: Option<&str>) -> Result<Reach, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT i.id, EXISTS (SELECT 1 FROM blocks b WHERE b.inbox = i.id AND b.user = ?3)
         FROM inboxes i WHERE i.app = ?1 AND i.user = ?2",
    )?;
    let found = statement.query_row(params![app.number(), to, from], |row| {
        Ok((InboxId::from_number(row.get(0)?), row.get::<_, bool>(1)?))
    });
    Ok(match found.optional()? {
        None => Reach::Unknown,
        Some((_, true)) => Reach::Blocked,
        Some((inbox, false)) => Reach::Open(inbox),
    })
}
