//! What a refusal is about, and what that makes of the push, the token and the operator's day.

use domain::{Diagnosis, TokenVerdict};
use http::StatusCode;

use super::error::FcmError;

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The content is wrong.
    BadPayload,
    /// The token is no token.
    BadToken,
    /// No such project or path.
    NoSuchProject,
    /// The API is off, or the account may not send.
    NotAllowed,
    /// The token belongs to another package of the project.
    OtherPackage,
    /// The token belongs to another project.
    OtherSender,
    /// Our access token is not believed.
    OurTokenBad,
    /// Firebase lacks the APNs or Web Push credential.
    ThirdParty,
    /// Too many.
    Throttled,
    /// Not now.
    Unavailable,
    /// The token is dead.
    Unregistered,
}

impl Meaning {
    /// Decides by FCM's code, then the canonical status, then the HTTP status.
    pub(super) fn of(status: StatusCode, error: &FcmError) -> Self {
        Self::of_code(error)
            .or_else(|| Self::of_canonical(error))
            .unwrap_or_else(|| Self::of_http(status))
    }

    /// By FCM's own code.
    fn of_code(error: &FcmError) -> Option<Self> {
        match error.code.as_deref()? {
            "INTERNAL" | "UNAVAILABLE" => Some(Self::Unavailable),
            "INVALID_ARGUMENT" => Some(Self::of_invalid_argument(error)),
            "QUOTA_EXCEEDED" => Some(Self::Throttled),
            "SENDER_ID_MISMATCH" => Some(Self::OtherSender),
            // The second one is the older name.
            "THIRD_PARTY_AUTH_ERROR" | "APNS_AUTH_ERROR" => Some(Self::ThirdParty),
            "UNREGISTERED" => Some(Self::Unregistered),
            // UNSPECIFIED_ERROR, and codes yet to come.
            _ => None,
        }
    }

    /// By the canonical status, <https://cloud.google.com/apis/design/errors#handling_errors>.
    fn of_canonical(error: &FcmError) -> Option<Self> {
        match error.status.as_deref()? {
            "INVALID_ARGUMENT" => Some(Self::of_invalid_argument(error)),
            // Only UNREGISTERED makes a 404 the token's.
            "NOT_FOUND" => Some(Self::NoSuchProject),
            "PERMISSION_DENIED" => Some(Self::NotAllowed),
            "RESOURCE_EXHAUSTED" => Some(Self::Throttled),
            "UNAUTHENTICATED" => Some(Self::OurTokenBad),
            "INTERNAL" | "UNAVAILABLE" => Some(Self::Unavailable),
            _ => None,
        }
    }

    /// By the HTTP status: what is left when a front-end answers.
    fn of_http(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::OurTokenBad,
            403 => Self::NotAllowed,
            404 => Self::NoSuchProject,
            429 => Self::Throttled,
            400..=499 => Self::BadPayload,
            _ => Self::Unavailable,
        }
    }

    /// INVALID_ARGUMENT is many things; the token is blamed only if it is named. A field that is
    /// named decides; the texts vary, and count only where no field or the whole message is named.
    fn of_invalid_argument(error: &FcmError) -> Self {
        let names = |known: &[&str]| error.fields.iter().any(|field| known.contains(&&**field));
        let elsewhere = |field: &String| {
            !matches!(field.as_str(), "" | "message" | "message.token" | "message.fid")
        };
        if names(&["message.android.restricted_package_name"]) {
            return Self::OtherPackage;
        }
        if error.fields.iter().any(elsewhere) {
            return Self::BadPayload;
        }
        if error.texts.contains("package") {
            return Self::OtherPackage;
        }
        let token_text = error.texts.contains("registration token is not a valid")
            || error.texts.contains("invalid registration token");
        if names(&["message.token", "message.fid"]) || (error.fields.is_empty() && token_text) {
            return Self::BadToken;
        }
        Self::BadPayload
    }

    /// Our code, and what it says of the token.
    pub(super) const fn diagnosis(self) -> (Diagnosis, TokenVerdict) {
        const KEEP: TokenVerdict = TokenVerdict::Keep;
        match self {
            Self::BadPayload => (Diagnosis::BadPayload, KEEP),
            Self::BadToken => (Diagnosis::BadPushToken, TokenVerdict::Suspect),
            Self::NoSuchProject | Self::NotAllowed => (Diagnosis::NotConfigured, KEEP),
            Self::OtherPackage => (Diagnosis::AppMismatch, KEEP),
            Self::OtherSender => (Diagnosis::AppMismatch, TokenVerdict::Suspect),
            Self::OurTokenBad | Self::ThirdParty => (Diagnosis::CertificateError, KEEP),
            Self::Throttled | Self::Unavailable => (Diagnosis::TemporarilyDisabled, KEEP),
            Self::Unregistered => {
                (Diagnosis::BadPushToken, TokenVerdict::Drop { invalid_since: None })
            }
        }
    }

    /// What to do.
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            Self::BadPayload => "Correct the push's content; it may be too large.",
            Self::BadToken => "Let the app register its token again, as it got it from Firebase.",
            Self::NoSuchProject => {
                "Check that the service account's project exists and uses Firebase."
            }
            Self::NotAllowed => {
                "Enable the Firebase Cloud Messaging API for the project and give the service account the right to send."
            }
            Self::OtherPackage => {
                "Check the package name: the token belongs to another app of the project."
            }
            Self::OtherSender => {
                "Upload the service account of the Firebase project the app is built with."
            }
            Self::OurTokenBad => {
                "Check that the service account still exists; else make a new key."
            }
            Self::ThirdParty => {
                "In the Firebase console, Project settings, Cloud Messaging, upload the APNs key of the app (for browsers: the Web Push certificate)."
            }
            Self::Throttled => "Wait; the quota fills up again.",
            Self::Unavailable => "Wait; it is tried again.",
            Self::Unregistered => {
                "Nothing: the app was removed or registers anew when it is opened."
            }
        }
    }
}
