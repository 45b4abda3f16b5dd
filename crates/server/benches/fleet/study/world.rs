//! The world of the study: who has which phone, what they do in a day, how networks behave. All of
//! it is assumed; the numbers are those of the table in `docs/wake-study.md`, which is made here.

use std::time::Duration;

use domain::{Platform, Time};
use sim::platform::{AndroidRules, IosRules};

use super::dice::Dice;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What is assumed. Shares are in percent.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// Devices that are iPhones; the rest is split between Android and browsers.
    pub(crate) ios: f64,
    /// Devices that are Android phones.
    pub(crate) android: f64,
    /// iPhones on which the system runs no app in the background for a push.
    pub(crate) no_refresh: f64,
    /// Phones whose user allows the app no notifications.
    pub(crate) no_alerts: f64,
    /// People who swipe an app away when they are done.
    pub(crate) swipers: f64,
    /// How often these do so.
    pub(crate) swipes: f64,
    /// Android phones whose maker takes a swipe for a force stop.
    pub(crate) swipe_stops: f64,
    /// Phones that are charged at night.
    pub(crate) charged_at_night: f64,
    /// Phones that are switched off at night.
    pub(crate) off_at_night: f64,
    /// Times a day that a phone has no network.
    pub(crate) outages: f64,
    /// How long such an outage is.
    pub(crate) outage: Duration,
    /// Conversations a day for a third of the people each.
    pub(crate) conversations: [f64; 3],
    /// Messages in a conversation.
    pub(crate) conversation: f64,
    /// Between two messages of one.
    pub(crate) message_pause: Duration,
    /// Times a day that people open the app of their own accord.
    pub(crate) opens: f64,
    /// How long they stay.
    pub(crate) stay: Duration,
    /// Notifications after which they open it.
    pub(crate) reacts: f64,
    /// How long they take.
    pub(crate) reaction: Duration,
    /// Between two looks at the phone, for whatever app.
    pub(crate) pickup: Duration,
    /// Browsers run so long in the working day; for half of the users all day.
    pub(crate) browser_spell: Duration,
    /// From the provider's answer to the phone.
    pub(crate) push_way: Duration,
    /// From a push to an app of iOS that has asked the server.
    pub(crate) ios_start: Duration,
    /// The same on Android.
    pub(crate) android_start: Duration,
    /// The same for an extension or a service worker.
    pub(crate) handler_start: Duration,
    /// Handlers that come to nothing: no way to the server within their time.
    pub(crate) handler_fails: f64,
    /// One way over the network.
    pub(crate) one_way: Duration,
    /// Suspended apps whose connection dies without a word.
    pub(crate) frozen: f64,
    /// After so long the server knows of a dead connection by itself.
    pub(crate) noticed: Duration,
    /// How long a message may wait.
    pub(crate) ttl: Duration,
    /// The system of iPhones.
    pub(crate) ios_rules: IosRules,
    /// The system of Android phones.
    pub(crate) android_rules: AndroidRules,
}

impl Default for World {
    fn default() -> Self {
        Self {
            ios: 40.0,
            android: 45.0,
            no_refresh: 20.0,
            no_alerts: 8.0,
            swipers: 20.0,
            swipes: 80.0,
            swipe_stops: 10.0,
            charged_at_night: 70.0,
            off_at_night: 5.0,
            outages: 4.0,
            outage: 6 * MINUTE,
            conversations: [2.0, 6.0, 16.0],
            conversation: 4.0,
            message_pause: 30 * SECOND,
            opens: 10.0,
            stay: 2 * MINUTE,
            reacts: 40.0,
            reaction: 4 * MINUTE,
            pickup: 15 * MINUTE,
            browser_spell: 3 * HOUR,
            push_way: Duration::from_millis(400),
            ios_start: Duration::from_millis(1_500),
            android_start: Duration::from_millis(800),
            handler_start: Duration::from_millis(800),
            handler_fails: 3.0,
            one_way: Duration::from_millis(60),
            frozen: 25.0,
            noticed: 50 * SECOND,
            ttl: 30 * 24 * HOUR,
            ios_rules: IosRules::default(),
            android_rules: AndroidRules::default(),
        }
    }
}

/// One device and its user.
#[derive(Clone, Debug)]
pub(crate) struct Traits {
    pub(crate) platform: Platform,
    pub(crate) refresh: bool,
    pub(crate) alerts: bool,
    pub(crate) swiper: bool,
    pub(crate) swipe_stops: bool,
}

/// What happens to a device whatever the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happening {
    /// A message for its user is accepted.
    Message,
    /// The user opens the app and stays so long.
    Open { stay: Duration },
    /// The phone is looked at, or put away.
    Screen(bool),
    /// It is put on a charger, or taken off.
    Charging(bool),
    /// Its network, or the browser itself, is there or gone.
    Reachable(bool),
}

/// A device and its day.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) traits: Traits,
    /// In the order of time.
    pub(crate) day: Vec<(Time, Happening)>,
    /// What begins at night.
    pub(crate) night: (Time, Time),
}

/// The study's day begins at eight in the morning of the devices' own time.
pub(crate) const DAWN: Time = Time::from_millis((20_000 * 24 + 8) * 60 * 60 * 1_000);

/// People sleep from eleven to seven.
const NIGHT: (Duration, Duration) =
    (Duration::from_secs(15 * 3600), Duration::from_secs(23 * 3600));

impl World {
    /// Draws one device and `length` of its life.
    pub(crate) fn life(&self, seed: u64, device: u64, length: Duration) -> Life {
        let mut dice = Dice::new(seed, device, 1);
        let traits = self.traits(&mut dice);
        let mut life =
            Life { traits, day: Vec::new(), night: (DAWN.plus(NIGHT.0), DAWN.plus(NIGHT.1)) };
        self.messages(&mut life, &mut Dice::new(seed, device, 2), length);
        self.opens(&mut life, &mut Dice::new(seed, device, 3), length);
        let mut dice = Dice::new(seed, device, 4);
        match life.traits.platform {
            Platform::Web => self.browser(&mut life, &mut dice, length),
            Platform::Android | Platform::Ios | Platform::Other => {
                self.phone(&mut life, &mut dice, length);
            }
        }
        let end = DAWN.plus(length);
        life.day.retain(|(at, _)| *at < end);
        // Equal times keep an order that does not depend on how they were drawn.
        life.day.sort_unstable();
        life
    }

    fn traits(&self, dice: &mut Dice) -> Traits {
        let of_hundred = dice.unit() * 100.0;
        let platform = match of_hundred {
            share if share < self.ios => Platform::Ios,
            share if share < self.ios + self.android => Platform::Android,
            _ => Platform::Web,
        };
        Traits {
            platform,
            refresh: !dice.percent(self.no_refresh),
            // A page without permission has no push target at all.
            alerts: !dice.percent(self.no_alerts) || platform == Platform::Web,
            swiper: dice.percent(self.swipers),
            swipe_stops: dice.percent(self.swipe_stops),
        }
    }

    fn messages(&self, life: &mut Life, dice: &mut Dice, length: Duration) {
        let third = ((dice.unit() * 3.0) as usize).min(2);
        let mut begins = Duration::ZERO;
        loop {
            begins += dice.pause(24 * HOUR).div_f64(self.conversations[third]);
            if begins >= length {
                return;
            }
            // At night one in ten of the conversations takes place.
            if (NIGHT.0..NIGHT.1).contains(&begins) && !dice.percent(10.0) {
                continue;
            }
            let mut at = begins;
            loop {
                life.day.push((DAWN.plus(at), Happening::Message));
                if dice.percent(100.0 / self.conversation) {
                    break;
                }
                at += dice.pause(self.message_pause);
            }
        }
    }

    fn opens(&self, life: &mut Life, dice: &mut Dice, length: Duration) {
        let mut at = Duration::ZERO;
        loop {
            at += dice.pause((NIGHT.0 + HOUR).div_f64(self.opens));
            if at >= length {
                return;
            }
            let stay = dice.pause(self.stay) + 5 * SECOND;
            if !(NIGHT.0..NIGHT.1).contains(&at) {
                life.day.push((DAWN.plus(at), Happening::Open { stay }));
            }
        }
    }

    fn phone(&self, life: &mut Life, dice: &mut Dice, length: Duration) {
        let mut at = Duration::ZERO;
        while at < length {
            at += dice.pause((24 * HOUR).div_f64(self.outages));
            let ends = at + dice.pause(self.outage);
            life.day.push((DAWN.plus(at), Happening::Reachable(false)));
            life.day.push((DAWN.plus(ends), Happening::Reachable(true)));
            at = ends;
        }
        let night = life.night;
        if dice.percent(self.off_at_night) {
            // Outages of the night are part of it.
            life.day.retain(|(at, what)| {
                !matches!(what, Happening::Reachable(_)) || !(night.0..=night.1).contains(at)
            });
            life.day.push((night.0, Happening::Reachable(false)));
            life.day.push((night.1, Happening::Reachable(true)));
        }
        if dice.percent(self.charged_at_night) {
            life.day.push((night.0, Happening::Charging(true)));
            life.day.push((night.1, Happening::Charging(false)));
        }
        if life.traits.platform == Platform::Android {
            let mut at = Duration::ZERO;
            while at < length {
                at += dice.pause(self.pickup);
                let ends = at + dice.pause(MINUTE);
                if !(NIGHT.0..NIGHT.1).contains(&at) {
                    life.day.push((DAWN.plus(at), Happening::Screen(true)));
                    life.day.push((DAWN.plus(ends), Happening::Screen(false)));
                }
                at = ends;
            }
        }
    }

    /// A browser runs all day, or for half of the users in spells.
    fn browser(&self, life: &mut Life, dice: &mut Dice, length: Duration) {
        let mut spans = Vec::new();
        let mut at = dice.between(MINUTE, 2 * HOUR);
        let all_day = dice.percent(50.0);
        if all_day {
            spans.extend([(at, NIGHT.0), (NIGHT.1, NIGHT.1.max(length))]);
        }
        while !all_day && at < length {
            let ends = at + dice.pause(self.browser_spell);
            if !(NIGHT.0..NIGHT.1).contains(&at) {
                spans.push((at, ends));
            }
            at = ends + dice.pause(HOUR);
        }
        life.day.push((DAWN, Happening::Reachable(false)));
        for (from, to) in spans {
            life.day.push((DAWN.plus(from), Happening::Reachable(true)));
            life.day.push((DAWN.plus(to), Happening::Reachable(false)));
        }
        // Nobody opens a page in a browser that is closed.
        let mut runs = false;
        life.day.sort_unstable();
        life.day.retain(|(_, what)| match what {
            Happening::Reachable(now) => {
                runs = *now;
                true
            }
            Happening::Open { .. } => runs,
            Happening::Charging(_) | Happening::Message | Happening::Screen(_) => true,
        });
    }
}
