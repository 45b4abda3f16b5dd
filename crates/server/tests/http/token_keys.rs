//! User tokens that the back end signs itself, and the keys that prove them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use domain::Time;
use http::{Method, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use server::clock::Clock;
use server::secret::Secret;
use sim::pki::{ApnsKey, Ca};
use sim::proxy::{Answered, ProxyOptions, ProxySim, ProxyUser, SeenConnect};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use super::rig::{Server, Session, text};

const NOON: Time = Time::from_millis(1_800_000_000_000);
const HOUR: i64 = 3_600;
/// A host in the certificates of tests, which leads nowhere without a proxy's map.
const KNOWN_TO_PROXY: &str = "web.push.apple.com";
const SECRET: &str = "only an example, 32 bytes at least";

/// A key pair of the back end's, for ES256.
struct Pair {
    private: EncodingKey,
    jwk: Jwk,
}

impl Pair {
    fn generate(name: &str) -> Self {
        // Any key of P-256 does.
        let pem = ApnsKey::generate().expect("a key");
        let private = EncodingKey::from_ec_pem(pem.pem().as_bytes()).expect("a P-256 key");
        let mut jwk = Jwk::from_encoding_key(&private, Algorithm::ES256).expect("its public half");
        jwk.common.key_id = Some(name.to_owned());
        Self { private, jwk }
    }

    /// The public key as PEM: a SubjectPublicKeyInfo (RFC 5480).
    fn public_pem(&self) -> String {
        let AlgorithmParameters::EllipticCurve(point) = &self.jwk.algorithm else {
            panic!("a point of a curve")
        };
        let mut der = vec![
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
        ];
        for half in [&point.x, &point.y] {
            der.extend(URL_SAFE_NO_PAD.decode(half).expect("base64url"));
        }
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    fn sign(&self, claims: &Value) -> String {
        let header =
            Header { kid: self.jwk.common.key_id.clone(), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.private).expect("signed")
    }
}

/// What a good token of alice's says, with one claim changed or, by `null`, left out.
fn claims(server: &Server, change: Value) -> Value {
    let now = NOON.as_seconds();
    let mut claims = json!({
        "app": server.app.0, "sub": "alice", "aud": "chat", "iat": now, "exp": now + HOUR,
    });
    let all = claims.as_object_mut().expect("an object");
    for (name, value) in change.as_object().expect("an object") {
        if value.is_null() {
            all.remove(name)
        } else {
            all.insert(name.clone(), value.clone())
        };
    }
    claims
}

async fn add(server: &Server, change: Value) -> super::rig::Answer {
    let mut body = json!({ "name": "back end", "algorithm": "ES256", "audience": "chat" });
    for (name, value) in change.as_object().expect("an object") {
        body[name] = value.clone();
    }
    let path = format!("/v1/apps/{}/token-keys", server.app.0);
    server.call(Method::POST, &path, Some(body)).await
}

/// What a token is answered with by the API: 200, or the refusal's code and words.
async fn shown(server: &Server, token: &str) -> Result<(), (String, String)> {
    let answer = server.ask(Method::GET, "/v1/webpush-key", token, None).await;
    match answer.status {
        // Whoever asks is known; the app has no such key.
        404 => Ok(()),
        _ => Err((text(&answer.body["code"]), text(&answer.body["detail"]))),
    }
}

async fn connected(server: &Server, token: &str, device: &str) -> Session {
    let mut session = Session::open(server.address).await;
    let device = json!({ "id": device, "platform": "android" });
    session.say(json!({ "type": "connect", "token": token, "device": device })).await;
    assert_eq!(session.hear().await["type"], "connected");
    session
}

/// A host of key sets, over TLS.
struct KeyHost {
    address: SocketAddr,
    set: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl KeyHost {
    async fn start(ca: &Ca) -> Self {
        let identity = ca.server_identity().expect("an identity");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![identity.certificate().clone()], identity.key())
            .expect("a certificate with its key");
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (set, asked) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicUsize::new(0)));
        let connections = Arc::new(AtomicUsize::new(0));
        let (body, count) = (Arc::clone(&set), Arc::clone(&asked));
        let taken = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                taken.fetch_add(1, Ordering::SeqCst);
                let (acceptor, body, count) = (acceptor.clone(), body.clone(), count.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let answer = service_fn(|_| {
                        count.fetch_add(1, Ordering::SeqCst);
                        let text = body.lock().expect("nobody panicked").clone();
                        let status = if text.is_empty() { 503 } else { 200 };
                        let answer = Response::builder().status(status);
                        let answer = answer.body(Full::new(Bytes::from(text))).expect("an answer");
                        async { Ok::<_, Infallible>(answer) }
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    // The client leaves when it likes.
                    let _left = http.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { address, set, asked, connections }
    }

    fn publish(&self, pairs: &[&Pair]) {
        let keys: Vec<&Jwk> = pairs.iter().map(|pair| &pair.jwk).collect();
        *self.set.lock().expect("nobody panicked") = json!({ "keys": keys }).to_string();
    }

    fn goes_away(&self) {
        self.set.lock().expect("nobody panicked").clear();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_token_is_taken_if_the_apps_key_signed_it_and_all_it_says_is_right() {
    let (clock, hand) = Clock::by_hand(NOON);
    let server = Server::start_by(clock).await;
    let pair = Pair::generate("1");
    let good = pair.sign(&claims(&server, json!({})));
    let why = shown(&server, &good).await.expect_err("the app has no key yet").1;
    assert!(why.contains("the app has no token keys"), "{why}");
    add(&server, json!({ "public_key": pair.public_pem() })).await.is(201);
    assert_eq!(shown(&server, &good).await, Ok(()));
    let now = NOON.as_seconds();
    let (other, _) = server.new_app("other").await;
    for (change, what) in [
        (json!({ "aud": null }), "`aud`"),
        (json!({ "aud": "shop" }), "`aud`"),
        (json!({ "exp": null }), "`exp` is missing"),
        (json!({ "exp": (now + HOUR) * 1_000 }), "`exp` is missing or no time"),
        (json!({ "exp": now + 91 * 24 * HOUR }), "more than 90 days ahead"),
        (json!({ "nbf": now + 120 }), "`nbf` is ahead"),
        (json!({ "sub": null }), "`sub` is missing"),
        (json!({ "sub": "a\u{7}" }), "`sub` is missing or no name"),
        (json!({ "app": null }), "`app` is missing"),
        (json!({ "app": "chat" }), "`app` is missing or no app's id"),
        (json!({ "app": other }), "the app has no token keys"),
        (json!({ "app": "app_999" }), "the app has no token keys"),
        (json!({ "may_send": "everything" }), "`may_send` is none of"),
    ] {
        let token = pair.sign(&claims(&server, change.clone()));
        let (code, why) = shown(&server, &token).await.expect_err(what);
        assert_eq!(code, "unauthorized", "{change}");
        assert!(why.contains(what), "{change}: {why}");
    }
    for change in
        [json!({ "aud": ["shop", "chat"] }), json!({ "exp": now - 59 }), json!({ "nbf": now + 59 })]
    {
        let token = pair.sign(&claims(&server, change.clone()));
        assert_eq!(shown(&server, &token).await, Ok(()), "{change}");
    }
    let late = pair.sign(&claims(&server, json!({ "exp": now - 60 })));
    assert_eq!(shown(&server, &late).await.expect_err("late").0, "token_expired");
    hand.advance(Duration::from_secs(3_660));
    assert_eq!(shown(&server, &good).await.expect_err("late").0, "token_expired");
    server.stop().await;
}

#[tokio::test]
async fn the_algorithm_is_the_keys_and_never_the_tokens() {
    let (clock, _hand) = Clock::by_hand(NOON);
    let server = Server::start_by(clock).await;
    let pair = Pair::generate("1");
    let pem = pair.public_pem();
    add(&server, json!({ "public_key": pem })).await.is(201);
    let claims = claims(&server, json!({}));
    let signed = async |algorithm, key: &EncodingKey| {
        let token = jsonwebtoken::encode(&Header::new(algorithm), &claims, key).expect("signed");
        shown(&server, &token).await
    };
    // The public key is no secret: whoever takes it for one has signed nothing.
    let confused = EncodingKey::from_secret(pem.as_bytes());
    assert!(signed(Algorithm::HS256, &confused).await.is_err());
    assert!(signed(Algorithm::HS512, &confused).await.expect_err("HS512").1.contains("`alg`"));
    let strange = Pair::generate("2");
    assert!(signed(Algorithm::ES256, &strange.private).await.is_err());
    // Without a signature, in both spellings of it.
    let [head, body] = [json!({ "alg": "none" }), claims.clone()]
        .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    for token in [format!("{head}.{body}."), format!("{head}.{body}.AAAA"), "a.b.c".to_owned()] {
        let (code, why) = shown(&server, &token).await.expect_err("no signature");
        assert_eq!(code, "unauthorized", "{why}");
    }
    let long = format!("{head}.{}.AAAA", "A".repeat(4_096));
    assert!(shown(&server, &long).await.expect_err("long").1.contains("4096 are allowed"));
    // A shared secret beside it is another key, with its own algorithm.
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    assert!(signed(Algorithm::HS256, &secret).await.is_err());
    let body = json!({ "algorithm": "HS256", "secret": SECRET });
    let kept = add(&server, body).await.is(201);
    assert!(!kept.to_string().contains(SECRET), "{kept}");
    assert_eq!(signed(Algorithm::HS256, &secret).await, Ok(()));
    assert_eq!(signed(Algorithm::ES256, &pair.private).await, Ok(()));
    // And good no more once it is taken away.
    let path = format!("/v1/apps/{}/token-keys/{}", server.app.0, text(&kept["id"]));
    server.call(Method::DELETE, &path, None).await.is(204);
    server.call(Method::DELETE, &path, None).await.refused(404, "not_found", None);
    assert!(signed(Algorithm::HS256, &secret).await.is_err());
    assert_eq!(signed(Algorithm::ES256, &pair.private).await, Ok(()));
    server.stop().await;
}

/// A DER structure as PEM.
fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

#[tokio::test]
async fn tokens_are_signed_with_rsa_and_with_ed25519_too() {
    let (clock, _hand) = Clock::by_hand(NOON);
    let server = Server::start_by(clock).await;
    let claims = claims(&server, json!({}));
    let signed = |algorithm, key: &EncodingKey| {
        jsonwebtoken::encode(&Header::new(algorithm), &claims, key).expect("signed")
    };

    let rsa = rsa::KeyPair::generate(KeySize::Rsa2048).expect("an RSA key");
    let private: Pkcs8V1Der<'_> = rsa.as_der().expect("PKCS#8");
    let public: PublicKeyX509Der<'_> = rsa.public_key().as_der().expect("a public key");
    let rsa = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes());
    let rsa_token = signed(Algorithm::RS256, &rsa.expect("an RSA key"));
    let rsa_key = json!({
        "algorithm": "RS256", "public_key": pem("PUBLIC KEY", public.as_ref()),
    });

    let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("an Ed25519 key");
    let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).expect("the same");
    // A SubjectPublicKeyInfo (RFC 8410).
    let mut public = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    public.extend(pair.public_key().as_ref());
    let ed = EncodingKey::from_ed_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes());
    let ed_token = signed(Algorithm::EdDSA, &ed.expect("an Ed25519 key"));
    let ed_key = json!({ "algorithm": "EdDSA", "public_key": pem("PUBLIC KEY", &public) });

    for (token, key) in [(&rsa_token, rsa_key), (&ed_token, ed_key)] {
        assert!(shown(&server, token).await.is_err(), "nobody knows the key yet");
        add(&server, key).await.is(201);
        assert_eq!(shown(&server, token).await, Ok(()));
        // The same with one character of the signature changed.
        let mut forged = token.clone().into_bytes();
        let last = forged.len() - 10;
        forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).expect("text");
        assert_eq!(shown(&server, &forged).await.expect_err("forged").0, "unauthorized");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_refused_by_its_field() {
    let server = Server::start().await;
    let pair = Pair::generate("1");
    let private = ApnsKey::generate().expect("a key");
    for (change, field, what) in [
        (json!({}), "public_key", "needs one of `public_key` and `jwks_url`"),
        (json!({ "public_key": "nonsense" }), "public_key", "curve P-256 as PEM"),
        (json!({ "public_key": private.pem() }), "public_key", "this is a private key"),
        (
            json!({ "algorithm": "RS256", "public_key": pair.public_pem() }),
            "public_key",
            "an RSA public key as PEM",
        ),
        (
            json!({ "algorithm": "EdDSA", "public_key": pair.public_pem() }),
            "public_key",
            "of the kind Ed25519",
        ),
        (json!({ "public_key": pair.public_pem(), "secret": SECRET }), "public_key", "no `secret`"),
        (json!({ "algorithm": "HS256" }), "secret", "HS256 needs `secret`"),
        (json!({ "algorithm": "HS256", "secret": "short" }), "secret", "5 bytes; give 32 to 512"),
        (json!({ "jwks_url": "http://example.org/" }), "jwks_url", "https://"),
        (json!({ "jwks_url": "https://127.0.0.1:9/" }), "jwks_url", "outbound.allow_private"),
        (json!({ "name": "" , "public_key": pair.public_pem() }), "name", "1 to 128 bytes"),
        (json!({ "audience": "", "public_key": pair.public_pem() }), "audience", "1 to 128 bytes"),
    ] {
        let why = add(&server, change.clone()).await.refused(422, "invalid_field", Some(field));
        assert!(why.contains(what), "{change}: {why}");
    }
    for _ in 0..8 {
        add(&server, json!({ "public_key": pair.public_pem() })).await.is(201);
    }
    let ninth = add(&server, json!({ "public_key": pair.public_pem() })).await;
    ninth.refused(409, "conflict", None);
    let path = format!("/v1/apps/{}/token-keys", server.app.0);
    let listed = server.call(Method::GET, &path, None).await.is(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(8));
    server.stop().await;
}

#[tokio::test]
async fn a_key_set_is_remembered_and_fetched_anew_for_a_key_that_is_not_in_it() {
    let ca = Ca::generate("key sets").expect("an authority");
    let folder = tempfile::tempdir().expect("a folder");
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, ca.pem()).expect("written");
    let (clock, hand) = Clock::by_hand(NOON);
    let server = Server::start_with(clock, |config| {
        config.providers.extra_ca_file = Some(ca_file);
        config.outbound.allow_private = Some("127.0.0.0/8".to_owned());
    })
    .await;
    let host = KeyHost::start(&ca).await;
    let url = format!("https://localhost:{}/keys", host.address.port());
    let body = json!({ "jwks_url": url });
    let why = add(&server, body.clone()).await.refused(422, "invalid_field", Some("jwks_url"));
    assert!(why.contains("its host answered 503"), "{why}");
    let (first, second) = (Pair::generate("1"), Pair::generate("2"));
    host.publish(&[&first]);
    add(&server, body).await.is(201);
    let far = json!({ "exp": NOON.as_seconds() + 30 * 24 * HOUR });
    let token = |pair: &Pair| pair.sign(&claims(&server, far.clone()));
    let (by_first, by_second) = (token(&first), token(&second));
    let before = host.asked();
    for _ in 0..3 {
        assert_eq!(shown(&server, &by_first).await, Ok(()));
    }
    assert_eq!(host.asked(), before + 1, "it is remembered");
    // A new key is published: found at once, but not asked for again and again.
    assert!(shown(&server, &by_second).await.is_err());
    assert_eq!(host.asked(), before + 1, "the set was fetched just now");
    host.publish(&[&first, &second]);
    hand.advance(Duration::from_secs(30));
    assert_eq!(shown(&server, &by_second).await, Ok(()));
    assert_eq!(host.asked(), before + 2);
    // The host is away: whoever's key is known is not stopped, for a day.
    host.goes_away();
    hand.advance(Duration::from_secs(3_600));
    assert_eq!(shown(&server, &by_first).await, Ok(()));
    assert_eq!(host.asked(), before + 3);
    hand.advance(Duration::from_secs(24 * 3_600));
    let answer = server.ask(Method::GET, "/v1/webpush-key", &by_first, None).await;
    answer.refused(503, "unavailable", None);
    server.stop().await;
}

#[tokio::test]
async fn a_key_set_is_fetched_through_the_proxy_and_not_around_it() {
    let ca = Ca::generate("key sets").expect("an authority");
    let folder = tempfile::tempdir().expect("a folder");
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, ca.pem()).expect("written");
    let user = ProxyUser { name: "reveille".to_owned(), password: "hard-to-guess".to_owned() };
    let options = ProxyOptions { user: Some(user.clone()), ..ProxyOptions::default() };
    let proxy = ProxySim::start(options).await.expect("a proxy");
    let proxy_url = proxy.url_for(&user);
    let server = Server::start_with(Clock::by_hand(NOON).0, |config| {
        config.providers.extra_ca_file = Some(ca_file);
        config.outbound.proxy_url = Some(Secret::new(proxy_url));
    })
    .await;
    let host = KeyHost::start(&ca).await;
    let pair = Pair::generate("1");
    host.publish(&[&pair]);
    let set = |host: &str| json!({ "jwks_url": format!("https://{host}/keys") });
    let why =
        add(&server, set("keys.invalid")).await.refused(422, "invalid_field", Some("jwks_url"));
    assert!(why.contains("502"), "the proxy knows no way: {why}");
    assert!(!why.contains("hard-to-guess"), "the proxy's password is told: {why}");
    proxy.map(&format!("{KNOWN_TO_PROXY}:443"), host.address);
    add(&server, set(KNOWN_TO_PROXY)).await.is(201);
    let token = pair.sign(&claims(&server, json!({})));
    assert_eq!(shown(&server, &token).await, Ok(()));
    let seen = proxy.seen();
    assert!(seen.iter().all(|connect| connect.user.as_deref() == Some("reveille")), "{seen:?}");
    let through = |connect: &&SeenConnect| connect.answered == Answered::Status(200);
    let through: Vec<_> = seen.iter().filter(through).collect();
    let target = format!("{KNOWN_TO_PROXY}:443");
    assert!(through.iter().all(|connect| connect.target == target), "{seen:?}");
    let connections = host.connections.load(Ordering::SeqCst);
    assert!(connections > 0 && host.asked() >= 2, "once to see it, once for the token");
    assert_eq!(connections, through.len(), "somebody came around the proxy");
    server.stop().await;
}

#[tokio::test]
async fn a_signed_token_makes_its_user_and_says_to_whom_they_may_send() {
    let (clock, hand) = Clock::by_hand(NOON);
    let server = Server::start_by(clock).await;
    let pair = Pair::generate("1");
    add(&server, json!({ "public_key": pair.public_pem() })).await.is(201);
    let mut sessions = Vec::new();
    for (user, right) in [("alice", "none"), ("bob", "known"), ("carol", "any")] {
        let token = pair.sign(&claims(&server, json!({ "sub": user, "may_send": right })));
        sessions.push(connected(&server, &token, user).await);
    }
    for (session, to, code) in [
        (0, "bob", Some("forbidden")),
        (1, "alice", None),
        (1, "dave", Some("unknown_user")),
        (2, "dave", None),
        (1, "dave", None),
    ] {
        let send = json!({ "type": "send", "id": format!("{session} {to}").replace(' ', "-"), "to": [to], "body": 1 });
        let heard = sessions[session].poke(Message::text(send.to_string())).await.expect("lives");
        let answer = heard.iter().find(|frame| frame["client_id"].is_string());
        let answer = answer.unwrap_or_else(|| panic!("{heard:?}"));
        let refused = answer["problem"]["code"].as_str();
        assert_eq!(refused, code, "{send}: {answer}");
    }
    // Past its end it is no token any more, until a new one comes.
    let mut bob = sessions.swap_remove(1);
    hand.advance(Duration::from_secs(3_600));
    let send = json!({ "type": "send", "id": "late", "to": ["alice"], "body": 1 }).to_string();
    let heard = bob.poke(Message::text(send.clone())).await.expect("lives");
    assert_eq!(heard[0]["problem"]["code"], "token_expired", "{heard:?}");
    let now = NOON.as_seconds();
    let newer = json!({ "sub": "bob", "iat": now + HOUR, "exp": now + 2 * HOUR });
    let newer = pair.sign(&claims(&server, newer));
    let refresh = json!({ "type": "refresh", "token": newer }).to_string();
    // That it has ended is said once the session gets to it, before the new one or not at all.
    let heard = bob.poke(Message::text(refresh)).await.expect("lives");
    assert!(heard.iter().all(|frame| frame["code"] == "token_expired"), "{heard:?}");
    let heard = bob.poke(Message::text(send)).await.expect("lives");
    assert!(heard.iter().any(|frame| frame["type"] == "accepted"), "{heard:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_session_whose_token_ends_is_told_so_and_goes_on_as_its_device() {
    let server = Server::start().await;
    let body = json!({ "ttl": 1 });
    let made = server.call(Method::POST, "/v1/users/alice/tokens", Some(body)).await.is(201);
    let mut session = connected(&server, &text(&made["token"]), "phone").await;
    let told = session.hear().await;
    assert_eq!((&told["type"], &told["code"]), (&json!("error"), &json!("token_expired")));
    let send = json!({ "type": "send", "id": "late", "to": ["alice"], "body": 1 }).to_string();
    let heard = session.poke(Message::text(send)).await.expect("lives");
    assert_eq!(heard[0]["problem"]["code"], "forbidden", "{heard:?}");
    server.message("alice", json!("still delivered")).await;
    assert_eq!(session.hear().await["body"], "still delivered");
    server.stop().await;
}

#[tokio::test]
async fn tokens_that_were_taken_back_are_good_no_more_and_their_sessions_end() {
    let (clock, hand) = Clock::by_hand(NOON);
    let server = Server::start_by(clock).await;
    let pair = Pair::generate("1");
    add(&server, json!({ "public_key": pair.public_pem() })).await.is(201);
    let signed = pair.sign(&claims(&server, json!({})));
    let timeless = pair.sign(&claims(&server, json!({ "iat": null })));
    let opaque = server.token("alice").await;
    let bobs = server.token("bob").await;
    let mut session = connected(&server, &signed, "phone").await;
    let mut bob = connected(&server, &bobs, "tablet").await;
    server.call(Method::DELETE, "/v1/users/alice/tokens", None).await.is(204);
    let nobody = server.call(Method::DELETE, "/v1/users/nobody/tokens", None).await;
    nobody.refused(404, "unknown_user", None);
    let ended = loop {
        // It may have an answer on its way before it is told.
        if let Err(code) = session.poke(Message::Ping(Bytes::new())).await {
            break code;
        }
    };
    assert_eq!(ended, Some(4401));
    assert!(bob.poke(Message::Ping(Bytes::new())).await.is_ok(), "another user's goes on");
    for token in [&signed, &timeless, &opaque] {
        assert_eq!(shown(&server, token).await.expect_err("taken back").0, "unauthorized");
    }
    assert_eq!(shown(&server, &bobs).await, Ok(()));
    hand.advance(Duration::from_secs(2));
    let newer = pair.sign(&claims(&server, json!({ "iat": NOON.as_seconds() + 1 })));
    assert_eq!(shown(&server, &newer).await, Ok(()));
    assert_eq!(shown(&server, &server.token("alice").await).await, Ok(()));
    server.stop().await;
}
