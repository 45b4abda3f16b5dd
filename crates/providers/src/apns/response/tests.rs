use std::time::Duration;

use proptest::prelude::*;

use super::*;

const PAUSES: Pauses = Pauses {
    apns_unavailable: Duration::from_secs(900),
    apns_shutdown: Duration::from_secs(1),
    apns_throttled: Duration::from_secs(60),
    fcm_unavailable: Duration::from_secs(10),
    fcm_throttled: Duration::from_secs(60),
    webpush_throttled: Duration::from_secs(60),
    webpush_unavailable: Duration::from_secs(10),
    unreachable: Duration::from_secs(2),
};

/// What an answer with this reason comes to.
fn refused(status: u16, body: &str) -> Refusal {
    refused_with(status, body, &HeaderMap::new())
}

/// The same, with headers.
fn refused_with(status: u16, body: &str, headers: &HeaderMap) -> Refusal {
    let status = StatusCode::from_u16(status).expect("a status");
    match classify(status, headers, body.as_bytes(), Time::EPOCH, &PAUSES) {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{status} {body}: {other:?}"),
    }
}

#[test]
fn accepted_carries_apples_id() {
    let mut headers = HeaderMap::new();
    headers.insert(ID, http::HeaderValue::from_static("an-id"));
    let accepted = |headers| classify(StatusCode::OK, headers, b"", Time::EPOCH, &PAUSES);
    let provider_id = Some("an-id".to_owned());
    assert_eq!(accepted(&headers), Outcome::Accepted { provider_id });
    assert_eq!(accepted(&HeaderMap::new()), Outcome::Accepted { provider_id: None });
}

/// Every row of Apple's table: status, reason, our code, what of the token, when again.
#[test]
fn every_reason_has_its_meaning() {
    use Diagnosis::{
        AppMismatch, BadPayload, BadPushToken, CertificateError, NotConfigured,
        ProductionCertificateRequired, TemporarilyDisabled,
    };
    use RetryRule::{After, BackOff, Bare, WhenChanged};
    use TokenVerdict::{Drop, Elsewhere, Keep, Suspect};
    let drop = Drop { invalid_since: None };
    let slowly = After(PAUSES.apns_unavailable);
    let soon = After(PAUSES.apns_shutdown);
    let throttled = BackOff { first: PAUSES.apns_throttled };
    let rows = [
        (400, "BadCollapseId", BadPayload, Keep, Bare),
        (400, "BadDeviceToken", BadPushToken, Elsewhere, WhenChanged),
        (400, "BadExpirationDate", BadPayload, Keep, Bare),
        (400, "BadMessageId", BadPayload, Keep, Bare),
        (400, "BadPriority", BadPayload, Keep, Bare),
        (400, "BadTopic", AppMismatch, Keep, WhenChanged),
        (400, "DeviceTokenNotForTopic", AppMismatch, Suspect, WhenChanged),
        (400, "DuplicateHeaders", BadPayload, Keep, Bare),
        (400, "FeatureNotEnabled", NotConfigured, Keep, WhenChanged),
        (400, "IdleTimeout", TemporarilyDisabled, Keep, soon),
        (400, "InvalidPushType", BadPayload, Keep, Bare),
        (400, "MissingDeviceToken", BadPushToken, Suspect, WhenChanged),
        (400, "MissingTopic", AppMismatch, Keep, WhenChanged),
        (400, "PayloadEmpty", BadPayload, Keep, Bare),
        (400, "TopicDisallowed", AppMismatch, Keep, WhenChanged),
        (403, "BadCertificate", CertificateError, Keep, WhenChanged),
        (403, "BadCertificateEnvironment", ProductionCertificateRequired, Keep, WhenChanged),
        (403, "BadEnvironmentKeyIdInToken", ProductionCertificateRequired, Keep, WhenChanged),
        (403, "BadEnvironmentKeyInToken", ProductionCertificateRequired, Keep, WhenChanged),
        (403, "ExpiredProviderToken", CertificateError, Keep, WhenChanged),
        (403, "Forbidden", CertificateError, Keep, WhenChanged),
        (403, "InvalidProviderToken", CertificateError, Keep, WhenChanged),
        (403, "MissingProviderToken", NotConfigured, Keep, WhenChanged),
        (403, "TopicMismatch", AppMismatch, Keep, WhenChanged),
        (403, "UnrelatedKeyIdInToken", CertificateError, Keep, WhenChanged),
        (404, "BadPath", BadPayload, Keep, Bare),
        (405, "MethodNotAllowed", BadPayload, Keep, Bare),
        (410, "ExpiredToken", BadPushToken, drop, WhenChanged),
        (410, "Unregistered", BadPushToken, drop, WhenChanged),
        (413, "PayloadTooLarge", BadPayload, Keep, Bare),
        (429, "TooManyProviderTokenUpdates", TemporarilyDisabled, Keep, throttled),
        (429, "TooManyRequests", TemporarilyDisabled, Keep, throttled),
        (500, "InternalServerError", TemporarilyDisabled, Keep, slowly),
        (503, "ServiceUnavailable", TemporarilyDisabled, Keep, slowly),
        (503, "Shutdown", TemporarilyDisabled, Keep, soon),
        // Reasons Apple has not invented yet: by the status.
        (400, "Brandnew", BadPayload, Keep, Bare),
        (403, "Brandnew", CertificateError, Keep, WhenChanged),
        (410, "Brandnew", BadPushToken, drop, WhenChanged),
        (413, "Brandnew", BadPayload, Keep, Bare),
        (429, "Brandnew", TemporarilyDisabled, Keep, throttled),
        (500, "Brandnew", TemporarilyDisabled, Keep, slowly),
        (301, "Brandnew", TemporarilyDisabled, Keep, slowly),
    ];
    for (status, reason, diagnosis, token, retry) in rows {
        let refusal = refused(status, &format!("{{\"reason\":\"{reason}\"}}"));
        assert_eq!(refusal.diagnosis, diagnosis, "{reason}");
        assert_eq!(refusal.token, token, "{reason}");
        assert_eq!(refusal.retry, retry, "{reason}");
        assert_eq!((refusal.status, &*refusal.reason), (Some(status), reason));
        assert!(refusal.remedy.ends_with('.'), "{reason}: {}", refusal.remedy);
    }
}

#[test]
fn a_410_says_since_when() {
    let refusal = refused(410, r#"{"timestamp":1700000000123,"reason":"Unregistered"}"#);
    let since = Some(Time::from_millis(1_700_000_000_123));
    assert_eq!(refusal.token, TokenVerdict::Drop { invalid_since: since });
    assert_eq!(refused(410, "").token, TokenVerdict::Drop { invalid_since: None });
}

#[test]
fn a_body_that_says_nothing_leaves_the_status() {
    for body in ["", "<html>", "{}", "[]", r#"{"reason":7}"#, r#"{"reason":null}"#] {
        let refusal = refused(503, body);
        assert_eq!((refusal.diagnosis.code(), &*refusal.reason), (902, "HTTP 503"), "{body}");
    }
}

#[test]
fn retry_after_is_believed_only_where_waiting_helps() {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("7"));
    let retry = |status, reason: &str| {
        refused_with(status, &format!("{{\"reason\":\"{reason}\"}}"), &headers).retry
    };
    assert_eq!(retry(503, "ServiceUnavailable"), RetryRule::After(Duration::from_secs(7)));
    assert_eq!(retry(429, "TooManyRequests"), RetryRule::After(Duration::from_secs(7)));
    assert_eq!(retry(403, "InvalidProviderToken"), RetryRule::WhenChanged);
}

#[test]
fn alerts_and_goaways_mean_the_credential_or_the_provider() {
    let check = |failure: Failure, expired, code: u16| {
        let outcome = classify_failure(&failure, expired, &PAUSES);
        let Outcome::Refused(refusal) = outcome else { panic!("{failure}: {outcome:?}") };
        assert_eq!(refusal.diagnosis.code(), code, "{failure}, expired: {expired}");
        assert_eq!(refusal.status, None);
    };
    for alert in [40, 42, 43, 44, 46, 48, 49, 116] {
        check(Failure::Alert(alert), false, 904);
    }
    check(Failure::Alert(45), false, 903);
    check(Failure::Alert(42), true, 903);
    check(Failure::Alert(80), true, 903);
    check(Failure::Alert(80), false, 902);
    check(Failure::Alert(10), false, 902);
    let goaway = |body: &'static str| Failure::GoAway(body.as_bytes().into());
    check(goaway(r#"{"reason":"BadCertificateEnvironment"}"#), false, 905);
    check(goaway(r#"{"reason":"BadCertificate"}"#), false, 904);
    check(goaway(""), false, 902);
    check(Failure::Untrusted("x".into()), false, 902);
    check(Failure::Resolve("x".into()), false, 902);
    check(Failure::Connect("x".into()), false, 902);
    check(Failure::TimedOut("x"), false, 902);
}

#[test]
fn only_credential_reasons_of_a_goaway_refuse() {
    let refuses = |reason: &str| goaway_refuses(format!("{{\"reason\":\"{reason}\"}}").as_bytes());
    assert!(refuses("BadCertificateEnvironment") && refuses("InvalidProviderToken"));
    assert!(!refuses("Shutdown") && !refuses("IdleTimeout") && !refuses("Brandnew"));
    assert!(!goaway_refuses(b""));
}

#[test]
fn cures_are_few() {
    let check = |status: u16, reason: &str, expected| {
        let body = format!("{{\"reason\":\"{reason}\"}}");
        let status = StatusCode::from_u16(status).expect("a status");
        assert_eq!(cure(status, body.as_bytes()), expected, "{reason}");
    };
    check(200, "ExpiredProviderToken", Cure::None);
    check(403, "ExpiredProviderToken", Cure::RenewToken);
    check(403, "UnrelatedKeyIdInToken", Cure::Reconnect);
    check(400, "IdleTimeout", Cure::Reconnect);
    check(503, "Shutdown", Cure::Retire);
    check(403, "InvalidProviderToken", Cure::None);
    check(410, "Unregistered", Cure::None);
}

proptest! {
    #[test]
    fn never_panics(status in 100_u16..1000, body in proptest::collection::vec(any::<u8>(), 0..100), timestamp: i64) {
        let status = StatusCode::from_u16(status).expect("a status");
        let with_time = format!("{{\"reason\":\"Unregistered\",\"timestamp\":{timestamp}}}");
        for body in [&body[..], with_time.as_bytes()] {
            let _ = classify(status, &HeaderMap::new(), body, Time::EPOCH, &PAUSES);
            let _ = cure(status, body);
            let _ = goaway_refuses(body);
        }
    }
}
