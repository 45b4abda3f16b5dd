//! What an answer of a push service means.
//!
//! The statuses are those of RFC 8030 and RFC 8292; beyond them each vendor has words of its own,
//! and self-hosted services speak like one of them, so it is the words that decide and not the
//! host:
//!
//! - Apple, `{"reason":"…"}`: "Sending web push notifications in web apps and browsers",
//!   <https://developer.apple.com/documentation/usernotifications/sending-web-push-notifications-in-web-apps-and-browsers>;
//! - Mozilla, `{"errno":…,"message":"…"}`: <https://mozilla-services.github.io/autopush-rs/errors.html>;
//! - Google, plain text, nowhere documented: as seen in the issues of libraries;
//! - Microsoft, statuses of WNS: 406 is its 429,
//!   <https://learn.microsoft.com/windows/apps/develop/notifications/push-notifications/push-request-response-headers>.
//!
//! A [`Scope::Credential`] or [`Scope::Service`] reaches as far as the origin of the endpoint and no
//! further: users choose push services, and one user's strange service must not stop the others'.
//! An answer that blames the key in words we do not know is taken for the subscription's own
//! trouble, for the same reason.

use domain::{Diagnosis, Outcome, Refusal, RetryRule, Scope, Time, TokenVerdict};
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Deserialize;

use crate::config::Pauses;
use crate::retry_after::retry_after;
use crate::transport::Failure;

/// Apple's name for a push.
const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
/// The longest name of a push that is believed to be one.
const LONGEST_ID: usize = 64;
/// The longest text that is a reason and not a page.
const LONGEST_REASON: usize = 200;

/// What an answer came to. Pure; `now` is only for a `Retry-After` that is a date.
pub fn classify(
    host: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Time,
    pauses: &Pauses,
) -> Outcome {
    if status.is_success() {
        let id = headers.get(APNS_ID).and_then(|id| id.to_str().ok());
        let id = id.filter(|id| id.len() <= LONGEST_ID);
        return Outcome::Accepted { provider_id: id.map(str::to_owned) };
    }
    let words = Words::of(body);
    let meaning = Meaning::of(host, status, &words);
    let (diagnosis, scope, token, remedy) = meaning.say();
    let pause = retry_after(headers, now);
    let back_off = |first| pause.map_or(RetryRule::BackOff { first }, RetryRule::After);
    let retry = match meaning {
        Meaning::BadPayload => RetryRule::Bare,
        Meaning::BadJwt | Meaning::Gone | Meaning::NotAllowed | Meaning::OtherKey => {
            RetryRule::WhenChanged
        }
        Meaning::DeviceThrottled | Meaning::Throttled => back_off(pauses.webpush_throttled),
        Meaning::Flickering | Meaning::Moved | Meaning::Unavailable => {
            back_off(pauses.webpush_unavailable)
        }
        Meaning::ShuttingDown => RetryRule::After(pause.unwrap_or(pauses.apns_shutdown)),
    };
    let token = match (token, words.timestamp) {
        (TokenVerdict::Drop { .. }, Some(since)) => {
            TokenVerdict::Drop { invalid_since: Some(Time::from_millis(since)) }
        }
        (token, _) => token,
    };
    Outcome::Refused(Refusal {
        diagnosis,
        scope,
        retry,
        token,
        status: Some(status.as_u16()),
        reason: words.reason().unwrap_or_else(|| format!("HTTP {}", status.as_u16())),
        remedy: remedy.to_owned(),
    })
}

/// What a request that was surely not processed came to.
pub(super) fn classify_failure(failure: &Failure, pauses: &Pauses) -> Outcome {
    let mut outcome = failure.outcome(pauses);
    if let (Failure::Alert(_), Outcome::Refused(refusal)) = (failure, &mut outcome) {
        // No certificate of ours is in it, so the alert cannot be about one.
        "Check that the endpoint's host is a push service and takes TLS 1.2 or 1.3."
            .clone_into(&mut refusal.remedy);
    }
    outcome
}

/// Whether the service does not believe our token, so that a new one may help.
pub(super) fn is_our_token_bad(host: &str, status: StatusCode, body: &[u8]) -> bool {
    !status.is_success() && Meaning::of(host, status, &Words::of(body)) == Meaning::BadJwt
}

/// What of an answer's body matters, read leniently: what is not where it should be is absent.
#[derive(Default)]
struct Words {
    /// Apple's reason.
    apple: Option<String>,
    /// With Apple's 410: since when the subscription is dead, in milliseconds. Seen with APNs'
    /// other tokens; harmless if it never comes.
    timestamp: Option<i64>,
    /// Mozilla's number.
    errno: Option<u64>,
    /// Mozilla's text.
    message: Option<String>,
    /// The body as text, where it is no JSON.
    plain: Option<String>,
    /// All of it in lower case, for what only a text tells apart.
    lower: String,
}

/// The JSON of either.
#[derive(Deserialize)]
struct Json {
    /// Apple's.
    #[serde(default)]
    reason: Option<String>,
    /// Apple's.
    #[serde(default)]
    timestamp: Option<i64>,
    /// Mozilla's.
    #[serde(default)]
    errno: Option<u64>,
    /// Mozilla's.
    #[serde(default)]
    message: Option<String>,
}

impl Words {
    /// Reads a body.
    fn of(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let lower = text.to_lowercase();
        match serde_json::from_slice::<Json>(body) {
            Ok(Json { reason, timestamp, errno, message }) => {
                Self { apple: reason, timestamp, errno, message, plain: None, lower }
            }
            Err(_) => {
                let line = text.trim().lines().next().unwrap_or_default().trim_end();
                let page =
                    line.is_empty() || line.len() > LONGEST_REASON || line.starts_with(['<', '{']);
                let plain = (!page).then(|| line.to_owned());
                Self { plain, lower, ..Self::default() }
            }
        }
    }

    /// The service's own word, verbatim.
    fn reason(&self) -> Option<String> {
        let mut reason = match (&self.apple, self.errno, &self.message) {
            (Some(reason), ..) => reason.clone(),
            (None, Some(errno), Some(message)) => format!("errno {errno}: {message}"),
            (None, Some(errno), None) => format!("errno {errno}"),
            (None, None, _) => self.plain.clone()?,
        };
        if reason.is_empty() {
            return None;
        }
        let end = reason.char_indices().nth(LONGEST_REASON).map(|(at, _)| at);
        reason.truncate(end.unwrap_or(reason.len()));
        Some(reason)
    }
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Our token, or the key in it, is not believed.
    BadJwt,
    /// The content or a header is wrong.
    BadPayload,
    /// Too many pushes to this browser.
    DeviceThrottled,
    /// Google does not know the endpoint, and a day later it does.
    Flickering,
    /// The subscription is over, or never was one.
    Gone,
    /// The endpoint is elsewhere now.
    Moved,
    /// Our key may not push to this subscription, for a reason we do not know.
    NotAllowed,
    /// The subscription was made with another key.
    OtherKey,
    /// The server ends its connections.
    ShuttingDown,
    /// Too many pushes.
    Throttled,
    /// Not now.
    Unavailable,
}

impl Meaning {
    /// Decides by the vendor's word, then the status.
    fn of(host: &str, status: StatusCode, words: &Words) -> Self {
        words
            .apple
            .as_deref()
            .and_then(Self::of_apple)
            .or_else(|| words.errno.and_then(|errno| Self::of_mozilla(errno, words)))
            .or_else(|| Self::of_google(status, words))
            .unwrap_or_else(|| Self::of_status(host, status, words))
    }

    /// Apple's reasons. Those of 404 and 410 are left to their status.
    fn of_apple(reason: &str) -> Option<Self> {
        Some(match reason {
            "BadAuthorizationHeader" | "BadJwtToken" | "BadVapidPublicKey" => Self::BadJwt,
            "BadTtl" | "BadUrgency" | "BadWebPushRequest" | "BadWebPushTopic"
            | "MethodNotAllowed" | "PayloadTooLarge" => Self::BadPayload,
            "IdleTimeout" | "Shutdown" => Self::ShuttingDown,
            "InternalServerError" | "ServiceUnavailable" => Self::Unavailable,
            // As with APNs' other tokens, it is one device's.
            "TooManyRequests" => Self::DeviceThrottled,
            "VapidPkHashMismatch" => Self::OtherKey,
            _ => return None,
        })
    }

    /// Mozilla's numbers.
    fn of_mozilla(errno: u64, words: &Words) -> Option<Self> {
        Some(match errno {
            // Malformed or undecryptable endpoints; browsers that are gone.
            102 | 103 | 105 | 106 => Self::Gone,
            101 | 104 | 108 | 110..=114 => Self::BadPayload,
            // One number for everything about VAPID; only the text tells this case apart.
            109 if words.lower.contains("key mismatch") => Self::OtherKey,
            109 => Self::BadJwt,
            201 | 202 | 900..=903 | 999 => Self::Unavailable,
            _ => return None,
        })
    }

    /// Google's texts.
    fn of_google(status: StatusCode, words: &Words) -> Option<Self> {
        let has = |text| words.lower.contains(text);
        match status.as_u16() {
            403 if has("do not correspond to the credentials") => Some(Self::OtherKey),
            403 if has("invalid push subscription endpoint") => Some(Self::Flickering),
            400 if has("unauthorizedregistration") => Some(Self::OtherKey),
            _ => None,
        }
    }

    /// The statuses of RFC 8030 and RFC 8292.
    fn of_status(host: &str, status: StatusCode, words: &Words) -> Self {
        match status.as_u16() {
            300..=399 => Self::Moved,
            401 | 403 if blames_the_token(words) => Self::BadJwt,
            401 | 403 => Self::NotAllowed,
            404 | 410 => Self::Gone,
            406 if host.ends_with(".notify.windows.com") => Self::Throttled,
            429 => Self::Throttled,
            408 | 425 => Self::Unavailable,
            400..=499 => Self::BadPayload,
            _ => Self::Unavailable,
        }
    }

    /// Our code, how far it reaches, what it says of the subscription, and what to do.
    const fn say(self) -> (Diagnosis, Scope, TokenVerdict, &'static str) {
        use Diagnosis::{
            AppMismatch, BadPayload, BadPushToken, CertificateError, TemporarilyDisabled,
        };
        use TokenVerdict::{Drop, Keep, Suspect};
        match self {
            Self::BadJwt => (
                CertificateError,
                Scope::Credential,
                Keep,
                "Check the VAPID subject (a real mailto: or https: contact), the key, and this server's clock.",
            ),
            Self::BadPayload => (
                BadPayload,
                Scope::Push,
                Keep,
                "Correct the push's content; the answer names the field.",
            ),
            Self::DeviceThrottled => {
                (TemporarilyDisabled, Scope::Device, Keep, "Push less often to this device.")
            }
            Self::Flickering => (
                BadPushToken,
                Scope::Device,
                Suspect,
                "Wait; Google forgets an endpoint at times and knows it again later. If it stays, let the app subscribe again.",
            ),
            Self::Gone => (
                BadPushToken,
                Scope::Device,
                Drop { invalid_since: None },
                "Nothing: the browser unsubscribed, or subscribes anew when the app is opened.",
            ),
            Self::Moved => (
                TemporarilyDisabled,
                Scope::Device,
                Keep,
                "Redirects are not followed; let the app subscribe again if this stays.",
            ),
            Self::NotAllowed => (
                CertificateError,
                Scope::Device,
                Keep,
                "Let the app subscribe again with this VAPID key; if all are refused, check the key and its subject.",
            ),
            Self::OtherKey => (
                AppMismatch,
                Scope::Device,
                Suspect,
                "Let the app subscribe again with this VAPID key: the subscription was made with another one.",
            ),
            Self::ShuttingDown | Self::Unavailable => {
                (TemporarilyDisabled, Scope::Service, Keep, "Wait; it is tried again.")
            }
            Self::Throttled => {
                (TemporarilyDisabled, Scope::Service, Keep, "Wait; the limit is lifted again.")
            }
        }
    }
}

/// Whether a text is about our token, and not about the endpoint. A mismatch of keys is told apart
/// before.
fn blames_the_token(words: &Words) -> bool {
    ["jwt", "vapid", "claim"].iter().any(|word| words.lower.contains(word))
}

#[cfg(test)]
mod tests;
