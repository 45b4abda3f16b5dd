//! The push log and its filters.

use http::Method;
use serde_json::{Value, json};

use super::rig::{Server, text};

#[tokio::test]
async fn the_log_is_filtered_and_paged() {
    let server = Server::start().await;
    server.device("alice", "alices").await;
    server.device("bob", "bobs").await;
    let for_alice = server.message("alice", json!(1)).await;
    let for_bob = server.message("bob", json!(2)).await;
    let log = async |query: &str| -> Vec<Value> {
        let path = format!("/v1/push-log?limit=1000&{query}");
        let page = server.call(Method::GET, &path, None).await.is(200);
        page["items"].as_array().expect("a list").clone()
    };
    let all = log("").await;
    let times: Vec<_> = all.iter().map(|record| text(&record["at"])).collect();
    assert!(times.iter().rev().is_sorted(), "newest first: {times:?}");
    let messages = |records: &[Value]| -> Vec<Value> {
        let named = records.iter().map(|record| record["message"].clone());
        named.filter(|message| !message.is_null()).collect()
    };
    assert_eq!(messages(&all), [json!(for_bob), json!(for_alice)]);
    assert_eq!(messages(&log("user=alice").await), [json!(for_alice)]);
    assert_eq!(log("user=nobody").await, Vec::<Value>::new());
    let devices = log("device=bobs").await;
    assert!(!devices.is_empty() && devices.iter().all(|record| record["device"] == "bobs"));
    let wakes = log("user=alice&step=wake").await;
    assert!(
        wakes.iter().all(|record| record["step"] == "wake" && record["device"] == "alices"),
        "{wakes:?}"
    );
    assert!(wakes.iter().any(|record| record["reason"] == "no_target"), "{wakes:?}");
    let about = log(&format!("message={for_alice}")).await;
    assert!(about.iter().any(|record| record["message"] == for_alice.as_str()), "{about:?}");
    assert!(about.iter().all(|record| record["device"] != "bobs"), "{about:?}");
    assert_eq!(log("code=911").await, Vec::<Value>::new());
    let unknown = server.call(Method::GET, "/v1/push-log?device=nobodys", None).await;
    unknown.refused(404, "not_found", Some("device"));
    // Page by page it is the same.
    let mut paged = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/v1/push-log?limit=2{after}");
        let page = server.call(Method::GET, &path, None).await.is(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        paged.extend(items.iter().cloned());
        match page.get("next") {
            Some(next) => after = format!("&after={}", text(next)),
            None => break,
        }
    }
    assert_eq!(paged, log("").await);
    server.stop().await;
}

#[tokio::test]
async fn the_log_is_asked_for_a_time_and_exported_whole() {
    let server = Server::start().await;
    server.device("alice", "phone").await;
    let first = server.message("alice", json!(1)).await;
    let all = server.call(Method::GET, "/v1/push-log?limit=1000", None).await.is(200);
    let all = all["items"].as_array().expect("a list").clone();
    assert!(all.iter().all(|record| !text(&record["sentence"]).is_empty()), "{all:?}");
    let newest = text(&all[0]["at"]);
    let asked = async |query: &str| {
        let page = server.call(Method::GET, &format!("/v1/push-log?{query}"), None).await.is(200);
        page["items"].as_array().expect("a list").len()
    };
    // From then on, itself included; until then, itself not.
    let at_once = all.iter().filter(|record| record["at"] == newest.as_str()).count();
    assert_eq!(asked(&format!("since={newest}")).await, at_once);
    assert_eq!(asked(&format!("until={newest}")).await, all.len() - at_once);
    let wake = all.iter().find_map(|record| record["wake"].as_str()).expect("a wake");
    let of_wake = all.iter().filter(|record| record["wake"] == wake).count();
    assert_eq!(asked(&format!("wake={wake}")).await, of_wake);
    assert_eq!(asked("call=6f1c3c52-5d5c-4c2f-9a35-0a4f0d6c1b11").await, 0);
    for (query, field) in [("since=today", "since"), ("wake=1", "wake"), ("call=1", "call")] {
        let refused = server.call(Method::GET, &format!("/v1/push-log?{query}"), None).await;
        refused.refused(422, "invalid_field", Some(field));
    }

    let export = async |query: &str| -> Vec<Value> {
        let path = format!("/v1/push-log/export{query}");
        let answer = server.call(Method::GET, &path, None).await;
        assert_eq!(answer.headers["content-type"], "application/jsonl");
        // One line alone is JSON to the test's client, several are text.
        match answer.is(200) {
            Value::String(lines) => {
                lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
            }
            Value::Null => Vec::new(),
            line => vec![line],
        }
    };
    let mut exported = export("").await;
    exported.reverse();
    assert_eq!(exported, all, "oldest first");
    let of_message = export(&format!("?message={first}")).await;
    assert!(!of_message.is_empty() && of_message.len() < all.len());
    server.stop().await;
}

#[tokio::test]
async fn the_log_is_followed_while_it_is_written() {
    let server = Server::start().await;
    server.device("alice", "alices").await;
    server.device("bob", "bobs").await;
    let mut all = server.follow("/v1/push-log/live").await;
    let mut accepts = server.follow("/v1/push-log/live?user=bob&step=accept").await;
    let mut device = server.follow("/v1/push-log/live?device=bobs").await;
    let for_alice = server.message("alice", json!(1)).await;
    let for_bob = server.message("bob", json!(2)).await;
    let mut messages = Vec::new();
    while messages.last() != Some(&json!(for_bob)) {
        let (name, record) = all.next().await;
        assert_eq!(name, "record");
        messages.extend([record["message"].clone()].into_iter().filter(|it| !it.is_null()));
    }
    assert_eq!(messages, [json!(for_alice), json!(for_bob)]);
    assert_eq!(accepts.next().await.1["message"], json!(for_bob));
    let (_, followed) = device.next().await;
    assert_eq!(followed["device"], "bobs");
    // What was followed is what the pages have.
    let pages = server.call(Method::GET, "/v1/push-log?device=bobs&step=wake", None).await.is(200);
    assert!(pages["items"].as_array().expect("a list").contains(&followed), "{pages} {followed}");
    for (query, status, code, field) in [
        ("since=2026-01-01T00:00:00Z", 422, "invalid_field", "since"),
        ("step=dance", 422, "invalid_field", "step"),
        ("device=nobodys", 404, "not_found", "device"),
    ] {
        let refused = server.call(Method::GET, &format!("/v1/push-log/live?{query}"), None).await;
        refused.refused(status, code, Some(field));
    }
    // So many may follow at once, and one that leaves makes room.
    let mut many = Vec::new();
    for _ in 3..64 {
        many.push(server.follow("/v1/push-log/live").await);
    }
    let refused = server.call(Method::GET, "/v1/push-log/live", None).await;
    refused.refused(503, "unavailable", None);
    many.clear();
    let stopping = async {
        while let Some((name, _)) = accepts.until_end().await {
            assert_eq!(name, "record");
        }
    };
    tokio::join!(server.stop(), stopping);
}
