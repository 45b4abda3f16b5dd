//! Wakes that are claimed, and attempts that ended.

use domain::token::CredentialFacts;
use domain::wake::Plan;
use domain::{
    AppId, AttemptId, DeviceNumber, Environment, InboxId, LaneId, Offset, Outcome, Platform,
    TargetKind, Time, WakeId,
};

use super::{CallRecord, Effects, NewEvent, Target};
use crate::slots::Slot;

/// A wake that is claimed: everything its push needs.
#[derive(Debug)]
pub struct Claimed {
    /// The wake.
    pub wake: WakeId,
    /// Its place in the store.
    pub key: WakeKey,
    /// The lane.
    pub lane: LaneId,
    /// The app.
    pub app: AppId,
    /// The user's inbox.
    pub inbox: InboxId,
    /// The user.
    pub user: String,
    /// The client's own id of the device.
    pub device_name: String,
    /// What the device runs.
    pub platform: Platform,
    /// BCP 47, if the device says.
    pub locale: Option<String>,
    /// What to push.
    pub plan: Plan,
    /// Everything the device had acknowledged at the claim.
    pub after: Offset,
    /// Where to.
    pub target: Target,
    /// The newest message covered, for an alert's text and thread.
    pub newest: Option<Newest>,
    /// The call, if it is for one.
    pub call: Option<CallRecord>,
    /// The place in the lane; set for wakes born claimed.
    pub slot: Option<Slot>,
    /// Since when the wake is open, if this is its first push.
    pub first_since: Option<Time>,
    /// When it was claimed.
    pub at: Time,
}

/// Where a wake is in the store: its device, and its call if it is for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WakeKey {
    /// The device.
    pub device: DeviceNumber,
    /// The store's number of the call; 0 for messages.
    pub call: i64,
}

impl WakeKey {
    /// What it is for.
    pub const fn subject(self) -> Subject {
        if self.call == 0 { Subject::Message } else { Subject::Call }
    }
}

/// The newest message a push covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The conversation.
    pub thread: Option<String>,
    /// Texts of its own, as JSON.
    pub push: Option<String>,
    /// Whether it tells of a missed call.
    pub missed_call: bool,
}

/// An attempt that ended.
#[derive(Clone, Debug)]
pub struct Settle {
    /// The wake's place.
    pub key: WakeKey,
    /// The attempt.
    pub attempt: AttemptId,
    /// The target's kind and token, to judge the right one.
    pub target: (TargetKind, String),
    /// What it came to.
    pub outcome: Outcome,
    /// What is known of the credential that the push went out with.
    pub credential: CredentialFacts,
    /// When it was claimed: what the provider says of the token without a time may be as old.
    pub claimed_at: Time,
    /// When the push was written to the provider; `None`: it was not.
    pub wrote_at: Option<Time>,
    /// What its app is to hear of it.
    pub event: Option<NewEvent>,
    /// When it is settled.
    pub now: Time,
}

/// What a settle came to.
#[derive(Debug, Default)]
pub struct SettleDone {
    /// The attempt was not the open one.
    pub stale: bool,
    /// The token was dropped.
    pub dropped: bool,
    /// What else it brought about.
    pub effects: Effects,
}

/// A lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    /// The app.
    pub app: AppId,
    /// What it carries.
    pub subject: Subject,
    /// The kind of target.
    pub kind: TargetKind,
    /// Bundle id or package name; empty when unknown.
    pub app_id: String,
    /// Apple's environment; `None` where the provider has only one.
    pub environment: Option<Environment>,
}

/// What a lane carries, in the order in which lanes are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// Wakes for calls.
    Call,
    /// Wakes for messages.
    Message,
    /// Direct pushes.
    Push,
}

impl Subject {
    /// Every subject.
    pub const ALL: [Self; 3] = [Self::Call, Self::Message, Self::Push];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Message => "message",
            Self::Push => "push",
        }
    }

    /// The subject of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subject| subject.as_str() == word)
    }
}
