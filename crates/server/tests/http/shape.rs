//! What no route would answer by itself.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;

use super::rig::{Answer, Server};

#[tokio::test]
async fn paths_methods_and_upgrades_that_are_none() {
    let server = Server::start().await;
    for path in ["/", "/v1", "/v2/apps", "/v1/apps/", "/v1/me", "/v1/messages/x/y"] {
        server.call(Method::GET, path, None).await.refused(404, "not_found", None);
    }
    for (method, path, allowed) in [
        (Method::PUT, "/v1/messages", "POST"),
        (Method::PATCH, "/v1/apps", "POST,GET,HEAD"),
        (Method::POST, "/v1/me/inbox", "GET,HEAD"),
        (Method::POST, "/v1/connect", "GET,HEAD"),
    ] {
        let answer = server.call(method.clone(), path, None).await;
        let mut allow: Vec<_> = answer.headers["allow"].to_str().unwrap().split(',').collect();
        let mut expected: Vec<_> = allowed.split(',').collect();
        allow.sort_unstable();
        expected.sort_unstable();
        assert_eq!(allow, expected, "{method} {path}");
        answer.refused(405, "method_not_allowed", None);
    }
    let answer = server.call(Method::GET, "/v1/connect", None).await;
    assert_eq!(answer.headers["upgrade"], "websocket");
    answer.refused(426, "upgrade_required", None);
    // A name in a path that is no text.
    let answer = server.call(Method::GET, "/v1/users/%FF/devices", None).await;
    answer.refused(404, "not_found", None);
    server.stop().await;
}

#[tokio::test]
async fn whoever_watches_over_it_is_answered_without_a_key() {
    let server = Server::start().await;
    for path in ["/healthz", "/readyz"] {
        let request = Request::get(path).body(Default::default()).unwrap();
        let answer = server.send(request).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.is(200), json!({ "status": "ok" }));
    }
    server.stop().await;
}

#[tokio::test]
async fn bodies_that_are_not_as_expected() {
    let server = Server::start().await;
    let post = async |path: &str, kind: Option<&str>, body: Vec<u8>| -> Answer {
        let mut request = Request::post(path);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let bearer = format!("Bearer {}", server.app.1);
        let request = request.header("authorization", bearer).body(Full::new(Bytes::from(body)));
        server.send(request.unwrap()).await
    };
    let messages = "/v1/messages";
    let good = json!({ "to": ["nobody"], "body": 1 }).to_string().into_bytes();
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let answer = post(messages, kind, good.clone()).await;
        answer.refused(415, "unsupported_media_type", None);
    }
    for kind in ["application/json", "Application/JSON; charset=utf-8"] {
        let answer = post(messages, Some(kind), good.clone()).await;
        answer.refused(404, "unknown_user", Some("to"));
    }
    let table = [
        ("", None, "the body is empty"),
        ("{", None, "EOF"),
        ("\u{7b}\"to\": [\"a\"], \"body\": 1} x", None, "trailing characters"),
        (r#"{"to": ["a"]}"#, None, "missing field `body`"),
        (r#"{"to": ["a", 7], "body": 1}"#, Some("to[1]"), "expected a string"),
        (r#"{"to": ["a"], "body": 1, "ttl": -1}"#, Some("ttl"), "-1"),
        (r#"{"to": ["a"], "body": 1, "tll": 1}"#, Some("tll"), "unknown field `tll`"),
        (r#"{"to": ["a"], "body": 1, "push": {"titel": "x"}}"#, Some("push.titel"), "`titel`"),
    ];
    for (body, field, says) in table {
        let answer = post(messages, Some("application/json"), body.into()).await;
        let detail = answer.refused(400, "malformed_json", field);
        assert!(detail.contains(says), "{body}: {detail}");
    }
    let most = wire::limits::HTTP_BODY_BYTES;
    let large = format!("{{\"to\": [\"a\"], \"body\": \"{}\"}}", "x".repeat(most));
    let answer = post(messages, Some("application/json"), large.into()).await;
    let detail = answer.refused(413, "body_too_large", None);
    assert!(detail.contains(&most.to_string()), "{detail}");
    // A body that may be left out must be good if it is there.
    let tokens = "/v1/users/alice/tokens";
    post(tokens, None, Vec::new()).await.is(201);
    post(tokens, Some("application/json"), b"{}".to_vec()).await.is(201);
    post(tokens, Some("application/json"), Vec::new()).await.refused(400, "malformed_json", None);
    post(tokens, None, b"{}".to_vec()).await.refused(415, "unsupported_media_type", None);
    server.stop().await;
}

#[tokio::test]
async fn parameters_that_are_not_as_expected() {
    let server = Server::start().await;
    for (query, field, says) in [
        ("limit=many", Some("limit"), "invalid digit"),
        ("colour=red", Some("colour"), "unknown field `colour`"),
        ("limit=0", Some("limit"), "1 to 1000"),
        ("limit=1001", Some("limit"), "1 to 1000"),
        ("code=200", Some("code"), "901"),
        ("step=dance", Some("step"), "accept"),
        ("after=yesterday", Some("after"), "`next`"),
        ("message=hello", Some("message"), "msg_"),
    ] {
        let answer = server.call(Method::GET, &format!("/v1/push-log?{query}"), None).await;
        let detail = answer.refused(422, "invalid_field", field);
        assert!(detail.contains(says), "{query}: {detail}");
    }
    server.stop().await;
}
