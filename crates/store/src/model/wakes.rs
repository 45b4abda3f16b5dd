//! Wakes that are claimed, and attempts that ended.

use domain::wake::Plan;
use domain::{
    AppId, AttemptId, DeviceNumber, InboxId, LaneId, Offset, Outcome, Platform, TargetKind, Time,
    WakeId,
};

use super::{CallRecord, Effects, Target};
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
    /// The target's kind and token, to drop the right one.
    pub target: (TargetKind, String),
    /// What it came to.
    pub outcome: Outcome,
    /// When it was claimed: what the provider says of the token without a time may be as old.
    pub claimed_at: Time,
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
    /// Whether it carries calls.
    pub call: bool,
    /// The kind of target.
    pub kind: TargetKind,
    /// Bundle id or package name; empty when unknown.
    pub app_id: String,
}
