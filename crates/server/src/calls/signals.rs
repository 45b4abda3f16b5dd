//! Signals: kept and numbered, then the other side is nudged and reads them in order.

use std::sync::Arc;

use domain::call::{CallPhase, MOST_SIGNAL_BYTES, MOST_SIGNALS};
use domain::{CallId, DeviceNumber};
use serde_json::value::RawValue;
use store::model::SignalKept;
use wire::ServerFrame;

use super::{Caller, check_signal, tell, unknown_call};
use crate::accept::storage_problem;
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::rates::Counted;
use crate::{from_wire, to_wire};

/// Opaque signalling to the other side, numbered and kept. Returns what to tell the device: of a
/// call that is over or another device's, how it stands.
///
/// # Errors
///
/// A [`Problem`] for a call this device has no part in, or that holds as many as it may.
pub async fn signal(
    node: &Arc<Node>,
    caller: &Caller,
    call: &str,
    body: Box<RawValue>,
) -> Result<Option<ServerFrame>, Problem> {
    let id = from_wire::call_id(call)?;
    check_signal("body", Some(body.get()))?;
    node.rates.take(Counted::Live, caller.app, &caller.user, 1, node.clock.now())?;
    let body = String::from(Box::<str>::from(body));
    let kept = node.store.signal(caller.app, id, caller.device, caller.inbox, body).await;
    let record = match kept.map_err(storage_problem)? {
        SignalKept::Kept(record, _) => record,
        SignalKept::Stands(record) => {
            return tell::standing(node, &record, caller.device).await.map(Some);
        }
        SignalKept::Full => {
            return Err(Problem::new(
                ProblemCode::BodyTooLarge,
                format!(
                    "`body` finds no room: a call holds {MOST_SIGNALS} signals and \
                     {MOST_SIGNAL_BYTES} bytes of them; send many small ones as one"
                ),
            )
            .with_field("body"));
        }
        SignalKept::Unknown => return Err(unknown_call()),
    };
    if caller.device != record.call.caller {
        node.hub.signals(record.caller_inbox, record.call.caller, record.number, record.id);
    } else if let CallPhase::Answered { by } = record.call.phase {
        node.hub.signals(record.callee_inbox, by, record.number, record.id);
    }
    // What the caller sends while it rings is read by whoever answers.
    Ok(None)
}

/// The next signals for a device, behind the sequence `after`, in order; at most a hundred.
///
/// # Errors
///
/// When the store cannot say.
pub async fn page(
    node: &Node,
    (number, id): (i64, CallId),
    device: DeviceNumber,
    after: i64,
) -> Result<Vec<wire::CallSignal>, store::Error> {
    let signals = node.store.signals(number, device, after).await?;
    let shown = signals.into_iter().map(|signal| wire::CallSignal {
        call: to_wire::call_id(id),
        sequence: Some(signal.sequence),
        body: to_wire::raw(signal.body),
    });
    Ok(shown.collect())
}
