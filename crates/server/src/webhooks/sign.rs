//! Signatures of events, by Standard Webhooks (<https://www.standardwebhooks.com>, "Signature
//! scheme"): HMAC-SHA256 over `id.timestamp.body`, in base64 behind `v1,`. While two secrets are
//! valid there are two signatures with a space between them.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{AppId, Time};
use store::model::Webhook;
use zeroize::Zeroizing;

use crate::seal::{MasterKey, SealError};
use crate::secret::Secret;

/// How the text of a signing secret begins; what follows is the key in base64.
const PREFIX: &str = "whsec_";

/// The key's length; the scheme asks for 24 to 64 bytes.
const KEY_BYTES: usize = 32;

/// A new secret, as its owner is shown it, and sealed.
///
/// # Errors
///
/// When the cipher refuses to work.
pub fn generate_secret(
    master_key: &MasterKey,
    app: AppId,
) -> Result<(Secret<String>, Vec<u8>), SealError> {
    let key = Zeroizing::new(rand::random::<[u8; KEY_BYTES]>());
    let sealed = master_key.seal(&store::webhook_context(app), &*key)?;
    let text = format!("{PREFIX}{}", BASE64_STANDARD.encode(*key));
    Ok((Secret::new(text), sealed))
}

/// What signs for an endpoint.
pub(super) struct Signer {
    key: hmac::Key,
    /// The key before it, and until when it signs too.
    old: Option<(hmac::Key, Time)>,
}

impl Signer {
    /// The keys of an endpoint.
    pub(super) fn open(master_key: &MasterKey, webhook: &Webhook) -> Result<Self, SealError> {
        let context = store::webhook_context(webhook.app);
        let open = |sealed: &[u8]| -> Result<hmac::Key, SealError> {
            let key = master_key.open(&context, sealed)?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
        };
        let old = match &webhook.old_secret {
            Some((sealed, until)) => Some((open(sealed)?, *until)),
            None => None,
        };
        Ok(Self { key: open(&webhook.secret)?, old })
    }

    /// The header `webhook-signature` of a body sent at this time.
    pub(super) fn header(&self, id: &str, body: &str, now: Time) -> String {
        let old = self.old.as_ref().filter(|(_, until)| *until > now).map(|(key, _)| key);
        let signatures = [Some(&self.key), old].into_iter().flatten().map(|key| {
            let mut context = hmac::Context::with_key(key);
            for part in [id, ".", &now.as_seconds().to_string(), ".", body] {
                context.update(part.as_bytes());
            }
            format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scheme's own example of a message, signed by another implementation: Python's `hmac`.
    #[test]
    fn a_signature_is_what_others_compute() {
        let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signer = Signer { key: hmac::Key::new(hmac::HMAC_SHA256, &key), old: None };
        let body = r#"{"test": 2432232314}"#;
        let now = Time::from_millis(1_614_265_330_000);
        assert_eq!(
            signer.header("msg_p5jXN8AQM9LWM0D4loKWxJek", body, now),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn two_secrets_sign_until_the_old_one_ends() {
        let key = |byte| hmac::Key::new(hmac::HMAC_SHA256, &[byte; KEY_BYTES]);
        let until = Time::from_millis(10_000);
        let both = Signer { key: key(1), old: Some((key(2), until)) };
        let alone = |byte| Signer { key: key(byte), old: None };
        let early = Time::from_millis(9_999);
        let header = both.header("evt_1", "{}", early);
        let one = [1, 2].map(|byte| alone(byte).header("evt_1", "{}", early));
        assert_eq!(header, one.join(" "));
        assert_eq!(both.header("evt_1", "{}", until), alone(1).header("evt_1", "{}", until));
    }
}
