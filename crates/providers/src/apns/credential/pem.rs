//! Certificates and private keys in PEM text (RFC 7468).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::unlock::unlock;
use crate::error::CredentialFault;
use crate::upload::pem_problem;

/// The first line of a key behind a password.
const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
/// Its last line.
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
/// What a key behind a password has in its header in openssl's old form (RFC 1421, section 4.6).
const OLD_ENCRYPTION: &str = "Proc-Type: 4,ENCRYPTED";

/// Private keys, in the clear.
type Keys = Vec<Zeroizing<Vec<u8>>>;

/// The private keys in a text, those behind the password included, and the certificates.
///
/// # Errors
///
/// A [`CredentialFault`]: what cannot be read, or the password.
pub(super) fn read(file: &[u8], password: &str) -> Result<(Keys, Vec<Vec<u8>>), CredentialFault> {
    let text = String::from_utf8_lossy(file);
    if text.contains(OLD_ENCRYPTION) {
        return Err(CredentialFault::Unreadable {
            input: "the private key",
            problem: "it is encrypted in openssl's old form (Proc-Type: 4,ENCRYPTED)".to_owned(),
            remedy: "Convert it, openssl pkcs8 -topk8 -in key.pem -out new.pem, and upload the certificate followed by new.pem.",
        });
    }
    let certificates = CertificateDer::pem_slice_iter(file)
        .map(|found| found.map(|found| found.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(pem_problem(&error)))?;
    let mut keys: Keys = PrivateKeyDer::pem_slice_iter(file)
        .map(|found| found.map(|found| Zeroizing::new(found.secret_der().to_vec())))
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(pem_problem(&error)))?;
    // Opening one is dear, on purpose; only one is ever wanted.
    let locked = text.matches(BEGIN).count();
    if locked > 1 {
        return Err(CredentialFault::SeveralKeys { count: keys.len() + locked });
    }
    if let Some((_, section)) = text.split_once(BEGIN) {
        let Some((body, _)) = section.split_once(END) else {
            return Err(unreadable(format!("there is no {END}")));
        };
        let body: String = body.split_whitespace().collect();
        let der = STANDARD
            .decode(body)
            .map_err(|error| unreadable(format!("the encrypted private key: {error}")))?;
        keys.push(unlock(&der, password)?);
    }
    Ok((keys, certificates))
}

/// The fault of a text that is cut or damaged.
fn unreadable(problem: String) -> CredentialFault {
    CredentialFault::Unreadable {
        input: "the PEM file",
        problem,
        remedy: "Upload certificate and key as exported, one after the other.",
    }
}
