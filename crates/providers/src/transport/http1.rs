//! The connections to an origin that does not take HTTP/2: one request at a time on each.
//!
//! The same promises as [`super::Pool`]'s, as far as HTTP/1.1 can keep them: what was surely not
//! processed is sent again at once, what was lost after it was written once. There is no PING, so
//! a connection that was quiet for long is not trusted with a request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::HOST;
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connect::{Endpoint, Timeouts, connect};
use super::connection::HeaderTable;
use super::failure::Failure;
use super::pool::Reconnect;
use super::stream::LARGEST_BODY;
use super::{Answer, ConnectionId, Reply, Timing};

/// The most that is buffered of an answer's head.
const LARGEST_HEAD: usize = 32 * 1024;
/// How often a request may be left unprocessed before the server counts as unavailable.
const MOST_UNPROCESSED: u32 = 4;

/// Writes requests to one connection.
type Sender = SendRequest<Full<Bytes>>;

/// The connections to one origin. Dropping it ends them.
pub(super) struct Http1 {
    /// Where to connect to.
    endpoint: Endpoint,
    /// With which roots.
    tls: TlsConnector,
    /// How long to wait for what.
    timeouts: Timeouts,
    /// How long to pause between failed connects.
    reconnect: Reconnect,
    /// One permit for each connection that may be in use.
    room: Semaphore,
    /// Connections without a request. Held for a few instructions, never across an await.
    state: Mutex<State>,
    /// One task for each connection.
    tasks: TaskTracker,
    /// Ends them.
    stop: CancellationToken,
}

/// The part that changes.
#[derive(Default)]
struct State {
    /// Connections without a request, the one used last at the end.
    idle: Vec<Idle>,
    /// Failed connects in a row.
    failures: u32,
    /// The last failed connect, and until when none is tried.
    pause: Option<(Failure, Instant)>,
    /// Whether it was closed.
    closed: bool,
}

/// A connection without a request.
struct Idle {
    /// Its handle.
    sender: Sender,
    /// Since when.
    since: Instant,
}

/// How a request on a connection ended.
enum End {
    /// With an answer, and whether the connection may be used again.
    Answered(Answer, Option<Sender>),
    /// Without an answer after it was written.
    Lost(String),
    /// Without an answer after it was written, because of a time-out.
    TimedOut,
    /// Surely unprocessed.
    Unprocessed(String),
}

impl Http1 {
    /// No connection yet; the first request opens one. There will be at most `connections`.
    pub(super) fn new(
        endpoint: Endpoint,
        tls: Arc<ClientConfig>,
        timeouts: Timeouts,
        reconnect: Reconnect,
        connections: usize,
    ) -> Self {
        Self {
            endpoint,
            tls: TlsConnector::from(tls),
            timeouts,
            reconnect,
            room: Semaphore::new(connections),
            state: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Sends a request and reads its answer; the arguments are those of [`super::Pool::send`].
    pub(super) async fn send(
        &self,
        request: impl Fn(HeaderTable) -> Result<Request<()>, Failure>,
        body: &Bytes,
        wanted: impl Fn() -> bool,
    ) -> (Reply, Timing) {
        let start = Instant::now();
        let mut written = None;
        let reply = self.reply(request, body, wanted, &mut written).await;
        // A request that failed before it was written spent all its time queued.
        let written = match reply {
            Reply::Answered(_) | Reply::Lost(_) => written,
            Reply::Failed(_) | Reply::Withdrawn => None,
        };
        let written = written.unwrap_or_else(Instant::now);
        (reply, Timing { queued: written - start, took: written.elapsed() })
    }

    /// Takes no more requests, lets those in flight end, then ends all tasks.
    pub(super) async fn close(&self) {
        {
            let mut state = self.lock();
            state.closed = true;
            state.idle.clear();
        }
        self.room.close();
        self.tasks.close();
        // hyper ends a connection when the last answer is read and its handle is gone.
        let _ = timeout(self.timeouts.request, self.tasks.wait()).await;
        self.stop.cancel();
        self.tasks.wait().await;
    }

    /// Tries until there is a reply. `written` is when the request was written the last time.
    async fn reply(
        &self,
        request: impl Fn(HeaderTable) -> Result<Request<()>, Failure>,
        body: &Bytes,
        wanted: impl Fn() -> bool,
        written: &mut Option<Instant>,
    ) -> Reply {
        let _permit = match timeout(self.timeouts.request, self.room.acquire()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Reply::Failed(Failure::Closed),
            Err(_) => return Reply::Failed(Failure::TimedOut("waiting for a free connection")),
        };
        let (mut lost, mut unprocessed) = (None, 0);
        loop {
            let sender = match self.sender().await {
                Ok(sender) => sender,
                // What was written before may have been processed.
                Err(failure) => return lost.map_or(Reply::Failed(failure), Reply::Lost),
            };
            if !wanted() {
                self.put_back(sender);
                return lost.map_or(Reply::Withdrawn, Reply::Lost);
            }
            let head =
                match request(HeaderTable::default()).and_then(|head| origin_form(head, body)) {
                    Ok(head) => head,
                    Err(failure) => {
                        self.put_back(sender);
                        return lost.map_or(Reply::Failed(failure), Reply::Lost);
                    }
                };
            *written = Some(Instant::now());
            match exchange(sender, head, self.timeouts.request).await {
                End::Answered(answer, sender) => {
                    if let Some(sender) = sender {
                        self.put_back(sender);
                    }
                    return Reply::Answered(answer);
                }
                End::TimedOut => return Reply::Lost("no answer in time".to_owned()),
                End::Unprocessed(detail) => {
                    unprocessed += 1;
                    if unprocessed == MOST_UNPROCESSED {
                        let failure = Failure::Unprocessed(unprocessed, detail.into());
                        return lost.map_or(Reply::Failed(failure), Reply::Lost);
                    }
                }
                End::Lost(detail) if lost.is_some() => return Reply::Lost(detail),
                End::Lost(detail) => lost = Some(detail),
            }
        }
    }

    /// The state, also after a panic elsewhere: every change to it is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that waits for a request: one that is there, or a new one.
    async fn sender(&self) -> Result<Sender, Failure> {
        while let Some(Idle { mut sender, since }) = self.take_idle()? {
            if since.elapsed() > self.timeouts.keep_alive_idle || sender.is_closed() {
                continue;
            }
            // Its last answer was read whole; the connection's task only has to notice.
            if let Ok(Ok(())) = timeout(self.timeouts.keep_alive, sender.ready()).await {
                return Ok(sender);
            }
        }
        let opened = timeout(self.timeouts.connect, self.open()).await;
        let opened = opened.unwrap_or(Err(Failure::TimedOut("connecting")));
        let mut state = self.lock();
        match &opened {
            Ok(_) => {
                state.failures = 0;
                state.pause = None;
            }
            Err(failure) => {
                let pause = self
                    .reconnect
                    .first
                    .saturating_mul(1 << state.failures.min(16))
                    .min(self.reconnect.longest);
                state.failures = state.failures.saturating_add(1);
                state.pause = Some((failure.clone(), Instant::now() + pause));
            }
        }
        opened
    }

    /// The connection used last, if one is there; `None` means that one may be opened.
    fn take_idle(&self) -> Result<Option<Idle>, Failure> {
        let mut state = self.lock();
        if state.closed {
            return Err(Failure::Closed);
        }
        if let Some(idle) = state.idle.pop() {
            return Ok(Some(idle));
        }
        match &state.pause {
            Some((failure, until)) if Instant::now() < *until => Err(failure.clone()),
            Some(_) | None => Ok(None),
        }
    }

    /// Keeps a connection for the next request.
    fn put_back(&self, sender: Sender) {
        let mut state = self.lock();
        if !state.closed {
            state.idle.push(Idle { sender, since: Instant::now() });
        }
    }

    /// Opens a connection.
    async fn open(&self) -> Result<Sender, Failure> {
        let io = connect(&self.endpoint, &self.tls, self.timeouts.connect).await?;
        let (sender, connection) = Builder::new()
            .max_buf_size(LARGEST_HEAD)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| Failure::Handshake(error.to_string().into()))?;
        tracing::debug!(host = %self.endpoint.authority, "connected by HTTP/1.1");
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // How it ended, the request on it learns; without one it does not matter.
                _ = connection => {}
            }
        });
        Ok(sender)
    }
}

impl Drop for Http1 {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The request as HTTP/1.1 wants it: path and `Host` instead of a whole URL (RFC 9112, section
/// 3.2).
fn origin_form(head: Request<()>, body: &Bytes) -> Result<Request<Full<Bytes>>, Failure> {
    let (mut parts, ()) = head.into_parts();
    let invalid = |problem: String| Failure::Request(problem.into());
    let authority = parts.uri.authority().map(ToString::to_string).unwrap_or_default();
    let host = HeaderValue::try_from(authority).map_err(|error| invalid(error.to_string()))?;
    parts.headers.insert(HOST, host);
    let path = parts.uri.into_parts().path_and_query;
    parts.uri = path.map(Uri::from).unwrap_or_default();
    Ok(Request::from_parts(parts, Full::new(body.clone())))
}

/// Writes the request and reads its answer.
async fn exchange(mut sender: Sender, request: Request<Full<Bytes>>, limit: Duration) -> End {
    let answered = timeout(limit, async {
        match sender.try_send_request(request).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                read(body).await.map(|body| (head, body)).map_err(|error| (error, false))
            }
            Err(mut error) => {
                let unsent = error.take_message().is_some();
                Err((error.into_error(), unsent))
            }
        }
    })
    .await;
    match answered {
        Ok(Ok((head, (body, whole)))) => {
            let answer = Answer {
                status: head.status,
                headers: head.headers,
                body,
                connection: ConnectionId::default(),
            };
            End::Answered(answer, whole.then_some(sender))
        }
        Ok(Err((error, true))) => End::Unprocessed(error.to_string()),
        Ok(Err((error, false))) => End::Lost(text_of(&error)),
        Err(_) => End::TimedOut,
    }
}

/// An error with its cause, which says more than hyper's own words.
fn text_of(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Reads an answer's body, up to the limit, and says whether that was all of it.
async fn read(mut body: Incoming) -> hyper::Result<(Bytes, bool)> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame?.into_data() else { continue };
        let room = LARGEST_BODY - whole.len();
        let (part, _) = chunk.split_at(chunk.len().min(room));
        whole.extend_from_slice(part);
        if part.len() < chunk.len() {
            return Ok((whole.freeze(), false));
        }
    }
    Ok((whole.freeze(), true))
}
