//! Clients that do it wrong: each gets an error that names the input and says what to do, and the
//! server goes on.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sim::phone::Platform;
use sim::world::World;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{PATIENCE, world};

/// A WebSocket that sends what it is told.
struct Rude(WebSocketStream<TcpStream>);

impl Rude {
    async fn connect(world: &World) -> Self {
        let stream = TcpStream::connect(world.address()).await.expect("the server listens");
        let url = format!("ws://{}{}", world.address(), wire::CONNECT_PATH);
        let mut request = url.into_client_request().expect("a URL");
        let protocol = wire::SUBPROTOCOL.parse().expect("a header value");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (socket, _) = tokio_tungstenite::client_async(request, stream)
            .await
            .expect("the server speaks WebSocket");
        Self(socket)
    }

    /// A rude client that has connected properly as `user`.
    async fn greeted(world: &World, user: &str) -> Self {
        let token = world.user_token(user, None).await.expect("a token").token;
        let mut rude = Self::connect(world).await;
        rude.say(&hello(&token, &format!("{user}-device"))).await;
        assert_eq!(rude.hear().await["type"], "connected");
        rude
    }

    async fn say(&mut self, frame: &Value) {
        self.text(frame.to_string()).await;
    }

    async fn text(&mut self, text: String) {
        self.0.send(Message::text(text)).await.expect("the server takes it");
    }

    /// The next frame.
    async fn hear(&mut self) -> Value {
        loop {
            match self.next().await {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Close(frame) => panic!("closed with {frame:?}"),
                _ => {}
            }
        }
    }

    /// The last words: the `error` frame and the close code.
    async fn last_words(mut self) -> (Value, u16) {
        let mut error = Value::Null;
        loop {
            match self.next().await {
                Message::Text(text) => error = serde_json::from_str(&text).expect("JSON"),
                Message::Close(Some(frame)) => return (error, frame.code.into()),
                Message::Close(None) => panic!("closed without a code after {error}"),
                _ => {}
            }
        }
    }

    async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("an answer in time");
        next.expect("the connection is open").expect("a message")
    }
}

fn hello(token: &str, device: &str) -> Value {
    json!({ "type": "connect", "token": token, "device": { "id": device, "platform": "android" } })
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[tokio::test]
async fn a_wrong_first_frame_is_named_and_closes() {
    let world = world().await;
    let token = world.user_token("alice", None).await.expect("a token").token;
    let mut unknown = token.clone();
    let last = unknown.pop().expect("a token has letters");
    unknown.push(if last == 'A' { 'E' } else { 'A' });
    let table = [
        ("no JSON", "hello".to_owned(), 4400, "JSON"),
        ("no type", "{}".to_owned(), 4400, "`type`"),
        ("unknown type", json!({ "type": "dance" }).to_string(), 4400, "dance"),
        (
            "another frame first",
            json!({ "type": "ack", "position": { "epoch": "1", "offset": 1 } }).to_string(),
            4400,
            "`connect` first",
        ),
        ("a field missing", json!({ "type": "connect" }).to_string(), 4400, "device"),
        (
            "no token",
            json!({ "type": "connect", "device": { "id": "d", "platform": "ios" } }).to_string(),
            4401,
            "token",
        ),
        ("no key at all", hello("secret", "d").to_string(), 4401, "no key of Reveille"),
        ("a key of another kind", hello(world.app_key(), "d").to_string(), 4401, "user token"),
        ("an unknown token", hello(&unknown, "d").to_string(), 4401, "user token"),
        (
            "a device id with a control character",
            hello(&token, "a\u{7}b").to_string(),
            4400,
            "control characters",
        ),
        (
            "a frame over the limit",
            format!("\"{}\"", "x".repeat(wire::limits::FRAME_BYTES)),
            4413,
            "are allowed",
        ),
        (
            "a frame over every limit",
            format!("\"{}\"", "x".repeat(3 * wire::limits::FRAME_BYTES)),
            4413,
            "are allowed",
        ),
    ];
    for (name, text, code, says) in table {
        let mut rude = Rude::connect(&world).await;
        rude.text(text).await;
        let (error, closed) = rude.last_words().await;
        assert_eq!(closed, code, "{name}: {error}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(says), "{name}: {message:?} does not say {says:?}");
        assert!(!message.contains(&token), "{name}: the token is in the message");
    }
    still_serves(&world).await;
}

#[tokio::test]
async fn a_binary_frame_is_refused() {
    let world = world().await;
    let mut rude = Rude::connect(&world).await;
    rude.0.send(Message::binary(vec![1, 2, 3])).await.expect("sent");
    let (error, closed) = rude.last_words().await;
    assert_eq!(closed, 4400, "{error}");
}

#[tokio::test]
async fn a_send_that_cannot_be_taken_is_rejected_and_the_session_goes_on() {
    let world = world().await;
    world.user_token("bob", None).await.expect("bob exists");
    let mut rude = Rude::greeted(&world, "alice").await;
    let send = |id: &str, to: Value, body: Value| json!({ "type": "send", "id": id, "to": to, "body": body });
    let many: Vec<String> = (0..=wire::limits::RECIPIENTS).map(|n| format!("u{n}")).collect();
    let table = [
        ("unknown recipient", send(&uuid(), json!(["nobody"]), json!(1)), "unknown_user", "to"),
        ("no recipient", send(&uuid(), json!([]), json!(1)), "invalid_field", "to"),
        ("too many recipients", send(&uuid(), json!(many), json!(1)), "too_many_recipients", "to"),
        ("no id", send("", json!(["bob"]), json!(1)), "invalid_field", "id"),
        (
            "a body over the limit",
            send(&uuid(), json!(["bob"]), json!("x".repeat(wire::limits::BODY_BYTES))),
            "body_too_large",
            "body",
        ),
    ];
    for (name, frame, code, field) in table {
        rude.say(&frame).await;
        let rejected = rude.hear().await;
        assert_eq!(rejected["type"], "rejected", "{name}: {rejected}");
        assert_eq!(rejected["problem"]["code"], code, "{name}: {rejected}");
        assert_eq!(rejected["problem"]["field"], field, "{name}: {rejected}");
    }
    // The same id: the same message is the same answer, another body is refused.
    let id = uuid();
    let mut ids = Vec::new();
    for _ in 0..2 {
        rude.say(&send(&id, json!(["bob"]), json!("first"))).await;
        let accepted = rude.hear().await;
        assert_eq!(accepted["type"], "accepted", "{accepted}");
        ids.push(accepted["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    for (to, body) in [(json!(["bob"]), json!("second")), (json!(["bob", "alice"]), json!("first"))]
    {
        rude.say(&send(&id, to, body)).await;
        let rejected = rude.hear().await;
        assert_eq!(rejected["problem"]["code"], "id_reused", "{rejected}");
    }
}

#[tokio::test]
async fn an_ack_above_what_was_sent_is_a_protocol_error() {
    let world = world().await;
    let mut rude = Rude::greeted(&world, "alice").await;
    let held = world.devices_of("alice").await.expect("devices");
    let epoch = held[0].cursor.epoch.clone();
    rude.say(&json!({ "type": "ack", "position": { "epoch": epoch, "offset": 99 } })).await;
    let (error, closed) = rude.last_words().await;
    assert_eq!((closed, error["code"].as_str()), (4400, Some("ack_above_head")), "{error}");
    still_serves(&world).await;
}

#[tokio::test]
async fn a_device_that_has_proven_its_secret_needs_it_from_then_on() {
    let world = world().await;
    let token = world.user_token("alice", None).await.expect("a token").token;
    let mut first = Rude::connect(&world).await;
    first.say(&hello(&token, "d")).await;
    let secret = first.hear().await["device_secret"].as_str().expect("a secret").to_owned();
    let mut with = hello(&token, "d");
    with["device_secret"] = json!(secret);
    let mut second = Rude::connect(&world).await;
    second.say(&with).await;
    assert_eq!(second.hear().await["device_secret"], Value::Null, "proven, so not told again");
    // The same device again: the older session is told not to come back.
    let (error, closed) = first.last_words().await;
    assert_eq!((closed, error["reconnect"].as_bool()), (4409, Some(false)), "{error}");
    let mut without = Rude::connect(&world).await;
    without.say(&hello(&token, "d")).await;
    let (error, closed) = without.last_words().await;
    assert_eq!(closed, 4403, "{error}");
    assert!(error["message"].as_str().unwrap_or_default().contains("device_secret"), "{error}");
}

/// Whatever was done to it, the server serves.
async fn still_serves(world: &World) {
    let bob = world.phone("bob", Platform::Android, "bob's phone").await.expect("a phone");
    bob.launch().await.expect("it connects");
    let carol = world.phone("carol", Platform::Android, "carol's phone").await.expect("a phone");
    carol.launch().await.expect("it connects");
    bob.send("carol", "still there?").await.expect("accepted");
    carol.wait_messages(1, PATIENCE).await.expect("received");
    assert!(!world.server_log().contains("panicked"), "{}", world.server_log());
}
