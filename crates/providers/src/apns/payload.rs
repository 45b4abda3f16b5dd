//! What a payload must be before it is sent: size, JSON, and what the push type asks of `aps`.
//!
//! Rules are Apple's: "Generating a remote notification", "Pushing background updates to your
//! App", and for Live Activities "Starting and updating Live Activities with ActivityKit push
//! notifications". What those pages leave to the app is passed through.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::push_type::PushType;
use crate::error::FieldFault;

/// Checks a body.
///
/// # Errors
///
/// A [`FieldFault`] (913) for `payload`.
pub(super) fn check(push_type: PushType, body: &[u8]) -> Result<(), FieldFault> {
    let (kind, most, size) = (push_type.as_str(), push_type.largest_payload_bytes(), body.len());
    if size > most {
        let problem = format!("{size} bytes, at most {most} for {kind} pushes");
        return Err(fault(problem, "Send less in the push; let the app fetch the rest."));
    }
    if size == 0 {
        return Err(fault("empty", "Give a JSON object with aps."));
    }
    // A derived struct would take an array as well.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(fault("not a JSON object", NO_OBJECT));
    }
    // The reader skips what it does not look into, broken texts included.
    if std::str::from_utf8(body).is_err() {
        return Err(fault("not UTF-8", "Write the JSON as UTF-8."));
    }
    let payload: Payload =
        serde_json::from_slice(body).map_err(|error| fault(error.to_string(), NO_OBJECT))?;
    let aps = payload.aps.unwrap_or_default();
    match push_type {
        PushType::Alert if !aps.visible => Err(fault(
            "aps has no alert, sound or badge",
            "Add one of them, or send it as a background push.",
        )),
        PushType::Background if !aps.wakes || aps.more => Err(fault(
            "aps is not just content-available: 1",
            "Leave only content-available in aps and put custom keys beside it.",
        )),
        PushType::LiveActivity => check_activity(body),
        PushType::Alert
        | PushType::Background
        | PushType::Complication
        | PushType::Controls
        | PushType::FileProvider
        | PushType::Location
        | PushType::Mdm
        | PushType::PushToTalk
        | PushType::Voip
        | PushType::Widgets => Ok(()),
    }
}

/// What to do about a body of another form.
const NO_OBJECT: &str = "Give a JSON object whose aps is an object.";

/// A fault of the payload.
fn fault(problem: impl Into<String>, remedy: &'static str) -> FieldFault {
    FieldFault::payload("payload", problem, remedy)
}

/// What ActivityKit surely asks for; everything else is between Apple and the app.
fn check_activity(body: &[u8]) -> Result<(), FieldFault> {
    #[derive(Deserialize)]
    struct Activity {
        #[serde(default)]
        aps: Map<String, Value>,
    }
    let Activity { aps } =
        serde_json::from_slice(body).map_err(|error| fault(error.to_string(), NO_OBJECT))?;
    let event = aps.get("event").and_then(Value::as_str).unwrap_or_default();
    if !["start", "update", "end"].contains(&event) {
        return Err(fault(
            "aps.event is not start, update or end",
            "Say in aps.event what becomes of the activity.",
        ));
    }
    if aps.get("timestamp").and_then(Value::as_u64).is_none() {
        return Err(fault(
            "aps.timestamp is not a number of seconds",
            "Give the time of the content in whole seconds since 1970.",
        ));
    }
    match aps.get("content-state") {
        Some(Value::Object(_)) => Ok(()),
        // An activity may end as it last was.
        None if event == "end" => Ok(()),
        _ => Err(fault(
            "aps.content-state is not an object",
            "Give the activity's content state; without one only an end is allowed.",
        )),
    }
}

/// What of a payload its push type has a say in.
#[derive(Deserialize)]
struct Payload {
    /// Apple's part.
    #[serde(default)]
    aps: Option<Aps>,
}

/// What is in `aps`.
#[derive(Clone, Copy, Default)]
struct Aps {
    /// Something the user sees, hears or counts.
    visible: bool,
    /// `content-available` is 1.
    wakes: bool,
    /// Anything besides `content-available`.
    more: bool,
}

impl<'de> Deserialize<'de> for Aps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Looks at the keys and skips the values.
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Aps;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object as aps")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Aps, A::Error> {
                let mut aps = Aps::default();
                while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                    if key == "content-available" {
                        aps.wakes = map.next_value::<Value>()? == 1;
                        continue;
                    }
                    aps.more = true;
                    let is_there = map.next_value::<Option<IgnoredAny>>()?.is_some();
                    aps.visible |= is_there && matches!(&*key, "alert" | "sound" | "badge");
                }
                Ok(aps)
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

#[cfg(test)]
mod tests;
