//! Apple's reasons for refusing a push, from "Handling notification responses from APNs"; those of broadcasts from
//! "Handling error responses from Apple Push Notification service".

use http::StatusCode;
use jiff::Timestamp;

/// Why APNs refuses a push.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reason {
    /// The certificate is no push certificate.
    BadCertificate,
    /// The certificate is for the other environment.
    BadCertificateEnvironment,
    /// Of a broadcast: `apns-channel-id` is not base64.
    BadChannelId,
    /// The collapse id is longer than 64 bytes.
    BadCollapseId,
    /// Malformed, unknown, or of the other environment.
    BadDeviceToken,
    /// The key is for the other environment.
    BadEnvironmentKeyIdInToken,
    /// `apns-expiration` is not a number.
    BadExpirationDate,
    /// `apns-id`, of a broadcast `apns-request-id`, is not a canonical UUID.
    BadMessageId,
    /// The path is neither `/3/device/<token>` nor `/4/broadcasts/apps/<bundle id>`.
    BadPath,
    /// Not 10, 5 or 1, or 10 on a background push.
    BadPriority,
    /// The body is not a JSON object with `aps`. Apple documents this word for its broadcast API only and none for
    /// this case here; the simulator refuses where Apple's answer is unknown.
    BadRequestPayload,
    /// The topic does not fit the push type, or the certificate.
    BadTopic,
    /// Of a broadcast: nobody made this channel.
    ChannelNotRegistered,
    /// The token belongs to another app.
    DeviceTokenNotForTopic,
    /// A header was repeated.
    DuplicateHeaders,
    /// The provider token is older than an hour.
    ExpiredProviderToken,
    /// The device token has expired.
    ExpiredToken,
    /// Of a broadcast: the app has no channels.
    FeatureNotEnabled,
    /// The push type needs the other kind of credential.
    Forbidden,
    /// The provider token is malformed, wrongly signed, or of an unknown key or team.
    InvalidProviderToken,
    /// The push type is unknown or does not fit the payload.
    InvalidPushType,
    /// Not POST.
    MethodNotAllowed,
    /// Of a broadcast: `apns-channel-id` is needed.
    MissingChannelId,
    /// The path names no token.
    MissingDeviceToken,
    /// Neither certificate nor provider token.
    MissingProviderToken,
    /// Of a broadcast: `apns-push-type` is needed.
    MissingPushType,
    /// `apns-topic` is needed.
    MissingTopic,
    /// There is no body.
    PayloadEmpty,
    /// More than 4096 bytes, 5120 for VoIP and for broadcasts.
    PayloadTooLarge,
    /// A new provider token came too soon after the last.
    TooManyProviderTokenUpdates,
    /// Too many pushes came to one device.
    TooManyRequests,
    /// The key may not push to the topic.
    TopicDisallowed,
    /// Of a broadcast: the channel is another app's.
    TopicMismatch,
    /// The app was removed.
    Unregistered,
    /// The key differs from the connection's first.
    UnrelatedKeyIdInToken,
}

impl Reason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadCertificate => "BadCertificate",
            Self::BadCertificateEnvironment => "BadCertificateEnvironment",
            Self::BadChannelId => "BadChannelId",
            Self::BadCollapseId => "BadCollapseId",
            Self::BadDeviceToken => "BadDeviceToken",
            Self::BadEnvironmentKeyIdInToken => "BadEnvironmentKeyIdInToken",
            Self::BadExpirationDate => "BadExpirationDate",
            Self::BadMessageId => "BadMessageId",
            Self::BadPath => "BadPath",
            Self::BadPriority => "BadPriority",
            Self::BadRequestPayload => "BadRequestPayload",
            Self::BadTopic => "BadTopic",
            Self::ChannelNotRegistered => "ChannelNotRegistered",
            Self::DeviceTokenNotForTopic => "DeviceTokenNotForTopic",
            Self::DuplicateHeaders => "DuplicateHeaders",
            Self::ExpiredProviderToken => "ExpiredProviderToken",
            Self::ExpiredToken => "ExpiredToken",
            Self::FeatureNotEnabled => "FeatureNotEnabled",
            Self::Forbidden => "Forbidden",
            Self::InvalidProviderToken => "InvalidProviderToken",
            Self::InvalidPushType => "InvalidPushType",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::MissingChannelId => "MissingChannelId",
            Self::MissingDeviceToken => "MissingDeviceToken",
            Self::MissingProviderToken => "MissingProviderToken",
            Self::MissingPushType => "MissingPushType",
            Self::MissingTopic => "MissingTopic",
            Self::PayloadEmpty => "PayloadEmpty",
            Self::PayloadTooLarge => "PayloadTooLarge",
            Self::TooManyProviderTokenUpdates => "TooManyProviderTokenUpdates",
            Self::TooManyRequests => "TooManyRequests",
            Self::TopicDisallowed => "TopicDisallowed",
            Self::TopicMismatch => "TopicMismatch",
            Self::Unregistered => "Unregistered",
            Self::UnrelatedKeyIdInToken => "UnrelatedKeyIdInToken",
        }
    }

    /// What is wrong, in words, where nothing more is known.
    fn words(self) -> &'static str {
        match self {
            Self::BadCertificate => "the certificate is no push certificate of Apple's form",
            Self::BadCertificateEnvironment => "the certificate is for the other environment",
            Self::BadChannelId => "`apns-channel-id` is not base64",
            Self::BadCollapseId => "`apns-collapse-id` has more than 64 bytes",
            Self::BadDeviceToken => "nobody has registered this device token here",
            Self::BadEnvironmentKeyIdInToken => "the key is for the other environment",
            Self::BadExpirationDate => "`apns-expiration` has to be seconds since 1970, or 0",
            Self::BadMessageId => "the id has to be a UUID in lower case, 8-4-4-4-12",
            Self::BadPath => "there are /3/device/<token> and /4/broadcasts/apps/<bundle id> here",
            Self::BadPriority => "`apns-priority` has to be 10, 5 or 1",
            Self::BadRequestPayload => "the payload is no JSON object, or `aps` is none",
            Self::BadTopic => "the certificate does not list this topic",
            Self::ChannelNotRegistered => "nobody has made this channel in this environment",
            Self::DeviceTokenNotForTopic => {
                "the device token is of another app than the topic names"
            }
            Self::DuplicateHeaders => "a header came twice",
            Self::ExpiredProviderToken => "the provider token was issued more than an hour ago",
            Self::ExpiredToken => "the device token has expired",
            Self::FeatureNotEnabled => "the app has no channels in this environment",
            Self::Forbidden => "the push type needs the other kind of credential",
            Self::InvalidProviderToken => "the provider token is not good",
            Self::InvalidPushType => "there is no push type of this name",
            Self::MethodNotAllowed => "there is only POST",
            Self::MissingChannelId => "`apns-channel-id` is missing",
            Self::MissingDeviceToken => "the path names no device token",
            Self::MissingProviderToken => "there is neither a certificate nor `authorization`",
            Self::MissingPushType => "`apns-push-type` is missing",
            Self::MissingTopic => "`apns-topic` is missing, and no certificate says it",
            Self::PayloadEmpty => "there is no payload",
            Self::PayloadTooLarge => {
                "the payload has more than 4096 bytes, for VoIP and broadcasts more than 5120"
            }
            Self::TooManyProviderTokenUpdates => {
                "the provider token was issued less than 20 minutes after the last"
            }
            Self::TooManyRequests => "too many pushes to this device",
            Self::TopicDisallowed => {
                "the key does not cover this app, or did not when the connection began"
            }
            Self::TopicMismatch => "the channel is of another app than the path names",
            Self::Unregistered => "the app was removed from the device",
            Self::UnrelatedKeyIdInToken => {
                "the key is not related to the first of this connection: open another"
            }
        }
    }

    /// A refusal for this reason that says more.
    pub(super) fn because(self, why: &'static str) -> Refusal {
        Refusal { reason: self, why, since: None }
    }

    /// The status it comes with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadChannelId
            | Self::BadCollapseId
            | Self::BadDeviceToken
            | Self::BadExpirationDate
            | Self::BadMessageId
            | Self::BadPriority
            | Self::BadRequestPayload
            | Self::BadTopic
            | Self::ChannelNotRegistered
            | Self::DeviceTokenNotForTopic
            | Self::DuplicateHeaders
            | Self::FeatureNotEnabled
            | Self::InvalidPushType
            | Self::MissingChannelId
            | Self::MissingDeviceToken
            | Self::MissingPushType
            | Self::MissingTopic
            | Self::PayloadEmpty
            | Self::TopicDisallowed => StatusCode::BAD_REQUEST,
            Self::BadCertificate
            | Self::BadCertificateEnvironment
            | Self::BadEnvironmentKeyIdInToken
            | Self::ExpiredProviderToken
            | Self::Forbidden
            | Self::InvalidProviderToken
            | Self::MissingProviderToken
            | Self::TopicMismatch
            | Self::UnrelatedKeyIdInToken => StatusCode::FORBIDDEN,
            Self::BadPath => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::ExpiredToken | Self::Unregistered => StatusCode::GONE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyProviderTokenUpdates | Self::TooManyRequests => {
                StatusCode::TOO_MANY_REQUESTS
            }
        }
    }
}

/// A refusal with what is told of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    /// What is wrong, in words for the log; the answer has the reason alone.
    pub(super) why: &'static str,
    /// Since when a token has been dead.
    pub(super) since: Option<Timestamp>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        reason.because(reason.words())
    }
}
