//! The proxy: tunnels to simulators under the vendors' own names, and its trouble.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::pki_types::ServerName;
use sim::{
    ProxyOptions, ProxySim,
    proxy::{Answered, Conduct, ProxyUser, SeenConnect},
    webpush::Vendor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    client::{PATIENCE, tls},
    webpush_client::World,
};

const TARGET: &str = "api.push.apple.com:443";

/// A proxy, and something behind it that says what it is told.
struct Place {
    proxy: ProxySim,
    behind: TcpListener,
}

impl Place {
    async fn new(user: Option<ProxyUser>) -> Self {
        let proxy = ProxySim::start(ProxyOptions { port: 0, user }).await.unwrap();
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        proxy.map(TARGET, behind.local_addr().unwrap());
        Self { proxy, behind }
    }

    /// Sends a request and reads the head of the answer.
    async fn ask(&self, target: &str, headers: &str) -> (TcpStream, String) {
        let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{headers}\r\n");
        let mut client = TcpStream::connect(self.proxy.addr()).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        let answer = read_head(&mut client).await;
        (client, answer)
    }

    fn last(&self) -> SeenConnect {
        self.proxy.seen().pop().unwrap()
    }
}

/// Reads up to the end of a head or of the connection.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let reading = async {
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).await.unwrap() == 0 {
                break;
            }
            head.push(byte[0]);
        }
    };
    soon(reading).await;
    String::from_utf8_lossy(&head).into_owned()
}

/// What has to come, in time.
async fn soon<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, coming).await.unwrap()
}

/// Waits for the end of a connection; a reset is one too.
async fn ends(stream: &mut TcpStream) {
    let _ = soon(stream.read_to_end(&mut Vec::new())).await;
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_until_one_side_ends_it() {
    let place = Place::new(None).await;
    let (mut client, answer) = place.ask(TARGET, "").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (mut server, _) = soon(place.behind.accept()).await.unwrap();
    client.write_all(b"ping").await.unwrap();
    let mut four = [0; 4];
    soon(server.read_exact(&mut four)).await.unwrap();
    server.write_all(b"pong").await.unwrap();
    soon(client.read_exact(&mut four)).await.unwrap();
    assert_eq!(&four, b"pong");
    assert_eq!(place.proxy.open_tunnels(), 1);
    let seen = SeenConnect { target: TARGET.into(), user: None, answered: Answered::Status(200) };
    assert_eq!(place.last(), seen);
    drop(server);
    ends(&mut client).await;
    drop(client);
    place.proxy.wait_open_tunnels(0, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn what_comes_right_behind_the_request_goes_through() {
    let place = Place::new(None).await;
    let mut client = TcpStream::connect(place.proxy.addr()).await.unwrap();
    let request = format!("CONNECT {TARGET} HTTP/1.1\r\nHost: {TARGET}\r\n\r\nearly");
    client.write_all(request.as_bytes()).await.unwrap();
    let (mut server, _) = soon(place.behind.accept()).await.unwrap();
    let mut five = [0; 5];
    soon(server.read_exact(&mut five)).await.unwrap();
    assert_eq!(&five, b"early");
}

#[tokio::test]
async fn a_vendors_own_name_leads_to_its_simulator() {
    let host = "updates.push.services.mozilla.com";
    let world = World::with(Vendor::Mozilla, |options| {
        options.origin = Some(format!("https://{host}"));
    })
    .await;
    let place = Place::new(None).await;
    let target = format!("{host}:443");
    place.proxy.map(&target, world.sim.addr());
    let (stream, answer) = place.ask(&target, "").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let connector = tokio_rustls::TlsConnector::from(tls(world.sim.ca_pem(), None, &[b"h2"]));
    let name = ServerName::try_from(host).unwrap();
    let stream = connector.connect(name, stream).await.unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    let client = crate::client::Client { send, connection: tokio::spawn(connection) };
    let answer = world.send(&client, &world.push()).await;
    assert_eq!(answer.status.as_u16(), 201, "{:?}", answer.body);
    assert!(answer.headers["location"].to_str().unwrap().starts_with(&format!("https://{host}/")));
}

#[tokio::test]
async fn only_its_user_may_use_it() {
    let user = ProxyUser { name: "alice".into(), password: "secret".into() };
    assert!(!format!("{user:?}").contains("secret"));
    let place = Place::new(Some(user.clone())).await;
    assert!(place.proxy.url_for(&user).starts_with("http://alice:secret@127.0.0.1:"));
    let basic = |text: &str| format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(text));
    for (headers, status, name) in [
        (String::new(), 407, None),
        (basic("alice:wrong"), 407, None),
        (basic("alice:secret"), 200, Some("alice")),
    ] {
        let (_client, answer) = place.ask(TARGET, &headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(answer.contains("proxy-authenticate: Basic"), status == 407);
        let seen = place.last();
        assert_eq!((seen.answered, seen.user.as_deref()), (Answered::Status(status), name));
    }
}

#[tokio::test]
async fn it_never_leaves_the_machine() {
    let place = Place::new(None).await;
    let there = place.behind.local_addr().unwrap();
    let nowhere = {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        taken.local_addr().unwrap()
    };
    for (target, status) in [
        ("fcm.googleapis.com:443".to_owned(), 502),
        ("192.0.2.1:443".to_owned(), 502),
        (nowhere.to_string(), 502),
        (there.to_string(), 200),
        (format!("localhost:{}", there.port()), 200),
        ("API.push.apple.com:443".to_owned(), 200),
    ] {
        let (_client, answer) = place.ask(&target, "").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
        assert_eq!(place.last().target, target);
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let place = Place::new(None).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 405),
        ("CONNECT a:443 HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("CONNECT a:443 HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000)), 431),
    ] {
        let mut client = TcpStream::connect(place.proxy.addr()).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = read_head(&mut client).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(place.last().answered, Answered::Status(status));
        ends(&mut client).await;
    }
}

#[tokio::test]
async fn trouble_comes_in_order_and_then_what_is_always() {
    let place = Place::new(None).await;
    place.proxy.next(1, Conduct::Refuse(403));
    place.proxy.next(1, Conduct::Close);
    place.proxy.next(1, Conduct::Garbage);
    place.proxy.next(1, Conduct::Slow(Duration::from_millis(1)));
    place.proxy.always(Conduct::Refuse(502));
    for (begins, answered) in [
        ("HTTP/1.1 403 ", Answered::Status(403)),
        ("", Answered::Strangely),
        ("\u{15}", Answered::Strangely),
        ("HTTP/1.1 200 ", Answered::Status(200)),
        ("HTTP/1.1 502 ", Answered::Status(502)),
        ("HTTP/1.1 502 ", Answered::Status(502)),
    ] {
        let (mut client, answer) = place.ask(TARGET, "").await;
        assert!(answer.starts_with(begins), "{answer:?}");
        assert_eq!(answer.is_empty(), begins.is_empty(), "{answer:?}");
        assert_eq!(place.last().answered, answered);
        if answered != Answered::Status(200) {
            ends(&mut client).await;
        }
    }
}

#[tokio::test]
async fn a_proxy_may_hang_or_never_come_to_an_end() {
    let place = Place::new(None).await;
    place.proxy.next(1, Conduct::Hang);
    place.proxy.next(1, Conduct::Endless);
    let request = format!("CONNECT {TARGET} HTTP/1.1\r\nHost: {TARGET}\r\n\r\n");
    let open = async |address: SocketAddr| {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        client
    };
    let mut client = open(place.proxy.addr()).await;
    let hangs = |seen: &SeenConnect| seen.answered == Answered::Never;
    place.proxy.wait_for(hangs, PATIENCE).await.unwrap();
    // Silence has no event to wait for; a slow machine can only make this pass, never fail.
    let silent = tokio::time::timeout(Duration::from_millis(100), client.read_u8()).await;
    assert!(silent.is_err());
    let mut client = open(place.proxy.addr()).await;
    let mut megabyte = vec![0; 1 << 20];
    soon(client.read_exact(&mut megabyte)).await.unwrap();
    assert!(!megabyte.windows(4).any(|four| four == b"\r\n\r\n"));
}

#[tokio::test]
async fn tunnels_can_be_cut_and_a_stopped_proxy_frees_its_port() {
    let place = Place::new(None).await;
    let (mut client, _) = place.ask(TARGET, "").await;
    place.proxy.cut();
    ends(&mut client).await;
    place.proxy.wait_open_tunnels(0, PATIENCE).await.unwrap();
    let (mut client, answer) = place.ask(TARGET, "").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "the next one stands: {answer}");
    let address = place.proxy.addr();
    place.proxy.shutdown().await;
    ends(&mut client).await;
    let again = ProxyOptions { port: address.port(), user: None };
    assert_eq!(ProxySim::start(again).await.unwrap().addr(), address);
}
