//! A server inside the test, and the smallest client that can be polite and rude.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use server::clock::Clock;
use server::config::Config;
use server::node::Node;
use server::secret::{ADMIN_KEY_FILE, KeyKind, load_key};
use server::serve::Doors;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::described;

/// How long a test waits for anything; generous, the machine may be busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a folder of its own, with one app.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// The address for whoever runs it.
    pub(super) internal: SocketAddr,
    /// `rvl_admin_…`.
    pub(super) admin: String,
    /// Id and key of its app.
    pub(super) app: (String, String),
    node: Arc<Node>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
    folder: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// `null` when there was no body.
    pub(super) body: Value,
}

/// A device that has connected once.
#[derive(Clone, Debug)]
pub(super) struct Device {
    /// `rvl_user_…`.
    pub(super) token: String,
    /// `rvl_device_…`.
    pub(super) secret: String,
    /// Of its inbox.
    pub(super) epoch: String,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::start_by(Clock::system()).await
    }

    /// A server that goes by this clock.
    pub(super) async fn start_by(clock: Clock) -> Self {
        Self::start_with(clock, |_| {}).await
    }

    /// A server that goes by this clock, its configuration changed.
    pub(super) async fn start_with(clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::defaults().expect("the defaults are good");
        config.data_dir = folder.path().to_owned();
        // Nothing listens there: a push of a test must not leave the machine.
        let nowhere: http::Uri = "https://127.0.0.1:9".parse().expect("a URL");
        config.providers.apns_production_url = nowhere.clone();
        config.providers.apns_sandbox_url = nowhere.clone();
        config.providers.fcm_url = nowhere.clone();
        config.providers.fcm_oauth_url = Some(nowhere);
        // They all come from one address.
        config.rate.failed_logins_per_minute = 10_000_000;
        change(&mut config);
        let node = Node::start(config, clock, false).await.expect("it starts");
        server::console::prepare(&node).await.expect("it has a code");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let inside = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let internal = inside.local_addr().expect("an address");
        let doors = Doors { public: listener, internal: Some(inside) };
        let serving = server::serve::serve(Arc::clone(&node), doors, async {
            // A test that forgot to stop it has dropped the sender.
            let _ = stopped.await;
        });
        let served = tokio::spawn(serving);
        let admin = load_key(&folder.path().join(ADMIN_KEY_FILE), KeyKind::Admin);
        let admin = admin.expect("the admin key").expose().to_owned();
        let app = (String::new(), String::new());
        let mut server = Self { address, internal, admin, app, node, stop, served, folder };
        server.app = server.new_app("first").await;
        server
    }

    /// Lets it go by another configuration, as after SIGHUP.
    pub(super) fn reload(&self, change: impl FnOnce(&mut Config)) {
        let mut config = (*self.node.config()).clone();
        change(&mut config);
        self.node.take(&config);
    }

    /// Stops it in good order; nothing may have panicked.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        tokio::time::timeout(PATIENCE, self.served).await.expect("in time").expect("no panic");
        assert_eq!(self.node.tasks.panics(), 0, "tasks panicked");
    }

    /// What a push about the newest entry of a user's inbox is to say, as the database has it.
    pub(super) fn stored_push(&self, user: &str) -> Option<String> {
        let database = rusqlite::Connection::open(self.folder.path().join("reveille.db"));
        let sql = "SELECT push FROM entries JOIN inboxes ON inboxes.id = inbox WHERE user = ?1
                   ORDER BY offset DESC LIMIT 1";
        let push = database.expect("the database").query_row(sql, [user], |row| row.get(0));
        push.expect("an entry")
    }

    /// Makes an app; its id and first key.
    pub(super) async fn new_app(&self, name: &str) -> (String, String) {
        let body = json!({ "name": name });
        let made = self.ask(Method::POST, "/v1/apps", &self.admin, Some(body)).await.is(201);
        (text(&made["id"]), text(&made["key"]))
    }

    /// One request with a key.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {key}"));
        self.send(with_body(request, body)).await
    }

    /// One request with the app's key.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.ask(method, path, &self.app.1, body).await
    }

    /// One request of a device, by its secret alone.
    pub(super) async fn me(
        &self,
        device: &Device,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("reveille-device-secret", &device.secret);
        self.send(with_body(request, body)).await
    }

    /// Any request, as it is.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        self.line().await.send(request).await
    }

    /// What the internal address answers to a `GET`.
    pub(super) async fn inside(&self, path: &str) -> Answer {
        self.send_inside(with_body(Request::builder().uri(path), None)).await
    }

    /// Any request to the internal address, as it is.
    pub(super) async fn send_inside(&self, request: Request<Full<Bytes>>) -> Answer {
        let stream = TcpStream::connect(self.internal).await.expect("it listens there too");
        Line::over(stream, self.internal).await.send(request).await
    }

    /// Where its data are.
    pub(super) fn data_dir(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A connection for many requests, one after the other.
    pub(super) async fn line(&self) -> Line {
        let stream = TcpStream::connect(self.address).await.expect("the server listens");
        Line::over(stream, self.address).await
    }

    /// The same from another address of this machine.
    pub(super) async fn line_from(&self, from: IpAddr) -> Line {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("an address of this machine");
        let stream = socket.connect(self.address).await.expect("the server listens");
        Line::over(stream, self.address).await
    }

    /// The events of a path, asked for with the app's key.
    pub(super) async fn follow(&self, path: &str) -> Follower {
        let request = Request::builder().uri(path).header("host", self.address.to_string());
        let request = request.header("authorization", format!("Bearer {}", self.app.1));
        Follower::of(self.line().await, request).await
    }

    /// The events of a page of the console, for whoever has this cookie.
    pub(super) async fn follow_inside(&self, path: &str, cookie: &str) -> Follower {
        let request = Request::builder().uri(path).header("host", self.internal.to_string());
        let request = request.header("cookie", format!("reveille_console={cookie}"));
        let request = request.header("sec-fetch-dest", "empty");
        let stream = TcpStream::connect(self.internal).await.expect("it listens there too");
        Follower::of(Line::over(stream, self.internal).await, request).await
    }

    /// A user token.
    pub(super) async fn token(&self, user: &str) -> String {
        self.token_of(&self.app.1, user).await
    }

    /// A user token of the app that has this key.
    pub(super) async fn token_of(&self, key: &str, user: &str) -> String {
        let path = format!("/v1/users/{user}/tokens");
        text(&self.ask(Method::POST, &path, key, Some(json!({}))).await.is(201)["token"])
    }

    /// A device of a user that has connected once, and gone.
    pub(super) async fn device(&self, user: &str, id: &str) -> Device {
        self.device_of(&self.app.1, user, id).await
    }

    /// A device of the app that has this key.
    pub(super) async fn device_of(&self, key: &str, user: &str, id: &str) -> Device {
        let token = self.token_of(key, user).await;
        let mut session = Session::open(self.address).await;
        let device = json!({ "id": id, "platform": "ios" });
        session.say(json!({ "type": "connect", "token": token, "device": device })).await;
        let connected = session.hear().await;
        assert_eq!(connected["type"], "connected", "{connected}");
        session.leave().await;
        let secret = text(&connected["device_secret"]);
        Device { token, secret, epoch: text(&connected["cursor"]["epoch"]) }
    }

    /// A session of a user's device, and what `connected` says.
    pub(super) async fn session(&self, user: &str, id: &str) -> (Session, Value) {
        self.session_with(user, json!({ "device": { "id": id, "platform": "ios" } })).await
    }

    /// The same with a `connect` of the test's own, but for the token.
    pub(super) async fn session_with(&self, user: &str, mut connect: Value) -> (Session, Value) {
        let token = self.token(user).await;
        connect["type"] = json!("connect");
        connect["token"] = json!(token);
        let mut session = Session::open(self.address).await;
        session.say(connect).await;
        let connected = session.hear().await;
        assert_eq!(connected["type"], "connected", "{connected}");
        (session, connected)
    }

    /// Registers a push target of a device.
    pub(super) async fn target(&self, device: &Device, kind: &str, token: &str) {
        let path = format!("/v1/me/targets/{kind}");
        self.me(device, Method::PUT, &path, Some(json!({ "token": token }))).await.is(200);
    }

    /// Pushes these fields, with a title if there is none; the push's id.
    pub(super) async fn push(&self, mut push: Value) -> String {
        if push["kind"].is_null() && push["title"].is_null() {
            push["title"] = json!("Hi");
        }
        text(&self.call(Method::POST, "/v1/pushes", Some(push)).await.is(202)["id"])
    }

    /// Asks until the answer fits.
    pub(super) async fn until(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Value::Null;
        let asking = async {
            loop {
                seen = self.call(Method::GET, path, None).await.is(200);
                if fits(&seen) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, asking).await;
        assert!(in_time.is_ok(), "{path} answers {seen} to the end");
        seen
    }

    /// Sends a message with this body to a user; its id.
    pub(super) async fn message(&self, to: &str, body: Value) -> String {
        let message = json!({ "to": [to], "body": body });
        text(&self.call(Method::POST, "/v1/messages", Some(message)).await.is(200)["id"])
    }
}

impl Answer {
    /// The body of an answer that must have this status.
    #[track_caller]
    pub(super) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The diagnosis code of a refusal.
    pub(super) fn diagnosis(&self) -> Option<u64> {
        self.body["diagnosis"].as_u64()
    }

    /// The detail of a refusal that must have this status, code and field.
    #[track_caller]
    pub(super) fn refused(self, status: u16, code: &str, field: Option<&str>) -> String {
        let Self { headers, body, .. } = &self;
        assert_eq!((self.status, body["code"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(headers["content-type"], "application/problem+json", "{body}");
        assert_eq!(body["field"].as_str(), field, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["type"], format!("docs/problems.md#{code}"), "{body}");
        text(&body["detail"])
    }
}

/// A connection.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    address: SocketAddr,
}

impl Line {
    async fn over(stream: TcpStream, address: SocketAddr) -> Self {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
        // Ends when either side has had enough.
        tokio::spawn(connection);
        Self { sender, host: address.to_string().parse().expect("a header value"), address }
    }

    /// Any request, as it is.
    pub(super) async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Answer {
        request.headers_mut().insert("host", self.host.clone());
        let (method, path) = (request.method().to_string(), request.uri().to_string());
        let answer = async {
            self.sender.ready().await.expect("the connection is open");
            let answer = self.sender.send_request(request).await.expect("an answer");
            let (parts, body) = answer.into_parts();
            // A stream of events has no end; whoever asks here wants to know whether there is one.
            let bytes = match is_stream(&parts.headers) {
                true => {
                    drop(body);
                    let stream = TcpStream::connect(self.address).await.expect("it listens");
                    *self = Self::over(stream, self.address).await;
                    Bytes::new()
                }
                false => body.collect().await.expect("a whole answer").to_bytes(),
            };
            (parts, bytes)
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let (parts, bytes) = answer.unwrap_or_else(|_| panic!("{method} {path}: silence"));
        let body = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())),
        };
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
        described::check(&method, &path, &answer);
        answer
    }
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers.get("content-type").is_some_and(|kind| kind == "text/event-stream")
}

/// Server-sent events, as they come.
pub(super) struct Follower {
    body: Incoming,
    heard: String,
    /// Open for as long as somebody listens.
    _line: Line,
}

impl Follower {
    async fn of(mut line: Line, request: http::request::Builder) -> Self {
        let answer = line.sender.send_request(request.body(Full::default()).expect("a request"));
        let answer = answer.await.expect("an answer");
        assert!(answer.status() == 200 && is_stream(answer.headers()), "{answer:?}");
        Self { body: answer.into_body(), heard: String::new(), _line: line }
    }

    /// The next event: its name and data.
    pub(super) async fn next(&mut self) -> (String, Value) {
        self.until_end().await.expect("another event")
    }

    /// The same; `None` once the server has ended it.
    pub(super) async fn until_end(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.heard.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.heard = rest;
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let Some(data) = field("data: ") else { continue };
                let name = field("event: ").unwrap_or_default().to_owned();
                return Some((name, serde_json::from_str(data).expect("JSON")));
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("in time");
            let data = frame?.expect("a good answer").into_data().expect("data");
            self.heard += std::str::from_utf8(&data).expect("text");
        }
    }
}

/// A WebSocket.
pub(super) struct Session(WebSocketStream<TcpStream>);

impl Session {
    pub(super) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        let url = format!("ws://{address}{}", wire::CONNECT_PATH);
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.expect("WebSocket");
        Self(socket)
    }

    pub(super) async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.expect("the server takes it");
    }

    /// The next frame.
    pub(super) async fn hear(&mut self) -> Value {
        // As a whole: the server's pings come for as long as the session lives.
        let frame = async {
            loop {
                match self.0.next().await.expect("the connection is open").expect("a message") {
                    Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                    Message::Close(frame) => panic!("closed with {frame:?}"),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, frame).await.expect("an answer")
    }

    /// The next frame of this type; others go by.
    pub(super) async fn hear_a(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The last words of a session that the server ends, and the close code.
    pub(super) async fn end(&mut self) -> (Value, Option<u16>) {
        let end = async {
            let mut last = Value::Null;
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => {
                        last = serde_json::from_str(&text).expect("JSON");
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return (last, frame.map(|frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return (last, None),
                }
            }
        };
        tokio::time::timeout(PATIENCE, end).await.expect("the server ends it")
    }

    /// Says something and hears all that comes until the server has dealt with it; the code if it
    /// closes the connection instead, unless what it did not read any more cut that off.
    pub(super) async fn poke(&mut self, message: Message) -> Result<Vec<Value>, Option<u16>> {
        // What is written to a connection that the server closes may be lost.
        let _lost = self.0.send(message).await;
        let _lost = self.0.send(Message::Ping(Bytes::new())).await;
        let mut heard = Vec::new();
        loop {
            let next = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("an answer");
            match next {
                Some(Ok(Message::Text(text))) => {
                    heard.push(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Pong(_))) => return Ok(heard),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Says goodbye and waits until the server has taken note: its session is over then.
    pub(super) async fn leave(mut self) {
        self.0.close(None).await.expect("open until now");
        let over = async { while let Some(Ok(_)) = self.0.next().await {} };
        tokio::time::timeout(PATIENCE, over).await.expect("the server closes too");
    }
}

/// A target of FCM's that is no device's.
pub(super) fn fcm(token: &str) -> Value {
    json!({ "kind": "fcm", "token": token })
}

/// The text of a JSON string.
#[track_caller]
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}

fn with_body(request: http::request::Builder, body: Option<Value>) -> Request<Full<Bytes>> {
    let request = match body {
        None => request.body(Full::default()),
        Some(body) => request
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string()))),
    };
    request.expect("a request")
}
