//! What FCM is asked to deliver, in Google's words.
//!
//! <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages>
//!
//! ```text
//!   Message ─┬─ Target    one device, a topic, a condition
//!            └─ Content   the same for everybody: data, notification,
//!                         Android, Apns, Webpush
//! ```
//!
//! The types hold what an app may say; `check` holds Google's rules, `wire` the names on the wire.

mod android;
mod apns;
pub(super) mod check;
mod condition;
mod target;
mod webpush;
mod wire;

use std::collections::BTreeMap;

pub use android::{
    Android, AndroidNotification, Color, LightSettings, NotificationPriority, Priority, Proxy,
    Visibility,
};
pub use apns::{Apns, ApnsOptions};
pub use target::Target;
pub use webpush::{Webpush, WebpushOptions};

use crate::token::PushToken;

/// A push by FCM.
#[derive(Clone, Debug)]
pub struct Message {
    /// Whom it goes to.
    pub target: Target,
    /// What it says.
    pub content: Content,
}

/// What a message says, whoever it goes to.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// What the app's handler gets: texts only.
    pub data: BTreeMap<String, String>,
    /// What the system shows on every platform, unless the platform's own part says otherwise.
    pub notification: Option<Notification>,
    /// For Android phones.
    pub android: Android,
    /// For Apple devices, which FCM reaches through APNs.
    pub apns: Option<Apns>,
    /// For browsers, which FCM reaches through Web Push.
    pub webpush: Option<Webpush>,
    /// How it is counted.
    pub fcm_options: FcmOptions,
    /// FCM checks the message and delivers it to nobody.
    pub validate_only: bool,
}

/// What the system shows on every platform (`Notification`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// The first line.
    pub title: Option<String>,
    /// The text.
    pub body: Option<String>,
    /// The URL of a picture that the device fetches itself.
    pub image: Option<String>,
}

/// How a message is counted (`FcmOptions`, `AndroidFcmOptions`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FcmOptions {
    /// Messages with the same label are counted together in the Firebase console.
    pub analytics_label: Option<String>,
}

impl Content {
    /// The content without the token that is in it, for records.
    pub(super) fn masked(&self) -> Option<Self> {
        let token = self.apns.as_ref()?.live_activity_token.as_ref()?;
        let mask = PushToken::new(token.hash().to_string());
        let mut masked = self.clone();
        masked.apns.as_mut()?.live_activity_token = Some(mask);
        Some(masked)
    }
}
