//! Web Push: every fault of a request, in each vendor's form.

use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use http::StatusCode;
use serde_json::{Value, json};
use sim::{
    Fate,
    webpush::{SubjectRule, Undecryptable, Vendor},
};

use crate::{
    client::Answer,
    webpush::VENDORS,
    webpush_client::{PLAINTEXT, Push, Sealed, Vapid, World},
};

/// A change that makes a good push a faulty one.
type Break = fn(&World, &mut Push);

/// How the vendors answer: the RFCs' status, Google's, Apple's with its reason, Mozilla's with its
/// errno.
type Row = (u16, u16, (u16, &'static str), (u16, Option<u16>));

const ENCODING: Row = (400, 400, (400, "BadWebPushRequest"), (400, Some(110)));
const TTL: Row = (400, 400, (400, "BadTtl"), (400, Some(111)));
const NEGATIVE: Row = (400, 400, (400, "BadTtl"), (400, Some(114)));
const URGENCY: Row = (400, 400, (400, "BadUrgency"), (400, None));
const TOPIC: Row = (400, 400, (400, "BadWebPushTopic"), (400, Some(113)));
const NO_AUTHORIZATION: Row = (401, 401, (400, "BadAuthorizationHeader"), (401, Some(109)));
const AUTHORIZATION: Row = (403, 403, (400, "BadAuthorizationHeader"), (401, Some(109)));
const PUBLIC_KEY: Row = (403, 403, (400, "BadVapidPublicKey"), (401, Some(109)));
const JWT: Row = (403, 403, (403, "BadJwtToken"), (401, Some(109)));
const MISMATCH: Row = (403, 403, (403, "VapidPkHashMismatch"), (401, Some(109)));
const PATH: Row = (404, 404, (404, "BadPath"), (404, Some(102)));
const METHOD: Row = (405, 405, (405, "MethodNotAllowed"), (405, None));

/// Each fault, a piece of what the plain service says to it, how to make it, and all answers.
async fn check(faults: &[(&str, &str, Break, Row)]) {
    for vendor in VENDORS {
        let world = World::new(vendor).await;
        let mut deliveries = world.devices.deliveries(world.subscription.endpoint());
        let client = world.connect().await;
        for (name, why, fault, row) in faults {
            let mut push = world.push();
            fault(&world, &mut push);
            let answer = world.send(&client, &push).await;
            if vendor == Vendor::Plain {
                let text = String::from_utf8(answer.body.to_vec()).unwrap();
                assert!(text.contains(why), "{name}: {text}");
            }
            check_answer(&format!("{vendor:?}, {name}"), vendor, &answer, *row);
            let seen = world.sim.seen().pop().unwrap();
            assert_eq!((seen.status, seen.fate), (answer.status, Fate::Refused), "{name}");
            assert!(seen.reason.is_some_and(|reason| !reason.is_empty()), "{name}");
        }
        assert!(deliveries.try_recv().is_err(), "what is refused does not arrive");
        assert_eq!(world.send(&client, &world.push()).await.status, StatusCode::CREATED);
    }
}

fn check_answer(name: &str, vendor: Vendor, answer: &Answer, row: Row) {
    let (plain, google, apple, mozilla) = row;
    let status = answer.status.as_u16();
    match vendor {
        Vendor::Apple => {
            assert_eq!((status, answer.reason().as_str()), apple, "{name}");
            assert!(answer.headers.contains_key("apns-id"), "{name}");
        }
        Vendor::Google => assert_eq!(status, google, "{name}: {:?}", answer.body),
        Vendor::Mozilla => {
            let json = answer.json();
            let errno = json["errno"].as_u64().and_then(|errno| u16::try_from(errno).ok());
            assert_eq!((status, errno), mozilla, "{name}");
            assert_eq!(json["code"], status, "{name}");
            assert!(json["message"].is_string() && json["error"].is_string(), "{name}");
        }
        Vendor::Plain => assert_eq!(status, plain, "{name}: {:?}", answer.body),
    }
}

#[tokio::test]
async fn a_request_that_breaks_rfc_8030_is_refused() {
    check(&[
        ("a PUT", "is a POST", |_, push| push.method = "PUT", METHOD),
        (
            "another host",
            "no such push",
            |_, push| push.origin = "https://push.example.org".to_owned(),
            PATH,
        ),
        (
            "another port",
            "no such push",
            |_, push| push.origin = "https://127.0.0.1:1".to_owned(),
            PATH,
        ),
        ("an unknown endpoint", "no such push", |_, push| push.path.push('x'), PATH),
        ("an endpoint with a query", "no such push", |_, push| push.path.push_str("?a=b"), PATH),
        ("no TTL", "TTL is missing", |_, push| push.set("ttl", None), TTL),
        ("an empty TTL", "not a number", |_, push| push.set("ttl", Some("")), TTL),
        ("a TTL of half a second", "not a number", |_, push| push.set("ttl", Some("0.5")), TTL),
        ("a TTL with a sign", "not a number", |_, push| push.set("ttl", Some("+60")), TTL),
        ("a TTL in words", "not a number", |_, push| push.set("ttl", Some("60 s")), TTL),
        ("a negative TTL", "negative", |_, push| push.set("ttl", Some("-1")), NEGATIVE),
        (
            "two TTLs",
            "TTL comes more than once",
            |_, push| push.headers.push(("ttl", "60".to_owned())),
            TTL,
        ),
        (
            "an urgency of one's own",
            "none of very-low",
            |_, push| push.set("urgency", Some("urgent")),
            URGENCY,
        ),
        (
            "an urgency in capitals",
            "none of very-low",
            |_, push| push.set("urgency", Some("High")),
            URGENCY,
        ),
        (
            "a list of urgencies",
            "none of very-low",
            |_, push| push.set("urgency", Some("high, low")),
            URGENCY,
        ),
        (
            "two urgencies",
            "Urgency comes more than once",
            |_, push| {
                push.headers.extend(["high", "low"].map(|value| ("urgency", value.to_owned())));
            },
            URGENCY,
        ),
        (
            "a topic of 33",
            "longer than 32",
            |_, push| push.set("topic", Some(&"t".repeat(33))),
            TOPIC,
        ),
        (
            "a topic in base64",
            "outside of base64url",
            |_, push| push.set("topic", Some("a+b/")),
            TOPIC,
        ),
        (
            "a padded topic",
            "outside of base64url",
            |_, push| push.set("topic", Some("ab==")),
            TOPIC,
        ),
        ("an empty topic", "or none", |_, push| push.set("topic", Some("")), TOPIC),
        (
            "two topics",
            "Topic comes more than once",
            |_, push| push.headers.extend(["a", "b"].map(|value| ("topic", value.to_owned()))),
            TOPIC,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_body_that_the_browser_cannot_read_is_refused() {
    fn sealed(world: &World, change: impl FnOnce(&mut Sealed)) -> Vec<u8> {
        let mut sealed = Sealed::new(&world.subscription);
        change(&mut sealed);
        sealed.seal(PLAINTEXT)
    }
    check(&[
        ("no encoding", "is missing", |_, push| push.set("content-encoding", None), ENCODING),
        (
            "the old encoding",
            "not aes128gcm",
            |_, push| push.set("content-encoding", Some("aesgcm")),
            ENCODING,
        ),
        (
            "two at once",
            "not aes128gcm",
            |_, push| push.set("content-encoding", Some("aes128gcm, gzip")),
            ENCODING,
        ),
        (
            "the encoding twice",
            "more than once",
            |_, push| push.headers.push(("content-encoding", "aes128gcm".to_owned())),
            ENCODING,
        ),
        ("an encoding of nothing", "without a body", |_, push| push.body.clear(), ENCODING),
        (
            "a header of the old",
            "beside aes128gcm",
            |_, push| push.set("encryption", Some("salt=AA")),
            ENCODING,
        ),
        (
            "the other of the old",
            "beside aes128gcm",
            |_, push| push.set("crypto-key", Some("dh=AA")),
            ENCODING,
        ),
        ("a header only", "no room", |_, push| push.body.truncate(86), ENCODING),
        (
            "half a header",
            "shorter than its encryption header",
            |_, push| push.body.truncate(85),
            ENCODING,
        ),
        ("a tag only", "no room", |_, push| push.body.truncate(86 + 16), ENCODING),
        ("a key id of 64", "length of the sender's key", |_, push| push.body[20] = 64, ENCODING),
        ("a compressed key", "not an uncompressed point", |_, push| push.body[21] = 2, ENCODING),
        ("a key off the curve", "no point of P-256", |_, push| push.body[85] ^= 1, ENCODING),
        ("another salt", "does not decrypt", |_, push| push.body[0] ^= 1, ENCODING),
        (
            "a changed tag",
            "does not decrypt",
            |_, push| *push.body.last_mut().unwrap() ^= 1,
            ENCODING,
        ),
        (
            "a record size below 18",
            "below 18",
            |world, push| push.body = sealed(world, |sealed| sealed.record_size = 17),
            ENCODING,
        ),
        (
            "a record size of the record",
            "not larger than the one record",
            |world, push| {
                let size = u32::try_from(PLAINTEXT.len()).unwrap() + 17;
                push.body = sealed(world, |sealed| sealed.record_size = size);
            },
            ENCODING,
        ),
        (
            "the delimiter of a record that is not the last",
            "delimiter is not 2",
            |world, push| push.body = sealed(world, |sealed| sealed.end = vec![1]),
            ENCODING,
        ),
        (
            "no delimiter",
            "no delimiter",
            |world, push| {
                push.body = Sealed { end: vec![0], ..Sealed::new(&world.subscription) }.seal(b"")
            },
            ENCODING,
        ),
        (
            "the keys of another browser",
            "does not decrypt",
            |world, push| {
                push.body = Sealed::new(&world.sim.subscribe(None)).seal(PLAINTEXT);
            },
            ENCODING,
        ),
    ])
    .await;
}

#[tokio::test]
async fn padding_and_a_record_size_just_large_enough_are_good() {
    let world = World::new(Vendor::Plain).await;
    let size = u32::try_from(PLAINTEXT.len()).unwrap() + 18;
    for (record_size, end) in [(4096, vec![2, 0, 0, 0]), (size, vec![2]), (u32::MAX, vec![2])] {
        let sealed = Sealed { record_size, end, ..Sealed::new(&world.subscription) };
        let answer = world.send_changed(|push| push.body = sealed.seal(PLAINTEXT)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{record_size}: {:?}", answer.body);
    }
}

#[tokio::test]
async fn a_message_lost_in_the_browser_can_be_accepted_as_in_life() {
    let world = World::with(Vendor::Mozilla, |options| {
        options.undecryptable = Undecryptable::Lose;
    })
    .await;
    let mut deliveries = world.devices.deliveries(world.subscription.endpoint());
    let answer = world.send_changed(|push| push.body[0] ^= 1).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(world.sim.seen().pop().unwrap().fate, Fate::Discarded);
    assert!(deliveries.try_recv().is_err());
}

#[tokio::test]
async fn a_faulty_authorization_is_refused() {
    fn authorization(world: &World, push: &mut Push, change: impl FnOnce(String) -> String) {
        let token = push.token.take().unwrap();
        let good = world.vapid.authorization(&token.header, &token.claims);
        push.set("authorization", Some(&change(good)));
    }
    fn key(world: &World, push: &mut Push, key: &str) {
        let good = URL_SAFE_NO_PAD.encode(world.vapid.public());
        authorization(world, push, |header| header.replace(&good, key));
    }
    check(&[
        ("nothing", "Authorization is missing", |_, push| push.token = None, NO_AUTHORIZATION),
        (
            "another scheme",
            "scheme is not vapid",
            |world, push| authorization(world, push, |good| good.replace("vapid", "Bearer")),
            NO_AUTHORIZATION,
        ),
        (
            "a scheme only",
            "has no value",
            |_, push| {
                push.token = None;
                push.set("authorization", Some("vapid"));
            },
            AUTHORIZATION,
        ),
        (
            "no token",
            "parameter t",
            |world, push| authorization(world, push, |good| good.replace("t=", "x=")),
            AUTHORIZATION,
        ),
        (
            "no key",
            "parameter k",
            |world, push| authorization(world, push, |good| good.replace("k=", "x=")),
            AUTHORIZATION,
        ),
        (
            "the key twice",
            "parameter of the header Authorization comes more than once",
            |world, push| authorization(world, push, |good| good + ", k=AA"),
            AUTHORIZATION,
        ),
        (
            "the header twice",
            "header Authorization comes more than once",
            |world, push| {
                authorization(world, push, |good| good);
                let again = push.headers.last().unwrap().clone();
                push.headers.push(again);
            },
            AUTHORIZATION,
        ),
        (
            "a padded key",
            "without padding",
            |world, push| key(world, push, &URL_SAFE.encode(world.vapid.public())),
            PUBLIC_KEY,
        ),
        ("a short key", "not 65 bytes", |world, push| key(world, push, "BAAA"), PUBLIC_KEY),
        (
            "a key off the curve",
            "no point of P-256",
            |world, push| {
                let mut off = world.vapid.public();
                off[64] ^= 1;
                key(world, push, &URL_SAFE_NO_PAD.encode(off));
            },
            PUBLIC_KEY,
        ),
        (
            "a hybrid key",
            "not an uncompressed point",
            |world, push| {
                let mut hybrid = world.vapid.public();
                hybrid[0] = 6;
                key(world, push, &URL_SAFE_NO_PAD.encode(hybrid));
            },
            PUBLIC_KEY,
        ),
        (
            "a token of two parts",
            "no JWT",
            |world, push| authorization(world, push, |good| good.replacen('.', "", 1)),
            JWT,
        ),
        (
            "another key's token",
            "not the key's",
            |world, push| {
                let stranger = Vapid::generate();
                let public = URL_SAFE_NO_PAD.encode(stranger.public());
                key(world, push, &public);
            },
            JWT,
        ),
        (
            "another key's subscription",
            "do not correspond",
            |_, push| {
                let token = push.token.take().unwrap();
                let stranger = Vapid::generate();
                let header = stranger.authorization(&token.header, &token.claims);
                push.set("authorization", Some(&header));
            },
            MISMATCH,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_faulty_token_is_refused() {
    fn now(world: &World) -> i64 {
        world.devices.clock().now().as_second()
    }
    check(&[
        (
            "another algorithm",
            "not ES256",
            |_, push| push.token.as_mut().unwrap().header["alg"] = "HS256".into(),
            JWT,
        ),
        (
            "another type",
            "not JWT",
            |_, push| push.token.as_mut().unwrap().header["typ"] = "JWE".into(),
            JWT,
        ),
        (
            "claims that are no object",
            "claim aud",
            |_, push| push.token.as_mut().unwrap().claims = json!([]),
            JWT,
        ),
        ("no audience", "claim aud", |_, push| push.claim("aud", Value::Null), JWT),
        (
            "the endpoint as audience",
            "claim aud",
            |world, push| push.claim("aud", world.subscription.endpoint().into()),
            JWT,
        ),
        (
            "an audience with a slash",
            "claim aud",
            |world, push| push.claim("aud", format!("{}/", world.sim.origin()).into()),
            JWT,
        ),
        (
            "an audience without its port",
            "claim aud",
            |_, push| push.claim("aud", "https://127.0.0.1".into()),
            JWT,
        ),
        (
            "a list of audiences",
            "claim aud",
            |world, push| push.claim("aud", json!([world.sim.origin()])),
            JWT,
        ),
        ("no end", "no whole number", |_, push| push.claim("exp", Value::Null), JWT),
        (
            "an end in words",
            "no whole number",
            |world, push| push.claim("exp", (now(world) + 60).to_string().into()),
            JWT,
        ),
        (
            "an end that has passed",
            "has passed",
            |world, push| push.claim("exp", now(world).into()),
            JWT,
        ),
        (
            "an end in more than a day",
            "24 hours",
            |world, push| push.claim("exp", (now(world) + 24 * 60 * 60 + 60).into()),
            JWT,
        ),
        ("a subject that is a number", "claim sub", |_, push| push.claim("sub", 7.into()), JWT),
    ])
    .await;
}

#[tokio::test]
async fn the_subject_is_the_vendors_to_judge() {
    for (vendor, taken) in [
        (Vendor::Apple, [true, true, false, false, false]),
        (Vendor::Google, [true, true, true, true, true]),
        (Vendor::Mozilla, [true, true, true, true, true]),
        (Vendor::Plain, [true, true, true, false, true]),
    ] {
        let subjects = [
            json!("mailto:push@example.org"),
            json!("https://example.org/contact"),
            json!("mailto:push@localhost"),
            json!("push@example.org"),
            Value::Null,
        ];
        let world = World::new(vendor).await;
        for (subject, taken) in subjects.into_iter().zip(taken) {
            let answer = world.send_changed(|push| push.claim("sub", subject.clone())).await;
            assert_eq!(answer.status == StatusCode::CREATED, taken, "{vendor:?} {subject}");
        }
    }
    let world = World::with(Vendor::Mozilla, |options| {
        options.subject = Some(SubjectRule::Contact);
    })
    .await;
    let answer = world.send_changed(|push| push.claim("sub", Value::Null)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "the rule can be set");
}

#[tokio::test]
async fn who_may_push_to_a_subscription_without_a_key_is_the_vendors_to_say() {
    for (vendor, unsigned) in [
        (Vendor::Apple, StatusCode::BAD_REQUEST),
        (Vendor::Google, StatusCode::UNAUTHORIZED),
        (Vendor::Mozilla, StatusCode::CREATED),
        (Vendor::Plain, StatusCode::CREATED),
    ] {
        let world = World::new(vendor).await;
        let client = world.connect().await;
        let open = world.sim.subscribe(None);
        assert_eq!(world.send(&client, &world.push_to(&open)).await.status, StatusCode::CREATED);
        let mut push = world.push_to(&open);
        push.token = None;
        assert_eq!(world.send(&client, &push).await.status, unsigned, "{vendor:?}");
    }
}

#[tokio::test]
async fn the_key_that_signs_must_not_encrypt() {
    let world = World::new(Vendor::Plain).await;
    // A key pair that both signs and agrees: RFC 8292, section 5, asks for 400.
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let signing = Vapid::from_pkcs8(&key.serialize_der());
    let subscription = world.sim.subscribe(Some(&signing.public()));
    let mut push = world.push_to(&subscription);
    let token = push.token.take().unwrap();
    push.set("authorization", Some(&signing.authorization(&token.header, &token.claims)));
    let client = world.connect().await;
    assert_eq!(world.send(&client, &push).await.status, StatusCode::CREATED);
    let private = Sealed::private_key(&key.serialize_der());
    push.body = Sealed { private, ..Sealed::new(&subscription) }.seal(PLAINTEXT);
    assert_eq!(world.send(&client, &push).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_status_of_vapid_can_be_set() {
    let world = World::with(Vendor::Mozilla, |options| {
        options.vapid_status = Some(StatusCode::FORBIDDEN);
    })
    .await;
    let answer = world.send_changed(|push| push.token = None).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!((&answer.json()["code"], &answer.json()["errno"]), (&json!(403), &json!(109)));
    let answer = world.send_changed(|push| push.set("ttl", None)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "the others are as they were");
}
