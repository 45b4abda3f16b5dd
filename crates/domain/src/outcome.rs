//! What a push came to, and what follows from it.
//!
//! A provider's answer is a value, not an error: the crate `providers` turns raw answers into an
//! [`Outcome`], the wake machine turns an `Outcome` into the next step.

use std::fmt;
use std::time::Duration;

use crate::time::Time;

/// The stable answer to "whose fault, and what to do": the codes 901 to 913.
///
/// Shown beside the provider's own words, never instead of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Diagnosis {
    /// 901: the push service for the app is not configured.
    NotConfigured,
    /// 902: the push service for the app is temporarily disabled (switch off, circuit open,
    /// provider down or throttling).
    TemporarilyDisabled,
    /// 903: the push certificate expired.
    CertificateExpired,
    /// 904: push certificate (or key, or account) error.
    CertificateError,
    /// 905: a production certificate is required for this push.
    ProductionCertificateRequired,
    /// 911: bad push token.
    BadPushToken,
    /// 912: certificate and token belong to different apps.
    AppMismatch,
    /// 913: bad payload.
    BadPayload,
}

impl Diagnosis {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::NotConfigured,
        Self::TemporarilyDisabled,
        Self::CertificateExpired,
        Self::CertificateError,
        Self::ProductionCertificateRequired,
        Self::BadPushToken,
        Self::AppMismatch,
        Self::BadPayload,
    ];

    /// The number: 901 to 913.
    pub const fn code(self) -> u16 {
        match self {
            Self::NotConfigured => 901,
            Self::TemporarilyDisabled => 902,
            Self::CertificateExpired => 903,
            Self::CertificateError => 904,
            Self::ProductionCertificateRequired => 905,
            Self::BadPushToken => 911,
            Self::AppMismatch => 912,
            Self::BadPayload => 913,
        }
    }

    /// The diagnosis of a number, if there is one.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|diagnosis| diagnosis.code() == code)
    }

    /// What the code means, in the words of the console and the docs.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NotConfigured => "push service for the app is not configured",
            Self::TemporarilyDisabled => "push service for the app is temporarily disabled",
            Self::CertificateExpired => "push certificate expired",
            Self::CertificateError => "push certificate (or key, or account) error",
            Self::ProductionCertificateRequired => {
                "production certificate is required for this push"
            }
            Self::BadPushToken => "bad push token",
            Self::AppMismatch => "certificate and token belong to different apps",
            Self::BadPayload => "bad payload",
        }
    }

    /// Whether the fault lies with the credential: nothing sent with it will pass until it changes.
    pub const fn is_credential_fault(self) -> bool {
        match self {
            Self::NotConfigured
            | Self::CertificateExpired
            | Self::CertificateError
            | Self::ProductionCertificateRequired => true,
            Self::TemporarilyDisabled
            | Self::BadPushToken
            | Self::AppMismatch
            | Self::BadPayload => false,
        }
    }

    /// How far a refusal with this code reaches, unless more is known.
    pub const fn scope(self) -> Scope {
        match self {
            Self::NotConfigured
            | Self::CertificateExpired
            | Self::CertificateError
            | Self::ProductionCertificateRequired => Scope::Credential,
            Self::TemporarilyDisabled => Scope::Service,
            Self::BadPushToken | Self::AppMismatch => Scope::Device,
            Self::BadPayload => Scope::Push,
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.meaning())
    }
}

/// When a refused push may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryRule {
    /// Not before this long; the provider said so, or its guide does.
    After(Duration),
    /// With growing pauses; the first one is at least this long.
    BackOff {
        /// The shortest first pause.
        first: Duration,
    },
    /// Only once a credential, a setting or the target has changed.
    WhenChanged,
    /// At once, with the smallest payload there is: this one was refused for its content (913).
    Bare,
}

/// What a push says about the token it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenVerdict {
    /// Nothing against the token.
    Keep,
    /// No token, or one of the provider's other environment: to be tried there once where the
    /// environment is not known, else a 400-class word like [`Self::Suspect`].
    Elsewhere,
    /// A 400-class word against it: suspect now, dropped at the second one a day later.
    Suspect,
    /// The provider's terminal word.
    Drop {
        /// Since when the provider has known the token dead, if it says (APNs' 410 `timestamp`).
        /// A registration newer than this keeps the token.
        invalid_since: Option<Time>,
    },
}

/// What a push came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it. Taken is not delivered.
    Accepted {
        /// The provider's name for the push: `apns-id`, FCM message name.
        provider_id: Option<String>,
    },
    /// The provider, its credential check or our own check before sending refused it.
    Refused(Refusal),
    /// It may or may not have been taken: the connection was lost after the request was written.
    Unknown {
        /// What was seen, for the record.
        detail: String,
    },
    /// It was no longer wanted when its turn came to be written, and was not sent.
    Withdrawn,
}

/// What a refusal is about, and so what else would be refused like it.
///
/// The diagnosis says whose fault it is; the scope says how far it reaches. A circuit counts
/// refusals by scope: one device that was pushed too often must not stop its app's others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything that goes out with this credential in this environment.
    Credential,
    /// This device alone, for a while or for good.
    Device,
    /// This push alone: its content.
    Push,
    /// Whatever goes to this push service from here: it is away, overloaded or out of reach.
    Service,
}

/// A refused push: whose fault, how far it reaches, when again, and what of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Our code for it.
    pub diagnosis: Diagnosis,
    /// What else would be refused like it.
    pub scope: Scope,
    /// When to try again.
    pub retry: RetryRule,
    /// What it says about the token.
    pub token: TokenVerdict,
    /// The provider's HTTP status; `None` when nothing was answered.
    pub status: Option<u16>,
    /// The provider's own reason, verbatim (`BadDeviceToken`, `UNREGISTERED`), or ours when the
    /// fault was seen before anything was sent.
    pub reason: String,
    /// One sentence that says what to do.
    pub remedy: String,
}

impl Refusal {
    /// The refusal of a push that was never sent: the token stays, and nobody answered.
    pub fn unsent(
        diagnosis: Diagnosis,
        retry: RetryRule,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            diagnosis,
            scope: diagnosis.scope(),
            retry,
            token: TokenVerdict::Keep,
            status: None,
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }
}

impl Outcome {
    /// Whether the provider took the push; only this uses up a rung of the ladder.
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_there_and_back() {
        for diagnosis in Diagnosis::ALL {
            assert_eq!(Diagnosis::from_code(diagnosis.code()), Some(diagnosis));
        }
        assert_eq!(Diagnosis::from_code(906), None);
    }
}
