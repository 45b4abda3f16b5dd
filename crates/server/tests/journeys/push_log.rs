//! What was done and why can be read afterwards.

use serde_json::Value;
use sim::phone::{PhoneEvent, Platform};
use wire::ReceiptState;

use super::{PATIENCE, world};

#[tokio::test]
async fn every_push_leaves_a_record() {
    let world = world().await;
    let sender = world.phone("bob", Platform::Android, "bob's phone").await.expect("a phone");
    sender.launch().await.expect("it connects");
    let phone = world.phone("alice", Platform::Ios, "alice's phone").await.expect("a phone");
    phone.launch().await.expect("it connects");
    phone.suspend().await;
    let accepted = sender.send("alice", "wake up").await.expect("accepted");
    let delivered = |event: &PhoneEvent| matches!(event, PhoneEvent::ReceiptReceived { id, state: ReceiptState::Delivered, .. } if *id == accepted.id);
    sender.wait_for(delivered, PATIENCE).await.expect("the receipt");
    let timeline = world.timeline(&accepted.id).await.expect("a timeline");
    let steps: Vec<(&str, &str)> = timeline
        .items
        .iter()
        .map(|record| (record.step.as_str(), record.reason.as_str()))
        .collect();
    for wanted in
        [("accept", "accepted"), ("wake", "claimed"), ("push", "accepted"), ("session", "acked")]
    {
        assert!(steps.contains(&wanted), "{wanted:?} is not in {steps:?}");
    }
    let records = world.push_log(&phone).await.expect("the push log");
    let push = records.iter().find(|record| record.step == "push").expect("a push record");
    let detail = push.detail.as_ref().expect("request and answer");
    assert_eq!(detail["request"]["headers"]["apns-push-type"], "background", "{detail}");
    assert_eq!(detail["answer"]["status"], 200, "{detail}");
    assert!(detail["took_ms"].is_number(), "{detail}");
    let token = phone.push_token(wire::TargetKindName::Apns).expect("a token");
    let text = serde_json::to_string(&records).expect("JSON");
    assert!(!text.contains(&token), "the token is in the log");
    assert!(!text.contains("bearer"), "the authorization is in the log");
}

#[tokio::test]
async fn a_refused_push_leaves_a_record_too() {
    let world = world().await;
    let sender = world.phone("bob", Platform::Android, "bob's phone").await.expect("a phone");
    sender.launch().await.expect("it connects");
    let phone = world.phone("alice", Platform::Ios, "alice's phone").await.expect("a phone");
    phone.launch().await.expect("it connects");
    phone.suspend().await;
    let token = phone.push_token(wire::TargetKindName::Apns).expect("a token");
    world.devices().unregister(&token);
    let mark = phone.mark();
    let accepted = sender.send("alice", "to a token that is gone").await.expect("accepted");
    let refused = world.apns().wait_for(|push| push.token == token, PATIENCE).await;
    assert_eq!(refused.expect("Apple was asked").status, http::StatusCode::GONE);
    let timeline = async {
        loop {
            let timeline = world.timeline(&accepted.id).await.expect("a timeline");
            if let Some(push) = timeline.items.into_iter().find(|record| record.step == "push") {
                return push;
            }
            tokio::task::yield_now().await;
        }
    };
    let push = tokio::time::timeout(PATIENCE, timeline).await.expect("a record of the push");
    assert_eq!((push.reason.as_str(), push.code), ("refused", Some(911)));
    let detail = push.detail.as_ref().expect("request and answer");
    assert_eq!(detail["answer"]["status"], 410, "{detail}");
    assert_eq!(detail["reason"], "Unregistered", "{detail}");
    assert_eq!(phone.mark(), mark, "and the phone slept on");
}

#[tokio::test]
async fn a_push_without_a_credential_says_so() {
    let world = world().await;
    let app: Value = {
        let body = serde_json::json!({ "name": "no credentials" });
        let answer =
            world.api(http::Method::POST, "/v1/apps", world.admin_key(), Some(&body)).await;
        answer.expect("an app").1
    };
    let app_id = app["id"].as_str().expect("an id");
    let path = format!("/v1/apps/{app_id}/credentials");
    let garbage = serde_json::json!({ "kind": "apns_certificate", "file": "AAAA" });
    let answer = world.api(http::Method::POST, &path, world.admin_key(), Some(&garbage)).await;
    let (status, problem) = answer.expect("an answer");
    assert_eq!((status, problem["code"].as_str()), (422, Some("credential_refused")), "{problem}");
    assert_eq!(problem["field"], "file", "{problem}");
}
