//! How fast a broadcast goes: the rate its sender asked for, and Google's ramp.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::CredentialId;
use providers::fcm::Ramp;

use crate::node::Node;

/// The ramps of Google's projects: all broadcasts by one credential climb one and the same.
#[derive(Debug, Default)]
pub(super) struct Ramps(Mutex<HashMap<CredentialId, Ramp>>);

/// The rate of one broadcast.
#[derive(Debug)]
pub(super) struct Rate(Option<Mutex<Ramp>>);

impl Ramps {
    /// Waits for a credential's next permit. `false`: the node stops.
    pub(super) async fn permit(&self, node: &Node, credential: CredentialId) -> bool {
        let options = node.config().broadcast;
        let peak = NonZeroU32::new(options.fcm_per_second).unwrap_or(NonZeroU32::MIN);
        wait(node, |now| {
            let mut ramps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let ramp = ramps.entry(credential).or_insert_with(|| Ramp::new(peak, options.fcm_ramp));
            take(ramp, now)
        })
        .await
    }
}

impl Rate {
    /// So many pushes a second at most; `None`: as fast as the push services take them.
    pub(super) fn new(per_second: Option<u32>) -> Self {
        let bucket = per_second.and_then(NonZeroU32::new);
        Self(bucket.map(|rate| Mutex::new(Ramp::new(rate, Duration::ZERO))))
    }

    /// Waits for the next permit. `false`: the node stops.
    pub(super) async fn permit(&self, node: &Node) -> bool {
        let Some(bucket) = &self.0 else { return true };
        wait(node, |now| take(&mut bucket.lock().unwrap_or_else(PoisonError::into_inner), now))
            .await
    }
}

/// Takes a permit, or says when there may be one.
fn take(ramp: &mut Ramp, now: domain::Time) -> Option<Duration> {
    if ramp.take(now, 1) == 1 {
        return None;
    }
    Some(now.until(ramp.next(now)))
}

/// Asks until there is a permit. `false`: the node stops.
async fn wait(node: &Node, mut take: impl FnMut(domain::Time) -> Option<Duration>) -> bool {
    while let Some(pause) = take(node.clock.now()) {
        tokio::select! {
            () = node.tasks.stopped() => return false,
            () = tokio::time::sleep(pause) => {}
        }
    }
    true
}
