//! The connections of one credential to one host, and who waits for a stream on them.
//!
//! Simplifying assumption: all requests of a pool are alike to the server, so a free stream is a
//! free stream. What must not share a connection (probes, broadcasts) takes a pool of its own.

mod slot;
mod state;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Request;
use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connect::{Endpoint, Timeouts};
use super::connection::{Connection, Driver, Event, HeaderTable, open};
use super::failure::Failure;
use super::stream::{StreamEnd, exchange};
use super::window::Window;
use super::{ConnectionId, Reply, Timing};
use crate::config::Config;
use slot::SlotEnd;
use state::{Member, State};

pub(super) use slot::Slot;

/// How often a request may be left unprocessed before the provider counts as unavailable.
const MOST_UNPROCESSED: u32 = 16;
/// How many requests a connection carries before another takes its place: a client's stream ids
/// end at 2^31 - 1 and every second one is the server's (RFC 9113, section 5.1.1).
const MOST_REQUESTS: u32 = 1 << 30;

/// The connections of one credential to one host. Clones share them; when the last clone is gone
/// their tasks end.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Owner>);

/// What the service is like.
#[derive(Clone, Copy)]
pub(crate) struct Policy {
    /// How many requests may be in flight on a new connection until one succeeds.
    pub(crate) cautious_start: usize,
    /// How many connections there may be.
    pub(crate) connections: usize,
    /// Whether a GOAWAY with this debug data refuses the credential, so that another connection
    /// will not do better.
    pub(crate) goaway_refuses: fn(&[u8]) -> bool,
}

/// The pauses between failed connects: none, `first`, doubling up to `longest`.
#[derive(Clone, Copy)]
pub(crate) struct Reconnect {
    /// The first pause that is one.
    pub(crate) first: Duration,
    /// The longest.
    pub(crate) longest: Duration,
}

impl Reconnect {
    /// The pause after this many failures in a row, the last one included. The first failure is
    /// worth another try at once, unless the server has refused the credential.
    fn pause(&self, failures: u32, refused: bool) -> Duration {
        match failures {
            0 | 1 if !refused => Duration::ZERO,
            more => {
                let doublings = more.saturating_sub(2).min(16);
                self.first.saturating_mul(1 << doublings).min(self.longest)
            }
        }
    }
}

impl From<&Config> for Reconnect {
    fn from(config: &Config) -> Self {
        Self { first: config.reconnect_first, longest: config.reconnect_longest }
    }
}

/// What becomes of a request whose connection was lost before the answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenLost {
    /// It is sent once more, elsewhere: it bears its own id.
    SendOnceMore,
    /// It may have been processed, and twice would be too often.
    Leave,
}

impl Pool {
    /// A pool without a connection yet; the first request opens one.
    pub(crate) fn new(
        endpoint: Endpoint,
        tls: Arc<ClientConfig>,
        timeouts: Timeouts,
        reconnect: Reconnect,
        policy: Policy,
    ) -> Self {
        Self::of(endpoint, tls, timeouts, reconnect, policy, MOST_REQUESTS)
    }

    /// A pool whose connections carry at most so many requests.
    fn of(
        endpoint: Endpoint,
        tls: Arc<ClientConfig>,
        timeouts: Timeouts,
        reconnect: Reconnect,
        policy: Policy,
        most_requests: u32,
    ) -> Self {
        let shared = Shared {
            endpoint,
            tls: TlsConnector::from(tls),
            timeouts,
            reconnect,
            policy,
            most_requests,
            state: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Self(Arc::new(Owner(Arc::new(shared))))
    }

    /// Sends a request and reads its answer.
    ///
    /// `request` builds the head when its turn has come, for the header table of its connection.
    /// `wanted` is asked right before; if it says no, nothing is written. An unprocessed request is
    /// sent again at once, a lost one once if `when_lost` says so; one that was lost and is not sent
    /// again, or is no longer wanted, is [`Reply::Lost`].
    pub(crate) async fn send(
        &self,
        request: impl Fn(HeaderTable) -> Result<Request<()>, Failure>,
        body: &Bytes,
        when_lost: WhenLost,
        wanted: impl Fn() -> bool,
    ) -> (Reply, Timing) {
        let shared = &self.0.0;
        let start = Instant::now();
        let mut lost = None;
        let mut unprocessed = 0;
        let mut place = Place::Back;
        let mut written = start;
        let reply = loop {
            let mut slot = match shared.acquire(place).await {
                Ok(slot) => slot,
                Err(failure) => break Reply::Failed(failure),
            };
            if !wanted() {
                break Reply::Withdrawn;
            }
            let head = match request(slot.connection.facts.header_table.clone()) {
                Ok(head) => head,
                Err(failure) => break Reply::Failed(failure),
            };
            written = Instant::now();
            match exchange(&mut slot, head, body.clone(), shared.timeouts.request).await {
                StreamEnd::Answered(answer) => {
                    slot.answered(answer.status.as_u16());
                    break Reply::Answered(answer);
                }
                StreamEnd::Refused(failure) => break Reply::Failed(failure),
                StreamEnd::TimedOut => break Reply::Lost("no answer in time".to_owned()),
                StreamEnd::Unprocessed(detail) => {
                    unprocessed += 1;
                    if unprocessed == MOST_UNPROCESSED {
                        break Reply::Failed(Failure::Unprocessed(unprocessed, detail.into()));
                    }
                }
                StreamEnd::Lost(detail) => {
                    if lost.is_some() || when_lost == WhenLost::Leave {
                        break Reply::Lost(detail);
                    }
                    lost = Some(detail);
                }
            }
            place = Place::Front; // it has waited before
        };
        // What was lost may have been processed, whatever kept it from being sent again.
        let reply = match (reply, lost) {
            (Reply::Failed(_) | Reply::Withdrawn, Some(detail)) => Reply::Lost(detail),
            (reply, _) => reply,
        };
        // A request that failed before it was written spent all its time queued.
        let written = if matches!(reply, Reply::Answered(_) | Reply::Lost(_)) {
            written
        } else {
            Instant::now()
        };
        let timing = Timing { queued: written - start, took: written.elapsed() };
        (reply, timing)
    }

    /// Opens no more streams on this connection; those in flight end in peace.
    pub(crate) fn retire(&self, connection: ConnectionId) {
        let shared = &self.0.0;
        let mut state = shared.lock();
        state.remove(connection);
        shared.advance(&mut state);
    }

    /// Connects at once when next asked, although the server has just refused: what it refused
    /// has changed. If it refuses again, that does not help twice.
    pub(crate) fn forgive(&self) {
        let mut state = self.0.0.lock();
        if state.failures == 1 {
            state.pause = None;
        }
    }

    /// Takes no more requests, lets those in flight end, then ends all tasks.
    pub(crate) async fn close(&self) {
        let shared = &self.0.0;
        {
            let mut state = shared.lock();
            state.closed = true;
            state.open.clear();
            state.fail_waiting(&Failure::Closed);
        }
        shared.tasks.close();
        // h2 ends a connection once its last stream is over.
        let _ = timeout(shared.timeouts.request, shared.tasks.wait()).await;
        shared.stop.cancel();
        shared.tasks.wait().await;
    }
}

/// Ends the tasks when the last handle is gone.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.stop.cancel();
        self.0.lock().open.clear();
    }
}

/// What handles and connection tasks share.
struct Shared {
    /// Where to connect to.
    endpoint: Endpoint,
    /// With which certificate and roots.
    tls: TlsConnector,
    /// How long to wait for what.
    timeouts: Timeouts,
    /// How long to pause between failed connects.
    reconnect: Reconnect,
    /// What the service is like.
    policy: Policy,
    /// How many requests a connection carries.
    most_requests: u32,
    /// Connections and who waits for them. Held for a few instructions, never across an await.
    state: Mutex<State>,
    /// One task for each connection, from its connect to its end.
    tasks: TaskTracker,
    /// Ends them.
    stop: CancellationToken,
}

/// Where in the line a request waits.
#[derive(Clone, Copy)]
enum Place {
    /// In front: it was written once and left unprocessed.
    Front,
    /// At the end.
    Back,
}

impl Shared {
    /// The state, also after a panic elsewhere: every change to it is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream's worth of room on a connection.
    async fn acquire(self: &Arc<Self>, place: Place) -> Result<Slot, Failure> {
        let receive = {
            let mut state = self.lock();
            if state.closed {
                return Err(Failure::Closed);
            }
            // Nobody waits while there is room, so taking it overtakes nobody.
            if let Some(slot) = state.slot(self) {
                return Ok(slot);
            }
            let (send, receive) = oneshot::channel();
            match place {
                Place::Front => state.waiting.push_front(send),
                Place::Back => state.waiting.push_back(send),
            }
            self.advance(&mut state);
            receive
        };
        match timeout(self.timeouts.request, receive).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Failure::Closed),
            Err(_) => Err(Failure::TimedOut("waiting for a free stream")),
        }
    }

    /// Hands out the room there is, and opens a connection if it is not enough.
    fn advance(self: &Arc<Self>, state: &mut State) {
        while !state.waiting.is_empty() {
            let Some(slot) = state.slot(self) else { break };
            let id = slot.connection.id;
            let Some(waiter) = state.waiting.pop_front() else { break };
            if let Err(Ok(slot)) = waiter.send(Ok(slot)) {
                // Nobody listens any more. The slot must not lock the state again when dropped.
                slot.forget();
                if let Some(member) = state.member(id) {
                    member.window.give_back();
                }
            }
        }
        let used_up = state.open.iter().all(Member::is_used_up);
        let room = state.open.len() < self.policy.connections;
        if state.waiting.is_empty() || state.connecting || !used_up || !room || state.closed {
            return;
        }
        match &state.pause {
            Some((failure, until)) if Instant::now() < *until => {
                let failure = failure.clone();
                if state.open.is_empty() {
                    state.fail_waiting(&failure);
                }
            }
            _ => {
                // Outside a runtime (one that is shutting down) nobody waits for long.
                let Ok(runtime) = Handle::try_current() else { return };
                state.connecting = true;
                let id = ConnectionId(state.next);
                state.next += 1;
                self.tasks.spawn_on(Arc::clone(self).live(id), &runtime);
            }
        }
    }

    /// The life of a connection: the task of its own.
    async fn live(self: Arc<Self>, id: ConnectionId) {
        let stop = self.stop.clone();
        let life = async {
            let opening =
                open(id, &self.endpoint, &self.tls, self.timeouts, self.policy.goaway_refuses);
            let opened = timeout(self.timeouts.connect, opening).await;
            match opened.unwrap_or(Err(Failure::TimedOut("connecting"))) {
                Ok((connection, driver)) => self.drive(connection, driver).await,
                Err(failure) => {
                    tracing::debug!(host = %self.endpoint.authority, %failure, "not connected");
                    let mut state = self.lock();
                    state.connecting = false;
                    self.failed(&mut state, failure);
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = life => {}
        }
    }

    /// Lends the connection to requests until it ends.
    async fn drive(self: &Arc<Self>, connection: Arc<Connection>, mut driver: Driver) {
        let id = connection.id;
        tracing::debug!(host = %self.endpoint.authority, streams = driver.announced(), "connected");
        {
            let mut state = self.lock();
            state.connecting = false;
            if state.closed {
                return;
            }
            let window = Window::new(driver.announced(), self.policy.cautious_start);
            let connection = Arc::clone(&connection);
            state.open.push(Member { connection, window, taken: 0 });
            self.advance(&mut state);
        }
        // Kept only as long as the pool lends it: h2 closes when the last handle is gone.
        let lent = Arc::downgrade(&connection);
        drop(connection);
        let over = loop {
            match driver.event().await {
                Event::Limit(limit) => {
                    let mut state = self.lock();
                    if let Some(member) = state.member(id) {
                        member.window.announce(limit);
                    }
                    self.advance(&mut state);
                }
                Event::Over(over) => break over,
            }
        };
        tracing::debug!(host = %self.endpoint.authority, over, "connection ended");
        let refusal =
            lent.upgrade().and_then(|connection| connection.refusal(self.policy.goaway_refuses));
        self.ended(id, refusal);
    }

    /// Takes a connection out. Both its task and a request that hears of the end first come here;
    /// the first one counts.
    fn ended(self: &Arc<Self>, id: ConnectionId, refusal: Option<Failure>) {
        let mut state = self.lock();
        let Some(member) = state.remove(id) else { return };
        match refusal {
            Some(refusal) => self.failed(&mut state, refusal),
            None if member.is_proven() => self.advance(&mut state),
            // As good as not connected.
            None => {
                let failure = Failure::Connect("closed by the server before it was of use".into());
                self.failed(&mut state, failure);
            }
        }
    }

    /// Notes a failed connect: the pauses grow, and who waits is told.
    fn failed(self: &Arc<Self>, state: &mut State, failure: Failure) {
        state.failures = state.failures.saturating_add(1);
        let pause = self.reconnect.pause(state.failures, failure.is_refusal());
        if state.open.is_empty() && !pause.is_zero() {
            state.fail_waiting(&failure);
        }
        state.pause = Some((failure, Instant::now() + pause));
        self.advance(state);
    }

    /// Takes back a stream's worth of room.
    fn give_back(self: &Arc<Self>, id: ConnectionId, end: SlotEnd) {
        let mut state = self.lock();
        if let Some(member) = state.member(id) {
            member.window.give_back();
            match end {
                SlotEnd::Accepted => member.window.succeeded(),
                SlotEnd::Refused => member.window.refused(),
                SlotEnd::Authenticated | SlotEnd::Unknown => {}
            }
            if matches!(end, SlotEnd::Accepted | SlotEnd::Authenticated) {
                member.connection.facts.believed.fetch_add(1, Ordering::Relaxed);
                state.failures = 0;
                state.pause = None;
            }
        }
        self.advance(&mut state);
    }
}

#[cfg(test)]
mod tests;
