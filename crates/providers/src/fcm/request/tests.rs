use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A message that Google takes.
fn message() -> Message {
    Message {
        token: PushToken::new("abc:APA91b-secret"),
        data: BTreeMap::from([("reveille_v".to_owned(), "1".to_owned())]),
        android: Android {
            priority: Priority::High,
            ttl: Some(Duration::from_millis(30_900)),
            ..Android::default()
        },
    }
}

/// The JSON of a body.
fn parse(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

#[test]
fn a_message_has_googles_form() {
    let encoded = encode(&message()).expect("a good message");
    let expected = json!({ "message": {
        "token": "abc:APA91b-secret",
        "data": { "reveille_v": "1" },
        "android": { "priority": "HIGH", "ttl": "30s" },
    }});
    assert_eq!(parse(&encoded.body), expected);

    let mut full = message();
    full.android = Android {
        priority: Priority::Normal,
        ttl: Some(Duration::ZERO),
        collapse_key: Some("k".to_owned()),
        notification: Some(Notification {
            title: Some("t\"".to_owned()),
            tag: Some("g".to_owned()),
            ..Notification::default()
        }),
    };
    let expected = json!({
        "priority": "NORMAL", "ttl": "0s", "collapse_key": "k",
        "notification": { "title": "t\"", "tag": "g" },
    });
    let encoded = encode(&full).expect("a good message");
    assert_eq!(parse(&encoded.body)["message"]["android"], expected);
}

#[test]
fn the_record_masks_only_the_token() {
    let encoded = encode(&message()).expect("a good message");
    let mut expected = parse(&encoded.body);
    expected["message"]["token"] = json!(message().token.hash().to_string());
    assert_eq!(parse(&encoded.masked), expected);
    assert!(!format!("{:?}", message()).contains("APA91b"));
}

#[test]
fn what_breaks_a_rule_is_refused_by_its_field() {
    let check = |change: &dyn Fn(&mut Message), code: u16, field: &str| {
        let mut message = message();
        change(&mut message);
        let fault = encode(&message).expect_err(field);
        assert_eq!((fault.diagnosis.code(), &*fault.field), (code, field));
        assert!(fault.remedy.ends_with('.'), "{}", fault.remedy);
    };
    check(&|m| m.token = PushToken::new(""), 911, "token");
    check(&|m| m.token = PushToken::new("a b"), 911, "token");
    check(&|m| m.token = PushToken::new("x".repeat(4097)), 911, "token");
    for key in ["", "from", "gcm", "gcm.x", "google", "google.x", "message_type"] {
        check(&|m| drop(m.data.insert(key.to_owned(), String::new())), 913, "data");
    }
    check(&|m| drop(m.data.insert("k".to_owned(), "x".repeat(4085))), 913, "data");
    check(
        &|m| {
            let body = Some("x".repeat(4096));
            m.android.notification = Some(Notification { body, ..Notification::default() });
        },
        913,
        "data",
    );
    check(&|m| m.android.ttl = Some(Duration::from_millis(2_419_200_001)), 913, "android.ttl");
    check(&|m| m.android.collapse_key = Some(String::new()), 913, "android.collapse_key");
}

#[test]
fn the_limits_themselves_are_allowed() {
    let mut message = message();
    message.data.insert("k".to_owned(), "x".repeat(4096 - 1 - "reveille_v1".len()));
    message.android.ttl = Some(LONGEST_TTL);
    encode(&message).expect("just within");
}

proptest! {
    #[test]
    fn whatever_is_taken_is_json_with_that_token(token in "\\PC*", key in ".*", value in ".*") {
        let mut message = message();
        message.token = PushToken::new(token.clone());
        message.data.insert(key.clone(), value.clone());
        if let Ok(encoded) = encode(&message) {
            let body = parse(&encoded.body);
            prop_assert_eq!(&body["message"]["token"], &json!(token));
            prop_assert_eq!(&body["message"]["data"][key], &json!(value));
        }
    }
}
