//! A call as a push handler sees it, and signals by HTTP.

use http::Method;
use serde_json::{Value, json};

use super::inbox::{ringing, step};
use super::rig::{Answer, Device, Server};

async fn shown(server: &Server, device: &Device, call: &str, query: &str) -> Answer {
    server.me(device, Method::GET, &format!("/v1/me/calls/{call}{query}"), None).await
}

async fn signal(server: &Server, device: &Device, call: &str, body: Value) -> Answer {
    step(server, device, call, "signal", Some(json!({ "body": body }))).await
}

#[tokio::test]
async fn a_push_handler_learns_how_a_call_stands_and_what_the_caller_sent() {
    let server = Server::start().await;
    let (mut caller, callee, call) = ringing(&server).await;
    let stranger = server.device("carol", "carols").await;
    caller.say(json!({ "type": "call.signal", "call": call, "body": { "n": 1 } })).await;
    // Whether the caller's is there yet: it came by another connection.
    let kept = |answer: &Answer| answer.status == 200 && answer.body["signals"] != json!([]);
    while !kept(&shown(&server, &callee, &call, "").await) {
        tokio::task::yield_now().await;
    }
    signal(&server, &callee, &call, json!({ "n": 2 })).await.is(204);
    let heard = caller.hear().await;
    let sent = (&heard["type"], &heard["sequence"], &heard["body"]);
    assert_eq!(sent, (&json!("call.signal"), &json!(2), &json!({ "n": 2 })));
    let rings = shown(&server, &callee, &call, "").await.is(200);
    for (field, value) in [
        ("call", json!(call)),
        ("state", json!("calling")),
        ("from", json!("alice")),
        ("to", json!("bob")),
        ("media", json!("audio")),
        ("caller_name", json!("Alice")),
        ("signals", json!([{ "sequence": 1, "body": { "n": 1 } }])),
    ] {
        assert_eq!(rings[field], value, "{field}: {rings}");
    }
    assert!(rings["expires_at"].is_string(), "{rings}");
    step(&server, &callee, &call, "ringing", None).await.is(204);
    assert_eq!(shown(&server, &callee, &call, "").await.is(200)["state"], "ringing");
    let behind = shown(&server, &callee, &call, "?after=1").await.is(200);
    assert_eq!(behind["signals"], json!([]));
    shown(&server, &stranger, &call, "").await.refused(404, "not_found", Some("call"));
    step(&server, &callee, &call, "answer", None).await.is(204);
    assert_eq!(shown(&server, &callee, &call, "").await.is(200)["state"], "answered");
    step(&server, &callee, &call, "end", None).await.is(204);
    let over = shown(&server, &callee, &call, "").await.is(200);
    assert_eq!((&over["state"], &over["reason"]), (&json!("ended"), &json!("hung_up")));
    // A signal that is too late is told why.
    let late = signal(&server, &callee, &call, json!(3)).await.is(200);
    assert_eq!((&late["type"], &late["reason"]), (&json!("call.ended"), &json!("hung_up")));
    server.stop().await;
}

#[tokio::test]
async fn what_a_call_cannot_be_asked_or_told_is_named() {
    let server = Server::start().await;
    let (_caller, callee, call) = ringing(&server).await;
    let stranger = server.device("carol", "carols").await;
    let unknown = uuid::Uuid::new_v4().to_string();
    step(&server, &callee, &call, "ringing", None).await.is(204);
    shown(&server, &callee, &unknown, "").await.refused(404, "not_found", Some("call"));
    shown(&server, &callee, "7", "").await.refused(422, "invalid_field", Some("call"));
    shown(&server, &callee, &call, "?after=-1").await.refused(422, "invalid_field", Some("after"));
    let path = |call: &str| format!("/v1/me/calls/{call}/signal");
    let post = async |device: &Device, call: &str, body: Value| {
        server.me(device, Method::POST, &path(call), Some(body)).await
    };
    let body = json!({ "body": 1 });
    post(&stranger, &call, body.clone()).await.refused(404, "not_found", Some("call"));
    post(&callee, &unknown, body).await.refused(404, "not_found", Some("call"));
    let large = json!({ "body": "x".repeat(wire::limits::SIGNAL_BYTES) });
    post(&callee, &call, large).await.refused(413, "body_too_large", Some("body"));
    let room = wire::limits::SIGNAL_BYTES - 2;
    let fits = json!({ "body": "x".repeat(room) });
    for _ in 0..domain::call::MOST_SIGNAL_BYTES / 65_536 {
        post(&callee, &call, fits.clone()).await.is(204);
    }
    let refused = post(&callee, &call, json!({ "body": 1 })).await;
    let detail = refused.refused(413, "body_too_large", Some("body"));
    assert!(detail.contains("a call holds"), "{detail}");
    server.stop().await;
}

#[tokio::test]
async fn a_call_has_its_way_in_the_push_log() {
    let server = Server::start().await;
    let log = async |call: &str| -> Vec<Value> {
        let path = format!("/v1/push-log?call={call}");
        let page = server.call(Method::GET, &path, None).await.is(200);
        let records = page["items"].as_array().expect("a list").iter().rev();
        let told = records.map(|it| json!([it["step"], it["reason"], it["device"]]));
        told.collect()
    };
    let (_caller, callee, call) = ringing(&server).await;
    step(&server, &callee, &call, "ringing", None).await.is(204);
    step(&server, &callee, &call, "reject", None).await.is(204);
    // It has no push token, so its wake waits, until the device says by itself that it is there.
    let expected = [
        json!(["accept", "call_started", null]),
        json!(["wake", "no_target", "bobs"]),
        json!(["wake", "live", "bobs"]),
        json!(["session", "ringing", "bobs"]),
        json!(["settle", "declined", null]),
    ];
    assert_eq!(log(&call).await, expected);
    let path = format!("/v1/push-log?call={call}&step=accept");
    let shown = server.call(Method::GET, &path, None).await.is(200)["items"][0].clone();
    assert_eq!((&shown["user"], &shown["detail"]["from"]), (&json!("bob"), &json!("alice")));
    assert_eq!(shown["sentence"], "The call was taken in; its callee's devices are to ring.");
    server.stop().await;
}
