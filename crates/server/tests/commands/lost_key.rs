//! A master key that is lost: what it sealed is lost with it, visibly, and nothing else is.

use http::Method;
use serde_json::{Value, json};
use sim::sink;
use sim::world::{World, WorldOptions};

use super::rig::{Desk, PATIENCE, Said};

/// Runs a command with the world's configuration.
async fn run(world: &World, line: &[&str]) -> Said {
    let config = world.directory().join("reveille.toml");
    let config = config.to_str().expect("UTF-8");
    Desk::new().run(&[line, &["--config", config]].concat()).await
}

/// The text and remedy of what the doctor finds to be a failure.
async fn failures(world: &World) -> Vec<String> {
    let seen = run(world, &["doctor", "--json"]).await.json();
    let checks = seen["checks"].as_array().expect("checks").clone();
    let failed = checks.into_iter().filter(|check| check["verdict"] == "failure");
    failed.map(|check| format!("{} {} {}", check["check"], check["about"], check["text"])).collect()
}

/// The back end is told of a test, signed by this secret and by no other.
async fn is_told(world: &World, webhook: &str, secret: &str) {
    let path = format!("{webhook}/test");
    let event: Value = world.call(Method::POST, &path, None).await.expect("sent");
    let id = event["id"].as_str().expect("an id");
    let sink = world.back_end().expect("a back end");
    let came = sink.wait_for(|seen| seen.id.as_deref() == Some(id), PATIENCE).await;
    let came = came.expect("it comes");
    assert!(sink::is_signed(&came, secret));
    let signatures = came.header("webhook-signature").expect("it is signed");
    assert_eq!(signatures.split(' ').count(), 1, "{signatures}");
}

#[tokio::test]
async fn a_lost_master_key_costs_what_it_sealed_and_nothing_else() {
    let options = WorldOptions::new(env!("CARGO_BIN_EXE_reveille"));
    let world = World::start(WorldOptions { back_end: true, ..options }).await.expect("it starts");
    let app = format!("/v1/apps/{}", world.app_id());
    let hook = json!({ "url": world.back_end().expect("a back end").url("/in") });
    let path = format!("{app}/webhooks");
    let hook: Value = world.call(Method::POST, &path, Some(&hook)).await.expect("kept");
    let webhook = format!("{path}/{}", hook["id"].as_str().expect("an id"));
    let secret = "x".repeat(32);
    let key = json!({ "name": "n", "algorithm": "HS256", "audience": "a", "secret": secret });
    let path = format!("{app}/token-keys");
    let _: Value = world.call(Method::POST, &path, Some(&key)).await.expect("kept");
    is_told(&world, &webhook, hook["secret"].as_str().expect("a secret")).await;
    assert_eq!(failures(&world).await, Vec::<String>::new());
    world.stop().await.expect("it stops");

    // Nothing makes another key in its place.
    let file = world.data_dir().join("master.key");
    std::fs::remove_file(&file).expect("removed");
    world.start_server().await.expect_err("it is refused");
    assert!(world.server_log().contains("there is no master key"), "{}", world.server_log());
    let folder = world.directory().join("copy");
    let copy = folder.to_str().expect("UTF-8");
    let _ = run(&world, &["keys", "reseal"]).await.is(1).has("there is no master key");
    let backup = ["backup", "--to", copy];
    let _ = run(&world, &backup).await.is(1).has("--without-master-key");
    assert!(!file.exists(), "a key was made that opens nothing");

    let lost = world.directory().join("lost");
    let _ = run(&world, &[&backup[..], &["--without-master-key"]].concat()).await.is(0);
    std::fs::rename(world.data_dir(), &lost).expect("moved");
    let restore = ["restore", "--from", copy];
    let _ = run(&world, &restore).await.is(1).has("was lost when it was made");
    let said = run(&world, &[&restore[..], &["--without-master-key"]].concat()).await.is(0);
    let said = said.has("2 credentials").has("the secrets of 1 webhooks");
    let _ = said.has("the shared secrets of 1 token keys");
    let admin = |folder: &std::path::Path| folder.join("admin.key");
    std::fs::copy(admin(&lost), admin(&world.data_dir())).expect("copied");

    // It starts, what was lost is named, and the new key can be changed.
    world.start_server().await.expect("it starts");
    let found = failures(&world).await;
    let of =
        |word: &str| found.iter().filter(|it| it.contains(word) && it.contains("lost")).count();
    assert_eq!((of("\"webhook\""), of("\"token_key\""), found.len()), (1, 1, 2), "{found:#?}");
    world.stop().await.expect("it stops");
    let _ = run(&world, &["keys", "reseal"]).await.is(0).has("resealed");
    world.start_server().await.expect("it starts");

    // The webhook gets another secret, and is of use only then.
    let on = json!({ "enabled": true });
    let refused = world.api(Method::PATCH, &webhook, world.app_key(), Some(&on)).await;
    let (status, problem) = refused.expect("an answer");
    assert_eq!((status, &problem["field"]), (422, &json!("enabled")), "{problem}");
    let path = format!("{webhook}/rotate");
    let rotated: Value = world.call(Method::POST, &path, None).await.expect("rotated");
    let _: Value = world.call(Method::PATCH, &webhook, Some(&on)).await.expect("it is on");
    is_told(&world, &webhook, rotated["secret"].as_str().expect("a secret")).await;
    let path = format!("{app}/token-keys/tky_1");
    let gone = world.api(Method::DELETE, &path, world.app_key(), None).await.expect("an answer");
    assert_eq!(gone.0, 204);
    assert_eq!(failures(&world).await, Vec::<String>::new());
}
