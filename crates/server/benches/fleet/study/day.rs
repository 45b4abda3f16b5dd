//! One device's day: a heap of events, and what each of them leads to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use domain::{AttemptId, Platform, Time};
use sim::device::Priority;
use sim::phone::Life as AppLife;
use sim::platform::{Effect, Input, Kind};

use super::Plan;
use super::dice::Dice;
use super::phone::{Link, Note, Phone, time};
use super::server::{Order, Scheme, Server, Style};
use super::tally::Tally;
use super::world::{DAWN, Happening, Life, World};

/// From a request to the push service's answer.
const PROVIDER: Duration = Duration::from_millis(100);
/// A push service finds a phone again so long after its network is back.
const PUSHES_BACK: Duration = Duration::from_secs(2);
/// A page or an app that is opened needs so long to connect.
const OPENING: Duration = Duration::from_millis(800);
/// A woken app that has what it came for is suspended after so long.
const LINGER: Duration = Duration::from_secs(5);
/// The last ten minutes are too short to see what becomes of a message.
const TOO_LATE: Duration = Duration::from_secs(600);

/// One device, one scheme.
pub(crate) struct Day<'a> {
    plan: &'a Plan,
    world: &'a World,
    device: u64,
    life: &'a Life,
    server: Server<'a>,
    phone: Phone,
    now: Time,
    heap: BinaryHeap<Reverse<(Time, u64, Event)>>,
    events: u64,
    messages: Vec<Message>,
    /// Chance that depends on what the server does.
    dice: Dice,
    /// When the phone's system is looked at next.
    system_at: Option<Time>,
    tally: &'a mut Tally,
}

/// What became of a message.
#[derive(Clone, Copy, Debug)]
struct Message {
    expires_at: Time,
    reachable: Option<Time>,
    held: Option<Time>,
    visible: Option<Time>,
}

/// What happens at a time. The order is of no matter: two events of one time come as they were put
/// on the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// An ack reaches the server.
    Acked(usize),
    /// The app's connect reaches the server.
    Connects(u32),
    /// The time to acknowledge is over.
    Deadline { session: u32, up_to: usize, written: Time },
    /// What the server has written is on the device.
    Delivered { session: u32, up_to: usize },
    /// The wake is to be looked at.
    Due,
    /// A handler has read the inbox, or shows what the push says because it could not.
    Handled { covers: usize, high: bool, reads: bool },
    /// What would happen anyway.
    Happens(Happening),
    /// What a handler has read is on the device.
    Read(usize),
    /// The user leaves the app.
    Leaves(u32),
    /// The server sees that a connection is dead.
    Noticed(u32),
    /// A push is at the phone's push service.
    Push { style: Style, covers: usize },
    /// The push service finds the phone again.
    PushesBack,
    /// The user has seen a notification.
    Reacts { stay: Duration },
    /// The run for a push is over.
    RunEnds(u32),
    /// The push service has answered.
    Settles(AttemptId),
    /// The phone's system is to be looked at.
    System,
}

impl<'a> Day<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        device: u64,
        life: &'a Life,
        scheme: &'a Scheme,
        tally: &'a mut Tally,
    ) -> Self {
        let world = &plan.world;
        let platform = life.traits.platform;
        let mut day = Self {
            plan,
            world,
            device,
            life,
            server: Server::new(scheme, platform),
            phone: Phone::new(world, &life.traits, DAWN),
            now: DAWN,
            heap: BinaryHeap::with_capacity(life.day.len() + 16),
            events: 0,
            messages: Vec::new(),
            dice: Dice::new(plan.seed, device, 5),
            system_at: None,
            tally,
        };
        for (at, happening) in &life.day {
            day.put(*at, Event::Happens(*happening));
        }
        day
    }

    /// Lives it, and counts what came of it.
    pub(crate) fn live(mut self) {
        let end = DAWN.plus(self.plan.length + self.plan.run_out);
        while let Some(Reverse((at, _, event))) = self.heap.pop() {
            if at >= end {
                break;
            }
            self.now = at;
            self.happens(event);
        }
        self.now = end;
        self.count(end);
    }

    fn put(&mut self, at: Time, event: Event) {
        self.events += 1;
        self.heap.push(Reverse((at, self.events, event)));
    }

    fn after(&mut self, pause: Duration, event: Event) {
        self.put(self.now.plus(pause), event);
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Acked(cursor) => self.order(|server, now, orders| {
                server.acked(cursor, now, orders);
            }),
            Event::Connects(connection) => self.connects(connection),
            Event::Deadline { session, up_to, written } => self.order(|server, now, orders| {
                server.deadline(session, up_to, written, now, orders);
            }),
            Event::Delivered { session, up_to } => self.delivered(session, up_to),
            Event::Due => self.order(Server::look),
            Event::Handled { covers, high, reads } => self.handled(covers, high, reads),
            Event::Happens(happening) => self.takes_its_course(happening),
            Event::Leaves(visit) => self.leaves(visit),
            Event::Noticed(session) => self.order(|server, now, orders| {
                server.ended(session, now, orders);
            }),
            Event::Push { style, covers } => self.push(style, covers),
            Event::PushesBack => {
                let effects = self.phone.pushes_back(self.now);
                self.carry_out(effects);
            }
            Event::Reacts { stay } => {
                self.phone.reacting = false;
                self.opens(stay);
            }
            Event::Read(up_to) => {
                self.holds(up_to);
                self.shown(up_to);
            }
            Event::RunEnds(run) => self.run_ends(run),
            Event::Settles(attempt) => self.order(|server, now, orders| {
                server.settled(attempt, now, orders);
            }),
            Event::System => {
                self.system_at = None;
                let effects = self.phone.take(Input::TimePassed, self.now);
                self.carry_out(effects);
            }
        }
    }

    fn takes_its_course(&mut self, happening: Happening) {
        match happening {
            Happening::Charging(on) => {
                let effects = self.phone.take(Input::Charging(on), self.now);
                self.carry_out(effects);
            }
            Happening::Message => {
                let expires_at = self.now.plus(self.world.ttl);
                let reachable = self.phone.reachable.then_some(self.now);
                let message = Message { expires_at, reachable, held: None, visible: None };
                self.messages.push(message);
                self.order(|server, now, orders| server.accept(expires_at, now, orders));
            }
            Happening::Open { stay } => self.opens(stay),
            Happening::Reachable(true) => self.comes_back(),
            Happening::Reachable(false) => self.goes_away(),
            Happening::Screen(on) => {
                let effects = self.phone.screen(on, self.now);
                self.carry_out(effects);
            }
        }
    }

    // --- the server ------------------------------------------------------------------------------

    /// Lets the server do something, and carries out its orders.
    fn order(&mut self, act: impl FnOnce(&mut Server<'a>, Time, &mut Vec<Order>)) {
        let mut orders = Vec::new();
        act(&mut self.server, self.now, &mut orders);
        for order in orders {
            match order {
                Order::Due(at) => self.put(at.max(self.now), Event::Due),
                Order::Deliver { session, deadline } => {
                    let up_to = self.server.head();
                    self.after(self.world.one_way, Event::Delivered { session, up_to });
                    let written = self.now;
                    self.after(deadline, Event::Deadline { session, up_to, written });
                }
                Order::Push { style, covers, attempt } => {
                    self.tally.pushes += 1;
                    if self.phone.is_awake() {
                        self.tally.awake += 1;
                        self.tally.raced += u64::from(!self.server.relies_on_session());
                    }
                    if let Some(attempt) = attempt {
                        self.after(PROVIDER, Event::Settles(attempt));
                    }
                    let way = self.dice.around(self.world.push_way, 0.8);
                    self.after(way, Event::Push { style, covers });
                }
            }
        }
    }

    // --- pushes ----------------------------------------------------------------------------------

    fn push(&mut self, style: Style, covers: usize) {
        let (kind, sent) = match (self.life.traits.platform, style) {
            (Platform::Ios, Style::Background) => (Kind::Background, Priority::Normal),
            (Platform::Ios, Style::Alert { .. }) => {
                (Kind::Alert { text: true, mutable: true }, Priority::High)
            }
            (Platform::Android, Style::Alert { by_system: true }) => {
                (Kind::Notification, Priority::High)
            }
            (Platform::Android, Style::Alert { by_system: false } | Style::Background) => {
                (Kind::Data, Priority::High)
            }
            (Platform::Web | Platform::Other, _) => (Kind::Web, Priority::High),
        };
        let newest = self.messages.get(covers.saturating_sub(1));
        let expires_at = newest.map_or(self.now, |message| message.expires_at);
        let effects = self.phone.push(Note { kind, sent, covers, expires_at }, self.now);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect<Note>>) {
        for effect in effects {
            match effect {
                Effect::Demote => self.phone.demoted = true,
                Effect::Restore => self.phone.demoted = false,
                Effect::Reach(reach) => {
                    let effects = self.phone.reached(reach, self.now);
                    self.carry_out(effects);
                }
                Effect::RunApp(note, until) => self.runs_app(note, time(until)),
                Effect::RunExtension(note, until) | Effect::RunWorker(note, until) => {
                    self.runs_handler(note, time(until));
                }
                Effect::Show(note) => self.shown(note.covers),
                // Nothing of these is seen, or they are for calls, which the study has not.
                Effect::Drop(..)
                | Effect::Hold(_)
                | Effect::KillApp(_)
                | Effect::RevokePermission
                | Effect::ShowGeneric
                | Effect::StopVoip => {}
            }
        }
        let next = self.phone.next(self.now).map(|at| at.max(self.now));
        if let Some(at) = next.filter(|_| next != self.system_at) {
            self.put(at, Event::System);
        }
        self.system_at = next;
    }

    /// The app runs for a push, unless it runs already.
    fn runs_app(&mut self, note: Note, until: Time) {
        if self.phone.life == AppLife::Foreground {
            return;
        }
        if self.phone.run.is_none() {
            let effects = self.phone.becomes(AppLife::Background, self.now);
            self.carry_out(effects);
            self.phone.start_run(until);
        }
        let connected = self.phone.link == Link::Up;
        if let Some(run) = &mut self.phone.run {
            run.sent.push(note.sent);
            run.until = until;
            if !connected {
                run.ends = until;
                let id = run.id;
                self.put(until, Event::RunEnds(id));
            }
        }
        if self.phone.link == Link::Down && !self.dice.percent(self.world.handler_fails) {
            let start = match self.life.traits.platform {
                Platform::Ios => self.world.ios_start,
                Platform::Android | Platform::Web | Platform::Other => self.world.android_start,
            };
            let start = self.dice.around(start, 0.5);
            self.connect_in(start);
        }
    }

    /// The extension or the worker runs for a push.
    fn runs_handler(&mut self, note: Note, until: Time) {
        let high = note.sent == Priority::High;
        let covers = note.covers;
        if self.dice.percent(self.world.handler_fails) {
            self.put(until, Event::Handled { covers, high, reads: false });
        } else {
            let start = self.dice.around(self.world.handler_start, 0.5);
            self.after(start, Event::Handled { covers, high, reads: true });
        }
    }

    fn handled(&mut self, covers: usize, high: bool, reads: bool) {
        if reads && self.phone.reachable {
            let up_to = self.server.head();
            self.order(Server::fetched);
            self.after(self.world.one_way, Event::Read(up_to));
            self.after(3 * self.world.one_way, Event::Acked(up_to));
        } else {
            self.shown(covers);
        }
        let sent = if high { Priority::High } else { Priority::Normal };
        let effects = self.phone.take(Input::HandlerEnded { sent, visible: true }, self.now);
        self.carry_out(effects);
    }

    fn run_ends(&mut self, id: u32) {
        if self.phone.run.as_ref().is_some_and(|run| run.id == id && run.ends <= self.now) {
            self.end_run();
            self.hang_up();
            let effects = self.phone.becomes(AppLife::Suspended, self.now);
            self.carry_out(effects);
        }
    }

    /// The run is over, and the system learns what was seen of it.
    fn end_run(&mut self) {
        let Some(run) = self.phone.run.take() else { return };
        for sent in run.sent {
            let visible = run.visible;
            let effects = self.phone.take(Input::HandlerEnded { sent, visible }, self.now);
            self.carry_out(effects);
        }
    }

    // --- the app ---------------------------------------------------------------------------------

    fn opens(&mut self, stay: Duration) {
        let browser_closed = self.life.traits.platform == Platform::Web && !self.phone.reachable;
        if self.phone.life == AppLife::Foreground || browser_closed {
            return;
        }
        let connected = self.phone.link == Link::Up;
        self.end_run();
        self.phone.visit += 1;
        let visit = self.phone.visit;
        let effects = self.phone.becomes(AppLife::Foreground, self.now);
        self.carry_out(effects);
        let effects = self.phone.screen(true, self.now);
        self.carry_out(effects);
        if connected {
            self.server.foreground();
        } else {
            let opening = self.dice.around(OPENING, 0.5);
            self.connect_in(opening);
        }
        self.after(stay, Event::Leaves(visit));
        // What is on the device is on the screen now.
        self.shown(self.phone.holds);
    }

    fn leaves(&mut self, visit: u32) {
        if self.phone.visit != visit || self.phone.life != AppLife::Foreground {
            return;
        }
        let traits = &self.life.traits;
        let swiped = traits.swiper && self.dice.percent(self.world.swipes);
        let life = match traits.platform {
            Platform::Ios if swiped => AppLife::ForceQuit,
            Platform::Android if swiped && traits.swipe_stops => AppLife::ForceQuit,
            Platform::Android if swiped => AppLife::NotRunning,
            Platform::Web | Platform::Other => AppLife::NotRunning,
            Platform::Android | Platform::Ios => AppLife::Suspended,
        };
        self.hang_up();
        let effects = self.phone.becomes(life, self.now);
        self.carry_out(effects);
        let effects = self.phone.screen(false, self.now);
        self.carry_out(effects);
    }

    fn connect_in(&mut self, pause: Duration) {
        self.phone.connection += 1;
        self.phone.link = Link::Opening;
        self.after(pause, Event::Connects(self.phone.connection));
    }

    fn connects(&mut self, connection: u32) {
        let runs = matches!(self.phone.life, AppLife::Background | AppLife::Foreground);
        let stale = self.phone.connection != connection || self.phone.link != Link::Opening;
        if stale || !runs || !self.phone.reachable {
            return;
        }
        self.phone.link = Link::Up;
        let background = self.phone.life == AppLife::Background;
        self.order(|server, now, orders| server.connected(connection, background, now, orders));
        if let Some(run) = &mut self.phone.run {
            run.ends = self.now.plus(LINGER).min(run.until);
            let (id, ends) = (run.id, run.ends);
            self.put(ends, Event::RunEnds(id));
        }
    }

    fn delivered(&mut self, session: u32, up_to: usize) {
        if self.phone.connection != session || self.phone.link != Link::Up {
            return;
        }
        self.holds(up_to);
        self.shown_by_app(up_to);
        self.after(self.world.one_way, Event::Acked(up_to));
    }

    /// The app stops running: most connections end with a word, some do not.
    fn hang_up(&mut self) {
        let session = self.phone.connection;
        let was_up = self.phone.link == Link::Up;
        self.phone.link = Link::Down;
        if !was_up {
            return;
        }
        if self.dice.percent(self.world.frozen) {
            self.after(self.world.noticed, Event::Noticed(session));
        } else {
            self.after(self.world.one_way, Event::Noticed(session));
        }
    }

    fn goes_away(&mut self) {
        self.phone.reachable = false;
        let session = self.phone.connection;
        if self.phone.link == Link::Up {
            let noticed = match self.life.traits.platform {
                // A browser that is closed says so.
                Platform::Web | Platform::Other => self.world.one_way,
                Platform::Android | Platform::Ios => self.world.noticed,
            };
            self.after(noticed, Event::Noticed(session));
        }
        self.phone.link = Link::Down;
        if self.life.traits.platform == Platform::Web && self.phone.life == AppLife::Foreground {
            let effects = self.phone.becomes(AppLife::NotRunning, self.now);
            self.carry_out(effects);
        }
    }

    fn comes_back(&mut self) {
        if self.phone.reachable {
            return;
        }
        self.phone.reachable = true;
        let now = self.now;
        for message in &mut self.messages {
            message.reachable = message.reachable.or(Some(now));
        }
        self.after(PUSHES_BACK, Event::PushesBack);
        if matches!(self.phone.life, AppLife::Background | AppLife::Foreground) {
            let opening = self.dice.around(OPENING, 0.5);
            self.connect_in(opening);
        }
    }

    // --- messages --------------------------------------------------------------------------------

    /// The messages before `up_to` are on the device, but for those that have expired.
    fn holds(&mut self, up_to: usize) {
        let now = self.now;
        for message in self.messages.iter_mut().take(up_to).skip(self.phone.holds) {
            if message.expires_at > now {
                message.held = Some(now);
            }
        }
        self.phone.holds = self.phone.holds.max(up_to);
    }

    /// The app shows what it has got, on its screen or by a notification.
    fn shown_by_app(&mut self, up_to: usize) {
        if self.phone.life == AppLife::Foreground {
            self.shown(up_to);
        } else if self.life.traits.alerts {
            if let Some(run) = &mut self.phone.run {
                run.visible = true;
            }
            self.shown(up_to);
        }
    }

    /// The user can see that the messages before `up_to` are there.
    fn shown(&mut self, up_to: usize) {
        // An Android phone whose user allows no notifications shows none, whoever asks.
        if !self.life.traits.alerts && self.phone.life != AppLife::Foreground {
            return;
        }
        let now = self.now;
        let mut first = None;
        for (index, message) in self.messages.iter_mut().enumerate().take(up_to) {
            if message.visible.is_none() && message.expires_at > now {
                message.visible = Some(now);
                first = first.or(Some(index));
            }
        }
        let (Some(first), false, false) =
            (first, self.phone.life == AppLife::Foreground, self.phone.reacting)
        else {
            return;
        };
        let night = (self.life.night.0..self.life.night.1).contains(&now);
        let mut dice = Dice::new(self.plan.seed, self.device, 1_000 + first as u64);
        if !night && dice.percent(self.world.reacts) {
            self.phone.reacting = true;
            let stay = dice.pause(self.world.stay) + Duration::from_secs(5);
            let reaction = dice.pause(self.world.reaction) + Duration::from_secs(2);
            self.after(reaction, Event::Reacts { stay });
        }
    }

    /// What the day came to.
    fn count(&mut self, end: Time) {
        let tally = &mut *self.tally;
        tally.devices += 1;
        tally.wakes += self.server.wakes;
        tally.over_budget += self.server.over_budget;
        tally.demoted += u64::from(self.phone.demoted);
        for message in &self.messages {
            match message.held {
                Some(_) => tally.held += 1,
                None if message.expires_at <= end => tally.expired += 1,
                None => tally.open += 1,
            }
            let Some(reachable) = message.reachable else { continue };
            if reachable.plus(TOO_LATE) > end {
                continue;
            }
            tally.messages += 1;
            let after = message.held.map(|held| held.since(reachable));
            let within = |limit| u64::from(after.is_some_and(|after| after <= limit));
            tally.within_10_s += within(Duration::from_secs(10));
            tally.within_60_s += within(Duration::from_secs(60));
            tally.within_10_min += within(TOO_LATE);
            tally.saw(message.visible.map(|visible| visible.since(reachable)));
        }
    }
}
