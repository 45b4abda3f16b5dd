//! Android: what the system does with an FCM message to one app.
//!
//! | rule | source |
//! |---|---|
//! | a data message runs the app's handler for up to 20 s, a notification message is shown unless the app is on the screen | `FirebaseMessagingService`; "Receive messages in an Android app" |
//! | after a force stop nothing is delivered until the user opens the app | "Power management restrictions" of Android |
//! | what FCM dropped is told by `onDeletedMessages`, and the app fetches everything | `FirebaseMessagingService` |
//! | Doze holds what is of normal priority | [`super::Doze`] |
//! | high-priority messages that show the user nothing are demoted to normal: FCM looks at seven days of one app on one phone | "About FCM messages" |
//! | from how many messages on, and at which share (unverified, here ten and a half) | |
//! | up to Android 12, high-priority messages in a day: 10 in the standby bucket *frequent*, 5 in *rare* and *restricted*; those above are normal | "Power management restrictions" |
//!
//! Simplifying assumptions: what arrives while the app is on the screen counts for nothing; a
//! message that comes after a force stop is lost, while the system's own word is only that it is
//! not delivered; swiping the app away is a force stop only where the caller says so.

use std::time::Duration;

use jiff::Timestamp;

use super::{Doze, DozeRules, Effect, Input, Kind, after, day};
use crate::device::{Priority, Reach};
use crate::phone::Life;

/// FCM looks at this many days.
const DAYS: usize = 7;

/// The numbers of the rules. Any value is fine.
#[derive(Clone, Debug)]
pub struct AndroidRules {
    /// How long the handler may run.
    pub app_run: Duration,
    /// Below this many high-priority messages in seven days nothing is demoted (unverified).
    pub demotion_from: u32,
    /// The share in percent of these that has to show something (unverified); 0: no demotion.
    pub visible_percent: u32,
    /// High-priority messages in a day, by the standby bucket; `None`: no cap (Android 13 and
    /// later, or an app in daily use).
    pub high_per_day: Option<u32>,
    /// When the phone dozes.
    pub doze: DozeRules,
}

impl Default for AndroidRules {
    fn default() -> Self {
        Self {
            app_run: Duration::from_secs(20),
            demotion_from: 10,
            visible_percent: 50,
            high_per_day: None,
            doze: DozeRules::default(),
        }
    }
}

/// One Android phone and one app.
#[derive(Clone, Debug)]
pub struct Android {
    /// The numbers, to be changed at any time; those of Doze count from the beginning.
    pub rules: AndroidRules,
    app: Life,
    doze: Doze,
    /// What the last input left the push service with.
    reach: Reach,
    demoted: bool,
    /// Each day's high-priority messages, by the day's number.
    days: [Day; DAYS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Day {
    number: i64,
    /// Arrived.
    high: u32,
    /// Of those that ran the app off the screen: how many, and how many showed something.
    counted: u32,
    visible: u32,
}

impl Android {
    /// A phone in somebody's hand, on which the app was installed and never opened.
    pub fn new(rules: AndroidRules) -> Self {
        Self {
            app: Life::NotRunning,
            doze: Doze::new(rules.doze.clone()),
            reach: Reach::Online,
            demoted: false,
            days: [Day::default(); DAYS],
            rules,
        }
    }

    /// Takes one input.
    pub fn handle<P>(&mut self, input: Input<P>, now: Timestamp) -> Vec<Effect<P>> {
        let mut effects = match input {
            Input::App(life) => {
                self.app = life;
                Vec::new()
            }
            Input::Charging(on) => {
                self.doze.charging(on, now);
                Vec::new()
            }
            Input::ForceDoze => {
                self.doze.force(now);
                Vec::new()
            }
            Input::HandlerEnded { sent, visible } => {
                if sent == Priority::High {
                    self.count(visible, now);
                }
                Vec::new()
            }
            Input::Push(kind, sent, push) => vec![self.push(kind, sent, push, now)],
            Input::Screen(on) => {
                self.doze.screen(on, now);
                Vec::new()
            }
            Input::Restarted | Input::TimePassed | Input::VoipHandled { .. } => Vec::new(),
        };
        self.tell(now, &mut effects);
        effects
    }

    /// When time alone changes something.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.doze.next(now)
    }

    /// Whether high-priority messages count as normal ones now.
    pub fn is_demoted(&self) -> bool {
        self.demoted
    }

    fn push<P>(&mut self, kind: Kind, sent: Priority, push: P, now: Timestamp) -> Effect<P> {
        if self.app == Life::ForceQuit {
            return Effect::Drop(push, "the app was stopped by force");
        }
        if sent == Priority::High {
            self.today(now).high += 1;
        }
        match kind {
            Kind::Notification if self.app != Life::Foreground => {
                if sent == Priority::High {
                    self.count(true, now);
                }
                Effect::Show(push)
            }
            Kind::Data | Kind::DeletedMessages | Kind::Notification => {
                Effect::RunApp(push, after(now, self.rules.app_run))
            }
            Kind::Alert { .. } | Kind::Background | Kind::Voip | Kind::Web => {
                Effect::Drop(push, "no push that an app handles")
            }
        }
    }

    fn count(&mut self, visible: bool, now: Timestamp) {
        let today = self.today(now);
        today.counted += 1;
        today.visible += u32::from(visible);
    }

    /// Says what is different for the push service since the last input.
    fn tell<P>(&mut self, now: Timestamp, effects: &mut Vec<Effect<P>>) {
        let reach = self.doze.reach(now);
        if reach != self.reach {
            self.reach = reach;
            effects.push(Effect::Reach(reach));
        }
        let demoted = self.shows_too_little(now) || self.is_over_cap(now);
        if demoted != self.demoted {
            self.demoted = demoted;
            effects.push(if demoted { Effect::Demote } else { Effect::Restore });
        }
    }

    fn shows_too_little(&self, now: Timestamp) -> bool {
        let today = day(now);
        let week = self.days.iter().filter(|day| today - day.number < DAYS as i64);
        let (counted, visible) =
            week.fold((0, 0), |(all, seen), day| (all + day.counted, seen + day.visible));
        counted >= self.rules.demotion_from
            && u64::from(visible) * 100 < u64::from(self.rules.visible_percent) * u64::from(counted)
    }

    fn is_over_cap(&self, now: Timestamp) -> bool {
        let today = day(now);
        let spent = self.days.iter().find(|day| day.number == today).map_or(0, |day| day.high);
        self.rules.high_per_day.is_some_and(|cap| spent >= cap)
    }

    fn today(&mut self, now: Timestamp) -> &mut Day {
        let number = day(now);
        let slot = &mut self.days[usize::try_from(number.rem_euclid(DAYS as i64)).unwrap_or(0)];
        if slot.number != number {
            *slot = Day { number, ..Day::default() };
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::super::at;
    use super::*;

    const DAY_S: i64 = 24 * 60 * 60;

    fn suspended(rules: AndroidRules) -> Android {
        let mut android = Android::new(rules);
        android.handle::<&str>(Input::App(Life::Suspended), at(0));
        android
    }

    fn high(android: &mut Android, kind: Kind, now: i64) -> Vec<Effect<&'static str>> {
        android.handle(Input::Push(kind, Priority::High, "a"), at(now))
    }

    fn ended(android: &mut Android, visible: bool, now: i64) -> Vec<Effect<&'static str>> {
        android.handle(Input::HandlerEnded { sent: Priority::High, visible }, at(now))
    }

    #[test]
    fn data_runs_the_app_and_a_notification_is_shown() {
        let runs = Effect::RunApp("a", at(20));
        for (life, kind, expected) in [
            (Life::Suspended, Kind::Data, runs.clone()),
            (Life::NotRunning, Kind::Data, runs.clone()),
            (Life::Foreground, Kind::Data, runs.clone()),
            (Life::NotRunning, Kind::DeletedMessages, runs.clone()),
            (Life::Suspended, Kind::Notification, Effect::Show("a")),
            (Life::Foreground, Kind::Notification, runs),
            (Life::ForceQuit, Kind::Data, Effect::Drop("a", "the app was stopped by force")),
            (
                Life::ForceQuit,
                Kind::Notification,
                Effect::Drop("a", "the app was stopped by force"),
            ),
            (Life::Suspended, Kind::Voip, Effect::Drop("a", "no push that an app handles")),
        ] {
            let mut android = Android::new(AndroidRules::default());
            android.handle::<&str>(Input::App(life), at(0));
            assert_eq!(high(&mut android, kind, 0), [expected], "{life:?} {kind:?}");
        }
    }

    #[test]
    fn who_shows_too_little_is_demoted_until_the_week_has_passed() {
        let mut android = suspended(AndroidRules::default());
        for n in 0..9 {
            assert_eq!(ended(&mut android, false, n), []);
        }
        assert_eq!(ended(&mut android, false, 9), [Effect::Demote]);
        // Ten more that show something make it half.
        for n in 10..19 {
            assert_eq!(ended(&mut android, true, n), []);
        }
        assert_eq!(ended(&mut android, true, 19), [Effect::Restore]);
        assert_eq!(ended(&mut android, false, 20), [Effect::Demote]);
        let passed =
            |android: &mut Android, day| android.handle::<&str>(Input::TimePassed, at(day * DAY_S));
        assert_eq!(passed(&mut android, 6), []);
        assert_eq!(passed(&mut android, 7), [Effect::Restore]);
    }

    #[test]
    fn what_is_normal_or_shown_by_the_system_demotes_nobody() {
        let mut android = suspended(AndroidRules::default());
        for n in 0..30 {
            let normal = Input::HandlerEnded { sent: Priority::Normal, visible: false };
            assert_eq!(android.handle::<&str>(normal, at(n)), []);
            assert_eq!(high(&mut android, Kind::Notification, n), [Effect::Show("a")]);
        }
        for n in 0..30 {
            assert_eq!(ended(&mut android, false, n), []);
        }
        assert_eq!(ended(&mut android, false, 30), [Effect::Demote]);
    }

    #[test]
    fn a_standby_bucket_has_a_cap_a_day() {
        let mut android =
            suspended(AndroidRules { high_per_day: Some(5), ..AndroidRules::default() });
        for n in 0..4 {
            assert_eq!(high(&mut android, Kind::Data, n).len(), 1);
        }
        let fifth = high(&mut android, Kind::Data, 4);
        assert_eq!(fifth, [Effect::RunApp("a", at(24)), Effect::Demote]);
        let tomorrow = android.handle::<&str>(Input::TimePassed, at(DAY_S));
        assert_eq!(tomorrow, [Effect::Restore]);
    }

    #[test]
    fn the_push_service_is_told_when_the_phone_dozes() {
        let mut android = suspended(AndroidRules::default());
        assert_eq!(android.handle::<&str>(Input::Screen(false), at(0)), []);
        assert_eq!(android.next(at(0)), Some(at(3600)));
        let passed =
            |android: &mut Android, now| android.handle::<&str>(Input::TimePassed, at(now));
        assert_eq!(passed(&mut android, 3600), [Effect::Reach(Reach::Dozing)]);
        assert_eq!(passed(&mut android, 7200), [Effect::Reach(Reach::Online)]);
        assert_eq!(passed(&mut android, 7500), [Effect::Reach(Reach::Dozing)]);
        let screen = android.handle::<&str>(Input::Screen(true), at(7501));
        assert_eq!(screen, [Effect::Reach(Reach::Online)]);
        let forced = android.handle::<&str>(Input::ForceDoze, at(7502));
        assert_eq!(forced, [Effect::Reach(Reach::Dozing)]);
    }
}
