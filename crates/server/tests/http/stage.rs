//! A server whose pushes go to a simulator of Apple's, by a clock that the test sets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use server::clock::{Clock, Hand};
use sim::apns::{ApnsOptions, ApnsSim, KnownKey};
use sim::device::{ApnsTokenKind, Devices, Environment};
use sim::pki::{ApnsKey, Ca};

use super::rig::{Device, Server};

pub(super) const BUNDLE: &str = "com.example.app";

/// A server whose pushes Apple takes, by a clock that the test sets.
pub(super) struct Stage {
    pub(super) server: Server,
    pub(super) hand: Hand,
    pub(super) devices: Devices,
    key: ApnsKey,
    _apns: ApnsSim,
    _folder: tempfile::TempDir,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let ca = Ca::generate("Test CA").expect("a CA");
        let (key, devices) = (ApnsKey::generate().expect("a key"), Devices::new());
        let known = vec![KnownKey::new(&key, &[BUNDLE])];
        let apns = ApnsSim::start(ApnsOptions { keys: known, ..ApnsOptions::new(&ca, &devices) });
        let apns = apns.await.expect("Apple");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, ca.pem()).expect("a file");
        let now = jiff::Timestamp::now().as_microsecond();
        let (clock, hand) = Clock::by_hand(domain::Time::from_micros(now));
        let server = Server::start_with(clock, |config| {
            config.providers.extra_ca_file = Some(file);
            config.providers.apns_production_url = apns.url().parse().expect("a URL");
        })
        .await;
        Self { server, hand, devices, key, _apns: apns, _folder: folder }
    }

    pub(super) async fn upload(&self) {
        let path = format!("/v1/apps/{}/credentials", self.server.app.0);
        let body = json!({
            "kind": "apns_key",
            "file": STANDARD.encode(self.key.pem()),
            "file_name": self.key.file_name(),
            "team_id": self.key.team_id,
            "bundle_ids": [BUNDLE],
        });
        self.server.call(Method::POST, &path, Some(body)).await.is(201);
    }

    /// Registers a token that Apple knows.
    pub(super) async fn token(&self, device: &Device) -> String {
        let (environment, kind) = (Environment::Production, ApnsTokenKind::App);
        let token = self.devices.register_apns(BUNDLE, environment, kind);
        self.server.target(device, "apns", &token).await;
        token
    }

    /// Waits for the last push to a device to come to this.
    pub(super) async fn pushed(&self, outcome: &str) -> Value {
        let path = "/v1/push-log?device=phone&step=push&limit=1";
        let page = self.server.until(path, |page| page["items"][0]["reason"] == outcome).await;
        page["items"][0].clone()
    }
}
