//! The programs that are measured, each in a process of its own: the server as it is installed, and
//! a bare WebSocket server to hold it against.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child as Process, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::routing::get;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sim::pki::Ca;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::client::{PATH, Stream};
use super::process::Usage;

/// What tells this program that it is the bare server.
pub(super) const BARE: &str = "--bare";

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The pause before a server that is not there yet is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(1);

/// What a WebSocket reads ahead, in the server too.
const READ_BUFFER: usize = 512;

/// Limits of the server that a bench must not run into.
const CONFIGURATION: &str = "
[log]
level = \"error\"

[rate]
messages_per_minute = 10000000
messages_to_user_per_minute = 10000000
frames_per_minute = 10000000
";

/// A running program, killed at the end.
pub(super) struct Child {
    process: Process,
    address: SocketAddr,
    /// From its start until it answered.
    pub(super) ready_after: Duration,
    tls: Option<TlsConnector>,
}

impl Child {
    /// Starts the server on a data folder below `dir`; returns when it is ready.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub(super) async fn server(dir: &Path) -> Result<Self> {
        let (command, address) = server(dir, &[])?;
        Self::start(command, address, None).await
    }

    /// The same, behind TLS.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub(super) async fn server_with_tls(dir: &Path) -> Result<Self> {
        let ca = Ca::generate("Bench CA")?;
        let identity = ca.server_identity()?;
        let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        std::fs::write(&certificate, identity.certificate_pem())?;
        std::fs::write(&key, identity.key_pem())?;
        let more = [("--tls-certificate-file", &*certificate), ("--tls-key-file", &*key)];
        let (command, address) = server(dir, &more)?;
        Self::start(command, address, Some(connector(&ca)?)).await
    }

    /// Starts a server that does nothing but hold WebSockets.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub(super) async fn bare() -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(BARE).arg(address.to_string());
        Self::start(command, address, None).await
    }

    async fn start(
        mut command: Command,
        address: SocketAddr,
        tls: Option<TlsConnector>,
    ) -> Result<Self> {
        let start = Instant::now();
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut child = Self { process, address, ready_after: Duration::ZERO, tls };
        while !child.is_ready().await {
            ensure!(child.process.try_wait()?.is_none(), "the server ended");
            ensure!(start.elapsed() < PATIENCE, "the server did not get ready");
            tokio::time::sleep(TRY_AGAIN).await;
        }
        child.ready_after = start.elapsed();
        Ok(child)
    }

    /// A connection to it.
    ///
    /// # Errors
    ///
    /// When it takes none.
    pub(super) async fn stream(&self) -> Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from("localhost")?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }

    async fn is_ready(&self) -> bool {
        self.ask().await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    async fn ask(&self) -> Result<String> {
        let mut stream = self.stream().await?;
        let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.context("no answer")?;
        Ok(answer)
    }

    /// What it has used so far.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub(super) fn usage(&self) -> Result<Usage> {
        Usage::of(&self.process.id().to_string())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Gone already is ended as well.
        let _gone = self.process.kill();
        let _ended = self.process.wait();
    }
}

/// The bare server, until it is killed.
///
/// # Errors
///
/// When it cannot listen.
pub(super) async fn serve_bare(address: &str) -> Result<()> {
    let connect = |upgrade: WebSocketUpgrade| async move {
        upgrade
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .on_upgrade(async move |mut socket| while let Some(Ok(_)) = socket.recv().await {})
    };
    let router = Router::new().route("/readyz", get(async || "ready")).route(PATH, get(connect));
    let listener = tokio::net::TcpListener::bind(address).await?;
    Ok(axum::serve(listener, router).await?)
}

/// An address that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The server's command, and where it is to listen.
fn server(dir: &Path, more: &[(&str, &Path)]) -> Result<(Command, SocketAddr)> {
    let file = dir.join("bench.toml");
    std::fs::write(&file, CONFIGURATION)?;
    let address = free_address()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_reveille"));
    command.arg("serve").arg("--config").arg(file).arg("--data-dir").arg(dir.join("data"));
    command.arg("--listen").arg(address.to_string()).arg("--internal-listen=127.0.0.1:0");
    for (flag, value) in more {
        command.arg(flag).arg(value);
    }
    Ok((command, address))
}

fn connector(ca: &Ca) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate().clone())?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
