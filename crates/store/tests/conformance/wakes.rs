//! The wake of a device: opened, born claimed, claimed, settled, parked, closed.

use domain::wake::{Phase, Rung};
use domain::{
    Diagnosis, Offset, Outcome, Platform, Reason, RetryRule, TargetKind, TokenVerdict, Urgency,
};
use store::model::{Accept, Connect};

use super::world::{DAY, SECOND, World, accepted, credential, refused};

fn at(offset: i64) -> Offset {
    Offset::from_number(offset)
}

#[tokio::test]
async fn a_message_to_a_sleeping_phone_is_one_push_and_its_ack_ends_it() {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    let accept = world.message_with(&["alice"], |content| {
        content.thread = Some("lunch".to_owned());
        content.push = Some(r#"{"title":"Bob"}"#.to_owned());
    });
    let (_, effects) = world.accept(accept.clone()).await;
    let (lane, due) = effects.due[0];
    assert_eq!(due, world.now);
    assert_eq!(world.store().lanes_due().await.expect("read"), [(lane, due)]);
    let claimed = world.claim(lane).await.pop().expect("one is due");
    assert_eq!((claimed.lane, claimed.inbox, claimed.user.as_str()), (lane, alice.inbox, "alice"));
    assert_eq!((claimed.device_name.as_str(), claimed.platform), (&*alice.name, alice.platform));
    assert_eq!((claimed.after, claimed.plan.covers, claimed.plan.count), (at(0), at(1), 1));
    assert_eq!((claimed.plan.rung, claimed.plan.bare), (Rung::Background, false));
    assert_eq!(claimed.plan.expires_at, accept.content.expires_at);
    let newest = claimed.newest.as_ref().expect("the message covered");
    assert_eq!((&newest.thread, &newest.push), (&accept.content.thread, &accept.content.push));
    assert!(world.claim(lane).await.is_empty(), "a claim is claimed once");
    let settled = world.settle(&claimed, accepted()).await;
    assert!(!settled.stale && !settled.dropped);
    let wake = world.wake(&alice).await.expect("open until the ack").wake;
    assert_eq!((wake.rung, wake.pushed), (Rung::Alert, at(1)));
    assert_eq!(wake.due(), Some(world.now.plus(SECOND * 30)));
    world.connect(&mut alice).await;
    let (_, effects) = world.ack(&alice, 1).await;
    assert!(world.wake(&alice).await.is_none());
    let closed = effects.decisions.iter().find(|decision| decision.closed).expect("said so");
    assert_eq!((closed.wake, closed.reason), (claimed.wake, Reason::Acked));
    assert!(world.settle(&claimed, accepted()).await.stale, "a second settle finds nothing");
}

#[tokio::test]
async fn a_wake_is_born_claimed_where_there_is_room_and_due_where_there_is_none() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let bob = world.sleeper("bob").await;
    let birth = world.birth(1);
    let before = world.look();
    let send = Accept { birth: Some(birth.clone()), ..world.message(&["alice", "bob"]) };
    let (_, effects) = world.accept(send).await;
    let [born] = &effects.born[..] else { panic!("one place: {effects:?}") };
    assert!(born.slot.is_some());
    assert!([alice.number, bob.number].contains(&born.key.device));
    let lives = before.devices.iter().all(|device| !before.lives(device.number));
    assert!(lives && born.plan.covers == at(1));
    let others = world.claim_due().await;
    assert_eq!(others.len(), 1);
    assert_ne!(others[0].key.device, born.key.device);
    assert!(birth.slots.take(born.lane).is_none(), "its place is taken until it is done");
    assert!(!world.settle(born, accepted()).await.stale, "settled by its attempt like any other");
    drop(effects);
    assert!(birth.slots.take(others[0].lane).is_some());
}

#[tokio::test]
async fn no_wake_is_born_for_the_awake_the_quiet_or_the_unreachable() {
    let mut world = World::new().await;
    let awake = world.phone("alice").await;
    let birth = world.birth(9);
    let send = Accept { birth: Some(birth.clone()), ..world.message(&["alice"]) };
    assert!(world.accept(send).await.1.born.is_empty());
    world.end(&awake).await;
    world.user("bob").await;
    let unreachable = world.phone_of("bob", Platform::Ios, None).await;
    world.end(&unreachable).await;
    let send = Accept { birth: Some(birth.clone()), ..world.message(&["bob"]) };
    assert!(world.accept(send).await.1.born.is_empty());
    let wake = world.wake(&unreachable).await.expect("open without a target too").wake;
    assert_eq!((wake.phase, wake.reason), (Phase::Parked, Reason::NoTarget));
    let quiet = world.message_with(&["bob"], |content| content.wakes = false);
    let carol = world.sleeper("carol").await;
    let send = Accept { recipients: vec!["carol".to_owned()], birth: Some(birth), ..quiet };
    assert!(world.accept(send).await.1.born.is_empty());
    assert!(world.wake(&carol).await.is_none());
}

#[tokio::test]
async fn a_burst_is_one_push() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    for _ in 0..3 {
        world.send("alice").await;
    }
    let claimed = world.claim_one().await;
    assert_eq!((claimed.plan.covers, claimed.plan.count), (at(3), 3));
    world.settle(&claimed, accepted()).await;
    for _ in 0..3 {
        world.send("alice").await;
    }
    assert!(world.claim_due().await.is_empty(), "they wait out the climbing time");
    world.pass(SECOND * 30);
    let claimed = world.claim_one().await;
    assert_eq!(
        (claimed.plan.rung, claimed.plan.covers, claimed.plan.count),
        (Rung::Alert, at(6), 6)
    );
    assert_eq!(claimed.wake, world.wake(&alice).await.expect("the same wake").id);
}

#[tokio::test]
async fn what_is_more_urgent_does_not_wait_out_a_burst() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    world.send("alice").await;
    let claimed = world.claim_one().await;
    world.settle(&claimed, accepted()).await;
    let urgent = world.message_with(&["alice"], |content| content.urgency = Urgency::High);
    world.send_this(urgent).await;
    let claimed = world.claim_one().await;
    assert_eq!((claimed.plan.covers, claimed.plan.urgency), (at(2), Urgency::High));
}

#[tokio::test]
async fn an_attempt_that_never_settles_lapses_and_its_successor_keeps_its_name() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    world.send("alice").await;
    let first = world.claim_one().await;
    world.pass(SECOND * 59);
    assert!(world.claim_due().await.is_empty());
    world.pass(SECOND);
    let second = world.claim_one().await;
    assert_eq!(second.plan.lapsed, Some(first.plan.attempt));
    assert_eq!(second.plan.provider, first.plan.provider, "the provider can tell a resend");
    assert_eq!(second.plan.rung, first.plan.rung, "nothing was used up");
    assert_ne!(second.plan.attempt, first.plan.attempt);
    assert!(world.settle(&first, accepted()).await.stale);
    assert!(!world.settle(&second, accepted()).await.stale);
}

#[tokio::test]
async fn a_restart_makes_up_at_once_for_the_attempts_of_the_last_life() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let birth = world.birth(1);
    let send = Accept { birth: Some(birth), ..world.message(&["alice"]) };
    let (_, effects) = world.accept(send).await;
    let born = &effects.born[0];
    let started = world.restart().await;
    assert!(started.due.iter().any(|(lane, due)| *lane == born.lane && *due <= world.now));
    let again = world.claim_one().await;
    assert_eq!((again.key.device, again.plan.lapsed), (alice.number, Some(born.plan.attempt)));
    assert_eq!(again.plan.provider, born.plan.provider);
}

#[tokio::test]
async fn a_refusal_keeps_the_rung_and_a_change_opens_what_it_parked() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    world.send("alice").await;
    let claimed = world.claim_one().await;
    let later =
        refused(Diagnosis::TemporarilyDisabled, RetryRule::After(SECOND * 7), TokenVerdict::Keep);
    world.settle(&claimed, later).await;
    world.pass(SECOND * 6);
    assert!(world.claim_due().await.is_empty());
    world.pass(SECOND);
    let claimed = world.claim_one().await;
    assert_eq!(claimed.plan.rung, Rung::Background);
    let broken = refused(Diagnosis::CertificateError, RetryRule::WhenChanged, TokenVerdict::Keep);
    world.settle(&claimed, broken.clone()).await;
    assert_eq!(world.wake(&alice).await.expect("parked is open").wake.phase, Phase::Parked);
    world.pass(DAY / 48);
    assert!(world.claim_due().await.is_empty());
    let added =
        world.store().add_credential(credential(world.app, "fcm_service_account", 1, world.now));
    let (_, effects) = added.await.expect("added");
    assert!(!effects.due.is_empty());
    let claimed = world.claim_one().await;
    // A policy change does the same.
    world.settle(&claimed, broken).await;
    let settings = world.store().settings(world.app).await.expect("read").expect("the app");
    let (changed, _) =
        world.store().set_settings(world.app, settings, world.now).await.expect("set");
    assert!(changed);
    assert_eq!(world.claim_one().await.plan.rung, Rung::Background);
}

#[tokio::test]
async fn a_push_refused_for_its_content_goes_again_bare() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    world.send("alice").await;
    let too_much = || refused(Diagnosis::BadPayload, RetryRule::Bare, TokenVerdict::Keep);
    let claimed = world.claim_one().await;
    world.settle(&claimed, too_much()).await;
    let claimed = world.claim_one().await;
    assert!(claimed.plan.bare && claimed.plan.rung == Rung::Background);
    world.settle(&claimed, too_much()).await;
    let wake = world.wake(&alice).await.expect("parked").wake;
    assert_eq!((wake.phase, wake.reason), (Phase::Parked, Reason::Unsendable));
    world.send("alice").await;
    assert_eq!(world.claim_due().await.len(), 1, "a new message opens it again");
}

#[tokio::test]
async fn the_ladder_ends_parked_and_a_new_message_alerts_anew() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let expires_at = world.now.plus(DAY * 30);
    let send = world.message_with(&["alice"], |content| content.expires_at = expires_at);
    world.send_this(send).await;
    let mut rungs = Vec::new();
    for _ in 0..6 {
        let claimed = world.claim_one().await;
        rungs.push(claimed.plan.rung);
        world.settle(&claimed, accepted()).await;
        let due = world.wake(&alice).await.expect("open").wake.due();
        world.now = due.unwrap_or(world.now);
    }
    let repeats = (0..4).map(Rung::Repeat);
    assert!(rungs.into_iter().eq([Rung::Background, Rung::Alert].into_iter().chain(repeats)));
    let wake = world.wake(&alice).await.expect("open").wake;
    assert_eq!((wake.phase, wake.reason), (Phase::Parked, Reason::Exhausted));
    world.restart().await;
    assert!(world.claim_due().await.is_empty());
    world.pass(SECOND * 10);
    world.send("alice").await;
    assert_eq!(world.claim_one().await.plan.rung, Rung::Alert);
}

#[tokio::test]
async fn ack_progress_starts_the_ladder_anew() {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    for _ in 0..2 {
        world.send("alice").await;
    }
    let claimed = world.claim_one().await;
    world.settle(&claimed, accepted()).await;
    world.connect(&mut alice).await;
    world.ack(&alice, 1).await;
    world.end(&alice).await;
    let wake = world.wake(&alice).await.expect("one is owed").wake;
    assert_eq!(wake.rung, Rung::Background);
    world.pass(SECOND * 30);
    assert_eq!(world.claim_one().await.plan.count, 1);
}

#[tokio::test]
async fn reading_the_inbox_by_http_moves_the_push_away_once() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    world.send("alice").await;
    let fetched = async |world: &mut World| {
        world.store().fetched(alice.number, world.now).await.expect("fetched");
        world.look();
    };
    fetched(&mut world).await;
    world.pass(SECOND * 29);
    assert!(world.claim_due().await.is_empty());
    fetched(&mut world).await;
    world.pass(SECOND);
    let claimed = world.claim_one().await;
    // Claimed: there is nothing to move. After the settle it may be moved again.
    fetched(&mut world).await;
    world.settle(&claimed, accepted()).await;
    world.pass(SECOND * 20);
    fetched(&mut world).await;
    world.pass(SECOND * 29);
    assert!(world.claim_due().await.is_empty());
    world.pass(SECOND);
    assert_eq!(world.claim_due().await.len(), 1);
}

#[tokio::test]
async fn apples_background_budget_is_spent_at_claim() {
    // An iPhone's is the same by FCM, which hands the push on to Apple.
    for kind in [TargetKind::Apns, TargetKind::Fcm] {
        let mut world = World::new().await;
        let mut alice = world.phone_of("alice", Platform::Ios, Some(kind)).await;
        for n in 1..=4 {
            world.end(&alice).await;
            world.send("alice").await;
            let claimed = world.claim_one().await;
            let expected = if n <= 3 { Rung::Background } else { Rung::Alert };
            assert_eq!(claimed.plan.rung, expected, "{kind:?}: push {n} of this hour");
            world.settle(&claimed, accepted()).await;
            world.connect(&mut alice).await;
            world.ack(&alice, n).await;
            world.pass(SECOND * 60);
        }
    }
}

#[tokio::test]
async fn a_switch_that_is_off_parks_what_is_due_and_on_again_opens_it() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let switch = async |world: &mut World, on| {
        let settings = world.store().settings(world.app).await.expect("read");
        let mut settings = settings.expect("the app's");
        settings.policy.push_enabled = on;
        let set = world.store().set_settings(world.app, settings, world.now).await;
        assert!(set.expect("set").0);
        world.look();
    };
    switch(&mut world, false).await;
    world.send("alice").await;
    assert!(world.claim_due().await.is_empty());
    let wake = world.wake(&alice).await.expect("open").wake;
    assert_eq!((wake.phase, wake.reason), (Phase::Parked, Reason::Disabled));
    switch(&mut world, true).await;
    assert_eq!(world.claim_due().await.len(), 1);
}

/// A change may run twice, when another one of its group fails: what the first run took goes back.
#[tokio::test]
async fn a_wake_born_twice_takes_one_place() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    world.sleeper("bob").await;
    let birth = world.birth(1);
    let taken = Connect { session: alice.session, replaces: false, ..world.hello(&alice) };
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let send = Accept { birth: Some(birth.clone()), ..world.message(&["bob"]) };
        let (store, taken) = (world.store().clone(), taken.clone());
        tasks.spawn(async move {
            if n % 4 == 3 {
                store.connect(taken).await.expect_err("a session id twice");
                return Vec::new();
            }
            store.accept(send).await.expect("stored").1.born
        });
    }
    let mut born = Vec::new();
    while let Some(done) = tasks.join_next().await {
        born.extend(done.expect("answered"));
    }
    let [born] = &born[..] else { panic!("one wake is born, once: {born:?}") };
    let snapshot = world.look();
    let attempt = snapshot.wake_at(born.key).and_then(|wake| wake.attempt);
    assert_eq!(attempt, Some(born.plan.attempt.bits()), "the one that was told of is the stored");
    assert!(birth.slots.take(born.lane).is_none());
}

#[tokio::test]
async fn no_wake_is_born_in_a_closed_lane() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    world.send("alice").await;
    let lane = world.claim_one().await.lane;
    let birth = world.birth(5);
    birth.slots.close(lane);
    world.sleeper("bob").await;
    let send = Accept { birth: Some(birth), ..world.message(&["bob"]) };
    let (_, effects) = world.accept(send).await;
    assert!(effects.born.is_empty());
    assert_eq!(world.claim_due().await.len(), 1, "it is due instead");
}

/// The decision reads the newest entries; an older one may outlive them all.
#[tokio::test]
async fn a_long_lived_message_is_not_forgotten_behind_many_short_lived_ones() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    world.send("alice").await;
    for _ in 0..150 {
        let expires_at = world.now.plus(SECOND * 10);
        let send = world.message_with(&["alice"], |content| content.expires_at = expires_at);
        world.send_this(send).await;
    }
    world.pass(SECOND * 11);
    let claimed = world.claim_one().await;
    assert_eq!((claimed.key.device, claimed.plan.covers), (alice.number, at(1)));
    let settled = world.settle(&claimed, Outcome::Withdrawn).await;
    assert!(!settled.stale);
}
