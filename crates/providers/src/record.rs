//! What a push log keeps of one push: the request, the answer, the outcome, the timing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Outcome, Time};
use http::header::DATE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use crate::error::FieldFault;
use crate::retry_after::http_date;
use crate::token::TokenHash;
use crate::transport::{Answer, Timing};

/// One push, from the decision to send it to what it came to.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What was sent, or would have been.
    pub request: RequestRecord,
    /// The provider's last answer, if there was one.
    pub answer: Option<AnswerRecord>,
    /// What it came to.
    pub outcome: Outcome,
    /// How long it waited here until it was written: for a credential, a connection, a stream.
    pub queued: Duration,
    /// How long the provider took, from the request written to the answer read whole.
    pub took: Duration,
}

impl Exchange {
    /// A push that was not sent because a field of it breaks a rule.
    pub(crate) fn unsent(request: RequestRecord, fault: FieldFault) -> Self {
        Self::without_answer(request, fault.into_outcome(), Timing::default())
    }

    /// A push that was not answered.
    pub(crate) fn without_answer(request: RequestRecord, outcome: Outcome, timing: Timing) -> Self {
        let Timing { queued, took } = timing;
        Self { request, answer: None, outcome, queued, took }
    }
}

/// A request as the push log may keep it: the token masked, the authorization left out.
///
/// The body is what was sent, except that FCM's token is masked and a Web Push is not yet encrypted;
/// whether the texts in it may be kept is for the keeper of the log to decide.
/// Serializes as `{method, host, path, headers, body}`; formatting happens only then.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// The push service, `host[:port]`.
    pub host: Arc<str>,
    /// The path, up to the token.
    pub path: Arc<str>,
    /// What stands for the token, if the path ends with one.
    pub path_token: Option<TokenHash>,
    /// The headers in the order sent, without `authorization`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

impl RequestRecord {
    /// The path with the token masked.
    pub fn masked_path(&self) -> String {
        match self.path_token {
            Some(token) => format!("{}{token}", self.path),
            None => self.path.to_string(),
        }
    }
}

impl Serialize for RequestRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("RequestRecord", 5)?;
        record.serialize_field("method", "POST")?;
        record.serialize_field("host", &*self.host)?;
        record.serialize_field("path", &self.masked_path())?;
        let headers = || self.headers.iter().map(|(name, value)| (name, value));
        record.serialize_field("headers", &Headers(headers))?;
        record.serialize_field("body", &String::from_utf8_lossy(&self.body))?;
        record.end()
    }
}

/// The provider's answer, verbatim. Serializes as `{status, headers, body}`.
#[derive(Clone, Debug)]
pub struct AnswerRecord {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, cut at the transport's limit.
    pub body: Bytes,
}

impl AnswerRecord {
    /// The provider's time, if it told one (RFC 9110, 6.6.1).
    pub fn date(&self) -> Option<Time> {
        http_date(self.headers.get(DATE)?.to_str().ok()?)
    }
}

impl From<Answer> for AnswerRecord {
    fn from(answer: Answer) -> Self {
        let Answer { status, headers, body, connection: _ } = answer;
        Self { status, headers, body }
    }
}

impl Serialize for AnswerRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("AnswerRecord", 3)?;
        record.serialize_field("status", &self.status.as_u16())?;
        record.serialize_field("headers", &Headers(|| self.headers.iter()))?;
        record.serialize_field("body", &String::from_utf8_lossy(&self.body))?;
        record.end()
    }
}

/// Headers as a map of texts, from a function that walks them.
struct Headers<F>(F);

impl<'a, F, I> Serialize for Headers<F>
where
    F: Fn() -> I,
    I: Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in (self.0)() {
            map.serialize_entry(name.as_str(), &String::from_utf8_lossy(value.as_bytes()))?;
        }
        map.end()
    }
}
