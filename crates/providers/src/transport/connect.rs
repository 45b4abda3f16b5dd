//! From a host name to a TLS connection that speaks HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};
use rustls::ClientConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Roots;
use super::failure::Failure;
use crate::config::Config;
use crate::error::Error;

/// Where a push service listens.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// `host[:port]` as it goes into `:authority`.
    pub(crate) authority: Authority,
    /// The name to resolve.
    host: Arc<str>,
    /// The TCP port.
    port: u16,
    /// The name the certificate must have.
    server_name: ServerName<'static>,
}

impl Endpoint {
    /// The host of an `https` URL.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] naming `setting` if the URL is not `https`, or its host is no name.
    pub(crate) fn parse(setting: &'static str, url: &Uri) -> Result<Self, Error> {
        let fault = |problem: String| Error::Config {
            setting,
            problem,
            remedy: "give https://host or https://host:port",
        };
        if url.scheme() != Some(&Scheme::HTTPS) {
            return Err(fault(format!("{url} is not an https URL")));
        }
        let authority = url.authority().ok_or_else(|| fault(format!("{url} has no host")))?;
        // Brackets belong to the URL, not to the address.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let server_name = ServerName::try_from(host.to_owned())
            .map_err(|error| fault(format!("{host} is no host name: {error}")))?;
        Ok(Self {
            authority: authority.clone(),
            host: host.into(),
            port: authority.port_u16().unwrap_or(443),
            server_name,
        })
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
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// Resolves the name anew, connects and shakes hands.
///
/// APNs spreads its load by DNS, so every connection asks again; the addresses are tried in the
/// order the resolver gave.
pub(super) async fn connect(
    endpoint: &Endpoint,
    tls: &TlsConnector,
    limit: Duration,
) -> Result<TlsStream<TcpStream>, Failure> {
    let addresses: Vec<SocketAddr> = lookup_host((&*endpoint.host, endpoint.port))
        .await
        .map_err(|error| Failure::Resolve(format!("{}: {error}", endpoint.host).into()))?
        .collect();
    let tcp = connect_tcp(&addresses, limit).await.map_err(|problem| {
        Failure::Connect(format!("{}:{}: {problem}", endpoint.host, endpoint.port).into())
    })?;
    tls.connect(endpoint.server_name.clone(), tcp).await.map_err(|error| Failure::of_tls(&error))
}

/// The first address that answers; an address that swallows packets may not use up the whole time.
async fn connect_tcp(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, String> {
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
        let parse = |url: &'static str| Endpoint::parse("fcm", &Uri::from_static(url));
        let endpoint = parse("https://fcm.googleapis.com").expect("a good URL");
        assert_eq!((&*endpoint.host, endpoint.port), ("fcm.googleapis.com", 443));
        let endpoint = parse("https://[::1]:8443/x").expect("a good URL");
        assert_eq!((&*endpoint.host, endpoint.port), ("::1", 8443));
        for bad in ["http://fcm.googleapis.com", "/path", "fcm.googleapis.com"] {
            let error = parse(bad).expect_err("a bad URL").to_string();
            assert!(error.starts_with("fcm: "), "{error}");
        }
    }
}
