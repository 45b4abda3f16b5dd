//! Calls at a session: what its device is told when it connects, and signals, read in order.

use std::collections::HashMap;

use domain::{CallId, Time};
use store::model::CallRecord;

use super::{Connection, Ending, store_failed};
use crate::calls;
use crate::from_wire;
use crate::http::problem::Problem;

/// The last signal of each call that the device has, by the call.
pub(super) type Heard = HashMap<CallId, i64>;

/// What the device says it holds of its calls.
///
/// # Errors
///
/// A [`Problem`] that names the field.
pub(super) fn heard(held: &[wire::HeldCall]) -> Result<Heard, Problem> {
    let most = wire::limits::HELD_CALLS;
    if held.len() > most {
        let problem = format!("{} calls are named, {most} are allowed", held.len());
        return Err(Problem::invalid_field("calls", problem));
    }
    let read = held.iter().map(|held| {
        if held.sequence < 0 {
            return Err(Problem::invalid_field("calls.sequence", "give 0 or more"));
        }
        let call = from_wire::call_id(&held.call).map_err(|problem| problem.with_field("calls"))?;
        Ok((call, held.sequence))
    });
    read.collect()
}

impl Connection {
    /// Tells a device that connects how its calls stand: those that ring, those that go on with it,
    /// with the signals it does not hold, and those that ended while it was away.
    pub(super) async fn greet_calls(
        &mut self,
        mut calls: Vec<CallRecord>,
        seen_before: Time,
    ) -> Result<(), Ending> {
        // What changed between the store's connect and the hub's add had nobody to tell.
        if calls.iter().any(|record| record.ended().is_none()) {
            let again = self.node.store.calls_to_tell(self.device, self.inbox, seen_before).await;
            calls = again.map_err(store_failed)?;
        }
        for record in calls {
            let frame = calls::how_it_stands(&self.node, &record, self.device).await;
            self.send(frame.map_err(store_failed)?).await?;
            if record.call.has_leg(self.device) {
                self.signals(record.number, record.id).await?;
            }
        }
        Ok(())
    }

    /// A call has signals for this device: writes those it does not have, in order, each once.
    pub(super) async fn signals(&mut self, call: i64, id: CallId) -> Result<(), Ending> {
        loop {
            let after = self.heard.get(&id).copied().unwrap_or_default();
            let page = calls::page(&self.node, (call, id), self.device, after).await;
            let page = page.map_err(store_failed)?;
            let Some(last) = page.last().and_then(|signal| signal.sequence) else {
                return Ok(());
            };
            for signal in page {
                self.send(signal).await?;
            }
            self.heard.insert(id, last);
        }
    }
}
