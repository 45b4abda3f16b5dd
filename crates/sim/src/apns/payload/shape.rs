//! What a JSON value is, without keeping it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The words that rules of `aps` speak of.
const WORDS: [&str; 7] =
    ["active", "critical", "end", "passive", "start", "time-sensitive", "update"];

/// The keys that rules speak of.
const KEYS: [&str; 21] = [
    "alert",
    "aps",
    "attributes",
    "attributes-type",
    "badge",
    "category",
    "content-available",
    "content-state",
    "dismissal-date",
    "event",
    "filter-criteria",
    "interruption-level",
    "mdm",
    "mutable-content",
    "relevance-score",
    "sound",
    "stale-date",
    "target-content-id",
    "thread-id",
    "timestamp",
    "url-args",
];

/// A key of an object: which of the known ones it is, if it is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key(pub(super) Option<&'static str>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(KeyReader)
    }
}

struct KeyReader;

impl Visitor<'_> for KeyReader {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<Key, E> {
        Ok(Key(KEYS.into_iter().find(|key| *key == text)))
    }
}

/// A JSON value, as much of it as rules ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Flag,
    List,
    Nothing,
    Number(f64),
    Object,
    /// Which of the known words it is, if it is one.
    Text(Option<&'static str>),
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Looker)
    }
}

struct Looker;

impl<'de> Visitor<'de> for Looker {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Flag)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Shape, E> {
        // Rules ask for 0, 1 and what lies between.
        #[expect(clippy::cast_precision_loss, reason = "small numbers are exact")]
        Ok(Shape::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Shape, E> {
        #[expect(clippy::cast_precision_loss, reason = "small numbers are exact")]
        Ok(Shape::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Shape, E> {
        Ok(Shape::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Shape, E> {
        Ok(Shape::Text(WORDS.into_iter().find(|word| *word == text)))
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Shape::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Shape, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Shape::Object)
    }
}
