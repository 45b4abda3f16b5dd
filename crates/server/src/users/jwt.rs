//! User tokens that an app's back end signs itself: JSON Web Tokens (RFC 7519), and the keys that
//! prove them.
//!
//! What is believed of a token before its signature is checked is only which app's keys to try.
//! The algorithm is the key's and never the token's: a token that names another one is refused.

use std::time::Duration;

use domain::{AppId, MaySend, Time};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm as Jose, DecodingKey, Validation, dangerous};
use serde::Deserialize;
use wire::http::TokenAlgorithm;

use crate::http::problem::{Problem, ProblemCode};

/// How far the clocks of a back end and of this server may be apart.
pub const LEEWAY: Duration = Duration::from_secs(60);
/// How far ahead a token may end.
pub const LONGEST: Duration = Duration::from_secs(90 * 86_400);
/// The longest text of what is wrong with a key set, in characters.
const LONGEST_REASON: usize = 200;
/// A shared secret has at least as many bytes as the hash (RFC 7518, 3.2).
pub const SHORTEST_SECRET: usize = 32;

/// What a token says of itself before anything is checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unproven {
    /// The app whose keys may prove it.
    pub(super) app: AppId,
    /// How it says it is signed.
    pub(super) algorithm: TokenAlgorithm,
    /// Which key of a set it says.
    pub(super) key_id: Option<String>,
}

/// What a token says, once its signature is checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proven {
    /// The user.
    pub(super) user: String,
    /// To whom they may send.
    pub(super) may_send: MaySend,
    /// When it was issued, if it says.
    pub(super) issued_at: Option<Time>,
    /// When it ends.
    pub(super) expires_at: Time,
}

/// The claims, as they are written.
#[derive(Deserialize)]
struct Claims {
    app: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    may_send: Option<String>,
}

/// One audience or several (RFC 7519, 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

/// Reads what a token says of itself, to know whose keys to try.
///
/// # Errors
///
/// A [`Problem`] with what is missing.
pub(super) fn read(token: &str) -> Result<Unproven, Problem> {
    let unreadable = || {
        refused(
            "it is no user token of Reveille (rvl_user_…) and no JSON Web Token; \
             get one from the app's back end",
        )
    };
    let read = dangerous::insecure_decode::<Claims>(token).map_err(|_| unreadable())?;
    let algorithm = match read.header.alg {
        Jose::ES256 => TokenAlgorithm::Es256,
        Jose::EdDSA => TokenAlgorithm::EdDsa,
        Jose::RS256 => TokenAlgorithm::Rs256,
        Jose::HS256 => TokenAlgorithm::Hs256,
        _ => return Err(refused("its `alg` is none of ES256, EdDSA, RS256 and HS256")),
    };
    let app = read.claims.app.as_deref().and_then(AppId::parse);
    let app = app.ok_or_else(|| {
        refused("its claim `app` is missing or no app's id; give the id of the app, `app_…`")
    })?;
    Ok(Unproven { app, algorithm, key_id: read.header.kid })
}

/// Checks a token by one key, and what it says by its audience and the time. `None`: the key is
/// not the one that signed it.
///
/// # Errors
///
/// A [`Problem`] with what is wrong in a token that this key did sign.
pub(super) fn prove(
    token: &str,
    key: &DecodingKey,
    algorithm: TokenAlgorithm,
    audience: &str,
    now: Time,
) -> Result<Option<Proven>, Problem> {
    let mut validation = Validation::new(jose(algorithm));
    // Time is this server's to tell, and an audience that is missing is refused as well.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let Ok(data) = jsonwebtoken::decode::<Claims>(token, key, &validation) else {
        return Ok(None);
    };
    check(data.claims, audience, now).map(Some)
}

fn check(claims: Claims, audience: &str, now: Time) -> Result<Proven, Problem> {
    if !claims.aud.is_some_and(|it| it.has(audience)) {
        return Err(refused(
            "its claim `aud` does not name the audience of the key that signed it",
        ));
    }
    let expires_at = claims.exp.and_then(instant);
    let expires_at = expires_at
        .ok_or_else(|| refused("its claim `exp` is missing or no time; give seconds since 1970"))?;
    if expires_at.plus(LEEWAY) <= now {
        return Err(expired());
    }
    if expires_at > now.plus(LONGEST) {
        return Err(refused("its claim `exp` is more than 90 days ahead; make it good for less"));
    }
    if claims.nbf.and_then(instant).is_some_and(|from| from > now.plus(LEEWAY)) {
        return Err(refused("its claim `nbf` is ahead of this server's clock; compare the clocks"));
    }
    let user = claims.sub.filter(|user| crate::accept::check_name("sub", user).is_ok());
    let user = user.ok_or_else(|| {
        refused(
            "its claim `sub` is missing or no name of a user; \
             give 1 to 128 bytes without control characters",
        )
    })?;
    let may_send = match claims.may_send {
        None => MaySend::default(),
        Some(word) => MaySend::parse(&word)
            .ok_or_else(|| refused("its claim `may_send` is none of none, known and any"))?,
    };
    Ok(Proven { user, may_send, issued_at: claims.iat.and_then(instant), expires_at })
}

/// A NumericDate (RFC 7519, 2): seconds since 1970, fractions allowed.
fn instant(seconds: f64) -> Option<Time> {
    // Beyond the year 9999 it is a mistake, such as milliseconds.
    (0.0..253_402_300_800.0)
        .contains(&seconds)
        .then(|| Time::from_micros(0).plus(Duration::from_secs_f64(seconds)))
}

/// A user token that is none.
pub(super) fn refused(why: &str) -> Problem {
    Problem::new(ProblemCode::Unauthorized, format!("the user token is refused: {why}"))
}

/// A user token that was good.
pub(crate) fn expired() -> Problem {
    Problem::new(
        ProblemCode::TokenExpired,
        "the user token has expired; get a new one from the app's back end, \
         or connect with the device secret alone",
    )
}

/// Reads a public key as PEM.
///
/// # Errors
///
/// What is wrong with it, and what to give instead.
pub fn public_key(pem: &str, algorithm: TokenAlgorithm) -> Result<DecodingKey, &'static str> {
    if pem.contains("PRIVATE KEY") {
        return Err("this is a private key, which is the back end's alone; give its public key");
    }
    match algorithm {
        TokenAlgorithm::Es256 => DecodingKey::from_ec_pem(pem.as_bytes())
            .ok()
            // A point of P-256, not compressed.
            .filter(|key| key.try_get_as_bytes().is_ok_and(|point| point.len() == 65))
            .ok_or("give a public key of the curve P-256 as PEM (`openssl ec -pubout`)"),
        TokenAlgorithm::EdDsa => DecodingKey::from_ed_pem(pem.as_bytes())
            .map_err(|_| "give a public key of the kind Ed25519 as PEM (`openssl pkey -pubout`)"),
        TokenAlgorithm::Rs256 => DecodingKey::from_rsa_pem(pem.as_bytes())
            .map_err(|_| "give an RSA public key as PEM (`openssl rsa -pubout`)"),
        TokenAlgorithm::Hs256 => Err("HS256 has a shared secret and no public key"),
    }
}

/// Reads a key set (RFC 7517): the keys that may have signed with this algorithm.
///
/// # Errors
///
/// What is wrong with it.
pub fn key_set(json: &[u8], algorithm: TokenAlgorithm) -> Result<Vec<SetKey>, String> {
    // The reader's words may repeat what it found.
    let unreadable = |error: serde_json::Error| {
        format!("it is no key set: {}", wire::shortened(&error.to_string(), LONGEST_REASON))
    };
    let set: JwkSet = serde_json::from_slice(json).map_err(unreadable)?;
    let keys: Vec<SetKey> = set.keys.iter().filter_map(|key| set_key(key, algorithm)).collect();
    if keys.is_empty() {
        return Err(format!("it has no key for {}", algorithm.as_str()));
    }
    Ok(keys)
}

/// A key of a set.
#[derive(Clone, Debug)]
pub struct SetKey {
    /// Its name in the set.
    pub id: Option<String>,
    /// The key.
    pub key: DecodingKey,
}

fn set_key(jwk: &Jwk, algorithm: TokenAlgorithm) -> Option<SetKey> {
    let fits = match (&jwk.algorithm, algorithm) {
        (AlgorithmParameters::EllipticCurve(it), TokenAlgorithm::Es256) => {
            it.curve == jsonwebtoken::jwk::EllipticCurve::P256
        }
        (AlgorithmParameters::OctetKeyPair(it), TokenAlgorithm::EdDsa) => {
            it.curve == jsonwebtoken::jwk::EllipticCurve::Ed25519
        }
        (AlgorithmParameters::RSA(_), TokenAlgorithm::Rs256) => true,
        // What anybody can read is no secret.
        _ => false,
    };
    let signs = !matches!(&jwk.common.public_key_use, Some(it) if *it != PublicKeyUse::Signature);
    let stated = jwk.common.key_algorithm;
    let fits = fits && signs && stated.is_none_or(|it| it.to_string() == algorithm.as_str());
    let key = fits.then(|| DecodingKey::from_jwk(jwk).ok()).flatten()?;
    Some(SetKey { id: jwk.common.key_id.clone(), key })
}

const fn jose(algorithm: TokenAlgorithm) -> Jose {
    match algorithm {
        TokenAlgorithm::Es256 => Jose::ES256,
        TokenAlgorithm::EdDsa => Jose::EdDSA,
        TokenAlgorithm::Rs256 => Jose::RS256,
        TokenAlgorithm::Hs256 => Jose::HS256,
    }
}
