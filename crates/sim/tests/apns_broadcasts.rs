//! APNs: broadcasts to channels, and every fault in one.

use http::StatusCode;
use serde_json::json;
use sim::{
    Fate,
    apns::{KnownKey, Undocumented},
    device::{ChannelStorage, Environment, Expiration, Priority, PushType, Reach},
    pki::ApnsCertificate,
};

use crate::{
    apns::{ALERT, APP, World, alert_headers, refusal},
    client::{Answer, Client, PATIENCE},
};

const PATH: &str = "/4/broadcasts/apps/com.example.app";
const UPDATE: &[u8] =
    br#"{"aps":{"timestamp":1,"event":"update","content-state":{"score":"1:0"}}}"#;

/// A good broadcast's headers.
fn headers<'a>(authorization: &'a str, channel: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("authorization", authorization),
        ("apns-channel-id", channel),
        ("apns-push-type", "liveactivity"),
        ("apns-expiration", "0"),
    ]
}

fn channel(world: &World, storage: ChannelStorage) -> String {
    world.devices.create_channel(APP, Environment::Production, storage)
}

async fn broadcast(world: &World, client: &Client, channel: &str, expiration: &str) -> Answer {
    let authorization = format!("bearer {}", world.jwt(0));
    let mut headers = headers(&authorization, channel);
    headers[3].1 = expiration;
    client.post(PATH, &headers, UPDATE).await
}

#[tokio::test]
async fn a_good_broadcast_is_accepted_recorded_and_heard() {
    let world = World::new().await;
    let channel = channel(&world, ChannelStorage::MostRecent);
    let mut heard = world.devices.deliveries(&channel);
    let client = world.connect().await;
    let id = "7f3c8a52-1d6e-4b90-8a11-02c5d9e4f601";
    let authorization = format!("bearer {}", world.jwt(0));
    let mut headers = headers(&authorization, &channel);
    headers.extend([("apns-request-id", id), ("apns-priority", "5")]);
    let answer = client.post(PATH, &headers, UPDATE).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    assert_eq!(answer.headers["apns-request-id"], id);
    assert!(answer.body.is_empty() && !answer.headers.contains_key("apns-id"));
    let seen = world.sim.wait_for(|push| push.id.as_deref() == Some(id), PATIENCE).await.unwrap();
    assert_eq!((seen.fate, &seen.token), (Fate::Delivered, &channel));
    let delivery = heard.try_recv().unwrap();
    assert_eq!((delivery.push_type, delivery.priority), (PushType::LiveActivity, Priority::Normal));
    assert_eq!((delivery.expiration, &*delivery.topic), (Expiration::Never, APP));
    assert_eq!(delivery.payload["aps"]["content-state"]["score"], "1:0");
    let limit = client.send.current_max_send_streams();
    assert_eq!(limit, 1000, "a broadcast is a success like any other");
}

#[tokio::test]
async fn every_fault_of_a_broadcast_is_refused_with_its_reason() {
    let world = World::new().await;
    let good_channel = channel(&world, ChannelStorage::MostRecent);
    let nothing_stored = channel(&world, ChannelStorage::Nothing);
    let environment = Environment::Production;
    let foreign =
        world.devices.create_channel("com.example.other", environment, ChannelStorage::Nothing);
    let sandbox =
        world.devices.create_channel(APP, Environment::Sandbox, ChannelStorage::MostRecent);
    let authorization = format!("bearer {}", world.jwt(0));
    let later = (world.devices.clock().now().as_second() + 60).to_string();
    let start = br#"{"aps":{"timestamp":1,"event":"start","content-state":{},"attributes-type":"A","attributes":{},"alert":{}}}"#;
    let client = world.connect().await;
    let mut state = "x".repeat(5121 - UPDATE.len());
    let too_big = String::from_utf8_lossy(UPDATE).replace("1:0", &format!("1:0{state}"));
    state.pop();
    let just_fits = String::from_utf8_lossy(UPDATE).replace("1:0", &format!("1:0{state}"));
    type Change<'a> = Option<(&'a str, Option<&'a str>)>;
    let other_path = "/4/broadcasts/apps/com.example.third";
    type Case<'a> = (&'a str, &'a str, &'a str, Change<'a>, &'a [u8], u16, &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("not POST", "GET", PATH, None, b"", 405, "MethodNotAllowed"),
        ("no app", "POST", "/4/broadcasts/apps/", None, UPDATE, 404, "BadPath"),
        ("more path", "POST", "/4/broadcasts/apps/com.example.app/x", None, UPDATE, 404, "BadPath"),
        ("another list", "POST", "/4/broadcasts/appsx", None, UPDATE, 404, "BadPath"),
        ("no token", "POST", PATH, Some(("authorization", None)), UPDATE, 403, {
            "MissingProviderToken"
        }),
        ("a bad token", "POST", PATH, Some(("authorization", Some("bearer x"))), UPDATE, 403, {
            "InvalidProviderToken"
        }),
        ("another app", "POST", other_path, None, UPDATE, 400, "TopicDisallowed"),
        ("a bad id", "POST", PATH, Some(("apns-request-id", Some("7"))), UPDATE, 400, {
            "BadMessageId"
        }),
        ("no push type", "POST", PATH, Some(("apns-push-type", None)), UPDATE, 400, {
            "MissingPushType"
        }),
        ("alert", "POST", PATH, Some(("apns-push-type", Some("alert"))), UPDATE, 400, {
            "InvalidPushType"
        }),
        ("no expiration", "POST", PATH, Some(("apns-expiration", None)), UPDATE, 400, {
            "BadExpirationDate"
        }),
        ("a bad expiration", "POST", PATH, Some(("apns-expiration", Some("soon"))), UPDATE, 400, {
            "BadExpirationDate"
        }),
        ("a bad priority", "POST", PATH, Some(("apns-priority", Some("7"))), UPDATE, 400, {
            "BadPriority"
        }),
        ("no payload", "POST", PATH, None, b"", 400, "PayloadEmpty"),
        ("no JSON", "POST", PATH, None, b"{", 400, "BadRequestPayload"),
        ("a start", "POST", PATH, None, start, 400, "InvalidPushType"),
        ("an alert inside", "POST", PATH, None, ALERT, 400, "InvalidPushType"),
        ("5121 bytes", "POST", PATH, None, too_big.as_bytes(), 413, "PayloadTooLarge"),
        ("no channel", "POST", PATH, Some(("apns-channel-id", None)), UPDATE, 400, {
            "MissingChannelId"
        }),
        ("an empty channel", "POST", PATH, Some(("apns-channel-id", Some(""))), UPDATE, 400, {
            "MissingChannelId"
        }),
        ("no base64", "POST", PATH, Some(("apns-channel-id", Some("a_b"))), UPDATE, 400, {
            "BadChannelId"
        }),
        ("no such channel", "POST", PATH, Some(("apns-channel-id", Some("YWJj"))), UPDATE, 400, {
            "ChannelNotRegistered"
        }),
        ("of the sandbox", "POST", PATH, Some(("apns-channel-id", Some(&sandbox))), UPDATE, 400, {
            "ChannelNotRegistered"
        }),
        ("another's", "POST", PATH, Some(("apns-channel-id", Some(&foreign))), UPDATE, 403, {
            "TopicMismatch"
        }),
    ];
    for (name, method, path, change, body, status, reason) in cases {
        let mut sent = headers(&authorization, &good_channel);
        if let Some((header, value)) = change {
            sent.retain(|(name, _)| *name != header);
            sent.extend(value.map(|value| (header, value)));
        }
        let answer = client.request(method, path, &sent, body).await.unwrap();
        assert_eq!(refusal(&answer), (status, reason.into()), "{name}");
        let id = if path.starts_with("/4/broadcasts/apps") { "apns-request-id" } else { "apns-id" };
        assert!(answer.headers.contains_key(id), "{name}");
    }
    let mut twice = headers(&authorization, &good_channel);
    twice.push(("apns-channel-id", &good_channel));
    let answer = client.post(PATH, &twice, UPDATE).await;
    assert_eq!(refusal(&answer), (400, "DuplicateHeaders".into()));
    let answer = broadcast(&world, &client, &nothing_stored, &later).await;
    assert_eq!(refusal(&answer), (400, "BadExpirationDate".into()));
    // Each changes one thing: what they start from is good.
    for channel in [&good_channel, &nothing_stored] {
        let answer = client.post(PATH, &headers(&authorization, channel), UPDATE).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let answer =
        client.post(PATH, &headers(&authorization, &good_channel), just_fits.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK, "5120 bytes");
}

#[tokio::test]
async fn an_app_without_channels_has_no_broadcasts() {
    let world = World::new().await;
    world.devices.create_channel(APP, Environment::Sandbox, ChannelStorage::MostRecent);
    let answer = broadcast(&world, &world.connect().await, "YWJj", "0").await;
    assert_eq!(refusal(&answer), (400, "FeatureNotEnabled".into()));
}

#[tokio::test]
async fn a_channel_keeps_what_it_was_made_to_keep() {
    let world = World::new().await;
    let client = world.connect().await;
    let later = (world.devices.clock().now().as_second() + 60).to_string();
    for (storage, expiration, fate) in [
        (ChannelStorage::MostRecent, &*later, Fate::Stored),
        (ChannelStorage::MostRecent, "0", Fate::Discarded),
        (ChannelStorage::Nothing, "0", Fate::Discarded),
    ] {
        let channel = channel(&world, storage);
        let mut heard = world.devices.deliveries(&channel);
        world.devices.set_reach(&channel, Reach::Offline);
        for _ in 0..2 {
            let answer = broadcast(&world, &client, &channel, expiration).await;
            assert_eq!(answer.status, StatusCode::OK, "{storage:?}");
            assert_eq!(world.sim.seen().last().unwrap().fate, fate, "{storage:?} {expiration}");
        }
        world.devices.set_reach(&channel, Reach::Online);
        assert_eq!(heard.try_recv().is_ok(), fate == Fate::Stored, "{storage:?}");
        assert!(heard.try_recv().is_err(), "only the most recent");
    }
}

#[tokio::test]
async fn broadcasts_and_pushes_share_a_connection_and_what_it_is_bound_to() {
    let world = World::new().await;
    let channel = channel(&world, ChannelStorage::MostRecent);
    let client = world.connect().await;
    assert_eq!(broadcast(&world, &client, &channel, "0").await.status, StatusCode::OK);
    assert_eq!(world.push(&client).await.status, StatusCode::OK);
    world.sim.set_key(KnownKey::new(&world.key, &[APP, "com.example.other"]));
    let authorization = format!("bearer {}", world.jwt(0));
    let headers = headers(&authorization, &channel);
    let answer = client.post("/4/broadcasts/apps/com.example.other", &headers, UPDATE).await;
    assert_eq!(refusal(&answer), (400, "TopicDisallowed".into()));
    // A channel is no device.
    let path = format!("/3/device/{channel}");
    let answer = client.post(&path, &alert_headers(&authorization), ALERT).await;
    assert!(answer.status.is_client_error(), "{answer:?}");
}

#[tokio::test]
async fn a_certificate_may_broadcast_to_its_app() {
    let world = World::with(|options| options.environment = Environment::Sandbox).await;
    let storage = ChannelStorage::MostRecent;
    let channel = world.devices.create_channel(APP, Environment::Sandbox, storage);
    let identity = world.ca.apns_identity(&ApnsCertificate::universal(APP)).unwrap();
    let client = Client::connect(world.sim.addr(), world.sim.ca_pem(), Some(&identity)).await;
    let headers = &headers("", &channel)[1..];
    let answer = client.post(PATH, headers, UPDATE).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    assert!(answer.headers.contains_key("apns-unique-id"), "as in any answer of the sandbox");
    let answer = client.post("/4/broadcasts/apps/com.example.other", headers, UPDATE).await;
    assert_eq!(refusal(&answer), (400, "BadTopic".into()));
}

#[tokio::test]
async fn what_apple_does_not_name_can_pass() {
    let world = World::with(|options| options.undocumented = Undocumented::Accept).await;
    let channel = channel(&world, ChannelStorage::Nothing);
    let client = world.connect().await;
    let authorization = format!("bearer {}", world.jwt(0));
    let headers = headers(&authorization, &channel);
    let body = json!({ "aps": { "event": "start" } }).to_string();
    let answer = client.post(PATH, &headers[..3], body.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
}
