//! The wake: the open duty to bring one device back.
//!
//! ```text
//!                    ┌────────── lapsed ──────────┐
//!                    ▼                            │
//!   open ────────▶ due ───────── claim ────────▶ claimed ──── settle ───┐
//!    ▲               ▲  ▲          │                                    │
//!    │ (born claimed │  └─ wait ◀──┤ live                               │
//!    │  is open and  │             ▼                                    │
//!    │  claim in one)└─ reopen ─ parked ◀── no target, exhausted, … ◀───┤
//!    │                             │                                    │
//!    └── message, suspect, end     └──▶ closed ◀── nothing owed, acked ─┘
//! ```
//!
//! The ladder: `background → alert → repeat 0 → repeat 1 → …`, or `alert → …` where the settings
//! or the platform start there. Only an accepted push uses up a rung; until the device makes ack
//! progress a wake never goes below its highest one.
//!
//! Simplifying assumption: alerts of one wake are [`ALERT_SPACING`] apart, whatever thread they
//! are about.

mod claim;
mod ring;
mod settle;
mod stage;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::id::{AttemptId, ProviderId};
use crate::inbox::{Offset, Urgency};
use crate::policy::{FirstRung, Policy};
use crate::reason::Reason;
use crate::target::Platform;
use crate::time::Time;

pub use claim::{Claim, Draw, Facts, Plan, Presence};
pub use ring::{RingFacts, VOIP_LEAST_LEFT, VOIP_LONGEST};
pub use settle::Settled;
pub(crate) use settle::{UNKNOWN_PAUSE, back_off, back_off_within};
pub use stage::Stage;

/// After this long a claim whose attempt never settled counts as lapsed, so that an attempt whose
/// task died is made up for even on a living node.
pub const LAPSE: Duration = Duration::from_secs(60);

/// Alerts of one wake are at least this far apart.
pub const ALERT_SPACING: Duration = Duration::from_secs(3);

/// Single alerts in alert mode without ack progress; then one summary covers the rest.
pub const SINGLE_ALERTS: u8 = 5;

/// How far an HTTP read of the inbox moves a due wake away, once per attempt.
pub const FETCH_GRACE: Duration = Duration::from_secs(30);

/// One step of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rung {
    /// A push nobody sees.
    Background,
    /// A push the user sees.
    Alert,
    /// The alert again, without sound; counted from 0.
    Repeat(u8),
    /// A call.
    Ring,
}

impl Rung {
    /// The word used in the API, the log and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Alert => "alert",
            Self::Repeat(_) => "repeat",
            Self::Ring => "ring",
        }
    }

    /// How visible it is: what a wake never goes below.
    pub const fn level(self) -> u8 {
        match self {
            Self::Background => 0,
            Self::Alert | Self::Repeat(_) => 1,
            Self::Ring => 2,
        }
    }

    /// Where the ladder starts for a device.
    pub const fn first(policy: &Policy, platform: Platform) -> Self {
        match (policy.first_rung, platform) {
            // A browser must show something for every push.
            (_, Platform::Web) | (FirstRung::Alert, _) => Self::Alert,
            (FirstRung::Background, _) => Self::Background,
        }
    }
}

/// The duty to bring one device back, for its messages or for one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wake {
    /// The rung the next push is on.
    pub rung: Rung,
    /// Where it is in its life.
    pub phase: Phase,
    /// Why it is there.
    pub reason: Reason,
    /// The head that the last accepted push covered.
    pub pushed: Offset,
    /// The highest urgency that was pushed.
    pub pushed_urgency: Urgency,
    /// The provider's name for the open or lapsed attempt; a successor keeps it, so that the
    /// provider can tell a resend.
    pub provider: Option<ProviderId>,
    /// Refusals in a row.
    pub refused: u32,
    /// The next push is the smallest there is: the last one was refused for its content.
    pub bare: bool,
    /// Alerts accepted since the last ack progress.
    pub alerts: u8,
    /// When the last alert was accepted.
    pub alerted_at: Option<Time>,
    /// An HTTP read has moved it away since the last push.
    pub deferred: bool,
    /// A target, credential or setting changed while the attempt was on its way: a refusal that
    /// only a change can cure may be cured already.
    pub changed: bool,
}

/// Where a wake is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// To be claimed at that time.
    Due(Time),
    /// A push is on its way.
    Claimed(Attempt),
    /// Waits for something other than time.
    Parked,
}

/// One try to push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its name; a settle with another one is stale.
    pub id: AttemptId,
    /// After this it counts as lapsed.
    pub lapses_at: Time,
    /// The head it covers.
    pub covers: Offset,
    /// The highest urgency it covers.
    pub urgency: Urgency,
}

impl Wake {
    /// Opens a wake that is due at `at`.
    pub fn open(first: Rung, at: Time, reason: Reason) -> Self {
        Self {
            rung: first,
            phase: Phase::Due(at),
            reason,
            pushed: Offset::ZERO,
            pushed_urgency: Urgency::Normal,
            provider: None,
            refused: 0,
            bare: false,
            alerts: 0,
            alerted_at: None,
            deferred: false,
            changed: false,
        }
    }

    /// When it acts next if nothing happens before: its due time, or the lapse of its attempt.
    pub const fn due(&self) -> Option<Time> {
        match self.phase {
            Phase::Due(at) => Some(at),
            Phase::Claimed(attempt) => Some(attempt.lapses_at),
            Phase::Parked => None,
        }
    }

    /// A message was accepted while this wake was open and no session lived.
    /// `None`: nothing to write, the message is covered as things stand.
    pub fn join(&self, urgency: Urgency, now: Time) -> Option<Self> {
        match self.phase {
            // The claim that is due reads all that is owed; the settle sees that the head moved.
            Phase::Claimed(_) => None,
            Phase::Parked => match self.reason {
                Reason::Exhausted | Reason::Unsendable => {
                    Some(self.clone().alert_anew(now, Reason::Joined))
                }
                Reason::Muted | Reason::ReadElsewhere => Some(self.clone().heard_again(now)),
                // Nothing that a message changes: no target, credential, switched off.
                _ => None,
            },
            Phase::Due(at) => match self.rung {
                Rung::Repeat(_) => Some(self.clone().alert_anew(now, Reason::Joined)),
                // A burst is one push: only what is more urgent does not wait it out.
                Rung::Alert
                    if self.reason == Reason::Climbing
                        && urgency > self.pushed_urgency
                        && at > now =>
                {
                    Some(self.clone().due_at(now, Reason::Joined))
                }
                Rung::Background | Rung::Alert | Rung::Ring => None,
            },
        }
    }

    /// The session missed its ack deadline: whatever this wake waited for, the device is asleep.
    /// `None`: nothing to write.
    pub fn suspected(&self, now: Time) -> Option<Self> {
        match self.phase {
            Phase::Due(at) if at > now => Some(self.clone().due_at(now, Reason::Suspect)),
            Phase::Due(_) | Phase::Claimed(_) | Phase::Parked => None,
        }
    }

    /// The session ended behind the head. A wake that waits out a rung keeps waiting: the device
    /// has shown no progress that would restart its ladder. `None`: nothing to write.
    pub fn disconnected(&self, now: Time) -> Option<Self> {
        match (self.phase, self.reason) {
            (Phase::Due(at), Reason::Live) if at > now => {
                Some(self.clone().due_at(now, Reason::Disconnected))
            }
            _ => None,
        }
    }

    /// The device acknowledged something, and more is owed: the ladder starts anew, after the time
    /// a rung is given. A session that lives still does: when it ends, nothing is waited out.
    #[must_use]
    pub fn progressed(mut self, first: Rung, policy: &Policy, now: Time) -> Self {
        self.alerts = 0;
        if let Phase::Claimed(_) = self.phase {
            return self;
        }
        self.rung = first;
        self.refused = 0;
        let reason = match self.reason {
            Reason::Live => Reason::Live,
            _ => Reason::Climbing,
        };
        self.due_at(now.plus(policy.climb_after), reason)
    }

    /// A push handler read the inbox by HTTP: its ack is due, so a push would be noise for a
    /// while. Once per attempt, or a device that reads and never acks would stay asleep.
    /// `None`: nothing to write.
    pub fn fetched(&self, now: Time) -> Option<Self> {
        let away = now.plus(FETCH_GRACE);
        match self.phase {
            Phase::Due(at) if at < away && !self.deferred => {
                Some(Self { deferred: true, ..self.clone().due_at(away, Reason::Fetched) })
            }
            Phase::Due(_) | Phase::Claimed(_) | Phase::Parked => None,
        }
    }

    /// A target, credential or setting changed. `None`: nothing to write.
    pub fn changed(&self, now: Time) -> Option<Self> {
        match (self.phase, self.reason) {
            (Phase::Claimed(_), _) if !self.changed => Some(Self { changed: true, ..self.clone() }),
            (Phase::Parked, Reason::Exhausted) => {
                Some(self.clone().alert_anew(now, Reason::Changed))
            }
            (Phase::Parked, Reason::Muted) => self.unmuted(now),
            (
                Phase::Parked,
                Reason::NoTarget | Reason::Credential | Reason::Disabled | Reason::Unsendable,
            )
            | (Phase::Due(_), Reason::Refused) => {
                Some(Self { refused: 0, bare: false, ..self.clone().due_at(now, Reason::Changed) })
            }
            _ => None,
        }
    }

    /// The user took a mute back. `None`: nothing to write.
    pub fn unmuted(&self, now: Time) -> Option<Self> {
        match (self.phase, self.reason) {
            (Phase::Parked, Reason::Muted) => {
                Some(Self { reason: Reason::Changed, ..self.clone().heard_again(now) })
            }
            _ => None,
        }
    }

    /// The process that held the device's session is gone; the device gets until `until` to come
    /// back. `None`: nothing to write.
    pub fn restarted(&self, until: Time) -> Option<Self> {
        match (self.phase, self.reason) {
            (Phase::Due(_), Reason::Live) => Some(self.clone().due_at(until, Reason::Restart)),
            _ => None,
        }
    }

    /// The device has no target left that could carry this wake: it waits for one. An attempt on
    /// its way settles first.
    #[must_use]
    pub fn without_target(self) -> Self {
        match self.phase {
            Phase::Due(_) => self.park(Reason::NoTarget),
            Phase::Claimed(_) | Phase::Parked => self,
        }
    }

    /// The process that held the attempt is gone. `None`: nothing to write.
    pub fn orphaned(&self, now: Time) -> Option<Self> {
        match self.phase {
            Phase::Claimed(attempt) if attempt.lapses_at > now => Some(Self {
                phase: Phase::Claimed(Attempt { lapses_at: now, ..attempt }),
                ..self.clone()
            }),
            Phase::Claimed(_) | Phase::Due(_) | Phase::Parked => None,
        }
    }

    /// Nothing is quiet any more, or something new is not: the rung it was on, unless that was a
    /// repeat, which is for what was pushed.
    fn heard_again(self, now: Time) -> Self {
        match self.rung {
            Rung::Alert | Rung::Repeat(_) => self.alert_anew(now, Reason::Joined),
            Rung::Background | Rung::Ring => self.due_at(now, Reason::Joined),
        }
    }

    fn due_at(mut self, at: Time, reason: Reason) -> Self {
        self.phase = Phase::Due(at);
        self.reason = reason;
        self
    }

    fn park(mut self, reason: Reason) -> Self {
        self.phase = Phase::Parked;
        self.reason = reason;
        self
    }

    /// An alert with sound, as soon as the spacing allows; the repeats start anew.
    fn alert_anew(mut self, now: Time, reason: Reason) -> Self {
        self.rung = Rung::Alert;
        self.refused = 0;
        self.bare = false;
        let earliest = self.alerted_at.map_or(now, |at| at.plus(ALERT_SPACING));
        self.due_at(now.max(earliest), reason)
    }
}
