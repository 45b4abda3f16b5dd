//! What an app has: one of everything that a route can name.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Time;
use http::Method;
use serde_json::{Value, json};
use server::http::routes::{Caller, ROUTES, Route};

use crate::http::paths::filled;
use crate::http::rig::{Answer, Device, Server, Session, fcm, text};

/// The time there; it stands, so that what nobody touches stays as it is.
pub(in crate::http) const NOON: Time = Time::from_millis(1_800_000_000_000);

/// One of everything of an app.
pub(in crate::http) struct Belongings {
    key: String,
    /// The name of each by what it is.
    names: BTreeMap<&'static str, String>,
    /// Of somebody who has no part in the app's messages and calls.
    stranger: Device,
    /// Of the user who has part in them, and calls another.
    caller: Device,
    /// Of that device.
    pub(in crate::http) session: Session,
}

impl Belongings {
    /// Makes them for the app of this id and key; `owner` is in every name.
    pub(in crate::http) async fn make(
        server: &Server,
        app: &(String, String),
        owner: &str,
    ) -> Self {
        let (app, key) = app.clone();
        let named = |name: &str| format!("{owner}-{name}");
        let [alice, bob, phone] = ["alice", "bob", "phone"].map(named);
        let topic = named("news");
        let caller = server.device_of(&key, &alice, &phone).await;
        server.device_of(&key, &bob, &named("bobs")).await;
        let stranger = server.device_of(&key, &named("carol"), &named("carols")).await;

        let post = async |path: &str, body: Value| {
            let answer = server.ask(Method::POST, path, &key, Some(body)).await;
            assert!((200..300).contains(&answer.status), "{path}: {}", answer.body);
            answer.body
        };
        let of_app = |rest: &str| format!("/v1/apps/{app}/{rest}");
        let spare = post(&of_app("keys"), json!({ "name": "spare" })).await;
        let vapid = json!({ "kind": "webpush_vapid", "subject": "mailto:ops@example.org" });
        let credential = post(&of_app("credentials"), vapid).await;
        let token_key = json!({
            "name": "key", "algorithm": "HS256", "audience": "chat", "secret": "x".repeat(32),
        });
        let token_key = post(&of_app("token-keys"), token_key).await;
        // Nothing that it wants happens.
        let hook = json!({ "url": "https://hooks.invalid/", "events": ["credential.expiring"] });
        let webhook = post(&of_app("webhooks"), hook).await;
        let message = post("/v1/messages", json!({ "to": [alice], "body": "for alice" })).await;
        let later = jiff::Timestamp::from_second(NOON.as_seconds() + 3_600).expect("a time");
        let to = json!({ "targets": [fcm("a:b")] });
        let push = json!({ "to": to, "title": "Hi", "send_at": later });
        let push = post("/v1/pushes", push).await;
        post(&format!("/v1/topics/{topic}/devices"), json!({ "devices": [phone] })).await;
        for hush in ["mutes/lunch".to_owned(), format!("blocks/{}", named("mallory"))] {
            let path = format!("/v1/users/{alice}/{hush}");
            server.ask(Method::PUT, &path, &key, None).await.is(204);
        }
        // A token that moves is an event.
        for user in [named("dave"), named("erin")] {
            let device = server.device_of(&key, &user, &user).await;
            server.target(&device, "fcm", "token:moves").await;
        }
        let events = server.ask(Method::GET, "/v1/events", &key, None).await.is(200);
        let (session, call) = calling(server, &caller, &phone, &bob).await;

        let names = [
            ("app", app),
            ("blocked", named("mallory")),
            ("call", call),
            ("credential", text(&credential["id"])),
            ("device", phone),
            ("event", text(&events["items"][0]["id"])),
            ("key", text(&spare["id"])),
            ("kind", "apns".to_owned()),
            ("message", text(&message["id"])),
            ("push", text(&push["id"])),
            ("stranger", named("carols")),
            ("thread", "lunch".to_owned()),
            ("token key", text(&token_key["id"])),
            ("topic", topic),
            ("user", alice),
            ("webhook", text(&webhook["id"])),
        ];
        Self { key, names: names.into(), stranger, caller, session }
    }

    /// What a parameter of a path names.
    pub(in crate::http) fn id(&self, path: &str, parameter: &str) -> &str {
        let name = match parameter {
            "key" if path.contains("/token-keys/") => "token key",
            other => other,
        };
        let found = self.names.get(name);
        found.unwrap_or_else(|| panic!("{{{name}}} is new: make one in strangers/belongings.rs"))
    }

    /// The secret of the device that calls.
    pub(in crate::http) fn secret(&self) -> &str {
        &self.caller.secret
    }

    /// A session of that stranger.
    pub(in crate::http) async fn stranger_session(&self, server: &Server) -> Session {
        connected(server, &self.stranger, self.id("", "stranger")).await
    }

    /// Asks as the app or, where a route is for devices, as its stranger.
    pub(in crate::http) async fn ask(
        &self,
        server: &Server,
        route: &Route,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let show = if route.caller == Caller::Device { &self.stranger.secret } else { &self.key };
        server.ask(route.method.clone(), path, show, body).await
    }

    /// All that the app and its user can see, by the route that shows it.
    pub(in crate::http) async fn everything(&self, server: &Server) -> BTreeMap<String, Value> {
        let mut everything = BTreeMap::new();
        for route in ROUTES.iter().filter(|route| route.method == Method::GET) {
            let show = match route.caller {
                Caller::Admin | Caller::Anybody | Caller::FirstFrame => continue,
                Caller::AnyKey | Caller::App(_) | Caller::OwnApp(_) => &self.key,
                Caller::Device => &self.caller.secret,
            };
            // A read is written down by itself; a test push is of the device that asked for it, and
            // goes on by itself (tests/journeys/test_push.rs); what is followed has no end.
            let by_itself = ["/v1/me/inbox", "/v1/push-log/live"].contains(&route.path);
            if by_itself || route.path.contains("/test-push/") {
                continue;
            }
            let mut path = filled(route.path, |name| self.id(route.path, name).to_owned());
            if route.path == "/v1/explain" {
                path += &format!("?user={}", self.id("", "user"));
            }
            let shown = server.ask(Method::GET, &path, show, None).await;
            assert_eq!(shown.status, 200, "{path}: {}", shown.body);
            everything.insert(path, shown.body);
        }
        everything
    }

    /// Whether all that is still as it was.
    pub(in crate::http) async fn unchanged_since(
        &self,
        before: &BTreeMap<String, Value>,
        server: &Server,
    ) {
        for (path, now) in self.everything(server).await {
            assert_eq!(Some(&now), before.get(&path), "a stranger has changed {path}");
        }
    }
}

/// A session of a device that has proven its secret before.
async fn connected(server: &Server, device: &Device, id: &str) -> Session {
    let mut session = Session::open(server.address).await;
    session
        .say(json!({
            "type": "connect", "token": device.token, "device_secret": device.secret,
            "device": { "id": id, "platform": "ios" },
        }))
        .await;
    session.hear_a("connected").await;
    session
}

/// A session of a device that calls another user, and the call once the server knows of it.
async fn calling(server: &Server, device: &Device, id: &str, to: &str) -> (Session, String) {
    let mut session = connected(server, device, id).await;
    // What was waiting for it; from now on it hears nothing but what others do.
    session.hear_a("message").await;
    let call = uuid::Uuid::new_v4().to_string();
    let start = json!({ "type": "call.start", "call": call, "to": to, "caller_name": "A" });
    session.say(start).await;
    let path = format!("/v1/me/calls/{call}");
    let known = async {
        while server.ask(Method::GET, &path, &device.secret, None).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), known).await.expect("the call is known");
    (session, call)
}
