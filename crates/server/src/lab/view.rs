//! What can be seen of one phone: a fold over what it noted, and what its user has set.

use std::collections::VecDeque;

use sim::device::Reach;
use sim::phone::{Life, Logged, Network, PhoneEvent, Platform};
use wire::{CallEndReason, ReceiptState};

/// Notifications that a phone keeps, newest first.
const NOTES: usize = 20;
/// Lines of a conversation that it keeps.
const LINES: usize = 30;
/// Events that are kept of the last message; a phone that goes mad is cut short.
const RECENT: usize = 2_000;

/// One phone as somebody sees it.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// What the app does.
    pub(super) life: Life,
    pub(super) network: Network,
    /// Whether it dozes.
    pub(super) reach: Reach,
    /// Whether it has a session.
    pub(super) connected: bool,
    /// Whether a push runs it, and not its user.
    pub(super) woken: bool,
    /// The screen is off, or shows the lock screen.
    pub(super) locked: bool,
    pub(super) low_battery: bool,
    pub(super) token_expired: bool,
    /// Newest first.
    pub(super) notes: VecDeque<Note>,
    /// Newest last.
    pub(super) lines: VecDeque<Line>,
    /// Messages since the app was on the screen.
    pub(super) unread: usize,
    pub(super) call: Option<Call>,
    /// The last thing that is worth a word.
    pub(super) word: String,
    /// What it noted since the last message was sent, oldest first.
    pub(super) recent: Vec<Logged>,
    /// Numbers notes and lines, so that a page knows them again.
    serial: u64,
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) serial: u64,
    pub(super) title: String,
    pub(super) body: String,
}

/// A line of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) serial: u64,
    /// Whose it is: the phone's user or, by name, somebody else.
    pub(super) from: Option<String>,
    pub(super) text: String,
    /// What names it: its own id, until it is accepted the phone's.
    id: String,
    pub(super) mark: Mark,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The server has it.
    Accepted,
    /// The other side has it.
    Delivered,
    /// The server did not take it.
    Failed,
    /// It is the other side's.
    None,
    /// The other side has read it.
    Read,
    /// It waits on the phone.
    Waiting,
}

/// A call on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) phase: Phase,
    /// The other side.
    pub(super) name: String,
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its caller waits for the first device to ring.
    Calling,
    /// It rings at the other side.
    RingsThere,
    /// It rings here.
    Rings,
    /// They talk.
    Talks,
}

/// How a phone is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Asleep,
    Background,
    Closed,
    Connecting,
    ForceQuit,
    Frozen,
    Live,
    Offline,
    Woken,
}

/// What is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    App,
    Call,
    Home,
    Lock,
}

impl View {
    /// A phone on which nothing has happened yet.
    pub(super) fn new() -> Self {
        Self {
            life: Life::NotRunning,
            network: Network::On,
            reach: Reach::Online,
            connected: false,
            woken: false,
            locked: false,
            low_battery: false,
            token_expired: false,
            notes: VecDeque::new(),
            lines: VecDeque::new(),
            unread: 0,
            call: None,
            word: String::new(),
            recent: Vec::new(),
            serial: 0,
        }
    }

    /// How it is.
    pub(super) fn condition(&self, platform: Platform) -> Condition {
        if self.network == Network::Off {
            return Condition::Offline;
        }
        match self.life {
            Life::Foreground if self.connected => Condition::Live,
            Life::Background if self.woken => Condition::Woken,
            Life::Background if self.connected => Condition::Background,
            Life::Foreground | Life::Background => Condition::Connecting,
            Life::NotRunning if platform == Platform::Web => Condition::Closed,
            Life::NotRunning | Life::Suspended => Condition::Asleep,
            Life::Frozen => Condition::Frozen,
            Life::ForceQuit => Condition::ForceQuit,
        }
    }

    /// What its screen shows.
    pub(super) fn screen(&self) -> Screen {
        match (&self.call, self.locked, self.life) {
            (Some(_), _, _) => Screen::Call,
            (None, true, _) => Screen::Lock,
            (None, false, Life::Foreground) => Screen::App,
            (None, false, _) => Screen::Home,
        }
    }

    /// Its user writes a message.
    pub(super) fn writes(&mut self, client_id: String, text: String) {
        self.line(None, text, client_id, Mark::Waiting);
    }

    /// Its user calls somebody.
    pub(super) fn calls(&mut self, id: String, name: String) {
        self.call = Some(Call { id, phase: Phase::Calling, name });
    }

    /// A message is sent somewhere: what happens from now on is about it.
    pub(super) fn forget_recent(&mut self) {
        self.recent.clear();
    }

    /// Takes one event.
    pub(super) fn saw(&mut self, logged: &Logged) {
        if self.recent.len() < RECENT {
            self.recent.push(logged.clone());
        }
        match &logged.event {
            PhoneEvent::LifeChanged { to } => self.lives(*to),
            PhoneEvent::Connected { secret_only, .. } => {
                self.connected = true;
                if *secret_only {
                    self.say("connected with its device secret alone");
                }
            }
            PhoneEvent::Disconnected { .. } => self.connected = false,
            PhoneEvent::NetworkChanged { to } => self.network = *to,
            PhoneEvent::ReachChanged { to } => self.reach = *to,
            PhoneEvent::Refused { code, .. } => self.say(format!("the server refused it: {code}")),
            PhoneEvent::PushArrived { kind, priority, .. } => {
                let kind = kind.map_or("not one of ours", |kind| kind.as_str());
                self.say(format!("a push arrived: {kind}, {priority:?} priority").to_lowercase());
            }
            PhoneEvent::PushIgnored { why }
            | PhoneEvent::PushHeld { why }
            | PhoneEvent::AppKilled { why } => self.say(*why),
            PhoneEvent::NotificationShown { title, body, .. } => self.notes(title, body),
            PhoneEvent::MessageReceived { .. } => self.received(&logged.event),
            PhoneEvent::SendAccepted { client_id, id, .. } => {
                if let Some(line) = self.line_of(client_id) {
                    line.id.clone_from(id);
                    line.mark = Mark::Accepted;
                }
            }
            PhoneEvent::SendRejected { client_id, code } => {
                if let Some(line) = self.line_of(client_id) {
                    line.mark = Mark::Failed;
                }
                self.say(format!("the server did not take it: {code}"));
            }
            PhoneEvent::ReceiptReceived { id, state, .. } => {
                if let Some(line) = self.line_of(id) {
                    match state {
                        ReceiptState::Delivered if line.mark != Mark::Read => {
                            line.mark = Mark::Delivered;
                        }
                        ReceiptState::Read => line.mark = Mark::Read,
                        ReceiptState::Delivered | ReceiptState::Expired => {}
                    }
                }
            }
            event => self.of_a_call(event),
        }
    }

    fn of_a_call(&mut self, event: &PhoneEvent) {
        match event {
            PhoneEvent::CallScreen { call, caller_name, .. } => {
                let (id, name) = (call.clone(), caller_name.clone());
                self.call = Some(Call { id, phase: Phase::Rings, name });
            }
            PhoneEvent::CallRinging { call, .. } => self.phase(call, Phase::RingsThere),
            PhoneEvent::CallAnswered { call, .. } => self.phase(call, Phase::Talks),
            PhoneEvent::CallEnded { call, reason, .. } => self.hung_up(call, *reason),
            _ => {}
        }
    }

    fn hung_up(&mut self, call: &str, reason: Option<CallEndReason>) {
        let own = self.call.take_if(|own| own.id == call);
        if own.is_some() {
            self.say(reason.map_or("the call is over", over));
        }
    }

    fn lives(&mut self, to: Life) {
        self.woken = to == Life::Background && self.life != Life::Foreground;
        self.life = to;
        match to {
            Life::Foreground => {
                self.notes.clear();
                self.unread = 0;
            }
            // What ends takes its screens along.
            Life::ForceQuit | Life::NotRunning => self.call = None,
            Life::Background | Life::Frozen | Life::Suspended => {}
        }
        self.say(match to {
            Life::Foreground => "the app is open",
            Life::Background if self.woken => "a push runs the app",
            Life::Background => "the app left the screen",
            Life::Suspended => "the system has suspended the app",
            Life::Frozen => "it answers nothing any more",
            Life::ForceQuit => "its user has ended it",
            Life::NotRunning => "nothing of it runs",
        });
    }

    fn received(&mut self, event: &PhoneEvent) {
        let PhoneEvent::MessageReceived { id, from, body, own_copy, .. } = event else { return };
        if *own_copy {
            return self.copied(id, body);
        }
        if self.life != Life::Foreground {
            self.unread += 1;
        }
        let from = called(from.as_deref().unwrap_or("app"));
        self.line(Some(from), body.clone(), id.clone(), Mark::None);
    }

    /// The user's own message, as every device of theirs gets it: it may stand here already, under
    /// its own id or, before its sender was answered, under none.
    fn copied(&mut self, id: &str, body: &str) {
        let waits = |line: &&mut Line| line.mark == Mark::Waiting && line.text == body;
        if self.line_of(id).is_some() {
            return;
        }
        match self.lines.iter_mut().find(waits) {
            Some(line) => {
                line.id = id.to_owned();
                line.mark = Mark::Accepted;
            }
            None => self.line(None, body.to_owned(), id.to_owned(), Mark::Accepted),
        }
    }

    fn notes(&mut self, title: &str, body: &str) {
        let serial = self.next();
        self.notes.push_front(Note { serial, title: called(title), body: body.to_owned() });
        self.notes.truncate(NOTES);
    }

    fn line(&mut self, from: Option<String>, text: String, id: String, mark: Mark) {
        let serial = self.next();
        self.lines.push_back(Line { serial, from, text, id, mark });
        if self.lines.len() > LINES {
            self.lines.pop_front();
        }
    }

    fn line_of(&mut self, id: &str) -> Option<&mut Line> {
        self.lines.iter_mut().rev().find(|line| line.id == id && line.mark != Mark::None)
    }

    fn phase(&mut self, call: &str, phase: Phase) {
        if let Some(own) = self.call.as_mut().filter(|own| own.id == call) {
            own.phase = phase;
        }
    }

    fn say(&mut self, word: impl Into<String>) {
        self.word = word.into();
    }

    fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

impl Condition {
    /// The word of it, for programs and for the style.
    pub(super) const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// What it is called.
    pub(super) const fn name(self) -> &'static str {
        self.row().1
    }

    /// What that means.
    pub(super) const fn meaning(self) -> &'static str {
        self.row().2
    }

    const fn row(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Asleep => ("asleep", "Asleep", "no connection"),
            Self::Background => ("background", "Background", "still connected"),
            Self::Closed => ("closed", "Page closed", "no connection"),
            Self::Connecting => ("connecting", "Connecting", "not connected yet"),
            Self::ForceQuit => ("force_quit", "Force-quit", "no connection"),
            Self::Frozen => ("frozen", "Frozen", "connection open, but dead"),
            Self::Live => ("live", "Live", "connected"),
            Self::Offline => ("offline", "Offline", "airplane mode"),
            Self::Woken => ("woken", "Woken", "by a push"),
        }
    }
}

/// A user's or an app's name as people write it.
pub(super) fn called(user: &str) -> String {
    let mut letters = user.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

const fn over(reason: CallEndReason) -> &'static str {
    match reason {
        CallEndReason::AnsweredElsewhere => "the call was answered elsewhere",
        CallEndReason::Busy => "the other side is in another call",
        CallEndReason::Cancelled => "the caller gave up",
        CallEndReason::Declined => "the call was declined",
        CallEndReason::HungUp => "the call is over",
        CallEndReason::Lost => "the call's connection was lost",
        CallEndReason::Unanswered => "nobody answered the call",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use sim::phone::Via;

    use super::*;

    fn logged(event: PhoneEvent) -> Logged {
        Logged { at: jiff::Timestamp::UNIX_EPOCH, instant: Instant::now(), event }
    }

    fn seen(events: Vec<PhoneEvent>) -> View {
        let mut view = View::new();
        for event in events {
            view.saw(&logged(event));
        }
        view
    }

    fn lives(to: Life) -> PhoneEvent {
        PhoneEvent::LifeChanged { to }
    }

    fn connected() -> PhoneEvent {
        let (session, cursor, head) = ("s".to_owned(), 0, 0);
        PhoneEvent::Connected { session, cursor, head, secret_only: false, woken_by: None }
    }

    fn message(id: &str, own_copy: bool) -> PhoneEvent {
        PhoneEvent::MessageReceived {
            id: id.to_owned(),
            from: Some("alice".to_owned()),
            body: "hello".to_owned(),
            offset: 1,
            via: Via::Socket,
            own_copy,
            missed_call: None,
        }
    }

    #[test]
    fn how_it_is_in_one_word() {
        let off = PhoneEvent::NetworkChanged { to: Network::Off };
        let check = |events: Vec<PhoneEvent>, platform, expected| {
            let view = seen(events.clone());
            assert_eq!(view.condition(platform), expected, "{events:?}");
        };
        let (android, web) = (Platform::Android, Platform::Web);
        check(vec![], android, Condition::Asleep);
        check(vec![], web, Condition::Closed);
        check(vec![lives(Life::Foreground)], android, Condition::Connecting);
        let live = vec![lives(Life::Foreground), connected()];
        check(live.clone(), android, Condition::Live);
        check([live.clone(), vec![off]].concat(), android, Condition::Offline);
        for (life, expected) in [
            (Life::Background, Condition::Background),
            (Life::Suspended, Condition::Asleep),
            (Life::Frozen, Condition::Frozen),
            (Life::ForceQuit, Condition::ForceQuit),
        ] {
            check([live.clone(), vec![lives(life)]].concat(), android, expected);
        }
        // Who comes from elsewhere than the screen was woken.
        let woken = vec![lives(Life::Suspended), lives(Life::Background)];
        check(woken.clone(), android, Condition::Woken);
        check([woken, vec![connected()]].concat(), android, Condition::Woken);
    }

    #[test]
    fn notifications_stand_until_the_app_is_looked_at() {
        let note = |body: &str| PhoneEvent::NotificationShown {
            title: "alice".to_owned(),
            body: body.to_owned(),
            via: Via::Socket,
        };
        let mut view = seen((0..NOTES + 5).map(|number| note(&number.to_string())).collect());
        view.saw(&logged(message("msg_1", false)));
        assert_eq!((view.notes.len(), view.unread), (NOTES, 1));
        assert_eq!((view.notes[0].title.as_str(), view.notes[0].body.as_str()), ("Alice", "24"));
        view.saw(&logged(lives(Life::Foreground)));
        assert_eq!((view.notes.len(), view.unread), (0, 0));
    }

    #[test]
    fn a_line_of_ones_own_stands_once_however_it_comes_back() {
        let accepted = PhoneEvent::SendAccepted {
            client_id: "c".to_owned(),
            id: "msg_1".to_owned(),
            failed: Vec::new(),
        };
        let receipt = |state| PhoneEvent::ReceiptReceived {
            id: "msg_1".to_owned(),
            user: "bob".to_owned(),
            state,
        };
        let copy = message("msg_1", true);
        for order in [vec![accepted.clone(), copy.clone()], vec![copy, accepted]] {
            let mut view = View::new();
            view.writes("c".to_owned(), "hello".to_owned());
            assert_eq!(view.lines[0].mark, Mark::Waiting);
            for event in order {
                view.saw(&logged(event));
            }
            assert_eq!((view.lines.len(), view.lines[0].mark), (1, Mark::Accepted));
            view.saw(&logged(receipt(ReceiptState::Read)));
            // A receipt that comes late takes nothing back.
            view.saw(&logged(receipt(ReceiptState::Delivered)));
            assert_eq!(view.lines[0].mark, Mark::Read);
        }
    }

    #[test]
    fn a_call_is_on_the_screen_until_it_is_over() {
        let screen = PhoneEvent::CallScreen {
            call: "c".to_owned(),
            caller_name: "Alice".to_owned(),
            via: Via::Push,
        };
        let ended = |call: &str| PhoneEvent::CallEnded {
            call: call.to_owned(),
            reason: Some(CallEndReason::Cancelled),
            via: Via::Push,
        };
        let mut view = seen(vec![screen, ended("another")]);
        view.locked = true;
        assert_eq!(view.screen(), Screen::Call);
        view.saw(&logged(ended("c")));
        assert_eq!((view.screen(), view.word.as_str()), (Screen::Lock, "the caller gave up"));
    }
}
