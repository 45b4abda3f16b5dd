//! Direct pushes, their deliveries, and broadcasts.

use std::sync::Arc;

use domain::delivery::{End, PushKind};
use domain::token::CredentialFacts;
use domain::{
    AppId, AttemptId, DeviceNumber, InboxId, LaneId, Outcome, Platform, ProviderId, PushId,
    TargetKind, Time,
};

use super::{Digest, Effects, Lane, NewEvent, Target};
use crate::slots::Slot;

/// A direct push to be taken in.
#[derive(Clone, Debug)]
pub struct NewPush {
    /// Its id: a keyed hash of app, key and the sender's own id.
    pub id: PushId,
    /// The app.
    pub app: AppId,
    /// A hash of the whole request.
    pub request: Digest,
    /// To whom.
    pub audience: NewAudience,
    /// What it is.
    pub kind: PushKind,
    /// What it says, as the server's JSON.
    pub content: String,
    /// Pushes a second at most, for a broadcast.
    pub rate: Option<u32>,
    /// When it goes out.
    pub send_at: Time,
    /// When it is no longer of use.
    pub expires_at: Time,
    /// When it came in.
    pub now: Time,
}

/// To whom a new push goes.
#[derive(Clone, Debug)]
pub enum NewAudience {
    /// All devices of the app.
    All,
    /// These.
    Listed {
        /// All devices of these users.
        users: Vec<String>,
        /// These devices, by the client's own ids.
        devices: Vec<String>,
        /// Targets that need be no device's.
        targets: Vec<RawTarget>,
    },
    /// The devices of a topic.
    Topic(String),
}

/// A target that need be no device's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTarget {
    /// Which lane carries it; its subject is [`super::Subject::Push`].
    pub lane: Lane,
    /// The target, as the server's JSON.
    pub target: String,
}

/// What taking a push in came to.
#[derive(Debug)]
pub enum PushAdded {
    /// Stored, now or by an earlier try.
    Added {
        /// How it stands.
        push: Box<Push>,
        /// Who could not be found, each with its fault.
        failed: Vec<(String, PushFault)>,
        /// Whether this was an earlier try's answer, given again.
        replayed: bool,
        /// What else it brought about.
        effects: Effects,
    },
    /// The same id was used for another request.
    IdReused,
    /// None of those named exists; nothing was stored.
    Nobody(Vec<(String, PushFault)>),
}

/// Why somebody named in a push gets none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushFault {
    /// The device has no target that could carry it.
    NoTarget,
    /// The app has no such device.
    UnknownDevice,
    /// The app has no such topic.
    UnknownTopic,
    /// The app has no such user.
    UnknownUser,
}

impl PushFault {
    /// Every fault.
    pub const ALL: [Self; 4] =
        [Self::NoTarget, Self::UnknownDevice, Self::UnknownTopic, Self::UnknownUser];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoTarget => "no_target",
            Self::UnknownDevice => "unknown_device",
            Self::UnknownTopic => "unknown_topic",
            Self::UnknownUser => "unknown_user",
        }
    }

    /// The fault of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == word)
    }
}

/// A direct push, as it stands; `Push<()>` is one whose content was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push<C = Arc<str>> {
    /// Its id.
    pub id: PushId,
    /// The app.
    pub app: AppId,
    /// To whom.
    pub audience: Audience,
    /// What it is.
    pub kind: PushKind,
    /// What it says, as the server's JSON.
    pub content: C,
    /// Pushes a second at most, for a broadcast.
    pub rate: Option<u32>,
    /// Whether it goes on.
    pub state: PushState,
    /// When it came in.
    pub created_at: Time,
    /// When it goes, or went, out.
    pub send_at: Time,
    /// When it is no longer of use.
    pub expires_at: Time,
    /// When a broadcast began.
    pub started_at: Option<Time>,
    /// When the last of it was over.
    pub ended_at: Option<Time>,
    /// Of a broadcast: the number of the last device that is done.
    pub cursor: DeviceNumber,
    /// Of a broadcast that has begun: the number of its last device.
    pub bound: Option<DeviceNumber>,
    /// Of a broadcast: the number of the first device that there is by now.
    pub first: Option<DeviceNumber>,
    /// How its deliveries stand.
    pub counts: PushCounts,
    /// Refusals by diagnosis code, as JSON: `{"911": 3}`.
    pub codes: String,
}

/// Which pushes of an app are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    /// All of them.
    #[default]
    All,
    /// Those to a topic or to all.
    Broadcasts,
}

/// To whom a push goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// All devices of the app.
    All,
    /// Devices and targets it listed.
    Listed,
    /// The devices of this topic.
    Topic(String),
}

/// Whether a push goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PushState {
    /// It was cancelled: what was not sent is not sent.
    Cancelled,
    /// Everything of it is over.
    Done,
    /// It goes on, or waits for its time.
    Open,
    /// A broadcast that stands still until it is resumed.
    Paused,
}

impl PushState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Cancelled, Self::Done, Self::Open, Self::Paused];

    /// The word in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Done => "done",
            Self::Open => "open",
            Self::Paused => "paused",
        }
    }

    /// The state of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// How the deliveries of a push stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushCounts {
    /// Devices it went, or is to go, to; of a broadcast, those it has come to.
    pub devices: u64,
    /// Not over yet.
    pub waiting: u64,
    /// Taken by a provider.
    pub accepted: u64,
    /// Refused for good.
    pub refused: u64,
    /// Too late.
    pub expired: u64,
    /// Not sent, because it was cancelled.
    pub cancelled: u64,
    /// Devices without a target that could carry it.
    pub skipped: u64,
}

/// One delivery of a push, for the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Its number in the push, from 1.
    pub number: i64,
    /// The device, by the client's own id.
    pub device: Option<String>,
    /// The target that is no device's, as the server's JSON.
    pub target: Option<String>,
    /// When it acts next; `None`: it is over.
    pub due: Option<Time>,
    /// Whether it is on its way to the provider.
    pub claimed: bool,
    /// Refusals in a row.
    pub refused: u32,
    /// How it ended.
    pub ended: Option<End>,
    /// When it was last settled.
    pub settled_at: Option<Time>,
    /// The code of the last refusal.
    pub code: Option<u16>,
    /// The provider's reason, or ours.
    pub reason: Option<String>,
}

/// A delivery that is claimed: everything its push needs.
#[derive(Debug)]
pub struct ClaimedDelivery {
    /// Its place.
    pub key: DeliveryKey,
    /// The lane.
    pub lane: LaneId,
    /// The app.
    pub app: AppId,
    /// What it is.
    pub kind: PushKind,
    /// What it says, as the server's JSON.
    pub content: Arc<str>,
    /// When it is no longer of use.
    pub expires_at: Time,
    /// Where to.
    pub to: DeliveryTo,
    /// The device's user, for the log.
    pub user: Option<String>,
    /// The attempt, to be settled by this name.
    pub attempt: AttemptId,
    /// The provider's name for it.
    pub provider: ProviderId,
    /// Its place in the lane.
    pub slot: Option<Slot>,
    /// When it was to be sent, if this is its first try.
    pub first_since: Option<Time>,
    /// When it was claimed.
    pub at: Time,
}

/// Where a delivery is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryKey {
    /// The push.
    pub push: PushId,
    /// Its number in the push.
    pub number: i64,
}

/// Where a delivery goes.
#[derive(Clone, Debug)]
pub enum DeliveryTo {
    /// To a device, by this target.
    Device(DeviceAddress),
    /// To a target that need be no device's, as the server's JSON.
    Raw(String),
}

/// A device, and the target that a push to it takes.
#[derive(Clone, Debug)]
pub struct DeviceAddress {
    /// The device.
    pub number: DeviceNumber,
    /// The client's own id of it.
    pub name: String,
    /// Its user's inbox.
    pub inbox: InboxId,
    /// What it runs.
    pub platform: Platform,
    /// BCP 47.
    pub locale: Option<String>,
    /// The target.
    pub target: Target,
}

/// A delivery whose attempt ended.
#[derive(Clone, Debug)]
pub struct SettleDelivery {
    /// Its place.
    pub key: DeliveryKey,
    /// The attempt.
    pub attempt: AttemptId,
    /// What it came to.
    pub outcome: Outcome,
    /// Whose token it was sent to, if a device's.
    pub token: Option<Judged>,
    /// What its app is to hear of it.
    pub event: Option<(AppId, NewEvent)>,
    /// When it is settled.
    pub now: Time,
}

/// A device's token that a provider had a word about.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The device.
    pub device: DeviceNumber,
    /// The target's kind and token, to judge the right one.
    pub target: (TargetKind, String),
    /// What is known of the credential that the push went out with.
    pub credential: CredentialFacts,
    /// When the push went out: a word without a time of its own may be as old.
    pub asked_at: Time,
}

/// What a settle of a delivery came to.
#[derive(Debug, Default)]
pub struct DeliverySettled {
    /// The attempt was not the open one.
    pub stale: bool,
    /// How it ended, if it did.
    pub ended: Option<End>,
    /// The token was dropped.
    pub dropped: bool,
    /// What else it brought about.
    pub effects: Effects,
}

/// Some devices of a broadcast, in the order of their numbers.
#[derive(Clone, Debug, Default)]
pub struct BroadcastPage {
    /// Those with a target that could carry it.
    pub devices: Vec<DeviceAddress>,
    /// Those that have none.
    pub skipped: Vec<DeviceNumber>,
    /// The number of the last device looked at; `None`: there are no more.
    pub last: Option<DeviceNumber>,
}

/// The devices of a broadcast that were not come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcastRest {
    /// The number of the last one.
    pub last: DeviceNumber,
    /// How many have a target.
    pub reachable: u64,
    /// How many have none.
    pub unreachable: u64,
}

/// How far a broadcast has come, to be stored in one piece.
#[derive(Clone, Debug)]
pub struct BroadcastStep {
    /// The broadcast.
    pub push: PushId,
    /// Every device up to this one is done, or has a delivery of its own below.
    pub cursor: DeviceNumber,
    /// Whether this was the last.
    pub finished: bool,
    /// Devices taken by a provider.
    pub accepted: u64,
    /// Devices for which it came too late.
    pub expired: u64,
    /// Devices without a target that could carry it.
    pub skipped: u64,
    /// Of those accepted, the tokens that were suspect, or whose environment was being tried.
    pub cleared: Vec<Judged>,
    /// Devices whose push was not accepted.
    pub others: Vec<BroadcastOther>,
    /// When.
    pub now: Time,
}

/// A device of a broadcast whose push was refused, or whose end nobody knows.
#[derive(Clone, Debug)]
pub struct BroadcastOther {
    /// The device's token.
    pub token: Judged,
    /// What the push came to.
    pub outcome: Outcome,
    /// The provider's name for it.
    pub provider: ProviderId,
}
