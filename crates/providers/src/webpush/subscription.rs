//! Where a push service reaches one browser, and the keys to what only that browser can read.

use std::fmt;

use aws_lc_rs::agreement::{ECDH_P256, ParsedPublicKey, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Diagnosis;
use http::uri::PathAndQuery;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::base64_of;
use crate::error::FieldFault;
use crate::origin::Origin;
use crate::token::{PushToken, TokenHash};

/// The largest JSON taken for a subscription. Browsers' have some 500 bytes.
const LARGEST_JSON: usize = 8 * 1024;
/// A point on P-256 without compression: 0x04, x, y.
pub(super) const POINT: usize = 65;
/// The length of the authentication secret (RFC 8291, section 3.2).
pub(super) const SECRET: usize = 16;

/// A push subscription of a browser (`PushSubscription`,
/// <https://www.w3.org/TR/push-api/#pushsubscription-interface>) or of a UnifiedPush app.
///
/// Whoever holds the endpoint can push to the browser, so it never appears in logs, records or
/// `Debug`; those show its origin and a [`TokenHash`].
#[derive(Clone)]
pub struct Subscription {
    /// The whole URL.
    endpoint: PushToken,
    /// Where it leads.
    origin: Origin,
    /// What to ask for there.
    path: PathAndQuery,
    /// The browser's keys; without them a push carries no payload.
    keys: Option<Keys>,
}

/// What a payload is encrypted for.
#[derive(Clone)]
pub(super) struct Keys {
    /// `p256dh`: the browser's public key, known to be on the curve.
    pub(super) public: [u8; POINT],
    /// `auth`: what proves to the browser that we were given the subscription.
    pub(super) secret: Zeroizing<[u8; SECRET]>,
}

impl Subscription {
    /// Reads a subscription as the browser's `JSON.stringify` gives it: `endpoint`, `keys.p256dh`
    /// and `keys.auth`. `expirationTime` is ignored: the service says by itself when it is over.
    ///
    /// # Errors
    ///
    /// A [`FieldFault`] (911) that names the field; its text repeats nothing of the input.
    pub fn parse(json: &[u8]) -> Result<Self, FieldFault> {
        if json.len() > LARGEST_JSON {
            let problem = format!("{} bytes, at most {LARGEST_JSON} are taken", json.len());
            return Err(fault("subscription", problem));
        }
        // Not the parser's own words: they may quote the input.
        let Ok(Value::Object(json)) = serde_json::from_slice(json) else {
            return Err(fault("subscription", "not a JSON object"));
        };
        let endpoint = text_of(json.get("endpoint"), ENDPOINT)?;
        let keys = match json.get("keys") {
            None | Some(Value::Null) => None,
            Some(Value::Object(keys)) => {
                Some((text_of(keys.get("p256dh"), P256DH)?, text_of(keys.get("auth"), AUTH)?))
            }
            Some(_) => return Err(fault("subscription.keys", "not an object")),
        };
        Self::of_parts(endpoint, keys)
    }

    /// The endpoint that a UnifiedPush distributor gave an app, with the app's keys `p256dh` and
    /// `auth` if it has them. UnifiedPush endpoints are Web Push ones,
    /// <https://unifiedpush.org/spec/server/>.
    ///
    /// # Errors
    ///
    /// A [`FieldFault`] (911) that names the field; its text repeats nothing of the input.
    pub fn of_parts(endpoint: &str, keys: Option<(&str, &str)>) -> Result<Self, FieldFault> {
        let (origin, path) = Origin::split(endpoint).map_err(|problem| fault(ENDPOINT, problem))?;
        let keys = match keys {
            Some((public, secret)) => Some(Keys::parse(public, secret)?),
            None => None,
        };
        Ok(Self { endpoint: PushToken::new(endpoint), origin, path, keys })
    }

    /// Which push service it is at.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What stands for the endpoint in logs and records.
    pub fn hash(&self) -> TokenHash {
        self.endpoint.hash()
    }

    /// Whether a push to it may carry a payload.
    pub const fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// The subscription as JSON in its one form, for storing: what [`Self::parse`] reads and no
    /// more.
    pub fn expose_json(&self) -> String {
        let mut json = json!({ "endpoint": self.endpoint.expose() });
        if let (Some(keys), Some(json)) = (&self.keys, json.as_object_mut()) {
            let (public, secret) =
                (URL_SAFE_NO_PAD.encode(keys.public), URL_SAFE_NO_PAD.encode(*keys.secret));
            json.insert("keys".to_owned(), json!({ "p256dh": public, "auth": secret }));
        }
        json.to_string()
    }

    /// The path and query of the endpoint, for the wire only.
    pub(super) const fn path(&self) -> &PathAndQuery {
        &self.path
    }

    /// What to encrypt a payload for.
    pub(super) const fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = if self.has_keys() { "with keys" } else { "without keys" };
        write!(f, "Subscription({}, {}, {keys})", self.origin, self.hash())
    }
}

impl Keys {
    /// Reads both, each from base64.
    fn parse(public: &str, secret: &str) -> Result<Self, FieldFault> {
        let decode = |text, field, length| {
            let bytes = base64_of(text).ok_or_else(|| fault(field, "not base64url"))?;
            if bytes.len() == length {
                return Ok(bytes);
            }
            Err(fault(field, format!("{} bytes, {length} are expected", bytes.len())))
        };
        let public_bytes = decode(public, P256DH, POINT)?;
        let secret_bytes = decode(secret, AUTH, SECRET)?;
        let mut keys = Self { public: [0; POINT], secret: Zeroizing::new([0; SECRET]) };
        // The lengths are those of the arrays, as checked.
        keys.public.copy_from_slice(&public_bytes);
        keys.secret.copy_from_slice(&secret_bytes);
        let point = UnparsedPublicKey::new(&ECDH_P256, &keys.public);
        if keys.public.first() != Some(&4) || ParsedPublicKey::try_from(point).is_err() {
            return Err(fault(P256DH, "not an uncompressed point on the curve P-256"));
        }
        Ok(keys)
    }
}

/// The endpoint's name in faults.
const ENDPOINT: &str = "subscription.endpoint";
/// The public key's name in faults.
const P256DH: &str = "subscription.keys.p256dh";
/// The authentication secret's name in faults.
const AUTH: &str = "subscription.keys.auth";

/// A fault of a subscription.
fn fault(field: &'static str, problem: impl Into<String>) -> FieldFault {
    FieldFault {
        field: field.into(),
        problem: problem.into(),
        remedy: "Register the PushSubscription as the browser gave it, by JSON.stringify.",
        diagnosis: Diagnosis::BadPushToken,
    }
}

/// A text in the JSON.
fn text_of<'a>(value: Option<&'a Value>, field: &'static str) -> Result<&'a str, FieldFault> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(fault(field, "not a text")),
        None => Err(fault(field, "missing")),
    }
}

#[cfg(test)]
mod tests;
