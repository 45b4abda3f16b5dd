//! What a torture run does, decided before it begins: the same seed, length and number of phones
//! give the same cast and the same steps. What comes of a step depends on the machine's timing.

mod cast;
mod planner;
#[cfg(test)]
mod tests;

use std::time::Duration;

use sim::phone::Network;
use wire::RejectReason;

pub(crate) use self::cast::{Membership, Role};
use crate::evidence::{Audience, Order, Service};

/// Everything that will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) cast: Vec<Role>,
    /// Who takes nothing from whom, by user.
    pub(crate) blocks: Vec<(String, String)>,
    /// In order of time.
    pub(crate) steps: Vec<Step>,
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
    /// A user reads the newest messages on a phone.
    Read(usize),
    /// A user mutes everything, or takes it back.
    Mute {
        user: String,
        on: bool,
    },
    /// A user calls another.
    Call {
        from: usize,
        to: String,
        end: CallEnding,
    },
    /// The back end pushes beside the inbox.
    Push(Direct),
    /// A device goes into the topic, or leaves it.
    Subscribe {
        phone: usize,
        on: bool,
    },
    Open(usize),
    Background(usize),
    Suspend(usize),
    Freeze(usize),
    KillApp(usize),
    /// iPhones only: an Android app stopped by force gets no push until it is opened, and neither
    /// does a browser that was closed.
    ForceQuit(usize),
    /// Android only: the phone dozes until somebody looks at it.
    Doze(usize),
    ScreenOn(usize),
    /// The system runs the app for no background push, or does again (iOS, low power).
    LowPower {
        phone: usize,
        on: bool,
    },
    Network(usize, Network),
    /// The push services forget the phone's tokens, as after a reinstall.
    TokensDie(usize),
    /// SIGKILL, then `down` without a server, then a new start.
    KillServer {
        down: Duration,
        aim: Option<Aim>,
    },
    /// `reveille backup`.
    Backup,
    /// SIGKILL, `reveille restore` of the newest backup, then a new start.
    Restore,
    Trouble(Service, Trouble),
}

/// A kill that is to fall into a commit: a burst goes out, and the kill follows so long after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    /// Phones that send, each to one user.
    pub(crate) from: Vec<(usize, String)>,
    /// How many messages each sends at once.
    pub(crate) count: usize,
    pub(crate) after: Duration,
}

/// How a call comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallEnding {
    /// Its caller gives up, if it still rings then.
    Cancel(Duration),
    /// The callee's first phone does not want it.
    Reject(Duration, RejectReason),
    /// Whoever talks hangs up; it rings to its end if nobody takes it.
    HangUp(Duration),
    /// The caller's app goes, and does not come back in time.
    LoseCaller(Duration),
}

/// A direct push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Direct {
    pub(crate) to: Audience,
    /// With [`Audience::Users`].
    pub(crate) users: Vec<String>,
    /// Pushes a second, of a broadcast.
    pub(crate) rate: Option<u32>,
    /// For the app alone.
    pub(crate) background: bool,
    /// It goes out so much later.
    pub(crate) later: Option<Duration>,
    /// What is asked of it afterwards, and when after it was taken in.
    pub(crate) orders: Vec<(Duration, Order)>,
}

/// What goes wrong at a push service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// So many answers are 503.
    Unavailable(usize),
    /// So many are 429 with `Retry-After`.
    TooMany(usize),
    /// So many are a front end's 502, in HTML.
    BadGateway(usize),
    /// Every answer is 500 for so many milliseconds.
    Storm(u32),
    /// Nothing can be reached for so many milliseconds: connections are closed before TLS.
    Outage(u32),
    /// So many handshakes end in a TLS alert.
    Alert(usize),
    /// After so many requests the connection goes away.
    GoAway(usize),
    /// The same, and says why.
    GoAwayWithReason(usize),
    /// So many streams are refused.
    RefuseStreams(usize),
    /// So many streams at once are allowed, for so many milliseconds.
    LimitStreams(u32, u32),
    /// So many connections are dropped in the middle of a request.
    Close(usize),
    /// So many connections are closed halfway.
    HalfClose(usize),
    /// So many pushes are delivered and then never answered.
    CloseAfterProcessing(usize),
    /// Nothing is answered for so many milliseconds.
    Stall(u32),
    /// Nothing is read or written on any connection for so many milliseconds.
    Freeze(u32),
}

impl Trouble {
    /// For how long it lasts, if it ends by a call.
    pub(crate) fn lasts(self) -> Option<Duration> {
        match self {
            Self::Storm(millis)
            | Self::Outage(millis)
            | Self::LimitStreams(_, millis)
            | Self::Stall(millis)
            | Self::Freeze(millis) => Some(Duration::from_millis(millis.into())),
            Self::Unavailable(_)
            | Self::TooMany(_)
            | Self::BadGateway(_)
            | Self::Alert(_)
            | Self::GoAway(_)
            | Self::GoAwayWithReason(_)
            | Self::RefuseStreams(_)
            | Self::Close(_)
            | Self::HalfClose(_)
            | Self::CloseAfterProcessing(_) => None,
        }
    }

    /// Whether it can hide an answer: the push was taken, and the server does not learn it.
    pub(crate) fn hides_answers(self) -> bool {
        match self {
            Self::Outage(_)
            | Self::GoAway(_)
            | Self::GoAwayWithReason(_)
            | Self::Close(_)
            | Self::HalfClose(_)
            | Self::CloseAfterProcessing(_)
            | Self::Stall(_)
            | Self::Freeze(_) => true,
            Self::Unavailable(_)
            | Self::TooMany(_)
            | Self::BadGateway(_)
            | Self::Storm(_)
            | Self::Alert(_)
            | Self::RefuseStreams(_)
            | Self::LimitStreams(..) => false,
        }
    }
}

impl Plan {
    /// How often the server is killed; a restore kills it too.
    pub(crate) fn kills(&self) -> usize {
        self.count(|action| matches!(action, Action::KillServer { .. } | Action::Restore))
    }

    /// How often it is put back.
    pub(crate) fn restores(&self) -> usize {
        self.count(|action| matches!(action, Action::Restore))
    }

    fn count(&self, wanted: fn(&Action) -> bool) -> usize {
        self.steps.iter().filter(|step| wanted(&step.action)).count()
    }
}
