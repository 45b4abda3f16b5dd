//! Google's error object, as far as it matters here.
//!
//! <https://cloud.google.com/apis/design/errors#error_model>; the details are of the types in
//! `google.rpc` and FCM's own `FcmError`.

use domain::Scope;
use serde_json::Value;

/// No word of Google's is longer; the rest of a longer one is no help in a record.
pub(super) const LONGEST_WORD: usize = 100;

/// What an error's body says; all of it may be missing.
#[derive(Debug, Default)]
pub(super) struct FcmError {
    /// The code of FCM's own detail.
    pub(super) code: Option<String>,
    /// The canonical status.
    pub(super) status: Option<String>,
    /// The fields that break a rule.
    pub(super) fields: Vec<String>,
    /// What a human may read, in lower case: the message and the descriptions of the fields.
    pub(super) texts: String,
    /// What is exhausted, in lower case: the subject and description of each quota.
    quotas: Vec<String>,
}

impl FcmError {
    /// Reads a body; one that is something else says nothing.
    pub(super) fn parse(body: &[u8]) -> Self {
        let Ok(root) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let error = root.get("error").unwrap_or(&Value::Null);
        let mut found = Self { status: text(error, "status"), ..Self::default() };
        found.add_text(text(error, "message"));
        for detail in list(error, "details") {
            let kind = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
            if kind.ends_with("google.firebase.fcm.v1.FcmError") {
                found.code = text(detail, "errorCode").or(found.code);
            } else if kind.ends_with("google.rpc.BadRequest") {
                for violation in list(detail, "fieldViolations") {
                    found.fields.extend(text(violation, "field"));
                    found.add_text(text(violation, "description"));
                }
            } else if kind.ends_with("google.rpc.QuotaFailure") {
                found.quotas.extend(list(detail, "violations").map(|violation| {
                    let part = |key| text(violation, key).unwrap_or_default().to_lowercase();
                    format!("{}\n{}", part("subject"), part("description"))
                }));
            }
        }
        found
    }

    /// The provider's own word, verbatim.
    pub(super) fn reason(&self) -> Option<String> {
        let word = self.code.as_deref().or(self.status.as_deref())?;
        Some(word.chars().take(LONGEST_WORD).collect())
    }

    /// The first field it names by a path below the message.
    pub(super) fn named_field(&self) -> Option<&str> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-[]".contains(c);
        let is_path = |field: &&String| {
            field.contains('.') && field.len() <= LONGEST_WORD && field.chars().all(plain)
        };
        self.fields.iter().find(is_path).map(String::as_str)
    }

    /// How far a quota reaches that is exhausted: one device or topic may have had too much of its
    /// own. What is not named so is everybody's; of several quotas the widest counts.
    pub(super) fn throttled(&self) -> Scope {
        let of = |quota: &String| {
            if quota.contains("topic") {
                Scope::Push
            } else if quota.contains("device") || quota.contains("token") {
                Scope::Device
            } else {
                Scope::Service
            }
        };
        let mut scopes = self.quotas.iter().map(of);
        let first = scopes.next().unwrap_or(Scope::Service);
        scopes.fold(first, |widest, scope| match (widest, scope) {
            (Scope::Service, _) | (_, Scope::Service) => Scope::Service,
            (Scope::Device, _) | (_, Scope::Device) => Scope::Device,
            (widest, _) => widest,
        })
    }

    /// Collects a human text.
    fn add_text(&mut self, text: Option<String>) {
        if let Some(text) = text {
            self.texts.push_str(&text.to_lowercase());
            self.texts.push('\n');
        }
    }
}

/// A text in an object; an empty one says nothing.
fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A list in an object.
fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
