//! The rules of the part for Apple devices: APNs' own, and FCM's one about messages that show
//! nothing.
//!
//! <https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns>
//! and <https://firebase.google.com/docs/cloud-messaging/customize-messages/setting-message-priority>

use super::{HeaderFault, headers, label, seconds, url};
use crate::error::FieldFault;
use crate::fcm::message::{Apns, Content};

/// The header that says how urgent it is.
const PRIORITY: &str = "apns-priority";
/// The header that says what kind of push it is.
const PUSH_TYPE: &str = "apns-push-type";
/// The kinds of pushes that Apple knows.
const PUSH_TYPES: [&str; 11] = [
    "alert",
    "background",
    "complication",
    "controls",
    "fileprovider",
    "liveactivity",
    "location",
    "mdm",
    "pushtotalk",
    "voip",
    "widgets",
];
/// Apple's limit of a collapse id in bytes.
const LONGEST_COLLAPSE_ID: usize = 64;
/// Our limit of a Live Activity's token; Apple gives none.
const LONGEST_TOKEN: usize = 1024;

/// Checks the part. The content is the whole message's, because what it shows may stand there.
pub(super) fn check(apns: &Apns, content: &Content) -> Result<(), FieldFault> {
    headers("apns.headers", &apns.headers, header)?;
    payload(apns)?;
    live_activity(apns)?;
    priority(apns, content)?;
    label("apns.fcm_options.analytics_label", apns.fcm_options.analytics_label.as_deref())?;
    url("apns.fcm_options.image", apns.fcm_options.image.as_deref())
}

/// Checks one header by its name.
fn header(name: &str, value: &str) -> Result<(), HeaderFault> {
    let fault = |problem: &str, remedy| Err((problem.to_owned(), remedy));
    match name {
        PRIORITY if !["1", "5", "10"].contains(&value) => {
            fault("not a priority of Apple's", "Give 10, 5 or 1.")
        }
        PUSH_TYPE if !PUSH_TYPES.contains(&value) => {
            fault("not a push type of Apple's", "Give alert or background, as the payload is.")
        }
        "apns-expiration" if seconds(value).is_none() => {
            fault("not a time", "Give seconds since 1970, or 0 for a single attempt.")
        }
        "apns-collapse-id" if value.len() > LONGEST_COLLAPSE_ID => {
            fault("more than 64 bytes", "Give a shorter id, such as a hash.")
        }
        name if !name.starts_with("apns-") || name.contains(|c: char| c.is_ascii_uppercase()) => {
            fault("not a header of APNs", "Write it in lower case, beginning with apns-.")
        }
        _ => Ok(()),
    }
}

/// A payload has an object `aps`.
fn payload(apns: &Apns) -> Result<(), FieldFault> {
    if apns.payload.is_none() || apns.aps().is_some() {
        return Ok(());
    }
    let remedy = "Give a payload like {\"aps\":{\"content-available\":1}}, or none.";
    Err(FieldFault::payload("apns.payload.aps", "not an object", remedy))
}

/// A Live Activity's token is visible ASCII.
fn live_activity(apns: &Apns) -> Result<(), FieldFault> {
    let Some(token) = apns.live_activity_token.as_ref().map(|token| token.expose()) else {
        return Ok(());
    };
    let length = token.len();
    if (1..=LONGEST_TOKEN).contains(&length) && token.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    // Not 911: the fault is not with the token that the message goes to.
    let problem = format!("{length} bytes that no token of a Live Activity has");
    let remedy = "Give the push token of the activity as the app got it from ActivityKit.";
    Err(FieldFault::payload("apns.live_activity_token", problem, remedy))
}

/// Background pushes go out with priority 5 alone, by Apple's word; so do messages that show
/// nothing, by FCM's.
fn priority(apns: &Apns, content: &Content) -> Result<(), FieldFault> {
    let Some(priority) = apns.header(PRIORITY) else { return Ok(()) };
    let push_type = apns.header(PUSH_TYPE);
    let activity = apns.live_activity_token.is_some() || push_type == Some("liveactivity");
    let shows = content.notification.is_some() || apns.is_visible() || activity;
    let problem = match push_type {
        Some("background") => "only 5 goes with the push type background",
        _ if shows => return Ok(()),
        _ => "only 5 goes with a message that shows nothing",
    };
    if priority == "5" {
        return Ok(());
    }
    let remedy = "Use 5, or give an alert and the push type alert.";
    Err(FieldFault::payload("apns.headers.apns-priority", problem, remedy))
}
