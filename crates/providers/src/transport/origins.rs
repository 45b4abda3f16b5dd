//! The connections to servers of others' choosing, a line to each origin.
//!
//! ```text
//!  origin ──known?──▶ line ──speaks HTTP/2?──yes──▶ Pool
//!     │                 │  (found out by the first connect, kept)
//!     └──▶ a new line,  └──────────────────no───▶ Http1
//!          the one unused for longest goes
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use http::Request;
use rustls::ClientConfig;
use tokio::task::JoinSet;

use super::connect::{Endpoint, Speech, Timeouts, tls_for};
use super::connection::HeaderTable;
use super::failure::Failure;
use super::guard::Guard;
use super::http1::Http1;
use super::names::Names;
use super::pool::{Policy, Pool, Reconnect, WhenLost};
use super::proxy::Proxy;
use super::{Reply, Timing};
use crate::config::Config;
use crate::error::Error;
use crate::origin::Origin;

/// Connections to a bounded number of origins.
pub(crate) struct Origins {
    /// What all lines have in common.
    means: Means,
    /// How many lines there may be.
    most: usize,
    /// The lines. Held for a few instructions, never across an await.
    state: Mutex<State>,
}

/// What all lines have in common.
struct Means {
    /// TLS that offers HTTP/2 and HTTP/1.1.
    tls: Arc<ClientConfig>,
    /// TLS that offers HTTP/1.1.
    tls_http1: Arc<ClientConfig>,
    /// Who resolves names.
    names: Names,
    /// The proxy, if there is one.
    proxy: Option<Proxy>,
    /// Whom connections may reach.
    guard: Guard,
    /// How long to wait for what.
    timeouts: Timeouts,
    /// How long to pause between failed connects.
    reconnect: Reconnect,
    /// How many connections a line may have.
    connections: usize,
}

/// The part that changes.
#[derive(Default)]
struct State {
    /// The lines by where they lead.
    lines: HashMap<Origin, Entry>,
    /// How often a line was asked for.
    asked: u64,
    /// Whether it was closed.
    closed: bool,
}

/// A line and when it was used.
struct Entry {
    /// The line.
    line: Arc<Line>,
    /// [`State::asked`] when it was asked for the last time.
    last: u64,
}

/// The connections to one origin.
struct Line {
    /// By HTTP/2, and how it is found out that the server does not speak it.
    http2: Pool,
    /// By HTTP/1.1, once that is found out. A server that learns HTTP/2 later is still spoken to
    /// like this until the line goes.
    http1: OnceLock<Http1>,
}

impl Origins {
    /// No line yet.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the crypto provider offers no usable protocol version.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let means = Means {
            tls: tls_for(&config.roots, None, Speech::Http2IfAgreed)?,
            tls_http1: tls_for(&config.roots, None, Speech::Http1)?,
            names: config.names.clone(),
            proxy: config.proxy.clone(),
            guard: config.guard.clone(),
            timeouts: Timeouts::from(config),
            reconnect: Reconnect::from(config),
            connections: config.connections_per_credential.max(1),
        };
        Ok(Self { means, most: config.guarded_origins.max(1), state: Mutex::default() })
    }

    /// Whether an origin may be called, as far as can be seen without resolving its name.
    pub(crate) fn check(&self, origin: &Origin) -> Result<(), Failure> {
        self.means.guard.check_unresolved(origin.host(), origin.port())
    }

    /// Sends a request to an origin and reads its answer; the other arguments are those of
    /// [`Pool::send`].
    pub(crate) async fn send(
        &self,
        origin: &Origin,
        request: impl Fn(HeaderTable) -> Result<Request<()>, Failure>,
        body: &Bytes,
        wanted: impl Fn() -> bool,
    ) -> (Reply, Timing) {
        let Some(line) = self.line(origin) else {
            return (Reply::Failed(Failure::Closed), Timing::default());
        };
        if line.http1.get().is_none() {
            match line.http2.send(&request, body, WhenLost::SendOnceMore, &wanted).await {
                (Reply::Failed(Failure::Http1), timing) => {
                    let http1 = line.http1.get_or_init(|| self.means.http1(origin));
                    // It may have been closed while that was found out.
                    if self.lock().closed {
                        http1.close().await;
                    }
                    let (reply, rest) = http1.send(request, body, wanted).await;
                    let queued = timing.queued + rest.queued;
                    return (reply, Timing { queued, took: rest.took });
                }
                done => return done,
            }
        }
        match line.http1.get() {
            Some(http1) => http1.send(request, body, wanted).await,
            // Not reached: it was there a moment ago, and is never taken out.
            None => (Reply::Failed(Failure::Http1), Timing::default()),
        }
    }

    /// Takes no more requests, lets those in flight end, then closes all connections.
    pub(crate) async fn close(&self) {
        let lines: Vec<_> = {
            let mut state = self.lock();
            state.closed = true;
            state.lines.drain().map(|(_, entry)| entry.line).collect()
        };
        // Each waits for what is in flight on it, so they close side by side.
        let mut closing = JoinSet::new();
        for line in lines {
            closing.spawn(async move {
                line.http2.close().await;
                if let Some(http1) = line.http1.get() {
                    http1.close().await;
                }
            });
        }
        while closing.join_next().await.is_some() {}
    }

    /// The state, also after a panic elsewhere: every change to it is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line to an origin, a new one if there is none; `None` once closed.
    fn line(&self, origin: &Origin) -> Option<Arc<Line>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.closed {
            return None;
        }
        state.asked += 1;
        if let Some(entry) = state.lines.get_mut(origin) {
            entry.last = state.asked;
            return Some(Arc::clone(&entry.line));
        }
        if state.lines.len() >= self.most {
            // Requests in flight on it keep it alive until they end.
            let oldest = state.lines.iter().min_by_key(|(_, entry)| entry.last);
            if let Some(oldest) = oldest.map(|(origin, _)| origin.clone()) {
                state.lines.remove(&oldest);
            }
        }
        let line = Arc::new(Line { http2: self.means.http2(origin), http1: OnceLock::new() });
        let entry = Entry { line: Arc::clone(&line), last: state.asked };
        state.lines.insert(origin.clone(), entry);
        Some(line)
    }
}

impl Means {
    /// HTTP/2 to an origin.
    fn http2(&self, origin: &Origin) -> Pool {
        let policy = Policy {
            cautious_start: usize::MAX,
            connections: self.connections,
            goaway_refuses: |_| false,
        };
        let (endpoint, tls) = (self.endpoint(origin, Speech::Http2IfAgreed), Arc::clone(&self.tls));
        Pool::new(endpoint, tls, self.timeouts, self.reconnect, policy)
    }

    /// HTTP/1.1 to an origin.
    fn http1(&self, origin: &Origin) -> Http1 {
        let endpoint = self.endpoint(origin, Speech::Http1);
        let tls = Arc::clone(&self.tls_http1);
        Http1::new(endpoint, tls, self.timeouts, self.reconnect, self.connections)
    }

    /// How to get to an origin.
    fn endpoint(&self, origin: &Origin, speech: Speech) -> Endpoint {
        let (names, proxy) = (self.names.clone(), self.proxy.clone());
        Endpoint::of_origin(origin, names, proxy, self.guard.clone(), speech)
    }
}
