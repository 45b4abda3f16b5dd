//! A direct push for Apple.

use std::time::Duration;

use bytes::Bytes;
use domain::delivery::PushKind;
use domain::wake::VOIP_LONGEST;
use domain::{TargetKind, Time};
use providers::{FieldFault, PushToken, apns};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Fault, LONGEST_TTL_S, Parts, patch};
use crate::wake::call_alert;

/// What the request calls the override.
const PLACE: &str = "apns";

/// The topics of an app.
#[derive(Clone, Debug)]
pub struct Topics {
    /// Of alerts and background pushes.
    pub app: apns::Topic,
    /// Of PushKit's pushes.
    pub voip: apns::Topic,
}

/// What may be overridden.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merged {
    headers: Headers,
    payload: Map<String, Value>,
}

/// The headers that a push decides; the others belong to the credential and the target.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Headers {
    #[serde(rename = "apns-push-type")]
    push_type: PushType,
    #[serde(rename = "apns-priority")]
    priority: Priority,
    #[serde(rename = "apns-expiration")]
    expiration: String,
    #[serde(rename = "apns-collapse-id", default)]
    collapse_id: Option<String>,
}

/// `apns-push-type`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PushType {
    Alert,
    Background,
    Voip,
}

/// `apns-priority`.
#[derive(Deserialize)]
enum Priority {
    #[serde(rename = "10")]
    Immediate,
    #[serde(rename = "5")]
    Considerate,
    #[serde(rename = "1")]
    PowerFirst,
}

/// The push for a target of Apple's: of the kind `apns`, or PushKit's.
///
/// # Errors
///
/// A [`Fault`] in the override.
pub fn push(
    parts: &Parts<'_>,
    target: TargetKind,
    token: &str,
    topics: Topics,
    now: Time,
) -> Result<apns::Push, Fault> {
    let generated = json!({
        "headers": headers(parts, target, now),
        "payload": payload(parts, target)?,
    });
    let merged: Merged = patch::read(PLACE, generated, &parts.content.overrides.apns)?;
    let Headers { push_type, priority, expiration, collapse_id } = merged.headers;
    let body = serde_json::to_vec(&merged.payload).map_err(|error| FieldFault {
        field: "payload".into(),
        problem: format!("no JSON: {error}"),
        remedy: "Please report this; it is a fault of the server.",
        diagnosis: domain::Diagnosis::BadPayload,
    })?;
    Ok(apns::Push {
        device_token: PushToken::new(token),
        topic: if target == TargetKind::ApnsVoip { topics.voip } else { topics.app },
        push_type: match push_type {
            PushType::Alert => apns::PushType::Alert,
            PushType::Background => apns::PushType::Background,
            PushType::Voip => apns::PushType::Voip,
        },
        priority: match priority {
            Priority::Immediate => apns::Priority::Immediate,
            Priority::Considerate => apns::Priority::Considerate,
            Priority::PowerFirst => apns::Priority::PowerFirst,
        },
        expiration: read_expiration(&expiration)?,
        collapse_id,
        id: uuid::Uuid::from_u128(parts.provider.bits()),
        payload: Bytes::from(body),
    })
}

/// What Apple reads before the payload, but for the topic and the id.
pub(super) fn headers(parts: &Parts<'_>, target: TargetKind, now: Time) -> Value {
    let voip = target == TargetKind::ApnsVoip;
    let (push_type, priority) = match parts.kind {
        PushKind::Alert if parts.is_urgent() => ("alert", "10"),
        PushKind::Alert => ("alert", "5"),
        // Apple refuses any other priority.
        PushKind::Background => ("background", "5"),
        PushKind::Voip if voip => ("voip", "10"),
        PushKind::Voip => ("alert", "10"),
    };
    let longest = if voip { VOIP_LONGEST } else { Duration::from_secs(LONGEST_TTL_S) };
    let expires_at = parts.expires_at.min(now.plus(longest));
    let mut headers = json!({
        "apns-push-type": push_type,
        "apns-priority": priority,
        "apns-expiration": expires_at.as_seconds().max(1).to_string(),
    });
    let collapse_id = match parts.kind {
        PushKind::Alert => Some(parts.collapse_id()),
        PushKind::Background => parts.content.collapse_id.clone(),
        PushKind::Voip => None,
    };
    if let Some(id) = collapse_id {
        headers["apns-collapse-id"] = id.into();
    }
    headers
}

/// `aps`, the `reveille` object, and beside them the push's data.
fn payload(parts: &Parts<'_>, target: TargetKind) -> Result<Value, Fault> {
    let mut payload = Map::from_iter(parts.content.data.clone());
    payload.insert("aps".to_owned(), aps(parts, target));
    payload.insert("reveille".to_owned(), json!(parts.payload()));
    Ok(Value::Object(payload))
}

/// What the system shows or does.
pub(super) fn aps(parts: &Parts<'_>, target: TargetKind) -> Value {
    match (parts.kind, &parts.content.call) {
        (PushKind::Alert, _) => alert(parts),
        (PushKind::Background, _) => json!({ "content-available": 1 }),
        (PushKind::Voip, Some(call)) if target == TargetKind::Apns => call_alert(&call.caller_name),
        (PushKind::Voip, _) => json!({}),
    }
}

fn alert(parts: &Parts<'_>) -> Value {
    let mut aps = Map::new();
    let texts = parts.texts();
    if texts.is_shown() {
        aps.insert("alert".to_owned(), json!(texts));
    }
    if let Some(sound) = parts.sound() {
        aps.insert("sound".to_owned(), sound.into());
    }
    if let Some(badge) = parts.content.badge {
        aps.insert("badge".to_owned(), badge.into());
    }
    if let Some(thread) = &parts.content.thread {
        aps.insert("thread-id".to_owned(), thread.as_str().into());
    }
    if let Some(category) = &parts.content.category {
        aps.insert("category".to_owned(), category.as_str().into());
    }
    if parts.content.image.is_some() || parts.content.test {
        // The notification service extension fetches the picture, or says that the test arrived.
        aps.insert("mutable-content".to_owned(), 1.into());
    }
    if !parts.is_urgent() {
        aps.insert("interruption-level".to_owned(), "passive".into());
    }
    Value::Object(aps)
}

/// Epoch seconds; 0 is Apple's word for one attempt.
fn read_expiration(text: &str) -> Result<apns::Expiration, Fault> {
    match text.parse::<i64>() {
        Ok(0) => Ok(apns::Expiration::Once),
        Ok(seconds) if seconds > 0 => {
            Ok(apns::Expiration::At(Time::from_millis(seconds.saturating_mul(1_000))))
        }
        Ok(_) | Err(_) => Err(Fault::Override {
            field: format!("{PLACE}.headers.apns-expiration"),
            problem: format!("{text:?} is given; give seconds since 1970 as a text, or \"0\""),
        }),
    }
}
