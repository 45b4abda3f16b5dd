//! APNs' provider token: a JWT that stands in every request of a key, as a value that can be kept.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Environment, Time};
use http::HeaderValue;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What precedes the JWT in the header.
const SCHEME: &str = "bearer ";
/// No provider token is longer; ours have about 200 characters.
const LONGEST_JWT: usize = 1024;

/// A signed provider token. Whoever has it can push to every device of the key's apps for an hour,
/// so `Debug` shows nothing of it; where it is kept, it is kept sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderToken {
    /// The whole `authorization` header, marked sensitive so that it is never indexed or printed.
    authorization: HeaderValue,
    /// Its `iat`.
    issued_at: Time,
}

impl ProviderToken {
    /// Reads a token that was kept: three parts, ES256, with the claims Apple asks for. Whether
    /// it is good, and whose it is, is decided where it is seeded
    /// ([`super::Credential::seed_provider_token`]).
    pub fn parse(jwt: &str) -> Option<Self> {
        // A header takes bytes beyond ASCII, and does not give them back as a text.
        if jwt.len() > LONGEST_JWT || !jwt.is_ascii() {
            return None;
        }
        let (header, body) = parts(jwt)?;
        if header.alg != "ES256" {
            return None;
        }
        let mut authorization = HeaderValue::try_from(format!("{SCHEME}{jwt}")).ok()?;
        authorization.set_sensitive(true);
        let issued_at = Time::from_millis(body.iat.checked_mul(1_000)?);
        Some(Self { authorization, issued_at })
    }

    /// The JWT itself, to be sealed and kept.
    pub fn expose(&self) -> &str {
        let text = self.authorization.to_str().unwrap_or_default();
        text.strip_prefix(SCHEME).unwrap_or_default()
    }

    /// When it was issued (`iat`), in whole seconds.
    pub const fn issued_at(&self) -> Time {
        self.issued_at
    }

    /// The `authorization` header.
    pub(super) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }

    /// Whether it says that it is of this key and team.
    pub(super) fn is_of(&self, key_id: &str, team_id: &str) -> bool {
        parts(self.expose())
            .is_some_and(|(header, body)| header.kid == key_id && body.iss == team_id)
    }
}

impl fmt::Debug for ProviderToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderToken")
            .field("issued_at", &self.issued_at())
            .finish_non_exhaustive()
    }
}

/// The tokens of a key, one for each environment it was used in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderTokens {
    /// Production's.
    production: Option<ProviderToken>,
    /// The sandbox's.
    sandbox: Option<ProviderToken>,
}

impl ProviderTokens {
    /// The token of an environment; `None` before the first push there, and after Apple called it
    /// expired.
    pub const fn of(&self, environment: Environment) -> Option<&ProviderToken> {
        match environment {
            Environment::Production => self.production.as_ref(),
            Environment::Sandbox => self.sandbox.as_ref(),
        }
    }

    /// Puts another one in its place.
    pub(super) fn put(&mut self, environment: Environment, token: Option<ProviderToken>) {
        match environment {
            Environment::Production => self.production = token,
            Environment::Sandbox => self.sandbox = token,
        }
    }
}

/// The first part of a JWT.
#[derive(Deserialize)]
struct HeaderPart {
    /// The algorithm.
    alg: String,
    /// The key's id.
    kid: String,
}

/// The second part: what Apple asks for.
#[derive(Deserialize, Serialize)]
pub(super) struct BodyPart {
    /// The team.
    pub(super) iss: String,
    /// Seconds since the Unix epoch, as a number.
    pub(super) iat: i64,
}

/// What a JWT says: its first two parts of three.
fn parts(jwt: &str) -> Option<(HeaderPart, BodyPart)> {
    let (signed, _) = jwt.rsplit_once('.')?;
    let (header, body) = signed.split_once('.')?;
    Some((part(header)?, part(body)?))
}

/// Reads a part of a JWT.
fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A token with these parts and no signature worth the name.
    fn jwt(header: &str, body: &str) -> String {
        [header, body, "signature"].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
    }

    #[test]
    fn a_token_is_read_back_and_shows_nothing() {
        let text = jwt(r#"{"alg":"ES256","kid":"KEYID12345"}"#, r#"{"iss":"TEAMID1234","iat":17}"#);
        let token = ProviderToken::parse(&text).expect("a token");
        assert_eq!((token.expose(), token.issued_at()), (&*text, Time::from_millis(17_000)));
        assert!(token.is_of("KEYID12345", "TEAMID1234"));
        assert!(!token.is_of("TEAMID1234", "KEYID12345"));
        assert!(token.authorization().is_sensitive());
        let mut tokens = ProviderTokens::default();
        tokens.put(Environment::Sandbox, Some(token.clone()));
        assert_eq!(tokens.of(Environment::Sandbox), Some(&token));
        assert_eq!(tokens.of(Environment::Production), None);
        let shown = format!("{token:?} {tokens:?}");
        assert!(!shown.contains(&text[..20]) && !shown.contains("KEYID"), "{shown}");
    }

    #[test]
    fn what_is_no_provider_token_is_not_read() {
        let (header, body) = (r#"{"alg":"ES256","kid":"K"}"#, r#"{"iss":"T","iat":1}"#);
        assert!(ProviderToken::parse(&jwt(header, body)).is_some());
        for bad in [
            String::new(),
            "a.b".to_owned(),
            "a.b.c".to_owned(),
            jwt(r#"{"alg":"none","kid":"K"}"#, body),
            jwt(r#"{"alg":"ES256"}"#, body),
            jwt(header, r#"{"iss":"T","iat":"1"}"#),
            jwt(header, r#"{"iss":"T"}"#),
            jwt(header, r#"{"iss":"T","iat":9223372036854775807}"#),
            format!("{}\n", jwt(header, body)),
            format!("{}\u{fc}", jwt(header, body)),
            format!("{}{}", jwt(header, body), "x".repeat(LONGEST_JWT)),
        ] {
            assert_eq!(ProviderToken::parse(&bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*", header in ".*", body in ".*", iat: i64) {
            let with_time = format!("{{\"iss\":\"T\",\"iat\":{iat}}}");
            for jwt in [text, jwt(&header, &body), jwt(r#"{"alg":"ES256","kid":"K"}"#, &with_time)] {
                let _ = ProviderToken::parse(&jwt).map(|token| token.expose().len());
            }
        }
    }
}
