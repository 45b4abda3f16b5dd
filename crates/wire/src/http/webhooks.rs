//! Webhooks: where an app's back end wants its events, and what became of them there.
//!
//! What is sent to an endpoint is an [`Event`], with the headers of Standard Webhooks
//! (<https://www.standardwebhooks.com>): `webhook-id`, `webhook-timestamp`, `webhook-signature`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Event;
use crate::limits;
use crate::schema::Time;

/// `POST /v1/apps/{app}/webhooks`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookCreate {
    /// Where events are sent to: `https`, at most 2048 bytes.
    #[schemars(length(max = limits::URL_BYTES))]
    pub url: String,
    /// Which events: their types, or `*` for all but `push.sent`. Left out: `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// For people; at most 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::NAME_BYTES))]
    pub description: Option<String>,
}

impl std::fmt::Debug for WebhookCreate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookCreate").field("events", &self.events).finish_non_exhaustive()
    }
}

/// `PATCH /v1/apps/{app}/webhooks/{webhook}`: what is left out stays.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    /// Where events are sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::URL_BYTES))]
    pub url: Option<String>,
    /// Which events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::NAME_BYTES))]
    pub description: Option<String>,
    /// Whether events are sent. What happens meanwhile is sent once they are again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl std::fmt::Debug for WebhookChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookChange").field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

/// An endpoint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Webhook {
    /// `whk_…`.
    pub id: String,
    /// Where events are sent to.
    pub url: String,
    /// Which events; `*` stands for all but `push.sent`.
    pub events: Vec<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it gets any.
    pub state: WebhookStateName,
    /// Events that were tried and will be again.
    pub waiting: u64,
    /// Events that were given up, and can be replayed.
    pub parked: u64,
    /// It does not take events and is left in peace until then; what happens meanwhile waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub paused_until: Option<jiff::Timestamp>,
    /// `whsec_…`, what its events are signed with; only in the answer that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Until when the secret before this one signs as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub old_secret_until: Option<jiff::Timestamp>,
    /// When it was made.
    #[schemars(with = "Time")]
    pub created_at: jiff::Timestamp,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Whether an endpoint gets events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookStateName {
    /// It does.
    On,
    /// It was switched off.
    Off,
    /// It answered 410: it wants no more. `enabled: true` switches it on again.
    Gone,
}

/// `POST /v1/apps/{app}/webhooks/{webhook}/rotate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookRotate {
    /// Seconds for which the old secret signs as well; 0 to 604800, left out: one day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 604_800))]
    pub keep_old_for: Option<u32>,
}

/// `POST /v1/apps/{app}/webhooks/{webhook}/replay`: one event, or those of a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookReplay {
    /// `evt_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What happened from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub from: Option<jiff::Timestamp>,
    /// What happened up to then; left out: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub to: Option<jiff::Timestamp>,
    /// With a time: only what was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_only: Option<bool>,
}

/// The answer to a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookReplayed {
    /// How many events are sent again.
    pub events: usize,
}

/// What became of an event at an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookDelivery {
    /// What was sent.
    pub event: Event,
    /// How it stands.
    pub state: WebhookDeliveryState,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub due_at: Option<jiff::Timestamp>,
    /// The last try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<WebhookAnswer>,
}

/// How an event stands at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookDeliveryState {
    /// It is tried again.
    Waiting,
    /// It was taken.
    Delivered,
    /// It is tried no more unless it is replayed.
    Parked,
}

/// What an endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookAnswer {
    /// When it was asked.
    #[schemars(with = "Time")]
    pub at: jiff::Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The HTTP status; left out where there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The first 1024 bytes of what it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
