//! What a device reads and acknowledges the short way, and what its user does not want to hear.

use serde::{Deserialize, Serialize};

use crate::server::ServerFrame;
use crate::{HeldPosition, Position};

/// `GET /v1/me/inbox`.
#[derive(Clone, Debug, Serialize)]
pub struct InboxPage {
    /// The same shapes as over the WebSocket.
    pub entries: Vec<ServerFrame>,
    /// The newest entry of the inbox.
    pub head: Position,
    /// Whether more waits behind the last entry.
    pub more: bool,
}

/// `POST /v1/me/ack`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckPost {
    /// The highest position held without a hole below it.
    pub position: HeldPosition,
}

/// `POST /v1/me/read`: a thread up to a position, or single messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    pub messages: Vec<String>,
}

/// A muted thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// The thread; `*` is all of them.
    pub thread: String,
    /// Since when.
    pub created_at: jiff::Timestamp,
}

/// A blocked user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The user.
    pub user: String,
    /// Since when.
    pub created_at: jiff::Timestamp,
}

/// The answer to `POST /v1/me/ack`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acked {
    /// What the server now knows the device to hold; beyond what was posted if another ack, over
    /// the device's WebSocket, overtook it.
    pub position: Position,
}
