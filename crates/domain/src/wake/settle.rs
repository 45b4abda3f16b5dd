//! The settle: what an attempt came to, and the next step of the ladder.

use std::time::Duration;

use super::claim::quiet_reason;
use super::{Phase, Rung, Wake};
use crate::id::AttemptId;
use crate::inbox::{Owed, Owing};
use crate::outcome::{Diagnosis, Outcome, Refusal, RetryRule};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::time::Time;

/// The longest pause between two refused attempts that back off.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// The first pause after an attempt whose end nobody knows.
pub(crate) const UNKNOWN_PAUSE: Duration = Duration::from_secs(5);

/// What a settle came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The attempt is not the open one: it lapsed and has a successor, or the wake was closed and
    /// opened anew. Nothing changes.
    Stale,
    /// Nothing is owed any more.
    Close(Reason),
    /// The wake goes on.
    Next(Wake),
}

impl Wake {
    /// Settles the attempt `attempt` of a wake for messages.
    ///
    /// `owing` is what is still owed now, counted from what this attempt covered if it was
    /// accepted. `spread` is a drawn number from 0 to 255 that spreads the pauses.
    pub fn settle(
        mut self,
        attempt: AttemptId,
        outcome: &Outcome,
        owing: Owing,
        policy: &Policy,
        spread: u8,
        now: Time,
    ) -> Settled {
        let Phase::Claimed(open) = self.phase else { return Settled::Stale };
        if open.id != attempt {
            return Settled::Stale;
        }
        // Muted, or read elsewhere, while the push was on its way: what it came to is noted, and
        // the wake waits for something that is not quiet.
        let (owed, quiet) = match owing {
            Owing::Nothing => return Settled::Close(Reason::Expired),
            Owing::Quiet(quiet) => (None, Some(quiet)),
            Owing::Owed(owed) => (Some(owed), None),
        };
        let next = match outcome {
            Outcome::Accepted { .. } => {
                self.provider = None;
                self.refused = 0;
                self.bare = false;
                self.pushed = self.pushed.max(open.covers);
                self.pushed_urgency = open.urgency;
                self.climb(owed, policy, now)
            }
            Outcome::Refused(refusal) => {
                self.provider = None;
                self.refused(refusal, spread, now)
            }
            // May have been taken: the next attempt keeps the provider's name for it.
            Outcome::Unknown { .. } => {
                self.refused = self.refused.saturating_add(1);
                let pause = back_off(UNKNOWN_PAUSE, self.refused, spread);
                self.due_at(now.plus(pause), Reason::Unknown)
            }
            Outcome::Withdrawn => self.due_at(now, Reason::Changed),
        };
        Settled::Next(match (quiet, next.phase) {
            (Some(quiet), Phase::Due(_)) => next.park(quiet_reason(quiet)),
            _ => next,
        })
    }

    /// One rung was used up: the next one, and when.
    fn climb(mut self, owed: Option<Owed>, policy: &Policy, now: Time) -> Self {
        let next_repeat = match self.rung {
            Rung::Background => {
                self.rung = Rung::Alert;
                let urgent = owed.is_some_and(|owed| {
                    owed.head > self.pushed && owed.urgency > self.pushed_urgency
                });
                let pause = if urgent { Duration::ZERO } else { policy.climb_after };
                return self.due_at(now.plus(pause), Reason::Climbing);
            }
            Rung::Alert => 0,
            Rung::Repeat(done) => done.saturating_add(1),
            Rung::Ring => return self.park(Reason::Rings),
        };
        self.alerts = self.alerts.saturating_add(1);
        self.alerted_at = Some(now);
        if owed.is_some_and(|owed| owed.head > self.pushed) {
            return self.alert_anew(now, Reason::Joined);
        }
        match policy.repeats.get(usize::from(next_repeat)) {
            Some(pause) => {
                self.rung = Rung::Repeat(next_repeat);
                self.due_at(now.plus(*pause), Reason::Climbing)
            }
            None => self.park(Reason::Exhausted),
        }
    }

    /// Nothing was used up: the same rung again, when the refusal allows it.
    fn refused(mut self, refusal: &Refusal, spread: u8, now: Time) -> Self {
        self.refused = self.refused.saturating_add(1);
        match refusal.retry {
            RetryRule::After(pause) => self.due_at(now.plus(pause), Reason::Refused),
            RetryRule::BackOff { first } => {
                let pause = back_off(first, self.refused, spread);
                self.due_at(now.plus(pause), Reason::Refused)
            }
            RetryRule::Bare if !self.bare => {
                self.bare = true;
                self.due_at(now, Reason::Refused)
            }
            RetryRule::Bare => self.park(Reason::Unsendable),
            RetryRule::WhenChanged if self.changed => self.due_at(now, Reason::Changed),
            RetryRule::WhenChanged => {
                let reason = park_reason(refusal.diagnosis);
                self.park(reason)
            }
        }
    }
}

/// Why a wake is parked after a refusal that only a change can cure.
pub(super) const fn park_reason(diagnosis: Diagnosis) -> Reason {
    match diagnosis {
        Diagnosis::BadPushToken => Reason::NoTarget,
        Diagnosis::TemporarilyDisabled => Reason::Disabled,
        Diagnosis::BadPayload => Reason::Unsendable,
        Diagnosis::NotConfigured
        | Diagnosis::CertificateExpired
        | Diagnosis::CertificateError
        | Diagnosis::ProductionCertificateRequired
        | Diagnosis::AppMismatch => Reason::Credential,
    }
}

/// The pause before try number `refused` + 1, at most [`LONGEST_PAUSE`] or `first`.
pub(crate) fn back_off(first: Duration, refused: u32, spread: u8) -> Duration {
    back_off_within(first, LONGEST_PAUSE, refused, spread)
}

/// The pause before try number `refused` + 1: doubled each time, at most `longest`, never shorter
/// than `first`, and spread by up to a quarter so that what was refused together does not come back
/// together.
pub(crate) fn back_off_within(
    first: Duration,
    longest: Duration,
    refused: u32,
    spread: u8,
) -> Duration {
    let doubled = first.saturating_mul(1_u32 << refused.saturating_sub(1).min(16));
    let pause = doubled.min(longest).max(first);
    pause.saturating_add(pause.mul_f64(f64::from(spread) / 1024.0))
}
