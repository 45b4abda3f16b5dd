//! The part of a message that is for Apple devices, which FCM hands on to APNs.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::token::PushToken;

/// What FCM hands on to APNs (`ApnsConfig`).
///
/// FCM signs with the APNs key that was uploaded to Firebase and fills in the topic. A message that
/// shows nothing must go out with `apns-priority` 5.
#[derive(Clone, Debug, Default)]
pub struct Apns {
    /// APNs headers by their lower-case names: `apns-priority`, `apns-push-type`,
    /// `apns-expiration`, `apns-collapse-id`.
    pub headers: BTreeMap<String, String>,
    /// The payload: an object `aps` and the app's own keys beside it. FCM merges the message's
    /// data and notification into it.
    pub payload: Option<Map<String, Value>>,
    /// The token of one Live Activity on the device.
    pub live_activity_token: Option<PushToken>,
    /// How it is counted, and its picture.
    pub fcm_options: ApnsOptions,
}

/// How a message to an Apple device is counted, and its picture (`ApnsFcmOptions`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApnsOptions {
    /// Messages with the same label are counted together in the Firebase console.
    pub analytics_label: Option<String>,
    /// The URL of a picture that the app's notification service extension fetches.
    pub image: Option<String>,
}

impl Apns {
    /// A header, if it is given.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The `aps` object, if there is one.
    pub(super) fn aps(&self) -> Option<&Map<String, Value>> {
        self.payload.as_ref()?.get("aps")?.as_object()
    }

    /// Whether the device shows, plays or marks something by the payload alone.
    pub(super) fn is_visible(&self) -> bool {
        let shows = |aps: &Map<String, Value>| {
            ["alert", "sound", "badge"].iter().any(|key| aps.contains_key(*key))
        };
        self.aps().is_some_and(shows)
    }
}
