//! What push services want from us: a VAPID key pair and whom to ask about it (RFC 8292).
//!
//! Browsers bind a subscription to the public key it was made with, so a key lives as long as its
//! subscriptions: with another key every browser must subscribe anew.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::base64_of;
use crate::error::CredentialFault;
use crate::jws::SigningKey;
use crate::upload::{FileKind, check_size, pem_problem};

/// A VAPID key pair: a key on P-256 that signs for the application server. Clones share it.
#[derive(Clone)]
pub struct VapidKey(Arc<Pair>);

/// What clones share.
struct Pair {
    /// Signs tokens.
    signing: SigningKey,
    /// The private key, 32 bytes in base64url.
    private: Zeroizing<String>,
    /// The public key, an uncompressed point in base64url.
    public: String,
}

/// What to do about a file that is no VAPID key.
const UPLOAD: &str = "Give the private key as web-push tools print it (43 characters of base64url), or as PEM; or let the server make one.";

impl VapidKey {
    /// Makes a new one.
    ///
    /// # Errors
    ///
    /// A [`CredentialFault`] if the crypto library fails.
    pub fn generate() -> Result<Self, CredentialFault> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .ok()
            .and_then(Self::of)
            .ok_or_else(|| unreadable("the crypto library made none"))
    }

    /// Reads a private key: 32 bytes in base64url, as `web-push generate-vapid-keys` and its like
    /// print it, or PEM, PKCS#8 or SEC 1, as `openssl` writes it.
    ///
    /// # Errors
    ///
    /// A [`CredentialFault`] that names the file for what it is.
    pub fn parse(file: &[u8]) -> Result<Self, CredentialFault> {
        check_size(file)?;
        let kind = FileKind::of(file);
        let pair = match kind {
            FileKind::Pkcs8Pem | FileKind::OldKeyPem => {
                let der = PrivateKeyDer::from_pem_slice(file)
                    .map_err(|error| unreadable(&pem_problem(&error)))?;
                let pair = EcdsaKeyPair::from_private_key_der(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    der.secret_der(),
                );
                pair.map_err(|_| unreadable("not an EC key on the curve P-256"))?
            }
            // One key in sixteen million begins as Google's old keys do.
            FileKind::Unknown | FileKind::LegacyServerKey => pair_of_text(file, kind)?,
            FileKind::Empty
            | FileKind::Pkcs12
            | FileKind::CertificateDer
            | FileKind::CertificatePem
            | FileKind::EncryptedKeyPem
            | FileKind::SigningRequest
            | FileKind::SignedContainer
            | FileKind::ServiceAccount
            | FileKind::GoogleServices
            | FileKind::GoogleServicePlist
            | FileKind::Json => return Err(wrong_file(kind.name())),
        };
        Self::of(pair).ok_or_else(|| unreadable("the crypto library does not take it"))
    }

    /// The public key, which browsers subscribe with (`applicationServerKey`): 65 bytes in
    /// base64url without padding.
    pub fn public_key(&self) -> &str {
        &self.0.public
    }

    /// The private key, for storing: 32 bytes in base64url, as [`Self::parse`] reads it.
    pub fn expose_private_key(&self) -> &str {
        &self.0.private
    }

    /// What signs tokens.
    pub(super) fn signing(&self) -> &SigningKey {
        &self.0.signing
    }

    /// Takes both halves out of a pair.
    fn of(pair: EcdsaKeyPair) -> Option<Self> {
        let private: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().ok()?;
        let private = Zeroizing::new(URL_SAFE_NO_PAD.encode(private.as_ref()));
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Some(Self(Arc::new(Pair { signing: SigningKey::Es256(pair), private, public })))
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VapidKey({})", self.public_key())
    }
}

/// A key pair from base64url.
fn pair_of_text(file: &[u8], kind: FileKind) -> Result<EcdsaKeyPair, CredentialFault> {
    let text = std::str::from_utf8(file.trim_ascii()).ok();
    let Some(bytes) = text.and_then(base64_of).map(Zeroizing::new) else {
        return Err(wrong_file(kind.name()));
    };
    match bytes.len() {
        32 => {}
        65 if bytes.first() == Some(&4) => return Err(wrong_file("the public key of a pair")),
        _ if kind == FileKind::LegacyServerKey => return Err(wrong_file(kind.name())),
        other => return Err(unreadable(&format!("{other} bytes, 32 are expected"))),
    }
    let private = PrivateKey::from_private_key(&ECDH_P256, &bytes).ok();
    private
        .and_then(|private| private.compute_public_key().ok())
        .and_then(|public| {
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            EcdsaKeyPair::from_private_key_and_public_key(algorithm, &bytes, public.as_ref()).ok()
        })
        .ok_or_else(|| unreadable("not a private key on the curve P-256"))
}

/// A file that is something else.
const fn wrong_file(found: &'static str) -> CredentialFault {
    CredentialFault::WrongFile { wanted: "a VAPID private key", found, remedy: UPLOAD }
}

/// A file that looks like a key and is none.
fn unreadable(problem: &str) -> CredentialFault {
    CredentialFault::Unreadable {
        input: "the VAPID key",
        problem: problem.to_owned(),
        remedy: UPLOAD,
    }
}

/// Whom a push service may ask about our pushes (the claim `sub`): a `mailto:` or `https:` URL.
///
/// RFC 8292 leaves it out at will; Apple does not, and refuses what it takes for unreachable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(Arc<str>);

impl Subject {
    /// Checks a contact: `mailto:push@example.org` or `https://example.org/contact`.
    ///
    /// # Errors
    ///
    /// A [`CredentialFault`] naming the field `subject`.
    pub fn parse(text: &str) -> Result<Self, CredentialFault> {
        let fault = |problem: String| CredentialFault::Field {
            field: "subject",
            problem,
            remedy: "Give a contact that push services can reach, such as mailto:push@example.org or https://example.org.",
        };
        if text.len() > LONGEST_SUBJECT {
            return Err(fault(format!("{} bytes, at most {LONGEST_SUBJECT}", text.len())));
        }
        // Apple refuses `mailto: <push@example.org>`, as some libraries' examples have it.
        if !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains(['<', '>']) {
            return Err(fault(format!("{text:?} has spaces, brackets or no ASCII in it")));
        }
        let host = if let Some(address) = text.strip_prefix("mailto:") {
            let (user, host) = address.rsplit_once('@').unwrap_or_default();
            if user.is_empty() { None } else { Some(host) }
        } else if text.starts_with("https://") {
            text.parse::<http::Uri>().ok().and_then(|url| url.authority().cloned()).map(|_| {
                let rest = text.trim_start_matches("https://");
                rest.split(['/', '?', '#', ':']).next().unwrap_or_default()
            })
        } else {
            None
        };
        let host =
            host.ok_or_else(|| fault(format!("{text:?} is neither a mailto: nor an https: URL")))?;
        if !is_reachable(&host.to_ascii_lowercase()) {
            return Err(fault(format!("{host:?} is not a public domain")));
        }
        Ok(Self(text.into()))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest subject; it stands in every token.
const LONGEST_SUBJECT: usize = 256;

/// Whether a host can be somebody's on the internet, as far as its name says: it has a dot, and
/// its last part is none of those that never are (RFC 6761, RFC 6762).
fn is_reachable(host: &str) -> bool {
    let mut parts = host.rsplit('.');
    let last = parts.next().unwrap_or_default();
    let special = ["localhost", "local", "localdomain", "invalid", "test", "internal"];
    let address = last.bytes().all(|b| b.is_ascii_digit());
    parts.next().is_some_and(|part| !part.is_empty()) && !address && !special.contains(&last)
}

#[cfg(test)]
mod tests;
