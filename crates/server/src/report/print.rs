//! Prints a push in the server's log, for an app whose settings ask for it.
//!
//! Headers and field names as they are, tokens as their hash (the record has no other), texts as
//! their length unless the app asks for them too.

use serde_json::Value;
use store::model::Settings;

/// How a text that stands for a token begins, in records.
const HASH: &str = "sha256:";

/// Prints what was sent and what came back.
pub fn push(app: domain::AppId, settings: &Settings, detail: &Value) {
    if !settings.print_push_logs {
        return;
    }
    let shown = |part: &str| shown(&detail[part], settings.log_payloads);
    tracing::info!(
        app.id = %app,
        request = %shown("request"),
        answer = %shown("answer"),
        "push"
    );
}

/// A request or an answer of a record, with its body as text or masked.
fn shown(part: &Value, payloads: bool) -> Value {
    let mut part = part.clone();
    if payloads || part.is_null() {
        return part;
    }
    if let Some(body) = part.get_mut("body") {
        *body = masked_body(body.as_str().unwrap_or_default());
    }
    part
}

/// A body with every text in it as its length; one that is no JSON as its own.
fn masked_body(body: &str) -> Value {
    match serde_json::from_str(body) {
        Ok(json) => masked(json),
        Err(_) => length(body).into(),
    }
}

fn masked(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with(HASH) => Value::String(text),
        Value::String(text) => length(&text).into(),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, masked(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn length(text: &str) -> String {
    format!("<{} bytes>", text.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_shown_as_their_length_and_names_as_they_are() {
        let request = json!({
            "host": "api.push.apple.com",
            "path": "/3/device/sha256:ba7816bf8f01",
            "headers": { "apns-topic": "com.example.app" },
            "body": json!({ "aps": { "alert": { "title": "Bob", "body": "Noon?" } }, "n": 1,
                "token": "sha256:ba7816bf8f01" }).to_string(),
        });
        assert_eq!(
            shown(&request, false)["body"],
            json!({ "aps": { "alert": { "title": "<3 bytes>", "body": "<5 bytes>" } }, "n": 1,
                "token": "sha256:ba7816bf8f01" })
        );
        assert_eq!(shown(&request, false)["headers"], request["headers"]);
        assert_eq!(shown(&request, true), request);
        assert_eq!(shown(&json!({ "body": "<html>" }), false)["body"], "<6 bytes>");
        assert_eq!(shown(&Value::Null, false), Value::Null);
    }
}
