//! Events: what happened, for whoever asks later.

use domain::{AppId, Time};

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// A credential's end is near.
    CredentialExpiring,
    /// A push service does not believe a credential, most of what it sends is
    /// refused, or the push service is away.
    CredentialFailed,
    /// A push service believes a credential again.
    CredentialRecovered,
    /// A device was removed: taken back by the back end, or away for too long.
    DeviceRemoved,
    /// A device came because a push woke it.
    DeviceWoken,
    /// A token turned up on another device.
    TargetMoved,
    /// A token was dropped for cause.
    TokenDropped,
    /// Every rung and repeat of a wake was used, and the device has not come.
    WakeExhausted,
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 8] = [
        Self::CredentialExpiring,
        Self::CredentialFailed,
        Self::CredentialRecovered,
        Self::DeviceRemoved,
        Self::DeviceWoken,
        Self::TargetMoved,
        Self::TokenDropped,
        Self::WakeExhausted,
    ];

    /// The word in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialExpiring => "credential.expiring",
            Self::CredentialFailed => "credential.failed",
            Self::CredentialRecovered => "credential.recovered",
            Self::DeviceRemoved => "device.removed",
            Self::DeviceWoken => "device.woken",
            Self::TargetMoved => "device.target_moved",
            Self::TokenDropped => "device.token_dropped",
            Self::WakeExhausted => "wake.exhausted",
        }
    }

    /// The type of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number: events of later commits have higher ones.
    pub number: i64,
    /// The app.
    pub app: AppId,
    /// When.
    pub at: Time,
    /// What kind.
    pub kind: EventType,
    /// What is known of it, as JSON.
    pub body: String,
}
