//! Credentials: what is good is kept and never shown, what is not is named for what it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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
