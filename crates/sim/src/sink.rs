//! A back end that takes webhooks by the scheme of Standard Webhooks
//! (<https://www.standardwebhooks.com>): strict about the form of a request, and a record of what
//! came.
//!
//! | request | answer |
//! |---|---|
//! | `POST` with JSON and the three headers | 204 |
//! | anything else | 400, and why |
//!
//! Whether a signature is right it does not say by itself: who reads the record has the secret, and
//! asks [`is_signed`].

use std::{net::SocketAddr, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE, request};
use tokio::sync::mpsc;

use crate::{
    Clock, Error, Fate, Recording, SeenPush, Sighting, Trouble,
    http2::{self, Server, Verdict},
    pki::Ca,
};

/// Requests at once on one connection.
const STREAMS: u32 = 100;

/// How far `webhook-timestamp` may be off, in seconds: what the scheme's libraries allow.
const TOLERANCE_S: i64 = 5 * 60;

/// A running back end.
pub struct WebhookSink {
    server: Server,
}

/// Whether a request is signed by this secret, `whsec_` and a key in base64: one of its signatures
/// has to be `v1,` and the HMAC-SHA256 of `id.timestamp.body`.
pub fn is_signed(seen: &SeenPush, secret: &str) -> bool {
    let key = secret.strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok());
    let header = |name| text(&seen.headers, name);
    let (Some(key), Some(id), Some(timestamp), Some(signatures)) =
        (key, header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"))
    else {
        return false;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = [format!("{id}.{timestamp}.").as_bytes(), &*seen.payload].concat();
    let mut signatures = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    signatures
        .any(|one| STANDARD.decode(one).is_ok_and(|tag| hmac::verify(&key, &signed, &tag).is_ok()))
}

/// Judges requests.
pub(crate) struct Judge {
    clock: Clock,
}

impl WebhookSink {
    /// Starts listening on loopback, on any port.
    ///
    /// # Errors
    /// [`Error::Listen`], [`Error::Keys`] or [`Error::Tls`], if there is no port or no certificate.
    pub async fn start(ca: &Ca, clock: &Clock) -> Result<Self, Error> {
        let identity = ca.server_identity()?;
        let tls = http2::server_config(&identity, None, &[b"h2", b"http/1.1"], clock)?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let judge = Judge { clock: clock.clone() };
        let service = |_| http2::Service::Sink(Box::new(judge));
        Ok(Self { server: Server::start(any, tls, Recording::Full, service).await? })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.address()
    }

    /// The URL of a path there.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.server.address())
    }

    /// Scripts its trouble.
    pub fn trouble(&self) -> &Trouble {
        self.server.trouble()
    }

    /// Everything that is seen from now on.
    pub fn watch(&self) -> mpsc::UnboundedReceiver<Sighting> {
        self.server.recorder().watch()
    }

    /// Every request so far, in the order judged.
    pub fn seen(&self) -> Vec<SeenPush> {
        self.server.recorder().seen()
    }

    /// Waits for a request that fits; one seen before counts.
    ///
    /// # Errors
    /// [`Error::Timeout`] if none comes within `limit`.
    pub async fn wait_for(
        &self,
        wanted: impl Fn(&SeenPush) -> bool,
        limit: Duration,
    ) -> Result<SeenPush, Error> {
        self.server.recorder().wait_for(wanted, limit).await
    }

    /// Waits until at least `n` requests were seen.
    ///
    /// # Errors
    /// [`Error::Timeout`] if that does not come within `limit`.
    pub async fn wait_count(&self, n: u64, limit: Duration) -> Result<(), Error> {
        self.server.recorder().wait_counts(|counts| counts.requests >= n, limit).await.map(drop)
    }
}

impl Judge {
    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    pub(crate) const fn streams(&self) -> u32 {
        STREAMS
    }

    pub(crate) fn judge(&self, request: &request::Parts, body: &Bytes) -> Verdict {
        let why = self.fault(request, body);
        let id = text(&request.headers, "webhook-id").map(str::to_owned);
        Verdict {
            status: if why.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::NO_CONTENT },
            headers: HeaderMap::new(),
            body: why.map_or(Bytes::new(), |why| Bytes::from_static(why.as_bytes())),
            reason: None,
            why: why.map(Into::into),
            token: request.uri.path().to_owned(),
            id,
            fate: if why.is_some() { Fate::Refused } else { Fate::Delivered },
            streams: None,
            go_away: None,
        }
    }

    /// What is wrong with a request.
    fn fault(&self, request: &request::Parts, body: &Bytes) -> Option<&'static str> {
        let headers = &request.headers;
        if request.method != Method::POST {
            return Some("events are sent by POST");
        }
        if headers.get(CONTENT_TYPE).is_none_or(|it| it != "application/json") {
            return Some("the content type is not application/json");
        }
        let (Some(id), Some(timestamp), Some(signature)) = (
            text(headers, "webhook-id"),
            text(headers, "webhook-timestamp"),
            text(headers, "webhook-signature"),
        ) else {
            return Some("webhook-id, webhook-timestamp or webhook-signature is missing");
        };
        let Ok(seconds) = timestamp.parse::<i64>() else {
            return Some("webhook-timestamp is no number of seconds");
        };
        if (self.now().as_second() - seconds).abs() > TOLERANCE_S {
            return Some("webhook-timestamp is too far off");
        }
        if signature.split(' ').any(|one| !one.starts_with("v1,")) {
            return Some("a signature is not of version 1");
        }
        match serde_json::from_slice::<serde_json::Value>(body) {
            Ok(event) if event["id"] == id && event["type"].is_string() => None,
            Ok(_) => Some("the body has no type, or another id than webhook-id"),
            Err(_) => Some("the body is no JSON"),
        }
    }
}

/// A header that is there once, as text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn seen(body: &str, signature: &str) -> SeenPush {
        let headers = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", signature),
        ];
        let headers = headers.map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        });
        SeenPush {
            at: jiff::Timestamp::UNIX_EPOCH,
            connection: 1,
            stream: 1,
            method: Method::POST,
            authority: String::new(),
            path: String::new(),
            headers: HeaderMap::from_iter(headers),
            token: String::new(),
            payload: Bytes::from(body.to_owned()),
            status: StatusCode::NO_CONTENT,
            reason: None,
            why: None,
            answer: Bytes::new(),
            id: None,
            fate: Fate::Delivered,
        }
    }

    /// The example of the scheme's libraries, with a key that they made public.
    #[test]
    fn a_signature_is_read_as_the_scheme_has_it() {
        let secret = ["whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"].concat();
        let body = "{\"test\": 2432232314}";
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert!(is_signed(&seen(body, right), &secret));
        assert!(is_signed(&seen(body, &format!("v1,AAAA {right}")), &secret));
        assert!(!is_signed(&seen("{}", right), &secret));
        assert!(!is_signed(&seen(body, "v1,AAAA"), &secret));
        assert!(!is_signed(&seen(body, &right.replace("v1,", "v2,")), &secret));
        assert!(!is_signed(&seen(body, right), "whsec_AAAA"));
        assert!(!is_signed(&seen(body, right), "MfKQ"));
    }
}
