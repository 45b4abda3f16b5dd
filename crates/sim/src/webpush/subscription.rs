//! Subscriptions: what a browser gives to a page, and what its service knows about each.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use serde_json::Value;

use super::{
    Vendor,
    encryption::{Unreadable, UserAgent},
};
use crate::{
    SeenPush,
    device::{Devices, letters},
};

/// A browser's `PushSubscription`, with the private key that the browser keeps to itself.
#[derive(Clone)]
pub struct Subscription(Arc<Inner>);

struct Inner {
    endpoint: String,
    keys: UserAgent,
}

impl Subscription {
    /// Where an application server posts messages. It is a secret; the registry knows the
    /// subscription by it ([`Devices::expire`], [`Devices::unregister`], [`Devices::set_reach`]).
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// The browser's public key, an uncompressed P-256 point.
    pub fn p256dh(&self) -> &[u8; 65] {
        &self.0.keys.public
    }

    /// The secret shared with the application server.
    pub fn auth(&self) -> &[u8; 16] {
        &self.0.keys.auth
    }

    /// `JSON.stringify(subscription)` of a page (W3C Push API, section 8).
    pub fn json(&self) -> String {
        self.to_json().to_string()
    }

    /// The same before it is text.
    pub(crate) fn to_json(&self) -> Value {
        serde_json::json!({
            "endpoint": self.endpoint(),
            "expirationTime": null,
            "keys": {
                "p256dh": URL_SAFE_NO_PAD.encode(self.p256dh()),
                "auth": URL_SAFE_NO_PAD.encode(self.auth()),
            },
        })
    }

    /// Reads a message that was encrypted for this subscription, as its browser does.
    ///
    /// # Errors
    /// [`Unreadable`] where the browser would drop it without a word.
    pub fn decrypt(&self, body: &[u8]) -> Result<Vec<u8>, Unreadable> {
        self.0.keys.open(body).map(|opened| opened.plaintext)
    }

    /// The keys of its browser.
    pub(super) fn keys(&self) -> &UserAgent {
        &self.0.keys
    }
}

/// Nothing of it is for a log.
impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// A browser's way to its push service, the `pushManager` of a page; clones share it.
#[derive(Clone)]
pub struct PushManager {
    /// What endpoints begin with.
    pub(super) origin: String,
    vendor: Vendor,
    devices: Devices,
    /// By the path of their endpoint.
    known: Known,
}

/// The subscriptions of one service.
pub(super) type Known = Arc<RwLock<HashMap<String, Subscribed>>>;

/// What the service knows about a subscription.
#[derive(Clone)]
pub(super) struct Subscribed {
    pub(super) subscription: Subscription,
    /// The key that messages have to be signed by (RFC 8292, section 4); `None`: by any.
    pub(super) application_server_key: Option<Vec<u8>>,
}

impl PushManager {
    pub(super) fn new(origin: String, vendor: Vendor, devices: Devices, known: Known) -> Self {
        Self { origin, vendor, devices, known }
    }

    /// Whose browser it is.
    pub fn vendor(&self) -> Vendor {
        self.vendor
    }

    /// Subscribes a page: with a key the subscription is restricted to it. Bytes that are no P-256
    /// point are taken as they are; no message can be signed by them. Without a key Mozilla and a
    /// plain service take messages of anybody, Apple and Google none.
    pub fn subscribe(&self, application_server_key: Option<&[u8]>) -> Subscription {
        let path = self.vendor.path(application_server_key);
        let endpoint = format!("{}{path}", self.origin);
        self.devices.register_webpush(&endpoint);
        let subscription = Subscription(Arc::new(Inner { endpoint, keys: UserAgent::generate() }));
        let subscribed = Subscribed {
            subscription: subscription.clone(),
            application_server_key: application_server_key.map(<[u8]>::to_vec),
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(path, subscribed);
        subscription
    }

    /// Ends a subscription: messages to it are answered 410 from now on.
    pub fn unsubscribe(&self, subscription: &Subscription) {
        self.devices.unregister(subscription.endpoint());
    }

    /// What the browser reads of a message that was accepted, empty if it had no body; `None` for
    /// everything else that the service saw.
    pub(crate) fn read(&self, seen: &SeenPush) -> Option<Vec<u8>> {
        if seen.method != Method::POST || seen.id.is_none() {
            return None;
        }
        let path = seen.token.strip_prefix(&self.origin)?;
        let subscription = self.find(path)?.subscription;
        if seen.payload.is_empty() {
            return Some(Vec::new());
        }
        subscription.decrypt(&seen.payload).ok()
    }

    /// How many subscriptions there are, dead ones included.
    pub(crate) fn count(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The subscription whose endpoint has this path.
    pub(super) fn find(&self, path: &str) -> Option<Subscribed> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }
}

impl fmt::Debug for PushManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushManager").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Vendor {
    /// The path of a new endpoint, in the shape of this vendor's.
    fn path(self, application_server_key: Option<&[u8]>) -> String {
        match self {
            Self::Apple => format!("/Q{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 96]>())),
            Self::Google => format!("/fcm/send/{}:APA91b{}", letters(11), letters(134)),
            Self::Mozilla => {
                // A restricted endpoint is of version 2 and ends with a digest of its key.
                let mut token = rand::random::<[u8; 96]>().to_vec();
                let version = match application_server_key {
                    None => "v1",
                    Some(key) => {
                        token.extend_from_slice(digest(&SHA256, key).as_ref());
                        "v2"
                    }
                };
                format!("/wpush/{version}/{}", URL_SAFE_NO_PAD.encode(token))
            }
            Self::Plain => format!("/push/{}", letters(32)),
        }
    }
}
