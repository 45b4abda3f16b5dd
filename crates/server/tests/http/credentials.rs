//! Credentials: what is good is kept and never shown, what is not is named for what it is.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::Method;
use serde_json::json;
use sim::pki::{ApnsKey, ServiceAccount};

use super::rig::{Server, text};

#[tokio::test]
async fn a_credential_shows_its_facts_and_never_itself() {
    let server = Server::start().await;
    let path = format!("/v1/apps/{}/credentials", server.app.0);
    let key = ApnsKey::generate().unwrap();
    let account = ServiceAccount::generate("demo-project").unwrap();
    let p8 = json!({
        "kind": "apns_key",
        "file": STANDARD.encode(key.pem()),
        "file_name": key.file_name(),
        "team_id": key.team_id,
        "bundle_ids": ["com.example.app"],
    });
    let json = STANDARD.encode(account.json("https://oauth2.googleapis.com/token"));
    let fcm = json!({ "kind": "fcm_service_account", "file": json });
    let mut ids = Vec::new();
    for body in [p8, fcm] {
        let made = server.call(Method::POST, &path, Some(body.clone())).await.is(201);
        assert_eq!(made["kind"], body["kind"]);
        ids.push(text(&made["id"]));
    }
    let all = server.call(Method::GET, &path, None).await.is(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let facts = &all["items"][1]["facts"];
    assert_eq!(facts["team_id"], key.team_id.as_str(), "{facts}");
    assert_eq!(facts["topics"], json!(["com.example.app"]), "{facts}");
    assert_eq!(all["items"][0]["facts"]["project_id"], "demo-project");
    let shown = all.to_string();
    let secret = key.pem().lines().nth(1).unwrap();
    assert!(!shown.contains(secret) && !shown.contains("PRIVATE"), "a credential is shown");
    for id in &ids {
        server.call(Method::DELETE, &format!("{path}/{id}"), None).await.is(204);
        let again = server.call(Method::DELETE, &format!("{path}/{id}"), None).await;
        again.refused(404, "not_found", None);
    }
    assert_eq!(server.call(Method::GET, &path, None).await.is(200)["items"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn a_vapid_key_pair_is_made_here_and_its_public_key_told_to_everybody_of_the_app() {
    let server = Server::start().await;
    let device = server.device("alice", "browser").await;
    let path = format!("/v1/apps/{}/credentials", server.app.0);
    let target = "/v1/me/targets/webpush";
    server.call(Method::GET, "/v1/webpush-key", None).await.refused(404, "not_found", None);
    let without = json!({ "kind": "webpush_vapid" });
    let refused = server.call(Method::POST, &path, Some(without)).await;
    refused.refused(422, "invalid_field", Some("subject"));
    let nonsense = json!({ "kind": "webpush_vapid", "subject": "mailto:root@localhost" });
    let refused = server.call(Method::POST, &path, Some(nonsense)).await;
    refused.refused(422, "credential_refused", Some("file"));
    let body = json!({ "kind": "webpush_vapid", "subject": "mailto:ops@example.org" });
    let made = server.call(Method::POST, &path, Some(body.clone())).await.is(201);
    let key = text(&made["facts"]["public_key"]);
    assert_eq!(STANDARD_NO_PAD.decode(key.replace('-', "+").replace('_', "/")).unwrap().len(), 65);
    for bearer in [&server.app.1, &device.token, &device.secret] {
        let told = server.ask(Method::GET, "/v1/webpush-key", bearer, None).await.is(200);
        assert_eq!(told["public_key"], key.as_str());
    }
    // A browser's subscription, by a public key that is on the curve, and by one that is not.
    let subscription = |key: &str| {
        json!({
            "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/example",
            "expirationTime": null,
            "keys": { "p256dh": key, "auth": "AAAAAAAAAAAAAAAAAAAAAA" },
        })
        .to_string()
    };
    let put = json!({ "token": subscription(&key) });
    let set = server.ask(Method::PUT, target, &device.secret, Some(put)).await.is(200);
    assert_eq!(set["state"], "active", "{set}");
    let wrong = json!({ "token": subscription(&format!("B{}", "A".repeat(86))) });
    let refused = server.ask(Method::PUT, target, &device.secret, Some(wrong)).await;
    refused.refused(422, "invalid_field", Some("token"));
    let other = json!({ "token": subscription(&key), "app_id": "BNotOneOfThisAppsKeys" });
    let refused = server.ask(Method::PUT, target, &device.secret, Some(other)).await;
    refused.refused(422, "invalid_field", Some("app_id"));
    let shown = server.call(Method::GET, "/v1/users/alice/devices", None).await.is(200);
    assert_eq!(shown["items"][0]["targets"][0]["app_id"], key.as_str());
    assert!(!shown.to_string().contains("mozilla"), "the endpoint is a secret");
    server.stop().await;
}

#[tokio::test]
async fn a_file_that_is_no_credential_is_named_for_what_it_is() {
    let server = Server::start().await;
    let path = format!("/v1/apps/{}/credentials", server.app.0);
    let key = ApnsKey::generate().unwrap();
    let pem = STANDARD.encode(key.pem());
    let p8 = |more: serde_json::Value| {
        let mut body = json!({ "kind": "apns_key", "file": pem, "team_id": key.team_id });
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        body
    };
    let garbage = STANDARD.encode("no credential at all");
    let named = json!({ "file_name": key.file_name(), "bundle_ids": ["a.b"] });
    let table = [
        (
            json!({ "kind": "apns_certificate", "file": garbage }),
            "credential_refused",
            "file",
            "904",
        ),
        (
            json!({ "kind": "fcm_service_account", "file": garbage }),
            "credential_refused",
            "file",
            "904",
        ),
        (
            json!({ "kind": "fcm_service_account", "file": pem }),
            "credential_refused",
            "file",
            "904",
        ),
        (json!({ "kind": "apns_certificate", "file": "%%%" }), "invalid_field", "file", "base64"),
        (p8(json!({ "bundle_ids": ["a.b"] })), "invalid_field", "key_id", "AuthKey_"),
        (p8(json!({ "file_name": key.file_name() })), "invalid_field", "bundle_ids", "bundle ids"),
        (
            {
                let mut body = p8(named);
                body["file"] = json!(garbage);
                body
            },
            "credential_refused",
            "file",
            "904",
        ),
    ];
    for (body, code, field, says) in table {
        let refused = server.call(Method::POST, &path, Some(body.clone())).await;
        let detail = refused.refused(422, code, Some(field));
        assert!(detail.contains(says), "{body}: {detail}");
    }
    let unknown = json!({ "kind": "server_key", "file": pem });
    let refused = server.call(Method::POST, &path, Some(unknown)).await;
    refused.refused(400, "malformed_json", Some("kind"));
    assert_eq!(server.call(Method::GET, &path, None).await.is(200)["items"], json!([]));
    server.stop().await;
}
