//! Web Push: the browsers' push services and UnifiedPush (RFC 8030, 8188, 8291, 8292).
//!
//! ```text
//!   Push ──[request::encode]──▶ headers, encrypted body ──[transport]──▶ answer ──[response::classify]──▶ Outcome
//!    │                                    ▲
//!    │ its origin: allowed?   VapidKey ──[vapid_token]
//!    └── Subscription
//! ```
//!
//! Every endpoint is a URL of a user's choosing, so its host must be in the operator's list and
//! the connection goes through the guard.
//!
//! Does not: discover UnifiedPush servers, ask for receipts (no vendor gives them), keep
//! subscriptions, wait before a retry.

mod credential;
mod encryption;
#[cfg(test)]
mod fuzz;
mod request;
mod response;
mod subscription;
mod vapid_token;

use std::sync::Arc;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use domain::{Diagnosis, Outcome, Refusal, RetryRule, Scope, Time};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

pub use credential::{Subject, VapidKey};
pub use request::{Encoded, Push, Urgency, check, encode, is_topic};
pub use response::classify;
pub use subscription::Subscription;

use crate::config::{Config, Pauses};
use crate::error::{Error, FieldFault};
use crate::record::{Exchange, RequestRecord};
use crate::transport::{Answer, Failure, Hosts, Origins, Reply, Timing, post};
use vapid_token::VapidTokens;

/// A client for one VAPID key. Clones share its connections; they are opened when needed and end
/// when the last clone is dropped, or by [`WebPush::close`].
#[derive(Clone)]
pub struct WebPush(Arc<Inner>);

/// What clones share.
struct Inner {
    /// The key.
    key: VapidKey,
    /// Whom to ask about it.
    subject: Subject,
    /// The tokens signed with it.
    tokens: VapidTokens,
    /// The connections.
    origins: Origins,
    /// Where endpoints may be.
    hosts: Hosts,
    /// How payloads are padded.
    pad_to_bytes: usize,
    /// The path without the secret, for records.
    path: Arc<str>,
    /// What to ask of retries.
    pauses: Pauses,
}

impl WebPush {
    /// A client. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the crypto provider offers no usable protocol version.
    pub fn new(config: &Config, key: VapidKey, subject: Subject) -> Result<Self, Error> {
        Ok(Self(Arc::new(Inner {
            key,
            subject,
            tokens: VapidTokens::default(),
            origins: Origins::new(config)?,
            hosts: config.webpush_hosts.clone(),
            pad_to_bytes: config.webpush_pad_to_bytes,
            path: Arc::from("/"),
            pauses: config.pauses,
        })))
    }

    /// Sends a push and says what it came to.
    ///
    /// `wanted` is asked again right before the request is written, after every wait; if it says
    /// no, nothing is sent and the outcome is [`Outcome::Withdrawn`]. What the service surely did
    /// not process is sent again at once; what was lost after it was written is sent once more
    /// if it is wanted still. If it is not, or is lost again, the outcome is
    /// [`Outcome::Unknown`]. A token that the service no longer takes is renewed, and the push
    /// sent again, once.
    ///
    /// The record's body is the payload before encryption. The endpoint's path is masked in it and
    /// in the answer, which a service may have put it into.
    pub async fn send(
        &self,
        push: &Push,
        now: Time,
        wanted: impl Fn() -> bool + Send + Sync,
    ) -> Exchange {
        let (record, body) = self.0.prepare(push);
        match body {
            Ok(body) => self.0.exchange(record, &push.subscription, &body, now, wanted).await,
            Err(outcome) => Exchange::without_answer(record, outcome, Timing::default()),
        }
    }

    /// What [`WebPush::send`] would send, without any connection: the outcome is
    /// [`Outcome::Withdrawn`], or the refusal that the push would meet here.
    pub fn dry_run(&self, push: &Push) -> Exchange {
        let (record, body) = self.0.prepare(push);
        let outcome = body.map_or_else(|refused| refused, |_| Outcome::Withdrawn);
        Exchange::without_answer(record, outcome, Timing::default())
    }

    /// The key in use.
    pub fn key(&self) -> &VapidKey {
        &self.0.key
    }

    /// Takes no more pushes, lets those in flight end, then closes all connections.
    pub async fn close(&self) {
        self.0.origins.close().await;
    }
}

/// Whether a subscription's push service is among those that the operator allows.
///
/// # Errors
///
/// The refusal that every push to it would meet, before any connection is made: 901.
pub fn check_host(allowed: &Hosts, subscription: &Subscription) -> Result<(), Refusal> {
    let host = subscription.origin().host();
    if allowed.has(host) {
        return Ok(());
    }
    let refusal = Refusal::unsent(
        Diagnosis::NotConfigured,
        RetryRule::WhenChanged,
        format!("HostNotAllowed: {host} is not among the push services allowed here"),
        "If this push service is meant, add its host to webpush.allowed_hosts.",
    );
    // Another browser's push service may well be allowed.
    Err(Refusal { scope: Scope::Device, ..refusal })
}

/// Whether a subscription's endpoint may be pushed to, as far as can be seen without resolving its
/// name: its push service is allowed, and it does not plainly lead inside the operator's network.
///
/// # Errors
///
/// The refusal that every push to it would meet, before any connection is made: 901.
pub fn check_endpoint(config: &Config, subscription: &Subscription) -> Result<(), Refusal> {
    check_host(&config.webpush_hosts, subscription)?;
    let origin = subscription.origin();
    let seen = config.guard.check_unresolved(origin.host(), origin.port());
    seen.map_err(|failure| failure.refusal(&config.pauses))
}

impl Inner {
    /// The request as records may hold it, and its body on the wire or why it is not sent.
    fn prepare(&self, push: &Push) -> (RequestRecord, Result<Bytes, Outcome>) {
        let checked = self
            .check(push)
            .and_then(|()| encode(push, self.pad_to_bytes).map_err(FieldFault::into_outcome));
        let (body, headers) = match checked {
            Ok(Encoded { headers, body }) => (Ok(body), headers),
            Err(outcome) => (Err(outcome), Vec::new()),
        };
        let record = RequestRecord {
            host: Arc::from(push.subscription.origin().authority().as_str()),
            path: Arc::clone(&self.path),
            path_token: Some(push.subscription.hash()),
            headers,
            body: push.payload.clone().unwrap_or_default(),
        };
        (record, body)
    }

    /// Refuses an endpoint whose host the operator does not allow.
    fn check(&self, push: &Push) -> Result<(), Outcome> {
        check_host(&self.hosts, &push.subscription).map_err(Outcome::Refused)
    }

    /// Sends, and once more if our token was the trouble.
    async fn exchange(
        &self,
        record: RequestRecord,
        subscription: &Subscription,
        body: &Bytes,
        now: Time,
        wanted: impl Fn() -> bool + Send + Sync,
    ) -> Exchange {
        let (origin, path) = (subscription.origin(), subscription.path());
        let mut renewed = false;
        loop {
            let build = |_| {
                let mut headers = HeaderMap::with_capacity(record.headers.len() + 1);
                headers.extend(record.headers.iter().cloned());
                let authorization = self
                    .tokens
                    .authorization(&self.key, &self.subject, origin, now)
                    .ok_or_else(|| Failure::Request("the key does not sign".into()))?;
                headers.insert(AUTHORIZATION, authorization);
                post(origin.authority(), path, headers)
            };
            let (reply, timing) = self.origins.send(origin, build, body, &wanted).await;
            let reply = match reply {
                Reply::Answered(answer) => Reply::Answered(masked(answer, subscription)),
                other => other,
            };
            let outcome = match &reply {
                Reply::Answered(Answer { status, headers, body, .. }) => {
                    if !renewed
                        && response::is_our_token_bad(origin.host(), *status, body)
                        && self.tokens.expire(origin, now)
                    {
                        renewed = true;
                        continue;
                    }
                    classify(origin.host(), *status, headers, body, now, &self.pauses)
                }
                Reply::Failed(failure) => response::classify_failure(failure, &self.pauses),
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
}

/// The shortest part of an endpoint's path that is taken for its secret; shorter ones are words
/// such as `wpush`.
const SHORTEST_SECRET: usize = 16;

/// The answer without the endpoint's secret, which error pages like to repeat.
fn masked(mut answer: Answer, subscription: &Subscription) -> Answer {
    let path = subscription.path().as_str();
    let parts = path.split(['/', '?', '&', '=']).filter(|part| part.len() >= SHORTEST_SECRET);
    // The whole first, or its parts would leave a trail of it.
    let whole = Some(path).filter(|path| path.len() > 1);
    let hash = subscription.hash().to_string();
    for secret in whole.into_iter().chain(parts) {
        if let Some(masked) = replaced(&answer.body, secret.as_bytes(), hash.as_bytes()) {
            answer.body = masked.into();
        }
        for value in answer.headers.values_mut() {
            let masked = replaced(value.as_bytes(), secret.as_bytes(), hash.as_bytes());
            if let Some(Ok(masked)) = masked.map(|masked| HeaderValue::from_bytes(&masked)) {
                *value = masked;
            }
        }
    }
    answer
}

/// The text with every occurrence of `secret` replaced; `None` if there is none.
fn replaced(text: &[u8], secret: &[u8], by: &[u8]) -> Option<Vec<u8>> {
    let mut result: Option<Vec<u8>> = None;
    let mut rest = text;
    while let Some(at) = rest.windows(secret.len()).position(|window| window == secret) {
        let (before, after) = rest.split_at(at);
        let result = result.get_or_insert_default();
        result.extend(before);
        result.extend(by);
        rest = after.strip_prefix(secret).unwrap_or_default();
    }
    let mut result = result?;
    result.extend(rest);
    Some(result)
}

/// Bytes from base64url without padding, as browsers and tools write them, or as they should not
/// but do: padded, or in the standard alphabet.
fn base64_of(text: &str) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let lenient = GeneralPurpose::new(&URL_SAFE, config);
    lenient.decode(text.trim().replace('+', "-").replace('/', "_")).ok()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http::header::LOCATION;

    use super::*;
    use crate::transport::ConnectionId;

    #[test]
    fn an_answer_does_not_repeat_the_endpoint() {
        let check = |path: &str, text: &str, expected: &str| {
            let url = format!("https://push.example.org{path}");
            let subscription = Subscription::of_parts(&url, None).expect("a good endpoint");
            let hash = subscription.hash().to_string();
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_str(text).expect("visible"));
            let answer = Answer {
                status: StatusCode::NOT_FOUND,
                headers,
                body: Bytes::copy_from_slice(text.as_bytes()),
                connection: ConnectionId::default(),
            };
            let answer = masked(answer, &subscription);
            let expected = expected.replace('#', &hash);
            assert_eq!(answer.body, expected.as_bytes());
            assert_eq!(answer.headers.get(LOCATION).expect("kept"), expected.as_str());
        };
        let path = "/wpush/v2/gAAAAABkSecretSecretSecret";
        check(path, "Cannot POST /wpush/v2/gAAAAABkSecretSecretSecret!", "Cannot POST #!");
        check(path, "no gAAAAABkSecretSecretSecret and no wpush", "no # and no wpush");
        let url = "https://push.example.org/wpush/v2/gAAAAABkSecretSecretSecret/wpush/v2/gAAAAABkSecretSecretSecret";
        check(path, url, "https://push.example.org##");
        check("/w?token=SecretSecretSecret&v=2", "token SecretSecretSecret", "token #");
        check("/", "a/b", "a/b");
        check(path, "nothing of it", "nothing of it");
        check(path, "", "");
    }
}
