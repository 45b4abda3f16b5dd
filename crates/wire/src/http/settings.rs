//! An app's settings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// An app's settings. `PATCH` takes any subset; `GET` returns all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The switch; off answers every push with 902.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_enabled: Option<bool>,
    /// First rung: background (`true`) or alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background_push: Option<bool>,
    /// Sound of an alert: `default`, a name, or `none`; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub sound: Option<String>,
    /// Whether the newest notification of a thread replaces the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapse_notifications: Option<bool>,
    /// Send tokens of apps run from Xcode to Apple's production server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_to_production: Option<bool>,
    /// What iPhones are reached through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_ios: Option<IosRouteName>,
    /// Seconds an unanswered background push waits before the alert follows; 1 to 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3_600))]
    pub climb_after: Option<u32>,
    /// Seconds after which the alert is repeated, one after the other; at most 8 of them, each 1
    /// to 604800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), inner(range(min = 1, max = 604_800)))]
    pub repeat_after: Option<Vec<u32>>,
    /// Seconds a call rings; 5 to 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5, max = 120))]
    pub ring_time: Option<u32>,
    /// Seconds a wake waits, once, while the user looks at the app on another device; 0: not at
    /// all, at most 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 600))]
    pub hold_while_active_elsewhere: Option<u32>,
    /// Seconds a side of a call whose connection was lost has to come back; 1 to 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 120))]
    pub resume_time: Option<u32>,
    /// Seconds a message is kept when its sender does not say; at most 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_592_000))]
    pub default_ttl: Option<u32>,
    /// What an alert says when its messages carry no texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::PUSH_TEXT_BYTES))]
    pub alert_title: Option<String>,
    /// What an alert says when its messages carry no texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::PUSH_TEXT_BYTES))]
    pub alert_body: Option<String>,
    /// The same by locale (BCP 47), for devices that say theirs; at most 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 100))]
    pub texts: Option<BTreeMap<String, AlertTexts>>,
    /// Let users say what a push about their message says; otherwise it is left out in silence, and
    /// the texts above are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients_set_push: Option<bool>,
    /// Print each request to a push service and its answer in the server's log: headers and field
    /// names, tokens hashed, texts as their length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub print_push_logs: Option<bool>,
    /// Print the texts too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_payloads: Option<bool>,
    /// Frequent events that `GET /v1/events` has though no webhook wants them: `message.offline`,
    /// `push.sent`, `user.connected`, `user.disconnected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_events: Option<Vec<String>>,
    /// Seconds until `message.offline` may come again for a user who has not connected since; 60 to
    /// 604800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 604_800))]
    pub offline_event_every: Option<u32>,
    /// Whether `message.offline` carries the message's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline_event_body: Option<bool>,
}

/// What iPhones are reached through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IosRouteName {
    /// APNs where target and credential exist, else FCM.
    Automatic,
    /// FCM always; a call then rings by an alert.
    Fcm,
}

/// What an alert says in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertTexts {
    /// The first line; left out: the app's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text; left out: the app's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}
