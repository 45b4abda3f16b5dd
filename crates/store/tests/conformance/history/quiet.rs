//! What users mute, block and read beside everything else.

use domain::{InboxId, Offset};
use store::model::{Accept, HushKind, ReadDone, ReadWhat, Reading};

use super::THREADS;
use super::player::{Player, USERS, pick};

/// The name of a thread; the last one stands for all.
fn named(thread: usize) -> &'static str {
    // Messages of no thread cannot be muted alone.
    THREADS.get(thread).copied().flatten().unwrap_or("*")
}

impl Player {
    pub(super) async fn mute(&self, user: usize, thread: usize, on: bool) {
        self.hush(self.inboxes[user], HushKind::Mute, named(thread), on).await;
    }

    pub(super) async fn unmute_all(&self) {
        for inbox in self.inboxes {
            for thread in ["*", "lunch", "work"] {
                self.hush(inbox, HushKind::Mute, thread, false).await;
            }
        }
    }

    pub(super) async fn block(&mut self, user: usize, other: usize, on: bool) {
        self.hush(self.inboxes[user], HushKind::Block, USERS[other], on).await;
        if on {
            self.blocks.insert((user, other));
        } else {
            self.blocks.remove(&(user, other));
        }
    }

    async fn hush(&self, inbox: InboxId, kind: HushKind, name: &str, on: bool) {
        let (store, name, now) = (self.world.store(), name.to_owned(), self.world.now);
        if on {
            store.hush(inbox, kind, name, now).await.expect("answered");
        } else {
            store.unhush(inbox, kind, name, now).await.expect("answered");
        }
        self.world.look();
    }

    /// The inboxes that a send reaches, by their numbers.
    pub(super) fn who_takes(&self, accept: &Accept) -> Vec<InboxId> {
        let sender = accept.sender.as_ref();
        let sender = sender.and_then(|sender| USERS.iter().position(|user| *user == sender.user));
        let takes = |user: &usize| {
            let named = accept.recipients.iter().any(|name| name == USERS[*user]);
            named && !sender.is_some_and(|sender| self.blocks.contains(&(*user, sender)))
        };
        let mut inboxes: Vec<_> =
            (0..USERS.len()).filter(takes).map(|user| self.inboxes[user]).collect();
        inboxes.sort_unstable();
        inboxes
    }

    /// A thread up to any place, or a message that was sent to anybody.
    pub(super) async fn read(&self, nth: usize, thread: usize, entries: usize) {
        let Some(held) = &self.phones[nth] else { return };
        let what = match THREADS.get(thread).copied().flatten() {
            Some(thread) => {
                let head = self.world.look().inbox(held.phone.inbox).head.number();
                let up_to = i64::try_from(entries % 64).expect("small").min(head);
                let (thread, epoch) = (thread.to_owned(), held.phone.epoch);
                ReadWhat::Thread { thread, epoch, up_to: Offset::from_number(up_to) }
            }
            None => {
                let Some((accept, _)) = pick(&self.sends, entries) else { return };
                ReadWhat::Messages(vec![accept.message])
            }
        };
        let reading = Reading { inbox: held.phone.inbox, what, now: self.world.now };
        let (done, _) = self.world.store().read_mark(reading).await.expect("answered");
        let noted = matches!(done, ReadDone::Noted(_) | ReadDone::OtherEpoch);
        assert!(noted, "{done:?}");
    }
}
