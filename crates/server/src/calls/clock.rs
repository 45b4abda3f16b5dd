//! Ends calls that end by themselves: nobody took them, or a lost leg is not back in time.

use std::sync::Arc;
use std::time::Duration;

use domain::call::CallInput;
use store::model::CallMove;

use crate::http::problem::ProblemCode;
use crate::node::Node;

/// The longest pause between two looks.
const PAUSE: Duration = Duration::from_secs(60);

/// The pause after the store could not be asked.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

/// Starts it; the first look is for what a life before this one left behind.
pub fn start_clock(node: &Arc<Node>) {
    let clock = Arc::clone(node);
    node.tasks.start("call clock", async move {
        loop {
            let pause = end_overdue(&clock).await;
            tokio::select! {
                () = clock.tasks.stopped() => return,
                () = clock.ringing.look.notified() => {}
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
            return FAILED_PAUSE;
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
        if let Err(problem) = super::move_call(node, step, None).await {
            match problem.code() {
                // Was told where it happened.
                ProblemCode::Internal | ProblemCode::StorageFull => {}
                _ => tracing::warn!(
                    problem = problem.detail(),
                    "an overdue call could not be ended; trying again"
                ),
            }
            return FAILED_PAUSE;
        }
    }
    next.map_or(PAUSE, |until| node.clock.now().until(until)).min(PAUSE)
}
