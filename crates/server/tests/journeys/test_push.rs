//! The end user's own button: a push to oneself, told by the push handler.

use http::Method;
use serde_json::Value;
use sim::phone::{Phone, Platform};
use sim::webpush::Vendor;
use sim::world::{World, WorldOptions};

use super::{PATIENCE, SERVER, world};

/// Presses the button of a phone.
async fn press(phone: &Phone) -> (u16, Value) {
    phone.ask(Method::POST, "/v1/me/test-push").await.expect("an answer")
}

/// Asks until the test is where it should be.
async fn until(phone: &Phone, push: &str, state: &str) -> Value {
    let path = format!("/v1/me/test-push/{push}");
    let asked = async {
        loop {
            let (status, seen) = phone.ask(Method::GET, &path).await.expect("an answer");
            assert_eq!(status, 200, "{seen}");
            if seen["state"] == state {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("never {state}"))
}

async fn arrives_at(world: &World, platform: Platform, name: &str) {
    let phone = world.phone("alice", platform, name).await.expect("a phone");
    phone.launch().await.expect("it connects");
    // Awake it is pushed to all the same: that is what is asked about.
    let (status, sent) = press(&phone).await;
    assert_eq!(status, 202, "{sent}");
    let push = sent["push"].as_str().expect("its id");
    let arrived = until(&phone, push, "received").await;
    assert!(arrived["received_at"].is_string() && arrived.get("code").is_none(), "{arrived}");
    // Asleep as well.
    phone.suspend().await;
    let (_, sent) = press(&phone).await;
    until(&phone, sent["push"].as_str().expect("its id"), "received").await;
}

#[tokio::test]
async fn a_test_push_arrives_on_every_platform_awake_or_asleep() {
    let options = WorldOptions { webpush: Some(Vendor::Mozilla), ..WorldOptions::new(SERVER) };
    let world = World::start(options).await.expect("the world starts");
    arrives_at(&world, Platform::Ios, "alice's iPhone").await;
    arrives_at(&world, Platform::Android, "alice's Android").await;
    arrives_at(&world, Platform::Web, "alice's browser").await;
}

#[tokio::test]
async fn a_test_push_that_is_refused_says_why_and_is_nobody_elses() {
    let world = world().await;
    let phone = world.phone("alice", Platform::Ios, "alice's iPhone").await.expect("a phone");
    phone.launch().await.expect("it connects");
    let token = phone.push_token(wire::TargetKindName::Apns).expect("a token");
    world.devices().unregister(&token);
    let (_, sent) = press(&phone).await;
    let push = sent["push"].as_str().expect("its id");
    let refused = until(&phone, push, "refused").await;
    assert_eq!((&refused["code"], &refused["text"]), (&911.into(), &"bad push token".into()));
    let other = world.phone("alice", Platform::Android, "another").await.expect("a phone");
    other.launch().await.expect("it connects");
    for (method, path) in [
        (Method::GET, format!("/v1/me/test-push/{push}")),
        (Method::POST, format!("/v1/me/test-push/{push}/received")),
    ] {
        assert_eq!(other.ask(method, &path).await.expect("an answer").0, 404, "{path}");
    }
    // A person presses so often, and no program.
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(press(&other).await.0);
    }
    assert!(answers.starts_with(&[202]) && answers.ends_with(&[429]), "{answers:?}");
}

#[tokio::test]
async fn a_back_end_asks_for_a_test_push_and_sees_it_arrive() {
    let world = world().await;
    let phone = world.phone("alice", Platform::Android, "alices-phone").await.expect("a phone");
    phone.launch().await.expect("it connects");
    phone.suspend().await;
    let path = format!("/v1/users/alice/devices/{}/test-push", phone.device_id());
    let sent: Value = world.call(Method::POST, &path, None).await.expect("it is sent");
    let push = sent["push"].as_str().expect("its id");
    until(&phone, push, "received").await;
    let seen: Value =
        world.call(Method::GET, &format!("{path}/{push}"), None).await.expect("an answer");
    assert_eq!(seen["state"], "received");
}
