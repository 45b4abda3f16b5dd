//! What an iPhone is told, whether APNs carries it or FCM, which hands it on to APNs.

use std::collections::BTreeMap;

use domain::wake::Rung;
use domain::{Platform, TargetKind, Time};
use providers::{apns, fcm};
use serde_json::{Map, Value, json};
use store::model::{Claimed, Settings};

use super::{INCOMING_CALL, collapse_id, content, hashed, sound};
use crate::ids::Ids;

/// What Apple is told of a push.
pub(super) struct ForApple {
    /// What it is.
    pub(super) push_type: apns::PushType,
    /// How urgent it is.
    pub(super) priority: apns::Priority,
    /// What it replaces and is replaced by.
    pub(super) collapse_id: Option<String>,
    /// What the system shows or does.
    pub(super) aps: Value,
}

impl ForApple {
    /// The push of a rung.
    pub(super) fn of(ids: &Ids, claimed: &Claimed, settings: &Settings) -> Self {
        let (push_type, priority, collapse_id, aps) = match claimed.plan.rung {
            Rung::Ring if claimed.target.kind == TargetKind::ApnsVoip => {
                (apns::PushType::Voip, apns::Priority::Immediate, None, json!({}))
            }
            Rung::Ring => {
                let caller = claimed.call.as_ref().map_or("", |call| call.caller_name.as_str());
                (apns::PushType::Alert, apns::Priority::Immediate, None, call_alert(caller))
            }
            Rung::Background => {
                let aps = json!({ "content-available": 1 });
                (apns::PushType::Background, apns::Priority::Considerate, None, aps)
            }
            Rung::Alert | Rung::Repeat(_) => {
                let collapse_id = collapse_id(ids, claimed, settings);
                let aps = alert(ids, claimed, settings);
                (apns::PushType::Alert, apns::Priority::Immediate, Some(collapse_id), aps)
            }
        };
        Self { push_type, priority, collapse_id, aps }
    }

    /// The same as the part of an FCM message. The `reveille` fields are in the message's data,
    /// which FCM puts beside `aps`.
    pub(super) fn by_fcm(self, expires_at: Time) -> fcm::Apns {
        let Self { push_type, priority, collapse_id, aps } = self;
        let mut headers = BTreeMap::from([
            ("apns-push-type".to_owned(), push_type.as_str().to_owned()),
            ("apns-priority".to_owned(), priority.as_str().to_owned()),
            // 0 would be Apple's word for a single attempt.
            ("apns-expiration".to_owned(), expires_at.as_seconds().max(1).to_string()),
        ]);
        headers.extend(collapse_id.map(|id| ("apns-collapse-id".to_owned(), id)));
        fcm::Apns {
            headers,
            payload: Some(Map::from_iter([("aps".to_owned(), aps)])),
            ..fcm::Apns::default()
        }
    }
}

/// The `aps` of a call for an iPhone whose app has no PushKit token.
pub fn call_alert(caller: &str) -> Value {
    json!({
        "alert": { "title": caller, "body": INCOMING_CALL },
        "sound": "default",
        "interruption-level": "time-sensitive",
        "mutable-content": 1,
    })
}

/// The `aps` of messages that wait.
fn alert(ids: &Ids, claimed: &Claimed, settings: &Settings) -> Value {
    let content = content(claimed, settings);
    let mut aps = json!({
        "alert": { "title": content.title, "body": content.body },
        "mutable-content": 1,
    });
    if let Some(thread) = claimed.newest.as_ref().and_then(|newest| newest.thread.as_deref()) {
        aps["thread-id"] = hashed(ids, "thread", claimed, thread).into();
    }
    if let Some(badge) = content.badge {
        aps["badge"] = badge.into();
    }
    if let Some(category) = &content.category {
        aps["category"] = category.as_str().into();
    }
    if let Some(sound) = sound(claimed, content.sound, settings) {
        aps["sound"] = sound.into();
    }
    if let Rung::Repeat(_) = claimed.plan.rung {
        aps["interruption-level"] = "passive".into();
    }
    aps
}

/// For which phones a message of FCM's has parts. Its data are for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Android phones; browsers, which read the data, have no part of their own.
    Android,
    /// iPhones.
    Apple,
    /// Whatever it is: a token that is no device's, a topic, a program that does not say.
    Both,
}

impl Readers {
    /// By what the device runs, where that is known.
    pub const fn of(platform: Option<Platform>) -> Self {
        match platform {
            Some(Platform::Android | Platform::Web) => Self::Android,
            Some(Platform::Ios) => Self::Apple,
            Some(Platform::Other) | None => Self::Both,
        }
    }

    /// Whether there is a part for Android phones.
    pub const fn has_android(self) -> bool {
        matches!(self, Self::Android | Self::Both)
    }

    /// Whether there is a part for iPhones.
    pub const fn has_apple(self) -> bool {
        matches!(self, Self::Apple | Self::Both)
    }
}
