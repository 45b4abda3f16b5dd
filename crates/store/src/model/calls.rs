//! Calls, their moves and signals.

use domain::call::{Call, EndReason};
use domain::{AppId, CallId, DeviceNumber, InboxId, Time};

use super::Birth;

/// A call to be started.
#[derive(Clone, Debug)]
pub struct CallStart {
    /// The app.
    pub app: AppId,
    /// The caller's id for it.
    pub call: CallId,
    /// The calling device.
    pub caller: DeviceNumber,
    /// Its user's inbox.
    pub caller_inbox: InboxId,
    /// The user to ring.
    pub callee: String,
    /// Whether it is a video call.
    pub video: bool,
    /// Shown on the callee's lock screen.
    pub caller_name: String,
    /// By which the callee's phone can match a contact.
    pub caller_handle: Option<String>,
    /// Opaque JSON text for the callee's app.
    pub offer: Option<String>,
    /// When.
    pub now: Time,
    /// Where wakes may be born claimed.
    pub birth: Option<Birth>,
}

/// What starting a call came to.
#[derive(Debug)]
pub enum CallStarted {
    /// It rings.
    Rings(CallRecord),
    /// The same call was started before by the same device.
    Again(CallRecord),
    /// The app has no such user.
    UnknownUser,
    /// The id belongs to another call.
    IdReused,
}

/// A call as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// The store's number of it.
    pub number: i64,
    /// The caller's id for it.
    pub id: CallId,
    /// The app.
    pub app: AppId,
    /// The state.
    pub call: Call,
    /// The caller's inbox.
    pub caller_inbox: InboxId,
    /// The calling user.
    pub caller_user: String,
    /// The callee's inbox.
    pub callee_inbox: InboxId,
    /// The called user.
    pub callee_user: String,
    /// Whether it is a video call.
    pub video: bool,
    /// Shown on the callee's lock screen.
    pub caller_name: String,
    /// By which the callee's phone can match a contact.
    pub caller_handle: Option<String>,
    /// Opaque JSON text for the callee's app.
    pub offer: Option<String>,
    /// Opaque JSON text for the caller's app.
    pub answer: Option<String>,
    /// When it was started.
    pub created_at: Time,
    /// The device that took it, also once it is over.
    pub answered_by: Option<DeviceNumber>,
    /// It rings nobody, and its callee never hears of it.
    pub silent: bool,
    /// Whether a device has said that it rings.
    pub rings_somewhere: bool,
}

/// Who moves a call.
#[derive(Clone, Debug)]
pub struct CallMove {
    /// The call.
    pub call: CallId,
    /// The app.
    pub app: AppId,
    /// The device that moves it; `None`: time does.
    pub by: Option<(DeviceNumber, InboxId)>,
    /// What happens.
    pub input: domain::call::CallInput,
    /// Opaque JSON text that goes with an answer.
    pub answer: Option<String>,
    /// When.
    pub now: Time,
}

/// What a move came to.
#[derive(Debug)]
pub enum CallMoved {
    /// The call changed.
    Changed {
        /// As it is now.
        record: CallRecord,
        /// Devices whose push for the call was sent or may have been.
        pushed: Vec<DeviceNumber>,
    },
    /// Too late, or nothing to do: this is how it stands.
    Stands(CallRecord),
    /// Not this device's to say.
    NotYours,
    /// No such call of this device's user.
    Unknown,
}

/// How a call ended, for callers of the store that only have the record.
impl CallRecord {
    /// Why it ended, if it did.
    pub fn ended(&self) -> Option<EndReason> {
        match self.call.phase {
            domain::call::CallPhase::Ended { reason } => Some(reason),
            domain::call::CallPhase::Ringing { .. } | domain::call::CallPhase::Answered { .. } => {
                None
            }
        }
    }
}

/// What became of a signal.
#[derive(Debug)]
pub enum SignalKept {
    /// It is kept, and numbered.
    Kept(CallRecord, Signal),
    /// The call holds as many as it may.
    Full,
    /// The call is over, or another device's: this is how it stands.
    Stands(CallRecord),
    /// No such call, or no part of this device in it.
    Unknown,
}

/// A signal of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its number inside the call.
    pub sequence: i64,
    /// The device it comes from.
    pub from: DeviceNumber,
    /// Opaque JSON text.
    pub body: String,
}
