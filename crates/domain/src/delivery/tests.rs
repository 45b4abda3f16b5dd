//! The drawing of the delivery, walked.

use proptest::prelude::*;

use super::*;
use crate::outcome::{Refusal, TokenVerdict};

const NOW: Time = Time::from_millis(1_800_000_000_000);
const ALERT: Facts =
    Facts { kind: PushKind::Alert, expires_at: NOW.plus_seconds(3_600), budget_at: None };
const VOIP: Facts = Facts { kind: PushKind::Voip, ..ALERT };

impl Time {
    /// This instant and so many seconds more, for constants.
    const fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_micros(self.as_micros() + seconds * 1_000_000)
    }
}

fn draw(number: u128) -> Draw {
    Draw { attempt: AttemptId::from_bits(number), provider: ProviderId::from_bits(number) }
}

fn refused(diagnosis: Diagnosis, retry: RetryRule) -> Outcome {
    Outcome::Refused(Refusal {
        diagnosis,
        scope: diagnosis.scope(),
        retry,
        token: TokenVerdict::Keep,
        status: Some(400),
        reason: String::new(),
        remedy: String::new(),
    })
}

fn claimed(number: u128, facts: &Facts, now: Time) -> Delivery {
    match Delivery::new(now).claim(facts, draw(number), now) {
        Claim::Push(delivery, provider) => {
            assert_eq!(provider, ProviderId::from_bits(number));
            delivery
        }
        other => panic!("{other:?}"),
    }
}

fn settle(delivery: Delivery, number: u128, outcome: &Outcome, facts: &Facts) -> Phase {
    match delivery.settle(AttemptId::from_bits(number), outcome, facts, 0, NOW) {
        Settled::Next(delivery) => delivery.phase,
        Settled::Stale => panic!("stale"),
    }
}

#[test]
fn what_an_outcome_makes_of_it() {
    use Diagnosis::{AppMismatch, BadPayload, BadPushToken, CertificateError, TemporarilyDisabled};
    let soon = RetryRule::After(Duration::from_secs(10));
    let late = RetryRule::After(Duration::from_secs(3_600));
    let table = [
        (Outcome::Accepted { provider_id: None }, Phase::Ended(End::Accepted)),
        (Outcome::Withdrawn, Phase::Ended(End::Cancelled)),
        (Outcome::Unknown { detail: String::new() }, Phase::Due(NOW.plus_seconds(5))),
        (refused(TemporarilyDisabled, soon), Phase::Due(NOW.plus_seconds(10))),
        (refused(TemporarilyDisabled, late), Phase::Ended(End::Refused)),
        (refused(BadPushToken, RetryRule::WhenChanged), Phase::Ended(End::Refused)),
        (refused(AppMismatch, RetryRule::WhenChanged), Phase::Ended(End::Refused)),
        (refused(BadPayload, RetryRule::Bare), Phase::Ended(End::Refused)),
        (refused(CertificateError, RetryRule::WhenChanged), Phase::Due(NOW.plus_seconds(300))),
    ];
    for (outcome, expected) in table {
        assert_eq!(settle(claimed(1, &ALERT, NOW), 1, &outcome, &ALERT), expected, "{outcome:?}");
    }
}

#[test]
fn a_lapsed_attempt_has_a_successor_of_the_same_name_but_for_calls() {
    let lapsed_at = NOW.plus(LAPSE);
    match claimed(1, &ALERT, NOW).claim(&ALERT, draw(2), lapsed_at) {
        Claim::Push(_, provider) => assert_eq!(provider, ProviderId::from_bits(1)),
        other => panic!("{other:?}"),
    }
    let ended = claimed(1, &VOIP, NOW).claim(&VOIP, draw(2), lapsed_at);
    assert!(matches!(ended, Claim::End(Delivery { phase: Phase::Ended(End::Expired), .. })));
    let unknown = Outcome::Unknown { detail: String::new() };
    let phase = settle(claimed(1, &VOIP, NOW), 1, &unknown, &VOIP);
    assert_eq!(phase, Phase::Ended(End::Expired));
}

#[test]
fn a_call_is_not_pushed_with_less_than_five_seconds_left() {
    for (left, expected) in [(5, None), (4, Some(Phase::Ended(End::Expired)))] {
        let facts = Facts { expires_at: NOW.plus_seconds(left), ..VOIP };
        let claim = Delivery::new(NOW).claim(&facts, draw(1), NOW);
        let ended = match claim {
            Claim::End(delivery) => Some(delivery.phase),
            Claim::Push(..) => None,
            Claim::Wait(delivery) => panic!("{delivery:?}"),
        };
        assert_eq!(ended, expected, "{left} s left");
        // One that waited for room until then was not cancelled by anybody.
        let withdrawn = settle(claimed(1, &VOIP, NOW), 1, &Outcome::Withdrawn, &facts);
        assert_eq!(withdrawn, expected.unwrap_or(Phase::Ended(End::Cancelled)), "{left} s left");
    }
    // What is shown to the user may come in the last second.
    let facts = Facts { expires_at: NOW.plus_seconds(1), ..ALERT };
    assert!(matches!(Delivery::new(NOW).claim(&facts, draw(1), NOW), Claim::Push(..)));
}

#[test]
fn a_call_is_not_to_be_pushed_again_when_too_little_of_its_ringing_would_be_left() {
    // After the pause of ten seconds.
    for (left, expected) in
        [(15, Phase::Due(NOW.plus_seconds(10))), (14, Phase::Ended(End::Refused))]
    {
        let facts = Facts { expires_at: NOW.plus_seconds(left), ..VOIP };
        let pause = RetryRule::After(Duration::from_secs(10));
        let outcome = refused(Diagnosis::TemporarilyDisabled, pause);
        assert_eq!(settle(claimed(1, &facts, NOW), 1, &outcome, &facts), expected, "{left} s left");
    }
}

#[test]
fn a_walk_that_tried_leaves_what_a_settle_would() {
    let provider = ProviderId::from_bits(1);
    for outcome in [
        Outcome::Accepted { provider_id: None },
        Outcome::Withdrawn,
        Outcome::Unknown { detail: String::new() },
        refused(Diagnosis::BadPushToken, RetryRule::WhenChanged),
        refused(Diagnosis::TemporarilyDisabled, RetryRule::BackOff { first: LAPSE }),
    ] {
        let left = Delivery::tried(provider, &outcome, &ALERT, 0, NOW);
        let settled =
            claimed(1, &ALERT, NOW).settle(AttemptId::from_bits(1), &outcome, &ALERT, 0, NOW);
        assert_eq!(settled, Settled::Next(left), "{outcome:?}");
    }
}

#[test]
fn a_stale_settle_changes_nothing_and_a_cancel_catches_what_waits() {
    let delivery = claimed(1, &ALERT, NOW);
    assert_eq!(delivery.cancelled(), None);
    let stale = delivery.settle(AttemptId::from_bits(9), &Outcome::Withdrawn, &ALERT, 0, NOW);
    assert_eq!(stale, Settled::Stale);
    let waiting = Delivery::new(NOW.plus_seconds(60));
    let cancelled = waiting.cancelled().map(|delivery| delivery.phase);
    assert_eq!(cancelled, Some(Phase::Ended(End::Cancelled)));
}

#[test]
fn over_budget_it_waits_and_past_its_ttl_it_is_over() {
    let later = NOW.plus_seconds(600);
    let facts = Facts { budget_at: Some(later), ..ALERT };
    let waits = Delivery::new(NOW).claim(&facts, draw(1), NOW);
    assert!(matches!(waits, Claim::Wait(Delivery { phase: Phase::Due(at), .. }) if at == later));
    // The successor of a lapsed attempt was paid for by that.
    let lapsed = claimed(1, &ALERT, NOW).claim(&facts, draw(2), NOW.plus(LAPSE));
    assert!(matches!(lapsed, Claim::Push(_, provider) if provider == ProviderId::from_bits(1)));
    let over = Delivery::new(NOW).claim(&ALERT, draw(1), ALERT.expires_at);
    assert!(matches!(over, Claim::End(Delivery { phase: Phase::Ended(End::Expired), .. })));
}

proptest! {
    #[test]
    fn it_ends_once_and_until_then_has_a_next_time(
        steps in proptest::collection::vec((0_u8..6, 0_u64..1_000), 0..60),
    ) {
        let mut delivery = Delivery::new(NOW);
        let mut now = NOW;
        let mut open = None;
        for (number, (step, seconds)) in (1_u128..).zip(steps) {
            now = now.plus(Duration::from_secs(seconds));
            let before = delivery.phase;
            match step {
                0..=2 => match delivery.clone().claim(&ALERT, draw(number), now) {
                    Claim::Push(next, _) => {
                        open = Some(number);
                        delivery = next;
                    }
                    Claim::End(next) | Claim::Wait(next) => delivery = next,
                },
                3 => delivery = delivery.cancelled().unwrap_or(delivery),
                4 | 5 => {
                    let outcome = if step == 4 {
                        refused(Diagnosis::TemporarilyDisabled, RetryRule::After(Duration::from_secs(30)))
                    } else {
                        Outcome::Unknown { detail: String::new() }
                    };
                    let attempt = AttemptId::from_bits(open.unwrap_or(0));
                    if let Settled::Next(next) =
                        delivery.clone().settle(attempt, &outcome, &ALERT, 0, now)
                    {
                        delivery = next;
                    }
                }
                _ => {}
            }
            if let Phase::Ended(_) = before {
                prop_assert_eq!(delivery.phase, before);
            }
            prop_assert_eq!(delivery.due().is_none(), matches!(delivery.phase, Phase::Ended(_)));
            if let Some(due) = delivery.due() {
                prop_assert!(due <= ALERT.expires_at.plus(LAPSE));
            }
        }
    }
}
