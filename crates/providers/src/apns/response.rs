//! What an answer of APNs means; the words are [`Reason`]'s.

use domain::{Diagnosis, Environment, Outcome, Refusal, RetryRule, Time, TokenVerdict};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::reason::Reason;
use super::request::ID;
use crate::config::Pauses;
use crate::retry_after::retry_after;
use crate::transport::Failure;

/// The longest name of a push that is believed to be one; Apple's are UUIDs.
const LONGEST_ID: usize = 64;
/// The most characters of a reason that Apple has not written down anywhere.
const LONGEST_REASON: usize = 100;

/// What is known of a request when its answer is read.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Which of Apple's services it went to.
    pub environment: Environment,
    /// Whether the certificate's time was over, which Apple's servers show in more than one way.
    pub expired: bool,
    /// The time, for a `Retry-After` that is a date.
    pub now: Time,
    /// What to ask of retries.
    pub pauses: &'a Pauses,
}

/// What an answer came to. Pure.
pub fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], sent: &Sent<'_>) -> Outcome {
    if status.is_success() {
        let id = headers.get(ID).and_then(|id| id.to_str().ok());
        let id = id.filter(|id| id.len() <= LONGEST_ID);
        return Outcome::Accepted { provider_id: id.map(str::to_owned) };
    }
    let mut refusal = refusal(&ErrorBody::parse(body), Some(status.as_u16()), sent);
    // Apple documents no Retry-After; where one stands, it is the better pause.
    if refusal.diagnosis == Diagnosis::TemporarilyDisabled
        && let Some(pause) = retry_after(headers, sent.now)
    {
        refusal.retry = RetryRule::After(pause);
    }
    Outcome::Refused(refusal)
}

/// What a request that was surely not processed came to. A GOAWAY's reason means what it means in
/// an answer.
pub(super) fn classify_failure(failure: &Failure, sent: &Sent<'_>) -> Outcome {
    match failure {
        Failure::GoAway(debug) => Outcome::Refused(refusal(&ErrorBody::parse(debug), None, sent)),
        Failure::Alert(alert) => Outcome::Refused(alert_refusal(*alert, sent)),
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
        | Failure::Closed => failure.outcome(sent.pauses),
    }
}

/// Whether a GOAWAY's debug data is a reason that another connection will not cure.
pub(super) fn goaway_refuses(debug: &[u8]) -> bool {
    // Whose fault it is does not depend on the environment, only what to do about it.
    let diagnosis = ErrorBody::parse(debug).known().map(|it| it.diagnosis(Environment::Production));
    diagnosis.is_some_and(Diagnosis::is_credential_fault)
}

/// What may be done at once about a refusal, before it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cure {
    /// Nothing.
    None,
    /// Send again on a new connection.
    Reconnect,
    /// Send again with a new provider token on a new connection: the old connection keeps
    /// answering `ExpiredProviderToken`.
    RenewToken,
}

/// The cure for an answer that refuses, or for the debug data of a GOAWAY that does.
pub(super) fn cure(body: &[u8]) -> Cure {
    match ErrorBody::parse(body).known() {
        Some(Reason::ExpiredProviderToken) => Cure::RenewToken,
        Some(Reason::UnrelatedKeyIdInToken | Reason::IdleTimeout | Reason::Shutdown) => {
            Cure::Reconnect
        }
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

    /// The reason, if it is one of Apple's.
    fn known(&self) -> Option<Reason> {
        self.reason.as_deref().and_then(Reason::parse)
    }
}

/// A refusal with this reason; without a known one, by the status.
fn refusal(answer: &ErrorBody, status: Option<u16>, sent: &Sent<'_>) -> Refusal {
    let (known, pauses) = (answer.known(), sent.pauses);
    let diagnosis = match known {
        Some(Reason::BadCertificate) if sent.expired => Diagnosis::CertificateExpired,
        Some(known) => known.diagnosis(sent.environment),
        None => diagnosis_of_status(status),
    };
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
        (Some(known), _) => known.verdict(answer.timestamp),
        (None, Some(410)) => {
            TokenVerdict::Drop { invalid_since: answer.timestamp.map(Time::from_millis) }
        }
        (None, _) => TokenVerdict::Keep,
    };
    let scope = known.map_or_else(|| diagnosis.scope(), |known| known.scope(sent.environment));
    let remedy = match known {
        Some(known) if diagnosis != Diagnosis::CertificateExpired => known.remedy(sent.environment),
        _ => None,
    };
    let remedy = remedy.unwrap_or_else(|| remedy_of(diagnosis)).to_owned();
    let reason = match (answer.reason.as_deref().unwrap_or_default(), status) {
        ("", Some(status)) => format!("HTTP {status}"),
        ("", None) => "GOAWAY".to_owned(),
        (reason, _) => reason.chars().take(LONGEST_REASON).collect(),
    };
    Refusal { diagnosis, scope, retry, token, status, reason, remedy }
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
            "Upload a credential for the production environment: this one is for the sandbox."
        }
        Diagnosis::BadPushToken => "Let the app register its token again.",
        Diagnosis::AppMismatch => "Check that the credential covers this bundle id.",
        Diagnosis::BadPayload => "Correct the push's content; the reason names the field.",
    }
}

/// The refusal of a certificate whose time is over, before anything is sent.
pub(super) fn expired_refusal() -> Refusal {
    let diagnosis = Diagnosis::CertificateExpired;
    let retry = RetryRule::WhenChanged;
    Refusal::unsent(diagnosis, retry, "CertificateExpired", remedy_of(diagnosis))
}

/// What a TLS alert means (numbers: RFC 8446, section 6). Alerts against the client certificate
/// arrive only after the handshake with TLS 1.3.
fn alert_refusal(alert: u8, sent: &Sent<'_>) -> Refusal {
    let diagnosis = match alert {
        45 => Diagnosis::CertificateExpired,
        // internal_error is what some of Apple's servers say of an expired certificate.
        40 | 42 | 43 | 44 | 46 | 48 | 49 | 80 if sent.expired => Diagnosis::CertificateExpired,
        // handshake_failure, bad_, unsupported_, revoked and unknown certificate, unknown_ca,
        // access_denied, certificate_required.
        40 | 42 | 43 | 44 | 46 | 48 | 49 | 116 => Diagnosis::CertificateError,
        _ => Diagnosis::TemporarilyDisabled,
    };
    let retry = if diagnosis.is_credential_fault() {
        RetryRule::WhenChanged
    } else {
        RetryRule::BackOff { first: sent.pauses.unreachable }
    };
    Refusal::unsent(diagnosis, retry, format!("TlsAlert {alert}"), remedy_of(diagnosis))
}

#[cfg(test)]
mod tests;
