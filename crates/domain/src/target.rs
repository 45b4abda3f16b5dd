//! Where a provider reaches a device.

/// The kind of a push target; a device has at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetKind {
    /// APNs, the app's ordinary token.
    Apns,
    /// APNs, the PushKit token: calls only.
    ApnsVoip,
    /// Firebase Cloud Messaging.
    Fcm,
    /// Web Push (RFC 8030), UnifiedPush included.
    Webpush,
}

impl TargetKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Apns, Self::ApnsVoip, Self::Fcm, Self::Webpush];

    /// The word used in the API, the console, the logs and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::ApnsVoip => "apns_voip",
            Self::Fcm => "fcm",
            Self::Webpush => "webpush",
        }
    }

    /// The kind of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether Apple's push service is behind it.
    pub const fn is_apns(self) -> bool {
        matches!(self, Self::Apns | Self::ApnsVoip)
    }

    /// Whether a push by it to a device that runs this ends at Apple's push service: FCM hands
    /// those for iPhones on to it.
    pub const fn ends_at_apple(self, platform: Platform) -> bool {
        self.is_apns() || matches!((self, platform), (Self::Fcm, Platform::Ios))
    }
}

/// What a device runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Android.
    Android,
    /// iOS and iPadOS.
    Ios,
    /// A browser.
    Web,
    /// Anything else: a desktop program, a terminal, a bot.
    Other,
}

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 4] = [Self::Android, Self::Ios, Self::Web, Self::Other];

    /// The word used in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::Ios => "ios",
            Self::Web => "web",
            Self::Other => "other",
        }
    }

    /// The platform of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.as_str() == word)
    }
}

/// Which of a provider's worlds a token belongs to. Only Apple has two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Environment {
    /// Tokens of apps from the store, TestFlight and ad hoc distribution.
    Production,
    /// Tokens of apps run from Xcode.
    Sandbox,
}

impl Environment {
    /// The word used in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sandbox => "sandbox",
        }
    }

    /// The one this is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Production => Self::Sandbox,
            Self::Sandbox => Self::Production,
        }
    }

    /// The environment of a word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "production" => Some(Self::Production),
            "sandbox" => Some(Self::Sandbox),
            _ => None,
        }
    }
}
