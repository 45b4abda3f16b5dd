use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde_json::json;

use super::*;

/// A key file as the Firebase console gives it.
fn key_file() -> serde_json::Value {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("an RSA key");
    json!({
        "type": "service_account",
        "project_id": "example-1",
        "private_key_id": "0123456789abcdef",
        "private_key": key.serialize_pem(),
        "client_email": "push@example-1.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
}

#[test]
fn a_key_file_is_read() {
    let account = ServiceAccount::parse(key_file().to_string().as_bytes()).expect("a good file");
    assert_eq!(account.project_id(), "example-1");
    assert_eq!(account.client_email(), "push@example-1.iam.gserviceaccount.com");
    assert_eq!(account.key_id(), "0123456789abcdef");
    assert!(!format!("{account:?}").contains("PRIVATE"));
}

#[test]
fn a_wrong_file_is_named() {
    let check = |file: &str, message: &str, remedy: &str| {
        let fault = ServiceAccount::parse(file.as_bytes()).expect_err(message);
        assert_eq!(fault.diagnosis().code(), 904);
        assert!(fault.to_string().contains(message), "{fault}");
        assert!(fault.remedy().contains(remedy), "{}", fault.remedy());
    };
    let good = key_file();
    let with = |field: &str, value: serde_json::Value| {
        let mut file = good.clone();
        file[field] = value;
        file.to_string()
    };
    let without = |field: &str| {
        let mut file = good.clone();
        file.as_object_mut().expect("an object").remove(field);
        file.to_string()
    };
    let services = |project: &str| {
        json!({ "project_info": { "project_id": project }, "client": [] }).to_string()
    };
    let page = "https://console.firebase.google.com/project/example-1/settings/serviceaccounts/";
    check(&services("example-1"), "google-services.json", page);
    check(&services("../x"), "google-services.json", "app; upload the service account key");
    check(&services("../x"), "google-services.json", "Firebase console, Project settings");
    check("{\"project_info\":[],\"client\":[]}", "google-services.json", "Firebase console");
    check("AAAAabc:APA91bxyz", "a legacy FCM server key", "shut down");
    check("key=AAAAabc:APA91bxyz", "a legacy FCM server key", "shut down");
    check("AIzaSyExample", "a legacy FCM server key", "service account key instead");
    check("[]", "JSON of another kind", "Generate new private key");
    check("[{\"type\":\"service_account\"}]", "JSON of another kind", "Generate new private key");
    check("{\"installed\":{\"client_id\":\"x\"}}", "an OAuth client", "service account key");
    check("{\"web\":{\"client_id\":\"x\"}}", "an OAuth client", "service account key");
    let person = "{\"type\":\"authorized_user\",\"refresh_token\":\"x\"}";
    check(person, "a person's own Google credential", "service account key");
    check("{\"type\":\"external_account\"}", "workload identity", "service account key");
    check("{\"type\":\"impersonated_service_account\"}", "to act as", "service account key");
    check("-----BEGIN PRIVATE KEY-----", "PKCS#8", "belongs to APNs");
    check("{}", "JSON of another kind", "Generate new private key");
    check("", "the file is empty", "Generate new private key");
    check(&without("private_key"), "missing field `private_key`", "unchanged");
    check(&with("private_key", json!("x")), "private_key: ", "unchanged");
    let ec = KeyPair::generate().expect("an EC key").serialize_pem();
    check(&with("private_key", json!(ec)), "private_key: not an RSA key", "unchanged");
    check(&with("project_id", json!("../x")), "project_id: \"../x\"", "unchanged");
    check(&with("client_email", json!(" ")), "client_email: is empty", "unchanged");
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".*") {
        let _ = ServiceAccount::parse(&bytes);
        let file = json!({
            "type": "service_account", "project_id": text, "private_key_id": text,
            "private_key": text, "client_email": text,
        });
        let _ = ServiceAccount::parse(file.to_string().as_bytes());
    }
}
