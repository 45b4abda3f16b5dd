//! What a torture run does, decided before it begins: the same seed, length and number of phones
//! give the same cast and the same steps. What comes of a step depends on the machine's timing.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use sim::phone::Platform;

/// Everything that will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) cast: Vec<Role>,
    /// In order of time.
    pub(crate) steps: Vec<Step>,
}

/// One phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) platform: Platform,
    pub(crate) ignores_background: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// From the start of the run.
    pub(crate) at: Duration,
    pub(crate) action: Action,
}

/// What is done. Phones are numbers in the cast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A user sends from a phone, which they open if need be.
    Send {
        from: usize,
        to: Vec<String>,
        count: usize,
    },
    /// The back end sends by HTTP.
    BackEndSend {
        to: Vec<String>,
        count: usize,
    },
    /// The back end pushes to users, beside the inbox.
    Push {
        to: Vec<String>,
    },
    /// The back end pushes to all, so many devices a second.
    Broadcast {
        rate: u32,
    },
    Open(usize),
    Background(usize),
    Suspend(usize),
    Freeze(usize),
    KillApp(usize),
    /// iPhones only: an Android app stopped by force gets no push until it is opened.
    ForceQuit(usize),
    /// The push services forget the phone's tokens, as after a reinstall.
    TokensDie(usize),
    /// SIGKILL, then `down` without a server, then a new start.
    KillServer {
        down: Duration,
    },
    Trouble(Vendor, Trouble),
}

/// Whose trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    Apple,
    Google,
}

/// What goes wrong at a push service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// So many answers are 503.
    Unavailable(usize),
    /// After so many requests the connection goes away.
    GoAway(usize),
    /// So many streams are refused.
    RefuseStreams(usize),
    /// So many connections are dropped in the middle of a request.
    Close(usize),
    /// So many pushes are delivered and then never answered.
    CloseAfterProcessing(usize),
    /// Nothing is answered until released.
    Stall,
    Release,
}

/// A phone in this many is an iPhone that ignores background pushes.
const IGNORING: usize = 5;
/// Steps of sending in a second.
const SENDS_PER_SECOND: f64 = 8.0;
/// Direct pushes in a second.
const PUSHES_PER_SECOND: f64 = 1.0;
/// Broadcasts in a second.
const BROADCASTS_PER_SECOND: f64 = 0.15;
/// A broadcast takes so many seconds, most of them more than there are between two kills.
const BROADCAST_S: std::ops::RangeInclusive<usize> = 1..=5;
/// Changes of one app's life in a second.
const LIVES_PER_SECOND: f64 = 0.15;
/// Between two kills, in milliseconds: more than 20 in a minute.
const KILL_GAP_MS: std::ops::Range<u64> = 1_700..2_800;

impl Plan {
    /// The plan of one seed.
    pub(crate) fn new(seed: u64, length: Duration, phones: usize) -> Self {
        let mut draw = StdRng::seed_from_u64(seed);
        let cast = cast(&mut draw, phones);
        let mut planner =
            Planner { awake: vec![true; cast.len()], steps: Vec::new(), cast: &cast, length };
        planner.lives(&mut draw);
        planner.steps.sort_by_key(|step| step.at);
        planner.sends(&mut draw);
        planner.pushes(&mut draw);
        planner.kills(&mut draw);
        planner.trouble(&mut draw);
        let mut steps = planner.steps;
        steps.sort_by_key(|step| step.at);
        Self { cast, steps }
    }

    /// How often the server is killed.
    pub(crate) fn kills(&self) -> usize {
        let kill = |step: &&Step| matches!(step.action, Action::KillServer { .. });
        self.steps.iter().filter(kill).count()
    }
}

/// Users of one phone, and every fourth or so of two.
fn cast(draw: &mut StdRng, phones: usize) -> Vec<Role> {
    let mut cast = Vec::new();
    let mut user = 0;
    while cast.len() < phones {
        user += 1;
        let devices = if draw.random_bool(0.25) { 2 } else { 1 };
        for _ in 0..devices.min(phones - cast.len()) {
            let number = cast.len();
            let platform = if draw.random_bool(0.5) { Platform::Android } else { Platform::Ios };
            cast.push(Role {
                name: format!("p{number:02}"),
                user: format!("user{user:02}"),
                platform,
                ignores_background: platform == Platform::Ios
                    && draw.random_range(0..IGNORING) == 0,
            });
        }
    }
    cast
}

/// A plan in the making.
struct Planner<'a> {
    cast: &'a [Role],
    length: Duration,
    /// Which phones are on the screen, as far as planned.
    awake: Vec<bool>,
    steps: Vec<Step>,
}

impl Planner<'_> {
    fn at(&mut self, at: Duration, action: Action) {
        self.steps.push(Step { at, action });
    }

    /// A time in the run.
    fn when(&self, draw: &mut StdRng) -> Duration {
        let millis = u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(draw.random_range(0..millis))
    }

    fn how_many(&self, per_second: f64) -> usize {
        // A run is minutes at most, so nothing is lost.
        (self.length.as_secs_f64() * per_second).ceil() as usize
    }

    fn lives(&mut self, draw: &mut StdRng) {
        let phones = self.cast.len();
        for _ in 0..self.how_many(LIVES_PER_SECOND * phones as f64) {
            let (at, phone) = (self.when(draw), draw.random_range(0..phones));
            let ios = self.cast[phone].platform == Platform::Ios;
            let action = match draw.random_range(0..100) {
                0..30 => Action::Open(phone),
                30..65 => Action::Suspend(phone),
                65..80 => Action::Freeze(phone),
                80..85 => Action::Background(phone),
                85..90 if ios => Action::ForceQuit(phone),
                _ => Action::KillApp(phone),
            };
            self.at(at, action);
        }
        // A phone whose tokens died can only be reached after its user has opened the app again.
        for _ in 0..self.how_many(1.0 / 12.0) {
            let (at, phone) = (self.when(draw), draw.random_range(0..phones));
            let until = at + Duration::from_millis(draw.random_range(2_000..6_000));
            self.at(at, Action::TokensDie(phone));
            self.at(until.min(self.length), Action::Open(phone));
        }
    }

    /// Sends come mostly from phones that are on the screen: the steps so far say which are.
    fn sends(&mut self, draw: &mut StdRng) {
        let mut times: Vec<Duration> =
            (0..self.how_many(SENDS_PER_SECOND)).map(|_| self.when(draw)).collect();
        times.sort_unstable();
        let lives = self.steps.clone();
        let mut lives = lives.iter().peekable();
        for at in times {
            while let Some(step) = lives.next_if(|step| step.at <= at) {
                self.follow(&step.action);
            }
            let count = if draw.random_bool(0.75) { 1 } else { draw.random_range(2..=10) };
            let action = if draw.random_bool(0.15) {
                Action::BackEndSend { to: self.recipients(draw, None), count }
            } else {
                let awake: Vec<usize> =
                    (0..self.cast.len()).filter(|phone| self.awake[*phone]).collect();
                let anybody = draw.random_range(0..self.cast.len());
                let from = awake.choose(draw).copied().unwrap_or(anybody);
                self.awake[from] = true;
                Action::Send { from, to: self.recipients(draw, Some(from)), count }
            };
            self.at(at, action);
        }
    }

    fn follow(&mut self, action: &Action) {
        match action {
            Action::Open(phone) => self.awake[*phone] = true,
            Action::Background(phone)
            | Action::Suspend(phone)
            | Action::Freeze(phone)
            | Action::KillApp(phone)
            | Action::ForceQuit(phone) => self.awake[*phone] = false,
            Action::Send { .. }
            | Action::BackEndSend { .. }
            | Action::Push { .. }
            | Action::Broadcast { .. }
            | Action::TokensDie(_)
            | Action::KillServer { .. }
            | Action::Trouble(..) => {}
        }
    }

    /// One user, or now and then up to three; never the sender.
    fn recipients(&self, draw: &mut StdRng, from: Option<usize>) -> Vec<String> {
        let sender = from.map(|from| self.cast[from].user.as_str());
        let mut users: Vec<&str> = self.cast.iter().map(|role| role.user.as_str()).collect();
        users.dedup();
        users.retain(|user| Some(*user) != sender);
        let count = if draw.random_bool(0.8) { 1 } else { draw.random_range(2..=3) };
        users.sample(draw, count).map(|user| (*user).to_owned()).collect()
    }

    /// Pushes that no inbox waits for.
    fn pushes(&mut self, draw: &mut StdRng) {
        for _ in 0..self.how_many(PUSHES_PER_SECOND) {
            let (at, to) = (self.when(draw), self.recipients(draw, None));
            self.at(at, Action::Push { to });
        }
        for _ in 0..self.how_many(BROADCASTS_PER_SECOND) {
            let seconds = draw.random_range(BROADCAST_S);
            let rate = u32::try_from(self.cast.len() / seconds).unwrap_or(u32::MAX).max(1);
            let at = self.when(draw);
            self.at(at, Action::Broadcast { rate });
        }
    }

    /// Every second kill or so hits a burst that was begun a moment before.
    fn kills(&mut self, draw: &mut StdRng) {
        let mut at = Duration::ZERO;
        loop {
            at += Duration::from_millis(draw.random_range(KILL_GAP_MS));
            if at >= self.length {
                return;
            }
            if draw.random_bool(0.5) {
                let from = draw.random_range(0..self.cast.len());
                let before = at.saturating_sub(Duration::from_micros(draw.random_range(0..30_000)));
                let to = self.recipients(draw, Some(from));
                let count = draw.random_range(3..=10);
                self.at(before, Action::Send { from, to, count });
            }
            let down = Duration::from_millis(draw.random_range(0..300));
            self.at(at, Action::KillServer { down });
        }
    }

    fn trouble(&mut self, draw: &mut StdRng) {
        for _ in 0..self.how_many(0.25) {
            let at = self.when(draw);
            let vendor = if draw.random_bool(0.5) { Vendor::Apple } else { Vendor::Google };
            let trouble = match draw.random_range(0..6) {
                0 => Trouble::Unavailable(draw.random_range(1..=5)),
                1 => Trouble::GoAway(draw.random_range(0..=3)),
                2 => Trouble::RefuseStreams(draw.random_range(1..=3)),
                3 => Trouble::Close(1),
                4 => Trouble::CloseAfterProcessing(1),
                _ => Trouble::Stall,
            };
            if trouble == Trouble::Stall {
                let until = at + Duration::from_millis(draw.random_range(200..2_000));
                self.at(until.min(self.length), Action::Trouble(vendor, Trouble::Release));
            }
            self.at(at, Action::Trouble(vendor, trouble));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(Plan::new(7, MINUTE, 30), Plan::new(7, MINUTE, 30));
        assert_ne!(Plan::new(7, MINUTE, 30).steps, Plan::new(8, MINUTE, 30).steps);
    }

    #[test]
    fn a_minute_kills_the_server_at_least_twenty_times() {
        for seed in 0..50 {
            assert!(Plan::new(seed, MINUTE, 30).kills() >= 20, "seed {seed}");
        }
    }

    #[test]
    fn nobody_is_put_where_no_push_can_reach() {
        for seed in 0..20 {
            let plan = Plan::new(seed, MINUTE, 30);
            let mut dead = vec![false; plan.cast.len()];
            for step in &plan.steps {
                match step.action {
                    Action::ForceQuit(phone) => {
                        assert_eq!(plan.cast[phone].platform, Platform::Ios);
                    }
                    Action::TokensDie(phone) => dead[phone] = true,
                    Action::Open(phone) => dead[phone] = false,
                    _ => {}
                }
            }
            assert!(!dead.contains(&true), "seed {seed}: tokens died and nobody opened the app");
        }
    }

    #[test]
    fn nobody_writes_to_themselves() {
        let plan = Plan::new(1, MINUTE, 30);
        for step in &plan.steps {
            if let Action::Send { from, to, .. } = &step.action {
                assert!(!to.is_empty() && !to.contains(&plan.cast[*from].user));
            }
        }
    }
}
