//! A place in an inbox.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place in an inbox: epoch and offset.
///
/// Offsets only grow; the epoch changes when history was rolled back (a restored backup), so that
/// a position from before is recognised instead of believed.
/// The epoch is a string because it is a 63-bit number and JavaScript's are exact to 53.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// The inbox's epoch, decimal.
    pub epoch: String,
    /// The offset inside the epoch; the first entry has 1.
    pub offset: i64,
}

/// A position together with the last entry held, by which a rollback inside an epoch is seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct HeldPosition {
    /// The inbox's epoch, decimal.
    pub epoch: String,
    /// The highest offset held without a hole below it.
    pub offset: i64,
    /// The id of the entry at that offset; left out when nothing is held yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
}
