//! Messages to be accepted.

use std::sync::Arc;
use std::time::Duration;

use domain::{AppId, DeviceNumber, Epoch, InboxId, Incarnation, MessageId, Offset, Time, Urgency};

use super::Digest;
use crate::slots::Slots;

/// A message to be accepted.
#[derive(Clone, Debug)]
pub struct Accept {
    /// The app.
    pub app: AppId,
    /// Its id: a keyed hash of app, sender, key or device, and the client's own id.
    pub message: MessageId,
    /// A hash of the whole request, recipients included.
    pub request: Digest,
    /// The user it comes from, if any.
    pub sender: Option<Sender>,
    /// The users it goes to.
    pub recipients: Vec<String>,
    /// Whether users that the app does not have are made.
    pub makes_users: bool,
    /// What it carries.
    pub content: Arc<Content>,
    /// When it is accepted.
    pub now: Time,
    /// Where wakes may be born claimed.
    pub birth: Option<Birth>,
}

/// The user a message comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The inbox that gets the receipts.
    pub inbox: InboxId,
    /// The user.
    pub user: String,
    /// The device it was written on; the user's other devices get a copy.
    pub device: Option<DeviceNumber>,
}

/// What a message carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The conversation.
    pub thread: Option<String>,
    /// Opaque JSON text.
    pub body: String,
    /// How much the recipient should be bothered.
    pub urgency: Urgency,
    /// Whether it may wake.
    pub wakes: bool,
    /// Texts of its own for a notification, as JSON.
    pub push: Option<String>,
    /// When it is no longer kept.
    pub expires_at: Time,
}

/// Where wakes may be born claimed.
#[derive(Clone, Debug)]
pub struct Birth {
    /// The node that would push.
    pub incarnation: Incarnation,
    /// Its room.
    pub slots: Slots,
}

/// What an accept came to.
#[derive(Debug)]
pub enum Accepted {
    /// Stored, now or by an earlier try.
    Stored {
        /// When it was accepted first.
        at: Time,
        /// Recipients that could not take it.
        failed: Vec<(String, RecipientFault)>,
        /// Where it went.
        entries: Vec<(InboxId, Offset)>,
        /// Where the copy for the sender's own devices went, if there are several.
        own_copy: Option<(Epoch, Offset)>,
        /// Whether this was an earlier try's answer, given again.
        replayed: bool,
    },
    /// No recipient could take it; nothing was stored.
    NoRecipient(Vec<(String, RecipientFault)>),
    /// The same id was used for another request.
    IdReused,
}

/// Why a recipient could not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientFault {
    /// The app has no such user.
    UnknownUser,
    /// Its most current device has no room.
    InboxFull,
}

impl RecipientFault {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::InboxFull => "inbox_full",
        }
    }

    /// The fault of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::UnknownUser, Self::InboxFull].into_iter().find(|fault| fault.as_str() == word)
    }
}

/// What an inbox holds, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxLimits {
    /// Entries at most.
    pub entries: i64,
    /// Bytes of bodies at most.
    pub bytes: i64,
    /// A device away for this long holds nothing back.
    pub silent_after: Duration,
    /// A device away for this long is forgotten.
    pub forget_after: Duration,
    /// How long a send's idempotency key is kept, and a user token after its end.
    pub sends_kept: Duration,
}

impl Default for InboxLimits {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Self {
            entries: 10_000,
            bytes: 64 << 20,
            silent_after: days(14),
            forget_after: days(90),
            sends_kept: days(2),
        }
    }
}
