//! What an answer of the token endpoint means.
//!
//! RFC 6749, sections 5.1 and 5.2; which refusals pass by themselves is what Google's own
//! libraries retry.

use std::time::Duration;

use domain::{Diagnosis, Outcome, Refusal, RetryRule, Time, TokenVerdict};
use http::header::{DATE, HeaderMap};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;

use super::{AccessToken, Refused};
use crate::config::Pauses;
use crate::retry_after::{http_date, retry_after};
use crate::transport::Answer;

/// Google's own libraries renew this long before the end.
const RENEW_BEFORE: Duration = Duration::from_secs(225);
/// What a token's life is taken for if the answer does not say.
const ASSUMED_LIFE: Duration = Duration::from_secs(3600);
/// Two clocks that differ by less are taken for the same.
const SMALLEST_SKEW: Duration = Duration::from_secs(60);
/// No code of OAuth is longer; the rest of a longer one is no help in a record.
const LONGEST_WORD: usize = 100;

/// A token endpoint's success.
#[derive(Deserialize)]
struct Granted {
    /// The token.
    access_token: String,
    /// Its life in seconds; some servers send a string.
    #[serde(default)]
    expires_in: serde_json::Value,
}

/// A token endpoint's refusal.
#[derive(Default, Deserialize)]
struct Denied {
    /// The code.
    #[serde(default)]
    error: String,
    /// What a developer may read.
    #[serde(default)]
    error_description: String,
}

/// The token, or what the refusal makes of the push that needed it.
pub(in crate::fcm) fn read(
    answer: Answer,
    now: Time,
    pauses: &Pauses,
) -> Result<AccessToken, Refused> {
    if answer.status == StatusCode::OK
        && let Some(token) = granted(&answer.body, now)
    {
        return Ok(token);
    }
    let status = answer.status.as_u16();
    let denied: Denied = serde_json::from_slice(&answer.body).unwrap_or_default();
    let (diagnosis, retry, remedy) = if passes(status, &denied.error) {
        let first = pauses.fcm_unavailable;
        let retry = retry_after(&answer.headers, now)
            .map_or(RetryRule::BackOff { first }, |pause| RetryRule::After(pause.max(first)));
        let remedy = "Wait; Google's token endpoint is not serving.".to_owned();
        (Diagnosis::TemporarilyDisabled, retry, remedy)
    } else {
        let remedy = remedy(&denied, skew(&answer.headers, now));
        (Diagnosis::CertificateError, RetryRule::WhenChanged, remedy)
    };
    let reason = match denied.error.as_str() {
        "" => format!("OAuth HTTP {status}"),
        error => error.chars().take(LONGEST_WORD).collect(),
    };
    let outcome = Box::new(Outcome::Refused(Refusal {
        diagnosis,
        scope: diagnosis.scope(),
        retry,
        token: TokenVerdict::Keep,
        status: Some(status),
        reason,
        remedy,
    }));
    // A 200 that could not be read may hold a token.
    let answer = (status != 200).then(|| Box::new(answer));
    Err(Refused { outcome, answer })
}

/// The token in a success.
fn granted(body: &[u8], now: Time) -> Option<AccessToken> {
    let granted: Granted = serde_json::from_slice(body).ok()?;
    let mut authorization =
        HeaderValue::try_from(format!("Bearer {}", granted.access_token)).ok()?;
    authorization.set_sensitive(true);
    let seconds = match &granted.expires_in {
        serde_json::Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    };
    let life = seconds.map_or(ASSUMED_LIFE, Duration::from_secs);
    // A short life, as simulators give, still leaves time to use the token.
    let early = RENEW_BEFORE.min(life / 4);
    let expires_at = now.plus(life);
    Some(AccessToken { authorization, renew_at: expires_at.minus(early), expires_at })
}

/// Whether a refusal passes by itself: the endpoint is not serving, or says that it is its own
/// fault. A redirect is none of OAuth's answers, and a 200 without a token neither.
fn passes(status: u16, error: &str) -> bool {
    matches!(status, 200 | 300..=399 | 408 | 429 | 500..=599)
        || matches!(error, "internal_failure" | "server_error" | "temporarily_unavailable")
}

/// What to do about a refusal that lasts.
fn remedy(denied: &Denied, skew: Option<String>) -> String {
    // Only the sentence depends on Google's text, which varies.
    let text = denied.error_description.to_lowercase();
    let about_time = ["iat", "clock", "timeframe", "short-lived"].iter().any(|w| text.contains(w));
    let remedy = match (denied.error.as_str(), skew) {
        ("invalid_grant", Some(skew)) => {
            return format!(
                "{skew}: set it right; else check that the service account and its key still exist."
            );
        }
        ("invalid_grant", None) if about_time => {
            "Check this server's clock: Google finds the times of our assertion wrong."
        }
        ("invalid_client" | "unauthorized_client" | "deleted_client" | "disabled_client", _) => {
            "Check that the service account and its key still exist and are enabled; else make a new key."
        }
        ("invalid_scope" | "access_denied" | "admin_policy_enforced" | "org_internal", _) => {
            "Let the project's administrator allow the service account the scope firebase.messaging."
        }
        ("", _) => {
            "Check the OAuth URL, and what is between here and there: no token endpoint answers so."
        }
        _ => {
            "Check that the service account and its key still exist, and this server's clock; else make a new key."
        }
    };
    remedy.to_owned()
}

/// How far the two clocks differ, as the start of a sentence; `None` if they agree or the answer
/// has no date.
fn skew(headers: &HeaderMap, now: Time) -> Option<String> {
    let googles = http_date(headers.get(DATE)?.to_str().ok()?.trim())?;
    let (by, side) = match now.since(googles) {
        Duration::ZERO => (googles.since(now), "behind"),
        ahead => (ahead, "ahead of"),
    };
    (by >= SMALLEST_SKEW)
        .then(|| format!("This server's clock is {} s {side} Google's", by.as_secs()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::header::RETRY_AFTER;
    use proptest::prelude::*;

    use super::*;

    /// 2026-03-01 06:30:00 UTC.
    const NOW: Time = Time::from_millis(1_772_346_600_000);

    fn answer(status: u16, headers: &[(http::HeaderName, &str)], body: &str) -> Answer {
        let value = |text| HeaderValue::from_str(text).expect("test text is visible");
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: headers.iter().map(|(name, text)| (name.clone(), value(text))).collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            connection: Default::default(),
        }
    }

    /// The refusal in an answer.
    fn refused(answer: Answer) -> Refusal {
        let Err(refused) = read(answer, NOW, &Pauses::default()) else { panic!("not a refusal") };
        match *refused.outcome {
            Outcome::Refused(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn lives_may_be_numbers_or_strings() {
        for life in ["3600", "\"3600\"", "null"] {
            let body = format!("{{\"access_token\":\"t\",\"expires_in\":{life}}}");
            let token = read(answer(200, &[], &body), NOW, &Pauses::default()).expect("a token");
            assert_eq!(token.authorization, "Bearer t");
            assert!(token.authorization.is_sensitive());
            assert_eq!(NOW.until(token.expires_at), Duration::from_secs(3600), "{life}");
            assert_eq!(NOW.until(token.renew_at), Duration::from_secs(3600 - 225), "{life}");
        }
    }

    /// The token endpoint's errors: ours stay until something changes, Google's pass.
    #[test]
    fn every_refusal_has_its_meaning() {
        let check = |status: u16, body: &str, code: u16, reason: &str, remedy: &str| {
            let refusal = refused(answer(status, &[], body));
            assert_eq!((refusal.diagnosis.code(), &*refusal.reason), (code, reason), "{body}");
            assert_eq!(refusal.status, Some(status));
            assert_eq!(refusal.token, TokenVerdict::Keep);
            assert_eq!(refusal.scope, refusal.diagnosis.scope());
            let expected = match code {
                904 => RetryRule::WhenChanged,
                _ => RetryRule::BackOff { first: Duration::from_secs(10) },
            };
            assert_eq!(refusal.retry, expected, "{body}");
            assert!(refusal.remedy.contains(remedy), "{} / {remedy}", refusal.remedy);
            assert!(refusal.remedy.ends_with('.'), "{}", refusal.remedy);
        };
        let error = |error: &str, text: &str| {
            serde_json::json!({ "error": error, "error_description": text }).to_string()
        };
        let of = |code: &str| error(code, "");
        let grant = error("invalid_grant", "Invalid JWT Signature.");
        check(400, &grant, 904, "invalid_grant", "key still exist, and this server's clock");
        let grant = error("invalid_grant", "Invalid grant: account not found");
        check(400, &grant, 904, "invalid_grant", "service account and its key still exist");
        let clock = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.";
        let grant = error("invalid_grant", clock);
        check(400, &grant, 904, "invalid_grant", "Check this server's clock");
        check(401, &of("invalid_client"), 904, "invalid_client", "enabled");
        check(401, &of("unauthorized_client"), 904, "unauthorized_client", "enabled");
        check(400, &of("disabled_client"), 904, "disabled_client", "enabled");
        check(400, &of("invalid_scope"), 904, "invalid_scope", "administrator");
        check(403, &of("access_denied"), 904, "access_denied", "administrator");
        check(400, &of("unsupported_grant_type"), 904, "unsupported_grant_type", "new key");
        check(404, "<html>", 904, "OAuth HTTP 404", "OAuth URL");
        let wait = "Wait;";
        for code in ["internal_failure", "server_error", "temporarily_unavailable"] {
            check(400, &of(code), 902, code, wait);
        }
        for status in [301, 408, 429, 500, 502, 503, 504] {
            check(status, "<html>", 902, &format!("OAuth HTTP {status}"), wait);
        }
        check(503, &of("invalid_grant"), 902, "invalid_grant", wait);
        check(200, "{}", 902, "OAuth HTTP 200", wait);
        check(200, "{\"access_token\":\"a\\nb\"}", 902, "OAuth HTTP 200", wait);
    }

    #[test]
    fn the_pause_asked_for_is_kept_and_never_below_ten_seconds() {
        let check = |pause: &str, seconds| {
            let refusal = refused(answer(503, &[(RETRY_AFTER, pause)], ""));
            assert_eq!(refusal.retry, RetryRule::After(Duration::from_secs(seconds)), "{pause}");
        };
        check("42", 42);
        check("1", 10);
        check("Sun, 01 Mar 2026 06:31:00 GMT", 60);
    }

    /// A wrong clock makes good keys fail; the answer's own date shows it.
    #[test]
    fn a_clock_that_is_wrong_is_named_with_its_error() {
        let check = |date: &str, remedy: &str| {
            let body = "{\"error\":\"invalid_grant\"}";
            let refusal = refused(answer(400, &[(DATE, date)], body));
            assert!(refusal.remedy.starts_with(remedy), "{date}: {}", refusal.remedy);
        };
        check("Sun, 01 Mar 2026 06:20:00 GMT", "This server's clock is 600 s ahead of Google's:");
        check("Sun, 01 Mar 2026 07:30:00 GMT", "This server's clock is 3600 s behind Google's:");
        check("Sun, 01 Mar 2026 06:30:59 GMT", "Check that the service account");
        check("today", "Check that the service account");
    }

    #[test]
    fn an_answer_that_may_hold_a_token_is_not_kept() {
        let read = |status, body| read(answer(status, &[], body), NOW, &Pauses::default());
        let kept = |status, body| read(status, body).err().and_then(|refused| refused.answer);
        assert!(kept(200, "{\"access_token\":\"a\\nb\"}").is_none());
        assert!(kept(400, "{\"error\":\"invalid_grant\"}").is_some());
    }

    proptest! {
        #[test]
        fn never_panics(status in 200_u16..600, body in ".*", life: u64, date in "\\PC*", micros: i64) {
            let now = Time::from_micros(micros);
            let answers = [
                body.clone(),
                format!("{{\"access_token\":{body:?},\"expires_in\":{life}}}"),
                format!("{{\"error\":\"invalid_grant\",\"error_description\":{body:?}}}"),
            ];
            for body in answers {
                let mut answer = answer(status, &[], &body);
                if let Ok(value) = HeaderValue::from_str(&date) {
                    answer.headers.insert(DATE, value);
                }
                let _ = read(answer, now, &Pauses::default());
            }
        }
    }
}
