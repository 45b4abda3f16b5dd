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
use crate::credentials::{Chosen, Client, Traffic};
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
    let Sent { outcome, detail, credential } = send(node, &claimed).await;
    let now = node.clock.now();
    log_push(node, &claimed, &outcome, detail, now);
    // The room is the provider's, not the store's.
    drop(slot);
    let settle = Settle {
        key: claimed.key,
        attempt: claimed.plan.attempt,
        target: (claimed.target.kind, claimed.target.token.clone()),
        outcome,
        credential,
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

/// What a push came to.
struct Sent {
    outcome: Outcome,
    /// Request and answer, for the log.
    detail: serde_json::Value,
    /// What is known of the credential, for the judgement of the token.
    credential: CredentialFacts,
}

impl Sent {
    /// It was refused here, and not sent.
    fn not(refusal: Refusal) -> Self {
        let credential = CredentialFacts::default();
        Self { outcome: Outcome::Refused(refusal), detail: json!({}), credential }
    }
}

/// Sends one push.
async fn send(node: &Arc<Node>, claimed: &Claimed) -> Sent {
    let settings = match node.settings(claimed.app).await {
        Ok(settings) => settings,
        Err(error) => return Sent::not(later(&error.to_string())),
    };
    let chosen =
        node.clients.choose(&node.circuits, &claimed.target, claimed.app, &settings, Traffic::Wake);
    let Chosen { client, circuit } = match chosen {
        Ok(chosen) => chosen,
        Err(refusal) => return Sent::not(refusal),
    };
    let now = node.clock.now();
    node.lane_goes_by(claimed.app, &circuit, claimed.lane);
    if let Some(open) = node.circuits.open(&circuit) {
        return Sent::not(crate::circuits::refusal(open, now));
    }
    let exchange = match client {
        Client::Apns { client, topic, voip_topic } => {
            let push = match payload::apns(&node.ids, claimed, &settings, topic, voip_topic, now) {
                Ok(push) => push,
                Err(refusal) => return Sent::not(refusal),
            };
            client.send(&push, now, wanted(node, claimed)).await
        }
        Client::Fcm(client) => {
            let message = payload::fcm(&node.ids, claimed, &settings, now);
            client.send(&message, now, wanted(node, claimed)).await
        }
        Client::Webpush(client) => {
            let push = match payload::webpush(&node.ids, claimed, &settings, now) {
                Ok(push) => push,
                Err(refusal) => return Sent::not(refusal),
            };
            client.send(&push, now, wanted(node, claimed)).await
        }
    };
    let detail = json!({
        "request": report::request(&exchange.request),
        "answer": exchange.answer,
        "queued_ms": exchange.queued.as_millis(),
        "took_ms": exchange.took.as_millis(),
    });
    report::print::push(claimed.app, &settings, &detail);
    let credential = node.push_ended(claimed.app, &circuit, &exchange.outcome, node.clock.now());
    Sent { outcome: exchange.outcome, detail, credential }
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
fn later(reason: &str) -> Refusal {
    Refusal {
        diagnosis: Diagnosis::TemporarilyDisabled,
        scope: Diagnosis::TemporarilyDisabled.scope(),
        retry: RetryRule::BackOff { first: Duration::from_secs(1) },
        token: TokenVerdict::Keep,
        status: None,
        reason: reason.to_owned(),
        remedy: "See the server's log.".to_owned(),
    }
}
