//! Broadcasts: to every device once, over a kill, a stop, a pause and a cancel.

use std::collections::{BTreeMap, BTreeSet};

use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use sim::SeenPush;
use sim::phone::{Phone, Platform};
use sim::trouble::Scripted;
use sim::world::{Tuning, World, WorldOptions};
use wire::TargetKindName;
use wire::http::{DeliveryState, Page, Push, PushStateName};

use super::pushes::{asleep, attempts, deliveries, done, push, shown, until};
use super::{PATIENCE, SERVER};

/// A world where nothing climbs to Google's rate first.
async fn world() -> World {
    let more = "[broadcast]\nfcm_ramp_ms = 0\n".to_owned();
    let tuning = Tuning { more, ..Tuning::default() };
    World::start(WorldOptions { tuning, ..WorldOptions::new(SERVER) }).await.expect("it starts")
}

/// So many iPhones of alice's, all asleep.
async fn iphones(world: &World, count: usize) -> Vec<Phone> {
    let mut phones = Vec::new();
    for number in 0..count {
        phones.push(asleep(world, Platform::Ios, &format!("iPhone {number}"), "en").await);
    }
    phones
}

fn to_all(title: &str, rate: u32) -> Value {
    json!({ "to": { "all": true }, "title": title, "rate": rate })
}

/// The names that Apple was given for the pushes to each token.
fn names_by_token(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seen in world.apns().seen() {
        let name = seen.header("apns-id").expect("a name").to_owned();
        names.entry(seen.token).or_default().push(name);
    }
    names
}

async fn asked(world: &World, push: &Push, what: &str) -> Push {
    let path = format!("/v1/pushes/{}/{what}", push.id);
    world.call(Method::POST, &path, None).await.expect("it is done")
}

#[tokio::test]
async fn a_broadcast_reaches_every_device_in_its_language_by_connections_of_its_own() {
    let world = world().await;
    let german = asleep(&world, Platform::Android, "alice's phone", "de-AT").await;
    let english = asleep(&world, Platform::Ios, "alice's iPhone", "en").await;
    let french = asleep(&world, Platform::Ios, "alice's other iPhone", "fr").await;
    let direct = push(&world, &json!({ "to": { "users": ["alice"] }, "title": "direct" })).await;
    done(&world, &direct).await;
    let direct: BTreeSet<_> = world.apns().seen().iter().map(|seen| seen.connection).collect();
    let sent = push(
        &world,
        &json!({
            "to": { "all": true },
            "title": "We are closed today",
            "texts": { "de": { "title": "Heute geschlossen" } },
        }),
    )
    .await;
    shown(&german, "Heute geschlossen").await;
    shown(&english, "We are closed today").await;
    shown(&french, "We are closed today").await;
    let over = done(&world, &sent).await;
    let counts = (over.counts.devices, over.counts.accepted, over.counts.waiting);
    assert_eq!((over.state, counts), (PushStateName::Done, (3, 3, 0)), "{over:?}");
    let seen = world.apns().seen();
    let ours: Vec<&SeenPush> = seen.iter().skip(2).collect();
    assert_eq!(ours.len(), 2);
    assert!(ours.iter().all(|seen| !direct.contains(&seen.connection)), "by the wakes' connection");
    let header = |name| ours.iter().map(|seen| seen.header(name)).collect::<BTreeSet<_>>();
    assert_eq!(header("apns-collapse-id").len(), 1, "it replaces itself, should it come twice");
    assert_eq!(header("apns-id").len(), 2);
    assert_eq!(ours[0].payload, ours[1].payload, "only token and name are the device's");
    // One record for all that were taken.
    let records = attempts(&world, &sent).await;
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0].detail.as_ref().expect("a detail")["accepted"], 3);
}

#[tokio::test]
async fn one_push_a_second_is_a_rate_as_well() {
    let world = world().await;
    iphones(&world, 3).await;
    let sent = push(&world, &to_all("slowly", 1)).await;
    let over = done(&world, &sent).await;
    assert_eq!((over.counts.devices, over.counts.accepted), (3, 3), "{over:?}");
}

#[tokio::test]
async fn a_topic_is_a_broadcast_to_its_devices_alone() {
    let world = world().await;
    let phones = iphones(&world, 3).await;
    let devices: Vec<String> = phones.iter().take(2).map(Phone::device_id).collect();
    let path = "/v1/topics/news/devices";
    let body = json!({ "devices": devices });
    let _: Value = world.call(Method::POST, path, Some(&body)).await.expect("subscribed");
    let sent = push(&world, &json!({ "to": { "topic": "news" }, "title": "news" })).await;
    let over = done(&world, &sent).await;
    assert_eq!((over.counts.devices, over.counts.accepted), (2, 2), "{over:?}");
    let reached: BTreeSet<String> = names_by_token(&world).into_keys().collect();
    let token = |phone: &Phone| phone.push_token(TargetKindName::Apns).expect("a token");
    assert_eq!(reached, phones.iter().take(2).map(token).collect());
}

#[tokio::test]
async fn a_kill_skips_nobody_and_who_is_reached_twice_is_by_the_same_names() {
    let world = world().await;
    let phones = iphones(&world, 12).await;
    // Pages of four devices: when the sixth push is seen, the first page is stored or about to be.
    let sent = push(&world, &to_all("over the kill", 2)).await;
    world.apns().wait_count(6, PATIENCE).await.expect("it is under way");
    world.kill().await.expect("killed");
    let before = world.apns().seen().len();
    assert!(before < phones.len(), "{before} were sent before the kill");
    world.start_server().await.expect("it starts again");
    let over = done(&world, &sent).await;
    assert_eq!((over.counts.devices, over.counts.accepted), (12, 12), "{over:?}");
    let names = names_by_token(&world);
    assert_eq!(names.len(), 12, "nobody is skipped");
    for names in names.values() {
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 1, "{names:?}");
    }
    let sends: usize = names.values().map(Vec::len).sum();
    assert!(sends - 12 <= 4, "{} were sent twice, more than a page", sends - 12);
}

#[tokio::test]
async fn a_stop_in_the_middle_reaches_nobody_twice() {
    let world = world().await;
    iphones(&world, 12).await;
    let sent = push(&world, &to_all("over the restart", 2)).await;
    world.apns().wait_count(6, PATIENCE).await.expect("it is under way");
    world.stop().await.expect("stopped");
    assert!(world.apns().seen().len() < 12, "it was over before");
    world.start_server().await.expect("it starts again");
    let over = done(&world, &sent).await;
    assert_eq!((over.counts.devices, over.counts.accepted), (12, 12), "{over:?}");
    let sends: Vec<usize> = names_by_token(&world).values().map(Vec::len).collect();
    assert_eq!(sends, [1; 12]);
}

#[tokio::test]
async fn a_paused_broadcast_stands_still_and_a_cancelled_one_is_over() {
    let world = world().await;
    iphones(&world, 12).await;
    let sent = push(&world, &to_all("with a pause", 2)).await;
    world.apns().wait_count(1, PATIENCE).await.expect("it is under way");
    assert_eq!(asked(&world, &sent, "pause").await.state, PushStateName::Paused);
    // The page that is on its way is sent and counted; then it is not walked.
    let paused = until(&world, &sent, |push| push.counts.accepted >= 4).await;
    assert_eq!(paused.state, PushStateName::Paused);
    let accepted = paused.counts.accepted;
    assert!(accepted % 4 == 0 && accepted < 12, "whole pages, and not all: {paused:?}");
    assert_eq!(asked(&world, &sent, "resume").await.state, PushStateName::Open);
    let over = done(&world, &sent).await;
    assert_eq!((over.counts.devices, over.counts.accepted), (12, 12), "{over:?}");
    assert_eq!(world.apns().seen().len(), 12, "nobody twice");

    let sent = push(&world, &to_all("cancelled", 2)).await;
    world.apns().wait_count(13, PATIENCE).await.expect("it is under way");
    assert_eq!(asked(&world, &sent, "cancel").await.state, PushStateName::Cancelled);
    let over = until(&world, &sent, |push| push.counts.devices >= 4).await;
    assert_eq!(over.counts.devices, over.counts.accepted + over.counts.cancelled, "{over:?}");
    assert!(over.counts.cancelled > 0 && over.counts.devices < 12, "{over:?}");
}

#[tokio::test]
async fn what_was_not_taken_is_tried_again_and_a_dead_token_is_dropped() {
    let world = world().await;
    let phones = iphones(&world, 2).await;
    asleep(&world, Platform::Android, "a phone", "en").await;
    let first = push(&world, &json!({ "to": { "users": ["alice"] }, "title": "direct" })).await;
    assert_eq!(done(&world, &first).await.counts.accepted, 3);
    world.devices().unregister(&phones[0].push_token(TargetKindName::Apns).expect("a token"));
    let throttled = Scripted::status(StatusCode::TOO_MANY_REQUESTS)
        .header(RETRY_AFTER, HeaderValue::from_static("1"));
    world.fcm().trouble().answer_next(1, &throttled);
    let sent = push(&world, &json!({ "to": { "all": true }, "title": "news" })).await;
    let over = done(&world, &sent).await;
    let counts = (over.counts.devices, over.counts.accepted, over.counts.refused);
    assert_eq!((counts, over.codes.get(&911)), ((3, 2, 1), Some(&1)), "{over:?}");
    // Only what was throttled has a delivery of its own.
    let left = deliveries(&world, &sent).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((left[0].state, left[0].refused), (DeliveryState::Accepted, 1), "{left:?}");
    let events: Page<wire::http::Event> =
        world.call(Method::GET, "/v1/events", None).await.expect("events");
    assert!(events.items.iter().any(|event| event.r#type == "device.token_dropped"));
    // A failure has a record of its own, with device, request and answer.
    let path = format!("/v1/push-log?push={}&code=911", sent.id);
    let refused: Page<wire::http::Record> =
        world.call(Method::GET, &path, None).await.expect("records");
    let refused = refused.items;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0].device.as_deref(), Some(&*phones[0].device_id()));
    let detail = refused[0].detail.as_ref().expect("request and answer");
    assert_eq!(detail["answer"]["status"], 410);
}
