//! APNs: what is accepted, where it goes, and the words for tokens that died.

use http::StatusCode;
use serde_json::json;
use sim::{
    ApnsOptions, ApnsSim, Devices, Fate,
    apns::KnownKey,
    device::{ApnsTokenKind, Environment, Expiration, Priority, PushType, Reach},
    pki::{ApnsKey, Ca},
};

use crate::client::{Answer, Client, PATIENCE, es256};

pub(crate) const APP: &str = "com.example.app";
pub(crate) const ALERT: &[u8] = br#"{"aps":{"alert":"hello"}}"#;

/// A service with one app, one key, one device.
pub(crate) struct World {
    pub(crate) ca: Ca,
    pub(crate) devices: Devices,
    pub(crate) key: ApnsKey,
    pub(crate) sim: ApnsSim,
    /// The device's notification token.
    pub(crate) token: String,
    /// When it began, in seconds.
    began: i64,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut ApnsOptions)) -> Self {
        let ca = Ca::generate("test CA").unwrap();
        let devices = Devices::new();
        let key = ApnsKey::generate().unwrap();
        let mut options = ApnsOptions::new(&ca, &devices);
        options.keys = vec![KnownKey::new(&key, &[APP])];
        change(&mut options);
        let token = devices.register_apns(APP, options.environment, ApnsTokenKind::App);
        let sim = ApnsSim::start(options).await.unwrap();
        let began = devices.clock().now().as_second();
        Self { ca, devices, key, sim, token, began }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.sim.addr(), self.sim.ca_pem(), None).await
    }

    /// A good provider token, this many seconds old.
    pub(crate) fn jwt(&self, age_s: i64) -> String {
        // Until a test moves the clock all are of one second: one of the next would be a renewal.
        let now = self.devices.clock().now().as_second();
        let issued_at = if now - self.began < 60 { self.began } else { now };
        jwt(&self.key, issued_at - age_s)
    }

    pub(crate) fn path(&self) -> String {
        format!("/3/device/{}", self.token)
    }

    /// Another token of the app, in the service's environment.
    pub(crate) fn register(&self, kind: ApnsTokenKind) -> String {
        self.devices.register_apns(APP, Environment::Production, kind)
    }

    /// A good alert.
    pub(crate) async fn push(&self, client: &Client) -> Answer {
        let authorization = format!("bearer {}", self.jwt(0));
        client.post(&self.path(), &alert_headers(&authorization), ALERT).await
    }
}

/// Status and reason of a refusal.
pub(crate) fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.reason())
}

pub(crate) fn alert_headers(authorization: &str) -> Vec<(&str, &str)> {
    vec![("authorization", authorization), ("apns-topic", APP), ("apns-push-type", "alert")]
}

pub(crate) fn jwt(key: &ApnsKey, issued_at: i64) -> String {
    let header = json!({ "alg": "ES256", "kid": key.key_id });
    es256(key, &header, &json!({ "iss": key.team_id, "iat": issued_at }))
}

#[tokio::test]
async fn a_good_push_is_accepted_recorded_and_delivered() {
    let world = World::new().await;
    let mut deliveries = world.devices.deliveries(&world.token);
    let client = world.connect().await;
    let id = "7f3c8a52-1d6e-4b90-8a11-02c5d9e4f601";
    let authorization = format!("bearer {}", world.jwt(0));
    let mut headers = alert_headers(&authorization);
    headers.extend([("apns-id", id), ("apns-collapse-id", "thread"), ("apns-priority", "10")]);
    let answer = client.post(&world.path(), &headers, ALERT).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["apns-id"], id);
    assert!(answer.body.is_empty());
    assert!(!answer.headers.contains_key("apns-unique-id"), "production has no such header");

    let seen = world.sim.wait_for(|push| push.id.as_deref() == Some(id), PATIENCE).await.unwrap();
    assert_eq!((seen.fate, seen.token.as_str()), (Fate::Delivered, world.token.as_str()));
    assert_eq!(seen.header("apns-collapse-id"), Some("thread"));
    assert!(!format!("{seen:?}").contains(&world.jwt(0)[..20]), "the token must not be printed");

    let delivery = deliveries.recv().await.unwrap();
    assert_eq!(delivery.push_type, PushType::Alert);
    assert_eq!(delivery.priority, Priority::High);
    assert_eq!(delivery.expiration, Expiration::Vendor);
    assert_eq!(delivery.collapse_id.as_deref(), Some("thread"));
    assert_eq!(delivery.payload["aps"]["alert"], "hello");
}

#[tokio::test]
async fn dead_and_foreign_device_tokens() {
    let world = World::new().await;
    let client = world.connect().await;
    let sandbox = world.devices.register_apns(APP, Environment::Sandbox, ApnsTokenKind::App);
    let other = world.devices.register_apns(
        "com.example.other",
        Environment::Production,
        ApnsTokenKind::App,
    );
    let expired = world.devices.register_apns(APP, Environment::Production, ApnsTokenKind::App);
    world.devices.expire(&expired);
    let before = world.devices.clock().now().as_millisecond();
    world.devices.unregister(&world.token);
    let authorization = format!("bearer {}", world.jwt(0));
    for (token, status, reason) in [
        (&sandbox, 400, "BadDeviceToken"),
        (&other, 400, "DeviceTokenNotForTopic"),
        (&expired, 410, "ExpiredToken"),
        (&world.token, 410, "Unregistered"),
    ] {
        let answer =
            client.post(&format!("/3/device/{token}"), &alert_headers(&authorization), ALERT).await;
        assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (status, reason));
        let since = answer.json()["timestamp"].as_i64();
        assert_eq!(since.is_some(), status == 410, "{reason}");
        if reason == "Unregistered" {
            assert!(since >= Some(before), "the timestamp is in milliseconds");
        }
    }
}

#[tokio::test]
async fn the_sandbox_answers_with_a_unique_id() {
    let world = World::with(|options| options.environment = Environment::Sandbox).await;
    let answer = world.push(&world.connect().await).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.headers.contains_key("apns-unique-id"));
}

#[tokio::test]
async fn a_device_that_is_away_gets_the_newest_push() {
    let world = World::new().await;
    let client = world.connect().await;
    let mut deliveries = world.devices.deliveries(&world.token);
    let authorization = format!("bearer {}", world.jwt(0));
    let send = async |text: &str, priority: &str, expiration: Option<&str>| {
        let mut headers = alert_headers(&authorization);
        headers.push(("apns-priority", priority));
        headers.extend(expiration.map(|expiration| ("apns-expiration", expiration)));
        let body = json!({ "aps": { "alert": text } }).to_string();
        let answer = client.post(&world.path(), &headers, body.as_bytes()).await;
        assert_eq!(answer.status, StatusCode::OK);
        let id = answer.headers["apns-id"].to_str().unwrap().to_owned();
        world.sim.wait_for(|push| push.id.as_deref() == Some(&id), PATIENCE).await.unwrap().fate
    };

    world.devices.set_reach(&world.token, Reach::Offline);
    assert_eq!(send("first", "10", None).await, Fate::Stored);
    assert_eq!(send("second", "10", None).await, Fate::Stored);
    assert_eq!(send("now or never", "10", Some("0")).await, Fate::Discarded);
    world.devices.set_reach(&world.token, Reach::Online);
    assert_eq!(deliveries.recv().await.unwrap().payload["aps"]["alert"], "second");

    world.devices.set_reach(&world.token, Reach::Dozing);
    assert_eq!(send("gentle", "5", None).await, Fate::Stored);
    assert_eq!(send("urgent", "10", None).await, Fate::Delivered);
    assert_eq!(deliveries.recv().await.unwrap().payload["aps"]["alert"], "urgent");
    world.devices.set_reach(&world.token, Reach::Online);
    assert_eq!(deliveries.recv().await.unwrap().payload["aps"]["alert"], "gentle");

    world.devices.set_reach(&world.token, Reach::Offline);
    let soon = (world.devices.clock().now().as_second() + 60).to_string();
    assert_eq!(send("short-lived", "10", Some(&soon)).await, Fate::Stored);
    world.devices.clock().advance(std::time::Duration::from_secs(61));
    world.devices.set_reach(&world.token, Reach::Online);
    assert!(deliveries.try_recv().is_err(), "it has expired");
}
