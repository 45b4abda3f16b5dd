//! A push service for the command to speak to: HTTPS on loopback that answers as it is told.
//!
//! What is inside of a push, and that only its browser can read it, is tested in `providers`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use sim::pki::Ca;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The service; it ends when it is dropped.
pub(super) struct Service {
    pub(super) addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl Service {
    /// Starts one that answers everything so.
    pub(super) async fn start(ca: &Ca, status: u16, body: &'static str) -> Self {
        let identity = ca.server_identity().expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![identity.certificate().clone()], identity.key())
            .expect("a good certificate");
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens on loopback");
        let addr = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(listener, acceptor, Arc::clone(&seen), (status, body)));
        Self { addr, seen, _tasks: tasks }
    }

    /// The requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

/// Takes connections.
async fn listen(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: (u16, &'static str),
) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        connections.spawn(serve(tcp, acceptor.clone(), Arc::clone(&seen), answer));
    }
}

async fn serve(
    tcp: TcpStream,
    acceptor: TlsAcceptor,
    seen: Arc<Mutex<Vec<Seen>>>,
    (status, text): (u16, &'static str),
) {
    let Ok(tls) = acceptor.accept(tcp).await else { return };
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let path = head.uri.path().to_owned();
            let request = Seen { path, headers: head.headers, body };
            seen.lock().expect("not poisoned").push(request);
            let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
            *response.status_mut() = status.try_into().expect("a status");
            Ok::<_, hyper::Error>(response)
        }
    });
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    // How a connection ends is the command's business.
    let _ = builder.serve_connection(TokioIo::new(tls), service).await;
}
