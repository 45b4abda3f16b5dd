//! Events about pushes: `push.failed`, and `push.sent` where it is asked for.

use domain::{AppId, AttemptId, EventType, Outcome, RetryRule, TargetKind};
use serde_json::{Value, json};
use store::model::NewEvent;

use crate::node::Node;

/// What a push was about.
#[derive(Clone, Debug)]
pub struct About {
    /// The attempt.
    pub attempt: AttemptId,
    /// The kind of target it went to.
    pub target: Option<TargetKind>,
    /// User, device, and the wake, call or direct push: what is known of them.
    pub of: Value,
}

/// What an app is to hear of a push; `None`: nothing, or it does not want to. `about` is asked only
/// where it does; `detail` is what the push log says of it.
pub async fn push_event(
    node: &Node,
    app: AppId,
    about: impl FnOnce() -> About,
    outcome: &Outcome,
    detail: &Value,
) -> Option<NewEvent> {
    let kind = match outcome {
        Outcome::Accepted { .. } => EventType::PushSent,
        Outcome::Refused(_) | Outcome::Unknown { .. } => EventType::PushFailed,
        Outcome::Withdrawn => return None,
    };
    if !node.wants_event(app, kind).await {
        return None;
    }
    let about = about();
    let mut body = about.of;
    body["attempt"] = about.attempt.to_string().into();
    body["target"] = about.target.map(TargetKind::as_str).into();
    body["request"] = detail.get("request").cloned().unwrap_or_default();
    match outcome {
        Outcome::Accepted { provider_id } => {
            body["response"] = json!({ "code": answered(detail), "id": provider_id });
        }
        Outcome::Refused(refusal) => {
            let diagnosis = refusal.diagnosis.code();
            // Where the fault was seen before anything was sent, the code is ours.
            let code = refusal.status.unwrap_or(diagnosis);
            body["response"] = json!({ "code": code, "body": refusal.reason });
            body["diagnosis"] = diagnosis.into();
            body["meaning"] = refusal.diagnosis.meaning().into();
            body["remedy"] = json!(refusal.remedy);
            body["tried_again"] = is_tried_again(refusal.retry).into();
        }
        Outcome::Unknown { detail: seen } => {
            body["response"] = Value::Null;
            body["meaning"] = "no answer came; the push may have arrived".into();
            body["seen"] = json!(seen);
            body["tried_again"] = true.into();
        }
        Outcome::Withdrawn => {}
    }
    Some(NewEvent { kind, body })
}

/// The status that the push service answered with.
fn answered(detail: &Value) -> Value {
    detail.get("answer").and_then(|answer| answer.get("status")).cloned().unwrap_or_default()
}

/// Whether it goes on by itself; what waits for a credential or a setting does so once that is
/// changed.
const fn is_tried_again(retry: RetryRule) -> bool {
    match retry {
        RetryRule::After(_) | RetryRule::BackOff { .. } | RetryRule::Bare => true,
        RetryRule::WhenChanged => false,
    }
}
