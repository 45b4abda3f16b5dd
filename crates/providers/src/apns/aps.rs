//! What Apple reads of a payload, as types: the `aps` object.
//!
//! Names and meanings are Apple's, "Generating a remote notification",
//! <https://developer.apple.com/documentation/usernotifications/generating-a-remote-notification>.
//! Live Activities, widgets and controls have keys of their own; their payloads are built as JSON.

use bytes::Bytes;
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::FieldFault;

/// The `aps` object. What is not set is not sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Aps {
    /// What the user reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    /// The number on the app's icon; 0 takes it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge: Option<u32>,
    /// What the user hears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<Sound>,
    /// Groups notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// Which actions the notification offers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Which window is brought forward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_content_id: Option<String>,
    /// What a Focus filters by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_criteria: Option<String>,
    /// Wakes the app in the background; a background push has this alone.
    #[serde(serialize_with = "one", skip_serializing_if = "is_unset")]
    pub content_available: bool,
    /// Runs the notification service extension first.
    #[serde(serialize_with = "one", skip_serializing_if = "is_unset")]
    pub mutable_content: bool,
    /// How much the notification may interrupt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interruption_level: Option<InterruptionLevel>,
    /// How near the top it stands in a summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relevance_score: Option<Fraction>,
}

impl Aps {
    /// The `aps` of a background push.
    pub fn background() -> Self {
        Self { content_available: true, ..Self::default() }
    }

    /// The body: this `aps`, and the app's own keys beside it.
    ///
    /// # Errors
    ///
    /// A [`FieldFault`] (913) if one of the keys is `aps`.
    pub fn payload(&self, custom: &Map<String, Value>) -> Result<Bytes, FieldFault> {
        if custom.contains_key("aps") {
            return Err(FieldFault::payload(
                "custom",
                "has the key aps, which is Apple's",
                "Put what Apple reads into the fields, and the app's own keys beside them.",
            ));
        }
        let body = serde_json::to_vec(&Payload { aps: self, custom });
        body.map(Bytes::from).map_err(|error| {
            FieldFault::payload("payload", error.to_string(), "Report this with the push.")
        })
    }
}

/// `aps` with the app's keys beside it.
#[derive(Serialize)]
struct Payload<'a> {
    /// Apple's part.
    aps: &'a Aps,
    /// The app's part.
    #[serde(flatten)]
    custom: &'a Map<String, Value>,
}

/// The text of a notification; each part is given as it is or by its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    /// What it is about.
    pub title: Option<String>,
    /// What more it is about.
    pub subtitle: Option<String>,
    /// What it says.
    pub body: Option<String>,
    /// The title, by its key in the app's strings.
    pub title_loc: Option<Localized>,
    /// The subtitle, by its key in the app's strings.
    pub subtitle_loc: Option<Localized>,
    /// The body, by its key in the app's strings.
    pub loc: Option<Localized>,
    /// The picture shown while the app starts.
    pub launch_image: Option<String>,
}

/// A text in the app's `Localizable.strings`. There are no arguments without a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Localized {
    /// Its key.
    pub key: String,
    /// What replaces the `%@` in it, in order.
    pub args: Vec<String>,
}

impl Serialize for Alert {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let plain = [
            ("title", &self.title),
            ("subtitle", &self.subtitle),
            ("body", &self.body),
            ("launch-image", &self.launch_image),
        ];
        for (key, text) in plain {
            if let Some(text) = text {
                map.serialize_entry(key, text)?;
            }
        }
        let localized = [
            ("title-loc-key", "title-loc-args", &self.title_loc),
            ("subtitle-loc-key", "subtitle-loc-args", &self.subtitle_loc),
            ("loc-key", "loc-args", &self.loc),
        ];
        for (key, args, text) in localized {
            let Some(text) = text else { continue };
            map.serialize_entry(key, &text.key)?;
            if !text.args.is_empty() {
                map.serialize_entry(args, &text.args)?;
            }
        }
        map.end()
    }
}

/// What a notification sounds like.
#[derive(Clone, Debug, PartialEq)]
pub enum Sound {
    /// A critical alert: heard although the device is muted, if Apple has granted the app that.
    Critical {
        /// The sound's file in the app, or `default`.
        name: String,
        /// How loud.
        volume: Fraction,
    },
    /// The sound's file in the app, or `default`.
    Named(String),
}

impl Serialize for Sound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Critical { name, volume } => {
                let mut sound = serializer.serialize_struct("Sound", 3)?;
                sound.serialize_field("critical", &1)?;
                sound.serialize_field("name", name)?;
                sound.serialize_field("volume", volume)?;
                sound.end()
            }
            Self::Named(name) => serializer.serialize_str(name),
        }
    }
}

/// How much a notification may interrupt, from the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterruptionLevel {
    /// Into the list, without screen or sound.
    Passive,
    /// As usual.
    Active,
    /// Through a Focus, if the app has the capability and the user allows it.
    TimeSensitive,
    /// Through everything; needs an entitlement from Apple.
    Critical,
}

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
pub struct Fraction(f64);

impl Fraction {
    /// All of it.
    pub const ONE: Self = Self(1.0);

    /// Takes a number; `field` names it in the fault.
    ///
    /// # Errors
    ///
    /// A [`FieldFault`] (913) if it is not from 0 to 1.
    pub fn new(field: &'static str, number: f64) -> Result<Self, FieldFault> {
        if (0.0..=1.0).contains(&number) {
            return Ok(Self(number));
        }
        let problem = format!("{number} is not from 0 to 1");
        Err(FieldFault::payload(field, problem, "Give a number from 0 to 1."))
    }
}

/// Apple's form of yes.
fn one<S: Serializer>(_: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(1)
}

/// Whether a flag is left out.
const fn is_unset(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::apns::payload;
    use crate::apns::push_type::PushType;

    /// Fails unless the payload with no custom keys is this.
    #[track_caller]
    fn check(aps: &Aps, expected: Value) {
        let body = aps.payload(&Map::new()).expect("no custom keys");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body, json!({ "aps": expected }));
    }

    #[test]
    fn every_key_has_apples_name() {
        check(&Aps::default(), json!({}));
        check(&Aps::background(), json!({ "content-available": 1 }));
        let localized = |key: &str| Some(Localized { key: key.into(), args: vec!["1".into()] });
        let alert = Alert {
            title: Some("t".into()),
            subtitle: Some("s".into()),
            body: Some("b".into()),
            title_loc: localized("T"),
            subtitle_loc: localized("S"),
            loc: localized("B"),
            launch_image: Some("i".into()),
        };
        let whole = Aps {
            alert: Some(alert),
            badge: Some(0),
            sound: Some(Sound::Named("default".into())),
            thread_id: Some("th".into()),
            category: Some("c".into()),
            target_content_id: Some("w".into()),
            filter_criteria: Some("f".into()),
            content_available: true,
            mutable_content: true,
            interruption_level: Some(InterruptionLevel::TimeSensitive),
            relevance_score: Some(Fraction::new("relevance_score", 0.5).expect("within 0 and 1")),
        };
        let expected = json!({
            "alert": {
                "title": "t", "subtitle": "s", "body": "b", "launch-image": "i",
                "title-loc-key": "T", "title-loc-args": ["1"],
                "subtitle-loc-key": "S", "subtitle-loc-args": ["1"],
                "loc-key": "B", "loc-args": ["1"],
            },
            "badge": 0,
            "sound": "default",
            "thread-id": "th",
            "category": "c",
            "target-content-id": "w",
            "filter-criteria": "f",
            "content-available": 1,
            "mutable-content": 1,
            "interruption-level": "time-sensitive",
            "relevance-score": 0.5,
        });
        check(&whole, expected);
    }

    #[test]
    fn sounds_levels_and_texts_without_arguments() {
        let sound = Sound::Critical { name: "bell.caf".into(), volume: Fraction::ONE };
        let critical = Aps {
            alert: Some(Alert {
                loc: Some(Localized { key: "B".into(), args: Vec::new() }),
                ..Alert::default()
            }),
            sound: Some(sound),
            interruption_level: Some(InterruptionLevel::Critical),
            ..Aps::default()
        };
        let expected = json!({
            "alert": { "loc-key": "B" },
            "sound": { "critical": 1, "name": "bell.caf", "volume": 1.0 },
            "interruption-level": "critical",
        });
        check(&critical, expected);
        let levels = [InterruptionLevel::Passive, InterruptionLevel::Active];
        assert_eq!(json!(levels), json!(["passive", "active"]));
    }

    #[test]
    fn custom_keys_stand_beside_aps_and_never_replace_it() {
        let custom = |value: Value| value.as_object().cloned().expect("an object");
        let body = Aps::background().payload(&custom(json!({ "x": { "y": 1 } }))).expect("good");
        assert_eq!(&body[..], br#"{"aps":{"content-available":1},"x":{"y":1}}"#);
        payload::check(PushType::Background, &body).expect("a background push");
        let fault = Aps::default().payload(&custom(json!({ "aps": {} }))).expect_err("a fault");
        assert_eq!(fault.to_string(), "custom: has the key aps, which is Apple's");
    }

    #[test]
    fn a_fraction_is_from_0_to_1() {
        for good in [0.0, 0.5, 1.0] {
            assert_eq!(Fraction::new("volume", good).expect("good"), Fraction(good));
        }
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let fault = Fraction::new("volume", bad).expect_err("bad");
            assert!(fault.to_string().starts_with("volume: "), "{fault}");
        }
    }
}
