//! What holds whatever happens.

use proptest::prelude::*;

use super::*;
use crate::policy::FirstRung;

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
                            // The successor of a lapsed attempt was paid for by that.
                            let free = !plan.target.ends_at_apple(Platform::Ios) || plan.lapsed.is_some();
                            prop_assert!(plan.rung != Rung::Background || !spent || free);
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
