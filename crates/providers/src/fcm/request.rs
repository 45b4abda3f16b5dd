//! A push to FCM, its rules, and its form on the wire.
//!
//! <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages>, as far as the wake
//! of an Android phone needs it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use domain::Diagnosis;
use serde::Serialize;

use crate::error::FieldFault;
use crate::token::PushToken;

/// Limit of keys and values together, in bytes.
const LARGEST: usize = 4096;
/// Limit of the time to live: 28 days.
const LONGEST_TTL: Duration = Duration::from_secs(2_419_200);
/// Our limit of a registration token; Google gives none, today's have about 170 characters.
const LONGEST_TOKEN: usize = 4096;

/// A push to one device by FCM.
#[derive(Clone, Debug)]
pub struct Message {
    /// The registration token.
    pub token: PushToken,
    /// What the app's handler gets: texts only, at most 4096 bytes of keys and values.
    pub data: BTreeMap<String, String>,
    /// How Android phones treat it.
    pub android: Android,
}

/// How Android phones treat a push (`AndroidConfig`).
#[derive(Clone, Debug, Default)]
pub struct Android {
    /// Whether it may wake the phone.
    pub priority: Priority,
    /// How long Google keeps it for a phone that is offline, rounded down to seconds; `None`
    /// means Google's four weeks.
    pub ttl: Option<Duration>,
    /// Stored pushes with the same key replace each other; Google stores four keys for a device.
    pub collapse_key: Option<String>,
    /// What the system shows without the app's help.
    pub notification: Option<Notification>,
}

/// Whether a push may wake the phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Priority {
    /// Waits for the phone to wake by itself.
    #[default]
    Normal,
    /// Wakes it.
    High,
}

/// What the system shows (`AndroidNotification`), as far as alerts need it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// The first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Shown notifications with the same tag replace each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The app's notification channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<String>,
    /// A sound of the app, or `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
}

/// A message in its form on the wire.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The body.
    pub body: Bytes,
    /// The body with the token masked, for records.
    pub masked: Bytes,
}

/// Checks a message against Google's rules and gives its form on the wire.
///
/// # Errors
///
/// A [`FieldFault`] naming the field: 911 for the token, 913 for the rest.
pub fn encode(message: &Message) -> Result<Encoded, FieldFault> {
    check_token(message.token.expose())?;
    check_data(&message.data)?;
    check_android(&message.android)?;
    check_size(message)?;

    let rest = Rest {
        data: &message.data,
        android: AndroidWire {
            priority: message.android.priority,
            ttl: message.android.ttl.map(|ttl| format!("{}s", ttl.as_secs())),
            collapse_key: message.android.collapse_key.as_deref(),
            notification: message.android.notification.as_ref(),
        },
    };
    let fault = |error: serde_json::Error| {
        FieldFault::payload("message", error.to_string(), "Report this with the push's record.")
    };
    let rest = serde_json::to_string(&rest).map_err(fault)?;
    let with_token = |token: &str| -> Result<Bytes, FieldFault> {
        let token = serde_json::to_string(token).map_err(fault)?;
        // The fields of `rest` follow the token in the same object.
        let rest = rest.strip_prefix('{').unwrap_or(&rest);
        Ok(format!("{{\"message\":{{\"token\":{token},{rest}}}").into())
    };
    Ok(Encoded {
        body: with_token(message.token.expose())?,
        masked: with_token(&message.token.hash().to_string())?,
    })
}

/// The message without its token.
#[derive(Serialize)]
struct Rest<'a> {
    /// Texts for the app.
    data: &'a BTreeMap<String, String>,
    /// For Android.
    android: AndroidWire<'a>,
}

/// `AndroidConfig`.
#[derive(Serialize)]
struct AndroidWire<'a> {
    /// `NORMAL` or `HIGH`.
    priority: Priority,
    /// Seconds with an `s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<String>,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    collapse_key: Option<&'a str>,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<&'a Notification>,
}

/// Visible ASCII, and not without end.
fn check_token(token: &str) -> Result<(), FieldFault> {
    let problem = if token.is_empty() {
        "empty".to_owned()
    } else if token.len() > LONGEST_TOKEN {
        format!("{} characters, at most {LONGEST_TOKEN}", token.len())
    } else if !token.bytes().all(|b| b.is_ascii_graphic()) {
        "has characters no registration token has".to_owned()
    } else {
        return Ok(());
    };
    Err(FieldFault {
        field: "token".into(),
        problem,
        remedy: "Register the device's token as the app got it from Firebase.",
        diagnosis: Diagnosis::BadPushToken,
    })
}

/// Google keeps some keys for itself.
fn check_data(data: &BTreeMap<String, String>) -> Result<(), FieldFault> {
    let reserved = |key: &&String| {
        key.is_empty()
            || matches!(key.as_str(), "from" | "gcm" | "message_type")
            || key.starts_with("google")
            || key.starts_with("gcm.")
    };
    match data.keys().find(reserved) {
        None => Ok(()),
        Some(key) => Err(FieldFault::payload(
            "data",
            format!("the key {key:?} is reserved"),
            "Use keys other than from, gcm, message_type, and not starting with google or gcm.",
        )),
    }
}

/// The time to live and the texts that may not be empty.
fn check_android(android: &Android) -> Result<(), FieldFault> {
    if android.ttl.is_some_and(|ttl| ttl > LONGEST_TTL) {
        let problem = format!("more than {} seconds", LONGEST_TTL.as_secs());
        return Err(FieldFault::payload("android.ttl", problem, "Give at most 28 days."));
    }
    if android.collapse_key.as_deref() == Some("") {
        let remedy = "Leave it out to keep every push.";
        return Err(FieldFault::payload("android.collapse_key", "empty", remedy));
    }
    Ok(())
}

/// Keys and values together.
fn check_size(message: &Message) -> Result<(), FieldFault> {
    let data: usize = message.data.iter().map(|(key, value)| key.len() + value.len()).sum();
    let shown = message.android.notification.as_ref().map_or(0, |shown| {
        [&shown.title, &shown.body, &shown.tag, &shown.channel_id, &shown.sound]
            .into_iter()
            .flatten()
            .map(String::len)
            .sum()
    });
    let size = data + shown;
    if size <= LARGEST {
        return Ok(());
    }
    Err(FieldFault::payload(
        "data",
        format!("{size} bytes of keys and values, at most {LARGEST}"),
        "Send less in the push; the app fetches the message itself.",
    ))
}

#[cfg(test)]
mod tests;
