//! Firebase Cloud Messaging, HTTP v1.
//!
//! ```text
//!   Content ──▶ Template ─┐
//!                         ├─[request]──▶ body ──[transport]──▶ answer ──[response]──▶ Outcome
//!   Target ───────────────┘               ▲
//!   ServiceAccount ──[oauth]──────────────┘ access token
//! ```
//!
//! A [`Message`] is a target and a content; a broadcast makes a [`Template`] of the content once.
//!
//! Does not: the retired API of server keys; who is subscribed to a topic.
//!
//! Read first: [`Message`], [`Template`], [`Fcm`].

mod credential;
#[cfg(test)]
mod fuzz;
mod google_services;
mod message;
mod oauth;
mod probe;
mod ramp;
mod request;
mod response;

use std::sync::Arc;

use bytes::Bytes;
use domain::{Outcome, Time};
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use http::uri::{Authority, PathAndQuery};

pub use credential::ServiceAccount;
pub use google_services::GoogleServices;
pub use message::{
    Android, AndroidNotification, Apns, ApnsOptions, Color, Content, FcmOptions, LightSettings,
    Message, Notification, NotificationPriority, Priority, Proxy, Target, Visibility, Webpush,
    WebpushOptions,
};
pub use probe::belief;
pub use ramp::Ramp;
pub use request::{Encoded, Template, encode};
pub use response::classify;

use crate::config::{Config, Pauses};
use crate::error::{Error, FieldFault};
use crate::record::{Exchange, RequestRecord};
use crate::transport::{
    Endpoint, Policy, Pool, Reconnect, Reply, Stopwatch, Timeouts, Timing, WhenLost, post,
    tls_config,
};
use oauth::{OAuth, Refused};

/// The body's type.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A client for one service account. Clones share its connections; they are opened when needed
/// and end when the last clone is dropped, or by [`Fcm::close`].
#[derive(Clone)]
pub struct Fcm(Arc<Inner>);

/// What clones share.
struct Inner {
    /// Who we are.
    account: ServiceAccount,
    /// Where access tokens come from.
    oauth: OAuth,
    /// The connections to FCM.
    pool: Pool,
    /// `host[:port]`, for the head of requests.
    authority: Authority,
    /// The same, for records.
    host: Arc<str>,
    /// `/v1/projects/<project>/messages:send`.
    path: PathAndQuery,
    /// The same, for records.
    path_text: Arc<str>,
    /// What to ask of retries.
    pauses: Pauses,
}

impl Fcm {
    /// A client. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a URL is not one, or the account's `token_uri` is not Google's and
    /// the configuration does not name another.
    pub fn new(config: &Config, account: ServiceAccount) -> Result<Self, Error> {
        let endpoint = Endpoint::parse("fcm", &config.fcm, config)?;
        let oauth = OAuth::new(config, &account.account)?;
        let path_text = format!("/v1/projects/{}/messages:send", account.project_id());
        let path = PathAndQuery::try_from(&*path_text).map_err(|error| Error::Config {
            setting: "fcm",
            problem: format!("{path_text:?} is no path: {error}"),
            remedy: "upload the service account key unchanged",
        })?;
        let authority = endpoint.authority.clone();
        let host = Arc::from(authority.as_str());
        let policy = Policy {
            cautious_start: usize::MAX,
            connections: config.connections_per_credential.max(1),
            goaway_refuses: |_| false,
        };
        let tls = tls_config(&config.roots, None)?;
        let pool =
            Pool::new(endpoint, tls, Timeouts::from(config), Reconnect::from(config), policy);
        let (path_text, pauses) = (Arc::from(path_text), config.pauses);
        let inner = Inner { account, oauth, pool, authority, host, path, path_text, pauses };
        Ok(Self(Arc::new(inner)))
    }

    /// Sends a message and says what it came to.
    ///
    /// `wanted` is asked again right before the request is written, after every wait; if it says
    /// no, nothing is sent and the outcome is [`Outcome::Withdrawn`]. What FCM surely did not
    /// process is sent again at once; what was lost after it was written is sent once more if
    /// it is wanted still. If it is not, or is lost again, the outcome is [`Outcome::Unknown`]. An
    /// access token that Google no longer takes is renewed, and the message sent again, once.
    pub async fn send(
        &self,
        message: &Message,
        now: Time,
        wanted: impl Fn() -> bool + Send + Sync,
    ) -> Exchange {
        self.0.send(encode(message), now, wanted).await
    }

    /// Sends what a template says to a target, like [`Fcm::send`].
    pub async fn send_template(
        &self,
        template: &Template,
        target: &Target,
        now: Time,
        wanted: impl Fn() -> bool + Send + Sync,
    ) -> Exchange {
        self.0.send(template.encode(target), now, wanted).await
    }

    /// What [`Fcm::send`] would send, without any connection: the outcome is
    /// [`Outcome::Withdrawn`], or the refusal that the message would meet here.
    pub fn dry_run(&self, message: &Message) -> Exchange {
        match encode(message) {
            Ok(Encoded { body: _, masked }) => {
                let record = self.0.record(masked);
                Exchange::without_answer(record, Outcome::Withdrawn, Timing::default())
            }
            Err(fault) => Exchange::unsent(self.0.record(Bytes::new()), fault),
        }
    }

    /// Asks whether Google believes the account, with a message to nobody that FCM only checks
    /// (`validate_only`). What the outcome tells is for [`belief`] to say.
    pub async fn probe(&self, now: Time) -> Exchange {
        self.send(&probe::message(), now, || true).await
    }

    /// The account in use.
    pub fn account(&self) -> &ServiceAccount {
        &self.0.account
    }

    /// Takes no more messages, lets those in flight end, then closes all connections.
    pub async fn close(&self) {
        self.0.pool.close().await;
        self.0.oauth.close().await;
    }
}

impl Inner {
    /// Sends what was encoded, or says why it was not.
    async fn send(
        &self,
        encoded: Result<Encoded, FieldFault>,
        now: Time,
        wanted: impl Fn() -> bool + Send + Sync,
    ) -> Exchange {
        match encoded {
            Ok(Encoded { body, masked }) => {
                self.exchange(self.record(masked), &body, now, wanted).await
            }
            Err(fault) => Exchange::unsent(self.record(Bytes::new()), fault),
        }
    }

    /// The request as records may hold it.
    fn record(&self, body: Bytes) -> RequestRecord {
        RequestRecord {
            host: Arc::clone(&self.host),
            path: Arc::clone(&self.path_text),
            path_token: None,
            headers: vec![(CONTENT_TYPE, JSON)],
            body,
        }
    }

    /// Sends, and once more if our access token was the trouble.
    async fn exchange(
        &self,
        record: RequestRecord,
        body: &Bytes,
        now: Time,
        wanted: impl Fn() -> bool + Send + Sync,
    ) -> Exchange {
        let ServiceAccount { account, services } = &self.account;
        let start = Stopwatch::start();
        let mut renewed = false;
        loop {
            let authorization = match self.oauth.authorization(account, now).await {
                Ok(authorization) => authorization,
                Err(Refused { outcome, answer }) => {
                    let timing = Timing { queued: start.elapsed(), ..Timing::default() };
                    let mut exchange = Exchange::without_answer(record, *outcome, timing);
                    exchange.answer = answer.map(|answer| (*answer).into());
                    return exchange;
                }
            };
            let fetching = start.elapsed();
            let build = |_| {
                let mut headers = HeaderMap::with_capacity(2);
                headers.insert(CONTENT_TYPE, JSON);
                headers.insert(AUTHORIZATION, authorization.clone());
                post(&self.authority, &self.path, headers)
            };
            let (reply, timing) =
                self.pool.send(build, body, WhenLost::SendOnceMore, &wanted).await;
            let outcome = match &reply {
                Reply::Answered(answer) => {
                    if !renewed && response::is_our_token_bad(answer.status, &answer.body) {
                        renewed = true;
                        account.tokens.discard(&authorization);
                        continue;
                    }
                    let outcome =
                        classify(answer.status, &answer.headers, &answer.body, now, &self.pauses);
                    match services {
                        Some(services) => services.explain(outcome),
                        None => outcome,
                    }
                }
                Reply::Failed(failure) => failure.outcome(&self.pauses),
                Reply::Lost(detail) => Outcome::Unknown { detail: detail.clone() },
                Reply::Withdrawn => Outcome::Withdrawn,
            };
            let timing = Timing { queued: fetching + timing.queued, took: timing.took };
            let mut exchange = Exchange::without_answer(record, outcome, timing);
            if let Reply::Answered(answer) = reply {
                exchange.answer = Some(answer.into());
            }
            return exchange;
        }
    }
}
