//! What an answer of FCM means.
//!
//! Codes: <https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode>. The code of FCM's
//! own detail decides, then the canonical status, then the HTTP status, as in Google's SDKs; the
//! details come in any order or not at all, and front-ends answer with HTML.

use domain::{Diagnosis, Outcome, Refusal, RetryRule, Scope, Time, TokenVerdict};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::config::Pauses;
use crate::retry_after::retry_after;

/// What an answer came to. Pure; `now` is only for a `Retry-After` that is a date.
pub fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Time,
    pauses: &Pauses,
) -> Outcome {
    if status.is_success() {
        let sent: Sent = serde_json::from_slice(body).unwrap_or_default();
        return Outcome::Accepted { provider_id: sent.name };
    }
    let error = FcmError::parse(body);
    let meaning = Meaning::of(status, &error);
    let (diagnosis, token, remedy) = meaning.say();
    let pause = retry_after(headers, now);
    let retry = match meaning {
        Meaning::Throttled => RetryRule::After(pause.unwrap_or(pauses.fcm_throttled)),
        Meaning::Unavailable => {
            pause.map_or(RetryRule::BackOff { first: pauses.fcm_unavailable }, RetryRule::After)
        }
        Meaning::BadPayload => RetryRule::Bare,
        Meaning::BadToken
        | Meaning::Unregistered
        | Meaning::OtherPackage
        | Meaning::OtherSender
        | Meaning::OurTokenBad
        | Meaning::ThirdParty
        | Meaning::NotAllowed
        | Meaning::NoSuchProject => RetryRule::WhenChanged,
    };
    Outcome::Refused(Refusal {
        diagnosis,
        // A credential that Firebase lacks for Apple or the web stops none of the Android devices.
        scope: if meaning == Meaning::ThirdParty { Scope::Device } else { diagnosis.scope() },
        retry,
        token,
        status: Some(status.as_u16()),
        reason: error.reason().unwrap_or_else(|| format!("HTTP {}", status.as_u16())),
        remedy: remedy.to_owned(),
    })
}

/// Whether Google does not believe our access token: a 401 that is not about APNs' or Web Push's
/// credentials. Its text is no help: it can be the same for both.
pub(super) fn is_our_token_bad(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::UNAUTHORIZED
        && Meaning::of(status, &FcmError::parse(body)) == Meaning::OurTokenBad
}

/// A success.
#[derive(Default, Deserialize)]
struct Sent {
    /// `projects/<project>/messages/<id>`.
    #[serde(default)]
    name: Option<String>,
}

/// What of an error's body matters.
#[derive(Default)]
struct FcmError {
    /// `error.status`, the canonical code.
    status: Option<String>,
    /// `errorCode` of FCM's own detail.
    code: Option<String>,
    /// The fields of a `BadRequest` detail.
    fields: Vec<String>,
    /// Every human text there is, lower case, for the few cases only a text tells apart.
    texts: String,
}

impl FcmError {
    /// Reads a body leniently: what is not where it should be is absent.
    fn parse(body: &[u8]) -> Self {
        let Ok(root) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let text =
            |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let error = root.get("error").unwrap_or(&Value::Null);
        let mut found = Self { status: text(error, "status"), ..Self::default() };
        found.add_text(text(error, "message"));
        let details = error.get("details").and_then(Value::as_array);
        for detail in details.into_iter().flatten() {
            let kind = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
            if kind.ends_with("google.firebase.fcm.v1.FcmError") {
                found.code = text(detail, "errorCode");
            } else if kind.ends_with("google.rpc.BadRequest") {
                let violations = detail.get("fieldViolations").and_then(Value::as_array);
                for violation in violations.into_iter().flatten() {
                    found.fields.extend(text(violation, "field"));
                    found.add_text(text(violation, "description"));
                }
            }
        }
        found
    }

    /// Collects a human text.
    fn add_text(&mut self, text: Option<String>) {
        if let Some(text) = text {
            self.texts.push_str(&text.to_lowercase());
            self.texts.push('\n');
        }
    }

    /// The provider's own word, verbatim.
    fn reason(&self) -> Option<String> {
        self.code.clone().or_else(|| self.status.clone())
    }
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The token is no token.
    BadToken,
    /// The token is dead.
    Unregistered,
    /// The token belongs to another package of the project.
    OtherPackage,
    /// The token belongs to another project.
    OtherSender,
    /// The content is wrong.
    BadPayload,
    /// Our access token is not believed.
    OurTokenBad,
    /// Firebase lacks the APNs or Web Push credential.
    ThirdParty,
    /// The API is off, or the account may not send.
    NotAllowed,
    /// No such project or path.
    NoSuchProject,
    /// Too many.
    Throttled,
    /// Not now.
    Unavailable,
}

impl Meaning {
    /// Decides by FCM's code, then the status.
    fn of(status: StatusCode, error: &FcmError) -> Self {
        let http = status.as_u16();
        match error.code.as_deref() {
            Some("UNREGISTERED") => return Self::Unregistered,
            Some("SENDER_ID_MISMATCH") => return Self::OtherSender,
            // The second one is the older name.
            Some("THIRD_PARTY_AUTH_ERROR" | "APNS_AUTH_ERROR") => return Self::ThirdParty,
            Some("QUOTA_EXCEEDED") => return Self::Throttled,
            Some("INTERNAL" | "UNAVAILABLE") => return Self::Unavailable,
            Some("INVALID_ARGUMENT") => return Self::of_invalid_argument(error),
            // UNSPECIFIED_ERROR, codes yet to come, and none: by status.
            Some(_) | None => {}
        }
        match (error.status.as_deref(), http) {
            (_, 401) => Self::OurTokenBad,
            (_, 403) => Self::NotAllowed,
            // Only UNREGISTERED makes a 404 the token's.
            (_, 404) => Self::NoSuchProject,
            (_, 429) => Self::Throttled,
            (Some("INVALID_ARGUMENT"), _) => Self::of_invalid_argument(error),
            (_, 400..=499) => Self::BadPayload,
            _ => Self::Unavailable,
        }
    }

    /// INVALID_ARGUMENT is many things; the token is blamed only if it is named.
    fn of_invalid_argument(error: &FcmError) -> Self {
        if error.texts.contains("package") {
            return Self::OtherPackage;
        }
        let token_field = error.fields.iter().any(|field| field == "message.token");
        let token_text = error.texts.contains("registration token is not a valid")
            || error.texts.contains("invalid registration token");
        if token_field || (error.fields.is_empty() && token_text) {
            return Self::BadToken;
        }
        Self::BadPayload
    }

    /// Our code, what it says of the token, and what to do.
    const fn say(self) -> (Diagnosis, TokenVerdict, &'static str) {
        const KEEP: TokenVerdict = TokenVerdict::Keep;
        match self {
            Self::BadToken => (
                Diagnosis::BadPushToken,
                TokenVerdict::Suspect,
                "Let the app register its token again, as it got it from Firebase.",
            ),
            Self::Unregistered => (
                Diagnosis::BadPushToken,
                TokenVerdict::Drop { invalid_since: None },
                "Nothing: the app was removed or registers anew when it is opened.",
            ),
            Self::OtherPackage => (
                Diagnosis::AppMismatch,
                KEEP,
                "Check the package name: the token belongs to another app of the project.",
            ),
            Self::OtherSender => (
                Diagnosis::AppMismatch,
                TokenVerdict::Suspect,
                "Upload the service account of the Firebase project the app is built with.",
            ),
            Self::BadPayload => (
                Diagnosis::BadPayload,
                KEEP,
                "Correct the push's content; the answer names the field.",
            ),
            Self::OurTokenBad => (
                Diagnosis::CertificateError,
                KEEP,
                "Check that the service account still exists; else make a new key.",
            ),
            Self::ThirdParty => (
                Diagnosis::CertificateError,
                KEEP,
                "In the Firebase console, Project settings, Cloud Messaging, upload the APNs key of the app.",
            ),
            Self::NotAllowed => (
                Diagnosis::NotConfigured,
                KEEP,
                "Enable the Firebase Cloud Messaging API for the project and give the service account the right to send.",
            ),
            Self::NoSuchProject => (
                Diagnosis::NotConfigured,
                KEEP,
                "Check that the service account's project exists and uses Firebase.",
            ),
            Self::Throttled => {
                (Diagnosis::TemporarilyDisabled, KEEP, "Wait; the quota fills up again.")
            }
            Self::Unavailable => (Diagnosis::TemporarilyDisabled, KEEP, "Wait; it is tried again."),
        }
    }
}

#[cfg(test)]
mod tests;
