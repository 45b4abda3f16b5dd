//! Web Push: TLS, ALPN, HTTP/1.1, and scripted trouble over it.

use std::time::Duration;

use http::StatusCode;
use sim::{
    trouble::{GoAway, Scripted},
    webpush::{Protocols, RetryAfter, Vendor},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{Client, PATIENCE, tls},
    webpush::VENDORS,
    webpush_client::{Http1, World},
};

#[tokio::test]
async fn a_connection_speaks_what_both_sides_know() {
    let (h1, h2): (&[u8], &[u8]) = (b"http/1.1", b"h2");
    for (protocols, offered, expected) in [
        (Protocols::Both, &[h2, h1][..], Some(2)),
        (Protocols::Both, &[h1, h2], Some(2)),
        (Protocols::Both, &[h1], Some(1)),
        (Protocols::Both, &[], Some(1)),
        (Protocols::Http1, &[h2, h1], Some(1)),
        (Protocols::Http1, &[h2], None),
        (Protocols::Http2, &[h2, h1], Some(2)),
        (Protocols::Http2, &[h1], None),
    ] {
        let world = World::with(Vendor::Plain, |options| options.protocols = protocols).await;
        let tcp = TcpStream::connect(world.sim.addr()).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(tls(world.sim.ca_pem(), None, offered));
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let agreed = connector
            .connect(name, tcp)
            .await
            .ok()
            .map(|stream| if stream.get_ref().1.alpn_protocol() == Some(h2) { 2 } else { 1 });
        assert_eq!(agreed, expected, "{protocols:?} {offered:?}");
        let status = match expected {
            None => continue,
            Some(1) => {
                let mut client = Http1::connect(&world.sim, offered).await.unwrap();
                client.send(&world.push(), &world.vapid).await.unwrap().status
            }
            Some(_) => world.send_changed(|_| {}).await.status,
        };
        assert_eq!(status, StatusCode::CREATED, "{protocols:?} {offered:?}");
    }
}

#[tokio::test]
async fn http_1_1_is_judged_as_http_2_is() {
    for vendor in VENDORS {
        let world = World::new(vendor).await;
        let mut deliveries = world.devices.deliveries(world.subscription.endpoint());
        let mut client = world.connect_http1().await;
        let mut faulty = world.push();
        faulty.set("ttl", None);
        let answer = client.send(&faulty, &world.vapid).await.unwrap();
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{vendor:?}");
        let mut strayed = world.push();
        strayed.origin = "https://push.example.org".to_owned();
        let answer = client.send(&strayed, &world.vapid).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{vendor:?}");
        let answer = client.send(&world.push(), &world.vapid).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{vendor:?} {:?}", answer.body);
        assert!(deliveries.try_recv().is_ok());
        let seen = world.sim.seen();
        let places: Vec<_> = seen.iter().map(|push| (push.connection, push.stream)).collect();
        assert_eq!(places, [(1, 0); 3], "one connection, kept alive");
    }
}

#[tokio::test]
async fn there_is_no_service_without_tls() {
    let world = World::new(Vendor::Plain).await;
    let mut tcp = TcpStream::connect(world.sim.addr()).await.unwrap();
    tcp.write_all(b"POST /push/a HTTP/1.1\r\nhost: localhost\r\nttl: 1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The end may be a reset; what matters is that nobody spoke HTTP.
    let ended = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is closed");
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    let failed = world.sim.wait_counts(|counts| counts.failed_handshakes == 1, PATIENCE).await;
    assert_eq!(failed.unwrap().requests, 0);
}

#[tokio::test]
async fn apple_wants_to_be_named() {
    let host = "web.push.apple.com";
    let connect = async |world: &World, name: &str| {
        let tcp = TcpStream::connect(world.sim.addr()).await.unwrap();
        let connector =
            tokio_rustls::TlsConnector::from(tls(world.sim.ca_pem(), None, &[b"http/1.1"]));
        let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
        connector.connect(name, tcp).await.is_ok()
    };
    for (vendor, nameless) in [(Vendor::Apple, false), (Vendor::Mozilla, true)] {
        let world = World::with(vendor, |options| {
            options.origin = Some(format!("https://{host}"));
        })
        .await;
        assert_eq!(connect(&world, "127.0.0.1").await, nameless, "{vendor:?}");
        assert!(connect(&world, host).await, "{vendor:?}");
        assert!(world.subscription.endpoint().starts_with("https://web.push.apple.com/"));
        let answer = world.send_changed(|_| {}).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
    }
}

#[tokio::test]
async fn trouble_reaches_http_1_1_too() {
    let world = World::new(Vendor::Mozilla).await;
    let mut deliveries = world.devices.deliveries(world.subscription.endpoint());
    let trouble = world.sim.trouble();
    let now = world.devices.clock().now();
    let away = Vendor::Mozilla.unavailable(RetryAfter::Seconds(120), now);
    trouble.answer_next(1, &away);
    trouble.answer_next(1, &Scripted::status(StatusCode::BAD_GATEWAY));
    let mut client = world.connect_http1().await;
    let answer = client.send(&world.push(), &world.vapid).await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.json()["errno"]), (503, &201.into()));
    assert_eq!(answer.headers["retry-after"], "120");
    let answer = client.send(&world.push(), &world.vapid).await.unwrap();
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(deliveries.try_recv().is_err(), "scripted answers deliver nothing");

    // What ends a stream of HTTP/2 ends a connection of HTTP/1.1.
    trouble.close_next(1);
    trouble.go_away_after(0, &GoAway::plain());
    trouble.refuse_streams(1);
    trouble.reset_next(1, 2);
    trouble.half_close_next(1);
    trouble.go_away_over(0, 2, &GoAway::plain());
    for _ in 0..7 {
        let mut client = world.connect_http1().await;
        assert!(client.send(&world.push(), &world.vapid).await.is_err());
        let ended = tokio::time::timeout(PATIENCE, client.connection).await;
        assert!(ended.is_ok(), "the connection is over");
    }
    assert_eq!(world.sim.counts().requests, 2, "none of them was judged");
    trouble.close_after_processing(1);
    let mut client = world.connect_http1().await;
    assert!(client.send(&world.push(), &world.vapid).await.is_err());
    assert!(deliveries.try_recv().is_ok(), "it arrived although nobody was told");
}

#[tokio::test]
async fn answers_over_http_1_1_are_held_and_a_frozen_service_is_silent() {
    let world = World::new(Vendor::Plain).await;
    let trouble = world.sim.trouble();
    let mut client = world.connect_http1().await;
    trouble.hold_next(1);
    let push = world.push();
    let release = async {
        trouble.wait_held(1, PATIENCE).await.unwrap();
        assert_eq!(world.sim.counts().requests, 1, "what is held is already seen");
        trouble.release();
    };
    let (answer, ()) = tokio::join!(client.send(&push, &world.vapid), release);
    assert_eq!(answer.unwrap().status, StatusCode::CREATED);

    trouble.freeze();
    let push = client.send(&push, &world.vapid);
    tokio::pin!(push);
    // Silence has no event to wait for; a slow machine can only make this pass, never fail.
    let silent = tokio::time::timeout(Duration::from_millis(100), &mut push).await;
    assert!(silent.is_err());
    trouble.thaw();
    assert_eq!(push.await.unwrap().status, StatusCode::CREATED);
}

#[tokio::test]
async fn what_is_scripted_is_answered_as_it_is_over_both_protocols() {
    let world = World::new(Vendor::Google).await;
    let mut deliveries = world.devices.deliveries(world.subscription.endpoint());
    let now = world.devices.clock().now();
    let scripts = [
        Scripted::front_end_502(),
        Vendor::Google.too_many(RetryAfter::Seconds(30), now),
        Vendor::Google.unavailable(RetryAfter::Absent, now),
        Scripted::new(StatusCode::NOT_FOUND, "no such subscription"),
        Scripted::new(StatusCode::GONE, "unsubscribed"),
        Scripted::new(StatusCode::PAYLOAD_TOO_LARGE, "too large"),
        Scripted::status(StatusCode::INTERNAL_SERVER_ERROR),
    ];
    // It makes the answers late and changes nothing else.
    world.sim.trouble().latency(Duration::from_millis(1));
    let client = world.connect().await;
    let mut client_1 = world.connect_http1().await;
    for script in &scripts {
        world.sim.trouble().answer_next(2, script);
        let push = world.push();
        for answer in
            [world.send(&client, &push).await, client_1.send(&push, &world.vapid).await.unwrap()]
        {
            assert_eq!((answer.status, &answer.body), (script.status, &script.body));
            for (name, value) in &script.headers {
                assert_eq!(answer.headers.get(name), Some(value), "{}", script.status);
            }
        }
    }
    let wait = &scripts[1].headers["retry-after"];
    assert_eq!((scripts[1].status.as_u16(), wait.to_str().unwrap()), (429, "30"));
    assert!(!scripts[2].headers.contains_key("retry-after"));
    assert!(deliveries.try_recv().is_err(), "nobody got anything");
    assert_eq!(world.send(&client, &world.push()).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn trouble_reaches_http_2() {
    let world = World::new(Vendor::Apple).await;
    let connect = async || Client::connect(world.sim.addr(), world.sim.ca_pem(), None).await;
    let client = connect().await;
    world.sim.trouble().go_away_after(1, &GoAway::reason("Shutdown"));
    assert_eq!(world.send(&client, &world.push()).await.status, StatusCode::CREATED);
    let push = world.push();
    let error = world.try_send(&client, &push).await.unwrap_err();
    assert!(error.is_go_away() && format!("{error:?}").contains("Shutdown"), "{error:?}");
    assert_eq!(world.send(&connect().await, &push).await.status, StatusCode::CREATED);
}
