//! What users have read, muted and blocked: the part of [`Store`] that looks after it.

use domain::{AppId, InboxId, Time};

use crate::model::{Effects, Hush, HushKind, Hushed, Reach, ReadDone, Reading};
use crate::{Error, Store};

impl Store {
    /// Notes what a user has read: senders get a receipt, the user's other devices a `read`, and
    /// what was read wakes nobody any more.
    pub async fn read_mark(&self, reading: Reading) -> Result<(ReadDone, Effects), Error> {
        self.sqlite().read_mark(reading).await
    }

    /// Mutes a thread, or blocks a user.
    pub async fn hush(
        &self,
        inbox: InboxId,
        kind: HushKind,
        name: String,
        now: Time,
    ) -> Result<Hushed, Error> {
        self.sqlite().hush(inbox, kind, name, now).await
    }

    /// Takes a mute or a block back; returns whether there was one. Wakes that waited because of a
    /// mute look again.
    pub async fn unhush(
        &self,
        inbox: InboxId,
        kind: HushKind,
        name: String,
        now: Time,
    ) -> Result<(bool, Effects), Error> {
        self.sqlite().unhush(inbox, kind, name, now).await
    }

    /// What a user has muted, or whom they have blocked, by name.
    pub async fn hushes(&self, inbox: InboxId, kind: HushKind) -> Result<Vec<Hush>, Error> {
        self.sqlite().hushes(inbox, kind).await
    }

    /// Whether something of `from` that is not stored would reach a user.
    pub async fn reach(
        &self,
        app: AppId,
        to: String,
        from: Option<String>,
    ) -> Result<Reach, Error> {
        self.sqlite().reach(app, to, from).await
    }
}
