//! Whether Google believes a service account, found out without reaching any device.

use domain::{Outcome, Scope};

use super::message::{Content, Message, Target};
use crate::belief::Belief;

/// A topic that nobody subscribes to: not even a Google that overlooks `validate_only` would reach
/// a device.
const TOPIC: &str = "reveille-probe";

/// A message that FCM only checks.
pub(super) fn message() -> Message {
    Message {
        target: Target::Topic(TOPIC.to_owned()),
        content: Content {
            data: [("reveille_kind".to_owned(), "test".to_owned())].into(),
            validate_only: true,
            ..Content::default()
        },
    }
}

/// What an outcome tells of the service account, a probe's or any other push's.
///
/// A refusal of the push or the device is made by whoever believed the account first; one for a
/// quota or an outage comes from the front-end as well.
pub fn belief(outcome: &Outcome) -> Belief {
    match outcome {
        Outcome::Accepted { .. } => Belief::Believed,
        Outcome::Refused(refusal) => match (refusal.scope, refusal.status) {
            (Scope::Credential, _) => Belief::Refused(refusal.clone()),
            (Scope::Device | Scope::Push, Some(_)) => Belief::Believed,
            // Without a status it was our own check that refused.
            (Scope::Device | Scope::Push, None) | (Scope::Service, _) => Belief::Unknown,
        },
        Outcome::Unknown { .. } | Outcome::Withdrawn => Belief::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use domain::{Diagnosis, Refusal, RetryRule, TokenVerdict};

    use super::*;

    #[test]
    fn an_outcome_tells_of_the_account() {
        let refused = |scope, status| {
            Outcome::Refused(Refusal {
                diagnosis: Diagnosis::NotConfigured,
                scope,
                retry: RetryRule::WhenChanged,
                token: TokenVerdict::Keep,
                status,
                reason: String::new(),
                remedy: String::new(),
            })
        };
        let check = |outcome: Outcome, expected: Belief| {
            assert_eq!(belief(&outcome), expected, "{outcome:?}");
        };
        check(Outcome::Accepted { provider_id: None }, Belief::Believed);
        check(refused(Scope::Device, Some(404)), Belief::Believed);
        check(refused(Scope::Push, Some(400)), Belief::Believed);
        check(refused(Scope::Push, None), Belief::Unknown);
        check(refused(Scope::Service, Some(503)), Belief::Unknown);
        check(Outcome::Unknown { detail: String::new() }, Belief::Unknown);
        check(Outcome::Withdrawn, Belief::Unknown);
        // The account itself may be refused by the token endpoint, or before anything is sent.
        for status in [Some(403), None] {
            let Outcome::Refused(refusal) = refused(Scope::Credential, status) else { return };
            check(Outcome::Refused(refusal.clone()), Belief::Refused(refusal));
        }
    }

    #[test]
    fn the_probe_is_a_good_message_that_only_asks() {
        let encoded = crate::fcm::encode(&message()).expect("a good message");
        assert!(encoded.body.starts_with(b"{\"validate_only\":true,\"message\":{\"topic\":"));
    }
}
