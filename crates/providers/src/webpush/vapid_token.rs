//! The tokens that vouch for us: a JWT for each push service, signed with the VAPID key (RFC 8292).
//!
//! A token is good for one origin and at most 24 hours. Apple asks not to make one more often than
//! once an hour for the same origin.
//! <https://developer.apple.com/documentation/usernotifications/sending-web-push-notifications-in-web-apps-and-browsers>

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Time;
use http::HeaderValue;
use serde::Serialize;

use super::credential::{Subject, VapidKey};
use crate::origin::Origin;

/// How long a token is good for; RFC 8292 allows 24 hours, of which half is left to clocks that
/// differ.
const LIFE: Duration = Duration::from_secs(12 * 60 * 60);
/// A token is renewed at this age, as far from its end as from its start.
const RENEW_AT: Duration = Duration::from_secs(6 * 60 * 60);
/// No token is renewed before this age, even if a service refuses it.
const NEVER_BEFORE: Duration = Duration::from_secs(60 * 60);
/// A token issued this far in our future was issued before the clock was set back.
const CLOCK_SET_BACK: Duration = Duration::from_secs(60);
/// How many tokens are kept; users choose origins, so there must be an end.
const MOST: usize = 1024;

/// The tokens of one key and subject, by origin.
#[derive(Default)]
pub(super) struct VapidTokens(Mutex<HashMap<Origin, VapidToken>>);

/// A signed token.
struct VapidToken {
    /// The whole `authorization` header, marked sensitive so that it is never indexed or printed.
    authorization: HeaderValue,
    /// When it was signed.
    issued_at: Time,
}

/// A token's claims (RFC 8292, section 2).
#[derive(Serialize)]
struct Claims<'a> {
    /// The origin.
    aud: &'a str,
    /// Seconds since the Unix epoch.
    exp: i64,
    /// Whom to ask about us.
    sub: &'a str,
}

impl VapidTokens {
    /// The `authorization` header to use now for an origin; `None` if the key cannot sign.
    pub(super) fn authorization(
        &self,
        key: &VapidKey,
        subject: &Subject,
        origin: &Origin,
        now: Time,
    ) -> Option<HeaderValue> {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = tokens.get(origin)
            && now.since(token.issued_at) < RENEW_AT
            && now.until(token.issued_at) < CLOCK_SET_BACK
        {
            return Some(token.authorization.clone());
        }
        let authorization = sign(key, subject, origin, now)?;
        if tokens.len() >= MOST && !tokens.contains_key(origin) {
            let oldest = tokens.iter().min_by_key(|(_, token)| token.issued_at);
            if let Some(oldest) = oldest.map(|(origin, _)| origin.clone()) {
                tokens.remove(&oldest);
            }
        }
        let token = VapidToken { authorization: authorization.clone(), issued_at: now };
        tokens.insert(origin.clone(), token);
        Some(authorization)
    }

    /// A service refused the token: drops it, unless it is too young for that. Says whether a new
    /// one can be had.
    pub(super) fn expire(&self, origin: &Origin, now: Time) -> bool {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = |token: &VapidToken| now.since(token.issued_at) >= NEVER_BEFORE;
        let may = tokens.get(origin).is_none_or(old);
        if may {
            tokens.remove(origin);
        }
        may
    }
}

/// A token issued now, in its header (RFC 8292, section 3).
fn sign(key: &VapidKey, subject: &Subject, origin: &Origin, now: Time) -> Option<HeaderValue> {
    let (aud, exp) = (origin.to_string(), now.plus(LIFE).as_seconds());
    let jwt = key.signing().sign_unnamed(&Claims { aud: &aud, exp, sub: subject.as_str() })?;
    let header = format!("vapid t={jwt}, k={}", key.public_key());
    let mut authorization = HeaderValue::try_from(header).ok()?;
    authorization.set_sensitive(true);
    Some(authorization)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::split(url).expect("a URL").0
    }

    #[test]
    fn a_token_is_kept_for_six_hours_for_each_origin() {
        let key = VapidKey::generate().expect("a key");
        let subject = Subject::parse("mailto:push@example.org").expect("a subject");
        let tokens = VapidTokens::default();
        let (one, other) = (origin("https://a.example"), origin("https://a.example:8443"));
        let start = Time::from_millis(1_800_000_000_000);
        let hours = |hours: u64| start.plus(Duration::from_secs(hours * 3600));
        let at = |origin: &Origin, time| {
            tokens.authorization(&key, &subject, origin, time).expect("signs")
        };

        let first = at(&one, start);
        assert!(first.is_sensitive());
        assert_ne!(at(&other, start), first);
        let last_moment = hours(6).minus(Duration::from_secs(1));
        assert_eq!(at(&one, last_moment), first);
        let second = at(&one, hours(6));
        assert_ne!(second, first);
        // Refused while young: it stays.
        assert!(!tokens.expire(&one, hours(7).minus(Duration::from_secs(1))));
        assert_eq!(at(&one, hours(7)), second);
        assert!(tokens.expire(&one, hours(7)));
        let third = at(&one, hours(7));
        assert_ne!(third, second);
        // The clock was set back by an hour.
        assert_ne!(at(&one, hours(6)), third);
        assert!(tokens.expire(&origin("https://b.example"), start), "nothing to lose");
    }

    #[test]
    fn tokens_do_not_grow_without_end() {
        let key = VapidKey::generate().expect("a key");
        let subject = Subject::parse("mailto:push@example.org").expect("a subject");
        let tokens = VapidTokens::default();
        let first = origin("https://first.example");
        let at = |origin: &Origin, second: u64| {
            let now = Time::from_millis(1_800_000_000_000).plus(Duration::from_secs(second));
            tokens.authorization(&key, &subject, origin, now).expect("signs")
        };
        let kept = at(&first, 0);
        for n in 0..MOST as u64 {
            at(&origin(&format!("https://host{n}.example")), 1 + n);
        }
        assert_eq!(tokens.0.lock().expect("not poisoned").len(), MOST);
        assert_ne!(at(&first, MOST as u64 + 1), kept, "the oldest went");
    }
}
