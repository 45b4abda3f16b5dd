//! What an uploaded file is, so that a wrong one is named for what it is.

use rustls_pki_types::pem;
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::CredentialFault;

/// No credential file is larger: a PKCS#12 file with a whole chain has some ten kilobytes.
pub(crate) const LARGEST_FILE: usize = 256 * 1024;

/// What a file is, by its first look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Nothing.
    Empty,
    /// PKCS#12: certificate and key behind a password (`.p12`, `.pfx`).
    Pkcs12,
    /// A certificate in DER (`.cer`).
    CertificateDer,
    /// PEM text with a certificate, with or without its key.
    CertificatePem,
    /// PEM text with a private key in PKCS#8 and nothing else (`.p8`).
    Pkcs8Pem,
    /// PEM text with a private key in an older form.
    OldKeyPem,
    /// PEM text with a private key behind a password.
    EncryptedKeyPem,
    /// A certificate signing request.
    SigningRequest,
    /// A signed container: a provisioning profile, a `.p7b`.
    SignedContainer,
    /// A Google service account's key.
    ServiceAccount,
    /// An Android app's Firebase configuration.
    GoogleServices,
    /// An iOS app's Firebase configuration.
    GoogleServicePlist,
    /// A key of the retired FCM API.
    LegacyServerKey,
    /// JSON of another kind.
    Json,
    /// None of these.
    Unknown,
}

impl FileKind {
    /// Looks at a file.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let trimmed = bytes.trim_ascii();
        match trimmed.first() {
            None => return Self::Empty,
            // DER may end with a byte that looks like white space.
            Some(0x30) => return Self::of_der(bytes.trim_ascii_start()),
            Some(b'{' | b'[') => return Self::of_json(trimmed),
            Some(_) => {}
        }
        let Ok(text) = std::str::from_utf8(trimmed) else { return Self::Unknown };
        let begins = |label: &str| text.contains(&format!("-----BEGIN {label}-----"));
        if begins("CERTIFICATE") {
            Self::CertificatePem
        } else if begins("PRIVATE KEY") {
            Self::Pkcs8Pem
        } else if begins("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            Self::EncryptedKeyPem
        } else if begins("RSA PRIVATE KEY") || begins("EC PRIVATE KEY") {
            Self::OldKeyPem
        } else if begins("CERTIFICATE REQUEST") || begins("NEW CERTIFICATE REQUEST") {
            Self::SigningRequest
        } else if begins("PKCS7") || begins("CMS") {
            Self::SignedContainer
        } else if text.starts_with("<?xml") || text.starts_with("bplist") {
            Self::GoogleServicePlist
        } else if is_legacy_server_key(text) {
            Self::LegacyServerKey
        } else {
            Self::Unknown
        }
    }

    /// Looks at DER: by what the outer SEQUENCE begins with.
    fn of_der(bytes: &[u8]) -> Self {
        if X509Certificate::from_der(bytes).is_ok() {
            return Self::CertificateDer;
        }
        // Header of the SEQUENCE: tag, then a length in short, long or indefinite form.
        let header = match bytes.get(1) {
            Some(length @ 0x81..=0x84) => 2 + usize::from(length & 0x7f),
            _ => 2,
        };
        match bytes.get(header..) {
            // PFX, version 3 (RFC 7292, section 4).
            Some([0x02, 0x01, 0x03, ..]) => Self::Pkcs12,
            // ContentInfo with OID 1.2.840.113549.1.7.2, signed data (RFC 5652, section 5.1).
            Some([0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02, ..]) => {
                Self::SignedContainer
            }
            _ => Self::Unknown,
        }
    }

    /// Looks at JSON.
    fn of_json(bytes: &[u8]) -> Self {
        let Ok(json) = serde_json::from_slice::<Value>(bytes) else { return Self::Unknown };
        if json.get("type").and_then(Value::as_str) == Some("service_account") {
            Self::ServiceAccount
        } else if json.get("project_info").is_some() && json.get("client").is_some() {
            Self::GoogleServices
        } else {
            Self::Json
        }
    }

    /// What to call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Pkcs12 => "a PKCS#12 file (.p12)",
            Self::CertificateDer => "a certificate without a private key (.cer)",
            Self::CertificatePem => "a certificate in PEM form",
            Self::Pkcs8Pem => "a private key in PKCS#8 form (.p8)",
            Self::OldKeyPem => "a private key without a certificate",
            Self::EncryptedKeyPem => "a private key behind a password",
            Self::SigningRequest => "a certificate signing request",
            Self::SignedContainer => "a provisioning profile or another signed container",
            Self::ServiceAccount => "a Google service account key",
            Self::GoogleServices => "an Android app's google-services.json",
            Self::GoogleServicePlist => "a property list, perhaps GoogleService-Info.plist",
            Self::LegacyServerKey => "a legacy FCM server key",
            Self::Json => "JSON of another kind",
            Self::Unknown => "of no kind known here",
        }
    }
}

/// Refuses a file that is too large to be a credential.
pub(crate) const fn check_size(bytes: &[u8]) -> Result<(), CredentialFault> {
    if bytes.len() > LARGEST_FILE {
        return Err(CredentialFault::TooLarge { bytes: bytes.len(), limit: LARGEST_FILE });
    }
    Ok(())
}

/// How much of a foreign text an error shows, in characters.
const SHOWN: usize = 40;

/// The start of somebody's text, in quotes: enough to know it again. All of it could be a whole
/// file, or a secret that was pasted into the wrong field.
pub(crate) fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(SHOWN).collect::<String>())
}

/// What the PEM reader found wrong, where its own words are numbers.
pub(crate) fn pem_problem(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            let marker = String::from_utf8_lossy(end_marker);
            let marker: String = marker.chars().take(SHOWN).collect();
            format!("there is no -----END {marker}-----")
        }
        pem::Error::IllegalSectionStart { .. } => "a -----BEGIN line has no end".to_owned(),
        other => other.to_string(),
    }
}

/// Keys of the API that Google shut down in 2024 look like `AAAA…:APA91b…`, older ones like
/// `AIza…`.
fn is_legacy_server_key(text: &str) -> bool {
    let text = text.strip_prefix("key=").unwrap_or(text);
    let plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    plain && ((text.starts_with("AAAA") && text.contains(":APA91")) || text.starts_with("AIza"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_are_named_for_what_they_are() {
        let check = |bytes: &[u8], expected| assert_eq!(FileKind::of(bytes), expected);
        let made = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).expect("a certificate");
        check(b" \n", FileKind::Empty);
        check(made.cert.der(), FileKind::CertificateDer);
        let mut ends_like_a_line = made.cert.der().to_vec();
        ends_like_a_line.splice(ends_like_a_line.len() - 1.., *b"\n");
        check(&ends_like_a_line, FileKind::CertificateDer);
        check(made.cert.pem().as_bytes(), FileKind::CertificatePem);
        check(made.signing_key.serialize_pem().as_bytes(), FileKind::Pkcs8Pem);
        check(b"-----BEGIN EC PRIVATE KEY-----", FileKind::OldKeyPem);
        check(b"-----BEGIN ENCRYPTED PRIVATE KEY-----", FileKind::EncryptedKeyPem);
        check(b"-----BEGIN CERTIFICATE REQUEST-----", FileKind::SigningRequest);
        check(b"{\"type\":\"service_account\"}", FileKind::ServiceAccount);
        check(b"{\"project_info\":{},\"client\":[]}", FileKind::GoogleServices);
        check(b"{}", FileKind::Json);
        check(b"[{\"type\":\"service_account\"}]", FileKind::Json);
        check(b"AAAAabc:APA91bxyz", FileKind::LegacyServerKey);
        check(b"<?xml version=\"1.0\"?><plist/>", FileKind::GoogleServicePlist);
        check(&[0x30, 0x82, 1, 0, 2, 1, 3], FileKind::Pkcs12);
        check(
            &[0x30, 0x80, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 2],
            FileKind::SignedContainer,
        );
        check(b"hello", FileKind::Unknown);
        check(&[0xff, 0xfe], FileKind::Unknown);
    }

    proptest! {
        #[test]
        fn never_panics(start in 0_usize..4, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut file = [&b"\x30\x82"[..], b"{", b"-----BEGIN ", b""][start].to_vec();
            file.extend(bytes);
            let _ = FileKind::of(&file).name();
        }
    }
}
