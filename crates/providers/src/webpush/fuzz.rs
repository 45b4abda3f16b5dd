//! Entry points for what comes from browsers and their push services, and for VAPID keys.

use super::response::{classify, is_our_token_bad};
use super::{Subject, Subscription, VapidKey, encryption};
use crate::config::Pauses;
use crate::fuzz::{NOW, answer, check_fault, check_outcome};

/// An answer of a push service.
pub(crate) fn answered(bytes: &[u8]) {
    let (status, headers, body) = answer(bytes);
    for host in ["web.push.apple.com", "wns2.notify.windows.com", "push.example.org"] {
        check_outcome(&classify(host, status, &headers, body, NOW, &Pauses::default()));
        assert!(!is_our_token_bad(host, status, body) || !status.is_success());
    }
}

/// A browser's subscription.
pub(crate) fn subscription(bytes: &[u8]) {
    match Subscription::parse(bytes) {
        Ok(subscription) => {
            let stored = subscription.expose_json();
            let again = Subscription::parse(stored.as_bytes()).expect("what is stored reads back");
            assert_eq!(again.expose_json(), stored);
            assert_eq!(
                (again.hash(), again.origin()),
                (subscription.hash(), subscription.origin())
            );
            if let Some(keys) = subscription.keys() {
                assert!(encryption::encrypt(b"x", 1, keys).is_some(), "a payload can be encrypted");
            }
        }
        Err(fault) => {
            assert!(fault.field.starts_with("subscription"), "{fault:?}");
            assert!(fault.diagnosis.code() == 911 && fault.remedy.ends_with('.'), "{fault:?}");
            assert!(fault.problem.len() <= 1_000, "{} bytes", fault.problem.len());
        }
    }
}

/// A VAPID key.
pub(crate) fn key(bytes: &[u8]) {
    match VapidKey::parse(bytes) {
        Ok(key) => {
            let text = key.expose_private_key();
            let again = VapidKey::parse(text.as_bytes()).expect("what is stored reads back");
            assert_eq!(again.public_key(), key.public_key());
            assert!(!format!("{key:?}").contains(text));
        }
        Err(fault) => check_fault(&fault),
    }
}

/// Whom a push service may ask about a key.
pub(crate) fn subject(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Subject::parse(&text) {
        Ok(subject) => assert_eq!(Subject::parse(subject.as_str()).ok(), Some(subject)),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use rcgen::KeyPair;

    use super::*;
    use crate::fuzz::written;

    #[test]
    fn webpush_answer() {
        let examples = vec![
            written(201, &["location: https://push.example.org/m/1"], ""),
            written(201, &["apns-id: EC1BF194-B3B2-424A-89A9-5A918A6E6B5E"], ""),
            written(403, &[], r#"{"reason":"BadJwtToken"}"#),
            written(410, &[], r#"{"reason":"Unregistered","timestamp":1700000000000}"#),
            written(
                410,
                &[],
                r#"{"code":410,"errno":106,"error":"Gone","message":"Request did not validate"}"#,
            ),
            written(401, &[], r#"{"code":401,"errno":109,"message":"VAPID key mismatch"}"#),
            written(403, &[], "the key in the authorization header does not correspond"),
            written(406, &["retry-after: 60"], ""),
            written(301, &["location: https://elsewhere.example"], "<html>Moved</html>"),
        ];
        fuzz::run("webpush_answer", answered, examples);
    }

    #[test]
    fn webpush_subscription() {
        let key = VapidKey::generate().expect("a key");
        let (point, secret) = (key.public_key(), URL_SAFE_NO_PAD.encode([7; 16]));
        let keys = format!(r#"{{"p256dh":"{point}","auth":"{secret}"}}"#);
        let examples = [
            format!(
                r#"{{"endpoint":"https://push.example.org/wpush/v2/gAAA","expirationTime":null,"keys":{keys}}}"#
            ),
            r#"{"endpoint":"https://[2001:db8::1]:8443/up?token=a"}"#.to_owned(),
            format!(r#"{{"endpoint":"https://fcm.googleapis.com:443/fcm/send/d","keys":{keys}}}"#),
        ];
        fuzz::run("webpush_subscription", subscription, examples.map(Vec::from).to_vec());
    }

    #[test]
    fn vapid_key() {
        let key = VapidKey::generate().expect("a key");
        let pem = KeyPair::generate().expect("a key").serialize_pem();
        let examples = [key.expose_private_key().to_owned(), key.public_key().to_owned(), pem];
        fuzz::run("vapid_key", super::key, examples.map(Vec::from).to_vec());
    }

    #[test]
    fn vapid_subject() {
        let examples = ["mailto:push@example.org", "https://example.org/push"];
        fuzz::run("vapid_subject", subject, examples.map(Vec::from).to_vec());
    }
}
