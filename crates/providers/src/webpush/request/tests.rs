use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

/// A good push, changed.
fn push(change: impl FnOnce(&mut Push)) -> Push {
    let key = PrivateKey::generate(&ECDH_P256).expect("a key");
    let public = URL_SAFE_NO_PAD.encode(key.compute_public_key().expect("its public key"));
    let keys = (public.as_str(), "AAAAAAAAAAAAAAAAAAAAAA");
    let mut push = Push {
        subscription: Subscription::of_parts("https://push.example.org/x", Some(keys))
            .expect("a good subscription"),
        ttl: Duration::from_secs(60),
        urgency: Urgency::High,
        topic: None,
        payload: Some(Bytes::from_static(b"{}")),
    };
    change(&mut push);
    push
}

/// The headers of a push as texts.
fn check_headers(change: impl FnOnce(&mut Push), expected: &[(&str, &str)]) {
    let encoded = encode(&push(change), 128).expect("a good push");
    let headers: Vec<_> = encoded
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("visible")))
        .collect();
    assert_eq!(headers, expected);
    let length = encoded.body.len().to_string();
    assert_eq!(expected.last(), Some(&("content-length", length.as_str())));
}

#[test]
fn a_push_has_these_headers() {
    check_headers(
        |_| {},
        &[
            ("ttl", "60"),
            ("urgency", "high"),
            ("content-encoding", "aes128gcm"),
            ("content-type", "application/octet-stream"),
            // 86 of header, 128 of payload and padding, the delimiter, the tag.
            ("content-length", "231"),
        ],
    );
    check_headers(
        |push| {
            push.ttl = Duration::from_millis(1999);
            push.urgency = Urgency::VeryLow;
            push.topic = Some("thread-7_A".to_owned());
            push.payload = None;
        },
        &[("ttl", "1"), ("urgency", "very-low"), ("topic", "thread-7_A"), ("content-length", "0")],
    );
    check_headers(
        |push| {
            push.ttl = Duration::ZERO;
            push.urgency = Urgency::Low;
            push.payload = Some(Bytes::new());
        },
        &[
            ("ttl", "0"),
            ("urgency", "low"),
            ("content-encoding", "aes128gcm"),
            ("content-type", "application/octet-stream"),
            ("content-length", "231"),
        ],
    );
}

#[test]
fn limits_are_reached_and_not_passed() {
    let good = |change: fn(&mut Push)| assert!(encode(&push(change), 512).is_ok());
    good(|push| push.ttl = LONGEST_TTL);
    good(|push| push.topic = Some("a".repeat(32)));
    good(|push| push.payload = Some(vec![b'x'; 3993].into()));
    good(|push| {
        push.subscription = Subscription::of_parts("https://a.example", None).expect("good");
        push.payload = None;
    });
    let bad = |field, problem: &str, change: fn(&mut Push)| {
        let fault = encode(&push(change), 512).expect_err(field);
        assert_eq!((&*fault.field, fault.diagnosis), (field, Diagnosis::BadPayload));
        assert!(fault.problem.contains(problem), "{fault}");
    };
    bad("ttl", "2419201 s", |push| push.ttl = LONGEST_TTL + Duration::from_secs(1));
    bad("topic", "33 bytes", |push| push.topic = Some("a".repeat(33)));
    bad("topic", "0 bytes", |push| push.topic = Some(String::new()));
    bad("topic", "alphabet", |push| push.topic = Some("a b".to_owned()));
    bad("topic", "alphabet", |push| push.topic = Some("a\r\nb".to_owned()));
    bad("topic", "alphabet", |push| push.topic = Some("a=".to_owned()));
    bad("payload", "3994 bytes", |push| push.payload = Some(vec![b'x'; 3994].into()));
    bad("payload", "no keys", |push| {
        push.subscription = Subscription::of_parts("https://a.example", None).expect("good");
    });
}
