//! One app cannot hurt another, nor one push service the others of an app: no timing is looked at,
//! only that the one goes on while the other stands still.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use sim::phone::{Phone, Platform};
use sim::pki::ServiceAccount;
use sim::world::{PROJECT, Tuning, World, WorldOptions};

use super::{PATIENCE, SERVER, woken};

/// More sleepers than a lane has room for.
const SLEEPERS: usize = 6;

/// A world whose lanes are soon full.
async fn narrow_world() -> World {
    let tuning = Tuning {
        lane_slots: Some(2),
        // What hangs is given up on only after the test has.
        request_timeout: Some(PATIENCE * 2),
        ..Tuning::default()
    };
    let options = WorldOptions { tuning, ..WorldOptions::new(SERVER) };
    World::start(options).await.expect("the world starts")
}

async fn asleep(phone: Phone) -> Phone {
    phone.launch().await.expect("it connects");
    phone.suspend().await;
    phone
}

async fn sleeper(world: &World, user: &str, platform: Platform) -> Phone {
    let phone = world.phone(user, platform, &format!("{user}'s phone")).await;
    asleep(phone.expect("a phone")).await
}

/// The same of the app with this key.
async fn sleeper_of(world: &World, key: &str, user: &str, platform: Platform) -> Phone {
    let path = format!("/v1/users/{user}/tokens");
    let token = world.api(Method::POST, &path, key, None).await.expect("an answer").1;
    let mut options = world.phone_options(user, platform, user).await.expect("options");
    options.token = token["token"].as_str().expect("a token").to_owned();
    asleep(Phone::install(options)).await
}

async fn send(world: &World, key: &str, to: &str) {
    let body = json!({ "to": [to], "body": "wake up" });
    let sent = world.api(Method::POST, "/v1/messages", key, Some(&body)).await;
    assert_eq!(sent.expect("an answer").0, 200);
}

#[tokio::test]
async fn a_push_service_that_hangs_holds_up_no_other_of_the_app() {
    let world = narrow_world().await;
    let iphone = sleeper(&world, "alice", Platform::Ios).await;
    let trouble = world.fcm().trouble();
    let mut androids = Vec::new();
    for number in 0..SLEEPERS {
        androids.push(sleeper(&world, &format!("android{number}"), Platform::Android).await);
    }
    let marks: Vec<usize> = androids.iter().map(Phone::mark).collect();
    // The first request is for an access token: that one is held already.
    trouble.hold();
    for number in 0..SLEEPERS {
        send(&world, world.app_key(), &format!("android{number}")).await;
    }
    trouble.wait_held(1, PATIENCE).await.expect("Google hangs");
    let mark = iphone.mark();
    send(&world, world.app_key(), "alice").await;
    iphone.wait_since(mark, woken, PATIENCE).await.expect("Apple's lane goes on");
    assert!(trouble.held() >= 1, "Google still hangs");
    trouble.release();
    for (android, mark) in androids.iter().zip(marks) {
        android.wait_since(mark, woken, PATIENCE).await.expect("then they are woken too");
    }
}

#[tokio::test]
async fn an_app_whose_credential_is_refused_holds_up_no_other_app() {
    let world = narrow_world().await;
    let good = sleeper(&world, "alice", Platform::Android).await;
    // The same push service, another app, an account that Google does not know.
    let (app, key) = other_app(&world).await;
    let stranger = ServiceAccount::generate(PROJECT).expect("an account");
    let upload = json!({
        "kind": "fcm_service_account",
        "file": STANDARD.encode(stranger.json(&world.fcm().token_url())),
    });
    let path = format!("/v1/apps/{app}/credentials");
    let taken = world.api(Method::POST, &path, &key, Some(&upload)).await.expect("an answer");
    assert_eq!(taken.0, 201, "{}", taken.1);
    for number in 0..SLEEPERS {
        let user = format!("user{number}");
        sleeper_of(&world, &key, &user, Platform::Android).await;
        send(&world, &key, &user).await;
    }
    let refused = async {
        loop {
            let log = world.api(Method::GET, "/v1/push-log?code=904", &key, None).await;
            let items = log.expect("an answer").1["items"].take();
            if items.as_array().is_some_and(|items| !items.is_empty()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("the other app is refused");
    let mark = good.mark();
    send(&world, world.app_key(), "alice").await;
    good.wait_since(mark, woken, PATIENCE).await.expect("the good app's phone is woken");
}

#[tokio::test]
async fn an_app_whose_pushes_are_never_answered_holds_up_no_other_app() {
    let world = narrow_world().await;
    let (app, key) = other_app(&world).await;
    let path = format!("/v1/apps/{app}/credentials");
    let upload = serde_json::to_value(world.apple_credential()).expect("JSON");
    let taken = world.api(Method::POST, &path, &key, Some(&upload)).await.expect("an answer");
    assert_eq!(taken.0, 201, "{}", taken.1);
    let (mut hung, mut good) = (Vec::new(), Vec::new());
    for number in 0..SLEEPERS {
        let user = format!("user{number}");
        hung.push(sleeper_of(&world, &key, &user, Platform::Ios).await);
        good.push(sleeper(&world, &user, Platform::Ios).await);
    }
    let marks = |phones: &[Phone]| phones.iter().map(Phone::mark).collect::<Vec<_>>();
    let (hung_marks, good_marks) = (marks(&hung), marks(&good));
    let trouble = world.apns().trouble();
    // Apple takes one request of a new connection until it has answered it: the lane's other push
    // waits in the client for that, and what is behind the two for the lane.
    trouble.hold_next(1);
    for number in 0..SLEEPERS {
        send(&world, &key, &format!("user{number}")).await;
    }
    trouble.wait_held(1, PATIENCE).await.expect("the other app's first push hangs");
    for (number, (phone, mark)) in good.iter().zip(good_marks).enumerate() {
        send(&world, world.app_key(), &format!("user{number}")).await;
        phone.wait_since(mark, woken, PATIENCE).await.expect("the good app's lane goes on");
    }
    // All of it went by while nothing of the other app's did.
    assert_eq!(trouble.held(), 1, "it hangs still");
    assert_eq!(world.apns().counts().requests, 1 + SLEEPERS as u64, "its lane lets nothing out");
    trouble.release();
    for (phone, mark) in hung.iter().zip(hung_marks) {
        phone.wait_since(mark, woken, PATIENCE).await.expect("then they are woken too");
    }
}

async fn other_app(world: &World) -> (String, String) {
    let body = json!({ "name": "the other app" });
    let made = world.api(Method::POST, "/v1/apps", world.admin_key(), Some(&body)).await;
    let made: Value = made.expect("an answer").1;
    let text = |field: &str| made[field].as_str().expect("a text").to_owned();
    (text("id"), text("key"))
}
