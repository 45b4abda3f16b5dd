//! Apps, keys, settings, credentials, user tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{AppId, Environment, EventSet, InboxId, KeyScopes, MaySend, Policy, Time};

/// An app's settings, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What they say about waking.
    pub policy: Policy,
    /// Sound of an alert.
    pub sound: String,
    /// Whether the newest notification of a thread replaces the one before.
    pub collapse_notifications: bool,
    /// Seconds a message is kept when its sender does not say.
    pub default_ttl_s: u32,
    /// What an alert says when its messages carry no texts.
    pub alert_title: String,
    /// What an alert says when its messages carry no texts.
    pub alert_body: String,
    /// The same by locale (BCP 47), for devices that say theirs.
    pub texts: BTreeMap<String, Texts>,
    /// Whether users may say what a push about their message says.
    pub clients_set_push: bool,
    /// Whether each request to a push service and its answer are printed in the server's log.
    pub print_push_logs: bool,
    /// Whether they are printed with the texts in them.
    pub log_payloads: bool,
    /// Frequent events that are kept though no webhook wants them, for who asks for events.
    pub kept_events: EventSet,
    /// How soon after one the next `message.offline` of a user may come, if they do not connect.
    pub offline_event_every: Duration,
    /// Whether `message.offline` carries the message's body.
    pub offline_event_body: bool,
}

/// What an alert says in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// The first line; `None`: the app's own.
    pub title: Option<String>,
    /// The text; `None`: the app's own.
    pub body: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            sound: "default".to_owned(),
            collapse_notifications: false,
            default_ttl_s: 30 * 86_400,
            alert_title: "New message".to_owned(),
            alert_body: "You have a new message.".to_owned(),
            texts: BTreeMap::new(),
            clients_set_push: false,
            print_push_logs: false,
            log_payloads: false,
            kept_events: EventSet::default(),
            offline_event_every: Duration::from_secs(3_600),
            offline_event_body: false,
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
    /// What it is good for.
    pub scopes: KeyScopes,
    /// When it was made.
    pub created_at: Time,
    /// When it was last used, to the minute; `None`: never.
    pub last_used_at: Option<Time>,
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
    /// When it ends by itself.
    pub not_after: Option<Time>,
    /// When the push service last believed it, to the minute.
    pub believed_at: Option<Time>,
    /// At how many days before its end that was last announced.
    pub announced: Option<u16>,
}

/// A credential to be kept.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// The app it belongs to.
    pub app: AppId,
    /// What it is, in the word of the API.
    pub kind: String,
    /// What may be shown of it, as JSON.
    pub facts: String,
    /// The secret part, sealed by the server.
    pub sealed: Vec<u8>,
    /// When it ends by itself.
    pub not_after: Option<Time>,
    /// When.
    pub now: Time,
}

/// A provider's token got with a credential, sealed by the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedToken {
    /// The credential.
    pub credential: domain::CredentialId,
    /// Where it is good.
    pub environment: Environment,
    /// The token.
    pub sealed: Vec<u8>,
    /// When it was issued.
    pub issued_at: Time,
}

/// What an app's back end signs user tokens with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
    /// Its id.
    pub id: domain::TokenKeyId,
    /// The app it belongs to.
    pub app: AppId,
    /// A name for people.
    pub name: String,
    /// The one algorithm it is good for, in the word of the API.
    pub algorithm: String,
    /// Whom its tokens must be meant for.
    pub audience: String,
    /// The key, or where it is.
    pub source: TokenKeySource,
    /// When it was added.
    pub created_at: Time,
}

/// Where the key is that proves a user token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKeySource {
    /// A public key, as PEM.
    PublicKey(String),
    /// A secret shared with the back end, sealed by the server.
    Secret(Vec<u8>),
    /// The URL of a key set (RFC 7517).
    JwksUrl(String),
}

/// A token key to be kept.
#[derive(Clone, Debug)]
pub struct NewTokenKey {
    /// The app it belongs to.
    pub app: AppId,
    /// A name for people.
    pub name: String,
    /// The one algorithm it is good for, in the word of the API.
    pub algorithm: String,
    /// Whom its tokens must be meant for.
    pub audience: String,
    /// The key, or where it is.
    pub source: TokenKeySource,
    /// When.
    pub now: Time,
}

/// Which users of an app are wanted. What is left out does not matter.
#[derive(Clone, Debug)]
pub struct UsersQuery {
    /// The app.
    pub app: AppId,
    /// Names that begin so.
    pub prefix: String,
    /// The user of the device with this name.
    pub device: Option<String>,
    /// Behind this name, in the order of their bytes.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A user as a list has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserListed {
    /// Their name.
    pub user: String,
    /// When they were made.
    pub created_at: Time,
    /// How many devices they have.
    pub devices: u32,
    /// How many of those have a living session.
    pub live: u32,
}

/// A user, as far as tokens go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// The inbox.
    pub inbox: InboxId,
    /// Tokens issued up to then are good no more.
    pub revoked_at: Option<Time>,
}

/// Whom an opaque user token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserToken {
    /// The app.
    pub app: AppId,
    /// The user's inbox.
    pub inbox: InboxId,
    /// The user.
    pub user: String,
    /// To whom they may send.
    pub may_send: MaySend,
    /// When it ends.
    pub expires_at: Time,
}
