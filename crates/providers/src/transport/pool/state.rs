//! What a pool knows of its connections, and who waits for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Shared;
use super::slot::Slot;
use crate::transport::ConnectionId;
use crate::transport::connection::Connection;
use crate::transport::failure::Failure;
use crate::transport::window::Window;

/// The part of a pool that changes.
#[derive(Default)]
pub(super) struct State {
    /// Connections that take new streams.
    pub(super) open: Vec<Member>,
    /// Whether one is being opened.
    pub(super) connecting: bool,
    /// Who waits for a stream, in order.
    pub(super) waiting: VecDeque<oneshot::Sender<Result<Slot, Failure>>>,
    /// Failed connects in a row.
    pub(super) failures: u32,
    /// The last failed connect, and until when none is tried.
    pub(super) pause: Option<(Failure, Instant)>,
    /// The next connection's number.
    pub(super) next: u64,
    /// Whether the pool was closed.
    pub(super) closed: bool,
}

/// A connection that takes new streams.
pub(super) struct Member {
    /// Its handle.
    pub(super) connection: Arc<Connection>,
    /// How many streams it may have.
    pub(super) window: Window,
    /// How many requests it was given.
    pub(super) taken: u32,
}

impl Member {
    /// Whether the server has believed the credential on it.
    pub(super) fn is_proven(&self) -> bool {
        self.connection.facts.believed.load(Ordering::Relaxed) > 0
    }

    /// Whether another connection beside it would help: it is as busy as the server lets it be,
    /// and not only new. APNs raises the limit right after the first success, so after the second
    /// one the limit that counts has arrived. One that refuses everybody gets no second.
    pub(super) fn is_used_up(&self) -> bool {
        self.connection.facts.believed.load(Ordering::Relaxed) > 1 && self.window.is_full()
    }
}

impl State {
    /// The connection with the fewest requests among those with a free stream.
    fn least_busy(&mut self) -> Option<&mut Member> {
        self.open
            .iter_mut()
            .filter(|member| member.window.free() > 0)
            .min_by_key(|member| member.window.in_flight())
    }

    /// Room for a request, if there is any. A connection that has carried its last one is taken
    /// out: its requests keep it alive until they end.
    pub(super) fn slot(&mut self, shared: &Arc<Shared>) -> Option<Slot> {
        let member = self.least_busy()?;
        let slot = Slot::take(shared, member);
        if member.taken >= shared.most_requests {
            self.remove(slot.connection.id);
        }
        Some(slot)
    }

    /// The connection of this name, if it takes new streams.
    pub(super) fn member(&mut self, id: ConnectionId) -> Option<&mut Member> {
        self.open.iter_mut().find(|member| member.connection.id == id)
    }

    /// Takes a connection out; its requests keep it alive until they end.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Member> {
        let at = self.open.iter().position(|member| member.connection.id == id)?;
        Some(self.open.swap_remove(at))
    }

    /// Tells everybody who waits.
    pub(super) fn fail_waiting(&mut self, failure: &Failure) {
        for waiter in self.waiting.drain(..) {
            // Who no longer listens needs no answer.
            let _ = waiter.send(Err(failure.clone()));
        }
    }
}
