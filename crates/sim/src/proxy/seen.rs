//! What a proxy saw: a record that tests wait on.

use std::{sync::Mutex, time::Duration};

use tokio::sync::watch;

use super::lock;
use crate::Error;

/// One request to the proxy and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeenConnect {
    /// What was asked for, `host:port`; empty if that could not be read.
    pub target: String,
    /// Who asked; `None` at a proxy for anybody, and for who was not believed.
    pub user: Option<String>,
    /// What was answered.
    pub answered: Answered,
}

/// What a proxy did about a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answered {
    /// It answered with this status; 200 has opened a tunnel.
    Status(u16),
    /// It hung up, or said what is no answer.
    Strangely,
    /// It never answered.
    Never,
}

/// The memory of one proxy.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    seen: Mutex<Vec<SeenConnect>>,
    /// How many requests were kept, and how many tunnels are open.
    changed: watch::Sender<(usize, usize)>,
}

impl Recorder {
    /// Keeps one request.
    pub(super) fn keep(&self, seen: SeenConnect) {
        lock(&self.seen).push(seen);
        self.changed.send_modify(|(requests, _)| *requests += 1);
    }

    /// Counts a tunnel for as long as it is open.
    pub(super) fn tunnel(&self) -> Open<'_> {
        self.changed.send_modify(|(_, open)| *open += 1);
        Open(self)
    }

    pub(super) fn seen(&self) -> Vec<SeenConnect> {
        lock(&self.seen).clone()
    }

    pub(super) fn open(&self) -> usize {
        self.changed.borrow().1
    }

    pub(super) async fn wait_for(
        &self,
        wanted: impl Fn(&SeenConnect) -> bool,
        limit: Duration,
    ) -> Result<SeenConnect, Error> {
        let mut changed = self.changed.subscribe();
        let waiting = async {
            loop {
                changed.borrow_and_update();
                if let Some(found) = lock(&self.seen).iter().find(|seen| wanted(seen)) {
                    return found.clone();
                }
                // The sender lives in `self`, so waiting cannot fail.
                let _ = changed.changed().await;
            }
        };
        let found = tokio::time::timeout(limit, waiting).await;
        found.map_err(|_| self.timeout("a CONNECT that fits", limit))
    }

    pub(super) async fn wait_open(&self, n: usize, limit: Duration) -> Result<(), Error> {
        let mut changed = self.changed.subscribe();
        let reached = tokio::time::timeout(limit, changed.wait_for(|(_, open)| *open == n)).await;
        reached.map(drop).map_err(|_| self.timeout("a number of tunnels", limit))
    }

    fn timeout(&self, what: &'static str, limit: Duration) -> Error {
        Error::Timeout { what, limit, seen: format!("{} tunnels, {:?}", self.open(), self.seen()) }
    }
}

/// An open tunnel.
pub(super) struct Open<'a>(&'a Recorder);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.changed.send_modify(|(_, open)| *open -= 1);
    }
}
