//! TLS at the server's own door, with a certificate from PEM files.
//!
//! Most installations leave this to a proxy in front; a server that stands alone needs it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the two files is not named.
    #[error("{missing} is not set, and {set} is; set both, or neither for plain HTTP")]
    Half {
        /// The option that is missing.
        missing: &'static str,
        /// The one that is there.
        set: &'static str,
    },
    /// A file cannot be read.
    #[error("{option}: cannot read {}: {source}", path.display())]
    File {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{option}: {} holds no {what}; give it as PEM", path.display())]
    Pem {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
    },
    /// Certificate and key do not go together.
    #[error("tls.certificate_file and tls.key_file do not go together: {0}")]
    Pair(rustls::Error),
}

const CERTIFICATE: &str = "tls.certificate_file";
const KEY: &str = "tls.key_file";

/// What takes TLS connections, by the certificate that was read last.
pub struct Door(RwLock<Current>);

struct Current {
    acceptor: TlsAcceptor,
    chain: Vec<CertificateDer<'static>>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

impl Door {
    /// Reads the certificate; `None`: the server speaks plain HTTP.
    ///
    /// # Errors
    ///
    /// [`TlsError`], which says what to set or which file to mend.
    pub fn open(options: &Tls) -> Result<Option<Self>, TlsError> {
        Ok(read_both(options)?.map(|current| Self(RwLock::new(current))))
    }

    /// What the next connection is taken by. Those that stand keep theirs.
    pub fn acceptor(&self) -> TlsAcceptor {
        // What is put there is whole.
        self.0.read().unwrap_or_else(PoisonError::into_inner).acceptor.clone()
    }

    /// Reads the certificate anew; whether it is another one.
    ///
    /// # Errors
    ///
    /// [`TlsError`]; the certificate that was there stays.
    pub fn renew(&self, options: &Tls) -> Result<bool, TlsError> {
        let Some(new) = read_both(options)? else { return Ok(false) };
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_another = current.chain != new.chain;
        *current = new;
        Ok(is_another)
    }
}

fn read_both(options: &Tls) -> Result<Option<Current>, TlsError> {
    let (certificate, key) = match (&options.certificate_file, &options.key_file) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(TlsError::Half { missing: KEY, set: CERTIFICATE }),
        (None, Some(_)) => return Err(TlsError::Half { missing: CERTIFICATE, set: KEY }),
        (Some(certificate), Some(key)) => (certificate, key),
    };
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_slice(&read(KEY, key)?);
    let private = private.map_err(|_| pem(KEY, "private key", key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain.clone(), private))
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(Current { acceptor: TlsAcceptor::from(Arc::new(config)), chain }))
}

/// The certificates of the file that `tls.certificate_file` names, the server's own first; one at
/// least.
///
/// # Errors
///
/// [`TlsError`], which names the file.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&read(CERTIFICATE, file)?).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    chain.ok_or_else(|| pem(CERTIFICATE, "certificate", file))
}

fn pem(option: &'static str, what: &'static str, path: &Path) -> TlsError {
    TlsError::Pem { option, path: path.to_owned(), what }
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::File { option, path: path.to_owned(), source })
}
