//! Topics, kept by the back end and by the devices themselves.

use http::Method;
use serde_json::{Value, json};

use super::rig::{Answer, Server, text};

#[tokio::test]
async fn a_back_end_keeps_a_topic() {
    let server = Server::start().await;
    for device in ["one", "two", "three"] {
        server.device("alice", device).await;
    }
    let path = "/v1/topics/news/devices";
    let change = async |method: Method, devices: Value| -> Answer {
        server.call(method, path, Some(json!({ "devices": devices }))).await
    };
    // A list of nobody makes no topic.
    let nobody = change(Method::POST, json!(["nobodys"])).await.is(200);
    assert_eq!(nobody, json!({ "changed": 0, "unknown": ["nobodys"] }));
    server.call(Method::GET, path, None).await.refused(404, "not_found", None);
    let added = change(Method::POST, json!(["one", "nobodys", "two"])).await.is(200);
    assert_eq!(added, json!({ "changed": 2, "unknown": ["nobodys"] }));
    let again = change(Method::POST, json!(["two", "three"])).await.is(200);
    assert_eq!(again, json!({ "changed": 1 }));
    let devices = async |query: &str| -> Value {
        server.call(Method::GET, &format!("{path}{query}"), None).await.is(200)
    };
    let ids = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect()
    };
    assert_eq!(ids(&devices("").await), ["one", "two", "three"]);
    let first = devices("?limit=2").await;
    assert_eq!(ids(&first), ["one", "two"]);
    let rest = devices(&format!("?limit=2&after={}", text(&first["next"]))).await;
    assert_eq!((ids(&rest), &rest["next"]), (vec!["three".to_owned()], &Value::Null));
    let taken = change(Method::DELETE, json!(["one", "nobodys"])).await.is(200);
    assert_eq!(taken, json!({ "changed": 1, "unknown": ["nobodys"] }));
    let topics = server.call(Method::GET, "/v1/topics", None).await.is(200);
    let topic = &topics["items"][0];
    assert_eq!((&topic["name"], &topic["devices"]), (&json!("news"), &json!(2)));
    server.call(Method::DELETE, "/v1/topics/news", None).await.is(204);
    server.call(Method::DELETE, "/v1/topics/news", None).await.refused(404, "not_found", None);
    change(Method::DELETE, json!(["two"])).await.refused(404, "not_found", None);
    assert_eq!(server.call(Method::GET, "/v1/topics", None).await.is(200)["items"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn one_device_is_put_in_and_taken_out_however_often_it_is_asked() {
    let server = Server::start().await;
    server.device("alice", "phone").await;
    let one = "/v1/topics/b%2Fc/devices/phone";
    // It was in none before.
    server.call(Method::DELETE, one, None).await.is(204);
    for _ in 0..2 {
        server.call(Method::PUT, one, None).await.is(204);
    }
    server.call(Method::PUT, "/v1/topics/a/devices/phone", None).await.is(204);
    let names = async |query: &str| -> Value {
        let page = server.call(Method::GET, &format!("/v1/topics{query}"), None).await.is(200);
        page["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect()
    };
    assert_eq!(names("").await, json!(["a", "b/c"]));
    assert_eq!(names("?limit=1").await, json!(["a"]));
    assert_eq!(names("?limit=1&after=a").await, json!(["b/c"]));
    for _ in 0..2 {
        server.call(Method::DELETE, one, None).await.is(204);
    }
    for method in [Method::PUT, Method::DELETE] {
        let nobodys = server.call(method, "/v1/topics/a/devices/nobodys", None).await;
        nobodys.refused(404, "not_found", None);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_change_that_is_none_names_its_field() {
    let server = Server::start().await;
    let many: Vec<_> = (0..1_001).map(|number| format!("device-{number}")).collect();
    for method in [Method::POST, Method::DELETE] {
        for devices in [json!([]), json!(many), json!(["a\u{7}"]), json!([""])] {
            let body = Some(json!({ "devices": devices }));
            let refused = server.call(method.clone(), "/v1/topics/news/devices", body).await;
            refused.refused(422, "invalid_field", Some("devices"));
        }
    }
    let long = format!("/v1/topics/{}/devices", "x".repeat(129));
    let refused = server.call(Method::POST, &long, Some(json!({ "devices": ["a"] }))).await;
    refused.refused(422, "invalid_field", Some("topic"));
    for query in ["limit=0", "limit=1001"] {
        let refused = server.call(Method::GET, &format!("/v1/topics?{query}"), None).await;
        refused.refused(422, "invalid_field", Some("limit"));
    }
    let refused = server.call(Method::GET, "/v1/topics/a/devices?after=x", None).await;
    refused.refused(422, "invalid_field", Some("after"));
    server.stop().await;
}

#[tokio::test]
async fn a_device_joins_and_leaves_by_itself() {
    let server = Server::start().await;
    let phone = server.device("alice", "phone").await;
    let mine = async || -> Value {
        let page = server.me(&phone, Method::GET, "/v1/me/topics", None).await.is(200);
        page["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect()
    };
    assert_eq!(mine().await, json!([]));
    for topic in ["news", "sport", "news"] {
        let path = format!("/v1/me/topics/{topic}");
        server.me(&phone, Method::PUT, &path, None).await.is(204);
    }
    assert_eq!(mine().await, json!(["news", "sport"]));
    for _ in 0..2 {
        server.me(&phone, Method::DELETE, "/v1/me/topics/sport", None).await.is(204);
    }
    assert_eq!(mine().await, json!(["news"]));
    let long = format!("/v1/me/topics/{}", "x".repeat(129));
    let refused = server.me(&phone, Method::PUT, &long, None).await;
    refused.refused(422, "invalid_field", Some("topic"));
    // A device cannot fill the app's list.
    for number in 1..wire::limits::TOPICS_OF_DEVICE {
        let path = format!("/v1/me/topics/t{number}");
        server.me(&phone, Method::PUT, &path, None).await.is(204);
    }
    let one_more = server.me(&phone, Method::PUT, "/v1/me/topics/more", None).await;
    one_more.refused(422, "invalid_field", Some("topic"));
    server.me(&phone, Method::PUT, "/v1/me/topics/news", None).await.is(204);
    // Its back end may put it into more.
    server.call(Method::PUT, "/v1/topics/more/devices/phone", None).await.is(204);
    server.stop().await;
}
