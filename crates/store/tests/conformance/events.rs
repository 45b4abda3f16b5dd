//! Events: what happened, for whoever asks later.

use std::sync::Arc;

use domain::{Diagnosis, EventSet, EventType, Platform, RetryRule, TargetKind, TokenVerdict};
use store::model::{CallMove, Connect, Event, HushKind, NewEvent, Settings};

use super::world::{DAY, NOON, SECOND, World, refused};

impl World {
    pub(super) async fn events(&self) -> Vec<Event> {
        self.store().events(self.app, 0, 100).await.expect("read")
    }
}

#[tokio::test]
async fn events_are_an_apps_own_and_come_in_the_order_of_their_commits() {
    let mut world = World::new().await;
    let other = world.store().add_app("other".to_owned(), NOON).await.expect("added").id;
    for (app, kind) in [
        (world.app, EventType::CredentialFailed),
        (other, EventType::CredentialFailed),
        (world.app, EventType::CredentialRecovered),
        (world.app, EventType::CredentialFailed),
    ] {
        world.pass(SECOND);
        let body = serde_json::json!({ "at": world.now.as_micros() });
        world.store().add_event(app, NewEvent { kind, body }, world.now).await.expect("written");
    }
    world.kill().await;
    let all = world.events().await;
    assert!(all.is_sorted_by(|a, b| a.number < b.number && a.at < b.at));
    let kinds: Vec<_> = all.iter().map(|event| event.kind).collect();
    let (failed, recovered) = (EventType::CredentialFailed, EventType::CredentialRecovered);
    assert_eq!(kinds, [failed, recovered, failed]);
    for event in &all {
        assert_eq!(event.app, world.app);
        assert_eq!(event.body, format!(r#"{{"at":{}}}"#, event.at.as_micros()));
    }
    let page =
        async |after, limit| world.store().events(world.app, after, limit).await.expect("read");
    assert_eq!(page(0, 2).await, all[..2]);
    assert_eq!(page(all[1].number, 2).await, all[2..]);
    assert_eq!(page(all[2].number, 2).await, []);
    assert_eq!(world.store().events(other, 0, 9).await.expect("read").len(), 1);
}

#[tokio::test]
async fn an_event_is_kept_for_thirty_days_and_its_number_is_not_given_again() {
    let mut world = World::new().await;
    let write = async |world: &World| {
        let event = NewEvent { kind: EventType::CredentialFailed, body: serde_json::Value::Null };
        let written = world.store().add_event(world.app, event, world.now);
        written.await.expect("written");
    };
    write(&world).await;
    let first = world.events().await[0].number;
    world.pass(DAY * 30);
    world.store().sweep(0, world.now).await.expect("swept");
    assert_eq!(world.events().await.len(), 1);
    world.pass(SECOND);
    world.store().sweep(0, world.now).await.expect("swept");
    assert_eq!(world.events().await, []);
    write(&world).await;
    assert!(world.events().await[0].number > first, "whoever has read the first sees the second");
}

#[tokio::test]
async fn a_token_that_is_dropped_is_an_event() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    world.send("alice").await;
    let claimed = world.claim_one().await;
    world.pass(SECOND);
    let gone = TokenVerdict::Drop { invalid_since: None };
    let outcome = refused(Diagnosis::BadPushToken, RetryRule::WhenChanged, gone);
    assert!(world.settle(&claimed, outcome).await.dropped);
    let events = world.events().await;
    let [event] = &events[..] else { panic!("one: {events:?}") };
    assert_eq!((event.kind, event.at), (EventType::TokenDropped, world.now));
    let body: serde_json::Value = serde_json::from_str(&event.body).expect("it is JSON");
    let expected = serde_json::json!({
        "user": "alice", "device": alice.name, "target": "fcm", "code": 911, "reason": "ByTheTest",
    });
    assert_eq!(body, expected, "and not the token itself");
}

#[tokio::test]
async fn a_token_that_moves_is_an_event_and_one_that_stays_is_none() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let bob = world.sleeper("bob").await;
    world.pass(SECOND);
    world.set_target(&alice, TargetKind::Fcm, "one").await;
    world.set_target(&alice, TargetKind::Fcm, "one").await;
    world.set_target(&alice, TargetKind::Fcm, "two").await;
    assert_eq!(world.events().await, []);
    world.set_target(&bob, TargetKind::Fcm, "two").await;
    let events = world.events().await;
    let [event] = &events[..] else { panic!("one: {events:?}") };
    assert_eq!((event.kind, event.at), (EventType::TargetMoved, world.now));
    let body: serde_json::Value = serde_json::from_str(&event.body).expect("it is JSON");
    let expected = serde_json::json!({
        "target": "fcm",
        "from": { "user": "alice", "device": alice.name },
        "to": { "user": "bob", "device": bob.name },
    });
    assert_eq!(body, expected);
}

/// Every frequent event of an app is kept.
async fn keep_all(world: &World) {
    let all: EventSet = EventType::ALL.into_iter().filter(|event| event.is_frequent()).collect();
    let settings = Settings { kept_events: all, ..Settings::default() };
    world.store().set_settings(world.app, settings, world.now).await.expect("kept");
}

/// What happened of this kind: the bodies.
async fn of_kind(world: &World, kind: EventType) -> Vec<serde_json::Value> {
    let events = world.events().await.into_iter().filter(|event| event.kind == kind);
    events.map(|event| serde_json::from_str(&event.body).expect("it is JSON")).collect()
}

#[tokio::test]
async fn what_is_frequent_is_kept_only_for_who_asks_for_it() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    world.send("alice").await;
    let event = NewEvent { kind: EventType::PushSent, body: serde_json::json!({}) };
    world.store().add_event(world.app, event.clone(), world.now).await.expect("answered");
    assert_eq!(world.events().await, []);
    keep_all(&world).await;
    world.store().add_event(world.app, event, world.now).await.expect("written");
    let mut alice = alice;
    world.connect(&mut alice).await;
    let kinds: Vec<_> = world.events().await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventType::PushSent, EventType::UserConnected]);
}

#[tokio::test]
async fn a_message_that_waits_is_told_once_until_somebody_connects_or_an_hour_has_passed() {
    let mut world = World::new().await;
    keep_all(&world).await;
    let mut alice = world.phone_of("alice", Platform::Android, Some(TargetKind::Fcm)).await;
    world.send("alice").await;
    assert!(of_kind(&world, EventType::MessageOffline).await.is_empty(), "she is there");
    world.ack(&alice, 1).await;
    world.end(&alice).await;
    let mut accept = world.message(&["alice"]);
    Arc::make_mut(&mut accept.content).thread = Some("t".to_owned());
    world.send_this(accept.clone()).await;
    let told = of_kind(&world, EventType::MessageOffline).await;
    let devices = serde_json::json!([
        { "device": alice.name, "platform": "android", "locale": null, "targets": ["fcm"] },
    ]);
    let expected = serde_json::json!({
        "user": "alice", "message": accept.message.to_string(), "from": null, "thread": "t",
        "devices": devices,
    });
    assert_eq!(told, [expected], "and no text of it");
    // A burst is one event.
    world.send("alice").await;
    world.pass(SECOND * 3_599);
    world.send("alice").await;
    assert_eq!(of_kind(&world, EventType::MessageOffline).await.len(), 1);
    world.pass(SECOND);
    world.send("alice").await;
    assert_eq!(of_kind(&world, EventType::MessageOffline).await.len(), 2);
    // She comes, and goes without an ack.
    world.connect(&mut alice).await;
    world.end(&alice).await;
    world.kill().await;
    assert_eq!(of_kind(&world, EventType::MessageOffline).await.len(), 2);
    world.send("alice").await;
    assert_eq!(of_kind(&world, EventType::MessageOffline).await.len(), 3);
}

#[tokio::test]
async fn no_message_is_told_of_twice_whichever_device_it_waits_for() {
    let mut world = World::new().await;
    keep_all(&world).await;
    let mut phone = world.sleeper("alice").await;
    world.phone("alice").await;
    world.send("alice").await;
    let told = of_kind(&world, EventType::MessageOffline).await;
    assert_eq!(told[0]["devices"][0]["device"], phone.name.as_str());
    // She opens the phone, and the server is killed before either of the two has it.
    world.connect(&mut phone).await;
    world.kill().await;
    assert_eq!(of_kind(&world, EventType::MessageOffline).await, told);
    world.send("alice").await;
    assert_eq!(of_kind(&world, EventType::MessageOffline).await.len(), 2);
}

#[tokio::test]
async fn a_dead_socket_is_told_of_too_and_the_body_where_that_is_asked_for() {
    let mut world = World::new().await;
    let settings = Settings {
        kept_events: [EventType::MessageOffline].into_iter().collect(),
        offline_event_body: true,
        ..Settings::default()
    };
    world.store().set_settings(world.app, settings, world.now).await.expect("kept");
    let alice = world.phone("alice").await;
    let accept = world.message(&["alice"]);
    let body: serde_json::Value = serde_json::from_str(&accept.content.body).expect("JSON");
    world.send_this(accept).await;
    assert!(of_kind(&world, EventType::MessageOffline).await.is_empty(), "she is there");
    world.suspect(&alice).await;
    let told = of_kind(&world, EventType::MessageOffline).await;
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["body"], &told[0]["devices"][0]["device"]), (&body, &alice.name.into()));
}

#[tokio::test]
async fn who_wants_to_hear_nothing_is_not_spoken_of() {
    let mut world = World::new().await;
    keep_all(&world).await;
    let alice = world.sleeper("alice").await;
    let muted = world.store().hush(alice.inbox, HushKind::Mute, "*".to_owned(), world.now);
    muted.await.expect("muted");
    world.send("alice").await;
    let mut silent = world.message(&["alice"]);
    Arc::make_mut(&mut silent.content).wakes = false;
    world.send_this(silent).await;
    assert!(of_kind(&world, EventType::MessageOffline).await.is_empty());
}

#[tokio::test]
async fn a_user_is_connected_from_the_first_session_to_the_last() {
    let mut world = World::new().await;
    keep_all(&world).await;
    let kinds = async |world: &World| -> Vec<EventType> {
        world.events().await.into_iter().map(|event| event.kind).collect()
    };
    let (came, went) = (EventType::UserConnected, EventType::UserDisconnected);
    let mut phone = world.phone("alice").await;
    let tablet = world.phone("alice").await;
    assert_eq!(kinds(&world).await, [came]);
    // The same device again replaces its session: she was there all the time.
    world.connect(&mut phone).await;
    world.end(&tablet).await;
    assert_eq!(kinds(&world).await, [came]);
    world.end(&phone).await;
    assert_eq!(kinds(&world).await, [came, went]);
    world.connect(&mut phone).await;
    world.kill().await;
    assert_eq!(kinds(&world).await, [came, went, came, went], "a restart ends every session");
    let gone = of_kind(&world, went).await;
    assert_eq!(gone[1]["device"], phone.name.as_str());
}

#[tokio::test]
async fn a_restart_ends_a_users_sessions_once_and_a_fetch_is_no_presence() {
    let mut world = World::new().await;
    keep_all(&world).await;
    world.phone("alice").await;
    world.phone("alice").await;
    let mut bob = world.sleeper("bob").await;
    let mut carol = world.sleeper("carol").await;
    for phone in [&mut bob, &mut carol] {
        let hello = Connect { replaces: false, ..world.hello(phone) };
        world.greet(phone, hello).await;
    }
    world.store().remove_device(carol.number, world.now).await.expect("removed");
    world.kill().await;
    let gone = of_kind(&world, EventType::UserDisconnected).await;
    let users: Vec<_> = gone.iter().map(|event| event["user"].as_str().expect("a user")).collect();
    assert_eq!(users, ["bob", "carol", "alice"], "the first two as they fell asleep");
}

#[tokio::test]
async fn a_missed_call_that_waits_is_no_message_and_hides_none() {
    let mut world = World::new().await;
    keep_all(&world).await;
    let alice = world.phone("alice").await;
    let mut bob = world.sleeper("bob").await;
    let (call, _) = world.ring(&alice, "bob").await;
    world.pass(SECOND * 60);
    let step = CallMove {
        call: call.id,
        app: world.app,
        by: None,
        input: domain::call::CallInput::Tick,
        answer: None,
        now: world.now,
    };
    world.store().move_call(step).await.expect("moved");
    // He looks, and falls asleep again without an ack: the missed call waits from then on.
    world.connect(&mut bob).await;
    world.end(&bob).await;
    assert_eq!(of_kind(&world, EventType::MessageOffline).await, [] as [serde_json::Value; 0]);
    world.send("bob").await;
    assert_eq!(of_kind(&world, EventType::MessageOffline).await.len(), 1);
}

#[tokio::test]
async fn events_about_a_device_are_numbered_for_it() {
    let mut world = World::new().await;
    keep_all(&world).await;
    let mut alice = world.phone("alice").await;
    let bob = world.phone("bob").await;
    world.end(&alice).await;
    world.connect(&mut alice).await;
    world.store().remove_device(alice.number, world.now).await.expect("removed");
    let sequences: Vec<_> = world
        .events()
        .await
        .into_iter()
        .map(|event| {
            let body: serde_json::Value = serde_json::from_str(&event.body).expect("JSON");
            (body["device"].as_str() == Some(&bob.name), event.kind, event.sequence)
        })
        .collect();
    let (came, went) = (EventType::UserConnected, EventType::UserDisconnected);
    let expected = [
        (false, came, Some(1)),
        (true, came, Some(1)),
        (false, went, Some(2)),
        (false, came, Some(3)),
        (false, went, Some(4)),
        (false, EventType::DeviceRemoved, Some(5)),
    ];
    assert_eq!(sequences, expected);
}

#[tokio::test]
async fn what_is_said_of_a_push_is_written_with_its_settle() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    world.send("alice").await;
    let claimed = world.claim_one().await;
    let mut settle = world
        .settlement(&claimed, refused(Diagnosis::BadPayload, RetryRule::Bare, TokenVerdict::Keep));
    settle.event =
        Some(NewEvent { kind: EventType::PushFailed, body: serde_json::json!({ "code": 913 }) });
    world.store().settle(settle).await.expect("settled");
    let events = world.events().await;
    let [event] = &events[..] else { panic!("one: {events:?}") };
    assert_eq!((event.kind, event.sequence), (EventType::PushFailed, Some(1)));
}

#[tokio::test]
async fn a_call_that_nobody_took_is_an_event() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    let bob = world.sleeper("bob").await;
    let (call, _) = world.ring(&alice, "bob").await;
    world.pass(SECOND * 60);
    let step = CallMove {
        call: call.id,
        app: world.app,
        by: None,
        input: domain::call::CallInput::Tick,
        answer: None,
        now: world.now,
    };
    world.store().move_call(step).await.expect("moved");
    let told = of_kind(&world, EventType::CallMissed).await;
    let [told] = &told[..] else { panic!("one: {told:?}") };
    assert_eq!((&told["user"], &told["from"]), (&"bob".into(), &"alice".into()));
    assert_eq!(told["reason"], "unanswered", "{told} to {}", bob.name);
}
