//! Messages of a back end, and their timelines.

use http::{Method, Request};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::rig::{Answer, Server, Session, text};

#[tokio::test]
async fn a_message_is_accepted_once() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    server.token("bob").await;
    let message = json!({
        "to": ["alice", "nobody"],
        "from": "bob",
        "id": "order-7",
        "thread": "orders",
        "body": { "n": 7 },
        "ttl": 3600,
        "urgency": "high",
        "push": { "title": "Order 7", "sound": "none" },
    });
    let first = server.call(Method::POST, "/v1/messages", Some(message.clone())).await.is(200);
    assert!(text(&first["id"]).starts_with("msg_"), "{first}");
    assert_eq!(first["failed"], json!([{ "user": "nobody", "code": "unknown_user" }]));
    let again = server.call(Method::POST, "/v1/messages", Some(message.clone())).await.is(200);
    assert_eq!(again, first);
    for (field, value) in
        [("body", json!({ "n": 8 })), ("to", json!(["alice"])), ("ttl", json!(60))]
    {
        let mut other = message.clone();
        other[field] = value;
        let refused = server.call(Method::POST, "/v1/messages", Some(other)).await;
        refused.refused(422, "id_reused", Some("id"));
    }
    // The same id from another sender is another message.
    let mut other = message.clone();
    other["from"] = json!("alice");
    other["to"] = json!(["bob"]);
    let other = server.call(Method::POST, "/v1/messages", Some(other)).await.is(200);
    assert_ne!(other["id"], first["id"]);
    let inbox = server.me(&phone, Method::GET, "/v1/me/inbox", None).await.is(200);
    let entries = inbox["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{inbox}");
    assert_eq!((&entries[0]["type"], &entries[0]["id"]), (&json!("message"), &first["id"]));
    assert_eq!((&entries[0]["from"], &entries[0]["thread"]), (&json!("bob"), &json!("orders")));
    assert_eq!(entries[0]["body"], json!({ "n": 7 }));
    server.stop().await;
}

#[tokio::test]
async fn the_header_is_an_id_too() {
    let server = Server::start().await;
    server.token("alice").await;
    let post = async |header: &str, body: Value| -> Answer {
        let request = Request::post("/v1/messages")
            .header("authorization", format!("Bearer {}", server.app.1))
            .header("content-type", "application/json")
            .header("idempotency-key", header)
            .body(bytes::Bytes::from(body.to_string()).into());
        server.send(request.expect("a request")).await
    };
    let message = json!({ "to": ["alice"], "body": 1 });
    let id = post("k-1", message.clone()).await.is(200)["id"].clone();
    assert_eq!(post("\"k-1\"", message.clone()).await.is(200)["id"], id);
    assert_ne!(post("k-2", message.clone()).await.is(200)["id"], id);
    let mut both = message.clone();
    both["id"] = json!("k-1");
    assert_eq!(post("k-1", both.clone()).await.is(200)["id"], id);
    post("k-2", both).await.refused(422, "invalid_field", Some("id"));
    // Without an id each is a message of its own.
    assert_ne!(server.message("alice", json!(1)).await, server.message("alice", json!(1)).await);
    server.stop().await;
}

#[tokio::test]
async fn a_message_that_cannot_be_taken_names_the_field() {
    let server = Server::start().await;
    server.token("alice").await;
    let many: Vec<_> = (0..101).map(|number| format!("user-{number}")).collect();
    let table = [
        (json!({ "to": [] }), 422, "invalid_field", "to"),
        (json!({ "to": ["nobody"] }), 404, "unknown_user", "to"),
        (json!({ "to": many }), 422, "too_many_recipients", "to"),
        (json!({ "to": ["a\u{7}b"] }), 422, "invalid_field", "to"),
        (json!({ "from": "nobody" }), 404, "unknown_user", "from"),
        (json!({ "from": "" }), 422, "invalid_field", "from"),
        (json!({ "id": "" }), 422, "invalid_field", "id"),
        (json!({ "id": "two words" }), 422, "invalid_field", "id"),
        (json!({ "thread": "x".repeat(129) }), 422, "invalid_field", "thread"),
        (json!({ "ttl": 2_592_001 }), 422, "invalid_field", "ttl"),
        (json!({ "body": "x".repeat(64 * 1024) }), 413, "body_too_large", "body"),
        (json!({ "push": { "title": "x".repeat(1_025) } }), 422, "invalid_field", "push.title"),
        (json!({ "push": { "badge": 4_000_000_000_u32 } }), 422, "invalid_field", "push.badge"),
        (json!({ "push": { "image": "http://a.b/c" } }), 422, "invalid_field", "push.image"),
        (json!({ "push": { "category": "" } }), 422, "invalid_field", "push.category"),
        (json!({ "push": { "open": "x".repeat(2_049) } }), 422, "invalid_field", "push.open"),
        (json!({ "push": { "data": { "aps": 1 } } }), 422, "invalid_field", "push.data"),
        (json!({ "push": "silent" }), 400, "malformed_json", "push"),
    ];
    for (change, status, code, field) in table {
        let mut message = json!({ "to": ["alice"], "body": 1 });
        for (field, value) in change.as_object().unwrap() {
            message[field] = value.clone();
        }
        let refused = server.call(Method::POST, "/v1/messages", Some(message)).await;
        refused.refused(status, code, Some(field));
    }
    server.stop().await;
}

#[tokio::test]
async fn json_that_some_devices_cannot_read_is_refused_on_every_way_in() {
    let server = Server::start().await;
    let token = server.token("alice").await;
    let posted = Request::post("/v1/messages")
        .header("authorization", format!("Bearer {}", server.app.1))
        .header("content-type", "application/json")
        .body(bytes::Bytes::from(r#"{"to":["alice"],"body":{"a":-1e400}}"#).into());
    let refused = server.send(posted.expect("a request")).await;
    refused.refused(422, "invalid_field", Some("body"));

    let mut session = Session::open(server.address).await;
    let device = json!({ "id": "phone", "platform": "android" });
    session.say(json!({ "type": "connect", "token": token, "device": device })).await;
    assert_eq!(session.hear().await["type"], "connected");
    let call = r#""call":"0192f0a1-7b3c-7d4e-8f50-61728394a5b6""#;
    for (frame, field) in [
        (r#"{"type":"send","id":"1","to":["alice"],"body":"\ud800"}"#.to_owned(), "body"),
        (
            format!(
                r#"{{"type":"call.start",{call},"to":"bob","media":"audio","caller_name":"A","offer":1e400}}"#
            ),
            "offer",
        ),
        (format!(r#"{{"type":"call.answer",{call},"answer":[1e400]}}"#), "answer"),
        (format!(r#"{{"type":"call.signal",{call},"body":1e400}}"#), "body"),
    ] {
        let heard = session.poke(Message::text(frame.clone())).await.expect(&frame);
        let [answer] = heard.as_slice() else { panic!("{frame}: {heard:?}") };
        // A send is told so by its own id, all else by an error.
        let said = if answer["type"] == "rejected" {
            (&answer["problem"]["code"], answer["problem"]["field"].as_str())
        } else {
            (&answer["code"], answer["field"].as_str())
        };
        assert_eq!(said, (&json!("invalid_field"), Some(field)), "{frame}");
    }
    server.stop().await;
}

#[tokio::test]
async fn live_only_goes_to_whoever_is_there() {
    let server = Server::start().await;
    let token = server.token("alice").await;
    let typing = json!({ "to": ["alice"], "body": "now", "ttl": 0 });
    let nobody = server.call(Method::POST, "/v1/messages", Some(typing.clone())).await.is(200);
    assert_eq!(nobody["live"], 0);
    let mut session = Session::open(server.address).await;
    let device = json!({ "id": "phone", "platform": "android" });
    session.say(json!({ "type": "connect", "token": token, "device": device })).await;
    assert_eq!(session.hear().await["type"], "connected");
    let there = server.call(Method::POST, "/v1/messages", Some(typing)).await.is(200);
    assert_eq!(there["live"], 1);
    let heard = session.hear().await;
    assert_eq!((&heard["id"], &heard["body"]), (&there["id"], &json!("now")));
    server.stop().await;
}

#[tokio::test]
async fn a_timeline_tells_the_way_of_a_message() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    let id = server.message("alice", json!("hello")).await;
    let path = format!("/v1/messages/{id}/timeline");
    let inbox = server.me(&phone, Method::GET, "/v1/me/inbox", None).await.is(200);
    let head = &inbox["head"];
    let ack = json!({ "position": { "epoch": head["epoch"], "offset": head["offset"] } });
    server.me(&phone, Method::POST, "/v1/me/ack", Some(ack)).await.is(200);
    let timeline = server.call(Method::GET, &path, None).await.is(200);
    assert_eq!(timeline["id"], id.as_str());
    let records = timeline["items"].as_array().unwrap();
    let steps: Vec<_> =
        records.iter().map(|record| (text(&record["step"]), text(&record["reason"]))).collect();
    assert_eq!(steps[0], ("accept".to_owned(), "accepted".to_owned()));
    assert_eq!(records[0]["message"], id.as_str());
    let acked =
        records.iter().find(|record| record["reason"] == "acked" && record["step"] == "session");
    let acked = acked.unwrap_or_else(|| panic!("no ack in {steps:?}"));
    assert_eq!((&acked["device"], &acked["detail"]["by"]), (&json!("phone"), &json!("http")));
    for unknown in ["msg_00000000000000000000000000000000", "msg_1", "hello"] {
        let path = format!("/v1/messages/{unknown}/timeline");
        server.call(Method::GET, &path, None).await.refused(404, "not_found", None);
    }
    server.stop().await;
}
