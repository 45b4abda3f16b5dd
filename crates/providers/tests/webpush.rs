//! Web Push: what goes out, what comes back, over HTTP/2 and HTTP/1.1.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::{Outcome, RetryRule, Scope, TokenVerdict};
use futures_util::future::join_all;
use http::{Method, Version};
use providers::outbound::Guard;
use providers::webpush::{Push, Subscription, Urgency};
use providers::{Config, Roots};
use serde_json::json;

use crate::rig::{PATIENCE, check_all_accepted, check_refused, refusal, soon};
use crate::webpush_service::{NOW, PATH, PAYLOAD, Script, Service, WebPushRig, vapid_claims};

/// What a service may agree to by ALPN, and what is then spoken to it.
const SPOKEN: &[(&[&str], Version)] = &[
    (&["h2", "http/1.1"], Version::HTTP_2),
    (&["h2"], Version::HTTP_2),
    (&["http/1.1"], Version::HTTP_11),
    (&[], Version::HTTP_11),
];

#[tokio::test]
async fn a_push_arrives_readable_for_the_browser_alone() {
    for (protocols, version) in SPOKEN {
        let rig = WebPushRig::start(protocols).await;
        let client = rig.client();
        let push = Push { topic: Some("thread-1".to_owned()), ..rig.push() };

        check_all_accepted(&[client.send(&push, NOW, || true).await]);

        let seen = rig.service.seen().pop().expect("a request");
        assert_eq!((&seen.method, seen.version), (&Method::POST, *version), "{protocols:?}");
        assert_eq!(seen.path, PATH);
        assert_eq!(seen.host, format!("localhost:{}", rig.service.addr.port()));
        assert_eq!(rig.service.names().last(), Some(&Some("localhost".to_owned())), "SNI");
        for (name, value) in [
            ("ttl", "60"),
            ("urgency", "high"),
            ("topic", "thread-1"),
            ("content-encoding", "aes128gcm"),
            ("content-type", "application/octet-stream"),
            ("content-length", &seen.body.len().to_string()),
        ] {
            assert_eq!(seen.header(name), value, "{name}");
        }
        let (payload, padding) = rig.browser.open(&seen.body);
        assert_eq!((payload.as_slice(), padding), (PAYLOAD, 512 - PAYLOAD.len()));

        let claims = vapid_claims(seen.header("authorization"), rig.key.public_key());
        let aud = format!("https://localhost:{}", rig.service.addr.port());
        let exp = NOW.as_seconds() + 12 * 60 * 60;
        assert_eq!(claims, json!({ "aud": aud, "exp": exp, "sub": "mailto:push@example.org" }));
    }
}

#[tokio::test]
async fn no_two_pushes_are_alike() {
    let rig = WebPushRig::start(&["h2"]).await;
    let (client, push) = (rig.client(), rig.push());
    for _ in 0..2 {
        check_all_accepted(&[client.send(&push, NOW, || true).await]);
    }
    let [one, other] = rig.service.seen().try_into().expect("two");
    assert_ne!(one.body.slice(..16), other.body.slice(..16), "the salts differ");
    assert_ne!(one.body.slice(21..86), other.body.slice(21..86), "the keys differ");
    assert_eq!(rig.browser.open(&one.body), rig.browser.open(&other.body));
    assert_eq!(one.header("authorization"), other.header("authorization"), "one token");
}

#[tokio::test]
async fn the_largest_payload_fits_and_padding_can_be_switched_off() {
    let mut rig = WebPushRig::start(&["h2"]).await;
    rig.config.webpush_pad_to_bytes = 1;
    let client = rig.client();
    for length in [0, 1, 3993] {
        let payload = Some(Bytes::from(vec![b'x'; length]));
        let push = Push { payload, ..rig.push() };
        check_all_accepted(&[client.send(&push, NOW, || true).await]);
        let seen = rig.service.seen().pop().expect("a request");
        assert_eq!(seen.body.len(), length + 103);
        assert_eq!(rig.browser.open(&seen.body), (vec![b'x'; length], 0));
    }
}

#[tokio::test]
async fn an_endpoint_without_keys_gets_an_empty_push() {
    for (protocols, _) in SPOKEN {
        let rig = WebPushRig::start(protocols).await;
        let client = rig.client();
        let subscription = Subscription::of_parts(&rig.service.url(PATH), None).expect("good");
        let urgency = Urgency::VeryLow;
        let empty = Push { subscription, urgency, payload: None, ..rig.push() };
        check_all_accepted(&[client.send(&empty, NOW, || true).await]);
        let seen = rig.service.seen().pop().expect("a request");
        assert_eq!((seen.header("content-length"), seen.header("urgency")), ("0", "very-low"));
        assert_eq!((seen.header("content-encoding"), seen.body.len()), ("", 0));

        let full = Push { payload: Some(Bytes::from_static(b"x")), ..empty };
        let exchange = client.send(&full, NOW, || true).await;
        check_refused(&exchange, 913, "payload: the subscription has no keys");
        assert_eq!(refusal(&exchange).retry, RetryRule::Bare, "a push without payload passes");
        assert_eq!(rig.service.counts().requests, 1);
    }
}

#[tokio::test]
async fn a_record_tells_all_but_the_secrets() {
    let rig = WebPushRig::start(&["h2"]).await;
    let push = rig.push();
    let location = format!("/m/1?of={PATH}");
    let headers = [("location", location.as_str()), ("ttl", "30"), ("apns-id", "an-id")];
    rig.service.answer(201, &headers, &format!("thanks for {PATH}"));

    let exchange = rig.client().send(&push, NOW, || true).await;

    assert_eq!(exchange.outcome, Outcome::Accepted { provider_id: Some("an-id".to_owned()) });
    let hash = push.subscription.hash().to_string();
    let request = serde_json::to_value(&exchange.request).expect("serializes");
    assert_eq!(request["host"], format!("localhost:{}", rig.service.addr.port()));
    assert_eq!(request["path"], format!("/{hash}"));
    assert_eq!(request["headers"]["ttl"], "60");
    assert_eq!(request["body"], String::from_utf8_lossy(PAYLOAD).as_ref());
    let answer = serde_json::to_value(exchange.answer.as_ref().expect("an answer")).unwrap();
    assert_eq!(answer["headers"]["ttl"], "30");
    assert_eq!(answer["headers"]["location"], format!("/m/1?of={hash}"));
    assert_eq!(answer["body"], format!("thanks for {hash}"));
    let all = format!("{request} {answer} {exchange:?} {push:?}");
    assert!(!all.contains("Secret") && !all.contains("vapid"), "{all}");
}

#[tokio::test]
async fn a_token_is_for_one_origin_and_lasts_six_hours() {
    let rig = WebPushRig::start(&["h2"]).await;
    let other = Service::start(&rig.ca, &["http/1.1"]).await;
    let client = rig.client();
    let tokens = |service: &Service| -> Vec<_> {
        service.seen().iter().map(|seen| seen.header("authorization").to_owned()).collect()
    };
    for hours in [0, 5, 6] {
        let now = NOW.plus(Duration::from_secs(hours * 3600));
        check_all_accepted(&[client.send(&rig.push(), now, || true).await]);
    }
    check_all_accepted(&[client.send(&rig.push_to(&other.url("/x")), NOW, || true).await]);
    let [first, kept, renewed] = tokens(&rig.service).try_into().expect("three");
    assert_eq!(first, kept);
    assert_ne!(kept, renewed);
    let [elsewhere] = tokens(&other).try_into().expect("one");
    let claims = vapid_claims(&elsewhere, rig.key.public_key());
    assert_eq!(claims["aud"], format!("https://localhost:{}", other.addr.port()));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_unless_it_is_young() {
    let rig = WebPushRig::start(&["h2"]).await;
    let client = rig.client();
    let refuse = || rig.service.answer(403, &[], "{\"reason\":\"BadJwtToken\"}");
    check_all_accepted(&[rig.send(&client).await]);
    // An hour later a new one may be made, and is believed.
    let later = NOW.plus(Duration::from_secs(3600));
    refuse();
    check_all_accepted(&[client.send(&rig.push(), later, || true).await]);
    let [_, refused, renewed] = rig.service.seen().try_into().expect("three");
    assert_ne!(refused.header("authorization"), renewed.header("authorization"));
    // The new one is young: refusing it is the answer.
    refuse();
    let exchange = client.send(&rig.push(), later, || true).await;
    check_refused(&exchange, 904, "BadJwtToken");
    assert_eq!(refusal(&exchange).scope, Scope::Credential);
    assert_eq!(rig.service.counts().requests, 4);
    // And a service that refuses every token is not asked without end.
    refuse();
    refuse();
    let much_later = later.plus(Duration::from_secs(3600));
    check_refused(&client.send(&rig.push(), much_later, || true).await, 904, "BadJwtToken");
    assert_eq!(rig.service.counts().requests, 6);
}

#[tokio::test]
async fn the_services_words_are_passed_on() {
    let rig = WebPushRig::start(&["h2"]).await;
    let client = rig.client();
    rig.service.answer(410, &[], "push subscription has unsubscribed or expired.\n");
    let exchange = rig.send(&client).await;
    check_refused(&exchange, 911, "push subscription has unsubscribed or expired.");
    assert_eq!(refusal(&exchange).token, TokenVerdict::Drop { invalid_since: None });

    rig.service.answer(429, &[("retry-after", "120")], "");
    let exchange = rig.send(&client).await;
    check_refused(&exchange, 902, "HTTP 429");
    assert_eq!(refusal(&exchange).retry, RetryRule::After(Duration::from_secs(120)));

    rig.service.answer(404, &[], &format!("Cannot POST {PATH}"));
    let exchange = rig.send(&client).await;
    check_refused(&exchange, 911, "Cannot POST sha256:");
    assert!(!format!("{exchange:?}").contains("Secret"), "{exchange:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for (protocols, _) in SPOKEN {
        let rig = WebPushRig::start(protocols).await;
        let target = Service::start(&rig.ca, protocols).await;
        for status in [301, 302, 303, 307, 308] {
            rig.service.answer(status, &[("location", &target.url("/elsewhere"))], "");
            let exchange = rig.send(&rig.client()).await;
            check_refused(&exchange, 902, &format!("HTTP {status}"));
            assert_eq!(refusal(&exchange).token, TokenVerdict::Keep);
        }
        assert_eq!(target.counts().connections, 0);
    }
}

#[tokio::test]
async fn a_host_outside_the_list_is_not_called() {
    let mut rig = WebPushRig::start(&["h2"]).await;
    rig.config.webpush_hosts = Config::new(Roots::system()).webpush_hosts;
    let exchange = rig.send(&rig.client()).await;
    check_refused(&exchange, 901, "HostNotAllowed: localhost");
    let refusal = refusal(&exchange);
    assert!(refusal.remedy.contains("webpush.allowed_hosts"), "{}", refusal.remedy);
    assert_eq!((refusal.scope, refusal.token), (Scope::Device, TokenVerdict::Keep));
    assert_eq!(rig.service.counts().connections, 0);
}

#[tokio::test]
async fn an_endpoint_inside_our_network_is_not_called() {
    for (protocols, _) in SPOKEN {
        let mut rig = WebPushRig::start(protocols).await;
        rig.config.guard = Guard::default();
        let by_address = format!("https://127.0.0.1:{}/x", rig.service.addr.port());
        for push in [rig.push(), rig.push_to(&by_address)] {
            let exchange = rig.client().send(&push, NOW, || true).await;
            check_refused(&exchange, 901, "AddressNotAllowed: ");
            let refusal = refusal(&exchange);
            assert!(refusal.remedy.contains("outbound.allow_private"), "{}", refusal.remedy);
            assert_eq!((refusal.scope, refusal.token), (Scope::Device, TokenVerdict::Keep));
        }
        assert_eq!(rig.service.counts().connections, 0);
    }
}

#[tokio::test]
async fn what_breaks_a_rule_is_not_sent() {
    let rig = WebPushRig::start(&["h2"]).await;
    let push = Push { topic: Some("a topic".to_owned()), ..rig.push() };
    check_refused(&rig.client().send(&push, NOW, || true).await, 913, "topic: ");
    assert_eq!(rig.service.counts().connections, 0);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_once_more() {
    for (protocols, _) in SPOKEN {
        let rig = WebPushRig::start(protocols).await;
        let client = rig.client();
        check_all_accepted(&[rig.send(&client).await]);
        rig.service.script(Script::Drop);
        check_all_accepted(&[rig.send(&client).await]);
        assert_eq!(rig.service.counts().requests, 3);

        rig.service.script(Script::Drop);
        rig.service.script(Script::Drop);
        let exchange = rig.send(&client).await;
        assert!(matches!(exchange.outcome, Outcome::Unknown { .. }), "{:?}", exchange.outcome);
        assert_eq!(rig.service.counts().requests, 5);
        check_all_accepted(&[rig.send(&client).await]);
    }
}

#[tokio::test]
async fn what_was_lost_and_is_no_longer_wanted_is_unknown_and_not_sent_again() {
    for (protocols, _) in SPOKEN {
        let rig = WebPushRig::start(protocols).await;
        let client = rig.client();
        check_all_accepted(&[rig.send(&client).await]);
        rig.service.script(Script::Drop);
        let asked = AtomicU32::new(0);
        let wanted = || asked.fetch_add(1, Ordering::Relaxed) == 0;
        let exchange = client.send(&rig.push(), NOW, wanted).await;
        assert!(matches!(exchange.outcome, Outcome::Unknown { .. }), "{:?}", exchange.outcome);
        assert_eq!(rig.service.counts().requests, 2, "{protocols:?}");
        // The connection it would have gone by is free.
        check_all_accepted(&[rig.send(&client).await]);
    }
}

#[tokio::test]
async fn no_answer_in_time_is_unknown_and_not_sent_again() {
    for (protocols, _) in SPOKEN {
        let mut rig = WebPushRig::start(protocols).await;
        rig.config.request_timeout = Duration::from_millis(200);
        let client = rig.client();
        let _held = rig.service.hold();
        let exchange = rig.send(&client).await;
        assert_eq!(exchange.outcome, Outcome::Unknown { detail: "no answer in time".to_owned() });
        assert_eq!(rig.service.counts().requests, 1);
        check_all_accepted(&[rig.send(&client).await]);
    }
}

#[tokio::test]
async fn connections_are_kept_and_replaced_when_they_die() {
    for (protocols, version) in SPOKEN {
        let rig = WebPushRig::start(protocols).await;
        let client = rig.client();
        // With HTTP/1.1 the first connection only found that out.
        let first = if *version == Version::HTTP_2 { 1 } else { 2 };
        for _ in 0..5 {
            check_all_accepted(&[rig.send(&client).await]);
        }
        assert_eq!(rig.service.counts().connections, first, "{protocols:?}");
        rig.service.kill_connections();
        rig.service.wait(|counts| counts.ended == first).await;
        check_all_accepted(&[rig.send(&client).await]);
        assert_eq!(rig.service.counts().connections, first + 1, "{protocols:?}");
        if *version == Version::HTTP_11 {
            rig.service.answer(201, &[("connection", "close")], "");
            check_all_accepted(&[rig.send(&client).await, rig.send(&client).await]);
            assert_eq!(rig.service.counts().connections, first + 2);
        }
    }
}

#[tokio::test]
async fn http_1_does_not_trust_a_connection_that_was_quiet_for_long() {
    let mut rig = WebPushRig::start(&["http/1.1"]).await;
    rig.config.keep_alive_idle = Duration::ZERO;
    let client = rig.client();
    for connections in [2, 3, 4] {
        check_all_accepted(&[rig.send(&client).await]);
        assert_eq!(rig.service.counts().connections, connections);
    }
}

#[tokio::test]
async fn http_1_pauses_after_a_failed_connect() {
    let mut rig = WebPushRig::start(&["http/1.1"]).await;
    rig.config.reconnect_first = PATIENCE;
    rig.config.reconnect_longest = PATIENCE;
    let (client, push) = (rig.client(), rig.push());
    let send = async || client.send(&push, NOW, || true).await;
    check_all_accepted(&[send().await]);
    let addr = rig.service.addr;
    rig.service.stop().await;
    check_refused(&send().await, 902, "NotConnected");
    let back = Service::start_at(addr, &rig.ca, &["http/1.1"]).await;
    check_refused(&send().await, 902, "NotConnected");
    assert_eq!(back.counts().connections, 0);
}

#[tokio::test]
async fn http_1_does_not_call_unsent_what_was_lost_with_the_service() {
    let rig = WebPushRig::start(&["http/1.1"]).await;
    let (client, push) = (rig.client(), rig.push());
    let _held = rig.service.hold();
    let (exchange, ()) = tokio::join!(client.send(&push, NOW, || true), async {
        rig.service.wait(|counts| counts.requests == 1).await;
        rig.service.stop().await;
    });
    assert!(matches!(exchange.outcome, Outcome::Unknown { .. }), "{:?}", exchange.outcome);
}

#[tokio::test]
async fn http_1_has_as_many_connections_as_it_may() {
    let mut rig = WebPushRig::start(&["http/1.1"]).await;
    rig.config.connections_per_credential = 2;
    let client = rig.client();
    let push = rig.push();
    let held = [rig.service.hold(), rig.service.hold()];
    let wanted = AtomicBool::new(true);
    let (both, third, ()) = tokio::join!(
        biased;
        join_all((0..2).map(|_| rig.send(&client))),
        client.send(&push, NOW, || wanted.load(Ordering::Relaxed)),
        async {
            rig.service.wait(|counts| counts.requests == 2).await;
            // While the third one waits for a connection, it is called off.
            wanted.store(false, Ordering::Relaxed);
            held.iter().for_each(|held| held.notify_one());
        }
    );
    check_all_accepted(&both);
    assert_eq!(third.outcome, Outcome::Withdrawn);
    let counts = rig.service.counts();
    assert_eq!((counts.requests, counts.connections), (2, 3), "one more that found out");
    // What is called off gives its connection back.
    for _ in 0..2 {
        assert_eq!(client.send(&push, NOW, || false).await.outcome, Outcome::Withdrawn);
    }
    check_all_accepted(&[rig.send(&client).await]);
    assert_eq!(rig.service.counts().connections, 3);
    let seen = rig.service.seen();
    assert_ne!(seen[0].connection, seen[1].connection, "one request at a time on each");
}

#[tokio::test]
async fn origins_are_bounded_and_the_one_unused_for_longest_goes() {
    for (protocols, version) in SPOKEN {
        let mut rig = WebPushRig::start(protocols).await;
        rig.config.guarded_origins = 2;
        let (second, third) =
            (Service::start(&rig.ca, protocols).await, Service::start(&rig.ca, protocols).await);
        let client = rig.client();
        let send = async |service: &Service| {
            let push = rig.push_to(&service.url(PATH));
            check_all_accepted(&[client.send(&push, NOW, || true).await]);
        };
        let first = if *version == Version::HTTP_2 { 1 } else { 2 };
        for service in [&rig.service, &second, &rig.service, &third] {
            send(service).await;
        }
        // The second one was unused for longest.
        second.wait(|counts| counts.ended == first).await;
        send(&rig.service).await;
        send(&third).await;
        assert_eq!(rig.service.counts().connections, first, "{protocols:?}");
        assert_eq!(third.counts().connections, first, "{protocols:?}");
        send(&second).await;
        assert_eq!(second.counts().connections, 2 * first, "{protocols:?}");
    }
}

#[tokio::test]
async fn a_push_in_flight_outlives_its_origins_place() {
    for (protocols, _) in SPOKEN {
        let mut rig = WebPushRig::start(protocols).await;
        rig.config.guarded_origins = 1;
        let other = Service::start(&rig.ca, protocols).await;
        let client = rig.client();
        let held = rig.service.hold();
        let (exchange, ()) = tokio::join!(rig.send(&client), async {
            rig.service.wait(|counts| counts.requests == 1).await;
            let push = rig.push_to(&other.url(PATH));
            check_all_accepted(&[client.send(&push, NOW, || true).await]);
            held.notify_one();
        });
        check_all_accepted(&[exchange]);
        assert_eq!(rig.service.counts().requests, 1);
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_902() {
    for (protocols, _) in SPOKEN {
        let rig = WebPushRig::start(protocols).await;
        let client = rig.client();
        check_all_accepted(&[rig.send(&client).await]);
        let (push, stranger) = (rig.push(), rig.client());
        rig.service.stop().await;
        // What goes by a connection that was just cut may have been read; the next one finds nobody.
        let cut = soon(client.send(&push, NOW, || true)).await.outcome;
        assert!(!cut.is_accepted(), "{cut:?}");
        for client in [client, stranger] {
            let exchange = soon(client.send(&push, NOW, || true)).await;
            check_refused(&exchange, 902, "NotConnected");
            assert_eq!(refusal(&exchange).scope, Scope::Service);
        }
    }
}

#[tokio::test]
async fn a_server_we_do_not_trust_gets_nothing() {
    for (protocols, _) in SPOKEN {
        let mut rig = WebPushRig::start(protocols).await;
        rig.config.roots = Roots::system();
        check_refused(&rig.send(&rig.client()).await, 902, "ServerTlsNotTrusted");
        assert_eq!(rig.service.counts().requests, 0);
    }
}

#[tokio::test]
async fn closing_lets_pushes_end_and_refuses_new_ones() {
    for (protocols, _) in SPOKEN {
        let rig = WebPushRig::start(protocols).await;
        let client = rig.client();
        let held = rig.service.hold();
        let over = AtomicBool::new(false);
        let push = async {
            let exchange = rig.send(&client).await;
            over.store(true, Ordering::Relaxed);
            exchange
        };
        let (exchange, ()) = tokio::join!(push, async {
            rig.service.wait(|counts| counts.requests == 1).await;
            let close = client.close();
            tokio::pin!(close);
            // Closing has begun once it has been polled; it waits for the push.
            assert!(futures_util::poll!(&mut close).is_pending());
            check_refused(&rig.send(&client).await, 902, "ClientClosed");
            held.notify_one();
            soon(close).await;
            assert!(over.load(Ordering::Relaxed), "{protocols:?}: closed before the push was over");
        });
        check_all_accepted(&[exchange]);
        rig.service.wait(|counts| counts.ended == counts.connections).await;
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    for (protocols, _) in SPOKEN {
        let rig = WebPushRig::start(protocols).await;
        let client = rig.client();
        rig.service.answer(500, &[], &"x".repeat(1 << 20));
        let exchange = rig.send(&client).await;
        check_refused(&exchange, 902, "HTTP 500");
        assert_eq!(exchange.answer.expect("an answer").body.len(), 64 * 1024);
        check_all_accepted(&[rig.send(&client).await]);
        // A head without end is no answer at all.
        rig.service.answer(500, &[("x-long", &"x".repeat(60 * 1024))], "");
        rig.service.answer(500, &[("x-long", &"x".repeat(60 * 1024))], "");
        let exchange = rig.send(&client).await;
        assert!(matches!(exchange.outcome, Outcome::Unknown { .. }), "{:?}", exchange.outcome);
    }
}
