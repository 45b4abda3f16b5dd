//! Why a push does not arrive, asked of a server whose pushes go to a simulator of Apple's.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use sim::device::{ApnsTokenKind, Environment};

use super::rig::{Server, Session, text};
use super::stage::{BUNDLE, Stage};

impl Stage {
    async fn explain(&self, query: &str) -> Value {
        self.server.call(Method::GET, &format!("/v1/explain?{query}"), None).await.is(200)
    }
}

/// The rules that an explanation found at its only device.
fn rules(explanation: &Value) -> Vec<&str> {
    let devices = explanation["devices"].as_array().expect("devices");
    assert_eq!(devices.len(), 1, "{explanation}");
    let findings = devices[0]["findings"].as_array().expect("findings");
    findings.iter().map(|finding| finding["rule"].as_str().expect("a rule")).collect()
}

#[track_caller]
fn to_fix(explanation: &Value, rule: &str, says: &str) {
    let conclusion = &explanation["conclusion"];
    assert_eq!(conclusion["rule"], rule, "{explanation}");
    let (text, remedy) = (text(&conclusion["text"]), text(&conclusion["remedy"]));
    assert!(format!("{text} {remedy}").contains(says), "{conclusion}");
}

#[tokio::test]
async fn each_thing_that_is_missing_is_named_until_nothing_is() {
    let stage = Stage::set().await;
    let server = &stage.server;
    server.token("alice").await;
    to_fix(&stage.explain("user=alice").await, "no_device", "connect once");
    let phone = server.device("alice", "phone").await;
    to_fix(&stage.explain("user=alice").await, "no_target", "registerForRemoteNotifications");
    let voip = stage.devices.register_apns(BUNDLE, Environment::Production, ApnsTokenKind::Voip);
    server.target(&phone, "apns_voip", &voip).await;
    to_fix(&stage.explain("device=phone").await, "voip_only", "the kind apns");
    stage.token(&phone).await;
    to_fix(&stage.explain("device=phone").await, "no_credential", ".p8");
    stage.upload().await;
    let good = stage.explain("device=phone").await;
    assert_eq!(good["conclusion"]["verdict"], "ok", "{good}");
    assert_eq!(rules(&good), ["asleep", "never_believed", "nothing_owed"]);
    let settings = format!("/v1/apps/{}/settings", server.app.0);
    let off = Some(json!({ "push_enabled": false }));
    server.call(Method::PATCH, &settings, off).await.is(200);
    to_fix(&stage.explain("user=alice").await, "push_off", "902");
    let (session, _) = server.session("bob", "bobs").await;
    let live = stage.explain("user=bob").await;
    assert!(rules(&live).contains(&"live"), "{live}");
    session.leave().await;
    stage.server.stop().await;
}

#[tokio::test]
async fn a_push_that_never_reached_the_app_is_told_from_one_whose_app_was_not_let_in() {
    let stage = Stage::set().await;
    stage.upload().await;
    let phone = stage.server.device("alice", "phone").await;
    stage.token(&phone).await;
    // The next rung is not what is asked about.
    let settings = format!("/v1/apps/{}/settings", stage.server.app.0);
    let slow = Some(json!({ "climb_after": 600 }));
    stage.server.call(Method::PATCH, &settings, slow).await.is(200);
    let message = stage.server.message("alice", json!("wake up")).await;
    let push = stage.pushed("accepted").await;
    let soon = stage.explain(&format!("message={message}")).await;
    assert_eq!(soon["conclusion"]["verdict"], "ok", "it may still come: {soon}");
    assert_eq!(soon["devices"][0]["acknowledged"], false, "{soon}");
    let steps = soon["timeline"].as_array().expect("a timeline");
    assert!(steps.iter().all(|step| !text(&step["sentence"]).is_empty()), "{soon}");
    stage.hand.advance(Duration::from_secs(61));
    let silent = stage.explain(&format!("message={message}")).await;
    to_fix(&silent, "never_reached", "swiping");

    stage.hand.advance(Duration::from_secs(1));
    // The app runs, and comes with a token that is none.
    let mut session = Session::open(stage.server.address).await;
    session
        .say(json!({
            "type": "connect",
            "token": stage.server.token("alice").await.replace("rvl_user_", "rvl_user_x"),
            "device_secret": phone.secret,
            "device": { "id": "phone", "platform": "ios" },
            "woken_by": { "wake": push["wake"] },
        }))
        .await;
    session.end().await;
    let refused = stage.explain("device=phone").await;
    to_fix(&refused, "woken_but_refused", "unauthorized");

    // By the short way it reads, and forgets to acknowledge.
    let inbox = stage.server.me(&phone, Method::GET, "/v1/me/inbox", None).await.is(200);
    let read = stage.explain("device=phone").await;
    assert!(rules(&read).contains(&"not_acknowledged"), "{read}");
    let entry = &inbox["entries"][0];
    let ack = json!({ "position": entry["position"] });
    stage.server.me(&phone, Method::POST, "/v1/me/ack", Some(ack)).await.is(200);
    let done = stage.explain(&format!("message={message}")).await;
    assert_eq!(done["conclusion"]["verdict"], "ok", "{done}");
    assert!(text(&done["conclusion"]["text"]).contains("has acknowledged"), "{done}");
    stage.server.stop().await;
}

#[tokio::test]
async fn a_refused_push_is_told_in_the_push_services_words() {
    let stage = Stage::set().await;
    stage.upload().await;
    let phone = stage.server.device("alice", "phone").await;
    let token = stage.token(&phone).await;
    // Something was taken before, so the credential is believed and the token may go.
    stage.server.message("alice", json!(1)).await;
    stage.pushed("accepted").await;
    let inbox = stage.server.me(&phone, Method::GET, "/v1/me/inbox", None).await.is(200);
    let ack = json!({ "position": inbox["entries"][0]["position"] });
    stage.server.me(&phone, Method::POST, "/v1/me/ack", Some(ack)).await.is(200);
    stage.devices.unregister(&token);
    stage.server.message("alice", json!(2)).await;
    let dropped = |told: &Value| told["conclusion"]["rule"] == "token_dropped";
    stage.server.until("/v1/explain?device=phone", dropped).await;
    let record = stage.pushed("refused").await;
    assert_eq!(record["code"], 911, "{record}");
    assert!(!text(&record["sentence"]).is_empty(), "{record}");
    stage.server.stop().await;
}

#[tokio::test]
async fn silence_after_a_direct_push_means_nothing() {
    let stage = Stage::set().await;
    stage.upload().await;
    let phone = stage.server.device("alice", "phone").await;
    stage.token(&phone).await;
    stage.server.push(json!({ "to": { "devices": ["phone"] } })).await;
    stage.pushed("accepted").await;
    stage.hand.advance(Duration::from_secs(61));
    let told = stage.explain("device=phone").await;
    assert_eq!(told["conclusion"]["verdict"], "ok", "{told}");
    assert!(!rules(&told).contains(&"never_reached"), "{told}");
    stage.server.stop().await;
}

#[tokio::test]
async fn what_is_asked_about_must_be_one_thing_that_there_is() {
    let server = Server::start().await;
    let ask =
        async |query: &str| server.call(Method::GET, &format!("/v1/explain{query}"), None).await;
    for query in ["", "?user=a&device=b", "?device=b&message=msg_1"] {
        ask(query).await.refused(422, "invalid_field", Some("user"));
    }
    ask("?message=1").await.refused(422, "invalid_field", Some("message"));
    let unknown = "?message=msg_00000000000000000000000000000000";
    ask(unknown).await.refused(404, "not_found", Some("message"));
    ask("?user=nobody").await.refused(404, "unknown_user", Some("user"));
    ask("?device=nobodys").await.refused(404, "not_found", Some("device"));
    server.stop().await;
}

/// The first cells of the rows of a table that follows a heading.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<(&'a str, &'a str)> {
    let part = page.split(heading).nth(1).expect("the heading");
    let part = part.split("\n## ").next().expect("a part");
    let rows = part.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (word, rest) = row.split_once("` | ").expect("cells");
        (word, rest.split(" | ").next().expect("a cell"))
    })
    .collect()
}

#[test]
fn the_page_on_troubleshooting_has_every_rule_and_check_in_order() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/troubleshooting.md");
    let page = std::fs::read_to_string(page).expect("docs/troubleshooting.md");
    let rules: Vec<_> = domain::explain::Rule::ALL
        .iter()
        .map(|rule| (rule.as_str(), rule.verdict().as_str()))
        .collect();
    assert_eq!(rows(&page, "## Rules of `explain`"), rules);
    let checks = server::doctor::Checked::ALL.map(|check| check.as_str());
    let shown = rows(&page, "## Checks of `doctor`");
    assert_eq!(shown.into_iter().map(|(word, _)| word).collect::<Vec<_>>(), checks);
    // What the checklist names is a rule or a check.
    let list = page.split("## The checklist").nth(1).expect("the list");
    let list = list.split("\n## ").next().expect("a part");
    for row in list.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let found = row.split(" | ").nth(2).expect("what finds it");
        for word in found.split('`').skip(1).step_by(2) {
            let known = rules.iter().any(|(rule, _)| *rule == word) || checks.contains(&word);
            assert!(known, "{word} is no rule and no check: {row}");
        }
    }
}
