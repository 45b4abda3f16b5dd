//! Who follows the push log in the console, and for how long.

use std::time::Duration;

use serde_json::json;

use super::{Browser, PASSWORD, by_hand};
use crate::http::rig::{Follower, Server};

/// A browser's window on the log.
async fn following(browser: &Browser<'_>) -> Follower {
    let path = format!("/console/apps/{}/push-log/live?step=accept", browser.server.app.0);
    let cookie = browser.cookie.as_deref().expect("a session");
    browser.server.follow_inside(&path, cookie).await
}

#[tokio::test]
async fn whoever_follows_the_log_is_cut_off_with_their_session() {
    let (clock, hand) = by_hand();
    let server = Server::start_by(clock).await;
    let mut browser = Browser::signed_in(&server).await;
    let mut other = Browser::of(&server);
    other.login(PASSWORD).await.is(303);
    server.device("bob", "bobs").await;
    let (mut log, mut others) = (following(&browser).await, following(&other).await);
    let message = server.message("bob", json!(1)).await;
    for log in [&mut log, &mut others] {
        assert_eq!(log.next().await.1["message"], *message);
    }
    // Signed out: at once, and nobody else's.
    browser.submit("/console/apps", "/console/logout", &[]).await.is(303);
    assert_eq!(log.until_end().await, None);
    let message = server.message("bob", json!(2)).await;
    assert_eq!(others.next().await.1["message"], *message);
    // A session that ends by itself: the next record is not theirs any more. To follow is not to
    // be there.
    for hours in [6, 5] {
        hand.advance(Duration::from_secs(hours * 3_600));
        let message = server.message("bob", json!(hours)).await;
        assert_eq!(others.next().await.1["message"], *message);
    }
    hand.advance(Duration::from_secs(3_600));
    server.message("bob", json!(4)).await;
    assert_eq!(others.until_end().await, None);
    // A new password signs everybody out.
    other.login(PASSWORD).await.is(303);
    let mut others = following(&other).await;
    let code = "abcdefghijklmnopqrstuvwxyz";
    let file = server.data_dir().join(server::console::CODE_FILE);
    server::secret::write_private(&file, code).expect("written");
    let fields = [("code", code), ("password", "a new password"), ("again", "a new password")];
    browser.post("/console/setup", &fields).await.is(303);
    assert_eq!(others.until_end().await, None);
    server.stop().await;
}
