//! Phones against a fake server: what a push runs, what goes over the wire, what survives.

mod fake_server;
mod network;
mod rules;
mod web;

use std::time::Duration;

use serde_json::{Value, json};
use wire::TargetKindName;

use self::fake_server::{FakeServer, of_type};
use super::*;
use crate::device::{
    Delivery, Devices, Environment, Expiration, Facts, Priority, PushType, Service,
};
use crate::pki::Ca;
use crate::webpush::{Vendor, WebPushOptions, WebPushSim};

/// Longer than anything here takes; only a failed test waits for it.
const LIMIT: Duration = Duration::from_secs(10);

struct Scene {
    server: FakeServer,
    devices: Devices,
    /// A browser's push service.
    webpush: Option<WebPushSim>,
    phone: Phone,
}

/// The key that pages subscribe with.
const PAGE_KEY: [u8; 65] = [4; 65];

impl Scene {
    /// A launched phone; its browser, if it is one, is Firefox.
    async fn launched(platform: Platform) -> Self {
        Self::launched_in(platform, Vendor::Mozilla).await
    }

    /// A launched phone whose browser is this vendor's.
    async fn launched_in(platform: Platform, vendor: Vendor) -> Self {
        let server = FakeServer::start().await;
        let devices = Devices::new();
        let webpush = if platform == Platform::Web {
            let ca = Ca::generate("test CA").unwrap();
            let options = WebPushOptions::new(&ca, &devices, vendor);
            Some(WebPushSim::start(options).await.unwrap())
        } else {
            None
        };
        let phone = Phone::install(PhoneOptions {
            name: "alice's phone".to_owned(),
            user: "alice".to_owned(),
            platform,
            server: server.address,
            token: "token".to_owned(),
            app_id: "com.example.app".to_owned(),
            project: "project".to_owned(),
            firebase_on_ios: false,
            environment: Environment::Production,
            browser: webpush.as_ref().map(|webpush| Browser {
                push_manager: webpush.push_manager(),
                application_server_key: Some(PAGE_KEY.to_vec()),
            }),
            devices: devices.clone(),
            locale: "en".to_owned(),
            // Long enough for what follows a connect to arrive on a busy machine: a phone that has
            // fallen asleep before is woken by nobody here.
            behaviour: Behaviour { linger: Duration::from_secs(1), ..Behaviour::default() },
        });
        phone.launch().await.unwrap();
        Self { server, devices, webpush, phone }
    }

    /// Delivers a push about a message, or about a call.
    fn push(&self, kind: TargetKindName, push_type: PushType, aps: Value, call: bool) {
        self.push_with(kind, push_type, Priority::High, aps, call);
    }

    /// The same with any priority.
    fn push_with(
        &self,
        kind: TargetKindName,
        push_type: PushType,
        priority: Priority,
        aps: Value,
        call: bool,
    ) {
        let call = call.then(|| json!({"id": "call-1", "caller_name": "Bob", "media": "audio"}));
        let payload: wire::push::Payload = serde_json::from_value(json!({
            "v": 1, "kind": if call.is_some() { "call" } else { "message" }, "wake": "wak_1",
            "sent_at": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z", "call": call,
        }))
        .unwrap();
        let (service, payload) = match kind {
            TargetKindName::Fcm => (Service::Fcm, json!({"data": payload.to_fcm_data()})),
            _ => (Service::Apns, json!({"aps": aps, "reveille": payload})),
        };
        self.deliver(kind, service, push_type, priority, payload);
    }

    /// Delivers any push.
    fn deliver(
        &self,
        kind: TargetKindName,
        service: Service,
        push_type: PushType,
        priority: Priority,
        payload: Value,
    ) {
        let token = self.phone.push_token(kind).unwrap();
        let facts = Facts { service, priority, expiration: Expiration::Vendor };
        self.devices.find(&token).unwrap().hand(&facts, |at| Delivery {
            service,
            token: token.clone(),
            id: "id".to_owned(),
            push_type,
            priority,
            original_priority: priority,
            topic: "com.example.app".to_owned(),
            collapse_id: None,
            expiration: Expiration::Vendor,
            payload,
            at,
        });
    }

    async fn wait(&self, wanted: impl FnMut(&PhoneEvent) -> bool) -> Logged {
        self.phone.wait_for(wanted, LIMIT).await.unwrap()
    }

    /// The same among what comes after `mark`.
    async fn wait_since(&self, mark: usize, wanted: impl FnMut(&PhoneEvent) -> bool) -> Logged {
        self.phone.wait_since(mark, wanted, LIMIT).await.unwrap()
    }

    /// Everything so far, without the times.
    fn seen(&self) -> Vec<PhoneEvent> {
        self.phone.events().into_iter().map(|logged| logged.event).collect()
    }

    fn held(&self) -> Vec<String> {
        self.phone.held().into_iter().map(|held| held.id).collect()
    }
}

#[tokio::test]
async fn a_launch_registers_the_targets_of_the_platform() {
    for (platform, kinds) in [
        (Platform::Android, &["fcm"][..]),
        (Platform::Ios, &["apns", "apns_voip"]),
        (Platform::Web, &["webpush"]),
    ] {
        let scene = Scene::launched(platform).await;
        let told = scene.server.noted(kinds.len(), of_type("push_token")).await;
        let told: Vec<&str> = told.iter().filter_map(|note| note["kind"].as_str()).collect();
        assert_eq!(told, kinds);
        let connect = &scene.server.noted(1, of_type("connect")).await[0];
        assert_eq!((&connect["state"], &connect["token"]), (&json!("foreground"), &json!("token")));
    }
}

#[tokio::test]
async fn a_batch_is_acknowledged_and_a_repeat_is_dropped() {
    let scene = Scene::launched(Platform::Android).await;
    let first = scene.server.store("msg_1", "one");
    let second = scene.server.store("msg_2", "two");
    for frame in [first, second.clone(), second] {
        scene.server.tell(frame);
    }
    scene.wait(|event| matches!(event, PhoneEvent::DuplicateDropped { offset: 2, .. })).await;
    scene.server.noted(1, |note| note["type"] == "ack" && note["position"]["offset"] == 2).await;
    assert_eq!(scene.held(), ["msg_1", "msg_2"]);
}

#[tokio::test]
async fn a_data_push_runs_a_suspended_android_app_until_nothing_more_comes() {
    let scene = Scene::launched(Platform::Android).await;
    scene.phone.suspend().await;
    scene.server.store("msg_1", "hello");
    scene.push(TargetKindName::Fcm, PushType::Data, json!({}), false);
    scene.phone.wait_messages(1, LIMIT).await.unwrap();
    let shown = |event: &PhoneEvent| matches!(event, PhoneEvent::NotificationShown { body, via: Via::Socket, .. } if body == "hello");
    scene.wait(shown).await;
    scene.phone.wait_life(Life::Suspended, LIMIT).await.unwrap();
    let connects = scene.server.noted(2, of_type("connect")).await;
    assert_eq!(connects[1]["state"], "background");
    assert_eq!(connects[1]["woken_by"]["wake"], "wak_1");
    assert_eq!(connects[1]["woken_by"]["priority"], "high");
    scene.server.noted(1, of_type("ack")).await;
}

#[tokio::test]
async fn an_app_off_the_screen_shows_what_comes_and_one_on_it_does_not() {
    let scene = Scene::launched(Platform::Ios).await;
    let seen = scene.server.store("msg_1", "on the screen");
    scene.server.tell(seen);
    scene.phone.wait_messages(1, LIMIT).await.unwrap();
    scene.phone.background().await;
    let unseen = scene.server.store("msg_2", "off the screen");
    scene.server.tell(unseen);
    let shown = |event: &PhoneEvent| matches!(event, PhoneEvent::NotificationShown { .. });
    let first = scene.phone.wait_for(shown, LIMIT).await.unwrap();
    assert!(
        matches!(&first.event, PhoneEvent::NotificationShown { body, via: Via::Socket, .. } if body == "off the screen"),
        "{first:?}"
    );
}

#[tokio::test]
async fn a_force_quit_iphone_ignores_background_and_drains_by_its_extension() {
    let scene = Scene::launched(Platform::Ios).await;
    scene.phone.force_quit().await;
    scene.server.store("msg_1", "hello");
    let aps = json!({"content-available": 1});
    scene.push(TargetKindName::Apns, PushType::Background, aps, false);
    scene.wait(|event| matches!(event, PhoneEvent::PushIgnored { .. })).await;
    assert_eq!(scene.held(), [""; 0]);
    let aps = json!({"alert": {"title": "New message"}, "mutable-content": 1});
    scene.push(TargetKindName::Apns, PushType::Alert, aps, false);
    scene
        .wait(|event| matches!(event, PhoneEvent::ExtensionRan { drained: 1, trouble: None }))
        .await;
    assert_eq!((scene.held(), scene.phone.life()), (vec!["msg_1".to_owned()], Life::ForceQuit));
    let requests = scene.server.noted(2, |note| note["request"].is_string()).await;
    assert_eq!(requests[0]["request"], "GET /v1/me/inbox?limit=100&epoch=1&after=0 HTTP/1.1");
    assert_eq!(requests[1]["request"], "POST /v1/me/ack HTTP/1.1");
    assert_eq!((&requests[0]["token"], &requests[0]["secret"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn an_expired_token_is_left_out_and_a_refused_one_gives_way_to_the_secret() {
    let scene = Scene::launched(Platform::Ios).await;
    scene.phone.suspend().await;
    scene.server.refuse("token");
    let aps = json!({"content-available": 1});
    scene.push(TargetKindName::Apns, PushType::Background, aps.clone(), false);
    let by_secret =
        |event: &PhoneEvent| matches!(event, PhoneEvent::Connected { secret_only: true, .. });
    scene.wait(|event| matches!(event, PhoneEvent::Refused { .. })).await;
    scene.wait(by_secret).await;
    scene.phone.wait_life(Life::Suspended, LIMIT).await.unwrap();

    scene.phone.expire_token();
    let mark = scene.phone.mark();
    scene.push(TargetKindName::Apns, PushType::Background, aps, false);
    scene.phone.wait_since(mark, by_secret, LIMIT).await.unwrap();
    let connects = scene.server.noted(4, of_type("connect")).await;
    let shown: Vec<bool> = connects.iter().map(|note| note["token"].is_string()).collect();
    assert_eq!(shown, [true, true, false, false]);
    assert!(connects[1..].iter().all(|note| note["device_secret"] == "secret"));
}

#[tokio::test]
async fn a_frozen_phone_keeps_tcp_open_and_reads_nothing_until_a_push_runs_it() {
    let scene = Scene::launched(Platform::Android).await;
    scene.phone.freeze().await;
    let entry = scene.server.store("msg_1", "hello");
    scene.server.tell(entry);
    scene.push(TargetKindName::Fcm, PushType::Data, json!({}), false);
    scene.phone.wait_messages(1, LIMIT).await.unwrap();
    // The message came with the second session; the frame of the first was never read, and the
    // first was open until the second stood.
    scene.server.noted(1, |note| note["closed"] == true).await;
    let notes = scene.server.noted(2, |_| true).await;
    let closed = notes.iter().position(|note| note["closed"] == true);
    let second = notes.iter().rposition(of_type("connect"));
    assert!(second < closed, "{notes:#?}");
    let events = scene.phone.events();
    let connected = events.iter().filter(|it| matches!(it.event, PhoneEvent::Connected { .. }));
    assert_eq!(connected.count(), 2);
    let dropped = |it: &&Logged| matches!(it.event, PhoneEvent::DuplicateDropped { .. });
    assert_eq!(events.iter().filter(dropped).count(), 0);
}

#[tokio::test]
async fn a_send_goes_again_with_the_same_id_when_the_connection_is_lost() {
    let scene = Scene::launched(Platform::Android).await;
    scene.server.swallow_sends(1);
    let sending = tokio::time::timeout(LIMIT, scene.phone.send("bob", "hello"));
    let accepted = sending.await.unwrap().unwrap();
    let sends = scene.server.noted(2, of_type("send")).await;
    assert_eq!(sends[0], sends[1]);
    assert_eq!(sends[0]["id"].as_str(), Some(accepted.client_id.as_str()));
}

#[tokio::test]
async fn a_phone_in_the_foreground_comes_back_after_a_lost_connection() {
    let scene = Scene::launched(Platform::Ios).await;
    let mark = scene.phone.mark();
    scene.server.drop_session();
    let connected = |event: &PhoneEvent| matches!(event, PhoneEvent::Connected { .. });
    scene.phone.wait_since(mark, connected, LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_voip_push_shows_the_call_before_the_app_connects_and_is_answered() {
    let scene = Scene::launched(Platform::Ios).await;
    scene.phone.behave(|behaviour| behaviour.answers_calls = Some(Duration::ZERO));
    scene.phone.force_quit().await;
    let mark = scene.phone.mark();
    scene.push(TargetKindName::ApnsVoip, PushType::Voip, json!({}), true);
    scene.server.noted(1, of_type("call.ringing")).await;
    scene.server.noted(1, of_type("call.answer")).await;
    let events = scene.phone.events().split_off(mark);
    let place = |wanted: fn(&PhoneEvent) -> bool| events.iter().position(|it| wanted(&it.event));
    let screen = place(
        |event| matches!(event, PhoneEvent::CallScreen { caller_name, via: Via::Push, .. } if caller_name == "Bob"),
    );
    let connected = place(|event| matches!(event, PhoneEvent::Connected { .. }));
    assert!(screen.is_some() && screen < connected, "{events:?}");
    scene.server.tell(json!({"type": "call.answered", "call": "call-1", "by": "alice"}));
    scene.server.tell(json!({"type": "call.ended", "call": "call-1", "reason": "hung_up"}));
    scene.wait(|event| matches!(event, PhoneEvent::CallEnded { .. })).await;
    scene.phone.wait_life(Life::Suspended, LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_phone_that_does_not_ack_tells_no_newer_position_either() {
    let scene = Scene::launched(Platform::Android).await;
    scene.phone.behave(|behaviour| behaviour.ack = false);
    let entry = scene.server.store("msg_1", "hello");
    scene.server.tell(entry);
    scene.phone.wait_messages(1, LIMIT).await.unwrap();
    scene.server.drop_session();
    let connects = scene.server.noted(2, of_type("connect")).await;
    assert_eq!(connects[1]["position"]["offset"], 0);
}

#[tokio::test]
async fn what_its_user_has_quit_does_not_come_back_by_being_suspended() {
    let scene = Scene::launched(Platform::Ios).await;
    scene.phone.force_quit().await;
    scene.phone.suspend().await;
    scene.phone.kill_app().await;
    assert_eq!(scene.phone.life(), Life::ForceQuit);
    scene.phone.launch().await.unwrap();
    assert_eq!(scene.phone.life(), Life::Foreground);
}
