//! `reveille push apns`.

use providers::apns::PushType;
use serde_json::{Value, json};
use sim::apns::KnownKey;
use sim::device::{ApnsTokenKind, Environment};
use sim::pki::{ApnsCertificate, ApnsCertificateKind, ApnsKey};
use sim::{ApnsOptions, ApnsSim, Counts, Devices};

use super::rig::{APP, Desk, PATIENCE, Said, hash};

/// A simulated APNs with a key, a certificate and a device.
struct Apple {
    desk: Desk,
    devices: Devices,
    sim: ApnsSim,
    key: ApnsKey,
    /// The key's file, `AuthKey_….p8`.
    file: String,
    token: String,
}

impl Apple {
    async fn start() -> Self {
        let (desk, devices) = (Desk::new(), Devices::new());
        let key = ApnsKey::generate().expect("a key");
        let mut options = ApnsOptions::new(&desk.ca, &devices);
        options.keys = vec![KnownKey::new(&key, &[APP])];
        let sim = ApnsSim::start(options).await.expect("listens on loopback");
        let token = devices.register_apns(APP, Environment::Production, ApnsTokenKind::App);
        let file = key.file_name();
        desk.write(&file, key.pem());
        Self { desk, devices, sim, key, file, token }
    }

    /// Puts a certificate with its key there, behind the password `sesame`.
    async fn certificate(&self) {
        let certificate = ApnsCertificate::universal(APP);
        let identity = self.desk.ca.apns_identity(&certificate).expect("a certificate");
        let file = identity.pkcs12("sesame", &[]).await.expect("openssl is there");
        self.desk.write("universal.p12", file);
    }

    fn line<'a>(&'a self, url: &'a str, credential: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
        let way = ["push", "apns", "--url", url, "--ca", "ca.pem", "--topic", APP];
        [&way, credential, more].concat()
    }

    /// Pushes to the device with the key.
    async fn push(&self, more: &[&str]) -> Said {
        self.push_to(&self.token, more).await
    }

    /// Pushes to another one.
    async fn push_to(&self, token: &str, more: &[&str]) -> Said {
        let (url, team) = (self.sim.url(), &*self.key.team_id);
        let key = ["--key", &*self.file, "--team-id", team, "--token", token];
        self.desk.run(&self.line(&url, &key, more)).await.has_not(token)
    }

    /// Pushes to the device with the certificate.
    async fn push_by_certificate(&self, more: &[&str], variables: &[(&str, &str)]) -> Said {
        let (url, token) = (self.sim.url(), &*self.token);
        let certificate = ["--cert", "universal.p12", "--token", token, "--title", "Hello"];
        self.desk.run_with(&self.line(&url, &certificate, more), variables).await
    }
}

#[tokio::test]
async fn an_accepted_push_is_delivered_and_ends_with_0() {
    let apple = Apple::start().await;
    let mut arrived = apple.devices.deliveries(&apple.token);
    let said = apple
        .push(&["--title", "Hello", "--sound", "default", "--badge", "3", "--data", "order=17"])
        .await
        .is(0)
        .has("accepted")
        .has_not("bearer");
    let delivery = tokio::time::timeout(PATIENCE, arrived.recv()).await.expect("in time");
    let delivery = delivery.expect("delivered");
    let aps = json!({ "alert": { "title": "Hello" }, "sound": "default", "badge": 3 });
    assert_eq!(delivery.payload, json!({ "aps": aps, "order": "17" }));
    let _ = said.has(&delivery.id);
}

#[tokio::test]
async fn a_certificate_opens_with_its_password_from_a_file_or_the_environment() {
    let apple = Apple::start().await;
    apple.certificate().await;
    apple.desk.write("password", "sesame\n");
    apple.desk.write("wrong", "sesam\n");
    let variable = [("REVEILLE_PUSH_PASSWORD", "sesame")];
    for (more, variables) in [
        (&["--password-file", "password"][..], &[][..]),
        (&[], &variable),
        // What is said on the command line wins.
        (&["--password-file", "password"], &[("REVEILLE_PUSH_PASSWORD", "open")]),
    ] {
        let said = apple.push_by_certificate(more, variables).await.is(0).has("accepted");
        let _ = said.has("certificate \"Apple Push Services: com.example.app\"").has_not("sesame");
    }
    let before = apple.sim.counts();
    for (more, variables, reason) in [
        (&["--password-file", "wrong"][..], &[][..], "the password does not open the file"),
        (&["--password-file", "wrong"], &variable, "the password does not open the file"),
        (&[], &[], "the file is protected and no password was given"),
    ] {
        let said = apple.push_by_certificate(more, variables).await.is(1).has(reason);
        let _ = said.has("904").has("Give the password that was typed").has_not("sesam\n");
    }
    assert_eq!(apple.sim.counts(), before);
}

#[tokio::test]
async fn a_certificate_for_the_sandbox_alone_goes_there() {
    let apple = Apple::start().await;
    let certificate = ApnsCertificate::universal(APP).kind(ApnsCertificateKind::Development);
    let identity = apple.desk.ca.apns_identity(&certificate).expect("a certificate");
    let pem = format!("{}{}", identity.certificate_pem(), identity.key_pem());
    apple.desk.write("universal.p12", pem);
    let _ = apple.push_by_certificate(&["--dry-run"], &[]).await.is(0).has("sandbox only");
    let said = apple.push_by_certificate(&["--environment", "production"], &[]).await.is(1);
    let _ = said.has("905").has("is for the sandbox only");
    assert_eq!(apple.sim.counts(), Counts::default());
}

#[tokio::test]
async fn a_refused_token_ends_with_1_and_says_what_to_do() {
    let apple = Apple::start().await;
    let said = apple.push_to("00ff00ff", &["--title", "Hello", "--body", "Noon?"]).await.is(1);
    let (place, token) = (apple.sim.addr().to_string(), hash("00ff00ff"));
    let (key, team) = (&*apple.key.key_id, &*apple.key.team_id);
    let replaced = [(&*place, "PLACE"), (&token, "TOKEN"), (key, "KEY"), (team, "TEAM")];
    let labels = ["apns-id: ", "apns-expiration: ", "after "];
    said.is_golden("push_command/apns_refused.txt", &replaced, &labels);
    let said = apple.push_to("00ff00ff", &["--title", "Hello", "--json"]).await.is(1).json();
    assert_eq!(said["outcome"], "refused");
    assert_eq!((&said["code"], &said["diagnosis"]), (&json!(911), &json!("bad push token")));
    assert_eq!(
        (&said["reason"], &said["answer"]["status"]),
        (&json!("BadDeviceToken"), &json!(400))
    );
    assert!(said["remedy"].is_string(), "{said}");
}

#[tokio::test]
async fn a_dry_run_shows_the_push_and_sends_nothing() {
    let apple = Apple::start().await;
    let said = apple.push(&["--title", "Hello", "--dry-run"]).await.is(0);
    let (place, token) = (apple.sim.addr().to_string(), hash(&apple.token));
    let (key, team) = (&*apple.key.key_id, &*apple.key.team_id);
    let replaced = [(&*place, "PLACE"), (&token, "TOKEN"), (key, "KEY"), (team, "TEAM")];
    let labels = ["apns-id: ", "apns-expiration: "];
    said.is_golden("push_command/apns_dry_run.txt", &replaced, &labels);
    // What would be refused is refused without a connection too.
    let said = apple.push(&["--dry-run"]).await.is(1).has("913 bad payload");
    let _ = said.has("aps has no alert, sound or badge");
    assert_eq!(apple.sim.counts(), Counts::default());
}

#[tokio::test]
async fn every_type_of_push_goes_to_its_own_topic() {
    let apple = Apple::start().await;
    apple.certificate().await;
    let activity = r#"{"aps":{"event":"end","timestamp":1}}"#;
    for kind in PushType::ALL {
        let name = kind.as_str();
        let more: &[&str] = match kind {
            PushType::Alert => &["--title", "Hello"],
            PushType::LiveActivity => &["--payload", activity],
            PushType::Background
            | PushType::Complication
            | PushType::Controls
            | PushType::FileProvider
            | PushType::Location
            | PushType::Mdm
            | PushType::PushToTalk
            | PushType::Voip
            | PushType::Widgets => &[],
        };
        let more = [more, &["--type", name, "--dry-run", "--json"]].concat();
        let said = apple.push(&more).await;
        let (code, shown) = (said.code, said.json());
        if kind == PushType::Mdm {
            // A key does not manage devices.
            assert_eq!((code, &shown["code"]), (1, &json!(912)), "{shown}");
            continue;
        }
        assert_eq!((code, &shown["outcome"]), (0, &json!("not_sent")), "{name} {shown}");
        let headers = &shown["request"]["headers"];
        let topic = format!("{APP}{}", kind.topic_suffix());
        let priority = kind.priorities()[0].as_str();
        assert_eq!(headers["apns-push-type"], name);
        assert_eq!(headers["apns-topic"], topic.as_str(), "{name}");
        assert_eq!(headers["apns-priority"], priority, "{name}");
    }
}

#[tokio::test]
async fn headers_and_payload_are_as_they_were_said() {
    let apple = Apple::start().await;
    let payload = apple.desk.write("payload.json", r#"{"aps":{"badge":1},"a":[1]}"#);
    let payload = payload.to_str().expect("UTF-8");
    let check = async |more: &[&str], header: &str, expected: Value, body: &str| {
        let said = apple.push(&[more, &["--dry-run", "--json"]].concat()).await.is(0).json();
        assert_eq!(said["request"]["headers"][header], expected, "{more:?}");
        assert_eq!(said["request"]["body"], body, "{more:?}");
    };
    let badge = r#"{"aps":{"badge":1}}"#;
    check(&["--badge", "1", "--ttl", "0"], "apns-expiration", json!("0"), badge).await;
    check(&["--badge", "1", "--priority", "1"], "apns-priority", json!("1"), badge).await;
    check(&["--badge", "1", "--collapse-id", "c"], "apns-collapse-id", json!("c"), badge).await;
    let grouped = r#"{"aps":{"alert":{"body":"b"},"thread-id":"t","category":"c"}}"#;
    let more = ["--body", "b", "--thread", "t", "--category", "c"];
    check(&more, "apns-priority", json!("10"), grouped).await;
    let woken = r#"{"aps":{"content-available":1},"n":"1"}"#;
    let more = ["--type", "background", "--data", "n=1"];
    check(&more, "apns-priority", json!("5"), woken).await;
    let file = r#"{"aps":{"badge":1},"a":[1]}"#;
    check(&["--payload", payload], "apns-push-type", json!("alert"), file).await;
    check(&["--payload", badge], "apns-push-type", json!("alert"), badge).await;
}

#[tokio::test]
async fn a_wrong_file_is_named_for_what_it_is() {
    let apple = Apple::start().await;
    apple.certificate().await;
    apple.desk.write("key.p8", apple.key.pem());
    apple.desk.write("account.json", r#"{"type":"service_account"}"#);
    let to = ["--token", &*apple.token, "--title", "Hello"];
    let url = apple.sim.url();
    let push = async |credential: &[&str]| apple.desk.run(&apple.line(&url, credential, &to)).await;
    let said = push(&["--cert", "key.p8"]).await.is(1).has("a private key in PKCS#8 form (.p8)");
    let _ = said.has("904").has("upload it as a .p8 key with key id and team id");
    let key = ["--key", "universal.p12", "--team-id", &apple.key.team_id];
    let said = push(&key).await.is(1).has("a PKCS#12 file (.p12)");
    let _ = said.has("904").has("upload it as a .p12 certificate");
    let said = push(&["--cert", "account.json"]).await.is(1).has("a Google service account key");
    let _ = said.has("This belongs to FCM");
    // A key under another name wants to be told its id.
    let key = ["--key", "key.p8", "--team-id", &apple.key.team_id];
    let _ = push(&key).await.is(2).has("--key-id");
    let key = [&key[..], &["--key-id", &apple.key.key_id]].concat();
    let _ = push(&key).await.is(0).has("accepted");
}

#[tokio::test]
async fn an_answer_that_is_lost_is_unknown_and_ends_with_1() {
    let apple = Apple::start().await;
    // Sent once more by itself, so that both are lost.
    apple.sim.trouble().close_after_processing(2);
    let said = apple.push(&["--title", "Hello"]).await.is(1).has("unknown");
    let _ = said.has("it may have been taken or not").has("Look at the device");
}

#[tokio::test]
async fn a_place_that_is_not_there_and_a_proxy_are_named() {
    let apple = Apple::start().await;
    let said = apple.push(&["--title", "Hello", "--proxy", "http://127.0.0.1:9"]).await.is(1);
    let _ = said.has("902").has("proxy");
    assert_eq!(apple.sim.counts(), Counts::default());
    let (url, token) = (apple.sim.url(), &*apple.token);
    let key = ["--key", &*apple.file, "--team-id", &apple.key.team_id, "--token", token];
    // Without the authority's certificate nobody is believed.
    let line = ["push", "apns", "--url", &url, "--topic", APP, "--title", "Hello"];
    let _ = apple.desk.run(&[&line, &key[..]].concat()).await.is(1).has("902").has("none");
}
