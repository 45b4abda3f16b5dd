//! What can be seen of a phone, as a closed set.

use std::fmt;
use std::time::Instant;

use wire::push::Kind;
use wire::{CallEndReason, PushTargetState, ReceiptState, TargetKindName};

use super::network::Network;
use crate::device::{Priority, PushType, Reach};

/// An event with the two times at which it happened.
#[derive(Clone, Debug)]
pub struct Logged {
    /// By the wall clock, to be compared with times in frames and pushes of the same machine.
    pub at: jiff::Timestamp,
    /// By the monotonic clock, to measure with.
    pub instant: Instant,
    /// What happened.
    pub event: PhoneEvent,
}

/// What the app's process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// No process; a push may start one. In a browser: the page is closed.
    NotRunning,
    /// On the screen.
    Foreground,
    /// Running off the screen: woken by a push, or about to be suspended.
    Background,
    /// In memory but not running; its connection is closed.
    Suspended,
    /// Not running, and its connection is dead but open: nothing is read or answered any more.
    Frozen,
    /// The user swiped it away (iOS), stopped it by force (Android) or closed the browser (web).
    ForceQuit,
}

/// By which way something reached the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// The app's WebSocket.
    Socket,
    /// The notification extension's HTTP request.
    Extension,
    /// The push itself.
    Push,
    /// The service worker's HTTP request.
    Worker,
}

/// Something observable that happened on a phone.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are named after the frames' and pushes' fields")]
pub enum PhoneEvent {
    /// The app's process changed its state.
    LifeChanged { to: Life },
    /// A session stands. `secret_only`: the device secret proved it alone.
    Connected {
        session: String,
        cursor: i64,
        head: i64,
        secret_only: bool,
        woken_by: Option<String>,
    },
    /// A session ended; `code` is the WebSocket close code if there was one.
    Disconnected { code: Option<u16> },
    /// The server refused a connect, by an `error` frame or an HTTP status.
    Refused { code: String, reconnect: bool },
    /// The server could not be reached.
    Unreachable { why: String },
    /// The server reported a fault in a living session.
    ServerError { code: String, message: String },
    /// A message was taken into the phone's storage. `body` is its `text` if it has one, else the
    /// JSON as it came.
    MessageReceived {
        id: String,
        from: Option<String>,
        body: String,
        offset: i64,
        via: Via,
        own_copy: bool,
        missed_call: Option<String>,
    },
    /// A message came that the phone holds already.
    DuplicateDropped { id: String, epoch: String, offset: i64, via: Via },
    /// The server said that entries up to here are gone.
    GapSeen { up_to: i64 },
    /// What became of a message that this user sent.
    ReceiptReceived { id: String, user: String, state: ReceiptState },
    /// The user read a thread on another device.
    ReadSynced { thread: Option<String>, up_to: Option<i64>, messages: Vec<String> },
    /// The server answered a push token.
    TargetAnswered { kind: TargetKindName, state: PushTargetState, code: Option<u16> },
    /// A push reached the phone. `kind` is `None` if it is not one of Reveille's.
    PushArrived {
        kind: Option<Kind>,
        push_type: PushType,
        priority: Priority,
        wake: Option<String>,
        push: Option<String>,
        collapse_id: Option<String>,
        sent_at: Option<jiff::Timestamp>,
    },
    /// The system did not hand a push to the app, and never will.
    PushIgnored { why: &'static str },
    /// The system keeps a background push for later, in the place of the one before.
    PushHeld { why: &'static str },
    /// The system killed the app.
    AppKilled { why: &'static str },
    /// The system stopped VoIP pushes to the app.
    VoipStopped,
    /// FCM takes high-priority pushes to this app for normal ones, or no longer does.
    DemotionChanged { demoted: bool },
    /// Doze began, or ended.
    ReachChanged { to: Reach },
    /// The phone's network changed.
    NetworkChanged { to: Network },
    /// The browser took the permission to show notifications away; the subscription is over.
    PermissionRevoked,
    /// A notification was shown.
    NotificationShown { title: String, body: String, via: Via },
    /// The notification extension ran and took this many messages; `trouble` if it could not.
    ExtensionRan { drained: usize, trouble: Option<String> },
    /// The service worker ran and took this many messages; `trouble` if it could not.
    WorkerRan { drained: usize, trouble: Option<String> },
    /// The service worker had nothing to show for a push: a breach of `userVisibleOnly`, for which
    /// Safari takes the permission away and Chrome shows a text of its own.
    SilentPush { kind: Option<Kind>, wake: Option<String> },
    /// The browser has replaced its subscription (`pushsubscriptionchange`).
    SubscriptionChanged,
    /// The call screen is shown, ringing; in a browser it is a notification.
    CallScreen { call: String, caller_name: String, via: Via },
    /// The caller learns that a device of `by` rings.
    CallRinging { call: String, by: Option<String> },
    /// The call was taken by this user.
    CallAnswered { call: String, by: String },
    /// The call is over for this phone. A push does not say why.
    CallEnded { call: String, reason: Option<CallEndReason>, via: Via },
    /// The other side's app sent a signal, raw JSON.
    CallSignal { call: String, body: String },
    /// Everything up to `offset` was acknowledged. Over HTTP the server has confirmed it; over the
    /// WebSocket the frame was written, and no more is known.
    Acked { offset: i64, confirmed: bool },
    /// A message was put into the outbox.
    Sent { client_id: String, to: Vec<String> },
    /// The server has stored a message of ours; `failed` are recipients that could not take it.
    SendAccepted { client_id: String, id: String, failed: Vec<String> },
    /// The server refused a message of ours.
    SendRejected { client_id: String, code: String },
    /// Somebody types.
    Typing { from: Option<String>, thread: String },
}

impl fmt::Display for PhoneEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The derived form is complete and reads well enough for a trace and for a time-out's text.
        write!(f, "{self:?}")
    }
}
