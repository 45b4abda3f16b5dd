//! Users as their back end sees them: tokens, devices, push targets.

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::rig::{Server, text};

/// An APNs token as apps print it.
const APNS: &str = "00FFaa11";

#[tokio::test]
async fn a_token_makes_its_user() {
    let server = Server::start().await;
    let devices = "/v1/users/alice/devices";
    server.call(Method::GET, devices, None).await.refused(404, "unknown_user", None);
    let began = Timestamp::now();
    let path = "/v1/users/alice/tokens";
    for (body, seconds) in
        [(None, 86_400), (Some(json!({})), 86_400), (Some(json!({ "ttl": 7_776_000 })), 7_776_000)]
    {
        let made = server.call(Method::POST, path, body).await.is(201);
        assert_eq!(made["user"], "alice");
        assert!(text(&made["token"]).starts_with("rvl_user_"));
        let ends: Timestamp = text(&made["expires_at"]).parse().unwrap();
        let life = ends.duration_since(began);
        // Stored to the microsecond, measured to the nanosecond.
        let least = SignedDuration::from_secs(seconds) - SignedDuration::from_micros(1);
        assert!(life >= least, "{life}");
        assert!(ends <= Timestamp::now() + SignedDuration::from_secs(seconds), "{life}");
    }
    assert_eq!(server.call(Method::GET, devices, None).await.is(200)["items"], json!([]));
    for ttl in [0, 7_776_001] {
        let refused = server.call(Method::POST, path, Some(json!({ "ttl": ttl }))).await;
        refused.refused(422, "invalid_field", Some("ttl"));
    }
    let long = format!("/v1/users/{}/tokens", "x".repeat(129));
    for path in [long.as_str(), "/v1/users/a%07b/tokens"] {
        let refused = server.call(Method::POST, path, None).await;
        refused.refused(422, "invalid_field", Some("user"));
    }
    // A user's name may be any text.
    let made = server.call(Method::POST, "/v1/users/%2B4930%2F1%20%C3%BC/tokens", None).await;
    assert_eq!(made.is(201)["user"], "+4930/1 ü");
    server.stop().await;
}

#[tokio::test]
async fn a_back_end_sees_and_sets_the_targets_of_a_device() {
    let server = Server::start().await;
    server.device("alice", "phone").await;
    server.token("bob").await;
    let path = "/v1/users/alice/devices/phone/targets";
    let body = json!({ "token": APNS, "environment": "sandbox", "app_id": "com.example.app" });
    let put = server.call(Method::PUT, &format!("{path}/apns"), Some(body.clone())).await.is(200);
    assert_eq!((&put["kind"], &put["state"]), (&json!("apns"), &json!("active")));
    // There is no credential, and that is said at once.
    assert_eq!(put["code"], 901, "{put}");
    let device =
        &server.call(Method::GET, "/v1/users/alice/devices", None).await.is(200)["items"][0];
    assert_eq!((&device["id"], &device["platform"]), (&json!("phone"), &json!("ios")));
    let target = &device["targets"][0];
    assert_eq!((&target["kind"], &target["environment"]), (&json!("apns"), &json!("sandbox")));
    assert_eq!(target["app_id"], "com.example.app");
    let hash = server::secret::token_hash(&APNS.to_lowercase());
    assert_eq!(target["token_hash"], hash.as_str());
    assert!(!device.to_string().contains(&APNS.to_lowercase()), "the token is shown");
    for (kind, body, field) in [
        ("pigeon", body.clone(), "kind"),
        ("webpush", body.clone(), "token"),
        ("apns", json!({ "token": "no hex" }), "token"),
        ("apns", json!({ "token": "" }), "token"),
        ("fcm", json!({ "token": "x".repeat(4097) }), "token"),
        ("apns_voip", body.clone(), "token"),
        ("apns", json!({ "token": APNS, "app_id": "no spaces" }), "app_id"),
    ] {
        let refused = server.call(Method::PUT, &format!("{path}/{kind}"), Some(body)).await;
        refused.refused(422, "invalid_field", Some(field));
    }
    for nobodys in ["alice/devices/tablet", "bob/devices/phone", "nobody/devices/phone"] {
        let nobodys = format!("/v1/users/{nobodys}/targets/apns");
        let refused = server.call(Method::PUT, &nobodys, Some(body.clone())).await;
        refused.refused(404, "not_found", None);
        server.call(Method::DELETE, &nobodys, None).await.refused(404, "not_found", None);
    }
    // Gone is gone: a push service may have said so before.
    for _ in 0..2 {
        server.call(Method::DELETE, &format!("{path}/apns"), None).await.is(204);
        let devices = server.call(Method::GET, "/v1/users/alice/devices", None).await.is(200);
        assert_eq!(devices["items"][0]["targets"], json!([]));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_device_sets_its_targets_and_signs_out() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    let targets = async || -> Vec<Value> {
        let devices = server.call(Method::GET, "/v1/users/alice/devices", None).await.is(200);
        let targets = devices["items"][0]["targets"].as_array().expect("a list").clone();
        targets.into_iter().map(|target| target["kind"].clone()).collect()
    };
    for (kind, token) in [("apns", "aa00"), ("apns_voip", "bb00"), ("fcm", "cc:00")] {
        let body = Some(json!({ "token": token }));
        let path = format!("/v1/me/targets/{kind}");
        let put = server.me(&phone, Method::PUT, &path, body).await.is(200);
        assert_eq!((&put["kind"], &put["state"]), (&json!(kind), &json!("active")));
    }
    assert_eq!(targets().await.len(), 3);
    server.me(&phone, Method::DELETE, "/v1/me/targets/fcm", None).await.is(204);
    server.me(&phone, Method::DELETE, "/v1/me/targets/fcm", None).await.is(204);
    assert_eq!(targets().await.len(), 2);
    let refused = server.me(&phone, Method::DELETE, "/v1/me/targets/pigeon", None).await;
    refused.refused(422, "invalid_field", Some("kind"));
    // A token that turns up on another device moves there.
    let tablet = server.device("bob", "tablet").await;
    let moved = Some(json!({ "token": "AA00" }));
    server.me(&tablet, Method::PUT, "/v1/me/targets/apns", moved).await.is(200);
    assert_eq!(targets().await, [json!("apns_voip")]);
    server.me(&phone, Method::DELETE, "/v1/me/device", None).await.is(204);
    assert_eq!(targets().await, Vec::<Value>::new());
    server.stop().await;
}

#[tokio::test]
async fn users_are_found_by_how_their_names_begin_or_by_their_device() {
    let server = Server::start().await;
    for user in ["alan", "alice", "Alice", "bob", "ålesund"] {
        server.token(user).await;
    }
    server.device("alice", "phone").await;
    let (session, _) = server.session("alice", "tablet").await;
    let other = server.new_app("other").await;
    server.device_of(&other.1, "alfred", "others").await;
    let names = async |query: &str| -> Vec<String> {
        let page = server.call(Method::GET, &format!("/v1/users?{query}"), None).await.is(200);
        page["items"].as_array().expect("a list").iter().map(|user| text(&user["user"])).collect()
    };
    assert_eq!(names("").await, ["Alice", "alan", "alice", "bob", "ålesund"]);
    assert_eq!(names("prefix=al").await, ["alan", "alice"]);
    assert_eq!(names("prefix=%C3%A5").await, ["ålesund"]);
    assert_eq!(names("prefix=x").await, Vec::<String>::new());
    assert_eq!(names("device=tablet").await, ["alice"]);
    assert_eq!(names("device=tablet&prefix=b").await, Vec::<String>::new());
    assert_eq!(names("device=others").await, Vec::<String>::new());
    let page = server.call(Method::GET, "/v1/users?limit=3", None).await.is(200);
    let alice = &page["items"][2];
    assert_eq!(
        (&alice["user"], &alice["devices"], &alice["live"]),
        (&json!("alice"), &json!(2), &json!(1))
    );
    assert_eq!(page["next"], "alice");
    assert_eq!(names("limit=3&after=alice").await, ["bob", "ålesund"]);
    assert_eq!(names("prefix=al&after=alan").await, ["alice"]);
    assert_eq!(names("prefix=al&after=A").await, ["alan", "alice"]);
    session.leave().await;
    server.until("/v1/users?device=phone", |page| page["items"][0]["live"] == 0).await;
    let long = "x".repeat(129);
    for field in ["prefix", "device", "after"] {
        let refused = server.call(Method::GET, &format!("/v1/users?{field}={long}"), None).await;
        refused.refused(422, "invalid_field", Some(field));
    }
    server.stop().await;
}
