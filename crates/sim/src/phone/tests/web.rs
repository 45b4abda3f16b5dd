//! A page and its service worker.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::device::Reach;

impl Scene {
    /// Delivers a Web Push message of this kind; `more` is beside the `reveille` object.
    fn web_push(&self, kind: &str, more: Value) {
        let call = kind.starts_with("call");
        let call = call.then(|| json!({"id": "call-1", "caller_name": "Bob", "media": "audio"}));
        let mut payload = json!({"reveille": {
            "v": 1, "kind": kind, "wake": "wak_1", "call": call,
            "sent_at": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z",
        }});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.web_deliver(payload);
    }

    fn web_deliver(&self, payload: Value) {
        let kind = TargetKindName::Webpush;
        self.deliver(kind, Service::Webpush, PushType::Web, Priority::High, payload);
    }

    /// Waits for the end of the worker's next run and gives all that happened since `mark`.
    async fn worker_ran(&self, mark: usize) -> Vec<PhoneEvent> {
        let ran = |event: &PhoneEvent| matches!(event, PhoneEvent::WorkerRan { .. });
        self.phone.wait_since(mark, ran, LIMIT).await.unwrap();
        let events = self.phone.events().split_off(mark);
        events.into_iter().map(|logged| logged.event).collect()
    }
}

/// The notifications among events.
fn shown(events: &[PhoneEvent]) -> Vec<(&str, &str)> {
    let shown = events.iter().filter_map(|event| match event {
        PhoneEvent::NotificationShown { title, body, via: Via::Worker } => {
            Some((title.as_str(), body.as_str()))
        }
        _ => None,
    });
    shown.collect()
}

fn is_breach(event: &PhoneEvent) -> bool {
    matches!(event, PhoneEvent::SilentPush { .. })
}

#[tokio::test]
async fn a_page_registers_its_whole_subscription() {
    let scene = Scene::launched(Platform::Web).await;
    let told = &scene.server.noted(1, of_type("push_token")).await[0];
    let subscription: Value = serde_json::from_str(told["token"].as_str().unwrap()).unwrap();
    let endpoint = scene.phone.push_token(TargetKindName::Webpush).unwrap();
    assert_eq!(subscription["endpoint"], endpoint.as_str());
    assert!(endpoint.starts_with(scene.webpush.as_ref().unwrap().origin()));
    assert!(subscription["keys"]["p256dh"].is_string() && subscription["keys"]["auth"].is_string());
    assert_eq!(told["app_id"], URL_SAFE_NO_PAD.encode(PAGE_KEY));
    assert!(told.get("environment").is_none());
    let connect = &scene.server.noted(1, of_type("connect")).await[0];
    assert_eq!(connect["device"]["platform"], "web");
}

#[tokio::test]
async fn a_page_without_permission_has_no_target() {
    let scene = Scene::launched(Platform::Web).await;
    let options = PhoneOptions { browser: None, ..scene.phone.installation.options.clone() };
    let phone = Phone::install(options);
    phone.launch().await.unwrap();
    assert_eq!(phone.push_token(TargetKindName::Webpush), None);
}

#[tokio::test]
async fn a_push_runs_the_worker_whether_the_page_is_open_or_closed() {
    for life in [Life::Foreground, Life::Background, Life::Frozen, Life::NotRunning] {
        let scene = Scene::launched(Platform::Web).await;
        scene.phone.become_(life).await;
        scene.server.store("msg_1", "hello");
        let mark = scene.phone.mark();
        scene.web_push("message", json!({"notification": {"title": "New", "body": "message"}}));
        let events = scene.worker_ran(mark).await;
        assert_eq!(shown(&events), [("bob", "hello")], "{life:?}");
        assert!(!events.iter().any(is_breach));
        assert!(matches!(events.last(), Some(PhoneEvent::WorkerRan { drained: 1, trouble: None })));
        assert_eq!((scene.held(), scene.phone.life()), (vec!["msg_1".to_owned()], life));
        let requests = scene.server.noted(2, |note| note["request"].is_string()).await;
        let line = "GET /v1/me/inbox?limit=100&epoch=1&after=0 HTTP/1.1";
        assert_eq!(requests[0]["request"], line);
        assert_eq!(requests[1]["request"], "POST /v1/me/ack HTTP/1.1");
        assert_eq!(requests[1]["body"]["position"]["offset"], 1);
        assert_eq!(requests[0]["secret"], true);
        assert_eq!(scene.server.noted(1, of_type("connect")).await.len(), 1, "no new session");
    }
}

#[tokio::test]
async fn something_is_shown_for_every_push_or_it_is_a_breach() {
    let scene = Scene::launched(Platform::Web).await;
    scene.phone.kill_app().await;
    let text = json!({"notification": {"title": "Bob", "body": "hello", "tag": "t"}});
    let check = async |send: &dyn Fn(), expected: &[(&str, &str)]| {
        let mark = scene.phone.mark();
        send();
        let events = scene.worker_ran(mark).await;
        assert_eq!(shown(&events), expected, "{events:?}");
        assert_eq!(events.iter().any(is_breach), expected.is_empty(), "{events:?}");
    };
    check(&|| scene.web_push("message", text.clone()), &[("Bob", "hello")]).await;
    check(&|| scene.web_push("message", json!({})), &[("New message", "")]).await;
    check(&|| scene.web_push("test", json!({"notification": {}})), &[("New message", "")]).await;
    check(&|| scene.web_push("missed", json!({})), &[("Missed call", "")]).await;
    check(&|| scene.web_push("call_ended", text.clone()), &[("Bob", "hello")]).await;
    check(&|| scene.web_push("call_ended", json!({})), &[]).await;
    check(&|| scene.web_deliver(json!({"a": "b"})), &[]).await;
    check(&|| scene.web_deliver(Value::Null), &[]).await;
    check(&|| scene.web_deliver(text.clone()), &[("Bob", "hello")]).await;
}

#[tokio::test]
async fn a_call_is_shown_at_once_and_opens_the_page_when_it_is_taken() {
    let scene = Scene::launched(Platform::Web).await;
    scene.phone.kill_app().await;
    let mark = scene.phone.mark();
    scene.web_push("call", json!({}));
    let rings = |event: &PhoneEvent| matches!(event, PhoneEvent::CallScreen { caller_name, via: Via::Push, .. } if caller_name == "Bob");
    scene.phone.wait_since(mark, rings, LIMIT).await.unwrap();
    let events = scene.worker_ran(mark).await;
    assert!(!events.iter().any(is_breach), "the call is what is shown: {events:?}");
    assert_eq!(scene.phone.life(), Life::NotRunning, "nobody has taken it yet");
    scene.phone.answer("call-1");
    scene.server.noted(1, of_type("call.answer")).await;
    assert_eq!(scene.phone.life(), Life::Foreground);
    assert_eq!(scene.server.noted(2, of_type("connect")).await[1]["state"], "foreground");
}

#[tokio::test]
async fn a_closed_browser_gets_its_pushes_when_it_is_opened_again() {
    let scene = Scene::launched(Platform::Web).await;
    scene.phone.force_quit().await;
    let mark = scene.phone.mark();
    scene.web_push("message", json!({"notification": {"title": "Bob", "body": "hello"}}));
    scene.phone.launch().await.unwrap();
    let events = scene.worker_ran(mark).await;
    let place = |wanted: fn(&PhoneEvent) -> bool| events.iter().position(wanted);
    let opened = place(|event| matches!(event, PhoneEvent::LifeChanged { to: Life::Foreground }));
    let arrived = place(|event| matches!(event, PhoneEvent::PushArrived { .. }));
    assert!(opened.is_some() && opened < arrived, "{events:?}");
}

#[tokio::test]
async fn a_replaced_subscription_is_told_by_the_worker_and_takes_the_pushes() {
    for life in [Life::Foreground, Life::NotRunning] {
        let scene = Scene::launched(Platform::Web).await;
        scene.phone.become_(life).await;
        let old = scene.phone.push_token(TargetKindName::Webpush).unwrap();
        scene.phone.rotate_subscription().await.unwrap();
        let new = scene.phone.push_token(TargetKindName::Webpush).unwrap();
        assert_ne!(old, new);
        assert!(scene.devices.find(&old).unwrap().gone().is_some(), "the old one is dead");
        let put = |note: &Value| note["request"] == "PUT /v1/me/targets/webpush HTTP/1.1";
        let put = &scene.server.noted(1, put).await[0];
        let subscription: Value =
            serde_json::from_str(put["body"]["token"].as_str().unwrap()).unwrap();
        assert_eq!(subscription["endpoint"], new.as_str());
        assert_eq!(put["body"]["app_id"], URL_SAFE_NO_PAD.encode(PAGE_KEY));
        let mark = scene.phone.mark();
        scene.web_push("message", json!({}));
        scene.worker_ran(mark).await;
    }
    let scene = Scene::launched(Platform::Ios).await;
    assert!(scene.phone.rotate_subscription().await.is_err());
}

#[tokio::test]
async fn a_visit_registers_anew_what_has_died() {
    let scene = Scene::launched(Platform::Web).await;
    let old = scene.phone.push_token(TargetKindName::Webpush).unwrap();
    scene.phone.kill_app().await;
    scene.devices.expire(&old);
    scene.phone.launch().await.unwrap();
    let told = scene.server.noted(2, of_type("push_token")).await;
    assert_ne!(told[0]["token"], told[1]["token"]);
    assert_ne!(scene.phone.push_token(TargetKindName::Webpush).unwrap(), old);
}

#[tokio::test]
async fn a_worker_that_cannot_reach_the_server_shows_what_the_push_says() {
    let mut scene = Scene::launched(Platform::Web).await;
    scene.phone.behave(|behaviour| behaviour.background_run = Duration::ZERO);
    scene.phone.kill_app().await;
    // Another server takes the place of this one, whose port is closed then.
    scene.server = FakeServer::start().await;
    let mark = scene.phone.mark();
    scene.web_push("message", json!({"notification": {"title": "Bob", "body": "hello"}}));
    let events = scene.worker_ran(mark).await;
    assert_eq!(shown(&events), [("Bob", "hello")]);
    assert!(matches!(events.last(), Some(PhoneEvent::WorkerRan { trouble: Some(_), .. })));
}

#[tokio::test]
async fn a_sleeping_machine_gets_the_push_when_it_wakes() {
    let scene = Scene::launched(Platform::Web).await;
    let endpoint = scene.phone.push_token(TargetKindName::Webpush).unwrap();
    scene.phone.kill_app().await;
    scene.devices.set_reach(&endpoint, Reach::Offline);
    let mark = scene.phone.mark();
    scene.web_push("message", json!({}));
    scene.devices.set_reach(&endpoint, Reach::Online);
    scene.worker_ran(mark).await;
}
