//! The server's log: a journey that uses everything, with whatever it used looked for in the log
//! afterwards.

mod journey;

use http::Method;
use serde_json::{Value, json};
use sim::SeenPush;
use sim::world::{World, WorldOptions};

use super::{PATIENCE, SERVER};
use journey::{use_everything, world};

/// What an app that asks for its payloads has in the log.
const PUSH_TEXTS: [(&str, &str); 6] = [
    ("title of a user's message", "Alpha headline"),
    ("text of a user's message", "Bravo paragraph"),
    ("title of a back end's message", "Charlie headline"),
    ("text of a direct push", "Delta paragraph"),
    ("data of a direct push", "Echo datum"),
    ("name of a caller", "Foxtrot Dee"),
];

/// What nobody has.
const TEXTS: [(&str, &str); 9] = [
    ("body of a user's message", "Golf wording"),
    ("body of a back end's message", "Hotel wording"),
    ("thread", "thread-of-india"),
    ("offer of a call", "Juliett description"),
    ("answer to a call", "Kilo description"),
    ("signal of a call", "Lima candidate"),
    ("what was no JSON", "Mike wording"),
    ("what a webhook answered", "November wording"),
    ("user", "oscar-the-user"),
];

/// Everything that was used and is nobody else's.
type Used = Vec<(&'static str, String)>;

fn text_of(name: &str) -> &'static str {
    let all = PUSH_TEXTS.iter().chain(&TEXTS);
    all.clone().find(|(known, _)| *known == name).expect("a text of the tables").1
}

/// The whole journey, then its log with what was used in it.
async fn journey(level: &str, format: &str, payloads: bool) -> (String, Used) {
    let (world, sink) = world(level, format, payloads).await;
    let mut used = use_everything(&world, &sink).await;
    let refused = |seen: &SeenPush| seen.status == http::StatusCode::INTERNAL_SERVER_ERROR;
    sink.wait_for(refused, PATIENCE).await.expect("a refused event");
    if !payloads {
        used.extend(PUSH_TEXTS.iter().map(|(name, text)| (*name, (*text).to_owned())));
    }
    let path = "/v1/users/alice/tokens";
    world.api(Method::DELETE, path, world.app_key(), None).await.expect("taken back");
    world.stop().await.expect("it stops in good order");
    (world.server_log(), used)
}

fn look_for(used: &Used, log: &str) {
    // In a log that says nothing, nothing would be found.
    let printed = ["apns-collapse-id", "aes128gcm", "android", "apns-push-type", "DEBUG"];
    assert!(printed.iter().all(|word| log.contains(word)), "{log}");
    let mut found = Vec::new();
    for (name, secret) in used {
        assert!(secret.len() > 8, "the {name} is too short to be told from other words: {secret}");
        let line = log.lines().find(|line| line.contains(secret.as_str()));
        found.extend(line.map(|line| format!("the {name} {secret:?} in {line}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn nothing_that_a_journey_used_is_in_its_log() {
    let (log, used) = journey("debug", "text", false).await;
    look_for(&used, &log);
}

#[tokio::test]
async fn nor_is_it_in_a_log_of_json() {
    let (log, used) = journey("debug", "json", false).await;
    look_for(&used, &log);
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn an_app_that_asks_for_its_payloads_has_its_texts_in_the_log_and_nothing_else() {
    let (log, used) = journey("trace", "text", true).await;
    look_for(&used, &log);
    for (name, text) in &PUSH_TEXTS {
        assert!(log.contains(text), "the {name} was asked for");
    }
}

/// The lines of a log of JSON that tell of something wrong.
fn troubles(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    lines.filter(|line: &Value| line["level"] == "WARN" || line["level"] == "ERROR").collect()
}

#[tokio::test]
async fn what_fails_for_want_of_room_is_one_line_each() {
    let mut options = WorldOptions::new(SERVER);
    options.tuning.log_format = "json".to_owned();
    options.tuning.log_level = "debug".to_owned();
    options.tuning.more = "[store]\nmax_size_mb = 2\n".to_owned();
    let world = World::start(options).await.expect("the world starts");
    let sender = super::sender(&world).await;
    world.user_token("alice", None).await.expect("a user");
    let text = "x".repeat(30_000);
    while sender.send("alice", &text).await.is_ok() {}
    let body = json!({ "to": ["alice"], "body": text });
    let mut refused = 1;
    for _ in 0..3 {
        let answer = world.api(Method::POST, "/v1/messages", world.app_key(), Some(&body)).await;
        assert_eq!(answer.expect("an answer").0, 507);
        sender.send("alice", &text).await.expect_err("no room");
        refused += 2;
    }
    let log = world.server_log();
    let lines = troubles(&log);
    let about = |line: &&Value| line["message"] == "nothing more can be stored";
    assert_eq!(lines.iter().filter(about).count(), refused, "{log}");
    assert_eq!(lines.len(), refused, "{log}");
}
