//! Provider tokens of Apple's keys: few of them, over restarts and over apps.

use http::Method;
use serde_json::{Value, json};
use sim::SeenPush;
use sim::device::{ApnsTokenKind, Environment};
use sim::world::{APP, World};
use wire::http::App;

use super::{PATIENCE, world};

/// The provider token that a push to a fresh device came with.
async fn token_of_a_push(world: &World, app_key: &str) -> String {
    let device = world.devices().register_apns(APP, Environment::Production, ApnsTokenKind::App);
    let target = json!({
        "kind": "apns", "token": device, "app_id": APP, "environment": "production",
    });
    let push = json!({ "to": { "targets": [target] }, "kind": "alert", "title": "hello" });
    let (status, _) =
        world.api(Method::POST, "/v1/pushes", app_key, Some(&push)).await.expect("an answer");
    assert_eq!(status, 202);
    let to_it = |push: &SeenPush| push.token == device;
    let seen = world.apns().wait_for(to_it, PATIENCE).await.expect("it is pushed");
    seen.header("authorization").expect("a provider token").to_owned()
}

/// Another app, with the same key of Apple's.
async fn second_app(world: &World) -> App {
    let admin = world.admin_key();
    let body = json!({ "name": "Second" });
    let (_, made) = world.api(Method::POST, "/v1/apps", admin, Some(&body)).await.expect("made");
    let app: App = serde_json::from_value(made).expect("an app");
    let path = format!("/v1/apps/{}/credentials", app.id);
    let body: Value = serde_json::to_value(world.apple_credential()).expect("JSON");
    let taken = world.api(Method::POST, &path, admin, Some(&body)).await.expect("an answer");
    assert_eq!(taken.0, 201);
    app
}

#[tokio::test]
async fn a_provider_token_serves_every_app_of_its_key_and_outlives_the_process() {
    let world = world().await;
    let first = token_of_a_push(&world, world.app_key()).await;
    let second = second_app(&world).await;
    let second_key = second.key.as_deref().expect("its key");
    assert_eq!(token_of_a_push(&world, second_key).await, first, "one key signs one token");
    world.stop().await.expect("stopped");
    world.start_server().await.expect("it starts again");
    assert_eq!(token_of_a_push(&world, world.app_key()).await, first, "kept over the restart");
    assert_eq!(token_of_a_push(&world, second_key).await, first);
}
