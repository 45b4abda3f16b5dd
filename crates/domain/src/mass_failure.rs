//! The guard against dropping a whole app's tokens for a fault of the credential.
//!
//! A credential of another team, a wrong bundle id or a setting that points to the wrong
//! environment makes every token look bad at once. Rule (providers' facts, 6.3): at least 20
//! pushes in five minutes, and more than half of them refused for their tokens.
//!
//! An app with three devices never has 20; it is guarded by the other half of the rule, that a
//! credential must have been believed once before a token is dropped by it: [`crate::token`].

use std::time::Duration;

use crate::outcome::{Diagnosis, Outcome};
use crate::time::Time;

/// How far back it looks.
const WINDOW: Duration = Duration::from_secs(300);
/// The parts of the window: one is forgotten at a time.
const PARTS: usize = 10;
/// Fewer pushes than this say nothing.
const FEWEST: u32 = 20;

/// What most pushes of a mass failure were refused for. What that points to depends on the push
/// service: only Apple has an environment to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failing {
    /// Bad tokens: 911.
    Bad,
    /// Tokens of another app: 912.
    Mismatched,
}

/// How the pushes of one credential fared in the last five minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MassFailure {
    parts: [Part; PARTS],
}

/// What happened in one thirty seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    number: i64,
    answered: u32,
    /// Refused with 911.
    bad: u32,
    /// Refused with 912.
    mismatched: u32,
}

impl MassFailure {
    /// Counts a push that was answered; others say nothing about tokens.
    pub fn note(&mut self, outcome: &Outcome, now: Time) {
        let diagnosis = match outcome {
            Outcome::Accepted { .. } => None,
            Outcome::Refused(refusal) if refusal.status.is_some() => Some(refusal.diagnosis),
            Outcome::Refused(_) | Outcome::Unknown { .. } | Outcome::Withdrawn => return,
        };
        let number = part_number(now);
        // A part's number is not negative.
        let place = usize::try_from(number).unwrap_or(0) % PARTS;
        let Some(part) = self.parts.get_mut(place) else { return };
        if part.number != number {
            *part = Part { number, ..Part::default() };
        }
        part.answered = part.answered.saturating_add(1);
        match diagnosis {
            Some(Diagnosis::BadPushToken) => part.bad = part.bad.saturating_add(1),
            Some(Diagnosis::AppMismatch) => part.mismatched = part.mismatched.saturating_add(1),
            _ => {}
        }
    }

    /// Whether most of what was answered lately was refused for tokens, and for what most.
    pub fn holds(&self, now: Time) -> Option<Failing> {
        let newest = part_number(now);
        let oldest = newest - i64::try_from(PARTS).unwrap_or(0);
        let mut sum = Part::default();
        for part in self.parts.iter().filter(|part| oldest < part.number && part.number <= newest) {
            sum.answered = sum.answered.saturating_add(part.answered);
            sum.bad = sum.bad.saturating_add(part.bad);
            sum.mismatched = sum.mismatched.saturating_add(part.mismatched);
        }
        let failed = sum.bad.saturating_add(sum.mismatched);
        if sum.answered < FEWEST || failed.saturating_mul(2) <= sum.answered {
            return None;
        }
        Some(if sum.bad > sum.mismatched { Failing::Bad } else { Failing::Mismatched })
    }
}

fn part_number(now: Time) -> i64 {
    let length = i64::try_from(WINDOW.as_secs()).unwrap_or(1) / i64::try_from(PARTS).unwrap_or(1);
    now.as_seconds().div_euclid(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Refusal, RetryRule, TokenVerdict};

    const NOW: Time = Time::from_millis(1_800_000_000_000);

    fn refused(diagnosis: Diagnosis) -> Outcome {
        Outcome::Refused(Refusal {
            diagnosis,
            scope: diagnosis.scope(),
            retry: RetryRule::WhenChanged,
            token: TokenVerdict::Suspect,
            status: Some(400),
            reason: String::new(),
            remedy: String::new(),
        })
    }

    fn after(bad: u32, mismatched: u32, good: u32) -> MassFailure {
        let mut guard = MassFailure::default();
        for _ in 0..bad {
            guard.note(&refused(Diagnosis::BadPushToken), NOW);
        }
        for _ in 0..mismatched {
            guard.note(&refused(Diagnosis::AppMismatch), NOW);
        }
        for _ in 0..good {
            guard.note(&Outcome::Accepted { provider_id: None }, NOW);
        }
        guard
    }

    #[test]
    fn more_than_half_of_at_least_twenty() {
        let table = [
            ((19, 0, 0), None),
            ((20, 0, 0), Some(Failing::Bad)),
            ((10, 0, 10), None),
            ((11, 0, 10), Some(Failing::Bad)),
            ((0, 11, 10), Some(Failing::Mismatched)),
            ((6, 6, 8), Some(Failing::Mismatched)),
            ((0, 0, 100), None),
        ];
        for ((bad, mismatched, good), expected) in table {
            let held = after(bad, mismatched, good).holds(NOW);
            assert_eq!(held, expected, "{bad} bad, {mismatched} mismatched, {good} good");
        }
    }

    #[test]
    fn what_is_older_than_five_minutes_is_forgotten() {
        let mut guard = after(20, 0, 0);
        assert!(guard.holds(NOW.plus(Duration::from_secs(4 * 60))).is_some());
        assert!(guard.holds(NOW.plus(WINDOW)).is_none());
        // A part that is used again starts anew.
        guard.note(&Outcome::Accepted { provider_id: None }, NOW.plus(WINDOW));
        assert!(guard.holds(NOW.plus(WINDOW)).is_none());
    }

    #[test]
    fn what_was_not_answered_says_nothing() {
        let mut guard = MassFailure::default();
        for _ in 0..100 {
            guard.note(&Outcome::Unknown { detail: String::new() }, NOW);
            guard.note(&Outcome::Withdrawn, NOW);
        }
        assert_eq!(guard, MassFailure::default());
    }
}
