//! Calls, for push handlers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::{Media, RejectReason};
use crate::schema::Time;
use crate::server::{CallEndReason, CallEnded, CallResumed, CallRing, CallState};

/// `POST /v1/me/calls/{call}/answer`; without a body there is no `answer`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallAnswerPost {
    /// Opaque, for the caller's app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<RawValue>>,
}

/// `POST /v1/me/calls/{call}/reject`; without a body the call is declined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallRejectPost {
    /// Why.
    #[serde(default)]
    pub reason: RejectReason,
}

/// `POST /v1/me/calls/{call}/signal`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallSignalPost {
    /// Opaque JSON, at most 64 KiB.
    pub body: Box<RawValue>,
}

/// A call, as a device that has a part in it sees it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CallShown {
    /// The call.
    pub call: String,
    /// How it stands for this device.
    pub state: CallState,
    /// Why it is over for this device, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<CallEndReason>,
    /// The calling user.
    pub from: String,
    /// The called user.
    pub to: String,
    /// Audio or video.
    pub media: Media,
    /// For the screen.
    pub caller_name: String,
    /// By which the phone can match a contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_handle: Option<String>,
    /// When the ringing ends, while it rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub expires_at: Option<jiff::Timestamp>,
    /// Opaque, from the caller's app; not for the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Box<RawValue>>,
    /// Opaque, from the callee's app; for the caller alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<RawValue>>,
    /// What the other side sent behind `after`, in order; at most a hundred.
    pub signals: Vec<SignalShown>,
}

/// A signal of the other side.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SignalShown {
    /// Its number inside the call.
    pub sequence: i64,
    /// Opaque JSON.
    pub body: Box<RawValue>,
}

/// The answer to a device that said something of a call too late: how it stands, as the frame that
/// the WebSocket has for it.
#[derive(JsonSchema)]
#[serde(tag = "type")]
#[expect(missing_docs, reason = "the frames say it")]
pub enum CallTold {
    #[serde(rename = "call.ended")]
    Ended(CallEnded),
    #[serde(rename = "call.resumed")]
    Resumed(CallResumed),
    #[serde(rename = "call.ring")]
    Ring(CallRing),
}
