//! What else a committed change calls for.

use domain::wake::Stage;
use domain::{AppId, CallId, DeviceNumber, InboxId, LaneId, Offset, Reason, Time, WakeId};

use super::{Claimed, Subject};

/// What else a committed change calls for. The truth is in the store; these are nudges.
#[derive(Debug, Default)]
pub struct Effects {
    /// Inboxes that grew, with their heads: their sessions should look.
    pub nudges: Vec<(InboxId, Offset)>,
    /// Wakes that became due: the runner should look at that lane at that time.
    pub due: Vec<(LaneId, Time)>,
    /// Wakes that were born claimed: to be pushed now.
    pub born: Vec<Claimed>,
    /// What was decided about wakes, for the log.
    pub decisions: Vec<Decision>,
    /// Stages that wakes came to, for the statistics.
    pub passed: Vec<Passed>,
    /// Devices wait to be looked at anew: [`crate::Store::relane`] is to be called until none is.
    pub relane: bool,
    /// When calls end by themselves has changed: whoever ends them should look.
    pub calls: bool,
}

/// A wake for messages came to a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The app.
    pub app: AppId,
    /// Where to.
    pub stage: Stage,
    /// When the wake was opened.
    pub opened_at: Time,
    /// When it came there.
    pub at: Time,
}

/// One decision about a wake, for the log.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The app.
    pub app: AppId,
    /// The device's user.
    pub inbox: InboxId,
    /// The device.
    pub device: DeviceNumber,
    /// The client's own id of the device.
    pub device_name: String,
    /// The wake.
    pub wake: WakeId,
    /// Whether it is for messages or for a call.
    pub subject: Subject,
    /// The call, by its caller's id.
    pub call: Option<CallId>,
    /// Behind what the device had acknowledged, up to the head: the entries it is about.
    pub covers: (Offset, Offset),
    /// Why.
    pub reason: Reason,
    /// Whether the wake is opened by it.
    pub opened: bool,
    /// Whether the wake is closed by it.
    pub closed: bool,
    /// When it acts next.
    pub due: Option<Time>,
}
