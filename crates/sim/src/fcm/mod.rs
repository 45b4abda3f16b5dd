//! A strict FCM HTTP v1 with its OAuth token endpoint, as Google's reference describes them ("FCM error codes",
//! "Throttling and quotas", "About FCM messages", the v1 discovery document).
//!
//! One listener serves both:
//!
//! | path | what |
//! |---|---|
//! | `POST /token` | OAuth 2.0 JWT bearer flow (RFC 7523) for the known service accounts |
//! | `POST /v1/projects/{project}/messages:send` | one message |
//!
//! A message is checked in this order: access token, project, quota, JSON with its fields and types, target, values,
//! device. Google does not promise an order.
//!
//! A project is named by its id or its number. A message for a topic or a condition goes to every living device of
//! the project that has subscribed, as [`Devices::subscribe`] says; where its rules keep it from one (a package, an
//! iPhone without an APNs key), that one hears nothing and the sender does not learn of it.
//!
//! What a client without ALPN speaks is HTTP/1.1, as anywhere at Google's front end.
//!
//! Not modelled: topic management over HTTP, the rate of a topic.

mod answer;
mod condition;
mod message;
mod oauth;
mod quota;
mod schema;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Mutex,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, StatusCode, header::AUTHORIZATION, request::Parts};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::{
    Counts, Delivery, Devices, Error, Fate, Recording, SeenPush, Sighting, Trouble,
    apns::UnknownTokens,
    device::{Device, Facts, FcmPlatform, Handed, Rate, Registration, Service as Vendor, hex},
    http2::{self, Server, Verdict},
    pki::{Ca, ServiceAccount},
};

pub use answer::DetailsOrder;

pub(crate) use condition::is_topic;

use answer::Refusal;
use condition::Condition;
use message::{Message, Target};
use oauth::AccessTokens;
use quota::Quota;

/// How a simulated FCM is set up.
#[derive(Clone, Debug)]
pub struct FcmOptions {
    /// Address to listen on; its certificate names it besides the local ones.
    pub ip: IpAddr,
    /// Port to listen on; 0 takes any.
    pub port: u16,
    /// The devices it serves, and the clock it reads.
    pub devices: Devices,
    /// Signs its certificate.
    pub ca: Ca,
    /// The service accounts it knows; their projects exist.
    pub accounts: Vec<ServiceAccount>,
    /// Seconds that an access token is good for.
    pub token_seconds: u32,
    /// Streams per connection; Google's SDKs call 100 the limit of the service.
    pub streams: u32,
    /// Messages per project and minute before 429.
    pub quota_per_minute: u32,
    /// Messages per device and minute before 429.
    pub device_quota_per_minute: u32,
    /// Messages per device and hour before 429.
    pub device_quota_per_hour: u32,
    /// `Retry-After` of a 429, in seconds.
    pub retry_after: Option<u32>,
    /// How it orders the details of an error.
    pub details: DetailsOrder,
    /// What it does with registration tokens nobody registered.
    pub unknown_tokens: UnknownTokens,
    /// How much it remembers.
    pub recording: Recording,
}

impl FcmOptions {
    /// Google's documented limits, on any port of 127.0.0.1, without accounts.
    pub fn new(ca: &Ca, devices: &Devices) -> Self {
        Self {
            ip: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            devices: devices.clone(),
            ca: ca.clone(),
            accounts: Vec::new(),
            token_seconds: 3600,
            streams: 100,
            quota_per_minute: 600_000,
            device_quota_per_minute: 240,
            device_quota_per_hour: 5_000,
            retry_after: None,
            details: DetailsOrder::FcmErrorFirst,
            unknown_tokens: UnknownTokens::Refuse,
            recording: Recording::Full,
        }
    }
}

/// A running FCM.
pub struct FcmSim {
    server: Server,
    ca: Ca,
}

impl FcmSim {
    /// Starts listening.
    ///
    /// # Errors
    /// [`Error::Listen`] if the port is taken; [`Error::Keys`] and [`Error::Tls`] if its certificate fails.
    pub async fn start(options: FcmOptions) -> Result<Self, Error> {
        let ca = options.ca.clone();
        let identity = ca.server_identity_at(options.ip)?;
        let tls =
            http2::server_config(&identity, None, &[b"h2", b"http/1.1"], options.devices.clock())?;
        let (wanted, recording) = ((options.ip, options.port).into(), options.recording);
        let service = |address| http2::Service::Fcm(Box::new(Judge::new(options, address)));
        let server = Server::start(wanted, tls, recording, service).await?;
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

    /// Where access tokens are issued; for the `token_uri` of [`ServiceAccount::json`].
    pub fn token_url(&self) -> String {
        format!("{}/token", self.url())
    }

    /// The certificate that clients have to trust.
    pub fn ca_pem(&self) -> &str {
        self.ca.pem()
    }

    /// Forgets every access token it issued: the next sends are answered 401.
    pub fn revoke_access_tokens(&self) {
        if let http2::Service::Fcm(judge) = self.server.service() {
            judge.access.revoke_all();
        }
    }

    /// Scripts its trouble; token requests and sends alike consume it.
    pub fn trouble(&self) -> &Trouble {
        self.server.trouble()
    }

    /// Everything that is seen from now on. Who watches must keep up: what waits is kept in memory.
    pub fn watch(&self) -> mpsc::UnboundedReceiver<Sighting> {
        self.server.recorder().watch()
    }

    /// Every request so far, token requests included, in the order judged; empty with [`Recording::Count`].
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

    /// Waits until at least `n` requests were seen, token requests included.
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
    options: FcmOptions,
    accounts: HashMap<String, ServiceAccount>,
    /// Ids of the projects, by number.
    numbers: HashMap<String, String>,
    access: AccessTokens,
    quota: Mutex<Quota>,
    /// What an assertion may name as its audience.
    audiences: [String; 2],
}

impl Judge {
    fn new(mut options: FcmOptions, address: SocketAddr) -> Self {
        let accounts = std::mem::take(&mut options.accounts);
        let number = |it: &ServiceAccount| (it.project_number.clone(), it.project.clone());
        Self {
            numbers: accounts.iter().map(number).collect(),
            accounts: accounts
                .into_iter()
                .map(|account| (account.client_email.clone(), account))
                .collect(),
            access: AccessTokens::default(),
            quota: Mutex::new(Quota::new(options.quota_per_minute)),
            audiences: [format!("https://{address}/token"), oauth::GOOGLE_AUDIENCE.to_owned()],
            options,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.options.devices.clock().now()
    }

    pub(crate) fn streams(&self) -> u32 {
        self.options.streams
    }

    pub(crate) fn judge(&self, request: &Parts, body: &Bytes) -> Verdict {
        if request.uri.path() == "/token" {
            return self.token(request, body);
        }
        let mut token = String::new();
        match self.send(request, body, &mut token) {
            Ok(accepted) => answer::accepted(accepted, token),
            Err(refusal) => {
                let mut verdict = refusal.into_verdict(self.options.details);
                if let (StatusCode::TOO_MANY_REQUESTS, Some(seconds)) =
                    (verdict.status, self.options.retry_after)
                {
                    verdict.headers.insert(http::header::RETRY_AFTER, seconds.into());
                }
                verdict.token = token;
                verdict
            }
        }
    }

    fn token(&self, request: &Parts, body: &Bytes) -> Verdict {
        if request.method != Method::POST {
            return Refusal::not_found().into_verdict(self.options.details);
        }
        let grant = oauth::check(request, body, &self.accounts, &self.audiences, self.now());
        match grant {
            Ok(account) => {
                let seconds = self.options.token_seconds;
                let token = self.access.issue(&account.project, self.now(), seconds);
                answer::token(&token, seconds)
            }
            Err(fault) => answer::oauth_fault(&fault),
        }
    }

    /// All checks, in the order of the module's doc; `addressed` becomes the device token once it is known.
    fn send(
        &self,
        request: &Parts,
        body: &Bytes,
        addressed: &mut String,
    ) -> Result<Accepted, Refusal> {
        let project = project(request.uri.path()).ok_or_else(Refusal::not_found)?;
        let project = self.numbers.get(project).map_or(project, String::as_str);
        if request.method != Method::POST {
            return Err(Refusal::not_found());
        }
        let bearer = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
        let now = self.now();
        let granted =
            bearer.and_then(|token| self.access.project(token, now)).ok_or_else(|| {
                Refusal::unauthenticated().because(if bearer.is_none() {
                    "`authorization` has to be `Bearer` and an access token"
                } else {
                    "the access token was not issued here, or has ended"
                })
            })?;
        if granted != project {
            return Err(Refusal::permission_denied());
        }
        self.quota().spend(project, now)?;
        let message = Message::read(body)?;
        let name = message_name(project, now);
        let fate = match &message.target {
            Target::Installation(fid) => {
                addressed.clone_from(fid);
                match self.options.devices.find_installation(fid) {
                    Some(token) => self.to_device(project, &token, &name, &message)?,
                    None => self.to_unknown(Refusal::bad_installation)?,
                }
            }
            Target::Token(token) => {
                addressed.clone_from(token);
                self.to_device(project, token, &name, &message)?
            }
            Target::Topics(condition) => self.to_topics(project, condition, &name, &message),
        };
        if message.validate_only {
            return Ok(Accepted {
                name: format!("projects/{project}/messages/fake_message_id"),
                fate: Fate::NotAPush,
            });
        }
        Ok(Accepted { name, fate })
    }

    fn to_unknown(&self, refusal: impl FnOnce() -> Refusal) -> Result<Fate, Refusal> {
        match self.options.unknown_tokens {
            UnknownTokens::Accept => Ok(Fate::Delivered),
            UnknownTokens::Refuse => Err(refusal()),
        }
    }

    fn to_device(
        &self,
        project: &str,
        token: &str,
        name: &str,
        message: &Message,
    ) -> Result<Fate, Refusal> {
        let Some(device) = self.options.devices.find(token) else {
            return self.to_unknown(Refusal::bad_token);
        };
        let Registration::Fcm { project: home, package, platform } = &device.registration else {
            return Err(Refusal::bad_token());
        };
        if home != project {
            return Err(Refusal::sender_mismatch());
        }
        if device.gone().is_some() {
            return Err(Refusal::unregistered());
        }
        message.check_for(package, *platform)?;
        match platform {
            FcmPlatform::IosWithoutKey => return Err(Refusal::third_party_auth()),
            FcmPlatform::Android | FcmPlatform::Ios => {}
        }
        if !device.spend(self.device_rates(), self.now()) {
            return Err(Refusal::quota("device"));
        }
        if message.validate_only {
            return Ok(Fate::NotAPush);
        }
        Ok(self.hand(&device, *platform, project, token, name, message).into())
    }

    /// What became of it where it came furthest.
    fn to_topics(
        &self,
        project: &str,
        condition: &Condition,
        name: &str,
        message: &Message,
    ) -> Fate {
        if message.validate_only {
            return Fate::NotAPush;
        }
        let mut furthest = Handed::Discarded;
        for (token, device) in self.options.devices.subscribers(|topics| condition.holds(topics)) {
            let Registration::Fcm { project: home, package, platform } = &device.registration
            else {
                continue;
            };
            let reachable = match platform {
                FcmPlatform::IosWithoutKey => false,
                FcmPlatform::Android | FcmPlatform::Ios => device.gone().is_none(),
            };
            if home != project || !reachable || message.check_for(package, *platform).is_err() {
                continue;
            }
            furthest =
                match (furthest, self.hand(&device, *platform, project, &token, name, message)) {
                    (Handed::Delivered, _) | (_, Handed::Delivered) => Handed::Delivered,
                    (Handed::Stored, _) | (_, Handed::Stored) => Handed::Stored,
                    (Handed::Discarded, Handed::Discarded) => Handed::Discarded,
                };
        }
        furthest.into()
    }

    fn hand(
        &self,
        device: &Device,
        platform: FcmPlatform,
        project: &str,
        token: &str,
        name: &str,
        message: &Message,
    ) -> Handed {
        let priority = message.priority(platform);
        let expiration = message.expiration(platform, self.now());
        let facts = Facts { service: Vendor::Fcm, priority, expiration };
        device.hand(&facts, |at| Delivery {
            service: Vendor::Fcm,
            token: token.to_owned(),
            id: name.to_owned(),
            push_type: message.push_type(platform),
            priority,
            original_priority: priority,
            topic: project.to_owned(),
            collapse_id: message.collapse_key(platform),
            expiration,
            payload: message.payload(platform),
            at,
        })
    }

    fn device_rates(&self) -> [Rate; 2] {
        let rate = |pushes, seconds| Rate { pushes, within: Duration::from_secs(seconds) };
        let options = &self.options;
        [rate(options.device_quota_per_minute, 60), rate(options.device_quota_per_hour, 3600)]
    }

    fn quota(&self) -> std::sync::MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A message that was accepted.
struct Accepted {
    name: String,
    fate: Fate,
}

/// The project in `/v1/projects/{project}/messages:send`.
fn project(path: &str) -> Option<&str> {
    let project = path.strip_prefix("/v1/projects/")?.strip_suffix("/messages:send")?;
    Some(project).filter(|project| !project.is_empty() && !project.contains('/'))
}

fn message_name(project: &str, now: Timestamp) -> String {
    format!(
        "projects/{project}/messages/0:{}%{}",
        now.as_microsecond(),
        hex(&rand::random::<[u8; 8]>())
    )
}
