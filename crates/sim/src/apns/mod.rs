//! A strict APNs: the HTTP/2 provider API as Apple's pages describe it ("Sending notification requests to APNs",
//! "Handling notification responses from APNs", "Establishing a token-based connection", "… certificate-based …").
//!
//! A request is checked in this order, and the first fault answers: method, path, repeated headers, authentication,
//! topic, other headers, payload, device token. Apple does not promise an order; this one tells a stranger least.
//!
//! Stream limit, as Apple's pages and field reports have it: 1 stream until a push with a provider token was accepted,
//! then [`ApnsOptions::token_streams`]; [`ApnsOptions::certificate_streams`] from the start with a certificate; 1 after
//! a 4xx other than 410, restored by the next success. Real SETTINGS frames say so.
//!
//! Not modelled yet: disconnecting after too many errors or connections, per-device rate limits, related keys,
//! broadcast channels.

mod certificate;
mod payload;
mod reason;
mod request;
mod session;
mod token;

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use uuid::Uuid;

use crate::{
    Counts, Delivery, Devices, Error, Fate, Recording, SeenPush, Trouble,
    device::{
        ApnsTokenKind, Device, Environment, Facts, Gone, Handed, Registration, Service as Vendor,
    },
    http2::{self, Server, Verdict},
    pki::{ApnsKey, Ca},
};

pub use reason::Reason;
pub(crate) use session::Session;

use request::{Push, Topic};

/// How a simulated APNs is set up.
#[derive(Clone, Debug)]
pub struct ApnsOptions {
    /// Port on 127.0.0.1; 0 takes any.
    pub port: u16,
    /// Which of Apple's services this is.
    pub environment: Environment,
    /// The devices it serves, and the clock it reads.
    pub devices: Devices,
    /// Signs its own certificate, and the client certificates it trusts.
    pub ca: Ca,
    /// The keys whose provider tokens it accepts.
    pub keys: Vec<KnownKey>,
    /// Streams per connection once a provider token was accepted.
    pub token_streams: u32,
    /// Streams per connection with a client certificate.
    pub certificate_streams: u32,
    /// How it says that a certificate is for the other environment.
    pub certificate_fault: CertificateFault,
    /// What it does with device tokens nobody registered.
    pub unknown_tokens: UnknownTokens,
    /// How much it remembers.
    pub recording: Recording,
}

impl ApnsOptions {
    /// Production on any port, without keys.
    pub fn new(ca: &Ca, devices: &Devices) -> Self {
        Self {
            port: 0,
            environment: Environment::Production,
            devices: devices.clone(),
            ca: ca.clone(),
            keys: Vec::new(),
            token_streams: 1000,
            certificate_streams: 500,
            certificate_fault: CertificateFault::Answer,
            unknown_tokens: UnknownTokens::Refuse,
            recording: Recording::Full,
        }
    }
}

/// A provider's key as Apple knows it.
#[derive(Clone, Debug)]
pub struct KnownKey {
    /// Ten characters, the JWT's `kid`.
    pub key_id: String,
    /// Ten characters, the JWT's `iss`.
    pub team_id: String,
    /// The environments it is good for.
    pub environments: KeyEnvironments,
    /// The apps it may push to.
    pub topics: KeyTopics,
    /// Uncompressed P-256 point.
    public_key: Vec<u8>,
}

impl KnownKey {
    /// A key for both environments that may push to these bundle ids, as if they were all of the team's.
    pub fn new(key: &ApnsKey, bundle_ids: &[&str]) -> Self {
        Self {
            key_id: key.key_id.clone(),
            team_id: key.team_id.clone(),
            environments: KeyEnvironments::Both,
            topics: KeyTopics::These(bundle_ids.iter().map(ToString::to_string).collect()),
            public_key: key.public_key.clone(),
        }
    }
}

/// The environments a key is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyEnvironments {
    /// Keys made before 2025.
    Both,
    /// Keys made for one environment.
    Only(Environment),
}

/// The apps a key may push to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyTopics {
    /// Whatever it asks for; for load.
    Any,
    /// These bundle ids with all their suffixes.
    These(Vec<String>),
}

/// How APNs says that a certificate is for the other environment; both were seen in the field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateFault {
    /// 403 with the reason.
    Answer,
    /// GOAWAY, NO_ERROR, last stream 0, the reason as debug data; no answer on the stream.
    GoAway,
}

/// What to do with device tokens nobody registered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnknownTokens {
    /// Accept them as if delivered; for load.
    Accept,
    /// Answer 400 `BadDeviceToken`.
    Refuse,
}

/// A running APNs.
pub struct ApnsSim {
    server: Server,
    ca: Ca,
}

impl ApnsSim {
    /// Starts listening.
    ///
    /// # Errors
    /// [`Error::Listen`] if the port is taken; [`Error::Keys`] and [`Error::Tls`] if its certificate fails.
    pub async fn start(options: ApnsOptions) -> Result<Self, Error> {
        let ca = options.ca.clone();
        let identity = ca.server_identity()?;
        let clock = options.devices.clock().clone();
        let tls = http2::server_config(&identity, Some(&ca), &[b"h2"], &clock)?;
        let (port, recording) = (options.port, options.recording);
        let judge = Judge::new(options);
        let server = Server::start(port, tls, recording, |_| http2::Service::Apns(judge)).await?;
        Ok(Self { server, ca })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.address()
    }

    /// `https://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("https://{}", self.addr())
    }

    /// The certificate that clients have to trust.
    pub fn ca_pem(&self) -> &str {
        self.ca.pem()
    }

    /// Scripts its trouble.
    pub fn trouble(&self) -> &Trouble {
        self.server.trouble()
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

/// The service's judgement.
pub(crate) struct Judge {
    options: ApnsOptions,
    keys: HashMap<String, KnownKey>,
}

impl Judge {
    fn new(mut options: ApnsOptions) -> Self {
        let keys = std::mem::take(&mut options.keys);
        let keys = keys.into_iter().map(|key| (key.key_id.clone(), key)).collect();
        Self { options, keys }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.options.devices.clock().now()
    }

    /// Starts a connection: its state, and how many streams it may have.
    pub(crate) fn open(&self, certificate: Option<&CertificateDer<'_>>) -> (Session, u32) {
        let session = Session::new(certificate, self.options.environment);
        let streams = if certificate.is_some() { self.options.certificate_streams } else { 1 };
        (session, streams)
    }

    pub(crate) fn judge(&self, session: &mut Session, request: &Parts, body: &Bytes) -> Verdict {
        let id = request::id(&request.headers);
        match self.check(session, request, body) {
            Ok(push) => self.accept(session, push, id.unwrap_or_else(|_| Uuid::new_v4()), body),
            Err(refusal) => {
                self.refuse(session, refusal, id.unwrap_or_else(|_| Uuid::new_v4()), request)
            }
        }
    }

    /// All checks, in the order of the module's doc.
    fn check(
        &self,
        session: &mut Session,
        request: &Parts,
        body: &Bytes,
    ) -> Result<Checked, Refusal> {
        request::check_method(&request.method)?;
        let token = request::token(request.uri.path())?;
        request::check_repeats(&request.headers)?;
        session.authenticate(&request.headers, &self.keys, self.now())?;
        let topic = request::topic(&request.headers, session)?;
        session.check_topic(&topic)?;
        let push = request::read(&request.headers, &topic, self.now())?;
        payload::check(body, push.push_type, topic.kind)?;
        let device = self.device(token, &topic)?;
        Ok(Checked { token: token.to_owned(), topic, push, device })
    }

    /// The registered device; `None` if it is unknown and that is allowed.
    fn device(&self, token: &str, topic: &Topic) -> Result<Option<Arc<Device>>, Refusal> {
        request::check_token(token)?;
        let Some(device) = self.options.devices.find(token) else {
            return match self.options.unknown_tokens {
                UnknownTokens::Accept => Ok(None),
                UnknownTokens::Refuse => Err(Reason::BadDeviceToken.into()),
            };
        };
        let Registration::Apns { bundle_id, environment, kind } = &device.registration else {
            return Err(Reason::BadDeviceToken.into());
        };
        if *environment != self.options.environment {
            return Err(Reason::BadDeviceToken.into());
        }
        if *bundle_id != topic.bundle_id || (*kind == ApnsTokenKind::Voip) != topic.is_voip() {
            return Err(Reason::DeviceTokenNotForTopic.into());
        }
        match device.gone() {
            None => Ok(Some(device)),
            Some(Gone::Expired(at)) => {
                Err(Refusal { reason: Reason::ExpiredToken, since: Some(at) })
            }
            Some(Gone::Unregistered(at)) => {
                Err(Refusal { reason: Reason::Unregistered, since: Some(at) })
            }
        }
    }

    fn accept(&self, session: &mut Session, checked: Checked, id: Uuid, body: &Bytes) -> Verdict {
        let Checked { token, topic, push, device } = checked;
        let id = id.hyphenated().to_string();
        let facts =
            Facts { service: Vendor::Apns, priority: push.priority, expiration: push.expiration };
        let delivery = |at| Delivery {
            service: Vendor::Apns,
            token: token.clone(),
            id: id.clone(),
            push_type: push.push_type.unwrap_or_else(|| payload::infer_type(body, topic.kind)),
            priority: push.priority,
            topic: topic.full.clone(),
            collapse_id: push.collapse_id.clone(),
            expiration: push.expiration,
            // Checked to be JSON before.
            payload: serde_json::from_slice(body).unwrap_or_default(),
            at,
        };
        let handed = device.map_or(Handed::Delivered, |device| device.hand(&facts, delivery));
        let mut headers = answer_headers(&id);
        if self.options.environment == Environment::Sandbox
            && let Ok(unique) = HeaderValue::try_from(Uuid::new_v4().to_string())
        {
            headers.insert("apns-unique-id", unique);
        }
        session.accepted = true;
        Verdict {
            status: StatusCode::OK,
            headers,
            body: Bytes::new(),
            reason: None,
            token,
            id: Some(id),
            fate: handed.into(),
            streams: Some(self.streams(session)),
            go_away: None,
        }
    }

    fn refuse(&self, session: &Session, refusal: Refusal, id: Uuid, request: &Parts) -> Verdict {
        let Refusal { reason, since } = refusal;
        let mut body = serde_json::json!({ "reason": reason.as_str() });
        if let Some(since) = since {
            body["timestamp"] = since.as_millisecond().into();
        }
        let body = Bytes::from(body.to_string());
        let mut headers = answer_headers(&id.hyphenated().to_string());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let by_go_away = reason == Reason::BadCertificateEnvironment
            && self.options.certificate_fault == CertificateFault::GoAway;
        let status = reason.status();
        let streams = match status {
            StatusCode::GONE => None,
            status if status.is_client_error() => Some(1),
            _ => None,
        };
        // Before the first success the limit is 1 anyway in token mode, and stays.
        let streams = if session.accepted || session.has_certificate() { streams } else { None };
        Verdict {
            status,
            headers,
            go_away: by_go_away.then(|| body.clone()),
            body,
            reason: Some(reason.as_str().to_owned()),
            token: request::token(request.uri.path()).unwrap_or_default().to_owned(),
            id: None,
            fate: Fate::Refused,
            streams,
        }
    }

    /// The limit of a connection in good standing.
    fn streams(&self, session: &Session) -> u32 {
        if session.has_certificate() {
            self.options.certificate_streams
        } else {
            self.options.token_streams
        }
    }
}

/// A push that passed all checks.
struct Checked {
    token: String,
    topic: Topic,
    push: Push,
    device: Option<Arc<Device>>,
}

/// A refusal with what goes into its body.
pub(crate) struct Refusal {
    reason: Reason,
    /// Since when a token has been dead.
    since: Option<Timestamp>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, since: None }
    }
}

impl From<Handed> for Fate {
    fn from(handed: Handed) -> Self {
        match handed {
            Handed::Delivered => Self::Delivered,
            Handed::Discarded => Self::Discarded,
            Handed::Stored => Self::Stored,
        }
    }
}

fn answer_headers(id: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // An id is a UUID, so it is always a legal header value.
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("apns-id", id);
    }
    headers
}
