//! Forgets what has outlived its use, slowly and all the time.

use std::sync::Arc;
use std::time::Duration;

use crate::node::Node;

/// The pause between two sweeps: 256 slices of the sends come round in under an hour.
const PAUSE: Duration = Duration::from_secs(10);

/// Starts the sweeping.
pub fn start(node: &Arc<Node>) {
    let sweeper = Arc::clone(node);
    node.tasks.start("sweep", async move {
        let mut slice = 0_u8;
        loop {
            tokio::select! {
                () = sweeper.tasks.stopped() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            if let Err(error) = sweeper.store.sweep(slice, sweeper.clock.now()).await {
                tracing::warn!(%error, "a sweep failed; the next one follows");
            }
            slice = slice.wrapping_add(1);
        }
    });
}
