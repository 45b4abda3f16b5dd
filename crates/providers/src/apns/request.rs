//! A push to APNs, its rules, and its form on the wire.
//!
//! The rules are Apple's ("Sending notification requests to APNs", "Generating a remote
//! notification"); what breaks one is refused here, without a round trip that would also lower
//! the connection's stream limit.

use std::fmt;

use bytes::Bytes;
use domain::{Diagnosis, Time};
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use uuid::Uuid;

use crate::error::FieldFault;
use crate::token::PushToken;

/// Body limit of a VoIP push, in bytes.
const LARGEST_VOIP: usize = 5120;
/// Body limit of every other push, in bytes.
const LARGEST: usize = 4096;
/// Apple's limit of a collapse id, in bytes.
const LONGEST_COLLAPSE_ID: usize = 64;
/// Our limit of a device token, in hex digits. Apple gives none and says not to assume a length;
/// today's have 64, Live Activities' about 160.
const LONGEST_TOKEN: usize = 512;
/// What precedes the token in the path.
pub(super) const PATH: &str = "/3/device/";

/// A push to one device by APNs.
#[derive(Clone, Debug)]
pub struct Push {
    /// The device token in hex. For [`PushType::Voip`] it is PushKit's, not the ordinary one.
    pub device_token: PushToken,
    /// Which app, and which kind of push to it.
    pub topic: Topic,
    /// What the push is.
    pub push_type: PushType,
    /// How urgent it is.
    pub priority: Priority,
    /// Until when Apple keeps it for a device that is offline.
    pub expiration: Expiration,
    /// Notifications with the same id replace each other; at most 64 bytes.
    pub collapse_id: Option<String>,
    /// The push's own id; a resend carries the same.
    pub id: Uuid,
    /// The body: a JSON object with `aps` and custom keys beside it.
    pub payload: Bytes,
}

/// The app a push is for: its bundle id, with `.voip` for calls. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Topic(HeaderValue);

impl Topic {
    /// The topic of alert and background pushes.
    ///
    /// # Errors
    ///
    /// A [`FieldFault`] (912) if this is no bundle id.
    pub fn of_bundle(bundle_id: &str) -> Result<Self, FieldFault> {
        let good = (1..=155).contains(&bundle_id.len())
            && bundle_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
        let value = if good { HeaderValue::from_str(bundle_id).ok() } else { None };
        value.map(Self).ok_or_else(|| FieldFault {
            field: "topic".into(),
            problem: format!("{bundle_id:?} is not a bundle id"),
            remedy: "Give the app's bundle id, such as com.example.app.",
            diagnosis: Diagnosis::AppMismatch,
        })
    }

    /// The topic of VoIP pushes of the same app.
    ///
    /// # Errors
    ///
    /// A [`FieldFault`] (912) if this is no bundle id.
    pub fn voip_of_bundle(bundle_id: &str) -> Result<Self, FieldFault> {
        Self::of_bundle(bundle_id)?;
        Self::of_bundle(&format!("{bundle_id}.voip"))
    }

    /// The topic as it goes into the header.
    pub fn as_str(&self) -> &str {
        // Both constructors take ASCII only.
        self.0.to_str().unwrap_or_default()
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({})", self.as_str())
    }
}

/// What a push is (`apns-push-type`), as far as wakes need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushType {
    /// Shown to the user.
    Alert,
    /// Wakes the app without showing anything; Apple lets few through.
    Background,
    /// An incoming call.
    Voip,
}

impl PushType {
    /// The header's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Background => "background",
            Self::Voip => "voip",
        }
    }
}

/// How urgent a push is (`apns-priority`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// 10: deliver at once.
    Immediate,
    /// 5: consider the device's power.
    Considerate,
    /// 1: the device's power first; never wakes the device.
    PowerFirst,
}

impl Priority {
    /// The header's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "10",
            Self::Considerate => "5",
            Self::PowerFirst => "1",
        }
    }
}

/// Until when Apple keeps a push (`apns-expiration`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiration {
    /// One attempt, not stored.
    Once,
    /// Stored and tried until then, rounded down to seconds.
    At(Time),
}

impl Expiration {
    /// Epoch seconds; 0 is Apple's word for [`Expiration::Once`].
    fn header(self) -> HeaderValue {
        match self {
            Self::Once => HeaderValue::from_static("0"),
            // 0 would mean "once": a time at or before the epoch is long over, so the least is 1.
            Self::At(time) => HeaderValue::from(time.as_seconds().max(1)),
        }
    }
}

/// A push in its form on the wire, without the authorization.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// `/3/device/` and the token.
    pub path: Bytes,
    /// The headers, in the order of the wire.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// `apns-topic`
const TOPIC: HeaderName = HeaderName::from_static("apns-topic");
/// `apns-push-type`
const PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
/// `apns-priority`
const PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
/// `apns-id`
pub(super) const ID: HeaderName = HeaderName::from_static("apns-id");
/// `apns-expiration`
pub(super) const EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
/// `apns-collapse-id`
pub(super) const COLLAPSE_ID: HeaderName = HeaderName::from_static("apns-collapse-id");

/// Checks a push against Apple's rules and gives its form on the wire.
///
/// # Errors
///
/// A [`FieldFault`] naming the field: 911 for the token, 912 for the topic, 913 for the rest.
pub fn encode(push: &Push) -> Result<Encoded, FieldFault> {
    let token = push.device_token.expose();
    check_token(token)?;
    check_topic(push)?;
    check_priority(push)?;
    check_payload(push)?;

    let mut headers = Vec::with_capacity(6);
    headers.push((TOPIC, push.topic.0.clone()));
    headers.push((PUSH_TYPE, HeaderValue::from_static(push.push_type.as_str())));
    headers.push((PRIORITY, HeaderValue::from_static(push.priority.as_str())));
    headers.push((EXPIRATION, push.expiration.header()));
    headers.push((ID, id_header(push.id)));
    if let Some(id) = &push.collapse_id {
        headers.push((COLLAPSE_ID, collapse_header(id)?));
    }
    let mut path = String::with_capacity(PATH.len() + token.len());
    path.push_str(PATH);
    path.push_str(token);
    Ok(Encoded { path: path.into(), headers, body: push.payload.clone() })
}

/// The canonical form of a UUID: 8-4-4-4-12, lower case.
fn id_header(id: Uuid) -> HeaderValue {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = id.hyphenated().encode_lower(&mut text);
    // Hex digits and hyphens only; the other branch is never taken.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Hex, and not without end.
fn check_token(token: &str) -> Result<(), FieldFault> {
    let fault = |problem: String| FieldFault {
        field: "device_token".into(),
        problem,
        remedy: "Register the device's token as hex, as the app got it from iOS.",
        diagnosis: Diagnosis::BadPushToken,
    };
    if token.is_empty() {
        return Err(fault("empty".to_owned()));
    }
    if token.len() > LONGEST_TOKEN {
        return Err(fault(format!("{} characters, at most {LONGEST_TOKEN}", token.len())));
    }
    if !token.bytes().all(|b| b.is_ascii_hexdigit()) || !token.len().is_multiple_of(2) {
        return Err(fault("not the hex form of bytes".to_owned()));
    }
    Ok(())
}

/// VoIP pushes go to the VoIP topic. An ordinary bundle id may end in `.voip` too, so the other
/// direction is for the credential's list of topics.
fn check_topic(push: &Push) -> Result<(), FieldFault> {
    let topic = push.topic.as_str();
    match push.push_type {
        PushType::Voip if !topic.ends_with(".voip") => Err(FieldFault {
            field: "topic".into(),
            problem: format!("{topic:?} does not end in .voip, as VoIP pushes must"),
            remedy: "Use the bundle id with .voip for calls.",
            diagnosis: Diagnosis::AppMismatch,
        }),
        PushType::Voip | PushType::Alert | PushType::Background => Ok(()),
    }
}

/// Background pushes are priority 5, calls priority 10.
fn check_priority(push: &Push) -> Result<(), FieldFault> {
    let wanted = match push.push_type {
        PushType::Alert => return Ok(()),
        PushType::Background => Priority::Considerate,
        PushType::Voip => Priority::Immediate,
    };
    if push.priority == wanted {
        return Ok(());
    }
    let (is, kind, must) = (push.priority.as_str(), push.push_type.as_str(), wanted.as_str());
    Err(FieldFault::payload(
        "priority",
        format!("{is} with a {kind} push, which must have {must}"),
        "Use 5 for background pushes and 10 for calls.",
    ))
}

/// The collapse id as a header.
fn collapse_header(id: &str) -> Result<HeaderValue, FieldFault> {
    let remedy = "Use at most 64 bytes of visible text; a hash of the id fits.";
    if id.is_empty() || id.len() > LONGEST_COLLAPSE_ID {
        let problem = format!("{} bytes, 1 to {LONGEST_COLLAPSE_ID} are allowed", id.len());
        return Err(FieldFault::payload("collapse_id", problem, remedy));
    }
    HeaderValue::from_bytes(id.as_bytes())
        .map_err(|_| FieldFault::payload("collapse_id", "has control characters", remedy))
}

/// Size, JSON, and what the push type asks of `aps`.
fn check_payload(push: &Push) -> Result<(), FieldFault> {
    let most = match push.push_type {
        PushType::Voip => LARGEST_VOIP,
        PushType::Alert | PushType::Background => LARGEST,
    };
    let size = push.payload.len();
    if size > most {
        let problem =
            format!("{size} bytes, at most {most} for {} pushes", push.push_type.as_str());
        let remedy = "Send less beside the reveille object; the app fetches the message itself.";
        return Err(FieldFault::payload("payload", problem, remedy));
    }
    if size == 0 {
        return Err(FieldFault::payload("payload", "empty", "Give a JSON object with aps."));
    }
    let payload: Payload = serde_json::from_slice(&push.payload).map_err(|error| {
        let remedy = "Give a JSON object whose aps is an object.";
        FieldFault::payload("payload", error.to_string(), remedy)
    })?;
    let aps = payload.aps;
    match push.push_type {
        PushType::Alert if aps.is_none_or(|aps| !aps.visible) => Err(FieldFault::payload(
            "payload",
            "aps has no alert, sound or badge",
            "Add one of them, or send it as a background push.",
        )),
        PushType::Background if aps.is_none_or(|aps| !aps.wakes || aps.more) => {
            Err(FieldFault::payload(
                "payload",
                "aps is not just content-available: 1",
                "Leave only content-available in aps and put custom keys beside it.",
            ))
        }
        PushType::Alert | PushType::Background | PushType::Voip => Ok(()),
    }
}

/// What of a payload its push type has a say in.
#[derive(Deserialize)]
struct Payload {
    /// Apple's part.
    #[serde(default)]
    aps: Option<Aps>,
}

/// What is in `aps`.
#[derive(Clone, Copy, Default)]
struct Aps {
    /// Something the user sees, hears or counts.
    visible: bool,
    /// `content-available` is 1.
    wakes: bool,
    /// Anything besides `content-available`.
    more: bool,
}

impl<'de> Deserialize<'de> for Aps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Looks at the keys and skips the values.
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Aps;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object as aps")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Aps, A::Error> {
                let mut aps = Aps::default();
                while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
                    if key == "content-available" {
                        aps.wakes = map.next_value::<serde_json::Value>()? == 1;
                        continue;
                    }
                    aps.more = true;
                    aps.visible |= matches!(&*key, "alert" | "sound" | "badge");
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(aps)
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

#[cfg(test)]
mod tests;
