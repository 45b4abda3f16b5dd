//! What a payload says under `aps`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::shape::{Key, Shape};

/// A payload, as much of it as rules ask for.
#[derive(Debug, Default)]
pub(super) struct Payload {
    pub(super) aps: Aps,
    /// Whether it has the text `mdm`.
    pub(super) mdm: bool,
}

/// The keys of `aps` that rules speak of. A key with null counts as absent.
#[derive(Debug, Default)]
pub(super) struct Aps {
    alert: bool,
    badge: bool,
    sound: bool,
    /// `content-available` is 1.
    pub(super) wakes: bool,
    /// How many keys there are.
    pub(super) keys: usize,
    /// Some key has another type than Apple documents.
    pub(super) wrongly_typed: bool,
    event: Option<&'static str>,
    timestamp: bool,
    content_state: bool,
    attributes: bool,
    attributes_type: bool,
    relevance_score: Option<f64>,
}

impl Aps {
    /// Whether the system shows or plays something.
    pub(super) fn is_visible(&self) -> bool {
        self.alert || self.badge || self.sound
    }

    /// Whether it says what ActivityKit needs; a start has to be seen.
    pub(super) fn is_live_activity(&self) -> bool {
        self.timestamp
            && match self.event {
                Some("end") => true,
                Some("start") => {
                    self.content_state && self.attributes && self.attributes_type && self.alert
                }
                Some("update") => self.content_state,
                _ => false,
            }
    }

    /// Whether it starts a Live Activity.
    pub(super) fn starts(&self) -> bool {
        self.event == Some("start")
    }

    fn take(&mut self, key: Key, shape: Shape) {
        if shape == Shape::Nothing {
            return;
        }
        self.keys += 1;
        let is_text = matches!(shape, Shape::Text(_));
        let is_number = matches!(shape, Shape::Number(_));
        let word = if let Shape::Text(word) = shape { word } else { None };
        let Key(Some(key)) = key else {
            // Keys that are not known here are ignored by the system, too.
            return;
        };
        let fits = match key {
            "alert" => {
                self.alert = true;
                is_text || shape == Shape::Object
            }
            "attributes" => {
                self.attributes = true;
                shape == Shape::Object
            }
            "attributes-type" => {
                self.attributes_type = true;
                is_text
            }
            "badge" => {
                self.badge = true;
                is_number
            }
            "category" | "filter-criteria" | "target-content-id" | "thread-id" => is_text,
            "content-available" => {
                self.wakes = shape == Shape::Number(1.0);
                self.wakes || shape == Shape::Number(0.0)
            }
            "content-state" => {
                self.content_state = true;
                shape == Shape::Object
            }
            "dismissal-date" | "stale-date" => is_number,
            "event" => {
                self.event = word;
                matches!(word, Some("end" | "start" | "update"))
            }
            "interruption-level" => {
                matches!(word, Some("active" | "critical" | "passive" | "time-sensitive"))
            }
            "mutable-content" => {
                matches!(shape, Shape::Number(number) if number == 0.0 || number == 1.0)
            }
            "relevance-score" => {
                if let Shape::Number(score) = shape {
                    self.relevance_score = Some(score);
                }
                is_number
            }
            "sound" => {
                self.sound = true;
                is_text || shape == Shape::Object
            }
            "timestamp" => {
                self.timestamp = true;
                is_number
            }
            "url-args" => shape == Shape::List,
            _ => true,
        };
        self.wrongly_typed |= !fits;
    }

    /// A score is between 0 and 1; only a Live Activity's may be any number.
    fn finish(mut self) -> Self {
        let in_range = |score: f64| (0.0..=1.0).contains(&score);
        self.wrongly_typed |=
            self.event.is_none() && self.relevance_score.is_some_and(|score| !in_range(score));
        self
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PayloadVisitor)
    }
}

impl<'de> Deserialize<'de> for Aps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ApsVisitor)
    }
}

struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Payload, A::Error> {
        let mut payload = Payload::default();
        while let Some(Key(key)) = fields.next_key()? {
            match key {
                Some("aps") => {
                    payload.aps = fields.next_value::<Option<Aps>>()?.unwrap_or_default()
                }
                Some("mdm") => payload.mdm = matches!(fields.next_value()?, Shape::Text(_)),
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(payload)
    }
}

struct ApsVisitor;

impl<'de> Visitor<'de> for ApsVisitor {
    type Value = Aps;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object as aps")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Aps, A::Error> {
        let mut aps = Aps::default();
        while let Some((key, shape)) = fields.next_entry::<Key, Shape>()? {
            aps.take(key, shape);
        }
        Ok(aps.finish())
    }
}
