//! Google's rules on what a message says, held before anything is sent.
//!
//! The same reference as the types', "FCM error codes" for the limits, and where those are silent
//! what Google's Admin SDKs refuse. A limit called ours is not Google's; it is there because no
//! input is without one.

mod android;
mod apns;
mod size;
mod webpush;

use std::collections::BTreeMap;

use http::Uri;
use http::uri::Scheme;

use super::Content;
use crate::error::FieldFault;

pub(in crate::fcm) use size::Size;

/// Our limit of texts that name something: keys, packages.
const LONGEST_NAME: usize = 1024;
/// Our limit of URLs.
const LONGEST_URL: usize = 2048;
/// Our limit of a header's value.
const LONGEST_HEADER: usize = 1024;
/// Our limit of headers.
const MOST_HEADERS: usize = 32;
/// The longest analytics label that the Admin SDKs take.
const LONGEST_LABEL: usize = 50;

/// Checks everything but the target, and how large the message is for it.
///
/// # Errors
///
/// A [`FieldFault`] (913) naming the field by its path.
pub(in crate::fcm) fn check(content: &Content) -> Result<Size, FieldFault> {
    data("data", &content.data)?;
    if let Some(notification) = &content.notification {
        url("notification.image", notification.image.as_deref())?;
    }
    label("fcm_options.analytics_label", content.fcm_options.analytics_label.as_deref())?;
    android::check(&content.android)?;
    if let Some(part) = &content.apns {
        apns::check(part, content)?;
    }
    if let Some(part) = &content.webpush {
        webpush::check(part)?;
    }
    let size = Size::of(content);
    size.check_for_device()?;
    Ok(size)
}

/// Google keeps some keys for itself.
fn data(at: &'static str, data: &BTreeMap<String, String>) -> Result<(), FieldFault> {
    let reserved = |key: &&String| {
        key.is_empty()
            || matches!(key.as_str(), "from" | "gcm" | "message_type")
            || key.starts_with("google")
            || key.starts_with("gcm.")
    };
    let Some(key) = data.keys().find(reserved) else { return Ok(()) };
    Err(FieldFault::payload(
        format!("{at}.{}", shown(key)),
        if key.is_empty() { "an empty key" } else { "a key that Google reserves" },
        "Use keys other than from, gcm, message_type, and not starting with google or gcm.",
    ))
}

/// A text that names something: neither empty nor without end.
fn name(at: &'static str, text: Option<&str>, remedy: &'static str) -> Result<(), FieldFault> {
    match text.map(str::len) {
        Some(0) => Err(FieldFault::payload(at, "empty", remedy)),
        Some(length) if length > LONGEST_NAME => {
            let problem = format!("{length} bytes, at most {LONGEST_NAME}");
            Err(FieldFault::payload(at, problem, remedy))
        }
        Some(_) | None => Ok(()),
    }
}

/// A label of Firebase's analytics: the pattern that the Admin SDKs hold it to.
fn label(at: &'static str, text: Option<&str>) -> Result<(), FieldFault> {
    let Some(text) = text else { return Ok(()) };
    let good = (1..=LONGEST_LABEL).contains(&text.len())
        && text.chars().all(super::target::is_topic_letter);
    if good {
        return Ok(());
    }
    let remedy = "Use 1 to 50 letters, digits and - _ . ~ %.";
    Err(FieldFault::payload(at, format!("{} is no label", shown(text)), remedy))
}

/// A URL that a device fetches.
fn url(at: &'static str, text: Option<&str>) -> Result<(), FieldFault> {
    let Some(text) = text else { return Ok(()) };
    if scheme(text).is_some() {
        return Ok(());
    }
    let remedy = "Give a whole URL that begins with https:// or http://.";
    Err(FieldFault::payload(at, format!("{} is no URL", shown(text)), remedy))
}

/// The scheme of a whole URL: `http` or `https`.
fn scheme(text: &str) -> Option<Scheme> {
    let url: Uri = Some(text).filter(|text| text.len() <= LONGEST_URL)?.parse().ok()?;
    url.host().filter(|host| !host.is_empty())?;
    url.scheme().filter(|scheme| **scheme == Scheme::HTTPS || **scheme == Scheme::HTTP).cloned()
}

/// What a header's value breaks, and what to do about it.
type HeaderFault = (String, &'static str);

/// Headers that a push service gets; `rule` looks at each.
fn headers(
    at: &'static str,
    headers: &BTreeMap<String, String>,
    rule: impl Fn(&str, &str) -> Result<(), HeaderFault>,
) -> Result<(), FieldFault> {
    if headers.len() > MOST_HEADERS {
        let problem = format!("{} headers, at most {MOST_HEADERS}", headers.len());
        return Err(FieldFault::payload(at, problem, "Leave out what the service does not know."));
    }
    for (name, value) in headers {
        let checked = header(name, value).and_then(|()| {
            let twins = headers.keys().filter(|other| other.eq_ignore_ascii_case(name)).count();
            match twins {
                1 => rule(name, value),
                _ => Err(("given twice".to_owned(), "Give each header once.")),
            }
        });
        if let Err((problem, remedy)) = checked {
            return Err(FieldFault::payload(format!("{at}.{}", shown(name)), problem, remedy));
        }
    }
    Ok(())
}

/// What holds for any header.
fn header(name: &str, value: &str) -> Result<(), HeaderFault> {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() || name.len() > LONGEST_NAME {
        return Err(("not the name of a header".to_owned(), "Give a header of the push service."));
    }
    if value.is_empty() || value.len() > LONGEST_HEADER || value.contains(char::is_control) {
        let problem = "empty, too long or with control characters".to_owned();
        return Err((problem, "Give a value of at most 1024 bytes, or leave the header out."));
    }
    Ok(())
}

/// A number of seconds: digits alone, without the sign that Rust would take.
fn seconds(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

/// A text of somebody's in a message of ours: quoted only where it must be, and not without end.
fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let mut shown: String = text.escape_debug().take(MOST).collect();
    if text.escape_debug().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
