//! What would be refused later is refused now, with the field that did it.

use std::time::Duration;

use domain::Platform;
use serde_json::{Value, json};

use super::*;

/// 2026-03-01 06:30:00 UTC.
const NOW: Time = Time::from_millis(1_772_346_600_000);

fn check(kind: PushKind, content: Value) -> Result<(), Box<wire::Problem>> {
    let content: Content = serde_json::from_value(content).unwrap();
    let preview = Preview {
        ids: &Ids::new(&[7; 32]),
        app: AppId::from_number(1),
        push: PushId::from_bits(9),
        kind,
        content: &content,
        fcm_topic: None,
        sound: "default",
        times: Times { send_at: NOW, expires_at: NOW.plus(Duration::from_secs(3_600)) },
    };
    preview.check().map_err(|problem| Box::new(problem.into()))
}

fn call() -> Value {
    json!({ "id": "0192f0a1-7b3c-7d4e-8f50-61728394a5b6", "caller_name": "Bob", "video": true })
}

#[test]
fn what_every_push_service_takes_passes() {
    let texts = json!({ "title": "Hi" });
    for (kind, content) in [
        (PushKind::Alert, json!({ "texts": texts })),
        (PushKind::Alert, json!({ "badge": 0 })),
        (PushKind::Alert, json!({ "texts": { "body": "x".repeat(3_000) } })),
        (PushKind::Background, json!({ "data": { "a": 1 }, "priority": "normal" })),
        (PushKind::Background, json!({ "data": { "a": 1 }, "collapse_id": "a" })),
        (PushKind::Voip, json!({ "call": call() })),
        (
            PushKind::Alert,
            json!({
                "texts": texts,
                "overrides": {
                    "apns": { "headers": { "apns-priority": "1", "apns-expiration": "0" } },
                    "fcm": { "android": { "ttl": "3.5s", "priority": "normal" } },
                    "webpush": { "urgency": "very-low", "topic": "orders", "payload": null },
                },
            }),
        ),
    ] {
        assert_eq!(check(kind, content.clone()), Ok(()), "{content:.200}");
    }
}

#[test]
fn what_is_too_large_names_what_takes_the_room() {
    let long = "x".repeat(3_900);
    for (kind, content, field) in [
        (PushKind::Alert, json!({ "texts": { "body": long } }), "body"),
        (PushKind::Alert, json!({ "texts": { "title": "Hi" }, "data": { "a": long } }), "data"),
        (PushKind::Background, json!({ "data": { "a": long } }), "data"),
        // Only one language is too long.
        (
            PushKind::Alert,
            json!({
                "texts": { "body": "short" },
                "translations": { "de": { "body": long }, "fr": { "body": "court" } },
            }),
            "texts.de.body",
        ),
        (
            PushKind::Alert,
            json!({
                "texts": { "title": "Hi" },
                "overrides": { "apns": { "payload": { "more": long } } },
            }),
            "apns.payload",
        ),
        (
            PushKind::Alert,
            json!({ "texts": { "title": "Hi" }, "overrides": { "fcm": { "data": { "a": long } } } }),
            "fcm",
        ),
        (
            PushKind::Alert,
            json!({
                "texts": { "title": "Hi" },
                "overrides": { "webpush": { "payload": { "data": { "a": long } } } },
            }),
            "webpush.payload",
        ),
    ] {
        let problem = check(kind, content).expect_err(field);
        let found = (problem.code.as_str(), problem.field.as_deref());
        assert_eq!(found, ("push_refused", Some(field)), "{}", problem.detail);
        assert!(problem.detail.starts_with("913 bad payload: as "), "{}", problem.detail);
    }
}

/// Times have as many digits as they need, so a push that just fits at one must not be too large at
/// another.
#[test]
fn what_passes_fits_whenever_it_is_claimed() {
    let body = |length: usize| json!({ "texts": { "body": "x".repeat(length) } });
    let most = (3_000..4_000).rfind(|length| check(PushKind::Alert, body(*length)).is_ok());
    let content: Content = serde_json::from_value(body(most.expect("3000 bytes pass"))).unwrap();
    for micros in [0, 1, 120_000, 999_999] {
        let at = Time::from_micros(NOW.as_micros() + micros);
        let parts = Parts {
            ids: &Ids::new(&[7; 32]),
            app: AppId::from_number(1),
            push: PushId::from_bits(9),
            kind: PushKind::Alert,
            content: &content,
            platform: None,
            locale: None,
            sound: "default",
            provider: ProviderId::from_bits(0),
            at,
            expires_at: NOW.plus(Duration::from_secs(3_600)),
        };
        let topics = Topics {
            app: apns::Topic::for_push("com.example.reveille", apns::PushType::Alert).unwrap(),
            voip: apns::Topic::for_push("com.example.reveille", apns::PushType::Voip).unwrap(),
        };
        let push = render::apns::push(&parts, TargetKind::Apns, "00", topics, at).unwrap();
        assert!(apns::encode(&push).is_ok(), "{micros}");
        let to = Destination::Token("a".repeat(200));
        // The parts that a phone gets are never more than the whole that was looked at.
        for platform in Platform::ALL.map(Some).into_iter().chain([None]) {
            let parts = Parts { platform, ..parts };
            let message = render::fcm::message(&parts, &to, at).unwrap();
            assert!(fcm::encode(&message).is_ok(), "{micros} {platform:?}");
        }
        assert!(render::webpush::push(&parts, at).is_ok(), "{micros}");
    }
}

#[test]
fn an_override_that_breaks_a_rule_is_named() {
    let alert = |overrides: Value| json!({ "texts": { "title": "Hi" }, "overrides": overrides });
    for (overrides, code, field) in [
        (json!({ "apns": { "header": {} } }), "invalid_field", "apns.header"),
        (
            json!({ "apns": { "headers": { "apns-topic": "com.example" } } }),
            "invalid_field",
            "apns.headers.apns-topic",
        ),
        (
            json!({ "apns": { "headers": { "apns-priority": "11" } } }),
            "invalid_field",
            "apns.headers.apns-priority",
        ),
        (
            json!({ "apns": { "headers": { "apns-expiration": "soon" } } }),
            "invalid_field",
            "apns.headers.apns-expiration",
        ),
        (
            json!({ "apns": { "headers": { "apns-collapse-id": "x".repeat(65) } } }),
            "push_refused",
            "apns.headers.apns-collapse-id",
        ),
        (
            json!({ "apns": { "headers": { "apns-push-type": "voip" } } }),
            "push_refused",
            "apns.headers.apns-push-type",
        ),
        (json!({ "apns": { "payload": { "aps": null } } }), "push_refused", "apns.payload"),
        (json!({ "fcm": { "token": "x" } }), "invalid_field", "fcm.token"),
        (json!({ "fcm": { "data": { "a": 1 } } }), "invalid_field", "fcm.data.a"),
        (json!({ "fcm": { "data": { "from": "me" } } }), "push_refused", "fcm.data.from"),
        (json!({ "fcm": { "apns": { "payload": 1 } } }), "invalid_field", "fcm.apns.payload"),
        (
            json!({ "fcm": { "apns": { "live_activity_token": "no token" } } }),
            "push_refused",
            "fcm.apns.live_activity_token",
        ),
        (
            json!({ "fcm": { "apns": { "headers": { "apns-priority": "7" } } } }),
            "push_refused",
            "fcm.apns.headers.apns-priority",
        ),
        (
            json!({ "fcm": { "apns": { "payload": { "aps": null } } } }),
            "push_refused",
            "fcm.apns.payload.aps",
        ),
        (
            json!({ "fcm": { "apns": { "fcm_options": { "image": "x" } } } }),
            "push_refused",
            "fcm.apns.fcm_options.image",
        ),
        (json!({ "fcm": { "android": { "ttl": 60 } } }), "invalid_field", "fcm.android.ttl"),
        (json!({ "fcm": { "android": { "ttl": "-1s" } } }), "invalid_field", "fcm.android.ttl"),
        (
            json!({ "fcm": { "android": { "notification": { "titel": "x" } } } }),
            "invalid_field",
            "fcm.android.notification.titel",
        ),
        (json!({ "webpush": { "urgency": "now" } }), "invalid_field", "webpush.urgency"),
        (json!({ "webpush": { "ttl": -1 } }), "invalid_field", "webpush.ttl"),
        (json!({ "webpush": { "ttl": 2_419_201 } }), "push_refused", "webpush.ttl"),
        (json!({ "webpush": { "topic": "a b" } }), "push_refused", "webpush.topic"),
    ] {
        let problem = check(PushKind::Alert, alert(overrides.clone())).expect_err(field);
        let found = (problem.code.as_str(), problem.field.as_deref());
        assert_eq!(found, (code, Some(field)), "{overrides:.200} {}", problem.detail);
    }
    // What Apple refuses of a background push it refuses of an overridden one.
    let louder = json!({ "overrides": { "apns": { "headers": { "apns-priority": "10" } } } });
    let problem = check(PushKind::Background, louder).expect_err("Apple takes 5 only");
    assert_eq!(problem.field.as_deref(), Some("apns.headers.apns-priority"));
}
