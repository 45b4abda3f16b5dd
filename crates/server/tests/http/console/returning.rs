//! Where one is after one had to sign in again.

use http::Method;

use super::{Browser, PASSWORD, location};
use crate::http::rig::{Server, text};

/// What the way in says, asked for by where one is sent, and where it leads in the end.
async fn back_from(browser: &mut Browser<'_>, door: &str) -> String {
    let page = text(&browser.get(door).await.is(200));
    let (_, rest) = page.split_once("name=\"to\" value=\"").expect("where one goes on");
    let to = rest.split('"').next().expect("its end").replace("&#38;", "&");
    let answer = browser.post("/console/login", &[("password", PASSWORD), ("to", &to)]).await;
    browser.cookie = None;
    location(&answer).to_owned()
}

#[tokio::test]
async fn one_goes_on_where_one_was() {
    let server = Server::start().await;
    let mut browser = Browser::signed_in(&server).await;
    browser.cookie = None;
    let app = format!("/console/apps/{}", server.app.0);
    let user = format!("{app}/users/%2B4930%2F1%20%C3%BC");
    for page in [
        app.clone(),
        user.clone(),
        format!("{app}/users?q=a%26b%20c&after=x"),
        format!("{app}/push-log?step=push&user=alice@example.com"),
    ] {
        let door = browser.get(&page).await;
        assert_eq!(back_from(&mut browser, location(&door)).await, page);
    }
    // A form is not sent again: one is on its page.
    let here = format!("http://{}", server.internal);
    let there = "http://evil.example";
    let (page, start) = (format!("{app}/keys"), "/console/apps");
    let refused = format!("{app}/webhooks/whk_1/rotate");
    for (form, on, back) in [
        ("/console/logout".to_owned(), Some(format!("{here}{page}")), &*page),
        (format!("{app}/delete"), Some(format!("{here}{page}?done=key_deleted")), &page),
        (format!("{user}/sign-out"), Some(format!("{here}{user}")), &user),
        // One that was shown instead of a page has none that can be loaded again.
        (refused.clone(), Some(format!("{here}{refused}")), start),
        ("/console/logout".to_owned(), None, start),
        ("/console/logout".to_owned(), Some(format!("{there}{page}")), start),
        ("/console/logout".to_owned(), Some(format!("{here}.evil.example{page}")), start),
        ("/console/logout".to_owned(), Some(format!("{here}/metrics")), start),
    ] {
        browser.referer.clone_from(&on);
        let door = browser.post(&form, &[]).await;
        browser.referer = None;
        assert_eq!(back_from(&mut browser, location(&door)).await, back, "{form} on {on:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn nobody_is_led_out_of_the_console() {
    let server = Server::start().await;
    let mut browser = Browser::signed_in(&server).await;
    for to in [
        "https://evil.example/console/apps",
        "//evil.example/console/apps",
        "/console//evil.example",
        "/console/apps/\\evil.example",
        "/\\evil.example/console/apps",
        "/console/apps?x=\r\nlocation: //evil.example",
        "/console/apps/\u{2215}evil",
        "/console/apps/../../metrics",
        "/console/logout",
        "/metrics",
    ] {
        let fields = [("password", PASSWORD), ("to", to)];
        let answer = browser.post("/console/login", &fields).await;
        assert_eq!((answer.status, location(&answer)), (303, "/console/apps"), "{to:?}");
        browser.send(Method::GET, "/console/apps", String::new()).await.is(200);
    }
    server.stop().await;
}
