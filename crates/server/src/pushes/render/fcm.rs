//! A direct push for Google.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::delivery::PushKind;
use domain::{Diagnosis, TargetKind, Time};
use providers::{FieldFault, PushToken, fcm};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::address::Destination;
use super::{Fault, LONGEST_TTL_S, Parts, patch};
use crate::wake::Readers;

/// What the request calls the override.
const PLACE: &str = "fcm";

/// The message for every phone, as far as it can be sent: what may be overridden.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merged {
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    android: Android,
    #[serde(default)]
    apns: Apns,
}

/// `AndroidConfig`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Android {
    #[serde(default)]
    priority: Priority,
    #[serde(default)]
    ttl: Option<String>,
    #[serde(default)]
    collapse_key: Option<String>,
    #[serde(default)]
    notification: Option<Notification>,
}

/// `ApnsConfig`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Apns {
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    payload: Option<Map<String, Value>>,
    #[serde(default)]
    fcm_options: ApnsOptions,
}

/// `ApnsFcmOptions`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApnsOptions {
    image: Option<String>,
}

/// `AndroidMessagePriority`.
#[derive(Default, Deserialize)]
enum Priority {
    #[default]
    #[serde(rename = "NORMAL", alias = "normal")]
    Normal,
    #[serde(rename = "HIGH", alias = "high")]
    High,
}

/// `AndroidNotification`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notification {
    title: Option<String>,
    body: Option<String>,
    image: Option<String>,
    tag: Option<String>,
    channel_id: Option<String>,
    click_action: Option<String>,
    notification_count: Option<u32>,
    sound: Option<String>,
}

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
    let merged: Merged = patch::read(PLACE, generated, &parts.content.overrides.fcm)?;
    let readers = Readers::of(parts.platform);
    let android = merged.android.into_part()?;
    Ok(fcm::Message {
        target: target(to)?,
        content: fcm::Content {
            data: merged.data,
            android: if readers.has_android() { android } else { fcm::Android::default() },
            apns: readers.has_apple().then(|| merged.apns.into_part()),
            ..fcm::Content::default()
        },
    })
}

impl Android {
    /// In the provider's words.
    fn into_part(self) -> Result<fcm::Android, Fault> {
        let Self { priority, ttl, collapse_key, notification } = self;
        Ok(fcm::Android {
            priority: match priority {
                Priority::Normal => fcm::Priority::Normal,
                Priority::High => fcm::Priority::High,
            },
            ttl: ttl.as_deref().map(read_ttl).transpose()?,
            collapse_key,
            notification: notification.map(Notification::into_part),
            ..fcm::Android::default()
        })
    }
}

impl Notification {
    /// In the provider's words.
    fn into_part(self) -> fcm::AndroidNotification {
        let Self { title, body, image, tag, channel_id, click_action, notification_count, sound } =
            self;
        fcm::AndroidNotification {
            title,
            body,
            image,
            tag,
            channel_id,
            click_action,
            notification_count,
            sound,
            ..fcm::AndroidNotification::default()
        }
    }
}

impl Apns {
    /// In the provider's words.
    fn into_part(self) -> fcm::Apns {
        let Self { headers, payload, fcm_options: ApnsOptions { image } } = self;
        let fcm_options = fcm::ApnsOptions { image, ..fcm::ApnsOptions::default() };
        fcm::Apns { headers, payload, fcm_options, ..fcm::Apns::default() }
    }
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

/// Seconds with an `s`, as Google's JSON has durations; parts of a second do not count.
fn read_ttl(text: &str) -> Result<Duration, Fault> {
    let number = text.strip_suffix('s').filter(|number| !number.starts_with(['+', '-']));
    let whole = number.and_then(|number| {
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        rest.bytes().all(|digit| digit.is_ascii_digit()).then_some(whole)
    });
    let seconds = whole.and_then(|whole| whole.parse().ok());
    seconds.map(Duration::from_secs).ok_or_else(|| Fault::Override {
        field: format!("{PLACE}.android.ttl"),
        problem: format!("{text:?} is given; give seconds such as \"3600s\""),
    })
}
