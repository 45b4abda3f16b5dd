//! What the entry points of this crate have in common. They stand beside what they feed:
//!
//! ```text
//!   apns/fuzz.rs       answers, GOAWAY, .p8, .p12, PEM, payloads, kept provider tokens
//!   fcm/fuzz.rs        answers of FCM and of the token endpoint, service accounts,
//!                      google-services.json, conditions
//!   webpush/fuzz.rs    answers, subscriptions, VAPID keys and subjects
//!   transport/fuzz.rs  URLs, lists of hosts, authorities, a proxy's answers, dates
//! ```

use std::time::Duration;

use domain::{Outcome, Refusal, RetryRule, Time};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::error::CredentialFault;

/// A moment inside the validity of the certificates made in tests.
pub(crate) const NOW: Time = Time::from_millis(1_800_000_000_000);

/// The longest text that an answer may leave in a record, in bytes: words are cut at 100 to 200
/// characters, and ours is around them.
const LONGEST_TEXT: usize = 1_000;

/// The longest name that a push service may give a push.
const LONGEST_NAME: usize = 256;

/// An answer as HTTP/1.1 writes it: a line with the status, headers, an empty line, the body.
pub(crate) fn answer(bytes: &[u8]) -> (StatusCode, HeaderMap, &[u8]) {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match end {
        Some(end) => (bytes.get(..end).unwrap_or_default(), bytes.get(end + 2..)),
        None => (&b""[..], Some(bytes)),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines.next().and_then(|line| StatusCode::from_bytes(line).ok());
    let headers = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
        Some((name, HeaderValue::from_bytes(line.get(colon + 1..)?).ok()?))
    });
    (status.unwrap_or(StatusCode::BAD_REQUEST), headers.collect(), body.unwrap_or_default())
}

/// An answer as [`answer`] reads it.
pub(crate) fn written(status: u16, headers: &[&str], body: &str) -> Vec<u8> {
    let headers: String = headers.iter().map(|line| format!("{line}\n")).collect();
    format!("{status}\n{headers}\n{body}").into_bytes()
}

/// Whatever was answered: what is kept of it is bounded, and a refusal says what to do and when.
pub(crate) fn check_outcome(outcome: &Outcome) {
    match outcome {
        Outcome::Accepted { provider_id: Some(name) } => assert!(name.len() <= LONGEST_NAME),
        Outcome::Accepted { provider_id: None } | Outcome::Withdrawn => {}
        Outcome::Unknown { detail } => assert!(detail.len() <= LONGEST_TEXT),
        Outcome::Refused(refusal) => check_refusal(refusal),
    }
}

/// See [`check_outcome`].
fn check_refusal(refusal: &Refusal) {
    let Refusal { retry, reason, remedy, .. } = refusal;
    assert!(!reason.is_empty() && reason.len() <= LONGEST_TEXT, "{reason:?}");
    assert!(remedy.ends_with('.') && remedy.len() <= LONGEST_TEXT, "{remedy:?}");
    match retry {
        RetryRule::After(pause) | RetryRule::BackOff { first: pause } => {
            assert!(*pause <= Duration::from_secs(24 * 60 * 60), "{pause:?}");
        }
        RetryRule::WhenChanged | RetryRule::Bare => {}
    }
}

/// Whatever was uploaded: what is wrong with it is said in a sentence, and so is what to do.
pub(crate) fn check_fault(fault: &CredentialFault) {
    let text = fault.to_string();
    assert!(!text.is_empty() && text.len() <= 2 * LONGEST_TEXT, "{text:?}");
    assert!(fault.remedy().ends_with('.'), "{}", fault.remedy());
    assert!((901..=913).contains(&fault.diagnosis().code()));
}
