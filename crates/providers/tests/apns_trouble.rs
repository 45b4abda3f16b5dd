//! The transport in trouble: nothing is lost, nothing doubled that need not be, nothing hangs.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use domain::{Environment, Outcome};
use http::StatusCode;
use providers::apns::Push;
use providers::{Apns, Config, PushToken, Roots};
use sim::Sighting;
use sim::trouble::{GoAway, Scripted};

use crate::rig::{ApnsRig, PATIENCE, check_all_accepted, check_refused, soon};

/// A client whose connection has proven itself, so that it has many streams.
async fn warm(rig: &ApnsRig) -> Apns {
    let client = rig.client();
    for _ in 0..8 {
        check_all_accepted(&[rig.send(&client).await]);
    }
    client
}

/// Fails unless exactly these many pushes were accepted, each once.
#[track_caller]
fn check_each_once(rig: &ApnsRig, count: usize) {
    let ids = rig.accepted_ids();
    assert_eq!(ids.len(), count);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), count, "each once");
}

#[tokio::test]
async fn a_goaway_in_a_burst_loses_and_doubles_nothing() {
    for goaway in [GoAway::plain(), GoAway::reason("Shutdown")] {
        let rig = ApnsRig::start().await;
        let client = warm(&rig).await;
        rig.sim.trouble().go_away_after(20, &goaway);
        check_all_accepted(&rig.send_many(&client, 60).await);
        check_each_once(&rig, 68);
        assert_eq!(rig.sim.counts().connections, 2);
    }
}

#[tokio::test]
async fn goaways_in_a_row_are_outlived() {
    let rig = ApnsRig::start().await;
    let client = warm(&rig).await;
    for _ in 0..5 {
        rig.sim.trouble().go_away_after(3, &GoAway::plain());
    }
    check_all_accepted(&rig.send_many(&client, 40).await);
    check_each_once(&rig, 48);
}

#[tokio::test]
async fn a_goaway_below_what_was_taken_in_loses_and_doubles_nothing() {
    let rig = ApnsRig::start().await;
    let client = warm(&rig).await;
    rig.sim.trouble().go_away_over(10, 15, &GoAway::reason("Shutdown"));
    check_all_accepted(&rig.send_many(&client, 60).await);
    check_each_once(&rig, 68);
    assert_eq!(rig.sim.counts().requests, 68, "what was left unprocessed went elsewhere");
}

#[tokio::test]
async fn a_half_closed_connection_loses_nothing_and_doubles_by_no_other_name() {
    let rig = ApnsRig::start().await;
    let client = warm(&rig).await;
    rig.sim.trouble().pass(10);
    rig.sim.trouble().half_close_next(1);
    check_all_accepted(&soon(rig.send_many(&client, 40)).await);
    // Those that were taken before the door closed may have been answered or not.
    let ids: HashSet<_> = rig.accepted_ids().into_iter().collect();
    assert_eq!(ids.len(), 48);
}

#[tokio::test]
async fn a_connection_ended_for_being_idle_costs_no_push() {
    let rig = ApnsRig::start().await;
    let client = warm(&rig).await;
    let mut sightings = rig.sim.watch();
    rig.sim.trouble().end_idle(Duration::from_millis(1), &GoAway::reason("IdleTimeout"));
    let said = soon(sightings.recv()).await;
    assert!(matches!(said, Some(Sighting::GoAway { .. })), "{said:?}");
    rig.sim.trouble().keep_idle();
    check_all_accepted(&[rig.send(&client).await]);
    check_each_once(&rig, 9);
    assert_eq!(rig.sim.counts().connections, 2);
}

#[tokio::test]
async fn a_storm_is_passed_on_and_nothing_sent_again() {
    let rig = ApnsRig::start().await;
    let client = warm(&rig).await;
    let (minute, before) = (Duration::from_secs(60), rig.sim.counts().requests);
    let busy = Scripted::apns(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests");
    rig.sim.trouble().answer_for(minute, &busy);
    for exchange in rig.send_many(&client, 20).await {
        check_refused(&exchange, 902, "TooManyRequests");
    }
    assert_eq!(rig.sim.counts().requests, before + 20, "each asked for once");
    rig.devices.clock().advance(minute);
    check_all_accepted(&rig.send_many(&client, 20).await);
    check_each_once(&rig, 28);
}

#[tokio::test]
async fn slow_answers_are_waited_for() {
    let rig = ApnsRig::start().await;
    let client = warm(&rig).await;
    rig.sim.trouble().latency(Duration::from_millis(100));
    check_all_accepted(&soon(rig.send_many(&client, 30)).await);
    check_each_once(&rig, 38);
}

#[tokio::test]
async fn refused_streams_are_sent_again() {
    let rig = ApnsRig::start().await;
    let client = warm(&rig).await;
    rig.sim.trouble().refuse_streams(7);
    check_all_accepted(&rig.send_many(&client, 30).await);
    check_each_once(&rig, 38);
    assert_eq!(rig.sim.counts().refused_streams, 7);
}

#[tokio::test]
async fn a_service_that_refuses_every_stream_is_unavailable() {
    let rig = ApnsRig::start().await;
    let client = rig.client();
    rig.sim.trouble().refuse_streams(usize::MAX);
    check_refused(&soon(rig.send(&client)).await, 902, "Unprocessed");
    rig.sim.trouble().clear();
    check_all_accepted(&[rig.send(&client).await]);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_once_more_with_the_same_id() {
    let rig = ApnsRig::start().await;
    let client = warm(&rig).await;
    let push = Push { collapse_id: Some("thread".to_owned()), ..rig.push() };
    rig.sim.trouble().close_after_processing(1);
    let exchange = client.send(&push, rig.now(), || true).await;
    check_all_accepted(&[exchange]);
    let id = push.id.to_string();
    let seen = rig.sim.seen();
    let again: Vec<_> = seen.iter().filter(|seen| seen.id.as_ref() == Some(&id)).collect();
    let [first, second] = again[..] else { panic!("{again:?}") };
    assert_eq!(first.header("apns-collapse-id"), Some("thread"));
    assert_eq!(first.headers, second.headers);
    assert_eq!(first.payload, second.payload);

    rig.sim.trouble().close_after_processing(2);
    let exchange = rig.send(&client).await;
    assert!(matches!(exchange.outcome, Outcome::Unknown { .. }), "{:?}", exchange.outcome);
    check_all_accepted(&[rig.send(&client).await]);
}

#[tokio::test]
async fn a_lost_request_that_is_no_longer_wanted_is_not_sent_again() {
    let rig = ApnsRig::start().await;
    let client = warm(&rig).await;
    let asked = AtomicU32::new(0);
    rig.sim.trouble().close_after_processing(1);
    let wanted = || asked.fetch_add(1, Ordering::Relaxed) == 0;
    let exchange = client.send(&rig.push(), rig.now(), wanted).await;
    // Delivered, as it happens: withdrawn would say that it was never sent.
    assert!(matches!(exchange.outcome, Outcome::Unknown { .. }), "{exchange:?}");
    check_each_once(&rig, 9);
}

#[tokio::test]
async fn what_was_lost_stays_unknown_when_it_cannot_be_sent_again() {
    let mut rig = ApnsRig::start().await;
    rig.config.reconnect_first = PATIENCE;
    let client = warm(&rig).await;
    rig.sim.trouble().close_after_processing(1);
    rig.sim.trouble().close_connections(usize::MAX >> 48);
    let exchange = rig.send(&client).await;
    // Delivered, as it happens; a refusal would have had it pushed once more under another name.
    assert!(matches!(exchange.outcome, Outcome::Unknown { .. }), "{exchange:?}");
}

#[tokio::test]
async fn a_reset_stream_is_tried_once_more() {
    let rig = ApnsRig::start().await;
    let client = warm(&rig).await;
    let internal_error = 2; // RFC 9113, section 7
    rig.sim.trouble().reset_next(1, internal_error);
    check_all_accepted(&[rig.send(&client).await]);
    rig.sim.trouble().reset_next(2, internal_error);
    let exchange = rig.send(&client).await;
    assert!(matches!(exchange.outcome, Outcome::Unknown { .. }), "{:?}", exchange.outcome);
    // A stream says nothing about its connection.
    check_all_accepted(&[rig.send(&client).await]);
    assert_eq!(rig.sim.counts().connections, 1);
}

/// APNs narrows a connection to one stream after an error and restores it after a success.
#[tokio::test]
async fn a_limit_lowered_while_requests_are_under_way_is_obeyed() {
    let mut rig = ApnsRig::start().await;
    rig.config.connections_per_credential = 1;
    let client = warm(&rig).await;
    let bad = Push { device_token: PushToken::new("ab".repeat(32)), ..rig.push() };
    check_refused(&client.send(&bad, rig.now(), || true).await, 911, "BadDeviceToken");
    let before = rig.sim.counts().requests;
    rig.sim.trouble().hold_next(1);
    let (rings, call) = (AtomicBool::new(true), rig.push());
    let watch = async {
        rig.sim.trouble().wait_held(1, PATIENCE).await.unwrap();
        assert_eq!(rig.sim.counts().requests, before + 1, "one at a time");
        rings.store(false, Ordering::Relaxed);
        rig.sim.trouble().release();
    };
    let (burst, call, ()) = tokio::join!(
        biased;
        rig.send_many(&client, 10),
        client.send(&call, rig.now(), || rings.load(Ordering::Relaxed)),
        watch,
    );
    check_all_accepted(&burst);
    // The others waited here, not in h2: what is no longer wanted can still be taken back.
    assert_eq!(call.outcome, Outcome::Withdrawn);
    assert_eq!(rig.sim.counts().refused_streams, 0);

    // Among others, where the lower limit meets streams on their way.
    let (burst, refused) =
        tokio::join!(rig.send_many(&client, 30), client.send(&bad, rig.now(), || true));
    check_refused(&refused, 911, "BadDeviceToken");
    check_all_accepted(&burst);
    check_each_once(&rig, 48);
    assert_eq!(rig.sim.counts().connections, 1);
}

#[tokio::test]
async fn a_limit_that_drops_by_settings_is_obeyed() {
    let mut rig = ApnsRig::start().await;
    rig.config.connections_per_credential = 1;
    let client = warm(&rig).await;
    rig.sim.trouble().limit_streams(2);
    // Its answer comes after the SETTINGS.
    check_all_accepted(&[rig.send(&client).await]);
    let before = rig.sim.counts().requests;
    rig.sim.trouble().hold();
    let watch = async {
        rig.sim.trouble().wait_held(2, PATIENCE).await.unwrap();
        assert_eq!(rig.sim.counts().requests, before + 2, "two at a time");
        rig.sim.trouble().release();
    };
    let (burst, ()) = tokio::join!(rig.send_many(&client, 20), watch);
    check_all_accepted(&burst);
    check_each_once(&rig, 29);
    assert_eq!(rig.sim.counts().refused_streams, 0);
    assert_eq!(rig.sim.counts().connections, 1);
}

#[tokio::test]
async fn requests_spread_over_the_connections_there_are() {
    let mut rig = ApnsRig::start_with(|options| options.token_streams = 4).await;
    rig.config.connections_per_credential = 2;
    let client = warm(&rig).await;
    // More than one connection takes, twice: the second one is opened and proves itself.
    check_all_accepted(&rig.send_many(&client, 12).await);
    check_all_accepted(&rig.send_many(&client, 12).await);
    assert_eq!(rig.sim.counts().connections, 2);
    let before = rig.sim.seen().len();
    rig.sim.trouble().hold();
    let watch = async {
        rig.sim.trouble().wait_held(6, PATIENCE).await.unwrap();
        rig.sim.trouble().release();
    };
    let (burst, ()) = tokio::join!(rig.send_many(&client, 6), watch);
    check_all_accepted(&burst);
    let of = |connection| {
        rig.sim.seen().iter().skip(before).filter(|seen| seen.connection == connection).count()
    };
    assert_eq!((of(1), of(2)), (3, 3));
}

#[tokio::test]
async fn no_answer_in_time_is_unknown_and_not_sent_again() {
    let mut rig = ApnsRig::start().await;
    rig.config.request_timeout = Duration::from_millis(200);
    let client = warm(&rig).await;
    rig.sim.trouble().hold();
    let exchange = rig.send(&client).await;
    let Outcome::Unknown { detail } = &exchange.outcome else { panic!("{exchange:?}") };
    assert_eq!(detail, "no answer in time");
    assert_eq!(rig.sim.counts().requests, 9);
    rig.sim.trouble().release();
    check_all_accepted(&[rig.send(&client).await]);
}

#[tokio::test]
async fn a_silent_connection_is_given_up_while_requests_wait() {
    let mut rig = ApnsRig::start().await;
    rig.config.keep_alive_busy = Duration::from_millis(50);
    rig.config.keep_alive_timeout = Duration::from_millis(50);
    let client = warm(&rig).await;
    rig.sim.trouble().freeze();
    let thaw = async {
        rig.sim.wait_counts(|counts| counts.connections >= 2, PATIENCE).await.unwrap();
        rig.sim.trouble().thaw();
    };
    let (exchange, ()) = soon(async { tokio::join!(rig.send(&client), thaw) }).await;
    check_all_accepted(&[exchange]);
}

#[tokio::test]
async fn alerts_that_are_not_about_the_certificate_are_the_providers_trouble() {
    let rig = ApnsRig::start().await;
    let client = rig.client();
    rig.sim.trouble().alert_next(1, 80);
    check_refused(&rig.send(&client).await, 902, "TlsAlert 80");
}

#[tokio::test]
async fn connects_that_fail_pause_and_come_back() {
    let mut rig = ApnsRig::start().await;
    rig.config.reconnect_first = PATIENCE;
    rig.config.reconnect_longest = PATIENCE;
    let client = rig.client();
    // The first failure is tried again at once.
    rig.sim.trouble().close_connections(1);
    check_all_accepted(&[rig.send(&client).await]);

    let client = rig.client();
    rig.sim.trouble().close_connections(2);
    check_refused(&rig.send(&client).await, 902, "NoHttp2");
    // Then there is a pause, in which nobody waits and nothing is tried.
    let before = rig.sim.counts().connections;
    for exchange in rig.send_many(&client, 10).await {
        check_refused(&exchange, 902, "NoHttp2");
    }
    assert_eq!(rig.sim.counts().connections, before);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_902() {
    let rig = ApnsRig::start().await;
    let (client, push, now) = (rig.client(), rig.push(), rig.now());
    rig.sim.shutdown().await;
    check_refused(&client.send(&push, now, || true).await, 902, "NotConnected");
}

#[tokio::test]
async fn a_server_we_do_not_trust_gets_nothing() {
    let rig = ApnsRig::start().await;
    let strict = Config { roots: Roots::system(), ..rig.config.clone() };
    let client = Apns::new(&strict, rig.credential(), Environment::Production).unwrap();
    check_refused(&rig.send(&client).await, 902, "ServerTlsNotTrusted");
    assert_eq!(rig.sim.counts().requests, 0);
}

#[tokio::test]
async fn closing_lets_requests_end_and_refuses_new_ones() {
    let rig = ApnsRig::start().await;
    let client = warm(&rig).await;
    rig.sim.trouble().hold();
    let (exchange, ()) = tokio::join!(rig.send(&client), async {
        rig.sim.trouble().wait_held(1, PATIENCE).await.unwrap();
        let close = client.close();
        tokio::pin!(close);
        // Closing has begun once it has been polled; it waits for the request.
        assert!(futures_util::poll!(&mut close).is_pending());
        check_refused(&rig.send(&client).await, 902, "ClientClosed");
        rig.sim.trouble().release();
        soon(close).await;
    });
    check_all_accepted(&[exchange]);
}

#[tokio::test]
async fn no_task_outlives_the_last_handle() {
    let rig = ApnsRig::start().await;
    let tasks = tokio::runtime::Handle::current().metrics();
    let client = warm(&rig).await;
    let other = client.clone();
    drop(client);
    check_all_accepted(&[rig.send(&other).await]);
    let before = tasks.num_alive_tasks();
    drop(other);
    // The connection's task goes, and so does the simulator's for it.
    soon(async {
        while tasks.num_alive_tasks() > before.saturating_sub(2) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
