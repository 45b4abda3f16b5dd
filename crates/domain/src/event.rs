//! Events: what kinds there are, and which of them an app keeps.

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// A call rang and nobody answered it.
    CallMissed,
    /// A credential's end is near.
    CredentialExpiring,
    /// A push service does not believe a credential, most of what it sends is
    /// refused, or the push service is away.
    CredentialFailed,
    /// A push service believes a credential again.
    CredentialRecovered,
    /// A device was removed: taken back by the back end, or away for too long.
    DeviceRemoved,
    /// A token turned up on another device.
    TargetMoved,
    /// A token was dropped for cause.
    TokenDropped,
    /// A device came because a push woke it.
    DeviceWoken,
    /// A message waits for a device that is not connected.
    MessageOffline,
    /// A push was refused, or its answer never came.
    PushFailed,
    /// A push service took a push.
    PushSent,
    /// A user has a session, and had none.
    UserConnected,
    /// A user's last session ended.
    UserDisconnected,
    /// Every rung and repeat of a wake was used, and the device has not come.
    WakeExhausted,
    /// Somebody tries a webhook out.
    WebhookTest,
}

impl EventType {
    /// Every type, in the order of their words.
    pub const ALL: [Self; 15] = [
        Self::CallMissed,
        Self::CredentialExpiring,
        Self::CredentialFailed,
        Self::CredentialRecovered,
        Self::DeviceRemoved,
        Self::TargetMoved,
        Self::TokenDropped,
        Self::DeviceWoken,
        Self::MessageOffline,
        Self::PushFailed,
        Self::PushSent,
        Self::UserConnected,
        Self::UserDisconnected,
        Self::WakeExhausted,
        Self::WebhookTest,
    ];

    /// The word in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallMissed => "call.missed",
            Self::CredentialExpiring => "credential.expiring",
            Self::CredentialFailed => "credential.failed",
            Self::CredentialRecovered => "credential.recovered",
            Self::DeviceRemoved => "device.removed",
            Self::TargetMoved => "device.target_moved",
            Self::TokenDropped => "device.token_dropped",
            Self::DeviceWoken => "device.woken",
            Self::MessageOffline => "message.offline",
            Self::PushFailed => "push.failed",
            Self::PushSent => "push.sent",
            Self::UserConnected => "user.connected",
            Self::UserDisconnected => "user.disconnected",
            Self::WakeExhausted => "wake.exhausted",
            Self::WebhookTest => "webhook.test",
        }
    }

    /// The type of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }

    /// Whether it is kept only for who asks for it: it comes as often as people come and go or
    /// messages are sent, and each is a row.
    pub const fn is_frequent(self) -> bool {
        match self {
            Self::MessageOffline
            | Self::PushSent
            | Self::UserConnected
            | Self::UserDisconnected => true,
            Self::CallMissed
            | Self::CredentialExpiring
            | Self::CredentialFailed
            | Self::CredentialRecovered
            | Self::DeviceRemoved
            | Self::TargetMoved
            | Self::TokenDropped
            | Self::DeviceWoken
            | Self::PushFailed
            | Self::WakeExhausted
            | Self::WebhookTest => false,
        }
    }
}

/// A set of event types.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EventSet(u32);

impl EventSet {
    /// What `*` of a webhook stands for: everything but what every single push would bring, and
    /// but a try of another webhook.
    pub fn all_by_default() -> Self {
        let left_out = [EventType::PushSent, EventType::WebhookTest];
        EventType::ALL.into_iter().filter(|event| !left_out.contains(event)).collect()
    }

    /// Whether the type is in it.
    pub const fn has(self, event: EventType) -> bool {
        self.0 & Self::bit(event) != 0
    }

    /// What is in one of the two.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Its types, in the order of their words.
    pub fn iter(self) -> impl Iterator<Item = EventType> {
        EventType::ALL.into_iter().filter(move |event| self.has(*event))
    }

    const fn bit(event: EventType) -> u32 {
        1 << event as u32
    }
}

impl FromIterator<EventType> for EventSet {
    fn from_iter<I: IntoIterator<Item = EventType>>(types: I) -> Self {
        Self(types.into_iter().fold(0, |bits, event| bits | Self::bit(event)))
    }
}

impl std::fmt::Debug for EventSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(EventType::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_and_they_are_in_order() {
        for event in EventType::ALL {
            assert_eq!(EventType::parse(event.as_str()), Some(event));
        }
        assert!(EventType::ALL.is_sorted_by_key(|event| event.as_str()));
        assert_eq!(EventType::parse("device"), None);
    }

    #[test]
    fn a_set_holds_what_it_was_given() {
        let set: EventSet = [EventType::PushSent, EventType::CallMissed].into_iter().collect();
        for event in EventType::ALL {
            let given = matches!(event, EventType::PushSent | EventType::CallMissed);
            assert_eq!(set.has(event), given, "{event:?}");
        }
        assert_eq!(set.union(EventSet::default()), set);
        assert_eq!(set.iter().count(), 2);
        assert_eq!(EventSet::all_by_default().iter().count(), EventType::ALL.len() - 2);
        assert!(!EventSet::all_by_default().has(EventType::PushSent));
    }
}
