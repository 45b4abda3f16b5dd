//! Receipts: what became of messages, for whoever sent them.
//!
//! A receipt is an entry of the sender's inbox that wakes nobody, so that a sender who was offline
//! learns it too. While none of the sender's devices is there, one that waits at the head is
//! replaced by its union with the next: a long absence leaves few entries.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{InboxId, Offset, Time, Urgency};
use rusqlite::params;

use super::bodies::{ReceiptBody, json, parse};
use super::inboxes::{InboxRow, MESSAGE, NewEntry, RECEIPT};
use super::rows::{At, Bits, offset};
use super::writer::Tx;
use crate::Error;
use crate::model::{Effects, ReceiptState};

/// How long receipts are kept for a sender who is offline.
pub(super) const RECEIPT_TTL: Duration = Duration::from_secs(7 * 86_400);

/// Rows of one receipt that others are still joined to.
const JOINED_ROWS: usize = 100;

/// What became of one message.
pub(super) struct ReceiptOf {
    pub(super) message: u128,
    pub(super) state: ReceiptState,
}

impl Tx<'_> {
    /// Delivered means the first device's ack: tells the senders of what was newly delivered, and
    /// of what had expired by then.
    pub(super) fn receipts(
        &self,
        inbox: &InboxRow,
        delivered: Offset,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let newly = self.all(
            "SELECT id, sender, expires_at FROM entries
             WHERE inbox = ?1 AND offset > ?2 AND offset <= ?3 AND sender IS NOT NULL
             ORDER BY offset",
            params![inbox.id.number(), inbox.delivered.number(), delivered.number()],
            |row| Ok((row.get::<_, Bits>(0)?.0, row.get::<_, i64>(1)?, row.get::<_, At>(2)?.0)),
        )?;
        let mut by_sender: BTreeMap<i64, Vec<ReceiptOf>> = BTreeMap::new();
        for (message, sender, expires_at) in newly {
            // No read returns what has expired: it was passed over.
            let state =
                if expires_at > now { ReceiptState::Delivered } else { ReceiptState::Expired };
            by_sender.entry(sender).or_default().push(ReceiptOf { message, state });
        }
        self.tell_senders(inbox.id, by_sender, now, fx)
    }

    /// Writes receipts about messages to the user of `inbox`, one entry a sender.
    pub(super) fn tell_senders(
        &self,
        inbox: InboxId,
        by_sender: BTreeMap<i64, Vec<ReceiptOf>>,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        if by_sender.is_empty() {
            return Ok(());
        }
        let user = self.user_of(inbox)?;
        for (sender, receipts) in by_sender {
            let rows = receipts.into_iter().map(|receipt| ReceiptBody {
                message: receipt.message,
                user: user.clone(),
                state: receipt.state.as_str().to_owned(),
                at: now.as_micros(),
            });
            self.append_receipt(InboxId::from_number(sender), rows.collect(), now, fx)?;
        }
        Ok(())
    }

    fn append_receipt(
        &self,
        sender: InboxId,
        rows: Vec<ReceiptBody>,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        // The sender may be gone.
        let Some(inbox) = self.inbox(sender)? else { return Ok(()) };
        let mut all = self.take_waiting(&inbox)?;
        all.extend(rows);
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
            body: &json(&all)?,
        };
        self.append(sender, &new, now, fx)?;
        Ok(())
    }

    /// The rows of a receipt that nobody was sent yet, which goes.
    fn take_waiting(&self, inbox: &InboxRow) -> Result<Vec<ReceiptBody>, Error> {
        if inbox.head <= inbox.delivered || self.anybody_there(inbox.id)? {
            return Ok(Vec::new());
        }
        let waiting = self.one(
            "SELECT body FROM entries WHERE inbox = ?1 AND offset = ?2 AND kind = ?3",
            params![inbox.id.number(), inbox.head.number(), RECEIPT],
            |row| row.get::<_, String>(0),
        )?;
        let Some(body) = waiting else { return Ok(Vec::new()) };
        let rows: Vec<ReceiptBody> = parse(&body)?;
        if rows.len() >= JOINED_ROWS {
            return Ok(Vec::new());
        }
        self.run(
            "DELETE FROM entries WHERE inbox = ?1 AND offset = ?2",
            [inbox.id.number(), inbox.head.number()],
        )?;
        self.forget(inbox.id, 1, i64::try_from(body.len()).unwrap_or(i64::MAX))?;
        Ok(rows)
    }

    fn anybody_there(&self, inbox: InboxId) -> Result<bool, Error> {
        let there = self.one(
            "SELECT 1 FROM devices d JOIN sessions s ON s.device = d.id WHERE d.inbox = ?1 LIMIT 1",
            [inbox.number()],
            |_| Ok(()),
        )?;
        Ok(there.is_some())
    }

    /// Deletes an inbox's entries that have expired, and tells the senders of what nobody had.
    pub(super) fn expire_entries(
        &self,
        inbox: InboxId,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let gone = self.all(
            "DELETE FROM entries WHERE inbox = ?1 AND expires_at <= ?2
             RETURNING offset, id, kind, sender, length(CAST(body AS BLOB))",
            params![inbox.number(), At(now)],
            |row| {
                let sender: Option<i64> = row.get(3)?;
                let message = (row.get::<_, i64>(2)? == MESSAGE).then_some(sender).flatten();
                Ok((offset(row, 0)?, row.get::<_, Bits>(1)?.0, message, row.get::<_, i64>(4)?))
            },
        )?;
        self.run(
            "DELETE FROM unread WHERE inbox = ?1 AND expires_at <= ?2",
            params![inbox.number(), At(now)],
        )?;
        if gone.is_empty() {
            return Ok(());
        }
        let count = i64::try_from(gone.len()).unwrap_or(i64::MAX);
        self.forget(inbox, count, gone.iter().map(|(.., bytes)| bytes).sum())?;
        let Some(row) = self.inbox(inbox)? else { return Ok(()) };
        let mut by_sender: BTreeMap<i64, Vec<ReceiptOf>> = BTreeMap::new();
        for (at, message, sender, _) in gone {
            self.run(
                "DELETE FROM read_entries WHERE inbox = ?1 AND offset = ?2",
                [inbox.number(), at.number()],
            )?;
            if let Some(sender) = sender.filter(|_| at > row.delivered) {
                let receipt = ReceiptOf { message, state: ReceiptState::Expired };
                by_sender.entry(sender).or_default().push(receipt);
            }
        }
        self.tell_senders(inbox, by_sender, now, fx)
    }

    /// Entries that went, for the inbox's count.
    pub(super) fn forget(&self, inbox: InboxId, entries: i64, bytes: i64) -> Result<(), Error> {
        self.run(
            "UPDATE inboxes SET entries = entries - ?2, bytes = bytes - ?3 WHERE id = ?1",
            params![inbox.number(), entries, bytes],
        )?;
        Ok(())
    }
}
