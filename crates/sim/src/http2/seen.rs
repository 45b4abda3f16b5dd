//! What a push service saw: a record that tests wait on, and that others watch as it grows.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header::AUTHORIZATION};
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};

use crate::{Error, trouble::GoAway};

/// How much a service remembers of each request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Recording {
    /// Every request whole; for tests.
    #[default]
    Full,
    /// Numbers only; for load.
    Count,
    /// The latest requests whole, this many; for services that run long.
    Latest(usize),
}

/// What became of a push.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// Handed to the device.
    Delivered,
    /// Accepted, and lost as the vendor would lose it (device away and nothing to be stored).
    Discarded,
    /// Not a push: a token request, or a dry run.
    NotAPush,
    /// Refused with an error.
    Refused,
    /// Kept until the device can be reached.
    Stored,
}

/// One request and what the service decided.
///
/// It is recorded when the answer is decided, before that answer leaves: a held request is already seen.
#[derive(Clone, Debug)]
pub struct SeenPush {
    /// When, by the service's clock.
    pub at: Timestamp,
    /// Number of the connection, from 1.
    pub connection: u64,
    /// HTTP/2 stream; 0 for HTTP/1.1.
    pub stream: u32,
    /// Request method.
    pub method: Method,
    /// The host that was asked for, `:authority` or `Host`.
    pub authority: String,
    /// Request path.
    pub path: String,
    /// Request headers; the value of `authorization` is marked sensitive, so `Debug` does not print it.
    pub headers: HeaderMap,
    /// The device token that was addressed, of Web Push the endpoint; empty if the request named none.
    pub token: String,
    /// Request body.
    pub payload: Bytes,
    /// Answered status.
    pub status: StatusCode,
    /// The vendor's reason word of a refusal (`BadDeviceToken`, `UNREGISTERED`).
    pub reason: Option<String>,
    /// Why it was refused, in words that no vendor promises; or that a script answered.
    pub why: Option<Cow<'static, str>>,
    /// Answered body.
    pub answer: Bytes,
    /// `apns-id`, the FCM message name or the id of the Web Push message of an accepted push.
    pub id: Option<String>,
    /// What became of it.
    pub fate: Fate,
}

impl SeenPush {
    /// The value of a request header as text, if it is there once and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What a service notices, for those who watch it.
#[derive(Clone, Debug)]
pub enum Sighting {
    /// A GOAWAY that the service said.
    GoAway {
        /// When, by the service's clock.
        at: Timestamp,
        /// Number of the connection, from 1.
        connection: u64,
        /// The last stream that was, or will be, processed; 0 is none.
        last_stream: u32,
        /// What it said.
        go_away: GoAway,
    },
    /// A connection that came to nothing before its first request.
    HandshakeFailed {
        /// When, by the service's clock.
        at: Timestamp,
        /// Number of the connection, from 1.
        connection: u64,
        /// What broke, in the words of TLS or HTTP/2.
        why: String,
    },
    /// A request that was judged, or answered by a script.
    Request(Box<SeenPush>),
    /// A request that was given no answer.
    Unanswered(Unanswered),
}

/// A request that was given no answer: its stream was refused or reset, or its connection ended,
/// mostly by a script.
#[derive(Clone, Debug)]
pub struct Unanswered {
    /// When, by the service's clock.
    pub at: Timestamp,
    /// Number of the connection, from 1.
    pub connection: u64,
    /// HTTP/2 stream; 0 for HTTP/1.1.
    pub stream: u32,
    /// Request method.
    pub method: Method,
    /// The host that was asked for, `:authority` or `Host`.
    pub authority: String,
    /// Request path.
    pub path: String,
    /// What happened in its place.
    pub why: &'static str,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// TCP connections taken.
    pub connections: u64,
    /// TLS handshakes that failed, scripted ones included.
    pub failed_handshakes: u64,
    /// Requests that were judged or answered by a script.
    pub requests: u64,
    /// Of those, answered 2xx.
    pub accepted: u64,
    /// Streams reset as not processed.
    pub refused_streams: u64,
}

/// The memory of one service.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    recording: Recording,
    pushes: Mutex<Kept>,
    /// Whether `watchers` may hold somebody, so that the hot path takes no lock.
    watched: AtomicBool,
    watchers: Mutex<Vec<mpsc::UnboundedSender<Sighting>>>,
    connections: AtomicU64,
    failed_handshakes: AtomicU64,
    requests: AtomicU64,
    accepted: AtomicU64,
    refused_streams: AtomicU64,
    changed: Notify,
}

/// The requests that are kept.
#[derive(Debug, Default)]
struct Kept {
    pushes: VecDeque<SeenPush>,
    /// How many were dropped from the front.
    dropped: usize,
}

impl Recorder {
    pub(crate) fn new(recording: Recording) -> Self {
        Self { recording, ..Self::default() }
    }

    /// Counts a new connection and gives its number.
    pub(crate) fn connection(&self) -> u64 {
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        self.changed.notify_waiters();
        number
    }

    /// Counts a connection that came to nothing; `sighting` is only called if somebody watches.
    pub(crate) fn failed_handshake(&self, sighting: impl FnOnce() -> Sighting) {
        self.failed_handshakes.fetch_add(1, Ordering::Relaxed);
        self.tell(sighting);
        self.changed.notify_waiters();
    }

    pub(crate) fn refused_stream(&self) {
        self.refused_streams.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Tells those who watch of a request without answer.
    pub(crate) fn unanswered(&self, unanswered: impl FnOnce() -> Unanswered) {
        self.tell(|| Sighting::Unanswered(unanswered()));
    }

    /// Tells those who watch of a GOAWAY.
    pub(crate) fn went_away(&self, sighting: impl FnOnce() -> Sighting) {
        self.tell(sighting);
    }

    /// Keeps one request; `push` is only called if requests are kept or watched.
    pub(crate) fn request(&self, status: StatusCode, push: impl FnOnce() -> SeenPush) {
        let keeps = self.recording != Recording::Count;
        if keeps || self.watched.load(Ordering::Acquire) {
            let mut push = push();
            if let Some(value) = push.headers.get_mut(AUTHORIZATION) {
                value.set_sensitive(true);
            }
            self.tell(|| Sighting::Request(Box::new(push.clone())));
            if keeps {
                self.keep(push);
            }
        }
        if status.is_success() {
            self.accepted.fetch_add(1, Ordering::Relaxed);
        }
        self.requests.fetch_add(1, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Everything that is seen from now on. Who watches must keep up: what waits is kept in memory.
    pub(crate) fn watch(&self) -> mpsc::UnboundedReceiver<Sighting> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.push(sender);
        self.watched.store(true, Ordering::Release);
        receiver
    }

    fn tell(&self, sighting: impl FnOnce() -> Sighting) {
        if !self.watched.load(Ordering::Acquire) {
            return;
        }
        let sighting = sighting();
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| watcher.send(sighting.clone()).is_ok());
        self.watched.store(!watchers.is_empty(), Ordering::Release);
    }

    fn keep(&self, push: SeenPush) {
        let mut kept = self.lock();
        kept.pushes.push_back(push);
        if let Recording::Latest(most) = self.recording
            && kept.pushes.len() > most
        {
            kept.pushes.pop_front();
            kept.dropped += 1;
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            connections: self.connections.load(Ordering::Acquire),
            failed_handshakes: self.failed_handshakes.load(Ordering::Acquire),
            requests: self.requests.load(Ordering::Acquire),
            accepted: self.accepted.load(Ordering::Acquire),
            refused_streams: self.refused_streams.load(Ordering::Acquire),
        }
    }

    pub(crate) fn seen(&self) -> Vec<SeenPush> {
        self.lock().pushes.iter().cloned().collect()
    }

    pub(crate) async fn wait_for(
        &self,
        wanted: impl Fn(&SeenPush) -> bool,
        limit: Duration,
    ) -> Result<SeenPush, Error> {
        let mut from = 0_usize;
        let look = || {
            let kept = self.lock();
            let unseen = kept.pushes.iter().skip(from.saturating_sub(kept.dropped));
            let found = unseen.into_iter().find(|push| wanted(push)).cloned();
            from = kept.dropped + kept.pushes.len();
            found
        };
        self.wait(look, limit, "a push that fits").await
    }

    pub(crate) async fn wait_counts(
        &self,
        wanted: impl Fn(&Counts) -> bool,
        limit: Duration,
    ) -> Result<Counts, Error> {
        let look = || Some(self.counts()).filter(|counts| wanted(counts));
        self.wait(look, limit, "counts that fit").await
    }

    /// Looks after every change. The listener is enlisted before the look, so a change between the two is not lost.
    async fn wait<T>(
        &self,
        mut look: impl FnMut() -> Option<T>,
        limit: Duration,
        what: &'static str,
    ) -> Result<T, Error> {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if let Some(found) = look() {
                    return found;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, waiting).await.map_err(|_| Error::Timeout {
            what,
            limit,
            seen: format!("{:?}", self.counts()),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.pushes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
