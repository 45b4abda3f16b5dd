//! Why a request was not processed.

use std::sync::Arc;

use bytes::Bytes;
use domain::{Diagnosis, Outcome, Refusal, RetryRule, Scope};
use rustls::AlertDescription;
use thiserror::Error;

use crate::config::Pauses;

/// Why a request was surely not processed. Cheap to clone: one failed connect answers everybody
/// who waited for it.
#[derive(Clone, Debug, Error)]
pub(crate) enum Failure {
    /// The host name did not resolve.
    #[error("name not resolved: {0}")]
    Resolve(Arc<str>),
    /// The address is not one that may be reached from here.
    #[error("not reached on purpose: {0}")]
    Blocked(Arc<str>),
    /// The proxy did not let us through.
    #[error("proxy {0}")]
    Proxy(Arc<str>),
    /// No address of the host took a TCP connection.
    #[error("not connected: {0}")]
    Connect(Arc<str>),
    /// The server's certificate is not one we trust.
    #[error("server TLS not trusted: {0}")]
    Untrusted(Arc<str>),
    /// The server ended the TLS connection with this alert (RFC 8446, section 6).
    #[error("TLS alert {0} from the server")]
    Alert(u8),
    /// The server speaks HTTP/1.1 only, where HTTP/2 was offered beside it.
    #[error("the server does not speak HTTP/2")]
    Http1,
    /// TLS or HTTP/2 did not come about for another reason.
    #[error("no HTTP/2 connection: {0}")]
    Handshake(Arc<str>),
    /// Something took longer than its time-out.
    #[error("timed out: {0}")]
    TimedOut(&'static str),
    /// The server closed the connection and gave a reason that another connection will not cure.
    #[error("connection refused by GOAWAY: {}", String::from_utf8_lossy(.0))]
    GoAway(Bytes),
    /// The server left the request unprocessed too many times in a row.
    #[error("left unprocessed {0} times: {1}")]
    Unprocessed(u32, Arc<str>),
    /// The request itself could not be built or is not allowed by HTTP/2.
    #[error("not a valid request: {0}")]
    Request(Arc<str>),
    /// The transport was closed.
    #[error("the client was closed")]
    Closed,
}

impl Failure {
    /// Sorts an error of connecting: alerts and certificates apart from the rest.
    pub(super) fn of_tls(error: &std::io::Error) -> Self {
        if let Some(alert) = alert_in(error) {
            return Self::Alert(alert);
        }
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidCertificate(problem)) => {
                Self::Untrusted(problem.to_string().into())
            }
            _ => Self::Handshake(error.to_string().into()),
        }
    }

    /// Whether the server refused the connection itself, so that trying again at once is rude; or
    /// trying again at once cannot change anything.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Alert(_) | Self::Blocked(_) | Self::GoAway(_) | Self::Http1)
    }

    /// A word for the push log and for metrics.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Resolve(_) => "NameNotResolved",
            Self::Blocked(_) => "AddressNotAllowed",
            Self::Proxy(_) => "ProxyRefused",
            Self::Connect(_) => "NotConnected",
            Self::Untrusted(_) => "ServerTlsNotTrusted",
            Self::Alert(_) => "TlsAlert",
            Self::Http1 | Self::Handshake(_) => "NoHttp2",
            Self::TimedOut(_) => "TimedOut",
            Self::GoAway(_) => "GoAway",
            Self::Unprocessed(..) => "Unprocessed",
            Self::Request(_) => "RequestInvalid",
            Self::Closed => "ClientClosed",
        }
    }

    /// One sentence that says what to do.
    pub(crate) const fn remedy(&self) -> &'static str {
        match self {
            Self::Blocked(_) => {
                "If this address is meant, add it to outbound.allow_private, as 10.1.0.0/16 or as host:port."
            }
            Self::Proxy(_) => {
                "Check outbound.proxy_url: that the proxy runs, takes this user and password, and lets this server CONNECT; or name the host in outbound.no_proxy."
            }
            Self::Resolve(_) => "Check this server's DNS.",
            Self::Connect(_) | Self::TimedOut(_) => {
                "Check that this server may connect out to the push service, port 443 (APNs also takes 2197)."
            }
            Self::Untrusted(_) => {
                "If a proxy inspects TLS here, add its authority to the extra roots; else check this server's root certificates and clock."
            }
            Self::Alert(_) | Self::GoAway(_) => "Check the credential.",
            Self::Handshake(_) | Self::Http1 => {
                "Check that nothing between here and the push service breaks HTTP/2 over TLS."
            }
            Self::Unprocessed(..) => "Wait; the provider is shedding load.",
            Self::Request(_) => "Report this with the push's record; the request breaks HTTP/2.",
            Self::Closed => "Nothing; the server is shutting down or the credential was replaced.",
        }
    }

    /// The outcome that does not depend on the provider: unreachable, try again later.
    pub(crate) fn outcome(&self, pauses: &Pauses) -> Outcome {
        Outcome::Refused(self.refusal(pauses))
    }

    /// The same as a refusal.
    pub(crate) fn refusal(&self, pauses: &Pauses) -> Refusal {
        let (diagnosis, scope, retry) = match self {
            Self::Request(_) => (Diagnosis::BadPayload, Scope::Push, RetryRule::Bare),
            // Only this URL leads there; the operator's other ones are not to suffer.
            Self::Blocked(_) => (Diagnosis::NotConfigured, Scope::Device, RetryRule::WhenChanged),
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::Untrusted(_)
            | Self::Alert(_)
            | Self::Handshake(_)
            | Self::Http1
            | Self::Proxy(_)
            | Self::TimedOut(_)
            | Self::GoAway(_)
            | Self::Unprocessed(..)
            | Self::Closed => {
                let retry = RetryRule::BackOff { first: pauses.unreachable };
                (Diagnosis::TemporarilyDisabled, Scope::Service, retry)
            }
        };
        let reason = format!("{}: {self}", self.reason());
        Refusal { scope, ..Refusal::unsent(diagnosis, retry, reason, self.remedy()) }
    }
}

/// The alert in an error that tokio-rustls returned, if the server sent one.
pub(super) fn alert_in(error: &std::io::Error) -> Option<u8> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(alert_number(*alert)),
        _ => None,
    }
}

/// The alert's number on the wire.
fn alert_number(alert: AlertDescription) -> u8 {
    u8::from(alert)
}
