//! Provider tokens, from "Establishing a token-based connection to APNs": a JWT, ES256, `kid` in the header, `iss` and
//! `iat` in the claims.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::HashMap;

use super::{KeyEnvironments, KnownKey, Reason};
use crate::device::Environment;

/// A token is good for an hour from its `iat`.
const MAX_AGE_S: i64 = 3600;
/// How far ahead `iat` may lie. Apple's tolerance is not known; this is the documented "within one hour".
const MAX_AHEAD_S: i64 = 3600;

/// A provider token whose signature was checked.
#[derive(Clone, Debug)]
pub(super) struct ProviderToken {
    pub(super) key_id: String,
    pub(super) team_id: String,
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
        keys: &HashMap<String, KnownKey>,
        environment: Environment,
    ) -> Result<Self, Reason> {
        let invalid = Reason::InvalidProviderToken;
        let (signed, signature) = jwt.rsplit_once('.').ok_or(invalid)?;
        let (header, claims) = signed.split_once('.').ok_or(invalid)?;
        let header: Header = part(header)?;
        let claims: Claims = part(claims)?;
        if header.alg != "ES256" {
            return Err(invalid);
        }
        let key = keys.get(&header.kid).ok_or(invalid)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| invalid)?;
        // JWS (RFC 7518, section 3.4): R and S, 32 bytes each; a DER signature fails here.
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.public_key)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| invalid)?;
        if claims.iss != key.team_id {
            return Err(invalid);
        }
        match key.environments {
            KeyEnvironments::Only(only) if only != environment => {
                return Err(Reason::BadEnvironmentKeyIdInToken);
            }
            KeyEnvironments::Both | KeyEnvironments::Only(_) => {}
        }
        Ok(Self { key_id: header.kid, team_id: claims.iss, issued_at: claims.iat })
    }

    pub(super) fn check_age(&self, now: Timestamp) -> Result<(), Reason> {
        let age = now.as_second().saturating_sub(self.issued_at);
        if age > MAX_AGE_S {
            return Err(Reason::ExpiredProviderToken);
        }
        if age < -MAX_AHEAD_S { Err(Reason::InvalidProviderToken) } else { Ok(()) }
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, Reason> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| Reason::InvalidProviderToken)?;
    serde_json::from_slice(&json).map_err(|_| Reason::InvalidProviderToken)
}
