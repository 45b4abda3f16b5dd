//! What a push service saw: a record that tests wait on.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header::AUTHORIZATION};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::Error;

/// How much a service remembers of each request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Recording {
    /// Every request whole; for tests.
    #[default]
    Full,
    /// Numbers only; for load.
    Count,
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
    pushes: Mutex<Vec<SeenPush>>,
    connections: AtomicU64,
    failed_handshakes: AtomicU64,
    requests: AtomicU64,
    accepted: AtomicU64,
    refused_streams: AtomicU64,
    changed: Notify,
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

    pub(crate) fn failed_handshake(&self) {
        self.failed_handshakes.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    pub(crate) fn refused_stream(&self) {
        self.refused_streams.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Keeps one request; `push` is only called if requests are kept.
    pub(crate) fn request(&self, status: StatusCode, push: impl FnOnce() -> SeenPush) {
        if self.recording == Recording::Full {
            let mut push = push();
            if let Some(value) = push.headers.get_mut(AUTHORIZATION) {
                value.set_sensitive(true);
            }
            self.lock().push(push);
        }
        if status.is_success() {
            self.accepted.fetch_add(1, Ordering::Relaxed);
        }
        self.requests.fetch_add(1, Ordering::Release);
        self.changed.notify_waiters();
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
        self.lock().clone()
    }

    pub(crate) async fn wait_for(
        &self,
        wanted: impl Fn(&SeenPush) -> bool,
        limit: Duration,
    ) -> Result<SeenPush, Error> {
        let mut from = 0;
        let look = || {
            let pushes = self.lock();
            let found = pushes[from..].iter().find(|push| wanted(push)).cloned();
            from = pushes.len();
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SeenPush>> {
        self.pushes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
