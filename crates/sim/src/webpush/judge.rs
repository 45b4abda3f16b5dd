//! The judgement of one request, in the order of the module's doc.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{
    Method,
    header::{HOST, RETRY_AFTER},
    request::Parts,
};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Protocols, Undecryptable, Vendor, WebPushOptions,
    answer::{self, Fault, Kind},
    encryption::{POINT, Unreadable},
    request::Push,
    subscription::{PushManager, Subscribed},
    vapid,
};
use crate::{
    Delivery, Fate,
    device::{Device, Facts, Gone, Handed, PushType, Service},
    http2::Verdict,
};

/// Over how long pushes to one subscription are counted.
const WINDOW_MS: i64 = 60_000;

/// The service's judgement.
pub(crate) struct Judge {
    options: WebPushOptions,
    subscriptions: PushManager,
    /// Which endpoint a message waits for, by the message's id.
    waiting: Mutex<HashMap<String, String>>,
    /// When the window of an endpoint began, and how many pushes it has seen.
    windows: Mutex<HashMap<String, (i64, u32)>>,
}

/// A message that was taken.
struct Accepted {
    id: String,
    fate: Fate,
    ttl_s: u32,
}

impl Judge {
    pub(super) fn new(options: WebPushOptions, subscriptions: PushManager) -> Self {
        Self { options, subscriptions, waiting: Mutex::default(), windows: Mutex::default() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.options.devices.clock().now()
    }

    pub(crate) fn streams(&self) -> u32 {
        self.options.streams
    }

    /// What a client without ALPN speaks is HTTP/1.1, unless the service knows HTTP/2 only.
    pub(crate) fn is_http1(&self, agreed: Option<&[u8]>) -> bool {
        match self.options.protocols {
            Protocols::Both => agreed != Some(b"h2"),
            Protocols::Http1 => true,
            Protocols::Http2 => false,
        }
    }

    pub(crate) fn judge(&self, request: &Parts, body: &Bytes) -> Verdict {
        let vendor = self.options.vendor;
        let mut token = String::new();
        let judged = match self.path(request) {
            None => Err(nothing_there()),
            Some(path) => match vendor.message(path) {
                Some(message) => self.cancel(request, message, &mut token),
                None => self.push(request, path, body, &mut token),
            },
        };
        let fault = match judged {
            Ok(Some(Accepted { id, fate, ttl_s })) => {
                let location = format!("{}{}", self.subscriptions.origin, vendor.location(&id));
                return Verdict { token, ..vendor.accepted(&id, &location, ttl_s, fate) };
            }
            Ok(None) => return answer::cancelled(token),
            Err(fault) => fault,
        };
        let kind = fault.kind();
        let mut verdict = fault.into_verdict(vendor, self.options.vapid_status, token);
        if kind == Kind::TooMany
            && let Some(value) = self.options.retry_after.value(self.now())
        {
            verdict.headers.insert(RETRY_AFTER, value);
        }
        verdict
    }

    /// The path and query of a request to this service: another host's resources are not here, and
    /// a vendor's front end finds the service by the host's name alone.
    fn path<'a>(&self, request: &'a Parts) -> Option<&'a str> {
        let host = match request.uri.authority() {
            Some(authority) => authority.as_str(),
            None => request.headers.get(HOST)?.to_str().ok()?,
        };
        let own = self.subscriptions.origin.strip_prefix("https://")?;
        let path = request.uri.path_and_query()?.as_str();
        host.strip_suffix(":443").unwrap_or(host).eq_ignore_ascii_case(own).then_some(path)
    }

    /// All checks of a push; `addressed` becomes the endpoint once it is known.
    fn push(
        &self,
        request: &Parts,
        path: &str,
        body: &Bytes,
        addressed: &mut String,
    ) -> Result<Option<Accepted>, Fault> {
        let options = &self.options;
        let subscribed = self.subscriptions.find(path).ok_or_else(nothing_there)?;
        let endpoint = subscribed.subscription.endpoint();
        endpoint.clone_into(addressed);
        if request.method != Method::POST {
            return Err(Fault::new(Kind::Method, "a push is a POST"));
        }
        let headers = &request.headers;
        let push = Push::read(headers, !body.is_empty(), options.vendor.longest_ttl_s())?;
        let subject = options.subject.unwrap_or_else(|| options.vendor.subject());
        let now = self.now();
        let signer = vapid::check(headers, &self.subscriptions.origin, subject, now)?;
        self.check_signer(&subscribed, signer)?;
        let device = options.devices.find(endpoint).ok_or_else(nothing_there)?;
        check_alive(&device)?;
        self.count(endpoint, now)?;
        if body.len() > options.max_body {
            return Err(Fault::new(Kind::TooLarge, "the body is larger than this service takes"));
        }
        let id = options.vendor.message_id(now);
        let fate = match read(&subscribed, body, signer) {
            Ok(payload) => self.hand(&device, endpoint, &push, payload, &id),
            Err(Unreadable(why)) => match options.undecryptable {
                Undecryptable::Lose => Fate::Discarded,
                Undecryptable::Refuse => return Err(Fault::new(Kind::Unreadable, why)),
            },
        };
        Ok(Some(Accepted { id, fate, ttl_s: push.ttl_s }))
    }

    /// A restricted subscription takes messages of its own key only.
    fn check_signer(
        &self,
        subscribed: &Subscribed,
        signer: Option<[u8; POINT]>,
    ) -> Result<(), Fault> {
        match (&subscribed.application_server_key, signer) {
            (Some(pinned), Some(signer)) if *pinned != signer => Err(Fault::new(
                Kind::KeyMismatch,
                "the VAPID credentials in the authorization header do not correspond to the \
                 credentials used to create the subscription",
            )),
            (Some(_) | None, Some(_)) => Ok(()),
            (None, None) if !self.options.vendor.wants_vapid() => Ok(()),
            (Some(_) | None, None) => {
                Err(Fault::new(Kind::NoAuthorization, "the header Authorization is missing"))
            }
        }
    }

    /// Counts a push to one subscription.
    fn count(&self, endpoint: &str, now: Timestamp) -> Result<(), Fault> {
        let now_ms = now.as_millisecond();
        let mut windows = lock(&self.windows);
        let (start_ms, count) = windows.entry(endpoint.to_owned()).or_insert((now_ms, 0));
        if now_ms - *start_ms >= WINDOW_MS {
            (*start_ms, *count) = (now_ms, 0);
        }
        *count = count.saturating_add(1);
        if *count > self.options.pushes_per_minute {
            return Err(Fault::new(Kind::TooMany, "too many messages for this subscription"));
        }
        Ok(())
    }

    fn hand(&self, device: &Device, endpoint: &str, push: &Push, payload: Value, id: &str) -> Fate {
        let expiration = push.expiration(self.now());
        let facts = Facts { service: Service::Webpush, priority: push.priority, expiration };
        let handed = device.hand(&facts, |at| Delivery {
            service: Service::Webpush,
            token: endpoint.to_owned(),
            id: id.to_owned(),
            push_type: PushType::Web,
            priority: push.priority,
            original_priority: push.priority,
            topic: self.subscriptions.origin.clone(),
            collapse_id: push.topic.clone(),
            expiration,
            payload,
            at,
        });
        if handed == Handed::Stored {
            lock(&self.waiting).insert(id.to_owned(), endpoint.to_owned());
        }
        handed.into()
    }

    /// `DELETE` of a message resource (RFC 8030, section 6.2).
    fn cancel(
        &self,
        request: &Parts,
        message: &str,
        addressed: &mut String,
    ) -> Result<Option<Accepted>, Fault> {
        if request.method != Method::DELETE {
            return Err(Fault::new(Kind::Path, "a message resource can only be deleted"));
        }
        let gone = || Fault::new(Kind::Path, "there is no such message any more");
        let endpoint = lock(&self.waiting).remove(message).ok_or_else(gone)?;
        let waited = self.options.devices.withdraw(&endpoint, message);
        *addressed = endpoint;
        if waited { Ok(None) } else { Err(gone()) }
    }
}

impl Vendor {
    /// The id of a new message.
    fn message_id(self, now: Timestamp) -> String {
        match self {
            Self::Apple => Uuid::new_v4().hyphenated().to_string(),
            Self::Google => format!("0:{}", now.as_microsecond()) + &Uuid::new_v4().to_string(),
            Self::Mozilla | Self::Plain => Uuid::new_v4().simple().to_string(),
        }
    }

    /// The path of a message's resource.
    fn location(self, id: &str) -> String {
        match self {
            Self::Apple | Self::Google => format!("/{id}"),
            Self::Mozilla => format!("/m/{id}"),
            Self::Plain => format!("/message/{id}"),
        }
    }

    /// The message that a path names, at a service that lets messages be cancelled. Apple and Google
    /// are not known to.
    fn message(self, path: &str) -> Option<&str> {
        match self {
            Self::Apple | Self::Google => None,
            Self::Mozilla => path.strip_prefix("/m/"),
            Self::Plain => path.strip_prefix("/message/"),
        }
    }
}

fn nothing_there() -> Fault {
    Fault::new(Kind::Path, "there is no such push resource")
}

fn check_alive(device: &Device) -> Result<(), Fault> {
    match device.gone() {
        None => Ok(()),
        Some(Gone::Expired(since)) => {
            Err(Fault::dead(Kind::Expired, "the subscription has expired", since))
        }
        Some(Gone::Unregistered(since)) => {
            Err(Fault::dead(Kind::Gone, "push subscription has unsubscribed or expired", since))
        }
    }
}

/// What the browser reads. A key that signs must not encrypt too (RFC 8292, section 5).
fn read(
    subscribed: &Subscribed,
    body: &[u8],
    signer: Option<[u8; POINT]>,
) -> Result<Value, Unreadable> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let opened = subscribed.subscription.keys().open(body)?;
    if signer == Some(opened.sender) {
        return Err(Unreadable("the key that signs the request encrypts it too"));
    }
    let text = || String::from_utf8_lossy(&opened.plaintext).into_owned();
    Ok(serde_json::from_slice(&opened.plaintext).unwrap_or_else(|_| Value::String(text())))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
