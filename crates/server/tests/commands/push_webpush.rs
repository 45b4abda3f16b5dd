//! `reveille push webpush`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use providers::webpush::VapidKey;
use serde_json::json;

use super::rig::{Desk, Said, hash};
use super::webpush_service::Service;

/// The path of the browser's endpoint, which is its secret.
const PATH: &str = "/wpush/v2/gAAAAABkSecretSecretSecret";

/// A desk with a VAPID key in `vapid.txt`.
fn desk() -> (Desk, VapidKey) {
    let (desk, key) = (Desk::new(), VapidKey::generate().expect("a key"));
    desk.write("vapid.txt", key.expose_private_key());
    (desk, key)
}

/// Puts a browser's subscription at `endpoint` into `subscription.json`.
fn subscribe(desk: &Desk, endpoint: &str) {
    // The public half of a pair, whoever's: nothing is decrypted here.
    let p256dh = VapidKey::generate().expect("a key").public_key().to_owned();
    let keys = json!({ "p256dh": p256dh, "auth": URL_SAFE_NO_PAD.encode([7; 16]) });
    let subscription = json!({ "endpoint": endpoint, "expirationTime": null, "keys": keys });
    desk.write("subscription.json", subscription.to_string());
}

async fn push(desk: &Desk, more: &[&str]) -> Said {
    let key = ["--vapid", "vapid.txt", "--subject", "mailto:push@example.org"];
    let to = ["--subscription", "subscription.json", "--ca", "ca.pem"];
    let said = desk.run(&[&["push", "webpush"], &key[..], &to, more].concat()).await;
    said.has_not("SecretSecret")
}

#[tokio::test]
async fn an_accepted_push_is_encrypted_and_ends_with_0() {
    let (desk, key) = desk();
    let service = Service::start(&desk.ca, 201, "").await;
    let place = format!("https://localhost:{}", service.addr.port());
    let endpoint = format!("https://updates.push.services.mozilla.com{PATH}");
    subscribe(&desk, &endpoint);
    let more = ["--url", &place, "--title", "Hello", "--data", "order=17"];
    let how = ["--ttl", "60", "--urgency", "low", "--topic", "t"];
    let said = push(&desk, &[&more[..], &how].concat()).await.is(0).has("accepted");
    // What the browser gets, before it is encrypted.
    let said = said.has("\"title\": \"Hello\"").has(key.public_key());
    let said = said.has(&hash(&format!("{place}{PATH}")));
    let _ = said.has_not(key.expose_private_key());
    let seen = service.seen();
    assert_eq!((seen.len(), &*seen[0].path), (1, PATH));
    for (name, value) in [("ttl", "60"), ("urgency", "low"), ("topic", "t")] {
        assert_eq!(seen[0].headers[name], value, "{name}");
    }
    assert!(!seen[0].body.is_empty() && !String::from_utf8_lossy(&seen[0].body).contains("Hello"));
}

#[tokio::test]
async fn a_subscription_that_is_over_ends_with_1_and_says_what_to_do() {
    let (desk, _) = desk();
    let service = Service::start(&desk.ca, 410, "gone: /wpush/v2/gAAAAABkSecretSecretSecret").await;
    let place = format!("https://localhost:{}", service.addr.port());
    subscribe(&desk, &format!("{place}{PATH}"));
    let said = push(&desk, &["--url", &place, "--title", "Hello"]).await.is(1);
    let _ = said.has("911 bad push token").has("HTTP 410").has("remedy");
}

#[tokio::test]
async fn a_dry_run_sends_nothing() {
    let (desk, _) = desk();
    let service = Service::start(&desk.ca, 201, "").await;
    let place = format!("https://localhost:{}", service.addr.port());
    subscribe(&desk, &format!("{place}{PATH}"));
    let said = push(&desk, &["--url", &place, "--dry-run", "--json"]).await.is(0).json();
    assert_eq!((&said["outcome"], &said["request"]["body"]), (&json!("not_sent"), &json!("")));
    assert!(service.seen().is_empty());
}

#[tokio::test]
async fn a_subscription_leads_into_no_private_network_by_itself() {
    let (desk, _) = desk();
    let service = Service::start(&desk.ca, 201, "").await;
    let place = format!("https://localhost:{}", service.addr.port());
    subscribe(&desk, &format!("{place}{PATH}"));
    let said = push(&desk, &["--title", "Hello"]).await.is(1).has("outbound.allow_private");
    let _ = said.has("a loopback address");
    assert!(service.seen().is_empty());
}

#[tokio::test]
async fn a_subscription_may_come_from_standard_input() {
    let (desk, _) = desk();
    let line = ["push", "webpush", "--vapid", "vapid.txt", "--subject", "mailto:a@example.org"];
    let line = [&line[..], &["--subscription", "-", "--dry-run"]].concat();
    let subscription = json!({ "endpoint": format!("https://push.example{PATH}") });
    let said = desk.run_on(&line, subscription.to_string().as_bytes()).await.is(0);
    let _ = said.has("POST https://push.example/").has_not(PATH);
    let _ = desk.run_on(&line, b"").await.is(1).has("911").has("not a JSON object");
}

#[tokio::test]
async fn a_wrong_file_is_named_for_what_it_is() {
    let (desk, key) = desk();
    subscribe(&desk, &format!("https://updates.push.services.mozilla.com{PATH}"));
    desk.write("vapid.txt", key.public_key());
    let said = push(&desk, &["--title", "Hello"]).await.is(1);
    let _ = said.has("904").has("the public key of a pair").has("Give the private key");
    desk.write("vapid.txt", key.expose_private_key());
    desk.write("subscription.json", "{}");
    let said = push(&desk, &["--title", "Hello"]).await.is(1);
    let _ = said.has("911").has("subscription.endpoint: missing");
}
