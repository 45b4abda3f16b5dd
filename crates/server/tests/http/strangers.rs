//! What is another app's, or another user's, is answered for exactly as if it did not exist: every
//! route of the table, with every id that it takes.

pub(super) mod belongings;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use server::clock::Clock;
use server::http::routes::{Caller, ROUTES, Route};
use tokio_tungstenite::tungstenite::Message;

use self::belongings::{Belongings, NOON};
use super::paths::{filled, nowhere, parameters};
use super::rig::{Answer, Server};

/// Asks as one app, or its device, with one parameter of the path changed.
async fn ask(
    server: &Server,
    own: &Belongings,
    route: &Route,
    (parameter, value): (&str, &str),
    body: Option<Value>,
) -> Answer {
    let path = filled(route.path, |name| match name == parameter {
        true => value.to_owned(),
        false => own.id(route.path, name).to_owned(),
    });
    own.ask(server, route, &path, body).await
}

/// An answer without what is new each time, and with `nowhere` where it repeats the id.
fn compared(answer: Answer, id: &str, nowhere: &str) -> (u16, String) {
    let mut body = answer.body;
    for new in ["token", "id"] {
        if let Some(value) = body.get_mut(new) {
            *value = json!("new");
        }
    }
    (answer.status, body.to_string().replace(id, nowhere))
}

/// What a request says so that only the ids in its path are wrong with it.
fn body(route: &Route, own: &Belongings) -> Option<Value> {
    match (route.method.as_str(), route.path) {
        ("GET", _) => None,
        ("DELETE", path) if path != DEVICES_OF_TOPIC => None,
        ("POST", "/v1/apps" | "/v1/apps/{app}/keys") => Some(json!({ "name": "new" })),
        ("PATCH", "/v1/apps/{app}/settings") => Some(json!({ "ring_time": 30 })),
        ("POST", "/v1/apps/{app}/credentials") => {
            Some(json!({ "kind": "webpush_vapid", "subject": "mailto:ops@example.org" }))
        }
        ("POST", "/v1/apps/{app}/token-keys") => Some(json!({
            "name": "new", "algorithm": "HS256", "audience": "new", "secret": "x".repeat(32),
        })),
        ("POST", "/v1/apps/{app}/webhooks") => Some(json!({ "url": "https://hooks.invalid/" })),
        ("PATCH", "/v1/apps/{app}/webhooks/{webhook}") => Some(json!({ "enabled": false })),
        ("POST", "/v1/apps/{app}/webhooks/{webhook}/rotate") => Some(json!({})),
        ("POST", "/v1/apps/{app}/webhooks/{webhook}/replay") => {
            Some(json!({ "from": "2026-01-01T00:00:00Z" }))
        }
        ("POST", "/v1/users/{user}/tokens") => Some(json!({})),
        ("PUT", "/v1/users/{user}/devices/{device}/targets/{kind}" | "/v1/me/targets/{kind}") => {
            Some(json!({ "token": "ab".repeat(32), "app_id": "com.example.app" }))
        }
        ("POST", "/v1/messages") => Some(json!({ "to": [own.id("", "user")], "body": 1 })),
        ("POST", "/v1/pushes") => {
            Some(json!({ "to": { "topic": own.id("", "topic") }, "title": "Hi" }))
        }
        ("POST" | "DELETE", DEVICES_OF_TOPIC) => Some(json!({ "devices": [own.id("", "device")] })),
        ("POST", "/v1/me/ack") => Some(json!({ "position": { "epoch": "1", "offset": 0 } })),
        ("POST", "/v1/me/read") => Some(json!({ "messages": [own.id("", "message")] })),
        ("POST", "/v1/me/calls/{call}/signal") => Some(json!({ "body": 1 })),
        ("PUT", path) if path.contains("/mutes/") || path.contains("/blocks/") => None,
        ("PUT", path) if path.contains("/topics/") => None,
        (
            "POST",
            "/v1/apps/{app}/credentials/{credential}/probe"
            | "/v1/apps/{app}/webhooks/{webhook}/test"
            | "/v1/pushes/{push}/cancel"
            | "/v1/pushes/{push}/pause"
            | "/v1/pushes/{push}/resume"
            | "/v1/me/calls/{call}/ringing"
            | "/v1/me/calls/{call}/answer"
            | "/v1/me/calls/{call}/reject"
            | "/v1/me/calls/{call}/cancel"
            | "/v1/me/calls/{call}/end"
            | "/v1/users/{user}/devices/{device}/test-push"
            | "/v1/me/test-push"
            | "/v1/me/test-push/{push}/received",
        ) => None,
        (method, path) => panic!("{method} {path} is new: give it a body, and its ids a row below"),
    }
}

const DEVICES_OF_TOPIC: &str = "/v1/topics/{topic}/devices";

/// Every id in a body: route, whose id it is, and the body with `ID` for it.
const IN_BODIES: [(&str, &str, &str, &str); 9] = [
    ("POST", "/v1/messages", "user", r#"{"to": ["ID"], "body": 1}"#),
    ("POST", "/v1/messages", "user", r#"{"to": ["OWN"], "from": "ID", "body": 1}"#),
    ("POST", "/v1/pushes", "user", r#"{"to": {"users": ["ID"]}, "title": "Hi"}"#),
    ("POST", "/v1/pushes", "device", r#"{"to": {"devices": ["ID"]}, "title": "Hi"}"#),
    ("POST", "/v1/pushes", "topic", r#"{"to": {"topic": "ID"}, "title": "Hi"}"#),
    ("POST", DEVICES_OF_TOPIC, "device", r#"{"devices": ["ID"]}"#),
    ("DELETE", DEVICES_OF_TOPIC, "device", r#"{"devices": ["ID"]}"#),
    ("POST", "/v1/me/read", "message", r#"{"messages": ["ID"]}"#),
    ("POST", "/v1/apps/{app}/webhooks/{webhook}/replay", "event", r#"{"event": "ID"}"#),
];

/// Every id behind a `?`.
const IN_QUERIES: [(&str, &str, &str); 15] = [
    ("/v1/users", "device", "device"),
    ("/v1/push-log", "user", "user"),
    ("/v1/push-log", "device", "device"),
    ("/v1/push-log", "message", "message"),
    ("/v1/push-log", "push", "push"),
    ("/v1/push-log", "call", "call"),
    ("/v1/push-log/live", "device", "device"),
    ("/v1/push-log/export", "user", "user"),
    ("/v1/push-log/export", "device", "device"),
    ("/v1/push-log/export", "message", "message"),
    ("/v1/push-log/export", "push", "push"),
    ("/v1/push-log/export", "call", "call"),
    ("/v1/explain", "user", "user"),
    ("/v1/explain", "device", "device"),
    ("/v1/explain", "message", "message"),
];

/// A server with two apps that have one of everything each.
async fn two_apps() -> (Server, Belongings, Belongings) {
    let server = Server::start_by(Clock::by_hand(NOON).0).await;
    let second = server.new_app("second").await;
    let own = Belongings::make(&server, &server.app, "own").await;
    let other = Belongings::make(&server, &second, "other").await;
    (server, own, other)
}

#[tokio::test]
async fn an_id_of_another_app_in_a_path_is_answered_as_one_that_never_was() {
    let (server, own, other) = two_apps().await;
    let before = other.everything(&server).await;
    // First what makes nothing: a user of that name, once made, is the app's own.
    let makes_nothing = |route: &&Route| [Method::GET, Method::DELETE].contains(&route.method);
    let (first, last): (Vec<_>, Vec<_>) = ROUTES.iter().partition(makes_nothing);
    for route in first.into_iter().chain(last) {
        if !matches!(route.caller, Caller::App(_) | Caller::OwnApp(_) | Caller::Device) {
            continue;
        }
        for parameter in parameters(route.path) {
            // Texts that name nothing that exists.
            if ["kind", "thread"].contains(&parameter) {
                continue;
            }
            let mut theirs = vec![other.id(route.path, parameter)];
            if parameter == "call" {
                // Of the same app, between two others.
                theirs.push(own.id(route.path, parameter));
            }
            let none = nowhere(parameter);
            let missing = ask(&server, &own, route, (parameter, none), body(route, &own)).await;
            let missing = compared(missing, none, none);
            for id in theirs {
                let what = format!("{} {} with {parameter} {id}", route.method, route.path);
                let given = ask(&server, &own, route, (parameter, id), body(route, &own)).await;
                assert!(given.status < 500, "{what}: {}", given.body);
                assert_eq!(compared(given, id, none), missing, "{what}");
            }
        }
    }
    other.unchanged_since(&before, &server).await;
    server.stop().await;
}

#[tokio::test]
async fn an_id_of_another_app_in_a_body_or_a_query_is_answered_as_one_that_never_was() {
    let (server, own, other) = two_apps().await;
    let before = other.everything(&server).await;
    let row = |method: &str, path: &str| {
        let found = ROUTES.iter().find(|route| route.method == method && route.path == path);
        found.unwrap_or_else(|| panic!("{method} {path} is no route"))
    };
    for (method, path, kind, body) in IN_BODIES {
        let route = row(method, path);
        let with = |id: &str| {
            let body = body.replace("OWN", own.id(path, "user")).replace("ID", id);
            Some(serde_json::from_str(&body).expect("JSON"))
        };
        let (id, none) = (other.id(path, kind), nowhere(kind));
        let missing = ask(&server, &own, route, ("", ""), with(none)).await;
        let given = ask(&server, &own, route, ("", ""), with(id)).await;
        let what = format!("{method} {path} {body}");
        assert_eq!(compared(given, id, none), compared(missing, none, none), "{what}");
    }
    for (path, parameter, kind) in IN_QUERIES {
        let (id, none) = (other.id(path, kind), nowhere(kind));
        let with = |id: &str| format!("{path}?{parameter}={id}");
        let missing = own.ask(&server, row("GET", path), &with(none), None).await;
        let given = own.ask(&server, row("GET", path), &with(id), None).await;
        assert_eq!(compared(given, id, none), compared(missing, none, none), "{path} {kind}");
    }
    other.unchanged_since(&before, &server).await;
    server.stop().await;
}

/// Every id in a frame: whose id it is, and the frame with `ID` for it and `NEW` for a UUID.
const IN_FRAMES: [(&str, &str); 11] = [
    ("user", r#"{"type": "send", "id": "NEW", "to": ["ID"], "body": 1}"#),
    ("user", r#"{"type": "typing", "to": "ID", "thread": "lunch"}"#),
    ("user", r#"{"type": "call.start", "call": "NEW", "to": "ID", "caller_name": "C"}"#),
    ("message", r#"{"type": "read", "messages": ["ID"]}"#),
    ("call", r#"{"type": "call.start", "call": "ID", "to": "nobody", "caller_name": "C"}"#),
    ("call", r#"{"type": "call.ringing", "call": "ID"}"#),
    ("call", r#"{"type": "call.answer", "call": "ID"}"#),
    ("call", r#"{"type": "call.reject", "call": "ID"}"#),
    ("call", r#"{"type": "call.cancel", "call": "ID"}"#),
    ("call", r#"{"type": "call.end", "call": "ID"}"#),
    ("call", r#"{"type": "call.signal", "call": "ID", "body": 1}"#),
];

#[tokio::test]
async fn an_id_of_another_app_in_a_frame_is_answered_as_one_that_never_was() {
    let (server, mut own, mut other) = two_apps().await;
    let mut session = own.stranger_session(&server).await;
    let before = (own.everything(&server).await, other.everything(&server).await);
    for (kind, frame) in IN_FRAMES {
        let mut answered = async |id: &str| {
            let new = uuid::Uuid::new_v4().to_string();
            let frame = frame.replace("ID", id).replace("NEW", &new);
            let heard = session.poke(Message::text(frame.clone())).await;
            let heard = heard.unwrap_or_else(|code| panic!("{frame}: closed with {code:?}"));
            json!(heard).to_string().replace(&new, "NEW").replace(id, "ID")
        };
        let missing = answered(nowhere(kind)).await;
        assert_eq!(answered(other.id("", kind)).await, missing, "{frame}: another app's");
        // Of the same app, and none of theirs. That a call has an id already is said in the app:
        // whoever knows that UUID was told it.
        if ["call", "message"].contains(&kind) && !frame.contains("call.start") {
            let others = answered(own.id("", kind)).await;
            assert_eq!(others, missing, "{frame}: another user's");
        }
    }
    for them in [&mut own, &mut other] {
        let heard = them.session.poke(Message::Ping(Bytes::new())).await.expect("it lives");
        assert_eq!(json!(heard), json!([]), "a stranger got through");
    }
    own.unchanged_since(&before.0, &server).await;
    other.unchanged_since(&before.1, &server).await;
    server.stop().await;
}
