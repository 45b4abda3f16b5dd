//! What `GET /v1/explain` answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::client::PlatformName;
use crate::schema::Time;

/// `GET /v1/explain`: what would happen to a push now, or what happened to a message, and the one
/// thing to fix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// When it was looked.
    #[schemars(with = "Time")]
    pub at: jiff::Timestamp,
    /// The one thing to fix, or that nothing is wrong.
    pub conclusion: Conclusion,
    /// Each device that it is about, as it is now.
    pub devices: Vec<DeviceExplained>,
    /// Of a message: what happened, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Record>,
}

/// What an explanation comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Conclusion {
    /// `ok`, `warning` or `failure`.
    pub verdict: String,
    /// The rule that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What is the case.
    pub text: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// A device, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceExplained {
    /// The client's own id.
    pub device: String,
    /// Its user.
    pub user: String,
    /// What it runs.
    pub platform: PlatformName,
    /// Of a message: whether the device has acknowledged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<bool>,
    /// What was found, in the order in which it was looked for.
    pub findings: Vec<Finding>,
}

/// A rule that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `ok`, `note`, `warning` or `failure`.
    pub verdict: String,
    /// The rule's stable word; docs/troubleshooting.md has a row for each.
    pub rule: String,
    /// What is the case.
    pub text: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}
