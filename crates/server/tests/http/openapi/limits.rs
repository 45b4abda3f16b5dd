//! The limits in the schemas are the server's: what breaks one is refused, by the field's name, and
//! a number that just keeps it is not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use sim::pki::ApnsKey;

use super::description;
use crate::http::rig::Server;

/// Numbers that just keep the limits of a field.
fn within(schema: &Value) -> Vec<Value> {
    let limits = ["minimum", "maximum"].map(|keyword| schema[keyword].clone());
    let limits = limits.into_iter().filter(|limit| !limit.is_null());
    limits.filter(|_| schema["maximum"].is_number()).collect()
}

/// Values of a field that break its limits, each beside the limit.
fn beyond(schema: &Value) -> Vec<(&'static str, Value)> {
    let limit = |keyword: &str| schema[keyword].as_u64();
    let text = |length: u64| json!("x".repeat(usize::try_from(length).expect("it fits")));
    let item = |at: u64| match schema["items"]["type"] == "integer" {
        true => json!(at + 1),
        false => json!(format!("x{at}")),
    };
    let items = |length: u64| (0..length).map(item).collect::<Value>();
    let less = |least: u64| least.checked_sub(1);
    let found = [
        ("minimum", limit("minimum").and_then(less).map(|it| json!(it))),
        ("maximum", limit("maximum").map(|most| json!(most + 1))),
        ("minLength", limit("minLength").and_then(less).map(text)),
        ("maxLength", limit("maxLength").map(|most| text(most + 1))),
        ("minItems", limit("minItems").and_then(less).map(items)),
        ("maxItems", limit("maxItems").map(|most| items(most + 1))),
    ];
    found.into_iter().filter_map(|(keyword, value)| Some((keyword, value?))).collect()
}

#[tokio::test]
async fn the_limits_are_those_of_the_server() {
    let server = Server::start().await;
    server.device("alice", "phone").await;
    let document = description(&server).await;
    let of_app = |rest: &str| format!("/v1/apps/{}/{rest}", server.app.0);
    let token_key = json!({
        "name": "key", "algorithm": "HS256", "audience": "chat", "secret": "x".repeat(32),
    });
    let apple = json!({
        "kind": "apns_key",
        "file": STANDARD.encode(ApnsKey::generate().expect("a key").pem()),
        "key_id": "ABC123DEFG",
        "team_id": "DEF456GHIJ",
        "bundle_ids": ["com.example.app"],
    });
    let push = json!({ "to": { "all": true }, "title": "Hi" });
    let target = "/v1/users/alice/devices/phone/targets/fcm".to_owned();
    let (mut tried, mut taken) = (0, Vec::new());
    for (method, path, shape, good) in [
        (Method::POST, "/v1/apps".to_owned(), "AppCreate", json!({ "name": "a" })),
        (Method::POST, of_app("keys"), "KeyCreate", json!({ "name": "a" })),
        (Method::PATCH, of_app("settings"), "SettingsRequest", json!({})),
        (Method::POST, of_app("credentials"), "CredentialUpload", apple),
        (Method::POST, of_app("token-keys"), "TokenKeyCreate", token_key),
        (Method::POST, of_app("webhooks"), "WebhookCreate", json!({ "url": "https://a.invalid" })),
        (Method::POST, "/v1/users/alice/tokens".to_owned(), "UserTokenCreate", json!({})),
        (Method::PUT, target, "TargetPut", json!({ "token": "a:b" })),
        (
            Method::POST,
            "/v1/messages".to_owned(),
            "MessageCreate",
            json!({ "to": ["alice"], "body": 1 }),
        ),
        (Method::POST, "/v1/pushes".to_owned(), "PushCreate", push),
        (
            Method::POST,
            "/v1/topics/news/devices".to_owned(),
            "TopicChange",
            json!({ "devices": ["phone"] }),
        ),
    ] {
        let key = if path == "/v1/apps" { &server.admin } else { &server.app.1 };
        let fields = document["components"]["schemas"][shape]["properties"].as_object();
        for (name, schema) in fields.expect("fields") {
            for value in within(schema) {
                let mut body = good.clone();
                body[name] = value;
                let answer = server.ask(method.clone(), &path, key, Some(body)).await;
                assert!(answer.status < 300, "{shape}.{name} at its limit: {}", answer.body);
            }
            for (keyword, value) in beyond(schema) {
                let mut body = good.clone();
                body[name] = value;
                let answer = server.ask(method.clone(), &path, key, Some(body)).await;
                let said = |of: &str| answer.body[of].as_str().unwrap_or_default();
                // What is wrong with a credential is said of its file, the field in the detail.
                let named = said("field").starts_with(name.as_str())
                    || said("code") == "credential_refused" && said("detail").contains(&**name);
                if answer.status < 400 || !named {
                    taken.push(format!("{shape}.{name} beyond its {keyword}: {}", answer.body));
                }
                tried += 1;
            }
        }
    }
    assert_eq!(taken, Vec::<String>::new());
    assert!(tried > 60, "{tried} limits were found");
    server.stop().await;
}
