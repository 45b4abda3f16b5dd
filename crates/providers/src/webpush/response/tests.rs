use std::time::Duration;

use http::HeaderValue;
use http::header::RETRY_AFTER;
use proptest::prelude::*;

use super::*;

const PAUSES: Pauses = Pauses {
    apns_unavailable: Duration::from_secs(900),
    apns_shutdown: Duration::from_secs(1),
    apns_throttled: Duration::from_secs(61),
    fcm_unavailable: Duration::from_secs(11),
    fcm_throttled: Duration::from_secs(62),
    webpush_throttled: Duration::from_secs(60),
    webpush_unavailable: Duration::from_secs(10),
    unreachable: Duration::from_secs(2),
};

const APPLE: &str = "web.push.apple.com";
const GOOGLE: &str = "fcm.googleapis.com";
const MICROSOFT: &str = "wns2-par02p.notify.windows.com";
const MOZILLA: &str = "updates.push.services.mozilla.com";
const OTHER: &str = "push.example.org";

/// What an answer comes to.
fn refused(host: &str, status: u16, headers: &HeaderMap, body: &str) -> Refusal {
    let status = StatusCode::from_u16(status).expect("a status");
    match classify(host, status, headers, body.as_bytes(), Time::EPOCH, &PAUSES) {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{status} {body}: {other:?}"),
    }
}

/// Apple's body.
fn apple(reason: &str) -> String {
    format!("{{\"reason\":\"{reason}\"}}")
}

/// Mozilla's body.
fn mozilla(code: u16, errno: u16, message: &str) -> String {
    format!(
        "{{\"code\":{code},\"errno\":{errno},\"error\":\"x\",\"message\":\"{message}\",\"more_info\":\"https://jwt.example\"}}"
    )
}

#[test]
fn accepted_carries_apples_id_and_nothing_secret() {
    let check = |status, name: Option<&str>, expected: Option<&str>| {
        let mut headers = HeaderMap::new();
        let location = HeaderValue::from_static("https://push.example.org/m/secret");
        headers.insert(http::header::LOCATION, location);
        if let Some(name) = name {
            headers.insert(APNS_ID, HeaderValue::from_str(name).expect("visible"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        let outcome = classify(APPLE, status, &headers, b"", Time::EPOCH, &PAUSES);
        assert_eq!(outcome, Outcome::Accepted { provider_id: expected.map(str::to_owned) });
    };
    check(201, None, None);
    check(202, None, None);
    check(200, None, None);
    check(201, Some("an-id"), Some("an-id"));
    check(201, Some(&"x".repeat(65)), None);
}

/// Every row of the vendors' tables: host, status, body; our code, how far it reaches, what of the
/// subscription, when again.
#[test]
fn every_answer_has_its_meaning() {
    use Diagnosis::{AppMismatch, BadPayload, BadPushToken, CertificateError, TemporarilyDisabled};
    use RetryRule::{After, BackOff, Bare, WhenChanged};
    use Scope::{Credential, Device, Push, Service};
    use TokenVerdict::{Drop, Keep, Suspect};
    let drop = Drop { invalid_since: None };
    let soon = After(PAUSES.apns_shutdown);
    let later = BackOff { first: PAUSES.webpush_unavailable };
    let throttled = BackOff { first: PAUSES.webpush_throttled };
    let bad_payload = (BadPayload, Push, Keep, Bare);
    let bad_jwt = (CertificateError, Credential, Keep, WhenChanged);
    let flickering = (BadPushToken, Device, Suspect, later);
    let gone = (BadPushToken, Device, drop, WhenChanged);
    let moved = (TemporarilyDisabled, Device, Keep, later);
    let not_allowed = (CertificateError, Device, Keep, WhenChanged);
    let other_key = (AppMismatch, Device, Suspect, WhenChanged);
    let busy = (TemporarilyDisabled, Service, Keep, throttled);
    let away = (TemporarilyDisabled, Service, Keep, later);
    let shutting_down = (TemporarilyDisabled, Service, Keep, soon);
    let json = |reason| apple(reason);
    let text = str::to_owned;
    let rows = [
        // RFC 8030, RFC 8292: whoever it is.
        (OTHER, 301, text(""), moved),
        (OTHER, 307, text(""), moved),
        (OTHER, 308, text("<html>"), moved),
        (OTHER, 400, text(""), bad_payload),
        (OTHER, 401, text(""), not_allowed),
        (OTHER, 401, text("invalid JWT"), bad_jwt),
        (OTHER, 403, text(""), not_allowed),
        (OTHER, 403, text("forbidden"), not_allowed),
        (OTHER, 404, text(""), gone),
        (OTHER, 405, text(""), bad_payload),
        (OTHER, 406, text(""), bad_payload),
        (OTHER, 408, text(""), away),
        (OTHER, 410, text(""), gone),
        (OTHER, 411, text(""), bad_payload),
        (OTHER, 413, text(""), bad_payload),
        (OTHER, 415, text(""), bad_payload),
        (OTHER, 425, text(""), away),
        (OTHER, 429, text(""), busy),
        (OTHER, 500, text(""), away),
        (OTHER, 502, text("<html>"), away),
        (OTHER, 503, text(""), away),
        (OTHER, 504, text(""), away),
        (OTHER, 599, text(""), away),
        // Apple.
        (APPLE, 400, json("BadAuthorizationHeader"), bad_jwt),
        (APPLE, 400, json("BadTtl"), bad_payload),
        (APPLE, 400, json("BadUrgency"), bad_payload),
        (APPLE, 400, json("BadVapidPublicKey"), bad_jwt),
        (APPLE, 400, json("BadWebPushRequest"), bad_payload),
        (APPLE, 400, json("BadWebPushTopic"), bad_payload),
        (APPLE, 400, json("IdleTimeout"), shutting_down),
        (APPLE, 403, json("BadJwtToken"), bad_jwt),
        (APPLE, 403, json("VapidPkHashMismatch"), other_key),
        // The page does not say which of the two they come with.
        (APPLE, 400, json("VapidPkHashMismatch"), other_key),
        (APPLE, 403, json("BadVapidPublicKey"), bad_jwt),
        (APPLE, 404, json("BadPath"), gone),
        (APPLE, 405, json("MethodNotAllowed"), bad_payload),
        (APPLE, 410, json("Unregistered"), gone),
        (APPLE, 410, json("ExpiredToken"), gone),
        (APPLE, 413, json("PayloadTooLarge"), bad_payload),
        (APPLE, 429, json("TooManyRequests"), (TemporarilyDisabled, Device, Keep, throttled)),
        (APPLE, 500, json("InternalServerError"), away),
        (APPLE, 503, json("ServiceUnavailable"), away),
        (APPLE, 503, json("Shutdown"), shutting_down),
        (APPLE, 403, json("Brandnew"), not_allowed),
        (APPLE, 400, json("Brandnew"), bad_payload),
        // Mozilla.
        (MOZILLA, 400, mozilla(400, 101, "Missing crypto keys"), bad_payload),
        (MOZILLA, 404, mozilla(404, 102, "Invalid URL endpoint"), gone),
        (MOZILLA, 410, mozilla(410, 103, "Expired URL endpoint"), gone),
        (MOZILLA, 413, mozilla(413, 104, "Data payload too large"), bad_payload),
        (MOZILLA, 410, mozilla(410, 105, "Endpoint became unavailable"), gone),
        (MOZILLA, 410, mozilla(410, 106, "Invalid subscription"), gone),
        (MOZILLA, 400, mozilla(400, 108, "Router type is invalid"), bad_payload),
        (MOZILLA, 401, mozilla(401, 109, "Invalid authentication"), bad_jwt),
        (MOZILLA, 401, mozilla(401, 109, "VAPID public key mismatch"), other_key),
        (MOZILLA, 400, mozilla(400, 110, "Invalid crypto keys"), bad_payload),
        (MOZILLA, 400, mozilla(400, 111, "Missing TTL header"), bad_payload),
        (MOZILLA, 400, mozilla(400, 112, "Invalid TTL header value"), bad_payload),
        (MOZILLA, 400, mozilla(400, 113, "Invalid Topic header value"), bad_payload),
        (MOZILLA, 400, mozilla(400, 114, "Invalid TTL"), bad_payload),
        (MOZILLA, 503, mozilla(503, 201, "Use exponential back-off"), away),
        (MOZILLA, 503, mozilla(503, 202, "Use exponential back-off"), away),
        (MOZILLA, 502, mozilla(502, 900, "Internal bridge misconfiguration"), away),
        (MOZILLA, 502, mozilla(502, 901, "Bridge authentication"), away),
        (MOZILLA, 502, mozilla(502, 902, "Bridge connection"), away),
        (MOZILLA, 502, mozilla(502, 903, "Bridge timeout"), away),
        (MOZILLA, 500, mozilla(500, 999, "Unknown error"), away),
        (MOZILLA, 500, text("Internal error"), away),
        (MOZILLA, 301, text(""), moved),
        (MOZILLA, 418, mozilla(418, 4242, "Brandnew"), bad_payload),
        // Google, as seen.
        (
            GOOGLE,
            403,
            text(
                "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.\n",
            ),
            other_key,
        ),
        (GOOGLE, 403, text("invalid push subscription endpoint.\n"), flickering),
        (GOOGLE, 403, text("aud claim in the token MUST include the origin"), bad_jwt),
        (GOOGLE, 403, text("invalid JWT provided"), bad_jwt),
        (GOOGLE, 400, text("<HTML><TITLE>UnauthorizedRegistration</TITLE>"), other_key),
        (GOOGLE, 404, text("A valid push subscription endpoint should be specified"), gone),
        (GOOGLE, 410, text("NotRegistered"), gone),
        (GOOGLE, 410, text("push subscription has unsubscribed or expired.\n"), gone),
        (GOOGLE, 429, text(""), busy),
        // Microsoft.
        (MICROSOFT, 406, text(""), busy),
        (MICROSOFT, 403, text(""), not_allowed),
        (MICROSOFT, 410, text(""), gone),
        // Self-hosted services speak like one of them.
        (OTHER, 403, json("VapidPkHashMismatch"), other_key),
        (OTHER, 404, mozilla(404, 102, "Invalid URL endpoint"), gone),
    ];
    for (host, status, body, (diagnosis, scope, token, retry)) in rows {
        let refusal = refused(host, status, &HeaderMap::new(), &body);
        let is = (refusal.diagnosis, refusal.scope, refusal.token, refusal.retry);
        assert_eq!(is, (diagnosis, scope, token, retry), "{host} {status} {body}");
        assert_eq!(refusal.status, Some(status));
        assert!(!refusal.remedy.is_empty());
    }
}

#[test]
fn the_reason_is_the_services_own_word() {
    let check = |host, status, body: &str, expected: &str| {
        assert_eq!(refused(host, status, &HeaderMap::new(), body).reason, expected);
    };
    check(APPLE, 403, &apple("BadJwtToken"), "BadJwtToken");
    check(MOZILLA, 401, &mozilla(401, 109, "Invalid aud"), "errno 109: Invalid aud");
    check(MOZILLA, 410, "{\"errno\":106}", "errno 106");
    check(GOOGLE, 410, "NotRegistered\n", "NotRegistered");
    check(OTHER, 502, "<html>bad gateway</html>", "HTTP 502");
    check(OTHER, 500, "", "HTTP 500");
    check(OTHER, 500, "{\"x\":1}", "HTTP 500");
    check(OTHER, 500, "{\"x\":", "HTTP 500");
    check(OTHER, 500, &apple(""), "HTTP 500");
    check(OTHER, 500, &"x".repeat(201), "HTTP 500");
    check(OTHER, 500, &apple(&"ä".repeat(300)), &"ä".repeat(200));
}

#[test]
fn the_services_pause_is_the_better_one() {
    let check = |status, body: &str, value: &'static str, expected| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        assert_eq!(refused(OTHER, status, &headers, body).retry, expected, "{status} {value}");
    };
    let after = |seconds| RetryRule::After(Duration::from_secs(seconds));
    check(429, "", "120", after(120));
    check(503, "", "120", after(120));
    check(503, &apple("Shutdown"), "5", after(5));
    check(503, &mozilla(503, 201, "x"), "120", after(120));
    // Time::EPOCH is the now of these tests.
    check(429, "", "Thu, 01 Jan 1970 00:02:00 GMT", after(120));
    check(
        503,
        "",
        "Wed, 31 Dec 1969 23:00:00 GMT",
        RetryRule::BackOff { first: PAUSES.webpush_unavailable },
    );
    check(429, "", "soon", RetryRule::BackOff { first: PAUSES.webpush_throttled });
    check(429, "", "0", RetryRule::BackOff { first: PAUSES.webpush_throttled });
    check(302, "", "0", RetryRule::BackOff { first: PAUSES.webpush_unavailable });
    // It does not make a dead subscription worth another try.
    check(410, "", "120", RetryRule::WhenChanged);
    check(400, "", "120", RetryRule::Bare);
}

#[test]
fn apples_timestamp_protects_a_newer_registration() {
    let body = "{\"reason\":\"Unregistered\",\"timestamp\":1800000000000}";
    let since = Some(Time::from_millis(1_800_000_000_000));
    let refusal = refused(APPLE, 410, &HeaderMap::new(), body);
    assert_eq!(refusal.token, TokenVerdict::Drop { invalid_since: since });
}

#[test]
fn only_a_refused_token_is_worth_a_new_one() {
    let check = |host, status, body: &str, expected| {
        let status = StatusCode::from_u16(status).expect("a status");
        assert_eq!(is_our_token_bad(host, status, body.as_bytes()), expected, "{body}");
    };
    check(APPLE, 403, &apple("BadJwtToken"), true);
    check(MOZILLA, 401, &mozilla(401, 109, "Expired"), true);
    check(MOZILLA, 401, &mozilla(401, 109, "VAPID public key mismatch"), false);
    check(APPLE, 201, &apple("BadJwtToken"), false);
    check(OTHER, 403, "", false);
}

proptest! {
    #[test]
    fn never_panics(
        host in ".*",
        status in 100_u16..1000,
        body in proptest::collection::vec(any::<u8>(), 0..300),
        text in ".*",
        errno: u64,
        timestamp: i64,
    ) {
        let status = StatusCode::from_u16(status).expect("a status");
        for body in [
            body,
            text.clone().into_bytes(),
            serde_json::json!({ "reason": text, "timestamp": timestamp }).to_string().into_bytes(),
            serde_json::json!({ "errno": errno, "message": text }).to_string().into_bytes(),
        ] {
            let _ = classify(&host, status, &HeaderMap::new(), &body, Time::EPOCH, &PAUSES);
            let _ = is_our_token_bad(&host, status, &body);
        }
    }
}
