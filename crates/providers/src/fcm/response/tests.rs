use std::time::Duration;

use http::HeaderValue;
use http::header::RETRY_AFTER;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const PAUSES: Pauses = Pauses {
    apns_unavailable: Duration::from_secs(900),
    apns_shutdown: Duration::from_secs(1),
    apns_throttled: Duration::from_secs(60),
    fcm_unavailable: Duration::from_secs(10),
    fcm_throttled: Duration::from_secs(61),
    webpush_throttled: Duration::from_secs(60),
    webpush_unavailable: Duration::from_secs(10),
    unreachable: Duration::from_secs(2),
};

/// FCM's own detail.
fn fcm(code: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code })
}

/// A detail that names a field.
fn field(field: &str, description: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{ "field": field, "description": description }],
    })
}

/// An error body in Google's form.
fn error(code: u16, status: &str, message: &str, details: &[Value]) -> String {
    let mut error = json!({ "code": code, "message": message, "status": status });
    if !details.is_empty() {
        error["details"] = json!(details);
    }
    json!({ "error": error }).to_string()
}

/// What an answer comes to.
fn refused(status: u16, body: &str, headers: &HeaderMap) -> Refusal {
    let status = StatusCode::from_u16(status).expect("a status");
    match classify(status, headers, body.as_bytes(), Time::EPOCH, &PAUSES) {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{status} {body}: {other:?}"),
    }
}

#[test]
fn accepted_carries_googles_name() {
    let accepted =
        |body: &[u8]| classify(StatusCode::OK, &HeaderMap::new(), body, Time::EPOCH, &PAUSES);
    let provider_id = Some("projects/p/messages/1".to_owned());
    let body = br#"{"name":"projects/p/messages/1"}"#;
    assert_eq!(accepted(body), Outcome::Accepted { provider_id });
    assert_eq!(accepted(b""), Outcome::Accepted { provider_id: None });
}

/// Every row of the table, with the details as they come and reversed.
#[test]
fn every_error_has_its_meaning() {
    use RetryRule::{After, BackOff, Bare, WhenChanged};
    use TokenVerdict::{Drop, Keep, Suspect};
    let drop = Drop { invalid_since: None };
    let slowly = BackOff { first: PAUSES.fcm_unavailable };
    let throttled = After(PAUSES.fcm_throttled);
    let invalid = "INVALID_ARGUMENT";
    let rows = [
        (
            400,
            invalid,
            "",
            vec![fcm(invalid), field("message.token", "Invalid registration token")],
            911,
            Suspect,
            WhenChanged,
            invalid,
        ),
        (
            400,
            invalid,
            "The registration token is not a valid FCM registration token",
            vec![fcm(invalid)],
            911,
            Suspect,
            WhenChanged,
            invalid,
        ),
        (
            400,
            invalid,
            "",
            vec![fcm(invalid), field("message", "Recipient of the message is not set")],
            913,
            Keep,
            Bare,
            invalid,
        ),
        (400, invalid, "", vec![field("message.data[0].value", "")], 913, Keep, Bare, invalid),
        // The field decides, whatever the text says.
        (
            400,
            invalid,
            "The registration token is not a valid one",
            vec![field("message.android.ttl", "")],
            913,
            Keep,
            Bare,
            invalid,
        ),
        (
            400,
            invalid,
            "The package name of the token does not match",
            vec![fcm(invalid)],
            912,
            Keep,
            WhenChanged,
            invalid,
        ),
        // Oversize: no details at all, and the token is innocent.
        (400, invalid, "Request contains an invalid argument.", vec![], 913, Keep, Bare, invalid),
        (
            401,
            "UNAUTHENTICATED",
            "expected OAuth 2 access token",
            vec![],
            904,
            Keep,
            WhenChanged,
            "UNAUTHENTICATED",
        ),
        (
            401,
            "UNAUTHENTICATED",
            "expected OAuth 2 access token",
            vec![fcm("THIRD_PARTY_AUTH_ERROR")],
            904,
            Keep,
            WhenChanged,
            "THIRD_PARTY_AUTH_ERROR",
        ),
        (
            401,
            "UNAUTHENTICATED",
            "",
            vec![fcm("APNS_AUTH_ERROR")],
            904,
            Keep,
            WhenChanged,
            "APNS_AUTH_ERROR",
        ),
        (
            403,
            "PERMISSION_DENIED",
            "",
            vec![fcm("SENDER_ID_MISMATCH")],
            912,
            Suspect,
            WhenChanged,
            "SENDER_ID_MISMATCH",
        ),
        (403, "PERMISSION_DENIED", "", vec![], 901, Keep, WhenChanged, "PERMISSION_DENIED"),
        (404, "NOT_FOUND", "", vec![fcm("UNREGISTERED")], 911, drop, WhenChanged, "UNREGISTERED"),
        (404, "NOT_FOUND", "", vec![], 901, Keep, WhenChanged, "NOT_FOUND"),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "",
            vec![
                fcm("QUOTA_EXCEEDED"),
                json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure" }),
            ],
            902,
            Keep,
            throttled,
            "QUOTA_EXCEEDED",
        ),
        (500, "INTERNAL", "", vec![fcm("INTERNAL")], 902, Keep, slowly, "INTERNAL"),
        (503, "UNAVAILABLE", "", vec![fcm("UNAVAILABLE")], 902, Keep, slowly, "UNAVAILABLE"),
        (
            503,
            "UNAVAILABLE",
            "",
            vec![fcm("UNSPECIFIED_ERROR")],
            902,
            Keep,
            slowly,
            "UNSPECIFIED_ERROR",
        ),
        (400, invalid, "", vec![fcm("BRAND_NEW")], 913, Keep, Bare, "BRAND_NEW"),
    ];
    for (status, canonical, message, mut details, code, token, retry, reason) in rows {
        for _ in 0..2 {
            let body = error(status, canonical, message, &details);
            let refusal = refused(status, &body, &HeaderMap::new());
            assert_eq!(refusal.diagnosis.code(), code, "{body}");
            assert_eq!((refusal.token, refusal.retry), (token, retry), "{body}");
            assert_eq!((refusal.status, &*refusal.reason), (Some(status), reason), "{body}");
            assert!(refusal.remedy.ends_with('.'), "{}", refusal.remedy);
            details.reverse();
        }
    }
}

#[test]
fn a_front_ends_page_leaves_the_status() {
    for body in ["<html>", "", "[]", "{\"error\":\"x\"}", "{\"error\":{\"details\":7}}"] {
        let check = |status: u16, code: u16| {
            let refusal = refused(status, body, &HeaderMap::new());
            assert_eq!(refusal.diagnosis.code(), code, "{status} {body}");
            assert_eq!(refusal.reason, format!("HTTP {status}"));
            assert_eq!(refusal.token, TokenVerdict::Keep);
        };
        check(502, 902);
        check(504, 902);
        check(404, 901);
        check(400, 913);
        check(302, 902);
    }
}

#[test]
fn retry_after_is_believed() {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
    let seven = RetryRule::After(Duration::from_secs(7));
    assert_eq!(refused(429, "", &headers).retry, seven);
    assert_eq!(refused(503, "", &headers).retry, seven);
    assert_eq!(refused(403, "", &headers).retry, RetryRule::WhenChanged);
}

#[test]
fn our_token_is_told_from_a_third_partys() {
    let check = |status: u16, details: &[Value], expected| {
        let body = error(status, "UNAUTHENTICATED", "expected OAuth 2 access token", details);
        let status = StatusCode::from_u16(status).expect("a status");
        assert_eq!(is_our_token_bad(status, body.as_bytes()), expected, "{body}");
    };
    check(401, &[], true);
    check(401, &[fcm("THIRD_PARTY_AUTH_ERROR")], false);
    check(403, &[], false);
    check(200, &[], false);
}

proptest! {
    #[test]
    fn never_panics(status in 100_u16..1000, body in proptest::collection::vec(any::<u8>(), 0..100), text in ".*") {
        let status = StatusCode::from_u16(status).expect("a status");
        let made = error(400, &text, &text, &[fcm(&text), field(&text, &text)]);
        for body in [&body[..], made.as_bytes()] {
            let _ = classify(status, &HeaderMap::new(), body, Time::EPOCH, &PAUSES);
            let _ = is_our_token_bad(status, body);
        }
    }
}
