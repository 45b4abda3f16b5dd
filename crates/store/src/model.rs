//! What goes into the store and comes out of it. Not rows, and not wire shapes.

use std::sync::Arc;

use domain::call::{Call, EndReason};
use domain::inbox::Held;
use domain::session::AppState;
use domain::wake::Plan;
use domain::{
    AppId, AttemptId, CallId, DeviceNumber, EntryId, Environment, Epoch, InboxId, Incarnation,
    LaneId, MessageId, Offset, Outcome, Platform, Policy, Reason, SessionId, TargetKind, Time,
    Urgency, WakeId,
};

use crate::slots::{Slot, Slots};

/// A SHA-256 of a secret or token: all that the store keeps of it.
pub type Digest = [u8; 32];

// --- what every change may bring about ---------------------------------------------------------

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
}

/// One decision about a wake, for the log.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The device's user.
    pub inbox: InboxId,
    /// The device.
    pub device: DeviceNumber,
    /// The wake.
    pub wake: WakeId,
    /// Why.
    pub reason: Reason,
    /// Whether the wake is closed by it.
    pub closed: bool,
    /// When it acts next.
    pub due: Option<Time>,
}

// --- apps ------------------------------------------------------------------------------------------

/// An app's settings, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What they say about waking.
    pub policy: Policy,
    /// Sound of an alert.
    pub sound: String,
    /// Whether the newest notification of a thread replaces the one before.
    pub collapse_notifications: bool,
    /// Send tokens of apps run from Xcode to Apple's production server.
    pub sandbox_to_production: bool,
    /// Seconds a message is kept when its sender does not say.
    pub default_ttl_s: u32,
    /// What an alert says when its messages carry no texts.
    pub alert_title: String,
    /// What an alert says when its messages carry no texts.
    pub alert_body: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            sound: "default".to_owned(),
            collapse_notifications: false,
            sandbox_to_production: false,
            default_ttl_s: 30 * 86_400,
            alert_title: "New message".to_owned(),
            alert_body: "You have a new message.".to_owned(),
        }
    }
}

/// An app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// A name for people.
    pub name: String,
    /// When it was made.
    pub created_at: Time,
}

/// An API key, without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: domain::KeyId,
    /// The app it belongs to.
    pub app: AppId,
    /// A name for people.
    pub name: String,
    /// When it was made.
    pub created_at: Time,
}

/// A provider credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub id: domain::CredentialId,
    /// The app it belongs to.
    pub app: AppId,
    /// What it is, in the word of the API.
    pub kind: String,
    /// What may be shown of it, as JSON.
    pub facts: String,
    /// The secret part, sealed by the server.
    pub sealed: Vec<u8>,
    /// When it was uploaded.
    pub created_at: Time,
}

/// Whom a user token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserToken {
    /// The app.
    pub app: AppId,
    /// The user's inbox.
    pub inbox: InboxId,
    /// The user.
    pub user: String,
    /// When it ends.
    pub expires_at: Time,
}

// --- accept --------------------------------------------------------------------------------------------

/// A message to be accepted.
#[derive(Clone, Debug)]
pub struct Accept {
    /// The app.
    pub app: AppId,
    /// Its id: a keyed hash of app, sender, key or device, and the client's own id.
    pub message: MessageId,
    /// A hash of the whole request, recipients included.
    pub request: Digest,
    /// The user it comes from, if any.
    pub sender: Option<Sender>,
    /// The users it goes to.
    pub recipients: Vec<String>,
    /// What it carries.
    pub content: Arc<Content>,
    /// When it is accepted.
    pub now: Time,
    /// Where wakes may be born claimed.
    pub birth: Option<Birth>,
}

/// The user a message comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The inbox that gets the receipts.
    pub inbox: InboxId,
    /// The user.
    pub user: String,
    /// The device it was written on; the user's other devices get a copy.
    pub device: Option<DeviceNumber>,
}

/// What a message carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The conversation.
    pub thread: Option<String>,
    /// Opaque JSON text.
    pub body: String,
    /// How much the recipient should be bothered.
    pub urgency: Urgency,
    /// Whether it may wake.
    pub wakes: bool,
    /// Texts of its own for a notification, as JSON.
    pub push: Option<String>,
    /// When it is no longer kept.
    pub expires_at: Time,
}

/// Where wakes may be born claimed.
#[derive(Clone, Debug)]
pub struct Birth {
    /// The node that would push.
    pub incarnation: Incarnation,
    /// Its room.
    pub slots: Slots,
}

/// What an accept came to.
#[derive(Debug)]
pub enum Accepted {
    /// Stored, now or by an earlier try.
    Stored {
        /// When it was accepted first.
        at: Time,
        /// Recipients that could not take it.
        failed: Vec<(String, RecipientFault)>,
        /// Where it went.
        entries: Vec<(InboxId, Offset)>,
        /// Whether this was an earlier try's answer, given again.
        replayed: bool,
    },
    /// No recipient could take it; nothing was stored.
    NoRecipient(Vec<(String, RecipientFault)>),
    /// The same id was used for another request.
    IdReused,
}

/// Why a recipient could not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientFault {
    /// The app has no such user.
    UnknownUser,
    /// Its most current device has no room.
    InboxFull,
}

impl RecipientFault {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::InboxFull => "inbox_full",
        }
    }

    /// The fault of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::UnknownUser, Self::InboxFull].into_iter().find(|fault| fault.as_str() == word)
    }
}

/// The most an inbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxLimits {
    /// Entries.
    pub entries: i64,
    /// Bytes of bodies.
    pub bytes: i64,
}

impl Default for InboxLimits {
    fn default() -> Self {
        Self { entries: 10_000, bytes: 64 << 20 }
    }
}

// --- inbox -------------------------------------------------------------------------------------------------

/// One entry of an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub offset: Offset,
    /// Its id.
    pub id: EntryId,
    /// What it is.
    pub kind: EntryKind,
    /// When it was accepted.
    pub created_at: Time,
    /// When it is no longer kept.
    pub expires_at: Time,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A message from somebody.
    Message {
        /// The message.
        message: MessageId,
        /// The user it comes from, if any.
        from: Option<String>,
        /// The conversation.
        thread: Option<String>,
        /// Opaque JSON text.
        body: String,
    },
    /// A message this user sent from another device.
    OwnCopy {
        /// The message.
        message: MessageId,
        /// Whom it went to.
        to: Vec<String>,
        /// The conversation.
        thread: Option<String>,
        /// Opaque JSON text.
        body: String,
    },
    /// What became of messages this user sent.
    Receipt {
        /// One row per message and recipient.
        rows: Vec<ReceiptRow>,
    },
    /// A call that nobody took.
    MissedCall {
        /// The call.
        call: CallId,
        /// The user who called.
        from: String,
        /// What its caller called itself.
        caller_name: String,
        /// Whether it was a video call.
        video: bool,
    },
}

/// What became of one message at one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRow {
    /// The message.
    pub message: MessageId,
    /// The recipient.
    pub user: String,
    /// What became of it.
    pub state: ReceiptState,
    /// When.
    pub at: Time,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptState {
    /// A device of the recipient acknowledged it.
    Delivered,
}

/// What one ordered read returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRead {
    /// The inbox's epoch.
    pub epoch: Epoch,
    /// Its newest offset.
    pub head: Offset,
    /// Everything up to here is gone for good.
    pub floor: Offset,
    /// Unexpired entries, in order.
    pub entries: Vec<Entry>,
    /// Where the reading stands: the last offset looked at, expired and missing ones included.
    pub read_to: Offset,
}

/// What an ack came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acked {
    /// The cursor is there now.
    Progress(Offset),
    /// At or below the cursor.
    Nothing,
    /// A position of another epoch; the device should resume at its cursor.
    OtherEpoch,
    /// Above the head, or another entry than ours: a protocol error.
    Contradiction,
    /// The device is gone, or moved to another user.
    NoDevice,
}

// --- devices and sessions ------------------------------------------------------------------------------------

/// Who connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A user, by a valid user token.
    User {
        /// The app.
        app: AppId,
        /// The user's inbox.
        inbox: InboxId,
    },
    /// Only the device, by its secret.
    Secret,
}

/// A device that connects.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Who connects.
    pub identity: Identity,
    /// The client's own id of the device.
    pub device: String,
    /// What it runs.
    pub platform: Platform,
    /// The app's own version.
    pub app_version: Option<String>,
    /// BCP 47.
    pub locale: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
    /// The hash of the secret it presented.
    pub secret: Option<Digest>,
    /// The hash of a secret drawn for it, in case it needs one.
    pub new_secret: Digest,
    /// What it says it holds.
    pub held: Option<Held>,
    /// Whether the user is looking at the app.
    pub state: AppState,
    /// Whether an older session of the device is replaced: purpose `app`.
    pub replaces: bool,
    /// The new session.
    pub session: SessionId,
    /// The node.
    pub incarnation: Incarnation,
    /// The push that woke it.
    pub woken_by: Option<WakeId>,
    /// When.
    pub now: Time,
}

/// What a connect came to.
#[derive(Debug)]
pub enum Connected {
    /// The session stands.
    Yes(Box<ConnectedDevice>),
    /// The device has proven a secret before; it must come with it, or take a new id.
    SecretRequired,
    /// The secret is not this device's.
    BadSecret,
}

/// A device whose session stands.
#[derive(Debug)]
pub struct ConnectedDevice {
    /// The app.
    pub app: AppId,
    /// The device.
    pub device: DeviceNumber,
    /// Its user's inbox.
    pub inbox: InboxId,
    /// Its user.
    pub user: String,
    /// The inbox's epoch.
    pub epoch: Epoch,
    /// Its newest offset.
    pub head: Offset,
    /// What the device has acknowledged.
    pub cursor: Offset,
    /// Whether the drawn secret is now the device's and must be told.
    pub secret_issued: bool,
    /// Its push targets.
    pub targets: Vec<TargetKind>,
    /// Older sessions of the device, to be closed as replaced.
    pub replaced: Vec<SessionId>,
    /// Whether the store was found to be rolled back: the user's other sessions are to be closed.
    pub rolled_back: bool,
    /// Calls that ring for the user, and those still kept that the device was woken for.
    pub calls: Vec<CallRecord>,
    /// The wake that was open, for the log.
    pub wake: Option<WakeId>,
    /// What else the connect brought about.
    pub effects: Effects,
}

/// Who a device is, by its secret, for the HTTP short way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// The app.
    pub app: AppId,
    /// The device.
    pub device: DeviceNumber,
    /// The client's own id of it.
    pub name: String,
    /// Its user's inbox.
    pub inbox: InboxId,
    /// Its user.
    pub user: String,
    /// What it has acknowledged.
    pub cursor: Offset,
}

/// A push target to be set.
#[derive(Clone, Debug)]
pub struct SetTarget {
    /// The device.
    pub device: DeviceNumber,
    /// The kind.
    pub kind: TargetKind,
    /// The token.
    pub token: String,
    /// Declared by the app.
    pub environment: Option<Environment>,
    /// Bundle id or package name.
    pub app_id: Option<String>,
    /// When.
    pub now: Time,
}

/// What a change of a target came to.
#[derive(Debug)]
pub enum TargetSet {
    /// Held.
    Yes {
        /// Devices it was taken from.
        moved_from: Vec<DeviceNumber>,
        /// What else it brought about.
        effects: Effects,
    },
    /// The same token is registered as the other kind of Apple's two.
    TokenOfOtherKind,
    /// The device is gone.
    NoDevice,
}

/// A push target.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// The kind.
    pub kind: TargetKind,
    /// The token.
    pub token: String,
    /// Declared by the app.
    pub environment: Option<Environment>,
    /// Bundle id or package name.
    pub app_id: Option<String>,
    /// When it was last registered.
    pub registered_at: Time,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("kind", &self.kind)
            .field("app_id", &self.app_id)
            .finish_non_exhaustive()
    }
}

/// A device, for the API.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its number.
    pub number: DeviceNumber,
    /// The client's own id.
    pub name: String,
    /// What it runs.
    pub platform: Platform,
    /// Whether a session of it lives.
    pub live: bool,
    /// The inbox's epoch.
    pub epoch: Epoch,
    /// What it has acknowledged.
    pub cursor: Offset,
    /// When it was last connected.
    pub last_seen_at: Time,
    /// Its push targets.
    pub targets: Vec<Target>,
    /// Its open wakes.
    pub wakes: Vec<OpenWake>,
}

/// An open wake, for the API.
#[derive(Clone, Debug)]
pub struct OpenWake {
    /// The wake.
    pub id: WakeId,
    /// Whether it is for a call.
    pub call: bool,
    /// Its state.
    pub wake: domain::wake::Wake,
}

// --- wakes -----------------------------------------------------------------------------------------------------

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
    /// When.
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

// --- calls -------------------------------------------------------------------------------------------------------

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
    /// No such call.
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
