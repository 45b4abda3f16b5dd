//! What must hold after each step of a history, and at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{InboxId, Offset, Platform, TargetKind};
use store::model::{EntryKind, InboxRead};

use super::super::world::{DAY, SECOND, accepted};
use super::PHONES;
use super::player::{Message, Player};

impl Player {
    /// Every accepted message that has not expired is readable by every device that has not
    /// acknowledged it, once, in order; and by the first device to come, if none did.
    pub(super) async fn everything_is_readable(&self) {
        for held in self.phones.iter().flatten() {
            let read = self.world.read(&held.phone, held.cursor, 1_000).await;
            self.is_everything(held.phone.inbox, held.cursor, &read);
        }
        for inbox in self.inboxes {
            let from = self.delivered.get(&inbox).copied().unwrap_or(0);
            let at = Offset::from_number(from);
            let read = self.world.store().read(inbox, at, 1_000, self.world.now).await;
            self.is_everything(inbox, from, &read.expect("read").expect("there"));
        }
    }

    fn is_everything(&self, inbox: InboxId, cursor: i64, read: &InboxRead) {
        assert!(read.entries.is_sorted_by(|a, b| a.offset < b.offset), "in order, each once");
        let found: Vec<_> = read
            .entries
            .iter()
            .filter(|entry| matches!(entry.kind, EntryKind::Message { .. }))
            .map(|entry| {
                let message = Message { id: entry.id.bits(), expires_at: entry.expires_at };
                (entry.offset.number(), message)
            })
            .collect();
        let nothing = BTreeMap::new();
        let promised: Vec<_> = self
            .messages
            .get(&inbox)
            .unwrap_or(&nothing)
            .range(cursor + 1..)
            .filter(|(_, message)| message.expires_at > self.world.now)
            .map(|(offset, message)| (*offset, *message))
            .collect();
        assert_eq!(found, promised, "{inbox} behind {cursor}");
    }

    /// All sessions end, every phone has a token nobody speaks against, and time goes on: whoever
    /// is owed something is pushed for all of it.
    pub(super) async fn everybody_is_woken(&mut self) {
        for session in std::mem::take(&mut self.sessions) {
            self.world.store().end_session(session, self.world.now).await.expect("ended");
            self.world.look();
        }
        for nth in 0..PHONES {
            let Some(held) = &self.phones[nth] else { continue };
            let kind = match held.phone.platform {
                Platform::Ios => TargetKind::Apns,
                _ => TargetKind::Fcm,
            };
            let phone = held.phone.clone();
            self.world.set_target(&phone, kind, &format!("good token {nth}")).await;
        }
        self.replace_credential().await;
        self.route(false, false).await;
        // Longer than any pause of the ladder; twice of it is shorter than the messages live.
        self.the_ladder_is_climbed(DAY * 3).await;
        self.unmute_all().await;
        self.the_ladder_is_climbed(DAY * 3).await;
        let snapshot = self.world.look();
        for device in &snapshot.devices {
            // What was read is there for whoever comes, and wakes nobody.
            if let Some(owed) = snapshot.owed_aloud(device, self.world.now) {
                let pushed = snapshot.wake(device.number).map(|wake| wake.pushed);
                assert!(pushed >= Some(owed), "{}: {pushed:?} of {owed:?}", device.number);
            }
        }
    }

    /// Every push that is due within a time goes out and is taken.
    async fn the_ladder_is_climbed(&mut self, time: Duration) {
        let end = self.world.now.plus(time);
        loop {
            for claimed in self.world.claim_due().await {
                self.world.settle(&claimed, accepted()).await;
            }
            for claimed in self.world.claim_deliveries_due().await {
                self.world.settle_delivery(&claimed, accepted()).await;
            }
            let due = self.world.store().lanes_due().await.expect("read");
            let Some(next) = due.into_iter().map(|(_, due)| due).min() else { break };
            if next > end {
                break;
            }
            self.world.now = next.max(self.world.now.plus(SECOND));
        }
    }

    /// Every phone connects, reads to the head and acknowledges: nothing is left open.
    pub(super) async fn everybody_gets_everything(&mut self) {
        for nth in 0..PHONES {
            if self.phones[nth].is_none() {
                continue;
            }
            self.connect(nth, false, true).await;
            self.everything_is_readable().await;
            self.ack(nth, 1_000, true).await;
        }
        let snapshot = self.world.look();
        let open: Vec<_> = snapshot.wakes.iter().filter(|wake| wake.call == 0).collect();
        assert!(open.is_empty(), "{open:?}");
    }
}
