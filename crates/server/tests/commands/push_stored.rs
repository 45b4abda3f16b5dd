//! `reveille push --device`: through a running server.

use http::{HeaderValue, StatusCode};
use serde_json::json;
use sim::phone::{Phone, PhoneEvent, Platform};
use sim::trouble::Scripted;
use sim::world::{World, WorldOptions};
use wire::TargetKindName;

use super::rig::{Desk, PATIENCE, Said, hash};

/// A server with its push services, and an iPhone of alice's that sleeps.
async fn world() -> (World, Phone) {
    let options = WorldOptions::new(env!("CARGO_BIN_EXE_reveille"));
    let world = World::start(options).await.expect("the world starts");
    let phone = world.phone("alice", Platform::Ios, "alice's iPhone").await.expect("a token");
    phone.launch().await.expect("it connects");
    phone.suspend().await;
    (world, phone)
}

/// Pushes to a device with the app's key.
async fn push(world: &World, more: &[&str]) -> Said {
    let server = format!("http://{}", world.address());
    let line = ["push", "--app", world.app_id(), "--server", &server];
    let variables = [("REVEILLE_KEY", world.app_key())];
    let said = Desk::new().run_with(&[&line[..], more].concat(), &variables).await;
    said.has_not(world.app_key())
}

#[tokio::test]
async fn an_accepted_push_is_shown_on_the_phone_and_ends_with_0() {
    let (world, phone) = world().await;
    let more = ["--device", &phone.device_id(), "--title", "Hello", "--body", "Noon?"];
    let said = push(&world, &more).await.is(0).has("accepted").has("psh_").has("HTTP 200");
    let token = phone.push_token(TargetKindName::Apns).expect("a token");
    // The server's log has no texts.
    let _ = said.has(&hash(&token)).has_not(&token).has_not("Noon?");
    let shown = |event: &PhoneEvent| matches!(event, PhoneEvent::NotificationShown { title, .. } if title == "Hello");
    phone.wait_for(shown, PATIENCE).await.expect("the notification");
}

#[tokio::test]
async fn a_refused_token_ends_with_1_and_says_what_to_do() {
    let (world, phone) = world().await;
    let token = phone.push_token(TargetKindName::Apns).expect("a token");
    world.devices().unregister(&token);
    let more = ["--device", &phone.device_id(), "--title", "Hello"];
    let said = push(&world, &more).await.is(1).has("911 bad push token").has("Unregistered");
    let (place, token) = (world.apns().addr().to_string(), hash(&token));
    let labels = [
        "apns-id: ",
        "apns-expiration: ",
        "collapse-id: ",
        "after ",
        "psh_",
        "timestamp\": ",
        "_at\": \"",
    ];
    said.is_golden(
        "push_command/stored_refused.txt",
        &[(&*place, "PLACE"), (&token, "TOKEN")],
        &labels,
    );
}

#[tokio::test]
async fn a_push_that_is_not_settled_in_time_says_what_comes_next() {
    let (world, phone) = world().await;
    let busy = Scripted::status(StatusCode::TOO_MANY_REQUESTS)
        .header(http::header::RETRY_AFTER, HeaderValue::from_static("3600"));
    world.apns().trouble().answer_next(1, &busy);
    let more = ["--device", &phone.device_id(), "--title", "Hello", "--wait", "30s"];
    let said = push(&world, &more).await.is(1).has("902").has("HTTP 429");
    let _ = said.has("the server tries again at").has("/cancel ends it");
}

#[tokio::test]
async fn a_dry_run_tells_the_server_nothing() {
    let (world, phone) = world().await;
    let more = ["--device", &phone.device_id(), "--title", "Hello", "--dry-run", "--json"];
    let said = push(&world, &more).await.is(0).json();
    let body = json!({
        "to": { "devices": [phone.device_id()] }, "kind": "alert", "title": "Hello",
    });
    assert_eq!((&said["outcome"], &said["request"]["body"]), (&json!("not_sent"), &body));
    let more = ["--device", &phone.device_id(), "--title", "Bob", "--dry-run", "--json"];
    let said = push(&world, &[&more[..], &["--type", "voip"]].concat()).await.is(0).json();
    let (body, call) = (&said["request"]["body"], &said["request"]["body"]["call"]);
    assert_eq!((&body["title"], &call["caller_name"]), (&json!(null), &json!("Bob")));
    let pushes = world.api(http::Method::GET, "/v1/pushes", world.app_key(), None).await;
    assert_eq!(pushes.expect("an answer").1["items"], json!([]));
}

#[tokio::test]
async fn a_call_goes_to_the_topic_of_calls() {
    let (world, phone) = world().await;
    let more = ["--device", &phone.device_id(), "--type", "voip", "--title", "Bob"];
    let said = push(&world, &more).await.is(0).has("accepted");
    let _ = said.has("apns-topic: com.example.reveille.voip").has("apns-push-type: voip");
}

#[tokio::test]
async fn a_device_or_an_app_that_is_not_there_is_named() {
    let (world, phone) = world().await;
    let _ = push(&world, &["--device", "nobody's", "--title", "Hello"]).await.is(1).has("error:");
    let nothing = push(&world, &["--device", &phone.device_id()]).await.is(1);
    let _ = nothing.has("an alert needs").has("invalid_field, 913 (HTTP 422)");
    let server = format!("http://{}", world.address());
    let line = ["push", "--server", &server, "--key", world.app_key(), "--title", "Hello"];
    let device = phone.device_id();
    let line = [&line[..], &["--device", &device, "--app", "app_999"]].concat();
    let _ = Desk::new().run(&line).await.is(1).has("--app: the key is not known as that app's");
    let pushes = world.api(http::Method::GET, "/v1/pushes", world.app_key(), None).await;
    assert_eq!(pushes.expect("an answer").1["items"], json!([]));
}
