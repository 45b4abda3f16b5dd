//! Where the push services are, and how long to wait for what.

use std::time::Duration;

use http::Uri;

use crate::transport::{Guard, Hosts, Names, Proxy, Roots};

/// Apple's production host; port 2197 is the same service for firewalls that close 443.
/// <https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns>
const APNS_PRODUCTION: &str = "https://api.push.apple.com";
/// Apple's sandbox host, for tokens of apps run from Xcode; same page.
const APNS_SANDBOX: &str = "https://api.sandbox.push.apple.com";
/// Google's FCM HTTP v1 host. <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send>
const FCM: &str = "https://fcm.googleapis.com";

/// How this crate reaches the push services. Fill in what differs from [`Config::default`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Base URL (`https://host[:port]`) for APNs production tokens.
    pub apns_production: Uri,
    /// Base URL for APNs sandbox tokens.
    pub apns_sandbox: Uri,
    /// Base URL of FCM.
    pub fcm: Uri,
    /// Full URL of the OAuth2 token endpoint; `None` means the `token_uri` of the service account,
    /// which then must be Google's.
    pub oauth: Option<Uri>,
    /// Whom to trust as a push service.
    pub roots: Roots,
    /// Where names are resolved; tests give their own.
    pub names: Names,
    /// The way out, if there is but one: an HTTP proxy for every connection
    /// (`outbound.proxy_url`, `outbound.no_proxy`).
    pub proxy: Option<Proxy>,
    /// Whom URLs of others' choosing may reach: public hosts, and the operator's exceptions
    /// (`outbound.allow_private`).
    pub guard: Guard,
    /// Where Web Push endpoints may be (`webpush.allowed_hosts`).
    pub webpush_hosts: Hosts,
    /// The payload of a Web Push is padded to a multiple of this many bytes before it is
    /// encrypted, so that the length tells less; 1 means not at all.
    pub webpush_pad_to_bytes: usize,
    /// How many origins of others' choosing (Web Push services, webhooks) a client keeps
    /// connections to; the one unused for longest is closed for another.
    pub guarded_origins: usize,
    /// The longest one call of [`crate::outbound::Client`] may take, connecting included.
    pub outbound_timeout: Duration,
    /// The longest a new connection may take, from DNS to the server's HTTP/2 SETTINGS, a proxy's
    /// answer included.
    pub connect_timeout: Duration,
    /// The longest a written request may wait for its answer, and the longest it may wait for a
    /// free stream before it is written. Google asks for at least 10 s.
    pub request_timeout: Duration,
    /// A connection without requests in flight is tested by a PING this often.
    pub keep_alive_idle: Duration,
    /// A connection with requests in flight is tested by a PING this often, so that a dead one is
    /// noticed while a call still rings.
    pub keep_alive_busy: Duration,
    /// A PING unanswered for this long ends the connection.
    pub keep_alive_timeout: Duration,
    /// How many connections one credential may have to one host; another is opened when all are
    /// full.
    pub connections_per_credential: usize,
    /// The first pause between failed connects; the pauses double. The very first reconnect is
    /// immediate.
    pub reconnect_first: Duration,
    /// The longest pause between failed connects.
    pub reconnect_longest: Duration,
    /// The pauses asked of whoever retries a refused push.
    pub pauses: Pauses,
}

impl Config {
    /// The real services, trusting `roots`.
    pub fn new(roots: Roots) -> Self {
        Self {
            apns_production: Uri::from_static(APNS_PRODUCTION),
            apns_sandbox: Uri::from_static(APNS_SANDBOX),
            fcm: Uri::from_static(FCM),
            oauth: None,
            roots,
            names: Names::system(),
            proxy: None,
            guard: Guard::default(),
            webpush_hosts: Hosts::push_services(),
            webpush_pad_to_bytes: 512,
            guarded_origins: 64,
            outbound_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(20),
            keep_alive_idle: Duration::from_secs(60),
            keep_alive_busy: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(5),
            connections_per_credential: 4,
            reconnect_first: Duration::from_secs(1),
            reconnect_longest: Duration::from_secs(60),
            pauses: Pauses::default(),
        }
    }
}

impl Default for Config {
    /// The real services, trusting the system's roots.
    fn default() -> Self {
        Self::new(Roots::system())
    }
}

/// How long the providers ask to wait before a refused push is tried again, where their answer
/// does not say. Tests and the demo set shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// After an APNs 5xx. Apple: "retry after 15 minutes".
    /// <https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns>
    pub apns_unavailable: Duration,
    /// After APNs said it is shutting down; the next request goes to another connection anyway.
    pub apns_shutdown: Duration,
    /// The first pause after an APNs 429; Apple only says "later".
    pub apns_throttled: Duration,
    /// The first pause after an FCM 5xx. Google: not before 10 s.
    /// <https://firebase.google.com/docs/cloud-messaging/scale-fcm>
    pub fcm_unavailable: Duration,
    /// After an FCM 429 without `Retry-After`. Google: 60 s; same page.
    pub fcm_throttled: Duration,
    /// The first pause after a Web Push service's 429 without `Retry-After`.
    pub webpush_throttled: Duration,
    /// The first pause after a Web Push service's 5xx without `Retry-After`.
    pub webpush_unavailable: Duration,
    /// The first pause after the provider could not be reached at all.
    pub unreachable: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            apns_unavailable: Duration::from_secs(15 * 60),
            apns_shutdown: Duration::from_secs(1),
            apns_throttled: Duration::from_secs(60),
            fcm_unavailable: Duration::from_secs(10),
            fcm_throttled: Duration::from_secs(60),
            webpush_throttled: Duration::from_secs(60),
            webpush_unavailable: Duration::from_secs(10),
            unreachable: Duration::from_secs(1),
        }
    }
}
