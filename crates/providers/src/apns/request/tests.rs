use proptest::prelude::*;

use super::*;

/// A push that Apple takes.
fn alert() -> Push {
    Push {
        device_token: PushToken::new("00ff".repeat(16)),
        topic: Topic::for_push("com.example.app", PushType::Alert).expect("a bundle id"),
        push_type: PushType::Alert,
        priority: Priority::Immediate,
        expiration: Expiration::At(Time::from_millis(1_700_000_000_999)),
        collapse_id: Some("thread-1".to_owned()),
        id: Uuid::from_u128(0xABCD_EF01_2345_6789_ABCD_EF01_2345_6789),
        payload: Bytes::from_static(br#"{"aps":{"alert":"x","mutable-content":1},"reveille":{}}"#),
    }
}

/// A background push that Apple takes.
fn background() -> Push {
    Push {
        push_type: PushType::Background,
        priority: Priority::Considerate,
        payload: Bytes::from_static(br#"{"aps":{"content-available":1},"reveille":{}}"#),
        ..alert()
    }
}

/// A call that Apple takes.
fn voip() -> Push {
    Push {
        topic: Topic::for_push("com.example.app", PushType::Voip).expect("a bundle id"),
        push_type: PushType::Voip,
        expiration: Expiration::Once,
        collapse_id: None,
        payload: Bytes::from_static(br#"{"reveille":{"kind":"call"}}"#),
        ..alert()
    }
}

#[test]
fn a_push_has_apples_form() {
    let encoded = encode(&alert()).expect("a good push");
    assert_eq!(encoded.path, format!("/3/device/{}", "00ff".repeat(16)));
    let headers: Vec<_> = encoded
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
        .collect();
    let expected = [
        ("apns-topic", "com.example.app"),
        ("apns-push-type", "alert"),
        ("apns-priority", "10"),
        ("apns-expiration", "1700000000"),
        ("apns-id", "abcdef01-2345-6789-abcd-ef0123456789"),
        ("apns-collapse-id", "thread-1"),
    ];
    assert_eq!(headers, expected);

    let headers = encode(&voip()).expect("a good call").headers;
    let value = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value);
    assert_eq!(value("apns-topic").expect("a topic"), "com.example.app.voip");
    assert_eq!(value("apns-expiration").expect("an expiration"), "0");
    assert_eq!(value("apns-collapse-id"), None);
    encode(&background()).expect("a good background push");
}

#[test]
fn a_time_long_past_is_not_apples_word_for_once() {
    let push = Push { expiration: Expiration::At(Time::EPOCH), ..alert() };
    let headers = encode(&push).expect("a good push").headers;
    assert!(headers.contains(&(EXPIRATION, HeaderValue::from_static("1"))));
}

#[test]
fn what_breaks_a_rule_is_refused_by_its_field() {
    let check = |push: Push, diagnosis, message: &str| {
        let fault = encode(&push).expect_err(message);
        assert_eq!((fault.diagnosis, fault.to_string().as_str()), (diagnosis, message));
        assert!(fault.remedy.ends_with('.'), "{message}");
    };
    let token = |token: &str| Push { device_token: PushToken::new(token), ..alert() };
    let payload = |base: Push, payload: &str| Push { payload: payload.to_owned().into(), ..base };
    let collapse = |id: &str| Push { collapse_id: Some(id.to_owned()), ..alert() };

    let bad = Diagnosis::BadPushToken;
    check(token(""), bad, "device_token: empty");
    check(token("zz"), bad, "device_token: not the hex form of bytes");
    check(token("abc"), bad, "device_token: not the hex form of bytes");
    check(token("../../x"), bad, "device_token: not the hex form of bytes");
    check(token(&"a".repeat(514)), bad, "device_token: 514 characters, at most 512");

    check(
        Push { topic: alert().topic, ..voip() },
        Diagnosis::AppMismatch,
        "topic: \"com.example.app\" is for alert pushes; voip pushes take suffix .voip",
    );
    check(
        Push { topic: voip().topic, ..alert() },
        Diagnosis::AppMismatch,
        "topic: \"com.example.app.voip\" is for voip pushes; alert pushes take no suffix",
    );

    let bad = Diagnosis::BadPayload;
    check(
        Push { priority: Priority::Immediate, ..background() },
        bad,
        "priority: 10 with a background push, which must have 5",
    );
    check(
        Push { priority: Priority::PowerFirst, ..background() },
        bad,
        "priority: 1 with a background push, which must have 5",
    );
    check(
        Push { priority: Priority::Considerate, ..voip() },
        bad,
        "priority: 5 with a voip push, which must have 10",
    );
    check(collapse(""), bad, "collapse_id: 0 bytes, 1 to 64 are allowed");
    check(collapse(&"ä".repeat(33)), bad, "collapse_id: 66 bytes, 1 to 64 are allowed");
    check(collapse("a\nb"), bad, "collapse_id: has control characters");
    check(payload(alert(), ""), bad, "payload: empty");
    check(
        payload(alert(), &"x".repeat(4097)),
        bad,
        "payload: 4097 bytes, at most 4096 for alert pushes",
    );
    check(
        payload(voip(), &"x".repeat(5121)),
        bad,
        "payload: 5121 bytes, at most 5120 for voip pushes",
    );
    check(payload(alert(), "{}"), bad, "payload: aps has no alert, sound or badge");
    let location = Push {
        topic: Topic::for_push("com.example.app", PushType::Location).expect("a bundle id"),
        push_type: PushType::Location,
        priority: Priority::PowerFirst,
        ..alert()
    };
    check(location, bad, "priority: 1 with a location push, which must have 10 or 5");
}

/// Apple's table: what each type takes, tried with every priority and with the topic of every type.
#[test]
fn every_type_takes_its_own_priorities_and_topic_alone() {
    use PushType::{
        Alert, Background, Complication, Controls, FileProvider, LiveActivity, Location, Mdm,
        PushToTalk, Voip, Widgets,
    };
    let live = r#"{"aps":{"event":"update","timestamp":1,"content-state":{}}}"#;
    let rows: [(PushType, &str, &str, &str); 11] = [
        (Alert, "", "10 5 1", r#"{"aps":{"alert":"x"}}"#),
        (Background, "", "5", r#"{"aps":{"content-available":1}}"#),
        (Complication, ".complication", "10 5 1", r#"{"x":1}"#),
        (Controls, ".push-type.controls", "10 5 1", r#"{"aps":{"content-changed":true}}"#),
        (FileProvider, ".pushkit.fileprovider", "10 5 1", r#"{"x":1}"#),
        (LiveActivity, ".push-type.liveactivity", "10 5 1", live),
        (Location, ".location-query", "10 5", r#"{"x":1}"#),
        (Mdm, "", "10 5 1", r#"{"mdm":"x"}"#),
        (PushToTalk, ".voip-ptt", "10 5 1", r#"{"x":1}"#),
        (Voip, ".voip", "10", r#"{"x":1}"#),
        (Widgets, ".push-type.widgets", "10 5 1", r#"{"aps":{"content-changed":true}}"#),
    ];
    let topic = |push_type| Topic::for_push("com.example.app", push_type).expect("a bundle id");
    for (push_type, suffix, priorities, payload) in rows {
        for priority in [Priority::Immediate, Priority::Considerate, Priority::PowerFirst] {
            for (other, other_suffix, ..) in rows {
                let (topic, payload) = (topic(other), payload.to_owned().into());
                let push = Push { push_type, priority, topic, payload, ..alert() };
                let good_topic = suffix == other_suffix;
                let good_priority = priorities.split(' ').any(|one| one == priority.as_str());
                let found = encode(&push).map(drop).map_err(|fault| {
                    assert!(matches!(fault.diagnosis.code(), 912 | 913), "{fault}");
                    fault.field.into_owned()
                });
                let expected = match (good_topic, good_priority) {
                    (true, true) => Ok(()),
                    (false, _) => Err("topic".to_owned()),
                    (true, false) => Err("priority".to_owned()),
                };
                assert_eq!(found, expected, "{push_type:?} {priority:?} to {other:?}'s topic");
            }
        }
    }
}

#[test]
fn debug_does_not_show_the_token() {
    let shown = format!("{:?}", alert());
    assert!(!shown.contains("00ff") && shown.contains("sha256:"), "{shown}");
}

proptest! {
    #[test]
    fn never_panics(payload in proptest::collection::vec(any::<u8>(), 0..200), token in ".*", id in ".*") {
        for base in [alert(), background(), voip()] {
            let payload = Bytes::from(payload.clone());
            let device_token = PushToken::new(token.clone());
            let _ = encode(&Push { payload: payload.clone(), ..base.clone() });
            let _ = encode(&Push { device_token, collapse_id: Some(id.clone()), payload, ..base });
        }
    }
}
