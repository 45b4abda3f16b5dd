//! The delivery: one direct push on its way to one device.
//!
//! ```text
//!              ┌────────── lapsed, orphaned ─────────┐
//!              ▼                                     │
//!   new ────▶ due ──────── claim ──────▶ claimed ── settle ──▶ ended: accepted, refused
//!              ▲                │            │
//!              └── wait ◀───────┘ budget     └── refused with a pause, unknown ──▶ due
//!                               │
//!                               └──▶ ended: expired, no target
//! ```
//!
//! A direct push is sent once and tried again until its ttl; nobody waits for the device. What a
//! provider refuses for its content, or for the only token there is, has ended: the sender must
//! change it. What is refused for the credential waits for another one, as long as the ttl lasts.
//!
//! A VoIP push whose end nobody knows is never sent again, and one with too little left to ring is
//! not sent at all: a late one forces a ghost call.

use std::time::Duration;

use crate::id::{AttemptId, ProviderId};
use crate::outcome::{Diagnosis, Outcome, RetryRule};
use crate::time::Time;
use crate::wake::{Draw, LAPSE, UNKNOWN_PAUSE, VOIP_LEAST_LEFT, back_off};

/// How often a delivery that waits for a credential looks again by itself.
const CREDENTIAL_PAUSE: Duration = Duration::from_secs(5 * 60);

/// One direct push on its way to one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it is in its life.
    pub phase: Phase,
    /// The provider's name for the open or lapsed attempt; a successor keeps it.
    pub provider: Option<ProviderId>,
    /// Refusals in a row.
    pub refused: u32,
}

/// Where a delivery is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// On its way to the provider; lapses at that time.
    Claimed {
        /// The attempt.
        attempt: AttemptId,
        /// After this it counts as lapsed.
        lapses_at: Time,
    },
    /// To be claimed at that time.
    Due(Time),
    /// It is over.
    Ended(End),
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The provider took it. Taken is not delivered.
    Accepted,
    /// It was cancelled before it was sent.
    Cancelled,
    /// Its ttl was over, or too little of a call's ringing left, before a provider took it.
    Expired,
    /// The provider or our own check refused it for good.
    Refused,
}

impl End {
    /// Every end.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Cancelled, Self::Expired, Self::Refused];

    /// The word used in the API, the log and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Refused => "refused",
        }
    }

    /// The end of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.as_str() == word)
    }
}

/// What a direct push is: it decides what may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PushKind {
    /// Shown to the user.
    Alert,
    /// For the app alone.
    Background,
    /// An incoming call.
    Voip,
}

impl PushKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Alert, Self::Background, Self::Voip];

    /// The word used in the API, the log and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Background => "background",
            Self::Voip => "voip",
        }
    }

    /// The kind of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What a claim looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What the push is.
    pub kind: PushKind,
    /// When it is no longer of use.
    pub expires_at: Time,
    /// From when on the device's budget has room for it; `None`: it has.
    pub budget_at: Option<Time>,
}

/// Whether a push that ends at `expires_at` is no longer of use at `now`.
pub fn is_too_late(kind: PushKind, expires_at: Time, now: Time) -> bool {
    match kind {
        PushKind::Alert | PushKind::Background => expires_at <= now,
        PushKind::Voip => expires_at < now.plus(VOIP_LEAST_LEFT),
    }
}

/// What a claim came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is over.
    End(Delivery),
    /// Push, with the provider's name for it.
    Push(Delivery, ProviderId),
    /// Not now.
    Wait(Delivery),
}

/// What a settle came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It goes on, or is over.
    Next(Delivery),
    /// The attempt is not the open one. Nothing changes.
    Stale,
}

impl Delivery {
    /// A delivery to be sent at `at`.
    pub const fn new(at: Time) -> Self {
        Self { phase: Phase::Due(at), provider: None, refused: 0 }
    }

    /// What is left of a push that was tried once by somebody who keeps no row for it, a
    /// broadcast's walk: over, or a delivery to be tried again under the same name.
    pub fn tried(
        provider: ProviderId,
        outcome: &Outcome,
        facts: &Facts,
        spread: u8,
        now: Time,
    ) -> Self {
        let walked = Self { provider: Some(provider), ..Self::new(now) };
        walked.after(outcome, facts, spread, now)
    }

    /// The refusal was not the last word: it goes on at once, in Apple's other environment or to
    /// what the device registered since.
    #[must_use]
    pub fn elsewhere(mut self, now: Time) -> Self {
        self.phase = Phase::Due(now);
        self
    }

    /// When it acts next if nothing happens before.
    pub const fn due(&self) -> Option<Time> {
        match self.phase {
            Phase::Claimed { lapses_at, .. } => Some(lapses_at),
            Phase::Due(at) => Some(at),
            Phase::Ended(_) => None,
        }
    }

    /// Claims a delivery whose time has come.
    pub fn claim(mut self, facts: &Facts, draw: Draw, now: Time) -> Claim {
        match self.phase {
            Phase::Claimed { lapses_at, .. } if lapses_at > now => return Claim::Wait(self),
            Phase::Due(at) if at > now => return Claim::Wait(self),
            Phase::Ended(_) => return Claim::Wait(self),
            Phase::Claimed { .. } if facts.kind == PushKind::Voip => {
                return Claim::End(self.end(End::Expired));
            }
            Phase::Claimed { .. } | Phase::Due(_) => {}
        }
        if is_too_late(facts.kind, facts.expires_at, now) {
            return Claim::End(self.end(End::Expired));
        }
        // The successor of a lapsed attempt is the same push, and was paid for.
        if let (Some(at), Phase::Due(_)) = (facts.budget_at, self.phase) {
            self.phase = Phase::Due(at.min(facts.expires_at));
            return Claim::Wait(self);
        }
        let provider = self.provider.unwrap_or(draw.provider);
        self.provider = Some(provider);
        self.phase = Phase::Claimed { attempt: draw.attempt, lapses_at: now.plus(LAPSE) };
        Claim::Push(self, provider)
    }

    /// Settles the attempt `attempt`. `spread` is a drawn number that spreads the pauses.
    pub fn settle(
        self,
        attempt: AttemptId,
        outcome: &Outcome,
        facts: &Facts,
        spread: u8,
        now: Time,
    ) -> Settled {
        match self.phase {
            Phase::Claimed { attempt: open, .. } if open == attempt => {
                Settled::Next(self.after(outcome, facts, spread, now))
            }
            Phase::Claimed { .. } | Phase::Due(_) | Phase::Ended(_) => Settled::Stale,
        }
    }

    /// What an attempt that ended at `now` makes of it.
    fn after(mut self, outcome: &Outcome, facts: &Facts, spread: u8, now: Time) -> Self {
        let pause = match outcome {
            Outcome::Accepted { .. } => return self.end(End::Accepted),
            // It waited for room until it was too late, or was cancelled meanwhile.
            Outcome::Withdrawn if is_too_late(facts.kind, facts.expires_at, now) => {
                return self.end(End::Expired);
            }
            Outcome::Withdrawn => return self.end(End::Cancelled),
            Outcome::Unknown { .. } if facts.kind == PushKind::Voip => {
                return self.end(End::Expired);
            }
            Outcome::Unknown { .. } => {
                self.refused = self.refused.saturating_add(1);
                back_off(UNKNOWN_PAUSE, self.refused, spread)
            }
            Outcome::Refused(refusal) => {
                self.provider = None;
                self.refused = self.refused.saturating_add(1);
                match refusal.retry {
                    RetryRule::After(pause) => pause,
                    RetryRule::BackOff { first } => back_off(first, self.refused, spread),
                    RetryRule::WhenChanged if waits_for_change(refusal.diagnosis) => {
                        back_off(CREDENTIAL_PAUSE, 1, spread)
                    }
                    RetryRule::Bare | RetryRule::WhenChanged => return self.end(End::Refused),
                }
            }
        };
        // What would come too late is over now, so that its sender learns it now.
        if is_too_late(facts.kind, facts.expires_at, now.plus(pause)) {
            let unknown = matches!(outcome, Outcome::Unknown { .. });
            return self.end(if unknown { End::Expired } else { End::Refused });
        }
        self.phase = Phase::Due(now.plus(pause));
        self
    }

    /// A credential, a setting or the token's environment changed: it need not wait.
    /// `None`: nothing to write.
    pub fn changed(&self, now: Time) -> Option<Self> {
        match self.phase {
            Phase::Due(at) if at > now && self.refused > 0 => {
                Some(Self { phase: Phase::Due(now), ..self.clone() })
            }
            Phase::Due(_) | Phase::Claimed { .. } | Phase::Ended(_) => None,
        }
    }

    /// Cancels it; one on its way to the provider can no longer be caught. `None`: it is over, or
    /// on its way.
    pub fn cancelled(&self) -> Option<Self> {
        match self.phase {
            Phase::Due(_) => Some(self.clone().end(End::Cancelled)),
            Phase::Claimed { .. } | Phase::Ended(_) => None,
        }
    }

    fn end(mut self, end: End) -> Self {
        self.phase = Phase::Ended(end);
        self
    }
}

/// Whether another credential, or the app's switch, may cure it.
fn waits_for_change(diagnosis: Diagnosis) -> bool {
    diagnosis.is_credential_fault() || diagnosis == Diagnosis::TemporarilyDisabled
}

#[cfg(test)]
mod tests;
