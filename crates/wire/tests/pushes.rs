//! Direct pushes, topics and events over HTTP: requests and answers.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use wire::http::{
    AudienceName, DeliveryState, DeliveryTarget, Event, OwnTopic, PriorityName, Push, PushCall,
    PushCounts, PushCreate, PushDelivery, PushFailed, PushKindName, PushStateName, PushTexts,
    PushTo, RawTarget, Record, Topic, TopicChange, TopicChanged, TopicDevice,
};
use wire::{EnvironmentName, Media, TargetKindName};

use crate::golden::{check_golden, pretty};

/// The golden files of this module; [`crate::http_answers`] has the others of their folder.
pub(crate) const NAMES: [&str; 13] = [
    "http/event",
    "http/own_topic",
    "http/push",
    "http/push_broadcast",
    "http/push_create",
    "http/push_create_broadcast",
    "http/push_create_voip",
    "http/push_delivery",
    "http/push_record",
    "http/topic",
    "http/topic_change",
    "http/topic_changed",
    "http/topic_device",
];

#[test]
fn shapes_are_as_agreed_and_read_back() {
    both_ways("http/event", &event());
    both_ways("http/own_topic", &OwnTopic { name: "news".into() });
    both_ways("http/push", &push());
    both_ways("http/push_broadcast", &push_broadcast());
    both_ways("http/push_create", &push_create());
    both_ways("http/push_create_broadcast", &push_create_broadcast());
    both_ways("http/push_create_voip", &push_create_voip());
    both_ways("http/push_delivery", &push_delivery());
    both_ways("http/push_record", &push_record());
    both_ways("http/topic", &topic());
    both_ways("http/topic_change", &topic_change());
    both_ways("http/topic_changed", &topic_changed());
    both_ways("http/topic_device", &TopicDevice { id: "phone-9".into() });
}

#[test]
fn unknown_fields_of_requests_are_refused_wherever_they_are() {
    let push = |place: &[&str], what: &PushCreate| {
        let mut whole = serde_json::to_value(what).expect("JSON");
        let mut part = &mut whole;
        for step in place {
            part = match step.parse::<usize>() {
                Ok(index) => &mut part[index],
                Err(_) => &mut part[*step],
            };
        }
        part["misspelt"] = 1.into();
        let error = serde_json::from_value::<PushCreate>(whole).expect_err("a misspelt field");
        assert!(error.to_string().contains("unknown field `misspelt`"), "{place:?}: {error}");
    };
    push(&[], &push_create());
    push(&["to"], &push_create());
    push(&["to", "targets", "0"], &push_create());
    push(&["texts", "de"], &push_create());
    push(&["call"], &push_create_voip());
    let change = json!({ "devices": [], "misspelt": 1 });
    assert!(serde_json::from_value::<TopicChange>(change).is_err());
}

#[test]
fn the_smallest_push_is_an_alert() {
    let text = r#"{"to": {"users": ["alice"]}, "title": "Hi"}"#;
    let push: PushCreate = serde_json::from_str(text).expect("a push");
    assert_eq!(push.kind, PushKindName::Alert);
    let again = serde_json::to_value(&push).expect("JSON");
    assert_eq!(again, json!({ "to": { "users": ["alice"] }, "kind": "alert", "title": "Hi" }));
}

#[test]
fn a_target_shows_no_token() {
    let shown = format!("{:?}", push_create());
    assert!(!shown.contains("0f1e2d3c"), "{shown}");
}

/// Compares a shape with its golden file, which must read back as the same.
#[track_caller]
fn both_ways<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, value: &T) {
    assert!(NAMES.contains(&name), "{name} is in no list");
    let text = check_golden(name, value);
    let read: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(pretty(&read), text, "{name}");
    assert_eq!(read, *value, "{name}");
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().expect("a time")
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

/// Everything that a push to be shown may have.
fn push_create() -> PushCreate {
    PushCreate {
        to: PushTo {
            users: vec!["alice".into()],
            devices: vec!["phone-9".into()],
            targets: vec![
                RawTarget {
                    environment: Some(EnvironmentName::Sandbox),
                    app_id: Some("com.example.reveille".into()),
                    ..raw(TargetKindName::Apns, Some("0f1e2d3c4b5a69788796a5b4c3d2e1f0"))
                },
                RawTarget { fid: Some("cX9f".into()), ..raw(TargetKindName::Fcm, None) },
                RawTarget { topic: Some("news".into()), ..raw(TargetKindName::Fcm, None) },
                RawTarget {
                    condition: Some("'news' in topics && 'de' in topics".into()),
                    ..raw(TargetKindName::Fcm, None)
                },
                RawTarget {
                    subscription: Some(json!({
                        "endpoint": "https://push.example.com/7",
                        "keys": { "auth": "…", "p256dh": "…" },
                    })),
                    ..raw(TargetKindName::Webpush, None)
                },
            ],
            topic: None,
            all: false,
        },
        id: Some("order-17".into()),
        title: Some("Your order is on its way".into()),
        subtitle: Some("Order 17".into()),
        body: Some("It arrives today.".into()),
        texts: BTreeMap::from([(
            "de".into(),
            PushTexts {
                title: Some("Deine Bestellung ist unterwegs".into()),
                subtitle: Some("Bestellung 17".into()),
                body: Some("Sie kommt heute an.".into()),
            },
        )]),
        image: Some("https://example.com/17.jpg".into()),
        sound: Some("chime.caf".into()),
        badge: Some(3),
        thread: Some("orders".into()),
        category: Some("ORDER".into()),
        action: Some("OPEN_ORDER".into()),
        open: Some("https://example.com/orders/17".into()),
        data: object(json!({ "order": 17, "express": true })),
        ttl: Some(86_400),
        collapse_id: Some("order-17".into()),
        priority: Some(PriorityName::High),
        send_at: Some(at("2026-03-02T06:00:00Z")),
        apns: object(json!({
            "headers": { "apns-priority": "5" },
            "payload": { "aps": { "relevance-score": 0.5 } },
        })),
        fcm: object(json!({ "android": { "notification": { "channel_id": "orders" } } })),
        webpush: object(json!({ "urgency": "low" })),
        ..bare()
    }
}

fn push_create_broadcast() -> PushCreate {
    PushCreate {
        to: PushTo { topic: Some("news".into()), ..PushTo::default() },
        title: Some("News".into()),
        rate: Some(500),
        ..bare()
    }
}

fn push_create_voip() -> PushCreate {
    PushCreate {
        to: PushTo { users: vec!["alice".into()], ..PushTo::default() },
        kind: PushKindName::Voip,
        call: Some(PushCall {
            id: "0192f0a1-7b3c-7d4e-8f50-61728394a5b6".into(),
            rings_until: at("2026-03-01T06:30:45Z"),
            caller_name: "Bob Example".into(),
            caller_handle: Some("bob@example.com".into()),
            media: Media::Video,
        }),
        ttl: Some(30),
        ..bare()
    }
}

/// A push to nobody that says nothing.
fn bare() -> PushCreate {
    serde_json::from_value(json!({ "to": {} })).expect("a push")
}

fn raw(kind: TargetKindName, token: Option<&str>) -> RawTarget {
    RawTarget {
        kind,
        token: token.map(str::to_owned),
        fid: None,
        topic: None,
        condition: None,
        subscription: None,
        environment: None,
        app_id: None,
    }
}

fn push() -> Push {
    Push {
        id: "psh_00000000000000000000000000000009".into(),
        kind: PushKindName::Alert,
        state: PushStateName::Open,
        audience: AudienceName::Listed,
        topic: None,
        rate: None,
        created_at: at("2026-03-01T06:00:00Z"),
        send_at: at("2026-03-02T06:00:00Z"),
        expires_at: at("2026-03-03T06:00:00Z"),
        started_at: None,
        ended_at: None,
        progress: None,
        counts: PushCounts { devices: 3, waiting: 3, ..PushCounts::default() },
        codes: BTreeMap::new(),
        failed: vec![PushFailed { name: "nobody".into(), code: "unknown_user".into() }],
    }
}

fn push_broadcast() -> Push {
    Push {
        state: PushStateName::Done,
        audience: AudienceName::Topic,
        topic: Some("news".into()),
        rate: Some(500),
        started_at: Some(at("2026-03-02T06:00:00Z")),
        ended_at: Some(at("2026-03-02T06:10:00Z")),
        progress: Some(100),
        counts: PushCounts {
            devices: 1_000,
            waiting: 0,
            accepted: 990,
            refused: 7,
            expired: 1,
            cancelled: 2,
            skipped: 12,
        },
        codes: BTreeMap::from([(911, 6), (913, 1)]),
        failed: Vec::new(),
        ..push()
    }
}

fn push_delivery() -> PushDelivery {
    PushDelivery {
        number: 2,
        device: Some("phone-9".into()),
        target: Some(DeliveryTarget {
            kind: TargetKindName::Apns,
            token_hash: Some("6b86b273ff34".into()),
            topic: Some("news".into()),
            condition: Some("'news' in topics".into()),
            environment: Some(EnvironmentName::Sandbox),
            app_id: Some("com.example.reveille".into()),
        }),
        state: DeliveryState::Waiting,
        due_at: Some(at("2026-03-02T06:15:00Z")),
        refused: 1,
        settled_at: Some(at("2026-03-02T06:00:01Z")),
        code: Some(902),
        reason: Some("ServiceUnavailable".into()),
    }
}

fn push_record() -> Record {
    Record {
        at: at("2026-03-02T06:00:01Z"),
        step: "push".into(),
        reason: "refused".into(),
        sentence: "Upload the credential again.".into(),
        user: Some("alice".into()),
        device: Some("phone-9".into()),
        wake: None,
        attempt: Some("att_00000000000000000000000000000003".into()),
        message: None,
        call: None,
        push: Some("psh_00000000000000000000000000000009".into()),
        code: Some(902),
        detail: Some(json!({ "status": 503, "reason": "ServiceUnavailable", "took_ms": 12 })),
    }
}

fn topic() -> Topic {
    Topic { name: "news".into(), devices: 1_012, created_at: at("2026-03-01T06:00:00Z") }
}

fn topic_change() -> TopicChange {
    TopicChange { devices: vec!["phone-9".into(), "tablet".into()] }
}

fn topic_changed() -> TopicChanged {
    TopicChanged { changed: 1, unknown: vec!["tablet".into()] }
}

pub(crate) fn event() -> Event {
    Event {
        id: format!("evt_{:032x}", 0x11),
        number: 17,
        r#type: "device.token_dropped".into(),
        timestamp: at("2026-03-01T06:30:00Z"),
        sequence: Some(3),
        data: json!({ "device": "phone-9", "kind": "apns", "reason": "Unregistered" }),
    }
}
