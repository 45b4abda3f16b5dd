//! A certificate and the private key that belongs to it.

use std::sync::Arc;

use domain::Time;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::Facts;
use crate::apns::certificate;
use crate::error::CredentialFault;

/// Finds among the certificates the one that belongs to the one key; the others are its chain.
///
/// # Errors
///
/// A [`CredentialFault`] that names what is missing, superfluous or wrong.
pub(super) fn identity(
    keys: &[Zeroizing<Vec<u8>>],
    mut certificates: Vec<Vec<u8>>,
    now: Time,
) -> Result<(Facts, Arc<CertifiedKey>), CredentialFault> {
    let Some(first) = certificates.first() else {
        return Err(CredentialFault::CertificateMissing);
    };
    let unreadable = |problem: String| CredentialFault::Unreadable {
        input: "the certificate",
        problem,
        remedy: AGAIN,
    };
    let common_name = X509Certificate::from_der(first)
        .map(|(_, found)| certificate::common_name(&found))
        .map_err(|error| unreadable(error.to_string()))?;
    let key = match keys {
        [] => return Err(CredentialFault::KeyMissing { common_name }),
        [key] => key,
        [_, _, ..] => return Err(CredentialFault::SeveralKeys { count: keys.len() }),
    };
    let provider = default_provider();
    for own in 0..certificates.len() {
        certificates.swap(0, own);
        let chain = certificates.iter().cloned().map(CertificateDer::from).collect();
        let key = PrivateKeyDer::try_from(key.to_vec()).map_err(|problem| {
            CredentialFault::Unreadable {
                input: "the private key",
                problem: problem.to_owned(),
                remedy: AGAIN,
            }
        })?;
        match CertifiedKey::from_der(chain, key, &provider) {
            Ok(identity) => {
                let (_, found) = X509Certificate::from_der(&certificates[0])
                    .map_err(|error| unreadable(error.to_string()))?;
                return Ok((certificate::facts(&found, now)?, Arc::new(identity)));
            }
            Err(rustls::Error::InconsistentKeys(_)) => certificates.swap(0, own),
            Err(error) => return Err(unreadable(error.to_string())),
        }
    }
    Err(CredentialFault::KeyMismatch { common_name })
}

/// What to do about a file that is damaged.
const AGAIN: &str = "Export the certificate and its key again.";
