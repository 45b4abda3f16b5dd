//! One line of the log. Device tokens appear as a hash, credentials not at all.

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::services::Name;
use crate::{SeenPush, Sighting, device::hex};

/// Headers that say nothing secret, besides those that begin with `apns-`.
const PLAIN: [&str; 16] = [
    "accept",
    "accept-encoding",
    "access_token_auth",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "topic",
    "ttl",
    "urgency",
    "user-agent",
    "x-firebase-client",
    "x-goog-api-client",
    "x-goog-api-format-version",
    "x-goog-user-project",
];
/// From this length on a part of a path is taken for a token, wherever it stands.
const TOKEN_CHARS: usize = 32;

/// The line for one thing seen.
pub(super) fn line(service: Name, sighting: &Sighting) -> Value {
    match sighting {
        Sighting::GoAway { at, connection, last_stream, go_away } => json!({
            "event": "goaway",
            "time": at.to_string(),
            "service": service,
            "connection": connection,
            "last_stream": last_stream,
            "code": go_away.code,
            "debug_data": String::from_utf8_lossy(&go_away.debug_data),
        }),
        Sighting::HandshakeFailed { at, connection, why } => json!({
            "event": "handshake_failed",
            "time": at.to_string(),
            "service": service,
            "connection": connection,
            "why": why,
        }),
        Sighting::Request(seen) => request(service, seen),
        Sighting::Unanswered(unanswered) => json!({
            "event": "unanswered",
            "time": unanswered.at.to_string(),
            "service": service,
            "connection": unanswered.connection,
            "stream": unanswered.stream,
            "method": unanswered.method.as_str(),
            "authority": unanswered.authority,
            "path": path(service, &unanswered.authority, &unanswered.path),
            "why": unanswered.why,
        }),
    }
}

fn request(service: Name, seen: &SeenPush) -> Value {
    json!({
        "event": "request",
        "time": seen.at.to_string(),
        "service": service,
        "connection": seen.connection,
        "stream": seen.stream,
        "method": seen.method.as_str(),
        "authority": seen.authority,
        "path": path(service, &seen.authority, &seen.path),
        "headers": headers(&seen.headers),
        "push_type": push_type(service, seen),
        "token_hash": if seen.token.is_empty() { None } else { Some(hash(&seen.token)) },
        "status": seen.status.as_u16(),
        "reason": seen.reason,
        "why": seen.why,
        "id": seen.id,
        "fate": format!("{:?}", seen.fate).to_ascii_lowercase(),
    })
}

/// What kind of push it says it is; nothing for what is no push.
fn push_type(service: Name, seen: &SeenPush) -> Option<String> {
    match service {
        Name::Apns | Name::ApnsSandbox => seen.header("apns-push-type").map(str::to_owned),
        Name::Fcm => {
            let body: Value = serde_json::from_slice(&seen.payload).ok()?;
            let message = body.get("message")?;
            let shows = |part: &Value| part.get("notification").is_some();
            let on_iphone = message.pointer("/apns/payload/aps/alert").is_some();
            let visible = shows(message) || message.get("android").is_some_and(shows) || on_iphone;
            Some(if visible { "notification" } else { "data" }.to_owned())
        }
        // What it is stands inside, where only its browser can read it.
        Name::Webpush => None,
    }
}

/// Every header by name; the values of those that may say something secret are left out.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut shown = Map::new();
    for (name, value) in headers {
        let name = name.as_str();
        let plain = name.starts_with("apns-") || PLAIN.contains(&name);
        let value =
            if plain { String::from_utf8_lossy(value.as_bytes()) } else { "(hidden)".into() };
        match shown.get_mut(name) {
            // A header that came twice is seen twice.
            Some(Value::String(before)) => {
                before.push_str(", ");
                before.push_str(&value);
            }
            _ => {
                shown.insert(name.to_owned(), value.into_owned().into());
            }
        }
    }
    shown
}

/// A path without device tokens. Of Web Push the whole URL is the token.
fn path(service: Name, authority: &str, path: &str) -> String {
    let hash = |part: &str| match service {
        Name::Apns | Name::ApnsSandbox | Name::Fcm => hash(part),
        Name::Webpush => hash(&format!("https://{authority}{path}")),
    };
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    let follows_device =
        |place: usize| path.split('/').nth(place.wrapping_sub(1)) == Some("device");
    for (place, part) in parts.iter_mut().enumerate() {
        if !part.is_empty() && (part.len() >= TOKEN_CHARS || follows_device(place)) {
            *part = hash(part);
        }
    }
    parts.join("/")
}

/// Enough of SHA-256 to find a token one has, and none that one has not.
pub(super) fn hash(token: &str) -> String {
    hex(digest(&SHA256, token.as_bytes()).as_ref().get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_path_shows_no_token() {
        let check = |service, sent: &str, expected: &str| {
            assert_eq!(path(service, "localhost:2200", sent), expected, "{service:?} {sent}");
        };
        let token = "ab".repeat(32);
        let hashed = hash(&token);
        check(Name::Apns, &format!("/3/device/{token}"), &format!("/3/device/{hashed}"));
        check(Name::Apns, &format!("/3/devices/{token}"), &format!("/3/devices/{hashed}"));
        check(Name::Apns, "/3/device/00ff", &format!("/3/device/{}", hash("00ff")));
        check(Name::Apns, "/3/device/", "/3/device/");
        check(Name::Fcm, "/v1/projects/p/messages:send", "/v1/projects/p/messages:send");
        let endpoint = hash(&format!("https://localhost:2200/push/{token}"));
        check(Name::Webpush, &format!("/push/{token}"), &format!("/push/{endpoint}"));
        check(Name::Webpush, "/push/", "/push/");
        // The first eight bytes of SHA-256("abc"), from FIPS 180-2, appendix B.1.
        assert_eq!(hash("abc"), "ba7816bf8f01cfea");
    }

    #[test]
    fn headers_show_no_secret() {
        let mut sent = HeaderMap::new();
        for (name, value) in [
            ("authorization", "bearer secret"),
            ("x-api-key", "secret"),
            ("apns-topic", "com.example.app"),
            ("apns-topic", "com.example.other"),
        ] {
            sent.append(name, HeaderValue::from_static(value));
        }
        let shown = Value::Object(headers(&sent));
        assert_eq!(
            shown,
            json!({
                "authorization": "(hidden)",
                "x-api-key": "(hidden)",
                "apns-topic": "com.example.app, com.example.other",
            })
        );
    }
}
