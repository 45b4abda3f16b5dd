//! Probes: the one thing that goes out while a circuit is open.

use std::sync::Arc;
use std::time::Duration;

use domain::AppId;

use super::CircuitKey;
use crate::node::Node;

/// The shortest wait between two looks: the wall clock may have been set back.
const LEAST: Duration = Duration::from_millis(200);

/// Waits for the time of the next probe, and makes it. Ends with the node, with the probe, or when
/// the circuit has closed meanwhile.
pub(super) fn later(node: &Arc<Node>, app: AppId, key: CircuitKey) {
    let prober = Arc::clone(node);
    node.tasks.start("credential probe", async move {
        loop {
            let now = prober.clock.now();
            let Some(open) = prober.circuits.open(&key) else { return };
            if prober.circuits.take_probe(&key, now) {
                break;
            }
            tokio::select! {
                () = prober.tasks.stopped() => return,
                () = tokio::time::sleep(now.until(open.probe_at).max(LEAST)) => {}
            }
        }
        match prober.clients.probe(app, &key, prober.clock.now()).await {
            Some(probed) => {
                prober.probe_ended(app, &key, &probed.outcome, prober.clock.now());
            }
            None => prober.let_one_tell(&key),
        }
    });
}
