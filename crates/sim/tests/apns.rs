//! APNs: what is accepted, and every fault with its reason.

use http::StatusCode;
use serde_json::json;
use sim::{
    ApnsOptions, ApnsSim, Devices, Fate,
    apns::{CertificateFault, KeyEnvironments, KeyTopics, KnownKey},
    device::{ApnsTokenKind, Environment, Expiration, Priority, PushType, Reach},
    pki::{ApnsCertificate, ApnsCertificateKind, ApnsKey, Ca},
};

use crate::client::{Answer, Client, PATIENCE, es256};

pub(crate) const APP: &str = "com.example.app";
const ALERT: &[u8] = br#"{"aps":{"alert":"hello"}}"#;
const BACKGROUND: &[u8] = br#"{"aps":{"content-available":1}}"#;

/// A service with one app, one key, one device.
pub(crate) struct World {
    pub(crate) ca: Ca,
    pub(crate) devices: Devices,
    pub(crate) key: ApnsKey,
    pub(crate) sim: ApnsSim,
    /// The device's notification token.
    pub(crate) token: String,
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
        Self { ca, devices, key, sim, token }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.sim.addr(), self.sim.ca_pem(), None).await
    }

    /// A good provider token, this many seconds old.
    pub(crate) fn jwt(&self, age_s: i64) -> String {
        jwt(&self.key, self.devices.clock().now().as_second() - age_s)
    }

    pub(crate) fn path(&self) -> String {
        format!("/3/device/{}", self.token)
    }

    /// A good alert.
    pub(crate) async fn push(&self, client: &Client) -> Answer {
        let authorization = format!("bearer {}", self.jwt(0));
        client.post(&self.path(), &alert_headers(&authorization), ALERT).await
    }
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
