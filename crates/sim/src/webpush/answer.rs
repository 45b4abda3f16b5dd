//! Answers, each vendor's in its own form.
//!
//! | vendor | body of a refusal | of an acceptance |
//! |---|---|---|
//! | [`Vendor::Apple`] | `{"reason":"…"}`, with `timestamp` for 410 | empty, `apns-id` |
//! | [`Vendor::Google`] | a sentence, `text/plain` | empty, `Location` |
//! | [`Vendor::Mozilla`] | `{"code","errno","error","message","more_info"}` | empty, `Location`, `TTL` |
//! | [`Vendor::Plain`] | a sentence, `text/plain` | empty, `Location`, `TTL` |
//!
//! Sources: RFC 8030, section 5, and RFC 8292, section 4, for the plain service; "Sending web push
//! notifications in web apps and browsers" (Apple; which of 400 and 403 goes with which reason is
//! inferred); autopush's list of errors (Mozilla); answers seen in the field (Google).

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode as S,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER},
};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use serde_json::json;
use uuid::Uuid;

use super::Vendor;
use crate::{Fate, http2::Verdict, trouble::Scripted};

/// Where Mozilla explains its errors.
const MORE_INFO: &str = "http://autopush.readthedocs.io/en/latest/http.html#error-codes";

/// How a service says when to come back (RFC 9110, section 10.2.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryAfter {
    /// It does not.
    Absent,
    /// By a date this many seconds ahead.
    Date(u32),
    /// By this many seconds.
    Seconds(u32),
}

/// The rules a request can break.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The header Authorization cannot be read.
    Authorization,
    /// The header Content-Encoding.
    Encoding,
    /// The subscription ran out.
    Expired,
    /// The subscription was ended.
    Gone,
    /// The token of VAPID.
    Jwt,
    /// The subscription is another key's.
    KeyMismatch,
    Method,
    /// No VAPID, where it is wanted.
    NoAuthorization,
    /// No such resource.
    Path,
    /// The key of VAPID.
    PublicKey,
    TooLarge,
    TooMany,
    Topic,
    Ttl,
    TtlNegative,
    /// The browser could not read it.
    Unreadable,
    Urgency,
}

/// A refusal.
#[derive(Debug)]
pub(super) struct Fault {
    kind: Kind,
    /// The sentence for whoever reads the answer.
    why: &'static str,
    /// Since when a subscription has been dead.
    since: Option<Timestamp>,
}

impl Fault {
    pub(super) fn new(kind: Kind, why: &'static str) -> Self {
        Self { kind, why, since: None }
    }

    /// A subscription that is dead since then.
    pub(super) fn dead(kind: Kind, why: &'static str, since: Timestamp) -> Self {
        Self { since: Some(since), ..Self::new(kind, why) }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The answer; `vapid_status` takes the place of the vendor's own for what VAPID is about.
    pub(super) fn into_verdict(
        self,
        vendor: Vendor,
        vapid_status: Option<S>,
        token: String,
    ) -> Verdict {
        let row = self.kind.row();
        let (status, reason) = match vendor {
            Vendor::Apple => (row.apple.0, row.apple.1),
            Vendor::Google => (row.google, self.why),
            Vendor::Mozilla if self.kind == Kind::KeyMismatch => {
                (row.mozilla.0, "VAPID public key mismatch")
            }
            Vendor::Mozilla => (row.mozilla.0, self.why),
            Vendor::Plain => (row.plain, self.why),
        };
        let status = vapid_status.filter(|_| self.kind.is_vapid()).unwrap_or(status);
        let (content_type, body) = vendor.body(status, reason, row.mozilla.1, self.since);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type);
        if vendor == Vendor::Apple {
            headers.insert(HeaderName::from_static("apns-id"), value(&Uuid::new_v4().to_string()));
        }
        if self.kind == Kind::Method {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if vendor == Vendor::Mozilla && status == S::GONE {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=86400"));
        }
        let fate = Fate::Refused;
        Verdict {
            reason: Some(reason.to_owned()),
            why: Some(self.why.into()),
            token,
            body,
            ..verdict(status, headers, fate)
        }
    }
}

/// How each vendor answers to one kind of fault.
struct Row {
    plain: S,
    google: S,
    apple: (S, &'static str),
    mozilla: (S, Option<u16>),
}

impl Kind {
    fn is_vapid(self) -> bool {
        matches!(
            self,
            Self::Authorization
                | Self::Jwt
                | Self::KeyMismatch
                | Self::NoAuthorization
                | Self::PublicKey
        )
    }

    fn row(self) -> Row {
        // The RFCs' status, Google's, Apple's with its reason, Mozilla's with its errno. Where
        // autopush checks nothing, there is no errno.
        let (plain, google, apple, mozilla) = match self {
            Self::Authorization => (
                S::FORBIDDEN,
                S::FORBIDDEN,
                (S::BAD_REQUEST, "BadAuthorizationHeader"),
                (S::UNAUTHORIZED, Some(109)),
            ),
            Self::Encoding | Self::Unreadable => (
                S::BAD_REQUEST,
                S::BAD_REQUEST,
                (S::BAD_REQUEST, "BadWebPushRequest"),
                (S::BAD_REQUEST, Some(110)),
            ),
            Self::Expired => (
                S::NOT_FOUND,
                S::NOT_FOUND,
                // Apple knows no 404 for a subscription.
                (S::GONE, "ExpiredToken"),
                (S::NOT_FOUND, Some(102)),
            ),
            Self::Gone => (S::GONE, S::GONE, (S::GONE, "Unregistered"), (S::GONE, Some(106))),
            Self::Jwt => (
                S::FORBIDDEN,
                S::FORBIDDEN,
                (S::FORBIDDEN, "BadJwtToken"),
                (S::UNAUTHORIZED, Some(109)),
            ),
            Self::KeyMismatch => (
                S::FORBIDDEN,
                S::FORBIDDEN,
                (S::FORBIDDEN, "VapidPkHashMismatch"),
                (S::UNAUTHORIZED, Some(109)),
            ),
            Self::Method => (
                S::METHOD_NOT_ALLOWED,
                S::METHOD_NOT_ALLOWED,
                (S::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
                (S::METHOD_NOT_ALLOWED, None),
            ),
            Self::NoAuthorization => (
                S::UNAUTHORIZED,
                S::UNAUTHORIZED,
                (S::BAD_REQUEST, "BadAuthorizationHeader"),
                (S::UNAUTHORIZED, Some(109)),
            ),
            Self::Path => {
                (S::NOT_FOUND, S::NOT_FOUND, (S::NOT_FOUND, "BadPath"), (S::NOT_FOUND, Some(102)))
            }
            Self::PublicKey => (
                S::FORBIDDEN,
                S::FORBIDDEN,
                (S::BAD_REQUEST, "BadVapidPublicKey"),
                (S::UNAUTHORIZED, Some(109)),
            ),
            Self::TooLarge => (
                S::PAYLOAD_TOO_LARGE,
                S::PAYLOAD_TOO_LARGE,
                (S::PAYLOAD_TOO_LARGE, "PayloadTooLarge"),
                (S::PAYLOAD_TOO_LARGE, Some(104)),
            ),
            Self::TooMany => (
                S::TOO_MANY_REQUESTS,
                S::TOO_MANY_REQUESTS,
                (S::TOO_MANY_REQUESTS, "TooManyRequests"),
                (S::TOO_MANY_REQUESTS, None),
            ),
            Self::Topic => (
                S::BAD_REQUEST,
                S::BAD_REQUEST,
                (S::BAD_REQUEST, "BadWebPushTopic"),
                (S::BAD_REQUEST, Some(113)),
            ),
            Self::Ttl => (
                S::BAD_REQUEST,
                S::BAD_REQUEST,
                (S::BAD_REQUEST, "BadTtl"),
                (S::BAD_REQUEST, Some(111)),
            ),
            Self::TtlNegative => (
                S::BAD_REQUEST,
                S::BAD_REQUEST,
                (S::BAD_REQUEST, "BadTtl"),
                // Its documentation says 112, its code 114.
                (S::BAD_REQUEST, Some(114)),
            ),
            Self::Urgency => (
                S::BAD_REQUEST,
                S::BAD_REQUEST,
                (S::BAD_REQUEST, "BadUrgency"),
                (S::BAD_REQUEST, None),
            ),
        };
        Row { plain, google, apple, mozilla }
    }
}

impl Vendor {
    /// What it answers to one message too many; for [`Trouble::answer_next`].
    ///
    /// [`Trouble::answer_next`]: crate::Trouble::answer_next
    pub fn too_many(self, retry_after: RetryAfter, now: Timestamp) -> Scripted {
        let reason = match self {
            Self::Apple => "TooManyRequests",
            Self::Google | Self::Mozilla | Self::Plain => "too many messages",
        };
        self.later(S::TOO_MANY_REQUESTS, reason, None, retry_after.value(now))
    }

    /// What it answers when it is away for a while; for [`Trouble::answer_next`].
    ///
    /// [`Trouble::answer_next`]: crate::Trouble::answer_next
    pub fn unavailable(self, retry_after: RetryAfter, now: Timestamp) -> Scripted {
        let reason = match self {
            Self::Apple => "ServiceUnavailable",
            Self::Google | Self::Mozilla | Self::Plain => "the service is not available",
        };
        self.later(S::SERVICE_UNAVAILABLE, reason, Some(201), retry_after.value(now))
    }

    fn later(
        self,
        status: S,
        reason: &str,
        errno: Option<u16>,
        retry_after: Option<HeaderValue>,
    ) -> Scripted {
        let (content_type, body) = self.body(status, reason, errno, None);
        let mut scripted = Scripted::new(status, body).header(CONTENT_TYPE, content_type);
        if let Some(value) = retry_after {
            scripted = scripted.header(RETRY_AFTER, value);
        }
        scripted
    }

    /// What it answers to a message that it took.
    pub(super) fn accepted(self, message: &str, location: &str, ttl_s: u32, fate: Fate) -> Verdict {
        let mut headers = HeaderMap::new();
        match self {
            Self::Apple => {
                headers.insert(HeaderName::from_static("apns-id"), value(message));
            }
            Self::Google => {
                headers.insert(LOCATION, value(location));
            }
            Self::Mozilla | Self::Plain => {
                headers.insert(LOCATION, value(location));
                headers.insert(HeaderName::from_static("ttl"), ttl_s.into());
            }
        }
        Verdict { id: Some(message.to_owned()), ..verdict(S::CREATED, headers, fate) }
    }

    fn body(
        self,
        status: S,
        reason: &str,
        errno: Option<u16>,
        since: Option<Timestamp>,
    ) -> (HeaderValue, Bytes) {
        let body = match self {
            Self::Apple => {
                let mut body = json!({ "reason": reason });
                if let Some(since) = since {
                    body["timestamp"] = since.as_millisecond().into();
                }
                body
            }
            Self::Mozilla => json!({
                "code": status.as_u16(),
                "errno": errno,
                "error": status.canonical_reason(),
                "message": reason,
                "more_info": MORE_INFO,
            }),
            Self::Google | Self::Plain => {
                let plain = HeaderValue::from_static("text/plain; charset=utf-8");
                return (plain, Bytes::from(reason.to_owned()));
            }
        };
        (HeaderValue::from_static("application/json"), Bytes::from(body.to_string()))
    }
}

impl RetryAfter {
    /// The header's value.
    pub(super) fn value(self, now: Timestamp) -> Option<HeaderValue> {
        match self {
            Self::Absent => None,
            Self::Date(seconds) => {
                let at = now.saturating_add(SignedDuration::from_secs(seconds.into()));
                let printer = rfc2822::DateTimePrinter::new();
                let date = printer.timestamp_to_rfc9110_string(&at.unwrap_or(Timestamp::MAX));
                date.ok().map(|date| value(&date))
            }
            Self::Seconds(seconds) => Some(seconds.into()),
        }
    }
}

/// The answer to the cancelling of a message.
pub(super) fn cancelled(token: String) -> Verdict {
    Verdict { token, ..verdict(S::NO_CONTENT, HeaderMap::new(), Fate::NotAPush) }
}

fn verdict(status: S, headers: HeaderMap, fate: Fate) -> Verdict {
    Verdict {
        status,
        headers,
        body: Bytes::new(),
        reason: None,
        why: None,
        token: String::new(),
        id: None,
        fate,
        streams: None,
        go_away: None,
    }
}

/// A value of ASCII that this module or the options made; a strange one is left empty.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
