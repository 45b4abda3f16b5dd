//! The legs of a call: lost with the last session of their device, back in time or never, and what
//! a device that connects is told.

use std::time::Duration;

use domain::call::{CallInput, CallPhase, EndReason, MOST_SIGNAL_BYTES, MOST_SIGNALS};
use store::model::{CallMoved, CallRecord, Connect, SignalKept};

use super::calls::{missed_calls, three};
use super::world::{Phone, SECOND, World};

/// How long a lost leg has to come back, by default.
const RESUME: Duration = Duration::from_secs(30);

impl World {
    /// How a call of this phone's stands now.
    async fn standing(&self, call: &CallRecord, phone: &Phone) -> CallRecord {
        let found = self.store().call_of(self.app, call.id, phone.number, phone.inbox).await;
        found.expect("read").expect("a part in it")
    }

    /// Ends what ends by itself now; returns how.
    async fn tick(&self) -> Vec<(i64, EndReason)> {
        let (overdue, _) = self.store().calls_overdue(self.now).await.expect("read");
        let mut ended = Vec::new();
        for call in overdue {
            let (moved, _) = self.play(&call, None, CallInput::Tick).await;
            let CallMoved::Changed { record, .. } = moved else { panic!("{moved:?}") };
            ended.push((record.number, record.ended().expect("over")));
        }
        ended
    }

    /// A call of bob's that alice's iPhone has taken.
    async fn talk(&mut self, bob: &Phone, iphone: &mut Phone) -> CallRecord {
        let (record, _) = self.ring(bob, "alice").await;
        self.connect(iphone).await;
        self.play(&record, Some(iphone), CallInput::Answer(iphone.number)).await;
        record
    }
}

#[tokio::test]
async fn a_caller_that_is_lost_while_it_rings_has_time_to_come_back() {
    for back in [true, false] {
        let (mut world, mut bob, iphone, _) = three().await;
        let (record, _) = world.ring(&bob, "alice").await;
        assert_eq!(world.standing(&record, &bob).await.call.caller_back_by, None);
        let effects = world.end(&bob).await;
        assert!(effects.calls, "whoever ends calls is told to look");
        world.pass(RESUME - SECOND);
        assert_eq!(world.tick().await, []);
        if back {
            let connected = world.connect(&mut bob).await;
            assert_eq!(connected.calls.iter().map(|call| call.id).collect::<Vec<_>>(), [record.id]);
            world.pass(SECOND * 2);
            assert_eq!(world.tick().await, [], "it goes on");
            assert!(world.standing(&record, &iphone).await.call.rings_until().is_some());
        } else {
            world.pass(SECOND);
            assert_eq!(world.tick().await, [(record.number, EndReason::Lost)]);
            assert_eq!(missed_calls(&world, &iphone).await, 1);
            assert!(world.claim_due().await.iter().all(|claimed| claimed.call.is_none()));
        }
    }
}

#[tokio::test]
async fn either_side_of_a_call_that_was_answered_may_be_lost_and_come_back() {
    for caller in [true, false] {
        for back in [true, false] {
            let (mut world, bob, mut iphone, _) = three().await;
            let record = world.talk(&bob, &mut iphone).await;
            let mut lost = if caller { bob.clone() } else { iphone.clone() };
            world.end(&lost).await;
            world.pass(RESUME - SECOND);
            assert_eq!(world.tick().await, []);
            if back {
                world.connect(&mut lost).await;
            }
            world.pass(SECOND);
            let expected = [(record.number, EndReason::Lost)];
            assert_eq!(world.tick().await, if back { &[][..] } else { &expected });
            assert_eq!(missed_calls(&world, &iphone).await, 0, "it was taken");
            // Lost once more, it has all the time again.
            if back {
                world.end(&lost).await;
                world.pass(RESUME - SECOND);
                assert_eq!(world.tick().await, []);
                world.pass(SECOND);
                assert_eq!(world.tick().await, expected);
            }
        }
    }
}

#[tokio::test]
async fn a_device_with_another_session_is_not_lost() {
    let (mut world, mut bob, mut iphone, _) = three().await;
    let record = world.talk(&bob, &mut iphone).await;
    let app = bob.clone();
    let fetch = Connect { replaces: false, ..world.hello(&bob) };
    world.greet(&mut bob, fetch).await;
    world.end(&app).await;
    assert_eq!(world.standing(&record, &bob).await.call.due(), None, "a push handler's is one");
    // A connection of the app replaces the one before, whose late end says nothing.
    let before = bob.clone();
    world.end(&before).await;
    world.connect(&mut bob).await;
    let replaced = bob.clone();
    world.connect(&mut bob).await;
    world.end(&replaced).await;
    assert_eq!(world.standing(&record, &bob).await.call.due(), None);
    // Of the callee, only the device that answered is a side of it.
    let mut other = world.phone("alice").await;
    world.connect(&mut other).await;
    world.end(&other).await;
    assert_eq!(world.standing(&record, &bob).await.call.due(), None);
    // Signed in as another user, the device is not this call's any more.
    let carol = world.user("carol").await;
    let hello = world.hello(&bob);
    let identity = store::model::Identity::User { app: world.app, inbox: carol };
    world.greet(&mut bob, Connect { identity, ..hello }).await;
    let standing = world.standing(&record, &iphone).await;
    assert_eq!(standing.call.caller_back_by, Some(world.now.plus(RESUME)));
}

#[tokio::test]
async fn who_answers_from_a_push_handler_has_time_to_connect() {
    for connects in [true, false] {
        let (mut world, bob, mut iphone, _) = three().await;
        let (record, _) = world.ring(&bob, "alice").await;
        world.play(&record, Some(&iphone), CallInput::Answer(iphone.number)).await;
        assert_eq!(world.standing(&record, &bob).await.call.due(), Some(world.now.plus(RESUME)));
        if connects {
            let connected = world.connect(&mut iphone).await;
            assert!(connected.calls[0].call.has_leg(iphone.number));
        }
        world.pass(RESUME);
        let lost = [(record.number, EndReason::Lost)];
        assert_eq!(world.tick().await, if connects { &[][..] } else { &lost });
    }
}

#[tokio::test]
async fn a_restart_loses_every_leg_and_ends_every_call_that_nobody_comes_back_to() {
    for killed in [true, false] {
        let (mut world, mut bob, mut iphone, mut android) = three().await;
        let carol = world.phone("carol").await;
        let talk = world.talk(&bob, &mut iphone).await;
        let (rings, _) = world.ring(&carol, "alice").await;
        world.connect(&mut android).await;
        let effects = if killed { world.kill().await } else { world.restart().await };
        assert!(effects.calls);
        let due = Some(world.now.plus(RESUME));
        let standing = world.standing(&talk, &bob).await.call;
        assert_eq!((standing.caller_back_by, standing.answerer_back_by), (due, due));
        assert_eq!(world.standing(&rings, &carol).await.call.due(), due);
        // One side alone is not enough for a call.
        world.connect(&mut bob).await;
        world.pass(RESUME);
        assert_eq!(
            world.tick().await,
            [(talk.number, EndReason::Lost), (rings.number, EndReason::Lost)]
        );
        assert_eq!(missed_calls(&world, &iphone).await, 1, "the one that nobody took");
        // Both sides learn of it when they come; who rang too.
        for phone in [&mut iphone, &mut android] {
            let told = world.connect(phone).await.calls;
            let told: Vec<_> = told.iter().map(|call| (call.number, call.ended())).collect();
            let lost = Some(EndReason::Lost);
            assert_eq!(told, [(talk.number, lost), (rings.number, lost)]);
        }
    }
}

#[tokio::test]
async fn a_call_whose_ringing_time_went_by_while_the_server_was_away_is_missed() {
    let (mut world, bob, mut iphone, _) = three().await;
    let (record, _) = world.ring(&bob, "alice").await;
    world.pass(SECOND * 46);
    world.kill().await;
    assert!(world.claim_due().await.iter().all(|claimed| claimed.call.is_none()), "a ghost call");
    assert_eq!(world.tick().await, [(record.number, EndReason::Unanswered)]);
    assert_eq!(missed_calls(&world, &iphone).await, 1);
    let told = world.connect(&mut iphone).await.calls;
    assert_eq!(
        told.iter().map(CallRecord::ended).collect::<Vec<_>>(),
        [Some(EndReason::Unanswered)]
    );
}

#[tokio::test]
async fn a_device_is_told_of_what_it_missed_and_of_nothing_older() {
    let (mut world, mut bob, mut iphone, mut android) = three().await;
    let record = world.talk(&bob, &mut iphone).await;
    // Taken by the other device: over for this one.
    let told = world.connect(&mut android).await.calls;
    let taken = CallPhase::Answered { by: iphone.number };
    assert_eq!(told.iter().map(|call| call.call.phase).collect::<Vec<_>>(), [taken]);
    assert!(!told[0].call.has_leg(android.number));
    world.end(&android).await;
    world.end(&bob).await;
    world.pass(SECOND * 10);
    world.play(&record, Some(&iphone), CallInput::End(iphone.number)).await;
    // However long they are away.
    world.pass(SECOND * 3_600 * 20);
    for phone in [&mut bob, &mut android] {
        let told = world.connect(phone).await.calls;
        let ended: Vec<_> = told.iter().map(CallRecord::ended).collect();
        assert_eq!(ended, [Some(EndReason::HungUp)], "{}", phone.name);
        assert_eq!(told[0].answered_by, Some(iphone.number));
        world.pass(SECOND * 121);
        assert!(world.connect(phone).await.calls.is_empty(), "once it has been there since");
    }
    let mut later = world.phone("alice").await;
    assert!(world.connect(&mut later).await.calls.is_empty(), "a device that is new");
}

#[tokio::test]
async fn a_call_holds_so_many_signals_and_no_more() {
    let (mut world, bob, ..) = three().await;
    let signal = async |world: &World, call: &CallRecord, body: &str| {
        let (number, inbox) = (bob.number, bob.inbox);
        let kept = world.store().signal(world.app, call.id, number, inbox, body.to_owned());
        kept.await.expect("answered")
    };
    let (many, _) = world.ring(&bob, "alice").await;
    for sequence in 1..=MOST_SIGNALS {
        let kept = signal(&world, &many, "1").await;
        assert!(matches!(kept, SignalKept::Kept(_, signal) if signal.sequence == sequence));
    }
    assert!(matches!(signal(&world, &many, "1").await, SignalKept::Full));
    let (large, _) = world.ring(&bob, "alice").await;
    let most = usize::try_from(MOST_SIGNAL_BYTES).expect("it fits");
    let half = "x".repeat(most / 2);
    assert!(matches!(signal(&world, &large, &half).await, SignalKept::Kept(..)));
    assert!(matches!(signal(&world, &large, &half).await, SignalKept::Kept(..)));
    assert!(matches!(signal(&world, &large, "x").await, SignalKept::Full));
    // What is full is the call, not its caller.
    let (other, _) = world.ring(&bob, "alice").await;
    assert!(matches!(signal(&world, &other, "x").await, SignalKept::Kept(..)));
}

#[tokio::test]
async fn who_calls_themselves_rings_their_other_devices() {
    let (mut world, _, mut iphone, mut android) = three().await;
    world.connect(&mut iphone).await;
    let (record, _) = world.ring(&iphone, "alice").await;
    let claimed = world.claim_due().await;
    let devices: Vec<_> = claimed.iter().map(|claimed| claimed.key.device).collect();
    assert_eq!(devices, [android.number], "not the one that calls");
    let (own, _) = world.play(&record, Some(&iphone), CallInput::Answer(iphone.number)).await;
    assert!(matches!(own, CallMoved::NotYours), "{own:?}");
    world.connect(&mut android).await;
    let told = world.connect(&mut iphone).await.calls;
    assert_eq!(told.len(), 1, "once, though it is caller and callee: {told:?}");
    world.play(&record, Some(&android), CallInput::Answer(android.number)).await;
    world.end(&android).await;
    world.pass(RESUME);
    assert_eq!(world.tick().await, [(record.number, EndReason::Lost)]);
}

#[tokio::test]
async fn two_calls_of_one_caller_are_two_and_a_busy_callee_ends_one() {
    let (mut world, bob, mut iphone, _) = three().await;
    let talk = world.talk(&bob, &mut iphone).await;
    let carol = world.phone("carol").await;
    let (second, _) = world.ring(&bob, "carol").await;
    let (third, _) = world.ring(&carol, "alice").await;
    // Says the client, for its user talks already; no other device of the user rings on.
    let (moved, _) = world.play(&third, Some(&iphone), CallInput::Busy).await;
    assert!(
        matches!(&moved, CallMoved::Changed { record, .. }
        if record.ended() == Some(EndReason::Busy)),
        "{moved:?}"
    );
    assert!(world.look().wakes.iter().all(|wake| wake.call != third.number));
    assert_eq!(missed_calls(&world, &iphone).await, 0);
    assert!(world.standing(&talk, &bob).await.call.has_leg(iphone.number));
    assert!(world.standing(&second, &bob).await.call.rings_until().is_some());
    world.end(&bob).await;
    world.pass(RESUME);
    let lost = |call: &CallRecord| (call.number, EndReason::Lost);
    assert_eq!(world.tick().await, [lost(&talk), lost(&second)], "both of its legs");
}
