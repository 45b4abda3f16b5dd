//! Webhooks: when an event is sent again, when it is given up, and how an endpoint that does not
//! answer is left in peace.
//!
//! ```text
//!            TROUBLES in a row, or it asks for a pause
//!   open ─────────────────────────────────────────────▶ paused ── time is over ──▶ probed
//!    ▲                                                     ▲                         │  │
//!    │                                                     └──────── failed ─────────┘  │
//!    └────────────────────────────────── took one ──────────────────────────────────────┘
//! ```
//!
//! While an endpoint is paused its events wait without being tried, so that an endpoint that is
//! away for an hour costs a few requests and not one for each event. Once it takes one again, all
//! that waits goes at once.
//!
//! Law: an event is parked a day after it happened (or was replayed) and never before; parked
//! events are kept and can be replayed.
//!
//! Simplifying assumption: an endpoint that takes some events and refuses others is up. What it
//! refuses is tried again by itself.

use std::time::Duration;

use crate::time::Time;
use crate::wake::back_off_within;

/// For how long an event is tried.
pub const TRIED_FOR: Duration = Duration::from_secs(24 * 3600);

/// This many failures in a row pause an endpoint.
pub const TROUBLES: u32 = 5;

/// How long is waited before what failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// The first pause before an event is tried again; it doubles up to four hours.
    pub retry: Duration,
    /// The first pause of an endpoint; it doubles up to five minutes, so that one that comes back
    /// has its events soon.
    pub endpoint: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { retry: Duration::from_secs(5), endpoint: Duration::from_secs(10) }
    }
}

/// The longest pause between two tries of an event.
const RETRY_LONGEST: Duration = Duration::from_secs(4 * 3600);

/// The longest pause of an endpoint.
const PAUSE_LONGEST: Duration = Duration::from_secs(5 * 60);

/// The longest pause that an endpoint may ask for.
const ASKED_LONGEST: Duration = Duration::from_secs(3600);

/// What sending one event to an endpoint came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It took it: any 2xx.
    Taken,
    /// It says that it is gone for good (410): nothing more is sent to it.
    Gone,
    /// It refused, failed, or did not answer.
    Failed {
        /// The pause it asked for.
        retry_after: Option<Duration>,
    },
}

impl Tried {
    /// What an HTTP status says (Standard Webhooks, "Deliverability and reliability"): any 2xx is
    /// success, 410 asks for no more, everything else is tried again.
    pub const fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            200..=299 => Self::Taken,
            410 => Self::Gone,
            _ => Self::Failed { retry_after },
        }
    }
}

/// What becomes of an event at one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It has it.
    Delivered,
    /// It is to be tried again.
    Waiting {
        /// When.
        due: Time,
    },
    /// It is tried no more, unless somebody replays it.
    Parked,
}

impl Delivery {
    /// What a try makes of an event that is to be delivered since `since`. `tries` counts this one;
    /// `spread` is a drawn number that spreads the pauses.
    pub fn after(
        tried: Tried,
        tries: u32,
        since: Time,
        pauses: Pauses,
        spread: u8,
        now: Time,
    ) -> Self {
        let asked = match tried {
            Tried::Taken => return Self::Delivered,
            Tried::Gone => return Self::Parked,
            Tried::Failed { retry_after } => retry_after.unwrap_or_default().min(ASKED_LONGEST),
        };
        let pause = back_off_within(pauses.retry, RETRY_LONGEST, tries, spread).max(asked);
        let end = since.plus(TRIED_FOR);
        if now >= end {
            return Self::Parked;
        }
        // The last try is at the end of the day, not hours before it.
        Self::Waiting { due: now.plus(pause).min(end) }
    }
}

/// How an endpoint is doing. Kept in memory: after a start its first answers tell anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Failures since it took an event.
    troubles: u32,
    /// Until when it is left in peace.
    paused_until: Option<Time>,
}

/// How much may be sent to an endpoint now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As much as it takes.
    Full,
    /// One of what was refused and one of what is new, to see whether it is back: what it refuses
    /// for its own sake would hide that.
    Probe,
    /// Nothing until then.
    Wait(Time),
}

impl Endpoint {
    /// How much may be sent now.
    pub fn pace(&self, now: Time) -> Pace {
        match self.paused_until {
            None => Pace::Full,
            Some(until) if until > now => Pace::Wait(until),
            Some(_) => Pace::Probe,
        }
    }

    /// Until when it is left in peace; `None`: it is not paused.
    pub const fn paused_until(&self) -> Option<Time> {
        self.paused_until
    }

    /// A try has ended. Returns whether the endpoint is back by it: all that waits is due then.
    pub fn observe(&mut self, tried: Tried, pauses: Pauses, spread: u8, now: Time) -> bool {
        match tried {
            Tried::Taken => {
                let was_paused = self.paused_until.is_some();
                *self = Self::default();
                was_paused
            }
            Tried::Gone => false,
            Tried::Failed { retry_after } => {
                let asked = retry_after.map(|pause| pause.min(ASKED_LONGEST));
                // What was on its way when the pause began says nothing new.
                let is_new = !matches!(self.pace(now), Pace::Wait(_));
                self.troubles = self.troubles.saturating_add(u32::from(is_new));
                let own = (is_new && self.troubles >= TROUBLES).then(|| {
                    let times = self.troubles - TROUBLES + 1;
                    back_off_within(pauses.endpoint, PAUSE_LONGEST, times, spread)
                });
                if let Some(pause) = asked.max(own) {
                    self.paused_until = self.paused_until.max(Some(now.plus(pause)));
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: Pauses =
        Pauses { retry: Duration::from_secs(5), endpoint: Duration::from_secs(10) };

    const FAILED: Tried = Tried::Failed { retry_after: None };

    fn at(seconds: u64) -> Time {
        Time::EPOCH.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn statuses() {
        let pause = Some(Duration::from_secs(7));
        for (status, tried) in [
            (200, Tried::Taken),
            (204, Tried::Taken),
            (299, Tried::Taken),
            (301, Tried::Failed { retry_after: pause }),
            (400, Tried::Failed { retry_after: pause }),
            (404, Tried::Failed { retry_after: pause }),
            (410, Tried::Gone),
            (429, Tried::Failed { retry_after: pause }),
            (503, Tried::Failed { retry_after: pause }),
        ] {
            assert_eq!(Tried::of_status(status, pause), tried, "{status}");
        }
    }

    #[test]
    fn an_event_is_tried_for_a_day_with_growing_pauses_and_then_parked() {
        let (mut now, mut tries, mut pauses) = (at(100), 0, Vec::new());
        loop {
            tries += 1;
            match Delivery::after(FAILED, tries, at(100), PAUSES, 0, now) {
                Delivery::Waiting { due } => {
                    pauses.push(now.until(due).as_secs());
                    now = due;
                }
                Delivery::Parked => break,
                Delivery::Delivered => unreachable!("it was refused"),
            }
        }
        assert_eq!(now, at(100).plus(TRIED_FOR), "the last try is at the end of the day");
        assert_eq!(&pauses[..4], [5, 10, 20, 40]);
        let growing = &pauses[..pauses.len() - 1];
        assert!(growing.is_sorted() && *growing.last().unwrap() == 4 * 3600, "{pauses:?}");
        assert!((12..20).contains(&pauses.len()), "{pauses:?}");
    }

    #[test]
    fn what_is_old_is_tried_once_all_the_same() {
        let late = at(100).plus(TRIED_FOR * 2);
        let after = |tried, now| Delivery::after(tried, 1, at(100), PAUSES, 0, now);
        assert_eq!(after(Tried::Taken, late), Delivery::Delivered);
        assert_eq!(after(FAILED, late), Delivery::Parked);
        assert_eq!(after(Tried::Gone, at(101)), Delivery::Parked);
    }

    #[test]
    fn a_pause_that_is_asked_for_is_kept_up_to_an_hour() {
        let asks = |secs| Tried::Failed { retry_after: Some(Duration::from_secs(secs)) };
        let due = |tried| Delivery::after(tried, 1, at(0), PAUSES, 0, at(0));
        assert_eq!(due(asks(90)), Delivery::Waiting { due: at(90) });
        assert_eq!(due(asks(1)), Delivery::Waiting { due: at(5) });
        assert_eq!(due(asks(999_999)), Delivery::Waiting { due: at(3600) });
        let mut endpoint = Endpoint::default();
        assert!(!endpoint.observe(asks(90), PAUSES, 0, at(0)));
        assert_eq!(endpoint.pace(at(89)), Pace::Wait(at(90)));
        assert_eq!(endpoint.pace(at(90)), Pace::Probe);
    }

    #[test]
    fn five_failures_in_a_row_pause_an_endpoint_and_one_success_ends_that() {
        let mut endpoint = Endpoint::default();
        for _ in 1..TROUBLES {
            endpoint.observe(FAILED, PAUSES, 0, at(0));
            assert_eq!(endpoint.pace(at(0)), Pace::Full);
        }
        // One that is taken in between begins the count anew.
        assert!(!endpoint.observe(Tried::Taken, PAUSES, 0, at(0)), "it was not away");
        let mut now = at(0);
        let mut pauses = Vec::new();
        for failure in 1..=12 {
            endpoint.observe(FAILED, PAUSES, 0, now);
            match endpoint.pace(now) {
                Pace::Full => assert!(failure < TROUBLES),
                Pace::Wait(until) => {
                    pauses.push(now.until(until).as_secs());
                    now = until;
                    assert_eq!(endpoint.pace(now), Pace::Probe);
                }
                Pace::Probe => unreachable!("it just failed"),
            }
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300, 300]);
        let paused = endpoint;
        endpoint.observe(FAILED, PAUSES, 0, now.minus(Duration::from_secs(1)));
        assert_eq!(endpoint, paused, "it was on its way when the pause began");
        assert!(endpoint.observe(Tried::Taken, PAUSES, 0, now), "it is back");
        assert_eq!(endpoint.pace(now), Pace::Full);
    }
}
