//! A push as the phone's system hands it to a push handler.

use std::collections::BTreeMap;

use serde_json::Value;
use wire::push::Payload;

use super::options::Platform;
use crate::device::{Delivery, Priority, PushType};

/// Text of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alert {
    pub(crate) title: String,
    pub(crate) body: String,
    /// Whether the notification extension may run first.
    pub(crate) mutable: bool,
}

/// One push that reached the phone.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) push_type: PushType,
    pub(crate) priority: Priority,
    /// As it was sent.
    pub(crate) original_priority: Priority,
    pub(crate) collapse_id: Option<String>,
    /// The notification that the system shows, if the push carries one.
    pub(crate) alert: Option<Alert>,
    /// What Reveille says in it; `None` for a push that is not ours.
    pub(crate) payload: Option<Payload>,
}

impl Push {
    /// Reads what a push service delivered.
    pub(crate) fn read(platform: Platform, delivery: &Delivery) -> Self {
        let (alert, payload) = match platform {
            Platform::Ios => {
                let aps = &delivery.payload["aps"];
                let mutable = aps["mutable-content"] == 1;
                (alert(&aps["alert"], mutable), beside_aps(&delivery.payload))
            }
            Platform::Android => {
                let data: BTreeMap<String, String> =
                    serde_json::from_value(delivery.payload["data"].clone()).unwrap_or_default();
                (android_alert(&delivery.payload), Payload::from_fcm_data(&data))
            }
            Platform::Web => {
                let payload = serde_json::from_value(delivery.payload["reveille"].clone()).ok();
                (alert(&delivery.payload["notification"], false), payload)
            }
        };
        Self {
            push_type: delivery.push_type,
            priority: delivery.priority,
            original_priority: delivery.original_priority,
            collapse_id: delivery.collapse_id.clone(),
            alert,
            payload,
        }
    }

    /// Whether it tells of a call that rings, or rang.
    pub(crate) fn is_about_a_call(&self) -> bool {
        self.payload.as_ref().is_some_and(|payload| payload.call.is_some())
    }

    /// FCM's word for the priority, as `getPriority()` gives it, and as `getOriginalPriority()`
    /// does; Apple and browsers tell the app nothing.
    pub(crate) fn priority_words(&self) -> Option<[String; 2]> {
        let word = |priority| if priority == Priority::High { "high" } else { "normal" }.to_owned();
        match self.push_type {
            PushType::Data | PushType::DeletedMessages | PushType::Notification => {
                Some([word(self.priority), word(self.original_priority)])
            }
            _ => None,
        }
    }
}

/// What Reveille says on an iPhone: an object, or by FCM the data's flat fields.
fn beside_aps(payload: &Value) -> Option<Payload> {
    if let Some(object) = payload.get("reveille") {
        return serde_json::from_value(object.clone()).ok();
    }
    let fields = payload.as_object()?.iter();
    let texts = fields.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    Payload::from_fcm_data(&texts.collect())
}

/// An alert is a string or an object. One without text shows nothing.
fn alert(value: &Value, mutable: bool) -> Option<Alert> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (title, body) = match value {
        Value::String(body) => (String::new(), body.clone()),
        Value::Object(_) => (text(&value["title"]), text(&value["body"])),
        _ => return None,
    };
    (!(title.is_empty() && body.is_empty())).then_some(Alert { title, body, mutable })
}

/// What an Android phone shows of an FCM message: each text from the part for Android, else from
/// the part for all.
fn android_alert(message: &Value) -> Option<Alert> {
    let (android, all) = (&message["android"]["notification"], &message["notification"]);
    let text = |field: &str| {
        let text = android[field].as_str().or_else(|| all[field].as_str());
        text.unwrap_or_default().to_owned()
    };
    let (title, body) = (text("title"), text("body"));
    (!(title.is_empty() && body.is_empty())).then_some(Alert { title, body, mutable: false })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::device::{Expiration, Service};

    fn read(platform: Platform, payload: Value) -> Push {
        Push::read(
            platform,
            &Delivery {
                service: Service::Fcm,
                token: String::new(),
                id: String::new(),
                push_type: PushType::Alert,
                priority: Priority::High,
                original_priority: Priority::High,
                topic: String::new(),
                collapse_id: None,
                expiration: Expiration::Vendor,
                payload,
                at: jiff::Timestamp::UNIX_EPOCH,
            },
        )
    }

    #[test]
    fn a_push_of_somebody_else_is_not_ours() {
        assert!(read(Platform::Ios, json!({"aps": {}})).payload.is_none());
        assert!(read(Platform::Ios, json!({"aps": {}, "a": "b"})).payload.is_none());
        assert!(read(Platform::Android, json!({"data": {"a": "b"}})).payload.is_none());
    }

    #[test]
    fn an_iphone_reads_the_object_and_the_flat_fields() {
        let object = json!({
            "v": 1, "kind": "message", "wake": "wak_1",
            "sent_at": "2026-01-01T00:00:00Z", "expires_at": "2026-02-01T00:00:00Z",
        });
        let payload: Payload = serde_json::from_value(object.clone()).unwrap();
        let mut flat = json!(payload.to_fcm_data());
        flat["aps"] = json!({});
        for said in [json!({"aps": {}, "reveille": object}), flat] {
            assert_eq!(read(Platform::Ios, said).payload.as_ref(), Some(&payload));
        }
    }

    #[test]
    fn an_android_phone_shows_the_texts_for_android() {
        let check = |message: Value, expect: Option<(&str, &str)>| {
            let found =
                read(Platform::Android, message).alert.map(|alert| (alert.title, alert.body));
            assert_eq!(found, expect.map(|(title, body)| (title.to_owned(), body.to_owned())));
        };
        let all = json!({"title": "for all", "body": "too"});
        check(json!({"data": {}}), None);
        check(json!({"android": {"notification": {"tag": "t"}}}), None);
        check(json!({"notification": all}), Some(("for all", "too")));
        let android = json!({"notification": {"title": "Android"}});
        check(json!({"android": android}), Some(("Android", "")));
        check(json!({"android": android, "notification": all}), Some(("Android", "too")));
    }

    #[test]
    fn an_alert_without_text_shows_nothing() {
        let check = |alert: Value, expect: Option<(&str, &str)>| {
            let push = read(Platform::Ios, json!({"aps": {"alert": alert}}));
            let found = push.alert.map(|alert| (alert.title, alert.body));
            assert_eq!(found, expect.map(|(title, body)| (title.to_owned(), body.to_owned())));
        };
        check(json!(null), None);
        check(json!({}), None);
        check(json!(""), None);
        check(json!("hello"), Some(("", "hello")));
        check(json!({"title": "Bob", "body": "hello"}), Some(("Bob", "hello")));
    }
}
