//! The least push service: HTTP/2 over TLS on a thread of its own, which tells when the head of a
//! push arrived and answers as it is told to then.
//!
//! No simulator: those judge every push, and what they cost would be measured with the client.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use h2::server::SendResponse;
use http::StatusCode;
use http::request::Parts;
use rustls::ServerConfig;
use sim::pki::Identity;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Streams that a client may have open on one connection, as on APNs.
pub(crate) const STREAMS: u32 = 1_000;

/// A running push service; dropping it ends its thread.
pub(crate) struct PushService {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl PushService {
    /// Starts one that calls `on_head` with the head of every request, before its body is read, and
    /// answers with the status that it returns; without one the request is never answered.
    ///
    /// # Errors
    ///
    /// If there is no port, no thread, or the certificate is not one.
    pub(crate) fn start(
        identity: &Identity,
        on_head: impl Fn(&Parts) -> Option<StatusCode> + Send + Sync + 'static,
    ) -> Result<Self> {
        let tls = TlsAcceptor::from(Arc::new(tls(identity)?));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let on_head = Arc::new(on_head);
        let thread =
            std::thread::Builder::new().name("push-service".to_owned()).spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = stopped.cancelled() => {}
                        () = listen(listener, tls, on_head) => {}
                    }
                });
            })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for PushService {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic of it has been printed, and the pushes it did not answer were noticed.
            let _ended = thread.join();
        }
    }
}

fn tls(identity: &Identity) -> Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate().clone()], identity.key())
        .context("the certificate made for the push service")?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

async fn listen(
    listener: std::net::TcpListener,
    tls: TlsAcceptor,
    on_head: Arc<impl Fn(&Parts) -> Option<StatusCode> + Send + Sync + 'static>,
) {
    // Without a runtime's reactor there is no connection, which the client reports.
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        connections.spawn(serve(tcp, tls.clone(), Arc::clone(&on_head)));
    }
}

/// One connection, until it ends or breaks; the client notices what it did not get.
async fn serve(
    tcp: TcpStream,
    tls: TlsAcceptor,
    on_head: Arc<impl Fn(&Parts) -> Option<StatusCode> + Send + Sync + 'static>,
) {
    // Without it an answer would wait for the one before it to be confirmed.
    if tcp.set_nodelay(true).is_err() {
        return;
    }
    let Ok(stream) = tls.accept(tcp).await else { return };
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(STREAMS)
        .initial_connection_window_size(1 << 24)
        .handshake::<_, bytes::Bytes>(stream)
        .await;
    let Ok(mut connection) = handshake else { return };
    let mut answers = JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (head, body) = request.into_parts();
        match on_head(&head) {
            Some(status) => {
                let mut answer = http::Response::new(());
                *answer.status_mut() = status;
                answers.spawn(tell(body, respond, answer, text(head.uri.path(), status)));
            }
            None => {
                answers.spawn(hang(body, respond));
            }
        }
        while answers.try_join_next().is_some() {}
    }
}

/// What an answer says: Google's services something, Apple's only why not.
fn text(path: &str, status: StatusCode) -> &'static str {
    if status == StatusCode::GONE {
        r#"{"reason":"Unregistered"}"#
    } else if !status.is_success() {
        r#"{"reason":"InvalidProviderToken"}"#
    } else if path == "/token" {
        r#"{"access_token":"bench","token_type":"Bearer","expires_in":3599}"#
    } else if path.ends_with("messages:send") {
        r#"{"name":"projects/bench/messages/1"}"#
    } else {
        ""
    }
}

/// Reads a push to its end and answers. Errors end the connection, which the client sees.
async fn tell(
    mut body: h2::RecvStream,
    mut respond: SendResponse<bytes::Bytes>,
    answer: http::Response<()>,
    text: &'static str,
) {
    while let Some(Ok(chunk)) = body.data().await {
        if body.flow_control().release_capacity(chunk.len()).is_err() {
            return;
        }
    }
    if text.is_empty() {
        let _sent = respond.send_response(answer, true);
    } else if let Ok(mut stream) = respond.send_response(answer, false) {
        let _sent = stream.send_data(bytes::Bytes::from_static(text.as_bytes()), true);
    }
}

/// Keeps a stream open without a word, until its client gives up.
async fn hang(_body: h2::RecvStream, mut respond: SendResponse<bytes::Bytes>) {
    let _given_up = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
}
