//! What arrives in the phone's push handler.
//!
//! Every push carries a `reveille` object; on FCM, whose data is a flat map of strings, the same
//! fields are keys with the prefix `reveille_`. A push without it is somebody else's.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::Media;

/// The version of the contract.
pub const VERSION: u32 = 1;

/// The `reveille` object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The version of the contract: 1.
    pub v: u32,
    /// What the push is about.
    pub kind: Kind,
    /// The wake it belongs to; to be named in `connect`. Left out of a direct push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<String>,
    /// The direct push, `psh_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<String>,
    /// Messages waiting, when the push is about messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// When the push was made.
    pub sent_at: jiff::Timestamp,
    /// When it is no longer of use.
    pub expires_at: jiff::Timestamp,
    /// Where a tap leads: a URL or a thread; of a direct push, or of the message that an alert is
    /// about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<String>,
    /// What a tap starts, in a word of the app's own; of a direct push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The URL of a picture to be shown; of a direct push, or of the message that an alert is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The call, when it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallPayload>,
}

/// What a push is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Messages wait.
    Message,
    /// A call rings.
    Call,
    /// A call that rang is over.
    CallEnded,
    /// A missed call waits.
    Missed,
    /// A direct push of the app's back end; with `call` it rings.
    Push,
    /// Somebody pressed "send a test push".
    Test,
}

impl Kind {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Call => "call",
            Self::CallEnded => "call_ended",
            Self::Missed => "missed",
            Self::Push => "push",
            Self::Test => "test",
        }
    }
}

/// The call a push is about. iOS must show it before the app can connect, so all it needs is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallPayload {
    /// The call's id.
    pub id: String,
    /// For the screen.
    pub caller_name: String,
    /// By which the phone can match a contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_handle: Option<String>,
    /// Audio or video.
    pub media: Media,
}

/// What a notification says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A sound's name, `default` or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// The number on the app's icon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<u32>,
    /// The `https` URL of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Which of the app's sets of actions it has (iOS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Where a tap leads: a URL or a thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<String>,
    /// For the app, beside the `reveille` object.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

impl Payload {
    /// The same fields as FCM's flat map of strings.
    pub fn to_fcm_data(&self) -> BTreeMap<String, String> {
        let mut data = BTreeMap::from([
            ("reveille_v".to_owned(), self.v.to_string()),
            ("reveille_kind".to_owned(), self.kind.as_str().to_owned()),
            ("reveille_sent_at".to_owned(), self.sent_at.to_string()),
            ("reveille_expires_at".to_owned(), self.expires_at.to_string()),
        ]);
        if let Some(count) = self.count {
            data.insert("reveille_count".to_owned(), count.to_string());
        }
        for (key, value) in [
            ("reveille_wake", &self.wake),
            ("reveille_push", &self.push),
            ("reveille_open", &self.open),
            ("reveille_action", &self.action),
            ("reveille_image", &self.image),
        ] {
            if let Some(value) = value {
                data.insert(key.to_owned(), value.clone());
            }
        }
        if let Some(call) = &self.call {
            data.insert("reveille_call_id".to_owned(), call.id.clone());
            data.insert("reveille_call_caller_name".to_owned(), call.caller_name.clone());
            data.insert("reveille_call_media".to_owned(), media_word(call.media).to_owned());
            if let Some(handle) = &call.caller_handle {
                data.insert("reveille_call_caller_handle".to_owned(), handle.clone());
            }
        }
        data
    }

    /// Reads FCM's flat map back, as a phone's push handler does. `None`: not a push of ours.
    pub fn from_fcm_data(data: &BTreeMap<String, String>) -> Option<Self> {
        let field = |name: &str| data.get(&format!("reveille_{name}"));
        let kind = serde_json::from_value(field("kind")?.clone().into()).ok()?;
        let call = match field("call_id") {
            None => None,
            Some(id) => Some(CallPayload {
                id: id.clone(),
                caller_name: field("call_caller_name")?.clone(),
                caller_handle: field("call_caller_handle").cloned(),
                media: serde_json::from_value(field("call_media")?.clone().into()).ok()?,
            }),
        };
        let (wake, push) = (field("wake").cloned(), field("push").cloned());
        if wake.is_none() && push.is_none() {
            return None;
        }
        Some(Self {
            v: field("v")?.parse().ok()?,
            kind,
            wake,
            push,
            count: match field("count") {
                None => None,
                Some(count) => Some(count.parse().ok()?),
            },
            sent_at: field("sent_at")?.parse().ok()?,
            expires_at: field("expires_at")?.parse().ok()?,
            open: field("open").cloned(),
            action: field("action").cloned(),
            image: field("image").cloned(),
            call,
        })
    }
}

fn media_word(media: Media) -> &'static str {
    match media {
        Media::Audio => "audio",
        Media::Video => "video",
    }
}
