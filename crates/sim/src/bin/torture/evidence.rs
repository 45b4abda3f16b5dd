//! What a run leaves behind: the phones' and senders' own records, what the push services saw, what
//! the server confirmed, and what was done to it. Plain data, so that the checker can be tested
//! without a run.

use std::collections::HashSet;

use jiff::Timestamp;
use sim::phone::Held;
use wire::http::Event;
use wire::{CallEndReason, TargetKindName};

/// The whole of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) phones: Vec<PhoneRecord>,
    /// In the order in which each sender began them.
    pub(crate) sends: Vec<SendRecord>,
    /// By the time at which the server made them.
    pub(crate) pushes: Vec<PushRecord>,
    pub(crate) confirmations: Vec<Confirmation>,
    pub(crate) targets: Vec<TargetRecord>,
    pub(crate) calls: Vec<CallRecord>,
    pub(crate) direct: Vec<DirectRecord>,
    /// Who is in the topic all the time, by name.
    pub(crate) subscribed: Vec<String>,
    /// Who was never in it.
    pub(crate) strangers: Vec<String>,
    /// Phones whose tokens died during the run.
    pub(crate) reinstalled: Vec<String>,
    /// Messages that a user has read, by user and message id: they wake no other device any more.
    pub(crate) read: HashSet<(String, String)>,
    /// Users who took back that they muted everything, and when.
    pub(crate) unmuted: Vec<(String, Timestamp)>,
    /// Who takes nothing from whom, by user.
    pub(crate) blocks: Vec<(String, String)>,
    /// In order of time.
    pub(crate) kills: Vec<Kill>,
    /// In order of time.
    pub(crate) restores: Vec<Restore>,
    /// When answers of push services may have been lost on the way, and of which one.
    pub(crate) mute_services: Vec<(Service, Timestamp, Timestamp)>,
    /// What the database of a killed server said, and should not.
    pub(crate) faults: Vec<String>,
    pub(crate) events: Events,
}

/// The app's events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    /// As the API lists them in the end, by number.
    pub(crate) listed: Vec<Event>,
    /// What the back end took, each time, in order.
    pub(crate) told: Vec<Told>,
    /// Ids of those that the server says it tries no more.
    pub(crate) parked: HashSet<String>,
    /// How many requests the back end refused, or did not answer.
    pub(crate) refused: usize,
}

/// A request that the back end took.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// When it was answered.
    pub(crate) at: Timestamp,
    /// `webhook-id`.
    pub(crate) id: String,
    /// The body; `None` if it is no event.
    pub(crate) event: Option<Event>,
    /// Whether the webhook's secret signed it.
    pub(crate) signed: bool,
}

impl Events {
    /// How many times one came that had come before.
    pub(crate) fn again(&self) -> usize {
        let ids: HashSet<&str> = self.told.iter().map(|told| told.id.as_str()).collect();
        self.told.len() - ids.len()
    }

    /// Those that the back end never took, and that are not parked either.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &Event> {
        let told: HashSet<&str> = self.told.iter().map(|told| told.id.as_str()).collect();
        self.listed
            .iter()
            .filter(move |event| !told.contains(&*event.id) && !self.parked.contains(&event.id))
    }
}

/// A push service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    Apple,
    Google,
    Browsers,
}

/// The server's process was ended by force.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    pub(crate) at: Timestamp,
}

/// The database was put back to what it had been.
#[derive(Clone, Debug)]
pub(crate) struct Restore {
    /// Between these the snapshot was taken: what was durable before the first is in it, what came
    /// after the second is not.
    pub(crate) taken: (Timestamp, Timestamp),
    /// The server with the old history had ended.
    pub(crate) stopped: Timestamp,
}

impl Restore {
    /// Whether what stands behind a push may have been undone. Its own time is that of the
    /// transaction, which is durable some time after that, and before the push is seen.
    pub(crate) fn undid(&self, push: &PushRecord) -> bool {
        self.taken.0 <= push.seen_at && push.made_at <= self.stopped
    }
}

/// A direct push that was taken in, as the server shows it in the end.
#[derive(Clone, Debug)]
pub(crate) struct DirectRecord {
    /// `None` if the server does not know it any more.
    pub(crate) push: Option<wire::http::Push>,
    pub(crate) id: String,
    pub(crate) to: Audience,
    /// It is not over, and all that is left of it waits out the pause that a push service asked
    /// for, or that doubles with each refusal.
    pub(crate) pauses: bool,
    /// Everything that was asked for, with the time of the answer: taking it in, cancelling it, …
    pub(crate) orders: Vec<(Order, Timestamp)>,
}

/// To whom a direct push goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    All,
    Topic,
    Users,
}

/// What a back end asks of a direct push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Create,
    Pause,
    Resume,
    Cancel,
}

impl PhoneRecord {
    /// Whether it has a session in the end.
    pub(crate) fn is_connected(&self) -> bool {
        self.sessions.last().is_some_and(|(_, until)| *until == Timestamp::MAX)
    }
}

/// What one phone holds and saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct PhoneRecord {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) browser: bool,
    /// In the order in which it was taken.
    pub(crate) held: Vec<Held>,
    /// What was dropped as held already.
    pub(crate) dropped: Vec<Dropped>,
    /// From when to when it had a session, was running and had a network, by the wall clock.
    pub(crate) sessions: Vec<(Timestamp, Timestamp)>,
    /// When its app's process was ended, with all that it knew of calls.
    pub(crate) deaths: Vec<Timestamp>,
    /// What it saw of calls, in order.
    pub(crate) calls: Vec<CallSeen>,
    /// The calls that messages in its inbox say were missed, in order.
    pub(crate) missed: Vec<String>,
}

/// A message that came again.
#[derive(Clone, Debug)]
pub(crate) struct Dropped {
    pub(crate) id: String,
    pub(crate) epoch: String,
    pub(crate) offset: i64,
}

/// A call that was begun.
#[derive(Clone, Debug)]
pub(crate) struct CallRecord {
    pub(crate) id: String,
    /// The phone.
    pub(crate) caller: String,
    /// The user.
    pub(crate) callee: String,
    pub(crate) at: Timestamp,
}

/// Something that a phone saw of a call.
#[derive(Clone, Debug)]
pub(crate) struct CallSeen {
    pub(crate) at: Timestamp,
    pub(crate) call: String,
    pub(crate) what: CallNews,
}

/// What there is to see of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallNews {
    /// Its screen is shown here.
    Screen,
    /// Somebody rings.
    Ringing,
    Answered,
    /// A push does not say why.
    Ended(Option<CallEndReason>),
}

/// One message as its sender knows it.
#[derive(Clone, Debug)]
pub(crate) struct SendRecord {
    /// Its text: no other message of the run has it.
    pub(crate) label: String,
    /// The phone, or `None` for the back end, which promises no order.
    pub(crate) from: Option<String>,
    /// The user it is from.
    pub(crate) user: Option<String>,
    pub(crate) to: Vec<String>,
    pub(crate) outcome: Outcome,
    pub(crate) begun: Timestamp,
    /// When the sender was told.
    pub(crate) told: Option<Timestamp>,
}

/// What the sender was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Stored, under this message id, for all but `failed`.
    Accepted { id: String, failed: Vec<String> },
    /// Refused, with the code.
    Rejected(String),
    /// The run ended before an answer came.
    Unanswered,
}

/// One request that a push service saw.
#[derive(Clone, Debug)]
pub(crate) struct PushRecord {
    /// The phone whose token it addressed.
    pub(crate) phone: String,
    pub(crate) service: Service,
    /// The payload's `sent_at`: when the server made the push, right after it claimed the wake.
    pub(crate) made_at: Timestamp,
    /// When it came.
    pub(crate) seen_at: Timestamp,
    /// As the service calls it: `background`, `alert`, `voip`, `data`.
    pub(crate) sort: String,
    /// Whether the service took it.
    pub(crate) taken: bool,
    /// The answered status.
    pub(crate) status: u16,
    /// The id that the server gave it, where the service has such.
    pub(crate) id: Option<String>,
    /// What it replaces on the phone, and is replaced by.
    pub(crate) collapse_id: Option<String>,
    /// Until when the service may keep it (Apple).
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) about: About,
}

/// What a push is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// The wake, of messages.
    Messages(String),
    /// The call, which rings.
    Call(String),
    /// The call, which rang.
    CallEnded(String),
    /// The direct push.
    Direct(String),
}

/// The server said that it holds an ack as durable.
#[derive(Clone, Debug)]
pub(crate) struct Confirmation {
    pub(crate) phone: String,
    /// When its answer had arrived.
    pub(crate) at: Timestamp,
    /// Everything up to here was acknowledged.
    pub(crate) offset: i64,
    /// Of which history, where it was said.
    pub(crate) epoch: Option<String>,
    pub(crate) by: ConfirmedBy,
}

/// How the server confirmed an ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfirmedBy {
    /// A success to `POST /v1/me/ack`: other acks may have overtaken it.
    Answer,
    /// The device's cursor as the API shows it: asked for one after the other.
    Cursor,
}

/// A push target that the phone's app has registered, and whether the server still holds it.
#[derive(Clone, Debug)]
pub(crate) struct TargetRecord {
    pub(crate) phone: String,
    pub(crate) kind: TargetKindName,
    pub(crate) held: bool,
}
