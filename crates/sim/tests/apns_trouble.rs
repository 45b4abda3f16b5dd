//! Scripted trouble, seen from a client.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use sim::{
    Sighting,
    device::Rate,
    trouble::{GoAway, Scripted},
};
use tokio::sync::mpsc;

use crate::{
    apns::{ALERT, World, alert_headers, refusal},
    client::{Answer, Client, PATIENCE},
};

async fn try_push(world: &World, client: &Client) -> Result<Answer, h2::Error> {
    let authorization = format!("bearer {}", world.jwt(0));
    client.request("POST", &world.path(), &alert_headers(&authorization), ALERT).await
}

#[tokio::test]
async fn answers_are_held_until_released() {
    let world = World::new().await;
    let client = world.connect().await;
    world.push(&client).await;
    world.sim.trouble().hold_next(2);
    let pushes = join_all((0..2).map(|_| try_push(&world, &client)));
    let release = async {
        world.sim.trouble().wait_held(2, PATIENCE).await.unwrap();
        assert_eq!(world.sim.counts().requests, 3, "what is held is already seen");
        world.sim.trouble().release();
    };
    let (answers, ()) = tokio::join!(pushes, release);
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status == StatusCode::OK));
    assert_eq!(world.sim.trouble().held(), 0);
    assert_eq!(
        world.push(&client).await.status,
        StatusCode::OK,
        "nothing is held after the release"
    );
}

#[tokio::test]
async fn waiting_for_what_does_not_come_is_an_error() {
    let world = World::new().await;
    let limit = Duration::from_millis(1);
    assert!(world.sim.trouble().wait_held(1, limit).await.is_err());
    assert!(world.sim.wait_count(1, limit).await.is_err());
    assert!(world.sim.wait_for(|_| true, limit).await.is_err());
}

#[tokio::test]
async fn scripted_answers_come_in_order_and_deliver_nothing() {
    let world = World::new().await;
    let client = world.connect().await;
    let mut deliveries = world.devices.deliveries(&world.token);
    let busy = Scripted::apns(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
    let broken = Scripted::apns(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError");
    world.sim.trouble().answer_next(1, &busy);
    world.sim.trouble().answer_next(1, &broken);
    world.sim.trouble().pass(1);
    world.sim.trouble().answer_next(1, &Scripted::front_end_502());
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(world.push(&client).await.status.as_u16());
    }
    assert_eq!(statuses, [503, 500, 200, 502, 200]);
    assert!(deliveries.try_recv().is_ok() && deliveries.try_recv().is_ok());
    assert!(deliveries.try_recv().is_err(), "scripted answers deliver nothing");
}

#[tokio::test]
async fn goaway_in_a_burst_answers_what_was_taken_and_leaves_the_rest() {
    let world = World::new().await;
    let client = world.connect().await;
    world.push(&client).await;
    world.sim.trouble().go_away_after(10, &GoAway::reason("Shutdown"));
    // The ten in flight are held, so that they are answered after the GOAWAY.
    world.sim.trouble().hold_next(10);
    let burst = join_all((0..30).map(|_| try_push(&world, &client)));
    let release = async {
        world.sim.trouble().wait_held(10, PATIENCE).await.unwrap();
        world.sim.trouble().release();
    };
    let (answers, ()) = tokio::join!(burst, release);
    let (done, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), lost.len()), (10, 20));
    for error in lost.into_iter().map(Result::unwrap_err) {
        assert!(error.is_go_away() && error.is_remote(), "{error:?}");
        assert!(format!("{error:?}").contains("Shutdown"), "{error:?}");
    }
    assert_eq!(world.sim.counts().requests, 11, "what is above the last stream is not processed");
    let ended = tokio::time::timeout(PATIENCE, client.connection).await.unwrap().unwrap();
    // A clean end: GOAWAY with NO_ERROR, all streams done, TLS closed.
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(world.push(&world.connect().await).await.status, StatusCode::OK);
}

#[tokio::test]
async fn streams_are_refused_or_reset() {
    let world = World::new().await;
    let client = world.connect().await;
    world.push(&client).await;
    world.sim.trouble().refuse_streams(1);
    world.sim.trouble().reset_next(1, h2::Reason::INTERNAL_ERROR.into());
    for reason in [h2::Reason::REFUSED_STREAM, h2::Reason::INTERNAL_ERROR] {
        let error = try_push(&world, &client).await.unwrap_err();
        assert_eq!((error.reason(), error.is_reset()), (Some(reason), true));
    }
    assert_eq!(world.push(&client).await.status, StatusCode::OK, "the connection lives on");
    assert_eq!(world.sim.counts().requests, 2, "neither was processed");
}

#[tokio::test]
async fn a_connection_dies_before_or_after_the_push_was_processed() {
    let world = World::new().await;
    let mut deliveries = world.devices.deliveries(&world.token);
    world.sim.trouble().close_next(1);
    assert!(try_push(&world, &world.connect().await).await.is_err());
    assert_eq!(world.sim.counts().requests, 0);
    world.sim.trouble().close_after_processing(1);
    assert!(try_push(&world, &world.connect().await).await.is_err());
    assert!(deliveries.recv().await.is_some(), "the push arrived although nobody was told");
    assert_eq!(world.push(&world.connect().await).await.status, StatusCode::OK);
}

#[tokio::test]
async fn handshakes_meet_an_alert_or_a_closed_door() {
    let world = World::new().await;
    let connect = async || Client::try_connect(world.sim.addr(), world.sim.ca_pem(), None).await;
    for (alert, word) in [(45, "CertificateExpired"), (80, "InternalError")] {
        world.sim.trouble().alert_next(1, alert);
        let error = connect().await.err().unwrap();
        assert!(format!("{error:?}").contains(word), "{error:?}");
    }
    world.sim.trouble().close_connections(1);
    assert!(connect().await.is_err());
    assert_eq!(world.push(&world.connect().await).await.status, StatusCode::OK);
    assert_eq!(world.sim.counts().failed_handshakes, 3);
}

#[tokio::test]
async fn a_frozen_service_says_nothing_until_it_thaws() {
    let world = World::new().await;
    let client = world.connect().await;
    world.push(&client).await;
    world.sim.trouble().freeze();
    let push = try_push(&world, &client);
    tokio::pin!(push);
    // Silence has no event to wait for; a slow machine can only make this pass, never fail.
    let silent = tokio::time::timeout(Duration::from_millis(100), &mut push).await;
    assert!(silent.is_err());
    world.sim.trouble().thaw();
    assert_eq!(push.await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn shutting_down_frees_the_port_for_a_new_start() {
    let mut world = World::new().await;
    let client = world.connect().await;
    world.push(&client).await;
    let address = world.sim.addr();
    let mut options = sim::ApnsOptions::new(&world.ca, &world.devices);
    options.keys = vec![sim::apns::KnownKey::new(&world.key, &[crate::apns::APP])];
    options.port = address.port();
    world.sim.shutdown().await;
    assert!(
        tokio::time::timeout(PATIENCE, client.connection).await.is_ok(),
        "the old connection is gone"
    );
    world.sim = sim::ApnsSim::start(options).await.unwrap();
    assert_eq!(world.sim.addr(), address);
    assert_eq!(world.push(&world.connect().await).await.status, StatusCode::OK);
}

/// Why the next `n` requests that were given no answer were given none.
async fn unanswered(
    sightings: &mut mpsc::UnboundedReceiver<Sighting>,
    n: usize,
) -> Vec<&'static str> {
    let mut found = Vec::new();
    while found.len() < n {
        let next = tokio::time::timeout(PATIENCE, sightings.recv()).await;
        if let Sighting::Unanswered(unanswered) = next.unwrap().unwrap() {
            found.push(unanswered.why);
        }
    }
    found
}

#[tokio::test]
async fn a_goaway_names_a_stream_below_some_that_were_taken_in() {
    let world = World::new().await;
    let client = world.connect().await;
    world.push(&client).await;
    let mut sightings = world.sim.watch();
    world.sim.trouble().go_away_over(2, 3, &GoAway::plain());
    let answers = join_all((0..5).map(|_| try_push(&world, &client))).await;
    let (done, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), lost.len()), (2, 3));
    for error in lost.into_iter().map(Result::unwrap_err) {
        assert!(error.is_go_away() && error.is_remote(), "{error:?}");
        assert_eq!(error.reason(), Some(h2::Reason::NO_ERROR));
    }
    assert_eq!(world.sim.counts().requests, 3, "what was taken in was not processed");
    let swallowed = "left unprocessed by script";
    assert_eq!(unanswered(&mut sightings, 3).await, [swallowed, swallowed, "GOAWAY by script"]);
}

#[tokio::test]
async fn half_of_a_connection_closes_and_nothing_is_answered() {
    let world = World::new().await;
    let mut deliveries = world.devices.deliveries(&world.token);
    let client = world.connect().await;
    world.push(&client).await;
    assert!(deliveries.recv().await.is_some());
    let mut sightings = world.sim.watch();
    world.sim.trouble().half_close_next(1);
    // The second is on its way when the first closes the door, and is still read.
    let (first, second) = tokio::join!(try_push(&world, &client), try_push(&world, &client));
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert!(error.is_io(), "neither GOAWAY nor reset: {error:?}");
    }
    let why = unanswered(&mut sightings, 2).await;
    let half = "the connection was half closed by script";
    assert_eq!(why, [half, "the connection was ending"]);
    assert_eq!(world.sim.counts().requests, 1);
    assert!(deliveries.try_recv().is_err());
    assert_eq!(world.push(&world.connect().await).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_storm_answers_all_until_its_time_is_over() {
    let world = World::new().await;
    let client = world.connect().await;
    let storm = Scripted::apns(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests");
    let minute = Duration::from_secs(60);
    world.sim.trouble().answer_for(minute, &storm);
    for _ in 0..3 {
        assert_eq!(refusal(&world.push(&client).await), (429, "TooManyRequests".into()));
    }
    world.devices.clock().advance(minute);
    assert_eq!(world.push(&client).await.status, StatusCode::OK);
    world.sim.trouble().answer_for(minute, &storm);
    world.sim.trouble().clear();
    assert_eq!(world.push(&client).await.status, StatusCode::OK, "cleared");
}

#[tokio::test]
async fn the_stream_limit_drops_and_comes_back() {
    let world = World::new().await;
    let client = world.connect().await;
    world.push(&client).await;
    assert_eq!(client.send.current_max_send_streams(), 1000);
    world.sim.trouble().limit_streams(2);
    world.push(&client).await;
    assert_eq!(client.send.current_max_send_streams(), 2, "on a connection that was open");
    world.sim.trouble().lift_stream_limit();
    world.push(&client).await;
    assert_eq!(client.send.current_max_send_streams(), 1000);
    world.sim.trouble().limit_streams(0);
    let fresh = world.connect().await;
    assert_eq!(fresh.send.current_max_send_streams(), 1, "not told yet");
    let error = try_push(&world, &fresh).await.unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM), "{error:?}");
}

#[tokio::test]
async fn a_slow_service_takes_a_push_long_before_it_answers() {
    let world = World::new().await;
    let client = world.connect().await;
    world.push(&client).await;
    world.sim.trouble().latency(Duration::from_secs(3600));
    let quick = async {
        world.sim.wait_count(2, PATIENCE).await.unwrap();
        world.sim.trouble().latency(Duration::from_millis(1));
        try_push(&world, &client).await
    };
    tokio::select! {
        biased;
        slow = try_push(&world, &client) => panic!("answered within the hour: {slow:?}"),
        answer = quick => assert_eq!(answer.unwrap().status, StatusCode::OK),
    }
}

#[tokio::test]
async fn a_quiet_connection_is_ended_with_its_reason() {
    let world = World::new().await;
    let client = world.connect().await;
    world.push(&client).await;
    let mut sightings = world.sim.watch();
    // The connection has long been quiet when it is ordered.
    world.sim.trouble().end_idle(Duration::from_millis(1), &GoAway::reason("IdleTimeout"));
    let ended = tokio::time::timeout(PATIENCE, client.connection).await.unwrap().unwrap();
    assert!(ended.is_ok(), "GOAWAY with NO_ERROR: {ended:?}");
    let seen = tokio::time::timeout(PATIENCE, sightings.recv()).await.unwrap().unwrap();
    let Sighting::GoAway { connection, last_stream, go_away, .. } = seen else {
        panic!("{seen:?}")
    };
    assert_eq!((connection, last_stream, go_away.code), (1, 1, 0));
    assert_eq!(go_away.debug_data, br#"{"reason":"IdleTimeout"}"#.as_slice());
    world.sim.trouble().keep_idle();
    assert_eq!(world.push(&world.connect().await).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_connection_with_an_answer_due_is_not_quiet() {
    let world = World::new().await;
    let client = world.connect().await;
    world.push(&client).await;
    world.sim.trouble().hold_next(1);
    let idle = world.connect().await;
    let mut sightings = world.sim.watch();
    let release = async {
        world.sim.trouble().wait_held(1, PATIENCE).await.unwrap();
        world.sim.trouble().end_idle(Duration::from_millis(1), &GoAway::plain());
        // By now any quiet connection would have been ended.
        tokio::time::timeout(PATIENCE, idle.connection).await.unwrap().unwrap().unwrap();
        let seen = std::iter::from_fn(|| sightings.try_recv().ok());
        let ended = seen.filter_map(|sighting| match sighting {
            Sighting::GoAway { connection, .. } => Some(connection),
            Sighting::HandshakeFailed { .. } | Sighting::Request(_) | Sighting::Unanswered(_) => {
                None
            }
        });
        assert_eq!(ended.collect::<Vec<_>>(), [2]);
        world.sim.trouble().release();
    };
    let (answer, ()) = tokio::join!(try_push(&world, &client), release);
    assert_eq!(answer.unwrap().status, StatusCode::OK);
    let ended = tokio::time::timeout(PATIENCE, client.connection).await.unwrap().unwrap();
    assert!(ended.is_ok(), "and ends when all is answered: {ended:?}");
}

#[tokio::test]
async fn a_quota_takes_so_many_and_refuses_the_rest() {
    let world = World::new().await;
    let (one, other) = (world.connect().await, world.connect().await);
    let busy = Scripted::apns(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests");
    let within = Duration::from_secs(30);
    let trouble = world.sim.trouble();
    trouble.limit_rate(Rate { pushes: 2, within }, &busy);
    let statuses = async || {
        let mut statuses = Vec::new();
        for client in [&one, &other, &one] {
            statuses.push(world.push(client).await.status.as_u16());
        }
        statuses
    };
    assert_eq!(statuses().await, [200, 200, 429], "of all connections together");
    world.devices.clock().advance(within);
    assert_eq!(statuses().await, [200, 200, 429]);
    trouble.lift_quota();
    assert_eq!(statuses().await, [200, 200, 200]);
    trouble.on("/another").limit_rate(Rate { pushes: 0, within }, &busy);
    assert_eq!(statuses().await, [200, 200, 200], "of another path");
    trouble.limit_rate(Rate { pushes: 1, within }, &busy);
    let answer = Scripted::status(StatusCode::SERVICE_UNAVAILABLE);
    trouble.answer_next(1, &answer);
    assert_eq!(statuses().await, [503, 200, 429], "what is scripted does not count");
    trouble.clear();
    assert_eq!(statuses().await, [200, 200, 200]);
}
