//! What the attempt of a wake and that of a direct push have in common (step 4 of the way): what
//! came of the push, and that its settle is stored.

use std::sync::Arc;
use std::time::Duration;

use domain::token::CredentialFacts;
use domain::{AppId, Diagnosis, Outcome, Refusal, RetryRule, Time};
use providers::Exchange;
use serde_json::{Value, json};
use store::model::Settings;

use crate::circuits::CircuitKey;
use crate::node::Node;
use crate::report;

/// The pause before a settle is written again, after the store could not.
const SETTLE_AGAIN: Duration = Duration::from_millis(500);

/// What a push came to.
pub struct Sent {
    /// How it ended.
    pub outcome: Outcome,
    /// Request and answer, for the log.
    pub detail: Value,
    /// What is known of the credential, for the judgement of the token.
    pub credential: CredentialFacts,
    /// When it was written to the push service, if that answered.
    pub wrote_at: Option<Time>,
}

impl Sent {
    /// It was refused here, and not sent.
    pub fn not(refusal: Refusal) -> Self {
        Self::ended(Outcome::Refused(refusal))
    }

    /// It ended here, and nothing was sent.
    pub fn ended(outcome: Outcome) -> Self {
        let (detail, credential) = (json!({}), CredentialFacts::default());
        Self { outcome, detail, credential, wrote_at: None }
    }

    /// A push service had its say: printed if the app wants that, and told to the circuit.
    pub fn of(
        node: &Arc<Node>,
        app: AppId,
        settings: &Settings,
        circuit: &CircuitKey,
        exchange: Exchange,
    ) -> Self {
        report::print::push(app, settings, &exchange);
        let detail = shown(&exchange);
        let now = node.clock.now();
        let credential = node.push_ended(app, circuit, &exchange.outcome, now);
        let wrote_at = exchange.answer.is_some().then(|| now.minus(exchange.took));
        if wrote_at.is_some() {
            node.metrics.answered(circuit.place.provider(), exchange.took);
        }
        Self { outcome: exchange.outcome, detail, credential, wrote_at }
    }
}

/// Request and answer, for the log.
pub fn shown(exchange: &Exchange) -> Value {
    json!({
        "request": report::request(&exchange.request),
        "answer": exchange.answer,
        "queued_ms": exchange.queued.as_millis(),
        "took_ms": exchange.took.as_millis(),
    })
}

/// Stores a settle, until the store takes it. `None`: the node stops; unsettled, the attempt lapses
/// and has a successor.
pub async fn settled<T, F>(node: &Node, mut settle: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, store::Error>>,
{
    let mut told = false;
    loop {
        match settle().await {
            Ok(done) => return Some(done),
            Err(store::Error::Closed) => return None,
            Err(_) if told => {}
            Err(error) => {
                tracing::error!(%error, "a settle is not stored; trying until it is");
                told = true;
            }
        }
        tokio::select! {
            () = node.tasks.stopped() => return None,
            () = tokio::time::sleep(SETTLE_AGAIN) => {}
        }
    }
}

/// Our own trouble: the push was not sent, and nothing is wrong with token or credential.
pub fn later(reason: impl Into<String>) -> Refusal {
    Refusal::unsent(
        Diagnosis::TemporarilyDisabled,
        RetryRule::BackOff { first: Duration::from_secs(1) },
        reason,
        "See the server's log.",
    )
}
