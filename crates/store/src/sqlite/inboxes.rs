//! Inboxes: accept, and what an accepted entry brings about.

use std::time::Duration;

use domain::call::EndReason;
use domain::inbox::Owing;
use domain::wake::{Plan, Rung, Wake};
use domain::{AppId, Epoch, EventType, InboxId, Offset, Owed, Reason, Time, Urgency};
use rusqlite::params;

use super::bodies::{Answer, CopyBody, MissedBody, entry_place, json, parse};
use super::rows::{At, Bits, WAKE_COLUMNS, offset, stored_wake, urgency_number};
use super::wakes::{DEVICE_COLUMNS, DEVICE_WIDTH, device_row};
use super::writer::Tx;
use crate::Error;
use crate::model::{Accept, Accepted, Birth, CallRecord, Effects, Newest, RecipientFault};

pub(super) const MESSAGE: i64 = 0;
pub(super) const OWN_COPY: i64 = 1;
pub(super) const RECEIPT: i64 = 2;
pub(super) const MISSED_CALL: i64 = 3;
pub(super) const READ: i64 = 4;

/// How long a missed call is kept.
const MISSED_CALL_TTL: Duration = Duration::from_secs(30 * 86_400);

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

pub(super) const INBOX_COLUMNS: &str = "id, epoch, head, floor, delivered, entries, bytes";

pub(super) fn inbox_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<InboxRow> {
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
pub(super) struct NewEntry<'a> {
    pub(super) id: u128,
    pub(super) kind: i64,
    pub(super) wakes: bool,
    pub(super) urgency: Urgency,
    pub(super) expires_at: Time,
    pub(super) sender: Option<InboxId>,
    pub(super) sender_name: Option<&'a str>,
    pub(super) thread: Option<&'a str>,
    pub(super) push: Option<&'a str>,
    pub(super) body: &'a str,
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
        // Whoever is blocked sees success.
        let mut blocked = false;
        let mut inboxes: Vec<InboxRow> = Vec::with_capacity(accept.recipients.len());
        for user in &accept.recipients {
            let mut inbox = self.inbox_of(accept.app, user)?;
            if inbox.is_none() && accept.makes_users {
                self.ensure_user(accept.app, user, accept.now)?;
                inbox = self.inbox_of(accept.app, user)?;
            }
            match inbox {
                None => failed.push((user.clone(), RecipientFault::UnknownUser)),
                Some(inbox) if self.blocks_sender(inbox.id, accept)? => blocked = true,
                Some(inbox)
                    if self.is_full(&inbox, &accept.content.body)
                        && !self.make_room(&inbox, &accept.content.body, accept.now)? =>
                {
                    failed.push((user.clone(), RecipientFault::InboxFull));
                }
                Some(inbox) => inboxes.push(inbox),
            }
        }
        if inboxes.is_empty() && !blocked {
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
                let to = (accept.app, inbox.id);
                self.wake_devices(to, at, &new, accept.birth.as_ref(), accept.now, fx)?;
            }
        }
        let own_copy = self.copy_to_own_devices(accept, fx)?;
        let answer = Answer {
            at: accept.now.as_micros(),
            failed: failed
                .iter()
                .map(|(user, fault)| (user.clone(), fault.as_str().to_owned()))
                .collect(),
            entries: entries.iter().map(|(inbox, at)| (inbox.number(), at.number())).collect(),
            own_copy: own_copy.map(|(epoch, at)| (epoch.number(), at.number())),
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
        Ok(Accepted::Stored { at: accept.now, failed, entries, own_copy, replayed: false })
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
            own_copy: answer
                .own_copy
                .map(|(epoch, at)| (Epoch::from_number(epoch), Offset::from_number(at))),
            replayed: true,
        }))
    }

    fn blocks_sender(&self, inbox: InboxId, accept: &Accept) -> Result<bool, Error> {
        match &accept.sender {
            Some(sender) => self.blocks(inbox, &sender.user),
            None => Ok(false),
        }
    }

    fn is_full(&self, inbox: &InboxRow, body: &str) -> bool {
        let bytes = i64::try_from(body.len()).unwrap_or(i64::MAX);
        inbox.entries >= self.limits.entries
            || inbox.bytes.saturating_add(bytes) > self.limits.bytes
    }

    /// What only lagging devices hold goes first, and they learn of a gap; returns whether that
    /// made room.
    fn make_room(&self, inbox: &InboxRow, body: &str, now: Time) -> Result<bool, Error> {
        let lagging = self.one(
            "SELECT COUNT(*), COALESCE(SUM(length(CAST(body AS BLOB))), 0) FROM entries
             WHERE inbox = ?1 AND offset <= ?2",
            [inbox.id.number(), inbox.delivered.number()],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
        )?;
        let (entries, bytes) = lagging.unwrap_or_default();
        let left =
            InboxRow { entries: inbox.entries - entries, bytes: inbox.bytes - bytes, ..*inbox };
        // A send that is refused all the same takes nothing from anybody.
        if self.is_full(&left, body) {
            return Ok(false);
        }
        self.cut(inbox, inbox.delivered, inbox.delivered, now)?;
        Ok(true)
    }

    /// The newest message that a push covers.
    pub(super) fn newest(&self, inbox: InboxId, plan: &Plan) -> Result<Option<Newest>, Error> {
        if plan.rung == Rung::Ring {
            return Ok(None);
        }
        self.one(
            "SELECT thread, push, kind FROM entries WHERE inbox = ?1 AND offset = ?2",
            params![inbox.number(), plan.covers.number()],
            |row| {
                Ok(Newest {
                    thread: row.get(0)?,
                    push: row.get(1)?,
                    missed_call: row.get::<_, i64>(2)? == MISSED_CALL,
                })
            },
        )
    }

    /// Appends an entry: the offset is taken in the transaction that stores it, so that commit
    /// order and offset order are the same.
    pub(super) fn append(
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
        (app, inbox): (AppId, InboxId),
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
        let asleep = devices.iter().any(|(device, _)| !device.live);
        let waits = asleep || devices.is_empty();
        let quiet = if waits { self.quiet(inbox, entry.thread)? } else { None };
        for (device, wake) in devices {
            match wake {
                _ if device.live => {}
                // It bothers nobody, so it changes nothing about what the wake waits for.
                Some(_) if quiet.is_some() => {}
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
                    let owing = quiet.map_or(Owing::Owed(owed), Owing::Quiet);
                    let wake = Wake::open(first, now, Reason::Message);
                    self.open_wake(&device, None, wake, owing, birth, now, fx)?;
                }
            }
        }
        if waits && quiet.is_none() {
            self.tell_offline(app, inbox, at, now)?;
        }
        Ok(())
    }

    /// The sender's other devices get a copy; it never wakes. Returns its place.
    fn copy_to_own_devices(
        &self,
        accept: &Accept,
        fx: &mut Effects,
    ) -> Result<Option<(Epoch, Offset)>, Error> {
        let Some(sender) = &accept.sender else { return Ok(None) };
        let Some(device) = sender.device else { return Ok(None) };
        let other = self.one(
            "SELECT 1 FROM devices WHERE inbox = ?1 AND id <> ?2 LIMIT 1",
            params![sender.inbox.number(), device.number()],
            |_| Ok(()),
        )?;
        if other.is_none() {
            return Ok(None);
        }
        let Some(inbox) = self.inbox(sender.inbox)? else { return Ok(None) };
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
        let at = self.append(sender.inbox, &new, accept.now, fx)?;
        Ok(Some((inbox.epoch, at)))
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
        self.wake_devices((call.app, call.callee_inbox), at, &new, None, now, fx)?;
        let body = serde_json::json!({
            "user": call.callee_user,
            "call": uuid::Uuid::from_u128(call.id.bits()).to_string(),
            "from": call.caller_user,
            "caller_name": call.caller_name,
            "media": if call.video { "video" } else { "audio" },
            "reason": call.ended().map(EndReason::as_str),
        });
        self.add_event(call.app, None, EventType::CallMissed, &body, now)
    }
}
