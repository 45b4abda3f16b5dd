//! Voluntary application server identification (RFC 8292): who sends, signed for this service.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header::AUTHORIZATION};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    answer::{Fault, Kind},
    encryption::{POINT, UNCOMPRESSED},
    request::{Repeated, single},
};

/// How far ahead `exp` may lie (RFC 8292, section 2).
const LONGEST_S: i64 = 24 * 60 * 60;

/// What a service wants of the claim `sub`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SubjectRule {
    /// `mailto:` or `https:`, and not at localhost (Apple).
    Contact,
    /// `mailto:` or `https:` if there is one (RFC 8292, section 2.1).
    ContactIfPresent,
    /// Any text if there is one (Mozilla, which only logs a bad one).
    TextIfPresent,
}

/// Checks the signature of a request, if there is one; gives the key it was made with.
pub(super) fn check(
    headers: &HeaderMap,
    origin: &str,
    subject: SubjectRule,
    now: Timestamp,
) -> Result<Option<[u8; POINT]>, Fault> {
    let Some((jwt, key)) = parameters(headers)? else { return Ok(None) };
    let (bytes, key) = public_key(&key)?;
    let claims = verify(&jwt, &key)?;
    check_claims(&claims, origin, subject, now)?;
    Ok(Some(bytes))
}

/// `t` and `k` of `Authorization: vapid t=…, k=…`, in any order (RFC 8292, section 3).
fn parameters(headers: &HeaderMap) -> Result<Option<(String, String)>, Fault> {
    let fault = |why| Fault::new(Kind::Authorization, why);
    let value = single(headers, AUTHORIZATION)
        .map_err(|Repeated| fault("the header Authorization comes more than once"))?;
    let Some(value) = value else { return Ok(None) };
    let text = value.to_str().map_err(|_| fault("the header Authorization is no text"))?;
    let (scheme, parameters) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("vapid") {
        return Err(Fault::new(Kind::NoAuthorization, "the authorization scheme is not vapid"));
    }
    let (mut jwt, mut key) = (None, None);
    for parameter in parameters.split(',') {
        let (name, value) = parameter
            .trim()
            .split_once('=')
            .ok_or_else(|| fault("a parameter of the header Authorization has no value"))?;
        let place = match name {
            "t" => &mut jwt,
            "k" => &mut key,
            // Parameters of a later version.
            _ => continue,
        };
        if place.replace(value.to_owned()).is_some() {
            return Err(fault("a parameter of the header Authorization comes more than once"));
        }
    }
    let jwt = jwt.ok_or_else(|| fault("the parameter t of the header Authorization is missing"))?;
    let key = key.ok_or_else(|| fault("the parameter k of the header Authorization is missing"))?;
    Ok(Some((jwt, key)))
}

/// An uncompressed P-256 point in base64url without padding.
fn public_key(text: &str) -> Result<([u8; POINT], ParsedPublicKey), Fault> {
    let fault = |why| Fault::new(Kind::PublicKey, why);
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| fault("the key k is not base64url without padding"))?;
    let bytes: [u8; POINT] = bytes.try_into().map_err(|_| fault("the key k has not 65 bytes"))?;
    if bytes.first() != Some(&UNCOMPRESSED) {
        return Err(fault("the key k is not an uncompressed point"));
    }
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes)
        .map_err(|_| fault("the key k is no point of P-256"))?;
    Ok((bytes, key))
}

/// Checks header and signature (RFC 7515, RFC 7518, section 3.4); gives the claims.
fn verify(jwt: &str, key: &ParsedPublicKey) -> Result<Value, Fault> {
    let no_jwt = || bad("the token t is no JWT");
    let (signed, signature) = jwt.rsplit_once('.').ok_or_else(no_jwt)?;
    let (header, claims) = signed.split_once('.').ok_or_else(no_jwt)?;
    let header: Value = part(header)?;
    if header["alg"] != "ES256" {
        return Err(bad("the algorithm of the token is not ES256"));
    }
    if !matches!(header["typ"].as_str(), None | Some("JWT")) {
        return Err(bad("the type of the token is not JWT"));
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| no_jwt())?;
    // R and S, 32 bytes each; a DER signature fails here.
    key.verify_sig(signed.as_bytes(), &signature)
        .map_err(|_| bad("the signature of the token is not the key's"))?;
    part(claims)
}

fn check_claims(
    claims: &Value,
    origin: &str,
    rule: SubjectRule,
    now: Timestamp,
) -> Result<(), Fault> {
    if claims["aud"] != origin {
        return Err(bad("the claim aud is not the origin of the endpoint"));
    }
    let exp = claims["exp"].as_i64().ok_or_else(|| bad("the claim exp is no whole number"))?;
    if exp <= now.as_second() {
        return Err(bad("the claim exp has passed"));
    }
    if exp.saturating_sub(now.as_second()) > LONGEST_S {
        return Err(bad("the claim exp is more than 24 hours ahead"));
    }
    let allowed = match (&claims["sub"], rule) {
        (Value::Null, SubjectRule::Contact) => false,
        (Value::Null, SubjectRule::ContactIfPresent | SubjectRule::TextIfPresent)
        | (Value::String(_), SubjectRule::TextIfPresent) => true,
        (Value::String(sub), SubjectRule::ContactIfPresent) => contact_host(sub).is_some(),
        (Value::String(sub), SubjectRule::Contact) => {
            contact_host(sub).is_some_and(|host| !is_localhost(host))
        }
        _ => false,
    };
    if allowed { Ok(()) } else { Err(bad("the claim sub is no contact that this service takes")) }
}

/// The host of `mailto:name@host` or `https://host/…`.
fn contact_host(sub: &str) -> Option<&str> {
    let host = match sub.strip_prefix("mailto:") {
        Some(address) => {
            let (name, host) = address.rsplit_once('@')?;
            (!name.is_empty()).then_some(host)?
        }
        None => sub.strip_prefix("https://")?.split(['/', ':', '?', '#']).next()?,
    };
    (!host.is_empty() && !host.contains(char::is_whitespace)).then_some(host)
}

fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad("the token t is no JWT"))?;
    serde_json::from_slice(&json).map_err(|_| bad("the token t is no JWT"))
}

fn bad(why: &'static str) -> Fault {
    Fault::new(Kind::Jwt, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_has_a_host() {
        let check = |sub: &str, expected: Option<&str>| {
            assert_eq!(contact_host(sub), expected, "{sub:?}");
        };
        check("mailto:push@example.org", Some("example.org"));
        check("https://example.org:8443/contact", Some("example.org"));
        check("https://example.org", Some("example.org"));
        check("mailto:example.org", None);
        check("mailto:@example.org", None);
        check("mailto: push@", None);
        check("http://example.org", None);
        check("push@example.org", None);
        check("https://", None);
        check("", None);
    }
}
