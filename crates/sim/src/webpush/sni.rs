//! A service that serves nobody who does not name it in the TLS handshake (RFC 6066, section 3), as
//! Apple's Web Push does.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// The same TLS for clients that send SNI; the others meet an alert.
pub(super) fn required(tls: &ServerConfig) -> Arc<ServerConfig> {
    let mut tls = tls.clone();
    tls.cert_resolver = Arc::new(Named(tls.cert_resolver));
    Arc::new(tls)
}

/// Gives a certificate to who names the server.
#[derive(Debug)]
struct Named(Arc<dyn ResolvesServerCert>);

impl ResolvesServerCert for Named {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello.server_name()?;
        self.0.resolve(hello)
    }
}
