//! Apple's words for why a push is refused, and what each means.
//!
//! Reasons and their advice: Apple, "Handling notification responses from APNs",
//! <https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns>,
//! read 2026-11-23, and "Handling error responses from APNs" for broadcasts; the two key-id
//! reasons are as APNSwift spells them, `MissingChannelQueueSize` was seen and is in no page.

use domain::{Diagnosis, Environment, RetryRule, Scope, Time, TokenVerdict};

use crate::config::Pauses;

/// Apple's reasons, for pushes and for broadcasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    BadCertificate,
    BadCertificateEnvironment,
    BadChannelId,
    BadCollapseId,
    BadDeviceToken,
    BadEnvironmentKeyIdInToken,
    BadExpirationDate,
    BadMessageId,
    BadPath,
    BadPriority,
    BadRequestParams,
    BadRequestPayload,
    BadTopic,
    CannotCreateChannelConfig,
    ChannelNotRegistered,
    DeviceTokenNotForTopic,
    DuplicateHeaders,
    ExpiredProviderToken,
    ExpiredToken,
    FeatureNotEnabled,
    Forbidden,
    IdleTimeout,
    InternalServerError,
    InvalidProviderToken,
    InvalidPushType,
    MethodNotAllowed,
    MissingChannelId,
    MissingChannelQueueSize,
    MissingDeviceToken,
    MissingProviderToken,
    MissingPushType,
    MissingTopic,
    PayloadEmpty,
    PayloadTooLarge,
    ServiceUnavailable,
    Shutdown,
    TooManyProviderTokenUpdates,
    TooManyRequests,
    TopicDisallowed,
    TopicMismatch,
    Unregistered,
    UnrelatedKeyIdInToken,
}

impl Reason {
    /// The reason of a name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "BadCertificate" => Self::BadCertificate,
            "BadCertificateEnvironment" => Self::BadCertificateEnvironment,
            "BadChannelId" => Self::BadChannelId,
            "BadCollapseId" => Self::BadCollapseId,
            "BadDeviceToken" => Self::BadDeviceToken,
            // Apple's page has the first spelling, the second one was seen.
            "BadEnvironmentKeyIdInToken" | "BadEnvironmentKeyInToken" => {
                Self::BadEnvironmentKeyIdInToken
            }
            "BadExpirationDate" => Self::BadExpirationDate,
            "BadMessageId" => Self::BadMessageId,
            "BadPath" => Self::BadPath,
            "BadPriority" => Self::BadPriority,
            "BadRequestParams" => Self::BadRequestParams,
            "BadRequestPayload" => Self::BadRequestPayload,
            "BadTopic" => Self::BadTopic,
            "CannotCreateChannelConfig" => Self::CannotCreateChannelConfig,
            "ChannelNotRegistered" => Self::ChannelNotRegistered,
            "DeviceTokenNotForTopic" => Self::DeviceTokenNotForTopic,
            "DuplicateHeaders" => Self::DuplicateHeaders,
            "ExpiredProviderToken" => Self::ExpiredProviderToken,
            "ExpiredToken" => Self::ExpiredToken,
            "FeatureNotEnabled" => Self::FeatureNotEnabled,
            "Forbidden" => Self::Forbidden,
            "IdleTimeout" => Self::IdleTimeout,
            "InternalServerError" => Self::InternalServerError,
            "InvalidProviderToken" => Self::InvalidProviderToken,
            "InvalidPushType" => Self::InvalidPushType,
            "MethodNotAllowed" => Self::MethodNotAllowed,
            "MissingChannelId" => Self::MissingChannelId,
            "MissingChannelQueueSize" => Self::MissingChannelQueueSize,
            "MissingDeviceToken" => Self::MissingDeviceToken,
            "MissingProviderToken" => Self::MissingProviderToken,
            "MissingPushType" => Self::MissingPushType,
            "MissingTopic" => Self::MissingTopic,
            "PayloadEmpty" => Self::PayloadEmpty,
            "PayloadTooLarge" => Self::PayloadTooLarge,
            "ServiceUnavailable" => Self::ServiceUnavailable,
            "Shutdown" => Self::Shutdown,
            "TooManyProviderTokenUpdates" => Self::TooManyProviderTokenUpdates,
            "TooManyRequests" => Self::TooManyRequests,
            "TopicDisallowed" => Self::TopicDisallowed,
            "TopicMismatch" => Self::TopicMismatch,
            "Unregistered" => Self::Unregistered,
            "UnrelatedKeyIdInToken" => Self::UnrelatedKeyIdInToken,
            _ => return None,
        })
    }

    /// Our code for it, from this environment's service.
    pub(super) const fn diagnosis(self, environment: Environment) -> Diagnosis {
        match self {
            Self::FeatureNotEnabled | Self::MissingProviderToken => Diagnosis::NotConfigured,
            Self::IdleTimeout
            | Self::InternalServerError
            | Self::ServiceUnavailable
            | Self::Shutdown
            | Self::TooManyProviderTokenUpdates
            | Self::TooManyRequests => Diagnosis::TemporarilyDisabled,
            Self::BadCertificate
            | Self::ExpiredProviderToken
            | Self::Forbidden
            | Self::InvalidProviderToken
            | Self::UnrelatedKeyIdInToken => Diagnosis::CertificateError,
            // A credential of the sandbox at production's door; the other way round, asking for a
            // production credential would be the wrong advice.
            Self::BadCertificateEnvironment | Self::BadEnvironmentKeyIdInToken => match environment
            {
                Environment::Production => Diagnosis::ProductionCertificateRequired,
                Environment::Sandbox => Diagnosis::CertificateError,
            },
            Self::BadDeviceToken
            | Self::ExpiredToken
            | Self::MissingDeviceToken
            | Self::Unregistered => Diagnosis::BadPushToken,
            Self::BadTopic
            | Self::DeviceTokenNotForTopic
            | Self::MissingTopic
            | Self::TopicDisallowed
            | Self::TopicMismatch => Diagnosis::AppMismatch,
            Self::BadChannelId
            | Self::BadCollapseId
            | Self::BadExpirationDate
            | Self::BadMessageId
            | Self::BadPath
            | Self::BadPriority
            | Self::BadRequestParams
            | Self::BadRequestPayload
            | Self::CannotCreateChannelConfig
            | Self::ChannelNotRegistered
            | Self::DuplicateHeaders
            | Self::InvalidPushType
            | Self::MethodNotAllowed
            | Self::MissingChannelId
            | Self::MissingChannelQueueSize
            | Self::MissingPushType
            | Self::PayloadEmpty
            | Self::PayloadTooLarge => Diagnosis::BadPayload,
        }
    }

    /// How far it reaches.
    pub(super) const fn scope(self, environment: Environment) -> Scope {
        match self {
            // Broadcasts are not enabled for the app; its other pushes are none the worse for it.
            Self::FeatureNotEnabled => Scope::Push,
            // About one device, where the code is about the service.
            Self::TooManyRequests => Scope::Device,
            Self::TooManyProviderTokenUpdates => Scope::Credential,
            _ => self.diagnosis(environment).scope(),
        }
    }

    /// When to try again, where the diagnosis does not decide it.
    pub(super) const fn retry(self, pauses: &Pauses) -> Option<RetryRule> {
        match self {
            Self::IdleTimeout | Self::Shutdown => Some(RetryRule::After(pauses.apns_shutdown)),
            Self::InternalServerError | Self::ServiceUnavailable => {
                Some(RetryRule::After(pauses.apns_unavailable))
            }
            Self::TooManyProviderTokenUpdates | Self::TooManyRequests => {
                Some(RetryRule::BackOff { first: pauses.apns_throttled })
            }
            // A smaller payload to the same channel would fare no better.
            Self::BadChannelId
            | Self::CannotCreateChannelConfig
            | Self::ChannelNotRegistered
            | Self::MissingChannelId => Some(RetryRule::WhenChanged),
            _ => None,
        }
    }

    /// What it says about the token. Apple's 400s make it suspect, its 410s are terminal.
    pub(super) fn verdict(self, timestamp: Option<i64>) -> TokenVerdict {
        match self {
            Self::ExpiredToken | Self::Unregistered => {
                TokenVerdict::Drop { invalid_since: timestamp.map(Time::from_millis) }
            }
            Self::BadDeviceToken => TokenVerdict::Elsewhere,
            Self::DeviceTokenNotForTopic | Self::MissingDeviceToken => TokenVerdict::Suspect,
            _ => TokenVerdict::Keep,
        }
    }

    /// What to do, where more can be said than the diagnosis says.
    pub(super) const fn remedy(self, environment: Environment) -> Option<&'static str> {
        Some(match self {
            Self::BadDeviceToken => {
                "Check that the token's environment is right: tokens of apps run from Xcode belong to the sandbox."
            }
            Self::BadCertificate => {
                "Make a new push certificate in Apple's developer portal and upload it."
            }
            Self::BadCertificateEnvironment | Self::BadEnvironmentKeyIdInToken => match environment
            {
                Environment::Production => {
                    "Upload a credential for the production environment: this one is for the sandbox."
                }
                Environment::Sandbox => {
                    "Upload a credential for the sandbox environment: this one is for production."
                }
            },
            Self::BadChannelId | Self::ChannelNotRegistered | Self::MissingChannelId => {
                "Create the broadcast channel again and use the id that Apple gives."
            }
            Self::CannotCreateChannelConfig => {
                "Delete broadcast channels that are no longer used; Apple limits their number."
            }
            Self::ExpiredProviderToken => {
                "Check this server's clock; Apple compares it with its own."
            }
            Self::InvalidProviderToken => {
                "Check key id and team id, and that the key was not revoked and covers this bundle id."
            }
            Self::FeatureNotEnabled => "Enable broadcasts for the app in Apple's developer portal.",
            Self::UnrelatedKeyIdInToken => "Use keys of one kind and team for an app.",
            Self::MissingProviderToken => "Upload a .p8 key or a .p12 certificate.",
            Self::Forbidden => {
                "Check in Apple's developer portal what the key or certificate may do."
            }
            Self::DeviceTokenNotForTopic => {
                "Check the bundle id: the device registered with another app than this credential pushes to."
            }
            Self::BadTopic | Self::MissingTopic | Self::TopicDisallowed | Self::TopicMismatch => {
                "Check that the credential covers this bundle id, .voip included."
            }
            Self::ExpiredToken | Self::Unregistered => {
                "Nothing: the app was removed or registers anew when it is opened."
            }
            Self::PayloadTooLarge => "Send less in the push; the app fetches the message itself.",
            Self::TooManyRequests => "Push less often to this device.",
            Self::TooManyProviderTokenUpdates => {
                "Let one server sign for a key, and check this server's clock."
            }
            _ => return None,
        })
    }
}
