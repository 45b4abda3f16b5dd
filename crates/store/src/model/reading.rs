//! What a user has read, muted and blocked.

use domain::{Epoch, InboxId, MessageId, Offset, Time};

/// A user says what they have read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The reader.
    pub inbox: InboxId,
    /// What was read.
    pub what: ReadWhat,
    /// When.
    pub now: Time,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadWhat {
    /// A conversation.
    Thread {
        /// Which.
        thread: String,
        /// The epoch of the position.
        epoch: Epoch,
        /// Everything of it up to here.
        up_to: Offset,
    },
    /// Single messages, in whatever thread.
    Messages(Vec<MessageId>),
}

/// What became of a read mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadDone {
    /// Noted: these messages were not before.
    Noted(Vec<MessageId>),
    /// The position is of another epoch.
    OtherEpoch,
    /// The position is above the head.
    AboveHead,
}

/// Whom a user does not hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HushKind {
    /// Threads whose messages wake nobody; `*` is all of them.
    Mute,
    /// Users whose messages, calls and typing do not arrive.
    Block,
}

/// A thread muted, or a user blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hush {
    /// The thread, or the user.
    pub name: String,
    /// Since when.
    pub created_at: Time,
}

/// What became of a mute or a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hushed {
    /// It stands, now or since before.
    Stands,
    /// The user has as many as one may have.
    TooMany,
}

/// Whether what is not stored would reach a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It would; their inbox.
    Open(InboxId),
    /// They have blocked whoever it comes from.
    Blocked,
    /// The app has no such user.
    Unknown,
}
