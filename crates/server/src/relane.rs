//! The job that looks at devices anew after a change of settings or credentials.
//!
//! The store keeps where it is; this only calls it until nothing is left, one slice at a time, so
//! that everybody else's changes come in between.

use std::sync::Arc;
use std::time::Duration;

use crate::node::Node;

/// The pause after a slice that failed.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

/// Says that there is something to look at.
pub fn nudge(node: &Node) {
    node.relane.notify_one();
}

/// Starts the job; what a process before left is gone on with when its start says so.
pub fn start(node: &Arc<Node>) {
    let runner = Arc::clone(node);
    node.tasks.start("relane", async move {
        loop {
            tokio::select! {
                () = runner.tasks.stopped() => return,
                () = runner.relane.notified() => {}
            }
            while !runner.tasks.is_stopping() && slice(&runner).await {}
        }
    });
}

/// One slice; returns whether there is more.
async fn slice(node: &Arc<Node>) -> bool {
    match node.store.relane(node.clock.now()).await {
        Ok((more, effects)) => {
            node.carry_out(effects);
            more
        }
        Err(store::Error::Closed) => false,
        Err(error) => {
            tracing::warn!(%error, "devices could not be looked at anew; trying again");
            tokio::select! {
                () = node.tasks.stopped() => {}
                () = tokio::time::sleep(FAILED_PAUSE) => {}
            }
            true
        }
    }
}
