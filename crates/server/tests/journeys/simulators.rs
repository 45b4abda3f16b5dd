//! `reveille sim` as somebody runs it who tests a client of their own.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use bytes::Bytes;
use domain::{Environment, Outcome, Time};
use http::Uri;
use providers::apns::{Credential, Expiration, KeyDetails, Priority, Push, PushType, Topic};
use providers::webpush::VapidKey;
use providers::{Apns, Config, PushToken, Roots};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

use super::{PATIENCE, SERVER};

/// The running program, its log read line by line.
struct Sim {
    child: Child,
    log: Lines<BufReader<ChildStdout>>,
    started: Value,
}

impl Sim {
    /// Starts it on free ports, with further arguments.
    async fn start(more: &[&str]) -> Self {
        let mut child = Command::new(SERVER)
            .args(["sim", "--apns-port=0", "--apns-sandbox-port=0", "--fcm-port=0"])
            .args(["--webpush-port=0", "--control-port=0"])
            .args(more)
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the program runs");
        let stdout = child.stdout.take().expect("its output is piped");
        let log = BufReader::new(stdout).lines();
        let mut sim = Self { child, log, started: Value::Null };
        sim.started = sim.line().await;
        assert_eq!(sim.started["event"], "started");
        sim
    }

    async fn line(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.log.next_line()).await;
        let line = line.expect("a line in time").expect("a readable log").expect("one more line");
        serde_json::from_str(&line).expect("a line of JSON")
    }

    fn text(&self, pointer: &str) -> &str {
        self.started.pointer(pointer).and_then(Value::as_str).expect("a text at that place")
    }

    /// A client as somebody sets it up from the first line of the log.
    fn client(&self) -> Apns {
        let ca = std::fs::read(self.text("/files/ca")).expect("the CA's file");
        let key = std::fs::read(self.text("/files/apns_key")).expect("the key's file");
        let (key_id, team_id) = (self.text("/files/apns_key_id"), self.text("/files/apns_team_id"));
        let details = KeyDetails { key_id, team_id, ..KeyDetails::default() };
        let credential = Credential::parse_p8(&key, &details).expect("a good key");
        let mut config = Config::new(Roots::with_extra(&ca).expect("a certificate"));
        config.apns_production = self.text("/apns").parse::<Uri>().expect("an address");
        Apns::new(&config, credential, Environment::Production).expect("a client")
    }

    async fn push(&self, client: &Apns) -> Outcome {
        let push = Push {
            device_token: PushToken::new(self.text("/tokens/apns")),
            topic: Topic::for_push("com.example.app", PushType::Background).expect("a bundle id"),
            push_type: PushType::Background,
            priority: Priority::Considerate,
            expiration: Expiration::Once,
            collapse_id: None,
            id: uuid::Uuid::new_v4(),
            payload: Bytes::from_static(br#"{"aps":{"content-available":1}}"#),
        };
        let now = Time::from_micros(jiff::Timestamp::now().as_microsecond());
        let sent = tokio::time::timeout(PATIENCE, client.send(&push, now, || true)).await;
        sent.expect("an answer in time").outcome
    }

    /// `POST /trouble`; gives the status.
    async fn order(&self, kind: &str, order: &Value) -> u16 {
        self.ask("POST /trouble", kind, &order.to_string()).await.0
    }

    /// One request to the control endpoint; gives status and body.
    async fn ask(&self, what: &str, kind: &str, body: &str) -> (u16, Value) {
        let address = self.text("/control").trim_start_matches("http://");
        self.ask_as(address, what, kind, body).await
    }

    /// The same, naming this host.
    async fn ask_as(&self, host: &str, what: &str, kind: &str, body: &str) -> (u16, Value) {
        let address = self.text("/control").trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.expect("the endpoint listens");
        let request = format!(
            "{what} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        let reading = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
        reading.expect("an answer in time").expect("it answers");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let (_, body) = answer.split_once("\r\n\r\n").expect("the end of the head");
        (status.expect("a status"), serde_json::from_str(body).unwrap_or_default())
    }

    /// `reveille push` with the files of the folder; gives whether it succeeded and what it said.
    async fn reveille_push(&self, arguments: &[&str], input: &str) -> (bool, Value) {
        let mut child = Command::new(SERVER)
            .arg("push")
            .args(arguments)
            .args(["--ca", self.text("/files/ca"), "--title", "Hello", "--json"])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program runs");
        let mut stdin = child.stdin.take().expect("its input is piped");
        // One that does not read its input may have ended already.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.expect("it ends in time").expect("it is a child");
        let said = serde_json::from_slice(&output.stdout).expect("a line of JSON");
        (output.status.success(), said)
    }

    /// Ctrl-C.
    async fn interrupt(mut self) -> ExitStatus {
        let id = self.child.id().expect("it still runs").to_string();
        let kill = Command::new("kill").args(["-INT", &id]).status().await;
        assert!(kill.expect("kill runs").success());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it ends in time").expect("it is a child")
    }
}

#[tokio::test]
async fn a_push_is_a_line_of_json_without_a_secret() {
    let mut sim = Sim::start(&[]).await;
    let outcome = sim.push(&sim.client()).await;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    let line = sim.line().await;
    for (field, expected) in [
        ("/event", json!("request")),
        ("/service", json!("apns")),
        ("/method", json!("POST")),
        ("/authority", json!(sim.text("/apns").trim_start_matches("https://"))),
        ("/headers/apns-topic", json!("com.example.app")),
        ("/headers/authorization", json!("(hidden)")),
        ("/push_type", json!("background")),
        ("/status", json!(200)),
        ("/reason", Value::Null),
        ("/why", Value::Null),
        ("/fate", json!("delivered")),
    ] {
        assert_eq!(line.pointer(field), Some(&expected), "{field} in {line}");
    }
    let hash = line["token_hash"].as_str().expect("a hash");
    assert_eq!(line["path"], format!("/3/device/{hash}"));
    let token = sim.text("/tokens/apns");
    assert!(!line.to_string().contains(token), "the device token is in {line}");

    let folder = sim.text("/files/ca").to_owned();
    assert!(sim.interrupt().await.success(), "Ctrl-C is a good end");
    assert!(!Path::new(&folder).exists(), "the temporary folder is gone");
}

#[tokio::test]
async fn reveille_push_reaches_every_service_with_the_files_of_the_folder() {
    let mut sim = Sim::start(&[]).await;
    let (team, key_id) = (sim.text("/files/apns_team_id"), sim.text("/files/apns_key_id"));
    let apns = ["apns", "--key", sim.text("/files/apns_key"), "--key-id", key_id];
    let topic = ["--team-id", team, "--topic", "com.example.app"];
    let fcm = ["fcm", "--service-account", sim.text("/files/service_account")];
    let oauth = ["--oauth-url", sim.text("/fcm_token_url")];
    let webpush = ["webpush", "--vapid", sim.text("/files/vapid_key")];
    let to =
        ["--subject", "mailto:a@example.org", "--subscription", sim.text("/files/subscription")];
    for (service, arguments) in [
        ("apns", [&apns[..], &topic, &["--token", sim.text("/tokens/apns")]].concat()),
        ("fcm", [&fcm[..], &oauth, &["--token", sim.text("/tokens/fcm")]].concat()),
        ("webpush", [&webpush[..], &to].concat()),
    ] {
        let url = ["--url", sim.text(&format!("/{service}"))];
        let (good, said) = sim.reveille_push(&[&arguments[..], &url].concat(), "").await;
        assert!(good && said["outcome"] == "accepted", "{service}: {said}");
    }
    let mut delivered = Vec::new();
    while delivered.len() < 3 {
        let line = sim.line().await;
        if line["fate"] == "delivered" {
            delivered.push(line["service"].clone());
        }
    }
    assert_eq!(delivered, ["apns", "fcm", "webpush"]);
    assert!(sim.interrupt().await.success());
}

#[tokio::test]
async fn a_message_to_a_browser_that_subscribed_by_hand_can_be_read_back() {
    const JSON: &str = "application/json";
    let mut sim = Sim::start(&[]).await;
    let wish = json!({ "applicationServerKey": sim.text("/files/vapid_public_key") }).to_string();
    for (what, kind, body, expected) in [
        ("POST /subscribe", "text/plain", "{}", 415),
        ("POST /subscribe", JSON, r#"{"applicationServerKey":"BA"}"#, 400),
        ("GET /subscribe", JSON, "", 405),
        ("DELETE /messages", JSON, "", 405),
    ] {
        let (status, said) = sim.ask(what, kind, body).await;
        assert!(status == expected && said["error"].is_string(), "{what}: {status} {said}");
    }
    let (status, subscription) = sim.ask("POST /subscribe", JSON, &wish).await;
    assert_eq!(status, 201, "{subscription}");

    let (vapid, url) = (sim.text("/files/vapid_key").to_owned(), sim.text("/webpush").to_owned());
    let to = ["--subject", "mailto:a@example.org", "--subscription", "-"];
    let how = ["--url", &*url, "--data", "order=17", "--topic", "orders"];
    let arguments = [&["webpush", "--vapid", &*vapid][..], &to, &how].concat();
    let (good, said) = sim.reveille_push(&arguments, &subscription.to_string()).await;
    assert!(good, "{said}");
    let line = sim.line().await;
    for (field, expected) in [
        ("/service", json!("webpush")),
        ("/authority", json!(url.trim_start_matches("https://"))),
        ("/headers/authorization", json!("(hidden)")),
        ("/headers/topic", json!("orders")),
        ("/headers/ttl", json!("3600")),
        ("/headers/urgency", json!("high")),
        ("/push_type", Value::Null),
        ("/status", json!(201)),
        ("/fate", json!("delivered")),
    ] {
        assert_eq!(line.pointer(field), Some(&expected), "{field} in {line}");
    }
    let hash = line["token_hash"].as_str().expect("a hash");
    assert_eq!(line["path"], format!("/push/{hash}"));

    let (status, messages) = sim.ask("GET /messages", JSON, "").await;
    assert_eq!(status, 200);
    let expected = json!([{
        "time": line["time"],
        "id": line["id"],
        "token_hash": hash,
        "payload": { "notification": { "title": "Hello" }, "data": { "order": "17" } },
    }]);
    assert_eq!(messages, expected);

    let endpoint = subscription["endpoint"].as_str().expect("an endpoint");
    let private = std::fs::read_to_string(&vapid).expect("the key's file");
    let kept = [&subscription["keys"]["auth"], &subscription["keys"]["p256dh"]];
    let secret_path = endpoint.rsplit('/').next().expect("a path");
    for secret in kept.into_iter().filter_map(Value::as_str).chain([secret_path, &*private]) {
        assert!(secret.len() > 20 && !line.to_string().contains(secret), "{secret} in {line}");
        assert!(!sim.started.to_string().contains(secret), "{secret} in the first line");
    }

    // Of somebody else's key.
    let theirs = VapidKey::generate().expect("a key").public_key().to_owned();
    let wish = json!({ "applicationServerKey": theirs }).to_string();
    let (_, another) = sim.ask("POST /subscribe", JSON, &wish).await;
    let (good, said) = sim.reveille_push(&arguments, &another.to_string()).await;
    assert!(!good && said["answer"]["status"] == 403, "{said}");
    let line = sim.line().await;
    assert!(line["fate"] == "refused" && line["why"].is_string(), "{line}");

    // Gone, on order.
    let order = json!({
        "service": "webpush",
        "path": endpoint.trim_start_matches(&url),
        "trouble": { "kind": "answer", "status": 410, "reason": "unsubscribed" },
    });
    assert_eq!(sim.order(JSON, &order).await, 204);
    let (good, said) = sim.reveille_push(&arguments, &subscription.to_string()).await;
    assert!(!good && said["code"] == 911, "{said}");
    let line = sim.line().await;
    assert!(line["status"] == 410 && !line.to_string().contains(secret_path), "{line}");
    let (_, messages) = sim.ask("GET /messages", JSON, "").await;
    assert_eq!(messages, expected, "what was refused is no message");
    assert!(sim.interrupt().await.success());
}

#[tokio::test]
async fn trouble_is_ordered_by_flag_and_by_request() {
    let refusal = r#"{"kind":"answer","status":400,"reason":"BadCollapseId"}"#;
    let flag = format!(r#"--trouble={{"service":"apns","trouble":{refusal}}}"#);
    let mut sim = Sim::start(&[&flag]).await;
    let client = sim.client();
    let outcome = sim.push(&client).await;
    assert!(format!("{outcome:?}").contains("BadCollapseId"), "{outcome:?}");
    let line = sim.line().await;
    assert_eq!((&line["status"], &line["why"]), (&json!(400), &json!("answered by script")));
    assert!(!line.to_string().contains(sim.text("/tokens/apns")), "{line}");

    let order = json!({
        "service": "apns",
        "trouble": { "kind": "answer", "status": 400, "reason": "PayloadEmpty" },
    });
    assert_eq!(sim.order("text/plain", &order).await, 415, "a web page could send that");
    assert_eq!(sim.order("application/json", &json!({ "service": "apns" })).await, 400);
    assert_eq!(sim.order("application/json", &order).await, 204);
    let outcome = sim.push(&client).await;
    assert!(format!("{outcome:?}").contains("PayloadEmpty"), "{outcome:?}");
    assert!(matches!(sim.push(&client).await, Outcome::Accepted { .. }));
    assert!(sim.interrupt().await.success());
}

#[tokio::test]
async fn an_app_subscribes_to_a_topic_by_hand() {
    const JSON: &str = "application/json";
    let mut sim = Sim::start(&[]).await;
    let account = sim.text("/files/service_account").to_owned();
    let (oauth, url) = (sim.text("/fcm_token_url").to_owned(), sim.text("/fcm").to_owned());
    let topic = ["fcm", "--service-account", &account, "--oauth-url", &oauth, "--url", &url];
    let topic = [&topic[..], &["--topic", "news"]].concat();
    for (step, what, body, status, fate) in [
        ("nobody is there", "", "", 0, "discarded"),
        ("the app subscribes", "POST /topics", r#"{"topic":"news"}"#, 204, "delivered"),
        ("a name that is none", "POST /topics", r#"{"topic":"/topics/news"}"#, 400, "delivered"),
        ("nobody's token", "POST /topics", r#"{"topic":"news","token":"x"}"#, 400, "delivered"),
        ("no such request", "PUT /topics", r#"{"topic":"news"}"#, 405, "delivered"),
        ("the app leaves", "DELETE /topics", r#"{"topic":"news"}"#, 204, "discarded"),
        ("it has left already", "DELETE /topics", r#"{"topic":"news"}"#, 400, "discarded"),
    ] {
        if !what.is_empty() {
            let (answered, said) = sim.ask(what, JSON, body).await;
            assert_eq!(answered, status, "{step}: {said}");
            assert_eq!(said["error"].is_string(), status >= 400, "{step}: {said}");
        }
        let (good, said) = sim.reveille_push(&topic, "").await;
        assert!(good, "{step}: {said}");
        let line = loop {
            let line = sim.line().await;
            if line["path"] != "/token" {
                break line;
            }
        };
        assert_eq!(line["fate"], fate, "{step}: {line}");
    }
    assert!(sim.interrupt().await.success());
}

#[tokio::test]
async fn a_device_goes_away_and_dies_by_hand() {
    const JSON: &str = "application/json";
    let mut sim = Sim::start(&[]).await;
    let client = sim.client();
    let change = |token: &str, state: &str| json!({ "token": token, "state": state }).to_string();
    let token = sim.text("/tokens/apns").to_owned();
    for (token, state, complaint) in [
        ("nobody", "offline", "`token`"),
        (&*token, "lost", "unknown variant"),
        (&*token, "", "unknown variant"),
    ] {
        let (status, said) = sim.ask("POST /devices", JSON, &change(token, state)).await;
        let error = said["error"].as_str().unwrap_or_default();
        assert!(status == 400 && error.contains(complaint), "{state}: {status} {said}");
    }
    for (state, fate, answer) in [
        ("online", "delivered", "Accepted"),
        // The push is now or never.
        ("offline", "discarded", "Accepted"),
        ("dozing", "discarded", "Accepted"),
        ("online", "delivered", "Accepted"),
        ("unregistered", "refused", "Unregistered"),
    ] {
        let (status, said) = sim.ask("POST /devices", JSON, &change(&token, state)).await;
        assert_eq!(status, 204, "{said}");
        let outcome = format!("{:?}", sim.push(&client).await);
        assert!(outcome.contains(answer), "{state}: {outcome}");
        assert_eq!(sim.line().await["fate"], fate, "{state}");
    }
    let subscription = std::fs::read(sim.text("/files/subscription")).expect("its file");
    let subscription: Value = serde_json::from_slice(&subscription).expect("JSON");
    let endpoint = subscription["endpoint"].as_str().expect("an endpoint");
    assert_eq!(sim.ask("POST /devices", JSON, &change(endpoint, "expired")).await.0, 204);
    let vapid = ["webpush", "--vapid", sim.text("/files/vapid_key"), "--url", sim.text("/webpush")];
    let to =
        ["--subject", "mailto:a@example.org", "--subscription", sim.text("/files/subscription")];
    let (good, said) = sim.reveille_push(&[&vapid[..], &to].concat(), "").await;
    assert!(!good && said["answer"]["status"] == 404, "{said}");
    assert!(sim.interrupt().await.success());
}

#[tokio::test]
async fn what_apple_has_without_figures_is_set_by_flag_or_order() {
    const JSON: &str = "application/json";
    let flags = ["--apns-max-errors=1", "--apns-device-rate=2", "--fcm-details=fcm-error-last"];
    let mut sim = Sim::start(&flags).await;
    let client = sim.client();
    for answer in ["Accepted", "Accepted", "TooManyRequests"] {
        let outcome = format!("{:?}", sim.push(&client).await);
        assert!(outcome.contains(answer), "{outcome}");
        sim.line().await;
    }
    // A second error is one too many.
    let outcome = format!("{:?}", sim.push(&client).await);
    assert!(outcome.contains("TooManyRequests"), "{outcome}");
    assert_eq!(sim.line().await["status"], 429);
    assert_eq!(sim.line().await["event"], "goaway");

    let fcm = ["fcm", "--service-account", sim.text("/files/service_account")];
    let at = ["--oauth-url", sim.text("/fcm_token_url"), "--url", sim.text("/fcm")];
    let (_, said) = sim.reveille_push(&[&fcm[..], &at, &["--token", "hello"]].concat(), "").await;
    let body = said["answer"]["body"].to_string();
    let place = |kind: &str| body.find(kind).unwrap_or_else(|| panic!("no {kind} in {said}"));
    assert!(place("BadRequest") < place("FcmError"), "{said}");
    assert_eq!(sim.line().await["path"], "/token");
    sim.line().await;

    let churn = json!({ "service": "apns", "trouble": { "kind": "churn", "connections": 0 } });
    assert_eq!(sim.order(JSON, &churn).await, 204);
    let outcome = format!("{:?}", sim.push(&sim.client()).await);
    assert!(!outcome.contains("Accepted"), "{outcome}");
    let line = sim.line().await;
    assert_eq!(line["why"], "too many connections", "{line}");
    assert!(sim.interrupt().await.success());
}

#[tokio::test]
async fn a_web_page_whose_name_leads_here_is_refused() {
    const JSON: &str = "application/json";
    let mut sim = Sim::start(&[]).await;
    let client = sim.client();
    let port = sim.text("/control").rsplit(':').next().expect("a port").to_owned();
    let rebound = format!("rebound.example:{port}");
    let order = json!({
        "service": "apns",
        "trouble": { "kind": "answer", "status": 400, "reason": "PayloadEmpty" },
    })
    .to_string();
    for (what, body) in [
        ("GET /", ""),
        ("GET /messages", ""),
        ("POST /subscribe", "{}"),
        ("POST /trouble", &order),
        ("GET /nothing", ""),
    ] {
        let (status, said) = sim.ask_as(&rebound, what, JSON, body).await;
        let error = said["error"].as_str().unwrap_or_default();
        assert!(status == 421 && error.contains("`host`"), "{what}: {status} {said}");
        assert!(!said.to_string().contains("tokens"), "{said}");
    }
    assert!(matches!(sim.push(&client).await, Outcome::Accepted { .. }), "nothing was ordered");
    assert_eq!(sim.line().await["status"], 200);
    let local = format!("localhost:{port}");
    assert_eq!(sim.ask_as(&local, "POST /trouble", JSON, &order).await.0, 204);
    assert!(sim.interrupt().await.success());
}

#[tokio::test]
async fn what_it_cannot_start_with_is_said_in_words() {
    for (argument, complaint) in [
        ("--listen=0.0.0.0", "--listen 0.0.0.0"),
        ("--trouble={}", "missing field"),
        ("--app-id=a b", "--app-id"),
        ("--log=/", "could not open the log"),
    ] {
        let sim = Command::new(SERVER)
            .args(["sim", "--control-port=0", argument])
            .env_clear()
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, sim).await;
        let output = output.expect("it gives up in time").expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(complaint), "{argument}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}
