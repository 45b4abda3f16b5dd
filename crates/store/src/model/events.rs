//! Events: what happened, for whoever asks later.

use domain::{AppId, EventType, Time};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number: events of later commits have higher ones.
    pub number: i64,
    /// The app.
    pub app: AppId,
    /// When.
    pub at: Time,
    /// What kind.
    pub kind: EventType,
    /// Which one it is of the events about its device.
    pub sequence: Option<i64>,
    /// What is known of it, as JSON.
    pub body: String,
}

/// An event to be written with what it reports: the caller knows what it says, the store when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// What kind.
    pub kind: EventType,
    /// What is known of it.
    pub body: serde_json::Value,
}
