//! The rules of the part for Android phones.

use std::time::Duration;

use super::{data, label, name, url};
use crate::error::FieldFault;
use crate::fcm::message::wire::timestamp;
use crate::fcm::message::{Android, AndroidNotification, LightSettings};

/// Limit of the time to live: 28 days.
pub(super) const LONGEST_TTL: Duration = Duration::from_secs(2_419_200);
/// Our limit of vibrating and blinking; Google gives none.
const LONGEST_EFFECT: Duration = Duration::from_secs(60);

/// Checks the part.
pub(super) fn check(android: &Android) -> Result<(), FieldFault> {
    if android.ttl.is_some_and(|ttl| ttl > LONGEST_TTL) {
        let problem = format!("more than {} seconds", LONGEST_TTL.as_secs());
        return Err(FieldFault::payload("android.ttl", problem, "Give at most 28 days."));
    }
    let keep_all = "Leave it out to keep every push.";
    name("android.collapse_key", android.collapse_key.as_deref(), keep_all)?;
    let package = android.restricted_package_name.as_deref();
    name("android.restricted_package_name", package, "Give the app's package name.")?;
    data("android.data", &android.data)?;
    let analytics = android.fcm_options.analytics_label.as_deref();
    label("android.fcm_options.analytics_label", analytics)?;
    android.notification.as_ref().map_or(Ok(()), notification)
}

/// Checks what the system shows.
fn notification(shown: &AndroidNotification) -> Result<(), FieldFault> {
    if shown.color.as_deref().is_some_and(|color| !is_color(color)) {
        let problem = "not of the form #rrggbb";
        let remedy = "Give six hex digits after a #, like #1a73e8.";
        return Err(FieldFault::payload("android.notification.color", problem, remedy));
    }
    for (at, args, key) in [
        ("android.notification.body_loc_args", &shown.body_loc_args, &shown.body_loc_key),
        ("android.notification.title_loc_args", &shown.title_loc_args, &shown.title_loc_key),
    ] {
        if !args.is_empty() && key.is_none() {
            let remedy = "Give the key of the text that they go into, or leave them out.";
            return Err(FieldFault::payload(at, "without their key", remedy));
        }
    }
    url("android.notification.image", shown.image.as_deref())?;
    if shown.event_time.is_some_and(|time| timestamp(time).is_none()) {
        let problem = "not between the years 1 and 9999";
        let remedy = "Give the time of what happened, in microseconds since 1970.";
        return Err(FieldFault::payload("android.notification.event_time", problem, remedy));
    }
    if shown.notification_count.is_some_and(|count| i32::try_from(count).is_err()) {
        let at = "android.notification.notification_count";
        return Err(FieldFault::payload(at, "too large", "Give at most 2147483647."));
    }
    if shown.vibrate_timings.iter().any(|timing| *timing > LONGEST_EFFECT) {
        return Err(too_long("android.notification.vibrate_timings"));
    }
    shown.light_settings.as_ref().map_or(Ok(()), light)
}

/// Checks the blinking light.
fn light(light: &LightSettings) -> Result<(), FieldFault> {
    let color = &light.color;
    let parts = [color.red, color.green, color.blue, color.alpha];
    // A NaN is in no range.
    if !parts.iter().all(|part| (0.0..=1.0).contains(part)) {
        let at = "android.notification.light_settings.color";
        let remedy = "Give red, green, blue and alpha from 0 to 1.";
        return Err(FieldFault::payload(at, "a part is not from 0 to 1", remedy));
    }
    if light.light_on_duration > LONGEST_EFFECT {
        return Err(too_long("android.notification.light_settings.light_on_duration"));
    }
    if light.light_off_duration > LONGEST_EFFECT {
        return Err(too_long("android.notification.light_settings.light_off_duration"));
    }
    Ok(())
}

/// An effect that would not end soon.
fn too_long(at: &'static str) -> FieldFault {
    let problem = format!("longer than {} seconds", LONGEST_EFFECT.as_secs());
    FieldFault::payload(at, problem, "Give at most a minute.")
}

/// `#rrggbb`.
fn is_color(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}
