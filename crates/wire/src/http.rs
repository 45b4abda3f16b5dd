//! Bodies of the HTTP API under `/v1`.
//!
//! Requests refuse unknown fields: a misspelt setting should not be taken for its default.

mod audit;
mod calls;
mod credentials;
mod devices;
mod doctor;
mod events;
mod explain;
mod inbox;
mod keys;
mod push_choice;
mod pushes;
mod settings;
mod statistics;
mod tokens;
mod topics;
mod webhooks;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::{PushChoice, UrgencyName};
use crate::limits;
use crate::schema::Time;
use crate::server::FailedRecipient;

pub use audit::*;
pub use calls::*;
pub use credentials::*;
pub use devices::*;
pub use doctor::*;
pub use events::*;
pub use explain::*;
pub use inbox::*;
pub use keys::*;
pub use pushes::*;
pub use settings::*;
pub use statistics::*;
pub use tokens::*;
pub use topics::*;
pub use webhooks::*;

/// `GET /healthz`, `GET /readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
}

/// `POST /v1/apps`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppCreate {
    /// A name for people.
    #[schemars(length(min = 1, max = limits::NAME_BYTES))]
    pub name: String,
}

/// An app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct App {
    /// `app_…`.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// When it was made.
    #[schemars(with = "Time")]
    pub created_at: jiff::Timestamp,
    /// The app's first key; shown once, in the answer to `POST /v1/apps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The items, in the order the endpoint documents.
    pub items: Vec<T>,
    /// Give this as `after` for the next page; left out on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `POST /v1/messages`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageCreate {
    /// Users; 1 to 100.
    #[schemars(length(min = 1, max = limits::RECIPIENTS))]
    pub to: Vec<String>,
    /// The user it comes from; receipts go to them. Left out: it comes from the back end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_BYTES))]
    pub from: Option<String>,
    /// The back end's own id for it; the header `Idempotency-Key` does the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub id: Option<String>,
    /// The conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_BYTES))]
    pub thread: Option<String>,
    /// Opaque JSON, at most 64 KiB.
    pub body: Box<RawValue>,
    /// Seconds the message is kept for; `0` is live only. Left out: the app's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2_592_000))]
    pub ttl: Option<u32>,
    /// How much the recipient should be bothered.
    #[serde(default)]
    pub urgency: UrgencyName,
    /// What a push about it says; `"none"` keeps the recipient asleep.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "push_choice::deserialize"
    )]
    pub push: Option<PushChoice>,
}

/// The answer to `POST /v1/messages`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageAccepted {
    /// `msg_…`, the same for every recipient.
    pub id: String,
    /// When it was accepted.
    #[schemars(with = "Time")]
    pub at: jiff::Timestamp,
    /// Recipients that could not take it, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedRecipient>,
    /// With `ttl: 0`: how many living sessions it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<u32>,
}

/// One line of a timeline or of the push log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// When.
    #[schemars(with = "Time")]
    pub at: jiff::Timestamp,
    /// The step of the way: `accept`, `route`, `session`, `wake`, `push`, `settle`.
    pub step: String,
    /// The stable reason word.
    pub reason: String,
    /// The same in a sentence; of a refused push, what to do.
    #[serde(default)]
    pub sentence: String,
    /// The user whose inbox it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The wake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<String>,
    /// The attempt, one push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// The message, where it is about one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The call, by its caller's UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The direct push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<String>,
    /// The diagnosis code of a refused push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Request, answer, timing: whatever the step has to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

/// `GET /v1/messages/{message}/timeline`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// The message.
    pub id: String,
    /// What happened, in order.
    pub items: Vec<Record>,
}
