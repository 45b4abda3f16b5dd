//! FCM: what is accepted, and every fault in Google's shape.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use sim::{
    Devices, Fate, FcmOptions, FcmSim,
    device::{FcmPlatform, Priority, PushType, Reach},
    fcm::DetailsOrder,
    pki::{Ca, ServiceAccount},
};

use crate::{
    client::{Answer, Client, PATIENCE, rs256},
    fcm_oauth::{assertion, exchange},
};

pub(crate) const PROJECT: &str = "demo-project";
const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";

/// A service with one account and one Android device.
pub(crate) struct World {
    pub(crate) devices: Devices,
    pub(crate) account: ServiceAccount,
    pub(crate) sim: FcmSim,
    token: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut FcmOptions)) -> Self {
        let ca = Ca::generate("test CA").unwrap();
        let devices = Devices::new();
        let account = ServiceAccount::generate(PROJECT).unwrap();
        let mut options = FcmOptions::new(&ca, &devices);
        options.accounts = vec![account.clone()];
        change(&mut options);
        let token = devices.register_fcm(PROJECT);
        let sim = FcmSim::start(options).await.unwrap();
        Self { devices, account, sim, token }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.sim.addr(), self.sim.ca_pem(), None).await
    }

    /// A connection with an access token.
    pub(crate) async fn sender(&self) -> Sender {
        let client = self.connect().await;
        let (header, claims) = assertion(self);
        let answer = exchange(&client, &rs256(&self.account, &header, &claims)).await;
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        Sender { client, authorization: format!("Bearer {token}") }
    }

    /// A good data message with this changed in it.
    pub(crate) fn message(&self, change: impl FnOnce(&mut Value)) -> Value {
        let mut message = json!({
            "token": self.token,
            "data": { "reveille_v": "1" },
            "android": { "priority": "HIGH", "ttl": "60s" },
        });
        change(&mut message);
        json!({ "message": message })
    }
}

pub(crate) struct Sender {
    pub(crate) client: Client,
    authorization: String,
}

impl Sender {
    pub(crate) fn authorization(&self) -> &str {
        &self.authorization
    }

    pub(crate) async fn send(&self, body: &Value) -> Answer {
        self.post(PROJECT, body).await
    }

    pub(crate) async fn post(&self, project: &str, body: &Value) -> Answer {
        let headers =
            [("authorization", self.authorization.as_str()), ("content-type", "application/json")];
        let path = format!("/v1/projects/{project}/messages:send");
        self.client.post(&path, &headers, body.to_string().as_bytes()).await
    }
}

/// Gives a message another target.
fn to(message: &mut Value, kind: &str, target: &str) {
    message.as_object_mut().unwrap().remove("token");
    message[kind] = target.into();
}

/// `FcmError.errorCode` of an answer.
pub(crate) fn error_code(answer: &Answer) -> Option<String> {
    let json = answer.json();
    let details = json["error"]["details"].as_array()?;
    let error = details.iter().find(|detail| detail["@type"] == FCM_ERROR)?;
    error["errorCode"].as_str().map(str::to_owned)
}

/// The field that an answer's BadRequest names.
pub(crate) fn field(answer: &Answer) -> Option<String> {
    let json = answer.json();
    let details = json["error"]["details"].as_array()?;
    let violation = details.iter().find_map(|detail| detail["fieldViolations"].get(0))?;
    violation["field"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_good_message_is_accepted_recorded_and_delivered() {
    let world = World::new().await;
    let mut deliveries = world.devices.deliveries(&world.token);
    let sender = world.sender().await;
    let answer =
        sender.send(&world.message(|message| message["android"]["collapseKey"] = "k".into())).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let name = answer.json()["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("projects/demo-project/messages/"), "{name}");
    let seen =
        world.sim.wait_for(|push| push.id.as_deref() == Some(&name), PATIENCE).await.unwrap();
    assert_eq!((seen.fate, &seen.token), (Fate::Delivered, &world.token));
    let delivery = deliveries.recv().await.unwrap();
    assert_eq!((delivery.push_type, delivery.priority), (PushType::Data, Priority::High));
    assert_eq!(delivery.collapse_id.as_deref(), Some("k"), "camelCase names are taken too");
    assert_eq!(delivery.payload["data"]["reveille_v"], "1");
}

#[tokio::test]
async fn every_faulty_field_is_named() {
    let world = World::new().await;
    let sender = world.sender().await;
    let invalid = Some("INVALID_ARGUMENT");
    type Change = fn(&mut Value);
    let cases: [(&str, Change, Option<&str>, Option<&str>); 25] = [
        ("an unknown field", |m| m["loud"] = true.into(), None, Some("message")),
        (
            "an unknown field below",
            |m| m["android"]["loud"] = true.into(),
            None,
            Some("message.android"),
        ),
        ("a number in data", |m| m["data"]["n"] = 1.into(), None, Some("message.data[0].value")),
        ("data as text", |m| m["data"] = "x".into(), None, Some("message.data")),
        (
            "an unknown priority",
            |m| m["android"]["priority"] = "loud".into(),
            None,
            Some("message.android.priority"),
        ),
        (
            "a ttl without unit",
            |m| m["android"]["ttl"] = "60".into(),
            None,
            Some("message.android.ttl"),
        ),
        (
            "a ttl too long",
            |m| m["android"]["ttl"] = "2419201s".into(),
            invalid,
            Some("message.android.ttl"),
        ),
        (
            "a negative ttl",
            |m| m["android"]["ttl"] = "-1s".into(),
            invalid,
            Some("message.android.ttl"),
        ),
        ("a reserved key", |m| m["data"]["from"] = "x".into(), invalid, Some("message.data")),
        (
            "a reserved prefix",
            |m| m["data"]["google.x"] = "x".into(),
            invalid,
            Some("message.data"),
        ),
        ("no target", |m| m["token"] = "".into(), invalid, Some("message")),
        ("two targets", |m| m["topic"] = "news".into(), invalid, Some("message")),
        ("a malformed token", |m| m["token"] = "hello".into(), invalid, Some("message.token")),
        (
            "another package",
            |m| m["android"]["restricted_package_name"] = "com.example.other".into(),
            invalid,
            Some("message.android.restricted_package_name"),
        ),
        (
            "arguments without a text",
            |m| m["android"]["notification"] = json!({ "body_loc_args": ["x"] }),
            invalid,
            Some("message.android.notification.body_loc_args"),
        ),
        (
            "a target and a topic with a prefix",
            |m| to(m, "topic", "/topics/news"),
            invalid,
            Some("message.topic"),
        ),
        (
            "a condition that is none",
            |m| to(m, "condition", "news"),
            invalid,
            Some("message.condition"),
        ),
        ("an unknown installation", |m| to(m, "fid", "abc"), invalid, Some("message.fid")),
        ("a flag as text", |m| m["android"]["direct_boot_ok"] = "true".into(), None, {
            Some("message.android.direct_boot_ok")
        }),
        (
            "a number in the headers",
            |m| m["apns"] = json!({ "headers": { "apns-priority": 5 } }),
            None,
            Some("message.apns.headers[0].value"),
        ),
        (
            "half a count",
            |m| m["android"]["notification"] = json!({ "notification_count": 1.5 }),
            None,
            Some("message.android.notification.notification_count"),
        ),
        (
            "a colour by name",
            |m| m["android"]["notification"] = json!({ "color": "red" }),
            invalid,
            Some("message.android.notification.color"),
        ),
        (
            "a link without TLS",
            |m| m["webpush"] = json!({ "fcm_options": { "link": "http://example.com" } }),
            invalid,
            Some("message.webpush.fcm_options.link"),
        ),
        (
            "a reserved key for Android",
            |m| m["android"]["data"] = json!({ "gcm": "x" }),
            invalid,
            { Some("message.android.data") },
        ),
        ("too big", |m| m["data"]["text"] = "x".repeat(4096).into(), None, None),
    ];
    for (name, change, code, named) in cases {
        let answer = sender.send(&world.message(change)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
        assert_eq!(answer.json()["error"]["status"], "INVALID_ARGUMENT", "{name}");
        assert_eq!(
            (error_code(&answer).as_deref(), field(&answer).as_deref()),
            (code, named),
            "{name}"
        );
    }
    let headers = [("authorization", sender.authorization.as_str())];
    let path = format!("/v1/projects/{PROJECT}/messages:send");
    let answer = sender.client.post(&path, &headers, b"{").await;
    assert_eq!((answer.status, error_code(&answer)), (StatusCode::BAD_REQUEST, None), "not JSON");
    // The table changes one thing each: what it starts from is good.
    assert_eq!(sender.send(&world.message(|_| {})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn sizes_end_at_4096_and_2048_for_topics() {
    let world = World::new().await;
    let sender = world.sender().await;
    let token = json!({ "token": world.token });
    for (target, limit) in [(token, 4096), (json!({ "topic": "news" }), 2048)] {
        for (size, status) in [(limit, 200), (limit + 1, 400)] {
            let mut message = target.clone();
            message["data"] = json!({ "k": "x".repeat(size - 1) });
            let answer = sender.send(&json!({ "message": message })).await;
            assert_eq!(answer.status.as_u16(), status, "{target} with {size} bytes");
        }
    }
}

#[tokio::test]
async fn tokens_and_projects_have_their_own_words() {
    let world = World::new().await;
    let sender = world.sender().await;
    let dead = world.devices.register_fcm(PROJECT);
    world.devices.unregister(&dead);
    let foreign = world.devices.register_fcm("another-project");
    let no_key =
        world.devices.register_fcm_app(PROJECT, "com.example.app", FcmPlatform::IosWithoutKey);
    for (token, status, word, code) in [
        (&dead, 404, "NOT_FOUND", "UNREGISTERED"),
        (&foreign, 403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
        (&no_key, 401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
    ] {
        let answer =
            sender.send(&world.message(|message| message["token"] = token.as_str().into())).await;
        assert_eq!(answer.status.as_u16(), status, "{code}");
        assert_eq!(answer.json()["error"]["status"], word);
        assert_eq!(error_code(&answer).as_deref(), Some(code));
    }
    let good = world.message(|_| {});
    let answer = sender.post("another-project", &good).await;
    assert_eq!((answer.status.as_u16(), error_code(&answer)), (403, None));
    let legacy = sender.client.post("/fcm/send", &[("authorization", "key=x")], b"{}").await;
    assert_eq!((legacy.status.as_u16(), error_code(&legacy)), (404, None));
}

#[tokio::test]
async fn access_tokens_are_missing_wrong_expired_or_revoked() {
    let world = World::new().await;
    let mut sender = world.sender().await;
    let good = world.message(|_| {});
    assert_eq!(sender.send(&good).await.status, StatusCode::OK);
    world.sim.revoke_access_tokens();
    let refused = async |sender: &Sender, name: &str| {
        let answer = sender.send(&good).await;
        assert_eq!((answer.status.as_u16(), error_code(&answer)), (401, None), "{name}");
    };
    refused(&sender, "revoked").await;
    sender.authorization = "Bearer nonsense".into();
    refused(&sender, "wrong").await;
    sender.authorization = "key=legacy".into();
    refused(&sender, "another scheme").await;
    let late = world.sender().await;
    world.devices.clock().advance(Duration::from_secs(3600));
    refused(&late, "expired").await;
}

#[tokio::test]
async fn a_dry_run_checks_and_delivers_nothing() {
    let world = World::new().await;
    let mut deliveries = world.devices.deliveries(&world.token);
    let sender = world.sender().await;
    let mut body = world.message(|_| {});
    body["validate_only"] = true.into();
    let answer = sender.send(&body).await;
    assert_eq!(answer.json()["name"], "projects/demo-project/messages/fake_message_id");
    assert!(deliveries.try_recv().is_err());
    body["message"]["loud"] = true.into();
    assert_eq!(sender.send(&body).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn data_for_an_iphone_must_not_be_urgent() {
    let world = World::new().await;
    let sender = world.sender().await;
    let iphone = world.devices.register_fcm_app(PROJECT, "com.example.app", FcmPlatform::Ios);
    for (priority, visible, status) in [("10", false, 400), ("5", false, 200), ("10", true, 200)] {
        let mut message =
            json!({ "token": iphone, "apns": { "headers": { "apns-priority": priority } } });
        if visible {
            message["notification"] = json!({ "title": "hello" });
        }
        let answer = sender.send(&json!({ "message": message })).await;
        assert_eq!(answer.status.as_u16(), status, "priority {priority}, visible {visible}");
    }
}

#[tokio::test]
async fn an_iphone_gets_what_fcm_made_for_apple() {
    let world = World::new().await;
    let sender = world.sender().await;
    let iphone = world.devices.register_fcm_app(PROJECT, "com.example.app", FcmPlatform::Ios);
    let mut arriving = world.devices.deliveries(&iphone);
    let data = json!({ "a": "b" });
    for (apns, notification, push_type, payload) in [
        (json!({}), None, PushType::Data, json!({ "aps": {}, "a": "b" })),
        (
            json!({
                "headers": { "apns-push-type": "background", "apns-priority": "5" },
                "payload": { "aps": { "content-available": 1 } },
            }),
            None,
            PushType::Background,
            json!({ "aps": { "content-available": 1 }, "a": "b" }),
        ),
        // Without its word nothing wakes the app.
        (
            json!({ "headers": { "apns-push-type": "background" } }),
            None,
            PushType::Data,
            json!({ "aps": {}, "a": "b" }),
        ),
        (
            json!({ "payload": { "aps": { "alert": "hello" } } }),
            Some(json!({ "title": "for all" })),
            PushType::Alert,
            json!({ "aps": { "alert": "hello" }, "a": "b" }),
        ),
        (
            json!({}),
            Some(json!({ "title": "for all" })),
            PushType::Alert,
            json!({ "aps": { "alert": { "title": "for all" } }, "a": "b" }),
        ),
    ] {
        let mut message = json!({ "token": iphone, "data": data, "apns": apns });
        // What Android shows is not Apple's.
        message["android"] = json!({ "notification": { "title": "Android" } });
        if let Some(notification) = notification {
            message["notification"] = notification;
        }
        let answer = sender.send(&json!({ "message": message })).await;
        assert_eq!(answer.status, StatusCode::OK, "{message}");
        let delivery = arriving.recv().await.expect("delivered");
        assert_eq!((delivery.push_type, delivery.payload), (push_type, payload), "{message}");
    }
}

#[tokio::test]
async fn quotas_end_in_429_and_come_back_after_a_minute() {
    let world = World::with(|options| {
        options.device_quota_per_minute = 2;
        options.quota_per_minute = 4;
        options.retry_after = Some(7);
    })
    .await;
    let sender = world.sender().await;
    let other = world.devices.register_fcm(PROJECT);
    let to = |token: &str| world.message(|message| message["token"] = token.into());
    let mut statuses = Vec::new();
    for token in [&world.token, &world.token, &world.token, &other, &other] {
        statuses.push(sender.send(&to(token)).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 200, 429], "the device's quota, then the project's");
    let answer = sender.send(&to(&other)).await;
    assert_eq!(answer.headers["retry-after"], "7");
    assert_eq!(error_code(&answer).as_deref(), Some("QUOTA_EXCEEDED"));
    world.devices.clock().advance(Duration::from_secs(60));
    assert_eq!(sender.send(&to(&world.token)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_hour_of_a_device_is_counted_across_its_minutes() {
    let world = World::with(|options| options.device_quota_per_hour = 2).await;
    let sender = world.sender().await;
    let good = world.message(|_| {});
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(sender.send(&good).await.status.as_u16());
        world.devices.clock().advance(Duration::from_secs(61));
    }
    assert_eq!(statuses, [200, 200, 429]);
    world.devices.clock().advance(Duration::from_secs(3600));
    // The access token has run out as well.
    assert_eq!(world.sender().await.send(&good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_costs_quota_need_not_be_good() {
    let world = World::with(|options| options.quota_per_minute = 1).await;
    let sender = world.sender().await;
    let bad = sender.send(&world.message(|message| message["loud"] = true.into())).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let good = sender.send(&world.message(|_| {})).await;
    assert_eq!(error_code(&good).as_deref(), Some("QUOTA_EXCEEDED"));
}

#[tokio::test]
async fn details_come_in_any_order_or_not_at_all() {
    for (order, first) in [
        (DetailsOrder::FcmErrorFirst, Some(FCM_ERROR)),
        (DetailsOrder::FcmErrorLast, Some("type.googleapis.com/google.rpc.BadRequest")),
        (DetailsOrder::Absent, None),
    ] {
        let world = World::with(|options| options.details = order).await;
        let answer =
            world.sender().await.send(&world.message(|m| m["token"] = "hello".into())).await;
        assert_eq!(answer.json()["error"]["details"][0]["@type"].as_str(), first);
    }
}

#[tokio::test]
async fn what_waits_for_a_device_is_limited() {
    let world = World::with(|options| options.device_quota_per_minute = 1000).await;
    let sender = world.sender().await;
    let mut deliveries = world.devices.deliveries(&world.token);
    let send = async |n: usize, change: fn(&mut Value, usize)| {
        for i in 0..n {
            let body = world.message(|message| {
                message["data"]["n"] = i.to_string().into();
                change(message, i);
            });
            assert_eq!(sender.send(&body).await.status, StatusCode::OK);
        }
    };
    let mut arrived = || std::iter::from_fn(|| deliveries.try_recv().ok()).collect::<Vec<_>>();

    world.devices.set_reach(&world.token, Reach::Offline);
    send(6, |message, i| message["android"]["collapse_key"] = format!("k{}", i % 5).into()).await;
    send(1, |message, _| message["android"]["ttl"] = "0s".into()).await;
    world.devices.set_reach(&world.token, Reach::Online);
    let keys: Vec<_> = arrived().into_iter().filter_map(|delivery| delivery.collapse_id).collect();
    assert_eq!(keys, ["k2", "k3", "k4", "k0"], "four keys, the newest of each; ttl 0 was lost");

    world.devices.set_reach(&world.token, Reach::Offline);
    send(100, |_, _| {}).await;
    world.devices.set_reach(&world.token, Reach::Online);
    assert_eq!(arrived().len(), 100);

    world.devices.set_reach(&world.token, Reach::Offline);
    send(101, |_, _| {}).await;
    world.devices.set_reach(&world.token, Reach::Online);
    let told: Vec<_> = arrived().into_iter().map(|delivery| delivery.push_type).collect();
    assert_eq!(told, [PushType::DeletedMessages]);

    world.devices.set_reach(&world.token, Reach::Dozing);
    send(1, |message, _| message["android"]["priority"] = "NORMAL".into()).await;
    send(1, |_, _| {}).await;
    assert_eq!(arrived().len(), 1, "Doze lets high priority through");
    world.devices.clock().advance(Duration::from_secs(61));
    world.devices.set_reach(&world.token, Reach::Online);
    assert!(arrived().is_empty(), "the ttl is over");
}
