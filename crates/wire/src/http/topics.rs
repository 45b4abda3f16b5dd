//! Topics: named sets of devices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::schema::Time;

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many devices are in it.
    pub devices: u64,
    /// When its first device came.
    #[schemars(with = "Time")]
    pub created_at: jiff::Timestamp,
}

/// A topic, as a device that is in it sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnTopic {
    /// Its name.
    pub name: String,
}

/// A device of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TopicDevice {
    /// The client's own id.
    pub id: String,
}

/// `POST` and `DELETE /v1/topics/{topic}/devices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicChange {
    /// Devices, by the clients' own ids; 1 to 1000.
    #[schemars(length(min = 1, max = limits::TOPIC_DEVICES))]
    pub devices: Vec<String>,
}

/// The answer to a [`TopicChange`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TopicChanged {
    /// How many were not in it before, or were; the others stay as they are.
    pub changed: u64,
    /// Those that the app does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}
