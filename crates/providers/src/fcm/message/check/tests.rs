use std::time::Duration;

use domain::Time;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::fcm::message::{
    Android, AndroidNotification, Apns, Color, LightSettings, Notification, Webpush,
};
use crate::token::PushToken;

/// An object.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

/// Content with a part for Android's notification.
fn shown(shown: AndroidNotification) -> Content {
    let android = Android { notification: Some(shown), ..Android::default() };
    Content { android, ..Content::default() }
}

/// Content with a part for Apple devices.
fn apns(headers: &[(&str, &str)], payload: Value) -> Content {
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let payload = (!payload.is_null()).then(|| object(payload));
    let apns = Apns { headers: headers.collect(), payload, ..Apns::default() };
    Content { apns: Some(apns), ..Content::default() }
}

/// Content with a part for browsers.
fn webpush(headers: &[(&str, &str)]) -> Content {
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let webpush = Webpush { headers: headers.collect(), ..Webpush::default() };
    Content { webpush: Some(webpush), ..Content::default() }
}

/// Content without anything, after `change`.
fn content(change: impl FnOnce(&mut Content)) -> Content {
    let mut content = Content::default();
    change(&mut content);
    content
}

#[track_caller]
fn good(content: &Content) {
    if let Err(fault) = check(content) {
        panic!("{fault}");
    }
}

#[track_caller]
fn bad(content: &Content, expected: &str) {
    let fault = check(content).expect_err(expected);
    assert_eq!((fault.diagnosis.code(), &*fault.to_string()), (913, expected));
    assert!(fault.remedy.ends_with('.'), "{}", fault.remedy);
}

#[test]
fn reserved_keys_are_named_in_every_map() {
    const RESERVED: &str = "a key that Google reserves";
    for key in ["from", "gcm", "gcm.x", "google", "google.x", "google_x", "message_type"] {
        let data: BTreeMap<_, _> = [(key.to_owned(), String::new())].into();
        bad(&content(|c| c.data = data.clone()), &format!("data.{key}: {RESERVED}"));
        let android = content(|c| c.android.data = data.clone());
        bad(&android, &format!("android.data.{key}: {RESERVED}"));
        let web = Webpush { data, ..Webpush::default() };
        bad(&content(|c| c.webpush = Some(web)), &format!("webpush.data.{key}: {RESERVED}"));
    }
    bad(&content(|c| drop(c.data.insert(String::new(), String::new()))), "data.: an empty key");
    let long = format!("google{}", "\u{7}".repeat(200));
    let fault = check(&content(|c| drop(c.data.insert(long, String::new())))).expect_err("a fault");
    assert!(fault.field.chars().count() < 60, "a key is shown, but not all of it");
    for key in ["From", "gcmx", "goo", "collapse_key", "message"] {
        good(&content(|c| drop(c.data.insert(key.to_owned(), String::new()))));
    }
}

#[test]
fn androids_rules() {
    let android = |android: Android| Content { android, ..Content::default() };
    let ttl = |ttl| android(Android { ttl: Some(ttl), ..Android::default() });
    let days_28 = Duration::from_secs(28 * 86_400);
    good(&ttl(Duration::ZERO));
    good(&ttl(days_28));
    bad(&ttl(days_28 + Duration::from_nanos(1)), "android.ttl: more than 2419200 seconds");

    let empty = Some(String::new());
    let key = android(Android { collapse_key: empty.clone(), ..Android::default() });
    bad(&key, "android.collapse_key: empty");
    let package = android(Android { restricted_package_name: empty, ..Android::default() });
    bad(&package, "android.restricted_package_name: empty");
    let long = Some("x".repeat(1025));
    let key = android(Android { collapse_key: long, ..Android::default() });
    bad(&key, "android.collapse_key: 1025 bytes, at most 1024");
    let label = content(|c| c.android.fcm_options.analytics_label = Some("a b".to_owned()));
    bad(&label, "android.fcm_options.analytics_label: a b is no label");
}

#[test]
fn the_rules_of_what_android_shows() {
    let with = |change: &dyn Fn(&mut AndroidNotification)| {
        let mut notification = AndroidNotification::default();
        change(&mut notification);
        shown(notification)
    };
    let color = |text: &str| with(&|n| n.color = Some(text.to_owned()));
    good(&color("#1a73E8"));
    for wrong in ["", "red", "1a73e8", "#1a73e", "#1a73e80", "#1a73eg", "#\u{e9}a73e"] {
        bad(&color(wrong), "android.notification.color: not of the form #rrggbb");
    }

    let args = vec!["x".to_owned()];
    let body = with(&|n| n.body_loc_args = args.clone());
    bad(&body, "android.notification.body_loc_args: without their key");
    let title = with(&|n| n.title_loc_args = args.clone());
    bad(&title, "android.notification.title_loc_args: without their key");
    good(&with(&|n| {
        n.body_loc_args = args.clone();
        n.body_loc_key = Some("body".to_owned());
    }));

    let image = with(&|n| n.image = Some("cat.png".to_owned()));
    bad(&image, "android.notification.image: cat.png is no URL");
    let time = with(&|n| n.event_time = Some(Time::from_micros(i64::MAX)));
    bad(&time, "android.notification.event_time: not between the years 1 and 9999");
    good(&with(&|n| n.event_time = Some(Time::EPOCH)));
    let count = with(&|n| n.notification_count = Some(1 << 31));
    bad(&count, "android.notification.notification_count: too large");
    good(&with(&|n| n.notification_count = Some((1 << 31) - 1)));
    let minute = Duration::from_secs(60);
    let timings = with(&|n| n.vibrate_timings = vec![minute * 2]);
    bad(&timings, "android.notification.vibrate_timings: longer than 60 seconds");

    let light = |red, on, off| {
        with(&|n| {
            let color = Color { red, green: 0.0, blue: 1.0, alpha: 1.0 };
            let light = LightSettings { color, light_on_duration: on, light_off_duration: off };
            n.light_settings = Some(light);
        })
    };
    good(&light(0.5, minute, minute));
    for red in [1.01, -0.01, f64::NAN, f64::INFINITY] {
        let problem = "android.notification.light_settings.color: a part is not from 0 to 1";
        bad(&light(red, minute, minute), problem);
    }
    let on = "android.notification.light_settings.light_on_duration: longer than 60 seconds";
    bad(&light(0.5, minute * 2, minute), on);
    let off = "android.notification.light_settings.light_off_duration: longer than 60 seconds";
    bad(&light(0.5, minute, minute * 2), off);
}

#[test]
fn apples_headers() {
    let alert = json!({ "aps": { "alert": "x" } });
    let header = |name: &str, value: &str| apns(&[(name, value)], alert.clone());
    for (name, value) in [
        ("apns-priority", "10"),
        ("apns-priority", "1"),
        ("apns-push-type", "alert"),
        ("apns-push-type", "liveactivity"),
        ("apns-expiration", "0"),
        ("apns-expiration", "1772346600"),
        ("apns-collapse-id", "caf\u{e9}"),
        ("apns-topic", "com.example.app"),
    ] {
        good(&header(name, value));
    }
    let check = |name: &str, value: &str, problem: &str| {
        bad(&header(name, value), &format!("apns.headers.{name}: {problem}"));
    };
    check("apns-priority", "6", "not a priority of Apple's");
    check("apns-push-type", "loud", "not a push type of Apple's");
    check("apns-expiration", "soon", "not a time");
    check("apns-expiration", "+5", "not a time");
    check("apns-collapse-id", &"\u{e9}".repeat(33), "more than 64 bytes");
    check("apns-id", "", "empty, too long or with control characters");
    check("apns-id", "a\nb", "empty, too long or with control characters");
    check("authorization", "x", "not a header of APNs");
    check("Apns-Priority", "5", "not a header of APNs");
    check("a b", "5", "not the name of a header");
    let twice = apns(&[("apns-id", "x"), ("Apns-Id", "x")], alert.clone());
    bad(&twice, "apns.headers.Apns-Id: given twice");
    let many: Vec<String> = (0..33).map(|n| format!("apns-{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "x")).collect();
    bad(&apns(&many, alert.clone()), "apns.headers: 33 headers, at most 32");
}

/// Apple: background pushes only with 5. FCM: so does everything that shows nothing.
#[test]
fn what_shows_nothing_is_not_urgent() {
    let silent = json!({ "aps": { "content-available": 1 }, "own": { "v": 1 } });
    let alert = json!({ "aps": { "alert": { "title": "x" }, "mutable-content": 1 } });
    let of = |priority, push_type, payload: &Value| {
        apns(&[("apns-priority", priority), ("apns-push-type", push_type)], payload.clone())
    };
    good(&of("5", "background", &silent));
    good(&of("10", "alert", &alert));
    good(&of("5", "alert", &alert));
    good(&apns(&[], silent.clone()));
    let background = "apns.headers.apns-priority: only 5 goes with the push type background";
    bad(&of("10", "background", &silent), background);
    bad(&of("10", "background", &alert), background);
    bad(&of("1", "background", &silent), background);
    let nothing = "apns.headers.apns-priority: only 5 goes with a message that shows nothing";
    bad(&of("10", "alert", &silent), nothing);
    bad(&apns(&[("apns-priority", "10")], Value::Null), nothing);
    good(&apns(&[("apns-priority", "10")], json!({ "aps": { "badge": 1 } })));

    // What it shows may stand beside Apple's part.
    let mut beside = apns(&[("apns-priority", "10")], Value::Null);
    beside.notification = Some(Notification { title: Some("x".into()), ..Default::default() });
    good(&beside);
    // A Live Activity's update shows in the activity.
    let mut activity = apns(&[("apns-priority", "10")], json!({ "aps": { "event": "update" } }));
    activity.apns.as_mut().expect("a part").live_activity_token = Some(PushToken::new("ab12"));
    good(&activity);
}

#[test]
fn apples_other_fields() {
    let problem = "apns.payload.aps: not an object";
    bad(&apns(&[], json!({})), problem);
    bad(&apns(&[], json!({ "aps": 1 })), problem);
    let with = |change: &dyn Fn(&mut Apns)| {
        let mut apns = Apns::default();
        change(&mut apns);
        Content { apns: Some(apns), ..Content::default() }
    };
    good(&with(&|_| {}));
    let token =
        |text: String| with(&|apns| apns.live_activity_token = Some(PushToken::new(&*text)));
    let field = "apns.live_activity_token";
    bad(&token("a b".into()), &format!("{field}: 3 bytes that no token of a Live Activity has"));
    bad(&token("".into()), &format!("{field}: 0 bytes that no token of a Live Activity has"));
    good(&token("ab".repeat(200)));
    let label = with(&|apns| apns.fcm_options.analytics_label = Some("x".repeat(51)));
    let shown = "x".repeat(40);
    bad(&label, &format!("apns.fcm_options.analytics_label: {shown}… is no label"));
    let image = with(&|apns| apns.fcm_options.image = Some("ftp://x/y".to_owned()));
    bad(&image, "apns.fcm_options.image: ftp://x/y is no URL");
}

#[test]
fn browsers_rules() {
    for (name, value) in [
        ("TTL", "0"),
        ("ttl", "2419200"),
        ("Urgency", "very-low"),
        ("Topic", "a-_9"),
        ("X-Own", "anything"),
    ] {
        good(&webpush(&[(name, value)]));
    }
    let check = |name: &str, value: &str| {
        bad(&webpush(&[(name, value)]), &format!("webpush.headers.{name}: {value} is not one"));
    };
    check("TTL", "2419201");
    check("TTL", "-1");
    check("Urgency", "urgent");
    check("Topic", "a/b");
    check("Topic", &"x".repeat(33));

    let link = |link: &str| {
        content(|c| {
            let mut webpush = Webpush::default();
            webpush.fcm_options.link = Some(link.to_owned());
            c.webpush = Some(webpush);
        })
    };
    good(&link("https://example.com/thread?id=1#last"));
    let problem = "webpush.fcm_options.link: not an https URL";
    let long = format!("https://example.com/{}", "x".repeat(2048));
    for wrong in ["http://example.com", "example.com/x", "/x", "", "https://", &long] {
        bad(&link(wrong), problem);
    }
}

#[test]
fn labels_and_pictures_of_the_whole_message() {
    let label = |text: &str| content(|c| c.fcm_options.analytics_label = Some(text.to_owned()));
    good(&label("spring-sale_2.1~%"));
    bad(&label(""), "fcm_options.analytics_label:  is no label");
    bad(&label("caf\u{e9}"), "fcm_options.analytics_label: caf\u{e9} is no label");
    let image = |text: &str| {
        let image = Some(text.to_owned());
        content(|c| c.notification = Some(Notification { image, ..Notification::default() }))
    };
    good(&image("https://example.com/cat.png"));
    good(&image("http://example.com/cat.png"));
    bad(&image("https:///cat.png"), "notification.image: https:///cat.png is no URL");
}

/// 4096 bytes of keys and values for any platform, 2048 for topics.
#[test]
fn sizes_are_counted_for_each_platform() {
    let data =
        |bytes: usize| content(|c| drop(c.data.insert("k".to_owned(), "x".repeat(bytes - 1))));
    let notification = |bytes: usize| {
        let body = Some("x".repeat(bytes - "body".len()));
        Some(Notification { body, ..Notification::default() })
    };
    good(&data(4096));
    bad(&data(4097), "data: 4097 bytes of keys and values, at most 4096");
    good(&content(|c| c.notification = notification(4096)));
    let both = content(|c| {
        *c = data(2048);
        c.notification = notification(2049);
    });
    bad(&both, "data: 4097 bytes of keys and values, at most 4096");

    let body = Some("x".repeat(4093));
    let android = shown(AndroidNotification { body, ..AndroidNotification::default() });
    bad(&android, "android: 4097 bytes of keys and values, at most 4096");
    let own = content(|c| drop(c.android.data.insert("k".to_owned(), "x".repeat(4096))));
    bad(&own, "android: 4097 bytes of keys and values, at most 4096");
    // Android's own data takes the place of the general one, so they do not add up.
    let mut own = data(4000);
    own.android.data.insert("k".to_owned(), "x".repeat(4000));
    good(&own);

    let mut apple = data(100);
    let payload = json!({ "aps": {}, "own": ["x".repeat(3991), 1] });
    apple.apns = Some(Apns { payload: Some(object(payload)), ..Apns::default() });
    bad(&apple, "apns: 4098 bytes of keys and values, at most 4096");
    let mut web = data(100);
    let options = object(json!({ "title": "x".repeat(3992) }));
    web.webpush = Some(Webpush { notification: Some(options), ..Webpush::default() });
    bad(&web, "webpush: 4097 bytes of keys and values, at most 4096");

    let size = check(&data(2049)).expect("a good message to a device");
    let fault = size.check_for_topic().expect_err("too large");
    let expected = "data: 2049 bytes of keys and values, at most 2048 to topics";
    assert_eq!(fault.to_string(), expected);
    check(&data(2048)).expect("a good message").check_for_topic().expect("for topics too");
}

proptest! {
    /// Nothing that an app may say makes the checks panic.
    #[test]
    fn never_panics(
        text in ".*",
        name in "\\PC*",
        nanos: u64,
        micros: i64,
        count: u32,
        part: f64,
    ) {
        let some = || Some(text.clone());
        let map: BTreeMap<_, _> = [(name.clone(), text.clone())].into();
        let duration = Duration::from_nanos(nanos);
        let mut all = shown(AndroidNotification {
            color: some(),
            image: some(),
            event_time: Some(Time::from_micros(micros)),
            notification_count: Some(count),
            vibrate_timings: vec![duration],
            light_settings: Some(LightSettings {
                color: Color { red: part, green: part, blue: part, alpha: part },
                light_on_duration: duration,
                light_off_duration: duration,
            }),
            ..AndroidNotification::default()
        });
        all.android.ttl = Some(duration);
        all.apns = Some(Apns {
            headers: map.clone(),
            payload: Some(object(json!({ "aps": text, "own": text }))),
            live_activity_token: Some(PushToken::new(text.as_str())),
            ..Apns::default()
        });
        let mut webpush = Webpush { headers: map.clone(), ..Webpush::default() };
        webpush.fcm_options.link = some();
        all.webpush = Some(webpush);
        all.data = map;
        // Each part by itself, so that a fault in one does not hide the others.
        let _ = check(&all);
        let _ = check(&Content { android: all.android, ..Content::default() });
        let _ = check(&Content { apns: all.apns, ..Content::default() });
        let _ = check(&Content { webpush: all.webpush, ..Content::default() });
        let _ = scheme(&text);
        let _ = super::shown(&text);
    }
}
