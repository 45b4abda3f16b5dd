//! Whom a message goes to: exactly one of four.

use domain::Diagnosis;

use super::condition;
use crate::error::FieldFault;
use crate::token::PushToken;

/// Our limit of a registration token; Google gives none, today's have about 170 characters.
const LONGEST_TOKEN: usize = 4096;
/// The limit of a topic's name that Firebase's SDK for Android holds subscribers to.
const LONGEST_TOPIC: usize = 900;

/// Whom a message goes to (the `target` union of Google's `Message`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whoever is subscribed to such topics: a boolean expression of at most five
    /// `'name' in topics` with `&&`, `||`, `!` and parentheses.
    Condition(String),
    /// One installation of the app, by its Firebase installation id; it takes the place of the
    /// registration token.
    Fid(PushToken),
    /// One installation of the app, by its registration token.
    Token(PushToken),
    /// Whoever is subscribed to this topic; the name alone, without `/topics/`.
    Topic(String),
}

impl Target {
    /// Its name on the wire, and in faults.
    pub(crate) const fn field(&self) -> &'static str {
        match self {
            Self::Condition(_) => "condition",
            Self::Fid(_) => "fid",
            Self::Token(_) => "token",
            Self::Topic(_) => "topic",
        }
    }

    /// Its text on the wire.
    pub(crate) fn expose(&self) -> &str {
        match self {
            Self::Condition(text) | Self::Topic(text) => text,
            Self::Fid(token) | Self::Token(token) => token.expose(),
        }
    }

    /// The token, if it is one: no record may hold it.
    pub(crate) const fn secret(&self) -> Option<&PushToken> {
        match self {
            Self::Fid(token) | Self::Token(token) => Some(token),
            Self::Condition(_) | Self::Topic(_) => None,
        }
    }

    /// Checks its form.
    pub(crate) fn check(&self) -> Result<(), FieldFault> {
        match self {
            Self::Condition(text) => condition::check(text).map_err(|broken| {
                let remedy =
                    "Write it like 'dogs' in topics && ('cats' in topics || !('birds' in topics)).";
                FieldFault::payload("condition", broken.to_string(), remedy)
            }),
            Self::Fid(token) => check_token("fid", token),
            Self::Token(token) => check_token("token", token),
            Self::Topic(name) => check_topic(name),
        }
    }
}

/// Whether a topic's name may have this letter.
pub(super) const fn is_topic_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '~' | '%')
}

/// Letters of topics, and not without end.
fn check_topic(name: &str) -> Result<(), FieldFault> {
    const NAME: &str = "Use letters, digits and - _ . ~ % only.";
    let (problem, remedy) = if name.starts_with("/topics/") {
        let remedy = "Give the topic's name alone; only the retired API had /topics/ before it.";
        ("begins with /topics/".to_owned(), remedy)
    } else if name.is_empty() {
        ("empty".to_owned(), NAME)
    } else if name.len() > LONGEST_TOPIC {
        (format!("{} characters, at most {LONGEST_TOPIC}", name.len()), "Use a shorter name.")
    } else if let Some(letter) = name.chars().find(|letter| !is_topic_letter(*letter)) {
        (format!("has {letter:?}, which no topic has"), NAME)
    } else {
        return Ok(());
    };
    Err(FieldFault::payload("topic", problem, remedy))
}

/// Visible ASCII, and not without end.
fn check_token(field: &'static str, token: &PushToken) -> Result<(), FieldFault> {
    let text = token.expose();
    let problem = if text.is_empty() {
        "empty".to_owned()
    } else if text.len() > LONGEST_TOKEN {
        format!("{} characters, at most {LONGEST_TOKEN}", text.len())
    } else if !text.bytes().all(|b| b.is_ascii_graphic()) {
        format!("has characters no {field} of Firebase has")
    } else {
        return Ok(());
    };
    Err(FieldFault {
        field: field.into(),
        problem,
        remedy: "Register the device's token as the app got it from Firebase.",
        diagnosis: Diagnosis::BadPushToken,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_taken_or_refused_by_their_name() {
        let token = |text: &str| Target::Token(PushToken::new(text));
        let fid = |text: &str| Target::Fid(PushToken::new(text));
        let topic = |text: &str| Target::Topic(text.to_owned());
        let good = |target: Target| assert_eq!(target.check(), Ok(()), "{target:?}");
        good(token("abc:APA91b-x_y"));
        good(token(&"x".repeat(4096)));
        good(fid("c2VjcmV0LWZpZA"));
        good(topic("news-_.~%9"));
        good(topic(&"x".repeat(900)));
        good(Target::Condition("'a' in topics".to_owned()));

        let bad = |target: Target, code: u16, fault: &str| {
            let found = target.check().expect_err(fault);
            assert_eq!((found.diagnosis.code(), &*found.to_string()), (code, fault));
            assert!(!found.remedy.is_empty());
        };
        bad(token(""), 911, "token: empty");
        bad(token("a b"), 911, "token: has characters no token of Firebase has");
        bad(token(&"x".repeat(4097)), 911, "token: 4097 characters, at most 4096");
        bad(fid("\u{e9}"), 911, "fid: has characters no fid of Firebase has");
        bad(topic(""), 913, "topic: empty");
        bad(topic("/topics/news"), 913, "topic: begins with /topics/");
        bad(topic("a b"), 913, "topic: has ' ', which no topic has");
        bad(topic(&"x".repeat(901)), 913, "topic: 901 characters, at most 900");
        let condition = Target::Condition("'a' in topic".to_owned());
        bad(condition, 913, "condition: expected: topics at character 8");
    }

    #[test]
    fn a_device_is_not_shown() {
        for target in
            [Target::Token(PushToken::new("s3cret")), Target::Fid(PushToken::new("s3cret"))]
        {
            assert!(!format!("{target:?}").contains("s3cret"));
        }
    }
}
