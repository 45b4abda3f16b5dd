//! Everybody who may come and ask, with what they show.

use std::time::Duration;

use bytes::Bytes;
use domain::{KeyScope, Time};
use http::{Method, Request};
use http_body_util::Full;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use server::clock::{Clock, Hand};

use crate::http::rig::{Server, text};

const NOON: Time = Time::from_millis(1_800_000_000_000);
const SECRET: &str = "only an example, 32 bytes at least";

/// Somebody who asks. Who has no word for it in their name belongs to the server's first app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Nobody,
    Nonsense,
    Admin,
    UnknownAdmin,
    App,
    /// A key of the app that is good for one thing.
    OneScope(KeyScope),
    OtherApp,
    RemovedApp,
    UnknownApp,
    User,
    OtherAppsUser,
    SignedUser,
    ExpiredUser,
    RevokedUser,
    Device,
    OtherUsersDevice,
    OtherAppsDevice,
    RemovedDevice,
    UnknownDevice,
    DeviceAndUser,
    DeviceAndOtherUser,
    DeviceAndExpiredUser,
}

impl Asker {
    pub(super) const ALL: [Self; 24] = [
        Self::Nobody,
        Self::Nonsense,
        Self::Admin,
        Self::UnknownAdmin,
        Self::App,
        Self::OneScope(KeyScope::Admin),
        Self::OneScope(KeyScope::Read),
        Self::OneScope(KeyScope::Send),
        Self::OtherApp,
        Self::RemovedApp,
        Self::UnknownApp,
        Self::User,
        Self::OtherAppsUser,
        Self::SignedUser,
        Self::ExpiredUser,
        Self::RevokedUser,
        Self::Device,
        Self::OtherUsersDevice,
        Self::OtherAppsDevice,
        Self::RemovedDevice,
        Self::UnknownDevice,
        Self::DeviceAndUser,
        Self::DeviceAndOtherUser,
        Self::DeviceAndExpiredUser,
    ];

    /// How what is in `Authorization` begins, where it is a key.
    pub(super) const fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Nobody | Self::Nonsense | Self::SignedUser => None,
            Self::Admin | Self::UnknownAdmin => Some("rvl_admin_"),
            Self::App | Self::OneScope(_) | Self::OtherApp => Some("rvl_app_"),
            Self::RemovedApp | Self::UnknownApp => Some("rvl_app_"),
            Self::User | Self::OtherAppsUser | Self::ExpiredUser | Self::RevokedUser => {
                Some("rvl_user_")
            }
            Self::Device | Self::OtherUsersDevice | Self::OtherAppsDevice => Some("rvl_device_"),
            Self::RemovedDevice | Self::UnknownDevice => Some("rvl_device_"),
            Self::DeviceAndUser | Self::DeviceAndOtherUser | Self::DeviceAndExpiredUser => {
                Some("rvl_user_")
            }
        }
    }
}

/// Where they ask: a server with two apps, whose lists all have an answer, and whose tokens expire
/// when its clock is moved.
pub(super) struct Place {
    pub(super) server: Server,
    hand: Hand,
    /// Id and key of the second app.
    other: (String, String),
}

impl Place {
    pub(super) async fn start() -> Self {
        let (clock, hand) = Clock::by_hand(NOON);
        let server = Server::start_by(clock).await;
        let other = server.new_app("second").await;
        for app in [&server.app, &other] {
            vapid(&server, app).await;
        }
        Self { server, hand, other }
    }
}

/// What each of them shows: `Authorization`, and the device's secret beside it.
pub(super) struct Askers(Vec<(Asker, Option<String>, Option<String>)>);

impl Askers {
    /// Makes them all, each good for no more and no less than its name says.
    pub(super) async fn make(Place { server, hand, other: (_, other) }: &Place) -> Self {
        let number = rand::random::<u32>();
        let named = |name: &str| format!("{name}-{number}");
        let spent = json!({ "ttl": 1 });
        let spent = server.call(Method::POST, "/v1/users/alice/tokens", Some(spent)).await.is(201);
        hand.advance(Duration::from_secs(1));
        let phone = server.device("alice", &named("phone")).await;
        let bobs = server.device("bob", &named("bobs")).await;
        let theirs = server.device_of(other, "alice", &named("theirs")).await;
        let removed = server.device("alice", &named("removed")).await;
        let path = format!("/v1/users/alice/devices/{}", named("removed"));
        server.call(Method::DELETE, &path, None).await.is(204);
        let revoked = server.token("carol").await;
        server.call(Method::DELETE, "/v1/users/carol/tokens", None).await.is(204);
        let keys = format!("/v1/apps/{}/keys", server.app.0);
        let key = server.call(Method::POST, &keys, Some(json!({ "name": "spare" }))).await.is(201);
        let id = text(&key["id"]);
        server.call(Method::DELETE, &format!("{keys}/{id}"), None).await.is(204);

        let mut scoped = Vec::new();
        for scope in KeyScope::ALL {
            let body = json!({ "name": "one scope", "scopes": [scope.as_str()] });
            let key = server.call(Method::POST, &keys, Some(body)).await.is(201);
            scoped.push((Asker::OneScope(scope), Some(text(&key["key"])), None));
        }

        let show = |asker, bearer: &str| (asker, Some(bearer.to_owned()), None);
        let both = |asker, bearer: &str, secret: &str| {
            (asker, Some(bearer.to_owned()), Some(secret.to_owned()))
        };
        let others = [
            (Asker::Nobody, None, None),
            show(Asker::Nonsense, "nonsense"),
            show(Asker::Admin, &server.admin),
            show(Asker::UnknownAdmin, &changed(&server.admin)),
            show(Asker::App, &server.app.1),
            show(Asker::OtherApp, other),
            show(Asker::RemovedApp, &text(&key["key"])),
            show(Asker::UnknownApp, &changed(&server.app.1)),
            show(Asker::User, &phone.token),
            show(Asker::OtherAppsUser, &theirs.token),
            show(Asker::SignedUser, &signed(server).await),
            show(Asker::ExpiredUser, &text(&spent["token"])),
            show(Asker::RevokedUser, &revoked),
            show(Asker::Device, &phone.secret),
            show(Asker::OtherUsersDevice, &bobs.secret),
            show(Asker::OtherAppsDevice, &theirs.secret),
            show(Asker::RemovedDevice, &removed.secret),
            show(Asker::UnknownDevice, &changed(&phone.secret)),
            both(Asker::DeviceAndUser, &phone.token, &phone.secret),
            both(Asker::DeviceAndOtherUser, &bobs.token, &phone.secret),
            both(Asker::DeviceAndExpiredUser, &text(&spent["token"]), &phone.secret),
        ];
        Self(scoped.into_iter().chain(others).collect())
    }

    /// Their request, without a body.
    pub(super) fn request(
        &self,
        asker: Asker,
        method: &Method,
        path: &str,
    ) -> Request<Full<Bytes>> {
        let found = self.0.iter().find(|(of, ..)| *of == asker);
        let (_, bearer, secret) = found.unwrap_or_else(|| panic!("{asker:?} was not made"));
        let mut request = Request::builder().method(method).uri(path);
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        if let Some(secret) = secret {
            request = request.header("reveille-device-secret", secret);
        }
        request.body(Full::default()).expect("a request")
    }
}

/// A key as well formed, and another one.
fn changed(key: &str) -> String {
    let mut changed = key.to_owned();
    let last = changed.pop().expect("a key has letters");
    changed.push(if last == 'A' { 'E' } else { 'A' });
    changed
}

/// A token of alice's that the app's back end has signed.
async fn signed(server: &Server) -> String {
    let path = format!("/v1/apps/{}/token-keys", server.app.0);
    let kept = server.call(Method::GET, &path, None).await.is(200);
    if kept["items"] == Value::Array(Vec::new()) {
        let key = json!({
            "name": "back end", "algorithm": "HS256", "audience": "chat", "secret": SECRET,
        });
        server.call(Method::POST, &path, Some(key)).await.is(201);
    }
    let now = NOON.as_seconds();
    let claims = json!({
        "app": server.app.0, "sub": "alice", "aud": "chat", "iat": now, "exp": now + 3_600,
    });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("signed")
}

async fn vapid(server: &Server, (app, key): &(String, String)) {
    let body = json!({ "kind": "webpush_vapid", "subject": "mailto:ops@example.org" });
    let path = format!("/v1/apps/{app}/credentials");
    server.ask(Method::POST, &path, key, Some(body)).await.is(201);
}
