use aws_lc_rs::agreement::PrivateKey;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;

use super::*;

const URL: &str = "https://push.example.org/send/SECRET-endpoint?v=2";
const SHARED: [u8; SECRET] = [0xfb; SECRET];

/// A browser's public key.
fn public() -> [u8; POINT] {
    let key = PrivateKey::generate(&ECDH_P256).expect("a key");
    let public = key.compute_public_key().expect("its public key");
    public.as_ref().try_into().expect("65 bytes")
}

fn json(endpoint: &str, p256dh: &str, auth: &str) -> String {
    json!({
        "endpoint": endpoint,
        "expirationTime": null,
        "keys": { "p256dh": p256dh, "auth": auth },
    })
    .to_string()
}

#[test]
fn a_browsers_json_is_read_as_it_is() {
    let public = public();
    for encode in [
        |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes),
        |bytes: &[u8]| URL_SAFE.encode(bytes),
        |bytes: &[u8]| STANDARD.encode(bytes),
    ] {
        let text = json(URL, &encode(&public), &encode(&SHARED));
        let subscription = Subscription::parse(text.as_bytes()).expect("a good subscription");
        assert_eq!(subscription.origin().to_string(), "https://push.example.org");
        assert_eq!(subscription.path(), "/send/SECRET-endpoint?v=2");
        let keys = subscription.keys().expect("keys");
        assert_eq!((keys.public, *keys.secret), (public, SHARED));
    }
}

#[test]
fn an_endpoint_alone_is_a_subscription_without_keys() {
    for text in
        [format!("{{\"endpoint\":\"{URL}\"}}"), format!("{{\"endpoint\":\"{URL}\",\"keys\":null}}")]
    {
        let subscription = Subscription::parse(text.as_bytes()).expect("a good subscription");
        assert!(!subscription.has_keys());
    }
    assert!(!Subscription::of_parts(URL, None).expect("a good endpoint").has_keys());
}

#[test]
fn the_one_form_is_read_back() {
    let (public, shared) = (URL_SAFE_NO_PAD.encode(public()), URL_SAFE_NO_PAD.encode(SHARED));
    for keys in [None, Some((public.as_str(), shared.as_str()))] {
        let subscription = Subscription::of_parts(URL, keys).expect("a good subscription");
        let json = subscription.expose_json();
        let again = Subscription::parse(json.as_bytes()).expect("reads its own form");
        assert_eq!(again.expose_json(), json);
        assert_eq!(again.hash(), subscription.hash());
    }
}

#[test]
fn a_subscription_shows_nothing_of_its_secrets() {
    let (public, shared) = (URL_SAFE_NO_PAD.encode(public()), URL_SAFE_NO_PAD.encode(SHARED));
    let subscription = Subscription::of_parts(URL, Some((&public, &shared))).expect("good");
    let shown = format!("{subscription:?}");
    assert!(shown.starts_with("Subscription(https://push.example.org, sha256:"), "{shown}");
    assert!(!shown.contains("SECRET") && !shown.contains(&shared), "{shown}");
}

#[test]
fn what_is_wrong_is_named_and_not_repeated() {
    let good = URL_SAFE_NO_PAD.encode(public());
    let shared = URL_SAFE_NO_PAD.encode(SHARED);
    let check = |text: &str, field, problem: &str| {
        let fault = Subscription::parse(text.as_bytes()).expect_err(text);
        assert_eq!((&*fault.field, fault.diagnosis), (field, Diagnosis::BadPushToken), "{text}");
        assert!(fault.problem.contains(problem), "{fault}");
        assert!(!fault.to_string().contains("SECRET"), "{fault}");
    };
    let point = |change: fn(&mut [u8; POINT])| {
        let mut bytes = public();
        change(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    };
    check("SECRET", "subscription", "JSON");
    check("\"SECRET\"", "subscription", "JSON");
    check(&" ".repeat(LARGEST_JSON + 1), "subscription", "bytes");
    check("{}", ENDPOINT, "missing");
    check("{\"endpoint\":[\"SECRET\"]}", ENDPOINT, "not a text");
    check(&json("http://push.example.org/SECRET", &good, &shared), ENDPOINT, "https");
    check(&json("https://u:p@push.example.org/SECRET", &good, &shared), ENDPOINT, "user name");
    check(
        &format!("{{\"endpoint\":\"{URL}\",\"keys\":\"SECRET\"}}"),
        "subscription.keys",
        "object",
    );
    check(&format!("{{\"endpoint\":\"{URL}\",\"keys\":{{}}}}"), P256DH, "missing");
    check(
        &format!("{{\"endpoint\":\"{URL}\",\"keys\":{{\"p256dh\":\"{good}\"}}}}"),
        AUTH,
        "missing",
    );
    check(&json(URL, "!SECRET!", &shared), P256DH, "base64url");
    check(&json(URL, "SECR", &shared), P256DH, "3 bytes, 65 are expected");
    check(&json(URL, &good, "!SECRET!"), AUTH, "base64url");
    check(&json(URL, &good, "SECRETSECRET"), AUTH, "9 bytes, 16 are expected");
    check(&json(URL, &point(|p| p[0] = 6), &shared), P256DH, "curve");
    check(&json(URL, &point(|p| p[64] ^= 1), &shared), P256DH, "curve");
    check(&json(URL, &point(|p| p[1..].fill(0)), &shared), P256DH, "curve");
}

proptest! {
    #[test]
    fn reading_never_panics(
        text in ".*",
        endpoint in ".*",
        p256dh in "[A-Za-z0-9_=+/-]{0,100}",
        auth in "[A-Za-z0-9_=+/-]{0,40}",
    ) {
        let _ = Subscription::parse(text.as_bytes());
        let _ = Subscription::parse(json(&endpoint, &p256dh, &auth).as_bytes());
        let _ = Subscription::parse(json(URL, &p256dh, &auth).as_bytes());
    }

    /// 65 bytes that begin like a point are one only if they are on the curve, and then a payload
    /// can be encrypted for them.
    #[test]
    fn what_is_taken_can_be_encrypted_for(bytes in proptest::collection::vec(any::<u8>(), 64)) {
        let point = [&[4], bytes.as_slice()].concat();
        let shared = URL_SAFE_NO_PAD.encode(SHARED);
        let keys = Keys::parse(&URL_SAFE_NO_PAD.encode(point), &shared);
        if let Ok(keys) = keys {
            prop_assert!(crate::webpush::encryption::encrypt(b"x", 1, &keys).is_some());
        }
    }
}
