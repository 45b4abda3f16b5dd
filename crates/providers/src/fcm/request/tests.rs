use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use domain::Time;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::fcm::{
    Android, AndroidNotification, Apns, ApnsOptions, Color, FcmOptions, LightSettings,
    Notification, NotificationPriority, Priority, Proxy, Visibility, Webpush, WebpushOptions,
};
use crate::token::PushToken;

/// Whether the files are to be written instead of compared; for whoever runs the tests.
const UPDATE: bool = option_env!("UPDATE_GOLDEN").is_some();

/// The device of these tests.
fn token() -> Target {
    Target::Token(PushToken::new("abc:APA91b-secret"))
}

/// A good message to it.
fn message() -> Message {
    let content = Content {
        data: texts(&[("reveille_v", "1")]),
        android: Android {
            priority: Priority::High,
            ttl: Some(Duration::from_millis(30_900)),
            ..Android::default()
        },
        ..Content::default()
    };
    Message { target: token(), content }
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

/// The JSON of a body.
fn parse(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

/// Compares a body with `goldens/fcm/<name>`; with `UPDATE_GOLDEN=1` it is written first.
#[track_caller]
fn check_golden(name: &str, message: &Message) {
    let encoded = encode(message).unwrap_or_else(|fault| panic!("{fault}"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(name);
    let printed = format!("{:#}\n", parse(&encoded.body));
    if UPDATE {
        std::fs::write(&path, &printed).unwrap();
    }
    let agreed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        printed == agreed,
        "goldens/{name} says\n{agreed}\nand the body is now\n{printed}\n\
         if the change is meant, run the tests with UPDATE_GOLDEN=1 and look at the difference"
    );
}

/// A message with every field there is.
fn full() -> Message {
    let seconds = Duration::from_secs;
    let some = |text: &str| Some(text.to_owned());
    let notification = AndroidNotification {
        title: some("title"),
        body: some("body"),
        icon: some("ic_bell"),
        color: some("#1a73e8"),
        sound: some("default"),
        tag: some("tag"),
        click_action: some("OPEN"),
        body_loc_key: some("body_key"),
        body_loc_args: vec!["one".to_owned(), "two".to_owned()],
        title_loc_key: some("title_key"),
        title_loc_args: vec!["three".to_owned()],
        channel_id: some("calls"),
        ticker: some("ticker"),
        sticky: true,
        event_time: Some(Time::from_millis(1_772_346_600_500)),
        local_only: true,
        notification_priority: Some(NotificationPriority::Max),
        default_sound: true,
        default_vibrate_timings: true,
        default_light_settings: true,
        vibrate_timings: vec![seconds(0), Duration::from_millis(250)],
        visibility: Some(Visibility::Secret),
        notification_count: Some(3),
        light_settings: Some(LightSettings {
            color: Color { red: 0.1, green: 0.0, blue: 1.0, alpha: 0.5 },
            light_on_duration: Duration::from_millis(500),
            light_off_duration: seconds(2),
        }),
        image: some("https://example.com/a.png"),
        proxy: Some(Proxy::IfPriorityLowered),
    };
    let label = |text: &str| FcmOptions { analytics_label: some(text) };
    let content = Content {
        data: texts(&[("k", "v\"\u{e9}")]),
        notification: Some(Notification {
            title: some("t"),
            body: some("b"),
            image: some("https://example.com/b.png"),
        }),
        android: Android {
            priority: Priority::High,
            ttl: Some(Duration::from_millis(3_600_999)),
            collapse_key: some("collapse"),
            restricted_package_name: some("com.example.app"),
            data: texts(&[("k", "android")]),
            direct_boot_ok: true,
            bandwidth_constrained_ok: true,
            restricted_satellite_ok: true,
            fcm_options: label("android"),
            notification: Some(notification),
        },
        apns: Some(Apns {
            headers: texts(&[
                ("apns-priority", "10"),
                ("apns-push-type", "alert"),
                ("apns-expiration", "1772346600"),
                ("apns-collapse-id", "thread"),
            ]),
            payload: Some(object(json!({
                "aps": { "alert": { "title": "t" }, "mutable-content": 1 },
                "own": { "v": 1 },
            }))),
            live_activity_token: Some(PushToken::new("ab12secret")),
            fcm_options: ApnsOptions {
                analytics_label: some("apple"),
                image: some("https://example.com/c.png"),
            },
        }),
        webpush: Some(Webpush {
            headers: texts(&[("TTL", "60"), ("Urgency", "high"), ("Topic", "thread")]),
            data: texts(&[("k", "web")]),
            notification: Some(object(json!({ "title": "t", "requireInteraction": true }))),
            fcm_options: WebpushOptions {
                link: some("https://example.com/"),
                analytics_label: some("web"),
            },
        }),
        fcm_options: label("all"),
        validate_only: true,
    };
    Message { target: token(), content }
}

#[test]
fn every_field_has_googles_name() {
    check_golden("fcm/full.json", &full());
}

#[test]
fn what_is_not_given_is_left_out() {
    check_golden("fcm/wake.json", &message());
    check_golden("fcm/empty.json", &Message { target: token(), content: Content::default() });
    // Parts without anything in them stay, so that FCM reads them as the app meant them.
    let parts = Content {
        notification: Some(Notification::default()),
        apns: Some(Apns::default()),
        webpush: Some(Webpush::default()),
        ..Content::default()
    };
    check_golden("fcm/empty_parts.json", &Message { target: token(), content: parts });
}

/// The forms an iPhone gets through FCM.
#[test]
fn iphones_have_their_forms() {
    let apple = |headers: &[(&str, &str)], payload: Value| {
        let apns =
            Apns { headers: texts(headers), payload: Some(object(payload)), ..Apns::default() };
        let content = Content { apns: Some(apns), ..message().content };
        Message { target: token(), content }
    };
    let background = apple(
        &[
            ("apns-priority", "5"),
            ("apns-push-type", "background"),
            ("apns-expiration", "1772346600"),
        ],
        json!({ "aps": { "content-available": 1 } }),
    );
    check_golden("fcm/ios_background.json", &background);
    let alert = apple(
        &[("apns-priority", "10"), ("apns-push-type", "alert"), ("apns-collapse-id", "thread")],
        json!({ "aps": { "alert": { "title": "t", "body": "b" }, "mutable-content": 1 } }),
    );
    check_golden("fcm/ios_alert.json", &alert);
}

#[test]
fn every_target_has_its_field() {
    let check = |target: Target, field: &str, text: &str| {
        let encoded = encode(&Message { target, ..message() }).expect("a good message");
        let message = &parse(&encoded.body)["message"];
        assert_eq!(message[field], text);
        let targets = ["token", "fid", "topic", "condition"];
        assert_eq!(targets.iter().filter(|name| message.get(name).is_some()).count(), 1);
    };
    check(token(), "token", "abc:APA91b-secret");
    check(Target::Fid(PushToken::new("c2VjcmV0")), "fid", "c2VjcmV0");
    check(Target::Topic("news".to_owned()), "topic", "news");
    let condition = "'a' in topics && !('b' in topics)";
    check(Target::Condition(condition.to_owned()), "condition", condition);
}

#[test]
fn the_record_masks_the_tokens_and_nothing_else() {
    let check = |message: &Message, tokens: &[(&str, &str)]| {
        let encoded = encode(message).expect("a good message");
        let mut expected = parse(&encoded.body);
        for (pointer, token) in tokens {
            let place = expected.pointer_mut(pointer).expect("a token");
            assert_eq!(place, token);
            *place = json!(PushToken::new(*token).hash().to_string());
        }
        assert_eq!(parse(&encoded.masked), expected);
        assert!(!format!("{message:?} {encoded:?}").contains("secret"));
    };
    check(&message(), &[("/message/token", "abc:APA91b-secret")]);
    let fid = Target::Fid(PushToken::new("secret-fid"));
    check(&Message { target: fid, ..message() }, &[("/message/fid", "secret-fid")]);
    let both = [
        ("/message/token", "abc:APA91b-secret"),
        ("/message/apns/live_activity_token", "ab12secret"),
    ];
    check(&full(), &both);
    check(&Message { target: Target::Topic("news".to_owned()), ..message() }, &[]);
}

#[test]
fn a_template_is_the_message_for_every_target() {
    let content = full().content;
    let template = Template::new(&content).expect("a good message");
    for target in [token(), Target::Fid(PushToken::new("x\"\\y")), Target::Topic("news".to_owned())]
    {
        let whole = encode(&Message { target: target.clone(), content: content.clone() });
        let (one, other) = (template.encode(&target).unwrap(), whole.unwrap());
        assert_eq!((one.body, one.masked), (other.body, other.masked));
    }
    assert!(!format!("{template:?}").contains("secret"));
    let fault = template.encode(&Target::Token(PushToken::new(""))).expect_err("no token");
    assert_eq!(&*fault.to_string(), "token: empty");
}

/// The masked body and the real one share one buffer, made large enough at once.
#[test]
fn a_device_costs_one_buffer() {
    let encoded = encode(&message()).expect("a good message");
    let end = encoded.body.as_ptr_range().end;
    assert_eq!(end, encoded.masked.as_ptr());
}

#[test]
fn topics_take_half_as_much() {
    let mut content = Content::default();
    content.data.insert("k".to_owned(), "x".repeat(2048));
    let template = Template::new(&content).expect("a good message to a device");
    template.encode(&token()).expect("to a device");
    for target in
        [Target::Topic("news".to_owned()), Target::Condition("'news' in topics".to_owned())]
    {
        let fault = template.encode(&target).expect_err("too large");
        assert_eq!((&*fault.field, fault.diagnosis.code()), ("data", 913));
    }
}

#[test]
fn the_target_is_judged_before_the_content() {
    let mut message = message();
    message.target = Target::Token(PushToken::new("a b"));
    message.content.data.insert("from".to_owned(), String::new());
    let fault = encode(&message).expect_err("two faults");
    assert_eq!((&*fault.field, fault.diagnosis.code()), ("token", 911));
}

proptest! {
    #[test]
    fn whatever_is_taken_is_json_with_that_target(
        text in "\\PC*",
        kind in 0_usize..4,
        key in ".*",
        value in ".*",
        part: f64,
    ) {
        let mut message = message();
        message.target = match kind {
            0 => Target::Token(PushToken::new(text.as_str())),
            1 => Target::Fid(PushToken::new(text.as_str())),
            2 => Target::Topic(text.clone()),
            _ => Target::Condition(text.clone()),
        };
        message.content.data.insert(key.clone(), value.clone());
        message.content.android.notification = Some(AndroidNotification {
            title: Some(value.clone()),
            light_settings: Some(LightSettings {
                color: Color { red: part, green: 0.0, blue: 0.0, alpha: 0.0 },
                light_on_duration: Duration::ZERO,
                light_off_duration: Duration::ZERO,
            }),
            ..AndroidNotification::default()
        });
        if let Ok(encoded) = encode(&message) {
            let body = parse(&encoded.body);
            prop_assert_eq!(&body["message"][message.target.field()], &json!(text));
            prop_assert_eq!(&body["message"]["data"][&key], &json!(value));
            parse(&encoded.masked);
        }
    }
}
