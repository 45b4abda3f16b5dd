//! The phone's side of one device: its system, what its push service keeps for it, and what its app
//! is doing.

use domain::{Platform, Time};
use jiff::Timestamp;
use sim::device::{Expiration, Facts, Priority, Reach, Service};
use sim::phone::Life;
use sim::platform::{Android, Effect, Input, Ios, IosRules, Kind, Released, System, Waiting, Web};
use sim::webpush::Vendor;

use super::world::{Traits, World};

/// What is kept of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) kind: Kind,
    pub(crate) sent: Priority,
    /// The messages before this number are what it is about.
    pub(crate) covers: usize,
    pub(crate) expires_at: Time,
}

/// The phone.
pub(crate) struct Phone {
    platform: Platform,
    system: System<Note>,
    waiting: Waiting<Note>,
    /// Its network, or the browser itself, is there.
    pub(crate) reachable: bool,
    reach: Reach,
    pub(crate) demoted: bool,
    pub(crate) life: Life,
    pub(crate) link: Link,
    /// The connection that is being made or stands; an older one's news is stale.
    pub(crate) connection: u32,
    /// How often the app was opened; an older visit does not end the present one.
    pub(crate) visit: u32,
    /// Set while the app runs for pushes.
    pub(crate) run: Option<Run>,
    runs: u32,
    /// The messages before this number are on the device.
    pub(crate) holds: usize,
    /// Reasons for the screen to be on.
    screen: u32,
    /// The user is about to open the app.
    pub(crate) reacting: bool,
}

/// Where the app's connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Down,
    Opening,
    Up,
}

/// A run off the screen.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: u32,
    /// The system ends it then, counted from its newest push.
    pub(crate) until: Time,
    /// It ends then as things stand: sooner, once the app has what it came for.
    pub(crate) ends: Time,
    /// What its pushes were sent with.
    pub(crate) sent: Vec<Priority>,
    pub(crate) visible: bool,
}

impl Phone {
    pub(crate) fn new(world: &World, traits: &Traits, now: Time) -> Self {
        let mut system = match traits.platform {
            Platform::Android => {
                System::Android(Box::new(Android::new(world.android_rules.clone())))
            }
            Platform::Ios => System::Ios(Ios::new(IosRules {
                alerts_allowed: traits.alerts,
                background_refresh: traits.refresh,
                ..world.ios_rules.clone()
            })),
            // Chrome is the usual browser; no worker of the study shows nothing.
            Platform::Web | Platform::Other => System::Web(Web::new(Vendor::Google)),
        };
        let life = match traits.platform {
            Platform::Android | Platform::Ios => Life::Suspended,
            Platform::Web | Platform::Other => Life::NotRunning,
        };
        system.handle(Input::App(life), stamp(now));
        system.handle(Input::Screen(false), stamp(now));
        Self {
            platform: traits.platform,
            system,
            waiting: Waiting::default(),
            reachable: true,
            reach: Reach::Online,
            demoted: false,
            life,
            link: Link::Down,
            connection: 0,
            visit: 0,
            run: None,
            runs: 0,
            holds: 0,
            screen: 0,
            reacting: false,
        }
    }

    /// A push is at the phone's push service: it arrives, waits or is lost.
    pub(crate) fn push(&mut self, note: Note, now: Time) -> Vec<Effect<Note>> {
        let priority = match note.sent {
            Priority::High if self.demoted => Priority::Normal,
            sent => sent,
        };
        if self.reachable && self.reach.lets_through(priority) {
            return self.system.handle(Input::Push(note.kind, note.sent, note), stamp(now));
        }
        let service = match self.platform {
            Platform::Android | Platform::Other => Service::Fcm,
            Platform::Ios => Service::Apns,
            Platform::Web => Service::Webpush,
        };
        let expiration = Expiration::Until(stamp(note.expires_at));
        let facts = Facts { service, priority, expiration };
        // What Reveille sends to browsers has the wake for its topic; so may anybody's.
        let topic = (service == Service::Webpush).then(|| "wake".to_owned());
        self.waiting.keep(facts, topic, stamp(now), || note);
        Vec::new()
    }

    /// What waited and may pass now.
    pub(crate) fn pushes_back(&mut self, now: Time) -> Vec<Effect<Note>> {
        if !self.reachable {
            return Vec::new();
        }
        let mut effects = Vec::new();
        for released in self.waiting.release(self.reach, stamp(now)) {
            let note = match released {
                Released::Deleted(note) => Note { kind: Kind::DeletedMessages, ..note },
                Released::Push(note) => note,
            };
            effects.extend(self.take(Input::Push(note.kind, note.sent, note), now));
        }
        effects
    }

    /// Something happens to the system.
    pub(crate) fn take(&mut self, input: Input<Note>, now: Time) -> Vec<Effect<Note>> {
        self.system.handle(input, stamp(now))
    }

    /// The app is in another state.
    pub(crate) fn becomes(&mut self, life: Life, now: Time) -> Vec<Effect<Note>> {
        self.life = life;
        self.take(Input::App(life), now)
    }

    /// One more reason for the screen to be on, or one less.
    pub(crate) fn screen(&mut self, on: bool, now: Time) -> Vec<Effect<Note>> {
        self.screen = if on { self.screen + 1 } else { self.screen.saturating_sub(1) };
        self.take(Input::Screen(self.screen > 0), now)
    }

    /// The push service reaches the phone so from now on.
    pub(crate) fn reached(&mut self, reach: Reach, now: Time) -> Vec<Effect<Note>> {
        self.reach = reach;
        self.pushes_back(now)
    }

    /// When the system has to be looked at again.
    pub(crate) fn next(&self, now: Time) -> Option<Time> {
        let next = self.system.next(stamp(now))?;
        Some(time(next))
    }

    /// A run for a push begins.
    pub(crate) fn start_run(&mut self, until: Time) {
        self.runs += 1;
        let id = self.runs;
        self.run = Some(Run { id, until, ends: until, sent: Vec::new(), visible: false });
    }

    /// Whether the app is on the screen and could be told of everything.
    pub(crate) fn is_awake(&self) -> bool {
        self.life == Life::Foreground && self.reachable
    }
}

/// A time of the domain as the rules take it.
pub(crate) fn stamp(time: Time) -> Timestamp {
    Timestamp::from_microsecond(time.as_micros()).unwrap_or(Timestamp::MAX)
}

/// A time of the rules as the domain has it.
pub(crate) fn time(stamp: Timestamp) -> Time {
    Time::from_micros(stamp.as_microsecond())
}
