//! Pages in browsers: which of them may read answers, and open a session.

use http::{HeaderMap, Method, Request};
use server::clock::Clock;
use server::config::AllowedOrigins;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::rig::{Answer, Line, Server};

const APP: &str = "https://app.example.com";
const EVIL: &str = "https://evil.example";

fn origins(text: &str) -> AllowedOrigins {
    text.parse().expect("origins")
}

async fn server(allowed: &str) -> Server {
    Server::start_with(Clock::system(), |config| config.allowed_origins = origins(allowed)).await
}

/// What a browser asks for a page of this origin before it sends a request of this method.
async fn preflight(line: &mut Line, origin: &str, method: &str) -> Answer {
    let request = Request::builder().method(Method::OPTIONS).uri("/v1/me/targets/webpush");
    let request = request.header("origin", origin).header("access-control-request-method", method);
    let headers = "authorization,content-type,reveille-device-secret";
    let request = request.header("access-control-request-headers", headers);
    line.send(request.body(Default::default()).expect("a request")).await
}

/// A request that a page of this origin makes.
async fn asked(line: &mut Line, origin: Option<&str>) -> Answer {
    let request = Request::get("/v1/webpush-key").header("authorization", "Bearer nonsense");
    let request = origin.iter().fold(request, |it, origin| it.header("origin", *origin));
    line.send(request.body(Default::default()).expect("a request")).await
}

/// Whether a browser would let a page of this origin read it.
fn may_read(answer: &HeaderMap, origin: &str) -> bool {
    let allowed = answer.get("access-control-allow-origin");
    allowed.is_some_and(|allowed| allowed == origin || allowed == "*")
}

#[tokio::test]
async fn pages_of_the_listed_origins_may_ask_and_no_others() {
    let server = server(&format!("{APP}, http://localhost:8080")).await;
    let mut line = server.line().await;
    for origin in [APP, "http://localhost:8080"] {
        let answer = preflight(&mut line, origin, "PUT").await;
        assert_eq!(answer.status, 204);
        assert!(may_read(&answer.headers, origin), "{origin}");
        let listed = |name: &str| {
            let list = answer.headers[name].to_str().expect("ASCII");
            list.split(", ").map(str::to_ascii_lowercase).collect::<Vec<_>>()
        };
        assert!(listed("access-control-allow-methods").contains(&"put".to_owned()));
        for name in ["authorization", "content-type", "reveille-device-secret", "idempotency-key"] {
            assert!(listed("access-control-allow-headers").contains(&name.to_owned()), "{name}");
        }
        // A refusal too has to be read, or the page would not know what was wrong.
        let answer = asked(&mut line, Some(origin)).await;
        assert!(may_read(&answer.headers, origin), "{origin}");
        assert_eq!(answer.headers["vary"], "origin");
        let exposed = answer.headers["access-control-expose-headers"].to_str().expect("ASCII");
        assert!(exposed.contains("retry-after"), "{exposed}");
        assert!(answer.headers.get("access-control-allow-credentials").is_none());
        answer.refused(401, "unauthorized", None);
    }
    for origin in [EVIL, "null", "http://app.example.com", "https://app.example.com.evil.example"] {
        // What nobody is allowed to ask for is a method that the path does not take.
        let answer = preflight(&mut line, origin, "PUT").await;
        assert!(!may_read(&answer.headers, origin), "{origin}");
        answer.refused(405, "method_not_allowed", None);
        let answer = asked(&mut line, Some(origin)).await;
        assert!(!may_read(&answer.headers, origin), "{origin}");
        assert_eq!(answer.headers["vary"], "origin", "a cache must tell them apart");
    }
    let answer = asked(&mut line, None).await;
    assert!(answer.headers.get("access-control-allow-origin").is_none());
    assert_eq!(answer.headers["vary"], "origin");
    server.stop().await;
}

#[tokio::test]
async fn a_star_is_any_page_and_nothing_is_none() {
    let server = server("*").await;
    let mut line = server.line().await;
    for origin in [APP, EVIL, "null"] {
        assert!(may_read(&preflight(&mut line, origin, "DELETE").await.headers, origin));
        assert!(may_read(&asked(&mut line, Some(origin)).await.headers, origin));
        assert!(connected(&server, Some(origin)).await.is_ok(), "{origin}");
    }
    // A reload takes it back, and a browser that asks is told so.
    server.reload(|config| config.allowed_origins = AllowedOrigins::default());
    let answer = preflight(&mut line, APP, "DELETE").await;
    assert!(!may_read(&answer.headers, APP));
    answer.refused(405, "method_not_allowed", None);
    let answer = asked(&mut line, Some(APP)).await;
    assert!(!may_read(&answer.headers, APP));
    assert!(answer.headers.get("vary").is_none());
    // Over the WebSocket a page proves itself as everybody does.
    assert!(connected(&server, Some(EVIL)).await.is_ok());
    server.stop().await;
}

/// Opens a WebSocket as a page of an origin does, or as what is no page; the problem if refused.
async fn connected(server: &Server, origin: Option<&str>) -> Result<(), serde_json::Value> {
    let stream = TcpStream::connect(server.address).await.expect("the server listens");
    let url = format!("ws://{}{}", server.address, wire::CONNECT_PATH);
    let mut request = url.into_client_request().expect("a request");
    let headers = request.headers_mut();
    headers.extend(origin.map(|it| (http::header::ORIGIN, it.parse().expect("a value"))));
    match tokio_tungstenite::client_async(request, stream).await {
        Ok(_) => Ok(()),
        Err(Error::Http(answer)) => {
            assert_eq!(answer.status(), 403);
            Err(serde_json::from_slice(answer.body().as_deref().unwrap_or_default()).expect("JSON"))
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_list_holds_for_the_websocket_too() {
    let server = server(APP).await;
    let own = format!("http://{}", server.address);
    let behind_tls = format!("https://{}", server.address);
    for origin in [None, Some(APP), Some(&*own), Some(&*behind_tls)] {
        assert_eq!(connected(&server, origin).await, Ok(()), "{origin:?}");
    }
    let longest = format!("https://{}.example", "a".repeat(2_000));
    for origin in [EVIL, "null", "https://127.0.0.1", "file://", &longest] {
        let problem = connected(&server, Some(origin)).await.expect_err(origin);
        assert_eq!(problem["code"], "forbidden", "{problem}");
        let detail = problem["detail"].as_str().expect("a text");
        assert!(detail.contains("`allowed_origins`") && detail.len() < 300, "{detail}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_client_is_for_pages_of_any_origin() {
    let server = server(APP).await;
    let mut line = server.line().await;
    for origin in [APP, EVIL] {
        let request = Request::get("/sdk/reveille.js").header("origin", origin);
        let answer = line.send(request.body(Default::default()).expect("a request")).await;
        assert_eq!(answer.headers.get_all("access-control-allow-origin").iter().count(), 1);
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        answer.is(200);
    }
    server.stop().await;
}
