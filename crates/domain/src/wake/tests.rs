//! The drawing, walked.

mod history;

use std::time::Duration;

use super::*;
use crate::budget::BackgroundBudget;
use crate::inbox::{Owed, Owing, Quiet};
use crate::outcome::{Diagnosis, Outcome, Refusal, RetryRule, TokenVerdict};
use crate::target::{Platform, TargetKind};

const NOW: Time = Time::from_millis(1_000_000);

fn later(seconds: u64) -> Time {
    NOW.plus(Duration::from_secs(seconds))
}

fn draw(number: u128) -> Draw {
    Draw { attempt: AttemptId::from_bits(number), provider: ProviderId::from_bits(number << 64) }
}

fn owed_at(head: i64, unpushed: Option<i64>) -> Owing {
    Owing::Owed(Owed {
        oldest_unpushed: unpushed.map(Offset::from_number),
        head: Offset::from_number(head),
        count: 1,
        urgency: Urgency::Normal,
        expires_at: later(86_400 * 30),
    })
}

fn asleep(head: i64) -> Facts {
    Facts {
        owing: owed_at(head, Some(head)),
        presence: Presence::Asleep,
        active_elsewhere: false,
        platform: Platform::Ios,
        target: Some(TargetKind::Apns),
        budget: BackgroundBudget::default(),
    }
}

fn refusal(diagnosis: Diagnosis, retry: RetryRule) -> Outcome {
    Outcome::Refused(Refusal {
        diagnosis,
        scope: diagnosis.scope(),
        retry,
        token: TokenVerdict::Keep,
        status: None,
        reason: String::new(),
        remedy: String::new(),
    })
}

fn accepted() -> Outcome {
    Outcome::Accepted { provider_id: None }
}

fn push(wake: Wake, facts: &Facts, number: u128, now: Time) -> (Wake, Plan) {
    match wake.claim(facts, &Policy::default(), draw(number), now) {
        Claim::Push(wake, plan) => (wake, plan),
        other => panic!("expected a push, got {other:?}"),
    }
}

fn settle(wake: Wake, plan: &Plan, outcome: &Outcome, owing: Owing, now: Time) -> Wake {
    match wake.settle(plan.attempt, outcome, owing, &Policy::default(), 0, now) {
        Settled::Next(wake) => wake,
        other => panic!("expected the wake to go on, got {other:?}"),
    }
}

#[test]
fn the_ladder_is_climbed_to_its_end() {
    let policy = Policy::default();
    let mut wake = Wake::open(Rung::Background, NOW, Reason::Message);
    let mut now = NOW;
    let mut seen = Vec::new();
    for number in 1.. {
        let (claimed, plan) = push(wake, &asleep(1), number, now);
        seen.push((plan.rung, now.since(NOW).as_secs()));
        wake = settle(claimed, &plan, &accepted(), owed_at(1, None), now);
        match wake.due() {
            Some(due) => now = due,
            None => break,
        }
    }
    assert_eq!(
        seen,
        [
            (Rung::Background, 0),
            (Rung::Alert, 30),
            (Rung::Repeat(0), 630),
            (Rung::Repeat(1), 4_230),
            (Rung::Repeat(2), 25_830),
            (Rung::Repeat(3), 112_230),
        ]
    );
    assert_eq!((wake.phase, wake.reason), (Phase::Parked, Reason::Exhausted));
    assert_eq!(policy.repeats.len(), 4);
    // A new message re-opens it, with sound.
    let wake = wake.join(Urgency::Normal, now.plus(Duration::from_secs(60))).expect("re-opened");
    assert_eq!(wake.rung, Rung::Alert);
    assert_eq!(wake.due(), Some(now.plus(Duration::from_secs(60))));
}

#[test]
fn what_a_claim_decides() {
    let policy = Policy::default();
    let due = || Wake::open(Rung::Background, NOW, Reason::Message);
    let off = Policy { push_enabled: false, ..Policy::default() };
    let spent = BackgroundBudget::from_times([later(0), later(1), later(2)]);
    let facts = asleep(1);

    let wait = |facts: &Facts, policy: &Policy| match due().claim(facts, policy, draw(1), later(5))
    {
        Claim::Wait(wake) => (wake.due(), wake.reason),
        other => panic!("expected to wait, got {other:?}"),
    };
    assert_eq!(
        due().claim(&Facts { owing: Owing::Nothing, ..facts }, &policy, draw(1), NOW),
        Claim::Close(Reason::Expired)
    );
    assert_eq!(
        wait(&Facts { presence: Presence::Living, ..facts }, &policy),
        (Some(later(10)), Reason::Live)
    );
    assert_eq!(wait(&Facts { target: None, ..facts }, &policy), (None, Reason::NoTarget));
    assert_eq!(wait(&facts, &off), (None, Reason::Disabled));
    assert_eq!(
        due().claim(&facts, &policy, draw(1), NOW.minus(Duration::from_secs(1))),
        Claim::Wait(due()),
        "not before its time"
    );
    match due().claim(&Facts { budget: spent, ..facts }, &policy, draw(1), later(5)) {
        Claim::Push(wake, plan) => {
            assert_eq!((plan.rung, wake.reason), (Rung::Alert, Reason::Budget));
        }
        other => panic!("expected the alert, got {other:?}"),
    }
    // It is the phone's, whichever way the push takes; Android has no such budget.
    for (platform, rung) in [(Platform::Ios, Rung::Alert), (Platform::Android, Rung::Background)] {
        let by_fcm = Facts { budget: spent, platform, target: Some(TargetKind::Fcm), ..facts };
        assert_eq!(push(due(), &by_fcm, 1, later(5)).1.rung, rung, "{platform:?}");
    }
}

#[test]
fn what_is_quiet_parks_and_something_new_wakes() {
    let due = || Wake::open(Rung::Background, NOW, Reason::Message);
    for (quiet, reason) in [(Quiet::Muted, Reason::Muted), (Quiet::Read, Reason::ReadElsewhere)] {
        let facts = Facts { owing: Owing::Quiet(quiet), ..asleep(1) };
        let parked = match due().claim(&facts, &Policy::default(), draw(1), NOW) {
            Claim::Wait(wake) => wake,
            other => panic!("expected to wait, got {other:?}"),
        };
        assert_eq!((parked.phase, parked.reason), (Phase::Parked, reason));
        let joined = parked.join(Urgency::Normal, later(9)).expect("something new");
        assert_eq!((joined.rung, joined.due()), (Rung::Background, Some(later(9))));
        // The same while the push is on its way: what it came to counts, then it waits.
        let (claimed, plan) = push(due(), &asleep(1), 1, NOW);
        let settled = settle(claimed, &plan, &accepted(), Owing::Quiet(quiet), later(1));
        assert_eq!(
            (settled.phase, settled.reason, settled.rung),
            (Phase::Parked, reason, Rung::Alert)
        );
    }
    let muted = Wake { phase: Phase::Parked, reason: Reason::Muted, ..due() };
    assert_eq!(muted.unmuted(later(9)).and_then(|wake| wake.due()), Some(later(9)));
}

#[test]
fn a_wake_is_held_once_while_the_user_is_active_elsewhere() {
    let hold = Duration::from_secs(20);
    let policy = Policy { hold_while_active_elsewhere: Some(hold), ..Policy::default() };
    let facts = Facts { active_elsewhere: true, ..asleep(1) };
    let due = Wake::open(Rung::Background, NOW, Reason::Message);
    let claim = |wake: Wake, policy: &Policy, now| wake.claim(&facts, policy, draw(1), now);
    assert!(matches!(claim(due.clone(), &Policy::default(), NOW), Claim::Push(..)), "off");
    let held = match claim(due, &policy, NOW) {
        Claim::Wait(wake) => wake,
        other => panic!("expected to be held, got {other:?}"),
    };
    assert_eq!((held.due(), held.reason), (Some(later(20)), Reason::HeldElsewhere));
    assert!(matches!(claim(held, &policy, later(20)), Claim::Push(..)), "still unread");
}

#[test]
fn a_lapsed_attempt_has_one_successor_with_the_same_provider_name() {
    let (claimed, first) =
        push(Wake::open(Rung::Background, NOW, Reason::Message), &asleep(1), 1, NOW);
    assert_eq!(claimed.due(), Some(NOW.plus(LAPSE)));
    let early = claimed.clone().claim(&asleep(1), &Policy::default(), draw(2), later(59));
    assert_eq!(early, Claim::Wait(claimed.clone()), "not claimed twice");
    let (claimed, second) = push(claimed, &asleep(1), 2, later(60));
    assert_eq!(second.provider, first.provider);
    assert_eq!(second.rung, first.rung);
    assert_eq!(second.lapsed, Some(first.attempt));
    assert_eq!(
        claimed.clone().settle(
            first.attempt,
            &accepted(),
            owed_at(1, None),
            &Policy::default(),
            0,
            later(61)
        ),
        Settled::Stale
    );
    let wake = settle(claimed, &second, &accepted(), owed_at(1, None), later(61));
    assert_eq!(wake.rung, Rung::Alert);
    // It is the same push: the budget of background pushes was spent on it.
    let (claimed, first) =
        push(Wake::open(Rung::Background, NOW, Reason::Message), &asleep(1), 1, NOW);
    let spent = [NOW; 3].into_iter().fold(BackgroundBudget::default(), BackgroundBudget::spend);
    let facts = Facts { budget: spent, ..asleep(1) };
    let (_, second) = push(claimed, &facts, 2, later(60));
    assert_eq!((second.rung, second.provider), (Rung::Background, first.provider));
    // The process died: its claims lapse at once.
    let (claimed, _) = push(Wake::open(Rung::Background, NOW, Reason::Message), &asleep(1), 1, NOW);
    let orphan = claimed.orphaned(later(3)).expect("a claim can be orphaned");
    assert_eq!(orphan.due(), Some(later(3)));
}

#[test]
fn what_a_refusal_does() {
    let after = |retry, diagnosis| {
        let (claimed, plan) =
            push(Wake::open(Rung::Alert, NOW, Reason::Message), &asleep(1), 1, NOW);
        let wake = settle(claimed, &plan, &refusal(diagnosis, retry), owed_at(1, Some(1)), NOW);
        assert_eq!(wake.rung, Rung::Alert, "a refusal keeps the rung");
        assert_eq!(wake.pushed, Offset::ZERO);
        wake
    };
    let minute = Duration::from_secs(60);
    let wake = after(RetryRule::After(minute), Diagnosis::TemporarilyDisabled);
    assert_eq!((wake.due(), wake.reason), (Some(later(60)), Reason::Refused));
    let wake = after(RetryRule::BackOff { first: minute }, Diagnosis::TemporarilyDisabled);
    assert_eq!(wake.due(), Some(later(60)));
    let wake = after(RetryRule::WhenChanged, Diagnosis::CertificateExpired);
    assert_eq!((wake.due(), wake.reason), (None, Reason::Credential));
    let wake = after(RetryRule::WhenChanged, Diagnosis::BadPushToken);
    assert_eq!((wake.due(), wake.reason), (None, Reason::NoTarget));
    // A bad payload: at once with the smallest one, then parked.
    let wake = after(RetryRule::Bare, Diagnosis::BadPayload);
    assert_eq!((wake.due(), wake.bare), (Some(NOW), true));
    let (claimed, plan) = push(wake, &asleep(1), 2, NOW);
    assert!(plan.bare);
    let wake = settle(
        claimed,
        &plan,
        &refusal(Diagnosis::BadPayload, RetryRule::Bare),
        owed_at(1, Some(1)),
        NOW,
    );
    assert_eq!((wake.due(), wake.reason), (None, Reason::Unsendable));
    assert_eq!(wake.changed(later(9)).and_then(|wake| wake.due()), Some(later(9)));
}

#[test]
fn pauses_double_and_are_bounded() {
    let pause = |refused, spread| back_off(Duration::from_secs(10), refused, spread).as_secs();
    assert_eq!([1, 2, 3, 4].map(|n| pause(n, 0)), [10, 20, 40, 80]);
    assert_eq!(pause(40, 0), 900);
    assert_eq!(pause(1, 255), 12);
    let long = Duration::from_secs(3_600);
    assert_eq!(back_off(long, 9, 0), long, "never shorter than the provider asks");
}

#[test]
fn a_burst_is_one_push_and_urgency_does_not_wait() {
    let (claimed, plan) =
        push(Wake::open(Rung::Background, NOW, Reason::Message), &asleep(1), 1, NOW);
    assert_eq!(claimed.join(Urgency::High, NOW), None, "the settle will see it");
    // Nine more came while the push was on its way.
    let wake = settle(claimed, &plan, &accepted(), owed_at(10, Some(2)), later(1));
    assert_eq!((wake.rung, wake.due()), (Rung::Alert, Some(later(31))));
    assert_eq!(wake.join(Urgency::Normal, later(2)), None);
    let hastened = wake.join(Urgency::High, later(2)).expect("a higher urgency does not wait");
    assert_eq!(hastened.due(), Some(later(2)));
}

#[test]
fn a_message_after_the_alert_rings_again_three_seconds_later() {
    let (claimed, plan) = push(Wake::open(Rung::Alert, NOW, Reason::Message), &asleep(1), 1, NOW);
    let wake = settle(claimed, &plan, &accepted(), owed_at(1, None), NOW);
    assert_eq!(wake.rung, Rung::Repeat(0));
    let again = wake.join(Urgency::Normal, later(1)).expect("due at once");
    assert_eq!((again.rung, again.due()), (Rung::Alert, Some(later(3))));
    let much_later = wake.join(Urgency::Normal, later(100)).expect("due at once");
    assert_eq!(much_later.due(), Some(later(100)));
}

#[test]
fn alert_mode_covers_one_message_each_then_sums_up() {
    let policy = Policy { first_rung: FirstRung::Alert, ..Policy::default() };
    let mut wake = Wake::open(Rung::Alert, NOW, Reason::Message);
    let mut now = NOW;
    let mut covered = Vec::new();
    for number in 1_u8..=6 {
        let pushed = wake.pushed.number();
        let facts = Facts { owing: owed_at(20, Some(pushed + 1)), ..asleep(20) };
        let Claim::Push(claimed, plan) = wake.claim(&facts, &policy, draw(u128::from(number)), now)
        else {
            panic!("expected a push");
        };
        covered.push(plan.covers.number());
        let unpushed = (plan.covers.number() < 20).then_some(plan.covers.number() + 1);
        let settled =
            claimed.settle(plan.attempt, &accepted(), owed_at(20, unpushed), &policy, 0, now);
        let Settled::Next(next) = settled else { panic!("expected the wake to go on") };
        wake = next;
        now = wake.due().expect("more is owed");
    }
    assert_eq!(covered, [1, 2, 3, 4, 5, 20]);
}

#[test]
fn sessions_and_fetches_move_a_wake() {
    let (claimed, plan) =
        push(Wake::open(Rung::Background, NOW, Reason::Message), &asleep(1), 1, NOW);
    assert_eq!(claimed.fetched(NOW), None);
    let climbing = settle(claimed, &plan, &accepted(), owed_at(1, None), NOW);
    assert_eq!(
        climbing.disconnected(later(2)),
        None,
        "came and went without progress: keeps waiting"
    );
    assert_eq!(climbing.suspected(later(2)).and_then(|wake| wake.due()), Some(later(2)));
    let fetched = climbing.fetched(later(20)).expect("moved away");
    assert_eq!(fetched.due(), Some(later(50)));
    assert_eq!(fetched.fetched(later(40)), None, "once per attempt");
    let progressed = climbing.clone().progressed(Rung::Background, &Policy::default(), later(5));
    assert_eq!((progressed.rung, progressed.due()), (Rung::Background, Some(later(35))));
    let Claim::Wait(live) = Wake::open(Rung::Background, NOW, Reason::Message).claim(
        &Facts { presence: Presence::Living, ..asleep(1) },
        &Policy::default(),
        draw(1),
        NOW,
    ) else {
        panic!("expected to wait")
    };
    assert_eq!(live.disconnected(later(1)).and_then(|wake| wake.due()), Some(later(1)));
    // Acknowledged in part, and gone: nothing was pushed that could bring it back.
    let partly = live.progressed(Rung::Background, &Policy::default(), later(1));
    assert_eq!(partly.disconnected(later(2)).and_then(|wake| wake.due()), Some(later(2)));
}

#[test]
fn a_ring_is_pushed_once_and_only_while_it_rings() {
    let policy = Policy::default();
    let ring = || Wake::open(Rung::Ring, NOW, Reason::Ring);
    let facts = RingFacts {
        rings_until: Some(later(45)),
        rings_here: false,
        target: Some(TargetKind::ApnsVoip),
    };
    let claim = |wake: Wake, facts: RingFacts, now| wake.claim_ring(&facts, &policy, draw(1), now);
    assert_eq!(
        claim(ring(), RingFacts { rings_until: None, ..facts }, NOW),
        Claim::Close(Reason::CallOver)
    );
    assert_eq!(
        claim(ring(), RingFacts { rings_here: true, ..facts }, NOW),
        Claim::Close(Reason::Live)
    );
    assert_eq!(claim(ring(), facts, later(41)), Claim::Close(Reason::TooLate));
    // Told by frame, it has some time to say that it rings.
    let told = ring().rung_by_frame(later(2)).expect("moved");
    assert_eq!(told.due(), Some(later(2)));
    assert_eq!(claim(told.clone(), facts, later(1)), Claim::Wait(told.clone()));
    assert!(matches!(claim(told.clone(), facts, later(2)), Claim::Push(..)));
    assert_eq!(told.rung_by_frame(later(1)), None);
    let Claim::Push(claimed, plan) = claim(ring(), facts, NOW) else { panic!("expected a push") };
    assert_eq!(plan.expires_at, later(30), "a VoIP push is of use for thirty seconds");
    let Claim::Push(_, plan_late) = claim(ring(), facts, later(35)) else {
        panic!("expected a push")
    };
    assert_eq!(plan_late.expires_at, later(45));
    assert_eq!(claimed.rung_by_frame(later(60)), None, "it is on its way");
    // Nobody knows what became of it: not again.
    assert_eq!(
        claim(claimed.orphaned(later(1)).expect("orphaned"), facts, later(1)),
        Claim::Close(Reason::Unknown)
    );
    let settled = |outcome: &Outcome, rings_until| {
        claimed.clone().settle_ring(plan.attempt, outcome, rings_until, 0, later(1))
    };
    let reason = |settled| match settled {
        Settled::Next(wake) => (wake.due(), wake.reason),
        other => panic!("expected the wake to go on, got {other:?}"),
    };
    assert_eq!(reason(settled(&accepted(), Some(later(45)))), (None, Reason::Rings));
    let unknown = Outcome::Unknown { detail: String::new() };
    assert_eq!(reason(settled(&unknown, Some(later(45)))), (None, Reason::Unknown));
    assert_eq!(settled(&Outcome::Withdrawn, Some(later(45))), Settled::Close(Reason::CallOver));
    assert_eq!(settled(&accepted(), None), Settled::Close(Reason::CallOver));
    let busy = refusal(Diagnosis::TemporarilyDisabled, RetryRule::After(Duration::from_secs(10)));
    assert_eq!(reason(settled(&busy, Some(later(45)))), (Some(later(11)), Reason::Refused));
    assert_eq!(reason(settled(&busy, Some(later(8)))), (None, Reason::TooLate));
}
