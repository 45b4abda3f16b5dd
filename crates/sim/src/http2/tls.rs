//! The TLS side of the push services.

use std::{io, sync::Arc, time::Duration};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::UnixTime,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    time_provider::TimeProvider,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Error,
    device::Clock,
    pki::{Ca, Identity},
};

/// A TLS record that carries one fatal alert (RFC 8446, sections 5.1 and 6), without its last byte, the alert.
const FATAL_ALERT: [u8; 6] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02];
/// How long a client may take to say hello or to hang up.
const PATIENCE: Duration = Duration::from_secs(10);

/// TLS for a service: `client_ca` asks clients for a certificate without insisting; it is checked if it comes.
pub(crate) fn server_config(
    identity: &Identity,
    client_ca: Option<&Ca>,
    alpn: &[&[u8]],
    clock: &Clock,
) -> Result<Arc<ServerConfig>, Error> {
    let tls = |error: &dyn std::fmt::Display| Error::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_details(provider.clone(), Arc::new(clock.clone()))
        .with_safe_default_protocol_versions()
        .map_err(|error| tls(&error))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.certificate().clone()).map_err(|error| tls(&error))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| tls(&error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(vec![identity.certificate().clone()], identity.key())
        .map_err(|error| tls(&error))?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    // No resumption: every connection presents and proves its certificate anew.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Answers a ClientHello with a fatal alert and hangs up.
pub(crate) async fn refuse_with_alert(mut stream: TcpStream, alert: u8) -> io::Result<()> {
    let talk = async {
        let mut hello = [0; 4096];
        let _ = stream.read(&mut hello).await?;
        let mut record = FATAL_ALERT.to_vec();
        record.push(alert);
        stream.write_all(&record).await?;
        stream.shutdown().await?;
        // Closing with unread bytes would reset the connection and could overtake the alert.
        while stream.read(&mut hello).await? > 0 {}
        Ok(())
    };
    tokio::time::timeout(PATIENCE, talk).await.unwrap_or(Ok(()))
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let second = u64::try_from(self.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(second)))
    }
}
