//! Whom to trust as a push service.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::error::Error;
use crate::upload::pem_problem;

/// The certificate authorities a push service's certificate must come from; cheap to clone.
#[derive(Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// The system's authorities; in bare containers, which have none, Mozilla's list.
    pub fn system() -> Self {
        Self(Arc::new(system_store()))
    }

    /// The system's authorities and those in `pem`: a company's TLS-inspecting proxy, a simulator.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `pem` has no certificate or one that cannot be read.
    pub fn with_extra(pem: &[u8]) -> Result<Self, Error> {
        let mut store = system_store();
        add(&mut store, pem)?;
        Ok(Self(Arc::new(store)))
    }

    /// The store as rustls wants it, for a client of one's own.
    pub fn store(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({} authorities)", self.0.len())
    }
}

/// Adds every certificate of a PEM file.
pub(super) fn add(store: &mut RootCertStore, pem: &[u8]) -> Result<(), Error> {
    let fault = |problem: String| Error::Config {
        setting: "extra_roots_pem",
        problem,
        remedy: "give the certificate authority as PEM (-----BEGIN CERTIFICATE-----)",
    };
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| fault(pem_problem(&error)))?;
        store.add(certificate).map_err(|error| fault(error.to_string()))?;
        added += 1;
    }
    if added == 0 {
        return Err(fault("no certificate in it".to_owned()));
    }
    Ok(())
}

/// The system's store, or Mozilla's where the system has none.
fn system_store() -> RootCertStore {
    let mut store = RootCertStore::empty();
    // Some systems carry certificates rustls cannot read; the others still count.
    let (added, _) =
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extra_root_is_added_and_nonsense_is_refused() {
        let authority = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
            .expect("rcgen makes a certificate");
        let with = Roots::with_extra(authority.cert.pem().as_bytes()).expect("a PEM certificate");
        assert_eq!(with.0.len(), Roots::system().0.len() + 1);
        for nonsense in ["", "hello", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----"]
        {
            assert!(Roots::with_extra(nonsense.as_bytes()).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_in_words_and_not_at_its_length() {
        for (start, expected) in [
            ("-----BEGIN CERTIFICATE-----\n", "there is no -----END CERTIFICATE-----"),
            ("-----BEGIN x", "a -----BEGIN line has no end"),
        ] {
            let file = start.replace('x', &"x".repeat(2_000));
            let error = Roots::with_extra(file.as_bytes()).expect_err("no certificate");
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.to_string().len() < 300, "{error}");
        }
    }
}
