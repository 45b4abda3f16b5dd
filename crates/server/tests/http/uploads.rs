//! Credential files that are refused, and what is said to whoever uploaded them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use sim::pki::{ApnsCertificate, ApnsCertificateKind, ApnsKey, Ca, ServiceAccount};

use super::rig::{Server, text};

/// The bundle id of a certificate.
const BUNDLE: &str = "com.example.app";

/// Uploads a file; returns what is said against it.
async fn refused(server: &Server, kind: &str, file: &[u8], password: Option<&str>) -> String {
    let path = format!("/v1/apps/{}/credentials", server.app.0);
    let mut body = json!({ "kind": kind, "file": STANDARD.encode(file) });
    if let Some(password) = password {
        body["password"] = password.into();
    }
    let answer = server.call(Method::POST, &path, Some(body)).await;
    let detail = answer.refused(422, "credential_refused", Some("file"));
    assert_eq!(server.call(Method::GET, &path, None).await.is(200)["items"], json!([]));
    detail
}

#[tokio::test]
async fn firebases_other_file_and_googles_old_key_are_refused_with_the_way_to_the_right_one() {
    let server = Server::start().await;
    let services = json!({
        "project_info": { "project_number": "123456789012", "project_id": "example-1" },
        "client": [{
            "client_info": {
                "mobilesdk_app_id": "1:123456789012:android:0123456789abcdef",
                "android_client_info": { "package_name": BUNDLE },
            },
            "api_key": [{ "current_key": "AIzaSyNotAKey" }],
        }],
        "configuration_version": "1",
    });
    let server_key = format!("AAAAabcdefg:APA91b{}", "x".repeat(134));
    let services = services.to_string();
    let table: [(&[u8], [&str; 3]); 3] = [
        (
            services.as_bytes(),
            [
                "an Android app's google-services.json, not a service account key",
                "https://console.firebase.google.com/project/example-1/settings/serviceaccounts/adminsdk",
                "Generate new private key",
            ],
        ),
        (
            server_key.as_bytes(),
            [
                "a legacy FCM server key, not a service account key",
                "Google shut down the API of server keys in 2024",
                "Firebase console, Project settings, Service accounts, \"Generate new private key\"",
            ],
        ),
        (
            b"AIzaSyNotAKeyAtAllButItLooksLikeOneForSure",
            ["a legacy FCM server key", "upload a service account key", "Generate new private key"],
        ),
    ];
    for (file, says) in table {
        let detail = refused(&server, "fcm_service_account", file, None).await;
        assert!(detail.starts_with("904 "), "{detail}");
        for says in says {
            assert!(detail.contains(says), "{detail}");
        }
        for secret in ["APA91b", "AIza"] {
            assert!(!detail.contains(secret), "a key is repeated: {detail}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn what_the_app_was_built_with_must_be_of_the_accounts_project() {
    let server = Server::start().await;
    let path = format!("/v1/apps/{}/credentials", server.app.0);
    let services = |project: &str| {
        let services = json!({
            "project_info": { "project_number": "123456789012", "project_id": project },
            "client": [
                { "client_info": { "android_client_info": { "package_name": BUNDLE } } },
                { "client_info": { "android_client_info": { "package_name": "com.example.b" } } },
            ],
        });
        STANDARD.encode(services.to_string())
    };
    let account = ServiceAccount::generate("example-1").expect("an account");
    let account = STANDARD.encode(account.json("https://oauth2.googleapis.com/token"));
    let upload = |services: String| json!({ "kind": "fcm_service_account", "file": account, "google_services": services });
    let made = server.call(Method::POST, &path, Some(upload(services("example-1")))).await.is(201);
    assert_eq!(made["facts"]["sender_id"], "123456789012", "{made}");
    assert_eq!(made["facts"]["package_names"], json!([BUNDLE, "com.example.b"]), "{made}");
    for (services, diagnosis, says) in [
        (services("example-2"), 912, "google-services.json of \"example-2\""),
        (account.clone(), 904, "not an Android app's google-services.json"),
        (STANDARD.encode("{}"), 904, "download google-services.json"),
    ] {
        let refused = server.call(Method::POST, &path, Some(upload(services))).await;
        assert_eq!(refused.diagnosis(), Some(diagnosis));
        let detail = refused.refused(422, "credential_refused", Some("google_services"));
        assert!(detail.contains(says), "{detail}");
    }
    let refused = server.call(Method::POST, &path, Some(upload("%".to_owned()))).await;
    refused.refused(422, "invalid_field", Some("google_services"));
    let vapid = json!({
        "kind": "webpush_vapid", "subject": "mailto:ops@example.org",
        "google_services": services("example-1"),
    });
    let refused = server.call(Method::POST, &path, Some(vapid)).await;
    refused.refused(422, "invalid_field", Some("google_services"));
    assert_eq!(
        server.call(Method::GET, &path, None).await.is(200)["items"].as_array().unwrap().len(),
        1
    );
    server.stop().await;
}

/// The content of the DER element that the bytes begin with, and what is behind it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, header) = match der[1] {
        short @ 0..0x80 => (usize::from(short), 2),
        long => {
            let bytes = usize::from(long & 0x7f);
            let length =
                der[2..2 + bytes].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, 2 + bytes)
        }
    };
    der[header..].split_at(length)
}

/// A DER element, its length in four bytes.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u32::try_from(content.len()).expect("short").to_be_bytes();
    // DER wants the shortest form.
    let used = length.iter().position(|byte| *byte != 0).unwrap_or(3);
    let mut element = vec![tag];
    if content.len() >= 0x80 {
        element.push(0x80 | u8::try_from(4 - used).expect("at most 4"));
    }
    element.extend(&length[used..]);
    element.extend(content);
    element
}

/// A PKCS#12 file whose contents stand in it so many times, each to be opened anew.
fn repeated(file: &[u8], times: usize) -> Vec<u8> {
    // PFX { version, ContentInfo { data, [0] OCTET STRING { SEQUENCE OF ContentInfo } } }
    let (pfx, _) = element(file);
    let (version, content_info) = pfx.split_at(3);
    let (content_info, _) = element(content_info);
    let (data, explicit) = content_info.split_at(11);
    let (octets, _) = element(explicit);
    let (safe, _) = element(octets);
    let (contents, _) = element(safe);
    let safe = der(0x30, &[&contents.repeat(times)]);
    let octets = der(0x04, &[&safe]);
    let content_info = der(0x30, &[data, &der(0xa0, &[&octets])]);
    der(0x30, &[version, &content_info])
}

/// A certificate's PKCS#12 file, made by `openssl pkcs12 -export` with these arguments more.
async fn p12(arguments: &[&str]) -> Vec<u8> {
    let ca = Ca::generate("Test").expect("an authority");
    let identity = ca.apns_identity(&ApnsCertificate::universal(BUNDLE)).expect("a certificate");
    identity.pkcs12("x", arguments).await.expect("openssl writes it")
}

#[tokio::test]
async fn a_p12_that_takes_too_long_is_given_up_and_holds_up_nobody() {
    let server = Server::start().await;
    // The most rounds that the reader works through at once, and a hundred times that.
    let file = repeated(&p12(&["-nomac", "-iter", "1000000"]).await, 50);
    let (other, other_key) = server.new_app("other").await;
    let account = ServiceAccount::generate("example-1").expect("an account");
    let body = json!({
        "kind": "fcm_service_account",
        "file": STANDARD.encode(account.json("https://oauth2.googleapis.com/token")),
    });
    let path = format!("/v1/apps/{other}/credentials");
    let detail = {
        let upload = refused(&server, "apns_certificate", &file, Some("x"));
        let others = async {
            for _ in 0..2 {
                server.call(Method::GET, "/v1/push-log", None).await.is(200);
                let uploaded = server.ask(Method::POST, &path, &other_key, Some(body.clone()));
                uploaded.await.is(201);
            }
        };
        tokio::pin!(upload);
        // It is given up after two seconds; a request takes milliseconds.
        tokio::select! {
            biased;
            detail = &mut upload => panic!("others waited for it: {detail}"),
            () = others => {}
        }
        upload.await
    };
    assert!(detail.starts_with("904 "), "{detail}");
    assert!(detail.contains("the file takes too long to open"), "{detail}");
    assert!(detail.contains("openssl pkcs12 -export"), "{detail}");
    server.stop().await;
}

#[tokio::test]
async fn a_p12_that_asks_for_too_many_rounds_at_once_is_refused_unworked() {
    let server = Server::start().await;
    // Of the key and certificate, and of the check over both.
    for arguments in [&["-nomac", "-iter", "1000001"][..], &["-iter", "1000001"]] {
        let file = p12(arguments).await;
        let detail = refused(&server, "apns_certificate", &file, Some("x")).await;
        assert!(detail.contains("more than 1000000 rounds"), "{detail}");
        assert!(detail.contains("openssl pkcs12 -export"), "{detail}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_said_to_be_one() {
    let server = Server::start().await;
    let file = p12(&[]).await;
    let detail = refused(&server, "apns_certificate", &file, Some("y")).await;
    assert!(detail.contains("the password does not open the file"), "{detail}");
    let path = format!("/v1/apps/{}/credentials", server.app.0);
    let body =
        json!({ "kind": "apns_certificate", "file": STANDARD.encode(&file), "password": "x" });
    let made: Value = server.call(Method::POST, &path, Some(body)).await.is(201);
    assert_eq!(made["facts"]["topics"][0], BUNDLE, "{made}");
    server.stop().await;
}

#[tokio::test]
async fn a_file_that_cannot_serve_the_app_is_refused_with_its_code() {
    let server = Server::start().await;
    let path = format!("/v1/apps/{}/credentials", server.app.0);
    let file = p12(&[]).await;
    let certificate = |bundle_ids: Value| {
        json!({
            "kind": "apns_certificate", "file": STANDARD.encode(&file), "password": "x",
            "bundle_ids": bundle_ids,
        })
    };
    let other =
        server.call(Method::POST, &path, Some(certificate(json!(["com.example.other"])))).await;
    let detail = other.refused(422, "credential_refused", Some("bundle_ids"));
    assert!(detail.starts_with("912 ") && detail.contains("com.example.other"), "{detail}");
    server.call(Method::POST, &path, Some(certificate(json!([BUNDLE])))).await.is(201);
    // A development certificate is good, but not where everything goes to production.
    let development = ApnsCertificate::universal(BUNDLE).kind(ApnsCertificateKind::Development);
    let identity = Ca::generate("Apple").expect("a CA").apns_identity(&development);
    let file = identity.expect("a certificate").pkcs12("x", &[]).await.expect("openssl writes it");
    let body =
        json!({ "kind": "apns_certificate", "file": STANDARD.encode(file), "password": "x" });
    let made = server.call(Method::POST, &path, Some(body.clone())).await.is(201);
    assert!(made["warnings"].to_string().contains("sandbox alone"), "{made}");
    let settings = format!("/v1/apps/{}/settings", server.app.0);
    let on = json!({ "sandbox_to_production": true });
    server.call(Method::PATCH, &settings, Some(on)).await.is(200);
    let refused = server.call(Method::POST, &path, Some(body)).await;
    let detail = refused.refused(422, "credential_refused", Some("file"));
    assert!(detail.starts_with("905 "), "{detail}");
    // What a key's file does not hold is asked for by name.
    let key = ApnsKey::generate().expect("a key");
    let body = json!({
        "kind": "apns_key", "file": STANDARD.encode(key.pem()), "file_name": key.file_name(),
        "bundle_ids": [BUNDLE],
    });
    let refused = server.call(Method::POST, &path, Some(body)).await;
    refused.refused(422, "invalid_field", Some("team_id"));
    let body = json!({ "kind": "apns_key", "file": "", "file_name": key.file_name() });
    let empty = server.call(Method::POST, &path, Some(body)).await;
    assert!(empty.refused(422, "invalid_field", Some("file")).contains("empty"));
    server.stop().await;
}

#[tokio::test]
async fn a_push_that_no_credential_can_carry_says_which_is_missing() {
    let server = Server::start().await;
    let path = format!("/v1/apps/{}/credentials", server.app.0);
    let token = "ab".repeat(32);
    let only = async |environment: &str| {
        let key = ApnsKey::generate().expect("a key");
        let body = json!({
            "kind": "apns_key", "file": STANDARD.encode(key.pem()), "file_name": key.file_name(),
            "team_id": key.team_id, "bundle_ids": [BUNDLE], "environments": [environment],
        });
        text(&server.call(Method::POST, &path, Some(body)).await.is(201)["id"])
    };
    // Of another app than its credentials' is a device's target only: a push that names such a
    // target itself is not taken.
    let phone = server.device("alice", "phone").await;
    let target = json!({ "token": token, "app_id": "com.example.other" });
    server.me(&phone, Method::PUT, "/v1/me/targets/apns", Some(target)).await.is(200);
    let raw = |environment: &str| {
        let target = json!({
            "kind": "apns", "token": token, "app_id": BUNDLE, "environment": environment,
        });
        json!({ "targets": [target] })
    };
    for (good_in, to, code, reason) in [
        ("sandbox", raw("production"), 905, "development_certificate"),
        ("production", raw("sandbox"), 904, "production_certificate"),
        ("production", json!({ "devices": ["phone"] }), 912, "topic_not_covered"),
    ] {
        let id = only(good_in).await;
        let push = server.push(json!({ "to": to })).await;
        let told = |page: &Value| page["items"][0]["reason"] == reason;
        let seen = server.until(&format!("/v1/pushes/{push}/deliveries"), told).await;
        assert_eq!(seen["items"][0]["code"], code, "{seen}");
        server.call(Method::DELETE, &format!("{path}/{id}"), None).await.is(204);
    }
    server.stop().await;
}
