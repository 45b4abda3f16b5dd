//! Direct pushes over HTTP. There is no credential, so that each is refused as 901 here, and waits
//! for one as long as its ttl lasts.

use std::time::Duration;

use domain::Time;
use http::{Method, Request};
use serde_json::{Value, json};
use server::clock::Clock;

use super::rig::{Answer, Server, fcm, text};

#[tokio::test]
async fn a_push_is_taken_in_once_and_shown() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    server.target(&phone, "apns", "00ff").await;
    server.device("alice", "mute").await;
    server.device("bob", "silent").await;
    let push = json!({
        "to": {
            "users": ["alice", "bob", "nobody"],
            "devices": ["phone", "nobodys"],
            "targets": [fcm("a:token"), fcm("a:token")],
        },
        "id": "order-17",
        "title": "Your order is on its way",
        "texts": { "de": { "title": "Deine Bestellung ist unterwegs" } },
        "data": { "order": 17 },
        "ttl": 7200,
    });
    let post = async |push: &Value| -> Answer {
        server.call(Method::POST, "/v1/pushes", Some(push.clone())).await
    };
    let first = post(&push).await.is(202);
    let id = text(&first["id"]);
    assert!(id.starts_with("psh_"), "{first}");
    let named = (&first["kind"], &first["state"], &first["audience"]);
    assert_eq!(named, (&json!("alert"), &json!("open"), &json!("listed")));
    // Alice's phone once, though she and it are named; and the target once.
    assert_eq!(first["counts"]["devices"], 2, "{first}");
    let failed = first["failed"].as_array().unwrap();
    for (name, code) in
        [("nobody", "unknown_user"), ("nobodys", "unknown_device"), ("bob", "no_target")]
    {
        assert!(failed.contains(&json!({ "name": name, "code": code })), "{first}");
    }
    assert_eq!(failed.len(), 3, "{first}");
    let again = post(&push).await.is(202);
    assert_eq!((&again["id"], &again["failed"]), (&first["id"], &first["failed"]));
    assert_eq!(again["created_at"], first["created_at"]);
    for (field, value) in
        [("title", json!("x")), ("to", json!({ "users": ["alice"] })), ("ttl", json!(60))]
    {
        let mut other = push.clone();
        other[field] = value;
        post(&other).await.refused(422, "id_reused", Some("id"));
    }
    let path = format!("/v1/pushes/{id}");
    let shown = server.call(Method::GET, &path, None).await.is(200);
    assert_eq!((&shown["id"], &shown["failed"]), (&first["id"], &Value::Null));
    assert!(!shown.to_string().contains("order is on"), "a text is shown: {shown}");
    // No credential: each waits for one, and says so.
    let path = format!("{path}/deliveries");
    let told = |page: &Value| {
        let items = page["items"].as_array().unwrap();
        items.len() == 2 && items.iter().all(|item| item["code"] == 901)
    };
    let deliveries = server.until(&path, told).await;
    let items = deliveries["items"].as_array().unwrap();
    assert_eq!((&items[0]["device"], &items[0]["number"]), (&json!("phone"), &json!(1)));
    assert_eq!(items[1]["target"]["kind"], "fcm", "{deliveries}");
    let hash = server::secret::token_hash("a:token");
    assert_eq!(items[1]["target"]["token_hash"], hash.as_str());
    for item in items {
        let found = (&item["state"], &item["reason"], &item["refused"]);
        assert_eq!(found, (&json!("waiting"), &json!("no_credential"), &json!(1)), "{item}");
        assert!(item["due_at"].is_string() && item["settled_at"].is_string(), "{item}");
    }
    assert!(!deliveries.to_string().contains("a:token"), "{deliveries}");
    let one = server.call(Method::GET, &format!("{path}?limit=1"), None).await.is(200);
    assert_eq!((&one["items"], &one["next"]), (&json!([items[0]]), &json!("1")));
    let rest = server.call(Method::GET, &format!("{path}?limit=1&after=1"), None).await.is(200);
    assert_eq!((&rest["items"], &rest["next"]), (&json!([items[1]]), &Value::Null));
    server.stop().await;
}

#[tokio::test]
async fn what_was_done_about_a_push_is_in_the_push_log() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    server.target(&phone, "apns", "00ff").await;
    let to = json!({ "users": ["alice"], "targets": [fcm("a:token")] });
    let id = server.push(json!({ "to": to, "title": "nobody's business" })).await;
    server.push(json!({ "to": { "users": ["alice"] } })).await;
    let pushed = |page: &Value| {
        let items = page["items"].as_array().unwrap();
        items.iter().filter(|record| record["step"] == "push").count() == 2
    };
    let page = server.until(&format!("/v1/push-log?push={id}"), pushed).await;
    let records = page["items"].as_array().unwrap();
    assert!(records.iter().all(|record| record["push"] == id.as_str()), "{page}");
    assert!(records.iter().any(|record| record["step"] == "accept"), "{page}");
    let of_phone = records.iter().find(|record| record["device"] == "phone").unwrap();
    assert_eq!((&of_phone["user"], &of_phone["code"]), (&json!("alice"), &json!(901)));
    let of_target = records.iter().find(|record| record["detail"]["target"] == "fcm").unwrap();
    assert_eq!((&of_target["user"], &of_target["device"]), (&Value::Null, &Value::Null));
    for secret in ["nobody's business", "a:token", "00ff"] {
        assert!(!page.to_string().contains(secret), "{secret} is in {page}");
    }
    // It is among its user's records too.
    let of_user = server.call(Method::GET, "/v1/push-log?user=alice&step=push", None).await.is(200);
    let of_user = of_user["items"].as_array().unwrap();
    assert!(of_user.iter().any(|record| record["push"] == id.as_str()), "{of_user:?}");
    let refused = server.call(Method::GET, "/v1/push-log?push=x", None).await;
    refused.refused(422, "invalid_field", Some("push"));
    server.stop().await;
}

#[tokio::test]
async fn the_header_is_an_id_too_and_without_one_each_push_is_its_own() {
    let server = Server::start().await;
    let push = json!({ "to": { "targets": [fcm("a:b")] }, "title": "Hi" });
    let post = async |header: &str, push: &Value| -> Answer {
        let request = Request::post("/v1/pushes")
            .header("authorization", format!("Bearer {}", server.app.1))
            .header("content-type", "application/json")
            .header("idempotency-key", header)
            .body(bytes::Bytes::from(push.to_string()).into());
        server.send(request.expect("a request")).await
    };
    let id = post("k-1", &push).await.is(202)["id"].clone();
    assert_eq!(post("\"k-1\"", &push).await.is(202)["id"], id);
    let mut both = push.clone();
    both["id"] = json!("k-1");
    assert_eq!(post("k-1", &both).await.is(202)["id"], id);
    post("k-2", &both).await.refused(422, "invalid_field", Some("id"));
    assert_ne!(server.push(push.clone()).await, server.push(push.clone()).await);
    let mut bad = push;
    bad["id"] = json!("two words");
    let refused = server.call(Method::POST, "/v1/pushes", Some(bad)).await;
    refused.refused(422, "invalid_field", Some("id"));
    server.stop().await;
}

#[tokio::test]
async fn a_push_that_cannot_be_taken_names_the_field() {
    let server = Server::start().await;
    server.device("alice", "mute").await;
    let long = "x".repeat(3_900);
    for (change, status, code, field) in [
        (json!({ "to": {} }), 422, "invalid_field", "to"),
        (json!({ "to": { "users": ["nobody"] } }), 404, "unknown_user", "to.users"),
        (json!({ "to": { "devices": ["nobodys"] } }), 404, "not_found", "to.devices"),
        (json!({ "to": { "topic": "nothing" } }), 404, "not_found", "to.topic"),
        (json!({ "to": { "users": ["alice"] } }), 409, "no_target", "to"),
        (json!({ "to": { "users": [7] } }), 400, "malformed_json", "to.users[0]"),
        (json!({ "to": { "user": "alice" } }), 400, "malformed_json", "to.user"),
        (
            json!({ "to": { "targets": [{ "kind": "pigeon" }] } }),
            400,
            "malformed_json",
            "to.targets[0].kind",
        ),
        (
            json!({ "to": { "targets": [{ "kind": "apns", "token": "no hex" }] } }),
            422,
            "invalid_field",
            "to.targets[0].token",
        ),
        (
            json!({ "to": { "targets": [{ "kind": "webpush", "subscription": {} }] } }),
            422,
            "invalid_field",
            "to.targets[0].subscription",
        ),
        (json!({ "send_at": "tomorrow" }), 400, "malformed_json", "send_at"),
        (json!({ "send_at": "2999-01-01T00:00:00Z" }), 422, "invalid_field", "send_at"),
        (json!({ "body": long }), 422, "push_refused", "body"),
        (json!({ "texts": { "de": { "body": long } } }), 422, "push_refused", "texts.de.body"),
        (json!({ "data": { "a": long } }), 422, "push_refused", "data"),
        (
            json!({ "apns": { "headers": { "apns-priority": "7" } } }),
            422,
            "invalid_field",
            "apns.headers.apns-priority",
        ),
    ] {
        let mut push = json!({ "to": { "targets": [fcm("a:b")] }, "title": "Hi" });
        for (field, value) in change.as_object().unwrap() {
            push[field] = value.clone();
        }
        let refused = server.call(Method::POST, "/v1/pushes", Some(push)).await;
        // Who is named is no part of what a push says.
        let diagnosis = match (status, field) {
            (404 | 409, _) => None,
            (_, "to.targets[0].token" | "to.targets[0].subscription") => Some(911),
            _ => Some(913),
        };
        assert_eq!(refused.diagnosis(), diagnosis, "{field}");
        refused.refused(status, code, Some(field));
    }
    // Nothing of it was stored.
    assert_eq!(server.call(Method::GET, "/v1/pushes", None).await.is(200)["items"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn pushes_are_listed_newest_first() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(server.push(json!({ "to": { "targets": [fcm("a:b")] } })).await);
    }
    ids.reverse();
    let list = async |query: &str| -> (Vec<String>, Value) {
        let page = server.call(Method::GET, &format!("/v1/pushes{query}"), None).await.is(200);
        let items = page["items"].as_array().unwrap().iter();
        (items.map(|item| text(&item["id"])).collect(), page["next"].clone())
    };
    assert_eq!(list("").await, (ids.clone(), Value::Null));
    let (first, next) = list("?limit=2").await;
    assert_eq!((first.as_slice(), &next), (&ids[..2], &json!(ids[1])));
    assert_eq!(list(&format!("?limit=2&after={}", text(&next))).await.0, ids[2..]);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("after=x", "after"),
        ("after=psh_00000000000000000000000000000000", "after"),
    ] {
        let refused = server.call(Method::GET, &format!("/v1/pushes?{query}"), None).await;
        refused.refused(422, "invalid_field", Some(field));
    }
    for unknown in ["psh_00000000000000000000000000000000", "psh_1", "x"] {
        for path in ["", "/deliveries"] {
            let path = format!("/v1/pushes/{unknown}{path}");
            server.call(Method::GET, &path, None).await.refused(404, "not_found", None);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_scheduled_push_is_cancelled_and_one_that_is_over_is_not() {
    let server = Server::start().await;
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let to = json!({ "targets": [fcm("a:b"), fcm("c:d")] });
    let id = server.push(json!({ "to": to, "send_at": tomorrow })).await;
    let path = format!("/v1/pushes/{id}");
    let waits = server.call(Method::GET, &path, None).await.is(200);
    assert_eq!((&waits["state"], &waits["counts"]["waiting"]), (&json!("open"), &json!(2)));
    let cancel = format!("{path}/cancel");
    for _ in 0..2 {
        let cancelled = server.call(Method::POST, &cancel, None).await.is(200);
        assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
        assert_eq!(cancelled["counts"]["cancelled"], 2, "{cancelled}");
        assert!(cancelled["ended_at"].is_string(), "{cancelled}");
    }
    let deliveries = server.call(Method::GET, &format!("{path}/deliveries"), None).await.is(200);
    let states: Vec<_> =
        deliveries["items"].as_array().unwrap().iter().map(|item| &item["state"]).collect();
    assert_eq!(states, ["cancelled", "cancelled"]);
    // Once only, however often it was asked.
    let log = server.call(Method::GET, &format!("/v1/push-log?push={id}"), None).await.is(200);
    let reasons: Vec<_> =
        log["items"].as_array().unwrap().iter().map(|record| &record["reason"]).collect();
    assert_eq!(reasons, ["cancelled", "accepted"]);
    // No credential will come in time for this one.
    let over = server.push(json!({ "to": to, "ttl": 60 })).await;
    let path = format!("/v1/pushes/{over}");
    let over = server.until(&path, |push| push["state"] == "done").await;
    assert_eq!((&over["counts"]["refused"], &over["codes"]), (&json!(2), &json!({ "901": 2 })));
    let late = server.call(Method::POST, &format!("{path}/cancel"), None).await;
    assert!(late.refused(409, "conflict", None).contains("done"));
    server.stop().await;
}

#[tokio::test]
async fn a_broadcast_is_paused_resumed_and_cancelled() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    server.me(&phone, Method::PUT, "/v1/me/topics/news", None).await.is(204);
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let broadcast = json!({
        "to": { "topic": "news" },
        "title": "News",
        "rate": 500,
        "send_at": tomorrow,
    });
    let made = server.call(Method::POST, "/v1/pushes", Some(broadcast)).await.is(202);
    let named = (&made["audience"], &made["topic"], &made["rate"]);
    assert_eq!(named, (&json!("topic"), &json!("news"), &json!(500)));
    let path = format!("/v1/pushes/{}", text(&made["id"]));
    let moved = async |verb: &str| -> Answer {
        server.call(Method::POST, &format!("{path}/{verb}"), None).await
    };
    for (verb, state) in [
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "open"),
        ("resume", "open"),
        ("pause", "paused"),
        ("cancel", "cancelled"),
        ("cancel", "cancelled"),
    ] {
        assert_eq!(moved(verb).await.is(200)["state"], state, "{verb}");
    }
    for verb in ["pause", "resume"] {
        moved(verb).await.refused(409, "conflict", None);
    }
    // A topic that is gone has no name.
    server.call(Method::DELETE, "/v1/topics/news", None).await.is(204);
    let gone = server.call(Method::GET, &path, None).await.is(200);
    assert_eq!((&gone["audience"], &gone["topic"]), (&json!("topic"), &Value::Null));
    let listed = server.push(json!({ "to": { "targets": [fcm("a:b")] } })).await;
    for verb in ["pause", "resume"] {
        let path = format!("/v1/pushes/{listed}/{verb}");
        let refused = server.call(Method::POST, &path, None).await;
        assert!(refused.refused(409, "conflict", None).contains("broadcast"), "{verb}");
    }
    let unknown = "/v1/pushes/psh_00000000000000000000000000000000";
    for verb in ["cancel", "pause", "resume"] {
        let refused = server.call(Method::POST, &format!("{unknown}/{verb}"), None).await;
        refused.refused(404, "not_found", None);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_call_that_was_taken_in_is_answered_the_same_when_it_is_over() {
    let (clock, hand) = Clock::by_hand(Time::from_millis(1_772_346_600_000));
    let server = Server::start_by(clock).await;
    let push = |id: &str| {
        json!({
            "to": { "targets": [{ "kind": "apns_voip", "token": "00ff" }] },
            "id": id,
            "kind": "voip",
            "call": {
                "id": "0192f0a1-7b3c-7d4e-8f50-61728394a5b6",
                "rings_until": "2026-03-01T06:30:45Z",
                "caller_name": "Bob",
                "media": "video",
            },
        })
    };
    let post = async |id: &str| -> Answer {
        server.call(Method::POST, "/v1/pushes", Some(push(id))).await
    };
    let first = post("call-1").await.is(202);
    assert_eq!(
        (&first["kind"], &first["send_at"]),
        (&json!("voip"), &json!("2026-03-01T06:30:00Z"))
    );
    assert_eq!(first["expires_at"], "2026-03-01T06:30:45Z");
    hand.advance(Duration::from_secs(41));
    post("call-2").await.refused(422, "invalid_field", Some("call.rings_until"));
    let again = post("call-1").await.is(202);
    assert_eq!((&again["id"], &again["expires_at"]), (&first["id"], &first["expires_at"]));
    server.stop().await;
}

#[tokio::test]
async fn the_switch_refuses_every_push() {
    let server = Server::start().await;
    let settings = format!("/v1/apps/{}/settings", server.app.0);
    let off = json!({ "push_enabled": false });
    server.call(Method::PATCH, &settings, Some(off)).await.is(200);
    let id = server.push(json!({ "to": { "targets": [fcm("a:b")] } })).await;
    let path = format!("/v1/pushes/{id}/deliveries");
    let told = |code: u16| move |page: &Value| page["items"][0]["code"] == code;
    let page = server.until(&path, told(902)).await;
    let item = &page["items"][0];
    assert_eq!((&item["state"], &item["reason"]), (&json!("waiting"), &json!("push_disabled")));
    // Switched on it need not wait: now it lacks a credential.
    server.call(Method::PATCH, &settings, Some(json!({ "push_enabled": true }))).await.is(200);
    server.until(&path, told(901)).await;
    server.stop().await;
}
