//! What a run leaves behind: the phones' and senders' own records, what the push services saw, and
//! what the server confirmed. Plain data, so that the checker can be tested without a run.

use jiff::Timestamp;
use sim::phone::Held;
use wire::TargetKindName;

/// The whole of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) phones: Vec<PhoneRecord>,
    /// In the order in which each sender began them.
    pub(crate) sends: Vec<SendRecord>,
    pub(crate) pushes: Vec<PushRecord>,
    pub(crate) confirmations: Vec<Confirmation>,
    pub(crate) targets: Vec<TargetRecord>,
    pub(crate) direct: Vec<DirectRecord>,
    pub(crate) taken: Vec<TakenRecord>,
    /// Phones whose tokens died during the run.
    pub(crate) reinstalled: Vec<String>,
}

/// A direct push that was taken in, as the server shows it in the end.
#[derive(Clone, Debug)]
pub(crate) struct DirectRecord {
    pub(crate) push: wire::http::Push,
    /// Whether it went to all.
    pub(crate) broadcast: bool,
}

/// A direct push that a push service took.
#[derive(Clone, Debug)]
pub(crate) struct TakenRecord {
    pub(crate) push: String,
    pub(crate) phone: String,
    /// What it replaces on the phone, and is replaced by.
    pub(crate) collapse_id: String,
}

/// What one phone holds and saw.
#[derive(Clone, Debug)]
pub(crate) struct PhoneRecord {
    pub(crate) name: String,
    pub(crate) user: String,
    /// In the order in which it was taken.
    pub(crate) held: Vec<Held>,
    /// Message ids and offsets of what was dropped as held already.
    pub(crate) dropped: Vec<(String, i64)>,
    /// From when to when it had a session and was running, by the wall clock.
    pub(crate) sessions: Vec<(Timestamp, Timestamp)>,
}

/// One message as its sender knows it.
#[derive(Clone, Debug)]
pub(crate) struct SendRecord {
    /// Its text: no other message of the run has it.
    pub(crate) label: String,
    /// The phone, or `None` for the back end, which promises no order.
    pub(crate) from: Option<String>,
    pub(crate) to: Vec<String>,
    pub(crate) outcome: Outcome,
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
    /// The payload's `sent_at`: when the server made the push, right after it claimed the wake.
    pub(crate) made_at: Timestamp,
    /// For the report: `apns background`, `fcm data`.
    pub(crate) kind: String,
    /// The answered status.
    pub(crate) status: u16,
}

/// The server said that it holds an ack as durable.
#[derive(Clone, Debug)]
pub(crate) struct Confirmation {
    pub(crate) phone: String,
    /// When its answer had arrived.
    pub(crate) at: Timestamp,
    /// Everything up to here was acknowledged.
    pub(crate) offset: i64,
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
