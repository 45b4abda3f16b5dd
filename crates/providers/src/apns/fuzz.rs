//! Entry points for what comes from Apple, and for what is uploaded to push through it.

use std::collections::BTreeMap;

use domain::Environment;
use serde::de::IgnoredAny;

use super::credential::{Credential, KeyDetails, key_id_of_file_name};
use super::push_type::PushType;
use super::response::{Cure, Sent, classify, classify_failure, cure, goaway_refuses};
use super::{ProviderToken, payload};
use crate::config::Pauses;
use crate::error::CredentialFault;
use crate::fuzz::{NOW, answer, check_fault, check_outcome, written};
use crate::transport::Failure;

/// An answer, and its body as the debug data of a GOAWAY.
pub(crate) fn answered(bytes: &[u8]) {
    let (status, headers, body) = answer(bytes);
    for (environment, expired) in [(Environment::Production, false), (Environment::Sandbox, true)] {
        let sent = Sent { environment, expired, now: NOW, pauses: &Pauses::default() };
        check_outcome(&classify(status, &headers, body, &sent));
        check_outcome(&classify_failure(&Failure::GoAway(body.to_vec().into()), &sent));
    }
    // A token is renewed for what Apple says of the credential alone.
    assert!(cure(body) != Cure::RenewToken || goaway_refuses(body));
}

/// An APNs auth key.
pub(crate) fn p8(bytes: &[u8]) {
    let details =
        KeyDetails { key_id: "ABC123DEFG", team_id: "TEAM123456", ..KeyDetails::default() };
    if let Err(fault) = Credential::parse_p8(bytes, &details) {
        check_fault(&fault);
    }
    let text = String::from_utf8_lossy(bytes);
    assert!(key_id_of_file_name(&text).is_none_or(|id| id.len() == 10));
    let beside = KeyDetails { key_id: &text, team_id: &text, ..KeyDetails::default() };
    if let Err(fault) = Credential::parse_p8(b"-----BEGIN PRIVATE KEY-----", &beside) {
        check_fault(&fault);
    }
}

/// A certificate with its key in PKCS#12, or what somebody takes for one.
pub(crate) fn p12(bytes: &[u8]) {
    for password in ["x", ""] {
        check_certificate(Credential::parse_p12(bytes, password, NOW));
    }
}

/// A certificate with its key in PEM, the key perhaps behind a password.
pub(crate) fn pem(bytes: &[u8]) {
    for password in ["x", ""] {
        check_certificate(Credential::parse_pem(bytes, password, NOW));
    }
}

/// What is known of a certificate that was taken, and what is said of one that was not.
fn check_certificate(parsed: Result<Credential, CredentialFault>) {
    match parsed {
        Ok(credential) => {
            let facts = credential.facts();
            assert!(facts.not_after.is_some_and(|end| end >= NOW), "{facts:?}");
            assert!(credential.provider_tokens().is_none());
        }
        Err(fault) => check_fault(&fault),
    }
}

/// A payload of an app's choosing.
pub(crate) fn body(bytes: &[u8]) {
    for push_type in PushType::ALL {
        match payload::check(push_type, bytes) {
            Ok(()) => {
                assert!(bytes.len() <= push_type.largest_payload_bytes());
                let text = std::str::from_utf8(bytes).expect("what is sent is UTF-8");
                let json = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text);
                assert!(json.is_ok(), "what is sent is a JSON object");
            }
            Err(fault) => {
                assert_eq!((&*fault.field, fault.diagnosis.code()), ("payload", 913));
                assert!(!fault.problem.is_empty() && fault.remedy.ends_with('.'));
            }
        }
    }
}

/// A provider token that was kept.
pub(crate) fn kept_token(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(token) = ProviderToken::parse(&text) {
        assert_eq!(token.expose(), text);
        assert_eq!(ProviderToken::parse(token.expose()), Some(token.clone()));
        assert!(!format!("{token:?}").contains(&*text));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use sim::pki::{ApnsCertificate, ApnsKey, Ca, Identity};

    use super::*;

    fn identity() -> Identity {
        let ca = Ca::generate("Test").expect("an authority");
        ca.apns_identity(&ApnsCertificate::universal("com.example.app")).expect("a certificate")
    }

    /// The identity's key behind the password `x`.
    fn locked(identity: &Identity, form: &[&str]) -> String {
        let mut openssl = Command::new("openssl")
            .args(["pkcs8", "-topk8", "-passout", "pass:x"])
            .args(form)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("openssl is installed");
        let mut stdin = openssl.stdin.take().expect("piped");
        stdin.write_all(identity.key_pem().as_bytes()).expect("openssl reads the key");
        drop(stdin);
        let output = openssl.wait_with_output().expect("openssl ends");
        String::from_utf8(output.stdout).expect("PEM is text")
    }

    #[test]
    fn apns_answer() {
        let examples = vec![
            written(200, &["apns-id: EC1BF194-B3B2-424A-89A9-5A918A6E6B5E"], ""),
            written(400, &[], r#"{"reason":"BadDeviceToken"}"#),
            written(403, &[], r#"{"reason":"ExpiredProviderToken"}"#),
            written(403, &[], r#"{"reason":"BadCertificateEnvironment"}"#),
            written(403, &[], r#"{"reason":"UnrelatedKeyIdInToken"}"#),
            written(410, &[], r#"{"reason":"Unregistered","timestamp":1700000000000}"#),
            written(429, &["retry-after: 120"], r#"{"reason":"TooManyRequests"}"#),
            written(
                503,
                &["retry-after: Sun, 06 Nov 2094 08:49:37 GMT"],
                r#"{"reason":"Shutdown"}"#,
            ),
            written(502, &[], "<html>Bad Gateway</html>"),
        ];
        fuzz::run("apns_answer", answered, examples);
    }

    #[test]
    fn apns_p8() {
        let key = ApnsKey::generate().expect("a key");
        let examples = vec![key.pem().into(), key.file_name().into(), identity().key_pem().into()];
        fuzz::run("apns_p8", p8, examples);
    }

    #[tokio::test]
    async fn apns_p12() {
        let identity = identity();
        let forms: [(&[&str], &str); 5] = [
            (&[], "x"),
            (&["-nomac", "-iter", "1"], "x"),
            (&["-legacy", "-nomac", "-iter", "1"], "x"),
            (&["-nomac", "-keypbe", "NONE", "-certpbe", "NONE"], "x"),
            (&["-legacy"], ""),
        ];
        let mut examples = vec![identity.certificate().to_vec()];
        for (form, password) in forms {
            examples.push(identity.pkcs12(password, form).await.expect("openssl makes it"));
        }
        fuzz::run("apns_p12", p12, examples);
    }

    #[test]
    fn apns_pem() {
        let identity = identity();
        let [locked, by_scrypt] = [&["-iter", "1"][..], &["-scrypt", "-scrypt_N", "2"]]
            .map(|form| locked(&identity, form));
        let examples = vec![
            [identity.certificate_pem(), identity.key_pem()].concat().into(),
            [identity.certificate_pem(), &locked].concat().into(),
            [&*by_scrypt, identity.certificate_pem()].concat().into(),
            identity.certificate_pem().into(),
        ];
        fuzz::run("apns_pem", pem, examples);
    }

    #[test]
    fn apns_payload() {
        let examples = [
            r#"{"aps":{"alert":{"title":"a","body":"b"},"badge":1,"sound":"default"}}"#,
            r#"{"aps":{"content-available":1},"own":{"a":[1,2]}}"#,
            r#"{"aps":{"event":"update","timestamp":1700000000,"content-state":{"a":1}}}"#,
            r#"{"aps":{"event":"end","timestamp":1700000000}}"#,
            r#"{"mdm":"11111111-2222"}"#,
        ];
        fuzz::run("apns_payload", body, examples.map(Vec::from).to_vec());
    }

    #[test]
    fn apns_provider_token() {
        let examples = [
            // {"alg":"ES256","kid":"ABC123DEFG"} . {"iss":"TEAM123456","iat":1800000000}
            "eyJhbGciOiJFUzI1NiIsImtpZCI6IkFCQzEyM0RFRkcifQ.eyJpc3MiOiJURUFNMTIzNDU2IiwiaWF0IjoxODAwMDAwMDAwfQ.c2lnbmF0dXJl",
            "a.b.c",
        ];
        fuzz::run("apns_provider_token", kept_token, examples.map(Vec::from).to_vec());
    }
}
