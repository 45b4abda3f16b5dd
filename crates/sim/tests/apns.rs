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

/// One fault, in what the good push is changed to, and the answer it must get.
struct Fault {
    name: &'static str,
    method: &'static str,
    path: Option<&'static str>,
    /// Replaces or, with an empty value, removes a header.
    headers: &'static [(&'static str, &'static str)],
    /// Added to what is there.
    more: Option<(&'static str, &'static str)>,
    body: &'static [u8],
    status: u16,
    reason: &'static str,
}

const GOOD: Fault = Fault {
    name: "",
    method: "POST",
    path: None,
    headers: &[],
    more: None,
    body: ALERT,
    status: 400,
    reason: "",
};

const SIXTY_FIVE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn faults() -> Vec<Fault> {
    let header = |name, header: &'static [(&'static str, &'static str)], reason| Fault {
        name,
        headers: header,
        reason,
        ..GOOD
    };
    let body = |name, headers, body, reason| Fault { name, headers, body, reason, ..GOOD };
    let path =
        |name, path, status, reason| Fault { name, path: Some(path), status, reason, ..GOOD };
    let background = &[("apns-push-type", "background"), ("apns-priority", "5")];
    vec![
        Fault { name: "a GET", method: "GET", status: 405, reason: "MethodNotAllowed", ..GOOD },
        path("another path", "/4/device/00ff", 404, "BadPath"),
        path("a path behind the token", "/3/device/00ff/more", 404, "BadPath"),
        path("a path that only starts alike", "/3/devices/00ff", 404, "BadPath"),
        path("no token", "/3/device/", 400, "MissingDeviceToken"),
        path("a token that is not hex", "/3/device/xyz0", 400, "BadDeviceToken"),
        path("half a byte", "/3/device/00f", 400, "BadDeviceToken"),
        path("an unknown token", "/3/device/00ff", 400, "BadDeviceToken"),
        Fault {
            name: "a header twice",
            more: Some(("apns-topic", APP)),
            reason: "DuplicateHeaders",
            ..GOOD
        },
        header("no topic", &[("apns-topic", "")], "MissingTopic"),
        header("a topic the key lacks", &[("apns-topic", "com.example.other")], "TopicDisallowed"),
        header("a VoIP topic for an alert", &[("apns-topic", "com.example.app.voip")], "BadTopic"),
        header("a plain topic for VoIP", &[("apns-push-type", "voip")], "BadTopic"),
        header(
            "a VoIP push to the notification token",
            &[("apns-topic", "com.example.app.voip"), ("apns-push-type", "voip")],
            "DeviceTokenNotForTopic",
        ),
        header("an unknown push type", &[("apns-push-type", "loud")], "InvalidPushType"),
        header(
            "an upper-case id",
            &[("apns-id", "7F3C8A52-1D6E-4B90-8A11-02C5D9E4F601")],
            "BadMessageId",
        ),
        header(
            "an id without hyphens",
            &[("apns-id", "7f3c8a521d6e4b908a1102c5d9e4f601")],
            "BadMessageId",
        ),
        header("a long collapse id", &[("apns-collapse-id", SIXTY_FIVE)], "BadCollapseId"),
        header("a date as expiration", &[("apns-expiration", "tomorrow")], "BadExpirationDate"),
        header("a negative expiration", &[("apns-expiration", "-1")], "BadExpirationDate"),
        header("an unknown priority", &[("apns-priority", "7")], "BadPriority"),
        body(
            "a background push at priority 10",
            &[("apns-push-type", "background"), ("apns-priority", "10")],
            BACKGROUND,
            "BadPriority",
        ),
        body(
            "a background push at the default priority",
            &[("apns-push-type", "background")],
            BACKGROUND,
            "BadPriority",
        ),
        body(
            "a background push with text",
            background,
            br#"{"aps":{"content-available":1,"alert":"x"}}"#,
            "InvalidPushType",
        ),
        body(
            "a background push that wakes nobody",
            background,
            br#"{"aps":{}}"#,
            "InvalidPushType",
        ),
        body("an alert that shows nothing", &[], BACKGROUND, "InvalidPushType"),
        body("no payload", &[], b"", "PayloadEmpty"),
        body("a payload that is not JSON", &[], b"hello", "BadRequestPayload"),
    ]
}

#[tokio::test]
async fn every_fault_is_refused_with_its_reason() {
    let world = World::new().await;
    let client = world.connect().await;
    let authorization = format!("bearer {}", world.jwt(0));
    for fault in faults() {
        let mut headers = alert_headers(&authorization);
        for (name, value) in fault.headers {
            headers.retain(|(other, _)| other != name);
            if !value.is_empty() {
                headers.push((name, value));
            }
        }
        headers.extend(fault.more);
        let path = world.path();
        let path = fault.path.unwrap_or(&path);
        let answer = client.request(fault.method, path, &headers, fault.body).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.reason().as_str()),
            (fault.status, fault.reason),
            "{}",
            fault.name
        );
        assert_eq!(answer.headers["content-type"], "application/json", "{}", fault.name);
        assert!(answer.headers.contains_key("apns-id"), "{}", fault.name);
    }
    // The table changes one thing each: what it starts from is good.
    assert_eq!(world.push(&client).await.status, StatusCode::OK);
}

#[tokio::test]
async fn sizes_end_at_4096_and_5120_for_voip() {
    let world = World::new().await;
    let voip = world.devices.register_apns(APP, Environment::Production, ApnsTokenKind::Voip);
    let client = world.connect().await;
    let authorization = format!("bearer {}", world.jwt(0));
    let voip_topic = format!("{APP}.voip");
    for (token, topic, push_type, limit) in
        [(&world.token, APP, "alert", 4096), (&voip, voip_topic.as_str(), "voip", 5120)]
    {
        for (size, status) in [(limit, 200), (limit + 1, 413)] {
            let empty = br#"{"aps":{"alert":""}}"#.len();
            let body = format!(r#"{{"aps":{{"alert":"{}"}}}}"#, "x".repeat(size - empty));
            let headers = [
                ("authorization", authorization.as_str()),
                ("apns-topic", topic),
                ("apns-push-type", push_type),
            ];
            let answer =
                client.post(&format!("/3/device/{token}"), &headers, body.as_bytes()).await;
            assert_eq!(answer.status.as_u16(), status, "{push_type} of {size} bytes");
        }
    }
}

#[tokio::test]
async fn a_bad_provider_token_is_refused() {
    let world = World::new().await;
    let now = world.devices.clock().now().as_second();
    let header = json!({ "alg": "ES256", "kid": world.key.key_id });
    let claims = json!({ "iss": world.key.team_id, "iat": now });
    let stranger = ApnsKey::generate().unwrap();
    let good = es256(&world.key, &header, &claims);
    let invalid = "InvalidProviderToken";
    let cases = [
        ("no scheme", good.clone(), invalid),
        ("another scheme", format!("basic {good}"), invalid),
        ("no JWT", "bearer hello".to_owned(), invalid),
        ("a cut signature", format!("bearer {}", &good[..good.len() - 4]), invalid),
        ("another's signature", format!("bearer {}", es256(&stranger, &header, &claims)), invalid),
        ("an unknown key", format!("bearer {}", jwt(&stranger, now)), invalid),
        (
            "another algorithm",
            format!(
                "bearer {}",
                es256(&world.key, &json!({ "alg": "HS256", "kid": world.key.key_id }), &claims)
            ),
            invalid,
        ),
        (
            "another team",
            format!(
                "bearer {}",
                es256(&world.key, &header, &json!({ "iss": stranger.team_id, "iat": now }))
            ),
            invalid,
        ),
        (
            "iat as text",
            format!(
                "bearer {}",
                es256(
                    &world.key,
                    &header,
                    &json!({ "iss": world.key.team_id, "iat": now.to_string() })
                )
            ),
            invalid,
        ),
        ("from the future", format!("bearer {}", world.jwt(-3700)), invalid),
        ("too old", format!("bearer {}", world.jwt(3700)), "ExpiredProviderToken"),
    ];
    for (name, authorization, reason) in cases {
        let client = world.connect().await;
        let answer = client.post(&world.path(), &alert_headers(&authorization), ALERT).await;
        assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (403, reason), "{name}");
    }
    let client = world.connect().await;
    let answer = client.post(&world.path(), &alert_headers("")[1..], ALERT).await;
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (403, "MissingProviderToken"));
}

#[tokio::test]
async fn a_connection_is_bound_to_its_first_key() {
    let (second, sandbox_only, foreign) =
        (ApnsKey::generate().unwrap(), ApnsKey::generate().unwrap(), ApnsKey::generate().unwrap());
    let world = World::with(|options| {
        let mut same_team = KnownKey::new(&second, &[APP]);
        same_team.team_id.clone_from(&options.keys[0].team_id);
        let mut sandbox = KnownKey::new(&sandbox_only, &[APP]);
        sandbox.environments = KeyEnvironments::Only(Environment::Sandbox);
        options.keys.extend([same_team, sandbox, KnownKey::new(&foreign, &[APP])]);
        options.keys[0].topics = KeyTopics::Any;
    })
    .await;
    let now = world.devices.clock().now().as_second();
    let of_team = |key: &ApnsKey| {
        let header = json!({ "alg": "ES256", "kid": key.key_id });
        es256(key, &header, &json!({ "iss": world.key.team_id, "iat": now }))
    };
    let client = world.connect().await;
    assert_eq!(world.push(&client).await.status, StatusCode::OK);
    for (name, token, status, reason) in [
        ("another key of the team", of_team(&second), 403, "UnrelatedKeyIdInToken"),
        ("a key of another team", jwt(&foreign, now), 403, "InvalidProviderToken"),
        ("a key of the sandbox", jwt(&sandbox_only, now), 403, "BadEnvironmentKeyIdInToken"),
        ("a token renewed after 10 minutes", world.jwt(600), 429, "TooManyProviderTokenUpdates"),
    ] {
        let answer =
            client.post(&world.path(), &alert_headers(&format!("bearer {token}")), ALERT).await;
        assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (status, reason), "{name}");
    }
    world.devices.clock().advance(std::time::Duration::from_secs(1200));
    let renewed = format!("bearer {}", world.jwt(0));
    let answer = client.post(&world.path(), &alert_headers(&renewed), ALERT).await;
    assert_eq!(answer.status, StatusCode::OK, "a token may be renewed after 20 minutes");
}

#[tokio::test]
async fn an_expired_provider_token_spoils_its_connection() {
    let world = World::new().await;
    let client = world.connect().await;
    let first = format!("bearer {}", world.jwt(0));
    assert_eq!(
        client.post(&world.path(), &alert_headers(&first), ALERT).await.status,
        StatusCode::OK
    );
    world.devices.clock().advance(std::time::Duration::from_secs(3601));
    let answer = client.post(&world.path(), &alert_headers(&first), ALERT).await;
    assert_eq!(answer.reason(), "ExpiredProviderToken");
    // A good token does not help any more, a new connection does.
    assert_eq!(world.push(&client).await.reason(), "ExpiredProviderToken");
    assert_eq!(world.push(&world.connect().await).await.status, StatusCode::OK);
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
async fn certificates_stand_in_for_tokens() {
    let world = World::new().await;
    let connect = async |certificate: &ApnsCertificate| {
        let identity = world.ca.apns_identity(certificate).unwrap();
        Client::connect(world.sim.addr(), world.sim.ca_pem(), Some(&identity)).await
    };
    let universal = ApnsCertificate::universal(APP);
    let client = connect(&universal).await;
    let headers =
        [("apns-topic", APP), ("apns-push-type", "alert"), ("authorization", "bearer nonsense")];
    let answer = client.post(&world.path(), &headers, ALERT).await;
    assert_eq!(answer.status, StatusCode::OK, "with a certificate the header is not looked at");
    let answer = client.post(&world.path(), &headers[1..], ALERT).await;
    assert_eq!(answer.reason(), "MissingTopic", "this certificate has several topics");
    let answer = client.post(&world.path(), &[("apns-topic", "com.example.other")], ALERT).await;
    assert_eq!(answer.reason(), "BadTopic");

    let production = connect(&universal.clone().kind(ApnsCertificateKind::Production)).await;
    let answer = production.post(&world.path(), &headers[1..], ALERT).await;
    assert_eq!(answer.status, StatusCode::OK, "the only topic is the default");

    let voip = connect(&universal.clone().kind(ApnsCertificateKind::Voip)).await;
    let token = world.devices.register_apns(APP, Environment::Production, ApnsTokenKind::Voip);
    let topic = format!("{APP}.voip");
    let answer = voip.post(&format!("/3/device/{token}"), &[("apns-topic", &topic)], ALERT).await;
    assert_eq!(answer.status, StatusCode::OK);

    let development = connect(&universal.kind(ApnsCertificateKind::Development)).await;
    let answer = development.post(&world.path(), &headers, ALERT).await;
    assert_eq!(
        (answer.status.as_u16(), answer.reason().as_str()),
        (403, "BadCertificateEnvironment")
    );
}

#[tokio::test]
async fn a_certificate_of_the_other_environment_can_meet_a_goaway() {
    let world = World::with(|options| options.certificate_fault = CertificateFault::GoAway).await;
    let certificate = ApnsCertificate::universal(APP).kind(ApnsCertificateKind::Development);
    let identity = world.ca.apns_identity(&certificate).unwrap();
    let client = Client::connect(world.sim.addr(), world.sim.ca_pem(), Some(&identity)).await;
    let error =
        client.request("POST", &world.path(), &[("apns-topic", APP)], ALERT).await.unwrap_err();
    assert!(error.is_go_away() && error.is_remote(), "{error:?}");
    assert_eq!(error.reason(), Some(h2::Reason::NO_ERROR));
    assert!(format!("{error:?}").contains("BadCertificateEnvironment"), "{error:?}");
}

#[tokio::test]
async fn bad_certificates_end_in_a_tls_alert() {
    let world = World::new().await;
    let stranger = Ca::generate("another CA").unwrap();
    let certificate = ApnsCertificate::universal(APP);
    for (name, identity, alert) in [
        (
            "expired",
            world.ca.apns_identity(&certificate.clone().expired()).unwrap(),
            "CertificateExpired",
        ),
        ("of another CA", stranger.apns_identity(&certificate).unwrap(), "UnknownCA"),
    ] {
        let failures = world.sim.counts().failed_handshakes;
        // In TLS 1.3 the server looks at the certificate after the client is done, so the alert comes on the first read.
        let error = match Client::try_connect(world.sim.addr(), world.sim.ca_pem(), Some(&identity))
            .await
        {
            Err(error) => format!("{error:?}"),
            Ok(client) => format!("{:?}", client.connection.await.unwrap().unwrap_err()),
        };
        assert!(error.contains(alert), "{name}: {error}");
        world
            .sim
            .wait_counts(|counts| counts.failed_handshakes > failures, PATIENCE)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn http_1_is_refused() {
    let world = World::new().await;
    let tls = crate::client::tls(world.sim.ca_pem(), None, &[b"http/1.1"]);
    let tcp = tokio::net::TcpStream::connect(world.sim.addr()).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let error = tokio_rustls::TlsConnector::from(tls).connect(name, tcp).await.unwrap_err();
    assert!(format!("{error:?}").contains("NoApplicationProtocol"), "{error:?}");
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
