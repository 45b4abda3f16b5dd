//! FCM: what comes back, and what becomes of a message on its way.

use std::time::Duration;

use domain::{Outcome, RetryRule, TokenVerdict};
use futures_util::future::join_all;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use providers::{Fcm, PushToken, fcm};
use sim::device::FcmPlatform;
use sim::device::Rate;
use sim::fcm::DetailsOrder;
use sim::trouble::{GoAway, Scripted};

use crate::rig::{FcmRig, PATIENCE, PROJECT, check_all_accepted, check_refused, refusal, soon};

#[tokio::test]
async fn an_accepted_message_arrives_and_leaves_a_record_without_secrets() {
    let rig = FcmRig::start().await;
    let mut arrived = rig.devices.deliveries(&rig.token);
    let message = rig.message();

    let exchange = rig.send(&rig.client(), &message).await;

    let delivery = soon(arrived.recv()).await.expect("delivered");
    assert_eq!(exchange.outcome, Outcome::Accepted { provider_id: Some(delivery.id) });
    assert_eq!(delivery.payload["data"]["reveille_v"], "1");

    let record = serde_json::to_value(&exchange.request).unwrap();
    assert_eq!(record["path"], format!("/v1/projects/{PROJECT}/messages:send"));
    let body = record["body"].as_str().expect("a text");
    assert!(body.contains(&PushToken::new(&*rig.token).hash().to_string()), "{body}");
    let text = format!("{record} {exchange:?}");
    assert!(!text.contains(&rig.token) && !text.contains("ya29"), "{text}");
}

#[tokio::test]
async fn googles_words_about_a_token_are_told_apart() {
    for details in [DetailsOrder::FcmErrorFirst, DetailsOrder::FcmErrorLast] {
        let rig = FcmRig::start_with(|options| options.details = details).await;
        let client = rig.client();
        let send = async |token: &str| rig.send(&client, &rig.message_to(token)).await;

        let dead = rig.devices.register_fcm(PROJECT);
        rig.devices.unregister(&dead);
        let exchange = send(&dead).await;
        check_refused(&exchange, 911, "UNREGISTERED");
        assert_eq!(refusal(&exchange).token, TokenVerdict::Drop { invalid_since: None });

        let exchange = send(&rig.devices.register_fcm("elsewhere")).await;
        check_refused(&exchange, 912, "SENDER_ID_MISMATCH");

        let exchange = send("nonsense").await;
        check_refused(&exchange, 911, "INVALID_ARGUMENT");
        assert_eq!(refusal(&exchange).token, TokenVerdict::Suspect);

        let without_key = FcmPlatform::IosWithoutKey;
        let exchange = send(&rig.devices.register_fcm_app(PROJECT, "com.x", without_key)).await;
        check_refused(&exchange, 904, "THIRD_PARTY_AUTH_ERROR");
        assert_eq!(rig.token_requests_and_sends().0, 1, "our own token was not doubted");
    }
}

#[tokio::test]
async fn a_token_of_another_project_is_explained_by_what_the_app_was_built_with() {
    let rig = FcmRig::start().await;
    let services = format!(
        r#"{{"project_info":{{"project_id":"{PROJECT}","project_number":"123456789012"}},
            "client":[{{"client_info":{{"android_client_info":{{"package_name":"com.x"}}}}}}]}}"#
    );
    let services = fcm::GoogleServices::parse(services.as_bytes()).expect("a good file");
    let json = rig.account.json(&rig.sim.token_url());
    let account = fcm::ServiceAccount::parse(json.as_bytes()).expect("a good key");
    let account = account.with_services(services).expect("of one project");
    let client = Fcm::new(&rig.config, account).expect("a client");
    let token = rig.devices.register_fcm("elsewhere");
    let exchange = rig.send(&client, &rig.message_to(&token)).await;
    check_refused(&exchange, 912, "SENDER_ID_MISMATCH");
    let remedy = &refusal(&exchange).remedy;
    assert!(remedy.contains("sender id 123456789012, for com.x"), "{remedy}");
}

#[tokio::test]
async fn googles_pauses_are_passed_on() {
    let rig = FcmRig::start_with(|options| {
        options.device_quota_per_minute = 1;
        options.retry_after = Some(42);
    })
    .await;
    let client = rig.client();
    check_all_accepted(&[rig.send(&client, &rig.message()).await]);
    let exchange = rig.send(&client, &rig.message()).await;
    check_refused(&exchange, 902, "QUOTA_EXCEEDED");
    assert_eq!(refusal(&exchange).retry, RetryRule::After(Duration::from_secs(42)));

    rig.sim.trouble().answer_next(1, &Scripted::front_end_502());
    let exchange = rig.send(&client, &rig.message()).await;
    check_refused(&exchange, 902, "HTTP 502");
    let first = rig.config.pauses.fcm_unavailable;
    assert_eq!(refusal(&exchange).retry, RetryRule::BackOff { first });

    let later = Scripted::status(StatusCode::SERVICE_UNAVAILABLE)
        .header(RETRY_AFTER, HeaderValue::from_static("Fri, 31 Dec 1999 23:59:59 GMT"));
    rig.sim.trouble().answer_next(1, &later);
    let exchange = rig.send(&client, &rig.message()).await;
    assert_eq!(refusal(&exchange).retry, RetryRule::BackOff { first }, "a date in the past");
}

#[tokio::test]
async fn a_storm_and_a_quota_are_passed_on_and_nothing_sent_again() {
    let rig = FcmRig::start().await;
    let client = rig.client();
    let message = rig.message();
    check_all_accepted(&[rig.send(&client, &message).await]);
    let burst = async || join_all((0..5).map(|_| rig.send(&client, &message))).await;
    let (minute, before) = (Duration::from_secs(60), rig.sim.counts());
    let busy = StatusCode::TOO_MANY_REQUESTS;
    let busy = Scripted::fcm(busy, "RESOURCE_EXHAUSTED", Some("QUOTA_EXCEEDED"))
        .header(RETRY_AFTER, HeaderValue::from_static("30"));
    rig.sim.trouble().answer_for(minute, &busy);
    for exchange in burst().await {
        check_refused(&exchange, 902, "QUOTA_EXCEEDED");
        assert_eq!(refusal(&exchange).retry, RetryRule::After(Duration::from_secs(30)));
    }
    assert_eq!(rig.sim.counts().requests, before.requests + 5, "each asked for once");
    rig.devices.clock().advance(minute);
    rig.sim.trouble().limit_rate(Rate { pushes: 3, within: minute }, &busy);
    let accepted = burst().await.iter().filter(|one| one.outcome.is_accepted()).count();
    assert_eq!(accepted, 3);
    assert_eq!(rig.sim.counts().requests, before.requests + 10);
    rig.devices.clock().advance(minute);
    check_all_accepted(&[rig.send(&client, &message).await]);
}

#[tokio::test]
async fn what_breaks_a_rule_is_not_sent() {
    let rig = FcmRig::start().await;
    let mut message = rig.message();
    message.content.data.insert("from".to_owned(), String::new());
    let exchange = rig.send(&rig.client(), &message).await;
    check_refused(&exchange, 913, "data.from: a key that Google reserves");
    assert_eq!(rig.sim.counts().connections, 0);
}

#[tokio::test]
async fn a_goaway_in_a_burst_loses_and_doubles_nothing() {
    let rig = FcmRig::start_with(|options| options.device_quota_per_minute = 10_000).await;
    let client = rig.client();
    check_all_accepted(&[rig.send(&client, &rig.message()).await]);
    rig.sim.trouble().go_away_after(20, &GoAway::plain());
    let message = rig.message();
    check_all_accepted(&join_all((0..150).map(|_| rig.send(&client, &message))).await);
    assert_eq!(rig.sim.counts().accepted, 152, "one of them the access token");
}

#[tokio::test]
async fn what_is_no_longer_wanted_when_its_turn_comes_is_not_sent() {
    let rig = FcmRig::start_with(|options| options.streams = 1).await;
    let mut config = rig.config.clone();
    config.connections_per_credential = 1;
    let file = rig.account.json("https://oauth2.googleapis.com/token");
    let account = fcm::ServiceAccount::parse(file.as_bytes()).unwrap();
    let client = Fcm::new(&config, account).unwrap();
    check_all_accepted(&[rig.send(&client, &rig.message()).await]);
    let sends = rig.token_requests_and_sends().1;
    rig.sim.trouble().hold();
    let rings = std::sync::atomic::AtomicBool::new(true);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    let message = rig.message();
    let (first, call, ()) = tokio::join!(
        biased;
        rig.send(&client, &message),
        client.send(&message, rig.now(), || rings.load(relaxed)),
        async {
            rig.sim.trouble().wait_held(1, PATIENCE).await.unwrap();
            rings.store(false, relaxed);
            rig.sim.trouble().release();
        }
    );
    check_all_accepted(&[first]);
    assert_eq!(call.outcome, Outcome::Withdrawn);
    assert_eq!(rig.token_requests_and_sends().1, sends + 1);
}

#[tokio::test]
async fn closing_refuses_new_messages() {
    let rig = FcmRig::start().await;
    let client = rig.client();
    check_all_accepted(&[rig.send(&client, &rig.message()).await]);
    soon(client.close()).await;
    check_refused(&rig.send(&client, &rig.message()).await, 902, "ClientClosed");
}
