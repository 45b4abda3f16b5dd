//! A server with one inbox and no mind of its own: it does what a test tells it and notes what it
//! is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::phone::journal::lock;

/// Longer than anything here takes; only a failed test waits for it.
const LIMIT: Duration = Duration::from_secs(10);

/// The fake server; its tasks end with it.
pub(super) struct FakeServer {
    pub(super) address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct State {
    inner: Mutex<Inner>,
    /// Every frame and the end of every session, and every HTTP request, in order.
    noted: watch::Sender<Vec<Value>>,
}

#[derive(Default)]
struct Inner {
    entries: Vec<Value>,
    refused_token: Option<String>,
    swallow_sends: usize,
    /// HTTP requests are read and never answered.
    mute: bool,
    sessions: Vec<mpsc::UnboundedSender<Order>>,
}

/// What a test wants of the newest session.
enum Order {
    Frame(Value),
    Drop,
}

impl FakeServer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let serving = Arc::clone(&state);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { address, state, _tasks: tasks }
    }

    /// Appends a message to the inbox without telling anybody.
    pub(super) fn store(&self, id: &str, text: &str) -> Value {
        let mut inner = lock(&self.state.inner);
        let offset = inner.entries.len() + 1;
        let entry = json!({
            "type": "message", "position": {"epoch": "1", "offset": offset},
            "entry": format!("ent_{offset}"), "id": id, "from": "bob", "body": {"text": text},
            "sent_at": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z",
        });
        inner.entries.push(entry.clone());
        entry
    }

    /// Sends a frame over the newest session.
    pub(super) fn tell(&self, frame: Value) {
        let sessions = &lock(&self.state.inner).sessions;
        sessions.last().expect("a session stands").send(Order::Frame(frame)).unwrap();
    }

    /// Drops the newest session's TCP connection.
    pub(super) fn drop_session(&self) {
        let sessions = &lock(&self.state.inner).sessions;
        sessions.last().expect("a session stands").send(Order::Drop).unwrap();
    }

    /// Refuses this user token from now on.
    pub(super) fn refuse(&self, token: &str) {
        lock(&self.state.inner).refused_token = Some(token.to_owned());
    }

    /// Drops the connection instead of answering the next `count` sends.
    pub(super) fn swallow_sends(&self, count: usize) {
        lock(&self.state.inner).swallow_sends = count;
    }

    /// Answers no HTTP request any more, and leaves the connections open.
    pub(super) fn mute(&self) {
        lock(&self.state.inner).mute = true;
    }

    /// Waits until at least `count` of the notes fit and returns all that do.
    pub(super) async fn noted(&self, count: usize, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut notes = self.state.noted.subscribe();
        let enough = |notes: &Vec<Value>| notes.iter().filter(|note| fits(note)).count() >= count;
        let all = tokio::time::timeout(LIMIT, notes.wait_for(enough)).await;
        let all = all.unwrap_or_else(|_| panic!("noted only: {:#?}", *self.state.noted.borrow()));
        all.unwrap().iter().filter(|note| fits(note)).cloned().collect()
    }
}

/// A note is a frame of this type.
pub(super) fn of_type(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |note| note["type"] == kind
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let mut start = [0; 20];
    let read = stream.peek(&mut start).await.unwrap_or_default();
    if start[..read].starts_with(b"GET /v1/connect") {
        serve_session(stream, &state).await;
    } else {
        serve_request(stream, &state).await;
    }
}

impl State {
    fn note(&self, note: Value) {
        self.noted.send_modify(|notes| notes.push(note));
    }

    fn entries_after(&self, offset: i64) -> Vec<Value> {
        let inner = lock(&self.inner);
        let after = |entry: &&Value| entry["position"]["offset"].as_i64() > Some(offset);
        inner.entries.iter().filter(after).cloned().collect()
    }
}

async fn serve_session(stream: TcpStream, state: &State) {
    #[expect(clippy::result_large_err, reason = "the library's own signature")]
    let answer = |_: &Request, mut response: Response| {
        let protocol = http::HeaderValue::from_static(wire::SUBPROTOCOL);
        response.headers_mut().insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, answer).await else { return };
    let (orders, mut ordered) = mpsc::unbounded_channel();
    let text = |value: Value| Message::Text(value.to_string().into());
    loop {
        tokio::select! {
            message = socket.next() => {
                let Some(Ok(Message::Text(frame))) = message else {
                    state.note(json!({"closed": true}));
                    return;
                };
                let frame: Value = serde_json::from_str(&frame).unwrap();
                state.note(frame.clone());
                let answers = match frame["type"].as_str().unwrap() {
                    "connect" => {
                        let refused = lock(&state.inner).refused_token.clone();
                        if frame["token"].as_str().is_some_and(|token| Some(token) == refused.as_deref()) {
                            let error = json!({"type": "error", "code": "invalid_token", "message": "expired", "reconnect": false});
                            let _ = socket.send(text(error)).await;
                            return;
                        }
                        lock(&state.inner).sessions.push(orders.clone());
                        let held = frame["position"]["offset"].as_i64().unwrap_or_default();
                        let mut answers = vec![connected(held)];
                        answers.extend(state.entries_after(held));
                        answers
                    }
                    "send" => {
                        let swallow = {
                            let left = &mut lock(&state.inner).swallow_sends;
                            *left > 0 && { *left -= 1; true }
                        };
                        if swallow {
                            return;
                        }
                        vec![json!({"type": "accepted", "client_id": frame["id"], "id": "msg_1", "at": "2026-01-01T00:00:00Z"})]
                    }
                    "push_token" => vec![json!({"type": "push_target", "kind": frame["kind"], "state": "active"})],
                    _ => Vec::new(),
                };
                for answer in answers {
                    if socket.send(text(answer)).await.is_err() {
                        return;
                    }
                }
            }
            order = ordered.recv() => match order {
                Some(Order::Frame(frame)) => {
                    let _ = socket.send(text(frame)).await;
                }
                Some(Order::Drop) | None => return,
            },
        }
    }
}

fn connected(cursor: i64) -> Value {
    json!({
        "type": "connected", "session": "ses_1", "user": "alice",
        "head": {"epoch": "1", "offset": cursor}, "cursor": {"epoch": "1", "offset": cursor},
        "device_secret": "secret", "targets": [], "server_time": "2026-01-01T00:00:00Z",
        "ping_interval": 25, "limits": {"frame_bytes": 1, "body_bytes": 1, "recipients": 1},
    })
}

async fn serve_request(mut stream: TcpStream, state: &State) {
    let mut request = Vec::new();
    let head = loop {
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break String::from_utf8_lossy(&request[..end]).into_owned();
        }
        if stream.read_buf(&mut request).await.unwrap_or_default() == 0 {
            return;
        }
    };
    let line = head.lines().next().unwrap_or_default().to_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while request.len() < head.len() + 4 + length {
        if stream.read_buf(&mut request).await.unwrap_or_default() == 0 {
            return;
        }
    }
    let told: Value = serde_json::from_slice(&request[head.len() + 4..]).unwrap_or_default();
    let has = |name: &str| head.lines().any(|line| line.to_ascii_lowercase().starts_with(name));
    state.note(json!({
        "request": line,
        "token": has("authorization:"),
        "secret": has("reveille-device-secret:"),
        "body": told,
    }));
    if lock(&state.inner).mute {
        // Until the other side has had enough.
        let _ = stream.read_buf(&mut request).await;
        return;
    }
    let after = line.split_once("after=").and_then(|(_, rest)| rest.split([' ', '&']).next());
    let after = after.and_then(|after| after.parse().ok()).unwrap_or_default();
    let head = json!({"epoch": "1", "offset": 0});
    let body = match line.strip_prefix("PUT /v1/me/targets/").and_then(|rest| rest.split_once(' '))
    {
        Some((kind, _)) => json!({"kind": kind, "state": "active"}),
        None => json!({"entries": state.entries_after(after), "head": head, "more": false}),
    };
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.to_string().len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}
