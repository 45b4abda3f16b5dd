//! Step 5 of the way: says what was done and why.

pub mod print;
mod pushed;
mod request;
mod sentence;

use std::sync::Arc;

use domain::{DeviceNumber, MessageId, Offset, Outcome, Time};
use providers::RequestRecord;
use serde_json::{Value, json};
use store::log::{Covered, DeviceName, Figure, Record, Step};
use store::model::{CallRecord, Claimed, Decision};

use crate::metrics::Pushed;
use crate::node::Node;
use crate::{statistics, steps};

pub use pushed::{About, push_event};
pub use sentence::{sentence, wake as wake_sentence};

impl Node {
    /// Hands a record to the push log.
    pub fn report(&self, record: Record) {
        let _step = steps::report(&record).entered();
        self.log.append(record);
    }
}

/// A message was taken in, at these places.
pub fn accepted(
    node: &Node,
    app: domain::AppId,
    message: MessageId,
    places: &[(domain::InboxId, Offset)],
    at: Time,
) {
    node.metrics.accepted(app);
    node.log.count(app, at, Figure::Messages, 1);
    for (inbox, offset) in places {
        let mut record = Record::new(at, app, *inbox, Step::Accept, "accepted");
        record.message = Some(message);
        record.offsets = Some(Covered::one(*offset));
        node.report(record);
    }
}

/// What was decided about wakes.
pub fn decisions(node: &Node, decisions: Vec<Decision>) {
    let now = node.clock.now();
    for decision in decisions {
        node.metrics.decided(&decision);
        let reason = decision.reason.as_str();
        let mut record = Record::new(now, decision.app, decision.inbox, Step::Wake, reason);
        record.device =
            Some(DeviceName { number: decision.device, id: Arc::from(decision.device_name) });
        record.wake = Some(decision.wake);
        record.call = decision.call;
        let (after, up_to) = decision.covers;
        record.offsets = (after < up_to).then_some(Covered { after, up_to });
        let due_in_ms = decision.due.map(|due| now.until(due).as_millis());
        record.detail =
            Some(json!({ "closed": decision.closed, "due_in_ms": due_in_ms }).to_string());
        node.report(record);
    }
}

/// Something happened to a call, to its callee's side. `device`: the one that did it, if one did.
pub fn call(
    node: &Node,
    call: &CallRecord,
    step: Step,
    reason: &'static str,
    device: Option<DeviceName>,
) {
    let mut record = Record::new(node.clock.now(), call.app, call.callee_inbox, step, reason);
    record.user = Some(Arc::from(call.callee_user.as_str()));
    record.device = device;
    record.call = Some(call.id);
    let detail = json!({
        "from": call.caller_user,
        "media": if call.video { "video" } else { "audio" },
        // Its callee has blocked the caller, who is not to know; the operator is.
        "silent": call.silent,
    });
    record.detail = Some(detail.to_string());
    node.report(record);
}

/// A session delivered, was acknowledged, came or went.
#[derive(Clone, Debug)]
pub struct SessionReport {
    /// Its app.
    pub app: domain::AppId,
    /// Its inbox.
    pub inbox: domain::InboxId,
    /// Its user.
    pub user: Arc<str>,
    /// Its device.
    pub device: DeviceNumber,
    /// The client's own id of the device.
    pub device_name: Arc<str>,
}

impl SessionReport {
    /// Writes that its user has read these messages on it.
    pub fn read(&self, node: &Node, messages: Vec<MessageId>) {
        let now = node.clock.now();
        for message in messages {
            let mut record = self.record(now, "read");
            record.message = Some(message);
            node.report(record);
        }
    }

    /// Writes one record about the session.
    pub fn write(
        &self,
        node: &Node,
        reason: &'static str,
        covered: Option<(Offset, Offset)>,
        detail: Option<Value>,
    ) {
        let mut record = self.record(node.clock.now(), reason);
        record.offsets = covered.map(|(after, up_to)| Covered { after, up_to });
        record.detail = detail.map(|detail| detail.to_string());
        node.report(record);
    }

    fn record(&self, at: Time, reason: &'static str) -> Record {
        let mut record = Record::new(at, self.app, self.inbox, Step::Session, reason);
        record.user = Some(Arc::clone(&self.user));
        record.device = Some(DeviceName { number: self.device, id: Arc::clone(&self.device_name) });
        record
    }
}

/// A request to a push service as the push log keeps it: tokens as hashes, texts as their length.
pub fn request(request: &RequestRecord) -> Value {
    request::masked(request)
}

/// The reason word of what a push came to.
pub const fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted { .. } => "accepted",
        Outcome::Refused(_) => "refused",
        Outcome::Unknown { .. } => "unknown",
        Outcome::Withdrawn => "withdrawn",
    }
}

/// What a push came to, into the detail of its record.
pub fn outcome(record: &mut Record, detail: &mut Value, outcome: &Outcome) {
    match outcome {
        Outcome::Accepted { provider_id } => detail["provider_id"] = json!(provider_id),
        Outcome::Refused(refusal) => {
            record.code = Some(refusal.diagnosis.code());
            detail["status"] = json!(refusal.status);
            detail["reason"] = json!(refusal.reason);
            detail["diagnosis"] = json!(refusal.diagnosis.meaning());
            detail["remedy"] = json!(refusal.remedy);
        }
        Outcome::Unknown { detail: seen } => detail["seen"] = json!(seen),
        Outcome::Withdrawn => {}
    }
}

/// A push ended: counted for whoever watches over the process, and for its app.
pub fn pushed(node: &Node, push: Pushed, outcome: &Outcome) {
    node.metrics.pushed(push, outcome);
    statistics::pushed(node, push.app, outcome);
}

/// A record about one attempt.
pub fn attempt(claimed: &Claimed, at: Time, step: Step, reason: &'static str) -> Record {
    let mut record = Record::new(at, claimed.app, claimed.inbox, step, reason);
    record.user = Some(Arc::from(claimed.user.as_str()));
    record.device = Some(DeviceName {
        number: claimed.key.device,
        id: Arc::from(claimed.device_name.as_str()),
    });
    record.wake = Some(claimed.wake);
    record.attempt = Some(claimed.plan.attempt);
    record.call = claimed.call.as_ref().map(|call| call.id);
    if claimed.call.is_none() {
        record.offsets = Some(Covered { after: claimed.after, up_to: claimed.plan.covers });
    }
    record
}
