//! The examples for nginx and Caddy: the real programs, with the files as they are but for addresses
//! and paths, before a real server.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use server::config::Config;
use sim::world::{World, WorldOptions, free_port};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::{file, program, replaced};
use crate::journeys::tls::Files;
use crate::journeys::{PATIENCE, SERVER};

/// A proxy, and what it takes to reach it.
struct Proxy {
    address: String,
    files: Files,
    _process: Child,
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A server that pings often.
async fn world() -> World {
    let mut options = WorldOptions::new(SERVER);
    options.tuning.ping_interval = Some(Duration::from_secs(1));
    World::start(options).await.expect("the world starts")
}

/// Where an example says that the server is.
fn upstream() -> String {
    Config::defaults().expect("right").listen.to_string()
}

/// Puts this machine's addresses and files in the place of the example's.
fn of_this_machine(text: &str, world: &World, files: &Files) -> String {
    let mut text = replaced(text, &upstream(), &world.address().to_string());
    for name in ["cert.pem", "key.pem"] {
        let here = files.path(name).display().to_string();
        text = replaced(&text, &format!("/etc/reveille/{name}"), &here);
    }
    text
}

impl Proxy {
    /// Starts it, and waits until it takes connections.
    async fn start(mut command: Command, address: SocketAddr, files: Files) -> Self {
        command.env_clear().current_dir(files.folder.path()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        for folder in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(folder, files.folder.path());
        }
        let mut process = command.spawn().expect("it runs");
        let listens = async {
            while TcpStream::connect(address).await.is_err() {
                if let Some(status) = process.try_wait().expect("a child") {
                    let output = process.wait_with_output().await.expect("what it said");
                    panic!("it ended with {status}: {}", String::from_utf8_lossy(&output.stderr));
                }
                tokio::task::yield_now().await;
            }
            process
        };
        let process = tokio::time::timeout(PATIENCE, listens).await.expect("it listens in time");
        Self { address: address.to_string(), files, _process: process }
    }

    /// One request by TLS; the status, the type and the body of the answer.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: String,
    ) -> (u16, String, String) {
        let stream = self.files.connect(&self.address, b"http/1.1").await;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let answer = async {
            let (parts, body) = sender.send_request(request).await.expect("an answer").into_parts();
            let body = body.collect().await.expect("a whole answer").to_bytes();
            let kind = parts.headers.get("content-type").map(|kind| kind.to_str().expect("text"));
            let text = String::from_utf8(body.to_vec()).expect("text");
            (parts.status.as_u16(), kind.unwrap_or_default().to_owned(), text)
        };
        tokio::pin!(answer, connection);
        let whole = async {
            tokio::select! {
                answer = &mut answer => answer,
                _ = &mut connection => answer.await,
            }
        };
        tokio::time::timeout(PATIENCE, whole).await.expect("an answer in time")
    }

    /// One request that has to succeed; the JSON of the answer.
    async fn call(&self, path: &str, key: &str, body: &Value) -> Value {
        let (status, _, text) = self.ask(Method::POST, path, key, body.to_string()).await;
        assert!((200..300).contains(&status), "{path}: {status} {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// A session of alice's.
    async fn session(&self, token: &str) -> Socket {
        let stream = self.files.connect(&self.address, b"http/1.1").await;
        let url = format!("wss://localhost{}", wire::CONNECT_PATH);
        let opened = tokio_tungstenite::client_async(url, stream).await;
        let (mut socket, _) = opened.expect("the WebSocket is passed on");
        let device = json!({ "id": "alices", "platform": "android" });
        let hello = json!({ "type": "connect", "token": token, "device": device });
        socket.send(Message::text(hello.to_string())).await.expect("taken");
        assert_eq!(hear(&mut socket).await["type"], "connected");
        socket
    }
}

/// The next message.
async fn next(socket: &mut Socket) -> Message {
    let next = tokio::time::timeout(PATIENCE, socket.next()).await.expect("a message in time");
    next.expect("the session stands").expect("a message")
}

/// The next frame; the server's pings go by.
async fn hear(socket: &mut Socket) -> Value {
    loop {
        match next(socket).await {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Close(frame) => panic!("closed with {frame:?}"),
            _ => {}
        }
    }
}

/// Everything that a proxy has to let through.
async fn lets_everything_through(proxy: &Proxy, world: &World) {
    let (status, _, ready) = proxy.ask(Method::GET, "/readyz", "", String::new()).await;
    assert_eq!((status, ready.as_str()), (200, "{\"status\":\"ok\"}"));
    let key = world.app_key();
    let token = proxy.call("/v1/users/alice/tokens", key, &json!({})).await;
    let mut socket = proxy.session(token["token"].as_str().expect("a token")).await;
    // Idle, and heard from all the same.
    let mut pings = 0;
    while pings < 2 {
        match next(&mut socket).await {
            Message::Ping(_) => pings += 1,
            other => panic!("an idle session hears {other:?}"),
        }
    }
    // A body that is nearly as long as one may be.
    let text = "x".repeat(wire::limits::BODY_BYTES - 100);
    let message = json!({ "to": ["alice"], "body": { "text": text } });
    proxy.call("/v1/messages", key, &message).await;
    let heard = hear(&mut socket).await;
    assert_eq!((&heard["type"], &heard["body"]["text"]), (&json!("message"), &json!(text)));
    // What is too large for the server is told by the server.
    let large = json!("x".repeat(wire::limits::HTTP_BODY_BYTES + 1)).to_string();
    let (status, kind, said) = proxy.ask(Method::POST, "/v1/messages", key, large).await;
    assert_eq!((status, kind.as_str()), (413, "application/problem+json"), "{said}");
    // A server that stops says goodbye to its sessions, and the proxy passes that on.
    world.stop().await.expect("it stops in good order");
    let goodbye = loop {
        if let Message::Close(frame) = next(&mut socket).await {
            break frame.expect("a reason").code;
        }
    };
    assert_eq!(u16::from(goodbye), wire::CloseCode::GoingAway.number());
}

/// Starts nginx alone, as whoever runs the tests, with the example inside of the little that
/// Debian's nginx.conf has around it.
async fn nginx(nginx: &Path, world: &World) -> Proxy {
    let files = Files::new();
    let address = free_port().expect("a port");
    let example = of_this_machine(&file("nginx.conf"), world, &files);
    let example = replaced(&example, "listen 443 ssl", &format!("listen {address} ssl"));
    let example = replaced(&example, "    listen [::]:443 ssl http2;\n", "");
    let folder = files.folder.path().display();
    let kinds = ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"];
    let folders = kinds.map(|kind| format!("{kind}_temp_path {folder}/{kind};")).concat();
    let main = format!(
        "daemon off; master_process off; error_log stderr; pid {folder}/nginx.pid;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; {folders}\n{example}}}\n"
    );
    let config = files.path("nginx.conf");
    std::fs::write(&config, main).expect("written");
    let mut command = Command::new(nginx);
    command.arg("-e").arg("stderr").arg("-p").arg(files.folder.path()).arg("-c").arg(config);
    Proxy::start(command, address, files).await
}

/// Starts Caddy alone.
async fn caddy(caddy: &Path, world: &World) -> Proxy {
    let files = Files::new();
    let address = free_port().expect("a port");
    let example = replaced(&file("Caddyfile"), "#tls ", "tls ");
    let example = of_this_machine(&example, world, &files);
    let site = format!("https://localhost:{}", address.port());
    let example = replaced(&example, "push.example.org", &site);
    // Its control port and that for redirects are the machine's.
    let alone = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n";
    let config = files.path("Caddyfile");
    std::fs::write(&config, format!("{alone}{example}")).expect("written");
    let mut command = Command::new(caddy);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config);
    Proxy::start(command, address, files).await
}

#[tokio::test]
async fn nginx_lets_everything_through() {
    let Some(program) = program("nginx", "contrib::proxies::nginx_lets_everything_through") else {
        return;
    };
    let world = world().await;
    let proxy = nginx(&program, &world).await;
    lets_everything_through(&proxy, &world).await;
}

#[tokio::test]
async fn caddy_lets_everything_through() {
    let Some(program) = program("caddy", "contrib::proxies::caddy_lets_everything_through") else {
        return;
    };
    let world = world().await;
    let proxy = caddy(&program, &world).await;
    lets_everything_through(&proxy, &world).await;
}

#[test]
fn no_proxy_cuts_a_session_for_being_idle() {
    let ping = Config::defaults().expect("right").session.ping_interval.as_secs();
    let nginx = file("nginx.conf");
    for directive in ["proxy_read_timeout ", "proxy_send_timeout "] {
        let (_, value) = nginx.split_once(directive).expect(directive);
        let seconds = value.split_once("s;").expect("seconds").0.parse::<u64>().expect("a number");
        // One ping may be late.
        assert!(seconds > 2 * ping, "{directive}{seconds}s, and a ping every {ping} s");
    }
    let caddy = file("Caddyfile");
    for limit in ["read_timeout", "write_timeout", "stream_timeout", "idle_timeout"] {
        assert!(!caddy.contains(limit), "Caddy has no {limit} but where the file sets one");
    }
}
