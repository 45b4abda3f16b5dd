//! Browsers: their service workers are woken by Web Push messages, whatever their push service does.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sim::phone::{Life, Phone, PhoneEvent, Platform, Via};
use sim::trouble::{GoAway, Scripted};
use sim::webpush::{RetryAfter, Vendor};
use sim::world::{Tuning, World, WorldOptions};
use sim::{Fate, SeenPush, WebPushSim};
use wire::http::{Event, Page, Record, Settings};
use wire::{PushTargetState, ReceiptState, TargetKindName};

use super::pushes::{done, push, shown};
use super::{PATIENCE, SERVER, sender};

/// A world with this vendor's push service, whose server probes soon.
async fn browsers(vendor: Vendor) -> World {
    let tuning = Tuning { probe: Some(Duration::from_millis(300)), ..Tuning::default() };
    let options = WorldOptions { webpush: Some(vendor), tuning, ..WorldOptions::new(SERVER) };
    World::start(options).await.expect("the world starts")
}

fn service(world: &World) -> &WebPushSim {
    world.webpush().expect("a Web Push service")
}

/// A page of alice's that is closed; its browser is not.
async fn closed_page(world: &World) -> Phone {
    let page = world.phone("alice", Platform::Web, "alice's browser").await.expect("a browser");
    visit(&page).await;
    page.kill_app().await;
    page
}

/// Opens the page and waits until its subscription is known.
async fn visit(page: &Phone) {
    let mark = page.mark();
    page.launch().await.expect("it connects");
    let told = |event: &PhoneEvent| {
        matches!(
            event,
            PhoneEvent::TargetAnswered {
                kind: TargetKindName::Webpush,
                state: PushTargetState::Active,
                ..
            }
        )
    };
    page.wait_since(mark, told, PATIENCE).await.expect("the subscription is taken");
}

/// Sends alice a message and waits until her browser holds it and bob knows.
async fn delivered(sender: &Phone, page: &Phone, text: &str) -> String {
    let mark = page.mark();
    let accepted = sender.send("alice", text).await.expect("accepted");
    let received = |event: &PhoneEvent| matches!(event, PhoneEvent::MessageReceived { id, via: Via::Worker, .. } if *id == accepted.id);
    page.wait_since(mark, received, PATIENCE).await.expect("the worker drains it");
    receipt(sender, &accepted.id).await;
    accepted.id
}

/// Waits until bob knows that a message has arrived.
async fn receipt(sender: &Phone, message: &str) {
    let arrived = |event: &PhoneEvent| matches!(event, PhoneEvent::ReceiptReceived { id, state: ReceiptState::Delivered, .. } if id == message);
    sender.wait_for(arrived, PATIENCE).await.expect("the receipt");
}

/// The records of the pushes for a message, in order, once there are so many.
async fn pushes(world: &World, message: &str, count: usize) -> Vec<Record> {
    let asking = async {
        loop {
            let timeline = world.timeline(message).await.expect("a timeline");
            let pushes = timeline.items.into_iter().filter(|record| record.step == "push");
            let pushes: Vec<_> = pushes.collect();
            if pushes.len() >= count {
                return pushes;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("the records of the pushes")
}

fn told(records: &[Record]) -> Vec<(&str, Option<u16>)> {
    records.iter().map(|record| (record.reason.as_str(), record.code)).collect()
}

fn is_breach(page: &Phone) -> bool {
    page.events().iter().any(|logged| matches!(logged.event, PhoneEvent::SilentPush { .. }))
}

#[tokio::test]
async fn a_closed_page_is_woken_by_every_vendor_and_acknowledges() {
    for vendor in [Vendor::Apple, Vendor::Google, Vendor::Mozilla, Vendor::Plain] {
        let world = browsers(vendor).await;
        let sender = sender(&world).await;
        let page = closed_page(&world).await;
        let message = delivered(&sender, &page, "wake up").await;
        let shown = |event: &PhoneEvent| matches!(event, PhoneEvent::NotificationShown { title, body, via: Via::Worker } if (title.as_str(), body.as_str()) == ("bob", "wake up"));
        page.wait_for(shown, PATIENCE).await.expect("the message is shown");
        let acked = |event: &PhoneEvent| matches!(event, PhoneEvent::Acked { confirmed: true, .. });
        page.wait_for(acked, PATIENCE).await.expect("and acknowledged");
        assert_eq!((page.life(), is_breach(&page)), (Life::NotRunning, false), "{vendor:?}");

        let seen = &service(&world).seen()[0];
        assert_eq!((seen.status, seen.fate), (StatusCode::CREATED, Fate::Delivered), "{vendor:?}");
        assert_eq!(seen.header("urgency"), Some("high"));
        let endpoint = page.push_token(TargetKindName::Webpush).expect("an endpoint");
        assert_eq!(seen.token, endpoint);
        let record = &pushes(&world, &message, 1).await[0];
        let detail = record.detail.as_ref().expect("request and answer");
        assert_eq!(
            (record.reason.as_str(), &detail["answer"]["status"]),
            ("accepted", &json!(201))
        );
        // Who knows the path of an endpoint may post to it.
        let secret = endpoint.strip_prefix(service(&world).origin()).expect("a path");
        let log = serde_json::to_string(&world.push_log(&page).await.expect("records"));
        assert!(!log.expect("JSON").contains(secret), "the endpoint is in the push log");
        assert!(!world.server_log().contains(secret), "the endpoint is in the server's log");
    }
}

#[tokio::test]
async fn a_gone_subscription_is_dropped_for_cause_and_a_visit_makes_another() {
    type End = fn(&World, &str);
    let gone: End = |world, endpoint| world.devices().unregister(endpoint);
    let expired: End = |world, endpoint| world.devices().expire(endpoint);
    for (vendor, end, status) in
        [(Vendor::Mozilla, gone, 410), (Vendor::Plain, expired, 404), (Vendor::Apple, gone, 410)]
    {
        let world = browsers(vendor).await;
        let sender = sender(&world).await;
        let page = closed_page(&world).await;
        // The credential is believed once, or nothing is dropped on its word.
        delivered(&sender, &page, "one").await;
        let endpoint = page.push_token(TargetKindName::Webpush).expect("an endpoint");
        end(&world, &endpoint);
        let accepted = sender.send("alice", "two").await.expect("accepted");
        let record = &pushes(&world, &accepted.id, 1).await[0];
        assert_eq!((record.reason.as_str(), record.code), ("refused", Some(911)), "{vendor:?}");
        let detail = record.detail.as_ref().expect("request and answer");
        assert_eq!(detail["answer"]["status"], status, "{detail}");
        let dropped = async {
            loop {
                let devices = world.devices_of("alice").await.expect("devices");
                if devices[0].targets.is_empty() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, dropped).await.expect("the subscription is dropped");
        let events: Page<Event> =
            world.call(Method::GET, "/v1/events", None).await.expect("the app's events");
        let told = events.items.iter().any(|event| event.r#type == "device.token_dropped");
        assert!(told, "the app's back end is told: {events:?}");

        visit(&page).await;
        receipt(&sender, &accepted.id).await;
        page.kill_app().await;
        delivered(&sender, &page, "three").await;
        let to_it = |push: &SeenPush| push.token == endpoint;
        let asked = service(&world).seen().into_iter().filter(to_it).count();
        assert_eq!(asked, 2, "the dead one was asked once");
    }
}

#[tokio::test]
async fn a_throttled_push_goes_again_and_is_taken() {
    let world = browsers(Vendor::Mozilla).await;
    let sender = sender(&world).await;
    let page = closed_page(&world).await;
    let throttled = Vendor::Mozilla.too_many(RetryAfter::Seconds(1), jiff::Timestamp::now());
    service(&world).trouble().answer_next(1, &throttled);
    let message = delivered(&sender, &page, "wake up").await;
    let records = pushes(&world, &message, 2).await;
    assert_eq!(told(&records), [("refused", Some(902)), ("accepted", None)]);
    let statuses: Vec<u16> =
        service(&world).seen().iter().map(|push| push.status.as_u16()).collect();
    assert_eq!(statuses, [429, 201]);
}

#[tokio::test]
async fn whatever_a_push_service_does_the_page_is_woken() {
    let world = browsers(Vendor::Google).await;
    // A push whose answer was lost is not sent again at once; the next rung comes soon instead.
    world.set(&Settings { climb_after: Some(1), ..Settings::default() }).await.expect("set");
    let sender = sender(&world).await;
    let page = closed_page(&world).await;
    delivered(&sender, &page, "a connection stands").await;
    let trouble = service(&world).trouble();
    let now = jiff::Timestamp::now();
    let troubles: [(&str, &dyn Fn()); 8] = [
        ("HTML from the front end", &|| trouble.answer_next(1, &Scripted::front_end_502())),
        ("503", &|| {
            trouble.answer_next(1, &Vendor::Google.unavailable(RetryAfter::Seconds(1), now));
        }),
        ("too large", &|| {
            trouble.answer_next(1, &Scripted::status(StatusCode::PAYLOAD_TOO_LARGE));
        }),
        ("GOAWAY", &|| trouble.go_away_after(0, &GoAway::plain())),
        ("a refused stream", &|| trouble.refuse_streams(1)),
        ("a connection that is cut", &|| trouble.close_next(1)),
        ("an answer that is lost", &|| trouble.close_after_processing(1)),
        ("slow answers", &|| trouble.latency(Duration::from_millis(100))),
    ];
    for (name, make) in troubles {
        make();
        delivered(&sender, &page, name).await;
    }
    assert!(!is_breach(&page));
}

#[tokio::test]
async fn a_replaced_subscription_takes_the_pushes() {
    let world = browsers(Vendor::Mozilla).await;
    let sender = sender(&world).await;
    let page = closed_page(&world).await;
    let old = page.push_token(TargetKindName::Webpush).expect("an endpoint");
    page.rotate_subscription().await.expect("the server takes the new one");
    delivered(&sender, &page, "wake up").await;
    let seen = service(&world).seen();
    let new = page.push_token(TargetKindName::Webpush);
    assert!(seen.iter().all(|push| push.token != old && Some(&push.token) == new.as_ref()));
}

#[tokio::test]
async fn a_call_rings_a_closed_page_and_is_answered_there() {
    let world = browsers(Vendor::Google).await;
    let caller = sender(&world).await;
    let page = closed_page(&world).await;
    let mark = page.mark();
    let call = caller.start_call("alice", "Bob");
    let rings = |event: &PhoneEvent| matches!(event, PhoneEvent::CallScreen { caller_name, via: Via::Push, .. } if caller_name == "Bob");
    page.wait_since(mark, rings, PATIENCE).await.expect("it rings");
    page.answer(call.id());
    let answered = |event: &PhoneEvent| matches!(event, PhoneEvent::CallAnswered { call: known, by } if known == call.id() && by == "alice");
    caller.wait_for(answered, PATIENCE).await.expect("they talk");
    assert_eq!((page.life(), is_breach(&page)), (Life::Foreground, false));
    call.end();
}

#[tokio::test]
async fn a_direct_push_is_shown_as_it_says() {
    let world = browsers(Vendor::Mozilla).await;
    let page = closed_page(&world).await;
    let push =
        json!({ "to": { "users": ["alice"] }, "title": "News", "body": "Read all about it." });
    let sent: Value = world.call(Method::POST, "/v1/pushes", Some(&push)).await.expect("taken in");
    let shown = |event: &PhoneEvent| matches!(event, PhoneEvent::NotificationShown { title, body, via: Via::Worker } if (title.as_str(), body.as_str()) == ("News", "Read all about it."));
    page.wait_for(shown, PATIENCE).await.expect("the notification");
    assert!(sent["id"].as_str().is_some_and(|id| id.starts_with("psh_")), "{sent}");
}

#[tokio::test]
async fn a_broadcast_reaches_every_page_encrypted_for_it() {
    let world = browsers(Vendor::Mozilla).await;
    let mut pages = Vec::new();
    for name in ["alice's browser", "alice's other browser"] {
        let page = world.phone("alice", Platform::Web, name).await.expect("a browser");
        visit(&page).await;
        page.kill_app().await;
        pages.push(page);
    }
    let sent = push(&world, &json!({ "to": { "all": true }, "title": "We are closed" })).await;
    for page in &pages {
        shown(page, "We are closed").await;
    }
    let over = done(&world, &sent).await;
    assert_eq!((over.counts.devices, over.counts.accepted), (2, 2), "{over:?}");
}
