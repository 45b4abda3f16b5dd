//! The way out through a proxy: for every provider, and with every way it can go wrong.

use std::time::Duration;

use domain::{Outcome, Scope};
use http::HeaderMap;
use providers::outbound::{Client, Guard, NoAnswer, Proxy};

use crate::proxy_server::{Manner, ProxyServer};
use crate::rig::{ApnsRig, FcmRig, check_all_accepted, check_refused, refusal, soon};
use crate::webpush_service::{NOW, Service, WebPushRig, guarded_config};

/// What `me:p@ss` is in `Proxy-Authorization`.
const ME: &str = "Basic bWU6cEBzcw==";

#[tokio::test]
async fn apns_goes_through_the_proxy() {
    let mut rig = ApnsRig::start().await;
    let server = ProxyServer::start(Manner::Tunnel(rig.sim.addr())).await;
    rig.config.proxy = Some(server.proxy());
    check_all_accepted(&[rig.send(&rig.client()).await]);
    let to = rig.sim.addr();
    assert_eq!(server.heads(), [format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")]);
}

#[tokio::test]
async fn fcm_and_its_token_endpoint_go_through_the_proxy() {
    let mut rig = FcmRig::start().await;
    let server = ProxyServer::start(Manner::Tunnel(rig.sim.addr())).await;
    rig.config.proxy = Some(server.proxy());
    check_all_accepted(&[rig.send(&rig.client(), &rig.message()).await]);
    assert_eq!(server.heads().len(), 2);
}

#[tokio::test]
async fn web_push_and_webhooks_go_through_the_proxy() {
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let mut rig = WebPushRig::start(protocols).await;
        let server = ProxyServer::start(Manner::Tunnel(rig.service.addr)).await;
        rig.config.proxy = Some(server.proxy());
        rig.config.guard = Guard::allowing(["localhost:443"]).expect("good entries");
        // The proxy resolves the name, to where no resolver of ours would.
        let push = rig.push_to("https://localhost/x");
        check_all_accepted(&[rig.client().send(&push, NOW, || true).await]);
        let client = Client::new(&rig.config).expect("a good configuration");
        let answer = client.post("https://localhost/hook", HeaderMap::new(), "x".into()).await;
        assert_eq!(answer.expect("an answer").status, 201);
        for head in server.heads() {
            assert_eq!(head, "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n");
        }
        assert_eq!(rig.service.counts().requests, 2);
        assert_eq!(rig.service.counts().connections, server.heads().len(), "none went around it");
    }
}

#[tokio::test]
async fn the_proxy_is_given_user_and_password() {
    let mut rig = WebPushRig::start(&["h2"]).await;
    let server = ProxyServer::start(Manner::Asks(rig.service.addr, ME)).await;
    rig.config.guard = Guard::allowing(["localhost:443"]).expect("good entries");
    rig.config.proxy = Some(server.proxy_as("me:p%40ss"));
    let push = rig.push_to("https://localhost/x");
    check_all_accepted(&[rig.client().send(&push, NOW, || true).await]);
    assert!(server.heads().concat().contains(&format!("Proxy-Authorization: {ME}\r\n")));

    for user in [None, Some("me:wr0ng")] {
        rig.config.proxy = Some(user.map_or_else(|| server.proxy(), |user| server.proxy_as(user)));
        let exchange = rig.client().send(&push, NOW, || true).await;
        let expected = format!(
            "ProxyRefused: proxy {}: it answered 407 Proxy Authentication Required to CONNECT localhost:443",
            server.addr
        );
        check_refused(&exchange, 902, &expected);
        let refusal = refusal(&exchange);
        assert!(refusal.remedy.contains("outbound.proxy_url"), "{}", refusal.remedy);
        assert_eq!(refusal.scope, Scope::Service);
        let shown = format!("{exchange:?} {:?}", rig.config);
        assert!(!shown.contains("wr0ng") && !shown.contains("Basic"), "{shown}");
    }
    assert_eq!(rig.service.counts().connections, 1);
}

#[tokio::test]
async fn whatever_else_a_proxy_says_names_the_proxy() {
    let rows: [(&'static [u8], &str); 8] = [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "it answered 403 Forbidden"),
        (b"HTTP/1.0 502 Bad Gateway\r\nX: y\r\n\r\n<html>", "it answered 502 Bad Gateway"),
        (b"HTTP/1.1 301 x\r\nLocation: http://a\r\n\r\n", "it answered 301 Moved Permanently"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "it does not speak HTTP/1.1"),
        (b"HTTP/1.1 fine\r\n\r\n", "its answer has no status"),
        (b"HTTP/1.1 200 OK\r\n\r\n\x15\x03\x03", "it sent more than its answer"),
        (b"HTTP/1.1 200 OK\r\n", "it closed the connection"),
        (&LONG, "its answer is too long"),
    ];
    for (says, expected) in rows {
        let mut rig = ApnsRig::start().await;
        let server = ProxyServer::start(Manner::Says(says)).await;
        rig.config.proxy = Some(server.proxy());
        let exchange = soon(rig.send(&rig.client())).await;
        let reason = format!("ProxyRefused: proxy {}: {expected}", server.addr);
        check_refused(&exchange, 902, &reason);
        assert_eq!(rig.sim.counts().connections, 0);
    }
}

/// A head without end.
static LONG: [u8; 20_000] = {
    let mut long = [b'x'; 20_000];
    let start = b"HTTP/1.1 200 OK\r\nX: ";
    let mut at = 0;
    while at < start.len() {
        long[at] = start[at];
        at += 1;
    }
    long
};

#[tokio::test]
async fn a_silent_proxy_is_given_up_in_the_time_for_connecting() {
    let mut rig = ApnsRig::start().await;
    let server = ProxyServer::start(Manner::Silent).await;
    rig.config.proxy = Some(server.proxy());
    rig.config.connect_timeout = Duration::from_millis(200);
    let exchange = soon(rig.send(&rig.client())).await;
    let reason = format!("ProxyRefused: proxy {}: no answer in time", server.addr);
    check_refused(&exchange, 902, &reason);
    server.wait_ended(1).await;
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let mut rig = ApnsRig::start().await;
    let gone = ProxyServer::start(Manner::Silent).await.proxy();
    rig.config.proxy = Some(gone.clone());
    check_refused(&rig.send(&rig.client()).await, 902, &format!("ProxyRefused: proxy {gone}: "));
    assert_eq!(rig.sim.counts().connections, 0, "nothing goes around it");
    rig.config.proxy = Some(Proxy::parse("http://nowhere.invalid:3128").expect("a good URL"));
    let exchange = soon(rig.send(&rig.client())).await;
    check_refused(&exchange, 902, "ProxyRefused: proxy nowhere.invalid:3128: ");
}

#[tokio::test]
async fn who_is_excepted_is_reached_directly() {
    let mut rig = ApnsRig::start().await;
    let server = ProxyServer::start(Manner::Says(b"HTTP/1.1 403 no\r\n\r\n")).await;
    rig.config.proxy = Some(server.proxy().except(["127.0.0.0/8"]).expect("good entries"));
    check_all_accepted(&[rig.send(&rig.client()).await]);
    assert!(server.heads().is_empty());
}

#[tokio::test]
async fn behind_a_proxy_the_guard_refuses_what_it_can_see() {
    let mut rig = WebPushRig::start(&["h2"]).await;
    let server = ProxyServer::start(Manner::Tunnel(rig.service.addr)).await;
    rig.config.guard = Guard::default();
    rig.config.proxy = Some(server.proxy());
    let client = Client::new(&rig.config).expect("a good configuration");
    for host in ["127.0.0.1", "[::1]", "10.0.0.1", "localhost", "a.localhost", "169.254.169.254"] {
        let refused = client.get(&format!("https://{host}/latest/meta-data")).await;
        let Err(NoAnswer::NotAllowed { remedy, .. }) = &refused else { panic!("{refused:?}") };
        assert!(remedy.contains("outbound.allow_private"), "{remedy}");
    }
    let exchange = rig.client().send(&rig.push_to("https://localhost/x"), NOW, || true).await;
    check_refused(&exchange, 901, "AddressNotAllowed: ");
    assert!(server.heads().is_empty());
}

#[tokio::test]
async fn an_excepted_host_is_guarded_like_without_a_proxy() {
    let rig = WebPushRig::start(&["h2"]).await;
    let service = Service::start(&rig.ca, &["h2"]).await;
    let server = ProxyServer::start(Manner::Tunnel(service.addr)).await;
    let mut config = guarded_config(&rig.ca);
    config.guard = Guard::default();
    config.proxy = Some(server.proxy().except(["localhost"]).expect("good entries"));
    let refused = Client::new(&config).expect("good").get(&service.url("/")).await;
    assert!(matches!(refused, Err(NoAnswer::NotAllowed { .. })), "{refused:?}");
    assert!(server.heads().is_empty());
    assert_eq!(service.counts().connections, 0);
    assert!(!matches!(rig.send(&rig.client()).await.outcome, Outcome::Refused(_)));
}
