//! Access tokens for FCM: OAuth 2 with a signed assertion (RFC 7523).
//!
//! One token for each service account, shared by everything that pushes with it, renewed by one
//! caller at a time while the others go on with the old one.
//! <https://developers.google.com/identity/protocols/oauth2/service-account>

pub(super) mod answer;

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::{Outcome, Scope, Time};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use serde::Serialize;

use super::credential::Account;
use crate::config::{Config, Pauses};
use crate::error::Error;
use crate::transport::{
    Answer, Endpoint, Failure, Policy, Pool, Reconnect, Reply, Timeouts, WhenLost, post, tls_config,
};
use crate::upload::shown;

/// What a token may be used for; the narrow one of the two scopes FCM takes.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// The longest an assertion may be valid.
const ASSERTION_LIFE: Duration = Duration::from_secs(3600);
/// Hosts that a service account's `token_uri` may name; any other needs the operator's word,
/// because an uploaded file must not choose whom this server connects to.
const GOOGLE_HOSTS: [&str; 3] =
    ["oauth2.googleapis.com", "accounts.google.com", "www.googleapis.com"];

/// The access token of a service account.
#[derive(Default)]
pub(super) struct AccessTokens {
    /// The token in use.
    current: Mutex<Option<AccessToken>>,
    /// Held while a token is fetched; holds how the last fetch ended, if without a token, so that
    /// who waited for it takes its result instead of fetching again.
    fetching: tokio::sync::Mutex<Option<Refused>>,
}

/// A bearer token.
#[derive(Clone)]
pub(super) struct AccessToken {
    /// The whole `authorization` header, marked sensitive.
    pub(super) authorization: HeaderValue,
    /// When it should be renewed.
    pub(super) renew_at: Time,
    /// When it is over.
    pub(super) expires_at: Time,
}

/// Why there is no access token.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// What that makes of the push.
    pub(super) outcome: Box<Outcome>,
    /// The token endpoint's answer.
    pub(super) answer: Option<Box<Answer>>,
}

impl AccessTokens {
    /// The token to use now, if there is a good one.
    fn current(&self) -> Option<AccessToken> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops using a token that Google calls bad, unless another has taken its place.
    pub(super) fn discard(&self, bad: &HeaderValue) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|token| token.authorization == bad) {
            *current = None;
        }
    }
}

/// The token endpoint.
pub(super) struct OAuth {
    /// Connections to it.
    pool: Pool,
    /// Its host.
    endpoint: Endpoint,
    /// Its path.
    path: PathAndQuery,
    /// What to ask of retries.
    pauses: Pauses,
}

impl OAuth {
    /// The endpoint that the configuration names, or else the account, if it is Google's.
    pub(super) fn new(config: &Config, account: &Account) -> Result<Self, Error> {
        let (url, endpoint) = place(config, account)?;
        let path = url.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let policy =
            Policy { cautious_start: usize::MAX, connections: 1, goaway_refuses: |_| false };
        let pool = Pool::new(
            endpoint.clone(),
            tls_config(&config.roots, None)?,
            Timeouts::from(config),
            Reconnect::from(config),
            policy,
        );
        Ok(Self { pool, endpoint, path, pauses: config.pauses })
    }

    /// The `authorization` header to use now, fetched if there is none.
    pub(super) async fn authorization(
        &self,
        account: &Account,
        now: Time,
    ) -> Result<HeaderValue, Refused> {
        let tokens = &account.tokens;
        let usable = tokens.current().filter(|token| now < token.expires_at);
        let fetched = match usable {
            Some(token) if now < token.renew_at => return Ok(token.authorization),
            // Still good: one caller renews it, the others go on with it.
            Some(token) => match tokens.fetching.try_lock() {
                Ok(mut fetched) => {
                    let renewed = self.fetch(account, &mut fetched, now).await;
                    return Ok(renewed.map_or(token.authorization, |new| new.authorization));
                }
                Err(_) => return Ok(token.authorization),
            },
            None => tokens.fetching.try_lock(),
        };
        let mut fetched = match fetched {
            Ok(fetched) => fetched,
            Err(_) => {
                // Somebody is fetching: their result is ours, good or bad.
                let fetched = tokens.fetching.lock().await;
                if let Some(token) = tokens.current().filter(|token| now < token.expires_at) {
                    return Ok(token.authorization);
                }
                if let Some(refused) = &*fetched {
                    return Err(refused.clone());
                }
                fetched
            }
        };
        // Between the look and the lock a fetch may have ended.
        if let Some(token) = tokens.current().filter(|token| now < token.renew_at) {
            return Ok(token.authorization);
        }
        self.fetch(account, &mut fetched, now).await.map(|token| token.authorization)
    }

    /// Closes the connections.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// Fetches a token and puts it in place.
    async fn fetch(
        &self,
        account: &Account,
        last: &mut Option<Refused>,
        now: Time,
    ) -> Result<AccessToken, Refused> {
        // A fetch that is given up half-way must not leave the result of the one before it.
        *last = None;
        let result = self.request(account, now).await;
        *last = result.as_ref().err().cloned();
        let token = result?;
        let mut current = account.tokens.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(token.clone());
        Ok(token)
    }

    /// One request to the token endpoint.
    async fn request(&self, account: &Account, now: Time) -> Result<AccessToken, Refused> {
        let failed = |failure: &Failure| {
            let mut refusal = failure.refusal(&self.pauses);
            if matches!(failure, Failure::Blocked(_)) {
                // Whatever device it was for: without a token none of this account's is pushed.
                refusal.scope = Scope::Credential;
            }
            Refused { outcome: Box::new(Outcome::Refused(refusal)), answer: None }
        };
        let claims = Claims {
            iss: &account.client_email,
            scope: SCOPE,
            aud: &account.token_uri,
            iat: now.as_seconds(),
            exp: now.plus(ASSERTION_LIFE).as_seconds(),
        };
        let assertion = account
            .key
            .sign(&account.key_id, &claims)
            .ok_or_else(|| failed(&Failure::Request("the key does not sign".into())))?;
        let mut body = String::with_capacity(assertion.len() + 80);
        // A JWT's characters need no escaping in a form.
        let _ = write!(
            body,
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
        );
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let build = |_| {
            let mut headers = HeaderMap::with_capacity(1);
            headers.insert(CONTENT_TYPE, form.clone());
            post(&self.endpoint.authority, &self.path, headers)
        };
        match self.pool.send(build, &Bytes::from(body), WhenLost::SendOnceMore, || true).await.0 {
            Reply::Answered(answer) => answer::read(answer, now, &self.pauses),
            Reply::Failed(failure) => Err(failed(&failure)),
            // Nothing was pushed: a lost request for a token is only a failed one.
            Reply::Lost(detail) => Err(failed(&Failure::Handshake(detail.into()))),
            Reply::Withdrawn => Err(failed(&Failure::Closed)),
        }
    }
}

/// The assertion's claims.
#[derive(Serialize)]
struct Claims<'a> {
    /// The account.
    iss: &'a str,
    /// What for.
    scope: &'a str,
    /// The token endpoint, as the key file names it.
    aud: &'a str,
    /// From when, in seconds.
    iat: i64,
    /// Until when, in seconds.
    exp: i64,
}

/// Where tokens come from: the operator's URL, or the account's own, past the guard.
pub(super) fn place(config: &Config, account: &Account) -> Result<(Uri, Endpoint), Error> {
    let (url, endpoint) = match &config.oauth {
        Some(url) => (url.clone(), Endpoint::parse("oauth", url, config)?),
        None => {
            let url = google_url(&account.token_uri)?;
            let endpoint = Endpoint::guarded("oauth", &url, config)?;
            (url, endpoint)
        }
    };
    Ok((url, endpoint))
}

/// The account's `token_uri`, if it is one of Google's.
fn google_url(token_uri: &str) -> Result<Uri, Error> {
    let url = token_uri.parse::<Uri>().ok();
    let google = url.as_ref().and_then(Uri::host).is_some_and(|host| GOOGLE_HOSTS.contains(&host));
    match url {
        Some(url) if google => Ok(url),
        _ => Err(Error::Config {
            setting: "oauth",
            problem: format!(
                "the service account's token_uri {} is not Google's",
                shown(token_uri)
            ),
            remedy: "upload the key file unchanged, or set the OAuth URL yourself",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_googles_token_endpoints_are_believed() {
        assert!(google_url("https://oauth2.googleapis.com/token").is_ok());
        for bad in ["https://evil.example/token", "https://127.0.0.1/", "", "::"] {
            assert!(google_url(bad).is_err(), "{bad}");
        }
    }
}
