//! The audit log: who changed what, from where, and that nothing is changed without it.

use std::net::{IpAddr, Ipv4Addr};

use domain::{KeyScope, Time};
use http::{Method, Request};
use serde_json::{Value, json};
use server::clock::Clock;
use server::http::routes::{Caller, ROUTES};

use super::paths::{filled, nowhere};
use super::rig::{Server, text};

const NOON: Time = Time::from_millis(1_800_000_000_000);

/// The acts that there are, newest first.
async fn acts(server: &Server, query: &str) -> Vec<Value> {
    let path = format!("/v1/audit-log{query}");
    let page = server.ask(Method::GET, &path, &server.admin, None).await.is(200);
    page["items"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn an_act_says_who_asked_for_what_from_where_and_what_it_was_answered_with() {
    let server = Server::start_by(Clock::by_hand(NOON).0).await;
    let (app, key) = server.app.clone();
    let keys = format!("/v1/apps/{app}/keys");
    let first = server.call(Method::GET, &keys, None).await.is(200)["items"][0]["id"].clone();
    // What the app was made by.
    let made = acts(&server, "").await;
    assert_eq!(
        made,
        [json!({
            "number": 1, "at": "2027-01-15T08:00:00Z", "by": "operator", "from": "127.0.0.1",
            "method": "POST", "path": "/v1/apps", "status": 201,
        })]
    );
    let second = json!({ "name": "second", "scopes": ["read"] });
    let second = server.call(Method::POST, &keys, Some(second)).await.is(201);
    let request = Request::delete(format!("{keys}/{}", text(&second["id"])))
        .header("authorization", format!("Bearer {}", server.admin))
        .body(Default::default());
    let elsewhere = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let mut line = server.line_from(elsewhere).await;
    line.send(request.expect("a request")).await.is(204);
    server.call(Method::POST, &keys, Some(json!({ "nme": 1 }))).await.refused(
        400,
        "malformed_json",
        Some("nme"),
    );
    let log = acts(&server, &format!("?app={app}")).await;
    let shown: Vec<_> = log
        .iter()
        .map(|act| json!([act["by"], act["from"], act["method"], act["path"], act["status"]]))
        .collect();
    let second = format!("{keys}/{}", text(&second["id"]));
    assert_eq!(
        shown,
        [
            json!([first, "127.0.0.1", "POST", keys, 400]),
            json!(["operator", "127.0.0.2", "DELETE", second, 204]),
            json!([first, "127.0.0.1", "POST", keys, 201]),
        ]
    );
    assert!(!json!(log).to_string().contains("rvl_"), "a key is in the log: {log:?}");
    // In pages, and of one app alone.
    let page = server.ask(Method::GET, "/v1/audit-log?limit=2", &server.admin, None).await.is(200);
    let rest = acts(&server, &format!("?after={}", text(&page["next"]))).await;
    let numbers = |acts: &[Value]| acts.iter().map(|act| act["number"].clone()).collect::<Vec<_>>();
    assert_eq!(numbers(page["items"].as_array().expect("a list")), [json!(4), json!(3)]);
    assert_eq!(numbers(&rest), [json!(2), json!(1)]);
    assert_eq!(acts(&server, "?app=app_999").await, [] as [Value; 0]);
    let odd = server.ask(Method::GET, "/v1/audit-log?app=7", &server.admin, None).await;
    odd.refused(422, "invalid_field", Some("app"));
    server.ask(Method::GET, "/v1/audit-log", &key, None).await.refused(403, "wrong_key_kind", None);
    server.stop().await;
}

#[tokio::test]
async fn every_route_that_changes_an_app_is_written_down_and_no_other() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    for route in ROUTES {
        let path = filled(route.path, |name| match name {
            "app" => server.app.0.clone(),
            _ => nowhere(name).to_owned(),
        });
        let key = match route.caller {
            Caller::Admin => &server.admin,
            Caller::Device => &phone.secret,
            Caller::Anybody
            | Caller::AnyKey
            | Caller::App(_)
            | Caller::FirstFrame
            | Caller::OwnApp(_) => &server.app.1,
        };
        let before = acts(&server, "?limit=1").await;
        let status = server.ask(route.method.clone(), &path, key, None).await.status;
        let after = acts(&server, "?limit=1").await;
        let changes = route.method != Method::GET
            && matches!(route.caller, Caller::Admin | Caller::OwnApp(KeyScope::Admin));
        let what = format!("{} {path}", route.method);
        if changes {
            let act = &after[0];
            assert_eq!((&act["path"], &act["status"]), (&json!(path), &json!(status)), "{what}");
            assert_ne!(after, before, "{what}");
        } else {
            assert_eq!(after, before, "{what}");
        }
    }
    // Who is not let in has done nothing.
    let before = acts(&server, "?limit=1").await;
    let (other, other_key) = server.new_app("second").await;
    let made = acts(&server, "?limit=1").await;
    assert_ne!(made, before);
    for (path, key) in [
        (format!("/v1/apps/{other}/keys"), server.app.1.as_str()),
        (format!("/v1/apps/{}/keys", server.app.0), &other_key),
        ("/v1/apps".to_owned(), &other_key),
        ("/v1/apps".to_owned(), "nonsense"),
    ] {
        let refused = server.ask(Method::POST, &path, key, Some(json!({ "name": "x" }))).await;
        assert!([401, 403, 404].contains(&refused.status), "{}", refused.body);
    }
    assert_eq!(acts(&server, "?limit=1").await, made);
    server.stop().await;
}
