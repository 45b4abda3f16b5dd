//! What an answer of FCM means.
//!
//! Codes: <https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode>. As in Google's SDKs
//! the code of FCM's own detail decides, then the canonical status, then the HTTP status; the
//! details come in any order or not at all, and front-ends answer with HTML.

mod error;
mod meaning;

use domain::{Diagnosis, Outcome, Refusal, RetryRule, Scope, Time, TokenVerdict};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::config::Pauses;
use crate::retry_after::retry_after;
use error::{FcmError, LONGEST_WORD};
use meaning::Meaning;

/// The longest name of a push that is believed to be one: a project id and some digits.
const LONGEST_NAME: usize = 256;

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
        if let Some(error) = sent.results.into_iter().find_map(|result| result.error) {
            return retired_api(status, error);
        }
        let name = sent.name.filter(|name| name.len() <= LONGEST_NAME);
        return Outcome::Accepted { provider_id: name };
    }
    let error = FcmError::parse(body);
    let meaning = Meaning::of(status, &error);
    let (diagnosis, token) = match error.code.as_deref() {
        // FCM itself knows no more; what follows from it is by the status.
        Some("UNSPECIFIED_ERROR") => (Diagnosis::TemporarilyDisabled, TokenVerdict::Keep),
        _ => meaning.diagnosis(),
    };
    Outcome::Refused(Refusal {
        diagnosis,
        scope: scope(meaning, &error),
        retry: retry(meaning, headers, now, pauses),
        token,
        status: Some(status.as_u16()),
        reason: error.reason().unwrap_or_else(|| format!("HTTP {}", status.as_u16())),
        remedy: match error.named_field() {
            Some(field) if meaning == Meaning::BadPayload => format!("Correct {field}."),
            Some(_) | None => meaning.remedy().to_owned(),
        },
    })
}

/// Whether Google does not believe our access token: a 401 that is not about APNs' or Web Push's
/// credentials. Its text is no help: it can be the same for both.
pub(super) fn is_our_token_bad(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::UNAUTHORIZED
        && Meaning::of(status, &FcmError::parse(body)) == Meaning::OurTokenBad
}

/// A success: of this API, or of the retired one, which refuses with a 200.
#[derive(Default, Deserialize)]
struct Sent {
    /// `projects/<project>/messages/<id>`.
    #[serde(default)]
    name: Option<String>,
    /// The retired API's word on each token.
    #[serde(default)]
    results: Vec<LegacyResult>,
}

/// What the retired API says of a token.
#[derive(Deserialize)]
struct LegacyResult {
    /// Its word, if it refuses.
    #[serde(default)]
    error: Option<String>,
}

/// What answered is the API of server keys, shut down in 2024; it says `DeprecatedApi` with a 200.
fn retired_api(status: StatusCode, error: String) -> Outcome {
    Outcome::Refused(Refusal {
        diagnosis: Diagnosis::NotConfigured,
        scope: Scope::Credential,
        retry: RetryRule::WhenChanged,
        token: TokenVerdict::Keep,
        status: Some(status.as_u16()),
        reason: match error.as_str() {
            "" => format!("HTTP {}", status.as_u16()),
            word => word.chars().take(LONGEST_WORD).collect(),
        },
        remedy: "Point the FCM URL at https://fcm.googleapis.com and upload a service account key: Google shut down the API of server keys.".to_owned(),
    })
}

/// How far the refusal reaches.
fn scope(meaning: Meaning, error: &FcmError) -> Scope {
    match meaning {
        // Credentials that Firebase lacks for Apple or the web stop none of the Android devices.
        Meaning::ThirdParty => Scope::Device,
        Meaning::Throttled => error.throttled(),
        Meaning::BadToken
        | Meaning::Unregistered
        | Meaning::OtherPackage
        | Meaning::OtherSender
        | Meaning::BadPayload
        | Meaning::OurTokenBad
        | Meaning::NotAllowed
        | Meaning::NoSuchProject
        | Meaning::Unavailable => meaning.diagnosis().0.scope(),
    }
}

/// When to try again.
/// <https://firebase.google.com/docs/cloud-messaging/scale-fcm>: after a 429 not before
/// `Retry-After`, or a minute; after a 5xx with growing pauses, the first of at least 10 s.
fn retry(meaning: Meaning, headers: &HeaderMap, now: Time, pauses: &Pauses) -> RetryRule {
    let asked = retry_after(headers, now);
    match meaning {
        Meaning::Throttled => RetryRule::After(asked.unwrap_or(pauses.fcm_throttled)),
        Meaning::Unavailable => match asked {
            Some(pause) => RetryRule::After(pause.max(pauses.fcm_unavailable)),
            None => RetryRule::BackOff { first: pauses.fcm_unavailable },
        },
        Meaning::BadPayload => RetryRule::Bare,
        Meaning::BadToken
        | Meaning::Unregistered
        | Meaning::OtherPackage
        | Meaning::OtherSender
        | Meaning::OurTokenBad
        | Meaning::ThirdParty
        | Meaning::NotAllowed
        | Meaning::NoSuchProject => RetryRule::WhenChanged,
    }
}

#[cfg(test)]
mod tests;
