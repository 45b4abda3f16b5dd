//! A direct push for a browser: the headers and the payload, before it is encrypted.

use std::time::Duration;

use bytes::Bytes;
use domain::Time;
use domain::delivery::PushKind;
use providers::webpush::{self, Subscription};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Fault, LONGEST_TTL_S, Parts, patch};

/// What the request calls the override.
const PLACE: &str = "webpush";

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
/// A [`Fault`] in the override, or of the whole, by the rules of Web Push.
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
    let size = push.body().map_or(0, |body| body.len());
    webpush::check(push.ttl(), push.topic.as_deref(), size)?;
    Ok(push)
}

impl Push {
    /// The push to one browser.
    pub fn to(self, subscription: Subscription) -> webpush::Push {
        webpush::Push {
            subscription,
            ttl: self.ttl(),
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

    /// How long the push service keeps it.
    fn ttl(&self) -> Duration {
        Duration::from_secs(u64::from(self.ttl))
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
    Some(if webpush::is_topic(id) { id.to_owned() } else { parts.hashed("collapse id", id) })
}
