//! A key and its provider tokens: when one is signed, kept, renewed and taken over.
//!
//! Apple wants one token for each key, renewed not more often than every 20 minutes and not less
//! often than every hour, and counts the renewals (429 `TooManyProviderTokenUpdates`).
//! <https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns>

use std::fmt;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Environment, Time};
use tokio::sync::watch;

use super::provider_token::{BodyPart, ProviderToken, ProviderTokens};
use crate::jws::SigningKey;

/// A token is renewed at this age, between Apple's 20 and 60 minutes, with room for clocks that
/// differ.
const RENEW_AT: Duration = Duration::from_secs(50 * 60);
/// No token is renewed before this age, even if Apple calls it expired: then a clock is wrong, and
/// renewing would only add Apple's 429.
const NEVER_BEFORE: Duration = Duration::from_secs(20 * 60);
/// A token issued this far in our future was issued before the clock was set back.
const CLOCK_SET_BACK: Duration = Duration::from_secs(60);

/// An auth key and its tokens, shared by all connections.
///
/// Since 2025 a key may be bound to one environment, and Apple's two services know nothing of each
/// other; so there is one token for each.
pub(super) struct TokenKey {
    /// The key.
    key: SigningKey,
    /// Its id, the tokens' `kid`.
    key_id: String,
    /// The team's id, the tokens' `iss`.
    team_id: String,
    /// The tokens. The channel's own lock makes changes whole, and whoever keeps tokens hears of
    /// each change.
    tokens: watch::Sender<ProviderTokens>,
}

impl TokenKey {
    /// A key without a token yet.
    pub(super) fn new(key: SigningKey, key_id: &str, team_id: &str) -> Self {
        Self {
            key,
            key_id: key_id.to_owned(),
            team_id: team_id.to_owned(),
            tokens: watch::Sender::default(),
        }
    }

    /// The token to use now; `None` if the key cannot sign.
    pub(super) fn token(&self, environment: Environment, now: Time) -> Option<ProviderToken> {
        let current = self.tokens.borrow().of(environment).filter(|t| is_fresh(t, now)).cloned();
        if current.is_some() {
            return current;
        }
        let mut token = None;
        self.tokens.send_if_modified(|tokens| {
            // Another request may have been here first.
            token = tokens.of(environment).filter(|token| is_fresh(token, now)).cloned();
            if token.is_some() {
                return false;
            }
            token = self.sign(now);
            if let Some(token) = &token {
                tokens.put(environment, Some(token.clone()));
            }
            token.is_some()
        });
        token
    }

    /// Apple called the token issued at `used` expired: drops it, unless it is too young for that.
    /// Says whether another one is there or can be had.
    pub(super) fn expire(&self, environment: Environment, used: Time, now: Time) -> bool {
        let mut again = false;
        self.tokens.send_if_modified(|tokens| {
            let Some(token) = tokens.of(environment) else {
                again = true;
                return false;
            };
            // Of many requests that used one token, the first renews it for all.
            if token.issued_at() != used {
                again = true;
                return false;
            }
            again = now.since(used) >= NEVER_BEFORE;
            if again {
                tokens.put(environment, None);
            }
            again
        });
        again
    }

    /// Takes over a token that was kept, if it is this key's, still good, and newer than the one
    /// there is. Says whether it did.
    pub(super) fn seed(&self, environment: Environment, token: ProviderToken, now: Time) -> bool {
        if !is_fresh(&token, now) || !self.is_mine(&token) {
            return false;
        }
        self.tokens.send_if_modified(|tokens| {
            let older = tokens.of(environment).is_none_or(|current| {
                !is_fresh(current, now) || current.issued_at() < token.issued_at()
            });
            if older {
                tokens.put(environment, Some(token));
            }
            older
        })
    }

    /// The tokens as they change.
    pub(super) fn watch(&self) -> watch::Receiver<ProviderTokens> {
        self.tokens.subscribe()
    }

    /// A token issued now.
    fn sign(&self, now: Time) -> Option<ProviderToken> {
        let body = BodyPart { iss: self.team_id.clone(), iat: now.as_seconds() };
        ProviderToken::parse(&self.key.sign(&self.key_id, &body)?)
    }

    /// Whether this key signed it.
    fn is_mine(&self, token: &ProviderToken) -> bool {
        let SigningKey::Es256(key) = &self.key else { return false };
        let Some((signed, signature)) = token.expose().rsplit_once('.') else { return false };
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key());
        token.is_of(&self.key_id, &self.team_id)
            && public.verify(signed.as_bytes(), &signature).is_ok()
    }
}

/// Whether a token may be used now.
fn is_fresh(token: &ProviderToken, now: Time) -> bool {
    now.since(token.issued_at()) < RENEW_AT && now.until(token.issued_at()) < CLOCK_SET_BACK
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
    use domain::Environment::{Production, Sandbox};

    use super::*;

    /// A fresh key with these ids.
    fn key(key_id: &str, team_id: &str) -> TokenKey {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let pkcs8 = pair.to_pkcs8v1().expect("PKCS#8");
        let key = SigningKey::es256(pkcs8.as_ref()).expect("an EC key");
        TokenKey::new(key, key_id, team_id)
    }

    /// This many minutes after a start.
    fn at(minutes: u64) -> Time {
        Time::from_millis(1_800_000_000_000).plus(Duration::from_secs(minutes * 60))
    }

    #[test]
    fn a_token_is_kept_for_fifty_minutes() {
        let key = key("KEYID12345", "TEAMID1234");
        let token = |minutes| key.token(Production, at(minutes)).expect("signs");
        let first = token(0);
        assert_eq!(token(49), first);
        let second = token(50);
        assert_ne!(second, first);
        // Young tokens stay, whatever Apple says.
        assert!(!key.expire(Production, second.issued_at(), at(69)));
        assert_eq!(token(69), second);
        assert!(key.expire(Production, second.issued_at(), at(70)));
        let third = token(70);
        assert_ne!(third, second);
        // Whoever comes late with the old one finds the new one there.
        assert!(key.expire(Production, second.issued_at(), at(70)));
        assert_eq!(token(70), third);
        // The clock was set back by an hour.
        assert_ne!(token(10), third);
        assert!(!format!("{key:?}").contains("bearer"));
    }

    #[test]
    fn each_environment_has_its_own_token() {
        let key = key("KEYID12345", "TEAMID1234");
        let production = key.token(Production, at(0)).expect("signs");
        let sandbox = key.token(Sandbox, at(30)).expect("signs");
        assert_eq!(key.token(Production, at(30)), Some(production.clone()));
        assert!(key.expire(Production, production.issued_at(), at(31)));
        assert_eq!(key.token(Sandbox, at(31)), Some(sandbox));
    }

    #[test]
    fn every_change_is_told() {
        let key = key("KEYID12345", "TEAMID1234");
        let mut watch = key.watch();
        let mut check = |told: bool, production: Option<&ProviderToken>| {
            assert_eq!(watch.has_changed().expect("the key lives"), told);
            assert_eq!(watch.borrow_and_update().of(Production), production);
        };
        check(false, None);
        let first = key.token(Production, at(0)).expect("signs");
        check(true, Some(&first));
        key.token(Production, at(1)).expect("signs");
        check(false, Some(&first));
        assert!(key.expire(Production, first.issued_at(), at(20)));
        check(true, None);
        assert!(!key.seed(Production, first, at(50)));
        check(false, None);
    }

    /// A token that was kept is used again exactly where it may be.
    #[test]
    fn a_kept_token_is_taken_over_if_it_is_good() {
        let check = |issued: u64, seeded: u64, expected: bool| {
            let before = key("KEYID12345", "TEAMID1234");
            let kept = before.token(Production, at(issued)).expect("signs");
            let kept = ProviderToken::parse(kept.expose()).expect("reads back");
            let SigningKey::Es256(pair) = before.key else { panic!("an EC key") };
            let after = TokenKey::new(SigningKey::Es256(pair), "KEYID12345", "TEAMID1234");
            let taken = after.seed(Production, kept.clone(), at(seeded));
            assert_eq!(taken, expected, "issued at {issued}, seeded at {seeded}");
            let used = after.token(Production, at(seeded)).expect("signs");
            assert_eq!(used == kept, expected);
            assert_eq!(after.tokens.borrow().of(Sandbox), None);
        };
        check(0, 0, true);
        check(0, 49, true);
        check(0, 50, false);
        check(0, 600, false);
        // From the future: the clock was set back since.
        check(1, 0, false);
        check(600, 0, false);
    }

    #[test]
    fn a_strangers_token_is_not_taken_over() {
        let mine = key("KEYID12345", "TEAMID1234");
        for stranger in [
            key("KEYID54321", "TEAMID1234"),
            key("KEYID12345", "TEAMID4321"),
            // The ids are ours and the key is not.
            key("KEYID12345", "TEAMID1234"),
        ] {
            let token = stranger.token(Production, at(0)).expect("signs");
            assert!(!mine.seed(Production, token, at(0)));
        }
        assert_eq!(mine.tokens.borrow().of(Production), None);
    }

    #[test]
    fn the_newer_of_two_tokens_wins() {
        let key = key("KEYID12345", "TEAMID1234");
        let (older, newer) = (key.sign(at(0)).expect("signs"), key.sign(at(10)).expect("signs"));
        assert!(key.seed(Production, older.clone(), at(11)));
        assert!(key.seed(Production, newer.clone(), at(11)));
        assert!(!key.seed(Production, older, at(11)));
        assert!(!key.seed(Production, newer.clone(), at(11)));
        assert_eq!(key.token(Production, at(11)), Some(newer));
    }
}
