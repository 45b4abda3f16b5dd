//! APNs with a key: what goes out, what comes back.

use std::sync::atomic::{AtomicBool, Ordering};

use domain::{Outcome, RetryRule, TokenVerdict};
use http::StatusCode;
use providers::PushToken;
use providers::apns::{Credential, Expiration, KeyDetails, Priority, Push, PushType, Topic};
use sim::apns::KnownKey;
use sim::device::{self, ApnsTokenKind};
use sim::pki::ApnsKey;
use sim::trouble::Scripted;

use crate::rig::{APP, ApnsRig, PATIENCE, check_all_accepted, check_refused, refusal, soon};

#[tokio::test]
async fn an_accepted_push_arrives_and_leaves_a_record_without_secrets() {
    let rig = ApnsRig::start().await;
    let mut arrived = rig.devices.deliveries(&rig.token);
    let client = rig.client();
    let push = Push { collapse_id: Some("c".to_owned()), ..rig.push() };

    let exchange = client.send(&push, rig.now(), || true).await;

    let id = push.id.to_string();
    assert_eq!(exchange.outcome, Outcome::Accepted { provider_id: Some(id.clone()) });
    let delivery = soon(arrived.recv()).await.expect("delivered");
    assert_eq!((delivery.id, delivery.collapse_id.as_deref()), (id.clone(), Some("c")));

    let record = serde_json::to_value(&exchange.request).unwrap();
    let hash = push.device_token.hash().to_string();
    assert_eq!(record["path"], format!("/3/device/{hash}"));
    assert_eq!(record["host"], rig.sim.addr().to_string());
    assert_eq!(record["headers"]["apns-id"], id);
    let text = format!("{record} {exchange:?}");
    assert!(!text.contains(&rig.token) && !text.contains("bearer"), "{text}");
    let answer = serde_json::to_value(exchange.answer.expect("an answer")).unwrap();
    assert_eq!(answer["status"], 200);
}

#[tokio::test]
async fn alerts_and_calls_pass_apples_checks() {
    let rig = ApnsRig::start().await;
    let client = rig.client();
    let voip = rig.devices.register_apns(APP, device::Environment::Production, ApnsTokenKind::Voip);
    let alert = Push {
        push_type: PushType::Alert,
        priority: Priority::Immediate,
        payload: br#"{"aps":{"alert":"x","mutable-content":1}}"#.as_slice().into(),
        ..rig.push()
    };
    let call = Push {
        device_token: PushToken::new(voip),
        topic: Topic::for_push(APP, PushType::Voip).unwrap(),
        push_type: PushType::Voip,
        priority: Priority::Immediate,
        expiration: Expiration::Once,
        payload: br#"{"reveille":{"kind":"call"}}"#.as_slice().into(),
        ..rig.push()
    };
    for push in [alert, call] {
        let exchange = client.send(&push, rig.now(), || true).await;
        check_all_accepted(&[exchange]);
    }
}

#[tokio::test]
async fn a_dead_token_is_dropped_since_its_time() {
    let rig = ApnsRig::start().await;
    let before = rig.now();
    rig.devices.unregister(&rig.token);
    let exchange = rig.send(&rig.client()).await;
    check_refused(&exchange, 911, "Unregistered");
    let TokenVerdict::Drop { invalid_since: Some(since) } = refusal(&exchange).token else {
        panic!("{:?}", exchange.outcome);
    };
    // Apple's timestamp is in milliseconds.
    assert!(since.as_millis() >= before.as_millis() && since <= rig.now(), "{since:?}");

    let other = rig.devices.register_apns(
        "com.example.other",
        device::Environment::Production,
        ApnsTokenKind::App,
    );
    let push = Push { device_token: PushToken::new(other), ..rig.push() };
    let exchange = rig.client().send(&push, rig.now(), || true).await;
    check_refused(&exchange, 912, "DeviceTokenNotForTopic");
    assert_eq!(refusal(&exchange).token, TokenVerdict::Suspect);

    let push = Push { device_token: PushToken::new("ab".repeat(32)), ..rig.push() };
    let exchange = rig.client().send(&push, rig.now(), || true).await;
    check_refused(&exchange, 911, "BadDeviceToken");
    assert_eq!(refusal(&exchange).token, TokenVerdict::Elsewhere);
}

#[tokio::test]
async fn a_key_apple_does_not_know_is_refused() {
    let rig = ApnsRig::start().await;
    let key = ApnsKey::generate().unwrap();
    let ApnsKey { key_id, team_id, .. } = &key;
    let details = KeyDetails { key_id, team_id, ..KeyDetails::default() };
    let credential = Credential::parse_p8(key.pem().as_bytes(), &details).unwrap();
    let exchange = rig.send(&rig.client_of(credential)).await;
    check_refused(&exchange, 904, "InvalidProviderToken");
    assert_eq!(refusal(&exchange).retry, RetryRule::WhenChanged);
}

#[tokio::test]
async fn a_topic_the_key_does_not_cover_is_refused_by_apple_or_by_us() {
    let rig = ApnsRig::start().await;
    let elsewhere =
        Push { topic: Topic::for_push("com.example.x", PushType::Alert).unwrap(), ..rig.push() };
    let exchange = rig.client().send(&elsewhere, rig.now(), || true).await;
    check_refused(&exchange, 912, "TopicDisallowed");

    let requests = rig.sim.counts().requests;
    let ApnsKey { key_id, team_id, .. } = &rig.key;
    let bundle_ids = &[APP.to_owned()];
    let details = KeyDetails { key_id, team_id, bundle_ids, ..KeyDetails::default() };
    let credential = Credential::parse_p8(rig.key.pem().as_bytes(), &details).unwrap();
    let client = rig.client_of(credential);
    let exchange = client.send(&elsewhere, rig.now(), || true).await;
    check_refused(&exchange, 912, "topic: \"com.example.x\" is not covered");
    assert_eq!(refusal(&exchange).status, None);
    assert_eq!(rig.sim.counts().requests, requests, "nothing was sent");
}

#[tokio::test]
async fn what_breaks_a_rule_is_not_sent() {
    let rig = ApnsRig::start().await;
    let push = Push { priority: Priority::Immediate, ..rig.push() };
    let exchange = rig.client().send(&push, rig.now(), || true).await;
    check_refused(&exchange, 913, "priority: 10");
    assert_eq!(refusal(&exchange).retry, RetryRule::Bare);
    assert_eq!(rig.sim.counts().connections, 0);
}

#[tokio::test]
async fn a_connection_starts_with_one_stream_and_grows() {
    let rig = ApnsRig::start().await;
    let client = rig.client();
    rig.sim.trouble().hold();
    let burst = rig.send_many(&client, 20);
    let watch = async {
        rig.sim.trouble().wait_held(1, PATIENCE).await.unwrap();
        // The other 19 are queued here: the service has seen one and refused none.
        assert_eq!(rig.sim.counts().requests, 1);
        rig.sim.trouble().release();
    };
    let (burst, ()) = tokio::join!(burst, watch);
    check_all_accepted(&burst);
    let counts = rig.sim.counts();
    assert_eq!((counts.connections, counts.refused_streams), (1, 0));

    rig.sim.trouble().hold();
    let watch = async {
        rig.sim.trouble().wait_held(20, PATIENCE).await.unwrap();
        rig.sim.trouble().release();
    };
    let (burst, ()) = tokio::join!(rig.send_many(&client, 20), watch);
    check_all_accepted(&burst);
    assert_eq!(rig.sim.counts().connections, 1);
}

#[tokio::test]
async fn a_full_connection_gets_a_second_one_beside_it() {
    let rig = ApnsRig::start_with(|options| options.token_streams = 2).await;
    let client = rig.client();
    check_all_accepted(&rig.send_many(&client, 4).await);
    let before = rig.sim.counts().connections;
    rig.sim.trouble().hold();
    let watch = async {
        // Two on each of the connections there are, one on a new one.
        let held = usize::try_from(before).unwrap() * 2 + 1;
        rig.sim.trouble().wait_held(held, PATIENCE).await.unwrap();
        assert_eq!(rig.sim.counts().connections, before + 1);
        rig.sim.trouble().release();
    };
    let (burst, ()) = tokio::join!(rig.send_many(&client, 12), watch);
    check_all_accepted(&burst);
    assert_eq!(rig.sim.counts().refused_streams, 0);
    assert!(rig.sim.counts().connections <= 4);
}

#[tokio::test]
async fn what_is_no_longer_wanted_when_its_turn_comes_is_not_sent() {
    let rig = ApnsRig::start().await;
    let client = rig.client();
    rig.sim.trouble().hold();
    let rings = AtomicBool::new(true);
    let push = rig.push();
    let (first, call, ()) = tokio::join!(
        biased;
        rig.send(&client),
        client.send(&push, rig.now(), || rings.load(Ordering::Relaxed)),
        async {
            // The only stream is taken, so the call waits.
            rig.sim.trouble().wait_held(1, PATIENCE).await.unwrap();
            rings.store(false, Ordering::Relaxed);
            rig.sim.trouble().release();
        }
    );
    check_all_accepted(&[first]);
    assert_eq!(call.outcome, Outcome::Withdrawn);
    assert!(call.answer.is_none());
    // The room it had taken is free again.
    check_all_accepted(&[rig.send(&client).await]);
    assert!(!rig.accepted_ids().contains(&push.id.to_string()));
    assert_eq!(rig.sim.counts().requests, 2);
}

#[tokio::test]
async fn apples_pauses_are_passed_on_and_a_closing_connection_is_left() {
    let rig = ApnsRig::start().await;
    let client = rig.client();
    check_all_accepted(&[rig.send(&client).await]);
    let check = async |times, status, reason: &str, retry| {
        rig.sim.trouble().answer_next(times, &Scripted::apns(status, reason));
        let exchange = rig.send(&client).await;
        check_refused(&exchange, 902, reason);
        assert_eq!(refusal(&exchange).retry, retry);
    };
    let pauses = rig.config.pauses;
    let slowly = RetryRule::After(pauses.apns_unavailable);
    check(1, StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", slowly).await;
    check(1, StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", slowly).await;
    let throttled = RetryRule::BackOff { first: pauses.apns_throttled };
    check(1, StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", throttled).await;
    assert_eq!(rig.sim.counts().connections, 1);
    // A connection that is shutting down is left, once; then the service as a whole is.
    let (shutdown, unavailable) = ("Shutdown", StatusCode::SERVICE_UNAVAILABLE);
    rig.sim.trouble().answer_next(1, &Scripted::apns(unavailable, shutdown));
    check_all_accepted(&[rig.send(&client).await]);
    assert_eq!(rig.sim.counts().connections, 2);
    check(2, unavailable, shutdown, RetryRule::After(pauses.apns_shutdown)).await;
    check_all_accepted(&[rig.send(&client).await]);
    assert_eq!(rig.sim.counts().connections, 4);
}

#[tokio::test]
async fn two_apps_of_a_team_share_a_key() {
    let rig = ApnsRig::start_with(|options| {
        let KnownKey { topics, .. } = &mut options.keys[0];
        *topics = sim::apns::KeyTopics::These(vec![APP.to_owned(), "com.example.other".to_owned()]);
    })
    .await;
    let client = rig.client();
    let other = rig.devices.register_apns(
        "com.example.other",
        device::Environment::Production,
        ApnsTokenKind::App,
    );
    let push = Push {
        device_token: PushToken::new(other),
        topic: Topic::for_push("com.example.other", PushType::Alert).unwrap(),
        ..rig.push()
    };
    check_all_accepted(&[rig.send(&client).await, client.send(&push, rig.now(), || true).await]);
}
