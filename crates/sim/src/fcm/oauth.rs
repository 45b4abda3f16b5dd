//! The OAuth 2.0 token endpoint: JWT bearer grant (RFC 7523) for service accounts.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{header::CONTENT_TYPE, request::Parts};
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{device::letters, pki::ServiceAccount};

/// The audience that Google's own endpoint asks for.
pub(super) const GOOGLE_AUDIENCE: &str = "https://oauth2.googleapis.com/token";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Either scope lets an account send.
const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/firebase.messaging",
    "https://www.googleapis.com/auth/cloud-platform",
];
/// The longest life of an assertion.
const MAX_LIFE_S: i64 = 3600;
/// How far the two clocks may differ. Google names no figure.
const MAX_SKEW_S: i64 = 300;

/// An OAuth error (RFC 6749, section 5.2).
#[derive(Debug)]
pub(super) struct OauthFault {
    pub(super) error: &'static str,
    pub(super) description: &'static str,
}

/// The access tokens that are good.
#[derive(Debug, Default)]
pub(super) struct AccessTokens(Mutex<HashMap<String, Access>>);

#[derive(Debug)]
struct Access {
    project: String,
    until_second: i64,
}

impl AccessTokens {
    pub(super) fn issue(&self, project: &str, now: Timestamp, seconds: u32) -> String {
        let token = format!("ya29.{}", letters(120));
        let until_second = now.as_second() + i64::from(seconds);
        self.lock().insert(token.clone(), Access { project: project.to_owned(), until_second });
        token
    }

    /// The project that a token is good for.
    pub(super) fn project(&self, token: &str, now: Timestamp) -> Option<String> {
        let tokens = self.lock();
        let access = tokens.get(token).filter(|access| now.as_second() < access.until_second)?;
        Some(access.project.clone())
    }

    pub(super) fn revoke_all(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Access>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    scope: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// The account that the request proves to be.
pub(super) fn check<'a>(
    request: &Parts,
    body: &[u8],
    accounts: &'a HashMap<String, ServiceAccount>,
    audiences: &[String],
    now: Timestamp,
) -> Result<&'a ServiceAccount, OauthFault> {
    let content_type =
        request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return Err(fault("invalid_request", "The body must be form encoded."));
    }
    let form = form(body).ok_or_else(|| fault("invalid_request", "The body is not a form."))?;
    if form.get("grant_type").map(String::as_str) != Some(GRANT_TYPE) {
        return Err(fault("unsupported_grant_type", "Invalid grant_type."));
    }
    let assertion = form
        .get("assertion")
        .ok_or_else(|| fault("invalid_request", "Missing parameter: assertion"))?;
    let malformed = || fault("invalid_grant", "Invalid JWT: malformed.");
    let (signed, signature) = assertion.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
    let header: Header = part(header).ok_or_else(malformed)?;
    let claims: Claims = part(claims).ok_or_else(malformed)?;
    if header.alg != "RS256" {
        return Err(malformed());
    }
    let account = accounts
        .get(&claims.iss)
        .ok_or_else(|| fault("invalid_grant", "Invalid grant: account not found"))?;
    let bad_signature = || fault("invalid_grant", "Invalid JWT Signature.");
    if header.kid.is_some_and(|kid| kid != account.private_key_id) {
        return Err(bad_signature());
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &account.public_key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| bad_signature())?;
    if !audiences.contains(&claims.aud) {
        return Err(fault("invalid_grant", "Invalid JWT: Failed audience check."));
    }
    if !claims.scope.split(' ').any(|scope| SCOPES.contains(&scope)) {
        return Err(fault("invalid_scope", "Invalid OAuth scope or ID token audience provided."));
    }
    let now = now.as_second();
    let lives =
        claims.exp > now.saturating_sub(MAX_SKEW_S) && claims.iat < now.saturating_add(MAX_SKEW_S);
    if !lives || claims.exp.saturating_sub(claims.iat) > MAX_LIFE_S {
        return Err(fault(
            "invalid_grant",
            "Invalid JWT: check your iat and exp values and the clock.",
        ));
    }
    Ok(account)
}

fn fault(error: &'static str, description: &'static str) -> OauthFault {
    OauthFault { error, description }
}

fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// The fields of an `application/x-www-form-urlencoded` body.
fn form(body: &[u8]) -> Option<HashMap<String, String>> {
    let text = std::str::from_utf8(body).ok()?;
    text.split('&')
        .map(|field| {
            let (name, value) = field.split_once('=')?;
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (high, low) = (
                    char::from(rest.next()?).to_digit(16)?,
                    char::from(rest.next()?).to_digit(16)?,
                );
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let form = form(b"grant_type=urn%3Aietf%3Aparams&assertion=a.b-c_d&x=a+b").expect("a form");
        assert_eq!(form["grant_type"], "urn:ietf:params");
        assert_eq!(form["assertion"], "a.b-c_d");
        assert_eq!(form["x"], "a b");
        for broken in ["a", "a=%", "a=%g0", "a=%ff"] {
            assert!(super::form(broken.as_bytes()).is_none(), "{broken}");
        }
    }
}
