//! One attempt: builds the push, sends it, and settles what it came to (step 4 of the way).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::token::CredentialFacts;
use domain::{Diagnosis, Outcome, Refusal, RetryRule, Time, TokenVerdict};
use serde_json::json;
use store::log::Step;
use store::model::{Claimed, Settle};

use super::payload;
use crate::node::Node;
use crate::report;

/// The pause before a settle is written again, after the store could not.
const SETTLE_AGAIN: Duration = Duration::from_millis(500);

/// Starts the attempt of a claimed wake.
pub fn push(node: &Arc<Node>, claimed: Claimed) {
    let runner = Arc::clone(node);
    node.tasks.start("push attempt", async move {
        attempt(&runner, claimed).await;
    });
}

async fn attempt(node: &Arc<Node>, mut claimed: Claimed) {
    let slot = claimed.slot.take();
    if let Some(lapsed) = claimed.plan.lapsed {
        let mut record = report::attempt(&claimed, claimed.at, Step::Settle, "unknown");
        record.attempt = Some(lapsed);
        node.log.append(record);
    }
    let (outcome, detail) = send(node, &claimed).await;
    let now = node.clock.now();
    log_push(node, &claimed, &outcome, detail, now);
    // The room is the provider's, not the store's.
    drop(slot);
    let settle = Settle {
        key: claimed.key,
        attempt: claimed.plan.attempt,
        target: (claimed.target.kind, claimed.target.token.clone()),
        outcome,
        credential: CredentialFacts { believed_at: Some(now), in_mass_failure: false },
        claimed_at: claimed.at,
        now,
    };
    let done = loop {
        match node.store.settle(settle.clone()).await {
            Ok(done) => break done,
            Err(store::Error::Closed) => return,
            Err(error) => tracing::warn!(%error, "a settle is not stored; trying again"),
        }
        tokio::select! {
            // Unsettled, the attempt lapses and has a successor.
            () = node.tasks.stopped() => return,
            () = tokio::time::sleep(SETTLE_AGAIN) => {}
        }
    };
    if done.dropped {
        let record = report::attempt(&claimed, now, Step::Settle, "token_dropped");
        node.log.append(record);
        tracing::info!(
            app.id = %claimed.app,
            device.id = %claimed.key.device,
            target = claimed.target.kind.as_str(),
            "a push token was dropped: the provider says that it is gone"
        );
    }
    if done.stale {
        node.log.append(report::attempt(&claimed, now, Step::Settle, "stale"));
    }
    node.carry_out(done.effects);
}

/// Sends one push; returns what it came to, and request and answer for the log.
async fn send(node: &Arc<Node>, claimed: &Claimed) -> (Outcome, serde_json::Value) {
    let settings = match node.settings(claimed.app).await {
        Ok(settings) => settings,
        Err(error) => return (later(&error.to_string()), json!({})),
    };
    let client = match node.clients.choose(&claimed.target, claimed.app, &settings) {
        Ok(client) => client,
        Err(refusal) => return (Outcome::Refused(refusal), json!({})),
    };
    let now = node.clock.now();
    let exchange = match client {
        crate::credentials::Client::Apns { client, topic, voip_topic } => {
            let push = match payload::apns(&node.ids, claimed, &settings, topic, voip_topic, now) {
                Ok(push) => push,
                Err(refusal) => return (Outcome::Refused(refusal), json!({})),
            };
            client.send(&push, now, wanted(node, claimed)).await
        }
        crate::credentials::Client::Fcm(client) => {
            let message = payload::fcm(&node.ids, claimed, &settings, now);
            client.send(&message, now, wanted(node, claimed)).await
        }
    };
    let detail = json!({
        "request": report::request(&exchange.request),
        "answer": exchange.answer,
        "queued_ms": exchange.queued.as_millis(),
        "took_ms": exchange.took.as_millis(),
    });
    (exchange.outcome, detail)
}

/// What the transport asks right before it writes: a call must still ring. A wake for messages
/// was looked at under its lock a moment ago.
fn wanted(node: &Arc<Node>, claimed: &Claimed) -> impl Fn() -> bool + Send + Sync + use<> {
    let ringing = claimed.call.as_ref().map(|call| {
        (node.ringing.flag(call.number), call.call.rings_until().unwrap_or(Time::EPOCH))
    });
    let clock = node.clock.clone();
    move || match &ringing {
        None => true,
        Some((rings, until)) => rings.load(Ordering::Acquire) && clock.now() < *until,
    }
}

fn log_push(
    node: &Node,
    claimed: &Claimed,
    outcome: &Outcome,
    detail: serde_json::Value,
    now: Time,
) {
    let mut record = report::attempt(claimed, now, Step::Push, report::outcome_word(outcome));
    let mut detail = detail;
    detail["rung"] = claimed.plan.rung.as_str().into();
    detail["target"] = claimed.target.kind.as_str().into();
    detail["count"] = claimed.plan.count.into();
    report::outcome(&mut record, &mut detail, outcome);
    record.detail = Some(detail.to_string());
    node.log.append(record);
}

/// Our own trouble: the push was not sent, and nothing is wrong with token or credential.
fn later(reason: &str) -> Outcome {
    Outcome::Refused(Refusal {
        diagnosis: Diagnosis::TemporarilyDisabled,
        scope: Diagnosis::TemporarilyDisabled.scope(),
        retry: RetryRule::BackOff { first: Duration::from_secs(1) },
        token: TokenVerdict::Keep,
        status: None,
        reason: reason.to_owned(),
        remedy: "See the server's log.".to_owned(),
    })
}
