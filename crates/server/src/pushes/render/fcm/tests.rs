//! The override reaches every field of Google's message, and nothing else.

use domain::{AppId, Platform, ProviderId, PushId};
use serde_json::{Map, Value, json};

use super::super::super::content::Content;
use super::super::tests::check;
use super::*;
use crate::ids::Ids;

/// 2026-03-01 06:30:00 UTC.
const NOW: Time = Time::from_millis(1_772_346_600_000);

/// A push with this override, as Google gets it.
fn rendered(patch: &Value, platform: Option<Platform>) -> Result<Value, Fault> {
    let content = json!({ "texts": { "title": "Hi" }, "overrides": { "fcm": patch } });
    let content: Content = serde_json::from_value(content).unwrap();
    let parts = Parts {
        ids: &Ids::new(&[7; 32]),
        app: AppId::from_number(1),
        push: PushId::from_bits(9),
        kind: PushKind::Alert,
        content: &content,
        platform,
        locale: None,
        sound: "default",
        provider: ProviderId::from_bits(1),
        at: NOW,
        expires_at: NOW.plus(std::time::Duration::from_secs(3_600)),
    };
    let to = Destination::Token("example-registration-token".to_owned());
    let request = fcm::encode(&message(&parts, &to, NOW)?)?;
    Ok(serde_json::from_slice(&request.body).unwrap())
}

/// Every field of the message but its target, with something in it.
const EVERY_FIELD: &str = r##"{
    "data": { "more": "a text" },
    "notification": { "title": "All", "body": "of them", "image": "https://example.com/1.jpg" },
    "fcm_options": { "analytics_label": "orders" },
    "android": {
        "collapse_key": "orders",
        "priority": "HIGH",
        "ttl": "60s",
        "restricted_package_name": "com.example.app",
        "data": { "phone": "a text" },
        "direct_boot_ok": true,
        "bandwidth_constrained_ok": true,
        "restricted_satellite_ok": true,
        "fcm_options": { "analytics_label": "orders-android" },
        "notification": {
            "title": "Your order", "body": "is on its way", "icon": "ic_order",
            "color": "#1a73e8", "sound": "chime", "tag": "order-17",
            "click_action": "OPEN_ORDER", "body_loc_key": "order_body",
            "body_loc_args": ["17"], "title_loc_key": "order_title",
            "title_loc_args": ["17", "today"], "channel_id": "orders",
            "ticker": "your order", "sticky": true, "event_time": "2026-03-01T06:30:00.5Z",
            "local_only": true, "notification_priority": "PRIORITY_MAX",
            "default_sound": true, "default_vibrate_timings": true,
            "default_light_settings": true, "vibrate_timings": ["0.5s", "3s"],
            "visibility": "SECRET", "notification_count": 3,
            "light_settings": {
                "color": { "red": 0.5, "green": 0.25, "blue": 1.0, "alpha": 0.75 },
                "light_on_duration": "1s", "light_off_duration": "0.25s"
            },
            "image": "https://example.com/2.jpg", "proxy": "IF_PRIORITY_LOWERED"
        }
    },
    "apns": {
        "headers": { "apns-priority": "5" },
        "payload": { "aps": { "alert": { "title": "All" } }, "more": 1 },
        "live_activity_token": "00ff",
        "fcm_options": { "analytics_label": "orders-ios", "image": "https://example.com/3.jpg" }
    },
    "webpush": {
        "headers": { "TTL": "60", "Urgency": "high", "Topic": "orders" },
        "data": { "page": "a text" },
        "notification": { "title": "All", "requireInteraction": true },
        "fcm_options": { "link": "https://example.com/orders", "analytics_label": "orders-web" }
    }
}"##;

fn every_field() -> Value {
    serde_json::from_str(EVERY_FIELD).unwrap()
}

/// Whether all of a patch stands in what came of it.
fn holds(found: &Value, patch: &Value) -> bool {
    match patch {
        Value::Object(fields) => fields.iter().all(|(key, value)| holds(&found[key], value)),
        value => found == value,
    }
}

#[test]
fn every_field_of_googles_message_can_be_overridden() {
    let patch = every_field();
    let whole = rendered(&patch, None).unwrap();
    assert!(holds(&whole["message"], &patch), "{whole:#}");
    check("push_direct/fcm_any_overridden.json", &whole);
    // A device gets the parts that are its platform's.
    for (platform, parts) in [
        (Platform::Android, ["android"].as_slice()),
        (Platform::Ios, &["apns"]),
        (Platform::Web, &["webpush"]),
        (Platform::Other, &["android", "apns", "webpush"]),
    ] {
        let message = rendered(&patch, Some(platform)).unwrap()["message"].take();
        for common in ["data", "notification", "fcm_options"] {
            assert!(holds(&message[common], &patch[common]), "{platform:?} {common}");
        }
        for part in parts {
            assert!(holds(&message[part], &patch[part]), "{platform:?} {part}");
        }
        assert_eq!(message["webpush"].is_null(), !parts.contains(&"webpush"), "{platform:?}");
    }
}

#[test]
fn what_google_does_not_know_or_take_is_named() {
    let notification = |fields: Value| json!({ "android": { "notification": fields } });
    let light = |fields: Value| notification(json!({ "light_settings": fields }));
    for (patch, field) in [
        (json!({ "topic": "news" }), "fcm.topic"),
        (json!({ "validate_only": true }), "fcm.validate_only"),
        (json!({ "notification": { "icon": "x" } }), "fcm.notification.icon"),
        (json!({ "fcm_options": { "label": "x" } }), "fcm.fcm_options.label"),
        (json!({ "android": { "collapseKey": "x" } }), "fcm.android.collapseKey"),
        (json!({ "android": { "priority": "URGENT" } }), "fcm.android.priority"),
        (json!({ "android": { "direct_boot_ok": "yes" } }), "fcm.android.direct_boot_ok"),
        (notification(json!({ "event_time": "noon" })), "fcm.android.notification.event_time"),
        (
            notification(json!({ "vibrate_timings": ["1"] })),
            "fcm.android.notification.vibrate_timings[0]",
        ),
        (notification(json!({ "visibility": "HIDDEN" })), "fcm.android.notification.visibility"),
        (light(json!({ "color": {} })), "fcm.android.notification.light_settings"),
        (json!({ "apns": { "fcm_options": { "link": "x" } } }), "fcm.apns.fcm_options.link"),
        (json!({ "webpush": { "header": {} } }), "fcm.webpush.header"),
        (json!({ "webpush": { "data": { "a": 1 } } }), "fcm.webpush.data.a"),
    ] {
        let fault = rendered(&patch, None).expect_err(field);
        let Fault::Override { field: found, problem } = fault else { panic!("{field}: {fault:?}") };
        assert_eq!(found, field, "{problem}");
    }
    let seconds = |on: &str| {
        json!({
            "color": { "red": 1.5 }, "light_on_duration": on, "light_off_duration": "1s",
        })
    };
    for (patch, field) in [
        (json!({ "android": { "ttl": "2419201s" } }), "android.ttl"),
        (json!({ "android": { "collapse_key": "x".repeat(1_025) } }), "android.collapse_key"),
        (json!({ "android": { "data": { "from": "x" } } }), "android.data.from"),
        (
            json!({ "fcm_options": { "analytics_label": "x".repeat(51) } }),
            "fcm_options.analytics_label",
        ),
        (json!({ "notification": { "image": "x" } }), "notification.image"),
        (notification(json!({ "color": "red" })), "android.notification.color"),
        (notification(json!({ "body_loc_args": ["x"] })), "android.notification.body_loc_args"),
        (
            notification(json!({ "vibrate_timings": ["61s"] })),
            "android.notification.vibrate_timings",
        ),
        (light(seconds("1s")), "android.notification.light_settings.color"),
        (json!({ "apns": { "live_activity_token": "" } }), "apns.live_activity_token"),
        (json!({ "webpush": { "headers": { "TTL": "soon" } } }), "webpush.headers.TTL"),
        (
            json!({ "webpush": { "fcm_options": { "link": "http://a" } } }),
            "webpush.fcm_options.link",
        ),
    ] {
        let fault = rendered(&patch, None).expect_err(field);
        let Fault::Rule(fault) = fault else { panic!("{field}: {fault:?}") };
        assert_eq!((&*fault.field, fault.diagnosis.code()), (field, 913), "{fault}");
    }
    // An object of the sender's choosing is taken as it is.
    let payload = Map::from_iter([("aps".to_owned(), json!({})), ("any".to_owned(), json!([1]))]);
    rendered(&json!({ "apns": { "headers": { "apns-priority": "5" }, "payload": payload } }), None)
        .unwrap();
}
