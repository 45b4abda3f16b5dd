//! What a page does at its Web Push service: it subscribes, and reads what comes.

use anyhow::{Context, Result, ensure};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{line::hash, services::Services};
use crate::{SeenPush, webpush::Subscription};

/// How many subscriptions there may be at once; each lives until the end.
const MOST: usize = 10_000;

/// What a page gives to `pushManager.subscribe` (W3C Push API, `PushSubscriptionOptionsInit`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Wish {
    /// The VAPID key that messages have to be signed with; without one, any will do, and none.
    application_server_key: Option<String>,
}

impl Wish {
    /// Reads and checks one.
    pub(super) fn parse(json: &[u8]) -> Result<Self> {
        let wish: Self = serde_json::from_slice(json)
            .context("no subscription is asked for; docs/simulators.md shows how")?;
        wish.key()?;
        Ok(wish)
    }

    /// Subscribes a browser.
    pub(super) fn fulfil(&self, services: &Services) -> Result<Subscription> {
        let manager = services.push_manager();
        ensure!(
            manager.count() < MOST,
            "there are {MOST} subscriptions already; use one of them, or start anew"
        );
        Ok(manager.subscribe(self.key()?.as_deref()))
    }

    fn key(&self) -> Result<Option<Vec<u8>>> {
        const HINT: &str = "`applicationServerKey` has to be the public VAPID key: an uncompressed \
                            point of P-256, 65 bytes in base64url without padding";
        let Some(text) = &self.application_server_key else { return Ok(None) };
        let key = URL_SAFE_NO_PAD.decode(text).ok().context(HINT)?;
        ensure!(key.len() == 65, HINT);
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key).ok().context(HINT)?;
        Ok(Some(key))
    }
}

/// The messages among the latest requests, as their browsers read them, the oldest first.
pub(super) fn messages(services: &Services) -> Value {
    let manager = services.push_manager();
    let seen = services.seen_by_webpush();
    let read = |seen: &SeenPush| Some(message(seen, manager.read(seen)?));
    seen.iter().filter_map(read).collect()
}

fn message(seen: &SeenPush, plaintext: Vec<u8>) -> Value {
    let (field, payload) = payload(plaintext);
    json!({
        "time": seen.at.to_string(),
        "id": seen.id,
        "token_hash": hash(&seen.token),
        field: payload,
    })
}

/// JSON as JSON, other text as text, nothing as null; what is no text has a field of its own.
fn payload(plaintext: Vec<u8>) -> (&'static str, Value) {
    match String::from_utf8(plaintext) {
        Ok(text) if text.is_empty() => ("payload", Value::Null),
        Ok(text) => ("payload", serde_json::from_str(&text).unwrap_or(Value::String(text))),
        Err(bytes) => ("payload_base64", STANDARD.encode(bytes.as_bytes()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::VapidKey;

    fn check(wish: &str, complaint: Option<&str>) {
        let found = Wish::parse(wish.as_bytes()).err().map(|error| format!("{error:#}"));
        match (found, complaint) {
            (None, None) => {}
            (Some(found), Some(complaint)) => assert!(found.contains(complaint), "{wish}: {found}"),
            (found, _) => panic!("{wish}: {found:?}"),
        }
    }

    #[test]
    fn what_a_page_may_ask_for() {
        let key = *VapidKey::generate().public_key();
        let with =
            |key: &[u8]| format!(r#"{{"applicationServerKey":"{}"}}"#, URL_SAFE_NO_PAD.encode(key));
        let mut off_curve = key;
        off_curve[64] ^= 1;
        let mut compressed = [0; 33];
        compressed.copy_from_slice(&key[..33]);
        compressed[0] = 2 + (key[64] & 1);
        for (wish, complaint) in [
            ("{}", None),
            (r#"{"applicationServerKey":null}"#, None),
            (&with(&key), None),
            (&with(&key[..64]), Some("`applicationServerKey`")),
            (&with(&off_curve), Some("`applicationServerKey`")),
            (&with(&compressed), Some("`applicationServerKey`")),
            (r#"{"applicationServerKey":"ä"}"#, Some("`applicationServerKey`")),
            (r#"{"applicationServerKey":7}"#, Some("invalid type")),
            (r#"{"key":"a"}"#, Some("unknown field")),
            ("", Some("no subscription is asked for")),
        ] {
            check(wish, complaint);
        }
    }

    #[test]
    fn a_payload_is_shown_as_what_it_is() {
        let check = |plaintext: &[u8], field: &str, expected: Value| {
            assert_eq!(payload(plaintext.to_vec()), (field, expected), "{plaintext:?}");
        };
        check(br#"{"order":17}"#, "payload", json!({ "order": 17 }));
        check(b"hello", "payload", json!("hello"));
        check(b"", "payload", Value::Null);
        check(&[0xff, 0], "payload_base64", json!("/wA="));
    }
}
