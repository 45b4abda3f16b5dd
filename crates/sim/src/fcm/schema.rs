//! The fields of a send request and their types, from the v1 discovery document.
//!
//! Google takes field names in snake_case and in lowerCamelCase and refuses unknown ones with a BadRequest detail.

use serde_json::{Map, Value};

use super::answer::Refusal;

/// What a field may hold.
pub(super) enum Shape {
    Choice(&'static [&'static str]),
    /// Seconds with up to nine decimals and an `s`.
    Duration,
    Durations,
    Flag,
    /// Any JSON object.
    Free,
    /// A whole number of 32 bits.
    Integer,
    Number,
    Object(&'static [(&'static str, Self)]),
    Text,
    TextMap,
    Texts,
}

use Shape::{
    Choice, Duration, Durations, Flag, Free, Integer, Number, Object, Text, TextMap, Texts,
};

/// The whole body.
pub(super) const REQUEST: &[(&str, Shape)] =
    &[("validate_only", Flag), ("message", Object(MESSAGE))];

const MESSAGE: &[(&str, Shape)] = &[
    ("name", Text),
    ("token", Text),
    ("fid", Text),
    ("topic", Text),
    ("condition", Text),
    ("data", TextMap),
    ("notification", Object(&[("title", Text), ("body", Text), ("image", Text)])),
    ("fcm_options", Object(&[("analytics_label", Text)])),
    ("android", Object(ANDROID)),
    ("apns", Object(APNS)),
    ("webpush", Object(WEBPUSH)),
];

const ANDROID: &[(&str, Shape)] = &[
    ("collapse_key", Text),
    ("priority", Choice(&["NORMAL", "HIGH"])),
    ("ttl", Duration),
    ("restricted_package_name", Text),
    ("data", TextMap),
    ("direct_boot_ok", Flag),
    ("bandwidth_constrained_ok", Flag),
    ("restricted_satellite_ok", Flag),
    ("fcm_options", Object(&[("analytics_label", Text)])),
    ("notification", Object(ANDROID_NOTIFICATION)),
];

const ANDROID_NOTIFICATION: &[(&str, Shape)] = &[
    ("title", Text),
    ("body", Text),
    ("icon", Text),
    ("color", Text),
    ("sound", Text),
    ("tag", Text),
    ("click_action", Text),
    ("body_loc_key", Text),
    ("body_loc_args", Texts),
    ("title_loc_key", Text),
    ("title_loc_args", Texts),
    ("channel_id", Text),
    ("ticker", Text),
    ("sticky", Flag),
    ("event_time", Text),
    ("local_only", Flag),
    (
        "notification_priority",
        Choice(&[
            "PRIORITY_UNSPECIFIED",
            "PRIORITY_MIN",
            "PRIORITY_LOW",
            "PRIORITY_DEFAULT",
            "PRIORITY_HIGH",
            "PRIORITY_MAX",
        ]),
    ),
    ("default_sound", Flag),
    ("default_vibrate_timings", Flag),
    ("default_light_settings", Flag),
    ("vibrate_timings", Durations),
    ("visibility", Choice(&["VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"])),
    ("notification_count", Integer),
    (
        "light_settings",
        Object(&[
            (
                "color",
                Object(&[("red", Number), ("green", Number), ("blue", Number), ("alpha", Number)]),
            ),
            ("light_on_duration", Duration),
            ("light_off_duration", Duration),
        ]),
    ),
    ("image", Text),
    ("proxy", Choice(&["PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"])),
];

const APNS: &[(&str, Shape)] = &[
    ("headers", TextMap),
    ("payload", Free),
    ("live_activity_token", Text),
    ("fcm_options", Object(&[("analytics_label", Text), ("image", Text)])),
];

const WEBPUSH: &[(&str, Shape)] = &[
    ("headers", TextMap),
    ("data", TextMap),
    ("notification", Free),
    ("fcm_options", Object(&[("link", Text), ("analytics_label", Text)])),
];

/// Checks an object against its fields and gives it back with all known names in snake_case.
pub(super) fn check(
    object: Map<String, Value>,
    fields: &[(&str, Shape)],
    at: &str,
) -> Result<Map<String, Value>, Refusal> {
    let mut checked = Map::new();
    for (name, value) in object {
        let known = fields.iter().find(|(field, _)| *field == name || camel(field) == name);
        let Some((field, shape)) = known else {
            let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
            let description = format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
            );
            return Err(Refusal::malformed(at, description));
        };
        let path = if at.is_empty() { (*field).to_owned() } else { format!("{at}.{field}") };
        checked.insert((*field).to_owned(), check_value(value, shape, &path)?);
    }
    Ok(checked)
}

fn check_value(value: Value, shape: &Shape, at: &str) -> Result<Value, Refusal> {
    let fits = match (shape, &value) {
        (Object(fields), Value::Object(_)) => {
            let Value::Object(object) = value else { return Ok(value) };
            return Ok(Value::Object(check(object, fields, at)?));
        }
        (TextMap, Value::Object(map)) => {
            if let Some(place) = map.values().position(|value| !value.is_string()) {
                return Err(wrong_type(&format!("{at}[{place}].value"), "TYPE_STRING"));
            }
            true
        }
        (Texts, Value::Array(items)) => items.iter().all(Value::is_string),
        (Durations, Value::Array(items)) => {
            items.iter().all(|item| item.as_str().is_some_and(is_duration))
        }
        (Free, Value::Object(_)) | (Text, Value::String(_)) | (Flag, Value::Bool(_)) => true,
        (Integer, Value::Number(number)) => {
            number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
        }
        (Number, Value::Number(_)) => true,
        (Duration, Value::String(text)) => is_duration(text),
        (Choice(words), Value::String(text)) => {
            words.iter().any(|word| word.eq_ignore_ascii_case(text))
        }
        _ => false,
    };
    if fits { Ok(value) } else { Err(wrong_type(at, shape.type_word())) }
}

impl Shape {
    /// Google's word for the type in its error text.
    fn type_word(&self) -> &'static str {
        match self {
            Choice(_) => "TYPE_ENUM",
            Duration | Durations => "type.googleapis.com/google.protobuf.Duration",
            Flag => "TYPE_BOOL",
            Free | Object(_) | TextMap => "TYPE_MESSAGE",
            Integer => "TYPE_INT32",
            Number => "TYPE_FLOAT",
            Text | Texts => "TYPE_STRING",
        }
    }
}

fn wrong_type(at: &str, type_word: &str) -> Refusal {
    Refusal::malformed(at, format!("Invalid value at '{at}' ({type_word})"))
}

fn is_duration(text: &str) -> bool {
    let Some(number) = text.strip_suffix('s') else {
        return false;
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(part) && part.len() <= 9
}

/// `body_loc_key` as `bodyLocKey`.
fn camel(snake: &str) -> String {
    let mut parts = snake.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut name, part| {
        let mut chars = part.chars();
        name.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(chars.as_str());
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_durations() {
        assert_eq!(camel("body_loc_key"), "bodyLocKey");
        assert_eq!(camel("ttl"), "ttl");
        for good in ["0s", "3600s", "1.5s", "-1s"] {
            assert!(is_duration(good), "{good}");
        }
        for bad in ["", "s", "3600", "1.s", ".5s", "1 s", "1.0123456789s"] {
            assert!(!is_duration(bad), "{bad}");
        }
    }
}
