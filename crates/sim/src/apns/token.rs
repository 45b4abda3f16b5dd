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
    pub(super) fn verify(jwt: &str, keys: &Keys, environment: Environment) -> Result<Self, Reason> {
        let invalid = Reason::InvalidProviderToken;
        let (signed, signature) = jwt.rsplit_once('.').ok_or(invalid)?;
        let (header, claims) = signed.split_once('.').ok_or(invalid)?;
        let header: Header = part(header)?;
        let claims: Claims = part(claims)?;
        if header.alg != "ES256" {
            return Err(invalid);
        }
        let key = keys.find(&header.kid).ok_or(invalid)?;
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
        Ok(Self { key, issued_at: claims.iat })
    }

    /// Checks the age; `ahead` is how far its `iat` may lie in the future.
    pub(super) fn check_age(&self, now: Timestamp, ahead: Duration) -> Result<(), Reason> {
        let age_s = now.as_second().saturating_sub(self.issued_at);
        if age_s > MAX_AGE_S {
            return Err(Reason::ExpiredProviderToken);
        }
        let ahead_s = i64::try_from(ahead.as_secs()).unwrap_or(i64::MAX);
        if age_s < -ahead_s { Err(Reason::InvalidProviderToken) } else { Ok(()) }
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, Reason> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| Reason::InvalidProviderToken)?;
    serde_json::from_slice(&json).map_err(|_| Reason::InvalidProviderToken)
}
