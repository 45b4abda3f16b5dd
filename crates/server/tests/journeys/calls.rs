//! Calls over connections and servers that are lost in the middle of them.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sim::phone::{PhoneEvent, Platform};
use sim::world::{PROJECT, World};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use wire::TargetKindName;
use wire::http::Settings;

use super::{PATIENCE, world};

/// One device of a user, which says what the test tells it to, and nothing by itself.
pub(super) struct Side {
    user: &'static str,
    device: &'static str,
    pub(super) secret: Option<String>,
    /// What it says besides in `connect`.
    hello: Value,
    /// `None`: it is away.
    socket: Option<WebSocketStream<TcpStream>>,
}

impl Side {
    pub(super) async fn connected(world: &World, user: &'static str, device: &'static str) -> Self {
        let mut side = Self { user, device, secret: None, hello: json!({}), socket: None };
        side.connect(world).await;
        side
    }

    /// Connects, again too; a connection it had is replaced.
    async fn connect(&mut self, world: &World) {
        let stream = TcpStream::connect(world.address()).await.expect("the server listens");
        let url = format!("ws://{}{}", world.address(), wire::CONNECT_PATH);
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.expect("WebSocket");
        self.socket = Some(socket);
        let token = world.user_token(self.user, None).await.expect("a token").token;
        let mut hello = self.hello.clone();
        hello["type"] = json!("connect");
        hello["token"] = json!(token);
        hello["device"] = json!({ "id": self.device, "platform": "android" });
        if let Some(secret) = &self.secret {
            hello["device_secret"] = json!(secret);
        }
        self.say(hello).await;
        let connected = self.hear().await;
        assert_eq!(connected["type"], "connected", "{connected}");
        if let Some(secret) = connected["device_secret"].as_str() {
            self.secret = Some(secret.to_owned());
        }
    }

    pub(super) async fn say(&mut self, frame: Value) {
        let socket = self.socket.as_mut().expect("connected");
        socket.send(Message::text(frame.to_string())).await.expect("the server takes it");
    }

    /// The next frame.
    pub(super) async fn hear(&mut self) -> Value {
        let socket = self.socket.as_mut().expect("connected");
        loop {
            let next = tokio::time::timeout(PATIENCE, socket.next()).await;
            let next = next.unwrap_or_else(|_| panic!("{} hears nothing", self.user));
            match next.expect("the connection is open").expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Close(frame) => panic!("closed with {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next frame beside messages, which must be of this type.
    #[track_caller]
    pub(super) fn hear_a(&mut self, kind: &'static str) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            let mut heard = self.hear().await;
            // A missed call comes by the inbox, before or after what is said of the call.
            while heard["type"] == "message" {
                heard = self.hear().await;
            }
            assert_eq!(heard["type"], kind, "{} hears {heard}, at {caller}", self.user);
            heard
        }
    }

    /// The bodies of the next signals, which must be numbered upwards; and the last number.
    async fn signals(&mut self, count: usize) -> (Vec<Value>, i64) {
        let mut last = 0;
        let mut bodies = Vec::new();
        for _ in 0..count {
            let signal = self.hear_a("call.signal").await;
            let sequence = signal["sequence"].as_i64().expect("a number");
            assert!(sequence > last, "{signal} after {last}");
            last = sequence;
            bodies.push(signal["body"].clone());
        }
        (bodies, last)
    }

    /// Waits until the server has dealt with what this side has said; nothing comes meanwhile.
    async fn settled(&mut self) {
        let socket = self.socket.as_mut().expect("connected");
        socket.send(Message::Ping(Vec::new().into())).await.expect("the server takes it");
        loop {
            let next = tokio::time::timeout(PATIENCE, socket.next()).await.expect("a pong");
            match next.expect("the connection is open").expect("a message") {
                Message::Pong(_) => return,
                Message::Text(text) => panic!("{} hears {text}", self.user),
                _ => {}
            }
        }
    }

    /// Its connection breaks, and the server has taken note.
    async fn lose(&mut self, world: &World) {
        self.socket = None;
        let noted = async {
            loop {
                let devices = world.devices_of(self.user).await.expect("devices");
                if devices.iter().all(|device| device.id != self.device || !device.live) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, noted).await.expect("the server takes note");
    }

    /// Calls somebody; the call's id.
    async fn call(&mut self, to: &str) -> String {
        let call = uuid::Uuid::new_v4().to_string();
        self.say(start(&call, to)).await;
        call
    }

    async fn signal(&mut self, call: &str, body: impl Into<Value>) {
        self.say(json!({ "type": "call.signal", "call": call, "body": body.into() })).await;
    }

    async fn move_call(&mut self, kind: &str, call: &str) {
        self.say(json!({ "type": kind, "call": call })).await;
    }
}

fn start(call: &str, to: &str) -> Value {
    json!({
        "type": "call.start", "call": call, "to": to, "caller_name": "Bob", "offer": { "sdp": 1 },
    })
}

/// Bob and alice, each with one device.
async fn two(world: &World) -> (Side, Side) {
    let bob = Side::connected(world, "bob", "bobs").await;
    let alice = Side::connected(world, "alice", "alices").await;
    (bob, alice)
}

/// A call of bob's that alice has taken.
async fn talk(bob: &mut Side, alice: &mut Side) -> String {
    let call = bob.call(alice.user).await;
    let ring = alice.hear_a("call.ring").await;
    assert_eq!((&ring["call"], &ring["offer"]), (&json!(call), &json!({ "sdp": 1 })));
    alice.move_call("call.ringing", &call).await;
    bob.hear_a("call.ringing").await;
    alice.say(json!({ "type": "call.answer", "call": call, "answer": { "sdp": 2 } })).await;
    alice.hear_a("call.answered").await;
    assert_eq!(bob.hear_a("call.answered").await["answer"], json!({ "sdp": 2 }));
    call
}

fn numbers(from: i64, to: i64) -> Vec<Value> {
    (from..=to).map(Value::from).collect()
}

#[tokio::test]
async fn a_connection_lost_in_mid_call_is_resumed_with_the_signals_it_missed() {
    let world = world().await;
    let (mut bob, mut alice) = two(&world).await;
    let call = bob.call("alice").await;
    alice.hear_a("call.ring").await;
    // What the caller sends while it rings is for whoever answers.
    for number in 1..=20 {
        bob.signal(&call, number).await;
    }
    alice.signal(&call, "early").await;
    assert_eq!(bob.signals(1).await.0, [json!("early")]);
    alice.move_call("call.answer", &call).await;
    alice.hear_a("call.answered").await;
    assert_eq!(alice.signals(20).await.0, numbers(1, 20));
    bob.hear_a("call.answered").await;
    alice.signal(&call, 101).await;
    let (heard, last) = bob.signals(1).await;
    assert_eq!(heard, numbers(101, 101));
    // Bob's connection breaks; alice goes on, and hears nothing of it.
    bob.lose(&world).await;
    for number in 102..=140 {
        alice.signal(&call, number).await;
    }
    alice.settled().await;
    bob.hello = json!({ "calls": [{ "call": call, "sequence": last }] });
    bob.connect(&world).await;
    let resumed = bob.hear_a("call.resumed").await;
    assert_eq!((&resumed["state"], &resumed["sent"]), (&json!("answered"), &json!(20)));
    assert_eq!(bob.signals(39).await.0, numbers(102, 140), "in order, each once");
    bob.signal(&call, 21).await;
    assert_eq!(alice.signals(1).await.0, numbers(21, 21));
    // The side that answered, and does not say what it has: all of it comes again.
    alice.lose(&world).await;
    bob.signal(&call, 22).await;
    bob.settled().await;
    alice.connect(&world).await;
    let resumed = alice.hear_a("call.resumed").await;
    assert_eq!((&resumed["state"], &resumed["answer"]), (&json!("answered"), &Value::Null));
    assert_eq!(resumed["sent"], 41, "what was lost before the server had it is to be sent again");
    assert_eq!(alice.signals(22).await.0, numbers(1, 22));
    alice.move_call("call.end", &call).await;
    for side in [&mut bob, &mut alice] {
        assert_eq!(side.hear_a("call.ended").await["reason"], "hung_up");
    }
}

#[tokio::test]
async fn a_side_that_does_not_come_back_ends_the_call_for_everybody() {
    let world = world().await;
    let settings = Settings { resume_time: Some(1), ..Settings::default() };
    world.set(&settings).await.expect("set");
    let (mut bob, mut alice) = two(&world).await;
    let call = talk(&mut bob, &mut alice).await;
    alice.lose(&world).await;
    let ended = bob.hear_a("call.ended").await;
    assert_eq!((&ended["call"], &ended["reason"]), (&json!(call), &json!("lost")));
    // Late, it learns that it is over.
    alice.connect(&world).await;
    assert_eq!(alice.hear_a("call.ended").await["reason"], "lost");
    alice.signal(&call, 1).await;
    assert_eq!(alice.hear_a("call.ended").await["reason"], "lost");
    // The caller's, while it rings: a missed call.
    let call = bob.call("alice").await;
    assert_eq!(alice.hear_a("call.ring").await["call"], call);
    bob.lose(&world).await;
    let (mut ended, mut missed) = (Value::Null, Value::Null);
    while ended.is_null() || missed.is_null() {
        let heard = alice.hear().await;
        match heard["type"].as_str() {
            Some("call.ended") => ended = heard,
            Some("message") => missed = heard,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((&ended["call"], &ended["reason"]), (&json!(call), &json!("lost")));
    assert_eq!(missed["missed_call"]["call"], call);
    bob.connect(&world).await;
    let told = [bob.hear_a("call.ended").await, bob.hear_a("call.ended").await];
    assert_eq!(told[1]["call"], call, "the one that it was told of may come again: {told:?}");
    // The same call again is not started anew.
    bob.say(start(&call, "alice")).await;
    assert_eq!(bob.hear_a("call.ended").await["reason"], "lost");
}

#[tokio::test]
async fn calls_outlive_a_kill_of_the_server_when_their_sides_come_back() {
    let world = world().await;
    let (mut bob, mut alice) = two(&world).await;
    let mut carol = Side::connected(&world, "carol", "carols").await;
    let taken = talk(&mut bob, &mut alice).await;
    bob.signal(&taken, 1).await;
    assert_eq!(alice.signals(1).await.0, numbers(1, 1));
    let rings = bob.call("carol").await;
    carol.hear_a("call.ring").await;
    carol.move_call("call.ringing", &rings).await;
    bob.hear_a("call.ringing").await;
    world.kill().await.expect("killed");
    world.start_server().await.expect("it starts again");
    bob.connect(&world).await;
    let told = [bob.hear_a("call.resumed").await, bob.hear_a("call.resumed").await];
    let states = told.map(|told| (told["call"].clone(), told["state"].clone()));
    assert_eq!(
        states,
        [(json!(taken), json!("answered")), (json!(rings), json!("ringing"))],
        "both calls, as they stood"
    );
    carol.connect(&world).await;
    assert_eq!(carol.hear_a("call.ring").await["call"], rings);
    alice.connect(&world).await;
    assert_eq!(alice.hear_a("call.resumed").await["call"], taken);
    assert_eq!(alice.signals(1).await.0, numbers(1, 1));
    bob.move_call("call.cancel", &rings).await;
    assert_eq!(carol.hear_a("call.ended").await["reason"], "cancelled");
    assert_eq!(bob.hear_a("call.ended").await["call"], rings);
    alice.move_call("call.end", &taken).await;
    assert_eq!(bob.hear_a("call.ended").await["call"], taken);
}

#[tokio::test]
async fn a_kill_while_it_rings_ends_as_a_missed_call_and_rings_no_second_time() {
    let world = world().await;
    let settings = Settings { resume_time: Some(1), ..Settings::default() };
    world.set(&settings).await.expect("set");
    let iphone = world.phone("alice", Platform::Ios, "alice's iPhone").await.expect("a phone");
    iphone.launch().await.expect("it connects");
    iphone.suspend().await;
    let mut bob = Side::connected(&world, "bob", "bobs").await;
    let mut carol = Side::connected(&world, "carol", "carols").await;
    let mut dave = Side::connected(&world, "dave", "daves").await;
    let taken = talk(&mut bob, &mut carol).await;
    let mark = iphone.mark();
    let call = dave.call("alice").await;
    let screen = |event: &PhoneEvent| matches!(event, PhoneEvent::CallScreen { .. });
    iphone.wait_since(mark, screen, PATIENCE).await.expect("the iPhone rings");
    world.kill().await.expect("killed");
    world.start_server().await.expect("it starts again");
    // Nobody who called comes back.
    let missed = |event: &PhoneEvent| {
        matches!(event, PhoneEvent::MessageReceived { missed_call: Some(_), .. })
    };
    iphone.wait_since(mark, missed, PATIENCE).await.expect("a missed call");
    for (side, call) in [(&mut bob, &taken), (&mut carol, &taken), (&mut dave, &call)] {
        side.connect(&world).await;
        let ended = side.hear_a("call.ended").await;
        assert_eq!((&ended["call"], &ended["reason"]), (&json!(call), &json!("lost")));
    }
    let pushes = world.apns().seen();
    let voip = pushes.iter().filter(|push| push.header("apns-push-type") == Some("voip"));
    assert_eq!(voip.count(), 1, "rung once");
}

#[tokio::test]
async fn whoever_does_not_say_that_it_rings_is_pushed_though_its_session_lives() {
    let world = world().await;
    let frozen = world.phone("alice", Platform::Android, "alice's frozen phone").await;
    let frozen = frozen.expect("a phone");
    frozen.launch().await.expect("it connects");
    let mut tokens = vec![frozen.push_token(TargetKindName::Fcm).expect("a token")];
    // Its connection is up, and nobody reads it.
    frozen.freeze().await;
    let mut sides = Vec::new();
    for (device, state) in
        [("silent", "foreground"), ("silent, behind", "background"), ("polite", "foreground")]
    {
        let mut side = Side::connected(&world, "alice", device).await;
        let token = world.devices().register_fcm(PROJECT);
        side.say(json!({ "type": "push_token", "kind": "fcm", "token": token })).await;
        side.hear_a("push_target").await;
        side.say(json!({ "type": "state", "state": state })).await;
        tokens.push(token);
        sides.push(side);
    }
    let polite = tokens.pop().expect("the last one");
    let mut bob = Side::connected(&world, "bob", "bobs").await;
    let call = bob.call("alice").await;
    for side in &mut sides {
        side.hear_a("call.ring").await;
    }
    sides[2].move_call("call.ringing", &call).await;
    bob.hear_a("call.ringing").await;
    let rung = async {
        loop {
            let mut seen: Vec<_> = world.fcm().seen().into_iter().map(|push| push.token).collect();
            // Requests for access tokens are no pushes.
            seen.retain(|token| !token.is_empty());
            if tokens.iter().all(|token| seen.contains(token)) {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, rung).await.expect("the silent ones are pushed");
    assert!(!seen.contains(&polite));
    assert_eq!(seen.len(), tokens.len(), "each once, and nobody else: {seen:?} {tokens:?}");
}

#[tokio::test]
async fn whoever_comes_while_it_rings_is_told_and_one_of_two_answers_counts() {
    let world = world().await;
    let (mut bob, mut alice) = two(&world).await;
    let mut other = Side::connected(&world, "bob", "bob's other").await;
    let call = bob.call("alice").await;
    alice.hear_a("call.ring").await;
    // The same frame again, because its sender was not sure: how it stands, and nobody rings anew.
    bob.say(start(&call, "alice")).await;
    let standing = bob.hear_a("call.resumed").await;
    assert_eq!((&standing["state"], &standing["sent"]), (&json!("calling"), &json!(0)));
    bob.say(start(&call, "bob")).await;
    let refused = bob.hear_a("error").await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!("id_reused"), &json!("call")));
    let mut tablet = Side::connected(&world, "alice", "alice's tablet").await;
    assert_eq!(tablet.hear_a("call.ring").await["call"], call);
    tablet.move_call("call.ringing", &call).await;
    bob.hear_a("call.ringing").await;
    bob.lose(&world).await;
    bob.connect(&world).await;
    let resumed = bob.hear_a("call.resumed").await;
    assert_eq!(resumed["state"], "ringing");
    assert!(resumed["expires_at"].is_string(), "{resumed}");
    // Both at once: one has it, the other one hears that.
    tokio::join!(alice.move_call("call.answer", &call), tablet.move_call("call.answer", &call));
    let heard = [alice.hear().await, tablet.hear().await];
    let mut kinds = heard.each_ref().map(|frame| frame["type"].as_str().unwrap_or_default());
    kinds.sort_unstable();
    assert_eq!(kinds, ["call.answered", "call.ended"], "{heard:?}");
    let late = heard.iter().find(|frame| frame["type"] == "call.ended").expect("one of them");
    assert_eq!(late["reason"], "answered_elsewhere");
    bob.hear_a("call.answered").await;
    // A device that comes now learns it too.
    let mut third = Side::connected(&world, "alice", "alice's third").await;
    assert_eq!(third.hear_a("call.ended").await["reason"], "answered_elsewhere");
    // The caller's other device has nothing to do with it.
    other.move_call("call.end", &call).await;
    let refused = other.hear_a("error").await;
    assert!(["forbidden", "not_found"].contains(&refused["code"].as_str().unwrap_or_default()));
    bob.move_call("call.end", &call).await;
    assert_eq!(bob.hear_a("call.ended").await["reason"], "hung_up");
}

#[tokio::test]
async fn a_busy_device_ends_the_ringing_of_all_and_no_call_ends_another() {
    let world = world().await;
    let (mut bob, mut alice) = two(&world).await;
    let mut tablet = Side::connected(&world, "alice", "alice's tablet").await;
    let mut carol = Side::connected(&world, "carol", "carols").await;
    // A user talks with themself, from one device to another.
    let own = alice.call("alice").await;
    assert_eq!(tablet.hear_a("call.ring").await["from"], "alice");
    tablet.move_call("call.answer", &own).await;
    tablet.hear_a("call.answered").await;
    alice.hear_a("call.answered").await;
    let call = bob.call("alice").await;
    let second = bob.call("carol").await;
    for side in [&mut alice, &mut tablet] {
        assert_eq!(side.hear_a("call.ring").await["call"], call);
    }
    assert_eq!(carol.hear_a("call.ring").await["call"], second);
    alice.say(json!({ "type": "call.reject", "call": call, "reason": "busy" })).await;
    for side in [&mut alice, &mut tablet, &mut bob] {
        let ended = side.hear_a("call.ended").await;
        assert_eq!((&ended["call"], &ended["reason"]), (&json!(call), &json!("busy")));
    }
    // The caller's other call goes on, and so does the one that was in the way.
    carol.move_call("call.answer", &second).await;
    carol.hear_a("call.answered").await;
    assert_eq!(bob.hear_a("call.answered").await["call"], second);
    alice.signal(&own, 1).await;
    assert_eq!(tablet.signals(1).await.0, numbers(1, 1));
    tablet.signal(&own, 2).await;
    assert_eq!(alice.signals(1).await.0, numbers(2, 2));
    tablet.move_call("call.end", &own).await;
    for side in [&mut alice, &mut tablet] {
        assert_eq!(side.hear_a("call.ended").await["reason"], "hung_up");
    }
}
