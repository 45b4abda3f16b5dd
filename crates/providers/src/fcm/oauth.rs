//! Access tokens for FCM: OAuth 2 with a signed assertion (RFC 7523).
//!
//! One token for each service account, shared by everything that pushes with it, renewed by one
//! caller at a time while the others go on with the old one.
//! <https://developers.google.com/identity/protocols/oauth2/service-account>

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::{Diagnosis, Outcome, Refusal, RetryRule, Time, TokenVerdict};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use super::credential::Account;
use crate::config::{Config, Pauses};
use crate::error::Error;
use crate::retry_after::retry_after;
use crate::transport::{
    Answer, Endpoint, Failure, Policy, Pool, Reconnect, Reply, Timeouts, post, tls_config,
};

/// What a token may be used for; the narrow one of the two scopes FCM takes.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// The longest an assertion may be valid.
const ASSERTION_LIFE: Duration = Duration::from_secs(3600);
/// Google's own libraries renew this long before the end.
const RENEW_BEFORE: Duration = Duration::from_secs(225);
/// What a token's life is taken for if the answer does not say.
const ASSUMED_LIFE: Duration = Duration::from_secs(3600);
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
    renew_at: Time,
    /// When it is over.
    expires_at: Time,
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
        let url = match &config.oauth {
            Some(url) => url.clone(),
            None => google_url(&account.token_uri)?,
        };
        let endpoint = Endpoint::parse("oauth", &url, config)?;
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
        let failed = |failure: &Failure| Refused {
            outcome: Box::new(failure.outcome(&self.pauses)),
            answer: None,
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
        match self.pool.send(build, &Bytes::from(body), || true).await.0 {
            Reply::Answered(answer) => read(answer, now, &self.pauses),
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

/// The account's `token_uri`, if it is one of Google's.
fn google_url(token_uri: &str) -> Result<Uri, Error> {
    let url = token_uri.parse::<Uri>().ok();
    let google = url.as_ref().and_then(Uri::host).is_some_and(|host| GOOGLE_HOSTS.contains(&host));
    match url {
        Some(url) if google => Ok(url),
        _ => Err(Error::Config {
            setting: "oauth",
            problem: format!("the service account's token_uri {token_uri:?} is not Google's"),
            remedy: "upload the key file unchanged, or set the OAuth URL yourself",
        }),
    }
}

/// A token endpoint's success.
#[derive(Deserialize)]
struct Granted {
    /// The token.
    access_token: String,
    /// Its life in seconds; some servers send a string.
    #[serde(default)]
    expires_in: serde_json::Value,
}

/// A token endpoint's refusal (RFC 6749, section 5.2).
#[derive(Default, Deserialize)]
struct Denied {
    /// The code.
    #[serde(default)]
    error: String,
}

/// What the token endpoint's answer means.
fn read(answer: Answer, now: Time, pauses: &Pauses) -> Result<AccessToken, Refused> {
    if answer.status == StatusCode::OK
        && let Some(token) = granted(&answer.body, now)
    {
        return Ok(token);
    }
    let status = answer.status.as_u16();
    let denied: Denied = serde_json::from_slice(&answer.body).unwrap_or_default();
    let passing = matches!(status, 408 | 429 | 500..=599)
        || status == 200
        || matches!(
            denied.error.as_str(),
            "internal_failure" | "server_error" | "temporarily_unavailable"
        );
    let (diagnosis, retry, remedy) = if passing {
        let retry = retry_after(&answer.headers, now)
            .map_or(RetryRule::BackOff { first: pauses.fcm_unavailable }, RetryRule::After);
        (Diagnosis::TemporarilyDisabled, retry, "Wait; Google's token endpoint is not serving.")
    } else {
        let remedy = "Check that the service account and its key still exist, and this server's clock; else make a new key.";
        (Diagnosis::CertificateError, RetryRule::WhenChanged, remedy)
    };
    let reason =
        if denied.error.is_empty() { format!("OAuth HTTP {status}") } else { denied.error };
    let outcome = Box::new(Outcome::Refused(Refusal {
        diagnosis,
        scope: diagnosis.scope(),
        retry,
        token: TokenVerdict::Keep,
        status: Some(status),
        reason,
        remedy: remedy.to_owned(),
    }));
    // A 200 that could not be read may hold a token.
    let answer = (status != 200).then(|| Box::new(answer));
    Err(Refused { outcome, answer })
}

/// The token in a success.
fn granted(body: &[u8], now: Time) -> Option<AccessToken> {
    let granted: Granted = serde_json::from_slice(body).ok()?;
    let mut authorization =
        HeaderValue::try_from(format!("Bearer {}", granted.access_token)).ok()?;
    authorization.set_sensitive(true);
    let seconds = match &granted.expires_in {
        serde_json::Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    };
    let life = seconds.map_or(ASSUMED_LIFE, Duration::from_secs);
    // A short life, as simulators give, still leaves time to use the token.
    let early = RENEW_BEFORE.min(life / 4);
    let expires_at = now.plus(life);
    Some(AccessToken { authorization, renew_at: expires_at.minus(early), expires_at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            connection: Default::default(),
        }
    }

    #[test]
    fn lives_may_be_numbers_or_strings() {
        let now = Time::from_millis(1_000_000);
        for life in ["3600", "\"3600\"", "null"] {
            let body = format!("{{\"access_token\":\"t\",\"expires_in\":{life}}}");
            let token = read(answer(200, &body), now, &Pauses::default()).expect("a token");
            assert_eq!(token.authorization, "Bearer t");
            assert!(token.authorization.is_sensitive());
            assert_eq!(now.until(token.expires_at), Duration::from_secs(3600), "{life}");
            assert_eq!(now.until(token.renew_at), Duration::from_secs(3600 - 225), "{life}");
        }
    }

    #[test]
    fn refusals_are_ours_or_googles() {
        let check = |status, body, diagnosis, reason: &str| {
            let refused = read(answer(status, body), Time::EPOCH, &Pauses::default());
            let Err(refused) = refused else { panic!("{status} {body} is a refusal") };
            let Outcome::Refused(refusal) = *refused.outcome else { panic!("not refused") };
            assert_eq!((refusal.diagnosis, &*refusal.reason), (diagnosis, reason), "{body}");
        };
        let ours = Diagnosis::CertificateError;
        let googles = Diagnosis::TemporarilyDisabled;
        check(400, r#"{"error":"invalid_grant"}"#, ours, "invalid_grant");
        check(401, r#"{"error":"invalid_client"}"#, ours, "invalid_client");
        check(400, r#"{"error":"temporarily_unavailable"}"#, googles, "temporarily_unavailable");
        check(503, "<html>", googles, "OAuth HTTP 503");
        check(429, "", googles, "OAuth HTTP 429");
        check(200, "{}", googles, "OAuth HTTP 200");
    }

    #[test]
    fn only_googles_token_endpoints_are_believed() {
        assert!(google_url("https://oauth2.googleapis.com/token").is_ok());
        for bad in ["https://evil.example/token", "https://127.0.0.1/", "", "::"] {
            assert!(google_url(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(status in 200_u16..600, body in ".*", life: u64) {
            let _ = read(answer(status, &body), Time::EPOCH, &Pauses::default());
            let body = format!("{{\"access_token\":{body:?},\"expires_in\":{life}}}");
            let _ = read(answer(200, &body), Time::from_micros(i64::MAX), &Pauses::default());
        }
    }
}
