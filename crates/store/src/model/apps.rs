//! Apps, keys, settings, credentials, user tokens.

use domain::{AppId, InboxId, Policy, Time};

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
