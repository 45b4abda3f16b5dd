//! How an app is doing, in the console: its overview, its broadcasts, its webhooks.

use http::Method;
use serde_json::{Value, json};

use super::{Browser, location};
use crate::http::rig::{Server, text};
use crate::http::stage;
use crate::http::webhooks;

fn of_app(server: &Server, rest: &str) -> String {
    format!("/console/apps/{}{rest}", server.app.0)
}

/// What a page shows, which must be there.
async fn page(browser: &mut Browser<'_>, path: &str) -> String {
    text(&browser.get(path).await.is(200))
}

#[track_caller]
fn says(page: &str, words: &[&str]) {
    for word in words {
        assert!(page.contains(word), "{word}: {page}");
    }
}

#[tokio::test]
async fn an_app_without_anything_says_what_it_lacks() {
    let server = Server::start().await;
    let mut browser = Browser::signed_in(&server).await;
    let shown = page(&mut browser, &of_app(&server, "")).await;
    says(&shown, &["There is no credential", "901", "Nothing of it happened in this time."]);
    says(&shown, &["role=\"img\" aria-label=\"0 messages were taken in and 0 devices woken"]);
    assert!(!shown.contains("The same as a table"), "there is nothing in one: {shown}");
    let nobody = browser.get("/console/apps/app_99").await;
    assert!(text(&nobody.is(404)).contains("no such app"));
    server.stop().await;
}

#[tokio::test]
async fn the_overview_has_the_figures_in_words_drawings_and_tables() {
    let stage = stage::Stage::set().await;
    let server = &stage.server;
    stage.upload().await;
    let phone = server.device("alice", "phone").await;
    stage.token(&phone).await;
    server.message("alice", json!(1)).await;
    stage.pushed("accepted").await;
    let target = json!({ "kind": "apns", "token": "ab".repeat(32), "environment": "production" });
    let gone = server.push(json!({ "to": { "targets": [target] } })).await;
    server.until(&format!("/v1/pushes/{gone}"), |push| push["state"] == "done").await;
    let mut browser = Browser::signed_in(server).await;
    for (span, step) in [("", "hour"), ("?span=hour", "five minutes"), ("?span=month", "day")] {
        let shown = page(&mut browser, &of_app(server, span)).await;
        says(&shown, &["1 messages were taken in", &format!("in one {step}.")]);
        says(&shown, &["The same as a table", "push-log?code=911\">bad push token</a>"]);
        says(&shown, &["apns production: circuit closed, pushes go", "a push was taken on"]);
        says(&shown, &["Nothing needs you"]);
        assert!(!shown.contains(" style="), "the policy lets no inline style in: {shown}");
    }
    let unknown = page(&mut browser, &of_app(server, "?span=century")).await;
    says(&unknown, &["?span=day\" aria-current=\"true\""]);
    let off = Some(json!({ "push_enabled": false }));
    let settings = format!("/v1/apps/{}/settings", server.app.0);
    server.call(Method::PATCH, &settings, off).await.is(200);
    says(&page(&mut browser, &of_app(server, "")).await, &["Push is switched off", "902"]);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_broadcast_is_listed_paused_resumed_and_cancelled() {
    let server = Server::start().await;
    let mut browser = Browser::signed_in(&server).await;
    let list = of_app(&server, "/broadcasts");
    says(&page(&mut browser, &list).await, &["There is none."]);
    server.device("alice", "phone").await;
    let topic = "/v1/topics/%3Cb%3Enews/devices";
    let devices = Some(json!({ "devices": ["phone"] }));
    server.call(Method::POST, topic, devices).await.is(200);
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let later = json!({ "to": { "topic": "<b>news" }, "send_at": tomorrow.to_string() });
    let later = server.push(later).await;
    let direct = json!({ "to": { "targets": [crate::http::rig::fcm("token-of-nobody")] } });
    let direct = server.push(direct).await;
    let shown = page(&mut browser, &list).await;
    says(&shown, &["Topic &#60;b&#62;news", "waiting", &later]);
    assert!(!shown.contains(&direct) && !shown.contains("<b>news"), "{shown}");

    let one = format!("{list}/{later}");
    says(&page(&mut browser, &one).await, &["It goes out at", "Pause", "Cancel for good"]);
    let mut act = async |what: &str, done: &str| {
        let answer = browser.submit(&one, &format!("{one}/{what}"), &[]).await;
        assert_eq!((answer.status, location(&answer)), (303, &*format!("{one}?done={done}")));
        page(&mut browser, location(&answer)).await
    };
    says(&act("pause", "broadcast_paused").await, &["stands still", "Let it go on"]);
    says(&act("resume", "broadcast_resumed").await, &["goes on", "Pause"]);
    let over = act("cancel", "broadcast_cancelled").await;
    says(&over, &["what was not sent is not sent"]);
    assert!(!over.contains("Cancel for good"), "{over}");
    // Who came too late is told why, on the page.
    let (keys, pause) = (of_app(&server, "/keys"), format!("{one}/pause"));
    let late = browser.submit(&keys, &pause, &[]).await;
    says(&text(&late.is(409)), &["role=\"alert\"", "cancelled"]);
    let nothing = "psh_00000000000000000000000000000000";
    let nothing = browser.get(&format!("{list}/{nothing}")).await;
    says(&text(&nothing.is(404)), &["no such push"]);
    // The operator did it, and that is written down.
    let acts = server.ask(Method::GET, "/v1/audit-log?limit=1", &server.admin, None).await.is(200);
    assert_eq!(acts["items"][0]["by"], "operator", "{acts}");
    server.stop().await;
}

#[tokio::test]
async fn a_broadcast_shows_how_many_were_refused_for_what() {
    let stage = stage::Stage::set().await;
    let server = &stage.server;
    stage.upload().await;
    for number in 0..3 {
        let phone = server.device("alice", &format!("phone {number}")).await;
        // One whose environment is not known would be tried in the other one.
        let token = format!("{number}a").repeat(32);
        let target = json!({ "token": token, "environment": "production" });
        let put = server.me(&phone, Method::PUT, "/v1/me/targets/apns", Some(target)).await;
        put.is(200);
    }
    let push = server.push(json!({ "to": { "all": true } })).await;
    server.until(&format!("/v1/pushes/{push}"), |push| push["state"] == "done").await;
    let mut browser = Browser::signed_in(server).await;
    let shown = page(&mut browser, &of_app(server, &format!("/broadcasts/{push}"))).await;
    says(&shown, &["<progress max=\"100\" value=\"100\"", "data-watch=\"off\"", "bad push token"]);
    let link = format!("push-log?push={}&#38;code=911", push.replace('_', "%5F"));
    says(&shown, &[&link]);
    let records = of_app(server, &format!("/push-log?push={push}&code=911"));
    assert_eq!(page(&mut browser, &records).await.matches("class=\"record bad\"").count(), 3);
    let listed = page(&mut browser, &of_app(server, "/broadcasts")).await;
    says(&listed, &["All devices", "0 accepted, 3 refused."]);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_webhook_is_made_tried_out_changed_and_deleted() {
    let back_end = webhooks::Stage::open().await;
    let server = &back_end.server;
    let mut browser = Browser::signed_in(server).await;
    let list = of_app(server, "/webhooks");
    says(&page(&mut browser, &list).await, &["There is none yet."]);
    let plain = [("url", "http://hooks.example.com/"), ("description", "plain"), ("events", "*")];
    let refused = text(&browser.submit(&list, &list, &plain).await.is(422));
    says(&refused, &["value=\"http://hooks.example.com/\"", "aria-invalid", "role=\"alert\""]);
    let (url, events) = (back_end.sink.url("/events"), ("events", "device.token_dropped"));
    let fields = [("url", &*url), ("description", "<i>back end"), events];
    let made = text(&browser.submit(&list, &list, &fields).await.is(201));
    says(&made, &["<code>whsec_", "&#60;i&#62;back end", "device.token_dropped"]);
    let api = format!("/v1/apps/{}/webhooks", server.app.0);
    let id = text(&server.call(Method::GET, &api, None).await.is(200)["items"][0]["id"]);
    let one = format!("{list}/{id}");
    assert!(!page(&mut browser, &one).await.contains("whsec_"), "it was shown once");

    let mut act = async |what: &str, fields: &[(&str, &str)], done: &str| {
        let answer = browser.submit(&one, &format!("{one}/{what}"), fields).await;
        assert_eq!((answer.status, location(&answer)), (303, &*format!("{one}?done={done}")));
    };
    act("test", &[], "webhook_tested").await;
    let came = back_end.sink.wait_for(|seen| seen.path == "/events", webhooks::PATIENCE).await;
    let event = came.expect("the test event").header("webhook-id").expect("a name").to_owned();
    let delivered = |page: &Value| page["items"][0]["state"] == "delivered";
    server.until(&format!("{api}/{id}/deliveries"), delivered).await;
    act("replay", &[("event", &event)], "events_replayed").await;
    back_end.sink.wait_count(2, webhooks::PATIENCE).await.expect("the same again");
    let names = back_end.sink.seen();
    assert!(names.iter().all(|seen| seen.header("webhook-id") == Some(&event)), "{names:?}");
    let from = [("from", "2026-01-01T00:00"), ("parked_only", "on")];
    act("replay", &from, "no_events").await;
    act("off", &[], "webhook_off").await;
    act("test", &[], "webhook_test_waits").await;
    act("replay", &[("event", &event)], "events_wait").await;
    assert_eq!(server.call(Method::GET, &format!("{api}/{id}"), None).await.body["state"], "off");
    act("on", &[], "webhook_on").await;
    let fields = [("url", &*url), ("description", "another"), ("events", "*"), events];
    act("change", &fields, "saved").await;
    let changed = server.call(Method::GET, &format!("{api}/{id}"), None).await.is(200);
    assert_eq!(changed["events"], json!(["*"]), "all has each of them: {changed}");

    let shown = page(&mut browser, &one).await;
    says(&shown, &["webhook.test", &format!("webhook-id: {event}"), "204 after", "another"]);
    let none = page(&mut browser, &format!("{one}?state=parked")).await;
    says(&none, &["There is none of them."]);
    let rotate = format!("{one}/rotate");
    let rotated = browser.submit(&one, &rotate, &[("keep_old_for", "3600")]).await;
    says(&text(&rotated.is(200)), &["<code>whsec_", "The one before signs as well"]);
    // What is wrong is said where it was typed.
    let wrong = browser.submit(&one, &format!("{one}/change"), &[("url", "nowhere")]).await;
    says(&text(&wrong.is(422)), &["value=\"nowhere\"", "aria-invalid"]);
    let wrong = browser.submit(&one, &format!("{one}/replay"), &[("from", "noon")]).await;
    says(&text(&wrong.is(422)), &["value=\"noon\"", "give a time such as"]);
    let gone = browser.submit(&one, &format!("{one}/delete"), &[]).await;
    assert_eq!(location(&gone), format!("{list}?done=webhook_deleted"));
    says(&text(&browser.get(&one).await.is(404)), &["no such webhook"]);
    back_end.server.stop().await;
}

#[tokio::test]
async fn what_is_no_id_is_nothing_that_there_is() {
    let server = Server::start().await;
    let mut browser = Browser::signed_in(&server).await;
    for app in ["a%20b", "%C3%BC", "a%2Fb", "%3C%3E", ".."] {
        for rest in [
            "",
            "/delete",
            "/users",
            "/push-log",
            "/broadcasts",
            "/webhooks",
            "/keys",
            "/credentials",
            "/settings",
        ] {
            let answer = browser.get(&format!("/console/apps/{app}{rest}")).await;
            assert_eq!(answer.status, 404, "{app}{rest}: {}", answer.body);
            says(&text(&answer.body), &["no such app"]);
        }
        let made = browser.submit("/console/apps", &format!("/console/apps/{app}/keys"), &[]).await;
        assert_eq!(made.status, 404, "{app}: {}", made.body);
    }
    for rest in ["/webhooks/a%20b", "/broadcasts/a%20b"] {
        browser.get(&of_app(&server, rest)).await.is(404);
    }
    for rest in [
        "/webhooks/a%20b/test",
        "/broadcasts/a%20b/pause",
        "/keys/a%20b/delete",
        "/credentials/a%20b/delete",
        "/credentials/a%20b/probe",
    ] {
        let answer = browser.submit("/console/apps", &of_app(&server, rest), &[]).await;
        assert_eq!(answer.status, 404, "{rest}: {}", answer.body);
    }
    server.stop().await;
}
