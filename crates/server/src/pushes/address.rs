//! A target that need be no device's: checked, stored as JSON, and read back to be pushed to.

use domain::{Environment, TargetKind, Time};
use providers::{PushToken, fcm};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::model::Target;
use wire::http::{DeliveryTarget, RawTarget};

use crate::http::problem::Problem;
use crate::{from_wire, targets, to_wire};

/// Where a push to no device goes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// The kind.
    pub kind: TargetKind,
    /// What the push service knows it by.
    pub to: Destination,
    /// Apple's environment, as it was declared.
    pub environment: Option<Environment>,
    /// Bundle id or package name.
    pub app_id: Option<String>,
}

/// What a push service knows a target by.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// A condition over topics of FCM's.
    Condition(String),
    /// An installation id of FCM's.
    Fid(String),
    /// A browser's subscription, as JSON text.
    Subscription(String),
    /// A device token of Apple's, or a registration token of FCM's.
    Token(String),
    /// A topic of FCM's.
    Topic(String),
}

/// Whoever holds a token can push to it, so only its sort is shown.
impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Condition(_) => "Condition",
            Self::Fid(_) => "Fid",
            Self::Subscription(_) => "Subscription",
            Self::Token(_) => "Token",
            Self::Topic(_) => "Topic",
        })
    }
}

/// An [`Address`] as JSON.
#[derive(Serialize, Deserialize)]
struct Stored {
    kind: String,
    to: Destination,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app_id: Option<String>,
}

impl Address {
    /// Checks a target of a request.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the field inside the target.
    pub fn check(raw: RawTarget) -> Result<Self, Problem> {
        let RawTarget { kind, token, fid, topic, condition, subscription, environment, app_id } =
            raw;
        let kind = from_wire::target_kind(kind);
        let environment = environment.map(from_wire::environment);
        if environment.is_some() && !kind.is_apns() {
            return Err(Problem::invalid_field(
                "environment",
                "only targets of Apple's have one; leave it out",
            ));
        }
        let subscription = subscription.map(|subscription| subscription.to_string());
        let given = [
            ("token", token.map(Destination::Token)),
            ("fid", fid.map(Destination::Fid)),
            ("topic", topic.map(Destination::Topic)),
            ("condition", condition.map(Destination::Condition)),
            ("subscription", subscription.map(Destination::Subscription)),
        ];
        let mut given = given.into_iter().filter_map(|(field, to)| Some((field, to?)));
        let allowed: &[&str] = match kind {
            TargetKind::Apns | TargetKind::ApnsVoip => &["token"],
            TargetKind::Fcm => &["token", "fid", "topic", "condition"],
            TargetKind::Webpush => &["subscription"],
        };
        let one_of = allowed.join("`, `");
        let Some((field, to)) = given.next() else {
            return Err(Problem::invalid_field(
                allowed.first().copied().unwrap_or("kind"),
                format!("a target of this kind needs one of `{one_of}`"),
            ));
        };
        let wrong = Some(field).filter(|field| !allowed.contains(field));
        if let Some(field) = wrong.or_else(|| given.next().map(|(field, _)| field)) {
            return Err(Problem::invalid_field(
                field,
                format!("a target of this kind has exactly one of `{one_of}`"),
            ));
        }
        let to = match to {
            Destination::Token(token) => {
                let wanted = targets::Wanted { kind, token, environment, app_id: app_id.clone() };
                Destination::Token(targets::check(&wanted)?)
            }
            Destination::Subscription(token) => {
                let wanted = targets::Wanted { kind, token, environment, app_id: app_id.clone() };
                let checked = targets::check(&wanted);
                Destination::Subscription(checked.map_err(|problem| problem.with_field(field))?)
            }
            Destination::Condition(_) | Destination::Fid(_) | Destination::Topic(_) => {
                check_fcm(field, &to)?;
                to
            }
        };
        Ok(Self { kind, to, environment, app_id })
    }

    /// Its form in the store.
    pub fn to_json(&self) -> String {
        let stored = Stored {
            kind: self.kind.as_str().to_owned(),
            to: self.to.clone(),
            environment: self.environment.map(|environment| environment.as_str().to_owned()),
            app_id: self.app_id.clone(),
        };
        serde_json::to_value(&stored).unwrap_or(Value::Null).to_string()
    }

    /// Reads what was stored. `None`: not by this version.
    pub fn from_json(text: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_str(text).ok()?;
        let environment = stored.environment.map(|word| Environment::parse(&word));
        Some(Self {
            kind: TargetKind::parse(&stored.kind)?,
            to: stored.to,
            environment: environment.flatten(),
            app_id: stored.app_id,
        })
    }

    /// The same as a device's target, to choose a credential by and to push to.
    pub fn target(&self) -> Target {
        let token = match &self.to {
            Destination::Condition(text)
            | Destination::Fid(text)
            | Destination::Subscription(text)
            | Destination::Token(text)
            | Destination::Topic(text) => text.clone(),
        };
        Target {
            kind: self.kind,
            token,
            environment: self.environment,
            learned: None,
            app_id: self.app_id.clone(),
            registered_at: Time::EPOCH,
            suspect_since: None,
        }
    }

    /// As the API shows it: whoever holds a token can push to it, so its hash stands for it.
    pub fn shown(&self) -> DeliveryTarget {
        let (mut token_hash, mut topic, mut condition) = (None, None, None);
        match &self.to {
            Destination::Token(text) | Destination::Fid(text) | Destination::Subscription(text) => {
                token_hash = Some(targets::hash(self.kind, text))
            }
            Destination::Topic(text) => topic = Some(text.clone()),
            Destination::Condition(text) => condition = Some(text.clone()),
        }
        DeliveryTarget {
            kind: to_wire::target_kind(self.kind),
            token_hash,
            topic,
            condition,
            environment: self.environment.map(to_wire::environment),
            app_id: self.app_id.clone(),
        }
    }
}

/// Checks what only FCM knows by its own rules, which its client holds.
fn check_fcm(field: &'static str, to: &Destination) -> Result<(), Problem> {
    let target = match to {
        Destination::Condition(text) => fcm::Target::Condition(text.clone()),
        Destination::Fid(text) => fcm::Target::Fid(PushToken::new(text.as_str())),
        Destination::Topic(text) => fcm::Target::Topic(text.clone()),
        Destination::Subscription(_) | Destination::Token(_) => return Ok(()),
    };
    let message = fcm::Message { target, content: fcm::Content::default() };
    fcm::encode(&message).map(drop).map_err(|fault| {
        Problem::invalid_field(field, format!("{}; {}", fault.problem, fault.remedy))
            .diagnosed(fault.diagnosis)
    })
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(raw: Value) -> Result<Address, Box<wire::Problem>> {
        let raw: RawTarget = serde_json::from_value(raw).unwrap();
        Address::check(raw).map_err(|problem| Box::new(problem.into()))
    }

    #[test]
    fn a_target_is_stored_and_read_back() {
        for raw in [
            json!({ "kind": "apns", "token": "00FF", "environment": "sandbox", "app_id": "a.b" }),
            json!({ "kind": "apns_voip", "token": "00ff" }),
            json!({ "kind": "fcm", "token": "a:b" }),
            json!({ "kind": "fcm", "topic": "news" }),
            json!({ "kind": "fcm", "condition": "'news' in topics" }),
        ] {
            let address = check(raw).unwrap();
            assert_eq!(Address::from_json(&address.to_json()), Some(address.clone()));
            assert!(!format!("{address:?}").contains("ff"), "{address:?}");
        }
        let upper = check(json!({ "kind": "apns", "token": "00FF" })).unwrap();
        assert!(upper.to == Destination::Token("00ff".to_owned()));
        assert_eq!(upper.shown().token_hash, Some(crate::secret::token_hash("00ff")));
        assert_eq!(Address::from_json("{}"), None);
    }

    #[test]
    fn a_target_that_is_none_names_its_field() {
        for (raw, field) in [
            (json!({ "kind": "apns" }), "token"),
            (json!({ "kind": "apns", "token": "no hex" }), "token"),
            (json!({ "kind": "apns", "token": "" }), "token"),
            (json!({ "kind": "apns", "topic": "news" }), "topic"),
            (json!({ "kind": "apns", "token": "00", "app_id": "a b" }), "app_id"),
            (json!({ "kind": "fcm", "token": "a", "environment": "sandbox" }), "environment"),
            (json!({ "kind": "fcm", "token": "a", "topic": "b" }), "topic"),
            (json!({ "kind": "fcm", "subscription": {} }), "subscription"),
            (json!({ "kind": "fcm", "topic": "no spaces" }), "topic"),
            (json!({ "kind": "fcm", "fid": "" }), "fid"),
            (json!({ "kind": "fcm", "condition": "" }), "condition"),
            (json!({ "kind": "webpush", "token": "a" }), "token"),
            (json!({ "kind": "webpush", "subscription": {} }), "subscription"),
        ] {
            let problem = check(raw.clone()).unwrap_err();
            let found = (problem.code.as_str(), problem.field.as_deref());
            assert_eq!(found, ("invalid_field", Some(field)), "{raw}");
        }
    }
}
