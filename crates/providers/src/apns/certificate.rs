//! What Apple's push certificates say about themselves.

use std::collections::BTreeMap;

use domain::Time;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{Any, FromDer, Sequence};
use x509_parser::der_parser::oid;
use x509_parser::der_parser::oid::Oid;

use super::credential::VOIP_SUFFIX;
use super::credential::{CoveredTopic, Environments, Facts, TopicKind};
use crate::error::CredentialFault;

/// Subject UID (RFC 4519, section 2.39): the bundle id of the app.
const UID: Oid<'static> = oid!(0.9.2342.19200300.100.1.1);
/// Apple's extension: valid for the sandbox.
const SANDBOX: Oid<'static> = oid!(1.2.840.113635.100.6.3.1);
/// Apple's extension: valid for production.
const PRODUCTION: Oid<'static> = oid!(1.2.840.113635.100.6.3.2);
/// Apple's extension in VoIP certificates: topics, separated by commas.
const VOIP_TOPICS: Oid<'static> = oid!(1.2.840.113635.100.6.3.4);
/// Apple's extension: all topics and their kinds.
const TOPICS: Oid<'static> = oid!(1.2.840.113635.100.6.3.6);

/// The beginnings of a push certificate's common name, and the environments that go with them.
const PUSH_NAMES: [(&str, Environments); 10] = [
    ("Apple Development IOS Push Services: ", Environments::Sandbox),
    ("Apple Production IOS Push Services: ", Environments::Production),
    ("Apple Development Mac Push Services: ", Environments::Sandbox),
    ("Apple Production Mac Push Services: ", Environments::Production),
    ("Apple Push Services: ", Environments::Both),
    (VOIP_NAME, Environments::Both),
    ("WatchKit Services: ", Environments::Both),
    ("Website Push ID: ", Environments::Both),
    ("Pass Type ID: ", Environments::Both),
    // The management of devices; seen with mobile device management servers, not in Apple's pages.
    ("APSP:", Environments::Production),
];

/// The beginning of the common name of certificates that are for calls alone.
pub(super) const VOIP_NAME: &str = "VoIP Services: ";

/// How the topics of device management begin; seen as above.
const MDM_TOPIC: &str = "com.apple.mgmt.";

/// The beginnings of the common names of Apple's other certificates, which people upload by
/// mistake.
const OTHER_NAMES: [(&str, &str); 7] = [
    ("iPhone Distribution: ", "a distribution certificate for signing apps"),
    ("Apple Distribution: ", "a distribution certificate for signing apps"),
    ("iPhone Developer: ", "a development certificate for signing apps"),
    ("Apple Development: ", "a development certificate for signing apps"),
    ("Developer ID ", "a certificate for signing Mac apps"),
    ("3rd Party Mac Developer ", "a certificate for signing Mac apps"),
    ("Mac Developer: ", "a certificate for signing Mac apps"),
];

/// The subject's common name, or a word that says there is none.
pub(super) fn common_name(certificate: &X509Certificate<'_>) -> String {
    let subject = certificate.subject();
    let name = subject.iter_common_name().next().and_then(|name| name.as_str().ok());
    name.unwrap_or("no common name").to_owned()
}

/// Reads environments, topics and times; refuses what is no push certificate, and one whose time
/// is not now.
pub(super) fn facts(
    certificate: &X509Certificate<'_>,
    now: Time,
) -> Result<Facts, CredentialFault> {
    let common_name = common_name(certificate);
    if let Some((_, found)) = OTHER_NAMES.iter().find(|(name, _)| common_name.starts_with(name)) {
        return Err(CredentialFault::NotForPush { common_name, found });
    }
    let Some(environments) = environments(certificate, &common_name) else {
        let found = "a certificate without Apple's push extensions";
        return Err(CredentialFault::NotForPush { common_name, found });
    };
    let seconds = |seconds: i64| Time::from_millis(seconds.saturating_mul(1_000));
    let not_before = seconds(certificate.validity().not_before.timestamp());
    let not_after = seconds(certificate.validity().not_after.timestamp());
    if now > not_after {
        return Err(CredentialFault::Expired { common_name, not_after });
    }
    if now < not_before {
        return Err(CredentialFault::NotYetValid { common_name, not_before });
    }
    Ok(Facts {
        environments,
        topics: topics(certificate, &common_name),
        team: first_text(certificate, &oid!(2.5.4.11)),
        key_id: None,
        not_after: Some(not_after),
        subject: Some(common_name),
    })
}

/// The environments, by the extensions, or by the name where there are none.
fn environments(certificate: &X509Certificate<'_>, common_name: &str) -> Option<Environments> {
    let has = |oid: &Oid<'_>| certificate.extensions().iter().any(|found| found.oid == *oid);
    match (has(&SANDBOX), has(&PRODUCTION)) {
        (true, true) => Some(Environments::Both),
        (true, false) => Some(Environments::Sandbox),
        (false, true) => Some(Environments::Production),
        (false, false) => PUSH_NAMES
            .iter()
            .find(|(name, _)| common_name.starts_with(name))
            .map(|(_, environments)| *environments),
    }
}

/// Every topic the certificate may push to, by name.
fn topics(certificate: &X509Certificate<'_>, common_name: &str) -> Vec<CoveredTopic> {
    let mut topics = BTreeMap::new();
    for extension in certificate.extensions() {
        if extension.oid == TOPICS {
            topics.extend(listed_topics(extension.value));
        } else if extension.oid == VOIP_TOPICS {
            topics.extend(voip_topics(extension.value).map(|name| (name, TopicKind::Voip)));
        }
    }
    if let Some(uid) = first_text(certificate, &UID) {
        let (name, kind) = if uid.starts_with(MDM_TOPIC) {
            (uid, TopicKind::Mdm)
        } else if topics.is_empty() && common_name.starts_with(VOIP_NAME) {
            // Only its name says what it is for; the UID is the app's, with the suffix or without.
            let bundle_id = uid.strip_suffix(VOIP_SUFFIX).unwrap_or(&uid);
            (format!("{bundle_id}{VOIP_SUFFIX}"), TopicKind::Voip)
        } else {
            (uid, TopicKind::App)
        };
        topics.entry(name).or_insert(kind);
    }
    topics.remove("");
    topics.into_iter().map(|(name, kind)| CoveredTopic { name, kind }).collect()
}

/// The topics of one string, separated by commas.
fn voip_topics(der: &[u8]) -> impl Iterator<Item = String> {
    let text = Any::from_der(der).ok().map(|(_, any)| any.data);
    let text = text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
    text.split(',').map(|topic| topic.trim().to_owned())
}

/// The topics and kinds of `SEQUENCE { UTF8String topic, SEQUENCE { UTF8String kind }, … }`.
fn listed_topics(der: &[u8]) -> Vec<(String, TopicKind)> {
    let mut topics: Vec<(String, TopicKind)> = Vec::new();
    let Ok((_, list)) = Sequence::from_der(der) else { return topics };
    let mut rest: &[u8] = &list.content;
    while let Ok((after, item)) = Any::from_der(rest) {
        if let Ok((_, kind)) = Sequence::from_der(rest)
            && let Some((_, last)) = topics.last_mut()
        {
            let word = Any::from_der(&kind.content).ok().and_then(|(_, any)| any.utf8string().ok());
            *last = TopicKind::of_word(&word.map(|word| word.string()).unwrap_or_default());
        } else if let Ok(text) = item.utf8string() {
            topics.push((text.string(), TopicKind::Other));
        }
        rest = after;
    }
    topics
}

/// The first value of an attribute of the subject.
fn first_text(certificate: &X509Certificate<'_>, attribute: &Oid<'static>) -> Option<String> {
    let value = certificate.subject().iter_by_oid(attribute).next()?;
    value.as_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn listed_topics_have_their_kinds() {
        let mut list = b"\x0c\x03a.b\x30\x05\x0c\x03app\x0c\x03a.v\x30\x06\x0c\x04voip".to_vec();
        list.extend(
            b"\x0c\x03a.c\x30\x0e\x0c\x0ccomplication\x0c\x03a.n\x30\x02\x0c\x00\x0c\x03a.x",
        );
        let mut der = vec![0x30, u8::try_from(list.len()).expect("short")];
        der.extend(list);
        let expected = [
            ("a.b", TopicKind::App),
            ("a.v", TopicKind::Voip),
            ("a.c", TopicKind::Complication),
            ("a.n", TopicKind::Other),
            ("a.x", TopicKind::Other),
        ];
        assert_eq!(listed_topics(&der), expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    proptest! {
        #[test]
        fn listed_topics_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = listed_topics(&bytes);
            let _ = voip_topics(&bytes).count();
            let mut der = vec![0x30, u8::try_from(bytes.len()).expect("at most 100")];
            der.extend(bytes);
            let _ = listed_topics(&der);
        }
    }
}
