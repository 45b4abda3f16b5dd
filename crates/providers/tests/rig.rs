//! A push service with its world, and a client pointed at it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Diagnosis, Environment, Outcome, Refusal, Time};
use futures_util::future::join_all;
use http::Uri;
use providers::apns::{Expiration, Priority, Push, PushType, Topic};
use providers::{Apns, Config, Exchange, Fcm, PushToken, Roots, apns, fcm};
use rustls::ServerConfig;
use sim::apns::KnownKey;
use sim::device::ApnsTokenKind;
use sim::pki::{ApnsKey, Ca, ServiceAccount};
use sim::{ApnsOptions, ApnsSim, Devices, FcmOptions, FcmSim};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

/// The app everybody has.
pub(crate) const APP: &str = "com.example.app";
/// Its Firebase project.
pub(crate) const PROJECT: &str = "example-1";
/// How long a test waits for what must come; it never does unless the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What takes TLS connections for a host of the tests' own: one that is to misbehave.
pub(crate) fn acceptor(ca: &Ca, protocols: &[&str]) -> TlsAcceptor {
    let identity = ca.server_identity().expect("makes a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate().clone()], identity.key())
        .expect("its own certificate");
    tls.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(tls))
}

/// A simulated APNs with one key and one device.
pub(crate) struct ApnsRig {
    pub(crate) devices: Devices,
    pub(crate) ca: Ca,
    pub(crate) key: ApnsKey,
    pub(crate) sim: ApnsSim,
    /// The device's ordinary token.
    pub(crate) token: String,
    /// Points at the simulator for both environments.
    pub(crate) config: Config,
}

impl ApnsRig {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts one after `adjust`.
    pub(crate) async fn start_with(adjust: impl FnOnce(&mut ApnsOptions)) -> Self {
        let (devices, ca) = (Devices::new(), Ca::generate("Test").expect("makes an authority"));
        let key = ApnsKey::generate().expect("makes a key");
        let mut options = ApnsOptions::new(&ca, &devices);
        options.keys = vec![KnownKey::new(&key, &[APP])];
        adjust(&mut options);
        let environment = options.environment;
        let sim = ApnsSim::start(options).await.expect("listens on loopback");
        let token = devices.register_apns(APP, environment, ApnsTokenKind::App);
        let config = config(
            &ca,
            |config, url| {
                config.apns_production = url.clone();
                config.apns_sandbox = url;
            },
            &sim.url(),
        );
        Self { devices, ca, key, sim, token, config }
    }

    /// A client with the key.
    pub(crate) fn client(&self) -> Apns {
        self.client_of(self.credential())
    }

    /// A client with another credential.
    pub(crate) fn client_of(&self, credential: apns::Credential) -> Apns {
        Apns::new(&self.config, credential, Environment::Production).expect("a good credential")
    }

    /// The key, good for any bundle id as far as the client knows.
    pub(crate) fn credential(&self) -> apns::Credential {
        let ApnsKey { key_id, team_id, .. } = &self.key;
        let details = apns::KeyDetails { key_id, team_id, ..apns::KeyDetails::default() };
        apns::Credential::parse_p8(self.key.pem().as_bytes(), &details).expect("a good key")
    }

    /// A good background push to the device.
    pub(crate) fn push(&self) -> Push {
        Push {
            device_token: PushToken::new(&*self.token),
            topic: Topic::for_push(APP, PushType::Alert).expect("a bundle id"),
            push_type: PushType::Background,
            priority: Priority::Considerate,
            expiration: Expiration::At(self.now().plus(Duration::from_secs(60))),
            collapse_id: None,
            id: Uuid::new_v4(),
            payload: Bytes::from_static(br#"{"aps":{"content-available":1},"reveille":{"v":1}}"#),
        }
    }

    /// The simulator's time.
    pub(crate) fn now(&self) -> Time {
        now(&self.devices)
    }

    /// Sends a good push.
    pub(crate) async fn send(&self, client: &Apns) -> Exchange {
        client.send(&self.push(), self.now(), || true).await
    }

    /// Sends many at once; all are polled by this task.
    pub(crate) async fn send_many(&self, client: &Apns, count: usize) -> Vec<Exchange> {
        join_all((0..count).map(|_| self.send(client))).await
    }

    /// The `apns-id`s of the pushes the service accepted, sorted.
    pub(crate) fn accepted_ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.sim.seen().into_iter().filter_map(|seen| seen.id).collect();
        ids.sort();
        ids
    }
}

/// A simulated FCM with one account and one device.
pub(crate) struct FcmRig {
    pub(crate) devices: Devices,
    pub(crate) account: ServiceAccount,
    pub(crate) sim: FcmSim,
    /// The device's token.
    pub(crate) token: String,
    /// Points at the simulator.
    pub(crate) config: Config,
}

impl FcmRig {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts one after `adjust`.
    pub(crate) async fn start_with(adjust: impl FnOnce(&mut FcmOptions)) -> Self {
        let (devices, ca) = (Devices::new(), Ca::generate("Test").expect("makes an authority"));
        let account = ServiceAccount::generate(PROJECT).expect("makes a key");
        let mut options = FcmOptions::new(&ca, &devices);
        options.accounts = vec![account.clone()];
        adjust(&mut options);
        let sim = FcmSim::start(options).await.expect("listens on loopback");
        let token = devices.register_fcm(PROJECT);
        let mut config = config(&ca, |config, url| config.fcm = url, &sim.url());
        config.oauth = Some(sim.token_url().parse().expect("a URL"));
        Self { devices, account, sim, token, config }
    }

    /// A client with the account.
    pub(crate) fn client(&self) -> Fcm {
        self.client_of(&self.account)
    }

    /// A client with another account.
    pub(crate) fn client_of(&self, account: &ServiceAccount) -> Fcm {
        let file = account.json("https://oauth2.googleapis.com/token");
        let account = fcm::ServiceAccount::parse(file.as_bytes()).expect("a good key file");
        self.client_with(&account)
    }

    /// A client with an account that was read before: it shares its access token.
    pub(crate) fn client_with(&self, account: &fcm::ServiceAccount) -> Fcm {
        Fcm::new(&self.config, account.clone()).expect("a good account")
    }

    /// A good message to the device.
    pub(crate) fn message(&self) -> fcm::Message {
        self.message_to(&self.token)
    }

    /// A good message to another device.
    pub(crate) fn message_to(&self, token: &str) -> fcm::Message {
        let priority = fcm::Priority::High;
        let content = fcm::Content {
            data: [("reveille_v".to_owned(), "1".to_owned())].into(),
            android: fcm::Android { priority, ..fcm::Android::default() },
            ..fcm::Content::default()
        };
        fcm::Message { target: fcm::Target::Token(PushToken::new(token)), content }
    }

    /// The simulator's time.
    pub(crate) fn now(&self) -> Time {
        now(&self.devices)
    }

    /// Sends a message.
    pub(crate) async fn send(&self, client: &Fcm, message: &fcm::Message) -> Exchange {
        client.send(message, self.now(), || true).await
    }

    /// How many requests for an access token and how many sends the service saw.
    pub(crate) fn token_requests_and_sends(&self) -> (usize, usize) {
        let seen = self.sim.seen();
        let tokens = seen.iter().filter(|seen| seen.path == "/token").count();
        (tokens, seen.len() - tokens)
    }
}

/// A configuration that trusts `ca` and is pointed at `url`.
pub(crate) fn config(ca: &Ca, point: impl FnOnce(&mut Config, Uri), url: &str) -> Config {
    let mut config =
        Config::new(Roots::with_extra(ca.pem().as_bytes()).expect("a PEM certificate"));
    config.reconnect_first = Duration::from_millis(1);
    config.reconnect_longest = Duration::from_millis(1);
    point(&mut config, url.parse().expect("a URL"));
    config
}

/// The time of the simulated world.
fn now(devices: &Devices) -> Time {
    Time::from_micros(devices.clock().now().as_microsecond())
}

/// The refusal in an exchange that was refused.
#[track_caller]
pub(crate) fn refusal(exchange: &Exchange) -> &Refusal {
    match &exchange.outcome {
        Outcome::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// Fails unless the push was refused with this code and reason.
#[track_caller]
pub(crate) fn check_refused(exchange: &Exchange, code: u16, reason: &str) {
    let refusal = refusal(exchange);
    assert_eq!(Some(refusal.diagnosis), Diagnosis::from_code(code), "{refusal:?}");
    assert!(refusal.reason.starts_with(reason), "{refusal:?} should be {reason}");
}

/// Fails unless every push was accepted.
#[track_caller]
pub(crate) fn check_all_accepted(exchanges: &[Exchange]) {
    for exchange in exchanges {
        assert!(exchange.outcome.is_accepted(), "{:?}", exchange.outcome);
    }
}

/// Waits for what must come.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes in time")
}
