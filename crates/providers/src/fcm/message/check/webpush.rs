//! The rules of the part for browsers.

use http::uri::Scheme;

use super::android::LONGEST_TTL;
use super::{HeaderFault, data, headers, label, scheme, seconds, shown};
use crate::error::FieldFault;
use crate::fcm::message::Webpush;

/// The longest topic (RFC 8030, section 5.4).
const LONGEST_TOPIC: usize = 32;

/// Checks the part.
pub(super) fn check(webpush: &Webpush) -> Result<(), FieldFault> {
    headers("webpush.headers", &webpush.headers, header)?;
    data("webpush.data", &webpush.data)?;
    let link = webpush.fcm_options.link.as_deref();
    if link.is_some_and(|link| scheme(link) != Some(Scheme::HTTPS)) {
        let remedy = "Give a whole URL that begins with https://.";
        return Err(FieldFault::payload("webpush.fcm_options.link", "not an https URL", remedy));
    }
    label("webpush.fcm_options.analytics_label", webpush.fcm_options.analytics_label.as_deref())
}

/// Checks one header by its name, which is the same in any case (RFC 8030, section 5).
fn header(name: &str, value: &str) -> Result<(), HeaderFault> {
    let (good, remedy) = if name.eq_ignore_ascii_case("TTL") {
        let good = seconds(value).is_some_and(|seconds| seconds <= LONGEST_TTL.as_secs());
        (good, "Give seconds from 0 to 2419200.")
    } else if name.eq_ignore_ascii_case("Urgency") {
        (
            ["very-low", "low", "normal", "high"].contains(&value),
            "Give very-low, low, normal or high.",
        )
    } else if name.eq_ignore_ascii_case("Topic") {
        let letters = value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        (letters && value.len() <= LONGEST_TOPIC, "Give at most 32 letters, digits, - and _.")
    } else {
        return Ok(());
    };
    if good { Ok(()) } else { Err((format!("{} is not one", shown(value)), remedy)) }
}
