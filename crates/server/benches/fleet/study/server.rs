//! The server's side of one device: its session as the server sees it, what is owed, and when it
//! pushes. Reveille's own ladder is `domain::wake` as it is; the other schemes are a few lines.

use std::collections::VecDeque;
use std::time::Duration;

use domain::inbox::{Owing, Unacked, owing};
use domain::wake::{Claim, Draw, Facts, Phase, Presence, Rung, Settled, Wake};
use domain::{
    AttemptId, BackgroundBudget, FirstRung, Offset, Outcome, Platform, Policy, ProviderId, Reason,
    TargetKind, Time, Urgency,
};

/// By what rule a server pushes.
#[derive(Clone, Debug)]
pub(crate) enum Scheme {
    /// An alert for each message, whether the device is connected or not.
    AlertEach,
    /// A background push for each message, whether the device is connected or not.
    BackgroundEach,
    /// One background push when a device without a session is owed something, and no other before
    /// it has acknowledged.
    BackgroundOnce,
    /// Reveille's wake machine with these settings.
    Ladder(Policy),
}

/// What the server does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Looks at the wake then.
    Due(Time),
    /// Writes everything owed to the session, which has so long to acknowledge.
    Deliver { session: u32, deadline: Duration },
    /// Pushes; covers the messages before this number.
    Push { style: Style, covers: usize, attempt: Option<AttemptId> },
}

/// What a push is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Style {
    /// Something to see. `by_system`: on Android the system shows it and the app does not run.
    Alert { by_system: bool },
    /// Nothing to see.
    Background,
}

/// The server, as far as one device is concerned.
pub(crate) struct Server<'a> {
    scheme: &'a Scheme,
    platform: Platform,
    /// When each message expires.
    expiries: Vec<Time>,
    /// How many of them are acknowledged.
    cursor: usize,
    session: Option<Session>,
    /// Something is owed, and no session can be relied on.
    asleep: bool,
    wake: Option<Wake>,
    /// [`Scheme::BackgroundOnce`] has pushed.
    pushed_once: bool,
    budget: BackgroundBudget,
    /// Background pushes of the last hour.
    background: VecDeque<Time>,
    attempts: u128,
    pub(crate) wakes: u64,
    pub(crate) over_budget: u64,
}

/// A session as the server sees it.
#[derive(Clone, Copy, Debug)]
struct Session {
    id: u32,
    background: bool,
    suspect: bool,
    /// When it last acknowledged something, or began.
    progress: Time,
}

/// Apple's word: not more than three in an hour.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The ack deadlines of the server, on the screen and off it.
const DEADLINES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(1)];

impl<'a> Server<'a> {
    pub(crate) fn new(scheme: &'a Scheme, platform: Platform) -> Self {
        Self {
            scheme,
            platform,
            expiries: Vec::new(),
            cursor: 0,
            session: None,
            asleep: false,
            wake: None,
            pushed_once: false,
            budget: BackgroundBudget::default(),
            background: VecDeque::new(),
            attempts: 0,
            wakes: 0,
            over_budget: 0,
        }
    }

    /// How many messages there are.
    pub(crate) fn head(&self) -> usize {
        self.expiries.len()
    }

    /// Whether there is a session that the server relies on.
    pub(crate) fn relies_on_session(&self) -> bool {
        self.session.is_some_and(|session| !session.suspect)
    }

    /// A message is accepted.
    pub(crate) fn accept(&mut self, expires_at: Time, now: Time, orders: &mut Vec<Order>) {
        self.expiries.push(expires_at);
        let covers = self.head();
        match self.scheme {
            Scheme::AlertEach => {
                self.push(Style::Alert { by_system: true }, covers, None, now, orders);
            }
            Scheme::BackgroundEach => self.push(Style::Background, covers, None, now, orders),
            Scheme::BackgroundOnce | Scheme::Ladder(_) => {}
        }
        if self.relies_on_session() {
            self.deliver(orders);
            return;
        }
        match &self.wake {
            Some(wake) => {
                if let Some(joined) = wake.join(Urgency::Normal, now) {
                    self.wake = Some(joined);
                    self.tell_due(orders);
                }
            }
            None => self.owe(Reason::Message, now, orders),
        }
    }

    /// A session stands.
    pub(crate) fn connected(
        &mut self,
        id: u32,
        background: bool,
        now: Time,
        orders: &mut Vec<Order>,
    ) {
        self.session = Some(Session { id, background, suspect: false, progress: now });
        if !self.owing(now).is_nothing() {
            self.deliver(orders);
        }
    }

    /// The app came to the screen with its session.
    pub(crate) fn foreground(&mut self) {
        if let Some(session) = &mut self.session {
            session.background = false;
        }
    }

    /// A session is over, and the server knows.
    pub(crate) fn ended(&mut self, id: u32, now: Time, orders: &mut Vec<Order>) {
        if self.session.is_some_and(|session| session.id == id) {
            self.session = None;
            self.lost(Reason::Disconnected, now, orders);
        }
    }

    /// The time to acknowledge is over for what was written at `written`.
    pub(crate) fn deadline(
        &mut self,
        id: u32,
        up_to: usize,
        written: Time,
        now: Time,
        orders: &mut Vec<Order>,
    ) {
        let Some(session) = &mut self.session else { return };
        let progressed = session.progress > written || self.cursor >= up_to;
        if session.id == id && !session.suspect && !progressed {
            session.suspect = true;
            self.lost(Reason::Suspect, now, orders);
        }
    }

    /// A push handler has read the inbox over HTTP.
    pub(crate) fn fetched(&mut self, now: Time, orders: &mut Vec<Order>) {
        if let Some(moved) = self.wake.as_ref().and_then(|wake| wake.fetched(now)) {
            self.wake = Some(moved);
            self.tell_due(orders);
        }
    }

    /// The device holds the messages before `cursor`.
    pub(crate) fn acked(&mut self, cursor: usize, now: Time, orders: &mut Vec<Order>) {
        if cursor <= self.cursor {
            return;
        }
        self.cursor = cursor;
        self.pushed_once = false;
        if let Some(session) = &mut self.session {
            session.suspect = false;
            session.progress = now;
        }
        if self.owing(now).is_nothing() {
            self.close();
            return;
        }
        if let (Some(wake), Scheme::Ladder(policy)) = (self.wake.take(), self.scheme) {
            let first = Rung::first(policy, self.platform);
            self.wake = Some(wake.progressed(first, policy, now));
            self.tell_due(orders);
        }
    }

    /// The wake's time has come, if it has.
    pub(crate) fn look(&mut self, now: Time, orders: &mut Vec<Order>) {
        let (Some(wake), Scheme::Ladder(policy)) = (self.wake.clone(), self.scheme) else { return };
        if wake.due().is_none_or(|due| due > now) {
            return;
        }
        let facts = Facts {
            owing: self.owing_past(wake.pushed, now),
            active_elsewhere: false,
            presence: if self.relies_on_session() { Presence::Living } else { Presence::Asleep },
            platform: self.platform,
            target: Some(target(self.platform)),
            budget: self.budget,
        };
        self.attempts += 1;
        let draw = Draw {
            attempt: AttemptId::from_bits(self.attempts),
            provider: ProviderId::from_bits(self.attempts),
        };
        match wake.claim(&facts, policy, draw, now) {
            Claim::Close(_) => self.close(),
            Claim::Wait(wake) => {
                self.wake = Some(wake);
                self.tell_due(orders);
            }
            Claim::Push(wake, plan) => {
                self.wake = Some(wake);
                let by_system = policy.first_rung == FirstRung::Alert;
                let style = match plan.rung {
                    Rung::Background => Style::Background,
                    Rung::Alert | Rung::Repeat(_) | Rung::Ring => Style::Alert { by_system },
                };
                if style == Style::Background && self.platform == Platform::Ios {
                    self.budget = self.budget.spend(now);
                }
                let covers = usize::try_from(plan.covers.number()).unwrap_or(0);
                self.push(style, covers, Some(plan.attempt), now, orders);
                self.tell_due(orders);
            }
        }
    }

    /// The push service has taken a push.
    pub(crate) fn settled(&mut self, attempt: AttemptId, now: Time, orders: &mut Vec<Order>) {
        let (Some(wake), Scheme::Ladder(policy)) = (self.wake.clone(), self.scheme) else { return };
        let accepted = Outcome::Accepted { provider_id: None };
        // What this attempt covered counts as pushed for what is still owed.
        let covered = match wake.phase {
            Phase::Claimed(open) if open.id == attempt => wake.pushed.max(open.covers),
            Phase::Claimed(_) | Phase::Due(_) | Phase::Parked => wake.pushed,
        };
        match wake.settle(attempt, &accepted, self.owing_past(covered, now), policy, 0, now) {
            Settled::Stale => {}
            Settled::Close(_) => self.close(),
            Settled::Next(wake) => {
                self.wake = Some(wake);
                self.tell_due(orders);
            }
        }
    }

    /// The session no longer counts.
    fn lost(&mut self, reason: Reason, now: Time, orders: &mut Vec<Order>) {
        if self.owing(now).is_nothing() {
            return;
        }
        match &self.wake {
            None => self.owe(reason, now, orders),
            Some(wake) => {
                let next = match reason {
                    Reason::Suspect => wake.suspected(now),
                    _ => wake.disconnected(now),
                };
                if let Some(next) = next {
                    self.wake = Some(next);
                    self.tell_due(orders);
                }
            }
        }
    }

    /// Something is owed from here on to a device without a session.
    fn owe(&mut self, reason: Reason, now: Time, orders: &mut Vec<Order>) {
        self.wakes += u64::from(!self.asleep);
        self.asleep = true;
        match self.scheme {
            Scheme::AlertEach | Scheme::BackgroundEach => {}
            Scheme::BackgroundOnce => {
                if !self.pushed_once {
                    self.pushed_once = true;
                    self.push(Style::Background, self.head(), None, now, orders);
                }
            }
            Scheme::Ladder(policy) => {
                self.wake = Some(Wake::open(Rung::first(policy, self.platform), now, reason));
                self.tell_due(orders);
            }
        }
    }

    fn close(&mut self) {
        self.asleep = false;
        self.wake = None;
    }

    fn deliver(&self, orders: &mut Vec<Order>) {
        if let Some(session) = self.session {
            let deadline = DEADLINES[usize::from(session.background)];
            orders.push(Order::Deliver { session: session.id, deadline });
        }
    }

    fn tell_due(&self, orders: &mut Vec<Order>) {
        if let Some(due) = self.wake.as_ref().and_then(Wake::due) {
            orders.push(Order::Due(due));
        }
    }

    fn push(
        &mut self,
        style: Style,
        covers: usize,
        attempt: Option<AttemptId>,
        now: Time,
        orders: &mut Vec<Order>,
    ) {
        if style == Style::Background && self.platform == Platform::Ios {
            while self.background.front().is_some_and(|at| now.since(*at) >= HOUR) {
                self.background.pop_front();
            }
            self.background.push_back(now);
            let most = BackgroundBudget::PER_HOUR;
            self.over_budget += u64::from(self.background.len() > most);
        }
        orders.push(Order::Push { style, covers, attempt });
    }

    fn owing(&self, now: Time) -> Owing {
        self.owing_past(Offset::ZERO, now)
    }

    fn owing_past(&self, pushed: Offset, now: Time) -> Owing {
        let entries = self.expiries.iter().enumerate().skip(self.cursor);
        let entries = entries.map(|(index, expires_at)| Unacked {
            offset: Offset::from_number(index as i64 + 1),
            urgency: Urgency::Normal,
            expires_at: *expires_at,
            quiet: None,
        });
        owing(entries, pushed, now)
    }
}

const fn target(platform: Platform) -> TargetKind {
    match platform {
        Platform::Android | Platform::Other => TargetKind::Fcm,
        Platform::Ios => TargetKind::Apns,
        Platform::Web => TargetKind::Webpush,
    }
}
