//! Keys that are not good: how many of them an address may show, and which address that is.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use domain::Time;
use http::{Method, Request};
use serde_json::{Value, json};
use server::clock::{Clock, Hand};
use tokio_tungstenite::tungstenite::Message;

use super::rig::{Answer, Device, Line, Server, Session, text};

const NOON: Time = Time::from_millis(1_800_000_000_000);
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Well formed, and nobody's.
const BAD: &str = "rvl_app_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A server that tells an address three times a minute why its key is not good, behind these
/// proxies.
async fn server(trusted: &[&str]) -> (Server, Hand) {
    let (clock, hand) = Clock::by_hand(NOON);
    let trusted = trusted.iter().map(|network| network.parse().expect("a network")).collect();
    let server = Server::start_with(clock, |config| {
        config.rate.failed_logins_per_minute = 3;
        config.trusted_proxies = trusted;
    });
    (server.await, hand)
}

/// Shows a key, with what proxies say of its sender.
async fn show(line: &mut Line, forwarded: &[&str], key: &str) -> Answer {
    let mut request = Request::get("/v1/topics").header("authorization", format!("Bearer {key}"));
    for line in forwarded {
        request = request.header("x-forwarded-for", *line);
    }
    line.send(request.body(Default::default()).expect("a request")).await
}

/// Shows a bad key until it is told no more why; how often it was.
async fn told(server: &Server, from: IpAddr, forwarded: &[&str]) -> usize {
    let mut line = server.line_from(from).await;
    for count in 0..100 {
        let answer = show(&mut line, forwarded, BAD).await;
        if answer.status == 429 {
            return count;
        }
        answer.refused(401, "unauthorized", None);
    }
    panic!("{from} {forwarded:?} was told a hundred times")
}

#[tokio::test]
async fn an_address_that_shows_bad_keys_is_told_to_wait_and_a_good_key_passes() {
    let (server, hand) = server(&[]).await;
    let phone = server.device("alice", "phone").await;
    let spent = json!({ "ttl": 1 });
    let spent = server.call(Method::POST, "/v1/users/alice/tokens", Some(spent)).await.is(201);
    hand.advance(Duration::from_secs(1));
    let spent = text(&spent["token"]);
    assert_eq!(told(&server, HERE, &[]).await, 3);
    let held = show(&mut server.line().await, &[], BAD).await;
    assert_eq!(held.headers["retry-after"], "20");
    assert_eq!(held.body["retry_after_ms"], 20_000);
    let detail = held.refused(429, "rate_limited", None);
    assert!(!detail.contains("unknown") && !detail.contains("taken back"), "{detail}");
    // Whatever kind of key is guessed, by whatever way.
    for (header, bad) in [
        ("authorization", BAD.replace("rvl_app_", "Bearer rvl_admin_")),
        ("authorization", BAD.replace("rvl_app_", "Bearer rvl_user_")),
        ("authorization", BAD.replace("rvl_app_", "Bearer rvl_device_")),
        ("authorization", "Bearer a.b.c".to_owned()),
        ("authorization", "Bearer nonsense".to_owned()),
        ("reveille-device-secret", BAD.replace("rvl_app_", "rvl_device_")),
    ] {
        let path = match (header, bad.contains("admin")) {
            (_, true) => "/v1/apps",
            ("reveille-device-secret", _) => "/v1/me/inbox",
            _ => "/v1/webpush-key",
        };
        let request = Request::get(path).header(header, &bad).body(Default::default());
        let answer = server.send(request.expect("a request")).await;
        answer.refused(429, "rate_limited", None);
    }
    // A good key passes, and who has to know what is wrong with theirs is told.
    show(&mut server.line().await, &[], &server.app.1).await.is(200);
    server.ask(Method::GET, "/v1/apps", &server.admin, None).await.is(200);
    server.me(&phone, Method::GET, "/v1/me/inbox", None).await.is(200);
    let expired = server.ask(Method::GET, "/v1/webpush-key", &spent, None).await;
    expired.refused(401, "token_expired", None);
    show(&mut server.line().await, &[], &server.admin).await.refused(403, "wrong_key_kind", None);
    let bare = Request::get("/v1/topics").body(Default::default()).expect("a request");
    server.send(bare).await.refused(401, "unauthorized", None);
    // Another address is another count, and time gives one back.
    assert_eq!(told(&server, ELSEWHERE, &[]).await, 3);
    hand.advance(Duration::from_secs(20));
    assert_eq!(told(&server, HERE, &[]).await, 1);
    server.stop().await;
}

#[tokio::test]
async fn who_says_where_a_request_is_from() {
    // Nobody is trusted: whatever a client says, it is where its connection is from.
    let (alone, _hand) = server(&[]).await;
    assert_eq!(told(&alone, HERE, &["192.0.2.1"]).await, 3);
    assert_eq!(told(&alone, HERE, &["192.0.2.2"]).await, 0);
    alone.stop().await;
    // Behind a proxy the address that it saw counts, and no other that stands there.
    let (behind, _hand) = server(&["127.0.0.1", "10.0.0.0/8"]).await;
    assert_eq!(told(&behind, HERE, &["192.0.2.1"]).await, 3);
    assert_eq!(told(&behind, HERE, &["192.0.2.2"]).await, 3);
    assert_eq!(told(&behind, HERE, &["198.51.100.1, 192.0.2.2"]).await, 0);
    assert_eq!(told(&behind, HERE, &["198.51.100.1", "192.0.2.2, 10.0.0.7"]).await, 0);
    // Around the proxy comes somebody who says they are another.
    assert_eq!(told(&behind, ELSEWHERE, &["192.0.2.3"]).await, 3);
    assert_eq!(told(&behind, ELSEWHERE, &["192.0.2.4"]).await, 0);
    assert_eq!(told(&behind, HERE, &["192.0.2.3"]).await, 3);
    behind.stop().await;
}

/// What a first frame with this is answered with, and the close code.
async fn first_frame(server: &Server, mut connect: Value) -> (Value, Option<u16>) {
    let mut session = Session::open(server.address).await;
    connect["type"] = json!("connect");
    if connect["device"].is_null() {
        connect["device"] = json!({ "id": "phone", "platform": "ios" });
    }
    session.say(connect).await;
    session.end().await
}

/// A session of a device that shows its secret.
async fn proven(server: &Server, device: &Device) -> Session {
    let mut session = Session::open(server.address).await;
    session
        .say(json!({
            "type": "connect", "token": device.token, "device_secret": device.secret,
            "device": { "id": "phone", "platform": "ios" },
        }))
        .await;
    assert_eq!(session.hear().await["type"], "connected");
    session
}

#[tokio::test]
async fn a_websocket_is_no_way_around_it() {
    let bad_token = || json!({ "token": BAD.replace("rvl_app_", "rvl_user_") });
    let bad_secret = BAD.replace("rvl_app_", "rvl_device_");
    // What is tried, and the answer as long as there is one.
    let table = [
        (bad_token(), "unauthorized", 4401),
        (json!({ "token": "a.b.c" }), "unauthorized", 4401),
        (json!({ "device_secret": bad_secret }), "forbidden", 4403),
        (json!({ "token": "GOOD", "device_secret": bad_secret }), "forbidden", 4403),
    ];
    for (connect, code, close) in table {
        let (server, _hand) = server(&[]).await;
        let phone = server.device("alice", "phone").await;
        let filled = |connect: &Value| {
            let connect = connect.to_string().replace("GOOD", &phone.token);
            serde_json::from_str(&connect).expect("JSON")
        };
        // Until it has proven its secret, any will do beside its user's token.
        proven(&server, &phone).await.leave().await;
        for _ in 0..3 {
            let (error, closed) = first_frame(&server, filled(&connect)).await;
            assert_eq!((&error["code"], closed), (&json!(code), Some(close)), "{connect}");
        }
        let (error, closed) = first_frame(&server, filled(&connect)).await;
        assert_eq!((&error["code"], closed), (&json!("rate_limited"), Some(4429)), "{connect}");
        assert_eq!(error["retry_after_ms"], 20_000, "{error}");
        // By HTTP it is the same count, and a device that is what it says passes.
        assert_eq!(told(&server, HERE, &[]).await, 0, "{connect}");
        let mut session = proven(&server, &phone).await;
        // Nor is a session that is in.
        let refresh = json!({ "type": "refresh", "token": bad_token()["token"] }).to_string();
        let heard = session.poke(Message::text(refresh)).await.expect("it lives");
        assert_eq!(heard[0]["code"], "rate_limited", "{heard:?}");
        server.stop().await;
    }
}
