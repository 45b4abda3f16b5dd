//! How a plan is drawn.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use sim::phone::{Network, Platform};
use wire::RejectReason;

use super::cast::{Membership, Role, cast};
use super::{Action, Aim, CallEnding, Direct, Plan, Step, Trouble};
use crate::evidence::{Audience, Order, Service};

/// Steps of sending in a second.
const SENDS_PER_SECOND: f64 = 8.0;
/// Reading on some phone, in a second.
const READS_PER_SECOND: f64 = 3.0;
/// Direct pushes in a second.
const PUSHES_PER_SECOND: f64 = 1.5;
/// Broadcasts in a second.
const BROADCASTS_PER_SECOND: f64 = 0.12;
/// A broadcast takes so many seconds, most of them more than there are between two kills.
const BROADCAST_S: RangeInclusive<usize> = 1..=5;
/// Calls in a second.
const CALLS_PER_SECOND: f64 = 1.0;
/// Changes of all the apps' lives in a second.
const LIVES_PER_SECOND: f64 = 10.0;
/// Changes of networks, screens and power in a second.
const SYSTEMS_PER_SECOND: f64 = 2.0;
/// Somebody mutes, or a device comes to the topic or leaves it, in a second.
const QUIET_PER_SECOND: f64 = 0.5;
/// Troubles of push services in a second.
const TROUBLES_PER_SECOND: f64 = 0.8;
/// Tokens that die in a second.
const DEAD_TOKENS_PER_SECOND: f64 = 1.0 / 12.0;
/// Between two restores, and how old the snapshot is that is taken.
const RESTORE_GAP_MS: Range<u64> = 25_000..45_000;
const SNAPSHOT_AGE_MS: Range<u64> = 1_500..9_000;
/// After the start, before anything is put back.
const RESTORE_FROM: Duration = Duration::from_secs(15);
/// What a kill that is aimed at a commit waits for, in microseconds.
const AIM_US: Range<u64> = 100..4_000;

impl Plan {
    /// The plan of one seed.
    ///
    /// `gap`: between two kills, on the average.
    pub(crate) fn new(seed: u64, length: Duration, phones: usize, gap: Duration) -> Self {
        let mut draw = StdRng::seed_from_u64(seed);
        let cast = cast(&mut draw, phones);
        let mut planner =
            Planner { awake: vec![true; cast.len()], steps: Vec::new(), cast: &cast, length };
        let blocks = planner.blocks(&mut draw);
        planner.lives(&mut draw);
        planner.systems(&mut draw);
        planner.steps.sort_by_key(|step| step.at);
        planner.sends(&mut draw);
        planner.quiet(&mut draw);
        planner.calls(&mut draw);
        planner.pushes(&mut draw);
        planner.kills(&mut draw, gap);
        planner.restores(&mut draw);
        planner.trouble(&mut draw);
        let mut steps = planner.steps;
        steps.sort_by_key(|step| step.at);
        Self { cast, blocks, steps }
    }
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
        self.steps.push(Step { at: at.min(self.length), action });
    }

    /// A time in the run.
    fn when(&self, draw: &mut StdRng) -> Duration {
        let millis = u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(draw.random_range(0..millis))
    }

    fn how_many(&self, per_second: f64) -> usize {
        // A run is hours at most, so nothing is lost.
        (self.length.as_secs_f64() * per_second).ceil() as usize
    }

    fn phone(&self, draw: &mut StdRng) -> usize {
        draw.random_range(0..self.cast.len())
    }

    fn lives(&mut self, draw: &mut StdRng) {
        for _ in 0..self.how_many(LIVES_PER_SECOND) {
            let (at, phone) = (self.when(draw), self.phone(draw));
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
        for _ in 0..self.how_many(DEAD_TOKENS_PER_SECOND) {
            let (at, phone) = (self.when(draw), self.phone(draw));
            let until = at + Duration::from_millis(draw.random_range(2_000..6_000));
            self.at(at, Action::TokensDie(phone));
            self.at(until, Action::Open(phone));
        }
    }

    /// Networks that drop and stall, phones that doze or save power; each is over within seconds.
    fn systems(&mut self, draw: &mut StdRng) {
        for _ in 0..self.how_many(SYSTEMS_PER_SECOND) {
            let (at, phone) = (self.when(draw), self.phone(draw));
            let until = at + Duration::from_millis(draw.random_range(500..6_000));
            let (begin, end) = match (draw.random_range(0..4), self.cast[phone].platform) {
                (0, _) => {
                    (Action::Network(phone, Network::Off), Action::Network(phone, Network::On))
                }
                (1, _) => {
                    (Action::Network(phone, Network::Stalled), Action::Network(phone, Network::On))
                }
                (_, Platform::Android) => (Action::Doze(phone), Action::ScreenOn(phone)),
                (_, Platform::Ios) => {
                    (Action::LowPower { phone, on: true }, Action::LowPower { phone, on: false })
                }
                (_, Platform::Web) => continue,
            };
            self.at(at, begin);
            self.at(until, end);
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
                let from = self.awake(draw);
                self.awake[from] = true;
                Action::Send { from, to: self.recipients(draw, Some(from)), count }
            };
            self.at(at, action);
        }
        for _ in 0..self.how_many(READS_PER_SECOND) {
            let (at, phone) = (self.when(draw), self.phone(draw));
            self.at(at, Action::Read(phone));
        }
    }

    fn awake(&self, draw: &mut StdRng) -> usize {
        let awake: Vec<usize> = (0..self.cast.len()).filter(|phone| self.awake[*phone]).collect();
        let anybody = self.phone(draw);
        awake.choose(draw).copied().unwrap_or(anybody)
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
            | Action::Read(_)
            | Action::Mute { .. }
            | Action::Call { .. }
            | Action::Push(_)
            | Action::Subscribe { .. }
            | Action::Doze(_)
            | Action::ScreenOn(_)
            | Action::LowPower { .. }
            | Action::Network(..)
            | Action::TokensDie(_)
            | Action::KillServer { .. }
            | Action::Backup
            | Action::Restore
            | Action::Trouble(..) => {}
        }
    }

    fn users(&self) -> Vec<&str> {
        let mut users: Vec<&str> = self.cast.iter().map(|role| role.user.as_str()).collect();
        users.dedup();
        users
    }

    /// One user, or now and then up to three; never the sender.
    fn recipients(&self, draw: &mut StdRng, from: Option<usize>) -> Vec<String> {
        let sender = from.map(|from| self.cast[from].user.as_str());
        let mut users = self.users();
        users.retain(|user| Some(*user) != sender);
        let count = if draw.random_bool(0.8) { 1 } else { draw.random_range(2..=3) };
        users.sample(draw, count).map(|user| (*user).to_owned()).collect()
    }

    /// A user in twenty or so takes nothing from one other.
    fn blocks(&self, draw: &mut StdRng) -> Vec<(String, String)> {
        let users = self.users();
        let mut blocks = Vec::new();
        for user in &users {
            let Some(other) = users.choose(draw) else { continue };
            if other != user && draw.random_bool(0.05) {
                blocks.push(((*user).to_owned(), (*other).to_owned()));
            }
        }
        blocks
    }

    fn quiet(&mut self, draw: &mut StdRng) {
        for _ in 0..self.how_many(QUIET_PER_SECOND) {
            let (at, phone) = (self.when(draw), self.phone(draw));
            if draw.random_bool(0.5) {
                let user = self.cast[phone].user.clone();
                let until = at + Duration::from_millis(draw.random_range(500..5_000));
                self.at(at, Action::Mute { user: user.clone(), on: true });
                self.at(until, Action::Mute { user, on: false });
            } else if self.cast[phone].topic == Membership::Changing {
                let on = draw.random_bool(0.5);
                self.at(at, Action::Subscribe { phone, on });
            }
        }
    }

    fn calls(&mut self, draw: &mut StdRng) {
        for _ in 0..self.how_many(CALLS_PER_SECOND) {
            let (at, from) = (self.when(draw), self.phone(draw));
            let Some(to) = self.recipients(draw, Some(from)).into_iter().next() else { continue };
            let mut after = |range| Duration::from_millis(draw.random_range::<u64, _>(range));
            let (short, long) = (after(300..3_000), after(1_500..6_000));
            let end = match draw.random_range(0..10) {
                0..3 => CallEnding::Cancel(short),
                3 => CallEnding::Reject(short, RejectReason::Declined),
                4 => CallEnding::Reject(short, RejectReason::Busy),
                5 => CallEnding::LoseCaller(short),
                _ => CallEnding::HangUp(long),
            };
            self.at(at, Action::Call { from, to, end });
        }
    }

    /// Pushes that no inbox waits for.
    fn pushes(&mut self, draw: &mut StdRng) {
        for _ in 0..self.how_many(PUSHES_PER_SECOND) {
            let (at, users) = (self.when(draw), self.recipients(draw, None));
            let later = draw
                .random_bool(0.3)
                .then(|| Duration::from_millis(draw.random_range(1_000..5_000)));
            let cancel = draw.random_bool(0.3);
            let after = Duration::from_millis(draw.random_range(0..3_000));
            let push = Direct {
                to: Audience::Users,
                users,
                rate: None,
                background: draw.random_bool(0.2),
                later,
                orders: if cancel { vec![(after, Order::Cancel)] } else { Vec::new() },
            };
            self.at(at, Action::Push(push));
        }
        for _ in 0..self.how_many(BROADCASTS_PER_SECOND) {
            let to = if draw.random_bool(0.5) { Audience::All } else { Audience::Topic };
            let seconds = draw.random_range(BROADCAST_S);
            let rate = u32::try_from(self.cast.len() / seconds).unwrap_or(u32::MAX).max(1);
            let at = self.when(draw);
            let mut after = |range| Duration::from_millis(draw.random_range::<u64, _>(range));
            let (first, second) = (after(0..2_000), after(200..2_000));
            let orders = match draw.random_range(0..6) {
                0 => vec![(first, Order::Cancel)],
                1 | 2 => vec![(first, Order::Pause), (first + second, Order::Resume)],
                3 => vec![(first, Order::Pause), (first + second, Order::Cancel)],
                _ => Vec::new(),
            };
            let push = Direct {
                to,
                users: Vec::new(),
                rate: Some(rate),
                background: false,
                later: None,
                orders,
            };
            self.at(at, Action::Push(push));
        }
    }

    /// Two in five are aimed at a commit, one in five hits a burst that was begun a moment before.
    fn kills(&mut self, draw: &mut StdRng, gap: Duration) {
        let mut at = Duration::ZERO;
        loop {
            at += gap.mul_f64(draw.random_range(0.75..1.25));
            if at >= self.length {
                return;
            }
            let down = Duration::from_millis(draw.random_range(0..300));
            let aim = match draw.random_range(0..5) {
                0 | 1 => Some(self.aim(draw)),
                2 => {
                    let from = self.phone(draw);
                    let before =
                        at.saturating_sub(Duration::from_micros(draw.random_range(0..30_000)));
                    let to = self.recipients(draw, Some(from));
                    let count = draw.random_range(3..=10);
                    self.at(before, Action::Send { from, to, count });
                    None
                }
                _ => None,
            };
            self.at(at, Action::KillServer { down, aim });
        }
    }

    fn aim(&self, draw: &mut StdRng) -> Aim {
        let from = (0..draw.random_range(2..=5)).filter_map(|_| {
            let from = self.phone(draw);
            Some((from, self.recipients(draw, Some(from)).into_iter().next()?))
        });
        Aim {
            from: from.collect(),
            count: draw.random_range(2..=6),
            after: Duration::from_micros(draw.random_range(AIM_US)),
        }
    }

    fn restores(&mut self, draw: &mut StdRng) {
        let mut at = RESTORE_FROM;
        loop {
            at += Duration::from_millis(draw.random_range(SNAPSHOT_AGE_MS));
            if at >= self.length {
                return;
            }
            let age = Duration::from_millis(draw.random_range(SNAPSHOT_AGE_MS));
            self.at(at.saturating_sub(age), Action::Backup);
            self.at(at, Action::Restore);
            at += Duration::from_millis(draw.random_range(RESTORE_GAP_MS));
        }
    }

    fn trouble(&mut self, draw: &mut StdRng) {
        for _ in 0..self.how_many(TROUBLES_PER_SECOND) {
            let at = self.when(draw);
            let service = match draw.random_range(0..5) {
                0 | 1 => Service::Apple,
                2 | 3 => Service::Google,
                _ => Service::Browsers,
            };
            let millis = draw.random_range(200..2_500);
            let trouble = match draw.random_range(0..15) {
                0 => Trouble::Unavailable(draw.random_range(1..=5)),
                1 => Trouble::TooMany(draw.random_range(1..=5)),
                2 => Trouble::BadGateway(draw.random_range(1..=3)),
                3 => Trouble::Storm(millis),
                4 => Trouble::Outage(millis),
                5 => Trouble::Alert(draw.random_range(1..=3)),
                6 => Trouble::GoAway(draw.random_range(0..=3)),
                7 => Trouble::GoAwayWithReason(draw.random_range(0..=3)),
                8 => Trouble::RefuseStreams(draw.random_range(1..=3)),
                9 => Trouble::LimitStreams(draw.random_range(1..=4), millis),
                10 => Trouble::Close(1),
                11 => Trouble::HalfClose(1),
                12 => Trouble::CloseAfterProcessing(1),
                13 => Trouble::Stall(millis),
                _ => Trouble::Freeze(millis),
            };
            self.at(at, Action::Trouble(service, trouble));
        }
    }
}
