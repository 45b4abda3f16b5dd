//! The transport for all push services: HTTP/2, and HTTP/1.1 where others choose the server.
//!
//! ```text
//!  send ─▶ acquire a stream ─▶ wanted? ─▶ write ─▶ answer
//!             │  (pool: FIFO,               │
//!             │   least busy connection)    ├─ not processed (GOAWAY, REFUSED_STREAM) ─▶ at once elsewhere
//!             ▼                             └─ lost after writing ─▶ once more, then "unknown"
//!          connect: DNS, guard or proxy, TCP, TLS, SETTINGS
//! ```
//!
//! APNs and FCM have a [`Pool`] each. Web Push services, webhook receivers and their like are of
//! others' choosing: [`Origins`] keeps a pool for each origin, guarded, and speaks HTTP/1.1 to
//! those that do not take HTTP/2.
//!
//! It sits directly on the `h2` crate because the decisions need what general clients hide: which
//! requests a GOAWAY left unprocessed, its debug data (APNs puts its reason there), the server's
//! current stream limit.
//!
//! Read first: [`Pool`], [`Reply`], [`Failure`].

mod address;
mod connect;
mod connection;
mod failure;
#[cfg(test)]
mod fuzz;
mod goaway;
mod guard;
mod hosts;
mod http1;
mod names;
mod origins;
mod pool;
mod proxy;
mod roots;
mod stream;
mod window;

pub use address::{Network, address_is_public};
pub(crate) use connect::{Endpoint, Timeouts, tls_config};
pub(crate) use connection::HeaderTable;
pub(crate) use failure::Failure;
pub use guard::Guard;
pub use hosts::Hosts;
pub use names::{Book, Names};
pub(crate) use origins::Origins;
pub(crate) use pool::{Policy, Pool, Reconnect, WhenLost};
pub use proxy::Proxy;
pub use roots::Roots;
pub(crate) use stream::LARGEST_BODY;

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
    request(Method::POST, authority, path, headers)
}

/// A request for this path.
pub(crate) fn request(
    method: Method,
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
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}
