//! What Apple wants from us: a signing key (`.p8`) or a certificate (`.p12`, PEM).
//!
//! Reading is pure over the bytes and the time. Which environments and topics a credential is
//! good for is known before anything is sent: [`Credential::facts`].

mod facts;
mod identity;
mod pem;
mod unlock;

use std::fmt;
use std::panic::catch_unwind;
use std::sync::Arc;

use domain::{Diagnosis, Environment, Time};
use p12_keystore::Pkcs12Archive;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use tokio::sync::watch;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

pub(super) use facts::VOIP_SUFFIX;
pub use facts::{CoveredTopic, Environments, Facts, TopicKind};

use super::certificate;
use super::provider_token::{ProviderToken, ProviderTokens};
use super::push_type::{Authentication, PushType};
use super::token_key::TokenKey;
use super::topic::{Topic, is_bundle_id};
use crate::error::{CredentialFault, FieldFault};
use crate::jws::SigningKey;
use crate::upload::{FileKind, check_size, pem_problem, shown};

/// The most bundle ids a key is given with: as many as Apple lets a key be limited to.
const MOST_BUNDLE_IDS: usize = 400;

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

/// What is said about a key beside its file, which says nothing itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyDetails<'a> {
    /// Ten characters, the token's `kid`; usually in the file's name ([`key_id_of_file_name`]).
    pub key_id: &'a str,
    /// Ten characters, the token's `iss`.
    pub team_id: &'a str,
    /// The apps it will push to; none means any.
    pub bundle_ids: &'a [String],
    /// The environment it was made for: since 2025 Apple's portal makes keys for one only.
    pub environments: Environments,
}

impl Credential {
    /// Reads an APNs auth key: the `.p8` file (PEM with PKCS#8, an EC key on P-256).
    ///
    /// # Errors
    ///
    /// A [`CredentialFault`] that names the file for what it is, or the field.
    pub fn parse_p8(file: &[u8], details: &KeyDetails<'_>) -> Result<Self, CredentialFault> {
        let KeyDetails { key_id, team_id, bundle_ids, environments } = *details;
        check_size(file)?;
        let kind = FileKind::of(file);
        if kind != FileKind::Pkcs8Pem {
            return Err(wrong_file("an APNs auth key (.p8)", kind));
        }
        check_id("key_id", key_id)?;
        check_id("team_id", team_id)?;
        let topics = app_topics(bundle_ids)?;
        let unreadable = |problem: String| CredentialFault::Unreadable {
            input: "the .p8 file",
            problem,
            remedy: "Upload the AuthKey_….p8 file unchanged, as Apple's developer portal gave it.",
        };
        let der =
            PrivatePkcs8KeyDer::from_pem_slice(file).map_err(|e| unreadable(pem_problem(&e)))?;
        let key = SigningKey::es256(der.secret_pkcs8_der())
            .ok_or_else(|| unreadable("not an EC key on the curve P-256".to_owned()))?;
        let facts = Facts {
            environments,
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
            FileKind::CertificatePem => return Self::parse_pem(file, password, now),
            FileKind::CertificateDer => {
                let common_name = X509Certificate::from_der(file.trim_ascii_start())
                    .map_or_else(|_| String::new(), |(_, found)| certificate::common_name(&found));
                return Err(CredentialFault::KeyMissing { common_name });
            }
            other => return Err(wrong_file("a push certificate (.p12)", other)),
        }
        let archive =
            open_p12(file.trim_ascii_start(), password).or_else(|_| open_p12(file, password))?;
        let keys: Vec<_> =
            archive.keys.iter().map(|bag| Zeroizing::new(bag.key.as_der().to_vec())).collect();
        let certificates = archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect();
        Self::of_identity(&keys, certificates, now)
    }

    /// Reads a certificate with its key from PEM, both in one text; the key may be behind a
    /// password (`BEGIN ENCRYPTED PRIVATE KEY`).
    ///
    /// # Errors
    ///
    /// A [`CredentialFault`] that names the file for what it is, or what is missing in it.
    pub fn parse_pem(file: &[u8], password: &str, now: Time) -> Result<Self, CredentialFault> {
        check_size(file)?;
        match FileKind::of(file) {
            FileKind::CertificatePem => {}
            FileKind::EncryptedKeyPem | FileKind::OldKeyPem | FileKind::Pkcs8Pem => {
                return Err(CredentialFault::CertificateMissing);
            }
            other => return Err(wrong_file("a push certificate in PEM form", other)),
        }
        let (keys, certificates) = pem::read(file, password)?;
        Self::of_identity(&keys, certificates, now)
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
        match (self.facts.environments, environment) {
            (Environments::Sandbox, Environment::Production) => {
                Err(CredentialFault::SandboxOnly { name: self.facts.name() })
            }
            (Environments::Production, Environment::Sandbox) => {
                Err(CredentialFault::ProductionOnly { name: self.facts.name() })
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
    pub fn covers(&self, topic: &Topic) -> bool {
        match &self.proof {
            Proof::Certificate(_) => self.facts.lists(topic.as_str()),
            // A key covers an app with all its push types.
            Proof::Token(_) => self.facts.topics.is_empty() || self.facts.lists(topic.bundle_id()),
        }
    }

    /// Refuses a push that Apple would refuse from this credential.
    ///
    /// # Errors
    ///
    /// A [`FieldFault`] (912) for `push_type` or `topic`.
    pub fn check_push(&self, push_type: PushType, topic: &Topic) -> Result<(), FieldFault> {
        let fault = |field: &'static str, problem, remedy| FieldFault {
            field: field.into(),
            problem,
            remedy,
            // Not the credential's own fault: everything else that goes out with it may pass.
            diagnosis: Diagnosis::AppMismatch,
        };
        let kind = push_type.as_str();
        match (push_type.authentication(), &self.proof) {
            (Authentication::Token, Proof::Certificate(_)) => {
                let problem = format!("{kind} pushes need a key, and this is a certificate");
                return Err(fault("push_type", problem, "Upload a .p8 key for this bundle id."));
            }
            (Authentication::Certificate, Proof::Token(_)) => {
                let problem = format!("{kind} pushes need a certificate, and this is a key");
                let remedy = "Upload the management certificate and its key as .p12.";
                return Err(fault("push_type", problem, remedy));
            }
            (Authentication::Any, _)
            | (Authentication::Certificate, Proof::Certificate(_))
            | (Authentication::Token, Proof::Token(_)) => {}
        }
        if self.covers(topic) {
            return Ok(());
        }
        Err(fault(
            "topic",
            format!("{:?} is not covered by the credential", topic.as_str()),
            "Upload a credential for this bundle id, or add the bundle id to the key.",
        ))
    }

    /// The provider tokens of a key as they are and as they change, to be kept sealed and seeded
    /// after a restart; a certificate has none. Where several credentials are read from one key,
    /// or several servers use it, what one of them signs is to be seeded in the others: Apple
    /// counts the renewals of a key.
    pub fn provider_tokens(&self) -> Option<watch::Receiver<ProviderTokens>> {
        match &self.proof {
            Proof::Token(key) => Some(key.watch()),
            Proof::Certificate(_) => None,
        }
    }

    /// Takes over a provider token that was kept. It is ignored if it is not this key's, 50
    /// minutes old, from the future, or not newer than the one in use. Says whether it was taken.
    pub fn seed_provider_token(
        &self,
        environment: Environment,
        token: ProviderToken,
        now: Time,
    ) -> bool {
        match &self.proof {
            Proof::Token(key) => key.seed(environment, token, now),
            Proof::Certificate(_) => false,
        }
    }

    /// A credential of the one key and the certificate that belongs to it.
    fn of_identity(
        keys: &[Zeroizing<Vec<u8>>],
        certificates: Vec<Vec<u8>>,
        now: Time,
    ) -> Result<Self, CredentialFault> {
        let (facts, identity) = identity::identity(keys, certificates, now)?;
        Ok(Self { facts: Arc::new(facts), proof: Proof::Certificate(identity) })
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
        problem: format!("{} is not ten capital letters and digits", shown(id)),
        remedy: "Copy it from Apple's developer portal: the key id from the key's page, the team id from the membership page.",
    })
}

/// The topics of bundle ids.
fn app_topics(bundle_ids: &[String]) -> Result<Vec<CoveredTopic>, CredentialFault> {
    let fault = |problem, remedy| CredentialFault::Field { field: "bundle_ids", problem, remedy };
    if bundle_ids.len() > MOST_BUNDLE_IDS {
        let problem = format!("{} of them, at most {MOST_BUNDLE_IDS}", bundle_ids.len());
        return Err(fault(problem, "Give none, which means every app of the team."));
    }
    if let Some(bad) = bundle_ids.iter().find(|id| !is_bundle_id(id)) {
        let remedy = "Give the app's bundle id, such as com.example.app, without a suffix.";
        return Err(fault(format!("{} is not a bundle id", shown(bad)), remedy));
    }
    let topic = |id: &String| CoveredTopic { name: id.clone(), kind: TopicKind::App };
    let mut topics: Vec<_> = bundle_ids.iter().map(topic).collect();
    topics.sort();
    topics.dedup();
    Ok(topics)
}

/// Names a file for what it is.
const fn wrong_file(wanted: &'static str, kind: FileKind) -> CredentialFault {
    CredentialFault::WrongFile { wanted, found: kind.name(), remedy: wrong_file_remedy(kind) }
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

/// Opens a PKCS#12 file.
fn open_p12(file: &[u8], password: &str) -> Result<Pkcs12Archive, CredentialFault> {
    // The reader rests on pre-releases, and one of them panics (pkcs5 0.8.1, on a scrypt cost of
    // 0); what it panics at may stand behind the password, so it cannot be looked for before.
    match catch_unwind(|| Pkcs12Archive::from_pkcs12(file, password)) {
        Ok(opened) => opened.map_err(|error| p12_fault(&error, password)),
        Err(_) => Err(CredentialFault::Unreadable {
            input: "the .p12 file",
            problem: "its reader gave up on it".to_owned(),
            remedy: "Export the certificate and its key again as .p12.",
        }),
    }
}

/// What an error of the PKCS#12 reader means.
fn p12_fault(error: &p12_keystore::error::Error, password: &str) -> CredentialFault {
    use p12_keystore::error::Error as P12;
    // RFC 7292 takes passwords as BMPString, which has no such characters; openssl writes them all
    // the same.
    if password.chars().any(|c| c > '\u{ffff}') {
        return CredentialFault::Field {
            field: "password",
            problem: "has a character that a .p12 password cannot have, such as an emoji"
                .to_owned(),
            remedy: "Export the certificate and its key again with another password.",
        };
    }
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
        // It works through so many at once; a parameter of another sort is damaged.
        P12::InvalidParameters => CredentialFault::Unreadable {
            input: "the .p12 file",
            problem: "it asks for more than 1000000 rounds of its password, or is damaged"
                .to_owned(),
            remedy: "Export it again with the usual number of rounds: openssl pkcs12 -export.",
        },
        other => CredentialFault::Unreadable {
            input: "the .p12 file",
            problem: other.to_string(),
            remedy: "Export the certificate and its key again as .p12.",
        },
    }
}

#[cfg(test)]
mod tests;
