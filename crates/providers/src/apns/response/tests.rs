use std::time::Duration;

use bytes::Bytes;
use domain::Scope;
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

/// A request to production, with a certificate that is good.
fn production() -> Sent<'static> {
    let environment = Environment::Production;
    Sent { environment, expired: false, now: Time::EPOCH, pauses: &PAUSES }
}

/// What an answer with this reason comes to.
fn refused(status: u16, body: &str) -> Refusal {
    refused_with(status, body, &HeaderMap::new())
}

/// The same, with headers.
fn refused_with(status: u16, body: &str, headers: &HeaderMap) -> Refusal {
    let status = StatusCode::from_u16(status).expect("a status");
    match classify(status, headers, body.as_bytes(), &production()) {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{status} {body}: {other:?}"),
    }
}

#[test]
fn accepted_carries_apples_id() {
    let mut headers = HeaderMap::new();
    headers.insert(ID, http::HeaderValue::from_static("an-id"));
    let accepted = |headers: &HeaderMap| classify(StatusCode::OK, headers, b"", &production());
    let provider_id = Some("an-id".to_owned());
    assert_eq!(accepted(&headers), Outcome::Accepted { provider_id });
    assert_eq!(accepted(&HeaderMap::new()), Outcome::Accepted { provider_id: None });
    let long = "x".repeat(LONGEST_ID + 1);
    headers.insert(ID, http::HeaderValue::from_str(&long).expect("visible"));
    assert_eq!(accepted(&headers), Outcome::Accepted { provider_id: None });
}

/// A row of Apple's table: what is answered, and what it means to production.
type Row = (u16, &'static str, Diagnosis, Scope, TokenVerdict, RetryRule);

/// Every row of Apple's tables for pushes and for broadcasts, and a reason of each status that
/// Apple has not invented yet.
const ROWS: [Row; 55] = {
    use Diagnosis::{
        AppMismatch as App, BadPayload as Payload, BadPushToken as Token,
        CertificateError as Certificate, NotConfigured as Missing,
        ProductionCertificateRequired as Production, TemporarilyDisabled as Disabled,
    };
    use RetryRule::{After, BackOff, Bare, WhenChanged};
    use TokenVerdict::{Drop, Elsewhere, Keep, Suspect};
    const DROP: TokenVerdict = Drop { invalid_since: None };
    const SLOWLY: RetryRule = After(PAUSES.apns_unavailable);
    const SOON: RetryRule = After(PAUSES.apns_shutdown);
    const LESS: RetryRule = BackOff { first: PAUSES.apns_throttled };
    [
        (400, "BadCollapseId", Payload, Scope::Push, Keep, Bare),
        (400, "BadDeviceToken", Token, Scope::Device, Elsewhere, WhenChanged),
        (400, "BadExpirationDate", Payload, Scope::Push, Keep, Bare),
        (400, "BadMessageId", Payload, Scope::Push, Keep, Bare),
        (400, "BadPriority", Payload, Scope::Push, Keep, Bare),
        (400, "BadTopic", App, Scope::Device, Keep, WhenChanged),
        (400, "DeviceTokenNotForTopic", App, Scope::Device, Suspect, WhenChanged),
        (400, "DuplicateHeaders", Payload, Scope::Push, Keep, Bare),
        (400, "IdleTimeout", Disabled, Scope::Service, Keep, SOON),
        (400, "InvalidPushType", Payload, Scope::Push, Keep, Bare),
        (400, "MissingDeviceToken", Token, Scope::Device, Suspect, WhenChanged),
        (400, "MissingTopic", App, Scope::Device, Keep, WhenChanged),
        (400, "PayloadEmpty", Payload, Scope::Push, Keep, Bare),
        (400, "TopicDisallowed", App, Scope::Device, Keep, WhenChanged),
        (403, "BadCertificate", Certificate, Scope::Credential, Keep, WhenChanged),
        (403, "BadCertificateEnvironment", Production, Scope::Credential, Keep, WhenChanged),
        (403, "BadEnvironmentKeyIdInToken", Production, Scope::Credential, Keep, WhenChanged),
        (403, "BadEnvironmentKeyInToken", Production, Scope::Credential, Keep, WhenChanged),
        (403, "ExpiredProviderToken", Certificate, Scope::Credential, Keep, WhenChanged),
        (403, "Forbidden", Certificate, Scope::Credential, Keep, WhenChanged),
        (403, "InvalidProviderToken", Certificate, Scope::Credential, Keep, WhenChanged),
        (403, "MissingProviderToken", Missing, Scope::Credential, Keep, WhenChanged),
        (403, "UnrelatedKeyIdInToken", Certificate, Scope::Credential, Keep, WhenChanged),
        (404, "BadPath", Payload, Scope::Push, Keep, Bare),
        (405, "MethodNotAllowed", Payload, Scope::Push, Keep, Bare),
        (410, "ExpiredToken", Token, Scope::Device, DROP, WhenChanged),
        (410, "Unregistered", Token, Scope::Device, DROP, WhenChanged),
        (413, "PayloadTooLarge", Payload, Scope::Push, Keep, Bare),
        (429, "TooManyProviderTokenUpdates", Disabled, Scope::Credential, Keep, LESS),
        (429, "TooManyRequests", Disabled, Scope::Device, Keep, LESS),
        (500, "InternalServerError", Disabled, Scope::Service, Keep, SLOWLY),
        (503, "ServiceUnavailable", Disabled, Scope::Service, Keep, SLOWLY),
        (503, "Shutdown", Disabled, Scope::Service, Keep, SOON),
        // Broadcasts.
        (400, "BadChannelId", Payload, Scope::Push, Keep, WhenChanged),
        (400, "BadRequestParams", Payload, Scope::Push, Keep, Bare),
        (400, "BadRequestPayload", Payload, Scope::Push, Keep, Bare),
        (400, "CannotCreateChannelConfig", Payload, Scope::Push, Keep, WhenChanged),
        (400, "ChannelNotRegistered", Payload, Scope::Push, Keep, WhenChanged),
        (400, "FeatureNotEnabled", Missing, Scope::Push, Keep, WhenChanged),
        (400, "MissingChannelId", Payload, Scope::Push, Keep, WhenChanged),
        (400, "MissingChannelQueueSize", Payload, Scope::Push, Keep, Bare),
        (400, "MissingPushType", Payload, Scope::Push, Keep, Bare),
        (403, "TopicMismatch", App, Scope::Device, Keep, WhenChanged),
        // Reasons Apple has not invented yet: by the status.
        (301, "Brandnew", Disabled, Scope::Service, Keep, SLOWLY),
        (400, "Brandnew", Payload, Scope::Push, Keep, Bare),
        (401, "Brandnew", Certificate, Scope::Credential, Keep, WhenChanged),
        (403, "Brandnew", Certificate, Scope::Credential, Keep, WhenChanged),
        (404, "Brandnew", Payload, Scope::Push, Keep, Bare),
        (410, "Brandnew", Token, Scope::Device, DROP, WhenChanged),
        (413, "Brandnew", Payload, Scope::Push, Keep, Bare),
        (418, "Brandnew", Payload, Scope::Push, Keep, Bare),
        (429, "Brandnew", Disabled, Scope::Service, Keep, LESS),
        (500, "Brandnew", Disabled, Scope::Service, Keep, SLOWLY),
        (503, "Brandnew", Disabled, Scope::Service, Keep, SLOWLY),
        (599, "Brandnew", Disabled, Scope::Service, Keep, SLOWLY),
    ]
};

#[test]
fn every_reason_has_its_meaning() {
    for (status, reason, diagnosis, scope, token, retry) in ROWS {
        let refusal = refused(status, &format!("{{\"reason\":\"{reason}\"}}"));
        let meaning = (refusal.diagnosis, refusal.scope, refusal.token, refusal.retry);
        assert_eq!(meaning, (diagnosis, scope, token, retry), "{status} {reason}");
        assert_eq!((refusal.status, &*refusal.reason), (Some(status), reason));
        assert!(refusal.remedy.ends_with('.'), "{reason}: {}", refusal.remedy);
    }
}

/// A GOAWAY says with a reason what an answer says with it; it has no status to fall back on.
#[test]
fn a_goaway_means_what_an_answer_means() {
    for (status, reason, ..) in ROWS {
        let body = format!("{{\"reason\":\"{reason}\"}}");
        let answered = refused(status, &body);
        let failure = Failure::GoAway(body.into());
        let gone = match classify_failure(&failure, &production()) {
            Outcome::Refused(refusal) => refusal,
            other => panic!("{reason}: {other:?}"),
        };
        if Reason::parse(reason).is_some() {
            assert_eq!(gone, Refusal { status: None, ..answered }, "{reason}");
        } else {
            assert_eq!((gone.diagnosis.code(), &*gone.reason), (902, reason), "{status}");
        }
    }
}

#[test]
fn which_environment_it_was_decides_between_905_and_904() {
    let check = |environment, code, remedy: &str| {
        let sent = Sent { environment, ..production() };
        for reason in
            ["BadCertificateEnvironment", "BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken"]
        {
            let body = format!("{{\"reason\":\"{reason}\"}}");
            let headers = HeaderMap::new();
            let answer = classify(StatusCode::FORBIDDEN, &headers, body.as_bytes(), &sent);
            let goaway = classify_failure(&Failure::GoAway(body.into()), &sent);
            for outcome in [answer, goaway] {
                let Outcome::Refused(refusal) = outcome else { panic!("{outcome:?}") };
                assert_eq!((refusal.diagnosis.code(), &*refusal.reason), (code, reason));
                assert_eq!(refusal.scope, Scope::Credential);
                assert!(refusal.remedy.contains(remedy), "{}", refusal.remedy);
            }
        }
    };
    check(Environment::Production, 905, "for the production environment");
    check(Environment::Sandbox, 904, "for the sandbox environment");
}

#[test]
fn a_bad_certificate_whose_time_is_over_is_expired() {
    let check = |expired, code| {
        let sent = Sent { expired, ..production() };
        let body = br#"{"reason":"BadCertificate"}"#;
        let outcome = classify(StatusCode::FORBIDDEN, &HeaderMap::new(), body, &sent);
        let Outcome::Refused(refusal) = outcome else { panic!("{outcome:?}") };
        assert_eq!((refusal.diagnosis.code(), &*refusal.reason), (code, "BadCertificate"));
        assert_eq!(refusal.retry, RetryRule::WhenChanged);
    };
    check(false, 904);
    check(true, 903);
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

/// Every way not to be answered: our code, by whether the certificate's time is over.
#[test]
fn a_push_that_was_not_answered_has_its_code_too() {
    let check = |failure: Failure, good: u16, expired: u16, reason: &str| {
        for (expired, code) in [(false, good), (true, expired)] {
            let outcome = classify_failure(&failure, &Sent { expired, ..production() });
            let Outcome::Refused(refusal) = outcome else { panic!("{failure}: {outcome:?}") };
            assert_eq!(refusal.diagnosis.code(), code, "{failure}, expired: {expired}");
            assert!(refusal.reason.contains(reason), "{} should say {reason}", refusal.reason);
            assert_eq!((refusal.status, refusal.token), (None, TokenVerdict::Keep));
            let scope = if code == 902 { Scope::Service } else { Scope::Credential };
            assert_eq!(refusal.scope, scope, "{failure}");
            let retry = match code {
                902 if matches!(failure, Failure::GoAway(_)) => {
                    RetryRule::After(PAUSES.apns_unavailable)
                }
                902 => RetryRule::BackOff { first: PAUSES.unreachable },
                _ => RetryRule::WhenChanged,
            };
            assert_eq!(refusal.retry, retry, "{failure}");
            assert!(refusal.remedy.ends_with('.'), "{failure}: {}", refusal.remedy);
        }
    };
    for alert in [40, 42, 43, 44, 46, 48, 49] {
        check(Failure::Alert(alert), 904, 903, &format!("TlsAlert {alert}"));
    }
    check(Failure::Alert(45), 903, 903, "TlsAlert 45");
    check(Failure::Alert(80), 902, 903, "TlsAlert 80");
    check(Failure::Alert(116), 904, 904, "TlsAlert 116");
    check(Failure::Alert(10), 902, 902, "TlsAlert 10");
    check(Failure::GoAway(Bytes::new()), 902, 902, "GOAWAY");
    check(Failure::GoAway(r#"{"reason":"BadCertificate"}"#.into()), 904, 903, "BadCertificate");
    check(Failure::Untrusted("x".into()), 902, 902, "server TLS not trusted: x");
    check(Failure::Resolve("x".into()), 902, 902, "name not resolved: x");
    check(Failure::Connect("x".into()), 902, 902, "not connected: x");
    check(Failure::Handshake("x".into()), 902, 902, "no HTTP/2 connection: x");
    check(Failure::TimedOut("x"), 902, 902, "timed out: x");
    check(Failure::Unprocessed(16, "x".into()), 902, 902, "left unprocessed 16 times: x");
    check(Failure::Closed, 902, 902, "the client was closed");
}

#[test]
fn a_reason_nobody_wrote_down_is_kept_and_cut() {
    let long = "ä".repeat(5_000);
    let refusal = refused(400, &format!("{{\"reason\":\"{long}\"}}"));
    assert_eq!(refusal.reason, "ä".repeat(LONGEST_REASON));
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
    for (_, reason, ..) in ROWS {
        let expected = match reason {
            "ExpiredProviderToken" => Cure::RenewToken,
            "IdleTimeout" | "Shutdown" | "UnrelatedKeyIdInToken" => Cure::Reconnect,
            _ => Cure::None,
        };
        assert_eq!(cure(format!("{{\"reason\":\"{reason}\"}}").as_bytes()), expected, "{reason}");
    }
    assert_eq!(cure(b""), Cure::None);
}

proptest! {
    #[test]
    fn never_panics(status in 100_u16..1000, body in proptest::collection::vec(any::<u8>(), 0..100), timestamp: i64) {
        let status = StatusCode::from_u16(status).expect("a status");
        let with_time = format!("{{\"reason\":\"Unregistered\",\"timestamp\":{timestamp}}}");
        for body in [&body[..], with_time.as_bytes()] {
            let _ = classify(status, &HeaderMap::new(), body, &production());
            let _ = classify_failure(&Failure::GoAway(body.to_vec().into()), &production());
            let _ = cure(body);
            let _ = goaway_refuses(body);
        }
    }
}
