//! FCM in trouble: what is scripted for it, and its stream limit.

use std::time::Duration;

use futures_util::future::join_all;
use http::{StatusCode, header::RETRY_AFTER};
use sim::trouble::{GoAway, Scripted};

use crate::{
    client::rs256,
    fcm::{PROJECT, World, error_code},
    fcm_oauth::{assertion, exchange},
};

/// The only path of sends.
const SEND: &str = "/v1/projects/demo-project/messages:send";

#[tokio::test]
async fn a_front_end_answers_a_page_or_nothing_at_all() {
    let world = World::new().await;
    let sender = world.sender().await;
    let good = world.message(|_| {});
    world.sim.trouble().answer_next(1, &Scripted::front_end_502());
    world.sim.trouble().answer_next(1, &Scripted::status(StatusCode::GATEWAY_TIMEOUT));
    let page = sender.send(&good).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(page.body.starts_with(b"<!DOCTYPE html>"));
    let nothing = sender.send(&good).await;
    assert_eq!((nothing.status.as_u16(), nothing.body.as_ref()), (504, b"".as_slice()));
    assert_eq!(sender.send(&good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_storm_of_429_says_when_to_come_back() {
    let world = World::new().await;
    let sender = world.sender().await;
    let good = world.message(|_| {});
    let busy = StatusCode::TOO_MANY_REQUESTS;
    let storm = Scripted::fcm(busy, "RESOURCE_EXHAUSTED", Some("QUOTA_EXCEEDED"))
        .header(RETRY_AFTER, 30.into());
    world.sim.trouble().on(SEND).answer_for(Duration::from_secs(30), &storm);
    for _ in 0..3 {
        let answer = sender.send(&good).await;
        assert_eq!(
            (answer.status, answer.headers["retry-after"].as_bytes()),
            (busy, b"30".as_slice())
        );
        assert_eq!(error_code(&answer).as_deref(), Some("QUOTA_EXCEEDED"));
    }
    assert!(world.sim.seen().iter().all(|seen| seen.path != "/token" || seen.status.is_success()));
    world.devices.clock().advance(Duration::from_secs(30));
    assert_eq!(sender.send(&good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_token_endpoint_has_trouble_of_its_own() {
    let world = World::new().await;
    let sender = world.sender().await;
    let away = Scripted::status(StatusCode::SERVICE_UNAVAILABLE);
    world.sim.trouble().on("/token").answer_next(1, &away);
    assert_eq!(sender.send(&world.message(|_| {})).await.status, StatusCode::OK);
    let (header, claims) = assertion(&world);
    let jwt = rs256(&world.account, &header, &claims);
    assert_eq!(exchange(&sender.client, &jwt).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(exchange(&sender.client, &jwt).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_goaway_ends_the_connection_and_not_the_service() {
    let world = World::new().await;
    let sender = world.sender().await;
    let good = world.message(|_| {});
    world.sim.trouble().go_away_after(2, &GoAway::plain());
    let headers = [("authorization", sender.authorization()), ("content-type", "application/json")];
    let body = good.to_string();
    let sending = || sender.client.request("POST", SEND, &headers, body.as_bytes());
    let answers = join_all((0..5).map(|_| sending())).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2);
    for error in answers.into_iter().filter_map(Result::err) {
        assert!(error.is_go_away() && error.is_remote(), "{error:?}");
    }
    assert_eq!(world.sender().await.post(PROJECT, &good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_connection_has_a_hundred_streams() {
    let world = World::new().await;
    let sender = world.sender().await;
    assert_eq!(sender.client.send.current_max_send_streams(), 100);
    world.sim.trouble().limit_streams(3);
    sender.send(&world.message(|_| {})).await;
    assert_eq!(sender.client.send.current_max_send_streams(), 3);
}
