//! `reveille doctor` and `reveille explain`, on a world that is well and on one that is not.

use std::path::PathBuf;

use http::{HeaderValue, StatusCode};
use serde_json::Value;
use sim::phone::{Phone, Platform};
use sim::trouble::Scripted;
use sim::world::{World, WorldOptions};

use super::rig::{Desk, Said};

async fn world() -> World {
    let options = WorldOptions::new(env!("CARGO_BIN_EXE_reveille"));
    World::start(options).await.expect("the world starts")
}

fn config(world: &World) -> PathBuf {
    world.directory().join("reveille.toml")
}

/// Runs a command with the world's configuration and its app's key.
async fn run(world: &World, line: &[&str]) -> Said {
    let config = config(world);
    let config = config.to_str().expect("UTF-8");
    let line = [line, &["--config", config]].concat();
    let variables = [("REVEILLE_KEY", world.app_key())];
    let said = Desk::new().run_with(&line, &variables).await;
    said.has_not(world.app_key()).has_not(world.admin_key())
}

/// The checks of one word.
fn checks<'a>(seen: &'a Value, word: &str) -> Vec<&'a Value> {
    let all = seen["checks"].as_array().expect("checks");
    all.iter().filter(|check| check["check"] == word).collect()
}

#[track_caller]
fn is(seen: &Value, word: &str, verdict: &str, says: &str) {
    let found = checks(seen, word);
    let fits = |check: &&Value| {
        let text = format!("{} {} {}", check["about"], check["text"], check["remedy"]);
        check["verdict"] == verdict && text.contains(says)
    };
    assert!(found.iter().any(fits), "{word} is not {verdict} with {says:?}: {found:?}");
}

async fn sleeper(world: &World) -> Phone {
    let phone = world.phone("alice", Platform::Ios, "alice's iPhone").await.expect("a token");
    phone.launch().await.expect("it connects");
    phone.suspend().await;
    phone
}

#[tokio::test]
async fn a_server_that_is_well_passes_and_the_push_services_are_asked() {
    let world = world().await;
    let said = run(&world, &["doctor"]).await.is(0);
    let said = said.has("configuration").has("0 failures").has("is reached");
    let _ = said.has("The push service takes it.").has("opens what is sealed");
    let seen = run(&world, &["doctor", "--json"]).await.is(0).json();
    for word in ["data_folder", "database", "master_key", "server", "disk_space", "push_log"] {
        assert_eq!(checks(&seen, word).len(), 1, "{word}: {seen}");
    }
    is(&seen, "credential", "ok", "fcm");
    is(&seen, "credential", "ok", "apns production");
    is(&seen, "credential", "ok", "apns sandbox");
    assert_eq!(checks(&seen, "reach").len(), 3, "{seen}");
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_to_do() {
    let world = world().await;
    // Apple takes the credential no more, and its clock is an hour behind.
    let refused = Scripted::apns(StatusCode::FORBIDDEN, "InvalidProviderToken")
        .header(http::header::DATE, HeaderValue::from_static("Sun, 01 Mar 2026 06:30:00 GMT"));
    world.apns().trouble().answer_next(10, &refused);
    let seen = run(&world, &["doctor", "--json"]).await.is(1).json();
    is(&seen, "credential", "failure", "InvalidProviderToken (904)");
    is(&seen, "clock", "failure", "ahead of");
    is(&seen, "credential", "ok", "fcm");

    // Without a server, what lies on the disk is looked at all the same.
    world.stop().await.expect("it stops");
    let seen = run(&world, &["doctor", "--json"]).await.is(1).json();
    is(&seen, "server", "failure", "reveille serve");
    is(&seen, "database", "ok", "whole");
    std::fs::remove_file(world.data_dir().join("master.key")).expect("removed");
    let seen = run(&world, &["doctor", "--json"]).await.is(1).json();
    is(&seen, "master_key", "failure", "There is no master key");
    // What SQLite keeps beside it would mend it.
    for beside in ["reveille.db-wal", "reveille.db-shm"] {
        let _gone = std::fs::remove_file(world.data_dir().join(beside));
    }
    std::fs::write(world.data_dir().join("reveille.db"), "no database").expect("written");
    let seen = run(&world, &["doctor", "--json"]).await.is(1).json();
    is(&seen, "database", "failure", "restore");
    std::fs::remove_file(world.data_dir().join("admin.key")).expect("removed");
    let seen = run(&world, &["doctor", "--json"]).await.is(1).json();
    is(&seen, "data_folder", "failure", "server's user");

    std::fs::write(config(&world), "listne = 1\n").expect("written");
    let said = run(&world, &["doctor"]).await.is(1);
    let _ = said.has("configuration").has("listne").has("1 failures");
}

#[tokio::test]
async fn a_test_is_sent_to_a_user_and_waited_for_until_their_phone_says_so() {
    let world = world().await;
    let _phone = sleeper(&world).await;
    let said = run(&world, &["doctor", "--user", "alice"]).await.is(0);
    let _ = said.has("acknowledged by a device of alice").has("push accepted");
    let _ = run(&world, &["explain", "--user", "alice"]).await.is(0).has("Nothing stands in");
}

#[tokio::test]
async fn a_test_that_does_not_arrive_ends_with_what_to_fix() {
    let world = world().await;
    let phone = sleeper(&world).await;
    let token = phone.push_token(wire::TargetKindName::Apns).expect("a token");
    world.devices().unregister(&token);
    let line = ["doctor", "--user", "alice", "--wait", "1s"];
    let said = run(&world, &line).await.is(1).has("no device has acknowledged");
    let _ = said.has("to fix").has("911");
    let seen = run(&world, &["explain", "--device", &phone.device_id(), "--json"]).await;
    let rule = seen.json()["conclusion"]["rule"].clone();
    assert!(["push_refused", "token_dropped", "token_suspect"].map(Value::from).contains(&rule));
}
