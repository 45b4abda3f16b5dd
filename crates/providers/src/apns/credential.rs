//! What Apple wants from us: a signing key (`.p8`) or a certificate (`.p12`, PEM).
//!
//! Reading is pure over the bytes and the time. Which environments and topics a credential is
//! good for is known before anything is sent: [`Credential::facts`].

use std::fmt;
use std::sync::Arc;

use domain::{Environment, Time};
use p12_keystore::Pkcs12Archive;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificate;
use super::provider_token::TokenKey;
use crate::error::CredentialFault;
use crate::jws::SigningKey;
use crate::upload::{FileKind, check_size};

/// A credential for APNs. Clones share the key and its provider token, of which Apple wants few.
#[derive(Clone)]
pub struct Credential {
    /// What it is good for.
    facts: Arc<Facts>,
    /// How it authenticates.
    pub(super) proof: Proof,
}

/// How a credential authenticates.
#[derive(Clone)]
pub(super) enum Proof {
    /// By a provider token in every request.
    Token(Arc<TokenKey>),
    /// By a client certificate in the TLS handshake.
    Certificate(Arc<CertifiedKey>),
}

/// What a credential says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where it is good.
    pub environments: Environments,
    /// The topics it may push to, sorted; for a key, the bundle ids given with it. A key's VoIP
    /// topics go without saying.
    pub topics: Vec<String>,
    /// Apple's team id; of a certificate, the subject's organizational unit.
    pub team: Option<String>,
    /// The key's id.
    pub key_id: Option<String>,
    /// When it expires; keys do not.
    pub not_after: Option<Time>,
    /// The certificate's common name.
    pub subject: Option<String>,
}

/// Where a credential is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environments {
    /// In both: universal certificates, and keys, whose restriction to one Apple shows only by
    /// its answers.
    Both,
    /// In production only.
    Production,
    /// In the sandbox only: a development certificate.
    Sandbox,
}

impl Credential {
    /// Reads an APNs auth key: the `.p8` file (PEM with PKCS#8, an EC key on P-256), its key id
    /// and the team id, ten characters each, and the bundle ids it will push to (empty: any).
    ///
    /// # Errors
    ///
    /// A [`CredentialFault`] that names the file for what it is, or the field.
    pub fn parse_p8(
        file: &[u8],
        key_id: &str,
        team_id: &str,
        bundle_ids: &[String],
    ) -> Result<Self, CredentialFault> {
        check_size(file)?;
        let kind = FileKind::of(file);
        if kind != FileKind::Pkcs8Pem {
            return Err(CredentialFault::WrongFile {
                wanted: "an APNs auth key (.p8)",
                found: kind.name(),
                remedy: wrong_file_remedy(kind),
            });
        }
        check_id("key_id", key_id)?;
        check_id("team_id", team_id)?;
        for bundle_id in bundle_ids {
            check_bundle_id(bundle_id)?;
        }
        let unreadable = |problem: String| CredentialFault::Unreadable {
            input: "the .p8 file",
            problem,
            remedy: "Upload the AuthKey_….p8 file unchanged, as Apple's developer portal gave it.",
        };
        let der =
            PrivatePkcs8KeyDer::from_pem_slice(file).map_err(|e| unreadable(e.to_string()))?;
        let key = SigningKey::es256(der.secret_pkcs8_der())
            .ok_or_else(|| unreadable("not an EC key on the curve P-256".to_owned()))?;
        let mut topics = bundle_ids.to_vec();
        topics.sort();
        topics.dedup();
        let facts = Facts {
            environments: Environments::Both,
            topics,
            team: Some(team_id.to_owned()),
            key_id: Some(key_id.to_owned()),
            not_after: None,
            subject: None,
        };
        let key = TokenKey::new(key, key_id, team_id);
        Ok(Self { facts: Arc::new(facts), proof: Proof::Token(Arc::new(key)) })
    }

    /// Reads a certificate with its key from PKCS#12, as Keychain Access and `openssl pkcs12`
    /// export it, with the password given there (possibly empty).
    ///
    /// # Errors
    ///
    /// A [`CredentialFault`] that names the file for what it is; an expired certificate is one.
    pub fn parse_p12(file: &[u8], password: &str, now: Time) -> Result<Self, CredentialFault> {
        check_size(file)?;
        let kind = FileKind::of(file);
        match kind {
            FileKind::Pkcs12 => {}
            FileKind::CertificatePem => return Self::parse_pem(file, now),
            FileKind::CertificateDer => {
                let common_name = X509Certificate::from_der(file.trim_ascii_start())
                    .map_or_else(|_| String::new(), |(_, found)| certificate::common_name(&found));
                return Err(CredentialFault::KeyMissing { common_name });
            }
            other => {
                return Err(CredentialFault::WrongFile {
                    wanted: "a push certificate (.p12)",
                    found: other.name(),
                    remedy: wrong_file_remedy(other),
                });
            }
        }
        let archive = Pkcs12Archive::from_pkcs12(file.trim_ascii_start(), password)
            .or_else(|_| Pkcs12Archive::from_pkcs12(file, password))
            .map_err(|error| p12_fault(&error, password))?;
        let keys = archive.keys.iter().map(|bag| bag.key.as_der().to_vec()).collect();
        let certificates = archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect();
        Self::of_identity(keys, certificates, now)
    }

    /// Reads a certificate with its key from PEM, both in one text.
    ///
    /// # Errors
    ///
    /// A [`CredentialFault`] that names what is missing or wrong.
    pub fn parse_pem(file: &[u8], now: Time) -> Result<Self, CredentialFault> {
        check_size(file)?;
        let unreadable = |error: rustls_pki_types::pem::Error| CredentialFault::Unreadable {
            input: "the PEM file",
            problem: error.to_string(),
            remedy: "Upload certificate and unencrypted key as exported, one after the other.",
        };
        let certificates = CertificateDer::pem_slice_iter(file)
            .map(|found| found.map(|found| found.to_vec()))
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        let keys = PrivateKeyDer::pem_slice_iter(file)
            .map(|found| found.map(|found| found.secret_der().to_vec()))
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        Self::of_identity(keys, certificates, now)
    }

    /// What the credential says about itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Refuses a credential that is not good in `environment`.
    ///
    /// # Errors
    ///
    /// [`CredentialFault::SandboxOnly`] (905) or [`CredentialFault::ProductionOnly`] (904).
    pub fn check_environment(&self, environment: Environment) -> Result<(), CredentialFault> {
        let common_name = || self.facts.subject.clone().unwrap_or_default();
        match (self.facts.environments, environment) {
            (Environments::Sandbox, Environment::Production) => {
                Err(CredentialFault::SandboxOnly { common_name: common_name() })
            }
            (Environments::Production, Environment::Sandbox) => {
                Err(CredentialFault::ProductionOnly { common_name: common_name() })
            }
            (Environments::Both, _)
            | (Environments::Sandbox, Environment::Sandbox)
            | (Environments::Production, Environment::Production) => Ok(()),
        }
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now: Time) -> bool {
        self.facts.not_after.is_some_and(|not_after| now > not_after)
    }

    /// Whether it may push to this topic, as far as is known here.
    pub(super) fn covers(&self, topic: &str) -> bool {
        let listed = |topic: &str| self.facts.topics.iter().any(|listed| listed == topic);
        match &self.proof {
            Proof::Certificate(_) => listed(topic),
            Proof::Token(_) => {
                self.facts.topics.is_empty()
                    || listed(topic)
                    || topic.strip_suffix(".voip").is_some_and(listed)
            }
        }
    }

    /// A credential of the one key and the certificate that belongs to it; the others are its
    /// chain.
    fn of_identity(
        mut keys: Vec<Vec<u8>>,
        mut certificates: Vec<Vec<u8>>,
        now: Time,
    ) -> Result<Self, CredentialFault> {
        let Some(first) = certificates.first() else {
            return Err(CredentialFault::CertificateMissing);
        };
        let unreadable = |problem: String| CredentialFault::Unreadable {
            input: "the certificate",
            problem,
            remedy: "Export the certificate and its key again.",
        };
        let common_name = X509Certificate::from_der(first)
            .map(|(_, found)| certificate::common_name(&found))
            .map_err(|error| unreadable(error.to_string()))?;
        let key = match (keys.pop(), keys.len()) {
            (None, _) => return Err(CredentialFault::KeyMissing { common_name }),
            (Some(key), 0) => key,
            (Some(_), others) => return Err(CredentialFault::SeveralKeys { count: others + 1 }),
        };
        let provider = default_provider();
        for own in 0..certificates.len() {
            certificates.swap(0, own);
            let chain = certificates.iter().cloned().map(CertificateDer::from).collect();
            let key = PrivateKeyDer::try_from(key.clone()).map_err(|problem| {
                CredentialFault::Unreadable {
                    input: "the private key",
                    problem: problem.to_owned(),
                    remedy: "Export the certificate and its key again.",
                }
            })?;
            match CertifiedKey::from_der(chain, key, &provider) {
                Ok(identity) => {
                    let (_, found) = X509Certificate::from_der(&certificates[0])
                        .map_err(|error| unreadable(error.to_string()))?;
                    let facts = certificate::facts(&found, now)?;
                    let proof = Proof::Certificate(Arc::new(identity));
                    return Ok(Self { facts: Arc::new(facts), proof });
                }
                Err(rustls::Error::InconsistentKeys(_)) => certificates.swap(0, own),
                Err(error) => return Err(unreadable(error.to_string())),
            }
        }
        Err(CredentialFault::KeyMismatch { common_name })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credential").field(&self.facts).finish()
    }
}

/// The key id in the usual name of an auth key's file, `AuthKey_ABC123DEFG.p8`.
pub fn key_id_of_file_name(name: &str) -> Option<&str> {
    let name = name.rsplit(['/', '\\']).next()?;
    let id = name.strip_prefix("AuthKey_")?.strip_suffix(".p8")?;
    check_id("key_id", id).is_ok().then_some(id)
}

/// Key and team ids: ten capital letters and digits.
fn check_id(field: &'static str, id: &str) -> Result<(), CredentialFault> {
    let good = id.len() == 10 && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if good {
        return Ok(());
    }
    Err(CredentialFault::Field {
        field,
        problem: format!("{id:?} is not ten capital letters and digits"),
        remedy: "Copy it from Apple's developer portal: the key id from the key's page, the team id from the membership page.",
    })
}

/// Bundle ids: letters, digits, hyphens and dots.
fn check_bundle_id(id: &str) -> Result<(), CredentialFault> {
    let good = (1..=155).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if good {
        return Ok(());
    }
    Err(CredentialFault::Field {
        field: "bundle_ids",
        problem: format!("{id:?} is not a bundle id"),
        remedy: "Give the app's bundle id, such as com.example.app, without a suffix.",
    })
}

/// What to do instead of uploading this.
const fn wrong_file_remedy(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Pkcs8Pem => {
            "This looks like an APNs auth key: upload it as a .p8 key with key id and team id."
        }
        FileKind::Pkcs12 | FileKind::CertificatePem => {
            "This looks like a certificate: upload it as a .p12 certificate."
        }
        FileKind::ServiceAccount | FileKind::GoogleServices | FileKind::LegacyServerKey => {
            "This belongs to FCM; for APNs, upload a .p8 key or a .p12 certificate from Apple."
        }
        FileKind::EncryptedKeyPem => {
            "Remove the password (openssl pkcs8 -in key.pem) or export as .p12."
        }
        FileKind::SigningRequest => {
            "Upload the request to Apple's developer portal, then export the certificate it gives with its key as .p12."
        }
        FileKind::Empty
        | FileKind::CertificateDer
        | FileKind::OldKeyPem
        | FileKind::SignedContainer
        | FileKind::GoogleServicePlist
        | FileKind::Json
        | FileKind::Unknown => {
            "Upload an APNs auth key (.p8) from Apple's developer portal, or the push certificate with its key exported as .p12."
        }
    }
}

/// What an error of the PKCS#12 reader means.
fn p12_fault(error: &p12_keystore::error::Error, password: &str) -> CredentialFault {
    use p12_keystore::error::Error as P12;
    match error {
        P12::MacError(_) | P12::UnpadError | P12::Pkcs5Error(_) if password.is_empty() => {
            CredentialFault::PasswordMissing
        }
        P12::MacError(_) => CredentialFault::WrongPassword,
        P12::UnsupportedEncryptionScheme | P12::UnsupportedMacAlgorithm => {
            CredentialFault::Unreadable {
                input: "the .p12 file",
                problem: "its encryption is not supported".to_owned(),
                remedy: "Export it again: openssl pkcs12 -in old.p12 -nodes -legacy -out all.pem, then upload all.pem.",
            }
        }
        other => CredentialFault::Unreadable {
            input: "the .p12 file",
            problem: other.to_string(),
            remedy: "Export the certificate and its key again as .p12.",
        },
    }
}

#[cfg(test)]
mod tests;
