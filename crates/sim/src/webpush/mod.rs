//! A strict Web Push service with the browsers behind it (RFC 8030, 8188, 8291, 8292).
//!
//! It answers as one of four ([`Vendor`]) and speaks HTTP/2 or HTTP/1.1 by ALPN:
//!
//! | request | what |
//! |---|---|
//! | `POST` to an endpoint | one message |
//! | `DELETE` of what `Location` named | takes back a message that waits (Mozilla, plain) |
//!
//! A message is checked in this order: host and endpoint, method, TTL, Urgency, Topic, Content-Encoding,
//! VAPID, the key of the subscription, whether that lives, quota, size, encryption. No vendor
//! promises an order. A real service cannot look into a message and accepts what the browser then
//! drops without a word; this one says so with 400, unless [`Undecryptable::Lose`] is asked for.
//!
//! A subscription's token in the registry [`Devices`] is its endpoint: `expire` makes the service
//! answer 404, `unregister` 410, `set_reach` makes messages wait.
//!
//! Not modelled: receipts (`Prefer: respond-async`, which no vendor offers), the encodings before
//! `aes128gcm`, padded base64 and the schemes `webpush` and `bearer` (Mozilla tolerates them).

mod answer;
mod encryption;
mod judge;
mod request;
mod sni;
mod subscription;
mod vapid;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use tokio::sync::mpsc;

use crate::{
    Counts, Devices, Error, Recording, SeenPush, Sighting, Trouble,
    http2::{self, Server},
    pki::Ca,
};

pub(crate) use judge::Judge;

pub use answer::RetryAfter;
pub use encryption::Unreadable;
pub use subscription::{PushManager, Subscription};
pub use vapid::SubjectRule;

const DAY_S: u32 = 24 * 60 * 60;

/// Whose service it is: the paths of its endpoints, its limits, the form of its answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vendor {
    /// Safari's; wants VAPID with a contact, and SNI where its origin is a name.
    Apple,
    /// Chrome's, and that of most browsers built on Chromium; wants VAPID.
    Google,
    /// Firefox's; 401 for every fault of VAPID.
    Mozilla,
    /// As the RFCs say, for UnifiedPush and other services of one's own.
    Plain,
}

impl Vendor {
    /// For how long it keeps a message at most.
    fn longest_ttl_s(self) -> Option<u32> {
        match self {
            Self::Apple | Self::Mozilla => Some(30 * DAY_S),
            Self::Google => Some(28 * DAY_S),
            Self::Plain => None,
        }
    }

    /// The host of its endpoints, if that is its alone: Google's is that of FCM too, and a plain
    /// service is at anybody's.
    pub(crate) fn host(self) -> Option<&'static str> {
        match self {
            Self::Apple => Some("web.push.apple.com"),
            Self::Mozilla => Some("updates.push.services.mozilla.com"),
            Self::Google | Self::Plain => None,
        }
    }

    fn subject(self) -> SubjectRule {
        match self {
            Self::Apple => SubjectRule::Contact,
            Self::Google | Self::Mozilla => SubjectRule::TextIfPresent,
            Self::Plain => SubjectRule::ContactIfPresent,
        }
    }

    /// Whether it takes no message without VAPID, however the browser subscribed.
    fn wants_vapid(self) -> bool {
        match self {
            Self::Apple | Self::Google => true,
            Self::Mozilla | Self::Plain => false,
        }
    }
}

/// What the service offers by ALPN.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocols {
    /// HTTP/2 and HTTP/1.1; who offers neither is served as HTTP/1.1.
    #[default]
    Both,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only.
    Http2,
}

/// What to do with a message that its browser cannot read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Undecryptable {
    /// Accept it, as a real service has to; it is lost.
    Lose,
    /// Answer 400 and say what is wrong with it.
    #[default]
    Refuse,
}

/// How a simulated Web Push service is set up.
#[derive(Clone, Debug)]
pub struct WebPushOptions {
    /// Address to listen on; its certificate names it besides the local ones.
    pub ip: IpAddr,
    /// Port to listen on; 0 takes any.
    pub port: u16,
    /// The registry that knows its subscriptions, and the clock it reads.
    pub devices: Devices,
    /// Signs its certificate.
    pub ca: Ca,
    /// As whom it answers.
    pub vendor: Vendor,
    /// What it offers by ALPN.
    pub protocols: Protocols,
    /// What its endpoints begin with, if not `https://<ip>:<port>`: the vendor's own host, say,
    /// which clients then reach through a [`ProxySim`](crate::ProxySim).
    pub origin: Option<String>,
    /// Streams per HTTP/2 connection.
    pub streams: u32,
    /// The largest body that it takes, in bytes; RFC 8030, section 7.2, allows no less than 4096.
    pub max_body: usize,
    /// What it wants of the claim `sub`, if not the vendor's rule.
    pub subject: Option<SubjectRule>,
    /// The status of every fault of VAPID, if not the vendor's own.
    pub vapid_status: Option<StatusCode>,
    /// What it does with a message that its browser cannot read.
    pub undecryptable: Undecryptable,
    /// Messages per subscription and minute before 429.
    pub pushes_per_minute: u32,
    /// How a 429 says when to come back.
    pub retry_after: RetryAfter,
    /// How much it remembers.
    pub recording: Recording,
}

impl WebPushOptions {
    /// A vendor's service on any port, without a limit on messages.
    pub fn new(ca: &Ca, devices: &Devices, vendor: Vendor) -> Self {
        Self {
            ip: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            devices: devices.clone(),
            ca: ca.clone(),
            vendor,
            protocols: Protocols::Both,
            origin: None,
            streams: 100,
            max_body: 4096,
            subject: None,
            vapid_status: None,
            undecryptable: Undecryptable::Refuse,
            pushes_per_minute: u32::MAX,
            retry_after: RetryAfter::Absent,
            recording: Recording::Full,
        }
    }
}

/// A running Web Push service.
pub struct WebPushSim {
    server: Server,
    ca: Ca,
    push_manager: PushManager,
}

impl WebPushSim {
    /// Starts listening.
    ///
    /// # Errors
    /// [`Error::Listen`] if the port is taken; [`Error::Keys`] and [`Error::Tls`] if its certificate fails.
    pub async fn start(options: WebPushOptions) -> Result<Self, Error> {
        let ca = options.ca.clone();
        let alpn: &[&[u8]] = match options.protocols {
            Protocols::Both => &[b"h2", b"http/1.1"],
            Protocols::Http1 => &[b"http/1.1"],
            Protocols::Http2 => &[b"h2"],
        };
        let clock = options.devices.clock().clone();
        let identity = ca.server_identity_at(options.ip)?;
        let mut tls = http2::server_config(&identity, None, alpn, &clock)?;
        if options.vendor == Vendor::Apple && options.origin.is_some() {
            tls = sni::required(&tls);
        }
        let known = subscription::Known::default();
        let (vendor, origin) = (options.vendor, options.origin.clone());
        let devices = options.devices.clone();
        let manager = |address: SocketAddr| {
            let origin = origin.clone().unwrap_or_else(|| format!("https://{address}"));
            PushManager::new(origin, vendor, devices.clone(), Arc::clone(&known))
        };
        let (wanted, recording) = ((options.ip, options.port).into(), options.recording);
        let service =
            |address| http2::Service::Webpush(Box::new(Judge::new(options, manager(address))));
        let server = Server::start(wanted, tls, recording, service).await?;
        let push_manager = manager(server.address());
        Ok(Self { server, ca, push_manager })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.address()
    }

    /// What its endpoints begin with, and the audience of VAPID tokens for it.
    pub fn origin(&self) -> &str {
        &self.push_manager.origin
    }

    /// The certificate that clients have to trust.
    pub fn ca_pem(&self) -> &str {
        self.ca.pem()
    }

    /// A browser's way to it.
    pub fn push_manager(&self) -> PushManager {
        self.push_manager.clone()
    }

    /// Subscribes a browser; see [`PushManager::subscribe`]. Its messages arrive at
    /// [`Devices::deliveries`] of its endpoint.
    pub fn subscribe(&self, application_server_key: Option<&[u8]>) -> Subscription {
        self.push_manager.subscribe(application_server_key)
    }

    /// Scripts its trouble.
    pub fn trouble(&self) -> &Trouble {
        self.server.trouble()
    }

    /// Everything that is seen from now on. Who watches must keep up: what waits is kept in memory.
    pub fn watch(&self) -> mpsc::UnboundedReceiver<Sighting> {
        self.server.recorder().watch()
    }

    /// Every request so far, in the order judged; empty with [`Recording::Count`].
    pub fn seen(&self) -> Vec<SeenPush> {
        self.server.recorder().seen()
    }

    /// Totals so far.
    pub fn counts(&self) -> Counts {
        self.server.recorder().counts()
    }

    /// Waits for a request that fits; one seen before counts. Needs [`Recording::Full`].
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
    pub async fn wait_count(&self, n: u64, limit: Duration) -> Result<Counts, Error> {
        self.wait_counts(|counts| counts.requests >= n, limit).await
    }

    /// Waits until the totals fit.
    ///
    /// # Errors
    /// [`Error::Timeout`] if that does not come within `limit`.
    pub async fn wait_counts(
        &self,
        wanted: impl Fn(&Counts) -> bool,
        limit: Duration,
    ) -> Result<Counts, Error> {
        self.server.recorder().wait_counts(wanted, limit).await
    }

    /// Drops every connection without a word, frees the port and waits until all its tasks have ended.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}
