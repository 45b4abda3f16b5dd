//! The raw pushes of what was sent last: what went over the wire to the push services, with what is
//! secret taken out.

use serde::Serialize;
use serde_json::Value;
use sim::phone::Phone;
use sim::world::World;
use sim::{Fate, SeenPush};
use wire::TargetKindName;

use super::fault::Service;
use super::sending::Sent;

/// Pushes that are shown, newest first.
const SHOWN: usize = 6;

/// Headers that say nothing secret. Of every other the name alone is shown.
const OPEN_HEADERS: [&str; 12] = [
    "apns-collapse-id",
    "apns-expiration",
    "apns-id",
    "apns-priority",
    "apns-push-type",
    "apns-topic",
    "content-encoding",
    "content-length",
    "content-type",
    "topic",
    "ttl",
    "urgency",
];

/// In a secret's place.
const HIDDEN: &str = "●●●";

/// One push as it went over the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct RawPush {
    /// What tells it from all others, for the page.
    #[serde(skip)]
    pub(super) key: String,
    /// The push service.
    pub(super) service: &'static str,
    /// Method, path and headers, a line each; the device's token is cut short.
    pub(super) head: String,
    /// The body, pretty where it is JSON.
    pub(super) body: String,
    /// What the service answered.
    pub(super) status: u16,
    pub(super) answer: String,
    /// What became of it.
    pub(super) fate: &'static str,
    /// The phone that it is for.
    pub(super) name: String,
}

/// The pushes to these phones since something was sent, newest first.
pub(super) fn pushes(world: &World, sent: &Sent, phones: &[Phone]) -> Vec<RawPush> {
    let kinds = [
        (TargetKindName::Apns, Service::Apns),
        (TargetKindName::ApnsVoip, Service::Apns),
        (TargetKindName::Fcm, Service::Fcm),
        (TargetKindName::Webpush, Service::Webpush),
    ];
    let mut seen = world.apns().seen();
    seen.extend(world.fcm().seen());
    seen.extend(world.webpush().map(sim::WebPushSim::seen).unwrap_or_default());
    seen.retain(|push| push.at >= sent.at && push.fate != Fate::NotAPush);
    seen.sort_by_key(|push| std::cmp::Reverse(push.at));
    let tokens: Vec<(String, Service, &Phone)> = phones
        .iter()
        .flat_map(|phone| {
            kinds.iter().filter_map(move |(kind, service)| {
                Some((phone.push_token(*kind)?, *service, phone))
            })
        })
        .collect();
    let ours = seen.iter().filter_map(|push| {
        let (token, service, phone) = tokens.iter().find(|(token, ..)| is_to(push, token))?;
        Some(shown(push, token, *service, phone.name()))
    });
    ours.take(SHOWN).collect()
}

/// Whether a push is to a token. What a script answered was not looked into by the service, which
/// then knows no token.
fn is_to(push: &SeenPush, token: &str) -> bool {
    let secret = secret_of(token).as_bytes();
    push.token == token
        || push.path.ends_with(secret_of(token))
        || push.payload.windows(secret.len().max(1)).any(|part| part == secret)
}

fn shown(push: &SeenPush, token: &str, service: Service, name: &str) -> RawPush {
    let (connection, stream) = (push.connection, push.stream);
    RawPush {
        key: format!("{} {connection} {stream} {}", service.name(), push.at),
        service: service.name(),
        head: head(push, token),
        body: body(push, token),
        status: push.status.as_u16(),
        answer: text(&push.answer),
        fate: match push.fate {
            Fate::Delivered => "handed to the phone",
            Fate::Discarded => "taken, and lost: the phone is away",
            Fate::NotAPush => "not a push",
            Fate::Refused => "refused",
            Fate::Stored => "kept until the phone can be reached",
        },
        name: name.to_owned(),
    }
}

fn head(push: &SeenPush, token: &str) -> String {
    let mut lines = vec![format!("{} {}", push.method, without(&push.path, token))];
    for (header, value) in &push.headers {
        let open = OPEN_HEADERS.contains(&header.as_str());
        let value = value.to_str().ok().filter(|_| open).unwrap_or(HIDDEN);
        lines.push(format!("{header}: {value}"));
    }
    lines.join("\n")
}

fn body(push: &SeenPush, token: &str) -> String {
    match serde_json::from_slice::<Value>(&push.payload) {
        Ok(value) => without(&format!("{value:#}"), token),
        Err(_) => format!("{} bytes, encrypted for the browser", push.payload.len()),
    }
}

/// What of a token is secret: of a browser's endpoint what stands behind its host.
fn secret_of(token: &str) -> &str {
    let endpoint = token.strip_prefix("https://").and_then(|rest| rest.split_once('/'));
    endpoint.map_or(token, |(_, path)| path)
}

/// A text with a token cut short.
fn without(text: &str, token: &str) -> String {
    let secret = secret_of(token);
    let beginning: String = secret.chars().take(6).collect();
    text.replace(secret, &format!("{beginning}…"))
}

fn text(answer: &[u8]) -> String {
    match serde_json::from_slice::<Value>(answer) {
        Ok(value) => value.to_string(),
        Err(_) => String::from_utf8_lossy(answer).into_owned(),
    }
}
