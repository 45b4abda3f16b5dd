//! Circuits: what every push that ended says about its credential and its push service.
//!
//! ```text
//!   attempt ended ─▶ observe ─┬─▶ opened: its lanes are closed, `credential.failed`, a probe is set up
//!                             ├─▶ closed: its lanes are open, `credential.recovered`, parked wakes look again
//!                             └─▶ what is known of the credential, for the judgement of the token
//! ```
//!
//! A circuit belongs to a credential in one place: one of Apple's environments, FCM, one Web Push
//! service. While it is open nothing goes there but a probe, on a connection of its own.
//!
//! Circuits live in memory: a start begins with all closed, and the first pushes tell anew. Whoever
//! registers a browser names its push service, so the places of one credential are bounded.

mod known;
mod probe;

use std::sync::Arc;
use std::time::Duration;

use domain::EventType;
use domain::circuit::{Moved, Open};
use domain::token::CredentialFacts;
use domain::{
    AppId, CredentialId, Diagnosis, Environment, Failing, LaneId, Outcome, Refusal, RetryRule, Time,
};
use serde_json::json;
use store::model::NewEvent;

pub use known::Circuits;
use known::{Observation, Observed};

use crate::node::Node;

/// Which circuit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CircuitKey {
    /// The credential.
    pub credential: CredentialId,
    /// Where it is used.
    pub place: Place,
}

/// Where a credential is used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// One of Apple's push services.
    Apns(Environment),
    /// FCM.
    Fcm,
    /// The Web Push service of this origin.
    Webpush(Arc<str>),
}

impl Place {
    /// Whether a lane may be served by it alone: a browser's push service is its vendor's choice,
    /// so a lane of Web Push has many.
    const fn has_lanes(&self) -> bool {
        match self {
            Self::Apns(_) | Self::Fcm => true,
            Self::Webpush(_) => false,
        }
    }

    /// What a mass failure here points to, and what to check.
    const fn mass_failure(&self, failing: Failing) -> (Diagnosis, &'static str) {
        match (self, failing) {
            // All tokens bad at once points to the environment; all of another app, to the app.
            (Self::Apns(_), Failing::Bad) => (
                Diagnosis::ProductionCertificateRequired,
                "check environment, bundle id and team of the credential",
            ),
            (Self::Apns(_), Failing::Mismatched) => {
                (Diagnosis::AppMismatch, "check bundle id and team of the credential")
            }
            (Self::Fcm, Failing::Bad | Failing::Mismatched) => (
                Diagnosis::AppMismatch,
                "check that the service account is of the Firebase project that the app's tokens come from",
            ),
            (Self::Webpush(_), Failing::Bad | Failing::Mismatched) => (
                Diagnosis::AppMismatch,
                "check that the browsers subscribe with the public key of this VAPID key pair",
            ),
        }
    }

    /// What kind of place, in one word; all Web Push services are one kind.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Apns(Environment::Production) => "apns_production",
            Self::Apns(Environment::Sandbox) => "apns_sandbox",
            Self::Fcm => "fcm",
            Self::Webpush(_) => "webpush",
        }
    }

    /// The push service, in one word.
    pub const fn provider(&self) -> &'static str {
        match self {
            Self::Apns(_) => "apns",
            Self::Fcm => "fcm",
            Self::Webpush(_) => "webpush",
        }
    }

    /// The word for logs, events and the API.
    pub fn name(&self) -> String {
        match self {
            Self::Apns(environment) => format!("apns {}", environment.as_str()),
            Self::Fcm => "fcm".to_owned(),
            Self::Webpush(origin) => format!("webpush {origin}"),
        }
    }
}

impl Node {
    /// A lane's pushes go by this circuit.
    pub fn lane_goes_by(&self, app: AppId, key: &CircuitKey, lane: LaneId) {
        if !key.place.has_lanes() || self.circuits.knows(key, lane) {
            return;
        }
        if self.circuits.carries(app, key, lane) {
            self.slots.close(lane);
        } else {
            self.slots.open(lane);
        }
    }

    /// A push ended; returns what is known of its credential, for the judgement of the token.
    pub fn push_ended(
        self: &Arc<Self>,
        app: AppId,
        key: &CircuitKey,
        outcome: &Outcome,
        now: Time,
    ) -> CredentialFacts {
        let observed = self.circuits.observe(app, key, outcome, Observation::Push, now);
        let facts = observed.facts;
        self.carry_out_observed(app, key, observed, outcome, now);
        facts
    }

    fn probe_ended(self: &Arc<Self>, app: AppId, key: &CircuitKey, outcome: &Outcome, now: Time) {
        let observed = self.circuits.observe(app, key, outcome, Observation::Probe, now);
        self.carry_out_observed(app, key, observed, outcome, now);
    }

    /// Nothing but a push to a device can tell: the next one does.
    fn let_one_tell(&self, key: &CircuitKey) {
        for lane in self.circuits.close(key) {
            self.slots.open(lane);
        }
    }

    /// The credentials of an app changed, and these are gone: whoever waited for another one need
    /// not wait. Lanes choose anew, so all of the app's are open until a push has told.
    pub fn circuits_changed(&self, app: AppId, gone: &[CredentialId]) {
        for lane in self.circuits.forget(app, gone) {
            self.slots.open(lane);
        }
    }

    fn carry_out_observed(
        self: &Arc<Self>,
        app: AppId,
        key: &CircuitKey,
        observed: Observed,
        outcome: &Outcome,
        now: Time,
    ) {
        match observed.moved {
            Moved::No => {}
            Moved::StaysOpen(_) => probe::later(self, app, key.clone()),
            Moved::Opened(open) => {
                if open.diagnosis.is_credential_fault()
                    && self.clients.has_another(&self.circuits, app, key)
                {
                    // The app's other credential carries on, with what this one was refused too.
                    self.recover(app, now);
                } else {
                    for lane in &observed.lanes {
                        self.slots.close(*lane);
                    }
                }
                tracing::warn!(
                    app.id = %app, credential.id = %key.credential, place = key.place.name(),
                    code = open.diagnosis.code(),
                    "pushes stop: the push service does not take them; probing"
                );
                self.credential_event(app, key, EventType::CredentialFailed, said(outcome), now);
                probe::later(self, app, key.clone());
            }
            Moved::Closed => {
                for lane in &observed.lanes {
                    self.slots.open(*lane);
                }
                tracing::info!(
                    app.id = %app, credential.id = %key.credential, place = key.place.name(),
                    "pushes go again"
                );
                self.credential_event(app, key, EventType::CredentialRecovered, json!({}), now);
                self.recover(app, now);
            }
        }
        if let Some(failing) = observed.mass_failure {
            let (diagnosis, check) = key.place.mass_failure(failing);
            tracing::warn!(
                app.id = %app, credential.id = %key.credential, place = key.place.name(),
                code = diagnosis.code(),
                "most pushes are refused for their tokens; no token is dropped until that ends"
            );
            let body = json!({
                "code": diagnosis.code(),
                "reason": "mass_failure",
                "remedy": format!(
                    "Most pushes of the last five minutes were refused for their tokens: {check}. No token is dropped until that ends."
                ),
            });
            self.credential_event(app, key, EventType::CredentialFailed, body, now);
        }
        if let Some(at) = observed.belief {
            let (node, credential) = (Arc::clone(self), key.credential);
            self.tasks.start("credential belief", async move {
                if let Err(error) = node.store.believed(credential, at).await {
                    tracing::debug!(%error, "a credential's last success is not stored");
                }
            });
        }
    }

    /// What waited for the credential looks again.
    fn recover(self: &Arc<Self>, app: AppId, now: Time) {
        let node = Arc::clone(self);
        self.tasks.start("credential recovered", async move {
            match node.store.recovered(app, now).await {
                Ok(effects) => node.carry_out(effects),
                Err(error) => tracing::warn!(%error, "parked wakes could not be re-opened"),
            }
        });
    }

    fn credential_event(
        self: &Arc<Self>,
        app: AppId,
        key: &CircuitKey,
        kind: EventType,
        mut body: serde_json::Value,
        now: Time,
    ) {
        body["credential"] = key.credential.to_string().into();
        body["place"] = key.place.name().into();
        let node = Arc::clone(self);
        self.tasks.start("credential event", async move {
            if let Err(error) = node.store.add_event(app, NewEvent { kind, body }, now).await {
                tracing::warn!(%error, "an event is not stored");
            }
        });
    }
}

/// What a refusal says, for an event.
fn said(outcome: &Outcome) -> serde_json::Value {
    match outcome {
        Outcome::Refused(refusal) => json!({
            "code": refusal.diagnosis.code(),
            "status": refusal.status,
            "reason": refusal.reason,
            "remedy": refusal.remedy,
        }),
        Outcome::Unknown { detail } => {
            json!({ "code": Diagnosis::TemporarilyDisabled.code(), "reason": detail })
        }
        Outcome::Accepted { .. } | Outcome::Withdrawn => json!({}),
    }
}

/// The refusal of a push that is not sent because the circuit is open: again when the next probe
/// has told.
pub fn refusal(open: Open, now: Time) -> Refusal {
    let pause = now.until(open.probe_at).max(Duration::from_secs(1));
    let remedy = if open.diagnosis.is_credential_fault() {
        "The push service does not take the credential; see the event credential.failed, and upload another one."
    } else {
        "Wait; the push service is away and is being probed."
    };
    Refusal::unsent(open.diagnosis, RetryRule::After(pause), "circuit_open", remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mass_failure_is_told_in_the_words_of_its_push_service() {
        let places = [
            (Place::Apns(Environment::Production), 905, "bundle id"),
            (Place::Apns(Environment::Sandbox), 905, "bundle id"),
            (Place::Fcm, 912, "Firebase"),
            (Place::Webpush(Arc::from("https://push.example")), 912, "VAPID"),
        ];
        for (place, bad, word) in places {
            for (failing, code) in [(Failing::Bad, bad), (Failing::Mismatched, 912)] {
                let (diagnosis, check) = place.mass_failure(failing);
                assert_eq!(diagnosis.code(), code, "{place:?} {failing:?}");
                assert!(check.contains(word), "{place:?} {failing:?}: {check}");
            }
        }
    }
}
