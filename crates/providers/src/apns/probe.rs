//! Whether Apple believes a credential, found out without reaching any device.

use bytes::Bytes;
use domain::{Diagnosis, Outcome, Time};
use uuid::Uuid;

use super::certificate::VOIP_NAME;
use super::push_type::PushType;
use super::request::{Expiration, Push};
use super::topic::Topic;
use super::{Apns, Credential, TopicKind};
use crate::belief::Belief;
use crate::record::Exchange;
use crate::token::PushToken;

/// A token in the usual form that nobody has.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What an outcome tells of the credential, a probe's or any other push's.
///
/// An answer about the device token counts as belief: Apple gives it to those it has
/// authenticated. It does not promise to check in that order; every client in the field that
/// tests a credential relies on it.
pub fn belief(outcome: &Outcome) -> Belief {
    let refusal = match outcome {
        Outcome::Accepted { .. } => return Belief::Believed,
        Outcome::Refused(refusal) => refusal,
        Outcome::Unknown { .. } | Outcome::Withdrawn => return Belief::Unknown,
    };
    match refusal.diagnosis {
        Diagnosis::BadPushToken if refusal.status.is_some() => Belief::Believed,
        Diagnosis::AppMismatch if refusal.reason == "DeviceTokenNotForTopic" => Belief::Believed,
        Diagnosis::AppMismatch => Belief::Refused(refusal.clone()),
        diagnosis if diagnosis.is_credential_fault() => Belief::Refused(refusal.clone()),
        // 913 is about the probe itself.
        Diagnosis::NotConfigured
        | Diagnosis::TemporarilyDisabled
        | Diagnosis::CertificateExpired
        | Diagnosis::CertificateError
        | Diagnosis::ProductionCertificateRequired
        | Diagnosis::BadPushToken
        | Diagnosis::BadPayload => Belief::Unknown,
    }
}

impl Apns {
    /// Sends a push that can reach no device, to learn what Apple thinks of the credential;
    /// [`belief`] reads it. [`Credential::probe_topic`] gives a topic.
    ///
    /// APNs answers errors by narrowing the connection they came over, so probe with a client of
    /// its own (see [`Apns::new`]).
    pub async fn probe(&self, topic: &Topic, now: Time) -> Exchange {
        let (push_type, payload) = match topic.push_type() {
            // Should a device have the token after all, it is to show nothing.
            PushType::Alert | PushType::Background => {
                (PushType::Background, r#"{"aps":{"content-available":1}}"#)
            }
            PushType::LiveActivity => {
                (PushType::LiveActivity, r#"{"aps":{"event":"end","timestamp":0}}"#)
            }
            other @ (PushType::Complication
            | PushType::Controls
            | PushType::FileProvider
            | PushType::Location
            | PushType::Mdm
            | PushType::PushToTalk
            | PushType::Voip
            | PushType::Widgets) => (other, r#"{"aps":{}}"#),
        };
        let priorities = push_type.priorities();
        let push = Push {
            device_token: PushToken::new(NOBODY),
            topic: topic.clone(),
            push_type,
            // The last one is the least urgent, and no type is without one.
            priority: priorities.last().copied().unwrap_or(super::Priority::Considerate),
            expiration: Expiration::Once,
            collapse_id: None,
            id: Uuid::new_v4(),
            payload: Bytes::from_static(payload.as_bytes()),
        };
        self.send(&push, now, || true).await
    }
}

impl Credential {
    /// A topic to probe with: the app's own, else what the credential is for. `None` for a key
    /// that was given no bundle ids; then the caller must know one.
    pub fn probe_topic(&self) -> Option<Topic> {
        let push_type = |kind| match kind {
            TopicKind::App => Some(PushType::Background),
            TopicKind::Complication => Some(PushType::Complication),
            TopicKind::Mdm => Some(PushType::Mdm),
            TopicKind::Voip => Some(PushType::Voip),
            TopicKind::Other => None,
        };
        let facts = self.facts();
        // A VoIP certificate names its app as well, and whether it may push to it is not said.
        let for_calls = facts.subject.as_deref().is_some_and(|it| it.starts_with(VOIP_NAME));
        // By kind, because an app's own topic says most.
        let mut topics: Vec<_> = facts.topics.iter().collect();
        topics.sort_by_key(|topic| (for_calls && topic.kind != TopicKind::Voip, topic.kind));
        topics.into_iter().find_map(|topic| {
            let push_type = push_type(topic.kind)?;
            let bundle_id = topic.name.strip_suffix(push_type.topic_suffix())?;
            Topic::for_push(bundle_id, push_type).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::{Refusal, RetryRule, Scope, TokenVerdict};

    use super::*;

    #[test]
    fn an_outcome_says_what_apple_thinks_of_the_credential() {
        let refused = |diagnosis: Diagnosis, status, reason: &str| Refusal {
            diagnosis,
            scope: Scope::Push,
            retry: RetryRule::WhenChanged,
            token: TokenVerdict::Keep,
            status,
            reason: reason.to_owned(),
            remedy: String::new(),
        };
        let check = |refusal: Refusal, expected: fn(Refusal) -> Belief| {
            let belief = belief(&Outcome::Refused(refusal.clone()));
            assert_eq!(belief, expected(refusal));
        };
        let believed = |_| Belief::Believed;
        let unknown = |_| Belief::Unknown;
        check(refused(Diagnosis::BadPushToken, Some(400), "BadDeviceToken"), believed);
        check(refused(Diagnosis::BadPushToken, Some(410), "Unregistered"), believed);
        check(refused(Diagnosis::AppMismatch, Some(400), "DeviceTokenNotForTopic"), believed);
        check(refused(Diagnosis::AppMismatch, Some(400), "TopicDisallowed"), Belief::Refused);
        check(refused(Diagnosis::AppMismatch, None, "topic: not covered"), Belief::Refused);
        for diagnosis in Diagnosis::ALL.into_iter().filter(|it| it.is_credential_fault()) {
            check(refused(diagnosis, Some(403), "x"), Belief::Refused);
        }
        check(refused(Diagnosis::BadPushToken, None, "device_token: empty"), unknown);
        check(refused(Diagnosis::TemporarilyDisabled, Some(503), "Shutdown"), unknown);
        check(refused(Diagnosis::BadPayload, Some(400), "BadPriority"), unknown);
        let accepted = Outcome::Accepted { provider_id: None };
        assert_eq!(belief(&accepted), Belief::Believed);
        assert_eq!(belief(&Outcome::Withdrawn), Belief::Unknown);
        assert_eq!(belief(&Outcome::Unknown { detail: String::new() }), Belief::Unknown);
    }
}
