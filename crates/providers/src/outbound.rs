//! A small guarded HTTPS client, for URLs that tenants choose: key sets, webhooks, token endpoints.
//!
//! ```text
//!  url ──https? a host?──▶ guard or proxy ──▶ HTTP/2 or 1.1 ──▶ status, headers, body up to 64 KiB
//! ```
//!
//! The name is resolved once and the connection goes to exactly that address; private addresses
//! are refused unless the operator's `outbound.allow_private` says otherwise; redirects are not
//! followed, because each would be another URL of somebody else's choosing; answers are cut short.
//!
//! Any port may be in the URL. Behind a proxy the proxy resolves names and must refuse private
//! addresses itself; only addresses in the URL and names such as `localhost` are checked here.
//!
//! Does not: wait before a retry, read a clock, log URLs (a webhook's path is often its secret).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::Time;
use http::header::{CONTENT_LENGTH, DATE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};
use thiserror::Error;
use tokio::time::timeout;

pub use crate::transport::{Book, Guard, Names, Network, Proxy, address_is_public};

use crate::config::Config;
use crate::origin::Origin;
use crate::retry_after::{http_date, retry_after};
use crate::transport::{Failure, LARGEST_BODY, Origins, Reply, Stopwatch, request};

/// The client. Clones share its connections; they end when the last clone is dropped, or by
/// [`Client::close`].
#[derive(Clone)]
pub struct Client(Arc<Inner>);

/// What clones share.
struct Inner {
    /// The connections.
    origins: Origins,
    /// The longest a call may take.
    limit: Duration,
}

/// A server's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status, redirects included.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, cut after 64 KiB.
    pub body: Bytes,
    /// Whether the body reached the limit, so that some of it may be missing.
    pub cut: bool,
    /// How long it took, from the call to the answer read whole.
    pub took: Duration,
}

/// Why there is no answer, by what the caller does next.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoAnswer {
    /// Ask the operator: the host is one that this server must not call.
    #[error("{origin}: {problem}; {remedy}")]
    NotAllowed {
        /// Whom it was about.
        origin: Origin,
        /// What was found.
        problem: String,
        /// What to do about it; names the option.
        remedy: &'static str,
    },
    /// Try again later: the request was not processed.
    #[error("{origin}: {problem}; {remedy}")]
    NotSent {
        /// Whom it was about.
        origin: Origin,
        /// What happened.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Try again if the receiver can bear to see it twice: it may have been processed.
    #[error("{origin}: no answer: {problem}")]
    Unknown {
        /// Whom it was about.
        origin: Origin,
        /// What happened.
        problem: String,
    },
    /// Ask whoever gave the URL for another one.
    #[error("the URL cannot be called: {problem}; give https://host/path")]
    Url {
        /// What is wrong with it.
        problem: String,
    },
}

impl Answer {
    /// The pause that it asks for (RFC 9110, section 10.2.3), at most a day.
    pub fn retry_after(&self, now: Time) -> Option<Duration> {
        retry_after(&self.headers, now)
    }

    /// What time it is there, if the answer says (RFC 9110, section 6.6.1).
    pub fn date(&self) -> Option<Time> {
        http_date(self.headers.get(DATE)?.to_str().ok()?)
    }
}

impl Client {
    /// A client. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Config`] if the crypto provider offers no usable protocol version.
    pub fn new(config: &Config) -> Result<Self, crate::Error> {
        let limit = config.outbound_timeout;
        Ok(Self(Arc::new(Inner { origins: Origins::new(config)?, limit })))
    }

    /// Whether a URL may be called, as far as can be seen without asking anybody: its form, and
    /// whether it plainly leads to a private address. A name is resolved and judged when it is
    /// called.
    ///
    /// # Errors
    ///
    /// [`NoAnswer::Url`] or [`NoAnswer::NotAllowed`].
    pub fn check(&self, url: &str) -> Result<(), NoAnswer> {
        let (origin, _) = Origin::split(url).map_err(|problem| NoAnswer::Url { problem })?;
        self.0.origins.check(&origin).map_err(|failure| NoAnswer::of(origin, &failure))
    }

    /// Asks for what is at a URL.
    ///
    /// # Errors
    ///
    /// A [`NoAnswer`] if there is none; any status is an answer.
    pub async fn get(&self, url: &str) -> Result<Answer, NoAnswer> {
        self.call(Method::GET, url, HeaderMap::new(), Bytes::new()).await
    }

    /// Sends a body to a URL. If the answer was lost with its connection, it is sent once more, so
    /// the receiver may see it twice.
    ///
    /// # Errors
    ///
    /// A [`NoAnswer`] if there is none; any status is an answer.
    pub async fn post(
        &self,
        url: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, NoAnswer> {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        self.call(Method::POST, url, headers, body).await
    }

    /// Asks a host for nothing: `HEAD /`, so that whatever it answers shows that it is there, and no
    /// URL of a tenant's is called.
    ///
    /// # Errors
    ///
    /// A [`NoAnswer`] if there is none; any status is an answer.
    pub async fn reach(&self, origin: &Origin) -> Result<Answer, NoAnswer> {
        let root = PathAndQuery::from_static("/");
        self.ask(Method::HEAD, origin.clone(), &root, &HeaderMap::new(), &Bytes::new()).await
    }

    /// Takes no more calls, lets those in flight end, then closes all connections.
    pub async fn close(&self) {
        self.0.origins.close().await;
    }

    /// One call, in its time.
    async fn call(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, NoAnswer> {
        let (origin, path) = Origin::split(url).map_err(|problem| NoAnswer::Url { problem })?;
        self.ask(method, origin, &path, &headers, &body).await
    }

    async fn ask(
        &self,
        method: Method,
        origin: Origin,
        path: &PathAndQuery,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Answer, NoAnswer> {
        let start = Stopwatch::start();
        let build = |_| head(&method, &origin, path, headers);
        let sending = self.0.origins.send(&origin, build, body, || true);
        let reply = match timeout(self.0.limit, sending).await {
            Ok((reply, _)) => reply,
            Err(_) => Reply::Lost(format!("none within {:?}", self.0.limit)),
        };
        match reply {
            Reply::Answered(answer) => Ok(Answer {
                status: answer.status.as_u16(),
                headers: answer.headers,
                cut: answer.body.len() >= LARGEST_BODY,
                body: answer.body,
                took: start.elapsed(),
            }),
            Reply::Failed(failure) => Err(NoAnswer::of(origin, &failure)),
            Reply::Lost(problem) => Err(NoAnswer::Unknown { origin, problem }),
            // Not reached: it is always wanted.
            Reply::Withdrawn => Err(NoAnswer::of(origin, &Failure::Closed)),
        }
    }
}

impl NoAnswer {
    /// What a failure of the transport means here.
    fn of(origin: Origin, failure: &Failure) -> Self {
        let problem = failure.to_string();
        let remedy = match failure {
            Failure::Blocked(_) => {
                return Self::NotAllowed { origin, problem, remedy: failure.remedy() };
            }
            Failure::Request(problem) => return Self::Url { problem: problem.to_string() },
            Failure::Alert(_)
            | Failure::Connect(_)
            | Failure::GoAway(_)
            | Failure::Handshake(_)
            | Failure::Http1
            | Failure::TimedOut(_)
            | Failure::Unprocessed(..) => {
                "check that the host is up, speaks HTTPS, and that this server may connect out to it"
            }
            Failure::Resolve(_) => "check the host name, and this server's DNS",
            Failure::Untrusted(_) => {
                "let the host show a certificate that is for its name and not over, with those between it and a known authority; or name the authority in providers.extra_ca_file"
            }
            Failure::Closed | Failure::Proxy(_) => failure.remedy(),
        };
        Self::NotSent { origin, problem, remedy }
    }
}

/// The head of a request.
fn head(
    method: &Method,
    origin: &Origin,
    path: &PathAndQuery,
    headers: &HeaderMap,
) -> Result<http::Request<()>, Failure> {
    request(method.clone(), origin.authority(), path, headers.clone())
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
