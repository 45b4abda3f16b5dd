//! Scripted trouble: makes a push service misbehave, from another task, while it runs.
//!
//! Scripts are consumed in the order they were given, one request (or one connection) each, and apply across all
//! connections of the service. Holding, latency and freezing are states that stay until they are ended.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::sync::watch;

use crate::Error;

/// An answer given in place of the service's own judgement.
#[derive(Clone, Debug)]
pub struct Scripted {
    /// Status to answer.
    pub status: StatusCode,
    /// Headers to answer; none is added.
    pub headers: HeaderMap,
    /// Body to answer, as it is.
    pub body: Bytes,
}

impl Scripted {
    /// An answer with an empty body.
    pub fn status(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// An answer with a body.
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::status(status) }
    }

    /// An APNs refusal as Apple writes it: `{"reason":"…"}`.
    pub fn apns(status: StatusCode, reason: &str) -> Self {
        Self::new(status, serde_json::json!({ "reason": reason }).to_string())
            .header(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    /// The page that Google's front end answers with when the service behind it is away.
    pub fn front_end_502() -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "<!DOCTYPE html><html><title>Error 502</title></html>")
            .header(
                http::header::CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=UTF-8"),
            )
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

/// A GOAWAY to be sent.
#[derive(Clone, Debug)]
pub struct GoAway {
    /// HTTP/2 error code (RFC 9113, section 7); 0 is NO_ERROR, the one Apple sends.
    pub code: u32,
    /// Debug data; APNs puts `{"reason":"…"}` there.
    pub debug_data: Bytes,
}

impl GoAway {
    /// NO_ERROR with Apple's JSON reason.
    pub fn reason(reason: &str) -> Self {
        Self { code: 0, debug_data: serde_json::json!({ "reason": reason }).to_string().into() }
    }

    /// NO_ERROR without a reason.
    pub fn plain() -> Self {
        Self { code: 0, debug_data: Bytes::new() }
    }
}

/// What happens to one request.
#[derive(Clone, Debug)]
pub(crate) enum RequestTrouble {
    Answer(Scripted),
    CloseAfterProcessing,
    CloseUnprocessed,
    GoAway(GoAway),
    RefuseStream,
    Reset(u32),
}

/// What happens to one connection before TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConnectionTrouble {
    Alert(u8),
    Close,
}

/// The handle that scripts trouble; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Whether `requests` may hold something, so that the hot path takes no lock.
    armed: AtomicBool,
    /// How many requests, and what happens to each; `None` lets them pass.
    requests: Mutex<VecDeque<(usize, Option<RequestTrouble>)>>,
    connections: Mutex<VecDeque<ConnectionTrouble>>,
    hold: watch::Sender<Hold>,
    held: watch::Sender<usize>,
    latency_us: AtomicU64,
    frozen: watch::Sender<bool>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Hold {
    /// How many of the coming answers to hold.
    next: usize,
    /// Grows with each release: an answer waits until it has grown.
    releases: u64,
}

impl Trouble {
    /// Holds every answer until [`release`](Self::release). What is held has been judged, delivered and recorded.
    pub fn hold(&self) {
        self.hold_next(usize::MAX);
    }

    /// Holds the next `n` answers until [`release`](Self::release).
    pub fn hold_next(&self, n: usize) {
        self.0.hold.send_modify(|hold| hold.next = n);
    }

    /// Lets everything held go and ends holding.
    pub fn release(&self) {
        self.0.hold.send_modify(|hold| {
            hold.next = 0;
            hold.releases += 1;
        });
    }

    /// How many answers are being held.
    pub fn held(&self) -> usize {
        *self.0.held.borrow()
    }

    /// Waits until at least `n` answers are being held.
    ///
    /// # Errors
    /// [`Error::Timeout`] if that does not come within `limit`.
    pub async fn wait_held(&self, n: usize, limit: Duration) -> Result<(), Error> {
        let mut held = self.0.held.subscribe();
        let reached = tokio::time::timeout(limit, held.wait_for(|held| *held >= n)).await;
        match reached {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(Error::Timeout { what: "held answers", limit, seen: self.held().to_string() })
            }
        }
    }

    /// Delays every answer.
    pub fn latency(&self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.latency_us.store(us, Ordering::Relaxed);
    }

    /// Stops reading and writing on every connection without closing it, as a network that swallows packets does;
    /// PINGs go unanswered too. Ended by [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.0.frozen.send_replace(true);
    }

    /// Ends [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.0.frozen.send_replace(false);
    }

    /// Answers the next `n` requests by script; they are not judged and not delivered.
    pub fn answer_next(&self, n: usize, answer: &Scripted) {
        self.script(n, RequestTrouble::Answer(answer.clone()));
    }

    /// Lets the next `k` requests pass; the one after them is not processed, its connection says GOAWAY with the last
    /// stream processed, finishes what is in flight and closes.
    pub fn go_away_after(&self, k: usize, go_away: &GoAway) {
        self.pass(k);
        self.script(1, RequestTrouble::GoAway(go_away.clone()));
    }

    /// Resets the next `n` streams with REFUSED_STREAM, unprocessed.
    pub fn refuse_streams(&self, n: usize) {
        self.script(n, RequestTrouble::RefuseStream);
    }

    /// Resets the next `n` streams with this HTTP/2 error code after the request was read; nothing is delivered.
    pub fn reset_next(&self, n: usize, code: u32) {
        self.script(n, RequestTrouble::Reset(code));
    }

    /// Drops the TCP connection on each of the next `n` requests, unprocessed and without a word.
    pub fn close_next(&self, n: usize) {
        self.script(n, RequestTrouble::CloseUnprocessed);
    }

    /// Processes (and delivers) each of the next `n` requests, then drops its TCP connection without answering.
    pub fn close_after_processing(&self, n: usize) {
        self.script(n, RequestTrouble::CloseAfterProcessing);
    }

    /// Lets the next `n` requests pass before what is scripted after this call applies.
    pub fn pass(&self, n: usize) {
        self.enqueue(n, None);
    }

    /// Answers the next `n` connections' ClientHello with a fatal TLS alert (45 `certificate_expired`, 80
    /// `internal_error`, RFC 8446, section 6) and closes.
    pub fn alert_next(&self, n: usize, alert: u8) {
        self.connections().extend(std::iter::repeat_n(ConnectionTrouble::Alert(alert), n));
    }

    /// Closes the next `n` connections before TLS.
    pub fn close_connections(&self, n: usize) {
        self.connections().extend(std::iter::repeat_n(ConnectionTrouble::Close, n));
    }

    /// Ends all trouble: scripts, holding, latency, freezing.
    pub fn clear(&self) {
        self.requests().clear();
        self.connections().clear();
        self.latency(Duration::ZERO);
        self.thaw();
        self.release();
    }
}

/// What the service's own tasks ask.
impl Trouble {
    /// What is to happen to the request that just arrived.
    pub(crate) fn for_request(&self) -> Option<RequestTrouble> {
        if !self.0.armed.load(Ordering::Acquire) {
            return None;
        }
        let mut requests = self.requests();
        let Some((left, trouble)) = requests.front_mut() else {
            self.0.armed.store(false, Ordering::Release);
            return None;
        };
        let trouble = trouble.clone();
        *left -= 1;
        if *left == 0 {
            requests.pop_front();
        }
        trouble
    }

    /// What is to happen to the connection that just arrived.
    pub(crate) fn for_connection(&self) -> Option<ConnectionTrouble> {
        self.connections().pop_front()
    }

    /// Waits out latency and holding, once an answer is decided.
    pub(crate) async fn before_answer(&self) {
        let latency_us = self.0.latency_us.load(Ordering::Relaxed);
        if latency_us > 0 {
            tokio::time::sleep(Duration::from_micros(latency_us)).await;
        }
        // The hot path: nobody holds, so only a read lock is taken.
        if self.0.hold.borrow().next == 0 {
            return;
        }
        let mut releases = None;
        self.0.hold.send_if_modified(|hold| {
            if hold.next > 0 {
                releases = Some(hold.releases);
                if hold.next != usize::MAX {
                    hold.next -= 1;
                }
            }
            false
        });
        if let Some(before) = releases {
            let _held = Held::new(&self.0.held);
            let mut hold = self.0.hold.subscribe();
            // The sender lives in `self`, so waiting cannot fail.
            let _ = hold.wait_for(|hold| hold.releases > before).await;
        }
    }

    /// Watches whether connections are to stand still.
    pub(crate) fn frozen(&self) -> watch::Receiver<bool> {
        self.0.frozen.subscribe()
    }

    fn script(&self, n: usize, trouble: RequestTrouble) {
        self.enqueue(n, Some(trouble));
    }

    fn enqueue(&self, n: usize, trouble: Option<RequestTrouble>) {
        if n > 0 {
            let mut requests = self.requests();
            requests.push_back((n, trouble));
            self.0.armed.store(true, Ordering::Release);
        }
    }

    fn requests(&self) -> MutexGuard<'_, VecDeque<(usize, Option<RequestTrouble>)>> {
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, VecDeque<ConnectionTrouble>> {
        self.0.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a held answer for as long as it is held, even if its connection dies meanwhile.
struct Held<'a>(&'a watch::Sender<usize>);

impl<'a> Held<'a> {
    fn new(held: &'a watch::Sender<usize>) -> Self {
        held.send_modify(|held| *held += 1);
        Self(held)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held -= 1);
    }
}
