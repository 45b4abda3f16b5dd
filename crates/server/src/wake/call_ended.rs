//! Tells Android phones that were rung by push that the call is over.
//!
//! Never an iPhone: Apple wants a call for each VoIP push, and an iPhone learns the end from its
//! socket, which the ringing has opened. Best effort, once: a phone that misses it stops ringing
//! at the end of the ring time.

use std::sync::Arc;
use std::time::Duration;

use domain::{DeviceNumber, Platform, TargetKind, WakeId};
use providers::{PushToken, fcm};
use store::model::{CallRecord, Target};
use wire::push::{CallPayload, Kind, Payload, VERSION};

use crate::attempt::Sent;
use crate::credentials::{Chosen, Client, Traffic};
use crate::node::Node;
use crate::to_wire;

/// After this long the phone has stopped ringing by itself.
const TTL: Duration = Duration::from_secs(60);

/// Starts the pushes, if any are due.
pub fn push_call_ended(node: &Arc<Node>, record: &CallRecord, pushed: &[DeviceNumber]) {
    if pushed.is_empty() {
        return;
    }
    let (runner, record, pushed) = (Arc::clone(node), record.clone(), pushed.to_vec());
    node.tasks.start("call ended pushes", async move {
        if let Err(error) = push_all(&runner, &record, &pushed).await {
            tracing::debug!(%error, "phones could not be told that a call is over");
        }
    });
}

async fn push_all(
    node: &Arc<Node>,
    record: &CallRecord,
    pushed: &[DeviceNumber],
) -> Result<(), store::Error> {
    let answered_by = match record.call.phase {
        domain::call::CallPhase::Answered { by } => Some(by),
        domain::call::CallPhase::Ringing { .. } | domain::call::CallPhase::Ended { .. } => None,
    };
    let devices = node.store.devices(record.callee_inbox).await?;
    for device in devices {
        let rang = pushed.contains(&device.number) && Some(device.number) != answered_by;
        if !rang || device.live || device.platform == Platform::Ios {
            continue;
        }
        let target = device.targets.into_iter().find(|target| target.kind == TargetKind::Fcm);
        if let Some(target) = target {
            push_one(node, record, target).await?;
        }
    }
    Ok(())
}

async fn push_one(
    node: &Arc<Node>,
    record: &CallRecord,
    target: Target,
) -> Result<(), store::Error> {
    let settings = node.settings(record.app).await?;
    let chosen = node.clients.choose(&node.circuits, &target, record.app, &settings, Traffic::Wake);
    let Ok(Chosen { client: Client::Fcm(client), circuit }) = chosen else { return Ok(()) };
    if node.circuits.open(&circuit).is_some() {
        return Ok(());
    }
    let now = node.clock.now();
    let payload = Payload {
        v: VERSION,
        kind: Kind::CallEnded,
        // The duty is over; the push belongs to none.
        wake: Some(WakeId::from_bits(0).to_string()),
        push: None,
        count: None,
        sent_at: to_wire::time(now),
        expires_at: to_wire::time(now.plus(TTL)),
        open: None,
        action: None,
        image: None,
        call: Some(CallPayload {
            id: to_wire::call_id(record.id),
            caller_name: record.caller_name.clone(),
            caller_handle: record.caller_handle.clone(),
            media: to_wire::media(record.video),
        }),
    };
    let message = fcm::Message {
        target: fcm::Target::Token(PushToken::new(target.token)),
        content: fcm::Content {
            data: payload.to_fcm_data(),
            android: fcm::Android {
                priority: fcm::Priority::Normal,
                ttl: Some(TTL),
                ..fcm::Android::default()
            },
            ..fcm::Content::default()
        },
    };
    let exchange = client.send(&message, now, || true).await;
    let Sent { outcome, .. } = Sent::of(node, record.app, &settings, &circuit, exchange);
    tracing::debug!(accepted = outcome.is_accepted(), "told a phone that a call is over");
    Ok(())
}
