//! Entries, ordered reads, acks.

use domain::{CallId, EntryId, Epoch, MessageId, Offset, Time};

/// One entry of an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub offset: Offset,
    /// Its id.
    pub id: EntryId,
    /// What it is.
    pub kind: EntryKind,
    /// When it was accepted.
    pub created_at: Time,
    /// When it is no longer kept.
    pub expires_at: Time,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A message from somebody.
    Message {
        /// The message.
        message: MessageId,
        /// The user it comes from, if any.
        from: Option<String>,
        /// The conversation.
        thread: Option<String>,
        /// Opaque JSON text.
        body: String,
    },
    /// A message this user sent from another device.
    OwnCopy {
        /// The message.
        message: MessageId,
        /// Whom it went to.
        to: Vec<String>,
        /// The conversation.
        thread: Option<String>,
        /// Opaque JSON text.
        body: String,
    },
    /// What became of messages this user sent.
    Receipt {
        /// One row per message and recipient.
        rows: Vec<ReceiptRow>,
    },
    /// What this user has read, on whatever device.
    Read {
        /// A conversation, and the offset up to which it was read.
        thread: Option<(String, Offset)>,
        /// Single messages.
        messages: Vec<MessageId>,
    },
    /// A call that nobody took.
    MissedCall {
        /// The call.
        call: CallId,
        /// The user who called.
        from: String,
        /// What its caller called itself.
        caller_name: String,
        /// Whether it was a video call.
        video: bool,
    },
}

/// What became of one message at one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRow {
    /// The message.
    pub message: MessageId,
    /// The recipient.
    pub user: String,
    /// What became of it.
    pub state: ReceiptState,
    /// When.
    pub at: Time,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptState {
    /// A device of the recipient acknowledged it.
    Delivered,
    /// The recipient read it.
    Read,
    /// Its time was over before any device had it.
    Expired,
}

impl ReceiptState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Read, Self::Expired];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Expired => "expired",
        }
    }

    /// The state of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// What one ordered read returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRead {
    /// The inbox's epoch.
    pub epoch: Epoch,
    /// Its newest offset.
    pub head: Offset,
    /// Everything up to here is gone for good.
    pub floor: Offset,
    /// Unexpired entries, in order.
    pub entries: Vec<Entry>,
    /// Where the reading stands: the last offset looked at, expired and missing ones included.
    pub read_to: Offset,
}

/// What an ack came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acked {
    /// The cursor is there now.
    Progress(Offset),
    /// At or below the cursor.
    Nothing,
    /// A position of another epoch; the device should resume at its cursor.
    OtherEpoch,
    /// Above the head, or another entry than ours: a protocol error.
    Contradiction,
    /// The device is gone, or moved to another user.
    NoDevice,
}
