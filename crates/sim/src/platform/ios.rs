//! iOS: what the system does with a push to one app.
//!
//! ```text
//!   background ──▶ runs? ──▶ RunApp            on the screen or running: at once, at no cost
//!                   │ budget spent, refresh off
//!                   ▼
//!                 held (the newest) ──▶ RunApp   when the budget allows, or the user opens the app
//!                   └────────────────▶ Drop      when the user force-quits
//!   alert ───────▶ Show, or RunExtension ──▶ shown in the end, whatever becomes of it
//!   voip ────────▶ RunApp ──▶ reported, or KillApp ──(again and again)──▶ StopVoip
//! ```
//!
//! | rule | source |
//! |---|---|
//! | two or three background pushes an hour; more may be throttled | "Pushing background updates to your App" |
//! | the power budget is renewed each day; its size is nowhere said (unverified) | "Troubleshooting push notifications" |
//! | of background pushes that are held the newest is kept | "Pushing background updates to your App" |
//! | a background run lasts 30 s at most | the same |
//! | after a force quit nothing runs for background pushes until the user opens the app or the phone restarts, and what was held is gone | the same; `didReceiveRemoteNotification` |
//! | the extension runs for an alert with a text and `mutable-content`, if alerts are allowed, for about 30 s; then what the push says is shown | "Modifying content in newly delivered notifications" |
//! | the extension runs after a force quit too (unverified, widely relied on) | |
//! | a VoIP push runs the app always, and it must report a call before its handler returns; looked at again some 7 s later | PushKit; the developer forums |
//! | after repeated failures the app gets no more VoIP pushes; how many is nowhere said (unverified, here 3) | PushKit |
//!
//! Simplifying assumptions: the system allows what Apple asks senders to keep to, no more and no
//! less, where a real one looks at charge, habits and more (unverified); an app that was refused
//! VoIP pushes stays so; the newer metadata that frees an app from reporting a call is left out.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::{Effect, Input, Kind, after, day};
use crate::phone::Life;

/// An hour, the window of the budget.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The numbers of the rules, and what the user has set. Any value is fine.
#[derive(Clone, Debug)]
pub struct IosRules {
    /// Whether the user allows notifications of this app.
    pub alerts_allowed: bool,
    /// Whether the system runs the app for background pushes at all: Background App Refresh is on,
    /// low power mode off.
    pub background_refresh: bool,
    /// Background runs in any hour; `None`: no limit, as when the app runs from Xcode.
    pub runs_per_hour: Option<usize>,
    /// Background runs in a day (unverified); `None`: no limit.
    pub runs_per_day: Option<usize>,
    /// How long the app may run for a push.
    pub app_run: Duration,
    /// How long the notification extension may run.
    pub extension_run: Duration,
    /// After how long the system looks whether a call was reported.
    pub voip_check: Duration,
    /// How many unreported calls it takes to lose VoIP pushes (unverified).
    pub voip_strikes: u32,
}

impl Default for IosRules {
    fn default() -> Self {
        Self {
            alerts_allowed: true,
            background_refresh: true,
            runs_per_hour: Some(3),
            runs_per_day: None,
            app_run: Duration::from_secs(30),
            extension_run: Duration::from_secs(30),
            voip_check: Duration::from_secs(7),
            voip_strikes: 3,
        }
    }
}

/// One iPhone and one app.
#[derive(Clone, Debug)]
pub struct Ios<P> {
    /// The numbers, to be changed at any time.
    pub rules: IosRules,
    app: Life,
    /// The background runs of the last hour, oldest first.
    runs: VecDeque<Timestamp>,
    /// The day of the newest run, and how many that day has had.
    today: (i64, usize),
    /// The background push that waits.
    held: Option<P>,
    /// When the system looks whether a VoIP push was reported.
    voip_check: Option<Timestamp>,
    voip_strikes: u32,
}

const NO_REFRESH: &str = "the system runs the app for no background pushes; it holds the newest";
const OVER_BUDGET: &str =
    "the budget for background pushes is used up; the system holds the newest";
const REPLACED: &str = "a newer background push took its place";
const FORCE_QUIT: &str = "the user force-quit the app";
const NOT_REPORTED: &str = "a VoIP push without a call; iOS kills the app for it";

impl<P> Ios<P> {
    /// An iPhone on which the app was installed and never opened.
    pub fn new(rules: IosRules) -> Self {
        Self {
            rules,
            app: Life::NotRunning,
            runs: VecDeque::new(),
            today: (0, 0),
            held: None,
            voip_check: None,
            voip_strikes: 0,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input<P>, now: Timestamp) -> Vec<Effect<P>> {
        match input {
            Input::App(life) => {
                self.app = life;
                self.held_push(now)
            }
            Input::Push(kind, _, push) => self.push(kind, push, now),
            Input::Restarted => {
                // A restart ends every process, and forgives the force quit.
                self.app = Life::NotRunning;
                self.held_push(now)
            }
            Input::TimePassed => {
                if self.voip_check.is_some_and(|at| at <= now) {
                    return self.unreported();
                }
                self.held_push(now)
            }
            Input::VoipHandled { reported: true } => {
                self.voip_check = None;
                Vec::new()
            }
            Input::VoipHandled { reported: false } => self.unreported(),
            // iOS tells apart no screen, charger or visible result, as far as apps are told.
            Input::Charging(_)
            | Input::ForceDoze
            | Input::HandlerEnded { .. }
            | Input::Screen(_) => Vec::new(),
        }
    }

    /// When time alone changes something.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let release = match &self.held {
            Some(_) if self.rules.background_refresh => self.allowed_at(now),
            Some(_) | None => None,
        };
        [release, self.voip_check].into_iter().flatten().min()
    }

    fn push(&mut self, kind: Kind, push: P, now: Timestamp) -> Vec<Effect<P>> {
        match kind {
            Kind::Background => {
                let replaced = self.held.replace(push);
                let mut effects: Vec<_> =
                    replaced.map(|older| Effect::Drop(older, REPLACED)).into_iter().collect();
                let released = self.held_push(now);
                if released.is_empty() {
                    let over = self.rules.background_refresh;
                    effects.push(Effect::Hold(if over { OVER_BUDGET } else { NO_REFRESH }));
                }
                effects.extend(released);
                effects
            }
            Kind::Alert { text: false, .. } => vec![Effect::Drop(push, "an alert without text")],
            Kind::Alert { .. } if !self.rules.alerts_allowed => {
                vec![Effect::Drop(push, "the user allows no notifications")]
            }
            Kind::Alert { mutable: true, .. } => {
                vec![Effect::RunExtension(push, after(now, self.rules.extension_run))]
            }
            Kind::Alert { mutable: false, .. } => vec![Effect::Show(push)],
            Kind::Voip if self.voip_strikes >= self.rules.voip_strikes => {
                vec![Effect::Drop(push, "the system has stopped VoIP pushes to the app")]
            }
            Kind::Voip => {
                self.voip_check = Some(after(now, self.rules.voip_check));
                vec![Effect::RunApp(push, after(now, self.rules.app_run))]
            }
            Kind::Data | Kind::DeletedMessages | Kind::Notification | Kind::Web => {
                vec![Effect::Drop(push, "no push that an app handles")]
            }
        }
    }

    /// Lets the held push go if it may.
    fn held_push(&mut self, now: Timestamp) -> Vec<Effect<P>> {
        let Some(push) = self.held.take() else { return Vec::new() };
        let until = after(now, self.rules.app_run);
        match self.app {
            Life::Foreground | Life::Background => vec![Effect::RunApp(push, until)],
            Life::ForceQuit => vec![Effect::Drop(push, FORCE_QUIT)],
            Life::Frozen | Life::NotRunning | Life::Suspended => {
                if self.rules.background_refresh && self.allowed_at(now).is_none_or(|at| at <= now)
                {
                    self.spend(now);
                    return vec![Effect::RunApp(push, until)];
                }
                self.held = Some(push);
                Vec::new()
            }
        }
    }

    /// From when on the app may run for a background push; `None`: at any time.
    fn allowed_at(&self, now: Timestamp) -> Option<Timestamp> {
        let hour = self.rules.runs_per_hour.map(|most| match self.runs.len().checked_sub(most) {
            None => now,
            // With no run allowed there is none to wait for.
            Some(first) => self.runs.get(first).map_or(Timestamp::MAX, |run| after(*run, HOUR)),
        });
        let day = self.rules.runs_per_day.map(|most| {
            let spent = if self.today.0 == day(now) { self.today.1 } else { 0 };
            if spent < most { now } else { tomorrow(now) }
        });
        hour.max(day)
    }

    fn spend(&mut self, now: Timestamp) {
        while self.runs.front().is_some_and(|run| after(*run, HOUR) <= now) {
            self.runs.pop_front();
        }
        self.runs.push_back(now);
        let today = day(now);
        let before = if self.today.0 == today { self.today.1 } else { 0 };
        self.today = (today, before + 1);
    }

    /// A VoIP push came to no call.
    fn unreported(&mut self) -> Vec<Effect<P>> {
        if self.voip_check.take().is_none() {
            return Vec::new();
        }
        self.voip_strikes += 1;
        let mut effects = vec![Effect::KillApp(NOT_REPORTED)];
        if self.voip_strikes == self.rules.voip_strikes {
            effects.push(Effect::StopVoip);
        }
        effects
    }
}

/// The beginning of the next day.
fn tomorrow(now: Timestamp) -> Timestamp {
    Timestamp::from_second((day(now) + 1) * 24 * 60 * 60).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::at;
    use super::*;
    use crate::device::Priority;

    const HOUR_S: i64 = 60 * 60;

    /// A suspended app.
    fn suspended(rules: IosRules) -> Ios<&'static str> {
        let mut ios = Ios::new(rules);
        ios.handle(Input::App(Life::Suspended), at(0));
        ios
    }

    fn push(
        ios: &mut Ios<&'static str>,
        kind: Kind,
        name: &'static str,
        now: i64,
    ) -> Vec<Effect<&'static str>> {
        ios.handle(Input::Push(kind, Priority::High, name), at(now))
    }

    fn runs(name: &'static str, until: i64) -> Vec<Effect<&'static str>> {
        vec![Effect::RunApp(name, at(until))]
    }

    #[test]
    fn three_background_runs_an_hour_and_the_newest_of_the_others_when_there_is_room() {
        let mut ios = suspended(IosRules::default());
        for (name, now) in [("a", 0), ("b", 10), ("c", 20)] {
            assert_eq!(push(&mut ios, Kind::Background, name, now), runs(name, now + 30));
        }
        assert_eq!(ios.next(at(25)), None);
        assert_eq!(push(&mut ios, Kind::Background, "d", 30), [Effect::Hold(OVER_BUDGET)]);
        let replaced = [Effect::Drop("d", REPLACED), Effect::Hold(OVER_BUDGET)];
        assert_eq!(push(&mut ios, Kind::Background, "e", 40), replaced);
        assert_eq!(ios.next(at(40)), Some(at(HOUR_S)));
        assert_eq!(ios.handle(Input::TimePassed, at(HOUR_S - 1)), []);
        assert_eq!(ios.handle(Input::TimePassed, at(HOUR_S)), runs("e", HOUR_S + 30));
        assert_eq!(ios.next(at(HOUR_S)), None);
        // The hour slides: b's place is free ten seconds later.
        assert_eq!(push(&mut ios, Kind::Background, "f", HOUR_S + 5), [Effect::Hold(OVER_BUDGET)]);
        assert_eq!(ios.next(at(HOUR_S + 5)), Some(at(HOUR_S + 10)));
    }

    #[test]
    fn the_days_budget_is_renewed_at_midnight() {
        let rules = IosRules { runs_per_hour: None, runs_per_day: Some(1), ..IosRules::default() };
        let mut ios = suspended(rules);
        assert_eq!(push(&mut ios, Kind::Background, "a", 5), runs("a", 35));
        assert_eq!(push(&mut ios, Kind::Background, "b", 6), [Effect::Hold(OVER_BUDGET)]);
        assert_eq!(ios.next(at(6)), Some(at(24 * HOUR_S)));
        assert_eq!(ios.handle(Input::TimePassed, at(24 * HOUR_S)), runs("b", 24 * HOUR_S + 30));
    }

    #[test]
    fn an_app_that_runs_gets_its_background_pushes_at_no_cost() {
        for life in [Life::Foreground, Life::Background] {
            let mut ios = suspended(IosRules { runs_per_hour: Some(0), ..IosRules::default() });
            assert_eq!(push(&mut ios, Kind::Background, "a", 0), [Effect::Hold(OVER_BUDGET)]);
            assert_eq!(ios.handle(Input::App(life), at(1)), runs("a", 31), "{life:?}");
            assert_eq!(push(&mut ios, Kind::Background, "b", 2), runs("b", 32));
        }
    }

    #[test]
    fn with_refresh_off_background_pushes_wait_for_the_user() {
        let mut ios = suspended(IosRules { background_refresh: false, ..IosRules::default() });
        assert_eq!(push(&mut ios, Kind::Background, "a", 0), [Effect::Hold(NO_REFRESH)]);
        assert_eq!(
            (ios.next(at(0)), ios.handle(Input::TimePassed, at(9 * HOUR_S))),
            (None, vec![])
        );
        assert_eq!(ios.handle(Input::App(Life::Foreground), at(9)), runs("a", 39));
    }

    #[test]
    fn after_a_force_quit_nothing_runs_for_background_pushes_until_opened_or_restarted() {
        let mut ios = suspended(IosRules { runs_per_hour: Some(0), ..IosRules::default() });
        push(&mut ios, Kind::Background, "held", 0);
        let dropped = |name| vec![Effect::Drop(name, FORCE_QUIT)];
        assert_eq!(ios.handle(Input::App(Life::ForceQuit), at(1)), dropped("held"));
        assert_eq!(push(&mut ios, Kind::Background, "a", 2), dropped("a"));
        let alert = Kind::Alert { text: true, mutable: true };
        assert_eq!(push(&mut ios, alert, "b", 3), [Effect::RunExtension("b", at(33))]);
        assert_eq!(push(&mut ios, Kind::Voip, "c", 4), runs("c", 34));
        ios.rules.runs_per_hour = None;
        assert_eq!(ios.handle(Input::Restarted, at(5)), []);
        assert_eq!(push(&mut ios, Kind::Background, "d", 6), runs("d", 36));
    }

    #[test]
    fn alerts_are_shown_or_run_the_extension() {
        let check = |text, mutable, allowed, expected: Effect<&'static str>| {
            for life in [Life::Suspended, Life::ForceQuit, Life::NotRunning] {
                let rules = IosRules { alerts_allowed: allowed, ..IosRules::default() };
                let mut ios = suspended(rules);
                ios.handle(Input::App(life), at(0));
                let effects = push(&mut ios, Kind::Alert { text, mutable }, "a", 0);
                assert_eq!(effects, std::slice::from_ref(&expected), "{life:?}");
            }
        };
        check(true, true, true, Effect::RunExtension("a", at(30)));
        check(true, false, true, Effect::Show("a"));
        check(false, true, true, Effect::Drop("a", "an alert without text"));
        check(true, true, false, Effect::Drop("a", "the user allows no notifications"));
    }

    #[test]
    fn a_voip_push_without_a_call_kills_and_the_third_one_is_the_last() {
        let mut ios = suspended(IosRules::default());
        assert_eq!(push(&mut ios, Kind::Voip, "good", 0), runs("good", 30));
        assert_eq!(ios.handle(Input::VoipHandled { reported: true }, at(0)), []);
        assert_eq!(ios.next(at(0)), None);
        // The handler returns without a call; never returns; returns without a call.
        push(&mut ios, Kind::Voip, "a", 10);
        let killed = Effect::KillApp(NOT_REPORTED);
        assert_eq!(
            ios.handle(Input::VoipHandled { reported: false }, at(11)),
            std::slice::from_ref(&killed)
        );
        push(&mut ios, Kind::Voip, "b", 20);
        assert_eq!(ios.next(at(20)), Some(at(27)));
        assert_eq!(ios.handle(Input::TimePassed, at(26)), []);
        assert_eq!(ios.handle(Input::TimePassed, at(27)), std::slice::from_ref(&killed));
        push(&mut ios, Kind::Voip, "c", 30);
        let last = ios.handle(Input::VoipHandled { reported: false }, at(31));
        assert_eq!(last, [killed, Effect::StopVoip]);
        let dropped = push(&mut ios, Kind::Voip, "d", 40);
        assert!(matches!(dropped[..], [Effect::Drop("d", _)]), "{dropped:?}");
    }

    #[test]
    fn googles_kinds_are_none_of_an_iphones() {
        for kind in [Kind::Data, Kind::DeletedMessages, Kind::Notification, Kind::Web] {
            let effects = push(&mut suspended(IosRules::default()), kind, "a", 0);
            assert!(matches!(effects[..], [Effect::Drop("a", _)]), "{kind:?}");
        }
    }
}
