//! A wake for a call: one push, while it rings, and never a second one.
//!
//! Apple stops VoIP pushes to an app that gets them for calls it cannot show, and a late one
//! forces a ghost call on the user; so an attempt whose end nobody knows is never made again.

use std::time::Duration;

use super::settle::{back_off, park_reason};
use super::{Attempt, Claim, Draw, LAPSE, Phase, Plan, Settled, Wake};
use crate::id::AttemptId;
use crate::inbox::{Offset, Urgency};
use crate::outcome::{Outcome, RetryRule};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::target::TargetKind;
use crate::time::Time;

/// A VoIP push is not sent with less than this left to ring.
pub const VOIP_LEAST_LEFT: Duration = Duration::from_secs(5);

/// A VoIP push is of use for at most this long.
pub const VOIP_LONGEST: Duration = Duration::from_secs(30);

/// What a claim for a call looks at, read under the call's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingFacts {
    /// When the ringing ends; `None` when the call no longer rings.
    pub rings_until: Option<Time>,
    /// Whether this device has said that it rings.
    pub rings_here: bool,
    /// The target the push would go to.
    pub target: Option<TargetKind>,
}

impl Wake {
    /// The device connected while the call rings, and is told by frame: a push that was not made
    /// yet gives it until `until` to say that it rings. `None`: nothing to write.
    pub fn rung_by_frame(&self, until: Time) -> Option<Self> {
        match self.phase {
            Phase::Due(at) if at < until && self.provider.is_none() => {
                Some(self.clone().due_at(until, Reason::Ring))
            }
            Phase::Due(_) | Phase::Claimed(_) | Phase::Parked => None,
        }
    }

    /// Claims a wake for a call.
    pub fn claim_ring(
        mut self,
        facts: &RingFacts,
        policy: &Policy,
        draw: Draw,
        now: Time,
    ) -> Claim {
        match self.phase {
            Phase::Claimed(attempt) if attempt.lapses_at > now => return Claim::Wait(self),
            Phase::Claimed(_) => return Claim::Close(Reason::Unknown),
            Phase::Due(at) if at > now => return Claim::Wait(self),
            Phase::Due(_) => {}
            Phase::Parked => return Claim::Wait(self),
        }
        let Some(rings_until) = facts.rings_until else {
            return Claim::Close(Reason::CallOver);
        };
        if facts.rings_here {
            return Claim::Close(Reason::Live);
        }
        if !policy.push_enabled {
            return Claim::Wait(self.park(Reason::Disabled));
        }
        let Some(target) = facts.target else {
            return Claim::Wait(self.park(Reason::NoTarget));
        };
        let left = now.until(rings_until);
        let voip = target == TargetKind::ApnsVoip;
        if left.is_zero() || (voip && left < VOIP_LEAST_LEFT) {
            return Claim::Close(Reason::TooLate);
        }
        let plan = Plan {
            attempt: draw.attempt,
            provider: draw.provider,
            rung: self.rung,
            target,
            bare: self.bare,
            covers: Offset::ZERO,
            count: 0,
            urgency: Urgency::High,
            expires_at: now.plus(if voip { left.min(VOIP_LONGEST) } else { left }),
            lapsed: None,
        };
        self.phase = Phase::Claimed(Attempt {
            id: plan.attempt,
            lapses_at: now.plus(LAPSE),
            covers: plan.covers,
            urgency: plan.urgency,
        });
        self.reason = Reason::Claimed;
        self.changed = false;
        self.provider = Some(plan.provider);
        Claim::Push(self, plan)
    }

    /// Settles the attempt `attempt` of a wake for a call that rings until `rings_until`.
    pub fn settle_ring(
        mut self,
        attempt: AttemptId,
        outcome: &Outcome,
        rings_until: Option<Time>,
        spread: u8,
        now: Time,
    ) -> Settled {
        let Phase::Claimed(open) = self.phase else { return Settled::Stale };
        if open.id != attempt {
            return Settled::Stale;
        }
        let Some(rings_until) = rings_until else { return Settled::Close(Reason::CallOver) };
        Settled::Next(match outcome {
            Outcome::Accepted { .. } => self.park(Reason::Rings),
            Outcome::Unknown { .. } => self.park(Reason::Unknown),
            Outcome::Withdrawn => return Settled::Close(Reason::CallOver),
            Outcome::Refused(refusal) => {
                self.provider = None;
                self.refused = self.refused.saturating_add(1);
                let pause = match refusal.retry {
                    RetryRule::After(pause) => pause,
                    RetryRule::BackOff { first } => back_off(first, self.refused, spread),
                    RetryRule::Bare if !self.bare => {
                        self.bare = true;
                        Duration::ZERO
                    }
                    RetryRule::Bare => return Settled::Next(self.park(Reason::Unsendable)),
                    RetryRule::WhenChanged if self.changed => Duration::ZERO,
                    RetryRule::WhenChanged => {
                        return Settled::Next(self.park(park_reason(refusal.diagnosis)));
                    }
                };
                if now.plus(pause) >= rings_until {
                    self.park(Reason::TooLate)
                } else {
                    self.due_at(now.plus(pause), Reason::Refused)
                }
            }
        })
    }
}
