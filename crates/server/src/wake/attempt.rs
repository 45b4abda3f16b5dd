//! One attempt: builds the push, sends it, and settles what it came to (step 4 of the way).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{Outcome, Time};
use store::log::Step;
use store::model::{Claimed, Settle};
use tracing::Instrument;

use super::payload;
use crate::attempt::{Sent, later, settled};
use crate::credentials::{Chosen, Client, Traffic};
use crate::metrics::{PushSubject, Pushed};
use crate::node::Node;
use crate::report::{self, About};
use crate::{steps, to_wire};

/// Starts the attempt of a claimed wake.
pub fn push(node: &Arc<Node>, claimed: Claimed) {
    let runner = Arc::clone(node);
    let step = steps::wake(&claimed);
    let attempt = async move { attempt(&runner, claimed).await };
    node.tasks.start("push attempt", attempt.instrument(step));
}

async fn attempt(node: &Arc<Node>, mut claimed: Claimed) {
    let slot = claimed.slot.take();
    if let Some(lapsed) = claimed.plan.lapsed {
        let mut record = report::attempt(&claimed, claimed.at, Step::Settle, "unknown");
        record.attempt = Some(lapsed);
        node.report(record);
    }
    let Sent { outcome, detail, credential, wrote_at } = send(node, &claimed).await;
    let now = node.clock.now();
    let event = report::push_event(node, claimed.app, || about(&claimed), &outcome, &detail).await;
    count(node, &claimed, &outcome, wrote_at);
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
        wrote_at,
        event,
        now,
    };
    let settling = settled(node, || node.store.settle(settle.clone()));
    let Some(done) = settling.instrument(steps::settle()).await else { return };
    if done.dropped {
        node.metrics.dropped(claimed.app, claimed.target.kind);
        let record = report::attempt(&claimed, now, Step::Settle, "token_dropped");
        node.report(record);
        tracing::info!(
            app.id = %claimed.app,
            device.id = %claimed.key.device,
            target = claimed.target.kind.as_str(),
            "a push token was dropped: the provider says that it is gone"
        );
    }
    if done.stale {
        node.report(report::attempt(&claimed, now, Step::Settle, "stale"));
    }
    node.carry_out(done.effects);
}

/// Sends one push.
async fn send(node: &Arc<Node>, claimed: &Claimed) -> Sent {
    let settings = match node.settings(claimed.app).await {
        Ok(settings) => settings,
        Err(error) => return Sent::not(later(error.to_string())),
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
    let ringing = match ringing(node, claimed).await {
        Ok(Ringing::Over) => return Sent::ended(Outcome::Withdrawn),
        Ok(ringing) => ringing,
        Err(error) => return Sent::not(later(error.to_string())),
    };
    let wanted = wanted(node, ringing);
    let exchange = match client {
        Client::Apns { client, topic, voip_topic } => {
            let push = match payload::apns(&node.ids, claimed, &settings, topic, voip_topic, now) {
                Ok(push) => push,
                Err(refusal) => return Sent::not(refusal),
            };
            client.send(&push, now, wanted).await
        }
        Client::Fcm(client) => {
            let message = payload::fcm(&node.ids, claimed, &settings, now);
            client.send(&message, now, wanted).await
        }
        Client::Webpush(client) => {
            let push = match payload::webpush(&node.ids, claimed, &settings, now) {
                Ok(push) => push,
                Err(refusal) => return Sent::not(refusal),
            };
            client.send(&push, now, wanted).await
        }
    };
    Sent::of(node, claimed.app, &settings, &circuit, exchange)
}

/// The call that an attempt is for.
enum Ringing {
    /// None: the wake is for messages, and was looked at under its lock a moment ago.
    Messages,
    /// It does not ring any more.
    Over,
    /// It rings as long as the flag says so, and until that time at most.
    Call(Arc<AtomicBool>, Time),
}

async fn ringing(node: &Arc<Node>, claimed: &Claimed) -> Result<Ringing, store::Error> {
    let Some(call) = &claimed.call else { return Ok(Ringing::Messages) };
    let until = call.call.rings_until().unwrap_or(Time::EPOCH);
    let flag = node.ringing.flag(&node.store, call.number).await?;
    Ok(flag.map_or(Ringing::Over, |flag| Ringing::Call(flag, until)))
}

/// What the transport asks right before it writes: a call must still ring.
fn wanted(node: &Arc<Node>, ringing: Ringing) -> impl Fn() -> bool + Send + Sync + use<> {
    let clock = node.clock.clone();
    move || match &ringing {
        Ringing::Messages => true,
        Ringing::Over => false,
        Ringing::Call(rings, until) => rings.load(Ordering::Acquire) && clock.now() < *until,
    }
}

/// What an event about the push says it was for.
fn about(claimed: &Claimed) -> About {
    About {
        attempt: claimed.plan.attempt,
        target: Some(claimed.target.kind),
        of: serde_json::json!({
            "user": claimed.user,
            "device": claimed.device_name,
            "platform": claimed.platform.as_str(),
            "wake": claimed.wake.to_string(),
            "call": claimed.call.as_ref().map(|call| to_wire::call_id(call.id)),
            "rung": claimed.plan.rung.as_str(),
        }),
    }
}

fn count(node: &Node, claimed: &Claimed, outcome: &Outcome, wrote_at: Option<Time>) {
    let subject = if claimed.call.is_some() { PushSubject::Call } else { PushSubject::Message };
    let target = Some(claimed.target.kind);
    let rung = claimed.plan.rung.as_str();
    report::pushed(node, Pushed { app: claimed.app, subject, target, rung }, outcome);
    if let (Some(since), Some(wrote_at)) = (claimed.first_since, wrote_at) {
        node.metrics.wrote(subject, target, since.until(wrote_at));
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
    node.report(record);
}
