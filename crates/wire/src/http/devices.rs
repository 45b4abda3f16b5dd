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
    /// Which of them its pushes go to.
    #[serde(default)]
    pub routes: Routes,
    /// Its open wakes.
    pub wakes: Vec<WakeState>,
}

/// Which push target of a device carries what, by the app's settings and credentials as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Routes {
    /// Messages; left out: nothing wakes the device for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<TargetKindName>,
    /// Calls; left out: nothing rings the device while it sleeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<TargetKindName>,
}

/// A user of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// The app's own name for them.
    pub user: String,
    /// When they were first named to the server.
    #[schemars(with = "Time")]
    pub created_at: jiff::Timestamp,
    /// How many devices they have.
    pub devices: u32,
    /// How many of those have a living session.
    pub live: u32,
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
