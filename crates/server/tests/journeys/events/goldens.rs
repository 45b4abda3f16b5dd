//! What a back end gets, event by event: a golden file of each type's body as the server really made
//! and sent it, with what differs between two runs replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use domain::EventType;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

/// Whether golden files are to be written instead of compared; for whoever runs the tests.
const UPDATE: bool = option_env!("UPDATE_GOLDEN").is_some();

/// Which of a type's events is the one.
type Fits = fn(&Value) -> bool;

/// The files, each with the first event that it is to be.
const FILES: [(&str, EventType, Fits); 17] = [
    ("events/call.missed.json", EventType::CallMissed, |_| true),
    ("events/credential.expiring.json", EventType::CredentialExpiring, |_| true),
    ("events/credential.failed.json", EventType::CredentialFailed, |data| data["code"] == 904),
    ("events/credential.recovered.json", EventType::CredentialRecovered, |_| true),
    ("events/device.removed.json", EventType::DeviceRemoved, |_| true),
    ("events/device.target_moved.json", EventType::TargetMoved, |_| true),
    ("events/device.token_dropped.json", EventType::TokenDropped, |_| true),
    ("events/device.woken.json", EventType::DeviceWoken, of_alice),
    ("events/message.offline.json", EventType::MessageOffline, of_alice),
    ("events/push.failed.push.json", EventType::PushFailed, |data| data["push"].is_string()),
    ("events/push.failed.wake.json", EventType::PushFailed, |data| data["user"] == "carol"),
    ("events/push.sent.push.json", EventType::PushSent, |data| data["push"].is_string()),
    ("events/push.sent.wake.json", EventType::PushSent, |data| {
        of_alice(data) && data["wake"].is_string()
    }),
    ("events/user.connected.json", EventType::UserConnected, of_alice),
    ("events/user.disconnected.json", EventType::UserDisconnected, of_alice),
    ("events/wake.exhausted.json", EventType::WakeExhausted, |data| data["user"] == "dave"),
    ("events/webhook.test.json", EventType::WebhookTest, |_| true),
];

fn of_alice(data: &Value) -> bool {
    data["user"] == "alice"
}

/// Compares the bodies of events, in the order of their numbers, with the files. `names` are the ids
/// of devices, each with what stands for it.
pub(super) fn check(bodies: &[Value], names: &BTreeMap<String, String>) {
    let types: BTreeSet<_> = FILES.iter().map(|(_, kind, _)| kind.as_str()).collect();
    let all: BTreeSet<_> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(types, all, "every type has a file");
    for (name, kind, fits) in FILES {
        let body = bodies.iter().find(|body| body["type"] == kind.as_str() && fits(&body["data"]));
        let mut body = body.unwrap_or_else(|| panic!("no event for {name}")).clone();
        // They count what else has happened, which is a matter of luck.
        for count in ["number", "sequence"] {
            if body[count].is_number() {
                body[count] = json!(1);
            }
        }
        let text = format!("{:#}\n", replaced(&body, names));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(name);
        if UPDATE {
            std::fs::write(&path, &text).expect("the golden file can be written");
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, golden, "{name}; UPDATE_GOLDEN=1 writes it anew");
    }
}

/// The same with ids, times, ports and hashes replaced.
fn replaced(value: &Value, names: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => json!(replaced_text(text, names)),
        Value::Array(items) => items.iter().map(|item| replaced(item, names)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| match name.as_str() {
                "apns-collapse-id" => (name.clone(), json!("(hash)")),
                _ => (name.clone(), replaced(field, names)),
            });
            Value::Object(fields.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn replaced_text(text: &str, names: &BTreeMap<String, String>) -> String {
    if let Some(name) = names.get(text) {
        return name.clone();
    }
    if let Ok(json) = serde_json::from_str::<Value>(text)
        && (json.is_object() || json.is_array())
    {
        return replaced(&json, names).to_string();
    }
    if text.parse::<Timestamp>().is_ok() {
        return "(time)".to_owned();
    }
    if text.parse::<Uuid>().is_ok() {
        return "(uuid)".to_owned();
    }
    // Seconds since 1970, as Apple takes them.
    if text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return "(seconds)".to_owned();
    }
    for prefix in ["evt_", "msg_", "wak_", "att_", "psh_", "sha256:", "127.0.0.1:"] {
        if let Some((before, _)) = text.split_once(prefix) {
            return format!("{before}{prefix}(…)");
        }
    }
    text.to_owned()
}
