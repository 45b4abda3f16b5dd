//! Who is told what of a call.

use std::sync::Arc;

use domain::call::{CallPhase, EndReason};
use domain::{AppId, DeviceNumber, InboxId};
use store::model::CallRecord;
use wire::{CallAnswered, CallEndReason, CallEnded, CallResumed, CallState, ServerFrame};

use crate::accept::storage_problem;
use crate::http::problem::Problem;
use crate::node::Node;
use crate::{from_wire, to_wire};

/// Tells everybody concerned that a call has changed.
pub(super) fn everybody(node: &Arc<Node>, record: &CallRecord) {
    let caller_device = record.call.caller;
    let call = to_wire::call_id(record.id);
    match (record.call.phase, record.answered_by) {
        (CallPhase::Ringing { .. }, _) => {}
        (CallPhase::Answered { by }, _) => {
            let answered = |answer: Option<String>| {
                ServerFrame::CallAnswered(CallAnswered {
                    call: call.clone(),
                    by: record.callee_user.clone(),
                    answer: answer.map(to_wire::raw),
                })
            };
            let to_caller = answered(record.answer.clone());
            node.hub.tell(record.caller_inbox, &to_caller, |handle| handle.device == caller_device);
            node.hub.tell(record.callee_inbox, &answered(None), |handle| handle.device == by);
            // What the caller sent while it rang.
            node.hub.signals(record.callee_inbox, by, record.number, record.id);
            let elsewhere = ended(&call, CallEndReason::AnsweredElsewhere);
            node.hub.tell(record.callee_inbox, &elsewhere, |handle| {
                handle.device != by && handle.device != caller_device
            });
        }
        (CallPhase::Ended { reason }, answered_by) => {
            let frame = ended(&call, end_reason(reason));
            node.hub.tell(record.caller_inbox, &frame, |handle| handle.device == caller_device);
            if record.silent {
                return;
            }
            // Once it was taken, the others know that it is over for them.
            node.hub.tell(record.callee_inbox, &frame, |handle| {
                handle.device != caller_device && answered_by.is_none_or(|by| by == handle.device)
            });
        }
    }
}

/// How a call stands, for a device that comes late or again.
///
/// # Errors
///
/// When the store cannot say.
pub(super) async fn standing(
    node: &Node,
    record: &CallRecord,
    device: DeviceNumber,
) -> Result<ServerFrame, Problem> {
    how_it_stands(node, record, device).await.map_err(storage_problem)
}

/// The same, for a session that greets its device.
///
/// # Errors
///
/// When the store cannot say.
pub async fn how_it_stands(
    node: &Node,
    record: &CallRecord,
    device: DeviceNumber,
) -> Result<ServerFrame, store::Error> {
    let call = to_wire::call_id(record.id);
    Ok(match record.call.phase {
        CallPhase::Ringing { .. } if device != record.call.caller => to_wire::call_ring(record),
        CallPhase::Ringing { .. } => resumed(node, record, device, call).await?,
        CallPhase::Answered { .. } if record.call.has_leg(device) => {
            resumed(node, record, device, call).await?
        }
        CallPhase::Answered { .. } => ended(&call, CallEndReason::AnsweredElsewhere),
        CallPhase::Ended { reason } => ended(&call, end_reason_for(record, reason, device)),
    })
}

async fn resumed(
    node: &Node,
    record: &CallRecord,
    device: DeviceNumber,
    call: String,
) -> Result<ServerFrame, store::Error> {
    let answer = record.answer.clone().filter(|_| device == record.call.caller);
    Ok(CallResumed {
        call,
        state: state(record),
        expires_at: record.call.rings_until().map(to_wire::time),
        answer: answer.map(to_wire::raw),
        sent: node.store.signals_sent(record.number, device).await?,
    }
    .into())
}

/// A call with everything that a device may know of it, for a push handler.
///
/// # Errors
///
/// A [`Problem`] for a call this device has no part in.
pub async fn show(
    node: &Node,
    (app, device, inbox): (AppId, DeviceNumber, InboxId),
    call: &str,
    after: i64,
) -> Result<wire::http::CallShown, Problem> {
    let id = from_wire::call_id(call)?;
    let record = node.store.call_of(app, id, device, inbox).await.map_err(storage_problem)?;
    let record = record.ok_or_else(super::unknown_call)?;
    let calls = device == record.call.caller;
    // Signals are between the two devices of a call; while it rings every device may take it.
    let takes_part = calls || record.answered_by.is_none_or(|by| by == device);
    let signals = if takes_part {
        let page = super::page(node, (record.number, record.id), device, after).await;
        page.map_err(storage_problem)?
    } else {
        Vec::new()
    };
    let reason = match record.call.phase {
        CallPhase::Ringing { .. } => None,
        CallPhase::Answered { .. } if record.call.has_leg(device) => None,
        CallPhase::Answered { .. } => Some(CallEndReason::AnsweredElsewhere),
        CallPhase::Ended { reason } => Some(end_reason_for(&record, reason, device)),
    };
    Ok(wire::http::CallShown {
        call: to_wire::call_id(record.id),
        state: if reason.is_some() { CallState::Ended } else { state(&record) },
        reason,
        from: record.caller_user.clone(),
        to: record.callee_user.clone(),
        media: to_wire::media(record.video),
        caller_name: record.caller_name.clone(),
        caller_handle: record.caller_handle.clone(),
        expires_at: record.call.rings_until().map(to_wire::time),
        offer: record.offer.clone().filter(|_| takes_part && !calls).map(to_wire::raw),
        answer: record.answer.clone().filter(|_| calls).map(to_wire::raw),
        signals: signals
            .into_iter()
            .map(|signal| wire::http::SignalShown {
                sequence: signal.sequence.unwrap_or_default(),
                body: signal.body,
            })
            .collect(),
    })
}

const fn state(record: &CallRecord) -> CallState {
    match record.call.phase {
        CallPhase::Ringing { .. } if record.rings_somewhere => CallState::Ringing,
        CallPhase::Ringing { .. } => CallState::Calling,
        CallPhase::Answered { .. } => CallState::Answered,
        CallPhase::Ended { .. } => CallState::Ended,
    }
}

/// Why a call is over for this device: another device may have taken it before it ended.
fn end_reason_for(record: &CallRecord, reason: EndReason, device: DeviceNumber) -> CallEndReason {
    match record.answered_by {
        Some(by) if by != device && record.call.caller != device => {
            CallEndReason::AnsweredElsewhere
        }
        Some(_) | None => end_reason(reason),
    }
}

fn ended(call: &str, reason: CallEndReason) -> ServerFrame {
    CallEnded { call: call.to_owned(), reason }.into()
}

const fn end_reason(reason: EndReason) -> CallEndReason {
    match reason {
        EndReason::Busy => CallEndReason::Busy,
        EndReason::Cancelled => CallEndReason::Cancelled,
        EndReason::Declined => CallEndReason::Declined,
        EndReason::HungUp => CallEndReason::HungUp,
        EndReason::Lost => CallEndReason::Lost,
        EndReason::Unanswered => CallEndReason::Unanswered,
    }
}
