//! Targets that no push would reach, as the app's credentials and the operator's list stand: refused
//! before anything is queued, with the field and the diagnosis code.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Time;
use http::Method;
use serde_json::{Value, json};
use server::clock::Clock;
use sim::pki::{ApnsCertificate, ApnsCertificateKind, ApnsKey, Ca};

use super::rig::{Answer, Server, text};

/// An app with a key for two bundle ids and a VAPID key pair.
async fn configured() -> (Server, String) {
    let server = Server::start().await;
    let path = format!("/v1/apps/{}/credentials", server.app.0);
    let key = ApnsKey::generate().expect("a key");
    let p8 = json!({
        "kind": "apns_key",
        "file": STANDARD.encode(key.pem()),
        "file_name": key.file_name(),
        "team_id": key.team_id,
        "bundle_ids": ["com.example.app", "com.example.other"],
    });
    server.call(Method::POST, &path, Some(p8)).await.is(201);
    let vapid = json!({ "kind": "webpush_vapid", "subject": "mailto:ops@example.org" });
    let made = server.call(Method::POST, &path, Some(vapid)).await.is(201);
    (server, text(&made["facts"]["public_key"]))
}

/// A browser's subscription with this push service; any point on the curve is a browser's key.
fn subscription(host: &str, key: &str) -> Value {
    json!({
        "endpoint": format!("https://{host}/wpush/v2/example"),
        "keys": { "p256dh": key, "auth": "AAAAAAAAAAAAAAAAAAAAAA" },
    })
}

async fn push_to(server: &Server, id: &str, target: &Value) -> Answer {
    let good = json!({ "kind": "fcm", "token": "a:b" });
    let push = json!({ "to": { "targets": [good, target] }, "id": id, "title": "Hi" });
    server.call(Method::POST, "/v1/pushes", Some(push)).await
}

#[tokio::test]
async fn a_raw_target_that_no_push_would_reach_is_refused_before_it_is_queued() {
    let (server, key) = configured().await;
    let apns = |app_id: Value| json!({ "kind": "apns", "token": "00ff", "app_id": app_id });
    let voip = json!({ "kind": "apns_voip", "token": "00ff", "app_id": "com.example.none" });
    let web = |host: &str, app_id: Value| {
        let subscription = subscription(host, &key);
        json!({ "kind": "webpush", "subscription": subscription, "app_id": app_id })
    };
    let allowed = "updates.push.services.mozilla.com";
    for (target, field, diagnosis, says) in [
        (apns(json!("com.example.none")), "app_id", 912, "com.example.none"),
        (apns(Value::Null), "app_id", 912, "bundle id"),
        (web(allowed, json!("BNotOneOfThisAppsKeys")), "app_id", 912, "VAPID key"),
        (web("push.example.org", Value::Null), "subscription", 901, "webpush.allowed_hosts"),
        (web("push.example.org", json!(key)), "subscription", 901, "push.example.org"),
    ] {
        let refused = push_to(&server, "one", &target).await;
        assert_eq!(refused.diagnosis(), Some(diagnosis), "{target}");
        let detail = refused.refused(422, "invalid_field", Some(&format!("to.targets[1].{field}")));
        assert!(detail.contains(says), "{detail}");
        assert!(!detail.contains("wpush"), "the endpoint is a secret: {detail}");
    }
    let call = json!({
        "id": "0192f0a1-7b3c-7d4e-8f50-61728394a5b6",
        "rings_until": jiff::Timestamp::now() + jiff::SignedDuration::from_secs(45),
        "caller_name": "Bob",
        "media": "audio",
    });
    let ring = json!({ "to": { "targets": [voip] }, "kind": "voip", "call": call });
    let refused = server.call(Method::POST, "/v1/pushes", Some(ring)).await;
    assert_eq!(refused.diagnosis(), Some(912));
    refused.refused(422, "invalid_field", Some("to.targets[0].app_id"));
    // Nothing of it was stored, and the id is free.
    assert_eq!(server.call(Method::GET, "/v1/pushes", None).await.is(200)["items"], json!([]));
    push_to(&server, "one", &apns(json!("com.example.other"))).await.is(202);
    push_to(&server, "two", &web(allowed, Value::Null)).await.is(202);
    server.stop().await;
}

#[tokio::test]
async fn a_push_that_was_taken_in_is_answered_the_same_when_its_credential_is_another() {
    let (server, _) = configured().await;
    let target = json!({ "kind": "apns", "token": "00ff", "app_id": "com.example.other" });
    let first = push_to(&server, "one", &target).await.is(202);
    let path = format!("/v1/apps/{}/credentials", server.app.0);
    let all = server.call(Method::GET, &path, None).await.is(200);
    let of_apple = |item: &&Value| item["kind"] == "apns_key";
    let old = all["items"].as_array().unwrap().iter().find(of_apple).expect("Apple's");
    let key = ApnsKey::generate().expect("a key");
    let p8 = json!({
        "kind": "apns_key",
        "file": STANDARD.encode(key.pem()),
        "file_name": key.file_name(),
        "team_id": key.team_id,
        "bundle_ids": ["com.example.app"],
    });
    server.call(Method::POST, &path, Some(p8)).await.is(201);
    server.call(Method::DELETE, &format!("{path}/{}", text(&old["id"])), None).await.is(204);
    assert_eq!(push_to(&server, "one", &target).await.is(202)["id"], first["id"]);
    let refused = push_to(&server, "two", &target).await;
    refused.refused(422, "invalid_field", Some("to.targets[1].app_id"));
    server.stop().await;
}

#[tokio::test]
async fn a_device_does_not_hold_a_subscription_that_no_push_would_reach() {
    let (server, key) = configured().await;
    let device = server.device("alice", "browser").await;
    let token = subscription("push.example.org", &key).to_string();
    let put = json!({ "token": token });
    let by_api = "/v1/users/alice/devices/browser/targets/webpush";
    let refusals = [
        server.me(&device, Method::PUT, "/v1/me/targets/webpush", Some(put.clone())).await,
        server.call(Method::PUT, by_api, Some(put)).await,
    ];
    for refused in refusals {
        assert_eq!(refused.diagnosis(), Some(901));
        let detail = refused.refused(422, "invalid_field", Some("token"));
        assert!(detail.contains("webpush.allowed_hosts"), "{detail}");
    }
    let (mut session, _) = server.session("alice", "tab").await;
    session.say(json!({ "type": "push_token", "kind": "webpush", "token": token })).await;
    let told = session.hear_a("push_target").await;
    assert_eq!((&told["state"], &told["code"]), (&json!("refused"), &json!(901)), "{told}");
    session.say(json!({ "type": "push_token", "kind": "apns", "token": "no hex" })).await;
    let told = session.hear_a("push_target").await;
    assert_eq!((&told["state"], &told["code"]), (&json!("refused"), &json!(911)), "{told}");
    let devices = server.call(Method::GET, "/v1/users/alice/devices", None).await.is(200);
    assert!(!devices.to_string().contains("\"kind\":\"webpush\""), "{devices}");
    session.leave().await;
    server.stop().await;
}

#[tokio::test]
async fn what_a_message_says_in_its_push_is_913_with_the_fields_name() {
    let server = Server::start().await;
    server.token("alice").await;
    for (push, status, code, field) in [
        (json!({ "badge": 2_147_483_648_u32 }), 422, "invalid_field", "push.badge"),
        (json!({ "data": { "aps": 1 } }), 422, "invalid_field", "push.data"),
        (json!({ "image": "http://example.com" }), 422, "invalid_field", "push.image"),
        (json!({ "data": { "a": "x".repeat(4_096) } }), 413, "body_too_large", "push.data"),
        (json!({ "bagde": 1 }), 400, "malformed_json", "push.bagde"),
    ] {
        let message = json!({ "to": ["alice"], "body": 1, "push": push });
        let refused = server.call(Method::POST, "/v1/messages", Some(message)).await;
        assert_eq!(refused.diagnosis(), Some(913), "{field}: {}", refused.body);
        refused.refused(status, code, Some(field));
    }
    let message = json!({ "to": ["alice"], "body": 1, "ttl": 9_999_999 });
    let refused = server.call(Method::POST, "/v1/messages", Some(message)).await;
    assert_eq!(refused.diagnosis(), None);
    refused.refused(422, "invalid_field", Some("ttl"));
    server.stop().await;
}

/// What is wrong first decides, before anything is sent: the switch, no credential, one of another
/// app, one of the other environment, one whose time is over; then the way there.
#[tokio::test]
async fn the_first_fault_in_order_decides() {
    let bundle = "com.example.app";
    let (clock, hand) = Clock::by_hand(Time::from_micros(jiff::Timestamp::now().as_microsecond()));
    let server = Server::start_by(clock).await;
    let ca = Ca::generate("Apple").expect("an authority");
    let upload = async |certificate: ApnsCertificate| {
        let identity = ca.apns_identity(&certificate).expect("a certificate");
        let file = identity.pkcs12("x", &[]).await.expect("openssl writes it");
        let file = STANDARD.encode(file);
        let body = json!({ "kind": "apns_certificate", "file": file, "password": "x" });
        let path = format!("/v1/apps/{}/credentials", server.app.0);
        server.call(Method::POST, &path, Some(body)).await.is(201);
    };
    let switch = async |on: bool| {
        let path = format!("/v1/apps/{}/settings", server.app.0);
        let body = json!({ "push_enabled": on });
        server.call(Method::PATCH, &path, Some(body)).await.is(200);
    };
    let target = json!({
        "kind": "apns", "token": "00ff", "app_id": bundle, "environment": "production",
    });
    let told = async |code: u64, reason: &str| {
        let id = server.push(json!({ "to": { "targets": [target] } })).await;
        let settled = |page: &Value| page["items"][0]["code"].is_u64();
        let page = server.until(&format!("/v1/pushes/{id}/deliveries"), settled).await;
        let found = &page["items"][0];
        assert_eq!(found["code"], code, "{found}");
        assert!(found["reason"].as_str().is_some_and(|word| word.contains(reason)), "{found}");
    };
    switch(false).await;
    told(902, "push_disabled").await;
    switch(true).await;
    told(901, "no_credential").await;
    upload(ApnsCertificate::universal("com.example.other")).await;
    let refused = push_to(&server, "of-another-app", &target).await;
    assert_eq!(refused.diagnosis(), Some(912));
    upload(ApnsCertificate::universal(bundle).kind(ApnsCertificateKind::Development)).await;
    told(905, "development_certificate").await;
    upload(ApnsCertificate::universal(bundle)).await;
    // The test's push service is nobody.
    told(902, "NotConnected").await;
    hand.advance(Duration::from_secs(366 * 86_400));
    told(903, "CertificateExpired").await;
    server.stop().await;
}
