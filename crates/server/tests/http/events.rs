//! What happened, for whoever asks later.

use http::Method;
use serde_json::{Value, json};

use super::rig::{Server, text};

#[tokio::test]
async fn events_are_read_in_order_from_a_number_on() {
    let server = Server::start().await;
    let devices = [server.device("alice", "one").await, server.device("alice", "two").await];
    let events = async |query: &str| -> Value {
        server.call(Method::GET, &format!("/v1/events{query}"), None).await.is(200)
    };
    assert_eq!(events("").await["items"], json!([]));
    // A token that turns up elsewhere has moved: three times here.
    for device in devices.iter().cycle().take(4) {
        server.target(device, "fcm", "a:b").await;
    }
    let all = events("").await;
    let items = all["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "{all}");
    assert!(all["next"].is_null(), "{all}");
    let numbers: Vec<i64> = items.iter().map(|item| item["number"].as_i64().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers[0] > 0, "{numbers:?}");
    for item in items {
        assert_eq!(item["type"], "device.target_moved", "{item}");
        assert!(text(&item["timestamp"]).ends_with('Z') && item["data"].is_object(), "{item}");
        assert!(!item.to_string().contains("a:b"), "the token is shown: {item}");
    }
    // Page by page, and from what was seen last.
    let first = events("?limit=2").await;
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let next = text(&first["next"]);
    assert_eq!(next, numbers[1].to_string());
    let second = events(&format!("?limit=2&after={next}")).await;
    assert_eq!(second["items"], json!([items[2]]));
    assert_eq!(events(&format!("?after={}", numbers[2])).await["items"], json!([]));
    for (query, field) in
        [("limit=0", "limit"), ("limit=1001", "limit"), ("after=-1", "after"), ("after=x", "after")]
    {
        let refused = server.call(Method::GET, &format!("/v1/events?{query}"), None).await;
        refused.refused(422, "invalid_field", Some(field));
    }
    server.stop().await;
}
