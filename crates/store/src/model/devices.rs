//! Devices, their sessions and push targets.

use domain::inbox::Held;
use domain::session::AppState;
use domain::{
    AppId, DeviceNumber, Environment, Epoch, InboxId, Incarnation, Offset, Platform, SessionId,
    TargetKind, Time, WakeId,
};

use super::{CallRecord, Digest, Effects};

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
    pub woken_by: Option<WokenBy>,
    /// When.
    pub now: Time,
}

/// The push that woke a device, as its app tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WokenBy {
    /// The wake it belonged to.
    pub wake: WakeId,
    /// When the push handler ran, by the phone's clock.
    pub received_at: Option<Time>,
    /// Whether FCM delivered it with a lower priority than it was sent with.
    pub demoted: bool,
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
    /// Calls to be told of, oldest first: [`crate::Store::calls_to_tell`].
    pub calls: Vec<CallRecord>,
    /// When the device may have been told something for the last time before.
    pub seen_before: Time,
    /// The wake that was open, for the log.
    pub wake: Option<WakeId>,
    /// When the last push of its wakes went out, if nobody has come since.
    pub pushed_at: Option<Time>,
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
    /// Apple's environment as its answers showed it, or as it is being tried.
    pub learned: Option<Environment>,
    /// Bundle id or package name.
    pub app_id: Option<String>,
    /// When it was last registered.
    pub registered_at: Time,
    /// Since when it is suspect.
    pub suspect_since: Option<Time>,
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
    /// Whether it has a session that did not answer in time.
    pub suspect: bool,
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
