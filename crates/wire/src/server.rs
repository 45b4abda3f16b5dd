//! Frames the server sends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::{CallRinging, CallSignal, Media, TargetKindName, Typing};
use crate::frame::frames;
use crate::schema::Time;
use crate::{Position, Problem};

frames! {
    /// A frame from the server to a client. The first one is `connected` or `error`.
    ServerFrame {
        /// The session stands.
        Connected = "connected",
        /// A message of the inbox.
        Message = "message",
        /// What became of messages this user sent.
        Receipt = "receipt",
        /// What this user read on another device.
        ReadSync = "read",
        /// Entries that are gone for good.
        Gap = "gap",
        /// A send is stored.
        Accepted = "accepted",
        /// A send was refused.
        Rejected = "rejected",
        /// What became of a push token.
        PushTarget = "push_target",
        /// Somebody is typing.
        Typing = "typing",
        /// A call rings.
        CallRing = "call.ring",
        /// A device of the callee rings.
        CallRinging = "call.ringing",
        /// The call was taken.
        CallAnswered = "call.answered",
        /// The call is over.
        CallEnded = "call.ended",
        /// A call goes on with this device.
        CallResumed = "call.resumed",
        /// Opaque signalling.
        CallSignal = "call.signal",
        /// Something went wrong.
        Error = "error",
    }
}

/// The session stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// This session.
    pub session: String,
    /// The user it speaks for.
    pub user: String,
    /// The newest entry of the inbox.
    pub head: Position,
    /// Where the server resumes this device from: what it knows the device holds.
    pub cursor: Position,
    /// The device's secret, until the device has once proven it. Keep it in the keychain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_secret: Option<String>,
    /// The push targets the server still holds for this device.
    pub targets: Vec<TargetKindName>,
    /// The server's clock.
    pub server_time: jiff::Timestamp,
    /// Seconds between the server's pings; a client that saw none for twice that long reconnects.
    pub ping_interval: u32,
    /// The limits inputs are held to.
    pub limits: Limits,
}

/// The limits inputs are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// A frame, in bytes.
    pub frame_bytes: usize,
    /// A message's body, in bytes.
    pub body_bytes: usize,
    /// Recipients of one message.
    pub recipients: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: crate::limits::FRAME_BYTES,
            body_bytes: crate::limits::BODY_BYTES,
            recipients: crate::limits::RECIPIENTS,
        }
    }
}

/// A message of the inbox.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Its place in this inbox.
    pub position: Position,
    /// The entry's id, to be named in acks.
    pub entry: String,
    /// The message's id; the same for every recipient.
    pub id: String,
    /// The user who sent it; left out when a back end did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// What the sender wrote, byte for byte.
    pub body: Box<RawValue>,
    /// When it was accepted.
    #[schemars(with = "Time")]
    pub sent_at: jiff::Timestamp,
    /// When it is no longer kept.
    #[schemars(with = "Time")]
    pub expires_at: jiff::Timestamp,
    /// Set when this is the user's own message, sent from another of their devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_copy_to: Option<Vec<String>>,
    /// Set when this tells of a call that nobody took; `body` is then `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_call: Option<MissedCall>,
}

/// A call that nobody took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissedCall {
    /// The call.
    pub call: String,
    /// Audio or video.
    pub media: Media,
    /// Who called.
    pub caller_name: String,
}

/// What became of messages this user sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Its place in this inbox.
    pub position: Position,
    /// The entry's id.
    pub entry: String,
    /// One row per message and recipient.
    pub receipts: Vec<ReceiptRow>,
}

/// What became of one message at one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptRow {
    /// The message.
    pub id: String,
    /// The recipient.
    pub user: String,
    /// What became of it.
    pub state: ReceiptState,
    /// When.
    #[schemars(with = "Time")]
    pub at: jiff::Timestamp,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptState {
    /// A device of the recipient acknowledged it.
    Delivered,
    /// The recipient read it.
    Read,
    /// Its time to live ended before any device had it.
    Expired,
}

/// What this user has read; every device of theirs gets it, the one that said so as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadSync {
    /// Its place in this inbox.
    pub position: Position,
    /// The entry's id.
    pub entry: String,
    /// The conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Everything of it up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<Position>,
    /// Instead of a thread: ids of messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
}

/// Entries that are gone for good: everything up to here that was not delivered before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The last position of the hole; ack it as any other.
    pub up_to: Position,
}

/// A send is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The client's id of the send.
    pub client_id: String,
    /// The message's id, the same for every recipient.
    pub id: String,
    /// When it was accepted.
    pub at: jiff::Timestamp,
    /// Recipients that could not take it, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedRecipient>,
    /// The place of the message in the sender's own inbox, where it waits for the sender's other
    /// devices; left out when there are none. The session that sent it is sent it there too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_copy: Option<Position>,
    /// With `ttl: 0`: how many living sessions it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<u32>,
}

/// A recipient that could not take a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedRecipient {
    /// The user.
    pub user: String,
    /// Why: `unknown_user` or `inbox_full`.
    pub code: String,
}

/// A send was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The client's id of the send.
    pub client_id: String,
    /// Why, and what to do.
    pub problem: Problem,
}

/// What became of a push token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PushTarget {
    /// Which target.
    pub kind: TargetKindName,
    /// `active`, `removed`, or `refused`.
    pub state: PushTargetState,
    /// The diagnosis code (901 to 913) when pushes to it would fail as things stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Whether the server holds a push target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushTargetState {
    /// Held, and used.
    Active,
    /// No longer held.
    Removed,
    /// Not taken.
    Refused,
}

/// A call rings: show it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CallRing {
    /// The call.
    pub call: String,
    /// The calling user.
    pub from: String,
    /// Audio or video.
    pub media: Media,
    /// For the screen.
    pub caller_name: String,
    /// By which the phone can match a contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_handle: Option<String>,
    /// Opaque, from the caller's app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Box<RawValue>>,
    /// When the ringing ends.
    #[schemars(with = "Time")]
    pub expires_at: jiff::Timestamp,
}

/// The call was taken, by this device or by another one of the callee's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallAnswered {
    /// The call.
    pub call: String,
    /// The user who took it.
    pub by: String,
    /// Opaque, from the callee's app; only the caller gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<RawValue>>,
}

/// A call goes on with this device, which connected again or asked: how it stands. The signals
/// that it does not hold follow.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CallResumed {
    /// The call.
    pub call: String,
    /// How it stands.
    pub state: CallState,
    /// When the ringing ends, while it rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub expires_at: Option<jiff::Timestamp>,
    /// Opaque, from the callee's app, once it is answered; only the caller gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<RawValue>>,
    /// How many signals of this device the server has: those it sent after them were lost.
    pub sent: i64,
}

/// How a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// No device of the callee has said yet that it rings.
    Calling,
    /// A device of the callee rings.
    Ringing,
    /// A device of the callee took it.
    Answered,
    /// It is over.
    Ended,
}

/// The call is over for this device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallEnded {
    /// The call.
    pub call: String,
    /// How it ended.
    pub reason: CallEndReason,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallEndReason {
    /// Another device of the same user took it.
    AnsweredElsewhere,
    /// The callee is in another call.
    Busy,
    /// The caller gave up.
    Cancelled,
    /// The callee said no.
    Declined,
    /// One side hung up.
    HungUp,
    /// A connection was lost and did not come back in time.
    Lost,
    /// Nobody took it in time.
    Unanswered,
}

/// Something went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// Stable word.
    pub code: String,
    /// What is wrong with which input, and what to do.
    pub message: String,
    /// The field at fault, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Milliseconds to wait before trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Whether connecting again, with the same credentials, can help.
    pub reconnect: bool,
}
