//! From a host name to a TLS connection: directly or through a proxy, past the guard where the URL
//! is of somebody else's choosing.
//!
//! ```text
//!  name ──proxy for it?──no──▶ resolve ─▶ guard: public addresses only ─▶ TCP ─┐
//!            └──yes──▶ guard: what can be seen of the name ─▶ CONNECT ─────────┴▶ TLS, ALPN
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use rustls::ClientConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Roots;
use super::failure::Failure;
use super::guard::Guard;
use super::names::Names;
use super::proxy::Proxy;
use crate::config::Config;
use crate::error::Error;
use crate::origin::Origin;

/// Where a push service listens, and how it is reached.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// `host[:port]` as it goes into `:authority`.
    pub(crate) authority: Authority,
    /// The name to resolve.
    host: Arc<str>,
    /// The TCP port.
    port: u16,
    /// Who resolves it.
    names: Names,
    /// The name the certificate must have.
    server_name: ServerName<'static>,
    /// The proxy, if there is one.
    proxy: Option<Proxy>,
    /// Who keeps connections out of the operator's network; `None` for URLs of the operator's own
    /// choosing.
    guard: Option<Guard>,
    /// What is spoken to it.
    speech: Speech,
}

/// Which HTTP is spoken over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, as the server's operator promises; ALPN may even be silent about it.
    Http2,
    /// HTTP/2 if the server agrees to it by ALPN; else the connection is of no use and
    /// [`Failure::Http1`] says so.
    Http2IfAgreed,
}

impl Endpoint {
    /// The host of an `https` URL that the operator chose.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] naming `setting` if the URL is not `https`, or host or port are none.
    pub(crate) fn parse(setting: &'static str, url: &Uri, config: &Config) -> Result<Self, Error> {
        let (origin, _path) = Origin::split(&url.to_string()).map_err(|problem| Error::Config {
            setting,
            problem,
            remedy: "give https://host or https://host:port",
        })?;
        let (names, proxy) = (config.names.clone(), config.proxy.clone());
        Ok(Self::new(&origin, names, proxy, None, Speech::Http2))
    }

    /// The same where a tenant's file names the URL: past the guard, as all that tenants choose.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::parse`].
    pub(crate) fn guarded(
        setting: &'static str,
        url: &Uri,
        config: &Config,
    ) -> Result<Self, Error> {
        Ok(Self { guard: Some(config.guard.clone()), ..Self::parse(setting, url, config)? })
    }

    /// An origin that somebody else chose.
    pub(super) fn of_origin(
        origin: &Origin,
        names: Names,
        proxy: Option<Proxy>,
        guard: Guard,
        speech: Speech,
    ) -> Self {
        Self::new(origin, names, proxy, Some(guard), speech)
    }

    fn new(
        origin: &Origin,
        names: Names,
        proxy: Option<Proxy>,
        guard: Option<Guard>,
        speech: Speech,
    ) -> Self {
        Self {
            authority: origin.authority().clone(),
            host: origin.host().into(),
            port: origin.port(),
            names,
            server_name: origin.server_name(),
            proxy,
            guard,
            speech,
        }
    }
}

/// The times that bound a connection's life and a request's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// From DNS to SETTINGS.
    pub(crate) connect: Duration,
    /// For a free stream, and again for the answer.
    pub(crate) request: Duration,
    /// Between PINGs of an idle connection.
    pub(crate) keep_alive_idle: Duration,
    /// Between PINGs of a busy connection.
    pub(crate) keep_alive_busy: Duration,
    /// For the answer to a PING.
    pub(crate) keep_alive: Duration,
}

impl From<&Config> for Timeouts {
    fn from(config: &Config) -> Self {
        Self {
            connect: config.connect_timeout,
            request: config.request_timeout,
            keep_alive_idle: config.keep_alive_idle,
            keep_alive_busy: config.keep_alive_busy,
            keep_alive: config.keep_alive_timeout,
        }
    }
}

/// TLS 1.2 or later with ALPN `h2`, and the client certificate if there is one.
///
/// # Errors
///
/// [`Error::Config`] if the crypto provider offers no usable protocol version.
pub(crate) fn tls_config(
    roots: &Roots,
    identity: Option<Arc<CertifiedKey>>,
) -> Result<Arc<ClientConfig>, Error> {
    tls_for(roots, identity, Speech::Http2)
}

/// TLS 1.2 or later, offering what is to be spoken by ALPN.
///
/// # Errors
///
/// [`Error::Config`] if the crypto provider offers no usable protocol version.
pub(super) fn tls_for(
    roots: &Roots,
    identity: Option<Arc<CertifiedKey>>,
    speech: Speech,
) -> Result<Arc<ClientConfig>, Error> {
    // The provider is passed, not installed: this crate is a library and owns no globals.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Config {
            setting: "tls",
            problem: error.to_string(),
            remedy: "report this with the program's version",
        })?
        .with_root_certificates(roots.store());
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
        None => builder.with_no_client_auth(),
    };
    let offers: &[&[u8]] = match speech {
        Speech::Http1 => &[HTTP1],
        Speech::Http2 => &[H2],
        // Without the second one a server that lacks the first would end the handshake.
        Speech::Http2IfAgreed => &[H2, HTTP1],
    };
    config.alpn_protocols = offers.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// HTTP/2 in ALPN (RFC 9113, section 3.2).
const H2: &[u8] = b"h2";
/// HTTP/1.1 in ALPN (RFC 7301, section 6).
const HTTP1: &[u8] = b"http/1.1";

/// Gets to the host and shakes hands.
pub(super) async fn connect(
    endpoint: &Endpoint,
    tls: &TlsConnector,
    limit: Duration,
) -> Result<TlsStream<TcpStream>, Failure> {
    let Endpoint { host, port, .. } = endpoint;
    let tcp = match &endpoint.proxy {
        Some(proxy) if proxy.serves(host) => {
            if let Some(guard) = &endpoint.guard {
                guard.check_unresolved(host, *port)?;
            }
            proxy.open(&endpoint.names, host, *port, limit).await?
        }
        Some(_) | None => connect_directly(endpoint, limit).await?,
    };
    let tls = tls
        .connect(endpoint.server_name.clone(), tcp)
        .await
        .map_err(|error| Failure::of_tls(&error))?;
    if endpoint.speech == Speech::Http2IfAgreed && tls.get_ref().1.alpn_protocol() != Some(H2) {
        return Err(Failure::Http1);
    }
    Ok(tls)
}

/// Resolves the name anew and connects.
///
/// APNs spreads its load by DNS, so every connection asks again; the addresses are tried in the
/// order the resolver gave.
async fn connect_directly(endpoint: &Endpoint, limit: Duration) -> Result<TcpStream, Failure> {
    let Endpoint { host, port, names, .. } = endpoint;
    let mut addresses = names
        .resolve(host, *port)
        .await
        .map_err(|error| Failure::Resolve(format!("{host}: {error}").into()))?;
    if let Some(guard) = &endpoint.guard {
        addresses = guard.reachable(host, addresses)?;
    }
    dial(&addresses, limit)
        .await
        .map_err(|problem| Failure::Connect(format!("{host}:{port}: {problem}").into()))
}

/// The first address that answers; an address that swallows packets may not use up the whole time.
pub(super) async fn dial(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, String> {
    let share = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_add(1);
    let mut problem = "the name has no address".to_owned();
    for address in addresses {
        match timeout(limit / share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // Requests are small and each is worth a packet of its own. A socket that cannot
                // be set so still works.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Ok(Err(error)) => problem = format!("{address}: {error}"),
            Err(_) => problem = format!("{address}: no answer"),
        }
    }
    Err(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_come_from_https_urls_only() {
        let config = Config::default();
        let parse = |url: &'static str| Endpoint::parse("fcm", &Uri::from_static(url), &config);
        let endpoint = parse("https://fcm.googleapis.com").expect("a good URL");
        assert_eq!((&*endpoint.host, endpoint.port), ("fcm.googleapis.com", 443));
        let endpoint = parse("https://[::1]:8443/x").expect("a good URL");
        assert_eq!((&*endpoint.host, endpoint.port), ("::1", 8443));
        for bad in [
            "http://fcm.googleapis.com",
            "/path",
            "fcm.googleapis.com",
            "https://fcm.googleapis.com:99999",
            "https://fcm.googleapis.com:0",
            "https://user:secret@fcm.googleapis.com",
        ] {
            let error = parse(bad).expect_err("a bad URL").to_string();
            assert!(error.starts_with("fcm: ") && !error.contains("secret"), "{error}");
        }
    }
}
