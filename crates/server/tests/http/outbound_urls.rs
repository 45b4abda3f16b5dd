//! URLs that a tenant or a user gives and this server calls: each is refused where it comes in if it
//! plainly leads inside. Where a name leads, and whoever redirects, is judged when it is called; the
//! crate `providers` has the long tables of that.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use server::clock::Clock;
use sim::pki::ServiceAccount;

use super::rig::{Answer, Device, Server, text};

/// What leads inside, in one spelling of every kind, and what each refusal says.
const INSIDE: [(&str, &str); 16] = [
    ("http://hooks.example.com/in", "https"),
    ("https://127.0.0.1/in", "outbound.allow_private"),
    ("https://10.0.0.1:8443/in", "outbound.allow_private"),
    ("https://169.254.169.254/in", "outbound.allow_private"),
    ("https://[::1]/in", "outbound.allow_private"),
    ("https://[::ffff:127.0.0.1]/in", "outbound.allow_private"),
    ("https://[64:ff9b::7f00:1]/in", "outbound.allow_private"),
    ("https://[fd00::1]/in", "outbound.allow_private"),
    ("https://localhost/in", "outbound.allow_private"),
    ("https://2130706433/in", "no host name"),
    ("https://0x7f.1/in", "no host name"),
    ("https://0177.0.0.1/in", "no host name"),
    ("https://127.1/in", "no host name"),
    ("https://localhost./in", "ends in a dot"),
    ("https://hooks.example.com@127.0.0.1/in", "user name"),
    ("https://hooks.example.com:0/in", "no port"),
];

/// A server that allows browsers any push service, so that the guard is all that is left.
async fn server() -> Server {
    let change = |config: &mut server::config::Config| {
        config.webpush.allowed_hosts = Some("*".to_owned());
        // The account's own URL counts.
        config.providers.fcm_oauth_url = None;
    };
    Server::start_with(Clock::system(), change).await
}

/// A browser's subscription at an endpoint; any point on the curve is a browser's key.
fn subscription(endpoint: &str, key: &str) -> Value {
    let keys = json!({ "p256dh": key, "auth": "AAAAAAAAAAAAAAAAAAAAAA" });
    json!({ "endpoint": endpoint, "keys": keys })
}

/// An app with a VAPID key, a device of it, and a webhook that is good.
async fn stage(server: &Server) -> (String, Device, String) {
    let app = &server.app.0;
    let vapid = json!({ "kind": "webpush_vapid", "subject": "mailto:ops@example.org" });
    let path = format!("/v1/apps/{app}/credentials");
    let made = server.call(Method::POST, &path, Some(vapid)).await.is(201);
    let device = server.device("alice", "browser").await;
    let hooks = format!("/v1/apps/{app}/webhooks");
    let good = json!({ "url": "https://hooks.example.com:8443/in", "events": ["push.failed"] });
    let hook = server.call(Method::POST, &hooks, Some(good)).await.is(201);
    (text(&made["facts"]["public_key"]), device, format!("{hooks}/{}", text(&hook["id"])))
}

#[tokio::test]
async fn a_url_that_leads_inside_is_refused_wherever_it_is_given() {
    let server = server().await;
    let app = server.app.0.clone();
    let (key, device, hook) = stage(&server).await;
    for (url, says) in INSIDE {
        let check = |answer: Answer, code: &str, field: &str| {
            let what = format!("{field} {url}");
            let detail = answer.refused(422, code, Some(field));
            assert!(detail.contains(says), "{what}: {detail}");
        };
        let hooks = format!("/v1/apps/{app}/webhooks");
        let made = server.call(Method::POST, &hooks, Some(json!({ "url": url }))).await;
        check(made, "invalid_field", "url");
        let changed = server.call(Method::PATCH, &hook, Some(json!({ "url": url }))).await;
        check(changed, "invalid_field", "url");
        let set = json!({ "name": "n", "algorithm": "ES256", "audience": "a", "jwks_url": url });
        let keys = format!("/v1/apps/{app}/token-keys");
        check(server.call(Method::POST, &keys, Some(set)).await, "invalid_field", "jwks_url");
        let browser = subscription(url, &key);
        let put = json!({ "token": browser.to_string() });
        let own =
            server.me(&device, Method::PUT, "/v1/me/targets/webpush", Some(put.clone())).await;
        check(own, "invalid_field", "token");
        let by_app = "/v1/users/alice/devices/browser/targets/webpush";
        check(server.call(Method::PUT, by_app, Some(put)).await, "invalid_field", "token");
        let target = json!({ "kind": "webpush", "subscription": browser });
        let push = json!({ "to": { "targets": [target] }, "title": "Hi" });
        let pushed = server.call(Method::POST, "/v1/pushes", Some(push)).await;
        check(pushed, "invalid_field", "to.targets[0].subscription");
    }
    // None of it was kept.
    let devices = server.call(Method::GET, "/v1/users/alice/devices", None).await.is(200);
    assert_eq!(devices["items"][0]["targets"], json!([]));
    let kept = server.call(Method::GET, &hook, None).await.is(200);
    assert_eq!(kept["url"], "https://hooks.example.com:8443/in");
    server.stop().await;
}

#[tokio::test]
async fn a_service_account_names_googles_token_endpoint_or_is_refused() {
    let server = server().await;
    let account = ServiceAccount::generate("example-1").expect("a key");
    let path = format!("/v1/apps/{}/credentials", server.app.0);
    let upload = async |token_uri: &str| {
        let file = STANDARD.encode(account.json(token_uri));
        let body = json!({ "kind": "fcm_service_account", "file": file });
        server.call(Method::POST, &path, Some(body)).await
    };
    let others = [
        "https://oauth2.googleapis.com.evil.example/token",
        "https://oauth2.googleapis.com@evil.example/token",
        "https://evil.example/oauth2.googleapis.com",
        "https://evil.example@oauth2.googleapis.com/token",
        "http://oauth2.googleapis.com/token",
        "https://oauth2.googleapis.com:0/token",
        "https://oauth2.googleapis.com./token",
    ];
    for url in INSIDE.map(|(url, _)| url).into_iter().chain(others) {
        let refused = upload(url).await;
        assert_eq!(refused.diagnosis(), Some(904), "{url}: {}", refused.body);
        let detail = refused.refused(422, "credential_refused", Some("file"));
        assert!(detail.contains("token_uri"), "{url}: {detail}");
    }
    upload("https://oauth2.googleapis.com/token").await.is(201);
    server.stop().await;
}
