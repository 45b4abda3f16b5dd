//! What `GET /v1/doctor` answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::Time;

/// `GET /v1/doctor`: whether all is as it should be on this server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Examination {
    /// When it was looked.
    #[schemars(with = "Time")]
    pub at: jiff::Timestamp,
    /// What was looked at, in order.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// `ok`, `note`, `warning` or `failure`.
    pub verdict: String,
    /// The check's stable word; docs/troubleshooting.md has a row for each.
    pub check: String,
    /// Which one of several: a credential, a host, a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// What was found.
    pub text: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}
