//! `GET /v1/doctor` of hosts that others chose: those of webhooks, and browsers' push services.

use std::time::Duration;

use http::header::DATE;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use server::clock::Clock;
use sim::pki::Ca;
use sim::trouble::Scripted;
use sim::webpush::Vendor;
use sim::{Devices, SeenPush, WebPushOptions, WebPushSim, WebhookSink};
use tokio::net::TcpListener;

use super::rig::{Server, text};

/// A server that trusts an authority, gives connections up soon and lets browsers choose any push
/// service on this machine.
struct Stage {
    server: Server,
    ca: Ca,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn open() -> Self {
        let ca = Ca::generate("hosts").expect("an authority");
        let folder = tempfile::tempdir().expect("a folder");
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, ca.pem()).expect("written");
        let server = Server::start_with(Clock::system(), |config| {
            config.providers.extra_ca_file = Some(ca_file);
            config.providers.connect_timeout = Duration::from_millis(500);
            config.outbound.allow_private = Some("127.0.0.0/8".to_owned());
            config.webpush.allowed_hosts = Some("*".to_owned());
        })
        .await;
        Self { server, ca, _folder: folder }
    }

    fn hooks(&self) -> String {
        format!("/v1/apps/{}/webhooks", self.server.app.0)
    }

    async fn webhook(&self, url: &str) -> String {
        let body = json!({ "url": url, "events": ["push.failed"] });
        text(&self.server.call(Method::POST, &self.hooks(), Some(body)).await.is(201)["id"])
    }

    /// What the doctor says.
    async fn examine(&self) -> Vec<Value> {
        let seen = self.server.ask(Method::GET, "/v1/doctor", &self.server.admin, None).await;
        seen.is(200)["checks"].as_array().expect("checks").clone()
    }
}

/// A host with a certificate of an authority.
async fn host(ca: &Ca) -> WebhookSink {
    WebhookSink::start(ca, &sim::Clock::default()).await.expect("a host")
}

/// A port of this machine where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// The one check of this word about that.
#[track_caller]
fn check<'a>(checks: &'a [Value], word: &str, about: &str) -> &'a Value {
    let fits = |check: &&Value| {
        check["check"] == word && check["about"].as_str().is_some_and(|it| it.contains(about))
    };
    let mut found = checks.iter().filter(fits);
    let first = found.next().unwrap_or_else(|| panic!("no {word} about {about}: {checks:#?}"));
    assert!(found.next().is_none(), "{word} about {about} twice: {checks:#?}");
    first
}

/// Fails unless a check has this verdict and says that.
#[track_caller]
fn is(check: &Value, verdict: &str, says: &str) {
    let said = format!("{} {}", check["text"], check["remedy"]);
    assert!(check["verdict"] == verdict && said.contains(says), "{says}: {check:#}");
}

/// Fails unless a host was asked for nothing, so often.
#[track_caller]
fn was_asked(seen: &[SeenPush], times: usize) {
    for seen in seen {
        assert_eq!((&seen.method, seen.path.as_str()), (&Method::HEAD, "/"));
        assert!(seen.payload.is_empty() && seen.header("webhook-id").is_none(), "{seen:?}");
    }
    assert_eq!(seen.len(), times);
}

#[tokio::test]
async fn hosts_of_webhooks_are_asked_and_what_is_wrong_is_named() {
    let stage = Stage::open().await;
    let (good, moved, off) = (host(&stage.ca).await, host(&stage.ca).await, host(&stage.ca).await);
    let stranger = host(&Ca::generate("strangers").expect("an authority")).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent_at = silent.local_addr().expect("an address");
    let mut ids = Vec::new();
    for url in [
        good.url("/one"),
        good.url("/two"),
        moved.url("/"),
        off.url("/"),
        stranger.url("/"),
        format!("https://{silent_at}/"),
        format!("https://{}/", nobody().await),
        "https://nobody.invalid/in?key=SECRET".to_owned(),
    ] {
        ids.push(stage.webhook(&url).await);
    }
    let elsewhere = HeaderValue::try_from(off.url("/")).expect("a URL");
    let redirect = Scripted::status(StatusCode::FOUND).header(http::header::LOCATION, elsewhere);
    moved.trouble().answer_next(1, &redirect);
    let path = format!("{}/{}", stage.hooks(), ids[3]);
    let switch = json!({ "enabled": false });
    stage.server.call(Method::PATCH, &path, Some(switch)).await.is(200);

    let checks = stage.examine().await;
    for (id, verdict, says) in [
        (0, "ok", "is reached"),
        (1, "ok", "is reached"),
        // Whatever is answered will do.
        (2, "ok", "is reached"),
        (4, "failure", "providers.extra_ca_file"),
        (5, "failure", "timed out"),
        (6, "failure", "not connected"),
        (7, "failure", "name not resolved: nobody.invalid"),
    ] {
        is(check(&checks, "webhook_reach", &ids[id]), verdict, says);
        is(check(&checks, "webhook", &ids[id]), "ok", "takes its events");
    }
    is(check(&checks, "webhook", &ids[3]), "note", "switched off");
    let reached = checks.iter().filter(|check| check["check"] == "webhook_reach").count();
    assert_eq!(reached, 7, "the one that is off is not asked");
    assert!(!format!("{checks:?}").contains("SECRET"), "a path may be a secret: {checks:#?}");

    // Each host once, whatever it answered; and no redirect is followed.
    was_asked(&good.seen(), 1);
    was_asked(&moved.seen(), 1);
    was_asked(&off.seen(), 0);
    was_asked(&stranger.seen(), 0);
    stage.server.stop().await;
}

#[tokio::test]
async fn the_push_services_of_browsers_are_asked_and_their_clock_is_compared() {
    let stage = Stage::open().await;
    let app = &stage.server.app.0;
    let vapid = json!({ "kind": "webpush_vapid", "subject": "mailto:ops@example.org" });
    let path = format!("/v1/apps/{app}/credentials");
    let made = stage.server.call(Method::POST, &path, Some(vapid)).await.is(201);
    // Any point on the curve is a browser's key.
    let keys = json!({ "p256dh": made["facts"]["public_key"], "auth": "AAAAAAAAAAAAAAAAAAAAAA" });
    let options = WebPushOptions::new(&stage.ca, &Devices::new(), Vendor::Mozilla);
    let service = WebPushSim::start(options).await.expect("a push service");
    let stranger = host(&Ca::generate("strangers").expect("an authority")).await;
    let rare = host(&stage.ca).await;
    let good = service.addr().to_string();
    let unknown = "push.invalid".to_owned();
    let places = [stranger.addr().to_string(), nobody().await, nobody().await, unknown];
    // Two browsers at each, and one at the service that is asked no more.
    let all = [&good].into_iter().chain(&places).flat_map(|place| [place, place]);
    let rare_at = rare.addr().to_string();
    for (number, place) in all.chain([&rare_at]).enumerate() {
        let endpoint = format!("https://{place}/push/SECRET-{number}");
        let token = json!({ "endpoint": endpoint, "keys": keys }).to_string();
        let device = stage.server.device("alice", &format!("browser-{number}")).await;
        stage.server.target(&device, "webpush", &token).await;
    }
    let late = HeaderValue::from_static("Sun, 01 Mar 2026 06:30:00 GMT");
    let dated = Scripted::status(StatusCode::NOT_FOUND).header(DATE, late);
    service.trouble().answer_next(1, &dated);

    let checks = stage.examine().await;
    is(check(&checks, "reach", &good), "ok", "is reached");
    is(check(&checks, "clock", &good), "failure", "ahead of");
    is(check(&checks, "reach", &places[0]), "failure", "providers.extra_ca_file");
    is(check(&checks, "reach", &places[1]), "failure", "not connected");
    is(check(&checks, "reach", &places[3]), "failure", "name not resolved");
    let asked = checks.iter().filter(|check| check["check"] == "reach").count();
    assert_eq!(asked, 5, "{checks:#?}");
    assert!(!format!("{checks:?}").contains("SECRET"), "an endpoint is a secret: {checks:#?}");
    was_asked(&service.seen(), 1);
    was_asked(&rare.seen(), 0);
    stage.server.stop().await;
}
