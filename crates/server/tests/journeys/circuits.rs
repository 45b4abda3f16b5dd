//! Credentials that are refused, services that are away, tokens of Apple's other environment.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use serde_json::json;
use sim::SeenPush;
use sim::device::{ApnsTokenKind, Environment};
use sim::phone::{Phone, Platform};
use sim::pki::ApnsKey;
use sim::trouble::Scripted;
use sim::world::{APP, Tuning, World, WorldOptions};
use wire::http::{CredentialKind, CredentialUpload, Settings};

use super::{PATIENCE, SERVER, pushes, sender, woken};

/// A world whose server probes soon.
async fn probing_world() -> World {
    let tuning = Tuning { probe: Some(Duration::from_millis(300)), ..Tuning::default() };
    let options = WorldOptions { tuning, ..WorldOptions::new(SERVER) };
    World::start(options).await.expect("the world starts")
}

async fn sleeper(world: &World, user: &str) -> Phone {
    let phone = world.phone(user, Platform::Ios, &format!("{user}'s iPhone")).await;
    let phone = phone.expect("a phone");
    phone.launch().await.expect("it connects");
    phone.suspend().await;
    phone
}

#[tokio::test]
async fn a_credential_apple_refuses_is_left_alone_and_probed_on_a_connection_of_its_own() {
    let world = probing_world().await;
    let sender = sender(&world).await;
    let phones = [sleeper(&world, "alice").await, sleeper(&world, "carol").await];
    let marks = phones.each_ref().map(Phone::mark);
    // The push, and the first probe.
    let revoked = Scripted::apns(StatusCode::FORBIDDEN, "InvalidProviderToken");
    world.apns().trouble().answer_next(2, &revoked);
    sender.send("alice", "wake up").await.expect("accepted");
    let refused = |push: &SeenPush| push.status == StatusCode::FORBIDDEN;
    world.apns().wait_for(refused, PATIENCE).await.expect("Apple refuses");
    sender.send("carol", "wake up").await.expect("accepted");
    for (phone, mark) in phones.iter().zip(marks) {
        phone.wait_since(mark, woken, PATIENCE).await.expect("woken once Apple believes again");
    }
    let seen = world.apns().seen();
    let statuses: Vec<u16> = seen.iter().take(3).map(|push| push.status.as_u16()).collect();
    assert_eq!(statuses, [403, 403, 400], "the push, a refused probe, a believed one");
    let probe = &seen[2];
    assert_eq!(probe.reason.as_deref(), Some("BadDeviceToken"), "it reaches nobody");
    let pushes = seen.iter().filter(|push| push.status == StatusCode::OK);
    assert!(pushes.clone().count() >= 2);
    for push in pushes {
        assert_ne!(push.connection, probe.connection, "a probe on the wakes' connection");
    }
}

#[tokio::test]
async fn of_two_live_credentials_the_one_that_is_believed_carries_the_pushes() {
    let world = probing_world().await;
    let sender = sender(&world).await;
    let phone = sleeper(&world, "alice").await;
    // The newest one is a key that Apple does not know.
    let unknown = ApnsKey::generate().expect("a key");
    let upload = CredentialUpload {
        key_id: Some(unknown.key_id.clone()),
        team_id: Some(unknown.team_id.clone()),
        bundle_ids: vec![APP.to_owned()],
        ..CredentialUpload::new(CredentialKind::ApnsKey, STANDARD.encode(unknown.pem()))
    };
    world.upload(&upload).await.expect("taken");
    let mark = phone.mark();
    sender.send("alice", "wake up").await.expect("accepted");
    phone.wait_since(mark, woken, PATIENCE).await.expect("woken by the older credential");
    let first = &world.apns().seen()[0];
    assert_eq!(first.reason.as_deref(), Some("InvalidProviderToken"), "the newer one was tried");
}

#[tokio::test]
async fn the_environment_of_a_token_is_learned_once() {
    let world = probing_world().await;
    let soon = Settings { climb_after: Some(1), ..Settings::default() };
    world.set(&soon).await.expect("set");
    let sender = sender(&world).await;
    let phone = sleeper(&world, "alice").await;
    let token = world.devices().register_apns(APP, Environment::Sandbox, ApnsTokenKind::App);
    let device = phone.device_id();
    let path = format!("/v1/users/alice/devices/{device}/targets/apns");
    let body = json!({ "token": token, "app_id": APP });
    let put = world.api(Method::PUT, &path, world.app_key(), Some(&body)).await;
    assert_eq!(put.expect("an answer").0, 200);
    let to_it = |push: &SeenPush| push.token == token;
    sender.send("alice", "one").await.expect("accepted");
    let strayed = world.apns().wait_for(to_it, PATIENCE).await.expect("production first");
    assert_eq!(strayed.reason.as_deref(), Some("BadDeviceToken"));
    let taken = world.apns_sandbox().wait_for(to_it, PATIENCE).await.expect("then the sandbox");
    assert_eq!(taken.status, StatusCode::OK);
    let learned = async {
        loop {
            let devices = world.devices_of("alice").await.expect("devices");
            let target = devices.iter().flat_map(|device| &device.targets).next().cloned();
            if target.is_some_and(|target| target.environment.is_some()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, learned).await.expect("the environment is shown");
    // A second device's message is no business of this one; a restart forgets nothing of it.
    world.kill().await.expect("killed");
    world.start_server().await.expect("it starts again");
    let sender = {
        sender.force_quit().await;
        sender.launch().await.expect("it connects");
        sender
    };
    let climbed = |push: &SeenPush| to_it(push) && push.header("apns-push-type") == Some("alert");
    sender.send("alice", "two").await.expect("accepted");
    world.apns_sandbox().wait_for(climbed, PATIENCE * 2).await.expect("the alert, to the sandbox");
    let strays = world.apns().seen().into_iter().filter(to_it).count();
    assert_eq!(strays, 1, "production was asked once");
}

#[tokio::test]
async fn a_token_that_is_no_devices_is_tried_in_the_other_environment_as_well() {
    let world = probing_world().await;
    let strange = world.devices().register_apns(APP, Environment::Sandbox, ApnsTokenKind::App);
    let nobodys = "ab".repeat(32);
    let to = |token: &str, environment: Option<&str>| {
        let mut target = json!({ "kind": "apns", "token": token, "app_id": APP });
        if let Some(environment) = environment {
            target["environment"] = json!(environment);
        }
        json!({ "to": { "targets": [target] }, "title": "Hi" })
    };
    let known = pushes::push(&world, &to(&strange, None)).await;
    let over = pushes::done(&world, &known).await;
    assert_eq!((over.counts.accepted, over.counts.refused), (1, 0), "{over:?}");
    let records = pushes::attempts(&world, &known).await;
    assert_eq!(records.len(), 2, "both are on record: {records:?}");
    // Where its sender says which it is, and where neither knows it, that is the end.
    for (token, environment, asked) in
        [(&strange, Some("production"), [1, 0]), (&nobodys, None, [1, 1])]
    {
        let before = [world.apns().seen().len(), world.apns_sandbox().seen().len()];
        let refused = pushes::push(&world, &to(token, environment)).await;
        let over = pushes::done(&world, &refused).await;
        assert_eq!((over.counts.accepted, over.counts.refused), (0, 1), "{over:?}");
        let after = [world.apns().seen().len(), world.apns_sandbox().seen().len()];
        assert_eq!([after[0] - before[0], after[1] - before[1]], asked, "{token}");
    }
}
