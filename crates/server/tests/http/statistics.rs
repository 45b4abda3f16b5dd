//! Figures over time, and that they are what happened.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::rig::{Server, Session, text};
use super::stage::Stage;

/// Above 40 seconds and up to 50 in the bounds of the figures.
const STEP: Duration = Duration::from_secs(45);

const DAY: Duration = Duration::from_secs(86_400);

async fn statistics(server: &Server, query: &str) -> Value {
    let path = format!("/v1/apps/{}/statistics?{query}", server.app.0);
    server.call(Method::GET, &path, None).await.is(200)
}

/// The phone comes, gets what waits, and acknowledges it or not.
async fn fetch(server: &Server, secret: &str) -> (Session, Value) {
    let connect =
        json!({ "device": { "id": "phone", "platform": "ios" }, "device_secret": secret });
    let (mut session, _) = server.session_with("alice", connect).await;
    let message = session.hear_a("message").await;
    (session, message)
}

async fn ack(server: &Server, session: &mut Session, message: &Value) {
    let ack = json!({ "type": "ack", "position": message["position"], "entry": message["entry"] });
    session.say(ack).await;
    let acked = "/v1/push-log?device=phone&step=session&limit=1";
    server.until(acked, |log| log["items"][0]["reason"] == "acked").await;
}

#[tokio::test]
async fn figures_are_what_happened() {
    let stage = Stage::set().await;
    let server = &stage.server;
    stage.upload().await;
    let settings = format!("/v1/apps/{}/settings", server.app.0);
    let slow = Some(json!({ "climb_after": 600 }));
    server.call(Method::PATCH, &settings, slow).await.is(200);
    let phone = server.device("alice", "phone").await;
    stage.token(&phone).await;

    // A message wakes a phone; another one finds it awake.
    let message = json!({ "to": ["alice"], "body": 1, "id": "first" });
    server.call(Method::POST, "/v1/messages", Some(message.clone())).await.is(200);
    server.call(Method::POST, "/v1/messages", Some(message)).await.is(200);
    stage.pushed("accepted").await;
    let settled = "/v1/push-log?device=phone&step=wake&limit=1";
    server.until(settled, |log| log["items"][0]["reason"] == "climbing").await;
    stage.hand.advance(STEP);
    let (mut session, first) = fetch(server, &phone.secret).await;
    ack(server, &mut session, &first).await;
    server.message("alice", json!(2)).await;
    let second = session.hear_a("message").await;
    ack(server, &mut session, &second).await;
    session.leave().await;
    // A broadcast, and a direct push to a token that Apple does not know.
    let all = server.push(json!({ "to": { "all": true } })).await;
    server.until(&format!("/v1/pushes/{all}"), |push| push["state"] == "done").await;
    let target = json!({ "kind": "apns", "token": "ab".repeat(32), "environment": "production" });
    let gone = server.push(json!({ "to": { "targets": [target] } })).await;
    server.until(&format!("/v1/pushes/{gone}"), |push| push["state"] == "done").await;

    let expected = json!({
        "messages": 2,
        "pushes": { "accepted": 2, "refused": { "911": 1 }, "unknown": 0 },
        "wakes": { "owed": 1, "pushed": 1, "accepted": 1, "connected": 1, "drained": 1 },
        "time_to_wake_ms": { "p50": 50_000, "p90": 50_000, "p99": 50_000 },
    });
    let found = statistics(server, "").await;
    assert_eq!(found["total"], expected, "{found}");
    assert_eq!(found["step"], 3_600);
    let steps = found["items"].as_array().expect("steps");
    assert!(steps.len() == 24 || steps.len() == 25, "a day, and the hour that goes on: {found}");
    assert_eq!(steps[0]["at"], found["since"]);
    let sum: u64 = steps.iter().filter_map(|step| step["figures"]["messages"].as_u64()).sum();
    assert_eq!(sum, 2, "{found}");
    // The push log tells the same, one record for each push.
    let refused = server.call(Method::GET, "/v1/push-log?code=911", None).await.is(200);
    assert_eq!(refused["items"].as_array().expect("records").len(), 1);
    let found = statistics(server, "step=300").await;
    assert_eq!(found["total"], expected, "{found}");

    // The next day is another one, also at its end.
    stage.hand.advance(DAY);
    server.message("alice", json!(3)).await;
    let since = text(&found["since"]);
    let found = statistics(server, &format!("since={since}&step=86400")).await;
    let messages: Vec<u64> = found["items"]
        .as_array()
        .expect("days")
        .iter()
        .filter_map(|day| day["figures"]["messages"].as_u64())
        .filter(|messages| *messages > 0)
        .collect();
    assert_eq!(messages, [2, 1], "{found}");
    assert_eq!(
        (&found["total"]["wakes"]["owed"], &found["total"]["messages"]),
        (&2.into(), &3.into())
    );
    stage.server.stop().await;
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_is_told_why() {
    let server = Server::start().await;
    let (noon, one) = ("2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z");
    for (query, field, says) in [
        ("step=60".to_owned(), "step", "300, 3600 or 86400"),
        ("since=today".to_owned(), "since", "2026-11-27T08:30:00Z"),
        (format!("since={one}&until={noon}"), "since", "before `until`"),
        (format!("since={noon}&until={noon}"), "since", "before `until`"),
        ("since=2026-01-01T00:00:00Z&until=2026-03-01T00:00:00Z".into(), "step", "1000 are given"),
    ] {
        let path = format!("/v1/apps/{}/statistics?{query}", server.app.0);
        let detail = server.call(Method::GET, &path, None).await;
        let detail = detail.refused(422, "invalid_field", Some(field));
        assert!(detail.contains(says), "{query}: {detail}");
    }
    let found = statistics(&server, &format!("since={noon}&until={one}&step=300")).await;
    assert_eq!(found["items"].as_array().expect("steps").len(), 12, "{found}");
    assert_eq!((&found["since"], &found["until"]), (&noon.into(), &one.into()));
    assert!(found["total"]["time_to_wake_ms"].is_null(), "{found}");
    // Whole steps, the one that has begun among them.
    let found = statistics(&server, "since=2026-03-01T12:10:00Z&until=2026-03-01T13:00:01Z").await;
    assert_eq!(
        (&found["since"], &found["until"]),
        (&noon.into(), &"2026-03-01T14:00:00Z".into()),
        "{found}"
    );
    server.stop().await;
}
