//! The names on the wire: one table for each object of Google's reference.
//!
//! What is not given is left out, so that Google's defaults hold. Google takes names in two
//! spellings; ours are in snake_case, as its reference has them.

mod android;
mod fields;

use std::time::Duration;

use domain::Time;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Apns, ApnsOptions, Content, FcmOptions, Notification, Webpush, WebpushOptions};
use fields::Fields;

impl Serialize for Content {
    /// The fields of Google's `Message` but for the target, which `request` puts before them.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { data, notification, android, apns, webpush, fcm_options, validate_only: _ } =
            self;
        let mut message = Fields::start(serializer)?;
        message.map("data", data)?;
        message.some("notification", notification.as_ref())?;
        message.some("android", Some(android))?;
        message.some("apns", apns.as_ref())?;
        message.some("webpush", webpush.as_ref())?;
        message.some("fcm_options", fcm_options.if_given())?;
        message.end()
    }
}

impl Serialize for Notification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { title, body, image } = self;
        let mut notification = Fields::start(serializer)?;
        notification.some("title", title.as_ref())?;
        notification.some("body", body.as_ref())?;
        notification.some("image", image.as_ref())?;
        notification.end()
    }
}

impl FcmOptions {
    /// The options, unless all are left to Google.
    fn if_given(&self) -> Option<&Self> {
        (*self != Self::default()).then_some(self)
    }
}

impl Serialize for FcmOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { analytics_label } = self;
        let mut options = Fields::start(serializer)?;
        options.some("analytics_label", analytics_label.as_ref())?;
        options.end()
    }
}

impl Serialize for Apns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { headers, payload, live_activity_token, fcm_options } = self;
        let token = live_activity_token.as_ref().map(|token| token.expose());
        let options = (*fcm_options != ApnsOptions::default()).then_some(fcm_options);
        let mut apns = Fields::start(serializer)?;
        apns.map("headers", headers)?;
        apns.some("payload", payload.as_ref())?;
        apns.some("live_activity_token", token)?;
        apns.some("fcm_options", options)?;
        apns.end()
    }
}

impl Serialize for ApnsOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { analytics_label, image } = self;
        let mut options = Fields::start(serializer)?;
        options.some("analytics_label", analytics_label.as_ref())?;
        options.some("image", image.as_ref())?;
        options.end()
    }
}

impl Serialize for Webpush {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { headers, data, notification, fcm_options } = self;
        let options = (*fcm_options != WebpushOptions::default()).then_some(fcm_options);
        let mut webpush = Fields::start(serializer)?;
        webpush.map("headers", headers)?;
        webpush.map("data", data)?;
        webpush.some("notification", notification.as_ref())?;
        webpush.some("fcm_options", options)?;
        webpush.end()
    }
}

impl Serialize for WebpushOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { link, analytics_label } = self;
        let mut options = Fields::start(serializer)?;
        options.some("link", link.as_ref())?;
        options.some("analytics_label", analytics_label.as_ref())?;
        options.end()
    }
}

/// A duration in protobuf's JSON form: seconds, with decimals where they are needed, and an `s`.
/// <https://protobuf.dev/reference/protobuf/google.protobuf/#duration>
fn duration(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    if nanos == 0 {
        return format!("{seconds}s");
    }
    let decimals = format!("{nanos:09}");
    format!("{seconds}.{}s", decimals.trim_end_matches('0'))
}

/// An instant in protobuf's JSON form: RFC 3339 in UTC; `None` before the year 1, where protobuf
/// has no time.
pub(super) fn timestamp(time: Time) -> Option<String> {
    // 0001-01-01T00:00:00Z.
    const FIRST: i64 = -62_135_596_800;
    let timestamp = Timestamp::from_microsecond(time.as_micros()).ok()?;
    (time.as_seconds() >= FIRST).then(|| timestamp.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_as_many_decimals_as_they_need() {
        let check = |nanos, text: &str| assert_eq!(duration(Duration::from_nanos(nanos)), text);
        check(0, "0s");
        check(3_000_000_000, "3s");
        check(500_000_000, "0.5s");
        check(1_000_000_001, "1.000000001s");
        check(2_030_000_000, "2.03s");
    }

    #[test]
    fn times_are_in_utc_and_in_protobufs_years() {
        let check = |micros, text: Option<&str>| {
            assert_eq!(timestamp(Time::from_micros(micros)).as_deref(), text);
        };
        check(1_772_346_600_000_000, Some("2026-03-01T06:30:00Z"));
        check(1_772_346_600_000_001, Some("2026-03-01T06:30:00.000001Z"));
        check(-62_135_596_800_000_000, Some("0001-01-01T00:00:00Z"));
        check(-62_135_596_800_000_001, None);
        check(i64::MAX, None);
        check(i64::MIN, None);
    }
}
