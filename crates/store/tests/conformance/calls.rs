//! Calls: one winner, one end, and wakes that follow the call's row alone.

use domain::call::{CallInput, CallPhase, EndReason, RING_ACK, RING_ACK_BACKGROUND};
use domain::session::AppState;
use domain::wake::Rung;
use domain::{CallId, Platform, Reason, TargetKind};
use store::model::{
    CallMove, CallMoved, CallRecord, CallStart, CallStarted, Connect, Effects, EntryKind,
    SignalKept,
};

use super::world::{Phone, SECOND, World, accepted};

impl World {
    pub(super) fn call(&mut self, caller: &Phone, callee: &str) -> CallStart {
        CallStart {
            app: self.app,
            call: CallId::from_bits(self.draw()),
            caller: caller.number,
            caller_inbox: caller.inbox,
            callee: callee.to_owned(),
            video: false,
            caller_name: "Bob".to_owned(),
            caller_handle: None,
            offer: Some(r#"{"sdp":1}"#.to_owned()),
            now: self.now,
            birth: None,
        }
    }

    /// Starts a call that rings.
    pub(crate) async fn ring(&mut self, caller: &Phone, callee: &str) -> (CallRecord, Effects) {
        let start = self.call(caller, callee);
        let started = self.store().start_call(start).await.expect("answered");
        self.look();
        let (CallStarted::Rings(record), effects) = started else { panic!("{started:?}") };
        (record, effects)
    }

    pub(super) fn step(&self, call: &CallRecord, by: Option<&Phone>, input: CallInput) -> CallMove {
        CallMove {
            call: call.id,
            app: self.app,
            by: by.map(|phone| (phone.number, phone.inbox)),
            input,
            answer: None,
            now: self.now,
        }
    }

    pub(crate) async fn play(
        &self,
        call: &CallRecord,
        by: Option<&Phone>,
        input: CallInput,
    ) -> (CallMoved, Effects) {
        let step = self.step(call, by, input);
        let moved = self.store().move_call(step).await.expect("answered");
        self.look();
        moved
    }
}

/// The caller's phone, and two sleeping ones of the callee: an iPhone and an Android.
pub(super) async fn three() -> (World, Phone, Phone, Phone) {
    let mut world = World::new().await;
    let bob = world.phone("bob").await;
    let iphone = world.phone_of("alice", Platform::Ios, Some(TargetKind::Apns)).await;
    world.set_target(&iphone, TargetKind::ApnsVoip, "voip").await;
    world.end(&iphone).await;
    let android = world.sleeper("alice").await;
    (world, bob, iphone, android)
}

pub(super) async fn missed_calls(world: &World, phone: &Phone) -> usize {
    let entries = world.read(phone, 0, 100).await.entries;
    entries.iter().filter(|entry| matches!(entry.kind, EntryKind::MissedCall { .. })).count()
}

#[tokio::test]
async fn every_device_of_the_callee_is_rung_by_its_way_for_calls() {
    let (mut world, bob, iphone, android) = three().await;
    let (record, effects) = world.ring(&bob, "alice").await;
    assert!(effects.due.len() >= 2);
    let until = world.now.plus(SECOND * 45);
    assert_eq!(record.call.phase, CallPhase::Ringing { until });
    assert_eq!((record.caller_user.as_str(), record.callee_user.as_str()), ("bob", "alice"));
    let claimed = world.claim_due().await;
    let mut ways: Vec<_> = claimed
        .iter()
        .map(|claimed| {
            assert_eq!(claimed.plan.rung, Rung::Ring);
            assert_eq!(claimed.call.as_ref().map(|call| call.id), Some(record.id));
            (claimed.key.device, claimed.target.kind)
        })
        .collect();
    ways.sort();
    let expected = [(iphone.number, TargetKind::ApnsVoip), (android.number, TargetKind::Fcm)];
    assert_eq!(ways, expected);
    for claimed in &claimed {
        world.settle(claimed, accepted()).await;
    }
    world.pass(SECOND * 44);
    assert!(world.claim_due().await.is_empty(), "never a second time");
}

#[tokio::test]
async fn a_living_session_has_some_time_to_say_that_it_rings() {
    for (state, wait) in
        [(AppState::Foreground, RING_ACK), (AppState::Background, RING_ACK_BACKGROUND)]
    {
        let (mut world, bob, mut iphone, mut android) = three().await;
        for phone in [&mut iphone, &mut android] {
            let hello = Connect { state, ..world.hello(phone) };
            world.greet(phone, hello).await;
        }
        let (record, _) = world.ring(&bob, "alice").await;
        assert!(world.claim_due().await.is_empty());
        let rings = world
            .store()
            .ringing(world.app, record.id, iphone.number, iphone.inbox)
            .await
            .expect("answered");
        assert_eq!(rings.0.map(|call| call.id), Some(record.id));
        world.look();
        world.pass(wait);
        let claimed = world.claim_due().await;
        let devices: Vec<_> = claimed.iter().map(|claimed| claimed.key.device).collect();
        assert_eq!(devices, [android.number], "the other one rings already");
    }
}

#[tokio::test]
async fn a_device_that_connects_before_it_was_pushed_has_that_time_too() {
    for (state, wait) in
        [(AppState::Foreground, RING_ACK), (AppState::Background, RING_ACK_BACKGROUND)]
    {
        let (mut world, bob, mut iphone, android) = three().await;
        world.ring(&bob, "alice").await;
        let hello = Connect { state, ..world.hello(&iphone) };
        world.greet(&mut iphone, hello).await;
        assert_eq!(world.claim_one().await.key.device, android.number, "the one that sleeps");
        world.pass(wait - SECOND / 2);
        assert!(world.claim_due().await.is_empty());
        world.pass(SECOND / 2);
        assert_eq!(world.claim_one().await.key.device, iphone.number, "it does not say a word");
    }
}

#[tokio::test]
async fn an_answer_by_two_devices_at_once_has_one_winner() {
    for together in [false, true] {
        let (mut world, bob, mut iphone, mut android) = three().await;
        let (record, _) = world.ring(&bob, "alice").await;
        let claimed = world.claim_due().await;
        world.settle(&claimed[0], accepted()).await;
        let answered = world.connect(&mut iphone).await;
        assert_eq!(answered.calls.iter().map(|call| call.id).collect::<Vec<_>>(), [record.id]);
        world.connect(&mut android).await;
        let answer = |phone: &Phone| {
            let step = world.step(&record, Some(phone), CallInput::Answer(phone.number));
            CallMove { answer: Some(format!("by {}", phone.number)), ..step }
        };
        let (first, second) = (answer(&iphone), answer(&android));
        let store = world.store();
        let (first, second) = if together {
            tokio::join!(store.move_call(first), store.move_call(second))
        } else {
            (store.move_call(first).await, store.move_call(second).await)
        };
        let moved = [first.expect("answered").0, second.expect("answered").0];
        let mut winner = None;
        for moved in &moved {
            if let CallMoved::Changed { record, pushed } = moved {
                assert!(winner.is_none(), "two winners: {moved:?}");
                winner = Some((record.call.phase, record.answer.clone()));
                assert!(pushed.contains(&claimed[0].key.device));
            }
        }
        let (phase, answer) = winner.expect("a winner");
        let CallPhase::Answered { by } = phase else { panic!("{phase:?}") };
        assert_eq!(answer, Some(format!("by {by}")));
        let told = moved
            .iter()
            .any(|moved| matches!(moved, CallMoved::Stands(record) if record.call.phase == phase));
        assert!(told, "the other one is told how it stands: {moved:?}");
        assert!(world.look().wakes.is_empty(), "nobody is rung any more");
        // Saying it twice changes nothing.
        let by = if by == iphone.number { &iphone } else { &android };
        let (again, _) = world.play(&record, Some(by), CallInput::Answer(by.number)).await;
        assert!(matches!(again, CallMoved::Stands(_)), "{again:?}");
    }
}

#[tokio::test]
async fn answer_against_cancel() {
    for order in ["answer first", "cancel first", "together"] {
        let (mut world, bob, mut iphone, _) = three().await;
        let (record, _) = world.ring(&bob, "alice").await;
        world.connect(&mut iphone).await;
        let answer = world.step(&record, Some(&iphone), CallInput::Answer(iphone.number));
        let cancel = world.step(&record, Some(&bob), CallInput::Cancel);
        let store = world.store();
        let (answered, cancelled) = match order {
            "answer first" => {
                let answered = store.move_call(answer).await;
                (answered, store.move_call(cancel).await)
            }
            "cancel first" => {
                let cancelled = store.move_call(cancel).await;
                (store.move_call(answer).await, cancelled)
            }
            _ => tokio::join!(store.move_call(answer), store.move_call(cancel)),
        };
        let (answered, cancelled) = (answered.expect("answered").0, cancelled.expect("answered").0);
        let CallMoved::Changed { record, .. } = cancelled else { panic!("{order}: {cancelled:?}") };
        // Either it was taken, and hung up; or it was not, and is missed.
        let reason = record.ended().expect("over");
        match &answered {
            CallMoved::Changed { .. } => assert_eq!(reason, EndReason::HungUp, "{order}"),
            CallMoved::Stands(record) => {
                assert_eq!((reason, record.ended()), (EndReason::Cancelled, Some(reason)));
            }
            other => panic!("{order}: {other:?}"),
        }
        let taken = matches!(answered, CallMoved::Changed { .. });
        assert_eq!(missed_calls(&world, &iphone).await, usize::from(!taken), "{order}");
        assert!(order == "together" || taken == (order == "answer first"));
    }
}

#[tokio::test]
async fn cancel_against_claim() {
    for order in ["cancel first", "claim first", "together"] {
        let (mut world, bob, iphone, _) = three().await;
        let (record, effects) = world.ring(&bob, "alice").await;
        let lane = effects.due[0].0;
        let cancel = world.step(&record, Some(&bob), CallInput::Cancel);
        let store = world.store();
        let claim = store.claim(lane, 9, world.incarnation, world.now);
        let (cancelled, claimed) = match order {
            "cancel first" => (store.move_call(cancel).await, claim.await),
            "claim first" => {
                let claimed = claim.await;
                (store.move_call(cancel).await, claimed)
            }
            _ => tokio::join!(store.move_call(cancel), claim),
        };
        let (CallMoved::Changed { record, pushed }, effects) = cancelled.expect("answered") else {
            panic!("a ringing call is cancelled");
        };
        let (claimed, _) = claimed.expect("claimed");
        world.look();
        assert_eq!(record.ended(), Some(EndReason::Cancelled));
        assert!(claimed.is_empty() || order != "cancel first", "{order}");
        let devices: Vec<_> = claimed.iter().map(|claimed| claimed.key.device).collect();
        assert_eq!(pushed, devices, "{order}: whoever may have been pushed is to be told");
        // What was claimed before asks once more before it writes, and settles into nothing.
        assert!(!world.store().call_rings(record.number).await.expect("read"));
        for claimed in &claimed {
            assert!(world.settle(claimed, accepted()).await.stale);
        }
        assert!(effects.nudges.iter().any(|(inbox, _)| *inbox == iphone.inbox));
        assert_eq!(missed_calls(&world, &iphone).await, 1, "the end and the message are one");
        let claimed = world.claim_due().await;
        assert!(claimed.iter().all(|claimed| claimed.plan.rung != Rung::Ring), "{order}");
        assert_eq!(claimed.len(), 2, "{order}: both devices are woken for the missed call");
        let newest = claimed[0].newest.as_ref().expect("the missed call");
        assert!(newest.missed_call);
    }
}

#[tokio::test]
async fn a_call_nobody_answers_ends_and_is_missed_once() {
    let (mut world, bob, iphone, _) = three().await;
    let (record, _) = world.ring(&bob, "alice").await;
    let (overdue, next) = world.store().calls_overdue(world.now).await.expect("read");
    assert_eq!((overdue.len(), next), (0, record.call.rings_until()));
    world.pass(SECOND * 45);
    let (overdue, _) = world.store().calls_overdue(world.now).await.expect("read");
    assert_eq!(overdue.iter().map(|call| call.number).collect::<Vec<_>>(), [record.number]);
    // Any node may end it, and two may try.
    let ticks = [
        world.play(&record, None, CallInput::Tick).await.0,
        world.play(&record, None, CallInput::Tick).await.0,
    ];
    assert!(matches!(&ticks[0], CallMoved::Changed { record, .. }
        if record.ended() == Some(EndReason::Unanswered)));
    assert!(matches!(&ticks[1], CallMoved::Stands(_)), "{ticks:?}");
    assert_eq!(missed_calls(&world, &iphone).await, 1);
    assert_eq!(missed_calls(&world, &bob).await, 0);
    let (late, _) = world.play(&record, Some(&iphone), CallInput::Answer(iphone.number)).await;
    assert!(matches!(late, CallMoved::Stands(_)), "{late:?}");
}

#[tokio::test]
async fn a_call_that_was_answered_or_declined_is_not_missed() {
    for decline in [true, false] {
        let (mut world, bob, iphone, _) = three().await;
        let (record, _) = world.ring(&bob, "alice").await;
        if decline {
            world.play(&record, Some(&iphone), CallInput::Decline).await;
        } else {
            world.play(&record, Some(&iphone), CallInput::Answer(iphone.number)).await;
            world.play(&record, Some(&bob), CallInput::Cancel).await;
        }
        let (late, _) = world.play(&record, Some(&bob), CallInput::End(bob.number)).await;
        assert!(matches!(late, CallMoved::Stands(_)), "{late:?}");
        assert_eq!(missed_calls(&world, &iphone).await, 0);
        assert!(world.look().wakes.is_empty());
    }
}

#[tokio::test]
async fn only_who_has_a_part_in_a_call_moves_it() {
    let (mut world, bob, iphone, android) = three().await;
    let carol = world.phone("carol").await;
    let (record, _) = world.ring(&bob, "alice").await;
    // For whoever has no part in it there is no such call.
    for input in [
        CallInput::Answer(carol.number),
        CallInput::Decline,
        CallInput::Cancel,
        CallInput::End(carol.number),
        CallInput::Lost { device: bob.number, back_by: world.now },
        CallInput::Back(bob.number),
    ] {
        let (moved, _) = world.play(&record, Some(&carol), input).await;
        assert!(matches!(moved, CallMoved::Unknown), "{input:?}: {moved:?}");
    }
    let table = [
        (&bob, CallInput::Answer(bob.number)),
        (&iphone, CallInput::Cancel),
        (&iphone, CallInput::End(iphone.number)),
    ];
    for (phone, input) in table {
        let (moved, _) = world.play(&record, Some(phone), input).await;
        assert!(matches!(moved, CallMoved::NotYours), "{} {input:?}: {moved:?}", phone.name);
    }
    let signal = async |world: &World, phone: &Phone, body: &str| {
        let (number, inbox) = (phone.number, phone.inbox);
        let kept = world.store().signal(world.app, record.id, number, inbox, body.to_owned());
        match kept.await.expect("answered") {
            SignalKept::Kept(_, signal) => Ok(signal.sequence),
            SignalKept::Stands(record) => Err(Some(record.call.phase)),
            SignalKept::Full | SignalKept::Unknown => Err(None),
        }
    };
    assert_eq!(signal(&world, &bob, "1").await, Ok(1));
    assert_eq!(signal(&world, &carol, "x").await, Err(None));
    assert_eq!(signal(&world, &iphone, "2").await, Ok(2));
    world.play(&record, Some(&iphone), CallInput::Answer(iphone.number)).await;
    let taken = CallPhase::Answered { by: iphone.number };
    assert_eq!(signal(&world, &android, "x").await, Err(Some(taken)), "the other device's call");
    assert_eq!(signal(&world, &iphone, "3").await, Ok(3));
    assert_eq!(signal(&world, &bob, "4").await, Ok(4));
    world.play(&record, Some(&iphone), CallInput::End(iphone.number)).await;
    let over = CallPhase::Ended { reason: EndReason::HungUp };
    assert_eq!(signal(&world, &bob, "x").await, Err(Some(over)));
    let kept = async |world: &World, phone: &Phone, after: i64| {
        let kept = world.store().signals(record.number, phone.number, after).await.expect("read");
        kept.into_iter().map(|signal| signal.body).collect::<Vec<_>>()
    };
    world.pass(SECOND * 59);
    world.store().sweep(0, world.now).await.expect("swept");
    assert_eq!(kept(&world, &bob, 0).await, ["2", "3"], "what the other side sent, in order");
    assert_eq!(kept(&world, &bob, 2).await, ["3"], "behind what the device has");
    assert_eq!(kept(&world, &iphone, 0).await, ["1", "4"]);
    let sent = world.store().signals_sent(record.number, bob.number).await.expect("read");
    assert_eq!(sent, 2);
    world.pass(SECOND);
    world.store().sweep(0, world.now).await.expect("swept");
    assert!(kept(&world, &bob, 0).await.is_empty());
}

#[tokio::test]
async fn starting_the_same_call_again_rings_nobody_twice() {
    let (mut world, bob, ..) = three().await;
    let start = world.call(&bob, "alice");
    let before = world.store().start_call(start.clone()).await.expect("answered");
    assert!(matches!(before.0, CallStarted::Rings(_)));
    let snapshot = world.look();
    let again = world.store().start_call(start.clone()).await.expect("answered");
    assert!(matches!(again.0, CallStarted::Again(_)), "{again:?}");
    assert_eq!(world.look(), snapshot);
    let other = CallStart { callee: "bob".to_owned(), ..start.clone() };
    let other = world.store().start_call(other).await.expect("answered");
    assert!(matches!(other.0, CallStarted::IdReused), "{other:?}");
    let nobody = CallStart { callee: "nobody".to_owned(), ..world.call(&bob, "x") };
    let nobody = world.store().start_call(nobody).await.expect("answered");
    assert!(matches!(nobody.0, CallStarted::UnknownUser), "{nobody:?}");
}

#[tokio::test]
async fn a_ring_on_its_way_when_the_process_died_is_never_sent_again() {
    let (mut world, bob, ..) = three().await;
    let (_, effects) = world.ring(&bob, "alice").await;
    let lane = effects.due[0].0;
    let first = world.claim(lane).await;
    assert_eq!(first.len(), 1);
    world.kill().await;
    let claimed = world.claim_due().await;
    let devices: Vec<_> = claimed.iter().map(|claimed| claimed.key.device).collect();
    assert!(!devices.contains(&first[0].key.device), "a ghost call");
    assert_eq!(devices.len(), 1, "the other one was not on its way yet, and still rings");
    let wakes = world.look().wakes;
    assert_eq!(wakes.iter().map(|wake| wake.device).collect::<Vec<_>>(), devices);
}

#[tokio::test]
async fn a_ring_waits_for_a_target_as_long_as_the_call_rings() {
    let mut world = World::new().await;
    let bob = world.phone("bob").await;
    let alice = world.phone_of("alice", Platform::Ios, None).await;
    world.end(&alice).await;
    let (record, _) = world.ring(&bob, "alice").await;
    assert!(world.claim_due().await.is_empty());
    let wakes = world.look().wakes;
    assert_eq!(wakes[0].reason, Reason::NoTarget.as_str());
    world.pass(SECOND);
    world.set_target(&alice, TargetKind::ApnsVoip, "late").await;
    let claimed = world.claim_one().await;
    assert_eq!((claimed.target.kind, claimed.plan.rung), (TargetKind::ApnsVoip, Rung::Ring));
    world.play(&record, Some(&bob), CallInput::Cancel).await;
    let wake = world.wake(&alice).await.expect("for the missed call").wake;
    assert_eq!(wake.reason, Reason::NoTarget, "a VoIP token carries no message");
}
