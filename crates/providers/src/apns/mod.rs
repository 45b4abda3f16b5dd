//! Apple Push Notification service.
//!
//! ```text
//!   Push ──[request::encode]──▶ head, body ──[transport]──▶ answer ──[response::classify]──▶ Outcome
//!                                  ▲
//!   Credential ──[provider_token]──┘ (or its certificate, in the TLS handshake)
//! ```
//!
//! Does not: choose environments, keep tokens, wait before a retry.

mod certificate;
mod credential;
mod provider_token;
mod request;
mod response;

use std::sync::Arc;

use bytes::Bytes;
use domain::{Diagnosis, Environment, Outcome, Refusal, RetryRule, Scope, Time, TokenVerdict};
use http::header::{AUTHORIZATION, HeaderMap};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Request};

pub use credential::{Credential, Environments, Facts, key_id_of_file_name};
pub use request::{Encoded, Expiration, Priority, Push, PushType, Topic, encode};
pub use response::classify;

use crate::config::{Config, Pauses};
use crate::error::{Error, FieldFault};
use crate::record::{Exchange, RequestRecord};
use crate::transport::{
    ConnectionId, Endpoint, Failure, Policy, Pool, Reconnect, Reply, Timeouts, Timing, Turn, post,
    tls_config,
};
use credential::Proof;
use response::Cure;

/// A client for one credential in one environment. Clones share its connections; they are opened
/// when needed and end when the last clone is dropped, or by [`Apns::close`].
#[derive(Clone)]
pub struct Apns(Arc<Inner>);

/// What clones share.
struct Inner {
    /// How to authenticate.
    credential: Credential,
    /// The connections.
    pool: Pool,
    /// `host[:port]`, for the head of requests.
    authority: Authority,
    /// The same, for records.
    host: Arc<str>,
    /// The path without the token, for records.
    path: Arc<str>,
    /// What to ask of retries.
    pauses: Pauses,
}

impl Apns {
    /// A client. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`Error::Credential`] if the credential is not good in this environment (905),
    /// [`Error::Config`] if the environment's URL is not one.
    pub fn new(
        config: &Config,
        credential: Credential,
        environment: Environment,
    ) -> Result<Self, Error> {
        credential.check_environment(environment)?;
        let endpoint = match environment {
            Environment::Production => {
                Endpoint::parse("apns_production", &config.apns_production, config)
            }
            Environment::Sandbox => Endpoint::parse("apns_sandbox", &config.apns_sandbox, config),
        }?;
        let (identity, cautious_start) = match &credential.proof {
            // Apple allows one stream until a token has been accepted.
            Proof::Token(_) => (None, 1),
            Proof::Certificate(identity) => (Some(Arc::clone(identity)), usize::MAX),
        };
        let policy = Policy {
            cautious_start,
            connections: config.connections_per_credential.max(1),
            goaway_refuses: response::goaway_refuses,
        };
        let authority = endpoint.authority.clone();
        let host = Arc::from(authority.as_str());
        let tls = tls_config(&config.roots, identity)?;
        let pool =
            Pool::new(endpoint, tls, Timeouts::from(config), Reconnect::from(config), policy);
        let path = Arc::from(request::PATH);
        let pauses = config.pauses;
        Ok(Self(Arc::new(Inner { credential, pool, authority, host, path, pauses })))
    }

    /// Sends a push and says what it came to.
    ///
    /// `wanted` is asked again right before the request is written, after every wait; if it says
    /// no, nothing is sent and the outcome is [`Outcome::Withdrawn`]. What APNs surely did not
    /// process is sent again at once; what was lost after it was written is sent once more with
    /// the same id, then the outcome is [`Outcome::Unknown`].
    pub async fn send(
        &self,
        push: &Push,
        now: Time,
        wanted: impl Fn() -> bool + Send + Sync,
    ) -> Exchange {
        let inner = &*self.0;
        let encoded = match inner.check(push, now) {
            Ok(()) => encode(push).map_err(FieldFault::into_outcome),
            Err(refused) => Err(refused),
        };
        let (path, headers) = match encoded {
            Ok(Encoded { path, headers, body: _ }) => (Ok(path), headers),
            Err(outcome) => (Err(outcome), Vec::new()),
        };
        let record = RequestRecord {
            host: Arc::clone(&inner.host),
            path: Arc::clone(&inner.path),
            path_token: Some(push.device_token.hash()),
            headers,
            body: push.payload.clone(),
        };
        match path {
            Ok(path) => inner.exchange(record, path, now, wanted).await,
            Err(outcome) => Exchange::without_answer(record, outcome, Timing::default()),
        }
    }

    /// The credential in use.
    pub fn credential(&self) -> &Credential {
        &self.0.credential
    }

    /// Takes no more pushes, lets those in flight end, then closes all connections.
    pub async fn close(&self) {
        self.0.pool.close().await;
    }
}

impl Inner {
    /// Refuses what the credential cannot do, without a round trip.
    fn check(&self, push: &Push, now: Time) -> Result<(), Outcome> {
        if self.credential.is_expired(now) {
            return Err(Outcome::Refused(Refusal {
                diagnosis: Diagnosis::CertificateExpired,
                scope: Scope::Credential,
                retry: RetryRule::WhenChanged,
                token: TokenVerdict::Keep,
                status: None,
                reason: "CertificateExpired".to_owned(),
                remedy: "Make a new push certificate in Apple's developer portal and upload it; or use a .p8 key.".to_owned(),
            }));
        }
        let topic = push.topic.as_str();
        if !self.credential.covers(topic) {
            let fault = FieldFault {
                field: "topic".into(),
                problem: format!("{topic:?} is not covered by the credential"),
                remedy: "Upload a credential for this bundle id, or add the bundle id to the key.",
                diagnosis: Diagnosis::AppMismatch,
            };
            return Err(fault.into_outcome());
        }
        Ok(())
    }

    /// Sends, and once more if the answer has a cure.
    async fn exchange(
        &self,
        record: RequestRecord,
        path: Bytes,
        now: Time,
        wanted: impl Fn() -> bool + Send + Sync,
    ) -> Exchange {
        let path = match PathAndQuery::from_maybe_shared(path) {
            Ok(path) => path,
            Err(error) => {
                let failure = Failure::Request(error.to_string().into());
                let outcome = failure.outcome(&self.pauses);
                return Exchange::without_answer(record, outcome, Timing::default());
            }
        };
        let mut cured = false;
        loop {
            let head = |turn| self.head(&path, &record.headers, turn, now);
            let (reply, timing) = self.pool.send(head, &record.body, &wanted).await;
            let outcome = match &reply {
                Reply::Answered(answer) => {
                    let cure = response::cure(answer.status, &answer.body);
                    if self.apply(cure, answer.connection, now) && !cured {
                        cured = true;
                        continue;
                    }
                    classify(answer.status, &answer.headers, &answer.body, now, &self.pauses)
                }
                Reply::Failed(failure) => {
                    let expired = self.credential.is_expired(now);
                    response::classify_failure(failure, expired, &self.pauses)
                }
                Reply::Lost(detail) => Outcome::Unknown { detail: detail.clone() },
                Reply::Withdrawn => Outcome::Withdrawn,
            };
            let answer = match reply {
                Reply::Answered(answer) => Some(answer.into()),
                Reply::Failed(_) | Reply::Lost(_) | Reply::Withdrawn => None,
            };
            let mut exchange = Exchange::without_answer(record, outcome, timing);
            exchange.answer = answer;
            return exchange;
        }
    }

    /// Does what a cure asks for; says whether sending again may help.
    fn apply(&self, cure: Cure, connection: ConnectionId, now: Time) -> bool {
        let again = match (cure, &self.credential.proof) {
            (Cure::None, _) => return false,
            (Cure::Retire, _) => false,
            (Cure::Reconnect, _) => true,
            (Cure::RenewToken, Proof::Token(key)) => key.expire(now),
            (Cure::RenewToken, Proof::Certificate(_)) => false,
        };
        self.pool.retire(connection);
        again
    }

    /// The head of a request, with the authorization of this moment.
    fn head(
        &self,
        path: &PathAndQuery,
        headers: &[(HeaderName, HeaderValue)],
        turn: Turn,
        now: Time,
    ) -> Result<Request<()>, Failure> {
        let mut map = HeaderMap::with_capacity(headers.len() + 1);
        for (name, value) in headers {
            let mut value = value.clone();
            // Apple's advice on HPACK: these go into the table once, for their names, and are then
            // sent without indexing, because each value is used once.
            if turn == Turn::Later && changes_always(name) {
                value.set_sensitive(true);
            }
            map.insert(name, value);
        }
        if let Proof::Token(key) = &self.credential.proof {
            let authorization = key
                .authorization(now)
                .ok_or_else(|| Failure::Request("the key does not sign".into()))?;
            map.insert(AUTHORIZATION, authorization);
        }
        post(&self.authority, path, map)
    }
}

/// Whether the header has another value in every request.
fn changes_always(name: &HeaderName) -> bool {
    [request::ID, request::EXPIRATION, request::COLLAPSE_ID].contains(name)
}
