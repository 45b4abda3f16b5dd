//! Direct pushes: from the back end's request to the phone, through trouble and over a kill.

use std::collections::BTreeSet;

use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sim::device::PushType;
use sim::phone::{Logged, Phone, PhoneEvent, Platform, Via};
use sim::trouble::Scripted;
use sim::world::World;
use wire::TargetKindName;
use wire::http::{DeliveryState, Page, Push, PushDelivery, PushStateName, Record};
use wire::push::Kind;

use super::{PATIENCE, world};

/// A phone of alice's that sleeps.
pub(super) async fn asleep(world: &World, platform: Platform, name: &str, locale: &str) -> Phone {
    let options = world.phone_options("alice", platform, name).await.expect("a token");
    let phone = Phone::install(sim::phone::PhoneOptions { locale: locale.to_owned(), ..options });
    phone.launch().await.expect("it connects");
    phone.suspend().await;
    phone
}

pub(super) async fn push(world: &World, push: &Value) -> Push {
    world.call(Method::POST, "/v1/pushes", Some(push)).await.expect("taken in")
}

/// Asks how a push stands until it fits.
pub(super) async fn until(world: &World, push: &Push, fits: impl Fn(&Push) -> bool) -> Push {
    let path = format!("/v1/pushes/{}", push.id);
    let asking = async {
        loop {
            let push: Push = world.call(Method::GET, &path, None).await.expect("shown");
            if fits(&push) {
                return push;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it comes to that in time")
}

pub(super) async fn done(world: &World, push: &Push) -> Push {
    until(world, push, |push| push.state != PushStateName::Open).await
}

pub(super) async fn deliveries(world: &World, push: &Push) -> Vec<PushDelivery> {
    let path = format!("/v1/pushes/{}/deliveries", push.id);
    let page: Page<PushDelivery> = world.call(Method::GET, &path, None).await.expect("shown");
    page.items
}

/// The records of the step `push`, oldest first.
pub(super) async fn attempts(world: &World, push: &Push) -> Vec<Record> {
    let path = format!("/v1/push-log?step=push&push={}", push.id);
    let page: Page<Record> = world.call(Method::GET, &path, None).await.expect("shown");
    page.items.into_iter().rev().collect()
}

/// Waits until a notification of this title is shown.
pub(super) async fn shown(phone: &Phone, wanted: &str) -> Logged {
    let is_it = |event: &PhoneEvent| matches!(event, PhoneEvent::NotificationShown { title, .. } if title == wanted);
    phone.wait_for(is_it, PATIENCE).await.expect("the notification")
}

#[tokio::test]
async fn a_push_reaches_both_phones_of_a_user_each_in_its_language() {
    let world = world().await;
    let android = asleep(&world, Platform::Android, "alice's phone", "de-AT").await;
    let iphone = asleep(&world, Platform::Ios, "alice's iPhone", "fr").await;
    let sent = push(
        &world,
        &json!({
            "to": { "users": ["alice"] },
            "title": "Your order is on its way",
            "body": "It arrives today.",
            "texts": { "de": { "title": "Deine Bestellung ist unterwegs" } },
            "open": "https://example.com/orders/17",
            "data": { "order": 17 },
        }),
    )
    .await;
    assert_eq!(sent.counts.devices, 2);
    shown(&android, "Deine Bestellung ist unterwegs").await;
    let on_iphone = shown(&iphone, "Your order is on its way").await;
    let PhoneEvent::NotificationShown { body, .. } = on_iphone.event else { unreachable!() };
    assert_eq!(body, "It arrives today.");
    for phone in [&android, &iphone] {
        let ours = |event: &PhoneEvent| {
            matches!(event, PhoneEvent::PushArrived { kind: Some(Kind::Push), wake: None, .. })
        };
        phone.wait_for(ours, PATIENCE).await.expect("a push of ours that is no wake's");
    }
    let over = done(&world, &sent).await;
    assert_eq!((over.state, over.counts.accepted), (PushStateName::Done, 2));
    assert!(over.ended_at.is_some());
    let apple = world.apns().seen();
    let body: Value = serde_json::from_slice(&apple[0].payload).expect("JSON");
    assert_eq!((&body["order"], &body["reveille"]["push"]), (&json!(17), &json!(sent.id)));
    // What it said is nobody else's business.
    let log = serde_json::to_string(&attempts(&world, &sent).await).expect("JSON");
    assert!(log.contains(&sent.id) && !log.contains("order is on"), "{log}");
    assert!(!log.contains("Bestellung"), "{log}");
}

#[tokio::test]
async fn a_scheduled_push_goes_at_its_time_and_a_cancelled_one_does_not() {
    let world = world().await;
    let phone = asleep(&world, Platform::Ios, "alice's iPhone", "en").await;
    let in_a_second = || Timestamp::now() + SignedDuration::from_secs(1);
    let scheduled = |name: &str, send_at: Timestamp| {
        let to = json!({ "users": ["alice"] });
        json!({ "to": to, "title": name, "send_at": send_at, "collapse_id": name })
    };
    // On a machine that stands still for a second the cancel is too late, and another one is tried.
    let mut number = 0;
    let (cancelled, at) = loop {
        number += 1;
        let (name, at) = (format!("never {number}"), in_a_second());
        let sent = push(&world, &scheduled(&name, at)).await;
        let path = format!("/v1/pushes/{}/cancel", sent.id);
        let asked = world.api(Method::POST, &path, world.app_key(), None).await;
        if asked.expect("an answer").0 == 200 {
            break (sent, at);
        }
    };
    // This one comes when the other would have come.
    let at = in_a_second().max(at);
    let kept = push(&world, &scheduled("on time", at)).await;
    let came = shown(&phone, "on time").await;
    assert!(came.at >= at, "{} is before {at}", came.at);
    assert_eq!(done(&world, &kept).await.counts.accepted, 1);
    let cancelled = done(&world, &cancelled).await;
    let counts = (cancelled.counts.cancelled, cancelled.counts.accepted);
    assert_eq!((cancelled.state, counts), (PushStateName::Cancelled, (1, 0)));
    let seen = world.apns().seen();
    let ids: Vec<_> = seen.iter().filter_map(|push| push.header("apns-collapse-id")).collect();
    assert!(ids.contains(&"on time"), "{ids:?}");
    assert!(!ids.contains(&format!("never {number}").as_str()), "{ids:?}");
}

#[tokio::test]
async fn a_refused_push_says_why_and_the_dead_token_is_dropped() {
    let world = world().await;
    let phone = asleep(&world, Platform::Ios, "alice's iPhone", "en").await;
    // The credential is believed once, or nothing is dropped on its word.
    let first = push(&world, &json!({ "to": { "users": ["alice"] }, "title": "one" })).await;
    assert_eq!(done(&world, &first).await.counts.accepted, 1);
    let token = phone.push_token(TargetKindName::Apns).expect("a token");
    world.devices().unregister(&token);
    let second = push(&world, &json!({ "to": { "users": ["alice"] }, "title": "two" })).await;
    let over = done(&world, &second).await;
    assert_eq!((over.counts.refused, over.codes.get(&911)), (1, Some(&1)), "{over:?}");
    let delivery = &deliveries(&world, &second).await[0];
    let said = (delivery.state, delivery.code, delivery.reason.as_deref());
    assert_eq!(said, (DeliveryState::Refused, Some(911), Some("Unregistered")));
    let attempts = attempts(&world, &second).await;
    let detail = attempts[0].detail.as_ref().expect("request and answer");
    assert_eq!((&detail["answer"]["status"], &detail["target"]), (&json!(410), &json!("apns")));
    assert!(detail["took_ms"].is_number() && detail["remedy"].is_string(), "{detail}");
    assert!(!detail.to_string().contains(&token), "the token is in the log");
    let events: Page<wire::http::Event> =
        world.call(Method::GET, "/v1/events", None).await.expect("events");
    let dropped = events.items.iter().find(|event| event.r#type == "device.token_dropped");
    assert!(dropped.is_some(), "{events:?}");
}

#[tokio::test]
async fn a_throttled_push_is_tried_again_until_it_is_taken() {
    let world = world().await;
    let phone = asleep(&world, Platform::Android, "alice's phone", "en").await;
    // Brings the access token, which would be throttled instead.
    let first = push(&world, &json!({ "to": { "users": ["alice"] }, "title": "one" })).await;
    done(&world, &first).await;
    let throttled = Scripted::status(StatusCode::TOO_MANY_REQUESTS)
        .header(RETRY_AFTER, HeaderValue::from_static("1"));
    world.fcm().trouble().answer_next(2, &throttled);
    let second = push(&world, &json!({ "to": { "users": ["alice"] }, "title": "two" })).await;
    shown(&phone, "two").await;
    let over = done(&world, &second).await;
    assert_eq!((over.counts.accepted, over.counts.refused), (1, 0), "{over:?}");
    assert!(over.codes.is_empty(), "what was taken in the end was not refused: {over:?}");
    let attempts = attempts(&world, &second).await;
    let told: Vec<_> =
        attempts.iter().map(|record| (record.reason.as_str(), record.code)).collect();
    assert_eq!(told, [("refused", Some(902)), ("refused", Some(902)), ("accepted", None)]);
}

#[tokio::test]
async fn a_kill_between_accept_and_push_loses_nothing_and_a_resend_is_the_same_push() {
    let world = world().await;
    let phone = asleep(&world, Platform::Android, "alice's phone", "en").await;
    // Nothing gets through to Google any more.
    world.fcm().trouble().freeze();
    let request =
        json!({ "to": { "users": ["alice"] }, "title": "over the kill", "id": "order-17" });
    let sent = push(&world, &request).await;
    world.kill().await.expect("killed");
    world.fcm().trouble().thaw();
    assert_eq!(push_requests(&world), 0, "it was not pushed before");
    world.start_server().await.expect("it starts again");
    let again = push(&world, &request).await;
    assert_eq!((&again.id, again.created_at), (&sent.id, sent.created_at));
    shown(&phone, "over the kill").await;
    let over = done(&world, &sent).await;
    assert_eq!((over.counts.devices, over.counts.accepted), (1, 1), "{over:?}");
    assert_eq!(push_requests(&world), 1, "once, though it was sent twice");
}

/// Sends to FCM, without the requests for access tokens.
fn push_requests(world: &World) -> usize {
    world.fcm().seen().iter().filter(|seen| seen.path.ends_with("messages:send")).count()
}

#[tokio::test]
async fn a_push_whose_answer_a_kill_took_is_sent_again_by_the_same_name() {
    let world = world().await;
    let phone = asleep(&world, Platform::Ios, "alice's iPhone", "en").await;
    world.apns().trouble().hold_next(1);
    let sent = push(&world, &json!({ "to": { "users": ["alice"] }, "title": "twice" })).await;
    world.apns().trouble().wait_held(1, PATIENCE).await.expect("Apple has it");
    world.kill().await.expect("killed");
    world.apns().trouble().release();
    world.start_server().await.expect("it starts again");
    shown(&phone, "twice").await;
    let over = done(&world, &sent).await;
    assert_eq!(over.counts.accepted, 1, "{over:?}");
    let seen = world.apns().seen();
    assert_eq!(seen.len(), 2);
    for header in ["apns-id", "apns-collapse-id"] {
        let values: BTreeSet<_> = seen.iter().map(|push| push.header(header)).collect();
        assert_eq!(values.len(), 1, "{header}: {values:?}");
    }
}

#[tokio::test]
async fn a_call_rings_and_one_that_waits_for_room_is_not_written_once_it_is_cancelled() {
    let world = world().await;
    let iphone = asleep(&world, Platform::Ios, "alice's iPhone", "en").await;
    let call = |id: &str| {
        json!({
            "to": { "users": ["alice"] },
            "kind": "voip",
            "call": {
                "id": id,
                "rings_until": Timestamp::now() + SignedDuration::from_secs(60),
                "caller_name": "Bob",
                "media": "audio",
            },
        })
    };
    // Apple gives a connection one stream until its first answer, and that one is held.
    let trouble = world.apns().trouble();
    trouble.hold_next(1);
    let to = json!({ "devices": [iphone.device_id()] });
    let holding = push(&world, &json!({ "to": to, "title": "takes the one stream" })).await;
    trouble.wait_held(1, PATIENCE).await.expect("the first push is on its way");
    let cancelled = push(&world, &call("0192f0a1-7b3c-7d4e-8f50-617283940001")).await;
    let sending = async {
        while deliveries(&world, &cancelled).await[0].state != DeliveryState::Sending {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, sending).await.expect("the ring push is claimed");
    let path = format!("/v1/pushes/{}/cancel", cancelled.id);
    let _: Push = world.call(Method::POST, &path, None).await.expect("cancelled");
    trouble.release();
    done(&world, &holding).await;
    let over = until(&world, &cancelled, |push| push.counts.waiting == 0).await;
    assert_eq!((over.counts.cancelled, over.counts.accepted), (1, 0), "{over:?}");
    // Another one rings.
    let id = "0192f0a1-7b3c-7d4e-8f50-617283940002";
    let rung = push(&world, &call(id)).await;
    let rings = |event: &PhoneEvent| matches!(event, PhoneEvent::CallScreen { call, via: Via::Push, .. } if call == id);
    iphone.wait_for(rings, PATIENCE).await.expect("it rings");
    assert_eq!(done(&world, &rung).await.counts.accepted, 1);
    let seen = world.apns().seen();
    let voip: Vec<_> =
        seen.iter().filter(|push| push.header("apns-push-type") == Some("voip")).collect();
    assert_eq!(voip.len(), 1, "the cancelled call was not rung");
    assert_eq!(voip[0].header("apns-topic"), Some("com.example.reveille.voip"));
    let pushed = |event: &PhoneEvent| {
        matches!(event, PhoneEvent::PushArrived { push_type: PushType::Voip, .. })
    };
    assert_eq!(iphone.events().iter().filter(|logged| pushed(&logged.event)).count(), 1);
}
