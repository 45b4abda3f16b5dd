//! Frames a client sends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::frame::frames;
use crate::push::Content;
use crate::{HeldPosition, Position};

frames! {
    /// A frame from a client to the server. The first one is `connect`.
    ClientFrame {
        /// Proves who is calling and says what it holds.
        Connect = "connect",
        /// A message to one or many users.
        Send = "send",
        /// "I hold everything up to here."
        Ack = "ack",
        /// What the user has read.
        Read = "read",
        /// A push token, or its removal.
        PushToken = "push_token",
        /// The app came to the foreground or left it.
        State = "state",
        /// A new user token before the old one ends.
        Refresh = "refresh",
        /// Somebody is typing; live only.
        Typing = "typing",
        /// Start a call.
        CallStart = "call.start",
        /// This device rings.
        CallRinging = "call.ringing",
        /// This device takes the call.
        CallAnswer = "call.answer",
        /// The callee does not want the call.
        CallReject = "call.reject",
        /// The caller gives up before an answer.
        CallCancel = "call.cancel",
        /// Either side hangs up.
        CallEnd = "call.end",
        /// Opaque signalling between the two devices of a call.
        CallSignal = "call.signal",
    }
}

/// The first frame: proves who is calling. Tokens travel here and never in a URL.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connect {
    /// The user token. Left out by a woken app whose token expired and that has a device secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Which installation this is.
    pub device: DeviceInfo,
    /// The secret given at the device's first connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_secret: Option<String>,
    /// What the device holds; counts as an ack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<HeldPosition>,
    /// Whether the user is looking at the app.
    #[serde(default)]
    pub state: AppState,
    /// What the connection is for.
    #[serde(default)]
    pub purpose: Purpose,
    /// The push that woke the app, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub woken_by: Option<WokenBy>,
    /// Calls that go on with this device, and the signals it holds of them; at most 16. Of a call
    /// that is not named here all signals come again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<HeldCall>,
}

/// What a device holds of a call that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldCall {
    /// The call.
    pub call: String,
    /// The `sequence` of the last signal it got; 0 for none.
    pub sequence: i64,
}

/// One installation of the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// Made by the client once and kept; at most 128 bytes.
    pub id: String,
    /// `android`, `ios`, `web` or `other`.
    pub platform: PlatformName,
    /// The app's own version, for the console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// BCP 47, for texts in pushes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// What a device runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum PlatformName {
    Android,
    Ios,
    Web,
    Other,
}

/// Whether the user is looking at the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    /// On the screen.
    #[default]
    Foreground,
    /// Running for a few seconds, woken by a push or about to be suspended.
    Background,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The app itself; replaces an older connection of the same device.
    #[default]
    App,
    /// A push handler fetching what waits; lives beside the app's connection.
    Fetch,
}

/// The push that woke the app, as its handler saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WokenBy {
    /// `reveille.wake` of the push.
    pub wake: String,
    /// When the handler ran, by the phone's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<jiff::Timestamp>,
    /// FCM's `getPriority()`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// FCM's `getOriginalPriority()`; differs when Google demoted the push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_priority: Option<String>,
}

/// A message to one or many users.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Send {
    /// The client's own id for it, a UUID (version 7 is best); the same id sent again is the same
    /// message.
    pub id: String,
    /// Users; 1 to 100.
    pub to: Vec<String>,
    /// The conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Opaque JSON, at most 64 KiB.
    pub body: Box<RawValue>,
    /// Seconds the message is kept for; `0` is live only. Left out: the app's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// How much the recipient should be bothered.
    #[serde(default)]
    pub urgency: UrgencyName,
    /// What a push about it says; `"none"` keeps the recipient asleep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<PushChoice>,
}

/// How much the recipient should be bothered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UrgencyName {
    /// The usual.
    #[default]
    Normal,
    /// Does not wait behind a burst.
    High,
}

/// What a push about a message says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PushChoice {
    /// The word `"none"`: store the message, do not wake.
    None(NoPush),
    /// Texts of its own.
    Content(Content),
}

/// The word `"none"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NoPush {
    /// Store the message, do not wake.
    #[serde(rename = "none")]
    None,
}

/// "I hold everything up to here."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The highest position held without a hole below it.
    pub position: HeldPosition,
}

/// What the user has read: a thread up to a position, or single messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The conversation; goes with `up_to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Everything of it up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<Position>,
    /// Instead of a thread: ids of messages, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
}

/// A push token, or its removal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PushToken {
    /// `fcm`, `apns`, `apns_voip` or `webpush`.
    pub kind: TargetKindName,
    /// The token; for `webpush` the browser's `PushSubscription` as JSON text. Left out or `null`
    /// removes the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Apple's environment, where the app knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Bundle id or package name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
}

/// The kind of a push target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKindName {
    /// APNs, the app's ordinary token.
    Apns,
    /// APNs, the PushKit token.
    ApnsVoip,
    /// Firebase Cloud Messaging.
    Fcm,
    /// Web Push.
    Webpush,
}

/// Apple's two worlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentName {
    /// Apps from the store and TestFlight.
    Production,
    /// Apps run from Xcode.
    Sandbox,
}

/// The app came to the foreground or left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The new state.
    pub state: AppState,
}

/// A new user token before the old one ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// The new user token; of the same user.
    pub token: String,
}

/// Somebody is typing; live only, never stored, never wakes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// The user who should see it (client to server).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The user who types (server to client).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The conversation.
    pub thread: String,
}

/// Audio or video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Media {
    #[default]
    Audio,
    Video,
}

/// Start a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallStart {
    /// The call's id, a UUID made by the caller.
    pub call: String,
    /// The user to ring.
    pub to: String,
    /// Audio or video.
    #[serde(default)]
    pub media: Media,
    /// Shown on the callee's lock screen.
    pub caller_name: String,
    /// A number or an address by which the callee's phone can match a contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_handle: Option<String>,
    /// Opaque, for the callee's app: usually a WebRTC offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Box<RawValue>>,
}

/// This device rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRinging {
    /// The call.
    pub call: String,
    /// The user of the ringing device (server to client).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// This device takes the call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallAnswer {
    /// The call.
    pub call: String,
    /// Opaque, for the caller's app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<RawValue>>,
}

/// The callee does not want the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallReject {
    /// The call.
    pub call: String,
    /// Why.
    #[serde(default)]
    pub reason: RejectReason,
}

/// Why a callee does not want a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// The user said no.
    #[default]
    Declined,
    /// The user is in another call.
    Busy,
}

/// The caller gives up before an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCancel {
    /// The call.
    pub call: String,
}

/// Either side hangs up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEnd {
    /// The call.
    pub call: String,
}

/// Opaque signalling between the two devices of a call, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallSignal {
    /// The call.
    pub call: String,
    /// The signal's number inside the call (server to client).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// Opaque JSON, at most 64 KiB.
    pub body: Box<RawValue>,
}
