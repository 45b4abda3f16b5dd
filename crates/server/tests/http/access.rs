//! Who may call what.

use http::{Method, Request};
use serde_json::{Value, json};

use super::rig::{Server, fcm};

/// Whose key a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Admin,
    AnyOfApp,
    App,
    AppOrAdmin,
    Device,
}

/// Every route, with whose key it asks for; `APP` stands for the app's id.
pub(super) const ROUTES: [(&str, &str, By); 79] = [
    ("POST", "/v1/apps", By::Admin),
    ("GET", "/v1/apps", By::Admin),
    ("GET", "/v1/apps/APP", By::AppOrAdmin),
    ("POST", "/v1/apps/APP/keys", By::AppOrAdmin),
    ("GET", "/v1/apps/APP/keys", By::AppOrAdmin),
    ("DELETE", "/v1/apps/APP/keys/key_999", By::AppOrAdmin),
    ("POST", "/v1/apps/APP/token-keys", By::AppOrAdmin),
    ("GET", "/v1/apps/APP/token-keys", By::AppOrAdmin),
    ("DELETE", "/v1/apps/APP/token-keys/key_999", By::AppOrAdmin),
    ("GET", "/v1/apps/APP/settings", By::AppOrAdmin),
    ("PATCH", "/v1/apps/APP/settings", By::AppOrAdmin),
    ("POST", "/v1/apps/APP/credentials", By::AppOrAdmin),
    ("GET", "/v1/apps/APP/credentials", By::AppOrAdmin),
    ("DELETE", "/v1/apps/APP/credentials/crd_999", By::AppOrAdmin),
    ("POST", "/v1/apps/APP/credentials/crd_999/probe", By::AppOrAdmin),
    ("POST", "/v1/apps/APP/webhooks", By::AppOrAdmin),
    ("GET", "/v1/apps/APP/webhooks", By::AppOrAdmin),
    ("GET", "/v1/apps/APP/webhooks/whk_999", By::AppOrAdmin),
    ("PATCH", "/v1/apps/APP/webhooks/whk_999", By::AppOrAdmin),
    ("DELETE", "/v1/apps/APP/webhooks/whk_999", By::AppOrAdmin),
    ("POST", "/v1/apps/APP/webhooks/whk_999/rotate", By::AppOrAdmin),
    ("POST", "/v1/apps/APP/webhooks/whk_999/test", By::AppOrAdmin),
    ("POST", "/v1/apps/APP/webhooks/whk_999/replay", By::AppOrAdmin),
    ("GET", "/v1/apps/APP/webhooks/whk_999/deliveries", By::AppOrAdmin),
    ("GET", "/v1/webpush-key", By::AnyOfApp),
    ("POST", "/v1/users/alice/tokens", By::App),
    ("DELETE", "/v1/users/alice/tokens", By::App),
    ("GET", "/v1/users/alice/devices", By::App),
    ("GET", "/v1/users/alice/mutes", By::App),
    ("PUT", "/v1/users/alice/mutes/lunch", By::App),
    ("DELETE", "/v1/users/alice/mutes/lunch", By::App),
    ("GET", "/v1/users/alice/blocks", By::App),
    ("PUT", "/v1/users/alice/blocks/mallory", By::App),
    ("DELETE", "/v1/users/alice/blocks/mallory", By::App),
    ("PUT", "/v1/users/alice/devices/phone/targets/apns", By::App),
    ("DELETE", "/v1/users/alice/devices/phone/targets/apns", By::App),
    ("POST", "/v1/messages", By::App),
    ("GET", "/v1/messages/msg_00000000000000000000000000000000/timeline", By::App),
    ("GET", "/v1/push-log", By::App),
    ("GET", "/v1/push-log/export", By::App),
    ("GET", "/v1/explain", By::App),
    ("POST", "/v1/pushes", By::App),
    ("GET", "/v1/pushes", By::App),
    ("GET", "/v1/pushes/psh_00000000000000000000000000000000", By::App),
    ("GET", "/v1/pushes/psh_00000000000000000000000000000000/deliveries", By::App),
    ("POST", "/v1/pushes/psh_00000000000000000000000000000000/cancel", By::App),
    ("POST", "/v1/pushes/psh_00000000000000000000000000000000/pause", By::App),
    ("POST", "/v1/pushes/psh_00000000000000000000000000000000/resume", By::App),
    ("GET", "/v1/topics", By::App),
    ("DELETE", "/v1/topics/news", By::App),
    ("GET", "/v1/topics/news/devices", By::App),
    ("POST", "/v1/topics/news/devices", By::App),
    ("DELETE", "/v1/topics/news/devices", By::App),
    ("PUT", "/v1/topics/news/devices/phone", By::App),
    ("DELETE", "/v1/topics/news/devices/phone", By::App),
    ("GET", "/v1/events", By::App),
    ("GET", "/v1/me/inbox", By::Device),
    ("POST", "/v1/me/ack", By::Device),
    ("POST", "/v1/me/read", By::Device),
    ("GET", "/v1/me/mutes", By::Device),
    ("PUT", "/v1/me/mutes/lunch", By::Device),
    ("DELETE", "/v1/me/mutes/lunch", By::Device),
    ("GET", "/v1/me/blocks", By::Device),
    ("PUT", "/v1/me/blocks/alice", By::Device),
    ("DELETE", "/v1/me/blocks/alice", By::Device),
    ("PUT", "/v1/me/targets/apns", By::Device),
    ("DELETE", "/v1/me/targets/apns", By::Device),
    ("GET", "/v1/me/topics", By::Device),
    ("PUT", "/v1/me/topics/news", By::Device),
    ("DELETE", "/v1/me/topics/news", By::Device),
    ("DELETE", "/v1/me/device", By::Device),
    ("GET", "/v1/me/calls/6f1c3c52-5d5c-4c2f-9a35-0a4f0d6c1b11", By::Device),
    ("POST", "/v1/me/calls/6f1c3c52-5d5c-4c2f-9a35-0a4f0d6c1b11/signal", By::Device),
    ("POST", "/v1/me/calls/6f1c3c52-5d5c-4c2f-9a35-0a4f0d6c1b11/ringing", By::Device),
    ("POST", "/v1/me/calls/6f1c3c52-5d5c-4c2f-9a35-0a4f0d6c1b11/answer", By::Device),
    ("POST", "/v1/me/calls/6f1c3c52-5d5c-4c2f-9a35-0a4f0d6c1b11/reject", By::Device),
    ("POST", "/v1/me/calls/6f1c3c52-5d5c-4c2f-9a35-0a4f0d6c1b11/cancel", By::Device),
    ("POST", "/v1/me/calls/6f1c3c52-5d5c-4c2f-9a35-0a4f0d6c1b11/end", By::Device),
    // Last, because then the device is gone.
    ("DELETE", "/v1/users/alice/devices/phone", By::App),
];

fn routes(app: &str) -> Vec<(Method, String, By)> {
    let routes = ROUTES.iter().map(|(method, path, by)| {
        (method.parse().expect("a method"), path.replace("APP", app), *by)
    });
    routes.collect()
}

#[tokio::test]
async fn a_parameter_that_a_path_does_not_take_is_refused_by_its_name() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    for (method, path, by) in ROUTES {
        let path = path.replace("APP", &server.app.0);
        let method: Method = method.parse().expect("a method");
        let key = match by {
            By::Admin => &server.admin,
            By::AnyOfApp | By::App | By::AppOrAdmin => &server.app.1,
            By::Device => &phone.secret,
        };
        let refused = server.ask(method.clone(), &format!("{path}?nonsense=1"), key, None).await;
        let (status, field) = (refused.status, refused.body["field"].as_str());
        assert_eq!((status, field), (422, Some("nonsense")), "{method} {path}: {}", refused.body);
    }
    server.ask(Method::GET, "/v1/pushes?", &server.app.1, None).await.is(200);
    server.ask(Method::GET, "/healthz?probe=1", &server.app.1, None).await.is(200);
    server.stop().await;
}

#[tokio::test]
async fn every_route_asks_for_a_key_of_its_kind_and_names_the_wrong_one() {
    let server = Server::start().await;
    let device = server.device("alice", "phone").await;
    let keys = [
        ("rvl_admin_", server.admin.clone()),
        ("rvl_app_", server.app.1.clone()),
        ("rvl_user_", device.token.clone()),
        ("rvl_device_", device.secret.clone()),
    ];
    for (method, path, by) in routes(&server.app.0) {
        let what = format!("{method} {path}");
        let bare = Request::builder().method(&method).uri(&path).body(Default::default());
        let answer = server.send(bare.expect("a request")).await;
        assert_eq!(answer.headers["www-authenticate"], "Bearer", "{what}");
        answer.refused(401, "unauthorized", None);
        let nonsense = server.ask(method.clone(), &path, "nonsense", None).await;
        nonsense.refused(401, "unauthorized", None);
        for (prefix, key) in &keys {
            let good = match by {
                By::Admin => *prefix == "rvl_admin_",
                By::AnyOfApp => *prefix != "rvl_admin_",
                By::App => *prefix == "rvl_app_",
                By::AppOrAdmin => ["rvl_admin_", "rvl_app_"].contains(prefix),
                By::Device => *prefix == "rvl_device_",
            };
            let answer = server.ask(method.clone(), &path, key, None).await;
            let code = answer.body["code"].clone();
            if good {
                assert!(![401, 403].contains(&answer.status), "{what} {prefix}: {}", answer.body);
            } else if by == By::Device && *prefix == "rvl_user_" {
                // The token is right and not enough: the device must show its secret.
                let detail = answer.refused(401, "unauthorized", None);
                assert!(detail.contains("Reveille-Device-Secret"), "{what}: {detail}");
            } else {
                assert_eq!(code, "wrong_key_kind", "{what} {prefix}: {}", answer.body);
                let detail = answer.refused(403, "wrong_key_kind", None);
                assert!(detail.contains(prefix), "{what}: {detail}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_key_that_is_unknown_or_was_taken_back_opens_nothing() {
    let server = Server::start().await;
    let (app, key) = &server.app;
    let mut unknown = key.clone();
    let last = unknown.pop().expect("a key has letters");
    unknown.push(if last == 'A' { 'E' } else { 'A' });
    let path = format!("/v1/apps/{app}/keys");
    server.ask(Method::GET, &path, &unknown, None).await.refused(401, "unauthorized", None);
    let body = json!({ "name": "second" });
    let second = server.ask(Method::POST, &path, key, Some(body)).await.is(201);
    let (id, second) =
        (second["id"].as_str().expect("an id"), second["key"].as_str().expect("a key"));
    server.ask(Method::GET, &path, second, None).await.is(200);
    server.ask(Method::DELETE, &format!("{path}/{id}"), key, None).await.is(204);
    server.ask(Method::GET, &path, second, None).await.refused(401, "unauthorized", None);
    let gone = server.ask(Method::DELETE, &format!("{path}/{id}"), key, None).await;
    gone.refused(404, "not_found", None);
    server.stop().await;
}

#[tokio::test]
async fn an_app_of_somebody_else_looks_like_none() {
    let server = Server::start().await;
    let (other, other_key) = server.new_app("second").await;
    server.device("alice", "phone").await;
    let sent = server.message("alice", json!("for alice")).await;
    let pushed = server.push(json!({ "to": { "targets": [fcm("a:b")] } })).await;
    let devices = json!({ "devices": ["phone"] });
    server.call(Method::POST, "/v1/topics/news/devices", Some(devices)).await.is(200);
    for (method, path, by) in routes(&other) {
        if by != By::AppOrAdmin {
            continue;
        }
        let theirs = server.call(method.clone(), &path, None).await;
        let nowhere = path.replace(&other, "app_999");
        let none = server.call(method.clone(), &nowhere, None).await;
        assert_eq!(theirs.body, none.body, "{method} {path}");
        theirs.refused(404, "not_found", None);
        server.ask(method, &nowhere, &server.admin, None).await.refused(404, "not_found", None);
    }
    // Users, devices, messages, pushes, topics, events and records are the app's own too.
    let get = async |path: &str| server.ask(Method::GET, path, &other_key, None).await;
    get("/v1/users/alice/devices").await.refused(404, "unknown_user", None);
    get(&format!("/v1/messages/{sent}/timeline")).await.refused(404, "not_found", None);
    for path in ["/v1/push-log", "/v1/pushes", "/v1/topics", "/v1/events"] {
        assert_eq!(get(path).await.is(200)["items"], json!([]), "{path}");
    }
    for path in ["", "/deliveries"] {
        get(&format!("/v1/pushes/{pushed}{path}")).await.refused(404, "not_found", None);
    }
    for verb in ["cancel", "pause", "resume"] {
        let path = format!("/v1/pushes/{pushed}/{verb}");
        let theirs = server.ask(Method::POST, &path, &other_key, None).await;
        theirs.refused(404, "not_found", None);
    }
    get("/v1/topics/news/devices").await.refused(404, "not_found", None);
    let theirs = json!({ "to": { "devices": ["phone"] }, "title": "Hi" });
    let pushing = server.ask(Method::POST, "/v1/pushes", &other_key, Some(theirs)).await;
    pushing.refused(404, "not_found", Some("to.devices"));
    let message = json!({ "to": ["alice"], "body": 1 });
    let sending = server.ask(Method::POST, "/v1/messages", &other_key, Some(message)).await;
    sending.refused(404, "unknown_user", Some("to"));
    server.stop().await;
}

#[tokio::test]
async fn a_device_shows_its_secret_and_a_token_beside_it_must_be_its_users() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    let bob = server.token("bob").await;
    let inbox = async |bearer: Option<&str>, secret: Option<&str>| {
        let mut request = Request::get("/v1/me/inbox");
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        if let Some(secret) = secret {
            request = request.header("reveille-device-secret", secret);
        }
        server.send(request.body(Default::default()).expect("a request")).await
    };
    for (bearer, secret) in [
        (None, Some(phone.secret.as_str())),
        (Some(phone.secret.as_str()), None),
        (Some(phone.token.as_str()), Some(phone.secret.as_str())),
    ] {
        assert_eq!(inbox(bearer, secret).await.is(200)["entries"], Value::Array(Vec::new()));
    }
    let other = inbox(Some(&bob), Some(&phone.secret)).await;
    other.refused(403, "forbidden", None);
    let swapped = inbox(Some(&phone.token), Some(&phone.token)).await;
    swapped.refused(403, "wrong_key_kind", None);
    let app = inbox(Some(&server.app.1), Some(&phone.secret)).await;
    app.refused(403, "wrong_key_kind", None);
    let spent = json!({ "ttl": 1 });
    let spent = server.call(Method::POST, "/v1/users/alice/tokens", Some(spent)).await.is(201);
    let spent = spent["token"].as_str().expect("a token");
    // Its end is a time, so it is asked until then.
    let expired = loop {
        let answer = inbox(Some(spent), Some(&phone.secret)).await;
        if answer.status != 200 {
            break answer;
        }
    };
    expired.refused(401, "token_expired", None);
    server.stop().await;
}
