//! The connections of one credential to one host, and who waits for a stream on them.
//!
//! Simplifying assumption: all requests of a pool are alike to the server, so a free stream is a
//! free stream. What must not share a connection (probes, broadcasts) takes a pool of its own.

use std::collections::VecDeque;
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
use super::connection::{Connection, Driver, Event, open};
use super::failure::Failure;
use super::stream::{StreamEnd, exchange};
use super::window::Window;
use super::{ConnectionId, Reply, Timing};
use crate::config::Config;

/// How often a request may be left unprocessed before the provider counts as unavailable.
const MOST_UNPROCESSED: u32 = 16;

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

impl From<&Config> for Reconnect {
    fn from(config: &Config) -> Self {
        Self { first: config.reconnect_first, longest: config.reconnect_longest }
    }
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
        let shared = Shared {
            endpoint,
            tls: TlsConnector::from(tls),
            timeouts,
            reconnect,
            policy,
            state: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Self(Arc::new(Owner(Arc::new(shared))))
    }

    /// Sends a request and reads its answer.
    ///
    /// `request` builds the head when its turn has come; it is told whether it is the first on its
    /// connection. `wanted` is asked right before; if it says no, nothing is written. An
    /// unprocessed request is sent again at once, a lost one once.
    pub(crate) async fn send(
        &self,
        request: impl Fn(Turn) -> Result<Request<()>, Failure>,
        body: &Bytes,
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
            let head = match request(slot.turn()) {
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
                    if lost.is_some() {
                        break Reply::Lost(detail);
                    }
                    lost = Some(detail);
                }
            }
            place = Place::Front; // it has waited before
        };
        // What was lost may have been processed, whatever kept it from being sent again.
        let reply = match (reply, lost) {
            (Reply::Failed(_), Some(detail)) => Reply::Lost(detail),
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

/// Whether a request is the first on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing was written before it.
    First,
    /// Others were.
    Later,
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
    /// Connections and who waits for them. Held for a few instructions, never across an await.
    state: Mutex<State>,
    /// One task for each connection, from its connect to its end.
    tasks: TaskTracker,
    /// Ends them.
    stop: CancellationToken,
}

/// The part of a pool that changes.
#[derive(Default)]
struct State {
    /// Connections that take new streams.
    open: Vec<Member>,
    /// Whether one is being opened.
    connecting: bool,
    /// Who waits for a stream, in order.
    waiting: VecDeque<oneshot::Sender<Result<Slot, Failure>>>,
    /// Failed connects in a row.
    failures: u32,
    /// The last failed connect, and until when none is tried.
    pause: Option<(Failure, Instant)>,
    /// The next connection's number.
    next: u64,
    /// Whether the pool was closed.
    closed: bool,
}

/// A connection that takes new streams.
struct Member {
    /// Its handle.
    connection: Arc<Connection>,
    /// How many streams it may have.
    window: Window,
}

/// Where in the line a request waits.
#[derive(Clone, Copy)]
enum Place {
    /// In front: it was written once and left unprocessed.
    Front,
    /// At the end.
    Back,
}

impl Member {
    /// Whether the server has believed the credential on it.
    fn is_proven(&self) -> bool {
        self.connection.facts.believed.load(Ordering::Relaxed) > 0
    }

    /// Whether another connection beside it would help: it is as busy as the server lets it be,
    /// and not only new. APNs raises the limit right after the first success, so after the second
    /// one the limit that counts has arrived. One that refuses everybody gets no second.
    fn is_used_up(&self) -> bool {
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

    /// The connection of this name, if it takes new streams.
    fn member(&mut self, id: ConnectionId) -> Option<&mut Member> {
        self.open.iter_mut().find(|member| member.connection.id == id)
    }

    /// Takes a connection out; its requests keep it alive until they end.
    fn remove(&mut self, id: ConnectionId) -> Option<Member> {
        let at = self.open.iter().position(|member| member.connection.id == id)?;
        Some(self.open.swap_remove(at))
    }

    /// Tells everybody who waits.
    fn fail_waiting(&mut self, failure: &Failure) {
        for waiter in self.waiting.drain(..) {
            // Who no longer listens needs no answer.
            let _ = waiter.send(Err(failure.clone()));
        }
    }
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
            if let Some(member) = state.least_busy() {
                return Ok(Slot::take(self, member));
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
            let Some(member) = state.least_busy() else { break };
            let slot = Slot::take(self, member);
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
            state.open.push(Member { connection, window });
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

    /// Notes a failed connect: the pauses grow, and who waits is told. The first failure is worth
    /// another try before that, unless the server has refused the credential.
    fn failed(self: &Arc<Self>, state: &mut State, failure: Failure) {
        let pause = match state.failures {
            0 if !failure.is_refusal() => Duration::ZERO,
            more => self
                .reconnect
                .first
                .saturating_mul(1 << more.saturating_sub(1).min(16))
                .min(self.reconnect.longest),
        };
        state.failures = state.failures.saturating_add(1);
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

/// A stream's worth of room on a connection; dropping it gives the room back.
pub(super) struct Slot {
    /// The pool; `None` once forgotten.
    shared: Option<Arc<Shared>>,
    /// The connection.
    connection: Arc<Connection>,
    /// How the request on it ended.
    end: SlotEnd,
}

/// How the request on a slot ended, as far as the window cares.
#[derive(Clone, Copy)]
enum SlotEnd {
    /// With a 2xx.
    Accepted,
    /// With an answer that shows the credential was believed.
    Authenticated,
    /// With REFUSED_STREAM.
    Refused,
    /// In another way.
    Unknown,
}

impl Slot {
    /// Takes room that is there.
    fn take(shared: &Arc<Shared>, member: &mut Member) -> Self {
        member.window.take();
        member.connection.facts.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            shared: Some(Arc::clone(shared)),
            connection: Arc::clone(&member.connection),
            end: SlotEnd::Unknown,
        }
    }

    /// The connection it is on.
    pub(super) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Whether a request written now is the connection's first.
    fn turn(&self) -> Turn {
        if self.connection.facts.used.swap(true, Ordering::Relaxed) {
            Turn::Later
        } else {
            Turn::First
        }
    }

    /// The request was answered with this status.
    const fn answered(&mut self, status: u16) {
        self.end = match status {
            200..=299 => SlotEnd::Accepted,
            // The answers that APNs and Google give before they believe a credential.
            401 | 403 => SlotEnd::Unknown,
            _ => SlotEnd::Authenticated,
        };
    }

    /// The request was refused unprocessed.
    pub(super) const fn refused(&mut self) {
        self.end = SlotEnd::Refused;
    }

    /// The connection is ending: opens no more streams on it. Returns the server's word against
    /// the whole connection, if it gave one.
    pub(super) fn connection_ended(&self) -> Option<Failure> {
        let shared = self.shared.as_ref()?;
        let refusal = self.connection.refusal(shared.policy.goaway_refuses);
        shared.ended(self.connection.id, refusal.clone());
        refusal
    }

    /// Drops it without giving the room back.
    fn forget(mut self) {
        self.connection.facts.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.shared = None;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            self.connection.facts.in_flight.fetch_sub(1, Ordering::Relaxed);
            shared.give_back(self.connection.id, self.end);
        }
    }
}
