//! Events: what happened, for whoever asks later.

use domain::{Diagnosis, RetryRule, TargetKind, TokenVerdict};
use store::model::{Event, EventType};

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
        world.store().add_event(app, kind, body, world.now).await.expect("written");
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
        let body = serde_json::Value::Null;
        let written =
            world.store().add_event(world.app, EventType::CredentialFailed, body, world.now);
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
