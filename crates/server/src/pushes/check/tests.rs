//! What a push may be, and the field that says when it may not.

use serde_json::json;

use super::*;

/// 2026-03-01 06:30:00 UTC.
const NOW: Time = Time::from_millis(1_772_346_600_000);

/// Checks a push to alice with these fields; `null` leaves a field out.
fn checked(fields: Value) -> Result<Checked, Box<wire::Problem>> {
    let mut push = json!({ "to": { "users": ["alice"] }, "title": "Hi" });
    for (field, value) in fields.as_object().unwrap() {
        push[field] = value.clone();
    }
    push.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let create: PushCreate = serde_json::from_value(push).unwrap();
    let checked = check(create, AppId::from_number(1), &Policy::default());
    checked.map_err(|problem| Box::new(problem.into()))
}

fn call(rings_for: u64) -> Value {
    json!({
        "id": "0192F0A1-7b3c-7d4e-8f50-61728394a5b6",
        "rings_until": to_wire::time(NOW.plus(Duration::from_secs(rings_for))),
        "caller_name": "Bob",
        "media": "audio",
    })
}

fn voip(fields: Value) -> Value {
    let mut push = json!({ "title": null, "kind": "voip", "call": call(45) });
    for (field, value) in fields.as_object().unwrap() {
        push[field] = value.clone();
    }
    push
}

#[test]
fn a_field_that_breaks_its_rule_is_named() {
    let users: Vec<String> = (0..1_001).map(|number| format!("user-{number}")).collect();
    let locales: Map<String, Value> =
        (0..101).map(|number| (format!("de-x{number}"), json!({ "title": "Hallo" }))).collect();
    let token = json!({ "kind": "apns_voip", "token": "00" });
    let bare = |field: &str| json!({ "title": null, "kind": "background", field: "x" });
    for (fields, code, field) in [
        (json!({ "to": {} }), "invalid_field", "to"),
        (json!({ "to": { "topic": "news", "all": true } }), "invalid_field", "to"),
        (json!({ "to": { "topic": "news", "users": ["alice"] } }), "invalid_field", "to"),
        (json!({ "to": { "all": true, "devices": ["phone"] } }), "invalid_field", "to"),
        (json!({ "to": { "users": users } }), "too_many_recipients", "to"),
        (json!({ "to": { "users": [""] } }), "invalid_field", "to.users"),
        (json!({ "to": { "devices": ["a\u{7}"] } }), "invalid_field", "to.devices"),
        (json!({ "to": { "topic": "x".repeat(129) } }), "invalid_field", "to.topic"),
        (json!({ "to": { "targets": [token] } }), "invalid_field", "to.targets[0].kind"),
        (
            json!({ "to": { "targets": [{ "kind": "fcm", "token": "a" }, { "kind": "apns" }] } }),
            "invalid_field",
            "to.targets[1].token",
        ),
        (json!({ "title": null }), "invalid_field", "title"),
        (json!({ "title": "" }), "invalid_field", "title"),
        (json!({ "title": "x".repeat(1_025) }), "invalid_field", "title"),
        (json!({ "subtitle": "x".repeat(1_025) }), "invalid_field", "subtitle"),
        (json!({ "body": "x".repeat(4_097) }), "invalid_field", "body"),
        (json!({ "texts": locales }), "invalid_field", "texts"),
        (json!({ "texts": { "d": {} } }), "invalid_field", "texts"),
        (json!({ "texts": { "de_CH": {} } }), "invalid_field", "texts"),
        (json!({ "texts": { "de": { "body": "" } } }), "invalid_field", "texts.de.body"),
        (json!({ "texts": { "de-CH": {}, "de-ch": {} } }), "invalid_field", "texts.de-ch"),
        (json!({ "image": "http://example.com/1.jpg" }), "invalid_field", "image"),
        (json!({ "image": "/1.jpg" }), "invalid_field", "image"),
        (
            json!({ "image": format!("https://example.com/{}", "x".repeat(2_048)) }),
            "invalid_field",
            "image",
        ),
        (json!({ "sound": "x".repeat(65) }), "invalid_field", "sound"),
        (json!({ "badge": 2_147_483_648_u32 }), "invalid_field", "badge"),
        (json!({ "thread": "" }), "invalid_field", "thread"),
        (json!({ "category": "a\n" }), "invalid_field", "category"),
        (json!({ "action": "x".repeat(129) }), "invalid_field", "action"),
        (json!({ "open": "x".repeat(2_049) }), "invalid_field", "open"),
        (json!({ "data": { "a": "x".repeat(4_096) } }), "body_too_large", "data"),
        (json!({ "data": { "aps": 1 } }), "invalid_field", "data"),
        (json!({ "data": { "from": 1 } }), "invalid_field", "data"),
        (json!({ "data": { "google.x": 1 } }), "invalid_field", "data"),
        (json!({ "data": { "reveille_kind": 1 } }), "invalid_field", "data"),
        (json!({ "data": { "": 1 } }), "invalid_field", "data"),
        (json!({ "apns": { "payload": "x".repeat(8_192) } }), "body_too_large", "apns"),
        (json!({ "fcm": { "data": "x".repeat(8_192) } }), "body_too_large", "fcm"),
        (json!({ "webpush": { "topic": "x".repeat(8_192) } }), "body_too_large", "webpush"),
        (json!({ "ttl": 0 }), "invalid_field", "ttl"),
        (json!({ "ttl": 2_419_201 }), "invalid_field", "ttl"),
        (json!({ "collapse_id": "x".repeat(65) }), "invalid_field", "collapse_id"),
        (json!({ "rate": 10 }), "invalid_field", "rate"),
        (json!({ "to": { "all": true }, "rate": 0 }), "invalid_field", "rate"),
        (json!({ "to": { "all": true }, "rate": 100_001 }), "invalid_field", "rate"),
        (json!({ "call": call(45) }), "invalid_field", "call"),
        (bare("title"), "invalid_field", "title"),
        (bare("body"), "invalid_field", "body"),
        (bare("sound"), "invalid_field", "sound"),
        (bare("open"), "invalid_field", "open"),
        (json!({ "title": null, "kind": "voip" }), "invalid_field", "call"),
        (voip(json!({ "body": "x" })), "invalid_field", "body"),
        (voip(json!({ "to": { "topic": "news" } })), "invalid_field", "to"),
        (voip(json!({ "to": { "all": true } })), "invalid_field", "to"),
        (
            voip(json!({ "to": { "targets": [{ "kind": "fcm", "topic": "news" }] } })),
            "invalid_field",
            "to.targets[0].topic",
        ),
        (
            voip(json!({ "to": { "targets": [{ "kind": "fcm", "condition": "'a' in topics" }] } })),
            "invalid_field",
            "to.targets[0].condition",
        ),
        (voip(json!({ "ttl": 31 })), "invalid_field", "ttl"),
        (voip(json!({ "ttl": 4 })), "invalid_field", "ttl"),
        (voip(json!({ "priority": "normal" })), "invalid_field", "priority"),
        (voip(json!({ "send_at": to_wire::time(NOW) })), "invalid_field", "send_at"),
    ] {
        let problem = checked(fields.clone()).expect_err(field);
        let found = (problem.code.as_str(), problem.field.as_deref());
        assert_eq!(found, (code, Some(field)), "{fields:.200} {}", problem.detail);
    }
    for (part, value) in [
        ("id", json!("call-1")),
        ("caller_name", json!("")),
        ("caller_handle", json!("x".repeat(257))),
    ] {
        let mut call = call(45);
        call[part] = value;
        let problem = checked(voip(json!({ "call": call }))).expect_err(part);
        assert_eq!(problem.field, Some(format!("call.{part}")));
    }
}

#[test]
fn what_is_good_is_taken_as_it_is() {
    let push = checked(json!({ "texts": { "pt-BR": { "title": "Olá" } }, "badge": 0 })).unwrap();
    assert_eq!(push.kind, PushKind::Alert);
    assert_eq!(push.content.priority, Priority::High);
    assert_eq!(push.content.texts_for(Some("pt-BR")).title.as_deref(), Some("Olá"));
    assert_eq!(push.content.badge, Some(0));
    let background = json!({ "title": null, "kind": "background", "data": { "a": [1, null] } });
    let background = checked(background).unwrap();
    assert_eq!(background.content.priority, Priority::Normal);
    assert_eq!(background.content.data["a"], json!([1, null]));
    let only_badge = checked(json!({ "title": null, "badge": 3 })).unwrap();
    assert_eq!(only_badge.content.texts, Texts::default());
    let ringing = checked(voip(json!({}))).unwrap();
    let call = ringing.content.call.unwrap();
    assert_eq!(call.id, "0192f0a1-7b3c-7d4e-8f50-61728394a5b6");
    let all = checked(json!({ "to": { "all": true }, "rate": 100_000 })).unwrap();
    assert!(matches!(all.audience, NewAudience::All) && all.rate == Some(100_000));
}

#[test]
fn the_same_target_twice_is_one_push_and_goes_by_its_lane() {
    let targets = json!([
        { "kind": "apns", "token": "00ff", "environment": "sandbox", "app_id": "com.example" },
        { "kind": "apns", "token": "00FF", "environment": "sandbox", "app_id": "com.example" },
        { "kind": "fcm", "token": "a:b" },
    ]);
    let push = checked(json!({ "to": { "targets": targets } })).unwrap();
    let NewAudience::Listed { targets, .. } = push.audience else { panic!("listed") };
    let lanes: Vec<_> = targets
        .iter()
        .map(|target| {
            let Lane { kind, app_id, environment, subject, .. } = &target.lane;
            assert_eq!(*subject, Subject::Push);
            (*kind, app_id.as_str(), *environment)
        })
        .collect();
    let sandbox = Some(domain::Environment::Sandbox);
    let expected =
        [(domain::TargetKind::Apns, "com.example", sandbox), (domain::TargetKind::Fcm, "", None)];
    assert_eq!(lanes, expected);
}

#[test]
fn when_it_goes_and_when_it_is_over() {
    let after = |seconds: u64| NOW.plus(Duration::from_secs(seconds));
    let at = |time: Time| to_wire::time(time);
    let times = |fields: Value| {
        let times = checked(fields).unwrap().times(NOW).map_err(wire::Problem::from);
        times.map(|times| (times.send_at, times.expires_at)).map_err(|problem| problem.field)
    };
    let day = 86_400;
    for (fields, expected) in [
        (json!({}), (NOW, after(day))),
        (json!({ "ttl": 60 }), (NOW, after(60))),
        (json!({ "send_at": at(after(3_600)) }), (after(3_600), after(3_600 + day))),
        (
            json!({ "send_at": at(after(30 * day)), "ttl": 1 }),
            (after(30 * day), after(30 * day + 1)),
        ),
        // What is past is now.
        (json!({ "send_at": "2020-01-01T00:00:00Z" }), (NOW, after(day))),
        (voip(json!({})), (NOW, after(45))),
        (voip(json!({ "ttl": 30 })), (NOW, after(30))),
        (voip(json!({ "ttl": 30, "call": call(20) })), (NOW, after(20))),
        (voip(json!({ "call": call(5) })), (NOW, after(5))),
        (voip(json!({ "call": call(300) })), (NOW, after(300))),
    ] {
        assert_eq!(times(fields.clone()), Ok(expected), "{fields}");
    }
    for (fields, field) in [
        (json!({ "send_at": at(after(30 * day + 1)) }), "send_at"),
        (voip(json!({ "call": call(4) })), "call.rings_until"),
        (voip(json!({ "call": call(0) })), "call.rings_until"),
        (voip(json!({ "call": call(301) })), "call.rings_until"),
    ] {
        assert_eq!(times(fields.clone()), Err(Some(field.to_owned())), "{fields}");
    }
}
