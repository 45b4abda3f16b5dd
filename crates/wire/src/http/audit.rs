//! The audit log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::Time;

/// An act of the operator or of an app's back end: who asked for what, from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Act {
    /// Its number; later ones are larger.
    pub number: i64,
    /// When it was asked for.
    #[schemars(with = "Time")]
    pub at: jiff::Timestamp,
    /// `operator`, or the id of the app's key.
    pub by: String,
    /// From which address.
    pub from: String,
    /// The app that it is about, where there is one already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The method of the request.
    pub method: String,
    /// Its path.
    pub path: String,
    /// The HTTP status that it was answered with; left out: the server ended before it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}
