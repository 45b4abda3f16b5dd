//! FCM: what goes out. Every form of message passes the simulator's checks, which know nothing of
//! ours.

use std::time::Duration;

use domain::{Outcome, Time, TokenVerdict};
use providers::fcm::{self, Content, Target};
use providers::{Fcm, PushToken};
use serde_json::{Value, json};
use sim::device::{FcmPlatform, Priority, PushType};

use crate::rig::{FcmRig, PROJECT, check_all_accepted, check_refused, refusal, soon};

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Sends a content to a target.
async fn send(rig: &FcmRig, client: &Fcm, target: Target, content: &Content) -> Outcome {
    let message = fcm::Message { target, content: content.clone() };
    rig.send(client, &message).await.outcome
}

/// Headers and payload for an Apple device.
fn apple(headers: &[(&str, &str)], payload: Value) -> Option<fcm::Apns> {
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let payload = payload.as_object().cloned();
    Some(fcm::Apns { headers: headers.collect(), payload, ..fcm::Apns::default() })
}

#[tokio::test]
async fn every_field_passes_googles_checks() {
    let rig = FcmRig::start().await;
    let package = "com.example.app";
    let token = rig.devices.register_fcm_app(PROJECT, package, FcmPlatform::Android);
    let mut arrived = rig.devices.deliveries(&token);
    let label = |text: &str| fcm::FcmOptions { analytics_label: some(text) };
    let texts = |text: &str| [("k".to_owned(), text.to_owned())].into();
    let content = Content {
        data: texts("all"),
        notification: Some(fcm::Notification {
            title: some("title"),
            body: some("body"),
            image: some("https://example.com/a.png"),
        }),
        android: fcm::Android {
            priority: fcm::Priority::High,
            ttl: Some(Duration::from_millis(30_500)),
            collapse_key: some("collapse"),
            restricted_package_name: some(package),
            data: texts("android"),
            direct_boot_ok: true,
            bandwidth_constrained_ok: true,
            restricted_satellite_ok: true,
            fcm_options: label("android"),
            notification: Some(android_notification()),
        },
        apns: apple(
            &[("apns-priority", "10"), ("apns-push-type", "alert"), ("apns-collapse-id", "c")],
            json!({ "aps": { "alert": "x" }, "own": { "v": 1 } }),
        ),
        webpush: Some(fcm::Webpush {
            headers: [("TTL".to_owned(), "60".to_owned())].into(),
            data: texts("web"),
            notification: json!({ "title": "t" }).as_object().cloned(),
            fcm_options: fcm::WebpushOptions {
                link: some("https://example.com/"),
                analytics_label: some("web"),
            },
        }),
        fcm_options: label("all"),
        validate_only: false,
    };
    let target = Target::Token(PushToken::new(token));
    let outcome = send(&rig, &rig.client(), target, &content).await;
    assert!(outcome.is_accepted(), "{outcome:?}");
    let delivery = soon(arrived.recv()).await.expect("delivered");
    assert_eq!((delivery.push_type, delivery.priority), (PushType::Notification, Priority::High));
    assert_eq!(delivery.collapse_id.as_deref(), Some("collapse"));
    assert_eq!(delivery.payload["android"]["notification"]["event_time"], "1970-01-01T00:00:00Z");
}

/// What an Android phone shows, with every field.
fn android_notification() -> fcm::AndroidNotification {
    fcm::AndroidNotification {
        title: some("title"),
        body: some("body"),
        icon: some("bell"),
        color: some("#1a73e8"),
        sound: some("default"),
        tag: some("tag"),
        click_action: some("OPEN"),
        body_loc_key: some("body"),
        body_loc_args: vec!["x".to_owned()],
        title_loc_key: some("title"),
        title_loc_args: vec!["y".to_owned()],
        channel_id: some("calls"),
        ticker: some("ticker"),
        sticky: true,
        event_time: Some(Time::EPOCH),
        local_only: true,
        notification_priority: Some(fcm::NotificationPriority::Low),
        default_sound: true,
        default_vibrate_timings: true,
        default_light_settings: true,
        vibrate_timings: vec![Duration::ZERO, Duration::from_millis(1_500)],
        visibility: Some(fcm::Visibility::Private),
        notification_count: Some(1),
        light_settings: Some(fcm::LightSettings {
            color: fcm::Color { red: 1.0, green: 0.5, blue: 0.0, alpha: 1.0 },
            light_on_duration: Duration::from_secs(1),
            light_off_duration: Duration::from_nanos(1),
        }),
        image: some("https://example.com/b.png"),
        proxy: Some(fcm::Proxy::Deny),
    }
}

#[tokio::test]
async fn an_iphone_is_woken_and_alerted_through_fcm() {
    let rig = FcmRig::start().await;
    let client = rig.client();
    let token = rig.devices.register_fcm_app(PROJECT, "com.example.app", FcmPlatform::Ios);
    let mut arrived = rig.devices.deliveries(&token);
    let mut check = async |apns, push_type, priority| {
        let content = Content { apns, ..Content::default() };
        let target = Target::Token(PushToken::new(&*token));
        let outcome = send(&rig, &client, target, &content).await;
        assert!(outcome.is_accepted(), "{outcome:?}");
        let delivery = soon(arrived.recv()).await.expect("delivered");
        assert_eq!((delivery.push_type, delivery.priority), (push_type, priority));
        delivery
    };
    let background = apple(
        &[("apns-priority", "5"), ("apns-push-type", "background"), ("apns-expiration", "0")],
        json!({ "aps": { "content-available": 1 } }),
    );
    check(background, PushType::Background, Priority::Normal).await;
    let alert = apple(
        &[("apns-priority", "10"), ("apns-push-type", "alert"), ("apns-collapse-id", "thread")],
        json!({ "aps": { "alert": { "title": "t" }, "mutable-content": 1 } }),
    );
    let delivery = check(alert, PushType::Alert, Priority::High).await;
    assert_eq!(delivery.collapse_id.as_deref(), Some("thread"));
}

#[tokio::test]
async fn topics_and_conditions_are_taken() {
    let rig = FcmRig::start().await;
    let client = rig.client();
    let content = rig.message().content;
    for target in [
        Target::Topic("news-_.~%9".to_owned()),
        Target::Condition("'news' in topics && ('a' in topics || !('b' in topics))".to_owned()),
    ] {
        let outcome = send(&rig, &client, target, &content).await;
        assert!(outcome.is_accepted(), "{outcome:?}");
    }
    let sent = rig.token_requests_and_sends();
    let wrong = Target::Topic("/topics/news".to_owned());
    let exchange = rig.send(&client, &fcm::Message { target: wrong, content }).await;
    check_refused(&exchange, 913, "topic: begins with /topics/");
    assert_eq!(rig.token_requests_and_sends(), sent, "nothing was sent");
}

#[tokio::test]
async fn installations_and_subscribers_are_reached() {
    let rig = FcmRig::start().await;
    let client = rig.client();
    let content = rig.message().content;
    let mut arrived = rig.devices.deliveries(&rig.token);
    let fid = rig.devices.installation(&rig.token).expect("every app has one");
    rig.devices.subscribe(&rig.token, "news");
    for (target, reaches) in [
        (Target::Fid(PushToken::new(&*fid)), true),
        (Target::Topic("news".to_owned()), true),
        (Target::Topic("sport".to_owned()), false),
        (Target::Condition("'news' in topics && !('sport' in topics)".to_owned()), true),
    ] {
        let outcome = send(&rig, &client, target.clone(), &content).await;
        assert!(outcome.is_accepted(), "{outcome:?}");
        assert_eq!(arrived.try_recv().is_ok(), reaches, "{target:?}");
    }
    rig.devices.unregister(&rig.token);
    let gone = Target::Fid(PushToken::new(&*fid));
    let exchange = rig.send(&client, &fcm::Message { target: gone, content }).await;
    check_refused(&exchange, 911, "UNREGISTERED");
}

#[tokio::test]
async fn what_is_only_to_be_checked_reaches_nobody() {
    let rig = FcmRig::start().await;
    let client = rig.client();
    let mut arrived = rig.devices.deliveries(&rig.token);
    let mut message = rig.message();
    message.content.validate_only = true;
    let Outcome::Accepted { provider_id: Some(name) } = rig.send(&client, &message).await.outcome
    else {
        panic!("a good message")
    };
    assert!(name.ends_with("fake_message_id"), "{name}");
    message.content.validate_only = false;
    check_all_accepted(&[rig.send(&client, &message).await]);
    soon(arrived.recv()).await.expect("the second one");
    assert!(arrived.try_recv().is_err(), "the first one did not arrive");
}

#[tokio::test]
async fn a_template_goes_to_many_and_each_has_its_own_answer() {
    let rig = FcmRig::start().await;
    let client = rig.client();
    let template = fcm::Template::new(&rig.message().content).unwrap();
    let send = async |token: &str| {
        let target = Target::Token(PushToken::new(token));
        client.send_template(&template, &target, rig.now(), || true).await
    };
    for _ in 0..3 {
        let token = rig.devices.register_fcm(PROJECT);
        let mut arrived = rig.devices.deliveries(&token);
        let exchange = send(&token).await;
        check_all_accepted(std::slice::from_ref(&exchange));
        let delivery = soon(arrived.recv()).await.expect("delivered");
        assert_eq!(delivery.payload["data"]["reveille_v"], "1");
        let body = String::from_utf8_lossy(&exchange.request.body);
        let hash = PushToken::new(&*token).hash().to_string();
        assert!(body.contains(&hash) && !body.contains(&token), "{body}");
    }
    let dead = rig.devices.register_fcm(PROJECT);
    rig.devices.unregister(&dead);
    let exchange = send(&dead).await;
    check_refused(&exchange, 911, "UNREGISTERED");
    assert_eq!(refusal(&exchange).token, TokenVerdict::Drop { invalid_since: None });
    check_refused(&send("").await, 911, "token: empty");
}
