//! Answers that no example of the guide shows are as described too.

use domain::Time;
use http::Method;
use serde_json::json;
use server::clock::Clock;

use super::{description, validator};
use crate::http::described;
use crate::http::inbox::{ringing, step};
use crate::http::rig::{Answer, Server};

/// The time there; it stands.
const NOON: Time = Time::from_millis(1_800_000_000_000);

/// The operations whose answers the examples do not show; together they are all that answer with
/// something.
pub(in crate::http) const UNSHOWN: [&str; 8] = [
    "follow_push_log",
    "health",
    "list_blocks",
    "list_my_blocks",
    "pause_push",
    "remove_from_topic",
    "resume_push",
    "show_call",
];

#[tokio::test]
async fn what_no_example_shows_is_as_described_too() {
    let server = Server::start_by(Clock::by_hand(NOON).0).await;
    let document = description(&server).await;
    let (_caller, callee, call) = ringing(&server).await;
    let block = "/v1/users/bob/blocks/mallory";
    server.call(Method::PUT, block, None).await.is(204);
    let phone = json!({ "devices": ["phone"] });
    let topic = "/v1/topics/news/devices";
    server.device("carol", "phone").await;
    server.call(Method::POST, topic, Some(phone.clone())).await.is(200);
    let later = "2027-02-01T00:00:00Z";
    // Nobody is reached by it meanwhile.
    let push = json!({ "to": { "topic": "news" }, "send_at": later });
    let push = server.push(push).await;
    step(&server, &callee, &call, "ringing", None).await.is(204);
    let mut samples = Vec::new();
    let mut seen = |method: &Method, path: &str, answer: Answer| {
        let route = described::route(method.as_str(), path).expect("a route");
        samples.extend(validator::answer(&document, route, answer.status, &answer.body));
    };
    for (method, path, body) in [
        (Method::GET, "/healthz".to_owned(), None),
        (Method::GET, "/v1/users/bob/blocks".to_owned(), None),
        (Method::POST, format!("/v1/pushes/{push}/pause"), None),
        (Method::POST, format!("/v1/pushes/{push}/resume"), None),
        (Method::DELETE, topic.to_owned(), Some(phone)),
    ] {
        let answer = server.call(method.clone(), &path, body).await;
        seen(&method, &path, answer);
    }
    let show = format!("/v1/me/calls/{call}");
    for path in ["/v1/me/blocks", &show] {
        let answer = server.me(&callee, Method::GET, path, None).await;
        seen(&Method::GET, path, answer);
    }
    step(&server, &callee, &call, "reject", None).await.is(204);
    let answer = server.me(&callee, Method::GET, &show, None).await;
    seen(&Method::GET, &show, answer);
    let late = step(&server, &callee, &call, "answer", None).await;
    assert_eq!((late.status, &late.body["type"]), (200, &json!("call.ended")));
    seen(&Method::POST, &format!("{show}/answer"), late);
    let mut follower = server.follow("/v1/push-log/live?user=bob").await;
    server.message("bob", json!(1)).await;
    let (name, record) = follower.next().await;
    assert_eq!(name, "record");
    let route = described::route("GET", "/v1/push-log/live").expect("a route");
    samples.extend(validator::answer(&document, route, 200, &record));
    for name in UNSHOWN {
        let answers = format!("{name} answers");
        assert!(samples.iter().any(|it| it.what.starts_with(&answers)), "{name} was not asked");
    }
    assert_eq!(validator::faults_of(&document, &samples), Vec::<String>::new());
    server.stop().await;
}
