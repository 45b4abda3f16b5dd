//! `reveille push webpush`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use providers::webpush::VapidKey;
use serde_json::json;
use sim::trouble::Scripted;
use sim::webpush::{Subscription, Vendor};
use sim::{Devices, WebPushOptions, WebPushSim};

use super::rig::{Desk, Said, hash};

/// A desk with a VAPID key in `vapid.txt` and, in `subscription.json`, the subscription of a browser
/// of Mozilla's that is restricted to it.
struct Rig {
    desk: Desk,
    key: VapidKey,
    devices: Devices,
    sim: WebPushSim,
    browser: Subscription,
}

impl Rig {
    async fn new() -> Self {
        let (desk, key) = (Desk::new(), VapidKey::generate().expect("a key"));
        desk.write("vapid.txt", key.expose_private_key());
        let devices = Devices::new();
        let options = WebPushOptions::new(&desk.ca, &devices, Vendor::Mozilla);
        let sim = WebPushSim::start(options).await.expect("listens on loopback");
        let public = URL_SAFE_NO_PAD.decode(key.public_key()).expect("base64url");
        let browser = sim.subscribe(Some(&public));
        desk.write("subscription.json", browser.json());
        Self { desk, key, devices, sim, browser }
    }

    /// The path of the browser's endpoint, which is its secret.
    fn path(&self) -> &str {
        self.browser.endpoint().strip_prefix(self.sim.origin()).expect("an endpoint of it")
    }

    async fn push(&self, more: &[&str]) -> Said {
        let key = ["--vapid", "vapid.txt", "--subject", "mailto:push@example.org"];
        let to = ["--subscription", "subscription.json", "--ca", "ca.pem"];
        let said = self.desk.run(&[&["push", "webpush"], &key[..], &to, more].concat()).await;
        said.has_not(self.path()).has_not(self.key.expose_private_key())
    }
}

#[tokio::test]
async fn an_accepted_push_is_encrypted_and_ends_with_0() {
    let rig = Rig::new().await;
    let mut deliveries = rig.devices.deliveries(rig.browser.endpoint());
    // Its own place is taken from --url, wherever the endpoint is.
    let vendor = "https://updates.push.services.mozilla.com";
    rig.desk.write("subscription.json", rig.browser.json().replace(rig.sim.origin(), vendor));
    let more = ["--url", rig.sim.origin(), "--title", "Hello", "--data", "order=17"];
    let how = ["--ttl", "60", "--urgency", "low", "--topic", "t"];
    let said = rig.push(&[&more[..], &how].concat()).await.is(0).has("accepted");
    // What the browser gets, before it is encrypted.
    let said = said.has("\"title\": \"Hello\"").has(rig.key.public_key());
    let _ = said.has(&hash(rig.browser.endpoint()));
    let delivery = deliveries.try_recv().expect("the browser has read it");
    let payload = json!({ "notification": { "title": "Hello" }, "data": { "order": "17" } });
    assert_eq!(delivery.payload, payload);
    let seen = rig.sim.seen();
    assert_eq!(seen.len(), 1);
    for (name, value) in [("ttl", "60"), ("urgency", "low"), ("topic", "t")] {
        assert_eq!(seen[0].header(name), Some(value), "{name}");
    }
    assert!(!String::from_utf8_lossy(&seen[0].payload).contains("Hello"));
}

#[tokio::test]
async fn a_subscription_that_is_over_ends_with_1_and_says_what_to_do() {
    let rig = Rig::new().await;
    let push = ["--url", rig.sim.origin(), "--title", "Hello"];
    rig.sim.push_manager().unsubscribe(&rig.browser);
    let said = rig.push(&push).await.is(1);
    let _ = said.has("911 bad push token").has("HTTP 410").has("remedy");
    // A service that repeats the secret: it is not shown all the same.
    let answer = Scripted::new(StatusCode::GONE, format!("gone: {}", rig.path()));
    rig.sim.trouble().answer_next(1, &answer);
    let _ = rig.push(&push).await.is(1).has("911 bad push token").has("gone: ");
}

#[tokio::test]
async fn a_dry_run_sends_nothing() {
    let rig = Rig::new().await;
    let dry = ["--url", rig.sim.origin(), "--dry-run", "--json"];
    let said = rig.push(&dry).await.is(0).json();
    assert_eq!((&said["outcome"], &said["request"]["body"]), (&json!("not_sent"), &json!("")));
    assert_eq!(rig.sim.counts().connections, 0);
}

#[tokio::test]
async fn a_subscription_leads_into_no_private_network_by_itself() {
    let rig = Rig::new().await;
    let said = rig.push(&["--title", "Hello"]).await.is(1).has("REVEILLE_OUTBOUND_ALLOW_PRIVATE");
    let _ = said.has("a loopback address");
    assert_eq!(rig.sim.counts().connections, 0);
}

#[tokio::test]
async fn a_subscription_may_come_from_standard_input() {
    let rig = Rig::new().await;
    let line = ["push", "webpush", "--vapid", "vapid.txt", "--subject", "mailto:a@example.org"];
    let line = [&line[..], &["--subscription", "-", "--dry-run"]].concat();
    let subscription = json!({ "endpoint": format!("https://push.example{}", rig.path()) });
    let said = rig.desk.run_on(&line, subscription.to_string().as_bytes()).await.is(0);
    let _ = said.has("POST https://push.example/").has_not(rig.path());
    let _ = rig.desk.run_on(&line, b"").await.is(1).has("911").has("not a JSON object");
}

#[tokio::test]
async fn a_wrong_file_is_named_for_what_it_is() {
    let rig = Rig::new().await;
    rig.desk.write("vapid.txt", rig.key.public_key());
    let said = rig.push(&["--title", "Hello"]).await.is(1);
    let _ = said.has("904").has("the public key of a pair").has("Give the private key");
    rig.desk.write("vapid.txt", rig.key.expose_private_key());
    rig.desk.write("subscription.json", "{}");
    let said = rig.push(&["--title", "Hello"]).await.is(1);
    let _ = said.has("911").has("subscription.endpoint: missing");
}
