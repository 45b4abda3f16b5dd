//! What users have read, muted and blocked, by frame and by HTTP.

use http::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::rig::{Server, Session, text};

/// Acknowledges an entry.
async fn ack(session: &mut Session, entry: &Value) {
    let mut position = entry["position"].clone();
    position["entry"] = entry["entry"].clone();
    session.say(json!({ "type": "ack", "position": position })).await;
}

async fn send(session: &mut Session, id: &str, to: &str, fields: Value) -> Value {
    let mut frame = json!({ "type": "send", "id": id, "to": [to], "body": id });
    for (name, value) in fields.as_object().expect("an object") {
        frame[name] = value.clone();
    }
    session.say(frame).await;
    loop {
        let answer = session.hear().await;
        if answer["client_id"] == id {
            return answer;
        }
    }
}

#[tokio::test]
async fn what_is_read_on_one_device_reaches_the_sender_and_the_other_device() {
    let server = Server::start().await;
    let (mut alice, _) = server.session("alice", "alices").await;
    let (mut phone, _) = server.session("bob", "phone").await;
    let (mut tablet, _) = server.session("bob", "tablet").await;
    let first = send(&mut alice, "1", "bob", json!({ "thread": "lunch" })).await;
    let second = send(&mut alice, "2", "bob", json!({})).await;
    let seen = [phone.hear_a("message").await, phone.hear_a("message").await];
    ack(&mut phone, &seen[1]).await;
    let delivered = alice.hear_a("receipt").await;
    assert_eq!(delivered["receipts"][0]["state"], "delivered", "{delivered}");
    let up_to = &seen[0]["position"];
    phone.say(json!({ "type": "read", "thread": "lunch", "up_to": up_to })).await;
    let read = alice.hear_a("receipt").await;
    let row = &read["receipts"][0];
    assert_eq!((&row["id"], &row["state"]), (&first["id"], &json!("read")), "{read}");
    assert_eq!(row["user"], "bob");
    for session in [&mut phone, &mut tablet] {
        let synced = session.hear_a("read").await;
        assert_eq!((&synced["thread"], &synced["up_to"]), (&json!("lunch"), up_to), "{synced}");
    }
    // Single ones, the short way: a notification's action, say.
    let device = server.device("bob", "watch").await;
    let body = json!({ "messages": [second["id"]] });
    server.me(&device, Method::POST, "/v1/me/read", Some(body)).await.is(204);
    assert_eq!(alice.hear_a("receipt").await["receipts"][0]["id"], second["id"]);
    assert_eq!(tablet.hear_a("read").await["messages"], json!([second["id"]]));
    // The timeline of each says who read it, and where.
    for (message, device) in [(&first, "phone"), (&second, "watch")] {
        let path = format!("/v1/messages/{}/timeline", text(&message["id"]));
        let is_read = |record: &&Value| record["reason"] == "read";
        let timeline = server.call(Method::GET, &path, None).await.is(200);
        let records = timeline["items"].as_array().expect("a list");
        let read: Vec<_> = records.iter().filter(is_read).collect();
        let [read] = read[..] else { panic!("once: {timeline}") };
        assert_eq!((&read["user"], &read["device"]), (&json!("bob"), &json!(device)), "{read}");
    }
    // Each field is named when it is wrong, and the session goes on.
    let mut above = up_to.clone();
    above["offset"] = json!(1_000);
    for (frame, code, field) in [
        (json!({ "thread": "lunch" }), "invalid_field", "up_to"),
        (json!({}), "invalid_field", "messages"),
        (json!({ "thread": "lunch", "up_to": above }), "ack_above_head", "up_to"),
        (json!({ "messages": ["7"] }), "invalid_field", "messages"),
    ] {
        let refused = server.me(&device, Method::POST, "/v1/me/read", Some(frame.clone())).await;
        refused.refused(422, code, Some(field));
        let mut frame = frame;
        frame["type"] = json!("read");
        phone.say(frame).await;
        let error = phone.hear_a("error").await;
        assert_eq!((&error["code"], &error["field"]), (&json!(code), &json!(field)), "{error}");
    }
    let unknown = json!({ "threads": "lunch" });
    let refused = server.me(&device, Method::POST, "/v1/me/read", Some(unknown)).await;
    refused.refused(400, "malformed_json", Some("threads"));
    server.stop().await;
}

#[tokio::test]
async fn mutes_and_blocks_are_the_users_own_and_the_back_ends() {
    let server = Server::start().await;
    let device = server.device("bob", "phone").await;
    server.device("alice", "alices").await;
    for (kind, name, back_end) in [("mutes", "thread", "old lunch"), ("blocks", "user", "mallory")]
    {
        let (mine, theirs) = (format!("/v1/me/{kind}"), format!("/v1/users/bob/{kind}"));
        server.me(&device, Method::PUT, &format!("{mine}/x%2Fy"), None).await.is(204);
        let path = format!("{theirs}/{}", back_end.replace(' ', "%20"));
        server.call(Method::PUT, &path, None).await.is(204);
        server.call(Method::PUT, &path, None).await.is(204);
        let names = |page: Value| -> Vec<Value> {
            let items = page["items"].as_array().expect("a list");
            items.iter().map(|item| item[name].clone()).collect()
        };
        let shown = server.me(&device, Method::GET, &mine, None).await.is(200);
        assert!(shown["items"][0]["created_at"].is_string(), "{shown}");
        assert_eq!(names(shown), [back_end, "x/y"]);
        assert_eq!(names(server.call(Method::GET, &theirs, None).await.is(200)), [back_end, "x/y"]);
        server.me(&device, Method::DELETE, &format!("{mine}/x%2Fy"), None).await.is(204);
        server.call(Method::DELETE, &path, None).await.is(204);
        server.call(Method::DELETE, &path, None).await.is(204);
        assert_eq!(names(server.me(&device, Method::GET, &mine, None).await.is(200)), [""; 0]);
        let long = format!("{mine}/{}", "x".repeat(129));
        let refused = server.me(&device, Method::PUT, &long, None).await;
        refused.refused(422, "invalid_field", Some(name));
        let nobody = server.call(Method::GET, &format!("/v1/users/nobody/{kind}"), None).await;
        nobody.refused(404, "unknown_user", None);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_muted_thread_parks_the_wake_and_says_why() {
    let server = Server::start().await;
    let device = server.device("bob", "phone").await;
    server.target(&device, "fcm", "a-token").await;
    server.me(&device, Method::PUT, "/v1/me/mutes/lunch", None).await.is(204);
    let body = json!({ "to": ["bob"], "body": 1, "thread": "lunch" });
    let sent = server.call(Method::POST, "/v1/messages", Some(body)).await.is(200);
    let path = format!("/v1/messages/{}/timeline", text(&sent["id"]));
    let has = |reason: &'static str| {
        move |timeline: &Value| timeline.to_string().contains(&format!("\"{reason}\""))
    };
    server.until(&path, has("muted")).await;
    let devices = server.call(Method::GET, "/v1/users/bob/devices", None).await.is(200);
    let wake = &devices["items"][0]["wakes"][0];
    assert_eq!((&wake["reason"], &wake["due_at"]), (&json!("muted"), &Value::Null), "{wake}");
    // Taken back, it is pushed; that FCM has no credential here is another story.
    server.me(&device, Method::DELETE, "/v1/me/mutes/lunch", None).await.is(204);
    server.until(&path, has("changed")).await;
    server.stop().await;
}

#[tokio::test]
async fn whoever_is_blocked_is_not_told_so() {
    let server = Server::start().await;
    let (mut alice, _) = server.session("alice", "alices").await;
    let (mut bob, connected) = server.session("bob", "phone").await;
    server.call(Method::PUT, "/v1/users/bob/blocks/alice", None).await.is(204);
    let kept = send(&mut alice, "1", "bob", json!({})).await;
    assert_eq!((&kept["type"], &kept["failed"]), (&json!("accepted"), &Value::Null), "{kept}");
    let live = send(&mut alice, "2", "bob", json!({ "ttl": 0 })).await;
    assert_eq!((&live["type"], &live["live"]), (&json!("accepted"), &json!(0)), "{live}");
    alice.say(json!({ "type": "typing", "to": "bob", "thread": "lunch" })).await;
    assert_eq!(
        alice.poke(Message::text(r#"{"type":"state","state":"foreground"}"#)).await,
        Ok(vec![])
    );
    // What comes first is what was sent last: nothing of hers came before.
    server.message("bob", json!("of the back end")).await;
    assert_eq!(bob.hear().await["body"], "of the back end", "{connected}");
    server.call(Method::DELETE, "/v1/users/bob/blocks/alice", None).await.is(204);
    send(&mut alice, "3", "bob", json!({})).await;
    assert_eq!(bob.hear().await["from"], "alice");
    server.stop().await;
}

#[tokio::test]
async fn the_sender_of_a_message_is_told_where_its_own_copy_is() {
    let server = Server::start().await;
    server.token("bob").await;
    let (mut phone, _) = server.session("alice", "phone").await;
    let alone = send(&mut phone, "1", "bob", json!({})).await;
    assert_eq!(alone["own_copy"], Value::Null, "{alone}");
    let (mut tablet, _) = server.session("alice", "tablet").await;
    let accepted = send(&mut phone, "2", "bob", json!({})).await;
    let copy = tablet.hear_a("message").await;
    assert_eq!(copy["own_copy_to"], json!(["bob"]), "{copy}");
    assert!(accepted["own_copy"].is_object(), "{accepted}");
    assert_eq!(accepted["own_copy"], copy["position"]);
    server.stop().await;
}

#[tokio::test]
async fn what_a_push_says_is_the_apps_until_it_lets_its_users() {
    let server = Server::start().await;
    let (mut alice, _) = server.session("alice", "phone").await;
    let bob = server.device("bob", "bobs").await;
    server.target(&bob, "fcm", "token").await;
    let settings = format!("/v1/apps/{}/settings", server.app.0);
    let content = json!({ "push": { "title": "From alice" } });
    for (number, allowed) in [false, true, false].into_iter().enumerate() {
        let change = json!({ "clients_set_push": allowed });
        let now = server.call(Method::PATCH, &settings, Some(change)).await.is(200);
        assert_eq!(now["clients_set_push"], allowed);
        send(&mut alice, &number.to_string(), "bob", content.clone()).await;
        assert_eq!(server.stored_push("bob").is_some(), allowed);
    }
    // What is not used is checked all the same; the session goes on.
    let long = json!({ "push": { "title": "x".repeat(2_000) } });
    let refused = send(&mut alice, "long", "bob", long).await;
    assert_eq!(refused["problem"]["field"], "push.title", "{refused}");
    server.stop().await;
}
