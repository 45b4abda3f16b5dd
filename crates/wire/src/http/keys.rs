//! Keys of an app's back end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::schema::Time;

/// `POST /v1/apps/{app}/keys`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyCreate {
    /// A name for people.
    #[schemars(length(min = 1, max = limits::NAME_BYTES))]
    pub name: String,
    /// What it is good for; left out: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub scopes: Option<Vec<KeyScopeName>>,
}

/// What a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyScopeName {
    /// Change the app itself: keys, credentials, settings, webhooks, users and their devices.
    Admin,
    /// Read what the app has.
    Read,
    /// Send: messages, pushes, topics.
    Send,
}

/// An API key of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Key {
    /// `key_…`.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<KeyScopeName>,
    /// When it was made.
    #[schemars(with = "Time")]
    pub created_at: jiff::Timestamp,
    /// When it was last used, to the minute; left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub last_used_at: Option<jiff::Timestamp>,
    /// The key itself, `rvl_app_…`; shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}
