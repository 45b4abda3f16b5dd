//! How sessions are limited and ended by others, and what phones say of what woke them.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use server::clock::Clock;
use tokio_tungstenite::tungstenite::Message;

use super::rig::{Server, Session, text};

fn send(id: u32, to: &[&str], ttl: u32) -> Value {
    json!({ "type": "send", "id": id.to_string(), "to": to, "body": 1, "ttl": ttl })
}

#[tokio::test]
async fn a_user_sends_no_faster_than_allowed_and_is_told_when_to_go_on() {
    let server = Server::start_with(Clock::system(), |config| {
        config.rate.messages_per_minute = 3;
        config.rate.messages_to_user_per_minute = 2;
        config.rate.live_per_minute = 1;
        config.rate.calls_per_minute = 1;
    })
    .await;
    for user in ["bob", "carol", "dave"] {
        server.token(user).await;
    }
    let (mut alice, _) = server.session("alice", "phone").await;
    let mut answer = async |frame: Value| {
        alice.say(frame).await;
        let answer = alice.hear().await;
        let problem = &answer["problem"];
        if problem.is_null() {
            return text(&answer["type"]);
        }
        assert_eq!((&problem["code"], &problem["status"]), (&json!("rate_limited"), &json!(429)));
        let pause = problem["retry_after_ms"].as_u64().expect("a pause");
        assert!((1..=60_000).contains(&pause), "{answer}");
        format!("{} {}", text(&answer["type"]), text(&problem["field"]))
    };
    assert_eq!(answer(send(1, &["bob"], 60)).await, "accepted");
    assert_eq!(answer(send(2, &["bob"], 60)).await, "accepted");
    assert_eq!(answer(send(3, &["bob"], 60)).await, "rejected to", "he has had two");
    let (mut other, _) = server.session("alice", "tablet").await;
    other.say(send(4, &["carol", "dave"], 60)).await;
    let limited = other.hear_a("rejected").await;
    assert_eq!(limited["problem"]["field"], Value::Null, "all devices count: {limited}");
    // Live ones and calls have limits of their own.
    other.say(send(5, &["carol"], 0)).await;
    assert_eq!(other.hear_a("accepted").await["live"], 0);
    other.say(send(6, &["carol"], 0)).await;
    assert_eq!(other.hear_a("rejected").await["problem"]["code"], "rate_limited");
    for (number, code) in [(1, None), (2, Some("rate_limited"))] {
        let call = uuid::Uuid::from_u128(number).to_string();
        let start =
            json!({ "type": "call.start", "call": call, "to": "carol", "caller_name": "Alice" });
        let heard = other.poke(Message::text(start.to_string())).await.expect("lives");
        let error = heard.iter().find(|frame| frame["type"] == "error");
        assert_eq!(error.and_then(|error| error["code"].as_str()), code, "{heard:?}");
        assert_eq!(error.is_some_and(|error| error["retry_after_ms"].is_u64()), code.is_some());
    }
    // The back end goes at its own pace.
    for _ in 0..5 {
        server.message("bob", json!(1)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_session_that_floods_is_closed_with_a_pause() {
    let (clock, _hand) = Clock::by_hand(domain::Time::from_millis(1_800_000_000_000));
    let server = Server::start_with(clock, |config| config.rate.frames_per_minute = 60).await;
    let (mut session, _) = server.session("alice", "phone").await;
    let state = json!({ "type": "state", "state": "foreground" });
    for _ in 0..61 {
        session.say(state.clone()).await;
    }
    let (last, code) = session.end().await;
    assert_eq!(
        (&last["code"], &last["reconnect"]),
        (&json!("rate_limited"), &json!(true)),
        "{last}"
    );
    assert_eq!(last["retry_after_ms"], 1_000);
    assert_eq!(code, Some(4429));
    server.stop().await;
}

#[tokio::test]
async fn a_session_keeps_the_ping_interval_that_it_was_told() {
    let (clock, hand) = Clock::by_hand(domain::Time::from_millis(1_800_000_000_000));
    let server = Server::start_by(clock).await;
    let (mut early, told) = server.session("alice", "phone").await;
    assert_eq!(told["ping_interval"], 25);
    server.reload(|config| config.session.ping_interval = Duration::from_millis(100));
    let (late, told) = server.session("bob", "laptop").await;
    assert_eq!(told["ping_interval"], 1);
    // By the new interval it was silent for far too long, and nobody asked it.
    hand.advance(Duration::from_secs(1));
    for _ in 0..20 {
        server.message("alice", json!(1)).await;
        early.hear_a("message").await;
    }
    drop(late);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_spreads_its_sessions_coming_back() {
    let spread = Duration::from_secs(100);
    let server =
        Server::start_with(Clock::system(), |config| config.session.drain_spread = spread).await;
    let mut sessions = Vec::new();
    for number in 0..8 {
        sessions.push(server.session("alice", &format!("device {number}")).await.0);
    }
    let stopped = tokio::spawn(server.stop());
    let mut pauses = Vec::new();
    for session in &mut sessions {
        let (last, code) = session.end().await;
        assert_eq!(code, Some(1001), "{last}");
        assert_eq!((&last["code"], &last["reconnect"]), (&json!("unavailable"), &json!(true)));
        pauses.push(last["retry_after_ms"].as_u64().expect("a pause"));
    }
    stopped.await.expect("it stops in good order");
    assert!(pauses.iter().all(|pause| *pause <= 100_000), "{pauses:?}");
    pauses.sort_unstable();
    pauses.dedup();
    assert!(pauses.len() > 4, "not all at once: {pauses:?}");
}

#[tokio::test]
async fn whoever_connects_while_tokens_are_taken_back_is_put_out_too() {
    let server = Server::start().await;
    // Each round is another interleaving of the two.
    for round in 0..120 {
        let token = server.token("alice").await;
        let mut sessions = Vec::new();
        for _ in 0..12 {
            sessions.push(Session::open(server.address).await);
        }
        let connects = async {
            for (number, session) in sessions.iter_mut().enumerate() {
                let device = json!({ "id": format!("{round}-{number}"), "platform": "android" });
                session.say(json!({ "type": "connect", "token": token, "device": device })).await;
            }
        };
        let taken = server.call(Method::DELETE, "/v1/users/alice/tokens", None);
        let ((), taken) = tokio::join!(connects, taken);
        taken.is(204);
        for session in &mut sessions {
            let (last, code) = session.end().await;
            assert_eq!(last["code"], "unauthorized", "round {round}: {last}, closed with {code:?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_device_that_is_taken_back_is_put_out_at_once() {
    let server = Server::start().await;
    let device = server.device("alice", "lost").await;
    let (mut session, _) = server
        .session_with(
            "alice",
            json!({
                "device": { "id": "lost", "platform": "ios" },
                "device_secret": device.secret,
            }),
        )
        .await;
    let (mut other, _) = server.session("alice", "kept").await;
    let path = "/v1/users/alice/devices/lost";
    server.call(Method::DELETE, "/v1/users/bob/devices/lost", None).await.refused(
        404,
        "not_found",
        None,
    );
    server.call(Method::DELETE, path, None).await.is(204);
    let (last, code) = session.end().await;
    assert_eq!((&last["code"], code), (&json!("forbidden"), Some(4403)), "{last}");
    server.call(Method::DELETE, path, None).await.refused(404, "not_found", None);
    server.me(&device, Method::GET, "/v1/me/inbox", None).await.refused(401, "unauthorized", None);
    let mut again = Session::open(server.address).await;
    let connect = json!({
        "type": "connect", "device_secret": device.secret,
        "device": { "id": "lost", "platform": "ios" },
    });
    again.say(connect).await;
    assert_eq!(again.end().await.1, Some(4403));
    assert!(other.poke(Message::Ping(bytes::Bytes::new())).await.is_ok(), "the other one goes on");
    let events = server.call(Method::GET, "/v1/events", None).await.is(200);
    let event = &events["items"][0];
    assert_eq!(event["type"], "device.removed", "{events}");
    assert_eq!(
        (&event["data"]["device"], &event["data"]["user"]),
        (&json!("lost"), &json!("alice"))
    );
    server.stop().await;
}

#[tokio::test]
async fn how_a_push_reached_its_app_is_told_apart() {
    let (clock, hand) = Clock::by_hand(domain::Time::from_millis(1_800_000_000_000));
    let server = Server::start_by(clock).await;
    let device = server.device("alice", "phone").await;
    let message = server.message("alice", json!(1)).await;
    let devices = server.call(Method::GET, "/v1/users/alice/devices", None).await.is(200);
    let wake = text(&devices["items"][0]["wakes"][0]["id"]);
    let path = format!("/v1/messages/{message}/timeline");
    let device_info = json!({ "id": "phone", "platform": "android" });
    let hour_ago = "2020-01-01T00:00:00Z";
    let mut reasons = Vec::new();
    for (woken_by, reason) in [
        (json!({ "wake": wake }), "woken"),
        (json!({ "wake": wake, "received_at": hour_ago }), "woken_late"),
        (
            json!({ "wake": wake, "priority": "normal", "original_priority": "high" }),
            "woken_demoted",
        ),
    ] {
        let connect = json!({
            "device": device_info, "device_secret": device.secret, "woken_by": woken_by,
            "purpose": "fetch",
        });
        let (session, _) = server.session_with("alice", connect).await;
        server
            .until(&path, |timeline| timeline.to_string().contains(&format!("\"{reason}\"")))
            .await;
        session.leave().await;
        reasons.push(reason);
    }
    // With a token that is good no more it is not let in, and that is told too.
    let body = json!({ "ttl": 1 });
    let made = server.call(Method::POST, "/v1/users/alice/tokens", Some(body)).await.is(201);
    hand.advance(Duration::from_secs(2));
    let mut session = Session::open(server.address).await;
    session
        .say(json!({
            "type": "connect", "token": made["token"], "device": device_info,
            "device_secret": device.secret, "purpose": "fetch", "woken_by": { "wake": wake },
        }))
        .await;
    assert_eq!(session.end().await.1, Some(4401));
    let told = |timeline: &Value| timeline.to_string().contains("\"woken_but_refused\"");
    server.until(&path, told).await;
    let events = server.call(Method::GET, "/v1/events?limit=100", None).await.is(200);
    let woken: Vec<_> = events["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|event| event["type"] == "device.woken")
        .map(|event| event["data"]["demoted"].clone())
        .collect();
    assert!(woken == [json!(false), json!(false), json!(true)], "{events}");
    assert_eq!(reasons.len(), 3);
    server.stop().await;
}
