//! How large a message is, as Google counts: keys and values.
//!
//! <https://firebase.google.com/docs/cloud-messaging/customize-messages/set-message-type>
//!
//! Google does not say how the parts for the platforms add up; what a device of a platform would
//! get is counted for each of them, and the largest one decides.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::FieldFault;
use crate::fcm::message::{Content, Notification};

/// The limit for one device, in bytes.
const LARGEST: usize = 4096;
/// The limit for topics and conditions, in bytes.
const LARGEST_TO_TOPIC: usize = 2048;

/// How large a message is.
#[derive(Clone, Copy, Debug)]
pub(in crate::fcm) struct Size {
    /// The part that makes it so.
    field: &'static str,
    /// Keys and values, in bytes.
    bytes: usize,
}

impl Size {
    /// Measures a message.
    pub(super) fn of(content: &Content) -> Self {
        let data = of_texts(&content.data);
        let shown = content.notification.as_ref().map_or(0, of_notification);
        let mut largest = Self { field: "data", bytes: data + shown };

        let android = &content.android;
        let own = android.notification.as_ref().map_or(0, |shown| {
            // The texts of a notification are in many fields; its form on the wire has them all.
            serde_json::to_value(shown).as_ref().map_or(0, of_value)
        });
        largest.grow("android", data.max(of_texts(&android.data)) + shown + own);
        if let Some(apns) = &content.apns {
            let own = apns.payload.as_ref().map_or(0, of_map);
            let shown = if apns.is_visible() { 0 } else { shown };
            largest.grow("apns", data + shown + own);
        }
        if let Some(webpush) = &content.webpush {
            let own = webpush.notification.as_ref().map_or(0, of_map);
            largest.grow("webpush", data.max(of_texts(&webpush.data)) + shown.max(own));
        }
        largest
    }

    /// Checks it for a device.
    pub(super) fn check_for_device(self) -> Result<(), FieldFault> {
        self.check(LARGEST, "at most 4096")
    }

    /// Checks it for a topic or a condition.
    pub(in crate::fcm) fn check_for_topic(self) -> Result<(), FieldFault> {
        self.check(LARGEST_TO_TOPIC, "at most 2048 to topics")
    }

    /// Checks it.
    fn check(self, limit: usize, at_most: &str) -> Result<(), FieldFault> {
        if self.bytes <= limit {
            return Ok(());
        }
        let problem = format!("{} bytes of keys and values, {at_most}", self.bytes);
        let remedy = "Send less in the push; the app fetches the message itself.";
        Err(FieldFault::payload(self.field, problem, remedy))
    }

    /// Takes another part's size if it is larger.
    fn grow(&mut self, field: &'static str, bytes: usize) {
        if bytes > self.bytes {
            *self = Self { field, bytes };
        }
    }
}

/// Keys and values.
fn of_texts(texts: &BTreeMap<String, String>) -> usize {
    texts.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// Keys and values of what is given.
fn of_notification(shown: &Notification) -> usize {
    let Notification { title, body, image } = shown;
    [("title", title), ("body", body), ("image", image)]
        .into_iter()
        .filter_map(|(key, value)| Some(key.len() + value.as_ref()?.len()))
        .sum()
}

/// Keys and values, to any depth.
fn of_map(map: &Map<String, Value>) -> usize {
    map.iter().map(|(key, value)| key.len() + of_value(value)).sum()
}

/// The same of any value; what is no text counts as it is written.
fn of_value(value: &Value) -> usize {
    match value {
        Value::Object(map) => of_map(map),
        Value::Array(items) => items.iter().map(of_value).sum(),
        Value::String(text) => text.len(),
        Value::Bool(_) | Value::Null | Value::Number(_) => value.to_string().len(),
    }
}
