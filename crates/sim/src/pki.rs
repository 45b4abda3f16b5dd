//! Keys, certificates and credentials, made at run time: nothing secret is ever in a file of the project.
//!
//! Shapes are the vendors': Apple's client certificate (subject UID, CN, extensions of its private arc), its `.p8` key,
//! Google's service-account JSON.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{Error, device::letters};

/// Subject attribute UID, 0.9.2342.19200300.100.1.1: Apple puts the bundle id there.
const UID: &[u64] = &[0, 9, 2342, 19_200_300, 100, 1, 1];
/// Apple's private arc for push certificates; the last number is added.
const APPLE_PUSH: [u64; 8] = [1, 2, 840, 113_635, 100, 6, 3, 0];
/// Where clients find the services that are simulated.
const VENDORS: [&str; 6] = [
    "api.push.apple.com",
    "api.sandbox.push.apple.com",
    "fcm.googleapis.com",
    "oauth2.googleapis.com",
    "updates.push.services.mozilla.com",
    "web.push.apple.com",
];

/// A certificate authority; clones share it.
#[derive(Clone)]
pub struct Ca(Arc<CaInner>);

struct CaInner {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl Ca {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`Error::Keys`] if the machine's random numbers or signing fail.
    pub fn generate(name: &str) -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.self_signed(&key)?;
        Ok(Self(Arc::new(CaInner {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        })))
    }

    /// Its certificate, for clients to trust.
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// Its certificate as DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.0.certificate
    }

    /// A server certificate for `localhost`, `127.0.0.1`, `::1` and the vendors' own names, by which
    /// clients reach a simulator through a [`ProxySim`](crate::ProxySim).
    ///
    /// # Errors
    /// [`Error::Keys`] if making it fails.
    pub fn server_identity(&self) -> Result<Identity, Error> {
        self.server_identity_at(Ipv4Addr::LOCALHOST.into())
    }

    /// The same for this address too.
    pub(crate) fn server_identity_at(&self, ip: IpAddr) -> Result<Identity, Error> {
        let local = ["localhost", "127.0.0.1", "::1"];
        let mut names: Vec<String> =
            local.iter().chain(&VENDORS).map(ToString::to_string).collect();
        let own = ip.to_string();
        if !names.contains(&own) {
            names.push(own);
        }
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
    }

    /// An Apple push certificate with its key (RSA 2048, as Apple's are).
    ///
    /// # Errors
    /// [`Error::Keys`] if making it fails.
    pub fn apns_identity(&self, wanted: &ApnsCertificate) -> Result<Identity, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let uid = DnType::CustomDnType(UID.to_vec());
        params.distinguished_name.push(uid, wanted.bundle_id.as_str());
        params.distinguished_name.push(DnType::CommonName, wanted.common_name());
        params.distinguished_name.push(DnType::OrganizationalUnitName, wanted.team_id.as_str());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (year, month, date) = day(wanted.valid_from);
        params.not_before = rcgen::date_time_ymd(year, month, date);
        let (year, month, date) = day(wanted.valid_until);
        params.not_after = rcgen::date_time_ymd(year, month, date);
        params.custom_extensions = wanted.extensions();
        self.sign(&params, KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?)
    }

    fn sign(&self, params: &CertificateParams, key: KeyPair) -> Result<Identity, Error> {
        let certificate = params.signed_by(&key, &self.0.issuer)?;
        Ok(Identity {
            certificate_pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key_pem: key.serialize_pem(),
            key_der: key.serialize_der(),
        })
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").finish_non_exhaustive()
    }
}

/// What an Apple push certificate is to say.
#[derive(Clone, Debug)]
pub struct ApnsCertificate {
    /// Subject UID and the end of the common name.
    pub bundle_id: String,
    /// Subject OU.
    pub team_id: String,
    /// Decides the common name's prefix and the environment extensions.
    pub kind: ApnsCertificateKind,
    /// Valid from the start of this day (UTC).
    pub valid_from: Timestamp,
    /// Valid until the start of this day (UTC).
    pub valid_until: Timestamp,
    /// Topics that a universal certificate has besides its own, each with its kind.
    more_topics: Vec<(String, String)>,
}

/// The kinds of Apple push certificates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ApnsCertificateKind {
    /// `Apple Development IOS Push Services: `, sandbox only.
    Development,
    /// A client certificate for something else: no known prefix, no extensions.
    NoPush,
    /// `Apple Production IOS Push Services: `, production only.
    Production,
    /// `Apple Push Services: `, both environments, topics of the app, its VoIP and its complication.
    Universal,
    /// `VoIP Services: `, both environments, the VoIP topic only.
    Voip,
}

impl ApnsCertificate {
    /// A universal certificate, valid from yesterday for a year.
    pub fn universal(bundle_id: &str) -> Self {
        let now = Timestamp::now();
        let days = |n: i64| jiff::SignedDuration::from_hours(24 * n);
        Self {
            bundle_id: bundle_id.to_owned(),
            team_id: letters(10).to_ascii_uppercase(),
            kind: ApnsCertificateKind::Universal,
            valid_from: now.saturating_sub(days(2)).unwrap_or(now),
            valid_until: now.saturating_add(days(365)).unwrap_or(now),
            more_topics: Vec::new(),
        }
    }

    /// The same certificate, run out yesterday.
    #[must_use]
    pub fn expired(mut self) -> Self {
        let day = jiff::SignedDuration::from_hours(24);
        self.valid_until = Timestamp::now().saturating_sub(day).unwrap_or(Timestamp::MIN);
        self.valid_from = self.valid_until.saturating_sub(day * 365).unwrap_or(Timestamp::MIN);
        self
    }

    /// The same certificate of another kind.
    #[must_use]
    pub fn kind(mut self, kind: ApnsCertificateKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same certificate with one more topic, which only a universal one lists.
    #[must_use]
    pub fn and_topic(mut self, topic: &str, kind: &str) -> Self {
        self.more_topics.push((topic.to_owned(), kind.to_owned()));
        self
    }

    fn common_name(&self) -> String {
        let prefix = match self.kind {
            ApnsCertificateKind::Development => "Apple Development IOS Push Services",
            ApnsCertificateKind::NoPush => "Web Server",
            ApnsCertificateKind::Production => "Apple Production IOS Push Services",
            ApnsCertificateKind::Universal => "Apple Push Services",
            ApnsCertificateKind::Voip => "VoIP Services",
        };
        format!("{prefix}: {}", self.bundle_id)
    }

    fn extensions(&self) -> Vec<CustomExtension> {
        let apple = |last: u64, content: Vec<u8>| {
            let mut oid = APPLE_PUSH;
            oid[7] = last;
            CustomExtension::from_oid_content(&oid, content)
        };
        let null = || vec![0x05, 0x00];
        let voip = format!("{}.voip", self.bundle_id);
        match self.kind {
            ApnsCertificateKind::Development => vec![apple(1, null())],
            ApnsCertificateKind::NoPush => Vec::new(),
            ApnsCertificateKind::Production => vec![apple(2, null())],
            ApnsCertificateKind::Universal => {
                let complication = format!("{}.complication", self.bundle_id);
                let mut topics = vec![
                    (self.bundle_id.as_str(), "app"),
                    (voip.as_str(), "voip"),
                    (complication.as_str(), "complication"),
                ];
                let more = self.more_topics.iter();
                topics.extend(more.map(|(topic, kind)| (topic.as_str(), kind.as_str())));
                vec![apple(1, null()), apple(2, null()), apple(6, topic_list(&topics))]
            }
            ApnsCertificateKind::Voip => {
                vec![apple(1, null()), apple(2, null()), apple(4, der(0x0c, voip.as_bytes()))]
            }
        }
    }
}

/// The content of extension `.6.3.6`: a SEQUENCE that alternates a topic and a SEQUENCE of its kind.
fn topic_list(topics: &[(&str, &str)]) -> Vec<u8> {
    let mut content = Vec::new();
    for (topic, kind) in topics {
        content.extend(der(0x0c, topic.as_bytes()));
        content.extend(der(0x30, &der(0x0c, kind.as_bytes())));
    }
    der(0x30, &content)
}

/// One DER element of less than 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut bytes = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    bytes.extend_from_slice(content);
    bytes
}

/// A certificate with its private key.
#[derive(Clone)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_der: Vec<u8>,
    key_pem: String,
}

impl Identity {
    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key as PKCS#8.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key_der.clone()))
    }

    /// The private key as PKCS#8 PEM.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Certificate and key in a PKCS#12 container, as Keychain exports them; made by the machine's `openssl`, with
    /// `arguments` added to `openssl pkcs12 -export` (for example `-legacy`).
    ///
    /// # Errors
    /// [`Error::Openssl`] if there is no `openssl` or it refuses.
    pub async fn pkcs12(&self, password: &str, arguments: &[&str]) -> Result<Vec<u8>, Error> {
        use tokio::io::AsyncWriteExt;
        let spawn = |source| Error::Openssl { why: format!("could not run openssl: {source}") };
        let mut openssl = tokio::process::Command::new("openssl")
            .args(["pkcs12", "-export", "-name", "push", "-passout", "env:P12_PASSWORD"])
            .args(arguments)
            .env("P12_PASSWORD", password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(spawn)?;
        if let Some(mut stdin) = openssl.stdin.take() {
            let pem = format!("{}{}", self.key_pem, self.certificate_pem);
            stdin.write_all(pem.as_bytes()).await.map_err(spawn)?;
        }
        let output = tokio::time::timeout(Duration::from_secs(30), openssl.wait_with_output())
            .await
            .map_err(|_| Error::Openssl { why: "openssl did not end within 30 s".into() })?
            .map_err(spawn)?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(Error::Openssl { why: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// An APNs `.p8` key with its ids.
#[derive(Clone)]
pub struct ApnsKey {
    /// Ten characters.
    pub key_id: String,
    /// Ten characters.
    pub team_id: String,
    pem: String,
    /// Uncompressed P-256 point, 65 bytes.
    pub(crate) public_key: Vec<u8>,
}

impl ApnsKey {
    /// Makes a new one with random ids.
    ///
    /// # Errors
    /// [`Error::Keys`] if making it fails.
    pub fn generate() -> Result<Self, Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Ok(Self {
            key_id: letters(10).to_ascii_uppercase(),
            team_id: letters(10).to_ascii_uppercase(),
            pem: key.serialize_pem(),
            public_key: key.public_key_raw().to_vec(),
        })
    }

    /// The content of the `.p8` file: PKCS#8 PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The name that Apple gives the file.
    pub fn file_name(&self) -> String {
        format!("AuthKey_{}.p8", self.key_id)
    }
}

impl fmt::Debug for ApnsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApnsKey")
            .field("key_id", &self.key_id)
            .field("team_id", &self.team_id)
            .finish_non_exhaustive()
    }
}

/// A Google service account with its key.
#[derive(Clone)]
pub struct ServiceAccount {
    /// Firebase project id.
    pub project: String,
    /// The project's number, which stands for its id in paths; the key file does not have it.
    pub project_number: String,
    /// The account's address.
    pub client_email: String,
    /// Id of the key.
    pub private_key_id: String,
    key_pem: String,
    /// PKCS#1 RSA public key.
    pub(crate) public_key: Vec<u8>,
}

impl ServiceAccount {
    /// Makes a new one for a project.
    ///
    /// # Errors
    /// [`Error::Keys`] if making it fails.
    pub fn generate(project: &str) -> Result<Self, Error> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        Ok(Self {
            project: project.to_owned(),
            project_number: rand::random_range(100_000_000_000_u64..1_000_000_000_000).to_string(),
            client_email: format!(
                "push-{}@{project}.iam.gserviceaccount.com",
                letters(5).to_ascii_lowercase()
            ),
            private_key_id: crate::device::hex(&rand::random::<[u8; 20]>()),
            key_pem: key.serialize_pem(),
            public_key: key.public_key_raw().to_vec(),
        })
    }

    /// The key file that the Firebase console offers for download.
    pub fn json(&self, token_uri: &str) -> String {
        serde_json::json!({
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": self.private_key_id,
            "private_key": self.key_pem,
            "client_email": self.client_email,
            "client_id": "100000000000000000000",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        })
        .to_string()
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("client_email", &self.client_email)
            .finish_non_exhaustive()
    }
}

/// A key pair for VAPID (RFC 8292), by which an application server signs its messages.
#[derive(Clone)]
pub struct VapidKey {
    scalar: [u8; 32],
    public_key: [u8; 65],
}

impl VapidKey {
    /// Makes a new one.
    pub fn generate() -> Self {
        loop {
            let scalar: [u8; 32] = rand::random();
            // One in 2^32 random numbers is above the curve's order.
            if let Some(public_key) = public_key(&scalar) {
                return Self { scalar, public_key };
            }
        }
    }

    /// The private half as the tools of Web Push write it: the number alone, in base64url.
    pub fn private_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.scalar)
    }

    /// The public half, an uncompressed P-256 point: a page's `applicationServerKey`.
    pub fn public_key(&self) -> &[u8; 65] {
        &self.public_key
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VapidKey").finish_non_exhaustive()
    }
}

/// The point that belongs to a private number; `None` if that is none of P-256.
fn public_key(scalar: &[u8; 32]) -> Option<[u8; 65]> {
    let key = PrivateKey::from_private_key(&ECDH_P256, scalar).ok()?;
    key.compute_public_key().ok()?.as_ref().try_into().ok()
}

/// Year, month and day in UTC, which is as exact as these certificates are dated.
fn day(at: Timestamp) -> (i32, u8, u8) {
    let date = at.to_zoned_datetime(TimeZone::UTC).date();
    (i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
}
