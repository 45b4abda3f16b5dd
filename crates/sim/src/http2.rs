//! The HTTP/2 server under the push services: listener, TLS, streams, trouble, record.
//!
//! ```text
//!  accept ▶ trouble? ▶ TLS ▶ h2 over Tap ▶ per request: trouble? ▶ read body ▶ judge ▶ record ▶ hold? ▶ answer
//! ```
//!
//! One task per connection judges its requests; nothing is spawned per request and no lock is held over an await.
//!
//! Stream limit: the client is told by real SETTINGS frames (see [`tap`]); a stream above the limit is reset with
//! REFUSED_STREAM at once, also if the client has not seen the lower limit yet (RFC 9113, section 5.1.2, leaves that to
//! the server, and clients of APNs meet it).
//!
//! A service that speaks HTTP/1.1 too is served by [`http1`] where TLS agreed on that.

mod connection;
mod http1;
mod seen;
mod tap;
mod tls;
mod wire;

use std::{borrow::Cow, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, request};
use rustls::{ServerConfig, pki_types::CertificateDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Error, Trouble, apns, fcm, sink,
    trouble::{ConnectionTrouble, GoAway},
    webpush,
};

pub(crate) use seen::Recorder;
pub use seen::{Counts, Fate, Recording, SeenPush, Sighting, Unanswered};
pub(crate) use tls::server_config;
use wire::Wire;

/// The services that this server can be.
pub(crate) enum Service {
    Apns(Box<apns::Judge>),
    Fcm(Box<fcm::Judge>),
    Sink(Box<sink::Judge>),
    Webpush(Box<webpush::Judge>),
}

/// A service with what it keeps for one connection.
pub(crate) enum Session<'a> {
    Apns(&'a apns::Judge, apns::Session),
    Fcm(&'a fcm::Judge),
    Sink(&'a sink::Judge),
    Webpush(&'a webpush::Judge),
}

/// What a service decides about one request.
pub(crate) struct Verdict {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The vendor's word for a refusal.
    pub(crate) reason: Option<String>,
    /// What was wrong, in words.
    pub(crate) why: Option<Cow<'static, str>>,
    pub(crate) token: String,
    pub(crate) id: Option<String>,
    pub(crate) fate: Fate,
    /// How many streams the connection may have from now on, if that changes.
    pub(crate) streams: Option<u32>,
    pub(crate) go_away: Option<Farewell>,
}

/// How a verdict ends its connection.
#[derive(Debug)]
pub(crate) enum Farewell {
    /// Answers, then says GOAWAY with the last stream processed.
    AfterAnswer(GoAway),
    /// Says GOAWAY with this JSON in place of the answer; nothing was processed.
    InPlace(Bytes),
}

impl Service {
    /// Starts a connection: its state, and how many streams it may have at first.
    fn open(&self, certificate: Option<&CertificateDer<'_>>) -> (Session<'_>, u32) {
        match self {
            Self::Apns(judge) => {
                let (session, streams) = judge.open(certificate);
                (Session::Apns(judge, session), streams)
            }
            Self::Fcm(judge) => (Session::Fcm(judge), judge.streams()),
            Self::Sink(judge) => (Session::Sink(judge), judge.streams()),
            Self::Webpush(judge) => (Session::Webpush(judge), judge.streams()),
        }
    }

    /// Whether a connection that agreed on this protocol is served as HTTP/1.1.
    fn is_http1(&self, agreed: Option<&[u8]>) -> bool {
        match self {
            Self::Apns(_) => false,
            Self::Fcm(_) | Self::Sink(_) => agreed != Some(b"h2"),
            Self::Webpush(judge) => judge.is_http1(agreed),
        }
    }

    fn now(&self) -> jiff::Timestamp {
        match self {
            Self::Apns(judge) => judge.now(),
            Self::Fcm(judge) => judge.now(),
            Self::Sink(judge) => judge.now(),
            Self::Webpush(judge) => judge.now(),
        }
    }
}

impl Session<'_> {
    fn judge(&mut self, request: &request::Parts, body: &Bytes) -> Verdict {
        match self {
            Self::Apns(judge, session) => judge.judge(session, request, body),
            Self::Fcm(judge) => judge.judge(request, body),
            Self::Sink(judge) => judge.judge(request, body),
            Self::Webpush(judge) => judge.judge(request, body),
        }
    }
}

/// A running server.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

/// What all connections of a server share.
struct Shared {
    service: Service,
    tls: Arc<ServerConfig>,
    recorder: Recorder,
    trouble: Trouble,
    stop: CancellationToken,
}

impl Server {
    /// Listens there; port 0 takes any.
    pub(crate) async fn start(
        wanted: SocketAddr,
        tls: Arc<ServerConfig>,
        recording: Recording,
        service: impl FnOnce(SocketAddr) -> Service,
    ) -> Result<Self, Error> {
        let listen = |source| Error::Listen { address: wanted, source };
        let listener = TcpListener::bind(wanted).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let shared = Arc::new(Shared {
            service: service(address),
            tls,
            recorder: Recorder::new(recording),
            trouble: Trouble::default(),
            stop: CancellationToken::new(),
        });
        let tasks = TaskTracker::new();
        tasks.spawn(accept(listener, shared.clone(), tasks.clone()));
        Ok(Self { address, shared, tasks })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    pub(crate) fn service(&self) -> &Service {
        &self.shared.service
    }

    pub(crate) fn trouble(&self) -> &Trouble {
        &self.shared.trouble
    }

    /// Drops every connection, frees the port and waits until all tasks have ended.
    pub(crate) async fn shutdown(self) {
        self.shared.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tasks: TaskTracker) {
    let stop = shared.stop.clone();
    let listening = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let serving = serve(stream, shared.clone());
                    tasks.spawn(shared.stop.clone().run_until_cancelled_owned(serving));
                }
                // Out of file descriptors, mostly: give the connections time to end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    stop.run_until_cancelled(listening).await;
}

/// One connection, from TCP to its end.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let number = shared.recorder.connection();
    let failed = |why: &dyn std::fmt::Display| {
        let (at, why) = (shared.service.now(), why.to_string());
        shared.recorder.failed_handshake(|| Sighting::HandshakeFailed {
            at,
            connection: number,
            why,
        });
    };
    // Small answers must not wait for each other; a socket that cannot do it is only slower.
    let _ = stream.set_nodelay(true);
    match shared.trouble.for_connection(shared.service.now()) {
        Some(ConnectionTrouble::Close(why)) => return failed(&why),
        Some(ConnectionTrouble::Alert(alert)) => {
            failed(&format_args!("TLS alert {alert} by script"));
            // The client may hang up first; either way the connection is over.
            let _ = tls::refuse_with_alert(stream, alert).await;
            return;
        }
        None => {}
    }
    let stream = match TlsAcceptor::from(shared.tls.clone()).accept(Wire::new(stream)).await {
        Ok(stream) => stream,
        Err(error) => return failed(&error),
    };
    if shared.service.is_http1(stream.get_ref().1.alpn_protocol()) {
        http1::serve(stream, number, &shared).await;
    } else {
        connection::serve(stream, number, &shared).await;
    }
}
