//! What a device reads and acknowledges the short way, and what its user does not want to hear.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::schema::Time;
use crate::server::{Gap, Message, ReadSync, Receipt, ServerFrame};
use crate::{HeldPosition, Position};

/// `GET /v1/me/inbox`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct InboxPage {
    /// The same shapes as over the WebSocket.
    #[schemars(with = "Vec<InboxEntry>")]
    pub entries: Vec<ServerFrame>,
    /// The newest entry of the inbox.
    pub head: Position,
    /// Whether more waits behind the last entry.
    pub more: bool,
}

/// An entry of the inbox: those of the frames that are one.
#[derive(JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "what is written are the frames; this says which of them")]
enum InboxEntry {
    /// Entries that are gone for good.
    Gap(Gap),
    /// A message.
    Message(Message),
    /// What this user read on another device.
    Read(ReadSync),
    /// What became of messages this user sent.
    Receipt(Receipt),
}

/// `POST /v1/me/ack`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AckPost {
    /// The highest position held without a hole below it.
    pub position: HeldPosition,
}

/// `POST /v1/me/read`: a thread up to a position, or single messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadPost {
    /// The conversation; goes with `up_to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Everything of it up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<Position>,
    /// Instead of a thread: ids of messages, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::READ_MESSAGES))]
    pub messages: Vec<String>,
}

/// A muted thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mute {
    /// The thread; `*` is all of them.
    pub thread: String,
    /// Since when.
    #[schemars(with = "Time")]
    pub created_at: jiff::Timestamp,
}

/// A blocked user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// The user.
    pub user: String,
    /// Since when.
    #[schemars(with = "Time")]
    pub created_at: jiff::Timestamp,
}

/// The answer to `POST /v1/me/ack`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Acked {
    /// What the server now knows the device to hold; beyond what was posted if another ack, over
    /// the device's WebSocket, overtook it.
    pub position: Position,
}
