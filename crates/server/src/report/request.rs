//! A request to a push service as the push log keeps it: its shape, and no texts.
//!
//! What a message or a push says to its reader is nobody else's business, so each text is kept as
//! its length; what tells a push from another one stays: kinds, ids, times, tokens as hashes.

use providers::RequestRecord;
use serde_json::{Value, json};

/// A request with the texts in its body masked.
pub(super) fn masked(request: &RequestRecord) -> Value {
    let mut masked = json!(request);
    masked["body"] = masked_body(&request.body);
    masked
}

/// A request's body with each text in it masked; one that is no JSON as its length.
fn masked_body(body: &[u8]) -> Value {
    masked_by(body, &is_kept)
}

/// An answer's body, with the words of the push service in it and each other text as its length.
pub(super) fn answer_body(body: &[u8]) -> Value {
    masked_by(body, &|path| {
        let key = path.iter().rev().map(|key| key.as_str()).next().unwrap_or_default();
        ANSWERS.contains(&key)
    })
}

/// What of an answer is a word of the push service's: Apple's and Google's reasons, the fields that
/// Google names, Mozilla's word for the status, the push's name.
const ANSWERS: [&str; 7] = ["@type", "error", "errorCode", "field", "name", "reason", "status"];

/// The longest word of a push service's.
const LONGEST_WORD: usize = 200;

fn masked_by(body: &[u8], is_kept: &dyn Fn(&[String]) -> bool) -> Value {
    match serde_json::from_slice(body) {
        Ok(mut value) => {
            mask(&mut value, &mut Vec::new(), is_kept);
            value
        }
        Err(_) => length(body.len()),
    }
}

/// Masks the texts inside of a value; `path` is where it is.
fn mask(value: &mut Value, path: &mut Vec<String>, is_kept: &dyn Fn(&[String]) -> bool) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                path.push(key.clone());
                mask(value, path, is_kept);
                path.pop();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, path, is_kept)),
        Value::String(text) if !is_kept(path) || text.len() > LONGEST_WORD => {
            *value = length(text.len())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn length(bytes: usize) -> Value {
    format!("({bytes} bytes)").into()
}

/// Whether a text is one of ours, or a word of the push service's.
fn is_kept(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        ["reveille", "kind" | "wake" | "push" | "sent_at" | "expires_at"]
        | ["reveille", "call", "id" | "media"]
        | ["aps", "category" | "interruption-level" | "sound"]
        | ["message", "apns", "headers", _]
        | ["message", "apns", "payload", "aps", "category" | "interruption-level" | "sound"]
        | ["message", "fid" | "token"]
        | ["message", "android", "collapse_key" | "priority" | "ttl"]
        | ["message", "android", "notification", "channel_id" | "sound" | "tag"] => true,
        ["message", "data", key] => matches!(
            key,
            "reveille_call_id"
                | "reveille_call_media"
                | "reveille_count"
                | "reveille_expires_at"
                | "reveille_kind"
                | "reveille_push"
                | "reveille_sent_at"
                | "reveille_tag"
                | "reveille_v"
                | "reveille_wake"
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn masked(body: &Value) -> Value {
        let request = RequestRecord {
            host: Arc::from("push.example.com"),
            path: Arc::from("/3/device/"),
            path_token: None,
            headers: Vec::new(),
            body: body.to_string().into(),
        };
        super::masked(&request)["body"].clone()
    }

    #[test]
    fn texts_become_their_length_and_what_tells_pushes_apart_stays() {
        let apple = json!({
            "aps": { "alert": { "title": "Bob", "body": "Noon?" }, "badge": 2, "sound": "default" },
            "reveille": { "v": 1, "kind": "push", "push": "psh_1", "open": "https://e.com/1" },
            "order": { "kind": "a gift", "list": ["for", "Carol"] },
        });
        assert_eq!(
            masked(&apple),
            json!({
                "aps": {
                    "alert": { "title": "(3 bytes)", "body": "(5 bytes)" },
                    "badge": 2,
                    "sound": "default",
                },
                "reveille": { "v": 1, "kind": "push", "push": "psh_1", "open": "(15 bytes)" },
                "order": { "kind": "(6 bytes)", "list": ["(3 bytes)", "(5 bytes)"] },
            })
        );
        let google = json!({ "message": {
            "token": "sha256:00",
            "data": { "reveille_v": "1", "reveille_open": "x", "order": "7" },
            "android": { "ttl": "60s", "notification": { "title": "Bob", "tag": "t" } },
            "apns": {
                "headers": { "apns-priority": "10" },
                "payload": { "aps": { "alert": "Bob", "sound": "default" }, "order": "7" },
                "fcm_options": { "image": "https://e.com/1" },
            },
        }});
        assert_eq!(
            masked(&google),
            json!({ "message": {
                "token": "sha256:00",
                "data": { "reveille_v": "1", "reveille_open": "(1 bytes)", "order": "(1 bytes)" },
                "android": { "ttl": "60s", "notification": { "title": "(3 bytes)", "tag": "t" } },
                "apns": {
                    "headers": { "apns-priority": "10" },
                    "payload": {
                        "aps": { "alert": "(3 bytes)", "sound": "default" },
                        "order": "(1 bytes)",
                    },
                    "fcm_options": { "image": "(15 bytes)" },
                },
            }})
        );
    }

    #[test]
    fn of_an_answer_the_push_services_words_stay() {
        let google = json!({ "error": {
            "code": 400,
            "message": "The registration token is not a valid FCM registration token",
            "status": "INVALID_ARGUMENT",
            "details": [
                { "@type": "type.googleapis.com/google.rpc.BadRequest",
                  "fieldViolations": [{ "field": "message.token", "description": "bad" }] },
                { "errorCode": "INVALID_ARGUMENT" },
            ],
        }});
        let mut expected = google.clone();
        expected["error"]["message"] = "(60 bytes)".into();
        expected["error"]["details"][0]["fieldViolations"][0]["description"] = "(3 bytes)".into();
        assert_eq!(answer_body(google.to_string().as_bytes()), expected);
        let apple = json!({ "reason": "BadDeviceToken", "timestamp": 1 });
        assert_eq!(answer_body(apple.to_string().as_bytes()), apple);
        let long = json!({ "reason": "x".repeat(201) });
        assert_eq!(answer_body(long.to_string().as_bytes()), json!({ "reason": "(201 bytes)" }));
        assert_eq!(answer_body(b"<html>"), "(6 bytes)");
    }

    #[test]
    fn a_body_that_is_no_json_is_its_length() {
        let request = RequestRecord {
            host: Arc::from("push.example.com"),
            path: Arc::from("/"),
            path_token: None,
            headers: Vec::new(),
            body: "encrypted".into(),
        };
        assert_eq!(super::masked(&request)["body"], "(9 bytes)");
    }
}
