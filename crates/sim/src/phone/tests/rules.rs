//! The rules of the platforms as a whole phone follows them; the tables are in
//! [`crate::platform`].

use super::*;
use crate::device::Reach;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn background() -> Value {
    json!({"content-available": 1})
}

fn is_held(event: &PhoneEvent) -> bool {
    matches!(event, PhoneEvent::PushHeld { .. })
}

fn is_connected(event: &PhoneEvent) -> bool {
    matches!(event, PhoneEvent::Connected { .. })
}

impl Scene {
    fn push_background(&self) {
        self.push(TargetKindName::Apns, PushType::Background, background(), false);
    }

    fn push_data(&self, priority: Priority) {
        self.push_with(TargetKindName::Fcm, PushType::Data, priority, json!({}), false);
    }
}

#[tokio::test]
async fn a_background_push_over_the_budget_waits_an_hour_or_for_the_user() {
    for opens in [false, true] {
        let scene = Scene::launched(Platform::Ios).await;
        scene.phone.behave(|behaviour| behaviour.background_runs_per_hour = Some(1));
        scene.phone.suspend().await;
        scene.push_background();
        scene.phone.wait_life(Life::Background, LIMIT).await.unwrap();
        scene.phone.wait_life(Life::Suspended, LIMIT).await.unwrap();
        let mark = scene.phone.mark();
        scene.push_background();
        scene.wait_since(mark, is_held).await;
        assert_eq!(scene.phone.life(), Life::Suspended);
        let mark = scene.phone.mark();
        if opens {
            scene.phone.launch().await.unwrap();
        } else {
            scene.devices.clock().advance(HOUR);
            scene.phone.time_passes().await;
            let woken = |event: &PhoneEvent| matches!(event, PhoneEvent::Connected { woken_by: Some(wake), .. } if wake == "wak_1");
            scene.wait_since(mark, woken).await;
        }
    }
}

#[tokio::test]
async fn with_refresh_off_a_background_push_waits_until_it_is_on() {
    let scene = Scene::launched(Platform::Ios).await;
    scene.phone.behave(|behaviour| behaviour.ignores_background = true);
    scene.phone.suspend().await;
    scene.push_background();
    scene.wait(is_held).await;
    let mark = scene.phone.mark();
    scene.phone.behave(|behaviour| behaviour.ignores_background = false);
    scene.phone.time_passes().await;
    scene.wait_since(mark, is_connected).await;
}

#[tokio::test]
async fn a_restart_forgives_the_force_quit() {
    let scene = Scene::launched(Platform::Ios).await;
    scene.phone.force_quit().await;
    scene.push_background();
    scene.wait(|event| matches!(event, PhoneEvent::PushIgnored { .. })).await;
    scene.phone.restart().await;
    assert_eq!(scene.phone.life(), Life::NotRunning);
    let mark = scene.phone.mark();
    scene.push_background();
    scene.wait_since(mark, is_connected).await;
}

#[tokio::test]
async fn an_app_that_reports_no_call_is_killed_and_loses_its_voip_pushes() {
    let scene = Scene::launched(Platform::Ios).await;
    scene.phone.behave(|behaviour| behaviour.reports_calls = false);
    scene.phone.suspend().await;
    for _ in 0..3 {
        let mark = scene.phone.mark();
        scene.push(TargetKindName::ApnsVoip, PushType::Voip, json!({}), true);
        scene.wait_since(mark, |event| matches!(event, PhoneEvent::AppKilled { .. })).await;
        scene.phone.wait_life(Life::NotRunning, LIMIT).await.unwrap();
    }
    scene.wait(|event| matches!(event, PhoneEvent::VoipStopped)).await;
    scene.phone.behave(|behaviour| behaviour.reports_calls = true);
    let mark = scene.phone.mark();
    scene.push(TargetKindName::ApnsVoip, PushType::Voip, json!({}), true);
    scene.wait_since(mark, |event| matches!(event, PhoneEvent::PushIgnored { .. })).await;
    let rang = |event: &PhoneEvent| matches!(event, PhoneEvent::CallScreen { .. });
    assert!(!scene.seen().iter().any(rang));
}

#[tokio::test]
async fn a_voip_push_without_a_call_kills_the_app() {
    let scene = Scene::launched(Platform::Ios).await;
    scene.phone.suspend().await;
    scene.push(TargetKindName::ApnsVoip, PushType::Voip, json!({}), false);
    scene.wait(|event| matches!(event, PhoneEvent::AppKilled { .. })).await;
    scene.phone.wait_life(Life::NotRunning, LIMIT).await.unwrap();
}

#[tokio::test]
async fn an_extension_that_is_not_done_in_time_shows_what_the_push_says() {
    let scene = Scene::launched(Platform::Ios).await;
    scene.phone.behave(|behaviour| behaviour.background_run = Duration::from_millis(100));
    scene.phone.suspend().await;
    scene.server.store("msg_1", "hello");
    scene.server.mute();
    let aps = json!({"alert": {"title": "New message"}, "mutable-content": 1});
    scene.push(TargetKindName::Apns, PushType::Alert, aps, false);
    let original = |event: &PhoneEvent| matches!(event, PhoneEvent::NotificationShown { title, via: Via::Extension, .. } if title == "New message");
    scene.wait(original).await;
    scene
        .wait(|event| matches!(event, PhoneEvent::ExtensionRan { drained: 0, trouble: Some(_) }))
        .await;
    assert_eq!(scene.held(), [""; 0]);
}

#[tokio::test]
async fn where_the_user_allows_no_alerts_no_extension_runs() {
    let scene = Scene::launched(Platform::Ios).await;
    scene.phone.behave(|behaviour| behaviour.alerts_allowed = false);
    scene.phone.suspend().await;
    let aps = json!({"alert": {"title": "New message"}, "mutable-content": 1});
    scene.push(TargetKindName::Apns, PushType::Alert, aps, false);
    scene.wait(|event| matches!(event, PhoneEvent::PushIgnored { .. })).await;
    scene.push_background();
    scene.wait(|event| matches!(event, PhoneEvent::Connected { woken_by: Some(_), .. })).await;
}

#[tokio::test]
async fn an_android_phone_that_lies_unused_for_an_hour_gets_what_is_urgent_alone() {
    let scene = Scene::launched(Platform::Android).await;
    scene.phone.suspend().await;
    scene.phone.screen_off().await;
    scene.devices.clock().advance(HOUR);
    scene.phone.time_passes().await;
    scene.wait(|event| matches!(event, PhoneEvent::ReachChanged { to: Reach::Dozing })).await;
    let mark = scene.phone.mark();
    scene.push_data(Priority::Normal);
    scene.push_data(Priority::High);
    let arrived = |event: &PhoneEvent| matches!(event, PhoneEvent::PushArrived { .. });
    let first = scene.wait_since(mark, arrived).await.event;
    assert!(matches!(first, PhoneEvent::PushArrived { priority: Priority::High, .. }), "{first:?}");
    // The first maintenance window.
    let mark = scene.phone.mark();
    scene.devices.clock().advance(HOUR);
    scene.phone.time_passes().await;
    let second = scene.wait_since(mark, arrived).await.event;
    assert!(matches!(second, PhoneEvent::PushArrived { priority: Priority::Normal, .. }));
}

#[tokio::test]
async fn an_app_that_shows_nothing_is_demoted_and_tells_so_when_it_connects() {
    let scene = Scene::launched(Platform::Android).await;
    scene.phone.behave(|behaviour| behaviour.shows_notifications = false);
    scene.phone.suspend().await;
    for _ in 0..10 {
        scene.push_data(Priority::High);
    }
    scene.wait(|event| matches!(event, PhoneEvent::DemotionChanged { demoted: true })).await;
    scene.phone.doze().await;
    let mark = scene.phone.mark();
    scene.push_data(Priority::High);
    scene.phone.screen_on().await;
    scene.wait_since(mark, is_connected).await;
    let arrived = scene.seen().split_off(mark);
    let place = |wanted: fn(&PhoneEvent) -> bool| arrived.iter().position(wanted);
    let awake = place(|event| matches!(event, PhoneEvent::ReachChanged { to: Reach::Online }));
    let push =
        place(|event| matches!(event, PhoneEvent::PushArrived { priority: Priority::Normal, .. }));
    assert!(awake.is_some() && awake < push, "{arrived:?}");
    let connects = scene.server.noted(3, of_type("connect")).await;
    let told = &connects.last().unwrap()["woken_by"];
    assert_eq!((&told["priority"], &told["original_priority"]), (&json!("normal"), &json!("high")));
}

#[tokio::test]
async fn safari_takes_the_permission_of_a_page_that_shows_nothing() {
    let scene = Scene::launched_in(Platform::Web, Vendor::Apple).await;
    let endpoint = scene.phone.push_token(TargetKindName::Webpush).unwrap();
    scene.phone.behave(|behaviour| behaviour.shows_notifications = false);
    scene.phone.kill_app().await;
    scene.push_web();
    scene.wait(|event| matches!(event, PhoneEvent::PermissionRevoked)).await;
    assert!(scene.devices.find(&endpoint).unwrap().gone().is_some());
    scene.phone.launch().await.unwrap();
    assert_eq!(scene.phone.push_token(TargetKindName::Webpush), None);
}

#[tokio::test]
async fn chrome_shows_a_text_of_its_own() {
    let scene = Scene::launched_in(Platform::Web, Vendor::Google).await;
    scene.phone.behave(|behaviour| behaviour.shows_notifications = false);
    scene.phone.kill_app().await;
    scene.push_web();
    scene.wait(|event| matches!(event, PhoneEvent::SilentPush { .. })).await;
    scene.wait(|event| matches!(event, PhoneEvent::NotificationShown { via: Via::Push, .. })).await;
    assert!(scene.phone.push_token(TargetKindName::Webpush).is_some());
}

impl Scene {
    fn push_web(&self) {
        let payload = json!({"reveille": {
            "v": 1, "kind": "message", "wake": "wak_1",
            "sent_at": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z",
        }});
        let kind = TargetKindName::Webpush;
        self.deliver(kind, Service::Webpush, PushType::Web, Priority::High, payload);
    }
}
