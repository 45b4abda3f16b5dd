//! The short way: the inbox, acks and calls by HTTP.

use http::Method;
use serde_json::{Value, json};

use super::rig::{Answer, Device, Server, Session, text};

async fn inbox(server: &Server, device: &Device, query: &str) -> Answer {
    server.me(device, Method::GET, &format!("/v1/me/inbox?{query}"), None).await
}

async fn ack(server: &Server, device: &Device, position: Value) -> Answer {
    let body = json!({ "position": position });
    server.me(device, Method::POST, "/v1/me/ack", Some(body)).await
}

fn offsets(page: &Value) -> Vec<i64> {
    let entries = page["entries"].as_array().expect("a list");
    entries.iter().map(|entry| entry["position"]["offset"].as_i64().expect("an offset")).collect()
}

#[tokio::test]
async fn an_inbox_is_read_page_by_page_and_acknowledged() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    let epoch = phone.epoch.as_str();
    let at = |offset: i64| json!({ "epoch": epoch, "offset": offset });
    let empty = inbox(&server, &phone, "").await.is(200);
    assert_eq!((offsets(&empty), &empty["more"]), (vec![], &json!(false)));
    for number in 1..=5 {
        server.message("alice", json!({ "n": number })).await;
    }
    let first = inbox(&server, &phone, "limit=2").await.is(200);
    assert_eq!((offsets(&first), &first["more"]), (vec![1, 2], &json!(true)));
    assert_eq!((&first["head"], &first["entries"][1]["body"]), (&at(5), &json!({ "n": 2 })));
    let second = inbox(&server, &phone, &format!("limit=2&epoch={epoch}&after=2")).await.is(200);
    assert_eq!((offsets(&second), &second["more"]), (vec![3, 4], &json!(true)));
    let last = inbox(&server, &phone, &format!("limit=2&epoch={epoch}&after=4")).await.is(200);
    assert_eq!((offsets(&last), &last["more"]), (vec![5], &json!(false)));
    // A position of another history is not believed: the cursor counts.
    for strange in ["epoch=7&after=4".to_owned(), format!("epoch={epoch}&after=99")] {
        let page = inbox(&server, &phone, &strange).await.is(200);
        assert_eq!(offsets(&page), [1, 2, 3, 4, 5], "{strange}");
    }
    // An ack moves the cursor, and never back.
    let entry = text(&first["entries"][1]["entry"]);
    let held = json!({ "epoch": epoch, "offset": 2, "entry": entry });
    assert_eq!(ack(&server, &phone, held).await.is(200)["position"], at(2));
    assert_eq!(ack(&server, &phone, at(1)).await.is(200)["position"], at(2));
    assert_eq!(offsets(&inbox(&server, &phone, "").await.is(200)), [3, 4, 5]);
    assert_eq!(ack(&server, &phone, at(5)).await.is(200)["position"], at(5));
    assert_eq!(offsets(&inbox(&server, &phone, "").await.is(200)), Vec::<i64>::new());
    let devices = server.call(Method::GET, "/v1/users/alice/devices", None).await.is(200);
    assert_eq!(devices["items"][0]["cursor"], at(5));
    assert_eq!(devices["items"][0]["wakes"], json!([]), "the ack ends the wake");
    server.stop().await;
}

#[tokio::test]
async fn what_is_gone_for_good_is_a_gap() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    let epoch = phone.epoch.as_str();
    for number in 1..=3 {
        server.message("alice", json!(number)).await;
    }
    let at = json!({ "epoch": epoch, "offset": 2 });
    ack(&server, &phone, at.clone()).await.is(200);
    let page = inbox(&server, &phone, &format!("epoch={epoch}&after=0")).await.is(200);
    let entries = page["entries"].as_array().unwrap();
    assert_eq!(entries[0], json!({ "type": "gap", "up_to": at }), "{page}");
    assert_eq!((entries.len(), &entries[1]["position"]["offset"]), (2, &json!(3)), "{page}");
    server.stop().await;
}

#[tokio::test]
async fn positions_that_are_none() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    let epoch = phone.epoch.as_str();
    server.message("alice", json!(1)).await;
    let refused = async |query: &str, field| {
        inbox(&server, &phone, query).await.refused(422, "invalid_field", Some(field));
    };
    refused("limit=0", "limit").await;
    refused("limit=101", "limit").await;
    refused("after=1", "epoch").await;
    refused("epoch=1", "after").await;
    refused("epoch=1&after=-1", "after").await;
    refused("epoch=x&after=1", "epoch").await;
    let other = "ent_00000000000000000000000000000000";
    let table = [
        (json!({ "epoch": epoch, "offset": 2 }), 422, "ack_above_head", "position"),
        (json!({ "epoch": epoch, "offset": 1, "entry": other }), 422, "ack_above_head", "position"),
        (json!({ "epoch": "7", "offset": 1 }), 409, "conflict", "position"),
        (json!({ "epoch": "x", "offset": 1 }), 422, "invalid_field", "position.epoch"),
        (json!({ "epoch": epoch, "offset": -1 }), 422, "invalid_field", "position.offset"),
        (
            json!({ "epoch": epoch, "offset": 1, "entry": "x" }),
            422,
            "invalid_field",
            "position.entry",
        ),
        (json!({ "offset": 1 }), 400, "malformed_json", "position"),
    ];
    for (position, status, code, field) in table {
        ack(&server, &phone, position).await.refused(status, code, Some(field));
    }
    let page = inbox(&server, &phone, "").await.is(200);
    assert_eq!(offsets(&page), [1], "nothing of it moved the cursor");
    server.stop().await;
}

/// Caller and callee, and a call that rings.
pub(super) async fn ringing(server: &Server) -> (Session, Device, String) {
    let callee = server.device("bob", "bobs").await;
    let token = server.token("alice").await;
    let mut caller = Session::open(server.address).await;
    let device = json!({ "id": "alices", "platform": "android" });
    caller.say(json!({ "type": "connect", "token": token, "device": device })).await;
    assert_eq!(caller.hear().await["type"], "connected");
    let call = uuid::Uuid::new_v4().to_string();
    let start = json!({ "type": "call.start", "call": call, "to": "bob", "caller_name": "Alice" });
    caller.say(start).await;
    (caller, callee, call)
}

/// Steps into a call as soon as it is there: the caller's frame and this request race.
pub(super) async fn step(
    server: &Server,
    device: &Device,
    call: &str,
    verb: &str,
    body: Option<Value>,
) -> Answer {
    let path = format!("/v1/me/calls/{call}/{verb}");
    loop {
        let answer = server.me(device, Method::POST, &path, body.clone()).await;
        if answer.status != 404 {
            return answer;
        }
    }
}

#[tokio::test]
async fn a_call_is_answered_by_http_and_hung_up() {
    let server = Server::start().await;
    let (mut caller, callee, call) = ringing(&server).await;
    step(&server, &callee, &call, "ringing", None).await.is(204);
    let heard = caller.hear().await;
    assert_eq!((&heard["type"], &heard["from"]), (&json!("call.ringing"), &json!("bob")));
    let body = json!({ "answer": { "sdp": "v=0" } });
    step(&server, &callee, &call, "answer", Some(body)).await.is(204);
    let heard = caller.hear().await;
    assert_eq!(
        (&heard["type"], &heard["answer"]),
        (&json!("call.answered"), &json!({ "sdp": "v=0" }))
    );
    // The caller's part is not the callee's.
    let refused = step(&server, &callee, &call, "cancel", None).await;
    refused.refused(403, "forbidden", Some("call"));
    step(&server, &callee, &call, "end", None).await.is(204);
    let heard = caller.hear().await;
    assert_eq!((&heard["type"], &heard["reason"]), (&json!("call.ended"), &json!("hung_up")));
    // Late, it is told how the call stands.
    let late = step(&server, &callee, &call, "answer", None).await.is(200);
    assert_eq!((&late["type"], &late["reason"]), (&json!("call.ended"), &json!("hung_up")));
    server.stop().await;
}

#[tokio::test]
async fn a_call_is_moved_by_its_two_sides_alone() {
    let server = Server::start().await;
    let stranger = server.device("carol", "carols").await;
    let caller = server.device("alice", "alices").await;
    let callee = server.device("bob", "bobs").await;
    let mut session = Session::open(server.address).await;
    let device = json!({ "id": "alices", "platform": "android" });
    let secret = caller.secret.as_str();
    let hello = json!({ "type": "connect", "device": device, "token": caller.token, "device_secret": secret });
    session.say(hello).await;
    assert_eq!(session.hear().await["type"], "connected");
    let call = uuid::Uuid::new_v4().to_string();
    let start = json!({ "type": "call.start", "call": call, "to": "bob", "caller_name": "Alice" });
    session.say(start).await;
    for (device, verb) in [(&caller, "answer"), (&caller, "reject"), (&callee, "cancel")] {
        let refused = step(&server, device, &call, verb, None).await;
        let detail = refused.refused(403, "forbidden", Some("call"));
        assert!(detail.contains("no part"), "{verb}: {detail}");
    }
    // For anybody else there is no such call.
    for verb in ["answer", "reject", "cancel", "end", "ringing"] {
        let path = format!("/v1/me/calls/{call}/{verb}");
        let refused = server.me(&stranger, Method::POST, &path, None).await;
        refused.refused(404, "not_found", Some("call"));
    }
    step(&server, &caller, &call, "cancel", None).await.is(204);
    let heard = session.hear().await;
    assert_eq!((&heard["type"], &heard["reason"]), (&json!("call.ended"), &json!("cancelled")));
    // A push handler that is late learns that it need not ring.
    for verb in ["ringing", "answer", "reject"] {
        let late = step(&server, &callee, &call, verb, None).await.is(200);
        assert_eq!((&late["type"], &late["reason"]), (&json!("call.ended"), &json!("cancelled")));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_call_is_rejected_by_http() {
    let server = Server::start().await;
    for (body, reason) in [
        (None, "declined"),
        (Some(json!({})), "declined"),
        (Some(json!({ "reason": "busy" })), "busy"),
    ] {
        let (mut caller, callee, call) = ringing(&server).await;
        step(&server, &callee, &call, "reject", body).await.is(204);
        // How the call before ended comes again, because nothing shows that its caller heard it.
        let heard = loop {
            let heard = caller.hear().await;
            if heard["call"] == call {
                break heard;
            }
        };
        assert_eq!((&heard["type"], &heard["reason"]), (&json!("call.ended"), &json!(reason)));
    }
    let phone = server.device("carol", "carols").await;
    let path = |call: &str| format!("/v1/me/calls/{call}/answer");
    let unknown = uuid::Uuid::new_v4().to_string();
    let answer = server.me(&phone, Method::POST, &path(&unknown), None).await;
    answer.refused(404, "not_found", Some("call"));
    let answer = server.me(&phone, Method::POST, &path("7"), None).await;
    answer.refused(422, "invalid_field", Some("call"));
    server.stop().await;
}
