//! Whom a command takes for its server where that speaks TLS.
//!
//! ```text
//!   shown ─ the very certificate of the server's own file? ─yes─▶ taken, whatever its name and end
//!             └─no─▶ from an authority of the system's or of --ca, for the name in the URL? ─yes─▶ taken
//! ```
//!
//! A server on this machine is called by an address, which its certificate seldom has; but the file
//! that it is configured with says exactly which certificate it shows. Either way the other side has
//! to prove that it holds the certificate's key.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use providers::Roots;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cli::say::Advice;
use crate::tls;

/// More than the authorities of any system have.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Whom to take for the server; cheap to clone.
#[derive(Clone)]
pub(super) struct Trust {
    config: Arc<ClientConfig>,
    /// The certificate's file, if the server is this machine's own.
    own: Option<PathBuf>,
}

impl Trust {
    /// The system's authorities, those of a PEM file, and the certificate that is first in the
    /// server's own file.
    pub(super) fn new(ca: Option<&Path>, own: Option<&Path>) -> anyhow::Result<Self> {
        let roots = ca.map_or_else(|| Ok(Roots::system()), roots)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let by_roots =
            WebPkiServerVerifier::builder_with_provider(roots.store(), Arc::clone(&provider))
                .build()?;
        let certificate = own.map(tls::certificates).transpose()?;
        let certificate = certificate.and_then(|chain| chain.into_iter().next());
        let verifier = Verifier { own: certificate, by_roots };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), own: own.map(Path::to_owned) })
    }

    /// Shakes hands with the server of this URL and host.
    pub(super) async fn connect(
        &self,
        url: &str,
        host: &str,
        stream: TcpStream,
    ) -> anyhow::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned());
        let name =
            name.with_context(|| format!("{url} has a host that no certificate can have"))?;
        let connected = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await;
        connected.map_err(|error| {
            let advice = self.advice(url, &error);
            anyhow::Error::from(error).context(advice)
        })
    }

    /// What to do about a handshake that failed.
    fn advice(&self, url: &str, error: &io::Error) -> Advice {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match (inner, &self.own) {
            (Some(rustls::Error::InvalidCertificate(_)), Some(own)) => Advice::new(
                format!("{url} shows another certificate than {} has", own.display()),
                "if the file was renewed, let the server read it: `systemctl reload reveille`, or kill -HUP; else look what listens there",
            ),
            (Some(rustls::Error::InvalidCertificate(_)), None) => Advice::new(
                format!("the certificate of {url} is not trusted"),
                "name the server as its certificate does, and the certificate's authority with --ca",
            ),
            (Some(_) | None, _) => Advice::new(
                format!("{url} does not take a TLS connection"),
                "write http:// if it speaks plain HTTP; one whose tls.certificate_file is new speaks TLS after a restart",
            ),
        }
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("own", &self.own).finish_non_exhaustive()
    }
}

/// The system's authorities and those of a file.
fn roots(ca: &Path) -> anyhow::Result<Roots> {
    let mut pem = Vec::new();
    let file = File::open(ca).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut pem));
    file.with_context(|| {
        let problem = format!("--ca: cannot read {}", ca.display());
        Advice::new(problem, "check the name and who may read it")
    })?;
    if pem.len() as u64 > LARGEST_FILE {
        let problem = format!("--ca: {} has more than {LARGEST_FILE} bytes", ca.display());
        bail!(Advice::new(problem, "leave the authorities in it that the server needs"));
    }
    Roots::with_extra(&pem).map_err(|error| match error {
        providers::Error::Config { problem, remedy, .. } => {
            Advice::new(format!("--ca: {}: {problem}", ca.display()), remedy).into()
        }
        error @ providers::Error::Credential(_) => error.into(),
    })
}

/// Looks at the certificate that a server shows.
#[derive(Debug)]
struct Verifier {
    own: Option<CertificateDer<'static>>,
    by_roots: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.own.as_ref() == Some(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        self.by_roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_roots.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_roots.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_roots.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests;
