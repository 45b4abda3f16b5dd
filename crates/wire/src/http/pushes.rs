//! Direct pushes: sent once to some devices, or to all of a topic or an app.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{EnvironmentName, Media, TargetKindName};
use crate::limits;
use crate::schema::Time;

/// `POST /v1/pushes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PushCreate {
    /// To whom.
    pub to: PushTo,
    /// The back end's own id for it; the header `Idempotency-Key` does the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub id: Option<String>,
    /// What it is.
    #[serde(default)]
    pub kind: PushKindName,
    /// The first line of the notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::PUSH_TEXT_BYTES))]
    pub title: Option<String>,
    /// The second line, where the system shows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::PUSH_TEXT_BYTES))]
    pub subtitle: Option<String>,
    /// Its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::PUSH_BODY_BYTES))]
    pub body: Option<String>,
    /// Texts in other languages, by BCP 47 tag.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::PUSH_LOCALES))]
    pub texts: BTreeMap<String, PushTexts>,
    /// The `https` URL of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::URL_BYTES))]
    pub image: Option<String>,
    /// A sound's name, `default` or `none`. Left out: the app's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub sound: Option<String>,
    /// The number on the app's icon; 0 takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2_147_483_647))]
    pub badge: Option<u32>,
    /// What notifications are grouped by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_BYTES))]
    pub thread: Option<String>,
    /// Which of the app's sets of actions the notification has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_BYTES))]
    pub category: Option<String>,
    /// What a tap starts, in a word of the app's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_BYTES))]
    pub action: Option<String>,
    /// Where a tap leads: a URL or a thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::URL_BYTES))]
    pub open: Option<String>,
    /// For the app; at most 4 KiB.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// The call that rings; with the kind `voip`, and with no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<PushCall>,
    /// Seconds it is of use for. Left out: one day, and a call as long as it rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_419_200))]
    pub ttl: Option<u32>,
    /// Pushes with the same id replace each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::COLLAPSE_BYTES))]
    pub collapse_id: Option<String>,
    /// Whether it may wake the phone. Left out: `normal` in the background, else `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<PriorityName>,
    /// When it goes out, at most 30 days ahead. Left out: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub send_at: Option<jiff::Timestamp>,
    /// Pushes a second at most, 1 to 100000; with `topic` or `all` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub rate: Option<u32>,
    /// A merge patch (RFC 7386) over `{"headers": {…}, "payload": {…}}` as it goes to Apple.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub apns: Map<String, Value>,
    /// A merge patch over FCM's message.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fcm: Map<String, Value>,
    /// A merge patch over `{"ttl": …, "urgency": …, "topic": …, "payload": …}` as it goes to a
    /// browser.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub webpush: Map<String, Value>,
}

/// To whom a push goes: any of `users`, `devices` and `targets`, together 1 to 1000; or exactly one
/// of `topic` and `all`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PushTo {
    /// All devices of these users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::PUSH_RECIPIENTS))]
    pub users: Vec<String>,
    /// These devices, by the clients' own ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::PUSH_RECIPIENTS))]
    pub devices: Vec<String>,
    /// Targets that need be no device's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::PUSH_RECIPIENTS))]
    pub targets: Vec<RawTarget>,
    /// The devices of this topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// All devices of the app.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

/// A target that need be no device's: its kind, and what its push service knows it by.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTarget {
    /// The kind.
    pub kind: TargetKindName,
    /// A device token of Apple's, or a registration token of FCM's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// An installation id of FCM's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fid: Option<String>,
    /// A topic of FCM's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// A condition over topics of FCM's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// A browser's `PushSubscription`, as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<Value>,
    /// Apple's environment, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Bundle id or package name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
}

/// Whoever holds a token can push to it, so only the kind is shown.
impl fmt::Debug for RawTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawTarget").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Texts of a notification in one language; what is left out falls back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PushTexts {
    /// The first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The second line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// The call that a push of the kind `voip` rings for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PushCall {
    /// The call's id, a UUID.
    pub id: String,
    /// When the ringing ends.
    #[schemars(with = "Time")]
    pub rings_until: jiff::Timestamp,
    /// For the screen.
    #[schemars(length(max = limits::CALLER_BYTES))]
    pub caller_name: String,
    /// By which the phone can match a contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::CALLER_BYTES))]
    pub caller_handle: Option<String>,
    /// Audio or video.
    pub media: Media,
}

/// What a direct push is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushKindName {
    /// Shown to the user.
    #[default]
    Alert,
    /// For the app alone.
    Background,
    /// An incoming call.
    Voip,
}

/// Whether a direct push may wake the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriorityName {
    /// It does.
    High,
    /// It waits until the phone is awake, and makes no stir.
    Normal,
}

/// A direct push, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Push {
    /// `psh_…`.
    pub id: String,
    /// What it is.
    pub kind: PushKindName,
    /// Whether it goes on.
    pub state: PushStateName,
    /// To whom it goes.
    pub audience: AudienceName,
    /// The topic, if it goes to one that still exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Pushes a second at most, for a broadcast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// When it came in.
    #[schemars(with = "Time")]
    pub created_at: jiff::Timestamp,
    /// When it goes, or went, out.
    #[schemars(with = "Time")]
    pub send_at: jiff::Timestamp,
    /// When it is no longer of use.
    #[schemars(with = "Time")]
    pub expires_at: jiff::Timestamp,
    /// When a broadcast began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub started_at: Option<jiff::Timestamp>,
    /// When the last of it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub ended_at: Option<jiff::Timestamp>,
    /// Of a broadcast that has begun: about how many of a hundred of its devices it has come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub progress: Option<u8>,
    /// How its deliveries stand.
    pub counts: PushCounts,
    /// Refusals by diagnosis code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub codes: BTreeMap<u16, u64>,
    /// In the answer to `POST /v1/pushes`: who named in it gets none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<PushFailed>,
}

/// Whether a push goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushStateName {
    /// What was not sent is not sent.
    Cancelled,
    /// Everything of it is over.
    Done,
    /// It goes on, or waits for its time.
    Open,
    /// A broadcast that stands still until it is resumed.
    Paused,
}

/// To whom a push goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AudienceName {
    /// All devices of the app.
    All,
    /// Those it named.
    Listed,
    /// The devices of a topic.
    Topic,
}

/// How the deliveries of a push stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PushCounts {
    /// Devices and targets it went, or is to go, to; of a broadcast, those it has come to.
    pub devices: u64,
    /// Not over yet.
    pub waiting: u64,
    /// Taken by a push service.
    pub accepted: u64,
    /// Refused for good.
    pub refused: u64,
    /// Too late.
    pub expired: u64,
    /// Not sent, because it was cancelled.
    pub cancelled: u64,
    /// Devices of a broadcast without a target that could carry it.
    pub skipped: u64,
}

/// Somebody named in a push who gets none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PushFailed {
    /// The user or device, as it was named.
    pub name: String,
    /// Why: `unknown_user`, `unknown_device` or `no_target`.
    pub code: String,
}

/// A push on its way to one device or target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PushDelivery {
    /// Its number in the push.
    pub number: i64,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The target that is no device's, its token masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<DeliveryTarget>,
    /// Where it is.
    pub state: DeliveryState,
    /// When it acts next, unless it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub due_at: Option<jiff::Timestamp>,
    /// Refusals in a row.
    pub refused: u32,
    /// When it was last settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub settled_at: Option<jiff::Timestamp>,
    /// The diagnosis code of the last refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The push service's reason for it, or ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A target that is no device's, as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryTarget {
    /// The kind.
    pub kind: TargetKindName,
    /// A short hash of the token, by which log lines can be matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_hash: Option<String>,
    /// A topic of FCM's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// A condition over topics of FCM's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Apple's environment, as it was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Bundle id or package name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
}

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Taken by the push service. Taken is not delivered.
    Accepted,
    /// Not sent, because the push was cancelled.
    Cancelled,
    /// Too late.
    Expired,
    /// Refused for good.
    Refused,
    /// On its way to the push service.
    Sending,
    /// Waits for its time: the first, or the next after a refusal.
    Waiting,
}

/// A test push of a device: `POST /v1/me/test-push`, `GET /v1/me/test-push/{push}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestPush {
    /// `psh_…`, as the push handler finds it in the `reveille` object.
    pub push: String,
    /// How far it came.
    pub state: TestPushState,
    /// When the push handler said that it has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub received_at: Option<jiff::Timestamp>,
    /// The diagnosis code of its last refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// What that code means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// How far a test push came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestPushState {
    /// It is on its way to the push service, or tried again.
    Waiting,
    /// The push service took it.
    Accepted,
    /// It was refused for good.
    Refused,
    /// Its five minutes are over: nothing took it, or the device has not said that it came.
    Expired,
    /// The device's push handler has it.
    Received,
}
