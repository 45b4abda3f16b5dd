//! Events: what happened, for whoever asks later.

use serde::{Deserialize, Serialize};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number; later ones are higher. Given as `after` for what came behind it.
    pub number: i64,
    /// When.
    pub at: jiff::Timestamp,
    /// What kind: `device.token_dropped` and its like.
    pub r#type: String,
    /// What is known of it.
    pub data: serde_json::Value,
}
