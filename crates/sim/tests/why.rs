//! A refusal says in words what was wrong, for whoever reads the record: the vendors' own words
//! stand for many faults each.

use http::StatusCode;
use serde_json::{Value, json};
use sim::{
    device::{ApnsTokenKind, Environment},
    pki::ApnsKey,
    trouble::Scripted,
};

use crate::{
    apns::{ALERT, APP, World as Apns, jwt},
    client::{es256, es256_der, rs256},
    fcm::World as Fcm,
    fcm_oauth::{assertion, exchange},
};

#[tokio::test]
async fn of_one_word_of_apple_each_fault_is_told_apart() {
    let world = Apns::new().await;
    let now = world.devices.clock().now().as_second();
    let header = json!({ "alg": "ES256", "kid": world.key.key_id });
    let claims = json!({ "iss": world.key.team_id, "iat": now });
    let stranger = ApnsKey::generate().unwrap();
    let bearer = |jwt: String| format!("bearer {jwt}");
    let good = bearer(world.jwt(0));
    let with = |claims: &Value| bearer(es256(&world.key, &header, claims));
    let sandbox = world.devices.register_apns(APP, Environment::Sandbox, ApnsTokenKind::App);
    let voip = world.register(ApnsTokenKind::Voip);
    let device = |token: &str| format!("/3/device/{token}");
    let background: &[u8] = br#"{"aps":{"content-available":1}}"#;
    let (path, unknown) = (world.path(), device(&"ab".repeat(32)));
    for (path, authorization, push_type, body, reason, why) in [
        (&path, "basic x", "alert", ALERT, "InvalidProviderToken", "`bearer`"),
        (&path, "bearer x", "alert", ALERT, "InvalidProviderToken", "no JWT"),
        (&path, "bearer a.b.c", "alert", ALERT, "InvalidProviderToken", "JWT's header"),
        (
            &path,
            &with(&json!({ "iss": world.key.team_id, "iat": "1" })),
            "alert",
            ALERT,
            "InvalidProviderToken",
            "`iat`, a number",
        ),
        (
            &path,
            &bearer(es256_der(&world.key, &header, &claims)),
            "alert",
            ALERT,
            "InvalidProviderToken",
            "DER",
        ),
        (
            &path,
            &bearer(es256(&stranger, &header, &claims)),
            "alert",
            ALERT,
            "InvalidProviderToken",
            "not by the key",
        ),
        (
            &path,
            &bearer(jwt(&stranger, now)),
            "alert",
            ALERT,
            "InvalidProviderToken",
            "no key has this `kid`",
        ),
        (
            &path,
            &with(&json!({ "iss": "ANOTHERONE", "iat": now })),
            "alert",
            ALERT,
            "InvalidProviderToken",
            "`iss`",
        ),
        (
            &path,
            &with(&json!({ "iss": world.key.team_id, "iat": now * 1000 })),
            "alert",
            ALERT,
            "InvalidProviderToken",
            "counts seconds",
        ),
        (&path, &good, "background", background, "BadPriority", "priority 10"),
        (&path, &good, "alert", background, "InvalidPushType", "`badge`"),
        (&path, &good, "loud", ALERT, "InvalidPushType", "no push type"),
        (&path, &good, "voip", ALERT, "BadTopic", "end of `apns-topic`"),
        (&unknown, &good, "alert", ALERT, "BadDeviceToken", "nobody has registered"),
        (&device("xyz"), &good, "alert", ALERT, "BadDeviceToken", "hex"),
        (&device(&sandbox), &good, "alert", ALERT, "BadDeviceToken", "other environment"),
        (&device(&voip), &good, "alert", ALERT, "DeviceTokenNotForTopic", "another device token"),
    ] {
        let headers =
            [("authorization", authorization), ("apns-topic", APP), ("apns-push-type", push_type)];
        let answer = world.connect().await.post(path, &headers, body).await;
        assert_eq!(answer.reason(), reason, "{why}");
        let seen = world.sim.seen().pop().unwrap();
        let said = seen.why.unwrap();
        assert!(said.contains(why), "{reason}: {said} should be about {why}");
    }
    assert_eq!(world.push(&world.connect().await).await.status, StatusCode::OK);
    assert_eq!(world.sim.seen().pop().unwrap().why, None, "what is accepted needs no reason");
    world.sim.trouble().answer_next(1, &Scripted::front_end_502());
    world.push(&world.connect().await).await;
    assert_eq!(world.sim.seen().pop().unwrap().why.as_deref(), Some("answered by script"));
}

#[tokio::test]
async fn of_fcm_the_field_is_named() {
    let world = Fcm::new().await;
    let sender = world.sender().await;
    let long = "x".repeat(10_000);
    let check = |why: &str| {
        let said = world.sim.seen().pop().unwrap().why.unwrap_or_default();
        assert!(said.contains(why), "{said} should be about {why}");
        assert!(said.chars().count() <= 300, "{said}");
    };
    for (change, why) in [
        (json!({ "data": { "n": 1 } }), "message.data[0].value: "),
        (json!({ "topic": "news" }), "Only one recipient"),
        (json!({ "token": "hello" }), "message.token: "),
        (json!({ "data": { "text": long.as_str() } }), "more than 4096 bytes"),
        (json!({ long.as_str(): 1 }), "Unknown name"),
    ] {
        sender
            .send(&world.message(|message| {
                message.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            }))
            .await;
        check(why);
    }
    sender.post("another-project", &world.message(|_| {})).await;
    check("another project");
    let path = "/v1/projects/demo-project/messages:send";
    for (authorization, why) in [("key=x", "`Bearer`"), ("Bearer x", "not issued here")] {
        sender.client.post(path, &[("authorization", authorization)], b"{}").await;
        check(why);
    }
    sender.client.post("/fcm/send", &[], b"{}").await;
    check("/v1/projects/");
    let (header, mut claims) = assertion(&world);
    claims["aud"] = "https://example.org".into();
    exchange(&sender.client, &rs256(&world.account, &header, &claims)).await;
    check("audience");
}
