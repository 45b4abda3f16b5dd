//! The drawing, walked; and what holds whatever happens.

use std::time::Duration;

use proptest::prelude::*;

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

/// One thing that can happen to a wake.
#[derive(Clone, Debug)]
enum Event {
    Accepted(Urgency),
    Acked(u8),
    Changed,
    Claim {
        living: bool,
        target: Option<TargetKind>,
        spent: bool,
    },
    Disconnected,
    /// The user looks at the app on another device, or no more.
    Elsewhere(bool),
    Fetched,
    Orphaned,
    /// The user mutes, reads elsewhere, or takes the mute back.
    Quiet(Option<Quiet>),
    Settle(Verdict),
    Suspected,
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    Accepted,
    After,
    BackOff,
    Bare,
    Unknown,
    WhenChanged,
    Withdrawn,
}

fn event() -> impl Strategy<Value = Event> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Accepted),
        1 => Just(Verdict::After),
        1 => Just(Verdict::BackOff),
        1 => Just(Verdict::Bare),
        1 => Just(Verdict::Unknown),
        1 => Just(Verdict::WhenChanged),
        1 => Just(Verdict::Withdrawn),
    ];
    let target = prop_oneof![
        4 => Just(Some(TargetKind::Apns)),
        4 => Just(Some(TargetKind::Fcm)),
        1 => Just(None),
    ];
    prop_oneof![
        2 => prop_oneof![Just(Urgency::Normal), Just(Urgency::High)].prop_map(Event::Accepted),
        1 => (0_u8..4).prop_map(Event::Acked),
        1 => Just(Event::Changed),
        6 => (any::<bool>(), target, any::<bool>())
            .prop_map(|(living, target, spent)| Event::Claim { living, target, spent }),
        1 => Just(Event::Disconnected),
        1 => Just(Event::Fetched),
        1 => Just(Event::Orphaned),
        1 => any::<bool>().prop_map(Event::Elsewhere),
        2 => prop_oneof![Just(None), Just(Some(Quiet::Muted)), Just(Some(Quiet::Read))]
            .prop_map(Event::Quiet),
        6 => verdict.prop_map(Event::Settle),
        1 => Just(Event::Suspected),
    ]
}

fn outcome_of(verdict: Verdict) -> Outcome {
    let minute = Duration::from_secs(60);
    match verdict {
        Verdict::Accepted => accepted(),
        Verdict::After => refusal(Diagnosis::TemporarilyDisabled, RetryRule::After(minute)),
        Verdict::BackOff => {
            refusal(Diagnosis::TemporarilyDisabled, RetryRule::BackOff { first: minute })
        }
        Verdict::Bare => refusal(Diagnosis::BadPayload, RetryRule::Bare),
        Verdict::Unknown => Outcome::Unknown { detail: String::new() },
        Verdict::WhenChanged => refusal(Diagnosis::CertificateError, RetryRule::WhenChanged),
        Verdict::Withdrawn => Outcome::Withdrawn,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever happens to a wake: it never goes below its highest rung before ack progress, only
    /// accepted pushes (and a spent budget) use up a rung, a push is only made for what is owed to
    /// somebody asleep, and an open wake is either due or parked with a reason that says what it
    /// waits for.
    #[test]
    fn whatever_happens(
        alert_mode in any::<bool>(),
        history in proptest::collection::vec((event(), 0_u64..120), 1..80),
    ) {
        let policy = Policy {
            first_rung: if alert_mode { FirstRung::Alert } else { FirstRung::Background },
            hold_while_active_elsewhere: Some(Duration::from_secs(20)),
            ..Policy::default()
        };
        let first = Rung::first(&policy, Platform::Ios);
        let mut now = NOW;
        let (mut quiet, mut elsewhere) = (None, false);
        let (mut head, mut acked) = (1_i64, 0_i64);
        let mut wake = Some(Wake::open(first, now, Reason::Message));
        let mut highest = 0_u8;
        let mut open_attempt: Option<Plan> = None;
        let mut number = 0_u128;
        for (event, seconds) in history {
            now = now.plus(Duration::from_secs(seconds));
            let Some(current) = wake.clone() else {
                // Closed: the next message opens a new one.
                prop_assert!(acked == head);
                head += 1;
                highest = 0;
                open_attempt = None;
                wake = Some(Wake::open(first, now, Reason::Message));
                continue;
            };
            let owing = |pushed: i64| match quiet {
                _ if acked == head => Owing::Nothing,
                Some(quiet) => Owing::Quiet(quiet),
                None => Owing::Owed(Owed {
                    oldest_unpushed: (pushed.max(acked) < head).then(|| Offset::from_number(pushed.max(acked) + 1)),
                    head: Offset::from_number(head),
                    count: 1,
                    urgency: Urgency::Normal,
                    expires_at: now.plus(Duration::from_secs(86_400)),
                }),
            };
            let before = current.clone();
            let next = match event {
                Event::Accepted(urgency) => {
                    head += 1;
                    // What is muted joins nothing; what was read elsewhere is not what is new.
                    if quiet == Some(Quiet::Muted) {
                        Some(current)
                    } else {
                        quiet = None;
                        Some(current.join(urgency, now).unwrap_or(current))
                    }
                }
                Event::Elsewhere(active) => {
                    elsewhere = active;
                    Some(current)
                }
                Event::Quiet(next) => {
                    let was = std::mem::replace(&mut quiet, next);
                    match (was, next) {
                        // Nothing is unread.
                        (Some(Quiet::Read), None) => {
                            quiet = was;
                            Some(current)
                        }
                        (Some(Quiet::Muted), None) => Some(current.unmuted(now).unwrap_or(current)),
                        _ => Some(current),
                    }
                }
                Event::Acked(count) => {
                    let was = acked;
                    acked = head.min(acked + i64::from(count));
                    if acked == head {
                        None
                    } else if acked > was {
                        if !matches!(current.phase, Phase::Claimed(_)) {
                            highest = 0;
                        }
                        Some(current.progressed(first, &policy, now))
                    } else {
                        Some(current)
                    }
                }
                Event::Changed => Some(current.changed(now).unwrap_or(current)),
                Event::Claim { living, target, spent } => {
                    number += 1;
                    let facts = Facts {
                        owing: owing(current.pushed.number()),
                        presence: if living { Presence::Living } else { Presence::Asleep },
                        active_elsewhere: elsewhere,
                        platform: Platform::Ios,
                        target,
                        budget: if spent {
                            BackgroundBudget::from_times([now, now, now])
                        } else {
                            BackgroundBudget::default()
                        },
                    };
                    match current.claim(&facts, &policy, draw(number), now) {
                        Claim::Close(_) => None,
                        Claim::Wait(wake) => Some(wake),
                        Claim::Push(wake, plan) => {
                            prop_assert!(!living && quiet.is_none() && acked < head && before.due().is_some_and(|due| due <= now));
                            prop_assert!(plan.rung.level() >= highest, "{:?} below {highest}", plan.rung);
                            prop_assert!(plan.rung != Rung::Background || !spent || !plan.target.ends_at_apple(Platform::Ios));
                            prop_assert!(plan.covers.number() <= head && plan.covers.number() > 0);
                            highest = plan.rung.level();
                            open_attempt = Some(plan);
                            Some(wake)
                        }
                    }
                }
                Event::Disconnected => Some(current.disconnected(now).unwrap_or(current)),
                Event::Fetched => Some(current.fetched(now).unwrap_or(current)),
                Event::Orphaned => Some(current.orphaned(now).unwrap_or(current)),
                Event::Settle(verdict) => match open_attempt {
                    None => Some(current),
                    Some(plan) => {
                        let outcome = outcome_of(verdict);
                        let pushed = if outcome.is_accepted() {
                            plan.covers.number().max(current.pushed.number())
                        } else {
                            current.pushed.number()
                        };
                        match current.settle(plan.attempt, &outcome, owing(pushed), &policy, 7, now) {
                            Settled::Stale => wake.clone(),
                            Settled::Close(_) => None,
                            Settled::Next(next) => {
                                if !outcome.is_accepted() {
                                    prop_assert_eq!(next.rung, before.rung);
                                    prop_assert_eq!(next.pushed, before.pushed);
                                }
                                open_attempt = None;
                                Some(next)
                            }
                        }
                    }
                },
                Event::Suspected => Some(current.suspected(now).unwrap_or(current)),
            };
            if let Some(next) = &next {
                let waits_for_something = match next.phase {
                    Phase::Due(_) | Phase::Claimed(_) => true,
                    Phase::Parked => matches!(
                        next.reason,
                        Reason::NoTarget | Reason::Credential | Reason::Disabled
                            | Reason::Unsendable | Reason::Exhausted
                            | Reason::Muted | Reason::ReadElsewhere
                    ),
                };
                prop_assert!(waits_for_something, "{next:?} has no way on");
                // And every one of them can still end: an ack closes it, a change re-opens it.
                if next.phase == Phase::Parked && next.reason != Reason::ReadElsewhere {
                    prop_assert!(next.changed(now).is_some());
                }
                if next.reason == Reason::ReadElsewhere || next.reason == Reason::Muted {
                    prop_assert!(next.join(Urgency::Normal, now).is_some());
                }
            }
            wake = next;
        }
    }
}
