//! A direct push for Google.

mod merged;

use std::collections::BTreeMap;

use domain::delivery::PushKind;
use domain::{Diagnosis, TargetKind, Time};
use providers::{FieldFault, PushToken, fcm};
use serde_json::{Map, Value, json};

use super::super::address::Destination;
use super::{Fault, LONGEST_TTL_S, Parts, patch};

/// What the request calls the override.
const PLACE: &str = "fcm";

/// The message to a target of FCM's: the parts for the phones that it may be.
///
/// # Errors
///
/// A [`Fault`] in the override.
pub fn message(parts: &Parts<'_>, to: &Destination, now: Time) -> Result<fcm::Message, Fault> {
    let generated = json!({
        "data": data(parts),
        "android": android(parts, now),
        "apns": apns(parts, now),
    });
    let merged: merged::Message = patch::read(PLACE, generated, &parts.content.overrides.fcm)?;
    Ok(fcm::Message { target: target(to)?, content: merged.into_content(parts.platform) })
}

/// Whom FCM is asked to reach.
fn target(to: &Destination) -> Result<fcm::Target, Fault> {
    match to {
        Destination::Condition(condition) => Ok(fcm::Target::Condition(condition.clone())),
        Destination::Fid(fid) => Ok(fcm::Target::Fid(PushToken::new(fid.as_str()))),
        Destination::Token(token) => Ok(fcm::Target::Token(PushToken::new(token.as_str()))),
        Destination::Topic(topic) => Ok(fcm::Target::Topic(topic.clone())),
        Destination::Subscription(_) => Err(Fault::Rule(FieldFault {
            field: "subscription".into(),
            problem: "is a browser's".to_owned(),
            remedy: "Push to a target of FCM's.",
            diagnosis: Diagnosis::BadPushToken,
        })),
    }
}

/// The app's own fields in FCM's flat map: a text as it is, anything else as JSON.
pub fn data_texts(data: &Map<String, Value>) -> impl Iterator<Item = (String, String)> {
    data.iter().map(|(key, value)| match value {
        Value::String(text) => (key.clone(), text.clone()),
        other => (key.clone(), other.to_string()),
    })
}

/// The `reveille` fields and the push's data: texts as they are, all else as JSON text.
fn data(parts: &Parts<'_>) -> BTreeMap<String, String> {
    let mut data = parts.payload().to_fcm_data();
    if parts.kind == PushKind::Alert {
        data.insert("reveille_tag".to_owned(), parts.collapse_id());
    }
    data.extend(data_texts(&parts.content.data));
    data
}

fn android(parts: &Parts<'_>, now: Time) -> Value {
    let ttl = now.until(parts.expires_at).as_secs().min(LONGEST_TTL_S);
    let mut android = json!({
        "priority": if parts.is_urgent() { "HIGH" } else { "NORMAL" },
        "ttl": format!("{ttl}s"),
    });
    match parts.kind {
        PushKind::Alert => {
            if let Some(notification) = notification(parts) {
                android["notification"] = notification;
            }
        }
        // Of pushes that nobody sees the newest is enough, where the sender says so.
        PushKind::Background => {
            if let Some(id) = &parts.content.collapse_id {
                android["collapse_key"] = id.as_str().into();
            }
        }
        PushKind::Voip => {}
    }
    android
}

/// What the system shows; without a text there is nothing to be shown.
fn notification(parts: &Parts<'_>) -> Option<Value> {
    let texts = parts.texts();
    if !texts.is_shown() {
        return None;
    }
    let content = parts.content;
    let mut notification = Map::new();
    let fields = [
        ("title", texts.title),
        ("body", texts.body),
        ("image", content.image.clone()),
        ("tag", Some(parts.collapse_id())),
        // The word of what a tap starts is, on Android, the intent action of an activity.
        ("click_action", content.action.clone()),
        ("sound", parts.sound().map(str::to_owned)),
    ];
    for (key, value) in fields {
        notification.extend(value.map(|value| (key.to_owned(), value.into())));
    }
    let count = content.badge.map(|badge| ("notification_count".to_owned(), badge.into()));
    notification.extend(count);
    Some(Value::Object(notification))
}

/// What FCM hands on to Apple. The push's data and the `reveille` fields are in the message's data,
/// which FCM puts beside `aps`.
fn apns(parts: &Parts<'_>, now: Time) -> Value {
    let mut headers = super::apns::headers(parts, TargetKind::Apns, now);
    let aps = super::apns::aps(parts, TargetKind::Apns);
    if aps.get("alert").is_none() {
        // FCM takes no other priority for a message that shows nothing, and does not say whether
        // a badge counts.
        headers["apns-priority"] = "5".into();
    }
    let mut apns = json!({ "headers": headers, "payload": { "aps": aps } });
    if let Some(image) = parts.content.image.as_deref() {
        // Firebase's notification service extension reads it there.
        apns["fcm_options"] = json!({ "image": image });
    }
    apns
}

#[cfg(test)]
mod tests;
