//! Apps, their keys, their settings.

use std::time::Duration;

use domain::Time;
use http::Method;
use serde_json::{Value, json};
use server::clock::Clock;

use super::rig::{Server, text};

const NOON: Time = Time::from_millis(1_800_000_000_000);

#[tokio::test]
async fn an_app_is_made_with_a_key_that_is_shown_once() {
    let server = Server::start().await;
    let admin = &server.admin;
    let body = Some(json!({ "name": "clinic" }));
    let made = server.ask(Method::POST, "/v1/apps", admin, body).await.is(201);
    let (id, key) = (text(&made["id"]), text(&made["key"]));
    assert!(id.starts_with("app_") && key.starts_with("rvl_app_"), "{id}");
    assert_eq!(made["name"], "clinic");
    for asker in [admin, &key] {
        let shown = server.ask(Method::GET, &format!("/v1/apps/{id}"), asker, None).await.is(200);
        assert_eq!(
            (&shown["id"], &shown["name"], &shown["key"]),
            (&made["id"], &made["name"], &Value::Null)
        );
        assert_eq!(shown["created_at"], made["created_at"]);
    }
    let all = server.ask(Method::GET, "/v1/apps", admin, None).await.is(200);
    let names: Vec<_> = all["items"].as_array().unwrap().iter().map(|app| &app["name"]).collect();
    assert_eq!(names, ["first", "clinic"]);
    assert!(!all.to_string().contains("rvl_app_"), "a key is shown again");
    for name in [String::new(), "x".repeat(129), "bell\u{7}".to_owned()] {
        let body = Some(json!({ "name": name }));
        let refused = server.ask(Method::POST, "/v1/apps", admin, body).await;
        refused.refused(422, "invalid_field", Some("name"));
    }
    server.stop().await;
}

#[tokio::test]
async fn keys_come_and_go() {
    let server = Server::start().await;
    let path = format!("/v1/apps/{}/keys", server.app.0);
    let body = Some(json!({ "name": "staging" }));
    let made = server.call(Method::POST, &path, body).await.is(201);
    assert!(text(&made["key"]).starts_with("rvl_app_"));
    let all = server.call(Method::GET, &path, None).await.is(200);
    let names: Vec<_> = all["items"].as_array().unwrap().iter().map(|key| &key["name"]).collect();
    assert_eq!(names, ["first", "staging"]);
    assert!(!all.to_string().contains("rvl_app_"), "a key is shown again");
    let path = format!("{path}/{}", text(&made["id"]));
    server.call(Method::DELETE, &path, None).await.is(204);
    server.call(Method::DELETE, &path, None).await.refused(404, "not_found", None);
    server.stop().await;
}

#[tokio::test]
async fn a_key_says_what_it_is_good_for_and_when_it_was_last_used() {
    let (clock, hand) = Clock::by_hand(NOON);
    let server = Server::start_by(clock).await;
    let path = format!("/v1/apps/{}/keys", server.app.0);
    let body = json!({ "name": "mailer", "scopes": ["send", "read", "send"] });
    let made = server.call(Method::POST, &path, Some(body)).await.is(201);
    assert_eq!(made["scopes"], json!(["read", "send"]));
    let used = |page: &Value| page["items"][1]["last_used_at"].clone();
    let fresh = server.call(Method::GET, &path, None).await.is(200);
    assert_eq!(
        (&fresh["items"][0]["scopes"], used(&fresh)),
        (&json!(["admin", "read", "send"]), Value::Null)
    );
    for (after, noted) in [(0, 0), (59, 0), (1, 60)] {
        hand.advance(Duration::from_secs(after));
        server.ask(Method::GET, "/v1/topics", &text(&made["key"]), None).await.is(200);
        let noted = NOON.plus(Duration::from_secs(noted)).as_seconds();
        let noted = json!(jiff::Timestamp::from_second(noted).expect("a time"));
        server.until(&path, |page| used(page) == noted).await;
    }
    for scopes in [json!([]), json!(["write"]), json!("send")] {
        let body = json!({ "name": "odd", "scopes": scopes });
        let refused = server.call(Method::POST, &path, Some(body)).await;
        assert!([400, 422].contains(&refused.status), "{}", refused.body);
        assert!(text(&refused.body["field"]).starts_with("scopes"), "{}", refused.body);
    }
    server.stop().await;
}

#[tokio::test]
async fn settings_keep_what_is_not_given() {
    let server = Server::start().await;
    let path = format!("/v1/apps/{}/settings", server.app.0);
    let before = server.call(Method::GET, &path, None).await.is(200);
    assert_eq!(
        before,
        json!({
            "push_enabled": true,
            "background_push": true,
            "sound": "default",
            "collapse_notifications": false,
            "sandbox_to_production": false,
            "route_ios": "automatic",
            "climb_after": 30,
            "repeat_after": [600, 3600, 21600, 86400],
            "ring_time": 45,
            "hold_while_active_elsewhere": 0,
            "resume_time": 30,
            "default_ttl": 2592000,
            "alert_title": "New message",
            "alert_body": "You have a new message.",
            "texts": {},
            "clients_set_push": false,
            "print_push_logs": false,
            "log_payloads": false,
            "kept_events": [],
            "offline_event_every": 3600,
            "offline_event_body": false,
        })
    );
    let change = json!({ "climb_after": 60, "background_push": false, "alert_body": "Look!" });
    let changed = server.call(Method::PATCH, &path, Some(change.clone())).await.is(200);
    let mut expected = before.clone();
    for (field, value) in change.as_object().unwrap() {
        expected[field] = value.clone();
    }
    assert_eq!(changed, expected);
    assert_eq!(server.call(Method::GET, &path, None).await.is(200), expected);
    // What is shown can be given back.
    assert_eq!(server.call(Method::PATCH, &path, Some(before.clone())).await.is(200), before);
    for (field, value) in [
        ("climb_after", json!(0)),
        ("climb_after", json!(3601)),
        ("repeat_after", json!([1, 2, 3, 4, 5, 6, 7, 8, 9])),
        ("repeat_after", json!([604_801])),
        ("ring_time", json!(4)),
        ("ring_time", json!(121)),
        ("hold_while_active_elsewhere", json!(601)),
        ("offline_event_every", json!(59)),
        ("kept_events", json!(["call.missed"])),
        ("kept_events", json!(["nothing"])),
        ("resume_time", json!(0)),
        ("resume_time", json!(121)),
        ("default_ttl", json!(0)),
        ("default_ttl", json!(2_592_001)),
        ("sound", json!("x".repeat(65))),
        ("alert_title", json!("x".repeat(1_025))),
    ] {
        let body = json!({ field: value, "push_enabled": false });
        let refused = server.call(Method::PATCH, &path, Some(body)).await;
        refused.refused(422, "invalid_field", Some(field));
    }
    let body = Some(json!({ "climb_afer": 60 }));
    let refused = server.call(Method::PATCH, &path, body).await;
    refused.refused(400, "malformed_json", Some("climb_afer"));
    // A change that was refused changed nothing, not even its good fields.
    assert_eq!(server.call(Method::GET, &path, None).await.is(200), before);
    server.stop().await;
}

#[tokio::test]
async fn changes_of_settings_at_once_do_not_undo_each_other() {
    let server = Server::start().await;
    let path = format!("/v1/apps/{}/settings", server.app.0);
    let changes = [
        json!({ "climb_after": 61 }),
        json!({ "ring_time": 62 }),
        json!({ "default_ttl": 63 }),
        json!({ "sound": "64" }),
        json!({ "alert_title": "65" }),
        json!({ "alert_body": "66" }),
        json!({ "repeat_after": [67] }),
        json!({ "collapse_notifications": true }),
    ];
    let all = changes.iter().map(|change| server.call(Method::PATCH, &path, Some(change.clone())));
    for answer in futures_util::future::join_all(all).await {
        answer.is(200);
    }
    let settings = server.call(Method::GET, &path, None).await.is(200);
    for change in changes {
        let (field, value) = change.as_object().unwrap().iter().next().unwrap();
        assert_eq!(&settings[field], value, "{field}");
    }
    server.stop().await;
}
