//! JSON that is passed on byte for byte, such as a message's body: whoever it reaches must be able
//! to read it.
//!
//! What passes for JSON by its grammar alone can stop the parsers of phones: `1e400` fits no
//! double, `"\ud800"` is half a character, and deep nesting overflows a stack. A message with such
//! a body would come again and again to a device that can never acknowledge it, so it is refused
//! where it comes in.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use wire::limits;

use crate::http::problem::Problem;

/// Checks that every parser of JSON can read a text; nothing is kept of it.
///
/// # Errors
///
/// A [`Problem`] that names the field and says where it is wrong.
pub fn check(field: &'static str, text: &str) -> Result<(), Problem> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let read = Readable { levels: limits::JSON_DEPTH }.deserialize(&mut parser);
    read.and_then(|()| parser.end()).map_err(|error| {
        let most = limits::JSON_DEPTH;
        Problem::invalid_field(
            field,
            format!(
                "not every device can read this JSON: {error}; give numbers that fit a double, \
                 whole characters and at most {most} levels"
            ),
        )
    })
}

/// A value of any kind, with so many levels left below it.
#[derive(Clone, Copy)]
struct Readable {
    levels: usize,
}

impl Readable {
    /// What may stand inside.
    fn below<E: Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { levels })
    }
}

impl<'de> DeserializeSeed<'de> for Readable {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let below = self.below()?;
        while items.next_element_seed(below)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let below = self.below()?;
        while members.next_key_seed(below)?.is_some() {
            members.next_value_seed(below)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_parser_reads_is_taken() {
        let deepest = "[".repeat(limits::JSON_DEPTH) + &"]".repeat(limits::JSON_DEPTH);
        for text in [
            "null",
            "true",
            "-1.5e300",
            "18446744073709551616",
            "\"\\ud83d\\ude00\"",
            "{\"a\":[1,{\"b\":null}],\"\":\"\"}",
            &deepest,
        ] {
            assert!(check("body", text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_some_cannot_read_is_refused_by_name() {
        let too_deep = "[".repeat(limits::JSON_DEPTH + 1) + &"]".repeat(limits::JSON_DEPTH + 1);
        let very_deep = "{\"a\":".repeat(9_000) + "1" + &"}".repeat(9_000);
        let long = "9".repeat(400);
        for (text, why) in [
            ("{\"a\":-1e400}", "number out of range at line 1 column"),
            (&long, "number out of range"),
            ("\"\\ud800\"", "unexpected end of hex escape"),
            ("[\"\\udc00\"]", "lone leading surrogate in hex escape"),
            ("{\"\\ud800\":1}", "unexpected end of hex escape"),
            (&too_deep, "nested too deep"),
            (&very_deep, "nested too deep"),
        ] {
            let problem = check("body", text).expect_err(text);
            assert_eq!(problem.field(), Some("body"), "{text}");
            assert!(problem.detail().contains(why), "{}", problem.detail());
        }
    }
}
