//! One attempt: renders a direct push for its target, sends it, and settles what it came to
//! (step 4 of the way).

use std::sync::Arc;

use domain::delivery::PushKind;
use domain::{
    Diagnosis, Environment, Outcome, Platform, Policy, Refusal, RetryRule, TargetKind, Time,
    TokenVerdict,
};
use providers::FieldFault;
use providers::webpush::Subscription;
use serde_json::Value;
use store::log::{DeviceName, Record, Step};
use store::model::{
    ClaimedDelivery, DeliveryTo, Judged, PushState, Settings, SettleDelivery, Target,
};
use tracing::Instrument;

use super::address::{Address, Destination};
use super::content::Content;
use super::render::apns::Topics;
use super::render::{self, Parts};
use super::sending::Attempt;
use crate::attempt::{Sent, later, settled};
use crate::circuits::CircuitKey;
use crate::credentials::{Chosen, Client, Traffic};
use crate::metrics::{PushSubject, Pushed};
use crate::node::Node;
use crate::report::{self, About};
use crate::steps;

/// Starts the attempt of a claimed delivery.
pub fn push(node: &Arc<Node>, claimed: ClaimedDelivery) {
    let sender = Arc::clone(node);
    let step = steps::push(&claimed);
    let attempt = async move { attempt(&sender, claimed).await };
    node.tasks.start("direct push attempt", attempt.instrument(step));
}

async fn attempt(node: &Arc<Node>, mut claimed: ClaimedDelivery) {
    let slot = claimed.slot.take();
    let sending = node.sending.begin(claimed.key.push);
    let mut sent = send(node, &claimed, &sending, None).await;
    if let Some(other) = other_environment(node, &claimed, &sent.outcome).await {
        // Nobody's device remembers it: the one record of where the token is not.
        count(node, &claimed, &sent.outcome, None);
        log_push(node, &claimed, &sent.outcome, sent.detail, node.clock.now());
        sent = send(node, &claimed, &sending, Some(other)).await;
    }
    let Sent { outcome, detail, credential, wrote_at } = sent;
    let now = node.clock.now();
    let event = report::push_event(node, claimed.app, || about(&claimed), &outcome, &detail).await;
    let event = event.map(|event| (claimed.app, event));
    count(node, &claimed, &outcome, wrote_at);
    log_push(node, &claimed, &outcome, detail, now);
    // The room is the provider's, not the store's.
    drop((slot, sending));
    let token = match &claimed.to {
        DeliveryTo::Device(address) => Some(Judged {
            device: address.number,
            target: (address.target.kind, address.target.token.clone()),
            credential,
            asked_at: claimed.at,
        }),
        DeliveryTo::Raw(_) => None,
    };
    let settle =
        SettleDelivery { key: claimed.key, attempt: claimed.attempt, outcome, token, event, now };
    let settling = settled(node, || node.store.settle_delivery(settle.clone()));
    let Some(done) = settling.instrument(steps::settle()).await else { return };
    if let (true, Some(kind)) = (done.dropped, target_kind(&claimed)) {
        node.metrics.dropped(claimed.app, kind);
        node.report(record(&claimed, now, Step::Settle, "token_dropped"));
        tracing::info!(
            app.id = %claimed.app,
            push.id = %claimed.key.push,
            "a push token was dropped: the provider says that it is gone"
        );
    }
    if done.stale {
        node.report(record(&claimed, now, Step::Settle, "stale"));
    }
    node.carry_out(done.effects);
}

/// Where a token that is no device's is tried once more: in Apple's other environment, if the
/// first one does not know it and its sender did not say which is right. A device's token has a
/// row of its own to learn by.
async fn other_environment(
    node: &Node,
    claimed: &ClaimedDelivery,
    outcome: &Outcome,
) -> Option<Environment> {
    let Outcome::Refused(Refusal { token: TokenVerdict::Elsewhere, .. }) = outcome else {
        return None;
    };
    let DeliveryTo::Raw(stored) = &claimed.to else { return None };
    let address = Address::from_json(stored)?;
    let settings = node.settings(claimed.app).await.ok()?;
    let asked = settings.policy.environment(None, None);
    let is_open = address.kind.is_apns()
        && address.environment.is_none()
        && !settings.policy.sandbox_to_production;
    is_open.then_some(match asked {
        Environment::Production => Environment::Sandbox,
        Environment::Sandbox => Environment::Production,
    })
}

/// Where a delivery goes, whoever's the target is.
struct Recipient {
    target: Target,
    to: Destination,
    platform: Option<Platform>,
    locale: Option<String>,
}

impl Recipient {
    fn of(claimed: &ClaimedDelivery) -> Result<Self, Refusal> {
        match &claimed.to {
            DeliveryTo::Device(address) => Ok(Self {
                target: address.target.clone(),
                to: Destination::Token(address.target.token.clone()),
                platform: Some(address.platform),
                locale: address.locale.clone(),
            }),
            DeliveryTo::Raw(stored) => {
                let address = Address::from_json(stored).ok_or_else(unreadable)?;
                let target = address.target();
                Ok(Self { target, to: address.to, platform: None, locale: None })
            }
        }
    }
}

/// Sends one push; to Apple in `environment`, where the first one did not know the token.
async fn send(
    node: &Arc<Node>,
    claimed: &ClaimedDelivery,
    sending: &Attempt,
    environment: Option<Environment>,
) -> Sent {
    let settings = match node.settings(claimed.app).await {
        Ok(settings) => settings,
        Err(error) => return Sent::not(later(error.to_string())),
    };
    if let Err(refusal) = check_switch(&settings.policy) {
        return Sent::not(refusal);
    }
    let parts = Recipient::of(claimed)
        .and_then(|to| Ok((to, serde_json::from_str(&claimed.content).map_err(|_| unreadable())?)));
    let (mut recipient, content): (Recipient, Content) = match parts {
        Ok(parts) => parts,
        Err(refusal) => return Sent::not(refusal),
    };
    recipient.target.environment = environment.or(recipient.target.environment);
    // A call that was cancelled between its claim and the attempt is not rung; anything else may
    // have been on its way already.
    if claimed.kind == PushKind::Voip {
        match node.store.push(claimed.app, claimed.key.push).await {
            Ok(Some(push)) if push.state != PushState::Cancelled => {}
            Ok(_) => return Sent::ended(Outcome::Withdrawn),
            Err(error) => return Sent::not(later(error.to_string())),
        }
    }
    let sent = exchange(node, claimed, sending, &settings, &recipient, &content).await;
    let (exchange, circuit) = match sent {
        Ok(sent) => sent,
        Err(refusal) => return Sent::not(refusal),
    };
    Sent::of(node, claimed.app, &settings, &circuit, exchange)
}

async fn exchange(
    node: &Arc<Node>,
    claimed: &ClaimedDelivery,
    sending: &Attempt,
    settings: &Settings,
    recipient: &Recipient,
    content: &Content,
) -> Result<(providers::Exchange, CircuitKey), Refusal> {
    let Chosen { client, circuit } = node.clients.choose(
        &node.circuits,
        &recipient.target,
        claimed.app,
        settings,
        Traffic::Wake,
    )?;
    let now = node.clock.now();
    node.lane_goes_by(claimed.app, &circuit, claimed.lane);
    if let Some(open) = node.circuits.open(&circuit) {
        return Err(crate::circuits::refusal(open, now));
    }
    let parts = Parts {
        ids: &node.ids,
        app: claimed.app,
        push: claimed.key.push,
        kind: claimed.kind,
        content,
        platform: recipient.platform,
        locale: recipient.locale.as_deref(),
        sound: &settings.sound,
        provider: claimed.provider,
        at: claimed.at,
        expires_at: claimed.expires_at,
    };
    let wanted = sending.wanted(claimed.kind, claimed.expires_at, &node.clock);
    match client {
        Client::Apns { client, topic, voip_topic } => {
            let topics = Topics { app: topic, voip: voip_topic };
            let Target { kind, token, .. } = &recipient.target;
            let push = render::apns::push(&parts, *kind, token, topics, now)
                .map_err(render::Fault::into_refusal)?;
            Ok((client.send(&push, now, wanted).await, circuit))
        }
        Client::Fcm(client) => {
            let message = render::fcm::message(&parts, &recipient.to, now)
                .map_err(render::Fault::into_refusal)?;
            Ok((client.send(&message, now, wanted).await, circuit))
        }
        Client::Webpush(client) => {
            let subscription = Subscription::parse(recipient.target.token.as_bytes())
                .map_err(FieldFault::into_refusal)?;
            let push = render::webpush::push(&parts, now)
                .map_err(render::Fault::into_refusal)?
                .to(subscription);
            Ok((client.send(&push, now, wanted).await, circuit))
        }
    }
}

/// What an event about the push says it was for.
fn about(claimed: &ClaimedDelivery) -> About {
    let (device, platform) = match &claimed.to {
        DeliveryTo::Device(address) => {
            (Some(address.name.as_str()), Some(address.platform.as_str()))
        }
        DeliveryTo::Raw(_) => (None, None),
    };
    About {
        attempt: claimed.attempt,
        target: target_kind(claimed),
        of: serde_json::json!({
            "user": claimed.user,
            "device": device,
            "platform": platform,
            "push": claimed.key.push.to_string(),
            "delivery": claimed.key.number,
            "kind": claimed.kind.as_str(),
        }),
    }
}

fn count(node: &Node, claimed: &ClaimedDelivery, outcome: &Outcome, wrote_at: Option<Time>) {
    let (subject, target) = (PushSubject::Push, target_kind(claimed));
    let rung = claimed.kind.as_str();
    report::pushed(node, Pushed { app: claimed.app, subject, target, rung }, outcome);
    if let (Some(since), Some(wrote_at)) = (claimed.first_since, wrote_at) {
        node.metrics.wrote(subject, target, since.until(wrote_at));
    }
}

fn log_push(
    node: &Node,
    claimed: &ClaimedDelivery,
    outcome: &Outcome,
    mut detail: Value,
    now: Time,
) {
    let mut record = record(claimed, now, Step::Push, report::outcome_word(outcome));
    detail["kind"] = claimed.kind.as_str().into();
    detail["delivery"] = claimed.key.number.into();
    detail["target"] = target_kind(claimed).map(TargetKind::as_str).into();
    report::outcome(&mut record, &mut detail, outcome);
    record.detail = Some(detail.to_string());
    node.report(record);
}

fn target_kind(claimed: &ClaimedDelivery) -> Option<TargetKind> {
    match &claimed.to {
        DeliveryTo::Device(address) => Some(address.target.kind),
        DeliveryTo::Raw(stored) => Address::from_json(stored).map(|address| address.kind),
    }
}

/// A record about one attempt.
fn record(claimed: &ClaimedDelivery, at: Time, step: Step, reason: &'static str) -> Record {
    let inbox = match &claimed.to {
        DeliveryTo::Device(address) => Some(address.inbox),
        DeliveryTo::Raw(_) => None,
    };
    let mut record = Record::new(at, claimed.app, inbox, step, reason);
    if let DeliveryTo::Device(address) = &claimed.to {
        record.device =
            Some(DeviceName { number: address.number, id: Arc::from(address.name.as_str()) });
    }
    record.user = claimed.user.as_deref().map(Arc::from);
    record.attempt = Some(claimed.attempt);
    record.push = Some(claimed.key.push);
    record
}

/// Whether the app pushes at all.
///
/// # Errors
///
/// The refusal of every push (902), as long as the switch is off.
pub fn check_switch(policy: &Policy) -> Result<(), Refusal> {
    if policy.push_enabled {
        return Ok(());
    }
    Err(Refusal::unsent(
        Diagnosis::TemporarilyDisabled,
        RetryRule::WhenChanged,
        "push_disabled",
        "Set `push_enabled` in the app's settings.",
    ))
}

/// What is stored is of a later version.
fn unreadable() -> Refusal {
    Refusal::unsent(
        Diagnosis::BadPayload,
        RetryRule::Bare,
        "the push was stored by another version of this server",
        "Push again, or start the version that took it in.",
    )
}
