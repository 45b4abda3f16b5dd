//! The bare client: `h2` over `tokio-rustls`, requests made ready beforehand.
//!
//! Its requests are byte for byte what our client writes: the same path and headers, the same
//! ones kept out of the header table. Its settings are those of our client's connections.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderValue, Method, Request};
use providers::apns::{Push, encode};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sim::pki::Ca;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A header with the length of a provider token's: an ES256 JWT with Apple's claims.
const TOKEN_BYTES: usize = 198;

/// One connection; clones share it.
#[derive(Clone)]
pub(super) struct Bare {
    sender: SendRequest<Bytes>,
    requests: Arc<[(Request<()>, Bytes)]>,
}

impl Bare {
    /// Connects, and makes one request of every push.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or a push breaks Apple's rules.
    pub(super) async fn connect(ca: &Ca, authority: &str, pushes: &[Push]) -> Result<Self> {
        let tcp = TcpStream::connect(authority).await.context("no connection to the server")?;
        tcp.set_nodelay(true)?;
        let tls = TlsConnector::from(Arc::new(tls(ca)?));
        let stream = tls.connect(ServerName::try_from("localhost")?, tcp).await?;
        let (sender, connection) = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 24)
            .handshake(stream)
            .await?;
        // It ends with the last sender; its error is that of the requests on it.
        tokio::spawn(async move { connection.await.map_err(drop) });
        let requests = pushes.iter().map(|push| request(authority, push)).collect::<Result<_>>()?;
        Ok(Self { sender, requests })
    }

    /// Sends one of the requests and reads its answer.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or the answer is not 200.
    pub(super) async fn send(&self, number: usize) -> Result<()> {
        let (head, body) = &self.requests[number];
        let mut sender = self.sender.clone().ready().await?;
        let (response, mut stream) = sender.send_request(head.clone(), false)?;
        stream.send_data(body.clone(), true)?;
        let (head, mut body) = response.await?.into_parts();
        ensure!(head.status.is_success(), "the bare client was answered {}", head.status);
        while let Some(chunk) = body.data().await {
            body.flow_control().release_capacity(chunk?.len())?;
        }
        Ok(())
    }
}

fn tls(ca: &Ca) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate().clone())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn request(authority: &str, push: &Push) -> Result<(Request<()>, Bytes)> {
    let encoded = encode(push)?;
    let path = std::str::from_utf8(&encoded.path)?;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("https://{authority}{path}"))
        .body(())?;
    for (name, mut value) in encoded.headers {
        value.set_sensitive(matches!(name.as_str(), "apns-id" | "apns-expiration"));
        request.headers_mut().insert(name, value);
    }
    let mut authorization = HeaderValue::try_from(format!("bearer {}", "x".repeat(TOKEN_BYTES)))?;
    authorization.set_sensitive(true);
    request.headers_mut().insert(http::header::AUTHORIZATION, authorization);
    Ok((request, encoded.body))
}
