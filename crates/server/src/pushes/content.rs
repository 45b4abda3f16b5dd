//! What a direct push says, as it is stored: checked, and no wire shape.

use std::collections::BTreeMap;

use domain::locale;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a direct push says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Content {
    /// The push's own texts.
    pub texts: Texts,
    /// Texts in other languages, by BCP 47 tag in lower case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub translations: BTreeMap<String, Texts>,
    /// The `https` URL of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A sound's name, `default` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// The number on the app's icon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge: Option<u32>,
    /// What notifications are grouped by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Which of the app's sets of actions it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What a tap starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Where a tap leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<String>,
    /// For the app.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// The call it rings for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
    /// Whether a device's user asked for it, to see whether pushes arrive.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// What it replaces, and is replaced by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapse_id: Option<String>,
    /// Whether it may wake the phone.
    pub priority: Priority,
    /// Merge patches over what is generated.
    #[serde(skip_serializing_if = "Overrides::is_empty")]
    pub overrides: Overrides,
}

/// Texts in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Texts {
    /// The first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The second line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// The call that a push rings for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// A UUID.
    pub id: String,
    /// For the screen.
    pub caller_name: String,
    /// By which the phone can match a contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_handle: Option<String>,
    /// Video, or audio alone.
    pub video: bool,
}

/// Whether a push may wake the phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// It does.
    #[default]
    High,
    /// It waits until the phone is awake, and makes no stir.
    Normal,
}

/// A merge patch (RFC 7386) for each push service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// Over `{"headers": {…}, "payload": {…}}`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub apns: Map<String, Value>,
    /// Over the message object.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub fcm: Map<String, Value>,
    /// Over `{"ttl": …, "urgency": …, "topic": …, "payload": …}`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub webpush: Map<String, Value>,
}

impl Overrides {
    /// Whether nothing is overridden.
    pub fn is_empty(&self) -> bool {
        self.apns.is_empty() && self.fcm.is_empty() && self.webpush.is_empty()
    }
}

impl Content {
    /// The texts for a device of this language: each from the longest tag that has it, then the
    /// push's own.
    pub fn texts_for(&self, locale: Option<&str>) -> Texts {
        let mut found = Texts::default();
        for texts in locale.into_iter().flat_map(|tag| locale::lookup(tag, &self.translations)) {
            found.fill(texts);
        }
        found.fill(&self.texts);
        found
    }
}

impl Texts {
    /// Takes over what is not there yet.
    fn fill(&mut self, other: &Self) {
        let Self { title, subtitle, body } = other;
        for (mine, theirs) in
            [(&mut self.title, title), (&mut self.subtitle, subtitle), (&mut self.body, body)]
        {
            if mine.is_none() {
                mine.clone_from(theirs);
            }
        }
    }

    /// Whether there is a text to be shown.
    pub const fn is_shown(&self) -> bool {
        self.title.is_some() || self.body.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(title: Option<&str>, body: Option<&str>) -> Texts {
        Texts { title: title.map(str::to_owned), subtitle: None, body: body.map(str::to_owned) }
    }

    #[test]
    fn a_device_reads_its_own_language() {
        let content = Content {
            texts: texts(Some("Hello"), Some("World")),
            translations: BTreeMap::from([
                ("de".to_owned(), texts(Some("Hallo"), Some("Welt"))),
                ("de-ch".to_owned(), texts(Some("Grüezi"), None)),
                ("zh-hant".to_owned(), texts(Some("你好"), None)),
            ]),
            ..Content::default()
        };
        // Which tags fit is the domain's to test.
        for (locale, title, body) in [
            (None, "Hello", "World"),
            (Some("fr"), "Hello", "World"),
            (Some("de-AT"), "Hallo", "Welt"),
            (Some("DE_at"), "Hallo", "Welt"),
            (Some("de-CH-1996"), "Grüezi", "Welt"),
            (Some("zh-Hant-TW"), "你好", "World"),
            (Some("zh"), "Hello", "World"),
        ] {
            let found = content.texts_for(locale);
            assert_eq!(found, texts(Some(title), Some(body)), "{locale:?}");
        }
    }

    #[test]
    fn what_is_stored_reads_back_and_leaves_room_for_more() {
        let content = Content { badge: Some(1), ..Content::default() };
        let stored = serde_json::to_string(&content).unwrap();
        assert_eq!(stored, r#"{"texts":{},"badge":1,"priority":"high"}"#);
        assert_eq!(serde_json::from_str::<Content>(&stored).unwrap(), content);
        assert_eq!(serde_json::from_str::<Content>("{}").unwrap(), Content::default());
    }
}
