//! Doze: when an Android phone sleeps so deeply that only high-priority messages get through.
//!
//! ```text
//!   screen off, off the charger
//!   ──────────▶ still ──enter──▶ dozing ──1 h──▶ window ──5 min──▶ dozing ──2 h──▶ window ──▶ …
//!      ▲                           │
//!      └── screen on, charger ─────┴── awake
//! ```
//!
//! | rule | source |
//! |---|---|
//! | in Doze normal-priority messages are deferred, high-priority ones are not; in a maintenance window all pass | "Power management restrictions" of Android |
//! | on a charger nothing is restricted | the same |
//! | how long it takes, and how far the windows are apart (unverified: the defaults that phones are known to have, which vendors change) | |
//!
//! Simplifying assumptions: a phone whose screen is off lies still; light Doze, which begins within
//! minutes and lets a phone look up every few minutes, is left out.

use std::time::Duration;

use jiff::Timestamp;

use super::after;
use crate::device::Reach;

/// The numbers of Doze (unverified). Any value is fine.
#[derive(Clone, Debug)]
pub struct DozeRules {
    /// From the moment on which nobody uses the phone.
    pub enter_after: Duration,
    /// Until the first maintenance window; each later pause is twice as long.
    pub first_pause: Duration,
    /// No pause is longer.
    pub longest_pause: Duration,
    /// The first maintenance window; each later one is twice as long.
    pub first_window: Duration,
    /// No window is longer.
    pub longest_window: Duration,
}

impl Default for DozeRules {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            enter_after: 60 * MINUTE,
            first_pause: 60 * MINUTE,
            longest_pause: 6 * 60 * MINUTE,
            first_window: 5 * MINUTE,
            longest_window: 10 * MINUTE,
        }
    }
}

/// Whether a phone dozes.
#[derive(Clone, Debug)]
pub struct Doze {
    rules: DozeRules,
    screen_on: bool,
    charging: bool,
    /// Since when it dozes, or will: nobody uses it, and no charger is near.
    dozes_from: Option<Timestamp>,
}

impl Doze {
    /// A phone in somebody's hand.
    pub fn new(rules: DozeRules) -> Self {
        Self { rules, screen_on: true, charging: false, dozes_from: None }
    }

    /// The screen is on, or off.
    pub fn screen(&mut self, on: bool, now: Timestamp) {
        self.screen_on = on;
        self.turned(now);
    }

    /// The phone is on a charger, or off it.
    pub fn charging(&mut self, on: bool, now: Timestamp) {
        self.charging = on;
        self.turned(now);
    }

    /// It dozes at once, whatever the screen and the charger say, until one of them changes.
    pub fn force(&mut self, now: Timestamp) {
        self.dozes_from = Some(now);
    }

    /// How the push service reaches it.
    pub fn reach(&self, now: Timestamp) -> Reach {
        self.phase(now).0
    }

    /// When that changes next by time alone.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.phase(now).1
    }

    fn turned(&mut self, now: Timestamp) {
        let unused = !self.screen_on && !self.charging;
        self.dozes_from = match (unused, self.dozes_from) {
            (false, _) => None,
            (true, None) => Some(after(now, self.rules.enter_after)),
            (true, still) => still,
        };
    }

    fn phase(&self, now: Timestamp) -> (Reach, Option<Timestamp>) {
        let Some(from) = self.dozes_from else { return (Reach::Online, None) };
        if now < from {
            return (Reach::Online, Some(from));
        }
        let (mut pause, mut window) = (self.rules.first_pause, self.rules.first_window);
        let mut begins = from;
        loop {
            let opens = after(begins, pause);
            if now < opens {
                return (Reach::Dozing, Some(opens));
            }
            let closes = after(opens, window);
            // Rules without any length would go round for ever.
            if now < closes || closes <= begins {
                return (Reach::Online, Some(closes));
            }
            begins = closes;
            pause = (pause * 2).min(self.rules.longest_pause);
            window = (window * 2).min(self.rules.longest_window);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::at;
    use super::*;

    const MIN: i64 = 60;

    #[test]
    fn the_drawing() {
        let mut doze = Doze::new(DozeRules::default());
        assert_eq!((doze.reach(at(0)), doze.next(at(0))), (Reach::Online, None));
        doze.screen(false, at(0));
        let mut changes = vec![(0, doze.reach(at(0)))];
        let mut now = at(0);
        while let Some(next) = doze.next(now).filter(|next| *next < at(16 * 60 * MIN)) {
            now = next;
            changes.push(((next.as_second() - at(0).as_second()) / MIN, doze.reach(next)));
        }
        let (awake, dozes) = (Reach::Online, Reach::Dozing);
        let expected = [
            (0, awake),
            (60, dozes),
            (120, awake),
            (125, dozes),
            (245, awake),
            (255, dozes),
            (495, awake),
            (505, dozes),
            (865, awake),
            (875, dozes),
        ];
        assert_eq!(changes, expected);
    }

    #[test]
    fn screen_and_charger_end_it_and_it_begins_anew() {
        for wake in [Doze::screen, Doze::charging] {
            let mut doze = Doze::new(DozeRules::default());
            doze.screen(false, at(0));
            assert_eq!(doze.reach(at(61 * MIN)), Reach::Dozing);
            wake(&mut doze, true, at(61 * MIN));
            assert_eq!((doze.reach(at(61 * MIN)), doze.next(at(61 * MIN))), (Reach::Online, None));
            wake(&mut doze, false, at(62 * MIN));
            assert_eq!(doze.reach(at(121 * MIN)), Reach::Online);
            assert_eq!(doze.reach(at(122 * MIN)), Reach::Dozing);
        }
    }

    #[test]
    fn a_charger_keeps_it_awake_and_a_command_does_not_wait() {
        let mut doze = Doze::new(DozeRules::default());
        doze.charging(true, at(0));
        doze.screen(false, at(0));
        assert_eq!((doze.reach(at(999 * MIN)), doze.next(at(999 * MIN))), (Reach::Online, None));
        doze.force(at(1000 * MIN));
        assert_eq!(doze.reach(at(1000 * MIN)), Reach::Dozing);
        doze.screen(true, at(1001 * MIN));
        assert_eq!(doze.reach(at(1001 * MIN)), Reach::Online);
    }

    #[test]
    fn rules_without_length_end() {
        let none = Duration::ZERO;
        let mut doze = Doze::new(DozeRules {
            enter_after: none,
            first_pause: none,
            longest_pause: none,
            first_window: none,
            longest_window: none,
        });
        doze.screen(false, at(0));
        assert_eq!(doze.reach(at(10)), Reach::Online);
    }
}
