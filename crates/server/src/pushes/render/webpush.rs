//! A direct push for a browser: the headers and the payload, before it is encrypted.

use std::time::Duration;

use bytes::Bytes;
use domain::delivery::PushKind;
use domain::{Diagnosis, Time};
use providers::webpush::Subscription;
use providers::{FieldFault, webpush};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Fault, LONGEST_TTL_S, Parts, patch};

/// What the request calls the override.
const PLACE: &str = "webpush";

/// What every push service takes: 4096 bytes encrypted (RFC 8030, section 7.2), of which RFC 8291
/// needs 103.
const LARGEST: usize = 3993;

/// The longest `Topic` (RFC 8030, section 5.4).
const LONGEST_TOPIC: usize = 32;

/// A push for a browser; what may be overridden.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// Seconds that the push service keeps it for.
    pub ttl: u32,
    /// Whether a device that saves power is woken for it.
    pub urgency: Urgency,
    /// A push with the same topic that still waits is replaced.
    #[serde(default)]
    pub topic: Option<String>,
    /// What the service worker gets; `None`: nothing.
    #[serde(default)]
    pub payload: Option<Value>,
}

/// Whether a device that saves power is woken (RFC 8030, section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// On power and Wi-Fi only.
    VeryLow,
    /// On either.
    Low,
    /// On neither.
    Normal,
    /// With a low battery too.
    High,
}

/// The push for a browser.
///
/// # Errors
///
/// A [`Fault`] in the override, or a payload that is too large.
pub fn push(parts: &Parts<'_>, now: Time) -> Result<Push, Fault> {
    let ttl = now.until(parts.expires_at).as_secs().min(LONGEST_TTL_S);
    let mut generated = json!({
        "ttl": ttl,
        "urgency": if parts.is_urgent() { "high" } else { "normal" },
        "payload": payload(parts),
    });
    if let Some(topic) = topic(parts) {
        generated["topic"] = topic.into();
    }
    let push: Push = patch::read(PLACE, generated, &parts.content.overrides.webpush)?;
    check(&push)?;
    Ok(push)
}

impl Push {
    /// The push to one browser.
    pub fn to(self, subscription: Subscription) -> webpush::Push {
        webpush::Push {
            subscription,
            ttl: Duration::from_secs(u64::from(self.ttl)),
            urgency: match self.urgency {
                Urgency::VeryLow => webpush::Urgency::VeryLow,
                Urgency::Low => webpush::Urgency::Low,
                Urgency::Normal => webpush::Urgency::Normal,
                Urgency::High => webpush::Urgency::High,
            },
            payload: self.body(),
            topic: self.topic,
        }
    }

    /// The payload's bytes, to be encrypted.
    pub fn body(&self) -> Option<Bytes> {
        self.payload.as_ref().map(|payload| Bytes::from(payload.to_string()))
    }
}

fn payload(parts: &Parts<'_>) -> Value {
    let mut payload = json!({ "reveille": parts.payload() });
    if parts.kind == PushKind::Alert {
        payload["notification"] = notification(parts);
    }
    if !parts.content.data.is_empty() {
        payload["data"] = Value::Object(parts.content.data.clone());
    }
    payload
}

/// In the words of the browser's own `showNotification`.
fn notification(parts: &Parts<'_>) -> Value {
    let texts = parts.texts();
    let mut notification = Map::new();
    let fields = [
        ("title", texts.title),
        ("body", texts.body),
        ("image", parts.content.image.clone()),
        ("tag", Some(parts.collapse_id())),
    ];
    for (key, value) in fields {
        notification.extend(value.map(|value| (key.to_owned(), value.into())));
    }
    notification.insert("silent".to_owned(), parts.sound().is_none().into());
    Value::Object(notification)
}

/// The sender's collapse id, or its hash where it is no topic; without one every push stands alone.
fn topic(parts: &Parts<'_>) -> Option<String> {
    let id = parts.content.collapse_id.as_deref()?;
    Some(if is_topic(id) { id.to_owned() } else { parts.hashed("collapse id", id) })
}

fn is_topic(text: &str) -> bool {
    (1..=LONGEST_TOPIC).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn check(push: &Push) -> Result<(), Fault> {
    let outside = |field: &str, problem: &str| Fault::Override {
        field: format!("{PLACE}.{field}"),
        problem: problem.to_owned(),
    };
    if u64::from(push.ttl) > LONGEST_TTL_S {
        return Err(outside("ttl", "give 2419200 seconds (28 days) at most"));
    }
    if push.topic.as_deref().is_some_and(|topic| !is_topic(topic)) {
        return Err(outside("topic", "give 1 to 32 letters, digits, `-` and `_`"));
    }
    let size = push.body().map_or(0, |body| body.len());
    if size > LARGEST {
        return Err(Fault::Rule(FieldFault {
            field: "payload".into(),
            problem: format!("{size} bytes, at most {LARGEST} for a browser"),
            remedy: "Send less beside the reveille object; the app fetches the rest itself.",
            diagnosis: Diagnosis::BadPayload,
        }));
    }
    Ok(())
}
