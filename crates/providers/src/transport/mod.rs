//! One HTTP/2 transport for all push services.
//!
//! ```text
//!  send ─▶ acquire a stream ─▶ wanted? ─▶ write ─▶ answer
//!             │  (pool: FIFO,               │
//!             │   least busy connection)    ├─ not processed (GOAWAY, REFUSED_STREAM) ─▶ at once elsewhere
//!             ▼                             └─ lost after writing ─▶ once more, then "unknown"
//!          connect: DNS, TCP, TLS, SETTINGS
//! ```
//!
//! It sits directly on the `h2` crate because the decisions need what general clients hide: which
//! requests a GOAWAY left unprocessed, its debug data (APNs puts its reason there), the server's
//! current stream limit.
//!
//! Read first: [`Pool`], [`Reply`], [`Failure`].

mod connect;
mod connection;
mod failure;
mod goaway;
mod pool;
mod roots;
mod stream;
mod window;

pub(crate) use connect::{Endpoint, Timeouts, tls_config};
pub(crate) use connection::HeaderTable;
pub(crate) use failure::Failure;
pub(crate) use pool::{Policy, Pool, Reconnect};
pub use roots::Roots;

use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use tokio::time::Instant;

/// Names one connection of a pool, so that it can be retired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnectionId(u64);

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The server answered.
    Answered(Answer),
    /// The request was not processed, and will not be without a change or a pause.
    Failed(Failure),
    /// The request was written and not answered: it may have been processed or not.
    Lost(String),
    /// The request was no longer wanted when its turn came; nothing was written.
    Withdrawn,
}

/// A server's answer, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body, cut at [`stream::LARGEST_BODY`].
    pub(crate) body: Bytes,
    /// Which connection it came over.
    pub(crate) connection: ConnectionId,
}

/// How long the parts of a request took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timing {
    /// From the call until the request was written the last time.
    pub(crate) queued: Duration,
    /// From then until its answer, or its loss.
    pub(crate) took: Duration,
}

/// Measures how long something takes; the one place outside the connections where the monotonic
/// clock is read.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// From now on.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// How long it has been.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A POST to this path.
pub(crate) fn post(
    authority: &Authority,
    path: &PathAndQuery,
    headers: HeaderMap,
) -> Result<Request<()>, Failure> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(authority.clone());
    parts.path_and_query = Some(path.clone());
    let uri = Uri::from_parts(parts).map_err(|error| Failure::Request(error.to_string().into()))?;
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}
