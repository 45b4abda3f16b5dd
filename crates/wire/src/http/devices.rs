//! Devices, their push targets and open wakes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Position;
use crate::client::{EnvironmentName, PlatformName, TargetKindName};
use crate::limits;
use crate::schema::Time;

/// A device, as `GET /v1/users/{user}/devices` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// The client's own id.
    pub id: String,
    /// What it runs.
    pub platform: PlatformName,
    /// Whether a session of it lives.
    pub live: bool,
    /// What it has acknowledged.
    pub cursor: Position,
    /// When it was last connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub last_seen_at: Option<jiff::Timestamp>,
    /// Its push targets, tokens masked.
    pub targets: Vec<Target>,
    /// Its open wakes.
    pub wakes: Vec<WakeState>,
}

/// A push target, its token masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// The kind.
    pub kind: TargetKindName,
    /// A short hash of the token, by which log lines can be matched.
    pub token_hash: String,
    /// Bundle id or package name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// Apple's environment, when declared or learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// When it was registered.
    #[schemars(with = "Time")]
    pub registered_at: jiff::Timestamp,
}

/// An open wake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WakeState {
    /// `wak_…`.
    pub id: String,
    /// `message` or `call`.
    pub kind: String,
    /// The rung its next push is on.
    pub rung: String,
    /// The last decision's reason word.
    pub reason: String,
    /// When it acts next; left out while it is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub due_at: Option<jiff::Timestamp>,
}

/// `PUT /v1/me/targets/{kind}`, and the same under `/v1/users/{user}/devices/{device}`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetPut {
    /// The token.
    #[schemars(length(max = limits::TOKEN_BYTES))]
    pub token: String,
    /// Apple's environment, where the app knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Bundle id or package name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
}
