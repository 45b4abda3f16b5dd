//! An application server of these tests' own: encrypts by RFC 8291, signs by RFC 8292, and can get
//! every step of it wrong.

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use sim::{
    Devices, WebPushOptions, WebPushSim,
    pki::Ca,
    webpush::{Subscription, Vendor},
};
use tokio::{net::TcpStream, task::JoinHandle};

use crate::client::{Answer, Client, PATIENCE, tls};

/// What every push says.
pub(crate) const PLAINTEXT: &[u8] = br#"{"reveille":{"v":1}}"#;

/// A service with one subscription, restricted to a key, and an application server.
pub(crate) struct World {
    pub(crate) devices: Devices,
    pub(crate) sim: WebPushSim,
    pub(crate) vapid: Vapid,
    pub(crate) subscription: Subscription,
}

impl World {
    pub(crate) async fn new(vendor: Vendor) -> Self {
        Self::with(vendor, |_| {}).await
    }

    pub(crate) async fn with(vendor: Vendor, change: impl FnOnce(&mut WebPushOptions)) -> Self {
        let ca = Ca::generate("test CA").unwrap();
        let devices = Devices::new();
        let mut options = WebPushOptions::new(&ca, &devices, vendor);
        change(&mut options);
        let sim = WebPushSim::start(options).await.unwrap();
        let vapid = Vapid::generate();
        let subscription = sim.subscribe(Some(&vapid.public()));
        Self { devices, sim, vapid, subscription }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.sim.addr(), self.sim.ca_pem(), None).await
    }

    pub(crate) async fn connect_http1(&self) -> Http1 {
        Http1::connect(&self.sim, &[b"http/1.1"]).await.unwrap()
    }

    /// A good push, to be changed.
    pub(crate) fn push(&self) -> Push {
        self.push_to(&self.subscription)
    }

    pub(crate) fn push_to(&self, subscription: &Subscription) -> Push {
        let now = self.devices.clock().now().as_second();
        Push {
            method: "POST",
            origin: self.sim.origin().to_owned(),
            path: subscription.endpoint().strip_prefix(self.sim.origin()).unwrap().to_owned(),
            headers: vec![("ttl", "60".to_owned()), ("content-encoding", "aes128gcm".to_owned())],
            token: Some(Token {
                header: json!({ "typ": "JWT", "alg": "ES256" }),
                claims: json!({
                    "aud": self.sim.origin(),
                    "exp": now + 12 * 60 * 60,
                    "sub": "mailto:push@example.org",
                }),
            }),
            body: Sealed::new(subscription).seal(PLAINTEXT),
        }
    }

    /// Sends it over HTTP/2.
    pub(crate) async fn send(&self, client: &Client, push: &Push) -> Answer {
        self.try_send(client, push).await.unwrap()
    }

    pub(crate) async fn try_send(&self, client: &Client, push: &Push) -> Result<Answer, h2::Error> {
        let headers = push.headers(&self.vapid);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let url = format!("{}{}", push.origin, push.path);
        client.request(push.method, &url, &headers, &push.body).await
    }

    /// Sends one good push, changed in this way, over a connection of its own.
    pub(crate) async fn send_changed(&self, change: impl FnOnce(&mut Push)) -> Answer {
        let mut push = self.push();
        change(&mut push);
        self.send(&self.connect().await, &push).await
    }
}

/// A request that is about to be sent.
pub(crate) struct Push {
    pub(crate) method: &'static str,
    /// Whose endpoint it is: scheme, host and port.
    pub(crate) origin: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// What is signed; `None`: the headers say who sends, or nobody does.
    pub(crate) token: Option<Token>,
    pub(crate) body: Vec<u8>,
}

/// A VAPID token before it is signed.
pub(crate) struct Token {
    pub(crate) header: Value,
    pub(crate) claims: Value,
}

impl Push {
    /// Gives a header another value, or none at all.
    pub(crate) fn set(&mut self, name: &'static str, value: Option<&str>) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.extend(value.map(|value| (name, value.to_owned())));
    }

    pub(crate) fn claim(&mut self, name: &str, value: Value) {
        self.token.as_mut().unwrap().claims[name] = value;
    }

    pub(crate) fn headers(&self, vapid: &Vapid) -> Vec<(&'static str, String)> {
        let mut headers = self.headers.clone();
        if let Some(token) = &self.token {
            headers.push(("authorization", vapid.authorization(&token.header, &token.claims)));
        }
        headers
    }
}

/// A key pair for VAPID.
pub(crate) struct Vapid(EcdsaKeyPair);

impl Vapid {
    pub(crate) fn generate() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn from_pkcs8(der: &[u8]) -> Self {
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).unwrap())
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    pub(crate) fn jwt(&self, header: &Value, claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn authorization(&self, header: &Value, claims: &Value) -> String {
        let key = URL_SAFE_NO_PAD.encode(self.public());
        format!("vapid t={}, k={key}", self.jwt(header, claims))
    }
}

/// How a message is encrypted; good unless a test changes it.
pub(crate) struct Sealed {
    pub(crate) receiver: [u8; 65],
    pub(crate) auth: [u8; 16],
    pub(crate) private: PrivateKey,
    pub(crate) record_size: u32,
    /// What stands after the plaintext.
    pub(crate) end: Vec<u8>,
}

impl Sealed {
    pub(crate) fn new(subscription: &Subscription) -> Self {
        Self {
            receiver: *subscription.p256dh(),
            auth: *subscription.auth(),
            private: PrivateKey::generate(&ECDH_P256).unwrap(),
            record_size: 4096,
            end: vec![2],
        }
    }

    pub(crate) fn private_key(der: &[u8]) -> PrivateKey {
        PrivateKey::from_private_key_der(&ECDH_P256, der).unwrap()
    }

    /// The body of a request.
    pub(crate) fn seal(&self, plaintext: &[u8]) -> Vec<u8> {
        let sender = self.private.compute_public_key().unwrap().as_ref().to_vec();
        let salt: [u8; 16] = rand::random();
        let peer = UnparsedPublicKey::new(&ECDH_P256, self.receiver);
        let input = agree(&self.private, peer, (), |secret| {
            let info = [b"WebPush: info\0", &self.receiver[..], &sender].concat();
            Ok(expand::<32>(&self.auth, secret, &info))
        });
        let input = input.unwrap();
        let key: [u8; 16] = expand(&salt, &input, b"Content-Encoding: aes128gcm\0");
        let nonce: [u8; 12] = expand(&salt, &input, b"Content-Encoding: nonce\0");
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let mut record = [plaintext, &self.end].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).unwrap();
        [&salt[..], &self.record_size.to_be_bytes(), &[65], &sender, &record].concat()
    }
}

/// HKDF (RFC 5869), extract and expand.
fn expand<const N: usize>(salt: &[u8], input: &[u8], info: &[u8]) -> [u8; N] {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut output = [0; N];
    let info = [info];
    let key = Salt::new(HKDF_SHA256, salt).extract(input);
    key.expand(&info, Length(N)).unwrap().fill(&mut output).unwrap();
    output
}

/// A client that speaks HTTP/1.1.
pub(crate) struct Http1 {
    send: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    /// Ends with the connection.
    pub(crate) connection: JoinHandle<hyper::Result<()>>,
}

impl Http1 {
    /// Offers these protocols by ALPN.
    pub(crate) async fn connect(sim: &WebPushSim, alpn: &[&[u8]]) -> std::io::Result<Self> {
        let tcp = TcpStream::connect(sim.addr()).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let tls = tls(sim.ca_pem(), None, alpn);
        let stream = tokio_rustls::TlsConnector::from(tls).connect(name, tcp).await?;
        let (send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        Ok(Self { send, connection: tokio::spawn(connection) })
    }

    pub(crate) async fn send(&mut self, push: &Push, vapid: &Vapid) -> hyper::Result<Answer> {
        let mut request = Request::builder().method(push.method).uri(&push.path);
        request = request.header(HOST, push.origin.strip_prefix("https://").unwrap());
        for (name, value) in push.headers(vapid) {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(push.body.clone()))).unwrap();
        let exchange = async {
            self.send.ready().await?;
            let (parts, body) = self.send.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap()
    }
}
