//! What an installation keeps on its disk: it survives every end of the app's process.
//!
//! The app and its notification extension share it, each step under one lock.
//! Every reader asks the server for entries from a place at or below the cursor and takes them in
//! order, so the cursor never jumps over an entry, even while both read at once.

use std::collections::{HashSet, VecDeque};

use wire::{HeldPosition, Position, Send, ServerFrame};

use super::event::{PhoneEvent, Via};

/// One message that the phone holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The message's id.
    pub id: String,
    /// The sender, if it was a user.
    pub from: Option<String>,
    /// Its `text` if it has one, else the JSON as it came.
    pub body: String,
    /// Its place in the inbox, decimal epoch first.
    pub epoch: String,
    /// Its place in the inbox.
    pub offset: i64,
    /// When the server accepted it.
    pub sent_at: jiff::Timestamp,
    /// The user's own message, sent from another device.
    pub own_copy: bool,
}

/// The disk of one installation.
#[derive(Debug)]
pub(crate) struct Storage {
    /// Made once.
    pub(crate) device_id: String,
    /// Given by the server at the first connect.
    pub(crate) secret: Option<String>,
    /// Everything up to here is held.
    pub(crate) cursor: Option<HeldPosition>,
    /// The highest position that was acknowledged.
    acked: Option<HeldPosition>,
    /// The messages, in the order in which they came.
    pub(crate) held: Vec<Held>,
    /// The ids of all messages ever held.
    seen: HashSet<String>,
    /// Sends that the server has neither accepted nor rejected, oldest first.
    pub(crate) outbox: VecDeque<Send>,
}

impl Storage {
    /// The disk of a fresh installation.
    pub(crate) fn new(device_id: String) -> Self {
        Self {
            device_id,
            secret: None,
            cursor: None,
            acked: None,
            held: Vec::new(),
            seen: HashSet::new(),
            outbox: VecDeque::new(),
        }
    }

    /// Learns where the server resumes this device from. It counts only for a device that holds
    /// nothing of this epoch: else the device's own cursor is the better truth.
    pub(crate) fn resume(&mut self, cursor: &Position) {
        let known = self.cursor.as_ref().is_some_and(|held| held.epoch == cursor.epoch);
        if !known {
            let start =
                HeldPosition { epoch: cursor.epoch.clone(), offset: cursor.offset, entry: None };
            self.acked = Some(start.clone());
            self.cursor = Some(start);
        }
    }

    /// Takes one entry of the inbox, if `frame` is one, and says what there is to see of it.
    pub(crate) fn take(&mut self, frame: &ServerFrame, via: Via) -> Vec<PhoneEvent> {
        match frame {
            ServerFrame::Message(message) => vec![self.take_message(message, via)],
            ServerFrame::Receipt(receipt) => {
                if !self.advance(&receipt.position, Some(&receipt.entry)) {
                    return Vec::new();
                }
                let seen = receipt.receipts.iter().map(|row| PhoneEvent::ReceiptReceived {
                    id: row.id.clone(),
                    user: row.user.clone(),
                    state: row.state,
                });
                seen.collect()
            }
            ServerFrame::ReadSync(read) => {
                if !self.advance(&read.position, Some(&read.entry)) {
                    return Vec::new();
                }
                vec![PhoneEvent::ReadSynced {
                    thread: read.thread.clone(),
                    up_to: read.up_to.as_ref().map(|up_to| up_to.offset),
                    messages: read.messages.clone(),
                }]
            }
            ServerFrame::Gap(gap) => {
                if !self.advance(&gap.up_to, None) {
                    return Vec::new();
                }
                vec![PhoneEvent::GapSeen { up_to: gap.up_to.offset }]
            }
            _ => Vec::new(),
        }
    }

    /// A message is dropped if its place was passed or its id is held.
    fn take_message(&mut self, message: &wire::Message, via: Via) -> PhoneEvent {
        let offset = message.position.offset;
        // A message with `ttl: 0` has no place in the inbox; nothing but its id is kept.
        let fresh = offset == 0 || self.advance(&message.position, Some(&message.entry));
        if !fresh || !self.seen.insert(message.id.clone()) {
            let epoch = message.position.epoch.clone();
            return PhoneEvent::DuplicateDropped { id: message.id.clone(), epoch, offset, via };
        }
        let held = Held {
            id: message.id.clone(),
            from: message.from.clone(),
            body: match &message.missed_call {
                Some(missed) => format!("Missed call from {}", missed.caller_name),
                None => readable(message.body.get()),
            },
            epoch: message.position.epoch.clone(),
            offset,
            sent_at: message.sent_at,
            own_copy: message.own_copy_to.is_some(),
        };
        let event = PhoneEvent::MessageReceived {
            id: held.id.clone(),
            from: held.from.clone(),
            body: held.body.clone(),
            offset,
            via,
            own_copy: held.own_copy,
            missed_call: message.missed_call.as_ref().map(|missed| missed.call.clone()),
        };
        self.held.push(held);
        event
    }

    /// Moves the cursor to `position` if that is ahead of it. An epoch that differs is a rolled
    /// back history: its offsets cannot be compared with ours, so it is followed.
    fn advance(&mut self, position: &Position, entry: Option<&str>) -> bool {
        let passed = self
            .cursor
            .as_ref()
            .is_some_and(|held| held.epoch == position.epoch && position.offset <= held.offset);
        if passed {
            return false;
        }
        self.cursor = Some(HeldPosition {
            epoch: position.epoch.clone(),
            offset: position.offset,
            entry: entry.map(str::to_owned),
        });
        true
    }

    /// Writes down that `position` was acknowledged. The app and the extension may do so in any
    /// order.
    pub(crate) fn acked(&mut self, position: HeldPosition) {
        let older = self
            .acked
            .as_ref()
            .is_some_and(|acked| acked.epoch == position.epoch && acked.offset > position.offset);
        if !older {
            self.acked = Some(position);
        }
    }

    /// The position to tell in `connect`, where it counts as an ack. An app that does not
    /// acknowledge (`ack` is false) must not tell more than it acknowledged before.
    pub(crate) fn position(&self, ack: bool) -> Option<HeldPosition> {
        if ack { self.cursor.clone() } else { self.acked.clone() }
    }

    /// The position to acknowledge now, if the last acknowledged one is behind the cursor.
    pub(crate) fn ack_owed(&self) -> Option<HeldPosition> {
        if self.cursor == self.acked { None } else { self.cursor.clone() }
    }
}

/// The text of a chat-like body, or the JSON as it is.
fn readable(body: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    match value.get("text").and_then(|text| text.as_str()).or(value.as_str()) {
        Some(text) => text.to_owned(),
        None => body.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(epoch: &str, offset: i64, id: &str) -> ServerFrame {
        let text = serde_json::json!({
            "type": "message", "position": {"epoch": epoch, "offset": offset}, "entry": format!("e{offset}"),
            "id": id, "from": "bob", "body": {"text": "hello"},
            "sent_at": "2026-01-01T00:00:00Z", "expires_at": "2026-02-01T00:00:00Z",
        });
        ServerFrame::parse(&text.to_string()).unwrap()
    }

    fn ids(storage: &Storage) -> Vec<&str> {
        storage.held.iter().map(|held| held.id.as_str()).collect()
    }

    #[test]
    fn a_message_is_held_once_whether_its_place_or_its_id_repeats() {
        let mut storage = Storage::new("device".into());
        storage.take(&message("1", 1, "a"), Via::Socket);
        storage.take(&message("1", 1, "a"), Via::Extension);
        // A resend after the idempotency window: a new place, the same id.
        let again = storage.take(&message("1", 2, "a"), Via::Socket);
        assert!(matches!(again[..], [PhoneEvent::DuplicateDropped { offset: 2, .. }]), "{again:?}");
        storage.take(&message("1", 3, "b"), Via::Socket);
        assert_eq!(ids(&storage), ["a", "b"]);
        assert_eq!(storage.cursor.as_ref().map(|cursor| cursor.offset), Some(3));
    }

    #[test]
    fn a_new_epoch_is_followed_and_held_ids_are_still_dropped() {
        let mut storage = Storage::new("device".into());
        storage.take(&message("1", 7, "a"), Via::Socket);
        storage.resume(&Position { epoch: "2".into(), offset: 4 });
        storage.take(&message("2", 5, "a"), Via::Socket);
        storage.take(&message("2", 6, "b"), Via::Socket);
        assert_eq!(ids(&storage), ["a", "b"]);
    }

    #[test]
    fn an_ack_is_owed_until_it_was_written_down() {
        let mut storage = Storage::new("device".into());
        assert_eq!(storage.ack_owed(), None);
        storage.resume(&Position { epoch: "1".into(), offset: 4 });
        assert_eq!(storage.ack_owed(), None, "the server's own cursor needs no ack");
        storage.take(&message("1", 5, "a"), Via::Socket);
        let owed = storage.ack_owed().unwrap();
        assert_eq!((owed.offset, owed.entry.as_deref()), (5, Some("e5")));
        storage.acked(owed);
        assert_eq!(storage.ack_owed(), None);
    }

    #[test]
    fn an_entry_without_an_id_of_its_own_is_taken_once_by_its_place() {
        let mut storage = Storage::new("device".into());
        let receipt = ServerFrame::parse(
            r#"{"type":"receipt","position":{"epoch":"1","offset":3},"entry":"e3","receipts":[
                {"id":"a","user":"bob","state":"delivered","at":"2026-01-01T00:00:00Z"}]}"#,
        )
        .unwrap();
        assert_eq!(storage.take(&receipt, Via::Socket).len(), 1);
        assert_eq!(storage.take(&receipt, Via::Extension).len(), 0);
        // And the cursor does not go back.
        storage.take(&message("1", 2, "b"), Via::Socket);
        assert_eq!(storage.ack_owed().map(|owed| owed.offset), Some(3));
    }

    #[test]
    fn a_gap_moves_the_cursor() {
        let mut storage = Storage::new("device".into());
        let gap = ServerFrame::parse(r#"{"type":"gap","up_to":{"epoch":"1","offset":9}}"#).unwrap();
        storage.take(&gap, Via::Socket);
        assert_eq!(storage.ack_owed().map(|owed| owed.offset), Some(9));
    }
}
