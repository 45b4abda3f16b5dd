//! Users, devices, the push log and timelines in the console, and an app that is deleted there.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{Browser, location};
use crate::http::rig::{Server, text};
use crate::http::stage;

/// A user whose name is more than letters, `+4930/1 ü`, as a part of a path.
const ESCAPED: &str = "%2B4930%2F1%20%C3%BC";

/// A server with that user, who has a phone, and one that is called bob.
async fn peopled() -> Server {
    let server = Server::start().await;
    let phone = server.device_of(&server.app.1, ESCAPED, "a phone").await;
    server.target(&phone, "fcm", "token:of-the-phone").await;
    server.device("bob", "bobs").await;
    server
}

fn of_app(server: &Server, rest: &str) -> String {
    format!("/console/apps/{}/{rest}", server.app.0)
}

#[tokio::test]
async fn users_are_found_by_name_or_device_and_shown_with_all_their_devices() {
    let server = peopled().await;
    let mut browser = Browser::signed_in(&server).await;
    let mut page = async |rest: &str| text(&browser.get(&of_app(&server, rest)).await.is(200));
    let link = of_app(&server, &format!("users/{ESCAPED}"));
    let all = page("users").await;
    assert!(all.contains(&link) && all.contains(">bob<"), "{all}");
    let found = page("users?q=bo").await;
    assert!(!found.contains(ESCAPED) && found.contains(">bob<"), "{found}");
    let found = page("users?q=a%20phone").await;
    assert!(found.contains(&link) && found.contains("Found by the device"), "{found}");
    let found = page("users?q=%3Cscript%3E").await;
    assert!(found.contains("Nobody's name begins so") && !found.contains("<script>"), "{found}");
    let user = page(&format!("users/{ESCAPED}")).await;
    for said in [
        "a phone",
        "Google push (FCM)",
        "asleep",
        // The token is masked, and what is wrong is said with what to do.
        "Send a test push",
        "What was looked at",
        "no credential",
    ] {
        assert!(user.contains(said), "{said}: {user}");
    }
    assert!(!user.contains("token:of-the-phone"), "{user}");
    let nobody = browser.get(&of_app(&server, "users/nobody")).await;
    assert!(text(&nobody.is(404)).contains("no such user"));
    let long = browser.get(&of_app(&server, &format!("users?q={}", "x".repeat(129)))).await;
    assert!(text(&long.is(422)).contains("aria-invalid"));
    server.stop().await;
}

#[tokio::test]
async fn what_is_done_about_a_user_is_done_and_written_down() {
    let server = peopled().await;
    let mut browser = Browser::signed_in(&server).await;
    let page = of_app(&server, &format!("users/{ESCAPED}"));
    let mut act = async |path: &str, fields: &[(&str, &str)], done: &str| {
        let answer = browser.submit(&page, &format!("{page}/{path}"), fields).await;
        assert_eq!((answer.status, location(&answer)), (303, &*format!("{page}?done={done}")));
        text(&browser.get(location(&answer)).await.is(200))
    };
    let users = format!("/v1/users/{ESCAPED}");
    let seen = async |what: &str| {
        server.call(Method::GET, &format!("{users}/{what}"), None).await.is(200)["items"].clone()
    };
    let shown = act("mutes", &[("thread", "lunch")], "muted").await;
    assert!(shown.contains("Muted.") && shown.contains("lunch"), "{shown}");
    act("mutes", &[("thread", "")], "muted").await;
    let threads = |mutes: &Value| -> Vec<String> {
        mutes.as_array().expect("a list").iter().map(|mute| text(&mute["thread"])).collect()
    };
    assert_eq!(threads(&seen("mutes").await), ["*", "lunch"]);
    act("unmute", &[("thread", "lunch")], "unmuted").await;
    assert_eq!(threads(&seen("mutes").await), ["*"]);
    let of_phone = "devices/a%20phone";
    act(&format!("{of_phone}/targets/fcm/delete"), &[], "target_removed").await;
    assert_eq!(seen("devices").await[0]["targets"], json!([]));
    act("sign-out", &[], "user_signed_out").await;
    act(&format!("{of_phone}/delete"), &[], "device_signed_out").await;
    assert_eq!(seen("devices").await, json!([]));
    let (path, long) = (format!("{page}/mutes"), "x".repeat(129));
    let refused = browser.submit(&page, &path, &[("thread", &long)]).await;
    assert!(text(&refused.is(422)).contains("aria-invalid"));
    let log = server.ask(Method::GET, "/v1/audit-log?limit=4", &server.admin, None).await.is(200);
    let acts = log["items"].as_array().expect("a list");
    let acts: Vec<_> =
        acts.iter().map(|act| json!([act["by"], act["method"], act["status"]])).collect();
    let refused = json!(["operator", "PUT", 422]);
    let done = json!(["operator", "DELETE", 204]);
    assert_eq!(acts, [refused, done.clone(), done.clone(), done]);
    server.stop().await;
}

#[tokio::test]
async fn a_test_push_that_cannot_go_says_why() {
    let server = peopled().await;
    let mut browser = Browser::signed_in(&server).await;
    let page = of_app(&server, &format!("users/{ESCAPED}"));
    let test = format!("{page}/devices/a%20phone/test-push");
    // There is no credential; what became of it stands on its own page.
    let sent = browser.submit(&page, &test, &[]).await;
    if sent.status == 303 {
        let watched = text(&browser.get(location(&sent)).await.is(200));
        assert!(watched.contains("data-watch"), "{watched}");
    } else {
        assert!(text(&sent.body).contains("901"), "{}", sent.body);
    }
    let none = of_app(&server, "users/bob/devices/bobs/test-push");
    let refused = browser.submit(&of_app(&server, "users/bob"), &none, &[]).await;
    assert!(text(&refused.is(409)).contains("has a push target"), "it has none");
    server.stop().await;
}

#[tokio::test]
async fn a_test_push_that_nobody_has_said_to_have_is_over_after_its_five_minutes() {
    let stage = stage::Stage::set().await;
    let server = &stage.server;
    stage.upload().await;
    let phone = server.device("alice", "phone").await;
    stage.token(&phone).await;
    let of_device = "users/alice/devices/phone/test-push";
    let sent = server.call(Method::POST, &format!("/v1/{of_device}"), None).await.is(202);
    let push = text(&sent["push"]);
    let one = format!("/v1/{of_device}/{push}");
    server.until(&one, |test| test["state"] == "accepted").await;
    let mut browser = Browser::signed_in(server).await;
    let page = of_app(server, &format!("{of_device}/{push}"));
    let mut watched = async || text(&browser.get(&page).await.is(200));
    stage.hand.advance(Duration::from_secs(299));
    let shown = watched().await;
    assert!(shown.contains("data-watch=\"1\"") && !shown.contains("are over"), "{shown}");
    stage.hand.advance(Duration::from_secs(1));
    let test = server.call(Method::GET, &one, None).await.is(200);
    assert_eq!(test, json!({ "push": push, "state": "expired" }));
    let shown = watched().await;
    let says = "the push service took it and the app has not said that it came.";
    assert!(shown.contains("data-watch=\"off\"") && shown.contains(says), "{shown}");
    assert_eq!(shown.matches("class=\"done\"").count(), 2, "it was taken: {shown}");
    // It comes after all.
    let received = format!("/v1/me/test-push/{push}/received");
    server.me(&phone, Method::POST, &received, None).await.is(204);
    server.until(&one, |test| test["state"] == "received").await;
    stage.server.stop().await;
}

#[tokio::test]
async fn the_log_is_filtered_and_a_message_has_its_steps() {
    let server = peopled().await;
    let message = server.message("bob", json!(1)).await;
    let woken = format!("/v1/push-log?message={message}&step=wake");
    let there = |page: &Value| page["items"].as_array().is_some_and(|items| !items.is_empty());
    server.until(&woken, there).await;
    let mut browser = Browser::signed_in(&server).await;
    let log = text(&browser.get(&of_app(&server, "push-log")).await.is(200));
    let link = of_app(&server, &format!("messages/{}", message.replace('_', "%5F")));
    assert!(log.contains(&link) && log.contains("push-log/live"), "{log}");
    let of_step = browser.get(&of_app(&server, "push-log?step=wake&user=bob&code=")).await;
    let of_step = text(&of_step.is(200));
    assert!(of_step.contains("no_target") && !of_step.contains(&link), "{of_step}");
    for (query, says) in
        [("device=nobodys", "no such device"), ("push=x", "psh_"), ("step=x", "step")]
    {
        let refused = browser.get(&of_app(&server, &format!("push-log?{query}"))).await;
        let refused = text(&refused.is(422));
        assert!(refused.contains("role=\"alert\"") && refused.contains(says), "{refused}");
    }
    let live = browser.get(&of_app(&server, "push-log/live?step=push")).await;
    assert_eq!(live.headers["content-type"], "text/event-stream");
    browser.get(&of_app(&server, "push-log/live?step=x")).await.is(422);
    let timeline = text(&browser.get(&link).await.is(200));
    for said in ["Accepted", "+0 ms", "Woken", "no_target", "Every record, in order"] {
        assert!(timeline.contains(said), "{said}: {timeline}");
    }
    let none = of_app(&server, "messages/msg_00000000000000000000000000000000");
    browser.get(&none).await.is(404);
    let call = of_app(&server, "calls/6f1c3c52-5d5c-4c2f-9a35-0a4f0d6c1b11");
    assert!(text(&browser.get(&call).await.is(200)).contains("nothing about it"));
    server.stop().await;
}

#[tokio::test]
async fn an_app_is_deleted_by_whoever_types_its_name() {
    let server = peopled().await;
    let mut browser = Browser::signed_in(&server).await;
    let page = of_app(&server, "delete");
    let asked = text(&browser.get(&page).await.is(200));
    assert!(asked.contains("first"), "its name: {asked}");
    let refused = browser.submit(&page, &page, &[("name", "second")]).await;
    let refused = text(&refused.is(422));
    assert!(refused.contains("aria-invalid") && refused.contains("value=\"second\""), "{refused}");
    let done = browser.submit(&page, &page, &[("name", "first")]).await;
    assert_eq!((done.status, location(&done)), (303, "/console/apps?done=app_deleted"));
    let list = text(&browser.get("/console/apps?done=app_deleted").await.is(200));
    assert!(list.contains("The app is deleted") && list.contains("no app yet"), "{list}");
    browser.get(&page).await.is(404);
    server.stop().await;
}
