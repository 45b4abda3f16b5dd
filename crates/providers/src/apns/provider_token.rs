//! APNs' provider token: a JWT that stands in every request of a key.
//!
//! Apple wants one token for each key, renewed not more often than every 20 minutes and not less
//! often than every hour, and counts the renewals (429 `TooManyProviderTokenUpdates`).
//! <https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns>

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Time;
use http::HeaderValue;
use serde::Serialize;

use crate::jws::SigningKey;

/// A token is renewed at this age, between Apple's 20 and 60 minutes, with room for clocks that
/// differ.
const RENEW_AT: Duration = Duration::from_secs(50 * 60);
/// No token is renewed before this age, even if Apple calls it expired: then a clock is wrong, and
/// renewing would only add Apple's 429.
const NEVER_BEFORE: Duration = Duration::from_secs(20 * 60);
/// A token issued this far in our future was issued before the clock was set back.
const CLOCK_SET_BACK: Duration = Duration::from_secs(60);

/// An auth key and its one token, shared by all connections: it is the key that Apple counts for,
/// so both environments use the same token as well.
pub(super) struct TokenKey {
    /// The key.
    key: SigningKey,
    /// Its id, the token's `kid`.
    key_id: String,
    /// The team's id, the token's `iss`.
    team_id: String,
    /// The token.
    current: Mutex<Option<ProviderToken>>,
}

/// A signed token.
#[derive(Clone)]
struct ProviderToken {
    /// The whole `authorization` header, marked sensitive so that it is never indexed or printed.
    authorization: HeaderValue,
    /// Its `iat`.
    issued_at: Time,
}

/// The token's claims.
#[derive(Serialize)]
struct Claims<'a> {
    /// The team.
    iss: &'a str,
    /// Seconds since the Unix epoch, as a number.
    iat: i64,
}

impl TokenKey {
    /// A key without a token yet.
    pub(super) fn new(key: SigningKey, key_id: &str, team_id: &str) -> Self {
        Self {
            key,
            key_id: key_id.to_owned(),
            team_id: team_id.to_owned(),
            current: Mutex::new(None),
        }
    }

    /// The `authorization` header to use now; `None` if the key cannot sign.
    pub(super) fn authorization(&self, now: Time) -> Option<HeaderValue> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = &*current
            && now.since(token.issued_at) < RENEW_AT
            && now.until(token.issued_at) < CLOCK_SET_BACK
        {
            return Some(token.authorization.clone());
        }
        let token = self.sign(now)?;
        Some(current.insert(token).authorization.clone())
    }

    /// Apple called the token expired: drops it, unless it is too young for that. Says whether a
    /// new one can be had.
    pub(super) fn expire(&self, now: Time) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let young = current.as_ref().is_some_and(|token| now.since(token.issued_at) < NEVER_BEFORE);
        if !young {
            *current = None;
        }
        !young
    }

    /// A token issued now.
    fn sign(&self, now: Time) -> Option<ProviderToken> {
        let claims = Claims { iss: &self.team_id, iat: now.as_seconds() };
        let jwt = self.key.sign(&self.key_id, &claims)?;
        let mut authorization = HeaderValue::try_from(format!("bearer {jwt}")).ok()?;
        authorization.set_sensitive(true);
        Some(ProviderToken { authorization, issued_at: now })
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey")
            .field("key_id", &self.key_id)
            .field("team_id", &self.team_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

    use super::*;

    #[test]
    fn a_token_is_kept_for_fifty_minutes() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let pkcs8 = pair.to_pkcs8v1().expect("PKCS#8");
        let key = SigningKey::es256(pkcs8.as_ref()).expect("an EC key");
        let key = TokenKey::new(key, "KEYID12345", "TEAMID1234");
        let start = Time::from_millis(1_800_000_000_000);
        let at = |minutes: u64| key.authorization(start.plus(Duration::from_secs(minutes * 60)));

        let first = at(0).expect("signs");
        assert!(first.is_sensitive());
        assert_eq!(at(49).as_ref(), Some(&first));
        let second = at(50).expect("signs");
        assert_ne!(second, first);
        // Young tokens stay, whatever Apple says.
        assert!(!key.expire(start.plus(Duration::from_secs(69 * 60))));
        assert_eq!(at(69).as_ref(), Some(&second));
        assert!(key.expire(start.plus(Duration::from_secs(70 * 60))));
        assert_ne!(at(70).as_ref(), Some(&second));
        // The clock was set back by an hour.
        let third = at(70).expect("signs");
        assert_ne!(at(10).as_ref(), Some(&third));
        assert!(!format!("{key:?}").contains("bearer"));
    }
}
