//! Path and headers of a push, from "Sending notification requests to APNs".

use http::{HeaderMap, HeaderName, Method};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Reason, Undocumented,
    push_type::{self, Row, Topic},
    reason::Refusal,
    session::Session,
};
use crate::device::{Expiration, Priority, PushType};

/// The longest collapse id, in bytes.
const MAX_COLLAPSE_ID: usize = 64;
/// How the path of a broadcast begins.
const BROADCASTS: &str = "/4/broadcasts/apps";

/// What the headers beside the topic say.
#[derive(Debug)]
pub(super) struct Push {
    /// `apns-push-type`, or what the topic's suffix stands for; `None` if neither is there.
    pub(super) row: Option<&'static Row>,
    pub(super) priority: Priority,
    pub(super) expiration: Expiration,
    pub(super) collapse_id: Option<String>,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Endpoint {
    /// A channel, "Sending broadcast push notification requests to APNs".
    Broadcast,
    /// A device, and whatever is unknown.
    Device,
}

impl Endpoint {
    pub(super) fn of(path: &str) -> Self {
        if path.starts_with(BROADCASTS) { Self::Broadcast } else { Self::Device }
    }

    /// The header that names a push, in requests and answers.
    pub(super) fn id_header(self) -> &'static str {
        match self {
            Self::Broadcast => "apns-request-id",
            Self::Device => "apns-id",
        }
    }
}

/// The bundle id in `/4/broadcasts/apps/<bundle id>`.
pub(super) fn bundle_id(path: &str) -> Result<&str, Reason> {
    let rest = path.strip_prefix(BROADCASTS).and_then(|rest| rest.strip_prefix('/'));
    rest.filter(|id| !id.is_empty() && !id.contains('/')).ok_or(Reason::BadPath)
}

pub(super) fn check_method(method: &Method) -> Result<(), Reason> {
    if method == Method::POST { Ok(()) } else { Err(Reason::MethodNotAllowed) }
}

/// The token in `/3/device/<token>`, unchecked.
pub(super) fn token(path: &str) -> Result<&str, Reason> {
    let token = match path.strip_prefix("/3/device") {
        Some("" | "/") => return Err(Reason::MissingDeviceToken),
        Some(rest) => rest.strip_prefix('/').ok_or(Reason::BadPath)?,
        None => return Err(Reason::BadPath),
    };
    if token.contains('/') { Err(Reason::BadPath) } else { Ok(token) }
}

/// A token is an even number of hex digits; Apple names no length.
pub(super) fn check_token(token: &str) -> Result<(), Refusal> {
    let is_hex =
        token.len().is_multiple_of(2) && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let why = "a device token is an even number of hex digits";
    if is_hex { Ok(()) } else { Err(Reason::BadDeviceToken.because(why)) }
}

/// No header may come twice.
pub(super) fn check_repeats(headers: &HeaderMap) -> Result<(), Reason> {
    if headers.len() == headers.keys_len() { Ok(()) } else { Err(Reason::DuplicateHeaders) }
}

/// The push's name, or a new one if it has none.
pub(super) fn id(headers: &HeaderMap, endpoint: Endpoint) -> Result<Uuid, Reason> {
    let Some(text) = text(headers, endpoint.id_header(), Reason::BadMessageId)? else {
        return Ok(Uuid::new_v4());
    };
    let id = Uuid::parse_str(text).map_err(|_| Reason::BadMessageId)?;
    let mut canonical = [0; uuid::fmt::Hyphenated::LENGTH];
    if id.as_hyphenated().encode_lower(&mut canonical) == text {
        Ok(id)
    } else {
        Err(Reason::BadMessageId)
    }
}

/// `apns-topic`, or what the certificate says in its place.
pub(super) fn topic(headers: &HeaderMap, session: &Session) -> Result<Topic, Reason> {
    let topic = text(headers, "apns-topic", Reason::BadTopic)?;
    let topic = topic.or_else(|| session.default_topic()).ok_or(Reason::MissingTopic)?;
    if topic.is_empty() {
        return Err(Reason::MissingTopic);
    }
    Ok(Topic::parse(topic))
}

/// The other headers.
pub(super) fn read(
    headers: &HeaderMap,
    topic: &Topic,
    undocumented: Undocumented,
    now: Timestamp,
) -> Result<Push, Refusal> {
    id(headers, Endpoint::Device)?;
    let collapse_id = text(headers, "apns-collapse-id", Reason::BadCollapseId)?;
    if collapse_id.is_some_and(|id| id.len() > MAX_COLLAPSE_ID) {
        return Err(Reason::BadCollapseId.into());
    }
    let expiration = expiration(headers, now)?;
    let row = push_type(headers, topic)?;
    let priority = priority(headers)?;
    if let Some(row) = row {
        check_priority(row, priority, undocumented)?;
    }
    Ok(Push { row, priority, expiration, collapse_id: collapse_id.map(str::to_owned) })
}

pub(super) fn priority(headers: &HeaderMap) -> Result<Priority, Reason> {
    match text(headers, "apns-priority", Reason::BadPriority)? {
        None | Some("10") => Ok(Priority::High),
        Some("5") => Ok(Priority::Normal),
        Some("1") => Ok(Priority::Low),
        Some(_) => Err(Reason::BadPriority),
    }
}

/// Apple: "Specifying priority 10 is an error" for background; which error is not said. Of the
/// other types it names the priorities to use and not what happens to the rest.
fn check_priority(
    row: &Row,
    priority: Priority,
    undocumented: Undocumented,
) -> Result<(), Refusal> {
    if row.push_type == PushType::Background && priority == Priority::High {
        let why = "a background push must not have priority 10, which it has without the header";
        return Err(Reason::BadPriority.because(why));
    }
    if !undocumented.accepts() && !row.priorities.contains(&priority) {
        let why = "the description of the push type does not name this priority";
        return Err(Reason::BadPriority.because(why));
    }
    Ok(())
}

pub(super) fn expiration(headers: &HeaderMap, now: Timestamp) -> Result<Expiration, Reason> {
    let Some(text) = text(headers, "apns-expiration", Reason::BadExpirationDate)? else {
        return Ok(Expiration::Vendor);
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let second: i64 = text.parse().ok().filter(|_| digits).ok_or(Reason::BadExpirationDate)?;
    if second == 0 {
        return Ok(Expiration::Never);
    }
    // A number of milliseconds ends up beyond the year 9999, and here.
    let until = Timestamp::from_second(second).map_err(|_| Reason::BadExpirationDate)?;
    // A date that has passed is one attempt, like 0.
    Ok(if until <= now { Expiration::Never } else { Expiration::Until(until) })
}

/// `apns-push-type`, which has to fit the topic's suffix.
fn push_type(headers: &HeaderMap, topic: &Topic) -> Result<Option<&'static Row>, Refusal> {
    let Some(name) = text(headers, "apns-push-type", Reason::InvalidPushType)? else {
        return Ok(topic.kind);
    };
    let row = push_type::named(name).ok_or(Reason::InvalidPushType)?;
    let why = "the end of `apns-topic` belongs to another push type";
    if topic.fits(row) { Ok(Some(row)) } else { Err(Reason::BadTopic.because(why)) }
}

/// A header's value as text; `fault` if it is not UTF-8.
pub(super) fn text<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
    fault: Reason,
) -> Result<Option<&'a str>, Reason> {
    let value = headers.get(HeaderName::from_static(name));
    value.map(|value| std::str::from_utf8(value.as_bytes()).map_err(|_| fault)).transpose()
}
