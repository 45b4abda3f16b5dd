//! `reveille sim` as somebody runs it who tests a client of their own.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use bytes::Bytes;
use domain::{Environment, Outcome, Time};
use http::Uri;
use providers::apns::{Credential, Expiration, KeyDetails, Priority, Push, PushType, Topic};
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
            .arg("--control-port=0")
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
        let address = self.text("/control").trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.expect("the endpoint listens");
        let body = order.to_string();
        let request = format!(
            "POST /trouble HTTP/1.1\r\nhost: {address}\r\ncontent-type: {kind}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        let reading = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
        reading.expect("an answer in time").expect("it answers");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.expect("a status")
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
async fn trouble_is_ordered_by_flag_and_by_request() {
    let refusal = r#"{"kind":"answer","status":400,"reason":"BadCollapseId"}"#;
    let flag = format!(r#"--trouble={{"service":"apns","trouble":{refusal}}}"#);
    let mut sim = Sim::start(&[&flag]).await;
    let client = sim.client();
    let outcome = sim.push(&client).await;
    assert!(format!("{outcome:?}").contains("BadCollapseId"), "{outcome:?}");
    let line = sim.line().await;
    assert_eq!(line["status"], 400);
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
