//! A push to APNs, its rules, and its form on the wire.
//!
//! The rules are Apple's ("Sending notification requests to APNs", "Generating a remote
//! notification"); what breaks one is refused here, without a round trip that would also lower
//! the connection's stream limit.

use bytes::Bytes;
use domain::{Diagnosis, Time};
use http::{HeaderName, HeaderValue};
use uuid::Uuid;

use super::payload;
use super::push_type::PushType;
use super::topic::Topic;
use crate::error::FieldFault;
use crate::token::PushToken;

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
    /// The device token in hex. Each push type has tokens of its own: PushKit's for calls, an
    /// activity's for Live Activities.
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
    payload::check(push.push_type, &push.payload)?;

    let mut headers = Vec::with_capacity(6);
    headers.push((TOPIC, push.topic.header()));
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

/// A push goes to a topic of its own type.
fn check_topic(push: &Push) -> Result<(), FieldFault> {
    if push.topic.fits(push.push_type) {
        return Ok(());
    }
    let (topic, made_for) = (push.topic.as_str(), push.topic.push_type().as_str());
    let (kind, suffix) = (push.push_type.as_str(), push.push_type.topic_suffix());
    let must = if suffix.is_empty() { "no suffix".to_owned() } else { format!("suffix {suffix}") };
    Err(FieldFault {
        field: "topic".into(),
        problem: format!("{topic:?} is for {made_for} pushes; {kind} pushes take {must}"),
        remedy: "Make the topic for the push type that is sent.",
        diagnosis: Diagnosis::AppMismatch,
    })
}

/// Some push types have no choice.
fn check_priority(push: &Push) -> Result<(), FieldFault> {
    let allowed = push.push_type.priorities();
    if allowed.contains(&push.priority) {
        return Ok(());
    }
    let (is, kind) = (push.priority.as_str(), push.push_type.as_str());
    let allowed: Vec<_> = allowed.iter().map(|priority| priority.as_str()).collect();
    let allowed = allowed.join(" or ");
    Err(FieldFault::payload(
        "priority",
        format!("{is} with a {kind} push, which must have {allowed}"),
        "Use 5 for background pushes, 10 for calls, either for location pushes.",
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

#[cfg(test)]
mod tests;
