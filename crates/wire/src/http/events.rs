//! Events: what happened, for whoever asks later, and for whoever is told by a webhook.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::Time;

/// Something that happened, in `GET /v1/events` and as the body that a webhook gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// `evt_…`: the same each time it is told, so that whoever is told twice knows. The header
    /// `webhook-id`.
    pub id: String,
    /// Its number; later ones are higher. Given as `after` for what came behind it.
    pub number: i64,
    /// What kind: `device.token_dropped` and its like.
    pub r#type: String,
    /// When it happened.
    #[schemars(with = "Time")]
    pub timestamp: jiff::Timestamp,
    /// Which one it is of the events about its device, from 1: events may be told out of order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// What is known of it.
    pub data: serde_json::Value,
}
