//! The part of a message that is for browsers, which FCM reaches through Web Push.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What FCM hands on to a browser's push service (`WebpushConfig`).
#[derive(Clone, Debug, Default)]
pub struct Webpush {
    /// Headers of RFC 8030: `TTL`, `Urgency`, `Topic`.
    pub headers: BTreeMap<String, String>,
    /// What the service worker gets in place of the message's data.
    pub data: BTreeMap<String, String>,
    /// The options of the browser's `Notification`, and its `title`.
    /// <https://developer.mozilla.org/en-US/docs/Web/API/Notification>
    pub notification: Option<Map<String, Value>>,
    /// How it is counted, and where a click leads.
    pub fcm_options: WebpushOptions,
}

/// How a message to a browser is counted, and where a click leads (`WebpushFcmOptions`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebpushOptions {
    /// The page that a click opens: `https` only.
    pub link: Option<String>,
    /// Messages with the same label are counted together in the Firebase console.
    pub analytics_label: Option<String>,
}
