//! Scripted trouble: makes a push service misbehave, from another task, while it runs.
//!
//! Scripts are consumed in the order they were given, one request (or one connection) each, and apply across all
//! connections of the service. A handle from [`Trouble::on`] scripts for one path alone; a request
//! takes the first script that is meant for it. Holding, latency, freezing, storms, quotas, stream
//! limits and the end of quiet connections are states that stay until they are ended.
//!
//! A service's own defence against clients that connect over and over, [`Churn`], works here too,
//! as it meets connections before TLS; [`Trouble::clear`] forgives and leaves the rule.

mod answer;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

pub use answer::{GoAway, Scripted};

use crate::{Error, device::Rate, window::Window};

/// What happens to one request.
#[derive(Clone, Debug)]
pub(crate) enum RequestTrouble {
    Answer(Scripted),
    CloseAfterProcessing,
    CloseUnprocessed,
    GoAway(GoAway),
    HalfClose,
    RefuseStream,
    Reset(u32),
    Swallow,
}

/// What happens to one connection before TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConnectionTrouble {
    Alert(u8),
    /// With what to say about it.
    Close(&'static str),
}

/// Too many connections in a short time: what Apple may take for an attack ("Troubleshooting push
/// notifications"). It gives no figures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Churn {
    /// This many connections pass.
    pub connections: u32,
    /// Within this time, from the first of them on.
    pub within: Duration,
    /// For this long every further one is closed before TLS.
    pub block: Duration,
}

/// The handle that scripts trouble; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    state: Arc<State>,
    /// The only path that scripts of this handle are for.
    path: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether `requests`, `storm` or `quota` may hold something, so that the hot path takes no lock.
    armed: AtomicBool,
    requests: Mutex<VecDeque<Script>>,
    storm: Mutex<Option<Storm>>,
    quota: Mutex<Option<Quota>>,
    connections: Mutex<VecDeque<ConnectionTrouble>>,
    churn: Mutex<Option<Churning>>,
    hold: watch::Sender<Hold>,
    held: watch::Sender<usize>,
    latency_us: AtomicU64,
    frozen: watch::Sender<bool>,
    /// The most streams that any connection may have, whatever the service grants.
    streams: watch::Sender<Option<u32>>,
    /// After how long a quiet connection is ended, and how.
    idle: watch::Sender<Option<(Duration, GoAway)>>,
}

/// What happens to some of the coming requests.
#[derive(Debug)]
struct Script {
    /// The only path it is for.
    path: Option<Arc<str>>,
    /// To how many requests.
    left: usize,
    /// `None` lets them pass.
    trouble: Option<RequestTrouble>,
}

/// One answer to everything, for a time.
#[derive(Debug)]
struct Storm {
    path: Option<Arc<str>>,
    answer: Scripted,
    lasting: Duration,
    /// Set by the first request that meets it.
    until: Option<Timestamp>,
}

/// How many requests are taken, and how that stands.
#[derive(Debug)]
struct Quota {
    path: Option<Arc<str>>,
    rate: Rate,
    window: Window,
    /// To those above.
    answer: Scripted,
}

/// The rule on connecting, and how it stands.
#[derive(Debug)]
struct Churning {
    rule: Churn,
    window: Window,
    blocked_until: Option<Timestamp>,
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
        self.state.hold.send_modify(|hold| hold.next = n);
    }

    /// Lets everything held go and ends holding.
    pub fn release(&self) {
        self.state.hold.send_modify(|hold| {
            hold.next = 0;
            hold.releases += 1;
        });
    }

    /// How many answers are being held.
    pub fn held(&self) -> usize {
        *self.state.held.borrow()
    }

    /// Waits until at least `n` answers are being held.
    ///
    /// # Errors
    /// [`Error::Timeout`] if that does not come within `limit`.
    pub async fn wait_held(&self, n: usize, limit: Duration) -> Result<(), Error> {
        let mut held = self.state.held.subscribe();
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
        self.state.latency_us.store(us, Ordering::Relaxed);
    }

    /// Stops reading and writing on every connection without closing it, as a network that swallows packets does;
    /// PINGs go unanswered too. Ended by [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.state.frozen.send_replace(true);
    }

    /// Ends [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.state.frozen.send_replace(false);
    }

    /// A handle whose scripts are for requests to this path alone, such as `/token`. States are the
    /// whole service's.
    #[must_use]
    pub fn on(&self, path: &str) -> Self {
        Self { state: self.state.clone(), path: Some(path.into()) }
    }

    /// Tells every connection, by SETTINGS, that it may have at most `max` streams from now on, and
    /// refuses those above with REFUSED_STREAM. Ended by
    /// [`lift_stream_limit`](Self::lift_stream_limit).
    pub fn limit_streams(&self, max: u32) {
        self.state.streams.send_replace(Some(max));
    }

    /// Ends [`limit_streams`](Self::limit_streams): every connection is told its own limit again.
    pub fn lift_stream_limit(&self) {
        self.state.streams.send_replace(None);
    }

    /// Answers every request by script for this long, counted from the first one by the service's
    /// clock.
    pub fn answer_for(&self, lasting: Duration, answer: &Scripted) {
        let storm = Storm { path: self.path.clone(), answer: answer.clone(), lasting, until: None };
        *lock(&self.state.storm) = Some(storm);
        self.state.armed.store(true, Ordering::Release);
    }

    /// Answers by script what is above this rate, of everybody together; the service's clock
    /// counts. A request that a script or a storm takes does not count. Ended by
    /// [`lift_quota`](Self::lift_quota).
    pub fn limit_rate(&self, rate: Rate, answer: &Scripted) {
        let (path, answer) = (self.path.clone(), answer.clone());
        let quota = Quota { path, rate, window: Window::default(), answer };
        *lock(&self.state.quota) = Some(quota);
        self.state.armed.store(true, Ordering::Release);
    }

    /// Ends [`limit_rate`](Self::limit_rate).
    pub fn lift_quota(&self) {
        *lock(&self.state.quota) = None;
    }

    /// Says GOAWAY on every connection of HTTP/2 that has had no request for this long, those that
    /// are quiet already included. Ended by [`keep_idle`](Self::keep_idle).
    pub fn end_idle(&self, after: Duration, go_away: &GoAway) {
        self.state.idle.send_replace(Some((after, go_away.clone())));
    }

    /// Ends [`end_idle`](Self::end_idle).
    pub fn keep_idle(&self) {
        self.state.idle.send_replace(None);
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

    /// Lets the next `k` requests pass and takes in `unprocessed` more without looking at them;
    /// then the connection says GOAWAY with the last stream processed, which is lower than streams
    /// it has long had.
    pub fn go_away_over(&self, k: usize, unprocessed: usize, go_away: &GoAway) {
        self.pass(k);
        self.script(unprocessed.saturating_sub(1), RequestTrouble::Swallow);
        self.script(1, RequestTrouble::GoAway(go_away.clone()));
    }

    /// On each of the next `n` requests, closes the sending side of its TCP connection (a FIN,
    /// without a word of TLS or HTTP/2) and goes on reading; that request and all others of the
    /// connection stay unprocessed and unanswered.
    pub fn half_close_next(&self, n: usize) {
        self.script(n, RequestTrouble::HalfClose);
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
        lock(&self.state.connections)
            .extend(std::iter::repeat_n(ConnectionTrouble::Alert(alert), n));
    }

    /// Closes the next `n` connections before TLS.
    pub fn close_connections(&self, n: usize) {
        lock(&self.state.connections).extend(std::iter::repeat_n(
            ConnectionTrouble::Close("closed before TLS by script"),
            n,
        ));
    }

    /// Sets the rule on connecting, or ends it.
    pub fn limit_churn(&self, rule: Option<Churn>) {
        *lock(&self.state.churn) = rule.map(Churning::new);
    }

    /// Ends all trouble: scripts, holding, latency, freezing, storms, quotas, stream limits, the
    /// end of quiet connections, and a block for connecting too often. The rule on connecting stays.
    pub fn clear(&self) {
        lock(&self.state.requests).clear();
        lock(&self.state.storm).take();
        lock(&self.state.connections).clear();
        if let Some(churning) = &mut *lock(&self.state.churn) {
            *churning = Churning::new(churning.rule);
        }
        self.latency(Duration::ZERO);
        self.lift_stream_limit();
        self.lift_quota();
        self.keep_idle();
        self.thaw();
        self.release();
    }
}

/// What the service's own tasks ask.
impl Trouble {
    /// What is to happen to the request that just arrived; the time is only asked for where it
    /// matters.
    pub(crate) fn for_request(
        &self,
        path: &str,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<RequestTrouble> {
        if !self.state.armed.load(Ordering::Acquire) {
            return None;
        }
        let mut requests = lock(&self.state.requests);
        let is_for = |wanted: &Option<Arc<str>>| wanted.as_deref().is_none_or(|it| it == path);
        if let Some(place) = requests.iter().position(|script| is_for(&script.path))
            && let Some(script) = requests.get_mut(place)
        {
            let trouble = script.trouble.clone();
            script.left -= 1;
            if script.left == 0 {
                requests.remove(place);
            }
            return trouble;
        }
        let mut storm = lock(&self.state.storm);
        let mut quota = lock(&self.state.quota);
        if storm.is_none() && quota.is_none() {
            // All locks are held, so nothing can be scripted in between.
            self.state.armed.store(!requests.is_empty(), Ordering::Release);
            return None;
        }
        let now = now();
        if let Some(raging) = storm.as_mut().filter(|raging| is_for(&raging.path)) {
            let until = *raging.until.get_or_insert_with(|| later(now, raging.lasting));
            if now < until {
                return Some(RequestTrouble::Answer(raging.answer.clone()));
            }
            *storm = None;
        }
        let quota = quota.as_mut().filter(|quota| is_for(&quota.path))?;
        let Rate { pushes, within } = quota.rate;
        let passes = quota.window.spend(pushes, within, now);
        (!passes).then(|| RequestTrouble::Answer(quota.answer.clone()))
    }

    /// What is to happen to the connection that just arrived.
    pub(crate) fn for_connection(&self, now: Timestamp) -> Option<ConnectionTrouble> {
        if let Some(trouble) = lock(&self.state.connections).pop_front() {
            return Some(trouble);
        }
        let mut churn = lock(&self.state.churn);
        let passes = churn.as_mut().is_none_or(|churning| churning.passes(now));
        if passes { None } else { Some(ConnectionTrouble::Close("too many connections")) }
    }

    /// Waits out latency and holding, once an answer is decided.
    pub(crate) async fn before_answer(&self) {
        let latency_us = self.state.latency_us.load(Ordering::Relaxed);
        if latency_us > 0 {
            tokio::time::sleep(Duration::from_micros(latency_us)).await;
        }
        // The hot path: nobody holds, so only a read lock is taken.
        if self.state.hold.borrow().next == 0 {
            return;
        }
        let mut releases = None;
        self.state.hold.send_if_modified(|hold| {
            if hold.next > 0 {
                releases = Some(hold.releases);
                if hold.next != usize::MAX {
                    hold.next -= 1;
                }
            }
            false
        });
        if let Some(before) = releases {
            let _held = Held::new(&self.state.held);
            let mut hold = self.state.hold.subscribe();
            // The sender lives in `self`, so waiting cannot fail.
            let _ = hold.wait_for(|hold| hold.releases > before).await;
        }
    }

    /// Watches whether connections are to stand still.
    pub(crate) fn frozen(&self) -> watch::Receiver<bool> {
        self.state.frozen.subscribe()
    }

    /// Watches the most streams that a connection may have, whatever the service grants.
    pub(crate) fn stream_limit(&self) -> watch::Receiver<Option<u32>> {
        self.state.streams.subscribe()
    }

    /// Watches after how long a quiet connection is to be ended, and how.
    pub(crate) fn idle(&self) -> watch::Receiver<Option<(Duration, GoAway)>> {
        self.state.idle.subscribe()
    }

    fn script(&self, n: usize, trouble: RequestTrouble) {
        self.enqueue(n, Some(trouble));
    }

    fn enqueue(&self, n: usize, trouble: Option<RequestTrouble>) {
        if n > 0 {
            let mut requests = lock(&self.state.requests);
            requests.push_back(Script { path: self.path.clone(), left: n, trouble });
            self.state.armed.store(true, Ordering::Release);
        }
    }
}

impl Churning {
    fn new(rule: Churn) -> Self {
        Self { rule, window: Window::default(), blocked_until: None }
    }

    /// Counts a connection; says whether it may live.
    fn passes(&mut self, now: Timestamp) -> bool {
        if self.blocked_until.is_some_and(|until| now < until) {
            return false;
        }
        if self.blocked_until.take().is_some() {
            self.window = Window::default();
        }
        let passes = self.window.spend(self.rule.connections, self.rule.within, now);
        if !passes {
            self.blocked_until = Some(later(now, self.rule.block));
        }
        passes
    }
}

/// This much later; the end of time if that is beyond it.
fn later(now: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
