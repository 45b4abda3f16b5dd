//! The client for tenants' URLs: whom it calls, and what it makes of the answers.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Version};
use providers::outbound::{Client, Guard, NoAnswer};
use providers::{Config, Origin, Roots};
use sim::pki::Ca;

use crate::rig::soon;
use crate::webpush_service::{Script, Service, guarded_config};

/// A server and how to reach it.
async fn start(protocols: &[&str]) -> (Service, Config) {
    let ca = Ca::generate("Test").expect("makes an authority");
    (Service::start(&ca, protocols).await, guarded_config(&ca))
}

fn client(config: &Config) -> Client {
    Client::new(config).expect("a good configuration")
}

#[tokio::test]
async fn a_call_reaches_its_url_by_either_http() {
    for (protocols, version) in [(&["h2"][..], Version::HTTP_2), (&["http/1.1"], Version::HTTP_11)]
    {
        let (service, config) = start(protocols).await;
        let client = client(&config);
        service.answer(200, &[("x-kind", "keys")], "{\"keys\":[]}");
        let answer = client.get(&service.url("/jwks?v=1")).await.expect("an answer");
        assert_eq!((answer.status, answer.cut), (200, false));
        assert_eq!(answer.headers["x-kind"], "keys");
        assert_eq!(answer.body, "{\"keys\":[]}");

        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
        let answer = client.post(&service.url("/hook"), headers, "{}".into()).await;
        assert_eq!(answer.expect("an answer").status, 201);

        let [get, post] = service.seen().try_into().expect("two");
        assert_eq!((get.method, get.path.as_str()), (Method::GET, "/jwks?v=1"));
        assert_eq!((get.version, get.body.len()), (version, 0));
        assert_eq!(get.host, format!("localhost:{}", service.addr.port()));
        assert_eq!((&post.method, post.path.as_str()), (&Method::POST, "/hook"));
        assert_eq!((post.header("webhook-id"), post.header("content-length")), ("msg_1", "2"));
        assert_eq!(post.body, "{}");
        assert_eq!(get.connection, post.connection, "the connection is kept");
    }
}

#[tokio::test]
async fn a_host_is_reached_without_calling_anything_of_it() {
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let (service, config) = start(protocols).await;
        let client = client(&config);
        let origin = Origin::of_url(&service.url("/hook?secret=1")).expect("an origin");
        let date = "Sun, 01 Mar 2026 06:30:00 GMT";
        service.answer(404, &[("date", date)], "");
        let answer = client.reach(&origin).await.expect("an answer");
        let minutes = answer.date().expect("a date").as_seconds() / 60;
        assert_eq!((answer.status, minutes), (404, 29_539_110));
        let [seen] = service.seen().try_into().expect("one request");
        assert_eq!((seen.method, seen.path.as_str(), seen.body.len()), (Method::HEAD, "/", 0));
    }
}

#[tokio::test]
async fn any_status_is_an_answer_and_no_redirect_is_followed() {
    let (service, config) = start(&["h2"]).await;
    let client = client(&config);
    let target = service.url("/elsewhere");
    for status in [204, 301, 302, 307, 308, 404, 500] {
        service.answer(status, &[("location", &target)], "");
        let answer = client.get(&service.url("/")).await.expect("an answer");
        assert_eq!(answer.status, status);
    }
    assert!(service.seen().iter().all(|seen| seen.path == "/"));
}

#[tokio::test]
async fn a_long_answer_is_cut_and_says_so() {
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let (service, config) = start(protocols).await;
        let client = client(&config);
        let check = async |length: usize, kept: usize, cut: bool| {
            service.answer(200, &[], &"x".repeat(length));
            let answer = client.get(&service.url("/")).await.expect("an answer");
            assert_eq!((answer.body.len(), answer.cut), (kept, cut), "{length}");
        };
        check(64 * 1024 - 1, 64 * 1024 - 1, false).await;
        check(64 * 1024 + 1, 64 * 1024, true).await;
        check(1 << 20, 64 * 1024, true).await;
        check(1, 1, false).await;
    }
}

#[tokio::test]
async fn private_addresses_are_refused_and_the_option_named() {
    let (service, mut config) = start(&["h2"]).await;
    let port = service.addr.port();
    let urls =
        [service.url("/"), format!("https://127.0.0.1:{port}/"), format!("https://[::1]:{port}/")];
    let check = async |config: &Config, url: &str, allowed: bool| {
        let answer = client(config).get(url).await;
        match &answer {
            Ok(_) => assert!(allowed, "{url} was reached"),
            Err(NoAnswer::NotAllowed { problem, remedy, .. }) => {
                assert!(!allowed, "{url}: {problem}");
                assert!(problem.contains("a loopback address"), "{problem}");
                assert!(remedy.contains("outbound.allow_private"), "{remedy}");
            }
            Err(other) => panic!("{url}: {other:?}"),
        }
    };
    config.guard = Guard::default();
    for url in &urls {
        check(&config, url, false).await;
    }
    assert_eq!(service.counts().connections, 0);
    // One port of one name, whatever it resolves to; not the address by itself.
    config.guard = Guard::allowing([format!("localhost:{port}").as_str()]).expect("good");
    check(&config, &urls[0], true).await;
    check(&config, &urls[1], false).await;
    // One address; of the two that localhost may have, the other one is struck out.
    config.guard = Guard::allowing(["127.0.0.1"]).expect("good");
    check(&config, &urls[0], true).await;
    check(&config, &urls[1], true).await;
    check(&config, &urls[2], false).await;
    config.guard = Guard::allowing([format!("127.0.0.1:{}", port ^ 1).as_str()]).expect("good");
    check(&config, &urls[1], false).await;
}

#[tokio::test]
async fn what_is_no_https_url_is_refused_without_repeating_it() {
    let (_, config) = start(&["h2"]).await;
    let client = client(&config);
    for url in ["http://a.example/SECRET", "SECRET", "https://u:SECRET@a.example/", "https://"] {
        let refused = client.get(url).await.expect_err(url);
        assert!(matches!(refused, NoAnswer::Url { .. }), "{refused:?}");
        assert!(!refused.to_string().contains("SECRET"), "{refused}");
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_is_unknown() {
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let (service, mut config) = start(protocols).await;
        config.outbound_timeout = Duration::from_millis(300);
        let client = client(&config);
        let _held = service.hold();
        let refused = soon(client.get(&service.url("/SECRET"))).await.expect_err("no answer");
        assert!(matches!(refused, NoAnswer::Unknown { .. }), "{refused:?}");
        assert!(!refused.to_string().contains("SECRET"), "{refused}");
        assert_eq!(client.get(&service.url("/")).await.expect("an answer").status, 201);
    }
}

#[tokio::test]
async fn a_lost_post_is_sent_once_more() {
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let (service, config) = start(protocols).await;
        let client = client(&config);
        let url = service.url("/");
        let post = || client.post(&url, HeaderMap::new(), "x".into());
        assert_eq!(post().await.expect("an answer").status, 201);
        service.script(Script::Drop);
        assert_eq!(post().await.expect("an answer").status, 201);
        service.script(Script::Drop);
        service.script(Script::Drop);
        let refused = post().await.expect_err("no answer");
        assert!(matches!(refused, NoAnswer::Unknown { .. }), "{refused:?}");
        assert_eq!(service.counts().requests, 5);
    }
}

#[tokio::test]
async fn who_cannot_be_reached_or_trusted_is_not_sent_to() {
    let (service, mut config) = start(&["h2"]).await;
    let url = service.url("/SECRET");
    let check = async |config: &Config, expected: &str| {
        let refused = client(config).get(&url).await.expect_err("no answer");
        let NoAnswer::NotSent { problem, .. } = &refused else { panic!("{refused:?}") };
        assert!(problem.contains(expected), "{problem}");
        assert!(!refused.to_string().contains("SECRET"), "{refused}");
    };
    let trusting = config.clone();
    config.roots = Roots::system();
    check(&config, "not trusted").await;
    assert_eq!(service.counts().requests, 0);
    service.stop().await;
    check(&trusting, "not connected").await;
}

#[tokio::test]
async fn closing_refuses_new_calls() {
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let (service, config) = start(protocols).await;
        let client = client(&config);
        client.get(&service.url("/")).await.expect("an answer");
        soon(client.close()).await;
        service.wait(|counts| counts.ended == counts.connections).await;
        let refused = client.get(&service.url("/")).await.expect_err("closed");
        assert!(matches!(refused, NoAnswer::NotSent { .. }), "{refused:?}");
    }
}
