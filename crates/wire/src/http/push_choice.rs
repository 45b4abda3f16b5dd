//! Reads a request's `push` so that a mistake in it is named: the derived parser of an untagged
//! enum says only that nothing matched.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::client::{NoPush, PushChoice};
use crate::push::Content;

/// The word `"none"`, an object of texts, or `null` for the app's own texts.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PushChoice>, D::Error> {
    deserializer.deserialize_any(Choice)
}

struct Choice;

impl<'de> Visitor<'de> for Choice {
    type Value = Option<PushChoice>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"none\" or an object of `title`, `body` and `sound`")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        if word == "none" {
            return Ok(Some(PushChoice::None(NoPush::None)));
        }
        Err(E::invalid_value(serde::de::Unexpected::Str(word), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let content = Content::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Some(PushChoice::Content(content)))
    }
}

#[cfg(test)]
mod tests {
    use crate::http::MessageCreate;

    use super::*;

    fn push(json: &str) -> Result<Option<PushChoice>, String> {
        let text = format!(r#"{{"to": ["alice"], "body": null{json}}}"#);
        let message: Result<MessageCreate, _> = serde_json::from_str(&text);
        message.map(|message| message.push).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_push_says_is_read() {
        let title = Content { title: Some("Hi".to_owned()), ..Content::default() };
        let table = [
            ("", None),
            (r#", "push": null"#, None),
            (r#", "push": "none""#, Some(PushChoice::None(NoPush::None))),
            (r#", "push": {"title": "Hi"}"#, Some(PushChoice::Content(title))),
            (r#", "push": {}"#, Some(PushChoice::Content(Content::default()))),
        ];
        for (json, expected) in table {
            assert_eq!(push(json).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn a_mistake_is_named() {
        for (json, says) in [
            (r#", "push": {"titel": "Hi"}"#, "unknown field `titel`"),
            (r#", "push": "silent""#, "expected \"none\" or an object"),
            (r#", "push": 7"#, "expected \"none\" or an object"),
            (r#", "push": {"title": 7}"#, "expected a string"),
        ] {
            let error = push(json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
