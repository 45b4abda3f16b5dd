//! What an answer of APNs means.
//!
//! Reasons and their advice: Apple, "Handling notification responses from APNs",
//! <https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns>,
//! read 2026-11-23; the two key-id reasons are as APNSwift spells them.

use domain::{Diagnosis, Outcome, Refusal, RetryRule, Scope, Time, TokenVerdict};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::request::ID;
use crate::config::Pauses;
use crate::retry_after::retry_after;
use crate::transport::Failure;

/// What an answer came to. Pure; `now` is only for a `Retry-After` that is a date.
pub fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Time,
    pauses: &Pauses,
) -> Outcome {
    if status.is_success() {
        let id = headers.get(ID).and_then(|id| id.to_str().ok());
        return Outcome::Accepted { provider_id: id.map(str::to_owned) };
    }
    let answer = ErrorBody::parse(body);
    let reason = answer.reason.as_deref().unwrap_or_default();
    let mut refusal = refusal(reason, Some(status.as_u16()), answer.timestamp, pauses);
    // Apple documents no Retry-After; where one stands, it is the better pause.
    if refusal.diagnosis == Diagnosis::TemporarilyDisabled
        && let Some(pause) = retry_after(headers, now)
    {
        refusal.retry = RetryRule::After(pause);
    }
    Outcome::Refused(refusal)
}

/// What a request that was surely not processed came to. `expired`: the certificate's time is
/// over, which Apple's servers show in more than one way.
pub(super) fn classify_failure(failure: &Failure, expired: bool, pauses: &Pauses) -> Outcome {
    match failure {
        Failure::GoAway(debug) => {
            let answer = ErrorBody::parse(debug);
            let reason = answer.reason.as_deref().unwrap_or_default();
            Outcome::Refused(refusal(reason, None, answer.timestamp, pauses))
        }
        Failure::Alert(alert) => Outcome::Refused(alert_refusal(*alert, expired, pauses)),
        Failure::Blocked(_)
        | Failure::Http1
        | Failure::Proxy(_)
        | Failure::Resolve(_)
        | Failure::Connect(_)
        | Failure::Untrusted(_)
        | Failure::Handshake(_)
        | Failure::TimedOut(_)
        | Failure::Unprocessed(..)
        | Failure::Request(_)
        | Failure::Closed => failure.outcome(pauses),
    }
}

/// Whether a GOAWAY's debug data is a reason that another connection will not cure.
pub(super) fn goaway_refuses(debug: &[u8]) -> bool {
    let answer = ErrorBody::parse(debug);
    let Some(reason) = answer.reason.as_deref() else { return false };
    match Reason::parse(reason) {
        Some(reason) => reason.diagnosis().is_credential_fault(),
        None => false,
    }
}

/// What may be done at once about a refusal, before it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cure {
    /// Nothing.
    None,
    /// Nothing for this push, but the connection must not be used again.
    Retire,
    /// Send again on a new connection.
    Reconnect,
    /// Send again with a new provider token on a new connection: the old connection keeps
    /// answering `ExpiredProviderToken`.
    RenewToken,
}

/// The cure for an answer.
pub(super) fn cure(status: StatusCode, body: &[u8]) -> Cure {
    if status.is_success() {
        return Cure::None;
    }
    let answer = ErrorBody::parse(body);
    match answer.reason.as_deref().and_then(Reason::parse) {
        Some(Reason::ExpiredProviderToken) => Cure::RenewToken,
        Some(Reason::UnrelatedKeyIdInToken | Reason::IdleTimeout) => Cure::Reconnect,
        Some(Reason::Shutdown) => Cure::Retire,
        _ => Cure::None,
    }
}

/// The body of an error answer, and the debug data of a GOAWAY.
#[derive(Default, Deserialize)]
struct ErrorBody {
    /// The reason's name.
    #[serde(default)]
    reason: Option<String>,
    /// With a 410: since when APNs has known the token dead, in milliseconds.
    #[serde(default)]
    timestamp: Option<i64>,
}

impl ErrorBody {
    /// Reads it; what cannot be read says nothing.
    fn parse(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }
}

/// Apple's reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    BadCertificate,
    BadCertificateEnvironment,
    BadCollapseId,
    BadDeviceToken,
    BadEnvironmentKeyIdInToken,
    BadExpirationDate,
    BadMessageId,
    BadPath,
    BadPriority,
    BadTopic,
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
    MissingDeviceToken,
    MissingProviderToken,
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
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "BadCertificate" => Self::BadCertificate,
            "BadCertificateEnvironment" => Self::BadCertificateEnvironment,
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
            "BadTopic" => Self::BadTopic,
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
            "MissingDeviceToken" => Self::MissingDeviceToken,
            "MissingProviderToken" => Self::MissingProviderToken,
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

    /// Our code for it.
    const fn diagnosis(self) -> Diagnosis {
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
            Self::BadCertificateEnvironment | Self::BadEnvironmentKeyIdInToken => {
                Diagnosis::ProductionCertificateRequired
            }
            Self::BadDeviceToken
            | Self::ExpiredToken
            | Self::MissingDeviceToken
            | Self::Unregistered => Diagnosis::BadPushToken,
            Self::BadTopic
            | Self::DeviceTokenNotForTopic
            | Self::MissingTopic
            | Self::TopicDisallowed
            | Self::TopicMismatch => Diagnosis::AppMismatch,
            Self::BadCollapseId
            | Self::BadExpirationDate
            | Self::BadMessageId
            | Self::BadPath
            | Self::BadPriority
            | Self::DuplicateHeaders
            | Self::InvalidPushType
            | Self::MethodNotAllowed
            | Self::PayloadEmpty
            | Self::PayloadTooLarge => Diagnosis::BadPayload,
        }
    }

    /// How far it reaches.
    const fn scope(self) -> Scope {
        match self {
            // About one device, where the code is about the service.
            Self::TooManyRequests => Scope::Device,
            Self::TooManyProviderTokenUpdates => Scope::Credential,
            _ => self.diagnosis().scope(),
        }
    }

    /// When to try again, where the diagnosis does not decide it.
    const fn retry(self, pauses: &Pauses) -> Option<RetryRule> {
        match self {
            Self::IdleTimeout | Self::Shutdown => Some(RetryRule::After(pauses.apns_shutdown)),
            Self::InternalServerError | Self::ServiceUnavailable => {
                Some(RetryRule::After(pauses.apns_unavailable))
            }
            Self::TooManyProviderTokenUpdates | Self::TooManyRequests => {
                Some(RetryRule::BackOff { first: pauses.apns_throttled })
            }
            _ => None,
        }
    }

    /// What it says about the token. Apple's 400s make it suspect, its 410s are terminal.
    fn verdict(self, timestamp: Option<i64>) -> TokenVerdict {
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
    const fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::BadDeviceToken => {
                "Check that the token's environment is right: tokens of apps run from Xcode belong to the sandbox."
            }
            Self::BadCertificate => {
                "Make a new push certificate in Apple's developer portal and upload it."
            }
            Self::BadCertificateEnvironment | Self::BadEnvironmentKeyIdInToken => {
                "Upload a credential for this environment: it and the token belong to different ones."
            }
            Self::ExpiredProviderToken => {
                "Check this server's clock; Apple compares it with its own."
            }
            Self::InvalidProviderToken => {
                "Check key id and team id, and that the key was not revoked and covers this bundle id."
            }
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

/// A refusal with this reason; without a known one, by the status.
fn refusal(reason: &str, status: Option<u16>, timestamp: Option<i64>, pauses: &Pauses) -> Refusal {
    let known = Reason::parse(reason);
    let diagnosis = known.map_or_else(|| diagnosis_of_status(status), Reason::diagnosis);
    let retry = known.and_then(|known| known.retry(pauses)).unwrap_or_else(|| match diagnosis {
        // An answer we do not know, of the 5xx or 429 kind.
        Diagnosis::TemporarilyDisabled if status == Some(429) => {
            RetryRule::BackOff { first: pauses.apns_throttled }
        }
        Diagnosis::TemporarilyDisabled => RetryRule::After(pauses.apns_unavailable),
        Diagnosis::BadPayload => RetryRule::Bare,
        Diagnosis::NotConfigured
        | Diagnosis::CertificateExpired
        | Diagnosis::CertificateError
        | Diagnosis::ProductionCertificateRequired
        | Diagnosis::BadPushToken
        | Diagnosis::AppMismatch => RetryRule::WhenChanged,
    });
    let token = match (known, status) {
        (Some(known), _) => known.verdict(timestamp),
        (None, Some(410)) => TokenVerdict::Drop { invalid_since: timestamp.map(Time::from_millis) },
        (None, _) => TokenVerdict::Keep,
    };
    let remedy = known.and_then(Reason::remedy).unwrap_or_else(|| remedy_of(diagnosis));
    let reason = match (reason, status) {
        ("", Some(status)) => format!("HTTP {status}"),
        ("", None) => "GOAWAY".to_owned(),
        (reason, _) => reason.to_owned(),
    };
    let scope = known.map_or_else(|| diagnosis.scope(), Reason::scope);
    Refusal { diagnosis, scope, retry, token, status, reason, remedy: remedy.to_owned() }
}

/// The code for a reason Apple had not invented when this was written.
const fn diagnosis_of_status(status: Option<u16>) -> Diagnosis {
    match status {
        Some(401 | 403) => Diagnosis::CertificateError,
        Some(410) => Diagnosis::BadPushToken,
        Some(429) => Diagnosis::TemporarilyDisabled,
        Some(400..=499) => Diagnosis::BadPayload,
        _ => Diagnosis::TemporarilyDisabled,
    }
}

/// What to do about a code in general.
const fn remedy_of(diagnosis: Diagnosis) -> &'static str {
    match diagnosis {
        Diagnosis::NotConfigured => "Upload a .p8 key or a .p12 certificate.",
        Diagnosis::TemporarilyDisabled => "Wait; it is tried again.",
        Diagnosis::CertificateExpired => {
            "Make a new push certificate in Apple's developer portal and upload it; or use a .p8 key."
        }
        Diagnosis::CertificateError => "Check the credential in Apple's developer portal.",
        Diagnosis::ProductionCertificateRequired => {
            "Upload a credential for this environment: it and the token belong to different ones."
        }
        Diagnosis::BadPushToken => "Let the app register its token again.",
        Diagnosis::AppMismatch => "Check that the credential covers this bundle id.",
        Diagnosis::BadPayload => "Correct the push's content; the reason names the field.",
    }
}

/// What a TLS alert means (numbers: RFC 8446, section 6). Alerts against the client certificate
/// arrive only after the handshake with TLS 1.3.
fn alert_refusal(alert: u8, expired: bool, pauses: &Pauses) -> Refusal {
    let diagnosis = match alert {
        45 => Diagnosis::CertificateExpired,
        // internal_error is what some of Apple's servers say of an expired certificate.
        40 | 42 | 43 | 44 | 46 | 48 | 49 | 80 if expired => Diagnosis::CertificateExpired,
        // handshake_failure, bad_, unsupported_, revoked and unknown certificate, unknown_ca,
        // access_denied, certificate_required.
        40 | 42 | 43 | 44 | 46 | 48 | 49 | 116 => Diagnosis::CertificateError,
        _ => Diagnosis::TemporarilyDisabled,
    };
    let retry = if diagnosis.is_credential_fault() {
        RetryRule::WhenChanged
    } else {
        RetryRule::BackOff { first: pauses.unreachable }
    };
    Refusal {
        diagnosis,
        scope: diagnosis.scope(),
        retry,
        token: TokenVerdict::Keep,
        status: None,
        reason: format!("TlsAlert {alert}"),
        remedy: remedy_of(diagnosis).to_owned(),
    }
}

#[cfg(test)]
mod tests;
