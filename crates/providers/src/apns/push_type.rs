//! The kinds of push that APNs knows, and what each asks for.
//!
//! The table is Apple's, "Sending notification requests to APNs",
//! <https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns>;
//! what that page leaves open is let through, because APNs itself is the judge of it.

use super::request::Priority;

/// What a push is (`apns-push-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PushType {
    /// Shown to the user.
    Alert,
    /// Wakes the app without showing anything; Apple lets few through.
    Background,
    /// Updates a watch's complication.
    Complication,
    /// Reloads a control in the control centre.
    Controls,
    /// Tells a file provider extension that something changed.
    FileProvider,
    /// Starts, updates or ends a Live Activity.
    LiveActivity,
    /// Asks the app's location extension where the device is.
    Location,
    /// Tells a managed device to ask its management server for work.
    Mdm,
    /// Tells a push-to-talk app that somebody speaks.
    PushToTalk,
    /// An incoming call.
    Voip,
    /// Reloads the app's widgets.
    Widgets,
}

/// How a provider must show who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// By a certificate or by a key.
    Any,
    /// By a certificate (`.p12`, PEM).
    Certificate,
    /// By a key (`.p8`).
    Token,
}

impl PushType {
    /// Every push type, by name.
    pub const ALL: [Self; 11] = [
        Self::Alert,
        Self::Background,
        Self::Complication,
        Self::Controls,
        Self::FileProvider,
        Self::LiveActivity,
        Self::Location,
        Self::Mdm,
        Self::PushToTalk,
        Self::Voip,
        Self::Widgets,
    ];

    /// The header's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Background => "background",
            Self::Complication => "complication",
            Self::Controls => "controls",
            Self::FileProvider => "fileprovider",
            Self::LiveActivity => "liveactivity",
            Self::Location => "location",
            Self::Mdm => "mdm",
            Self::PushToTalk => "pushtotalk",
            Self::Voip => "voip",
            Self::Widgets => "widgets",
        }
    }

    /// What follows the bundle id in the topic.
    pub const fn topic_suffix(self) -> &'static str {
        match self {
            // The topic of a management push is the certificate's UID, as it is.
            Self::Alert | Self::Background | Self::Mdm => "",
            Self::Complication => ".complication",
            Self::Controls => ".push-type.controls",
            Self::FileProvider => ".pushkit.fileprovider",
            Self::LiveActivity => ".push-type.liveactivity",
            Self::Location => ".location-query",
            Self::PushToTalk => ".voip-ptt",
            Self::Voip => ".voip",
            Self::Widgets => ".push-type.widgets",
        }
    }

    /// The most bytes a body may have.
    pub const fn largest_payload_bytes(self) -> usize {
        match self {
            Self::Voip => 5120,
            Self::Alert
            | Self::Background
            | Self::Complication
            | Self::Controls
            | Self::FileProvider
            | Self::LiveActivity
            | Self::Location
            | Self::Mdm
            | Self::PushToTalk
            | Self::Widgets => 4096,
        }
    }

    /// The priorities it may have.
    pub const fn priorities(self) -> &'static [Priority] {
        match self {
            // "Specifying priority 10 is an error", and the page on background updates asks for 5.
            Self::Background => &[Priority::Considerate],
            Self::Location => &[Priority::Immediate, Priority::Considerate],
            Self::Voip => &[Priority::Immediate],
            Self::Alert
            | Self::Complication
            | Self::Controls
            | Self::FileProvider
            | Self::LiveActivity
            | Self::Mdm
            | Self::PushToTalk
            | Self::Widgets => &[Priority::Immediate, Priority::Considerate, Priority::PowerFirst],
        }
    }

    /// How its sender must show who it is.
    ///
    /// Apple says it of location, Live Activity and management pushes. Of controls and widgets it
    /// names keys only. Push-to-talk is not said to need a key: a certificate that lists its topic
    /// may try.
    pub const fn authentication(self) -> Authentication {
        match self {
            Self::Controls | Self::LiveActivity | Self::Location | Self::Widgets => {
                Authentication::Token
            }
            Self::Mdm => Authentication::Certificate,
            Self::Alert
            | Self::Background
            | Self::Complication
            | Self::FileProvider
            | Self::PushToTalk
            | Self::Voip => Authentication::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Apple's table: name, suffix, limit, priorities, authentication.
    #[test]
    fn the_table_is_apples() {
        use Authentication::{Any, Certificate, Token};
        let rows = [
            ("alert", "", 4096, "10 5 1", Any),
            ("background", "", 4096, "5", Any),
            ("complication", ".complication", 4096, "10 5 1", Any),
            ("controls", ".push-type.controls", 4096, "10 5 1", Token),
            ("fileprovider", ".pushkit.fileprovider", 4096, "10 5 1", Any),
            ("liveactivity", ".push-type.liveactivity", 4096, "10 5 1", Token),
            ("location", ".location-query", 4096, "10 5", Token),
            ("mdm", "", 4096, "10 5 1", Certificate),
            ("pushtotalk", ".voip-ptt", 4096, "10 5 1", Any),
            ("voip", ".voip", 5120, "10", Any),
            ("widgets", ".push-type.widgets", 4096, "10 5 1", Token),
        ];
        assert_eq!(rows.len(), PushType::ALL.len());
        for ((name, suffix, bytes, priorities, authentication), kind) in
            rows.into_iter().zip(PushType::ALL)
        {
            assert_eq!(kind.as_str(), name);
            assert_eq!(kind.topic_suffix(), suffix, "{name}");
            assert_eq!(kind.largest_payload_bytes(), bytes, "{name}");
            let allowed: Vec<_> = kind.priorities().iter().map(|one| one.as_str()).collect();
            assert_eq!(allowed.join(" "), priorities, "{name}");
            assert_eq!(kind.authentication(), authentication, "{name}");
        }
    }
}
