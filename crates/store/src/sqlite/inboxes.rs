//! Inboxes: accept, ordered reads, acks, receipts, trimming.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::inbox::{Held, Holder, Known, Verdict, judge, trim_to};
use domain::wake::{Rung, Wake};
use domain::{
    AppId, CallId, DeviceNumber, EntryId, Epoch, InboxId, MessageId, Offset, Owed, Reason,
    SessionId, Time, Urgency, WakeId,
};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::rows::{At, Bits, WAKE_COLUMNS, offset, stored_wake, urgency_number};
use super::wakes::{DEVICE_COLUMNS, DEVICE_WIDTH, DeviceRow, device_row};
use super::writer::Tx;
use crate::Error;
use crate::model::{
    Accept, Accepted, Acked, Birth, CallRecord, Effects, Entry, EntryKind, InboxRead, ReceiptRow,
    ReceiptState, RecipientFault, WakeKey,
};

const MESSAGE: i64 = 0;
const OWN_COPY: i64 = 1;
const RECEIPT: i64 = 2;
pub(super) const MISSED_CALL: i64 = 3;

/// How long receipts are kept for a sender who is offline.
const RECEIPT_TTL: Duration = Duration::from_secs(7 * 86_400);

/// How long a missed call is kept.
const MISSED_CALL_TTL: Duration = Duration::from_secs(30 * 86_400);

/// A device silent for this long holds no entry back.
const SILENT_AFTER: Duration = Duration::from_secs(14 * 86_400);

/// An inbox's row.
#[derive(Clone, Copy, Debug)]
pub(super) struct InboxRow {
    pub(super) id: InboxId,
    pub(super) epoch: Epoch,
    pub(super) head: Offset,
    pub(super) floor: Offset,
    pub(super) delivered: Offset,
    pub(super) entries: i64,
    pub(super) bytes: i64,
}

const INBOX_COLUMNS: &str = "id, epoch, head, floor, delivered, entries, bytes";

fn inbox_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<InboxRow> {
    Ok(InboxRow {
        id: InboxId::from_number(row.get(0)?),
        epoch: Epoch::from_number(row.get(1)?),
        head: offset(row, 2)?,
        floor: offset(row, 3)?,
        delivered: offset(row, 4)?,
        entries: row.get(5)?,
        bytes: row.get(6)?,
    })
}

/// An entry to be appended.
struct NewEntry<'a> {
    id: u128,
    kind: i64,
    wakes: bool,
    urgency: Urgency,
    expires_at: Time,
    sender: Option<InboxId>,
    sender_name: Option<&'a str>,
    thread: Option<&'a str>,
    push: Option<&'a str>,
    body: &'a str,
}

impl Tx<'_> {
    pub(super) fn inbox(&self, inbox: InboxId) -> Result<Option<InboxRow>, Error> {
        let sql = format!("SELECT {INBOX_COLUMNS} FROM inboxes WHERE id = ?1");
        self.one(&sql, [inbox.number()], inbox_row)
    }

    pub(super) fn inbox_of(&self, app: AppId, user: &str) -> Result<Option<InboxRow>, Error> {
        let sql = format!("SELECT {INBOX_COLUMNS} FROM inboxes WHERE app = ?1 AND user = ?2");
        self.one(&sql, params![app.number(), user], inbox_row)
    }

    pub(super) fn user_of(&self, inbox: InboxId) -> Result<String, Error> {
        let user =
            self.one("SELECT user FROM inboxes WHERE id = ?1", [inbox.number()], |row| row.get(0))?;
        user.ok_or_else(|| Error::Database("a device has no inbox".to_owned()))
    }

    /// Stores a message for every recipient that can take it, once.
    pub(super) fn accept(&mut self, accept: &Accept, fx: &mut Effects) -> Result<Accepted, Error> {
        if let Some(answered) = self.answered(accept)? {
            return Ok(answered);
        }
        let mut failed = Vec::new();
        let mut inboxes: Vec<InboxRow> = Vec::with_capacity(accept.recipients.len());
        for user in &accept.recipients {
            match self.inbox_of(accept.app, user)? {
                None => failed.push((user.clone(), RecipientFault::UnknownUser)),
                Some(inbox) if self.is_full(&inbox, &accept.content.body) => {
                    failed.push((user.clone(), RecipientFault::InboxFull));
                }
                Some(inbox) => inboxes.push(inbox),
            }
        }
        if inboxes.is_empty() {
            return Ok(Accepted::NoRecipient(failed));
        }
        // Inboxes are taken by key, so that stores with row locks cannot deadlock.
        inboxes.sort_by_key(|inbox| inbox.id);
        inboxes.dedup_by_key(|inbox| inbox.id);
        let content = &accept.content;
        let mut entries = Vec::with_capacity(inboxes.len());
        for inbox in &inboxes {
            let new = NewEntry {
                id: accept.message.bits(),
                kind: MESSAGE,
                wakes: content.wakes,
                urgency: content.urgency,
                expires_at: content.expires_at,
                sender: accept.sender.as_ref().map(|sender| sender.inbox),
                sender_name: accept.sender.as_ref().map(|sender| sender.user.as_str()),
                thread: content.thread.as_deref(),
                push: content.push.as_deref(),
                body: &content.body,
            };
            let at = self.append(inbox.id, &new, accept.now, fx)?;
            entries.push((inbox.id, at));
            if content.wakes {
                self.wake_devices(inbox.id, at, &new, accept.birth.as_ref(), accept.now, fx)?;
            }
        }
        self.copy_to_own_devices(accept, fx)?;
        let answer = Answer {
            at: accept.now.as_micros(),
            failed: failed
                .iter()
                .map(|(user, fault)| (user.clone(), fault.as_str().to_owned()))
                .collect(),
            entries: entries.iter().map(|(inbox, at)| (inbox.number(), at.number())).collect(),
        };
        self.run(
            "INSERT INTO sends (message, app, request, result, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                Bits(accept.message.bits()),
                accept.app.number(),
                &accept.request[..],
                json(&answer)?,
                At(accept.now),
            ],
        )?;
        Ok(Accepted::Stored { at: accept.now, failed, entries, replayed: false })
    }

    /// The answer to an earlier try of the same send.
    fn answered(&self, accept: &Accept) -> Result<Option<Accepted>, Error> {
        let earlier = self.one(
            "SELECT request, result FROM sends WHERE message = ?1",
            [Bits(accept.message.bits())],
            |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?)),
        )?;
        let Some((request, result)) = earlier else { return Ok(None) };
        if request != accept.request {
            return Ok(Some(Accepted::IdReused));
        }
        let answer: Answer = parse(&result)?;
        Ok(Some(Accepted::Stored {
            at: Time::from_micros(answer.at),
            failed: answer
                .failed
                .into_iter()
                .filter_map(|(user, fault)| Some((user, RecipientFault::parse(&fault)?)))
                .collect(),
            entries: answer.entries.into_iter().map(entry_place).collect(),
            replayed: true,
        }))
    }

    fn is_full(&self, inbox: &InboxRow, body: &str) -> bool {
        let bytes = i64::try_from(body.len()).unwrap_or(i64::MAX);
        inbox.entries >= self.limits.entries
            || inbox.bytes.saturating_add(bytes) > self.limits.bytes
    }

    /// Appends an entry: the offset is taken in the transaction that stores it, so that commit
    /// order and offset order are the same.
    fn append(
        &self,
        inbox: InboxId,
        entry: &NewEntry<'_>,
        now: Time,
        fx: &mut Effects,
    ) -> Result<Offset, Error> {
        let bytes = i64::try_from(entry.body.len()).unwrap_or(i64::MAX);
        let at = self
            .one(
                "UPDATE inboxes SET head = head + 1, entries = entries + 1, bytes = bytes + ?2
                 WHERE id = ?1 RETURNING head",
                params![inbox.number(), bytes],
                |row| offset(row, 0),
            )?
            .ok_or_else(|| Error::Database("an inbox just read is not there".to_owned()))?;
        self.run(
            "INSERT INTO entries (inbox, offset, id, kind, wakes, urgency, created_at, expires_at,
                sender, sender_name, thread, push, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            params![
                inbox.number(),
                at.number(),
                Bits(entry.id),
                entry.kind,
                entry.wakes,
                urgency_number(entry.urgency),
                At(now),
                At(entry.expires_at),
                entry.sender.map(InboxId::number),
                entry.sender_name,
                entry.thread,
                entry.push,
                entry.body,
            ],
        )?;
        fx.nudges.push((inbox, at));
        Ok(at)
    }

    /// A waking entry was appended: every device without a session to rely on is owed a wake.
    fn wake_devices(
        &mut self,
        inbox: InboxId,
        at: Offset,
        entry: &NewEntry<'_>,
        birth: Option<&Birth>,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let sql = format!(
            "SELECT {DEVICE_COLUMNS}, {WAKE_COLUMNS} FROM devices d
             LEFT JOIN wakes w ON w.device = d.id AND w.call = 0 WHERE d.inbox = ?1"
        );
        let devices = self.all(&sql, [inbox.number()], |row| {
            Ok((device_row(row)?, stored_wake(row, DEVICE_WIDTH)?))
        })?;
        for (device, wake) in devices {
            match wake {
                _ if device.live => {}
                Some(mut stored) => {
                    if let Some(joined) = stored.wake.join(entry.urgency, now) {
                        stored.wake = joined;
                        self.save_wake(stored, &device, None, fx)?;
                    }
                }
                None => {
                    let settings = self.settings(device.app)?;
                    let first = Rung::first(&settings.policy, device.platform);
                    // No wake and no session: by the invariant nothing else that wakes is owed.
                    let owed = Owed {
                        oldest_unpushed: Some(at),
                        head: at,
                        count: 1,
                        urgency: entry.urgency,
                        expires_at: entry.expires_at,
                    };
                    let wake = Wake::open(first, now, Reason::Message);
                    self.open_wake(&device, None, wake, Some(owed), birth, now, fx)?;
                }
            }
        }
        Ok(())
    }

    /// The sender's other devices get a copy; it never wakes.
    fn copy_to_own_devices(&self, accept: &Accept, fx: &mut Effects) -> Result<(), Error> {
        let Some(sender) = &accept.sender else { return Ok(()) };
        let Some(device) = sender.device else { return Ok(()) };
        let other = self.one(
            "SELECT 1 FROM devices WHERE inbox = ?1 AND id <> ?2 LIMIT 1",
            params![sender.inbox.number(), device.number()],
            |_| Ok(()),
        )?;
        if other.is_none() {
            return Ok(());
        }
        let copy = CopyBody { to: accept.recipients.clone(), body: accept.content.body.clone() };
        let new = NewEntry {
            id: accept.message.bits(),
            kind: OWN_COPY,
            wakes: false,
            urgency: Urgency::Normal,
            expires_at: accept.content.expires_at,
            sender: None,
            sender_name: Some(&sender.user),
            thread: accept.content.thread.as_deref(),
            push: None,
            body: &json(&copy)?,
        };
        self.append(sender.inbox, &new, accept.now, fx)?;
        Ok(())
    }

    /// A call that nobody took becomes a message of the callee's inbox.
    pub(super) fn append_missed_call(
        &mut self,
        call: &CallRecord,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let missed = MissedBody {
            call: call.id.bits(),
            caller_name: call.caller_name.clone(),
            video: call.video,
        };
        let new = NewEntry {
            id: rand::random(),
            kind: MISSED_CALL,
            wakes: true,
            urgency: Urgency::Normal,
            expires_at: now.plus(MISSED_CALL_TTL),
            sender: None,
            sender_name: Some(&call.caller_user),
            thread: None,
            push: None,
            body: &json(&missed)?,
        };
        let at = self.append(call.callee_inbox, &new, now, fx)?;
        self.wake_devices(call.callee_inbox, at, &new, None, now, fx)
    }

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
            match self.owed(inbox.id, cursor, stored.wake.pushed, now)? {
                None => self.close_wake(&stored, Reason::Acked, fx)?,
                Some(_) => {
                    let settings = self.settings(device.app)?;
                    let first = Rung::first(&settings.policy, device.platform);
                    stored.wake = stored.wake.progressed(first, &settings.policy, now);
                    self.save_wake(stored, device, None, fx)?;
                }
            }
        }
        Ok(())
    }

    /// Delivered means the first device's ack: tells the senders of what was newly delivered.
    fn receipts(
        &self,
        inbox: &InboxRow,
        delivered: Offset,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let newly = self.all(
            "SELECT id, sender FROM entries
             WHERE inbox = ?1 AND offset > ?2 AND offset <= ?3 AND sender IS NOT NULL
             ORDER BY offset",
            params![inbox.id.number(), inbox.delivered.number(), delivered.number()],
            |row| Ok((row.get::<_, Bits>(0)?.0, row.get::<_, i64>(1)?)),
        )?;
        if newly.is_empty() {
            return Ok(());
        }
        let user = self.user_of(inbox.id)?;
        let mut by_sender: BTreeMap<i64, Vec<ReceiptBody>> = BTreeMap::new();
        for (message, sender) in newly {
            let row = ReceiptBody { message, user: user.clone(), at: now.as_micros() };
            by_sender.entry(sender).or_default().push(row);
        }
        for (sender, rows) in by_sender {
            let new = NewEntry {
                id: rand::random(),
                kind: RECEIPT,
                wakes: false,
                urgency: Urgency::Normal,
                expires_at: now.plus(RECEIPT_TTL),
                sender: None,
                sender_name: None,
                thread: None,
                push: None,
                body: &json(&rows)?,
            };
            self.append(InboxId::from_number(sender), &new, now, fx)?;
        }
        Ok(())
    }

    /// Deletes what every device that counts has acknowledged.
    fn trim(&self, inbox: &InboxRow, delivered: Offset, now: Time) -> Result<(), Error> {
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
        let floor = trim_to(&holders, delivered, now.minus(SILENT_AFTER)).max(inbox.floor);
        let (mut entries, mut bytes) = (0_i64, 0_i64);
        if floor > inbox.floor {
            let gone = self.all(
                "DELETE FROM entries WHERE inbox = ?1 AND offset <= ?2
                 RETURNING length(CAST(body AS BLOB))",
                params![inbox.id.number(), floor.number()],
                |row| row.get::<_, i64>(0),
            )?;
            entries = i64::try_from(gone.len()).unwrap_or(i64::MAX);
            bytes = gone.into_iter().sum();
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

    /// Deletes what has expired, of some inboxes at a time; returns whether all were looked at.
    pub(super) fn sweep_entries(&mut self, now: Time, inboxes: i64) -> Result<bool, Error> {
        let from = self.cache.swept;
        let ids = self.all(
            "SELECT id FROM inboxes WHERE id > ?1 ORDER BY id LIMIT ?2",
            [from, inboxes],
            |row| row.get::<_, i64>(0),
        )?;
        for inbox in &ids {
            let gone = self.all(
                "DELETE FROM entries WHERE inbox = ?1 AND expires_at <= ?2
                 RETURNING length(CAST(body AS BLOB))",
                params![inbox, At(now)],
                |row| row.get::<_, i64>(0),
            )?;
            if !gone.is_empty() {
                let entries = i64::try_from(gone.len()).unwrap_or(i64::MAX);
                self.run(
                    "UPDATE inboxes SET entries = entries - ?2, bytes = bytes - ?3 WHERE id = ?1",
                    params![inbox, entries, gone.into_iter().sum::<i64>()],
                )?;
            }
        }
        let done = i64::try_from(ids.len()).unwrap_or(i64::MAX) < inboxes;
        self.cache.swept = if done { 0 } else { ids.last().copied().unwrap_or(0) };
        Ok(done)
    }
}

/// One ordered read: up to `limit` unexpired entries behind `after`.
pub(super) fn read(
    conn: &Connection,
    inbox: InboxId,
    after: Offset,
    limit: usize,
    now: Time,
) -> Result<Option<InboxRead>, Error> {
    // One read transaction, so that head and entries belong together.
    let snapshot = conn.unchecked_transaction()?;
    let sql = format!("SELECT {INBOX_COLUMNS} FROM inboxes WHERE id = ?1");
    let row = {
        let mut statement = snapshot.prepare_cached(&sql)?;
        let mut rows = statement.query([inbox.number()])?;
        match rows.next()? {
            None => return Ok(None),
            Some(row) => inbox_row(row)?,
        }
    };
    let mut statement = snapshot.prepare_cached(
        "SELECT offset, id, kind, created_at, expires_at, sender_name, thread, body FROM entries
         WHERE inbox = ?1 AND offset > ?2 ORDER BY offset LIMIT ?3",
    )?;
    let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![inbox.number(), after.number(), limit_rows])?;
    let mut entries = Vec::new();
    let mut looked_at = 0_usize;
    let mut read_to = after;
    while let Some(row) = rows.next()? {
        looked_at += 1;
        read_to = offset(row, 0)?;
        let expires_at = row.get::<_, At>(4)?.0;
        if expires_at > now {
            entries.push(entry(row, read_to, expires_at)?);
        }
    }
    if looked_at < limit {
        read_to = read_to.max(row.head);
    }
    Ok(Some(InboxRead { epoch: row.epoch, head: row.head, floor: row.floor, entries, read_to }))
}

fn entry(row: &rusqlite::Row<'_>, at: Offset, expires_at: Time) -> Result<Entry, Error> {
    let id = row.get::<_, Bits>(1)?.0;
    let from: Option<String> = row.get(5)?;
    let thread: Option<String> = row.get(6)?;
    let body: String = row.get(7)?;
    let kind = match row.get::<_, i64>(2)? {
        MESSAGE => EntryKind::Message { message: MessageId::from_bits(id), from, thread, body },
        OWN_COPY => {
            let copy: CopyBody = parse(&body)?;
            EntryKind::OwnCopy {
                message: MessageId::from_bits(id),
                to: copy.to,
                thread,
                body: copy.body,
            }
        }
        RECEIPT => {
            let rows: Vec<ReceiptBody> = parse(&body)?;
            EntryKind::Receipt {
                rows: rows
                    .into_iter()
                    .map(|row| ReceiptRow {
                        message: MessageId::from_bits(row.message),
                        user: row.user,
                        state: ReceiptState::Delivered,
                        at: Time::from_micros(row.at),
                    })
                    .collect(),
            }
        }
        _ => {
            let missed: MissedBody = parse(&body)?;
            EntryKind::MissedCall {
                call: CallId::from_bits(missed.call),
                from: from.unwrap_or_default(),
                caller_name: missed.caller_name,
                video: missed.video,
            }
        }
    };
    Ok(Entry {
        offset: at,
        id: EntryId::from_bits(id),
        kind,
        created_at: row.get::<_, At>(3)?.0,
        expires_at,
    })
}

/// Where a message is: its inboxes and offsets, from the table of sends.
pub(super) fn find_message(
    conn: &Connection,
    app: AppId,
    message: MessageId,
) -> Result<Option<Vec<(InboxId, Offset)>>, Error> {
    let mut statement =
        conn.prepare_cached("SELECT result FROM sends WHERE message = ?1 AND app = ?2")?;
    let mut rows = statement.query(params![Bits(message.bits()), app.number()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let answer: Answer = parse(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
    Ok(Some(answer.entries.into_iter().map(entry_place).collect()))
}

fn entry_place((inbox, at): (i64, i64)) -> (InboxId, Offset) {
    (InboxId::from_number(inbox), Offset::from_number(at))
}

/// What a send was answered, as it is stored.
#[derive(Serialize, Deserialize)]
struct Answer {
    at: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failed: Vec<(String, String)>,
    entries: Vec<(i64, i64)>,
}

/// The body column of an own copy.
#[derive(Serialize, Deserialize)]
struct CopyBody {
    to: Vec<String>,
    body: String,
}

/// A row of the body column of a receipt.
#[derive(Serialize, Deserialize)]
struct ReceiptBody {
    message: u128,
    user: String,
    at: i64,
}

/// The body column of a missed call.
#[derive(Serialize, Deserialize)]
struct MissedBody {
    call: u128,
    caller_name: String,
    video: bool,
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Database(error.to_string()))
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Database(error.to_string()))
}

/// The wake a device was woken by, for the log.
pub(super) fn open_wake_of(tx: &Tx<'_>, device: DeviceNumber) -> Result<Option<WakeId>, Error> {
    Ok(tx.wake(WakeKey { device, call: 0 })?.map(|stored| stored.id))
}
