//! Apple Push Notification service.
//!
//! ```text
//!   Push ──[request::encode]──▶ head, body ──[transport]──▶ answer ──[response::classify]──▶ Outcome
//!                                  ▲
//!   Credential ──[provider_token]──┘ (or its certificate, in the TLS handshake)
//! ```
//!
//! Does not: choose environments, keep tokens, wait before a retry. Provider tokens outlive a
//! restart if the caller keeps them: [`Credential::provider_tokens`].

mod aps;
mod certificate;
mod credential;
#[cfg(test)]
mod fuzz;
mod payload;
mod probe;
mod provider_token;
mod push_type;
mod reason;
mod request;
mod response;
mod token_key;
mod topic;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use domain::{Environment, Outcome, Time};
use http::header::{AUTHORIZATION, HeaderMap};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Request};

pub use aps::{Alert, Aps, Fraction, InterruptionLevel, Localized, Sound};
pub use credential::{
    CoveredTopic, Credential, Environments, Facts, KeyDetails, TopicKind, key_id_of_file_name,
};
pub use probe::belief;
pub use provider_token::{ProviderToken, ProviderTokens};
pub use push_type::{Authentication, PushType};
pub use request::{Encoded, Expiration, Priority, Push, encode};
pub use response::{Sent, classify};
pub use topic::Topic;

use crate::config::{Config, Pauses};
use crate::error::{Error, FieldFault};
use crate::record::{Exchange, RequestRecord};
use crate::transport::{
    Answer, Endpoint, Failure, HeaderTable, Policy, Pool, Reconnect, Reply, Timeouts, Timing,
    WhenLost, post, tls_config,
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
    /// Which of Apple's services it speaks to.
    environment: Environment,
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
    /// Each client has connections of its own; clones share them. Apple narrows a connection after
    /// errors and closes one that has too many, so what is expected to fail, or comes in bursts,
    /// is kept away from wakes by another client with the same credential: probes, broadcasts.
    /// Clients of one credential share its provider tokens.
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
        let inner = Inner { credential, environment, pool, authority, host, path, pauses };
        Ok(Self(Arc::new(inner)))
    }

    /// Sends a push and says what it came to.
    ///
    /// `wanted` is asked again right before the request is written, after every wait; if it says
    /// no, nothing is sent and the outcome is [`Outcome::Withdrawn`]. What APNs surely did not
    /// process is sent again at once; what was lost after it was written is sent once more with
    /// the same id if it is wanted still. If it is not, is lost again, or is a VoIP push, the
    /// outcome is [`Outcome::Unknown`].
    pub async fn send(
        &self,
        push: &Push,
        now: Time,
        wanted: impl Fn() -> bool + Send + Sync,
    ) -> Exchange {
        let (record, path) = self.0.prepare(push, now);
        match path {
            Ok(path) => {
                // A phone that is made to ring twice for one call loses its VoIP pushes if the
                // call is over by the second.
                let rings = push.push_type == PushType::Voip;
                let when_lost = if rings { WhenLost::Leave } else { WhenLost::SendOnceMore };
                self.0.exchange(record, path, now, when_lost, wanted).await
            }
            Err(outcome) => Exchange::without_answer(record, outcome, Timing::default()),
        }
    }

    /// What [`Apns::send`] would send, without any connection: the outcome is
    /// [`Outcome::Withdrawn`], or the refusal that the push would meet here.
    pub fn dry_run(&self, push: &Push, now: Time) -> Exchange {
        let (record, path) = self.0.prepare(push, now);
        let outcome = path.map_or_else(|refused| refused, |_| Outcome::Withdrawn);
        Exchange::without_answer(record, outcome, Timing::default())
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
    /// The request as records may hold it, and its path on the wire or why it is not sent.
    fn prepare(&self, push: &Push, now: Time) -> (RequestRecord, Result<Bytes, Outcome>) {
        let encoded = match self.check(push, now) {
            Ok(()) => encode(push).map_err(FieldFault::into_outcome),
            Err(refused) => Err(refused),
        };
        let (path, headers) = match encoded {
            Ok(Encoded { path, headers, body: _ }) => (Ok(path), headers),
            Err(outcome) => (Err(outcome), Vec::new()),
        };
        let record = RequestRecord {
            host: Arc::clone(&self.host),
            path: Arc::clone(&self.path),
            path_token: Some(push.device_token.hash()),
            headers,
            body: push.payload.clone(),
        };
        (record, path)
    }

    /// Refuses what the credential cannot do, without a round trip.
    fn check(&self, push: &Push, now: Time) -> Result<(), Outcome> {
        if self.credential.is_expired(now) {
            return Err(Outcome::Refused(response::expired_refusal()));
        }
        let checked = self.credential.check_push(push.push_type, &push.topic);
        checked.map_err(FieldFault::into_outcome)
    }

    /// Sends, and once more if the answer has a cure.
    async fn exchange(
        &self,
        record: RequestRecord,
        path: Bytes,
        now: Time,
        when_lost: WhenLost,
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
        let sent = Sent {
            environment: self.environment,
            expired: self.credential.is_expired(now),
            now,
            pauses: &self.pauses,
        };
        // Which provider token went out last, by when it was issued.
        let token_used = AtomicI64::new(0);
        let mut cured = false;
        loop {
            let head = |table| self.head(&path, &record.headers, &table, &token_used, now);
            let (reply, timing) = self.pool.send(head, &record.body, when_lost, &wanted).await;
            let used = Time::from_micros(token_used.load(Ordering::Relaxed));
            if self.cure(&reply, used, now) && !cured {
                cured = true;
                continue;
            }
            let outcome = match &reply {
                Reply::Answered(Answer { status, headers, body, .. }) => {
                    classify(*status, headers, body, &sent)
                }
                Reply::Failed(failure) => response::classify_failure(failure, &sent),
                Reply::Lost(detail) => Outcome::Unknown { detail: detail.clone() },
                Reply::Withdrawn => Outcome::Withdrawn,
            };
            let mut exchange = Exchange::without_answer(record, outcome, timing);
            if let Reply::Answered(answer) = reply {
                exchange.answer = Some(answer.into());
            }
            return exchange;
        }
    }

    /// Does what there is to do about a refusal; says whether sending again may help.
    fn cure(&self, reply: &Reply, token_used: Time, now: Time) -> bool {
        let (reason, connection) = match reply {
            Reply::Answered(answer) if !answer.status.is_success() => {
                (&answer.body, Some(answer.connection))
            }
            Reply::Failed(Failure::GoAway(debug)) => (debug, None),
            Reply::Answered(_) | Reply::Failed(_) | Reply::Lost(_) | Reply::Withdrawn => {
                return false;
            }
        };
        let again = match (response::cure(reason), &self.credential.proof) {
            (Cure::None, _) => return false,
            (Cure::Reconnect, _) => true,
            (Cure::RenewToken, Proof::Token(key)) => key.expire(self.environment, token_used, now),
            (Cure::RenewToken, Proof::Certificate(_)) => false,
        };
        match connection {
            Some(connection) => self.pool.retire(connection),
            // It is gone already, and the pool pauses, because it knows of no cure.
            None if again => self.pool.forgive(),
            None => {}
        }
        again
    }

    /// The head of a request, with the authorization of this moment.
    fn head(
        &self,
        path: &PathAndQuery,
        headers: &[(HeaderName, HeaderValue)],
        table: &HeaderTable,
        token_used: &AtomicI64,
        now: Time,
    ) -> Result<Request<()>, Failure> {
        let mut map = HeaderMap::with_capacity(headers.len() + 1);
        for (name, value) in headers {
            let mut value = value.clone();
            // Apple's advice on HPACK: these go into the table once, for their names, and are then
            // sent without indexing, because each value is used once.
            if let Some(at) = USED_ONCE.iter().position(|once| once == name) {
                value.set_sensitive(table.has(1 << at));
            }
            map.insert(name, value);
        }
        if let Proof::Token(key) = &self.credential.proof {
            let token = key
                .token(self.environment, now)
                .ok_or_else(|| Failure::Request("the key does not sign".into()))?;
            token_used.store(token.issued_at().as_micros(), Ordering::Relaxed);
            map.insert(AUTHORIZATION, token.authorization());
        }
        post(&self.authority, path, map)
    }
}

/// The headers that have another value in every request.
const USED_ONCE: [HeaderName; 3] = [request::ID, request::EXPIRATION, request::COLLAPSE_ID];
