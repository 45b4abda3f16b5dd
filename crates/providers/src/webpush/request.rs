//! A push to a browser, its rules, and its form on the wire (RFC 8030, section 5).

use std::time::Duration;

use bytes::Bytes;
use domain::Diagnosis;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};

use super::encryption::{LARGEST_PAYLOAD, encrypt};
use super::subscription::Subscription;
use crate::error::FieldFault;

/// The longest time to live that every vendor keeps a push for: Google's four weeks. Mozilla and
/// Apple take 30 days.
const LONGEST_TTL: Duration = Duration::from_secs(28 * 24 * 60 * 60);
/// RFC 8030, section 5.4.
const LONGEST_TOPIC: usize = 32;

/// A push to one browser.
#[derive(Clone, Debug)]
pub struct Push {
    /// Where it goes.
    pub subscription: Subscription,
    /// How long the service keeps it for a browser that is offline, rounded down to seconds; zero
    /// means now or never.
    pub ttl: Duration,
    /// Whether a device that saves power is woken for it.
    pub urgency: Urgency,
    /// A push with the same topic that still waits is replaced; at most 32 characters of base64url.
    pub topic: Option<String>,
    /// What the service worker gets, at most 3993 bytes; `None` wakes it with nothing.
    pub payload: Option<Bytes>,
}

/// Whether a device that saves power is woken for a push (RFC 8030, section 5.3), from the least
/// urgent to the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Urgency {
    /// On power and Wi-Fi only.
    VeryLow,
    /// On either power or Wi-Fi.
    Low,
    /// On neither.
    #[default]
    Normal,
    /// Even with a low battery: calls, messages of people.
    High,
}

impl Urgency {
    /// The header's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// A push in its form on the wire, without the authorization.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The headers, in the order of the wire.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body: the payload, encrypted.
    pub body: Bytes,
}

/// `ttl`
const TTL: HeaderName = HeaderName::from_static("ttl");
/// `urgency`
const URGENCY: HeaderName = HeaderName::from_static("urgency");
/// `topic`
const TOPIC: HeaderName = HeaderName::from_static("topic");
/// The one content coding browsers still take (RFC 8291, section 4).
const AES128GCM: HeaderValue = HeaderValue::from_static("aes128gcm");
/// What is inside is nobody's business.
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Checks what a push says against the protocol's rules, before it is known who gets it: whatever
/// passes is refused by [`encode`] for its subscription alone.
///
/// # Errors
///
/// A [`FieldFault`] (913) naming the field of [`Push`].
pub fn check(ttl: Duration, topic: Option<&str>, payload_bytes: usize) -> Result<(), FieldFault> {
    if ttl > LONGEST_TTL {
        let problem = format!("{} s, at most {} are taken", ttl.as_secs(), LONGEST_TTL.as_secs());
        return Err(FieldFault::payload("ttl", problem, "Give four weeks at most."));
    }
    if let Some(topic) = topic.filter(|topic| !is_topic(topic)) {
        let remedy = "Use 1 to 32 letters, digits, - and _; a hash in base64url fits.";
        let problem = if (1..=LONGEST_TOPIC).contains(&topic.len()) {
            "has characters outside the base64url alphabet".to_owned()
        } else {
            format!("{} bytes, 1 to {LONGEST_TOPIC} are allowed", topic.len())
        };
        return Err(FieldFault::payload("topic", problem, remedy));
    }
    if payload_bytes > LARGEST_PAYLOAD {
        let problem = format!("{payload_bytes} bytes, at most {LARGEST_PAYLOAD} are taken");
        let remedy = "Send less; the app fetches the rest itself.";
        return Err(FieldFault::payload("payload", problem, remedy));
    }
    Ok(())
}

/// Whether it may be a topic: 1 to 32 characters of base64url.
pub fn is_topic(text: &str) -> bool {
    (1..=LONGEST_TOPIC).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Checks a push against the protocol's rules and gives its form on the wire, the payload padded to
/// a multiple of `pad_to_bytes` and encrypted with a fresh key.
///
/// # Errors
///
/// A [`FieldFault`] (913) naming the field.
pub fn encode(push: &Push, pad_to_bytes: usize) -> Result<Encoded, FieldFault> {
    check(push.ttl, push.topic.as_deref(), push.payload.as_ref().map_or(0, Bytes::len))?;
    let mut headers = Vec::with_capacity(6);
    headers.push((TTL, HeaderValue::from(push.ttl.as_secs())));
    headers.push((URGENCY, HeaderValue::from_static(push.urgency.as_str())));
    // What passed as a topic is a header's value.
    let topic = push.topic.as_deref().and_then(|topic| HeaderValue::from_str(topic).ok());
    headers.extend(topic.map(|topic| (TOPIC, topic)));
    let body = match &push.payload {
        Some(payload) => {
            headers.push((CONTENT_ENCODING, AES128GCM));
            headers.push((CONTENT_TYPE, OCTETS));
            encrypted(push, payload, pad_to_bytes)?
        }
        None => Bytes::new(),
    };
    headers.push((CONTENT_LENGTH, HeaderValue::from(body.len())));
    Ok(Encoded { headers, body })
}

/// The payload as the browser can read it.
fn encrypted(push: &Push, payload: &Bytes, pad_to_bytes: usize) -> Result<Bytes, FieldFault> {
    let Some(keys) = push.subscription.keys() else {
        let remedy =
            "Register the subscription with its keys p256dh and auth, or push without a payload.";
        let problem = "the subscription has no keys to encrypt it for";
        return Err(FieldFault::payload("payload", problem, remedy));
    };
    encrypt(payload, pad_to_bytes, keys).ok_or_else(|| FieldFault {
        // The keys were checked when the subscription was read, so this is not seen.
        field: "subscription.keys".into(),
        problem: "the crypto library does not encrypt for them".to_owned(),
        remedy: "Let the app subscribe again.",
        diagnosis: Diagnosis::BadPushToken,
    })
}

#[cfg(test)]
mod tests;
