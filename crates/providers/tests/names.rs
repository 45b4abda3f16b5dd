//! Where names lead: asked anew for every connection, and never remembered.

use std::net::SocketAddr;

use http::Uri;
use providers::outbound::{Book, Client, Guard, Names, NoAnswer};
use sim::apns::KnownKey;
use sim::pki::Ca;
use sim::{ApnsOptions, ApnsSim};

use crate::proxy_server::{Manner, ProxyServer};
use crate::rig::{APP, ApnsRig, check_all_accepted, check_refused, soon};
use crate::webpush_service::{Service, guarded_config};

/// Apple's host, which the simulators' certificates are good for.
const APPLE: &str = "api.push.apple.com";

/// A client's world where Apple's name leads where the book says.
async fn rig() -> (ApnsRig, Book) {
    let mut rig = ApnsRig::start().await;
    let (names, book) = Names::by_hand();
    rig.config.names = names;
    rig.config.apns_production = Uri::from_static("https://api.push.apple.com");
    book.set(APPLE, &[rig.sim.addr()]);
    (rig, book)
}

/// The same push service at another address.
async fn moved(rig: &ApnsRig) -> ApnsSim {
    let mut options = ApnsOptions::new(&rig.ca, &rig.devices);
    options.keys = vec![KnownKey::new(&rig.key, &[APP])];
    ApnsSim::start(options).await.expect("listens on loopback")
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

#[tokio::test]
async fn a_second_connection_goes_where_the_name_leads_by_then() {
    let (rig, book) = rig().await;
    let moved = moved(&rig).await;
    let client = rig.client();
    check_all_accepted(&[rig.send(&client).await]);
    book.set(APPLE, &[moved.addr()]);
    // The connection there is stays good.
    check_all_accepted(&[rig.send(&client).await]);
    assert_eq!(book.asked(APPLE), 1);
    assert_eq!((rig.sim.counts().connections, moved.counts().connections), (1, 0));
    // When it is gone, the next one goes to the new address.
    rig.sim.trouble().close_next(1);
    check_all_accepted(&[soon(rig.send(&client)).await]);
    assert_eq!(book.asked(APPLE), 2);
    assert_eq!((rig.sim.counts().connections, moved.counts().connections), (1, 1));
}

#[tokio::test]
async fn the_first_address_that_answers_is_taken() {
    let (rig, book) = rig().await;
    book.set(APPLE, &[nobody().await, rig.sim.addr()]);
    check_all_accepted(&[rig.send(&rig.client()).await]);
    book.set(APPLE, &[nobody().await]);
    check_refused(&rig.send(&rig.client()).await, 902, "NotConnected");
    book.set(APPLE, &[]);
    check_refused(&rig.send(&rig.client()).await, 902, "NotConnected");
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_said_to_and_asked_for_again() {
    let (mut rig, book) = rig().await;
    rig.config.apns_production = Uri::from_static("https://localhost");
    let client = rig.client();
    check_refused(&rig.send(&client).await, 902, "NameNotResolved");
    book.set("localhost", &[rig.sim.addr()]);
    // Until the pause after a failed connect is over.
    let accepted = async {
        while !rig.send(&client).await.outcome.is_accepted() {
            tokio::task::yield_now().await;
        }
    };
    soon(accepted).await;
}

#[tokio::test]
async fn a_proxys_name_is_asked_for_anew_and_it_is_given_the_other_one() {
    let (mut rig, book) = rig().await;
    let first = ProxyServer::start(Manner::Tunnel(rig.sim.addr())).await;
    let second = ProxyServer::start(Manner::Tunnel(rig.sim.addr())).await;
    let proxy = providers::outbound::Proxy::parse("http://proxy.internal:3128");
    rig.config.proxy = Some(proxy.expect("a good URL"));
    let client = rig.client();
    book.set("proxy.internal", &[first.addr]);
    check_all_accepted(&[rig.send(&client).await]);
    book.set("proxy.internal", &[second.addr]);
    rig.sim.trouble().close_next(1);
    check_all_accepted(&[soon(rig.send(&client)).await]);
    for proxy in [first, second] {
        let [head] = proxy.heads().try_into().expect("one tunnel");
        assert!(head.starts_with("CONNECT api.push.apple.com:443 "), "{head}");
    }
    assert_eq!(book.asked(APPLE), 0, "only the proxy needs to know where it leads");
}

/// DNS rebinding: a name that led to an address that may be called, and a moment later does not.
#[tokio::test]
async fn a_name_is_guarded_at_every_connection() {
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let ca = Ca::generate("Test").expect("makes an authority");
        let allowed = Service::start(&ca, protocols).await;
        let inside = Service::start_at(SocketAddr::from(([127, 0, 0, 2], 0)), &ca, protocols).await;
        let mut config = guarded_config(&ca);
        let (names, book) = Names::by_hand();
        config.names = names;
        config.guard = Guard::allowing(["127.0.0.1"]).expect("a good entry");
        let client = Client::new(&config).expect("a good configuration");
        book.set("localhost", &[allowed.addr]);
        let url = "https://localhost/hook";
        assert_eq!(client.get(url).await.expect("an answer").status, 201);
        book.set("localhost", &[inside.addr]);
        let connections = allowed.counts().connections;
        allowed.kill_connections();
        allowed.wait(|counts| counts.ended == connections).await;
        let refused = async {
            // Until the client has noticed that its connection is gone.
            loop {
                match client.get(url).await {
                    Err(NoAnswer::NotAllowed { problem, .. }) => return problem,
                    Ok(answer) => panic!("{answer:?}"),
                    Err(_) => {}
                }
            }
        };
        let problem = soon(refused).await;
        assert!(problem.contains("127.0.0.2"), "{problem}");
        assert_eq!(inside.counts().connections, 0);
    }
}
