//! Runs the server: listens, serves, and stops in good order.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

use crate::clock::Clock;
use crate::config::options::{self, OptionRow};
use crate::config::{Config, ServeMode};
use crate::http::client_address::Peer;
use crate::node::{Node, StartError};
use crate::reload::{Hangups, Reload};
use crate::secret::ADMIN_KEY_FILE;

/// The longest a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest a stop waits for what is under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after a connection could not be taken (out of file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes the address the server is to listen on.
///
/// # Errors
///
/// When the port is in use or the address is not this machine's; the message says which.
pub async fn bind(
    address: SocketAddr,
    option: &'static OptionRow,
) -> Result<TcpListener, ListenError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ListenError { address, option: option.name, source })
}

/// The server cannot listen where it should.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address}: {source}; stop what uses it, or set `{option}` to another address"
)]
pub struct ListenError {
    address: SocketAddr,
    option: &'static str,
    source: std::io::Error,
}

/// Runs the server until it is asked to stop; `reload` is what it does when it is asked to read its
/// configuration anew.
///
/// # Errors
///
/// Whatever keeps it from starting, in words for its operator.
pub async fn run(mut config: Config, mode: ServeMode, reload: Reload) -> Result<(), StartError> {
    // A signal that comes before anybody waits for it ends the process.
    let hangups = match mode {
        // It runs in a terminal, which sends that signal when it is closed.
        ServeMode::Dev => None,
        ServeMode::Standard => Hangups::listen(),
    };
    if mode == ServeMode::Dev {
        config.listen = crate::dev::listen(config.listen);
    }
    // The ports first: a second server on the same ones should say so, not what else it lacks.
    let doors = Doors {
        public: bind(config.listen, &options::LISTEN).await?,
        internal: Some(bind(config.internal_listen, &options::INTERNAL_LISTEN).await?),
    };
    // Port 0 has become a real one.
    let address = doors.public.local_addr().unwrap_or(config.listen);
    let internal = doors.internal.as_ref().and_then(|door| door.local_addr().ok());
    let internal = internal.unwrap_or(config.internal_listen);
    let node = Node::start(config, Clock::system(), mode == ServeMode::Dev).await?;
    if mode == ServeMode::Dev {
        crate::dev::prepare(&node).await?;
    }
    if let Some(hangups) = hangups {
        reload.start(&node, hangups);
    }
    crate::console::prepare(&node).await?;
    let admin_key = node.config().data_dir.join(ADMIN_KEY_FILE);
    tracing::info!(
        listen = %address,
        internal_listen = %internal,
        tls = node.tls.is_some(),
        admin_key_file = %admin_key.display(),
        incarnation = %node.incarnation,
        "ready"
    );
    serve(node, doors, asked_to_stop()).await;
    tracing::info!("stopped");
    Ok(())
}

/// Where a server is reached.
#[derive(Debug)]
pub struct Doors {
    /// By apps, back ends and the operator's commands.
    pub public: TcpListener,
    /// By whoever runs it, without a key and without TLS.
    pub internal: Option<TcpListener>,
}

impl From<TcpListener> for Doors {
    fn from(public: TcpListener) -> Self {
        Self { public, internal: None }
    }
}

/// Serves until `stop` resolves, then stops in good order: no new connections, sessions told to
/// come back, attempts ended, the log written.
pub async fn serve(node: Arc<Node>, doors: impl Into<Doors>, stop: impl Future<Output = ()>) {
    let Doors { public, internal } = doors.into();
    let graceful = GracefulShutdown::new();
    let app = crate::http::router(Arc::clone(&node));
    let inside = crate::http::internal_router(Arc::clone(&node), app.clone());
    tokio::select! {
        () = accept(&public, |from| connection(&node, &app, &graceful, from)) => {}
        () = accept_some(internal.as_ref(), |from| plain(&node, &inside, &graceful, from)) => {}
        () = stop => {}
    }
    drop((public, internal));
    tracing::info!("stopping");
    let ended = futures_util::future::join(node.stop(), graceful.shutdown());
    if tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err() {
        tracing::warn!(
            "something was still under way after {STOP_TIMEOUT:?}; the next start takes it up"
        );
    }
}

async fn accept_some(listener: Option<&TcpListener>, serve: impl Fn((TcpStream, IpAddr))) {
    match listener {
        Some(listener) => accept(listener, serve).await,
        None => std::future::pending().await,
    }
}

/// Takes connections for as long as it is polled.
pub(crate) async fn accept(listener: &TcpListener, serve: impl Fn((TcpStream, IpAddr))) {
    // Of a row of failures the first is told: out of descriptors, there are ten a second.
    let mut told = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                told = false;
                serve((stream, peer.ip()));
            }
            Err(error) => {
                if !told {
                    tracing::error!(%error, "a connection could not be taken; trying on");
                    told = true;
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves a connection as the configuration has it: with TLS, or without.
fn connection(
    node: &Arc<Node>,
    app: &axum::Router,
    graceful: &GracefulShutdown,
    (stream, peer): (TcpStream, IpAddr),
) {
    let Some(tls) = node.tls.as_ref().map(crate::tls::Door::acceptor) else {
        return plain(node, app, graceful, (stream, peer));
    };
    if !is_there(&stream) {
        return;
    }
    let (builder, service) = (builder(), service(app, peer));
    let watcher = graceful.watcher();
    node.tasks.start("connection", async move {
        match tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                ended(watcher.watch(served.into_owned()).await);
            }
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake was not done in {HEAD_TIMEOUT:?}"),
        }
    });
}

/// Serves a connection without TLS.
fn plain(
    node: &Arc<Node>,
    app: &axum::Router,
    graceful: &GracefulShutdown,
    (stream, peer): (TcpStream, IpAddr),
) {
    if !is_there(&stream) {
        return;
    }
    let served = builder()
        .serve_connection_with_upgrades(TokioIo::new(stream), service(app, peer))
        .into_owned();
    let served = graceful.watch(served);
    node.tasks.start("connection", async move { ended(served.await) });
}

/// Whether a connection is still there, set up to be served.
pub(crate) fn is_there(stream: &TcpStream) -> bool {
    let set = stream.set_nodelay(true);
    if let Err(error) = &set {
        tracing::debug!(%error, "a connection was gone before it was served");
    }
    set.is_ok()
}

/// How connections are served.
pub(crate) fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    builder
}

/// The router, told who asks.
pub(crate) fn service(
    app: &axum::Router,
    peer: IpAddr,
) -> impl Service<
    Request<Incoming>,
    Response = Response<axum::body::Body>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let app = TowerToHyperService::new(app.clone());
    service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        app.call(request)
    })
}

fn ended(served: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Resolves when the operator asks the process to stop.
#[cfg(unix)]
pub(crate) async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return interrupted().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        () = interrupted() => {}
    }
}

/// Resolves when the operator asks the process to stop.
#[cfg(not(unix))]
pub(crate) async fn asked_to_stop() {
    interrupted().await;
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Nobody can ask this way; SIGKILL remains, and the store is made for that.
        std::future::pending::<()>().await;
    }
}
