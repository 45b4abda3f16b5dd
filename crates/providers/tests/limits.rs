//! Every step on the way out has its limit: a host that stops answering anywhere holds up whoever
//! calls it for so long and no longer, directly and through a proxy.

use std::net::SocketAddr;
use std::time::Duration;

use domain::Outcome;
use http::HeaderMap;
use providers::Config;
use providers::outbound::{Client, Names, NoAnswer};
use sim::pki::Ca;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::proxy_server::{Manner, ProxyServer};
use crate::rig::{ApnsRig, acceptor, check_refused, soon};
use crate::webpush_service::guarded_config;

/// What a step may take here.
const LIMIT: Duration = Duration::from_millis(200);

/// Where a host stops answering.
#[derive(Clone, Copy, Debug)]
enum Silence {
    /// Before TCP: its queue is full, and packets are swallowed. So it is on Linux; elsewhere a
    /// full queue may refuse.
    #[cfg(target_os = "linux")]
    Connect,
    /// Before TLS.
    Handshake,
    /// After TLS, for which it agrees to this protocol.
    Speech(&'static str),
}

/// A host on loopback that stops answering.
struct Host {
    addr: SocketAddr,
    _listener: Option<TcpListener>,
    _filling: Option<TcpStream>,
    _tasks: JoinSet<()>,
}

impl Host {
    async fn start(ca: &Ca, silence: Silence) -> Self {
        let (mut tasks, mut filling) = (JoinSet::new(), None);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = match silence {
            #[cfg(target_os = "linux")]
            Silence::Connect => {
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.bind(any).expect("a port");
                // A queue for one, and that one is there.
                let listener = socket.listen(0).expect("listens");
                let addr = listener.local_addr().expect("an address");
                filling = Some(TcpStream::connect(addr).await.expect("the first"));
                listener
            }
            Silence::Handshake | Silence::Speech(_) => {
                TcpListener::bind(any).await.expect("listens")
            }
        };
        let addr = listener.local_addr().expect("an address");
        let Silence::Speech(protocol) = silence else {
            return Self { addr, _listener: Some(listener), _filling: filling, _tasks: tasks };
        };
        let acceptor = acceptor(ca, &[protocol]);
        tasks.spawn(async move {
            let mut silent = Vec::new();
            while let Ok((tcp, _)) = listener.accept().await {
                silent.push(acceptor.accept(tcp).await);
            }
        });
        Self { addr, _listener: None, _filling: filling, _tasks: tasks }
    }
}

/// Leads to the host, and limits how long connecting may take; whatever else would take longer.
fn limit(config: &mut Config, host: &Host) {
    let (names, book) = Names::by_hand();
    book.set("localhost", &[host.addr]);
    book.set("127.0.0.1", &[host.addr]);
    config.names = names;
    config.connect_timeout = LIMIT;
}

/// Where a proxy lives in the book, which has no port but the address's own.
fn through(config: &mut Config, proxy: &ProxyServer) {
    let (names, book) = Names::by_hand();
    book.set("127.0.0.1", &[proxy.addr]);
    config.names = names;
    config.proxy = Some(proxy.proxy());
}

#[tokio::test]
async fn a_push_service_is_given_up_wherever_it_stops_answering() {
    let table = [
        #[cfg(target_os = "linux")]
        (Silence::Connect, "NotConnected: not connected: localhost:443: ", "ProxyRefused: "),
        (Silence::Handshake, "TimedOut: ", "TimedOut: "),
        (Silence::Speech("h2"), "TimedOut: ", "TimedOut: "),
    ];
    for (silence, directly, by_proxy) in table {
        let mut rig = ApnsRig::start().await;
        let host = Host::start(&rig.ca, silence).await;
        limit(&mut rig.config, &host);
        rig.config.apns_production = "https://localhost".parse().expect("a URL");
        check_refused(&soon(rig.send(&rig.client())).await, 902, directly);
        let proxy = ProxyServer::start(Manner::Tunnel(host.addr)).await;
        through(&mut rig.config, &proxy);
        check_refused(&soon(rig.send(&rig.client())).await, 902, by_proxy);
        assert!(!proxy.heads().is_empty(), "{silence:?}: it was asked");
    }
}

#[tokio::test]
async fn a_tenants_host_is_given_up_wherever_it_stops_answering() {
    let table = [
        #[cfg(target_os = "linux")]
        (Silence::Connect, "no answer"),
        (Silence::Handshake, "timed out: connecting"),
        (Silence::Speech("h2"), "timed out: connecting"),
        // HTTP/1.1 says nothing first: it is the answer that does not come.
        (Silence::Speech("http/1.1"), "no answer in time"),
    ];
    for (silence, says) in table {
        let ca = Ca::generate("Test").expect("makes an authority");
        let host = Host::start(&ca, silence).await;
        let mut config = guarded_config(&ca);
        limit(&mut config, &host);
        if let Silence::Speech("http/1.1") = silence {
            config.request_timeout = LIMIT;
        }
        let client = Client::new(&config).expect("a good configuration");
        let call = client.post("https://127.0.0.1/hook", HeaderMap::new(), "x".into());
        let refused = soon(call).await.expect_err("no answer");
        let (NoAnswer::NotSent { problem, .. } | NoAnswer::Unknown { problem, .. }) = &refused
        else {
            panic!("{silence:?}: {refused:?}");
        };
        assert!(problem.contains(says), "{silence:?}: {problem}");
    }
}

/// A call may not be longer than its own limit however long its steps may be.
#[tokio::test]
async fn a_call_as_a_whole_has_a_limit_too() {
    let ca = Ca::generate("Test").expect("makes an authority");
    for silence in [Silence::Handshake, Silence::Speech("h2"), Silence::Speech("http/1.1")] {
        let host = Host::start(&ca, silence).await;
        let mut config = guarded_config(&ca);
        limit(&mut config, &host);
        (config.connect_timeout, config.request_timeout) = (LIMIT * 1_000, LIMIT * 1_000);
        config.outbound_timeout = LIMIT;
        let client = Client::new(&config).expect("a good configuration");
        let refused = soon(client.get("https://127.0.0.1/keys")).await.expect_err("no answer");
        assert!(matches!(refused, NoAnswer::Unknown { .. }), "{silence:?}: {refused:?}");
    }
}

/// An access token that does not come holds up a push as long as an answer would.
#[tokio::test]
async fn a_token_endpoint_that_is_silent_is_given_up() {
    let mut rig = crate::rig::FcmRig::start().await;
    let ca = Ca::generate("Test").expect("makes an authority");
    let host = Host::start(&ca, Silence::Handshake).await;
    limit(&mut rig.config, &host);
    rig.config.oauth = Some("https://localhost/token".parse().expect("a URL"));
    let exchange = soon(rig.send(&rig.client(), &rig.message())).await;
    assert!(!matches!(exchange.outcome, Outcome::Accepted { .. }), "{:?}", exchange.outcome);
    assert!(format!("{:?}", exchange.outcome).contains("timed out"), "{:?}", exchange.outcome);
    assert_eq!(rig.token_requests_and_sends(), (0, 0));
}
