use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{CloseFrame, Message as Sent, WebSocket};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::http::problem;
use crate::secret::KeyKind;

#[test]
fn addresses_of_servers() {
    for (url, expected) in [
        ("http://127.0.0.1:7300", Ok("http://127.0.0.1:7300")),
        ("http://localhost/", Ok("http://localhost:80")),
        ("http://[::1]:1", Ok("http://[::1]:1")),
        ("https://push.example", Ok("https://push.example:443")),
        ("https://[::1]:7300/", Ok("https://[::1]:7300")),
        ("ws://127.0.0.1:7300", Err("does not begin with https:// or http://")),
        ("127.0.0.1:7300", Err("does not begin with https:// or http://")),
        ("http://a/v1", Err("has a path")),
        ("http://a:99999", Err("has a port that is none")),
        ("http://[::1]:99999", Err("has a port that is none")),
        ("http://you@a:80", Err("names a user")),
        ("not a url", Err("is not a URL")),
    ] {
        match (ServerAddress::parse(url, None), expected) {
            (Ok(server), Ok(expected)) => assert_eq!(server.to_string(), expected),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (seen, expected) => panic!("{url}: {seen:?}, not {expected:?}"),
        }
    }
}

#[test]
fn a_listener_on_all_addresses_is_reached_on_the_loopback() {
    for (listen, expected) in [
        ("0.0.0.0:7300", "http://127.0.0.1:7300"),
        ("[::]:7300", "http://[::1]:7300"),
        ("192.0.2.1:1", "http://192.0.2.1:1"),
    ] {
        let server = ServerAddress::of_listener(listen.parse().unwrap());
        assert_eq!(server.to_string(), expected);
    }
}

#[test]
fn a_close_says_whether_to_come_back() {
    for (number, reason, again) in
        [(1001, "restarting", true), (4401, "", false), (4409, "", false), (1006, "", true)]
    {
        let Incoming::Closed { reconnect, .. } = closed(number, reason) else {
            panic!("a close is a close")
        };
        assert_eq!(reconnect, again, "{number}");
    }
}

/// A server with these routes, which ends with the set.
async fn serve(routes: Router) -> (ServerAddress, JoinSet<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = ServerAddress::of_listener(listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(axum::serve(listener, routes).into_future());
    (address, server)
}

#[tokio::test]
async fn a_request_shows_the_key_and_reads_the_answer() {
    let key = KeyText::generate(KeyKind::App);
    let expected = format!("Bearer {}", key.expose());
    let echo = post(move |headers: http::HeaderMap, Json(body): Json<Value>| async move {
        assert_eq!(headers[AUTHORIZATION], expected);
        Json(json!({ "heard": body }))
    });
    let (address, _server) = serve(Router::new().route("/v1/echo", echo)).await;
    let answer: Value = address.post("/v1/echo", &key, &json!({ "a": 1 })).await.unwrap();
    assert_eq!(answer, json!({ "heard": { "a": 1 } }));
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_the_server() {
    let refuse = post(|| async { problem::Problem::invalid_field("ttl", "ttl is 0; give 60") });
    let strange = post(|| async { "<html>" });
    let routes = Router::new().route("/refuse", refuse).route("/strange", strange);
    let (address, _server) = serve(routes).await;
    let key = KeyText::generate(KeyKind::App);
    for (path, message) in [
        ("/refuse", "ttl is 0; give 60".to_owned()),
        ("/strange", format!("{address} answered POST /strange with something else than asked")),
        ("/none", format!("{address} answered POST /none with HTTP 404")),
    ] {
        let error = address.post::<Value>(path, &key, &json!({})).await.unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(!format!("{error:?}").contains(key.expose()));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = ServerAddress::of_listener(listener.local_addr().unwrap());
    drop(listener);
    assert!(!address.answers().await);
    let key = KeyText::generate(KeyKind::App);
    let error = address.post::<Value>("/", &key, &json!({})).await.unwrap_err();
    assert_eq!(error.to_string(), format!("no server answers at {address}"));
    assert!(error.downcast_ref::<Advice>().is_some());
}

#[tokio::test]
async fn the_socket_speaks_first_and_ends_with_what_the_server_says() {
    async fn session(mut socket: WebSocket) {
        let Some(Ok(Sent::Text(first))) = socket.recv().await else { panic!("no first frame") };
        let first = ClientFrame::parse(&first).unwrap();
        let typing = json!({ "type": "typing", "from": first.kind(), "thread": "t" });
        for text in [json!({ "type": "of_a_later_version" }), typing] {
            socket.send(Sent::text(text.to_string())).await.unwrap();
        }
        let close = CloseFrame { code: CloseCode::Unauthorized.number(), reason: "expired".into() };
        socket.send(Sent::Close(Some(close))).await.unwrap();
    }
    let route = get(|upgrade: WebSocketUpgrade| async {
        upgrade.protocols([wire::SUBPROTOCOL]).on_upgrade(session)
    });
    let (address, _server) = serve(Router::new().route(wire::CONNECT_PATH, route)).await;
    let state = wire::State { state: wire::AppState::Foreground };
    let mut socket = Socket::open(&address, state.into()).await.unwrap();

    assert!(matches!(socket.next(ANSWER_TIMEOUT).await.unwrap(), Incoming::Life));
    let Incoming::Frame(frame) = socket.next(ANSWER_TIMEOUT).await.unwrap() else {
        panic!("no frame")
    };
    let ServerFrame::Typing(typing) = *frame else { panic!("{frame:?}") };
    assert_eq!(typing.from.as_deref(), Some("state"));
    let end = socket.next(ANSWER_TIMEOUT).await.unwrap();
    let Incoming::Closed { reason, reconnect: false } = end else { panic!("{end:?}") };
    assert_eq!(reason, "expired (4401)");
}
