//! Provider tokens, from "Establishing a token-based connection to APNs": a JWT, ES256, `kid` in the header, `iss` and
//! `iat` in the claims.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Reason,
    key::{KeyEnvironments, Keys, KnownKey},
    reason::Refusal,
};
use crate::device::Environment;

/// A token is good for an hour from its `iat`.
const MAX_AGE_S: i64 = 3600;

/// A provider token whose signature was checked.
#[derive(Clone, Debug)]
pub(super) struct ProviderToken {
    /// The key that signed it.
    pub(super) key: Arc<KnownKey>,
    pub(super) issued_at: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    iat: i64,
}

impl ProviderToken {
    /// Checks everything but the age.
    pub(super) fn verify(
        jwt: &str,
        keys: &Keys,
        environment: Environment,
    ) -> Result<Self, Refusal> {
        let invalid = |why| Reason::InvalidProviderToken.because(why);
        let parts = jwt.rsplit_once('.');
        let parts = parts.and_then(|(signed, end)| Some((signed, signed.split_once('.')?, end)));
        let (signed, (header, claims), signature) = parts
            .ok_or_else(|| invalid("the provider token is no JWT: three parts and two dots"))?;
        let header: Header = part(header).ok_or_else(|| {
            invalid("the JWT's header is no JSON in base64url with the texts `alg` and `kid`")
        })?;
        let claims: Claims = part(claims).ok_or_else(|| {
            invalid("the claims are no JSON in base64url with `iss`, a text, and `iat`, a number")
        })?;
        if header.alg != "ES256" {
            return Err(invalid("`alg` is not ES256"));
        }
        let key = keys.find(&header.kid).ok_or_else(|| invalid("no key has this `kid`"))?;
        // JWS (RFC 7518, section 3.4): R and S, 32 bytes each; a DER signature fails here.
        let signature = URL_SAFE_NO_PAD.decode(signature).ok().filter(|it| it.len() == 64);
        let signature = signature.ok_or_else(|| {
            invalid("the signature is not R and S, 64 bytes in base64url; DER has to be converted")
        })?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.public_key)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| invalid("the signature is not by the key that `kid` names"))?;
        if claims.iss != key.team_id {
            return Err(invalid("`iss` is not the team of the key"));
        }
        match key.environments {
            KeyEnvironments::Only(only) if only != environment => {
                return Err(Reason::BadEnvironmentKeyIdInToken.into());
            }
            KeyEnvironments::Both | KeyEnvironments::Only(_) => {}
        }
        Ok(Self { key, issued_at: claims.iat })
    }

    /// Checks the age; `ahead` is how far its `iat` may lie in the future.
    pub(super) fn check_age(&self, now: Timestamp, ahead: Duration) -> Result<(), Refusal> {
        let age_s = now.as_second().saturating_sub(self.issued_at);
        if age_s > MAX_AGE_S {
            return Err(Reason::ExpiredProviderToken.into());
        }
        let ahead_s = i64::try_from(ahead.as_secs()).unwrap_or(i64::MAX);
        let why = "`iat` is ahead of this clock; it counts seconds";
        if age_s < -ahead_s { Err(Reason::InvalidProviderToken.because(why)) } else { Ok(()) }
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
