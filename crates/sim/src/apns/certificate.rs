//! What an Apple push certificate allows, read from its subject and its extensions under 1.2.840.113635.100.6.3.

use rustls::pki_types::CertificateDer;
use x509_parser::{
    der_parser::{
        asn1_rs::{Any, FromDer, Sequence, Utf8String},
        oid::Oid,
    },
    prelude::X509Certificate,
};

use super::Reason;
use crate::device::Environment;

/// Environments and topics of a client certificate.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Allowed {
    pub(super) sandbox: bool,
    pub(super) production: bool,
    /// Subject UID: the topic if the push names none.
    pub(super) uid: Option<String>,
    /// Every topic it may push to, with suffixes.
    pub(super) topics: Vec<String>,
}

impl Allowed {
    /// Reads a certificate; one that is no Apple push certificate allows nothing.
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Self {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
            return Self::default();
        };
        let mut allowed = Self::default();
        let subject = certificate.subject();
        let uid = x509_parser::oid_registry::OID_USERID;
        allowed.uid =
            subject.iter_by_oid(&uid).next().and_then(|uid| uid.as_str().ok()).map(str::to_owned);
        allowed.topics.extend(allowed.uid.clone());
        for extension in certificate.extensions() {
            match apple_number(&extension.oid) {
                Some(1) => allowed.sandbox = true,
                Some(2) => allowed.production = true,
                Some(4) => allowed.topics.extend(voip_topics(extension.value)),
                Some(6) => allowed.topics.extend(all_topics(extension.value)),
                _ => {}
            }
        }
        if !allowed.sandbox && !allowed.production {
            let name = subject
                .iter_common_name()
                .next()
                .and_then(|name| name.as_str().ok())
                .unwrap_or_default();
            (allowed.sandbox, allowed.production) = by_name(name);
        }
        allowed
    }

    /// Checks that it is a push certificate, and for this environment.
    pub(super) fn check(&self, environment: Environment) -> Result<(), Reason> {
        if self.topics.is_empty() || !(self.sandbox || self.production) {
            return Err(Reason::BadCertificate);
        }
        let good = match environment {
            Environment::Production => self.production,
            Environment::Sandbox => self.sandbox,
        };
        if good { Ok(()) } else { Err(Reason::BadCertificateEnvironment) }
    }
}

/// Sandbox and production by the start of the common name, for certificates without the extensions.
fn by_name(name: &str) -> (bool, bool) {
    if name.starts_with("Apple Development ") {
        (true, false)
    } else if name.starts_with("Apple Production ") {
        (false, true)
    } else {
        let both = [
            "Apple Push Services: ",
            "Pass Type ID: ",
            "VoIP Services: ",
            "WatchKit Services: ",
            "Website Push ID: ",
        ];
        let known = both.iter().any(|prefix| name.starts_with(prefix));
        (known, known)
    }
}

/// The last number of 1.2.840.113635.100.6.3.n.
fn apple_number(oid: &Oid<'_>) -> Option<u64> {
    let numbers: Vec<u64> = oid.iter()?.collect();
    match numbers.as_slice() {
        [1, 2, 840, 113_635, 100, 6, 3, last] => Some(*last),
        _ => None,
    }
}

/// `.6.3.4`: one string, topics separated by commas.
fn voip_topics(value: &[u8]) -> Vec<String> {
    let text =
        Any::from_der(value).ok().and_then(|(_, any)| String::from_utf8(any.data.to_vec()).ok());
    let topics = text.iter().flat_map(|text| text.split(',')).map(str::trim);
    topics.filter(|topic| !topic.is_empty()).map(str::to_owned).collect()
}

/// `.6.3.6`: a SEQUENCE that alternates a topic and a SEQUENCE of its kind.
fn all_topics(value: &[u8]) -> Vec<String> {
    let Ok((_, sequence)) = Sequence::from_der(value) else {
        return Vec::new();
    };
    let mut rest: &[u8] = &sequence.content;
    let mut topics = Vec::new();
    while let Ok((after, item)) = Any::from_der(rest) {
        rest = after;
        if let Ok(topic) = Utf8String::try_from(item) {
            topics.push(topic.string());
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    #[test]
    fn without_extensions_the_common_name_tells_the_environment() {
        let check = |name: &str, sandbox: bool, production: bool| {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name);
            let uid = DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]);
            params.distinguished_name.push(uid, "com.example.app");
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let allowed = Allowed::read(certificate.der());
            assert_eq!((allowed.sandbox, allowed.production), (sandbox, production), "{name}");
            assert_eq!(allowed.topics, ["com.example.app"], "{name}");
            let expected = if production {
                Ok(())
            } else if sandbox {
                Err(Reason::BadCertificateEnvironment)
            } else {
                Err(Reason::BadCertificate)
            };
            assert_eq!(allowed.check(Environment::Production), expected, "{name}");
        };
        check("Apple Development IOS Push Services: com.example.app", true, false);
        check("Apple Production Mac Push Services: com.example.app", false, true);
        check("Apple Push Services: com.example.app", true, true);
        check("Pass Type ID: com.example.app", true, true);
        check("com.example.app", false, false);
        let nonsense = CertificateDer::from(vec![0x30, 0]);
        assert_eq!(Allowed::read(&nonsense), Allowed::default());
    }
}
