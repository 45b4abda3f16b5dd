//! What the bodies look like: the golden files to which tests hold the crate `wire`.

use serde_json::{Map, Value, json};

/// What the name of a page of a list ends with.
pub(super) const PAGE: &str = "Page";

macro_rules! goldens {
    ($($name:literal: $file:literal,)+) => {
        /// The example of each schema, by its name.
        const EXAMPLES: &[(&str, &str)] = &[$((
            $name,
            include_str!(concat!("../../../../wire/goldens/http/", $file, ".json")),
        )),+];
    };
}

goldens! {
    "AckPost": "ack_post",
    "Acked": "acked",
    "Act": "act",
    "App": "app",
    "AppCreate": "app_create",
    "CallAnswerPost": "call_answer_post",
    "CallRejectPost": "call_reject_post",
    "CallShown": "call",
    "CallSignalPost": "call_signal_post",
    "Credential": "credential",
    "CredentialUpload": "credential_upload",
    "Device": "device",
    "Event": "event",
    "Examination": "examination",
    "Explanation": "explanation",
    "Health": "health",
    "InboxPage": "inbox_page",
    "Key": "key",
    "KeyCreate": "key_create",
    "MessageAccepted": "message_accepted",
    "MessageCreate": "message_create",
    "OwnTopic": "own_topic",
    "Problem": "problem",
    "Push": "push",
    "PushCreate": "push_create",
    "PushDelivery": "push_delivery",
    "Record": "record",
    "Settings": "settings",
    "SettingsRequest": "settings_change",
    "TargetPut": "target_put",
    "Timeline": "timeline",
    "TokenKey": "token_key",
    "TokenKeyCreate": "token_key_create",
    "Topic": "topic",
    "TopicChange": "topic_change",
    "TopicChanged": "topic_changed",
    "TopicDevice": "topic_device",
    "UserToken": "user_token",
    "UserTokenCreate": "user_token_create",
    "Webhook": "webhook",
    "WebhookChange": "webhook_change",
    "WebhookCreate": "webhook_create",
    "WebhookDelivery": "webhook_delivery",
    "WebhookReplay": "webhook_replay",
    "WebhookReplayed": "webhook_replayed",
    "WebhookRotate": "webhook_rotate",
}

/// The example of a schema, as one would write it.
pub(super) fn text(name: &str) -> Option<String> {
    if let Some((_, text)) = EXAMPLES.iter().find(|(of, _)| *of == name) {
        return Some(text.trim_end().to_owned());
    }
    let item = text(name.strip_suffix(PAGE)?)?;
    let item = item.replace('\n', "\n    ");
    Some(format!("{{\n  \"items\": [\n    {item}\n  ]\n}}"))
}

/// Adds to each schema its example.
pub(super) fn add(schemas: &mut Map<String, Value>) {
    for (name, schema) in schemas {
        let example = text(name).and_then(|text| serde_json::from_str::<Value>(&text).ok());
        if let (Some(example), Value::Object(schema)) = (example, schema) {
            schema.insert("examples".to_owned(), json!([example]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::description::document;

    #[test]
    fn every_example_is_json_and_of_a_schema() {
        let document = document();
        for (name, text) in EXAMPLES {
            let example: Value = serde_json::from_str(text).unwrap();
            let shown = &document["components"]["schemas"][name]["examples"][0];
            assert_eq!(*shown, example, "{name}");
        }
        let page = &document["components"]["schemas"]["KeyPage"]["examples"][0];
        assert_eq!(page["items"][0]["id"], "key_2", "{page}");
    }
}
