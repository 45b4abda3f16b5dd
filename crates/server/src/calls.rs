//! Calls: frames in, conditional updates in the store, frames and pushes out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::call::{CallInput, CallPhase, EndReason};
use domain::{AppId, DeviceNumber, InboxId, SessionId};
use store::model::{CallMove, CallMoved, CallRecord, CallStart, CallStarted};
use tokio::sync::Notify;
use wire::{CallAnswered, CallEndReason, CallEnded, ServerFrame, limits};

use crate::accept::{check_name, storage_problem};
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::opaque;
use crate::rates::Counted;
use crate::{from_wire, to_wire};

/// The longest pause between two looks for calls that are overdue.
const CLOCK_PAUSE: Duration = Duration::from_secs(30);

/// Calls that ring, as far as this node knows: what the transport asks right before it writes a
/// ring push.
#[derive(Debug, Default)]
pub struct Ringing {
    calls: Mutex<HashMap<i64, Arc<AtomicBool>>>,
    started: Notify,
}

impl Ringing {
    /// The flag of a call that rings.
    pub fn flag(&self, call: i64) -> Arc<AtomicBool> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(calls.entry(call).or_insert_with(|| Arc::new(AtomicBool::new(true))))
    }

    fn stop(&self, call: i64) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flag) = calls.remove(&call) {
            flag.store(false, Ordering::Release);
        }
    }
}

/// The session that says something about a call.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its app.
    pub app: AppId,
    /// Its device.
    pub device: DeviceNumber,
    /// Its user's inbox.
    pub inbox: InboxId,
    /// Itself.
    pub session: SessionId,
    /// Its user.
    pub user: Arc<str>,
}

/// Starts a call: every device of the callee rings, by frame or by push.
///
/// # Errors
///
/// A [`Problem`] that names the field.
pub async fn start(
    node: &Arc<Node>,
    caller: &Caller,
    frame: wire::CallStart,
) -> Result<(), Problem> {
    let call = from_wire::call_id(&frame.call)?;
    check_name("to", &frame.to)?;
    check_caller("caller_name", &frame.caller_name)?;
    if let Some(handle) = &frame.caller_handle {
        check_caller("caller_handle", handle)?;
    }
    let offer = frame.offer.map(|offer| String::from(Box::<str>::from(offer)));
    check_signal("offer", offer.as_deref())?;
    let now = node.clock.now();
    node.rates.take(Counted::Calls, caller.app, &caller.user, 1, now)?;
    let ringing = node.rates.take(Counted::CallsTo, caller.app, &frame.to, 1, now);
    ringing.map_err(|problem| problem.with_field("to"))?;
    let start = CallStart {
        app: caller.app,
        call,
        caller: caller.device,
        caller_inbox: caller.inbox,
        callee: frame.to,
        video: frame.media == wire::Media::Video,
        caller_name: frame.caller_name,
        caller_handle: frame.caller_handle,
        offer,
        now: node.clock.now(),
        birth: node.birth(),
    };
    let (started, effects) = node.store.start_call(start).await.map_err(storage_problem)?;
    match started {
        CallStarted::Rings(record) => {
            node.ringing.flag(record.number);
            node.ringing.started.notify_one();
            node.carry_out(effects);
            let frame = to_wire::call_ring(&record);
            node.hub.tell(record.callee_inbox, &frame, |handle| handle.device != caller.device);
            Ok(())
        }
        CallStarted::Again(_) => Ok(()),
        CallStarted::UnknownUser => Err(Problem::new(
            ProblemCode::UnknownUser,
            "the app has no such user; make a user token for them first",
        )
        .with_field("to")),
        CallStarted::IdReused => Err(Problem::new(
            ProblemCode::IdReused,
            "this id belongs to another call; give every call a UUID of its own",
        )
        .with_field("call")),
    }
}

/// A device says that it rings.
///
/// # Errors
///
/// A [`Problem`] for a call that is not this user's.
pub async fn ringing(
    node: &Arc<Node>,
    caller: &Caller,
    call: &str,
) -> Result<Option<ServerFrame>, Problem> {
    let id = from_wire::call_id(call)?;
    let ringing = node.store.ringing(caller.app, id, caller.device, caller.inbox).await;
    let (record, effects) = ringing.map_err(storage_problem)?;
    node.carry_out(effects);
    let record = record.ok_or_else(unknown_call)?;
    if record.call.rings_until().is_none() {
        return Ok(Some(how_it_stands(&record, caller.device)));
    }
    let from = Some(record.callee_user.clone());
    let frame = wire::CallRinging { call: to_wire::call_id(record.id), from }.into();
    node.hub.tell(record.caller_inbox, &frame, |handle| handle.device == record.call.caller);
    Ok(None)
}

/// A device answers, declines, cancels or hangs up. Returns what to tell it.
///
/// # Errors
///
/// A [`Problem`] for a call that is not this device's to move.
pub async fn step(
    node: &Arc<Node>,
    caller: &Caller,
    call: &str,
    input: CallInput,
    answer: Option<String>,
) -> Result<Option<ServerFrame>, Problem> {
    check_signal("answer", answer.as_deref())?;
    let step = CallMove {
        call: from_wire::call_id(call)?,
        app: caller.app,
        by: Some((caller.device, caller.inbox)),
        input,
        answer,
        now: node.clock.now(),
    };
    match move_call(node, step).await? {
        CallMoved::Changed { record, .. } => {
            if let CallPhase::Answered { by } = record.call.phase {
                replay_signals(node, &record, by).await?;
            }
            // Whoever moved it is told like everybody else.
            Ok(None)
        }
        CallMoved::Stands(record) => Ok(Some(how_it_stands(&record, caller.device))),
        CallMoved::NotYours => Err(Problem::new(
            ProblemCode::Forbidden,
            "this device has no part in the call that would let it do this",
        )
        .with_field("call")),
        CallMoved::Unknown => Err(unknown_call()),
    }
}

/// Opaque signalling to the other side, numbered and kept.
///
/// # Errors
///
/// A [`Problem`] for a call this device has no part in.
pub async fn signal(
    node: &Arc<Node>,
    caller: &Caller,
    frame: wire::CallSignal,
) -> Result<(), Problem> {
    let call = from_wire::call_id(&frame.call)?;
    check_signal("body", Some(frame.body.get()))?;
    node.rates.take(Counted::Live, caller.app, &caller.user, 1, node.clock.now())?;
    let body = frame.body.get().to_owned();
    let kept = node.store.signal(caller.app, call, caller.device, caller.inbox, body).await;
    let (record, signal) = kept.map_err(storage_problem)?.ok_or_else(unknown_call)?;
    let out = ServerFrame::CallSignal(wire::CallSignal {
        call: to_wire::call_id(record.id),
        sequence: Some(signal.sequence),
        body: frame.body,
    });
    if caller.device == record.call.caller {
        let answered_by = match record.call.phase {
            CallPhase::Answered { by } => Some(by),
            CallPhase::Ringing { .. } | CallPhase::Ended { .. } => None,
        };
        // While it rings nobody has it yet: it is replayed to whoever answers.
        if let Some(by) = answered_by {
            node.hub.tell(record.callee_inbox, &out, |handle| handle.device == by);
        }
    } else {
        node.hub.tell(record.caller_inbox, &out, |handle| handle.device == record.call.caller);
    }
    Ok(())
}

/// Ends calls whose ringing time is over.
pub fn start_clock(node: &Arc<Node>) {
    let clock = Arc::clone(node);
    node.tasks.start("call clock", async move {
        loop {
            let pause = end_overdue(&clock).await;
            tokio::select! {
                () = clock.tasks.stopped() => return,
                () = clock.ringing.started.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
}

/// Ends what is overdue; returns how long to wait for the next.
async fn end_overdue(node: &Arc<Node>) -> Duration {
    let now = node.clock.now();
    let (overdue, next) = match node.store.calls_overdue(now).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "overdue calls could not be looked for; trying again");
            return Duration::from_secs(1);
        }
    };
    for record in overdue {
        let step = CallMove {
            call: record.id,
            app: record.app,
            by: None,
            input: CallInput::Tick,
            answer: None,
            now,
        };
        if let Err(problem) = move_call(node, step).await {
            tracing::warn!(
                problem = problem.detail(),
                "an overdue call could not be ended; trying again"
            );
            return Duration::from_secs(1);
        }
    }
    next.map_or(CLOCK_PAUSE, |until| node.clock.now().until(until)).min(CLOCK_PAUSE)
}

/// Moves a call and tells everybody concerned.
async fn move_call(node: &Arc<Node>, step: CallMove) -> Result<CallMoved, Problem> {
    let (moved, effects) = node.store.move_call(step).await.map_err(storage_problem)?;
    if let CallMoved::Changed { record, pushed } = &moved {
        // First the flag: a ring push that waits for its turn must not go out any more.
        node.ringing.stop(record.number);
        tell_everybody(node, record);
        crate::wake::push_call_ended(node, record, pushed);
    }
    node.carry_out(effects);
    Ok(moved)
}

fn tell_everybody(node: &Arc<Node>, record: &CallRecord) {
    let caller_device = record.call.caller;
    let call = to_wire::call_id(record.id);
    match record.call.phase {
        CallPhase::Ringing { .. } => {}
        CallPhase::Answered { by } => {
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
            let elsewhere = ended(&call, CallEndReason::AnsweredElsewhere);
            node.hub.tell(record.callee_inbox, &elsewhere, |handle| {
                handle.device != by && handle.device != caller_device
            });
        }
        CallPhase::Ended { reason } => {
            let frame = ended(&call, end_reason(reason));
            node.hub.tell(record.caller_inbox, &frame, |handle| handle.device == caller_device);
            node.hub.tell(record.callee_inbox, &frame, |handle| handle.device != caller_device);
        }
    }
}

/// The signals the caller sent while it rang.
async fn replay_signals(
    node: &Arc<Node>,
    record: &CallRecord,
    to: DeviceNumber,
) -> Result<(), Problem> {
    let signals = node.store.signals(record.number).await.map_err(storage_problem)?;
    for signal in signals.into_iter().filter(|signal| signal.from != to) {
        let frame = ServerFrame::CallSignal(wire::CallSignal {
            call: to_wire::call_id(record.id),
            sequence: Some(signal.sequence),
            body: to_wire::raw(signal.body),
        });
        node.hub.tell(record.callee_inbox, &frame, |handle| handle.device == to);
    }
    Ok(())
}

/// What a late device is told.
fn how_it_stands(record: &CallRecord, device: DeviceNumber) -> ServerFrame {
    let call = to_wire::call_id(record.id);
    match record.call.phase {
        CallPhase::Ringing { .. } => to_wire::call_ring(record),
        CallPhase::Answered { by } if by == device || record.call.caller == device => {
            ServerFrame::CallAnswered(CallAnswered {
                call,
                by: record.callee_user.clone(),
                answer: None,
            })
        }
        CallPhase::Answered { .. } => ended(&call, CallEndReason::AnsweredElsewhere),
        CallPhase::Ended { reason } => ended(&call, end_reason(reason)),
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

fn unknown_call() -> Problem {
    Problem::new(ProblemCode::NotFound, "no such call of this user; it may be long over")
        .with_field("call")
}

/// Checks the name or handle of a caller: 1 to 256 bytes without control characters.
pub fn check_caller(field: &'static str, text: &str) -> Result<(), Problem> {
    let good =
        (1..=limits::CALLER_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if good {
        return Ok(());
    }
    Err(Problem::invalid_field(field, "give 1 to 256 bytes without control characters"))
}

fn check_signal(field: &'static str, text: Option<&str>) -> Result<(), Problem> {
    let Some(text) = text else { return Ok(()) };
    let length = text.len();
    if length <= limits::SIGNAL_BYTES {
        return opaque::check(field, text);
    }
    let most = limits::SIGNAL_BYTES;
    Err(Problem::new(
        ProblemCode::BodyTooLarge,
        format!("{field} has {length} bytes, {most} are allowed"),
    )
    .with_field(field))
}
