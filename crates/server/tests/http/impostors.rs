//! A device cannot speak as another: not in its first frame, and not later.

use std::time::Duration;

use domain::Time;
use http::Method;
use serde_json::{Value, json};
use server::clock::Clock;
use tokio_tungstenite::tungstenite::Message;

use super::rig::{Device, Server, Session, text};

const NOON: Time = Time::from_millis(1_800_000_000_000);
/// Well formed, and nobody's.
const UNKNOWN: &str = "rvl_user_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What the server says to a first frame, and the close code if it closes.
async fn first_frame(server: &Server, token: &str, secret: &str, id: &str) -> (Value, Option<u16>) {
    let mut frame = json!({ "type": "connect", "device": { "id": id, "platform": "ios" } });
    for (field, value) in [("token", token), ("device_secret", secret)] {
        if !value.is_empty() {
            frame[field] = json!(value);
        }
    }
    let mut session = Session::open(server.address).await;
    session.say(frame).await;
    let first = session.hear().await;
    match &first["type"] {
        kind if *kind == "connected" => {
            session.leave().await;
            (first, None)
        }
        _ => (first, session.end().await.1),
    }
}

/// A device that has proven its secret.
async fn proven(server: &Server, key: &str, user: &str, id: &str) -> Device {
    let device = server.device_of(key, user, id).await;
    let (connected, _) = first_frame(server, &device.token, &device.secret, id).await;
    assert_eq!(connected["type"], "connected", "{connected}");
    device
}

#[tokio::test]
async fn a_first_frame_is_believed_as_far_as_it_proves() {
    let (clock, hand) = Clock::by_hand(NOON);
    let server = Server::start_by(clock).await;
    let key = server.app.1.clone();
    let other = server.new_app("second").await.1;
    let phone = proven(&server, &key, "alice", "phone").await;
    let tablet = proven(&server, &key, "alice", "tablet").await;
    let bobs = proven(&server, &key, "bob", "bobs").await;
    let theirs = proven(&server, &other, "alice", "theirs").await;
    let revoked = server.token("carol").await;
    server.call(Method::DELETE, "/v1/users/carol/tokens", None).await.is(204);
    let spent = json!({ "ttl": 1 });
    let spent = server.call(Method::POST, "/v1/users/alice/tokens", Some(spent)).await.is(201);
    let spent = text(&spent["token"]);
    hand.advance(Duration::from_secs(1));
    let unknown_secret = UNKNOWN.replace("rvl_user_", "rvl_device_");
    let kind = ("wrong_key_kind", 4401);
    let table = [
        // The token is none, or none any more.
        ("", "", "new", ("unauthorized", 4401)),
        ("nonsense", "", "new", ("unauthorized", 4401)),
        ("a.b.c", "", "new", ("unauthorized", 4401)),
        (UNKNOWN, "", "new", ("unauthorized", 4401)),
        (&revoked, "", "new", ("unauthorized", 4401)),
        (&spent, "", "new", ("token_expired", 4401)),
        // It is another kind of key.
        (&server.admin, "", "new", kind),
        (&key, "", "new", kind),
        (&phone.secret, "", "new", kind),
        (&phone.token, &phone.token, "phone", ("wrong_key_kind", 4400)),
        // The device is another one, of the same user or not.
        (&phone.token, "", "phone", ("forbidden", 4403)),
        (&phone.token, &tablet.secret, "phone", ("forbidden", 4403)),
        (&phone.token, &unknown_secret, "phone", ("forbidden", 4403)),
        (&phone.token, "", "bobs", ("forbidden", 4403)),
        (&phone.token, &phone.secret, "bobs", ("forbidden", 4403)),
        ("", &phone.secret, "tablet", ("forbidden", 4403)),
        ("", &phone.secret, "bobs", ("forbidden", 4403)),
        ("", &unknown_secret, "phone", ("forbidden", 4403)),
        // An expired token is no token, whatever stands beside it.
        (&spent, &phone.secret, "phone", ("token_expired", 4401)),
    ];
    for (token, secret, id, (code, close)) in table {
        let (error, closed) = first_frame(&server, token, secret, id).await;
        let what = format!("{token:.12} {secret:.12} {id}");
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{what}");
        assert_eq!(closed, Some(close), "{what}");
    }
    // A device of another app is another device, though both have one name.
    let (own, _) = first_frame(&server, &phone.token, &theirs.secret, "theirs").await;
    assert_eq!((&own["type"], &own["user"]), (&json!("connected"), &json!("alice")), "{own}");
    assert!(own["device_secret"].is_string(), "it is given a secret of its own: {own}");
    // None of that moved or changed a device.
    for (device, user, id) in
        [(&phone, "alice", "phone"), (&tablet, "alice", "tablet"), (&bobs, "bob", "bobs")]
    {
        let (connected, _) = first_frame(&server, "", &device.secret, id).await;
        assert_eq!((&connected["type"], &connected["user"]), (&json!("connected"), &json!(user)));
    }
    let (connected, _) = first_frame(&server, &theirs.token, &theirs.secret, "theirs").await;
    assert_eq!(connected["type"], "connected", "{connected}");
    server.stop().await;
}

#[tokio::test]
async fn a_session_speaks_for_its_own_user_whatever_it_says() {
    let server = Server::start().await;
    let (mut alice, _) = server.session("alice", "phone").await;
    let (mut bob, _) = server.session("bob", "bobs").await;
    let (mut carol, _) = server.session("carol", "carols").await;
    let bobs_token = server.token("bob").await;
    let says = async |session: &mut Session, frame: Value| {
        session.poke(Message::text(frame.to_string())).await.expect("it lives")
    };
    // Another user's token does not turn a session into theirs.
    let heard = says(&mut alice, json!({ "type": "refresh", "token": bobs_token })).await;
    assert_eq!(heard[0]["code"], "forbidden", "{heard:?}");
    // Nor do fields that only the server writes.
    let send = json!({
        "type": "send", "id": "1", "to": ["carol"], "body": 1, "from": "bob",
        "sender": "bob", "user": "bob", "device": "bobs",
    });
    let heard = says(&mut alice, send).await;
    assert_eq!(heard[0]["type"], "accepted", "{heard:?}");
    assert_eq!(carol.hear_a("message").await["from"], "alice");
    let typing = json!({ "type": "typing", "to": "carol", "thread": "t", "from": "bob" });
    assert!(says(&mut alice, typing).await.is_empty());
    assert_eq!(carol.hear_a("typing").await["from"], "alice");
    let call = uuid::Uuid::new_v4().to_string();
    let start = json!({
        "type": "call.start", "call": call, "to": "carol", "caller_name": "Bob", "from": "bob",
    });
    says(&mut alice, start).await;
    assert_eq!(carol.hear_a("call.ring").await["from"], "alice");
    let ringing = json!({ "type": "call.ringing", "call": call, "from": "bob" });
    says(&mut carol, ringing).await;
    assert_eq!(alice.hear_a("call.ringing").await["from"], "carol");
    // A second `connect` changes nobody: it ends the session.
    let again = json!({
        "type": "connect", "token": bobs_token, "device": { "id": "bobs", "platform": "ios" },
    });
    let closed = alice.poke(Message::text(again.to_string())).await.expect_err("it ends");
    assert!([Some(4400), None].contains(&closed), "{closed:?}");
    assert!(bob.poke(Message::Ping(Default::default())).await.expect("it lives").is_empty());
    server.stop().await;
}
