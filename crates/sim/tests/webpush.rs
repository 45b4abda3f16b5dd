//! Web Push: what is accepted, where it arrives, and what becomes of it.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};
use sim::{
    Fate,
    device::{Priority, PushType, Reach, Service},
    webpush::{RetryAfter, Vendor},
};

use crate::{
    client::{Answer, PATIENCE},
    webpush_client::{PLAINTEXT, Push, Sealed, Vapid, World},
};

/// A change that makes a push a faulty one.
type Break<'a> = &'a dyn Fn(&mut Push);

pub(crate) const VENDORS: [Vendor; 4] =
    [Vendor::Apple, Vendor::Google, Vendor::Mozilla, Vendor::Plain];

fn plaintext() -> Value {
    serde_json::from_slice(PLAINTEXT).unwrap()
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_good_message_is_accepted_recorded_and_delivered() {
    for vendor in VENDORS {
        let world = World::new(vendor).await;
        let endpoint = world.subscription.endpoint();
        let mut deliveries = world.devices.deliveries(endpoint);
        let answer = world
            .send_changed(|push| {
                push.set("topic", Some("thread-1"));
                push.set("urgency", Some("high"));
            })
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{vendor:?} {:?}", answer.body);
        assert!(answer.body.is_empty());
        let seen = world.sim.wait_for(|push| push.id.is_some(), PATIENCE).await.unwrap();
        assert_eq!((seen.fate, seen.token.as_str()), (Fate::Delivered, endpoint));
        assert_eq!(world.subscription.decrypt(&seen.payload).unwrap(), PLAINTEXT);
        assert_eq!((world.sim.counts().requests, world.sim.counts().accepted), (1, 1));
        let delivery = deliveries.try_recv().unwrap();
        assert_eq!((delivery.service, delivery.push_type), (Service::Webpush, PushType::Web));
        assert_eq!((delivery.priority, delivery.payload), (Priority::High, plaintext()));
        assert_eq!(delivery.collapse_id.as_deref(), Some("thread-1"));
        assert_eq!(Some(delivery.id.as_str()), seen.id.as_deref());

        // What the answer says is the vendor's.
        let id = delivery.id;
        let location = |path: &str| Some(format!("{}{path}{id}", world.sim.origin()));
        let (expected, ttl, apns_id) = match vendor {
            Vendor::Apple => (None, None, Some(id.as_str())),
            Vendor::Google => (location("/"), None, None),
            Vendor::Mozilla => (location("/m/"), Some("60"), None),
            Vendor::Plain => (location("/message/"), Some("60"), None),
        };
        assert_eq!(header(&answer, "location"), expected.as_deref());
        assert_eq!((header(&answer, "ttl"), header(&answer, "apns-id")), (ttl, apns_id));
    }
}

#[tokio::test]
async fn endpoints_have_the_shape_of_the_vendors() {
    for (vendor, restricted, open) in [
        (Vendor::Apple, "/Q", "/Q"),
        (Vendor::Google, "/fcm/send/", "/fcm/send/"),
        (Vendor::Mozilla, "/wpush/v2/", "/wpush/v1/"),
        (Vendor::Plain, "/push/", "/push/"),
    ] {
        let world = World::new(vendor).await;
        let begins = |endpoint: &str, path: &str| {
            assert!(endpoint.starts_with(&format!("{}{path}", world.sim.origin())), "{endpoint}");
        };
        begins(world.subscription.endpoint(), restricted);
        begins(world.sim.subscribe(None).endpoint(), open);
        let json: Value = serde_json::from_str(&world.subscription.json()).unwrap();
        assert_eq!(json["endpoint"], world.subscription.endpoint());
        let p256dh = URL_SAFE_NO_PAD.decode(json["keys"]["p256dh"].as_str().unwrap()).unwrap();
        assert_eq!(p256dh, world.subscription.p256dh());
        let auth = URL_SAFE_NO_PAD.decode(json["keys"]["auth"].as_str().unwrap()).unwrap();
        assert_eq!(auth, world.subscription.auth());
    }
}

#[tokio::test]
async fn a_body_is_no_must_and_no_json_either() {
    let world = World::new(Vendor::Plain).await;
    let mut deliveries = world.devices.deliveries(world.subscription.endpoint());
    let text = Sealed::new(&world.subscription).seal(b"hello");
    for (body, encoding, expected) in
        [(Vec::new(), None, Value::Null), (text, Some("aes128gcm"), json!("hello"))]
    {
        let answer = world
            .send_changed(|push| {
                push.body = body;
                push.set("content-encoding", encoding);
            })
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        assert_eq!(deliveries.try_recv().unwrap().payload, expected);
    }
}

#[tokio::test]
async fn four_kibibytes_fit_and_one_byte_more_does_not() {
    // The header takes 86 bytes, the delimiter 1, the tag 16 (RFC 8291, section 4).
    for vendor in VENDORS {
        let world = World::new(vendor).await;
        for (length, status) in [(3993, StatusCode::CREATED), (3994, StatusCode::PAYLOAD_TOO_LARGE)]
        {
            let body = Sealed::new(&world.subscription).seal(&vec![b'x'; length]);
            assert_eq!(body.len(), length + 103);
            let answer = world.send_changed(|push| push.body = body).await;
            assert_eq!(answer.status, status, "{vendor:?}");
        }
        let endless = vec![b'x'; 100_000];
        let answer = world.send_changed(|push| push.body = endless).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{vendor:?}");
    }
}

#[tokio::test]
async fn a_dead_subscription_is_answered_in_the_vendors_way() {
    for (vendor, expired, gone) in [
        (Vendor::Apple, (410, "ExpiredToken"), (410, "Unregistered")),
        (Vendor::Google, (404, ""), (410, "")),
        (Vendor::Mozilla, (404, "102"), (410, "106")),
        (Vendor::Plain, (404, ""), (410, "")),
    ] {
        let world = World::new(vendor).await;
        let check = async |endpoint: &str, (status, word): (u16, &str)| {
            let answer = world
                .send_changed(|push| {
                    let path = endpoint.strip_prefix(world.sim.origin()).unwrap();
                    path.clone_into(&mut push.path);
                })
                .await;
            assert_eq!(answer.status.as_u16(), status, "{vendor:?}");
            match vendor {
                Vendor::Apple => {
                    assert_eq!(answer.reason(), word);
                    assert!(answer.json()["timestamp"].is_i64());
                }
                Vendor::Mozilla => assert_eq!(answer.json()["errno"].to_string(), word),
                Vendor::Google | Vendor::Plain => {}
            }
            header(&answer, "cache-control").map(str::to_owned)
        };
        let endpoint = world.subscription.endpoint();
        world.devices.expire(endpoint);
        check(endpoint, expired).await;
        let other = world.sim.subscribe(Some(&world.vapid.public()));
        world.sim.push_manager().unsubscribe(&other);
        let caching = check(other.endpoint(), gone).await;
        assert_eq!(caching.is_some(), vendor == Vendor::Mozilla);
        let third = world.sim.subscribe(Some(&world.vapid.public()));
        let sealed = Sealed::new(&third).seal(PLAINTEXT);
        let mut push = world.push_to(&third);
        push.body = sealed;
        let answer = world.send(&world.connect().await, &push).await;
        assert_eq!(answer.status, StatusCode::CREATED, "the others live on");
    }
}

#[tokio::test]
async fn what_waits_is_replaced_by_topic_and_runs_out_by_ttl() {
    let world = World::new(Vendor::Mozilla).await;
    let endpoint = world.subscription.endpoint();
    let mut deliveries = world.devices.deliveries(endpoint);
    let send = async |ttl: &str, topic: Option<&str>, fate: Fate| {
        let answer = world
            .send_changed(|push| {
                push.set("ttl", Some(ttl));
                push.set("topic", topic);
            })
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        let seen = world.sim.seen().pop().unwrap();
        assert_eq!(seen.fate, fate);
        seen.id.unwrap()
    };
    world.devices.set_reach(endpoint, Reach::Offline);
    send("60", Some("a"), Fate::Stored).await;
    let second = send("60", Some("a"), Fate::Stored).await;
    let other = send("60", Some("b"), Fate::Stored).await;
    let plain = send("60", None, Fate::Stored).await;
    send("0", None, Fate::Discarded).await;
    let short = send("10", None, Fate::Stored).await;
    world.devices.clock().advance(Duration::from_secs(11));
    world.devices.set_reach(endpoint, Reach::Online);
    let arrived: Vec<String> =
        std::iter::from_fn(|| deliveries.try_recv().ok()).map(|delivery| delivery.id).collect();
    assert_eq!(arrived, [second, other, plain]);
    assert!(!arrived.contains(&short));
    send("0", None, Fate::Delivered).await;
}

#[tokio::test]
async fn only_the_urgent_reaches_a_dozing_browser() {
    let world = World::new(Vendor::Plain).await;
    let endpoint = world.subscription.endpoint();
    let mut deliveries = world.devices.deliveries(endpoint);
    world.devices.set_reach(endpoint, Reach::Dozing);
    for (urgency, priority, fate) in [
        (Some("very-low"), Priority::Low, Fate::Stored),
        (Some("low"), Priority::Low, Fate::Stored),
        (None, Priority::Normal, Fate::Stored),
        (Some("normal"), Priority::Normal, Fate::Stored),
        (Some("high"), Priority::High, Fate::Delivered),
    ] {
        let answer = world.send_changed(|push| push.set("urgency", urgency)).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        assert_eq!(world.sim.seen().pop().unwrap().fate, fate, "{urgency:?}");
        world.devices.set_reach(endpoint, Reach::Online);
        assert_eq!(deliveries.try_recv().unwrap().priority, priority);
        world.devices.set_reach(endpoint, Reach::Dozing);
    }
}

#[tokio::test]
async fn a_ttl_is_cut_to_what_the_vendor_keeps() {
    for (vendor, asked, kept) in [
        (Vendor::Mozilla, "2592001", "2592000"),
        (Vendor::Mozilla, "99999999999999999999", "2592000"),
        (Vendor::Plain, "2592001", "2592001"),
        (Vendor::Plain, "99999999999999999999", "2147483648"),
    ] {
        let world = World::new(vendor).await;
        let answer = world.send_changed(|push| push.set("ttl", Some(asked))).await;
        assert_eq!(header(&answer, "ttl"), Some(kept), "{vendor:?} {asked}");
    }
}

#[tokio::test]
async fn a_message_that_waits_can_be_taken_back_where_the_vendor_lets_it() {
    for vendor in VENDORS {
        let world = World::new(vendor).await;
        let endpoint = world.subscription.endpoint();
        world.devices.set_reach(endpoint, Reach::Offline);
        let answer = world.send_changed(|_| {}).await;
        let Some(location) = header(&answer, "location") else {
            assert_eq!(vendor, Vendor::Apple, "it names no message");
            continue;
        };
        let path = location.strip_prefix(world.sim.origin()).unwrap();
        let act = async |method: &'static str, path: &str| {
            let change = |push: &mut Push| {
                push.method = method;
                path.clone_into(&mut push.path);
                (push.headers, push.token, push.body) = (Vec::new(), None, Vec::new());
            };
            world.send_changed(change).await.status.as_u16()
        };
        let offers = matches!(vendor, Vendor::Mozilla | Vendor::Plain);
        assert_eq!(act("GET", path).await, 404, "{vendor:?}");
        assert_eq!(act("DELETE", path).await, if offers { 204 } else { 404 }, "{vendor:?}");
        assert_eq!(act("DELETE", path).await, 404, "{vendor:?}, once more");
        let mut deliveries = world.devices.deliveries(endpoint);
        world.devices.set_reach(endpoint, Reach::Online);
        assert_eq!(deliveries.try_recv().is_err(), offers, "{vendor:?}");
    }
}

#[tokio::test]
async fn too_many_messages_are_answered_429_with_the_time_to_come_back() {
    for vendor in VENDORS {
        for retry_after in [RetryAfter::Absent, RetryAfter::Seconds(7), RetryAfter::Date(3600)] {
            let world = World::with(vendor, |options| {
                options.pushes_per_minute = 1;
                options.retry_after = retry_after;
            })
            .await;
            let client = world.connect().await;
            let push = world.push();
            assert_eq!(world.send(&client, &push).await.status, StatusCode::CREATED);
            let answer = world.send(&client, &push).await;
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{vendor:?}");
            let value = header(&answer, "retry-after");
            match retry_after {
                RetryAfter::Absent => assert_eq!(value, None),
                RetryAfter::Seconds(_) => assert_eq!(value, Some("7")),
                RetryAfter::Date(_) => assert!(value.unwrap().ends_with(" GMT"), "{value:?}"),
            }
            let other = world.push_to(&world.sim.subscribe(Some(&world.vapid.public())));
            assert_eq!(world.send(&client, &other).await.status, StatusCode::CREATED);
            world.devices.clock().advance(Duration::from_secs(60));
            assert_eq!(world.send(&client, &push).await.status, StatusCode::CREATED);
        }
    }
}

#[tokio::test]
async fn of_many_faults_the_first_in_order_answers() {
    let world = World::with(Vendor::Plain, |options| options.pushes_per_minute = 2).await;
    let client = world.connect().await;
    let mut push = world.push();
    let stranger = |audience: &str| {
        let claims = json!({ "aud": audience, "exp": jiff::Timestamp::now().as_second() + 60 });
        Vapid::generate().authorization(&json!({ "alg": "ES256" }), &claims)
    };
    // From the last check to the first; each fault comes on top of those before.
    let faults: [(&str, Break<'_>); 13] = [
        ("does not decrypt", &|push| push.body[0] ^= 1),
        ("larger than", &|push| push.body.resize(4097, 0)),
        ("too many", &|_| {}),
        ("unsubscribed", &|_| world.devices.unregister(world.subscription.endpoint())),
        ("do not correspond", &|push| {
            push.token = None;
            push.set("authorization", Some(&stranger(world.sim.origin())));
        }),
        ("claim aud", &|push| push.set("authorization", Some(&stranger("https://a.example")))),
        ("has no value", &|push| push.set("authorization", Some("vapid"))),
        ("not aes128gcm", &|push| push.set("content-encoding", Some("gzip"))),
        ("longer than 32", &|push| push.set("topic", Some(&"t".repeat(33)))),
        ("none of very-low", &|push| push.set("urgency", Some("urgent"))),
        ("TTL is missing", &|push| push.set("ttl", None)),
        ("is a POST", &|push| push.method = "PUT"),
        ("no such push", &|push| push.path.push('x')),
    ];
    for (why, fault) in faults {
        fault(&mut push);
        let answer = world.send(&client, &push).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!answer.status.is_success() && text.contains(why), "{why}: {text}");
    }
}
