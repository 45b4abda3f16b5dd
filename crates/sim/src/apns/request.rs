//! Path and headers of a push, from "Sending notification requests to APNs".

use http::{HeaderMap, HeaderName, Method};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Reason, session::Session};
use crate::device::{Expiration, Priority, PushType};

/// The longest collapse id, in bytes.
const MAX_COLLAPSE_ID: usize = 64;
/// Suffixes of `apns-topic`, and the push type that wants them.
const SUFFIXES: [(&str, PushType); 8] = [
    (".voip", PushType::Voip),
    (".complication", PushType::Complication),
    (".pushkit.fileprovider", PushType::FileProvider),
    (".location-query", PushType::Location),
    (".push-type.liveactivity", PushType::LiveActivity),
    (".voip-ptt", PushType::PushToTalk),
    (".push-type.controls", PushType::Controls),
    (".push-type.widgets", PushType::Widgets),
];

/// What `apns-topic` names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Topic {
    /// As sent.
    pub(super) full: String,
    /// Without its suffix.
    pub(super) bundle_id: String,
    /// The push type that the suffix stands for; `None` without one.
    pub(super) kind: Option<PushType>,
}

impl Topic {
    pub(super) fn parse(full: &str) -> Self {
        let suffixed = SUFFIXES.iter().find_map(|(suffix, kind)| {
            full.strip_suffix(suffix).map(|bundle_id| (bundle_id, Some(*kind)))
        });
        let (bundle_id, kind) = suffixed.unwrap_or((full, None));
        Self { full: full.to_owned(), bundle_id: bundle_id.to_owned(), kind }
    }

    pub(super) fn is_voip(&self) -> bool {
        self.kind == Some(PushType::Voip)
    }
}

/// What the other headers say.
#[derive(Debug)]
pub(super) struct Push {
    pub(super) push_type: Option<PushType>,
    pub(super) priority: Priority,
    pub(super) expiration: Expiration,
    pub(super) collapse_id: Option<String>,
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
pub(super) fn check_token(token: &str) -> Result<(), Reason> {
    let is_hex =
        token.len().is_multiple_of(2) && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex { Ok(()) } else { Err(Reason::BadDeviceToken) }
}

/// No header may come twice.
pub(super) fn check_repeats(headers: &HeaderMap) -> Result<(), Reason> {
    if headers.len() == headers.keys_len() { Ok(()) } else { Err(Reason::DuplicateHeaders) }
}

/// `apns-id`, or a new one if there is none.
pub(super) fn id(headers: &HeaderMap) -> Result<Uuid, Reason> {
    let Some(text) = text(headers, "apns-id", Reason::BadMessageId)? else {
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
pub(super) fn read(headers: &HeaderMap, topic: &Topic, now: Timestamp) -> Result<Push, Reason> {
    id(headers)?;
    let collapse_id = text(headers, "apns-collapse-id", Reason::BadCollapseId)?;
    if collapse_id.is_some_and(|id| id.len() > MAX_COLLAPSE_ID) {
        return Err(Reason::BadCollapseId);
    }
    let expiration = expiration(headers, now)?;
    let push_type = push_type(headers, topic)?;
    let priority = match text(headers, "apns-priority", Reason::BadPriority)? {
        None if push_type == Some(PushType::Background) => return Err(Reason::BadPriority),
        None | Some("10") => Priority::High,
        Some("5") => Priority::Normal,
        Some("1") => Priority::Low,
        Some(_) => return Err(Reason::BadPriority),
    };
    // Apple: "Specifying priority 10 is an error" for background; which error is not said.
    if push_type == Some(PushType::Background) && priority == Priority::High {
        return Err(Reason::BadPriority);
    }
    Ok(Push { push_type, priority, expiration, collapse_id: collapse_id.map(str::to_owned) })
}

fn expiration(headers: &HeaderMap, now: Timestamp) -> Result<Expiration, Reason> {
    let Some(text) = text(headers, "apns-expiration", Reason::BadExpirationDate)? else {
        return Ok(Expiration::Vendor);
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let second: i64 = text.parse().ok().filter(|_| digits).ok_or(Reason::BadExpirationDate)?;
    if second == 0 {
        return Ok(Expiration::Never);
    }
    let until = Timestamp::from_second(second).map_err(|_| Reason::BadExpirationDate)?;
    // A date that has passed is one attempt, like 0.
    Ok(if until <= now { Expiration::Never } else { Expiration::Until(until) })
}

/// `apns-push-type`, which has to fit the topic's suffix.
fn push_type(headers: &HeaderMap, topic: &Topic) -> Result<Option<PushType>, Reason> {
    let Some(name) = text(headers, "apns-push-type", Reason::InvalidPushType)? else {
        return Ok(topic.kind);
    };
    let push_type = match name {
        "alert" => PushType::Alert,
        "background" => PushType::Background,
        "complication" => PushType::Complication,
        "controls" => PushType::Controls,
        "fileprovider" => PushType::FileProvider,
        "liveactivity" => PushType::LiveActivity,
        "location" => PushType::Location,
        "mdm" => PushType::Mdm,
        "pushtotalk" => PushType::PushToTalk,
        "voip" => PushType::Voip,
        "widgets" => PushType::Widgets,
        _ => return Err(Reason::InvalidPushType),
    };
    let plain = matches!(push_type, PushType::Alert | PushType::Background | PushType::Mdm);
    let fits = if plain { topic.kind.is_none() } else { topic.kind == Some(push_type) };
    if fits { Ok(Some(push_type)) } else { Err(Reason::BadTopic) }
}

/// A header's value as text; `fault` if it is not UTF-8.
fn text<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
    fault: Reason,
) -> Result<Option<&'a str>, Reason> {
    let value = headers.get(HeaderName::from_static(name));
    value.map(|value| std::str::from_utf8(value.as_bytes()).map_err(|_| fault)).transpose()
}
