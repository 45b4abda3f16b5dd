use std::time::Duration;

use http::HeaderValue;
use http::header::RETRY_AFTER;
use proptest::prelude::*;
use serde_json::{Value, json};

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

/// A quota that is exhausted.
fn quota(subject: &str, description: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{ "subject": subject, "description": description }],
    })
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
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(LONGEST_NAME + 1));
    assert_eq!(accepted(long.as_bytes()), Outcome::Accepted { provider_id: None });
    assert_eq!(accepted(br#"{"results":[{}]}"#), Outcome::Accepted { provider_id: None });
}

/// What an answer is to come to: our code, its reach, when again, what of the token.
type Expected = (u16, Scope, RetryRule, TokenVerdict);

/// Every row of Google's table of errors, of the ways that INVALID_ARGUMENT splits, and of what
/// each of our codes stands for; with the details as they come and reversed.
#[test]
fn every_answer_has_its_meaning() {
    use RetryRule::{After, BackOff, Bare, WhenChanged};
    use TokenVerdict::{Drop, Keep, Suspect};

    let not_configured: Expected = (901, Scope::Credential, WhenChanged, Keep);
    let slowly: Expected = (902, Scope::Service, BackOff { first: PAUSES.fcm_unavailable }, Keep);
    let throttled = |scope| -> Expected { (902, scope, After(PAUSES.fcm_throttled), Keep) };
    let our_account: Expected = (904, Scope::Credential, WhenChanged, Keep);
    let apples_key: Expected = (904, Scope::Device, WhenChanged, Keep);
    let dead: Expected = (911, Scope::Device, WhenChanged, Drop { invalid_since: None });
    let no_token: Expected = (911, Scope::Device, WhenChanged, Suspect);
    let other_app: Expected = (912, Scope::Device, WhenChanged, Keep);
    let other_project: Expected = (912, Scope::Device, WhenChanged, Suspect);
    let content: Expected = (913, Scope::Push, Bare, Keep);

    let check_raw = |status: u16, body: &str, expected: Expected, reason: &str| {
        let refusal = refused(status, body, &HeaderMap::new());
        let found = (refusal.diagnosis.code(), refusal.scope, refusal.retry, refusal.token);
        assert_eq!((found, &*refusal.reason), (expected, reason), "{status} {body}");
        assert_eq!(refusal.status, Some(status));
        assert!(refusal.remedy.ends_with('.'), "{}", refusal.remedy);
    };
    let check =
        |status: u16, canonical: &str, text: &str, details: &[Value], expected, reason: &str| {
            let reversed: Vec<_> = details.iter().rev().cloned().collect();
            for details in [details, &reversed] {
                check_raw(status, &error(status, canonical, text, details), expected, reason);
            }
        };

    // INVALID_ARGUMENT: the token is blamed only if it is named.
    let i = "INVALID_ARGUMENT";
    let invalid =
        |text: &str, details: &[Value], expected| check(400, i, text, details, expected, i);
    let named = field("message.token", "Invalid registration token");
    let not_valid = "The registration token is not a valid FCM registration token";
    invalid("", &[fcm(i), named.clone()], no_token);
    invalid("", &[named], no_token);
    invalid("", &[fcm(i), field("message.fid", "Invalid installation id")], no_token);
    invalid(not_valid, &[fcm(i)], no_token);
    invalid(not_valid, &[], no_token);
    invalid("", &[fcm(i), field("message", "Recipient of the message is not set.")], content);
    invalid("", &[field("message.data[0].value", "")], content);
    for part in ["message.android.ttl", "message.apns.headers", "message.webpush", "message.topic"]
    {
        // The field decides, whatever the texts say.
        invalid(not_valid, &[fcm(i), field(part, not_valid)], content);
    }
    let package = "The package name of the registration token does not match.";
    invalid(package, &[fcm(i)], other_app);
    invalid(package, &[fcm(i), field("message.token", package)], other_app);
    invalid("", &[fcm(i), field("message.android.restricted_package_name", "")], other_app);
    // A key of the app's own may be called so.
    invalid("", &[fcm(i), field("message.data", "Invalid data payload key: gcm.package")], content);
    // Oversize: no details at all, and the token is innocent.
    invalid("Request contains an invalid argument.", &[], content);

    // 401: whose credential it is, only the code tells; the text is the same.
    let text =
        "Request is missing a required authentication credential. Expected OAuth 2 access token.";
    let u = "UNAUTHENTICATED";
    check(401, u, text, &[], our_account, u);
    for code in ["THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR"] {
        check(401, u, text, &[fcm(code)], apples_key, code);
    }

    let p = "PERMISSION_DENIED";
    let sender = "SENDER_ID_MISMATCH";
    check(403, p, "SenderId mismatch", &[fcm(sender)], other_project, sender);
    check(403, p, "Firebase Cloud Messaging API has not been used", &[], not_configured, p);
    let info = json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED" });
    check(403, p, "", &[info], not_configured, p);

    check(404, "NOT_FOUND", "", &[fcm("UNREGISTERED")], dead, "UNREGISTERED");
    check(404, "NOT_FOUND", "Requested entity was not found.", &[], not_configured, "NOT_FOUND");
    check_raw(404, "<html>Not Found</html>", not_configured, "HTTP 404");

    // A quota may be one device's or one topic's; of several the widest counts.
    let q = "QUOTA_EXCEEDED";
    let exhausted = |quotas: &[Value], scope| {
        let details: Vec<_> = [fcm(q)].iter().chain(quotas).cloned().collect();
        check(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", &details, throttled(scope), q);
    };
    exhausted(&[], Scope::Service);
    exhausted(&[quota("project:1", "Messages per minute")], Scope::Service);
    exhausted(&[quota("device", "")], Scope::Device);
    exhausted(&[quota("", "Message rate for the Registration Token exceeded")], Scope::Device);
    exhausted(&[quota("topic:news", "")], Scope::Push);
    exhausted(&[quota("topic:news", ""), quota("device", "")], Scope::Device);
    exhausted(&[quota("device", ""), quota("project:1", "")], Scope::Service);
    exhausted(&[json!({ "@type": "google.rpc.QuotaFailure", "violations": 7 })], Scope::Service);
    let r = "RESOURCE_EXHAUSTED";
    check(429, r, "", &[quota("device", "")], throttled(Scope::Device), r);
    check_raw(429, "", throttled(Scope::Service), "HTTP 429");

    check(500, "INTERNAL", "", &[fcm("INTERNAL")], slowly, "INTERNAL");
    check(503, "UNAVAILABLE", "", &[fcm("UNAVAILABLE")], slowly, "UNAVAILABLE");
    check(503, "UNAVAILABLE", "", &[], slowly, "UNAVAILABLE");
    for status in [302, 500, 502, 503, 504] {
        let page = "<!DOCTYPE html><html><title>Error</title></html>";
        check_raw(status, page, slowly, &format!("HTTP {status}"));
    }

    // FCM knows no more: 902, and the status says whether it helps to wait.
    let x = "UNSPECIFIED_ERROR";
    check(503, "UNAVAILABLE", "", &[fcm(x)], slowly, x);
    check(429, r, "", &[fcm(x)], throttled(Scope::Service), x);
    check(
        400,
        i,
        "",
        &[fcm(x), field("message.token", "")],
        (902, Scope::Device, WhenChanged, Keep),
        x,
    );
    // A code yet to come: by the canonical status, then by HTTP's.
    check(400, i, "", &[fcm("BRAND_NEW")], content, "BRAND_NEW");
    check(400, "FAILED_PRECONDITION", "", &[], content, "FAILED_PRECONDITION");
    check(418, "", "", &[fcm("BRAND_NEW")], content, "BRAND_NEW");
    check(500, "DATA_LOSS", "", &[], slowly, "DATA_LOSS");

    // The retired API refuses with a 200, and says so of each token.
    let retired = r#"{"multicast_id":1,"success":0,"failure":1,"canonical_ids":0,"results":[{"error":"DeprecatedApi"}]}"#;
    check_raw(200, retired, not_configured, "DeprecatedApi");
}

#[test]
fn remedies_say_what_to_do() {
    let check = |status: u16, body: &str, remedy: &str| {
        let refusal = refused(status, body, &HeaderMap::new());
        assert!(refusal.remedy.contains(remedy), "{} / {remedy}", refusal.remedy);
    };
    let of = |code: &str| error(400, "", "", &[fcm(code)]);
    let invalid = |path: &str| error(400, "INVALID_ARGUMENT", "", &[field(path, "")]);
    check(400, &invalid("message.android.ttl"), "Correct message.android.ttl.");
    // What is no path is not repeated.
    check(400, &invalid("message.<b>"), "Correct the push's content");
    check(400, "", "Correct the push's content");
    check(401, &of("THIRD_PARTY_AUTH_ERROR"), "upload the APNs key");
    check(403, &of("SENDER_ID_MISMATCH"), "service account of the Firebase project");
    check(403, "", "Enable the Firebase Cloud Messaging API");
    check(200, r#"{"results":[{"error":"DeprecatedApi"}]}"#, "upload a service account key");
}

#[test]
fn a_body_that_is_none_leaves_the_status() {
    for body in [
        "<html>",
        "",
        "[]",
        "{\"error\":\"x\"}",
        "{\"error\":{\"details\":7}}",
        "{\"error\":{\"status\":\"\"}}",
    ] {
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

/// After a 429 what Google asks, else a minute; after a 5xx never less than ten seconds.
#[test]
fn retry_after_is_kept_to() {
    let check = |status: u16, pause: &'static str, expected| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(pause));
        assert_eq!(refused(status, "", &headers).retry, expected, "{status} {pause}");
    };
    let seconds = |seconds| RetryRule::After(Duration::from_secs(seconds));
    check(429, "7", seconds(7));
    check(429, "Thu, 01 Jan 1970 00:02:00 GMT", seconds(120));
    // A date in the past, and nonsense, are no answer to "too many".
    check(429, "Wed, 31 Dec 1969 23:59:59 GMT", seconds(61));
    check(429, "soon", seconds(61));
    check(503, "42", seconds(42));
    check(503, "Thu, 01 Jan 1970 00:00:42 GMT", seconds(42));
    check(503, "7", seconds(10));
    for nothing in ["0", "soon"] {
        check(503, nothing, RetryRule::BackOff { first: Duration::from_secs(10) });
    }
    check(403, "7", RetryRule::WhenChanged);
}

#[test]
fn an_empty_word_leaves_the_status_too() {
    let refusal = refused(200, r#"{"results":[{"error":""}]}"#, &HeaderMap::new());
    assert_eq!((refusal.diagnosis.code(), &*refusal.reason), (901, "HTTP 200"));
}

#[test]
fn a_long_word_is_cut() {
    let long = "X".repeat(5000);
    assert_eq!(refused(400, &error(400, &long, "", &[]), &HeaderMap::new()).reason.len(), 100);
    let retired = json!({ "results": [{ "error": long }] }).to_string();
    assert_eq!(refused(200, &retired, &HeaderMap::new()).reason.len(), 100);
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
    fn never_panics(
        status in 100_u16..1000,
        body in proptest::collection::vec(any::<u8>(), 0..100),
        text in ".*",
    ) {
        let status = StatusCode::from_u16(status).expect("a status");
        let details = [fcm(&text), field(&text, &text), quota(&text, &text)];
        let made = error(400, &text, &text, &details);
        let retired = json!({ "results": [{ "error": text }] }).to_string();
        for body in [&body[..], made.as_bytes(), retired.as_bytes()] {
            let _ = classify(status, &HeaderMap::new(), body, Time::EPOCH, &PAUSES);
            let _ = is_our_token_bad(status, body);
        }
    }
}
