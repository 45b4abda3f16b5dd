//! `reveille push fcm`.

use serde_json::{Value, json};
use sim::pki::ServiceAccount;
use sim::{Counts, Devices, FcmOptions, FcmSim};

use super::rig::{Desk, PATIENCE, PROJECT, Said, hash};

/// A simulated FCM with an account and a device.
struct Google {
    desk: Desk,
    devices: Devices,
    sim: FcmSim,
    token: String,
}

impl Google {
    async fn start() -> Self {
        let (desk, devices) = (Desk::new(), Devices::new());
        let account = ServiceAccount::generate(PROJECT).expect("a key");
        let mut options = FcmOptions::new(&desk.ca, &devices);
        options.accounts = vec![account.clone()];
        let sim = FcmSim::start(options).await.expect("listens on loopback");
        desk.write("account.json", account.json("https://oauth2.googleapis.com/token"));
        let token = devices.register_fcm(PROJECT);
        Self { desk, devices, sim, token }
    }

    /// Pushes with a file.
    async fn push_with(&self, file: &str, more: &[&str]) -> Said {
        let (url, oauth) = (self.sim.url(), self.sim.token_url());
        let way = ["push", "fcm", "--url", &url, "--oauth-url", &oauth, "--ca", "ca.pem"];
        self.desk.run(&[&way, &["--service-account", file][..], more].concat()).await
    }

    /// Pushes to the device.
    async fn push(&self, more: &[&str]) -> Said {
        let to = ["--token", &*self.token];
        self.push_with("account.json", &[&to, more].concat()).await.has_not(&self.token)
    }
}

#[tokio::test]
async fn an_accepted_message_is_delivered_and_ends_with_0() {
    let google = Google::start().await;
    let mut arrived = google.devices.deliveries(&google.token);
    let texts = ["--title", "Hello", "--body", "Noon?", "--data", "order=17"];
    let how = ["--priority", "normal", "--ttl", "60", "--collapse-key", "c"];
    let said = google.push(&[&texts[..], &how].concat()).await.is(0).has("accepted");
    let delivery = tokio::time::timeout(PATIENCE, arrived.recv()).await.expect("in time");
    let delivery = delivery.expect("delivered");
    assert_eq!(delivery.payload["data"], json!({ "order": "17" }));
    assert_eq!(delivery.payload["notification"], json!({ "title": "Hello", "body": "Noon?" }));
    let said = said.has(&delivery.id).has(&hash(&google.token)).has("\"ttl\": \"60s\"");
    let _ = said.has_not("ya29").has_not("BEGIN PRIVATE KEY");
    let said = google.push(&["--data", "order=17", "--json"]).await.is(0);
    let (place, token) = (google.sim.addr().to_string(), hash(&google.token));
    let replaced = [(&*place, "PLACE"), (&*token, "TOKEN")];
    let labels = ["messages/", "\"took_ms\":", "service account "];
    said.is_golden("push_command/fcm_accepted.json", &replaced, &labels);
}

#[tokio::test]
async fn a_refused_token_ends_with_1_and_says_what_to_do() {
    let google = Google::start().await;
    google.devices.unregister(&google.token);
    let said = google.push(&["--title", "Hello"]).await.is(1).has("911 bad push token");
    let _ = said.has("UNREGISTERED").has("remedy").has("HTTP 404");
}

#[tokio::test]
async fn a_dry_run_sends_nothing_and_asks_for_no_access_token() {
    let google = Google::start().await;
    let said = google.push(&["--title", "Hello", "--dry-run", "--json"]).await.is(0).json();
    assert_eq!(said["outcome"], "not_sent");
    let body: Value =
        serde_json::from_str(said["request"]["body"].as_str().expect("a text")).expect("JSON");
    assert_eq!(body["message"]["token"], hash(&google.token));
    let _ = google.push(&["--data", "from=me", "--dry-run"]).await.is(1).has("913");
    assert_eq!(google.sim.counts(), Counts::default());
}

#[tokio::test]
async fn topics_conditions_and_messages_to_nobody_are_taken() {
    let google = Google::start().await;
    for more in [
        &["--topic", "news"][..],
        &["--condition", "'a' in topics"],
        &["--token", &google.token, "--validate-only"],
    ] {
        let more = [more, &["--title", "Hello"]].concat();
        let _ = google.push_with("account.json", &more).await.is(0).has("accepted");
    }
}

#[tokio::test]
async fn a_file_does_not_choose_where_its_assertion_goes() {
    let google = Google::start().await;
    let account = ServiceAccount::generate(PROJECT).expect("a key");
    google.desk.write("account.json", account.json(&google.sim.token_url()));
    let line = ["push", "fcm", "--service-account", "account.json", "--ca", "ca.pem"];
    let line = [&line[..], &["--topic", "news", "--title", "Hello"]].concat();
    let _ = google.desk.run(&line).await.is(2).has("--oauth-url").has("is not Google's");
    assert_eq!(google.sim.counts(), Counts::default());
}

#[tokio::test]
async fn a_wrong_file_is_named_for_what_it_is() {
    let google = Google::start().await;
    google.desk.write("google-services.json", r#"{"project_info":{},"client":[]}"#);
    let more = ["--token", "a", "--title", "Hello"];
    let said = google.push_with("google-services.json", &more).await.is(1);
    let said = said.has("904").has("an Android app's google-services.json");
    let _ = said.has("belongs into the app");
    let said = google.push_with("google-services.json", &[&more[..], &["--json"]].concat()).await;
    let shown = said.json();
    assert_eq!((said.code, &shown["outcome"], &shown["code"]), (1, &json!("refused"), &json!(904)));
    assert_eq!(google.sim.counts(), Counts::default());
}
