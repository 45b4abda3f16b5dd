//! The claim: looks again at everything, under the inbox's lock, and decides what to push.

use super::{Attempt, LAPSE, Phase, Rung, SINGLE_ALERTS, Wake};
use crate::budget::BackgroundBudget;
use crate::id::{AttemptId, ProviderId};
use crate::inbox::{Offset, Owing, Quiet, Urgency};
use crate::policy::{FirstRung, Policy};
use crate::reason::Reason;
use crate::target::{Platform, TargetKind};
use crate::time::Time;

/// What a claim looks at, read under the inbox's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What the device still has to get.
    pub owing: Owing,
    /// Whether somebody is there to give it to.
    pub presence: Presence,
    /// Whether the user is looking at the app on another device.
    pub active_elsewhere: bool,
    /// What the device runs.
    pub platform: Platform,
    /// The target the push would go to.
    pub target: Option<TargetKind>,
    /// What the device has left of its background pushes.
    pub budget: BackgroundBudget,
}

/// Whether a device has a session that can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A living session that is not suspect.
    Living,
    /// None.
    Asleep,
}

/// The names a claim gives, drawn by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// For the attempt.
    pub attempt: AttemptId,
    /// For the provider, unless a lapsed attempt left one.
    pub provider: ProviderId,
}

/// What a claim came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing is owed any more.
    Close(Reason),
    /// Not now: the wake says until when, or that it is parked, and why.
    Wait(Wake),
    /// Push.
    Push(Wake, Plan),
}

/// The push a claim decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The attempt, to be settled by this name.
    pub attempt: AttemptId,
    /// The provider's name for it.
    pub provider: ProviderId,
    /// The rung.
    pub rung: Rung,
    /// Where it goes.
    pub target: TargetKind,
    /// The smallest payload there is.
    pub bare: bool,
    /// The head it covers.
    pub covers: Offset,
    /// How many messages wait.
    pub count: u32,
    /// The highest urgency among what it covers.
    pub urgency: Urgency,
    /// When it is no longer of use.
    pub expires_at: Time,
    /// The attempt it succeeds, whose end nobody knows.
    pub lapsed: Option<AttemptId>,
}

impl Wake {
    /// Claims a wake for messages whose time has come.
    pub fn claim(mut self, facts: &Facts, policy: &Policy, draw: Draw, now: Time) -> Claim {
        let lapsed = match self.phase {
            Phase::Claimed(attempt) if attempt.lapses_at > now => return Claim::Wait(self),
            Phase::Claimed(attempt) => Some(attempt.id),
            Phase::Due(at) if at > now => return Claim::Wait(self),
            Phase::Due(_) => None,
            Phase::Parked => return Claim::Wait(self),
        };
        let owed = match facts.owing {
            Owing::Nothing => return Claim::Close(Reason::Expired),
            Owing::Quiet(_) | Owing::Owed(_) if facts.presence == Presence::Living => {
                return Claim::Wait(self.due_at(now.plus(policy.ack_deadline), Reason::Live));
            }
            Owing::Quiet(quiet) => return Claim::Wait(self.park(quiet_reason(quiet))),
            Owing::Owed(owed) => owed,
        };
        if !policy.push_enabled {
            return Claim::Wait(self.park(Reason::Disabled));
        }
        let Some(target) = facts.target else {
            return Claim::Wait(self.park(Reason::NoTarget));
        };
        if let Some(hold) = policy.hold_while_active_elsewhere
            && facts.active_elsewhere
            && self.may_be_held()
        {
            return Claim::Wait(self.due_at(now.plus(hold), Reason::HeldElsewhere));
        }
        // The successor of a lapsed attempt is the same push: its rung was paid for.
        let over_budget = lapsed.is_none()
            && self.rung == Rung::Background
            && target.ends_at_apple(facts.platform)
            && !facts.budget.allows(now);
        if over_budget {
            self.rung = Rung::Alert;
        }
        let covers = match (policy.first_rung, owed.oldest_unpushed) {
            (FirstRung::Alert, Some(oldest))
                if self.rung == Rung::Alert && self.alerts < SINGLE_ALERTS =>
            {
                oldest
            }
            _ => owed.head,
        };
        let plan = Plan {
            attempt: draw.attempt,
            // Only a lapsed attempt left its name behind: settle takes it off.
            provider: self.provider.unwrap_or(draw.provider),
            rung: self.rung,
            target,
            bare: self.bare,
            covers,
            count: owed.count,
            urgency: owed.urgency,
            expires_at: owed.expires_at,
            lapsed,
        };
        self.phase = Phase::Claimed(Attempt {
            id: plan.attempt,
            lapses_at: now.plus(LAPSE),
            covers,
            urgency: plan.urgency,
        });
        self.reason = if over_budget { Reason::Budget } else { Reason::Claimed };
        self.provider = Some(plan.provider);
        self.deferred = false;
        self.changed = false;
        Claim::Push(self, plan)
    }

    /// A wake is held once, and only before its first push: whoever was bothered already, or is
    /// still needed after the hold, is pushed.
    fn may_be_held(&self) -> bool {
        self.reason != Reason::HeldElsewhere && self.pushed == Offset::ZERO
    }
}

/// The word a parked wake leaves when all that is owed is quiet.
pub(super) const fn quiet_reason(quiet: Quiet) -> Reason {
    match quiet {
        Quiet::Muted => Reason::Muted,
        Quiet::Read => Reason::ReadElsewhere,
    }
}
