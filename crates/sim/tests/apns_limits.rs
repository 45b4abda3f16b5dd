//! APNs: how many streams a connection may have, told by real SETTINGS frames; and what Apple
//! limits without figures: errors of a connection, pushes to a device, connections.

use std::time::Duration;

use http::{Request, StatusCode};
use sim::{device::Rate, pki::ApnsCertificate, trouble::Churn};

use crate::{
    apns::{ALERT, APP, World, alert_headers, refusal},
    client::{Client, PATIENCE},
};

#[tokio::test]
async fn one_stream_until_the_first_success_then_a_thousand() {
    let world = World::new().await;
    let client = world.connect().await;
    let bad = client.post(&world.path(), &alert_headers("bearer nonsense"), ALERT).await;
    assert_eq!(bad.status, StatusCode::FORBIDDEN);
    assert_eq!(client.send.current_max_send_streams(), 1, "a refusal raises nothing");
    assert_eq!(world.push(&client).await.status, StatusCode::OK);
    assert_eq!(client.send.current_max_send_streams(), 1000);
}

#[tokio::test]
async fn a_refusal_lowers_the_limit_and_a_success_restores_it() {
    let world = World::new().await;
    let identity = world.ca.apns_identity(&ApnsCertificate::universal(APP)).unwrap();
    let client = Client::connect(world.sim.addr(), world.sim.ca_pem(), Some(&identity)).await;
    let dead = world.devices.register_apns(
        APP,
        sim::device::Environment::Production,
        sim::device::ApnsTokenKind::App,
    );
    world.devices.unregister(&dead);
    let dead = format!("/3/device/{dead}");
    let good = world.path();
    for (path, status, limit) in [
        (good.as_str(), 200, 500),
        (&dead, 410, 500),
        ("/3/device/00ff", 400, 1),
        (&dead, 410, 1),
        (&good, 200, 500),
    ] {
        let answer = client.post(path, &[("apns-topic", APP)], ALERT).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(client.send.current_max_send_streams(), limit, "after {status}");
    }
}

#[tokio::test]
async fn streams_above_the_limit_are_refused() {
    let world = World::new().await;
    let tls = crate::client::tls(world.sim.ca_pem(), None, &[b"h2"]);
    let tcp = tokio::net::TcpStream::connect(world.sim.addr()).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(tls).connect(name, tcp).await.unwrap();
    // A client that opens streams before it has read the SETTINGS.
    let (mut send, connection) = h2::client::Builder::new()
        .initial_max_send_streams(3)
        .handshake::<_, bytes::Bytes>(stream)
        .await
        .unwrap();
    let request = || {
        let mut request = Request::post(format!("https://localhost{}", world.path()));
        let authorization = format!("bearer {}", world.jwt(0));
        for (name, value) in alert_headers(&authorization) {
            request = request.header(name, value);
        }
        request.body(()).unwrap()
    };
    let mut answers = Vec::new();
    for _ in 0..3 {
        let (answer, mut body) = send.send_request(request(), false).unwrap();
        body.send_data(ALERT.into(), true).unwrap();
        answers.push(answer);
    }
    let driving = tokio::spawn(connection);
    let mut results = Vec::new();
    for answer in answers {
        results.push(tokio::time::timeout(PATIENCE, answer).await.unwrap());
    }
    assert_eq!(results[0].as_ref().unwrap().status(), StatusCode::OK);
    for refused in &results[1..] {
        let error = refused.as_ref().unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM));
    }
    let counts = world.sim.counts();
    assert_eq!((counts.requests, counts.refused_streams), (1, 2));
    driving.abort();
}

#[tokio::test]
async fn a_service_that_only_counts_keeps_no_requests() {
    let world = World::with(|options| options.recording = sim::Recording::Count).await;
    let client = world.connect().await;
    assert_eq!(world.push(&client).await.status, StatusCode::OK);
    client.post("/3/device/00ff", &[], ALERT).await;
    let counts = world.sim.wait_count(2, PATIENCE).await.unwrap();
    assert_eq!((counts.requests, counts.accepted), (2, 1));
    assert!(world.sim.seen().is_empty());
}

#[tokio::test]
async fn a_service_that_keeps_the_latest_forgets_the_first() {
    let world = World::with(|options| options.recording = sim::Recording::Latest(2)).await;
    let client = world.connect().await;
    for status in [200, 400, 200] {
        let path = if status == 200 { world.path() } else { "/3/device/00ff".to_owned() };
        let authorization = format!("bearer {}", world.jwt(0));
        client.post(&path, &alert_headers(&authorization), ALERT).await;
    }
    let kept: Vec<_> = world.sim.seen().iter().map(|push| push.status.as_u16()).collect();
    assert_eq!(kept, [400, 200]);
    let newest = world.sim.wait_for(|push| push.status == StatusCode::OK, PATIENCE).await.unwrap();
    assert_eq!(newest.stream, 5, "waiting looks at what is kept");
}

#[tokio::test]
async fn too_many_errors_end_the_connection() {
    let world = World::with(|options| options.max_errors = Some(4)).await;
    let client = world.connect().await;
    world.push(&client).await;
    let dead = world.register(sim::device::ApnsTokenKind::App);
    world.devices.unregister(&dead);
    let authorization = format!("bearer {}", world.jwt(0));
    let push = async |token: &str| {
        let path = format!("/3/device/{token}");
        client.post(&path, &alert_headers(&authorization), ALERT).await.status.as_u16()
    };
    for _ in 0..10 {
        assert_eq!(push(&dead).await, 410, "a 410 is no error");
    }
    // A bad device token counts twice, so the third is one too many; it is still answered.
    for _ in 0..3 {
        assert_eq!(push("00ff").await, 400);
    }
    let ended = tokio::time::timeout(PATIENCE, client.connection).await.unwrap().unwrap();
    assert!(ended.is_ok(), "GOAWAY with NO_ERROR: {ended:?}");
    assert_eq!(world.push(&world.connect().await).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_device_is_pushed_to_so_often_and_no_more() {
    let within = Duration::from_secs(30);
    let rate = Rate { pushes: 2, within };
    let world = World::with(|options| options.device_rate = Some(rate)).await;
    let client = world.connect().await;
    for _ in 0..2 {
        assert_eq!(world.push(&client).await.status, StatusCode::OK);
    }
    assert_eq!(refusal(&world.push(&client).await), (429, "TooManyRequests".into()));
    world.devices.clock().advance(within);
    assert_eq!(world.push(&client).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_connects_over_and_over_is_shut_out_for_a_while() {
    let (within, block) = (Duration::from_secs(10), Duration::from_secs(600));
    let rule = Churn { connections: 2, within, block };
    let world = World::with(|options| options.churn = Some(rule)).await;
    let connect = async || Client::try_connect(world.sim.addr(), world.sim.ca_pem(), None).await;
    let early = connect().await.unwrap();
    connect().await.unwrap();
    assert!(connect().await.is_err(), "the third within ten seconds");
    world.devices.clock().advance(within);
    assert!(connect().await.is_err(), "the block is longer than what brought it");
    assert_eq!(world.push(&early).await.status, StatusCode::OK, "open connections live on");
    world.devices.clock().advance(block);
    connect().await.unwrap();
}
