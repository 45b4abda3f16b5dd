//! FCM's message as JSON, read strictly: what was generated, with the override merged into it.
//!
//! Every field of Google's `Message` but the target, in the spelling of its reference. The limits
//! are the provider's, which checks what is read here.
//! <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages>

mod android;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Platform;
use providers::{PushToken, fcm};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::wake::Readers;

use android::Android;

/// `Message`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    #[serde(default)]
    data: BTreeMap<String, String>,
    notification: Option<Notification>,
    #[serde(default)]
    android: Android,
    #[serde(default)]
    apns: Apns,
    webpush: Option<Webpush>,
    #[serde(default)]
    fcm_options: FcmOptions,
}

/// `Notification`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notification {
    title: Option<String>,
    body: Option<String>,
    image: Option<String>,
}

/// `FcmOptions`, `AndroidFcmOptions`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FcmOptions {
    analytics_label: Option<String>,
}

/// `ApnsConfig`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Apns {
    #[serde(default)]
    headers: BTreeMap<String, String>,
    payload: Option<Map<String, Value>>,
    live_activity_token: Option<String>,
    #[serde(default)]
    fcm_options: ApnsOptions,
}

/// `ApnsFcmOptions`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApnsOptions {
    analytics_label: Option<String>,
    image: Option<String>,
}

/// `WebpushConfig`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webpush {
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    data: BTreeMap<String, String>,
    notification: Option<Map<String, Value>>,
    #[serde(default)]
    fcm_options: WebpushOptions,
}

/// `WebpushFcmOptions`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebpushOptions {
    link: Option<String>,
    analytics_label: Option<String>,
}

/// `google.protobuf.Duration`: seconds with an `s`, as Google's JSON has them.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Seconds(Duration);

impl Message {
    /// What a device of this platform gets, in the provider's words; `None`: the target may be
    /// anything's.
    pub(super) fn into_content(self, platform: Option<Platform>) -> fcm::Content {
        let Self { data, notification, android, apns, webpush, fcm_options } = self;
        let readers = Readers::of(platform);
        let has_browser = match platform {
            None | Some(Platform::Other | Platform::Web) => true,
            Some(Platform::Android | Platform::Ios) => false,
        };
        let android = if readers.has_android() { android.into_part() } else { Default::default() };
        fcm::Content {
            data,
            notification: notification.map(|Notification { title, body, image }| {
                fcm::Notification { title, body, image }
            }),
            android,
            apns: readers.has_apple().then(|| apns.into_part()),
            webpush: webpush.filter(|_| has_browser).map(Webpush::into_part),
            fcm_options: fcm_options.into_options(),
            validate_only: false,
        }
    }
}

impl FcmOptions {
    fn into_options(self) -> fcm::FcmOptions {
        let Self { analytics_label } = self;
        fcm::FcmOptions { analytics_label }
    }
}

impl Apns {
    fn into_part(self) -> fcm::Apns {
        let Self { headers, payload, live_activity_token, fcm_options } = self;
        let ApnsOptions { analytics_label, image } = fcm_options;
        fcm::Apns {
            headers,
            payload,
            live_activity_token: live_activity_token.map(PushToken::new),
            fcm_options: fcm::ApnsOptions { analytics_label, image },
        }
    }
}

impl Webpush {
    fn into_part(self) -> fcm::Webpush {
        let Self { headers, data, notification, fcm_options } = self;
        let WebpushOptions { link, analytics_label } = fcm_options;
        let fcm_options = fcm::WebpushOptions { link, analytics_label };
        fcm::Webpush { headers, data, notification, fcm_options }
    }
}

impl TryFrom<String> for Seconds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        read_seconds(&text).map(Self).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            format!("{shown:?} is given; give seconds such as \"3600s\" or \"0.5s\"")
        })
    }
}

/// Digits, at most nine decimals, an `s`.
fn read_seconds(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 9 {
        return None;
    }
    Some(Duration::new(whole.parse().ok()?, format!("{decimals:0<9}").parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_as_google_writes_them() {
        let good = |text: &str, nanos: u64| {
            assert_eq!(read_seconds(text), Some(Duration::from_nanos(nanos)), "{text}");
        };
        good("0s", 0);
        good("3600s", 3_600_000_000_000);
        good("3.5s", 3_500_000_000);
        good("0.000000001s", 1);
        for bad in [
            "",
            "s",
            "60",
            "60 s",
            "-1s",
            "+1s",
            ".5s",
            "1.s",
            "1.-5s",
            "1.0000000001s",
            "1e3s",
            "18446744073709551616s",
            "1m",
        ] {
            assert_eq!(read_seconds(bad), None, "{bad}");
        }
    }
}
