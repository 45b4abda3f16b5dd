//! The request that each push service gets for each kind, held to its golden file.

use std::path::Path;
use std::time::Duration;

use domain::TargetKind;
use serde_json::{Value, json};

use super::apns::Topics;
use super::*;
use crate::pushes::address::Destination;

/// Whether the files are to be written instead of compared; for whoever runs the tests.
const UPDATE: bool = option_env!("UPDATE_GOLDEN").is_some();

/// 2026-03-01 06:30:00 UTC.
const NOW: Time = Time::from_millis(1_772_346_600_000);

#[test]
fn pushes_to_apple() {
    let apple = |kind, content| to_apple(kind, TargetKind::Apns, content, None);
    check("push_direct/apns_alert.json", &apple(PushKind::Alert, everything()));
    check("push_direct/apns_alert_bare.json", &apple(PushKind::Alert, title()));
    check("push_direct/apns_alert_normal.json", &apple(PushKind::Alert, normal(title())));
    check("push_direct/apns_badge.json", &apple(PushKind::Alert, json!({ "badge": 0 })));
    check("push_direct/apns_background.json", &apple(PushKind::Background, background()));
    check("push_direct/apns_ring.json", &apple(PushKind::Voip, call()));
    let voip = to_apple(PushKind::Voip, TargetKind::ApnsVoip, call(), None);
    check("push_direct/apns_voip.json", &voip);
    check("push_direct/apns_overridden.json", &apple(PushKind::Alert, overridden()));
}

#[test]
fn pushes_to_google() {
    let google = |kind, content| to_google(kind, Some(Platform::Android), content, None);
    check("push_direct/fcm_alert.json", &google(PushKind::Alert, everything()));
    check("push_direct/fcm_alert_normal.json", &google(PushKind::Alert, normal(title())));
    check("push_direct/fcm_badge.json", &google(PushKind::Alert, json!({ "badge": 0 })));
    check("push_direct/fcm_background.json", &google(PushKind::Background, background()));
    check("push_direct/fcm_voip.json", &google(PushKind::Voip, call()));
    check("push_direct/fcm_overridden.json", &google(PushKind::Alert, overridden()));
}

#[test]
fn pushes_to_iphones_by_google() {
    let apple = |kind, content| to_google(kind, Some(Platform::Ios), content, None);
    check("push_direct/fcm_ios_alert.json", &apple(PushKind::Alert, everything()));
    check("push_direct/fcm_ios_alert_normal.json", &apple(PushKind::Alert, normal(title())));
    check("push_direct/fcm_ios_badge.json", &apple(PushKind::Alert, json!({ "badge": 0 })));
    check("push_direct/fcm_ios_background.json", &apple(PushKind::Background, background()));
    check("push_direct/fcm_ios_ring.json", &apple(PushKind::Voip, call()));
    check("push_direct/fcm_ios_overridden.json", &apple(PushKind::Alert, overridden()));
}

#[test]
fn pushes_to_any_phone_by_google() {
    let any = |kind, content| to_google(kind, None, content, None);
    check("push_direct/fcm_any_alert.json", &any(PushKind::Alert, everything()));
    check("push_direct/fcm_any_background.json", &any(PushKind::Background, background()));
    // A phone that the server knows gets its parts of the same message.
    for (kind, content) in [
        (PushKind::Alert, everything()),
        (PushKind::Alert, overridden()),
        (PushKind::Background, background()),
        (PushKind::Voip, call()),
    ] {
        let whole = any(kind, content.clone())["message"].take();
        let part = |platform| to_google(kind, platform, content.clone(), None)["message"].take();
        let (android, iphone) = (part(Some(Platform::Android)), part(Some(Platform::Ios)));
        assert_eq!((&android["android"], &iphone["apns"]), (&whole["android"], &whole["apns"]));
        assert_eq!(
            (&android["apns"], &iphone["android"]["notification"]),
            (&json!(null), &json!(null))
        );
        for part in [&android, &iphone] {
            assert_eq!(part["data"], whole["data"]);
        }
        assert_eq!(part(Some(Platform::Web)), android);
        assert_eq!(part(Some(Platform::Other)), whole);
    }
}

#[test]
fn pushes_to_browsers() {
    let browser = |kind, content| to_browser(kind, content, None);
    check("push_direct/webpush_alert.json", &browser(PushKind::Alert, everything()));
    check("push_direct/webpush_background.json", &browser(PushKind::Background, background()));
    check("push_direct/webpush_voip.json", &browser(PushKind::Voip, call()));
    check("push_direct/webpush_overridden.json", &browser(PushKind::Alert, overridden()));
}

#[test]
fn a_device_reads_it_in_its_own_language() {
    let english = |text: &str| text.contains("Your order") && !text.contains("Deine");
    let german = |text: &str| text.contains("Deine") && !text.contains("Your order");
    for (locale, is_right) in [
        (None, &english as &dyn Fn(&str) -> bool),
        (Some("fr"), &english),
        (Some("de_AT"), &german),
    ] {
        for request in [
            to_apple(PushKind::Alert, TargetKind::Apns, everything(), locale),
            to_google(PushKind::Alert, None, everything(), locale),
            to_browser(PushKind::Alert, everything(), locale),
        ] {
            assert!(is_right(&request.to_string()), "{locale:?} {request}");
        }
    }
}

#[test]
fn no_sound_is_none_and_the_apps_own_is_the_usual_one() {
    for (sound, expected) in
        [(json!(null), json!("default")), (json!("none"), json!(null)), (json!("a"), json!("a"))]
    {
        let mut content = title();
        content["sound"] = sound;
        let apple = to_apple(PushKind::Alert, TargetKind::Apns, content.clone(), None);
        assert_eq!(apple["body"]["aps"]["sound"], expected, "{content}");
        let google = to_google(PushKind::Alert, None, content, None)["message"].take();
        assert_eq!(google["android"]["notification"]["sound"], expected);
        assert_eq!(google["apns"]["payload"]["aps"]["sound"], expected);
    }
}

#[test]
fn a_push_outlives_neither_its_ttl_nor_what_the_push_service_allows() {
    let ends = |kind, target, seconds| {
        let content: Content = serde_json::from_value(match kind {
            PushKind::Voip => call(),
            PushKind::Alert | PushKind::Background => title(),
        })
        .unwrap();
        let ids = Ids::new(&[7; 32]);
        let mut parts = parts(&ids, kind, &content, None);
        parts.expires_at = NOW.plus(Duration::from_secs(seconds));
        let push = apns::push(&parts, target, "00", topics(), NOW).unwrap();
        let fcm = fcm::message(&parts, &Destination::Token("a".to_owned()), NOW).unwrap();
        (push.expiration, fcm.content.android.ttl.unwrap().as_secs())
    };
    let at = |seconds| providers::apns::Expiration::At(NOW.plus(Duration::from_secs(seconds)));
    assert_eq!(ends(PushKind::Alert, TargetKind::Apns, 60), (at(60), 60));
    let most = LONGEST_TTL_S;
    assert_eq!(ends(PushKind::Alert, TargetKind::Apns, most + 9), (at(most), most));
    // A late call is a ghost: Apple keeps it for half a minute at most.
    assert_eq!(ends(PushKind::Voip, TargetKind::ApnsVoip, 45), (at(30), 45));
    assert_eq!(ends(PushKind::Voip, TargetKind::ApnsVoip, 20), (at(20), 20));
    assert_eq!(ends(PushKind::Voip, TargetKind::Apns, 45), (at(45), 45));
}

#[test]
fn pushes_replace_each_other_only_where_their_sender_says_so() {
    let content: Content = serde_json::from_value(title()).unwrap();
    let ids = Ids::new(&[7; 32]);
    let one = parts(&ids, PushKind::Alert, &content, None);
    let again = Parts { at: NOW.plus(Duration::from_secs(9)), ..one };
    let other = Parts { push: PushId::from_bits(10), ..one };
    let of_other_app = Parts { app: AppId::from_number(2), ..one };
    assert_eq!(one.collapse_id(), again.collapse_id());
    assert_ne!(one.collapse_id(), other.collapse_id());
    assert_ne!(one.collapse_id(), of_other_app.collapse_id());
    let named = Content { collapse_id: Some("order-17".to_owned()), ..content.clone() };
    assert_eq!(Parts { content: &named, ..other }.collapse_id(), "order-17");
    // A browser's topic has fewer letters.
    let long = Content { collapse_id: Some("order 17".to_owned()), ..content.clone() };
    let topic = webpush::push(&Parts { content: &long, ..one }, NOW).unwrap().topic.unwrap();
    assert_eq!(topic.len(), 22);
}

/// Compares a request with `goldens/<name>`; with `UPDATE_GOLDEN=1` it is written first.
#[track_caller]
pub(super) fn check(name: &str, request: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(name);
    let printed = format!("{request:#}\n");
    if UPDATE {
        std::fs::write(&path, &printed).unwrap();
    }
    let agreed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        printed == agreed,
        "goldens/{name} says\n{agreed}\nand the request is now\n{printed}\n\
         if the change is meant, run the tests with UPDATE_GOLDEN=1 and look at the difference"
    );
}

/// The request to Apple: headers and body.
fn to_apple(kind: PushKind, target: TargetKind, content: Value, locale: Option<&str>) -> Value {
    let content: Content = serde_json::from_value(content).unwrap();
    let ids = Ids::new(&[7; 32]);
    let parts = parts(&ids, kind, &content, locale);
    let push = apns::push(&parts, target, "a1a1", topics(), NOW).unwrap();
    let request = providers::apns::encode(&push).unwrap();
    let headers = request.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()));
    json!({
        "headers": headers.collect::<serde_json::Map<_, Value>>(),
        "body": serde_json::from_slice::<Value>(&request.body).unwrap(),
    })
}

/// The body of the request to Google, which is all of it.
fn to_google(
    kind: PushKind,
    platform: Option<Platform>,
    content: Value,
    locale: Option<&str>,
) -> Value {
    let content: Content = serde_json::from_value(content).unwrap();
    let ids = Ids::new(&[7; 32]);
    let to = Destination::Token("example-registration-token".to_owned());
    let parts = Parts { platform, ..parts(&ids, kind, &content, locale) };
    let message = fcm::message(&parts, &to, NOW).unwrap();
    serde_json::from_slice(&providers::fcm::encode(&message).unwrap().body).unwrap()
}

/// The push to a browser, before it is encrypted.
fn to_browser(kind: PushKind, content: Value, locale: Option<&str>) -> Value {
    let content: Content = serde_json::from_value(content).unwrap();
    let ids = Ids::new(&[7; 32]);
    let push = webpush::push(&parts(&ids, kind, &content, locale), NOW).unwrap();
    json!({
        "ttl": push.ttl,
        "urgency": format!("{:?}", push.urgency),
        "topic": push.topic,
        "payload": push.payload,
    })
}

fn parts<'a>(
    ids: &'a Ids,
    kind: PushKind,
    content: &'a Content,
    locale: Option<&'a str>,
) -> Parts<'a> {
    Parts {
        ids,
        app: AppId::from_number(1),
        push: PushId::from_bits(9),
        kind,
        content,
        platform: None,
        locale,
        sound: "default",
        provider: ProviderId::from_bits(0x0192_f0a1_7b3c_7d4e_8f50_6172_8394_a5b6),
        at: NOW,
        expires_at: NOW.plus(Duration::from_secs(3_600)),
    }
}

fn topics() -> Topics {
    Topics {
        app: providers::apns::Topic::for_push(
            "com.example.reveille",
            providers::apns::PushType::Alert,
        )
        .unwrap(),
        voip: providers::apns::Topic::for_push(
            "com.example.reveille",
            providers::apns::PushType::Voip,
        )
        .unwrap(),
    }
}

fn title() -> Value {
    json!({ "texts": { "title": "Your order is on its way" } })
}

fn normal(mut content: Value) -> Value {
    content["priority"] = "normal".into();
    content
}

/// Everything that an alert may have.
fn everything() -> Value {
    json!({
        "texts": {
            "title": "Your order is on its way",
            "subtitle": "Order 17",
            "body": "It arrives today.",
        },
        "translations": { "de": { "title": "Deine Bestellung ist unterwegs" } },
        "image": "https://example.com/17.jpg",
        "sound": "chime.caf",
        "badge": 3,
        "thread": "orders",
        "category": "ORDER",
        "action": "OPEN_ORDER",
        "open": "https://example.com/orders/17",
        "data": { "order": 17, "note": "a text", "list": [1, 2] },
        "collapse_id": "order-17",
    })
}

fn background() -> Value {
    json!({ "data": { "order": 17 }, "collapse_id": "sync", "priority": "normal" })
}

fn call() -> Value {
    json!({
        "call": {
            "id": "0192f0a1-7b3c-7d4e-8f50-61728394a5b7",
            "caller_name": "Bob Example",
            "caller_handle": "bob@example.com",
            "video": true,
        },
        "data": { "room": "7" },
    })
}

fn overridden() -> Value {
    let mut content = title();
    content["overrides"] = json!({
        "apns": {
            "headers": { "apns-priority": "5", "apns-expiration": "0", "apns-collapse-id": null },
            "payload": {
                "aps": { "alert": { "title-loc-key": "ORDER" }, "relevance-score": 0.5 },
                "more": true,
            },
        },
        "fcm": {
            "data": { "more": "true" },
            "android": {
                "ttl": "0s",
                "notification": { "channel_id": "orders", "click_action": "OPEN", "sound": null },
            },
            "apns": {
                "headers": { "apns-expiration": "0" },
                "payload": { "aps": { "relevance-score": 0.5 } },
                "fcm_options": { "image": "https://example.com/18.jpg" },
            },
        },
        "webpush": { "ttl": 0, "urgency": "low", "payload": { "notification": { "lang": "en" } } },
    });
    content
}
