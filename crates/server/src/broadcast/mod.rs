//! Broadcasts: one push to many devices.
//!
//! ```text
//!   open broadcasts ─▶ [runner] ─ its time has come ─▶ [walk] ─ page ─▶ [send] ─▶ step ─┐
//!                         ▲                              ▲                              │
//!                         │ added, resumed, walk over    └────────── next page ◀────────┘
//! ```
//!
//! A walk reads devices page by page, sends to all of a page, and stores how far it has come in one
//! transaction. While one page is on its way the next is read and the one before is stored. Killed
//! at any point it goes on behind the last page stored: some devices get the push once more, under
//! the same names, and none is skipped.
//!
//! Broadcasts go by connections of their own, so that wakes never wait behind them. What a push
//! service did not take becomes a delivery like any other direct push's, and is tried again by the
//! runner of those.

mod pace;
mod prepared;
mod send;
mod walk;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{AppId, PushId};
use store::model::Push;
use tokio::sync::watch;

use crate::node::Node;

/// Walks of one app at once: more would only share the same connections.
const WALKS_OF_APP: usize = 2;

/// Walks at once. One that waits for its push service costs a page of devices in memory.
const WALKS: usize = 64;

/// The pause after the store could not answer.
const FAILED_PAUSE: Duration = Duration::from_millis(500);

/// The broadcasts that this node walks.
#[derive(Debug, Default)]
pub struct Broadcasts {
    changed: tokio::sync::Notify,
    walking: Mutex<HashMap<PushId, AppId>>,
    ramps: pace::Ramps,
    waiting: watch::Sender<usize>,
}

impl Broadcasts {
    /// A broadcast was added or resumed, or a walk is over.
    pub fn changed(&self) {
        self.changed.notify_one();
    }

    /// How many waits of walks there are: for a push service that is away, or for an app's pushes
    /// to be enabled again.
    pub fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }

    /// Counts a wait until it is dropped.
    fn wait(&self) -> Waiting<'_> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        Waiting(&self.waiting)
    }

    /// Begins a walk, unless there is one for this push or there are too many.
    fn begin(&self, push: &Push) -> bool {
        let mut walking = self.walking();
        let of_app = walking.values().filter(|app| **app == push.app).count();
        let room = walking.len() < WALKS && of_app < WALKS_OF_APP;
        let begins = room && !walking.contains_key(&push.id);
        if begins {
            walking.insert(push.id, push.app);
        }
        begins
    }

    fn end(&self, push: PushId) {
        self.walking().remove(&push);
        self.changed();
    }

    fn walking(&self) -> MutexGuard<'_, HashMap<PushId, AppId>> {
        // Every change under the lock is whole.
        self.walking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait of a walk.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

/// Starts the runner. Broadcasts that the last life has begun go on.
pub fn start(node: &Arc<Node>) {
    let runner = Arc::clone(node);
    node.tasks.start("broadcasts", async move {
        loop {
            let next = match runner.store.broadcasts().await {
                Ok(open) => begin_due(&runner, open),
                Err(store::Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "broadcasts could not be read; trying again");
                    Some(FAILED_PAUSE)
                }
            };
            let pause = async {
                match next {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = runner.tasks.stopped() => return,
                () = runner.broadcasts.changed.notified() => {}
                () = pause => {}
            }
        }
    });
}

/// Begins those whose time has come; returns how long it is until the next one's.
fn begin_due(node: &Arc<Node>, open: Vec<Push>) -> Option<Duration> {
    let now = node.clock.now();
    let mut next: Option<Duration> = None;
    for push in open {
        if push.send_at > now {
            let pause = now.until(push.send_at);
            next = Some(next.map_or(pause, |next| next.min(pause)));
        } else if node.broadcasts.begin(&push) {
            let walker = Arc::clone(node);
            node.tasks.start("broadcast", async move {
                let id = push.id;
                walk::walk(&walker, push).await;
                walker.broadcasts.end(id);
            });
        }
    }
    next
}
