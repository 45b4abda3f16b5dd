//! iPhones that are reached through FCM because the setting says so.

use http::Method;
use serde_json::{Value, json};
use sim::device::PushType;
use sim::phone::{Phone, PhoneEvent, PhoneOptions, Platform, Via};
use sim::world::World;
use wire::http::{IosRouteName, Push, Settings};

use super::{PATIENCE, world};

/// An iPhone of alice's whose app has Firebase and both of Apple's tokens, and which sleeps, in a
/// world that reaches iPhones through FCM alone.
async fn by_fcm(settings: Settings) -> (World, Phone) {
    let world = world().await;
    let settings = Settings { route_ios: Some(IosRouteName::Fcm), ..settings };
    world.set(&settings).await.expect("set");
    let options = world.phone_options("alice", Platform::Ios, "alice's iPhone").await;
    let options = options.expect("a token");
    let phone = Phone::install(PhoneOptions { firebase_on_ios: true, ..options });
    phone.launch().await.expect("it connects");
    (world, phone)
}

/// A phone of bob's that is awake.
async fn bob(world: &World) -> Phone {
    let phone = world.phone("bob", Platform::Android, "bob's phone").await.expect("a phone");
    phone.launch().await.expect("it connects");
    phone
}

async fn arrived(phone: &Phone, wanted: PushType) {
    let is_it = |event: &PhoneEvent| matches!(event, PhoneEvent::PushArrived { push_type, .. } if *push_type == wanted);
    phone.wait_for(is_it, PATIENCE).await.expect("the push");
}

/// Waits until a notification is shown, and by what; gives its title.
async fn shown(phone: &Phone, wanted: Via) -> String {
    let is_it = |event: &PhoneEvent| matches!(event, PhoneEvent::NotificationShown { via, .. } if *via == wanted);
    let logged = phone.wait_for(is_it, PATIENCE).await.expect("the notification");
    let PhoneEvent::NotificationShown { title, .. } = logged.event else { unreachable!() };
    title
}

/// Nothing went to Apple by ourselves.
fn assert_all_went_by_fcm(world: &World) {
    assert_eq!(world.apns().seen().len() + world.apns_sandbox().seen().len(), 0);
}

#[tokio::test]
async fn a_background_push_wakes_the_app() {
    let (world, phone) = by_fcm(Settings::default()).await;
    phone.suspend().await;
    bob(&world).await.send("alice", "wake up").await.expect("accepted");
    arrived(&phone, PushType::Background).await;
    let held = phone.wait_messages(1, PATIENCE).await.expect("it fetched the message");
    assert_eq!(held.len(), 1);
    assert_all_went_by_fcm(&world);
}

#[tokio::test]
async fn the_alert_that_follows_is_shown_though_the_app_was_force_quit() {
    let (world, phone) = by_fcm(Settings { climb_after: Some(1), ..Settings::default() }).await;
    phone.force_quit().await;
    bob(&world).await.send("alice", "wake up").await.expect("accepted");
    arrived(&phone, PushType::Alert).await;
    shown(&phone, Via::Extension).await;
    assert_eq!(phone.wait_messages(1, PATIENCE).await.expect("by the extension").len(), 1);
    assert_all_went_by_fcm(&world);
}

#[tokio::test]
async fn a_call_rings_by_an_alert() {
    let (world, phone) = by_fcm(Settings::default()).await;
    phone.suspend().await;
    let _call = bob(&world).await.start_call("alice", "Bob Example");
    arrived(&phone, PushType::Alert).await;
    assert_eq!(shown(&phone, Via::Extension).await, "Bob Example");
    assert_all_went_by_fcm(&world);
}

#[tokio::test]
async fn a_direct_push_is_shown_to_a_device_and_to_a_token_that_nobody_knows() {
    let (world, phone) = by_fcm(Settings::default()).await;
    phone.suspend().await;
    let token = phone.push_token(wire::TargetKindName::Fcm).expect("it has one");
    for (title, to) in [
        ("to the device", json!({ "users": ["alice"] })),
        ("to the token", json!({ "targets": [{ "kind": "fcm", "token": token }] })),
    ] {
        let body = json!({ "to": to, "title": title, "image": "https://example.com/17.jpg" });
        let taken: anyhow::Result<Push> = world.call(Method::POST, "/v1/pushes", Some(&body)).await;
        taken.expect("taken in");
        // A picture is for the extension to fetch.
        let is_it = |event: &PhoneEvent| matches!(event, PhoneEvent::NotificationShown { title: shown, via: Via::Extension, .. } if shown == title);
        phone.wait_for(is_it, PATIENCE).await.expect(title);
    }
    let sent = world.fcm().seen();
    let messages = sent.iter().filter_map(|seen| {
        let body: Value = serde_json::from_slice(&seen.payload).ok()?;
        body.get("message").cloned()
    });
    let pictures: Vec<_> = messages
        .map(|message| {
            let android = message["android"]["notification"]["image"].clone();
            (message["apns"]["fcm_options"]["image"].clone(), android)
        })
        .collect();
    let picture = json!("https://example.com/17.jpg");
    assert_eq!(pictures, [(picture.clone(), Value::Null), (picture.clone(), picture)]);
    assert_all_went_by_fcm(&world);
}
