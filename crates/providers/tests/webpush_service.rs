//! A push service of these tests' own, and a browser behind it.
//!
//! Written from RFC 8030, 8188, 8291 and 8292, sharing no code with the client: it takes the
//! encryption apart step by step where the client uses HKDF, and reads tokens with its own eyes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ECDSA_P256_SHA256_FIXED};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use providers::outbound::Guard;
use providers::webpush::{Push, Subject, Subscription, Urgency, VapidKey};
use providers::{Config, Exchange, Hosts, Roots, WebPush};
use serde_json::Value;
use sim::pki::Ca;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::rig::{PATIENCE, acceptor};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// The path with its query.
    pub(crate) path: String,
    /// `:authority` or `Host`.
    pub(crate) host: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Over which connection, counted from 1.
    pub(crate) connection: usize,
}

impl Seen {
    /// A header's text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("visible"))
    }
}

/// What to do about the next request.
pub(crate) enum Script {
    /// Answer so.
    Answer(Response<Full<Bytes>>),
    /// End the stream, with HTTP/1.1 the connection, without an answer.
    Drop,
    /// Answer 201 when told.
    Hold(Arc<Notify>),
}

/// How many connections were made, ended, and how many requests came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) connections: usize,
    pub(crate) ended: usize,
    pub(crate) requests: usize,
}

/// An HTTPS server on loopback that answers 201, or as scripted.
pub(crate) struct Service {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    acceptor: TlsAcceptor,
    seen: Mutex<Vec<Seen>>,
    names: Mutex<Vec<Option<String>>>,
    script: Mutex<VecDeque<Script>>,
    counts: watch::Sender<Counts>,
    /// Ends all connections there are.
    kill: watch::Sender<()>,
}

impl Service {
    /// Starts one that agrees to these protocols by ALPN; none: it does not know ALPN.
    pub(crate) async fn start(ca: &Ca, protocols: &[&str]) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), ca, protocols).await
    }

    /// Starts one at this address.
    pub(crate) async fn start_at(addr: SocketAddr, ca: &Ca, protocols: &[&str]) -> Self {
        let listener = TcpListener::bind(addr).await.expect("listens on loopback");
        let addr = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            acceptor: acceptor(ca, protocols),
            seen: Mutex::default(),
            names: Mutex::default(),
            script: Mutex::default(),
            counts: watch::Sender::default(),
            kill: watch::Sender::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(listener, Arc::clone(&shared)));
        Self { addr, shared, tasks }
    }

    /// Its URL by name.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.addr.port())
    }

    /// Does this about the next request that has nothing yet.
    pub(crate) fn script(&self, step: Script) {
        self.shared.script.lock().expect("not poisoned").push_back(step);
    }

    /// Answers the next request so.
    pub(crate) fn answer(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        self.script(Script::Answer(response.body(body).expect("a good answer")));
    }

    /// Holds the next request back until the returned notice is given.
    pub(crate) fn hold(&self) -> Arc<Notify> {
        let notify = Arc::new(Notify::new());
        self.script(Script::Hold(Arc::clone(&notify)));
        notify
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("not poisoned").clone()
    }

    /// The names that clients asked for in TLS (SNI), in the order of connections.
    pub(crate) fn names(&self) -> Vec<Option<String>> {
        self.shared.names.lock().expect("not poisoned").clone()
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Counts {
        *self.shared.counts.borrow()
    }

    /// Waits until the counts are so.
    pub(crate) async fn wait(&self, reached: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.shared.counts.subscribe();
        let waiting = counts.wait_for(reached);
        let reached = tokio::time::timeout(PATIENCE, waiting).await.expect("it comes in time");
        *reached.expect("the service lives")
    }

    /// Ends all connections at once, without a word.
    pub(crate) fn kill_connections(&self) {
        self.shared.kill.send_replace(());
    }

    /// Ends, and gives the port back.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Takes connections.
async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let mut number = 0;
        shared.counts.send_modify(|counts| {
            counts.connections += 1;
            number = counts.connections;
        });
        connections.spawn(async move {
            let mut kill = shared.kill.subscribe();
            tokio::select! {
                () = serve(tcp, number, Arc::clone(&shared)) => {}
                _ = kill.changed() => {}
            }
            shared.counts.send_modify(|counts| counts.ended += 1);
        });
    }
}

/// Speaks what ALPN says.
async fn serve(tcp: TcpStream, number: usize, shared: Arc<Shared>) {
    let Ok(tls) = shared.acceptor.accept(tcp).await else { return };
    let session = tls.get_ref().1;
    let name = session.server_name().map(str::to_owned);
    shared.names.lock().expect("not poisoned").push(name);
    let h2 = session.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(tls);
    let service = service_fn(move |request| answer(request, number, Arc::clone(&shared)));
    // How a connection ends is the client's business.
    if h2 {
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(io, service).await;
    } else {
        let builder = hyper::server::conn::http1::Builder::new();
        let _ = builder.serve_connection(io, service).await;
    }
}

/// A request that is to be dropped.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dropped")
    }
}

impl std::error::Error for Dropped {}

/// Notes a request and answers it.
async fn answer(
    request: Request<Incoming>,
    connection: usize,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    let host = head.headers.get("host").map(|host| host.to_str().expect("visible").to_owned());
    let seen = Seen {
        method: head.method,
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        host: host.or_else(|| head.uri.authority().map(ToString::to_string)).unwrap_or_default(),
        version: head.version,
        headers: head.headers,
        body,
        connection,
    };
    let step = shared.script.lock().expect("not poisoned").pop_front();
    shared.seen.lock().expect("not poisoned").push(seen);
    shared.counts.send_modify(|counts| counts.requests += 1);
    let created = || {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::CREATED;
        response
    };
    match step {
        Some(Script::Answer(response)) => Ok(response),
        Some(Script::Drop) => Err(Dropped),
        Some(Script::Hold(notify)) => {
            notify.notified().await;
            Ok(created())
        }
        None => Ok(created()),
    }
}

/// A browser: what it subscribes with, and what it can read.
pub(crate) struct Browser {
    key: PrivateKey,
    public: Vec<u8>,
    secret: [u8; 16],
}

impl Browser {
    /// One with new keys.
    pub(crate) fn new() -> Self {
        let key = PrivateKey::generate(&ECDH_P256).expect("a key");
        let public = key.compute_public_key().expect("its public key").as_ref().to_vec();
        let mut secret = [0; 16];
        aws_lc_rs::rand::fill(&mut secret).expect("random bytes");
        Self { key, public, secret }
    }

    /// What `JSON.stringify(subscription)` gives.
    pub(crate) fn json(&self, endpoint: &str) -> String {
        serde_json::json!({
            "endpoint": endpoint,
            "expirationTime": null,
            "keys": {
                "p256dh": URL_SAFE_NO_PAD.encode(&self.public),
                "auth": URL_SAFE_NO_PAD.encode(self.secret),
            },
        })
        .to_string()
    }

    /// Its subscription at an endpoint, as the client reads it.
    pub(crate) fn subscription(&self, endpoint: &str) -> Subscription {
        Subscription::parse(self.json(endpoint).as_bytes()).expect("a good subscription")
    }

    /// Reads a body: the payload and how many bytes of padding came with it.
    pub(crate) fn open(&self, body: &[u8]) -> (Vec<u8>, usize) {
        assert!(body.len() <= 4096, "{} bytes", body.len());
        // RFC 8188, section 2.1.
        let (salt, rest) = body.split_at(16);
        let (size, rest) = rest.split_at(4);
        let (length, rest) = rest.split_at(1);
        let size = u32::from_be_bytes(size.try_into().expect("4 bytes"));
        assert_eq!(length, [65], "the key id is a point");
        let (theirs, record) = rest.split_at(65);
        assert_eq!(theirs[0], 4, "without compression");
        assert!(size >= 18 && record.len() <= size as usize, "one record of at most {size}");

        // RFC 8291, section 3.4, written out.
        let point = UnparsedPublicKey::new(&ECDH_P256, theirs);
        let shared = agree(&self.key, point, (), |secret| Ok(secret.to_vec()))
            .expect("a point on the curve");
        let prk_key = sha256_hmac(&self.secret, &[&shared]);
        let ikm = sha256_hmac(&prk_key, &[b"WebPush: info", &[0], &self.public, theirs, &[1]]);
        let prk = sha256_hmac(salt, &[&ikm]);
        let key = sha256_hmac(&prk, &[b"Content-Encoding: aes128gcm", &[0, 1]]);
        let nonce = sha256_hmac(&prk, &[b"Content-Encoding: nonce", &[0, 1]]);

        let key = UnboundKey::new(&AES_128_GCM, &key[..16]).expect("a key");
        let nonce = Nonce::try_assume_unique_for_key(&nonce[..12]).expect("a nonce");
        let mut record = record.to_vec();
        let plain = LessSafeKey::new(key).open_in_place(nonce, Aad::empty(), &mut record);
        let plain = plain.expect("encrypted for this browser");
        let end = plain.iter().rposition(|byte| *byte != 0).expect("a delimiter");
        assert_eq!(plain[end], 2, "the delimiter of a last record");
        (plain[..end].to_vec(), plain.len() - end - 1)
    }
}

/// HMAC with SHA-256 over the parts.
fn sha256_hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, &parts.concat()).as_ref().to_vec()
}

/// The claims of a token that was really signed with the key beside it; fails if it was not
/// (RFC 8292, section 3), or if the key is another one.
pub(crate) fn vapid_claims(authorization: &str, public_key: &str) -> Value {
    let parameters = authorization.strip_prefix("vapid ").expect("the scheme vapid");
    let find = |name: &str| {
        let parameter = parameters.split(',').find_map(|part| part.trim().strip_prefix(name));
        parameter.expect("the parameter").to_owned()
    };
    let (token, key) = (find("t="), find("k="));
    assert_eq!(key, public_key);
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url without padding");
    let [header, claims, sign] = token.split('.').collect::<Vec<_>>().try_into().expect("3 parts");
    let header: Value = serde_json::from_slice(&decode(header)).expect("JSON");
    assert_eq!(header, serde_json::json!({ "typ": "JWT", "alg": "ES256" }));
    let signed = token.rsplit_once('.').expect("3 parts").0;
    signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(&key))
        .verify(signed.as_bytes(), &decode(sign))
        .expect("signed with this key");
    serde_json::from_slice(&decode(claims)).expect("JSON")
}

/// A push service, a browser subscribed at it, and a client.
pub(crate) struct WebPushRig {
    pub(crate) ca: Ca,
    pub(crate) service: Service,
    pub(crate) browser: Browser,
    pub(crate) key: VapidKey,
    /// Allows loopback, and `localhost` as a push service.
    pub(crate) config: Config,
}

/// The path of the browser's endpoint.
pub(crate) const PATH: &str = "/wpush/v2/gAAAAABkSecretSecretSecret";
/// What a push carries.
pub(crate) const PAYLOAD: &[u8] = br#"{"reveille":{"v":1}}"#;

impl WebPushRig {
    /// Starts one whose service agrees to these protocols.
    pub(crate) async fn start(protocols: &[&str]) -> Self {
        let ca = Ca::generate("Test").expect("makes an authority");
        let service = Service::start(&ca, protocols).await;
        let config = guarded_config(&ca);
        let key = VapidKey::generate().expect("makes a key");
        Self { ca, service, browser: Browser::new(), key, config }
    }

    /// A client with the key.
    pub(crate) fn client(&self) -> WebPush {
        let subject = Subject::parse("mailto:push@example.org").expect("a good subject");
        WebPush::new(&self.config, self.key.clone(), subject).expect("a good configuration")
    }

    /// A good push to the browser.
    pub(crate) fn push(&self) -> Push {
        self.push_to(&self.service.url(PATH))
    }

    /// A good push to the browser at another endpoint.
    pub(crate) fn push_to(&self, endpoint: &str) -> Push {
        Push {
            subscription: self.browser.subscription(endpoint),
            ttl: Duration::from_secs(60),
            urgency: Urgency::High,
            topic: None,
            payload: Some(Bytes::from_static(PAYLOAD)),
        }
    }

    /// Sends a good push.
    pub(crate) async fn send(&self, client: &WebPush) -> Exchange {
        client.send(&self.push(), NOW, || true).await
    }
}

/// The time of these tests.
pub(crate) const NOW: domain::Time = domain::Time::from_millis(1_800_000_000_000);

/// A configuration that trusts `ca` and allows loopback, and `localhost` as a push service.
pub(crate) fn guarded_config(ca: &Ca) -> Config {
    let roots = Roots::with_extra(ca.pem().as_bytes()).expect("a PEM certificate");
    let mut config = Config::new(roots);
    config.guard = Guard::allowing(["127.0.0.0/8", "::1"]).expect("good entries");
    config.webpush_hosts =
        Hosts::push_services().and(["localhost", "127.0.0.1"]).expect("good entries");
    config.reconnect_first = Duration::from_millis(1);
    config.reconnect_longest = Duration::from_millis(1);
    config
}
