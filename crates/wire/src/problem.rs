//! Problem details: how every refusal looks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A refusal in the shape of RFC 9457, with a stable `code`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Where the problem is documented.
    pub r#type: String,
    /// What kind of problem it is, in a few words.
    pub title: String,
    /// The HTTP status; also inside a WebSocket `rejected`, where it says how a like request would
    /// have been answered.
    pub status: u16,
    /// Stable word for programs.
    pub code: String,
    /// What is wrong with this request, and what to do.
    pub detail: String,
    /// The field at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Of what belongs to a push: the diagnosis code, 901 to 913.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<u16>,
    /// Milliseconds to wait before asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}
