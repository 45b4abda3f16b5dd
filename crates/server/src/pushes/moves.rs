//! Cancels, pauses and resumes a push.

use std::sync::Arc;

use domain::{AppId, PushId};
use store::log::{Record, Step};
use store::model::{Audience, Push, PushState};

use crate::accept::storage_problem;
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;

/// Cancels a push: what was not sent is not sent.
///
/// # Errors
///
/// A [`Problem`] when there is no such push, or it is over.
pub async fn cancel(node: &Arc<Node>, app: AppId, push: PushId) -> Result<Push, Problem> {
    let before = find(node, app, push).await?;
    let after = node.store.cancel_push(app, push, node.clock.now()).await;
    let after = after.map_err(storage_problem)?.ok_or_else(unknown)?;
    // First the store, then what this node is sending: an attempt looks at them in the other order.
    node.sending.cancel(push);
    moved(node, &before, after, PushState::Cancelled)
}

/// Pauses a broadcast.
///
/// # Errors
///
/// A [`Problem`] when there is no such broadcast, or it is over.
pub async fn pause(node: &Arc<Node>, app: AppId, push: PushId) -> Result<Push, Problem> {
    move_broadcast(node, app, push, PushState::Paused).await
}

/// Resumes a broadcast that was paused.
///
/// # Errors
///
/// A [`Problem`] when there is no such broadcast, or it is over.
pub async fn resume(node: &Arc<Node>, app: AppId, push: PushId) -> Result<Push, Problem> {
    let push = move_broadcast(node, app, push, PushState::Open).await?;
    node.broadcasts.changed();
    Ok(push)
}

async fn move_broadcast(
    node: &Arc<Node>,
    app: AppId,
    push: PushId,
    state: PushState,
) -> Result<Push, Problem> {
    let before = find(node, app, push).await?;
    if before.audience == Audience::Listed {
        return Err(Problem::new(
            ProblemCode::Conflict,
            "only a broadcast can be paused, a push to a topic or to all; cancel this one instead",
        ));
    }
    let after = node.store.move_push(app, push, state, node.clock.now()).await;
    let (after, effects) = after.map_err(storage_problem)?;
    node.carry_out(effects);
    moved(node, &before, after.ok_or_else(unknown)?, state)
}

/// A push of the app.
///
/// # Errors
///
/// A [`Problem`] when there is none.
async fn find(node: &Node, app: AppId, push: PushId) -> Result<Push, Problem> {
    node.store.push(app, push).await.map_err(storage_problem)?.ok_or_else(unknown)
}

/// What became of it: where it was before and where it was to go are both fine.
fn moved(node: &Node, before: &Push, after: Push, wanted: PushState) -> Result<Push, Problem> {
    if after.state != wanted {
        return Err(Problem::new(
            ProblemCode::Conflict,
            format!("the push is {} already", after.state.as_str()),
        ));
    }
    if before.state != after.state {
        let reason = match wanted {
            PushState::Cancelled => "cancelled",
            PushState::Done => "done",
            PushState::Open => "resumed",
            PushState::Paused => "paused",
        };
        let mut record = Record::new(node.clock.now(), after.app, None, Step::Route, reason);
        record.push = Some(after.id);
        node.report(record);
    }
    Ok(after)
}

fn unknown() -> Problem {
    Problem::new(ProblemCode::NotFound, "the app has no such push")
}
