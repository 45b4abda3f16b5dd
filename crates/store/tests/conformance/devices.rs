//! Push targets, and what a provider's word does to them.

use domain::wake::Phase;
use domain::{Diagnosis, Platform, Reason, RetryRule, TargetKind, Time, TokenVerdict};
use store::model::{Claimed, TargetSet};

use super::world::{DAY, SECOND, World, accepted, credential, refused};

#[tokio::test]
async fn a_device_has_one_target_of_a_kind() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    for token in ["first", "second"] {
        world.pass(SECOND);
        world.set_target(&alice, TargetKind::Fcm, token).await;
    }
    let devices = world.store().devices(alice.inbox).await.expect("read");
    let [target] = &devices[0].targets[..] else { panic!("one target: {:?}", devices[0].targets) };
    assert_eq!((&*target.token, target.registered_at), ("second", world.now));
    assert!(!format!("{target:?}").contains("second"), "a token is not for logs");
}

#[tokio::test]
async fn a_token_that_turns_up_on_another_device_moves_there() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let bob = world.sleeper("bob").await;
    world.send("alice").await;
    world.send("bob").await;
    let TargetSet::Yes { moved_from, .. } =
        world.set_target(&bob, TargetKind::Fcm, &format!("token of {}", alice.name)).await
    else {
        panic!("it moves");
    };
    assert_eq!(moved_from, [alice.number]);
    let wake = world.wake(&alice).await.expect("open").wake;
    assert_eq!((wake.phase, wake.reason), (Phase::Parked, Reason::NoTarget));
    let claimed = world.claim_one().await;
    assert_eq!(claimed.key.device, bob.number, "the lane of the other has nobody to push");
}

#[tokio::test]
async fn the_web_push_services_that_browsers_name_most_are_known() {
    let mut world = World::new().await;
    for (user, kind, token) in [
        ("alice", TargetKind::Webpush, r#"{"endpoint":"https://b.example/one"}"#),
        ("bob", TargetKind::Webpush, r#"{"endpoint":"https://a.example:8443/two/3?4"}"#),
        ("carol", TargetKind::Webpush, r#"{"endpoint":"https://b.example/three"}"#),
        ("dave", TargetKind::Webpush, r#"{"endpoint":"https://c.example"}"#),
        // What is no browser's, and what could not be read.
        ("erin", TargetKind::Fcm, r#"{"endpoint":"https://c.example/five"}"#),
        ("frank", TargetKind::Webpush, "{}"),
        ("grace", TargetKind::Webpush, "six"),
    ] {
        let phone = world.phone(user).await;
        world.set_target(&phone, kind, token).await;
    }
    let services = async |limit| world.store().webpush_services(limit).await.expect("read");
    let all = ["https://b.example", "https://a.example:8443", "https://c.example"];
    assert_eq!(services(9).await, all);
    assert_eq!(services(1).await, all[..1]);
}

#[tokio::test]
async fn one_token_is_not_both_of_apples_kinds() {
    let mut world = World::new().await;
    let alice = world.phone_of("alice", Platform::Ios, Some(TargetKind::Apns)).await;
    let token = format!("token of {}", alice.name);
    let before = world.look();
    let set = world.set_target(&alice, TargetKind::ApnsVoip, &token).await;
    assert!(matches!(set, TargetSet::TokenOfOtherKind), "{set:?}");
    assert_eq!(world.look(), before);
    // Of another device it may be a mistake all the same.
    let bob = world.phone_of("bob", Platform::Ios, None).await;
    let set = world.set_target(&bob, TargetKind::ApnsVoip, &token).await;
    assert!(matches!(set, TargetSet::TokenOfOtherKind), "{set:?}");
    let stranger = super::world::Phone { number: domain::DeviceNumber::from_number(77), ..bob };
    let set = world.set_target(&stranger, TargetKind::Fcm, "x").await;
    assert!(matches!(set, TargetSet::NoDevice), "{set:?}");
}

#[tokio::test]
async fn a_target_that_is_removed_parks_the_wake_and_another_kind_takes_it() {
    let mut world = World::new().await;
    let alice = world.phone_of("alice", Platform::Ios, Some(TargetKind::Apns)).await;
    world.set_target(&alice, TargetKind::Fcm, "fcm").await;
    world.end(&alice).await;
    world.send("alice").await;
    let removed = async |world: &mut World, kind| {
        let removed = world.store().remove_targets(alice.number, kind, world.now).await;
        world.look();
        removed.expect("removed").0
    };
    assert_eq!(removed(&mut world, Some(TargetKind::Apns)).await, 1);
    assert_eq!(removed(&mut world, Some(TargetKind::Apns)).await, 0);
    let claimed = world.claim_one().await;
    assert_eq!(claimed.target.kind, TargetKind::Fcm);
    world.settle(&claimed, domain::Outcome::Withdrawn).await;
    world.set_target(&alice, TargetKind::Apns, "again").await;
    assert_eq!(removed(&mut world, None).await, 2);
    let wake = world.wake(&alice).await.expect("open").wake;
    assert_eq!((wake.phase, wake.reason), (Phase::Parked, Reason::NoTarget));
}

#[tokio::test]
async fn a_token_that_is_gone_is_dropped_and_the_other_device_still_woken() {
    let mut world = World::new().await;
    let phone = world.sleeper("alice").await;
    let tablet = world.sleeper("alice").await;
    world.send("alice").await;
    world.pass(SECOND);
    let claimed = world.claim_due().await;
    let of = |number| claimed.iter().find(|claimed| claimed.key.device == number).expect("woken");
    let gone = TokenVerdict::Drop { invalid_since: None };
    let outcome = refused(Diagnosis::BadPushToken, RetryRule::WhenChanged, gone);
    let settled = world.settle(of(phone.number), outcome).await;
    assert!(settled.dropped && !settled.stale);
    let wake = world.wake(&phone).await.expect("open, parked").wake;
    assert_eq!((wake.phase, wake.reason), (Phase::Parked, Reason::NoTarget));
    assert!(!world.settle(of(tablet.number), accepted()).await.dropped);
    let targets = world.look().targets;
    assert_eq!(targets.iter().map(|target| target.device).collect::<Vec<_>>(), [tablet.number]);
}

/// A token is dropped only by a word that is newer than its registration.
#[tokio::test]
async fn a_registration_newer_than_the_word_against_it_is_kept() {
    let drop_since = |since: Option<Time>| {
        let verdict = TokenVerdict::Drop { invalid_since: since };
        refused(Diagnosis::BadPushToken, RetryRule::WhenChanged, verdict)
    };
    // Registered at 0 s and pushed at 10 s. The same token is registered again at 20 s, and the
    // answer is there at 30 s. Without a time of its own it may be as old as the push.
    let table = [
        ("dead since before it was registered", false, Some(-5), false),
        ("dead since after", false, Some(5), true),
        ("no time said", false, None, true),
        ("dead since before it was registered again", true, Some(15), false),
        ("dead since after that", true, Some(25), true),
        ("no time said, registered again meanwhile", true, None, false),
    ];
    for (name, again, since, dropped) in table {
        let mut world = World::new().await;
        world.pass(DAY);
        let alice = world.sleeper("alice").await;
        let registered = world.now;
        world.send("alice").await;
        world.pass(SECOND * 10);
        let claimed = world.claim_one().await;
        if again {
            world.pass(SECOND * 10);
            world.set_target(&alice, TargetKind::Fcm, &claimed.target.token).await;
        }
        world.pass(SECOND * 20);
        let since: Option<i64> = since;
        let since = since.map(|s| Time::from_micros(registered.as_micros() + s * 1_000_000));
        let settled = world.settle(&claimed, drop_since(since)).await;
        assert_eq!(settled.dropped, dropped, "{name}");
        assert_eq!(world.look().targets.len(), usize::from(!dropped), "{name}");
        // A token that stays is tried again, or the wake would wait for a change for ever.
        let next = world.claim_due().await;
        assert_eq!(next.len(), usize::from(!dropped), "{name}");
    }
}

#[tokio::test]
async fn one_400_class_word_drops_nothing() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    world.send("alice").await;
    let claimed = world.claim_one().await;
    let bad = refused(Diagnosis::BadPushToken, RetryRule::WhenChanged, TokenVerdict::Suspect);
    assert!(!world.settle(&claimed, bad).await.dropped);
    assert_eq!(world.look().targets.len(), 1);
    assert_eq!(world.wake(&alice).await.expect("open").wake.phase, Phase::Parked);
}

/// The verdict on a token counts whatever became of the wake meanwhile.
#[tokio::test]
async fn a_stale_settle_drops_the_token_all_the_same() {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    world.send("alice").await;
    let claimed = world.claim_one().await;
    world.connect(&mut alice).await;
    world.ack(&alice, 1).await;
    world.pass(SECOND);
    let gone = TokenVerdict::Drop { invalid_since: None };
    let outcome = refused(Diagnosis::BadPushToken, RetryRule::WhenChanged, gone);
    let settled = world.settle(&claimed, outcome).await;
    assert!(settled.stale && settled.dropped);
}

/// A lapsed attempt is made up for in the lane of the target that there is now.
#[tokio::test]
async fn an_attempt_whose_target_changed_lapses_into_the_lane_of_the_new_one() {
    let mut world = World::new().await;
    // Without a credential for APNs an iPhone's wakes would go by FCM as long as they can.
    let apns = world.store().add_credential(credential(world.app, "apns_key", 1, world.now)).await;
    apns.expect("added");
    let alice = world.phone_of("alice", Platform::Ios, Some(TargetKind::Fcm)).await;
    world.end(&alice).await;
    world.send("alice").await;
    let first = world.claim_one().await;
    assert_eq!(first.target.kind, TargetKind::Fcm);
    world.set_target(&alice, TargetKind::Apns, "apple's").await;
    world.pass(domain::wake::LAPSE);
    // `World::claim` holds the lane's kind against the target's.
    let mut found: Vec<Claimed> = world.claim_due().await;
    found.extend(world.claim_due().await);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].key.device, found[0].target.kind), (alice.number, TargetKind::Apns));
}
