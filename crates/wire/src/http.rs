//! Bodies of the HTTP API under `/v1`.
//!
//! Requests refuse unknown fields: a misspelt setting should not be taken for its default.

mod audit;
mod doctor;
mod events;
mod explain;
mod keys;
mod push_choice;
mod pushes;
mod tokens;
mod topics;
mod webhooks;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::{
    EnvironmentName, Media, PlatformName, PushChoice, RejectReason, TargetKindName, UrgencyName,
};
use crate::server::{CallEndReason, CallState, FailedRecipient, ServerFrame};
use crate::{HeldPosition, Position};

pub use audit::*;
pub use doctor::*;
pub use events::*;
pub use explain::*;
pub use keys::*;
pub use pushes::*;
pub use tokens::*;
pub use topics::*;
pub use webhooks::*;

/// `POST /v1/apps`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppCreate {
    /// A name for people.
    pub name: String,
}

/// An app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// `app_…`.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// When it was made.
    pub created_at: jiff::Timestamp,
    /// The app's first key; shown once, in the answer to `POST /v1/apps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the order the endpoint documents.
    pub items: Vec<T>,
    /// Give this as `after` for the next page; left out on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An app's settings. `PATCH` takes any subset; `GET` returns all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The switch; off answers every push with 902.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_enabled: Option<bool>,
    /// First rung: background (`true`) or alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background_push: Option<bool>,
    /// Sound of an alert: `default`, a name, or `none`; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// Whether the newest notification of a thread replaces the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapse_notifications: Option<bool>,
    /// Send tokens of apps run from Xcode to Apple's production server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_to_production: Option<bool>,
    /// What iPhones are reached through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_ios: Option<IosRouteName>,
    /// Seconds an unanswered background push waits before the alert follows; 1 to 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub climb_after: Option<u32>,
    /// Seconds after which the alert is repeated, one after the other; at most 8 of them, each 1
    /// to 604800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_after: Option<Vec<u32>>,
    /// Seconds a call rings; 5 to 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_time: Option<u32>,
    /// Seconds a wake waits, once, while the user looks at the app on another device; 0: not at
    /// all, at most 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_while_active_elsewhere: Option<u32>,
    /// Seconds a side of a call whose connection was lost has to come back; 1 to 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_time: Option<u32>,
    /// Seconds a message is kept when its sender does not say; at most 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_ttl: Option<u32>,
    /// What an alert says when its messages carry no texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_title: Option<String>,
    /// What an alert says when its messages carry no texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_body: Option<String>,
    /// The same by locale (BCP 47), for devices that say theirs; at most 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts: Option<BTreeMap<String, AlertTexts>>,
    /// Let users say what a push about their message says; otherwise it is left out in silence, and
    /// the texts above are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients_set_push: Option<bool>,
    /// Print each request to a push service and its answer in the server's log: headers and field
    /// names, tokens hashed, texts as their length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub print_push_logs: Option<bool>,
    /// Print the texts too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_payloads: Option<bool>,
    /// Frequent events that `GET /v1/events` has though no webhook wants them: `message.offline`,
    /// `push.sent`, `user.connected`, `user.disconnected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_events: Option<Vec<String>>,
    /// Seconds until `message.offline` may come again for a user who has not connected since; 60 to
    /// 604800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline_event_every: Option<u32>,
    /// Whether `message.offline` carries the message's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline_event_body: Option<bool>,
}

/// What iPhones are reached through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IosRouteName {
    /// APNs where target and credential exist, else FCM.
    Automatic,
    /// FCM always; a call then rings by an alert.
    Fcm,
}

/// What an alert says in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertTexts {
    /// The first line; left out: the app's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text; left out: the app's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// `POST /v1/apps/{app}/credentials`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialUpload {
    /// What the file is.
    pub kind: CredentialKind,
    /// The file's bytes, base64. Left out for `webpush_vapid`: a key pair is made here.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The file's name as it was downloaded; a `.p8`'s holds the key id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// The password of a `.p12`, or of the key in a PEM file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Key id of a `.p8`, 10 characters; read from the file name when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Team id of a `.p8`, 10 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// Bundle ids a `.p8` is to be used for: the file does not hold them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bundle_ids: Vec<String>,
    /// Apple's environments a `.p8` was made for: the file does not say. None means both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<EnvironmentName>,
    /// For `webpush_vapid`: whom push services may ask about it, `mailto:` or `https:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// For `fcm_service_account`: the app's `google-services.json` in base64, which must be of the
    /// same project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_services: Option<String>,
    /// Whether the push service is asked at once if it believes the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<bool>,
}

impl CredentialUpload {
    /// A file of this kind, in base64, and nothing said beside it.
    pub fn new(kind: CredentialKind, file: String) -> Self {
        Self {
            kind,
            file,
            file_name: None,
            password: None,
            key_id: None,
            team_id: None,
            bundle_ids: Vec::new(),
            environments: Vec::new(),
            subject: None,
            google_services: None,
            probe: None,
        }
    }
}

impl std::fmt::Debug for CredentialUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialUpload").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What a credential file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A `.p8` key of Apple's.
    ApnsKey,
    /// A certificate of Apple's with its key, `.p12` or PEM.
    ApnsCertificate,
    /// A Google service account's JSON.
    FcmServiceAccount,
    /// A VAPID key pair for Web Push (RFC 8292).
    WebpushVapid,
}

/// A credential, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// `crd_…`.
    pub id: String,
    /// What it is.
    pub kind: CredentialKind,
    /// What was found in it: environments, topics, team, key id, project, expiry.
    pub facts: BTreeMap<String, serde_json::Value>,
    /// What to know before relying on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What the push service said to a probe, where one was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<CredentialProbe>,
    /// When it was uploaded.
    pub created_at: jiff::Timestamp,
}

/// What a push service said of a credential, asked without reaching any device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialProbe {
    /// Where it was asked: `apns production`, `apns sandbox`, `fcm`.
    pub place: String,
    /// Whether it is believed.
    pub believed: bool,
    /// The diagnosis code, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The service's own reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// `GET /v1/webpush-key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebpushKey {
    /// The public key that a browser subscribes with (`applicationServerKey`), base64url.
    pub public_key: String,
}

/// A device, as `GET /v1/users/{user}/devices` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The client's own id.
    pub id: String,
    /// What it runs.
    pub platform: PlatformName,
    /// Whether a session of it lives.
    pub live: bool,
    /// What it has acknowledged.
    pub cursor: Position,
    /// When it was last connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<jiff::Timestamp>,
    /// Its push targets, tokens masked.
    pub targets: Vec<Target>,
    /// Its open wakes.
    pub wakes: Vec<WakeState>,
}

/// A push target, its token masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The kind.
    pub kind: TargetKindName,
    /// A short hash of the token, by which log lines can be matched.
    pub token_hash: String,
    /// Bundle id or package name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// Apple's environment, when declared or learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// When it was registered.
    pub registered_at: jiff::Timestamp,
}

/// An open wake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeState {
    /// `wak_…`.
    pub id: String,
    /// `message` or `call`.
    pub kind: String,
    /// The rung its next push is on.
    pub rung: String,
    /// The last decision's reason word.
    pub reason: String,
    /// When it acts next; left out while it is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<jiff::Timestamp>,
}

/// `PUT /v1/me/targets/{kind}`, and the same under `/v1/users/{user}/devices/{device}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetPut {
    /// The token.
    pub token: String,
    /// Apple's environment, where the app knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Bundle id or package name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
}

/// `POST /v1/messages`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageCreate {
    /// Users; 1 to 100.
    pub to: Vec<String>,
    /// The user it comes from; receipts go to them. Left out: it comes from the back end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The back end's own id for it; the header `Idempotency-Key` does the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
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
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "push_choice::deserialize"
    )]
    pub push: Option<PushChoice>,
}

/// The answer to `POST /v1/messages`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageAccepted {
    /// `msg_…`, the same for every recipient.
    pub id: String,
    /// When it was accepted.
    pub at: jiff::Timestamp,
    /// Recipients that could not take it, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedRecipient>,
    /// With `ttl: 0`: how many living sessions it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<u32>,
}

/// `GET /v1/me/inbox`.
#[derive(Clone, Debug, Serialize)]
pub struct InboxPage {
    /// The same shapes as over the WebSocket.
    pub entries: Vec<ServerFrame>,
    /// The newest entry of the inbox.
    pub head: Position,
    /// Whether more waits behind the last entry.
    pub more: bool,
}

/// `POST /v1/me/ack`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckPost {
    /// The highest position held without a hole below it.
    pub position: HeldPosition,
}

/// `POST /v1/me/read`: a thread up to a position, or single messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadPost {
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

/// A muted thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// The thread; `*` is all of them.
    pub thread: String,
    /// Since when.
    pub created_at: jiff::Timestamp,
}

/// A blocked user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The user.
    pub user: String,
    /// Since when.
    pub created_at: jiff::Timestamp,
}

/// The answer to `POST /v1/me/ack`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acked {
    /// What the server now knows the device to hold; beyond what was posted if another ack, over
    /// the device's WebSocket, overtook it.
    pub position: Position,
}

/// `POST /v1/me/calls/{call}/answer`; without a body there is no `answer`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallAnswerPost {
    /// Opaque, for the caller's app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<RawValue>>,
}

/// `POST /v1/me/calls/{call}/reject`; without a body the call is declined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRejectPost {
    /// Why.
    #[serde(default)]
    pub reason: RejectReason,
}

/// `POST /v1/me/calls/{call}/signal`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallSignalPost {
    /// Opaque JSON, at most 64 KiB.
    pub body: Box<RawValue>,
}

/// A call, as a device that has a part in it sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignalShown {
    /// Its number inside the call.
    pub sequence: i64,
    /// Opaque JSON.
    pub body: Box<RawValue>,
}

/// One line of a timeline or of the push log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: jiff::Timestamp,
    /// The step of the way: `accept`, `route`, `session`, `wake`, `push`, `settle`.
    pub step: String,
    /// The stable reason word.
    pub reason: String,
    /// The same in a sentence; of a refused push, what to do.
    #[serde(default)]
    pub sentence: String,
    /// The user whose inbox it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The wake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<String>,
    /// The attempt, one push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// The message, where it is about one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The call, by its caller's UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The direct push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<String>,
    /// The diagnosis code of a refused push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Request, answer, timing: whatever the step has to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

/// `GET /v1/messages/{message}/timeline`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The message.
    pub id: String,
    /// What happened, in order.
    pub items: Vec<Record>,
}
