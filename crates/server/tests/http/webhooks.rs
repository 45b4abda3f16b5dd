//! Webhooks over real sockets and real TLS: what a back end gets, and what becomes of it where the
//! back end is slow, broken or gone.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use server::clock::Clock;
use server::secret::Secret;
use sim::pki::Ca;
use sim::proxy::{Answered, ProxyUser, SeenConnect};
use sim::trouble::Scripted;
use sim::{ProxyOptions, ProxySim, SeenPush, WebhookSink};

use super::python::python;
use super::rig::{Server, text};

/// How long a test waits for an event to come; generous, the machine may be busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A back end with a server that trusts it.
pub(super) struct Stage {
    pub(super) server: Server,
    pub(super) sink: WebhookSink,
    ca: Ca,
    _folder: tempfile::TempDir,
}

impl Stage {
    pub(super) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut server::config::Config)) -> Self {
        let ca = Ca::generate("back ends").expect("an authority");
        let folder = tempfile::tempdir().expect("a folder");
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, ca.pem()).expect("written");
        let server = Server::start_with(Clock::system(), |config| {
            config.providers.extra_ca_file = Some(ca_file);
            config.outbound.allow_private = Some("127.0.0.0/8".to_owned());
            config.webhooks.retry = Duration::from_millis(100);
            config.webhooks.endpoint = Duration::from_millis(100);
            change(config);
        })
        .await;
        let sink = WebhookSink::start(&ca, &sim::Clock::default()).await.expect("a back end");
        Self { server, sink, ca, _folder: folder }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/apps/{}/webhooks{rest}", self.server.app.0)
    }

    /// A webhook to this path of the back end.
    async fn webhook(&self, path: &str, events: Value) -> Webhook {
        let body = json!({ "url": self.sink.url(path), "events": events });
        let made = self.server.call(Method::POST, &self.path(""), Some(body)).await.is(201);
        Webhook { id: text(&made["id"]), secret: text(&made["secret"]) }
    }

    /// A webhook to this URL.
    async fn webhook_at(&self, url: &str) -> Webhook {
        let made =
            self.server.call(Method::POST, &self.path(""), Some(json!({ "url": url }))).await;
        let made = made.is(201);
        Webhook { id: text(&made["id"]), secret: text(&made["secret"]) }
    }

    /// Something happens that is an event: a token moves.
    async fn something_happens(&self) {
        let number = rand::random::<u64>();
        for user in ["alice", "bob"] {
            let device = self.server.device(user, &format!("{user}-{number}")).await;
            self.server.target(&device, "fcm", &format!("token:{number}")).await;
        }
    }

    async fn test(&self, webhook: &Webhook) -> Value {
        let path = self.path(&format!("/{}/test", webhook.id));
        self.server.call(Method::POST, &path, None).await.is(202)
    }

    async fn came(&self, wanted: impl Fn(&SeenPush) -> bool) -> SeenPush {
        self.sink.wait_for(wanted, PATIENCE).await.expect("it comes")
    }

    /// The newest delivery once it fits.
    async fn delivery(&self, webhook: &Webhook, fits: impl Fn(&Value) -> bool) -> Value {
        let path = self.path(&format!("/{}/deliveries", webhook.id));
        let newest = |page: &Value| page["items"].get(0).is_some_and(&fits);
        self.server.until(&path, newest).await["items"][0].clone()
    }
}

struct Webhook {
    id: String,
    secret: String,
}

fn to(path: &str) -> impl Fn(&SeenPush) -> bool + use<'_> {
    move |seen| seen.path == path
}

fn body(seen: &SeenPush) -> Value {
    serde_json::from_slice(&seen.payload).expect("JSON")
}

/// Has somebody else's library check a request: Python's `standardwebhooks`.
fn verify(seen: &SeenPush, secret: &str) -> Result<(), String> {
    const SCRIPT: &str = "
import json, sys
from standardwebhooks import Webhook
asked = json.load(sys.stdin)
Webhook(asked['secret']).verify(asked['body'], asked['headers'])
";
    let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"]
        .map(|name| (name.to_owned(), json!(seen.header(name).expect("it is there"))));
    let asked = json!({
        "secret": secret,
        "body": String::from_utf8(seen.payload.to_vec()).expect("text"),
        "headers": serde_json::Map::from_iter(headers),
    });
    let done = python(SCRIPT, &asked);
    if done.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&done.stderr).lines().last().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn an_event_arrives_signed_as_somebody_elses_library_checks_it() {
    let stage = Stage::open().await;
    let webhook = stage.webhook("/hook", json!(["device.target_moved"])).await;
    assert!(webhook.secret.starts_with("whsec_"), "{}", webhook.secret);
    stage.something_happens().await;
    let seen = stage.came(to("/hook")).await;
    assert_eq!(seen.why, None, "the back end finds nothing wrong with it");
    assert_eq!(verify(&seen, &webhook.secret), Ok(()));
    let other = stage.webhook("/other", json!(["*"])).await;
    let error = verify(&seen, &other.secret).expect_err("another secret");
    assert!(error.contains("No matching signature"), "{error}");
    // The same event, as it stands in the API.
    let events = stage.server.call(Method::GET, "/v1/events", None).await.is(200);
    assert_eq!(body(&seen), events["items"][0]);
    assert_eq!(seen.header("webhook-id"), events["items"][0]["id"].as_str());
    let delivery = stage.delivery(&webhook, |it| it["state"] == "delivered").await;
    assert_eq!(delivery["event"], events["items"][0]);
    assert_eq!((&delivery["tries"], &delivery["answer"]["status"]), (&json!(1), &json!(204)));
    stage.server.stop().await;
}

#[tokio::test]
async fn what_is_refused_comes_again_under_the_same_id() {
    let stage = Stage::open().await;
    let webhook = stage.webhook("/hook", json!(["*"])).await;
    let answer = Scripted::new(StatusCode::INTERNAL_SERVER_ERROR, "the database is away");
    stage.sink.trouble().answer_next(2, &answer);
    let event = stage.test(&webhook).await;
    stage.came(|seen| seen.status == StatusCode::NO_CONTENT).await;
    let seen = stage.sink.seen();
    assert_eq!(seen.len(), 3);
    for one in &seen {
        assert_eq!((one.header("webhook-id"), body(one)), (event["id"].as_str(), event.clone()));
        assert_eq!(verify(one, &webhook.secret), Ok(()), "each try is signed anew");
    }
    let delivery = stage.delivery(&webhook, |it| it["state"] == "delivered").await;
    assert_eq!(delivery["tries"], 3);
    stage.server.stop().await;
}

#[tokio::test]
async fn an_answer_that_counts_for_nothing_is_shown() {
    let stage = Stage::with(|config| config.webhooks.retry = Duration::from_secs(3_600)).await;
    let webhook = stage.webhook("/hook", json!(["*"])).await;
    let answer = Scripted::new(StatusCode::FOUND, "elsewhere");
    stage.sink.trouble().answer_next(1, &answer);
    stage.test(&webhook).await;
    let delivery = stage.delivery(&webhook, |it| it["tries"] != json!(0)).await;
    assert_eq!(delivery["state"], "waiting");
    assert_eq!(delivery["answer"]["status"], 302, "a redirect is not followed");
    assert_eq!(delivery["answer"]["body"], "elsewhere");
    assert!(text(&delivery["answer"]["problem"]).contains("2xx"), "{delivery}");
    assert!(delivery["due_at"].is_string(), "{delivery}");
    let path = stage.path(&format!("/{}", webhook.id));
    let shown = stage.server.call(Method::GET, &path, None).await.is(200);
    assert_eq!((&shown["waiting"], &shown["parked"]), (&json!(1), &json!(0)));
    assert_eq!(shown["secret"], Value::Null, "it was shown once");
    stage.server.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_answers_nothing_delays_no_other() {
    let stage = Stage::open().await;
    let slow_sink = WebhookSink::start(&stage.ca, &sim::Clock::default()).await.expect("another");
    slow_sink.trouble().hold();
    let slow = stage.webhook_at(&slow_sink.url("/slow")).await;
    let dead = stage.webhook_at("https://127.0.0.1:9/dead").await;
    let quick = stage.webhook("/quick", json!(["device.target_moved"])).await;
    for number in 1..=3 {
        stage.something_happens().await;
        stage.sink.wait_count(number, PATIENCE).await.expect("it comes");
    }
    stage.delivery(&quick, |it| it["state"] == "delivered").await;
    slow_sink.trouble().wait_held(1, PATIENCE).await.expect("it is held");
    let path = stage.path(&format!("/{}/deliveries", slow.id));
    assert_eq!(stage.server.call(Method::GET, &path, None).await.is(200)["items"], json!([]));
    let refused = stage.delivery(&dead, |it| it["tries"] != json!(0)).await;
    let problem = text(&refused["answer"]["problem"]);
    assert!(problem.contains("https://127.0.0.1:9") && !problem.contains("/dead"), "{problem}");
    slow_sink.trouble().release();
    stage.delivery(&slow, |it| it["state"] == "delivered").await;
    stage.server.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_is_away_is_left_in_peace_and_gets_all_of_it_once_it_is_back() {
    let stage = Stage::with(|config| {
        config.webhooks.retry = Duration::from_secs(3_600);
        config.webhooks.endpoint = Duration::from_secs(1);
    })
    .await;
    let webhook = stage.webhook("/hook", json!(["device.target_moved"])).await;
    let away = Scripted::new(StatusCode::SERVICE_UNAVAILABLE, "");
    stage.sink.trouble().answer_next(5, &away);
    for number in 1..=5 {
        stage.something_happens().await;
        stage.sink.wait_count(number, PATIENCE).await.expect("it is tried");
    }
    let path = stage.path(&format!("/{}", webhook.id));
    stage.server.until(&path, |it| it["paused_until"].is_string()).await;
    stage.something_happens().await;
    // The probe after the pause is taken, and what waited for an hour goes at once.
    stage.server.until(&path, |it| it["waiting"] == 0 && it["paused_until"].is_null()).await;
    let page = stage.server.call(Method::GET, &format!("{path}/deliveries"), None).await.is(200);
    let states: Vec<_> =
        page["items"].as_array().expect("a list").iter().map(|it| it["state"].clone()).collect();
    assert_eq!(states, vec![json!("delivered"); 6]);
    stage.server.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_is_gone_gets_nothing_until_it_is_switched_on() {
    let stage = Stage::open().await;
    let webhook = stage.webhook("/hook", json!(["*"])).await;
    stage.sink.trouble().answer_next(1, &Scripted::new(StatusCode::GONE, ""));
    stage.test(&webhook).await;
    let path = stage.path(&format!("/{}", webhook.id));
    let gone = stage.server.until(&path, |it| it["state"] == "gone").await;
    assert_eq!(gone["parked"], 1);
    stage.something_happens().await;
    let on = json!({ "enabled": true });
    assert_eq!(stage.server.call(Method::PATCH, &path, Some(on)).await.is(200)["state"], "on");
    // What happened meanwhile comes; what was parked does not, until it is replayed.
    stage.came(|seen| body(seen)["type"] == "device.target_moved").await;
    let replay = json!({ "from": "2020-01-01T00:00:00Z", "parked_only": true });
    let replay = stage.server.call(Method::POST, &format!("{path}/replay"), Some(replay)).await;
    assert_eq!(replay.is(202), json!({ "events": 1 }));
    let again = |seen: &SeenPush| {
        body(seen)["type"] == "webhook.test" && seen.status == StatusCode::NO_CONTENT
    };
    stage.came(again).await;
    stage.server.stop().await;
}

#[tokio::test]
async fn one_event_is_replayed_under_the_same_id() {
    let stage = Stage::open().await;
    let webhook = stage.webhook("/hook", json!(["*"])).await;
    let event = stage.test(&webhook).await;
    stage.delivery(&webhook, |it| it["state"] == "delivered").await;
    let path = stage.path(&format!("/{}/replay", webhook.id));
    let replay = json!({ "event": event["id"] });
    assert_eq!(
        stage.server.call(Method::POST, &path, Some(replay)).await.is(202),
        json!({ "events": 1 })
    );
    stage.sink.wait_count(2, PATIENCE).await.expect("again");
    assert!(stage.sink.seen().iter().all(|seen| body(seen) == event));
    for (wrong, field) in [
        (json!({ "event": "evt_1" }), "event"),
        (json!({ "event": format!("evt_{:032x}", 77_u128 << 64) }), "event"),
        (json!({}), "event"),
        (json!({ "event": event["id"], "from": "2020-01-01T00:00:00Z" }), "event"),
        (json!({ "from": "2020-01-02T00:00:00Z", "to": "2020-01-01T00:00:00Z" }), "to"),
    ] {
        let refused = stage.server.call(Method::POST, &path, Some(wrong)).await;
        refused.refused(422, "invalid_field", Some(field));
    }
    stage.server.stop().await;
}

#[tokio::test]
async fn while_a_secret_is_replaced_both_are_good() {
    let stage = Stage::open().await;
    let webhook = stage.webhook("/hook", json!(["*"])).await;
    let path = stage.path(&format!("/{}/rotate", webhook.id));
    let rotated = stage.server.call(Method::POST, &path, None).await.is(200);
    let (old, new) = (webhook.secret.clone(), text(&rotated["secret"]));
    assert!(old != new && rotated["old_secret_until"].is_string(), "{rotated}");
    stage.test(&webhook).await;
    let seen = stage.came(to("/hook")).await;
    assert_eq!((verify(&seen, &old), verify(&seen, &new)), (Ok(()), Ok(())));
    // At once, where it is known to others.
    let at_once = json!({ "keep_old_for": 0 });
    let rotated = stage.server.call(Method::POST, &path, Some(at_once)).await.is(200);
    stage.test(&webhook).await;
    stage.sink.wait_count(2, PATIENCE).await.expect("the second");
    let seen = stage.sink.seen().pop().expect("it is there");
    assert_eq!(verify(&seen, &text(&rotated["secret"])), Ok(()));
    assert!(verify(&seen, &new).is_err());
    let long = json!({ "keep_old_for": 604_801 });
    let refused = stage.server.call(Method::POST, &path, Some(long)).await;
    refused.refused(422, "invalid_field", Some("keep_old_for"));
    stage.server.stop().await;
}

#[tokio::test]
async fn a_webhook_is_an_apps_own_and_changed_at_once() {
    let stage = Stage::open().await;
    let webhook = stage.webhook("/hook", json!(["call.missed"])).await;
    let path = stage.path(&format!("/{}", webhook.id));
    let (other, key) = stage.server.new_app("second").await;
    let foreign = format!("/v1/apps/{other}/webhooks/{}", webhook.id);
    for (method, rest) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::GET, "/deliveries"),
        (Method::POST, "/test"),
        (Method::POST, "/rotate"),
    ] {
        let asked = stage.server.ask(method, &format!("{foreign}{rest}"), &key, None).await;
        asked.refused(404, "not_found", None);
    }
    let change = json!({ "url": stage.sink.url("/moved"), "events": ["*"], "description": "all" });
    let changed = stage.server.call(Method::PATCH, &path, Some(change)).await.is(200);
    assert_eq!((&changed["events"], &changed["description"]), (&json!(["*"]), &json!("all")));
    stage.something_happens().await;
    stage.came(to("/moved")).await;
    let list = stage.server.call(Method::GET, &stage.path(""), None).await.is(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(stage.server.call(Method::DELETE, &path, None).await.status, 204);
    stage.server.call(Method::GET, &path, None).await.refused(404, "not_found", None);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_webhook_that_cannot_work_is_refused_with_the_reason() {
    let server = Server::start().await;
    let path = format!("/v1/apps/{}/webhooks", server.app.0);
    let url = "https://hooks.example.com/in";
    let long = format!("https://hooks.example.com/{}", "x".repeat(2_048));
    for (body, field, what) in [
        (json!({ "url": "http://hooks.example.com/" }), "url", "https"),
        (json!({ "url": "https://user:secret@hooks.example.com/" }), "url", "user name"),
        (json!({ "url": long }), "url", "at most 2048"),
        (json!({ "url": "https://127.0.0.1/" }), "url", "outbound.allow_private"),
        (json!({ "url": "https://[::1]/" }), "url", "outbound.allow_private"),
        (json!({ "url": "https://2130706433/" }), "url", "no host name"),
        (json!({ "url": "https://localhost:8443/" }), "url", "outbound.allow_private"),
        (json!({ "url": url, "events": [] }), "events", "at least one"),
        (json!({ "url": url, "events": ["nothing"] }), "events", "push.failed"),
        (json!({ "url": url, "events": ["*", "push.sent"] }), "events", "alone"),
        (json!({ "url": url, "events": ["webhook.test"] }), "events", "push.failed"),
        (json!({ "url": url, "description": "x".repeat(129) }), "description", "128 bytes"),
    ] {
        let refused = server.call(Method::POST, &path, Some(body.clone())).await;
        let why = refused.refused(422, "invalid_field", Some(field));
        assert!(why.contains(what) && !why.contains("secret"), "{body}: {why}");
    }
    for _ in 0..10 {
        server.call(Method::POST, &path, Some(json!({ "url": url }))).await.is(201);
    }
    let eleventh = server.call(Method::POST, &path, Some(json!({ "url": url }))).await;
    eleventh.refused(409, "conflict", None);
    server.stop().await;
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_waited_for() {
    let stage = Stage::with(|config| config.outbound.allow_private = None).await;
    let webhook = stage.webhook_at("https://name.invalid/in").await;
    stage.test(&webhook).await;
    let delivery = stage.delivery(&webhook, |it| it["tries"] != json!(0)).await;
    assert!(delivery["answer"]["status"].is_null(), "{delivery}");
    assert_eq!(stage.sink.seen().len(), 0);
    stage.server.stop().await;
}

#[tokio::test]
async fn webhooks_go_through_the_proxy_and_not_around_it() {
    let user = ProxyUser { name: "reveille".to_owned(), password: "hard-to-guess".to_owned() };
    let options = ProxyOptions { user: Some(user.clone()), ..ProxyOptions::default() };
    let proxy = ProxySim::start(options).await.expect("a proxy");
    let proxy_url = proxy.url_for(&user);
    let stage = Stage::with(|config| {
        config.outbound.proxy_url = Some(Secret::new(proxy_url));
        config.outbound.allow_private = None;
    })
    .await;
    // A name that the back end's certificate has.
    let target = "oauth2.googleapis.com:443";
    proxy.map(target, stage.sink.addr());
    let webhook = stage.webhook_at("https://oauth2.googleapis.com/in").await;
    stage.test(&webhook).await;
    let seen = stage.came(to("/in")).await;
    assert_eq!(verify(&seen, &webhook.secret), Ok(()));
    let asked = proxy.seen();
    let granted = |it: &SeenConnect| {
        it.target == target
            && it.answered == Answered::Status(200)
            && it.user.as_deref() == Some("reveille")
    };
    assert!(!asked.is_empty() && asked.iter().all(granted), "{asked:?}");
    let connections: std::collections::BTreeSet<u64> =
        stage.sink.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections.len(), asked.len(), "somebody came around the proxy");
    // One that the proxy knows no way to is waited for, and its password is told to nobody.
    let lost = stage.webhook_at("https://hooks.invalid/in").await;
    stage.test(&lost).await;
    let delivery = stage.delivery(&lost, |it| it["tries"] != json!(0)).await;
    assert!(text(&delivery["answer"]["problem"]).contains("502"), "{delivery}");
    assert!(!delivery.to_string().contains("hard-to-guess"), "{delivery}");
    stage.server.stop().await;
}

#[tokio::test]
async fn a_refused_push_is_told_with_what_to_do() {
    let stage = Stage::open().await;
    stage.webhook("/hook", json!(["push.failed"])).await;
    let device = stage.server.device("alice", "phone").await;
    stage.server.target(&device, "fcm", "a-token-nobody-may-see").await;
    stage.server.push(json!({ "to": { "users": ["alice"] }, "title": "A secret" })).await;
    let seen = stage.came(to("/hook")).await;
    let event = body(&seen);
    assert_eq!((&event["type"], &event["sequence"]), (&json!("push.failed"), &json!(1)));
    let data = &event["data"];
    assert_eq!((&data["user"], &data["device"]), (&json!("alice"), &json!("phone")));
    assert_eq!((&data["diagnosis"], &data["response"]["code"]), (&json!(901), &json!(901)));
    assert!(text(&data["remedy"]).len() > 10 && data["attempt"].is_string(), "{data}");
    for secret in ["a-token-nobody-may-see", "A secret"] {
        assert!(!event.to_string().contains(secret), "{event}");
    }
    stage.server.stop().await;
}

#[tokio::test]
async fn a_message_for_somebody_who_is_away_is_told_at_once() {
    let stage = Stage::open().await;
    stage.webhook("/hook", json!(["message.offline"])).await;
    stage.server.device("alice", "phone").await;
    let message = stage.server.message("alice", json!({ "text": "A secret" })).await;
    let event = body(&stage.came(to("/hook")).await);
    assert_eq!(event["data"]["message"], message.as_str());
    assert_eq!(event["data"]["devices"][0]["device"], "phone");
    assert!(!event.to_string().contains("A secret"), "{event}");
    stage.server.stop().await;
}
