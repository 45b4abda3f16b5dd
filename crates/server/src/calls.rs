//! Calls: frames in, conditional updates in the store, frames and pushes out.
//!
//! ```text
//!   frame, HTTP ─▶ start, ringing, step ─▶ store ─▶ [tell] ─▶ the sessions concerned, by frame
//!                  signal ───────────────▶ store ─▶ a nudge ─▶ the other session reads in order
//!   time ────────▶ [clock] ──────────────▶ store ─▶ [tell]
//!   connect ─────▶ [tell]: how the calls of this device stand
//! ```

mod clock;
mod signals;
mod tell;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::call::{CallInput, CallPhase};
use domain::{AppId, DeviceNumber, InboxId, SessionId};
use store::log::{DeviceName, Step};
use store::model::{CallMove, CallMoved, CallStart, CallStarted};
use tokio::sync::Notify;
use wire::{ServerFrame, limits};

use crate::accept::{check_name, storage_problem};
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::opaque;
use crate::rates::Counted;
use crate::{from_wire, report, to_wire};

pub use clock::start_clock;
pub use signals::{page, signal};
pub use tell::{how_it_stands, show};

/// Calls that ring, as far as this node knows: what the transport asks right before it writes a
/// ring push.
#[derive(Debug, Default)]
pub struct Ringing {
    calls: Mutex<HashMap<i64, Arc<AtomicBool>>>,
    look: Notify,
}

impl Ringing {
    /// When calls end by themselves has changed: the clock looks.
    pub fn look(&self) {
        self.look.notify_one();
    }

    /// The flag of a call that an attempt is to ring for; `None`: it does not ring any more.
    ///
    /// First the flag, then the store: a call that ends after the store was asked finds the flag,
    /// and one that ended before is not taken for one that rings.
    ///
    /// # Errors
    ///
    /// When the store cannot say.
    pub async fn flag(
        &self,
        store: &store::Store,
        call: i64,
    ) -> Result<Option<Arc<AtomicBool>>, store::Error> {
        let flag = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(calls.entry(call).or_insert_with(|| Arc::new(AtomicBool::new(true))))
        };
        if store.call_rings(call).await? {
            return Ok(Some(flag));
        }
        self.stop(call);
        Ok(None)
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
    /// The client's own id of the device.
    pub device_name: Arc<str>,
}

impl Caller {
    fn name(&self) -> DeviceName {
        DeviceName { number: self.device, id: Arc::clone(&self.device_name) }
    }
}

/// Starts a call: every device of the callee rings, by frame or by push. Returns what to tell the
/// caller: of a call that it started before, how it stands.
///
/// # Errors
///
/// A [`Problem`] that names the field.
pub async fn start(
    node: &Arc<Node>,
    caller: &Caller,
    frame: wire::CallStart,
) -> Result<Option<ServerFrame>, Problem> {
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
            node.metrics.call_started(record.app);
            report::call(node, &record, Step::Accept, "call_started", None);
            node.carry_out(effects);
            if !record.silent {
                let frame = to_wire::call_ring(&record);
                node.hub.tell(record.callee_inbox, &frame, |handle| handle.device != caller.device);
            }
            Ok(None)
        }
        CallStarted::Again(record) => tell::standing(node, &record, caller.device).await.map(Some),
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
        return tell::standing(node, &record, caller.device).await.map(Some);
    }
    report::call(node, &record, Step::Session, "ringing", Some(caller.name()));
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
    match move_call(node, step, Some(caller.name())).await? {
        // Whoever moved it is told like everybody else.
        CallMoved::Changed { .. } => Ok(None),
        CallMoved::Stands(record) => tell::standing(node, &record, caller.device).await.map(Some),
        CallMoved::NotYours => Err(Problem::new(
            ProblemCode::Forbidden,
            "this device has no part in the call that would let it do this",
        )
        .with_field("call")),
        CallMoved::Unknown => Err(unknown_call()),
    }
}

/// Moves a call and tells everybody concerned; `device`: the one that asks for it, if one does.
async fn move_call(
    node: &Arc<Node>,
    step: CallMove,
    device: Option<DeviceName>,
) -> Result<CallMoved, Problem> {
    let (moved, effects) = node.store.move_call(step).await.map_err(storage_problem)?;
    if let CallMoved::Changed { record, pushed } = &moved {
        // First the flag: a ring push that waits for its turn must not go out any more.
        node.ringing.stop(record.number);
        match record.call.phase {
            CallPhase::Ringing { .. } => {}
            CallPhase::Answered { .. } => {
                report::call(node, record, Step::Session, "answered", device);
            }
            CallPhase::Ended { reason } => {
                node.metrics.call_ended(record.app, reason);
                // Who hangs up may be the caller, whose device is not this side's.
                report::call(node, record, Step::Settle, reason.as_str(), None);
            }
        }
        tell::everybody(node, record);
        crate::wake::push_call_ended(node, record, pushed);
    }
    node.carry_out(effects);
    Ok(moved)
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
