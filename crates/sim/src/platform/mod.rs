//! The rules by which phones and browsers treat a push, as pure machines: no socket, no task, and
//! the time is an argument.
//!
//! What it does: says what the system does with a push that has arrived, and what the push service
//! does with one that cannot arrive yet. What it does **not** do: it runs no app and speaks to no
//! server. Two users share it: the virtual phones ([`crate::phone`]), over real sockets, and the
//! fleet study, which has no sockets at all.
//!
//! ```text
//!   push service ──▶ Waiting ──(reach)──▶ System ──▶ [Effect]: run, show, hold, drop, demote, …
//!                                           ▲
//!                 user, screen, app, time ──┘ [Input]
//! ```
//!
//! | rule | in |
//! |---|---|
//! | what waits for a device that is away | [`Waiting`] |
//! | iOS: budget, coalescing, force quit, extension, VoIP | [`Ios`] |
//! | Android: demotion, force stop, high-priority caps | [`Android`] |
//! | Android: when a phone dozes and when it looks up | [`Doze`] |
//! | web: something has to be shown | [`Web`] |
//!
//! Each rule names its source; *unverified* means that no page of the vendor's confirms it, and
//! that its number can be set.
//!
//! Read first: [`System`], [`Input`], [`Effect`].

mod android;
mod doze;
mod ios;
mod waiting;
mod web;

use std::time::Duration;

use jiff::Timestamp;

pub use self::android::{Android, AndroidRules};
pub use self::doze::{Doze, DozeRules};
pub use self::ios::{Ios, IosRules};
pub use self::waiting::{Released, Waiting};
pub use self::web::Web;
use crate::device::{Priority, Reach};
use crate::phone::Life;

/// The system of one phone or browser, as far as one app is concerned. `P` is whatever the caller
/// keeps of a push.
#[derive(Clone, Debug)]
pub enum System<P> {
    /// An Android phone.
    Android(Box<Android>),
    /// An iPhone.
    Ios(Ios<P>),
    /// A browser.
    Web(Web),
}

/// What kind of push arrived, as far as the rules look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// APNs `alert`.
    Alert {
        /// Whether there is a text to show.
        text: bool,
        /// `mutable-content: 1`.
        mutable: bool,
    },
    /// APNs `background`.
    Background,
    /// An FCM data message.
    Data,
    /// FCM's word that it has dropped what it had stored.
    DeletedMessages,
    /// An FCM message with a notification.
    Notification,
    /// APNs `voip`.
    Voip,
    /// A Web Push message.
    Web,
}

/// Something that happens to the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<P> {
    /// The app's process is in this state from now on, by its user's hand or the system's.
    App(Life),
    /// The phone is on a charger, or off it.
    Charging(bool),
    /// The phone is put into Doze at once, as a developer can by command.
    ForceDoze,
    /// The handler that ran for a push is done.
    HandlerEnded {
        /// What its push was sent with.
        sent: Priority,
        /// Whether the user saw anything of it.
        visible: bool,
    },
    /// A push arrived.
    Push(Kind, Priority, P),
    /// The phone has been started anew.
    Restarted,
    /// The screen is on, or off.
    Screen(bool),
    /// Nothing but time has passed; due by [`System::next`].
    TimePassed,
    /// The app's VoIP handler has returned.
    VoipHandled {
        /// Whether it has reported a call.
        reported: bool,
    },
}

/// What the system does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect<P> {
    /// High-priority pushes to this app count as normal ones from now on.
    Demote,
    /// Nothing comes of this push, ever.
    Drop(P, &'static str),
    /// The push waits in the system; the newest only.
    Hold(&'static str),
    /// The app is killed.
    KillApp(&'static str),
    /// The push service reaches the phone so from now on.
    Reach(Reach),
    /// High-priority pushes count as such again.
    Restore,
    /// The app may show no notifications any more, and its subscription is over.
    RevokePermission,
    /// The app runs for this push, no longer than until then.
    RunApp(P, Timestamp),
    /// The notification extension runs for this push; if it has shown nothing by then, what the
    /// push says is shown.
    RunExtension(P, Timestamp),
    /// The service worker runs for this push, no longer than until then.
    RunWorker(P, Timestamp),
    /// What the push says is shown.
    Show(P),
    /// The browser shows a text of its own.
    ShowGeneric,
    /// The app gets no VoIP pushes any more.
    StopVoip,
}

impl<P> System<P> {
    /// Takes one input at a time; what follows is in the order in which it happens.
    pub fn handle(&mut self, input: Input<P>, now: Timestamp) -> Vec<Effect<P>> {
        match self {
            Self::Android(android) => android.handle(input, now),
            Self::Ios(ios) => ios.handle(input, now),
            Self::Web(web) => web.handle(input, now),
        }
    }

    /// When [`Input::TimePassed`] is due, if nothing happens before.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Android(android) => android.next(now),
            Self::Ios(ios) => ios.next(now),
            Self::Web(_) => None,
        }
    }
}

/// `now` and a while.
fn after(now: Timestamp, while_: Duration) -> Timestamp {
    now.checked_add(while_).unwrap_or(Timestamp::MAX)
}

/// The day of an instant, counted in UTC.
fn day(now: Timestamp) -> i64 {
    now.as_second().div_euclid(24 * 60 * 60)
}

/// A moment of the tests, so many seconds after their beginning.
#[cfg(test)]
fn at(seconds: i64) -> Timestamp {
    // A midnight, so that a day of the tests begins at 0.
    Timestamp::from_second(20_000 * 24 * 60 * 60 + seconds).unwrap()
}
