//! Networks that drop, stall and return.

use super::*;

fn is_closed(note: &Value) -> bool {
    note["closed"] == true
}

fn is_connected(event: &PhoneEvent) -> bool {
    matches!(event, PhoneEvent::Connected { .. })
}

impl Scene {
    /// Lets the server note something that has nothing to do with this phone, so that what it was
    /// told before is noted before. The phone that does so is to be kept: its end is a note too.
    #[must_use]
    async fn note_between(&self) -> Phone {
        let options = self.phone.installation.options.clone();
        let other = Phone::install(PhoneOptions { name: "between".to_owned(), ..options });
        other.launch().await.unwrap();
        let is_between = |note: &Value| {
            note["device"]["id"].as_str().is_some_and(|id| id.starts_with("between"))
        };
        self.server.noted(1, is_between).await;
        other
    }
}

#[tokio::test]
async fn a_lost_network_fails_the_phone_at_once_and_the_server_hears_of_it_when_it_is_back() {
    let scene = Scene::launched(Platform::Ios).await;
    scene.phone.set_network(Network::Off);
    scene.wait(|event| matches!(event, PhoneEvent::Disconnected { code: None })).await;
    let _between = scene.note_between().await;
    assert_eq!(scene.server.noted(0, is_closed).await.len(), 0, "nobody can have told it");

    scene.server.store("msg_1", "hello");
    let alert = |title: &str| json!({"alert": {"title": title}});
    for title in ["first", "second"] {
        scene.push(TargetKindName::Apns, PushType::Alert, alert(title), false);
    }
    let mark = scene.phone.mark();
    scene.phone.set_network(Network::On);
    scene.wait_since(mark, is_connected).await;
    scene.phone.wait_messages(1, LIMIT).await.unwrap();
    scene.server.noted(1, is_closed).await;
    let shown = |title: &'static str| move |event: &PhoneEvent| matches!(event, PhoneEvent::NotificationShown { title: is, .. } if is == title);
    scene.wait_since(mark, shown("second")).await;
    assert!(!scene.seen().iter().any(shown("first")), "Apple keeps one push for each app");
}

#[tokio::test]
async fn an_app_without_a_network_does_not_try_and_connects_when_there_is_one() {
    let scene = Scene::launched(Platform::Android).await;
    scene.phone.set_network(Network::Off);
    scene.wait(|event| matches!(event, PhoneEvent::Disconnected { .. })).await;
    scene.phone.suspend().await;
    let mark = scene.phone.mark();
    scene.phone.open();
    scene.wait_since(mark, |event| matches!(event, PhoneEvent::Unreachable { .. })).await;
    let _between = scene.note_between().await;
    let tries = scene.seen().split_off(mark);
    let tries = tries.iter().filter(|it| matches!(it, PhoneEvent::Unreachable { .. }));
    assert_eq!(tries.count(), 1);
    scene.phone.set_network(Network::On);
    scene.wait_since(mark, is_connected).await;
}

#[tokio::test]
async fn a_stalled_network_passes_nothing_and_then_all_of_it_on_the_same_connection() {
    let scene = Scene::launched(Platform::Android).await;
    scene.phone.set_network(Network::Stalled);
    let entry = scene.server.store("msg_1", "hello");
    scene.server.tell(entry);
    scene.push(TargetKindName::Fcm, PushType::Data, json!({}), false);
    let _between = scene.note_between().await;
    let mark = scene.phone.mark();
    let seen = scene.seen();
    let passed = |event: &PhoneEvent| {
        matches!(event, PhoneEvent::MessageReceived { .. } | PhoneEvent::PushArrived { .. })
    };
    assert!(!seen.iter().any(passed), "{seen:?}");
    scene.phone.set_network(Network::On);
    scene.wait_since(mark, |event| matches!(event, PhoneEvent::MessageReceived { .. })).await;
    scene.wait_since(mark, |event| matches!(event, PhoneEvent::PushArrived { .. })).await;
    scene.server.noted(1, |note| note["type"] == "ack").await;
    assert_eq!(scene.seen().iter().filter(|event| is_connected(event)).count(), 1);
    assert_eq!(scene.server.noted(0, is_closed).await.len(), 0);
}

#[tokio::test]
async fn what_a_phone_gives_up_while_its_network_stalls_is_told_later() {
    let scene = Scene::launched(Platform::Android).await;
    scene.phone.set_network(Network::Stalled);
    scene.phone.suspend().await;
    let _between = scene.note_between().await;
    assert_eq!(scene.server.noted(0, is_closed).await.len(), 0);
    scene.phone.set_network(Network::On);
    scene.server.noted(1, is_closed).await;
}

#[tokio::test]
async fn a_connection_of_a_network_that_was_lost_stays_dead_when_the_next_one_comes() {
    let scene = Scene::launched(Platform::Android).await;
    let mark = scene.phone.mark();
    scene.phone.set_network(Network::Off);
    scene.phone.set_network(Network::On);
    scene.wait_since(mark, |event| matches!(event, PhoneEvent::Disconnected { .. })).await;
    scene.wait_since(mark, is_connected).await;
    assert_eq!(scene.server.noted(1, is_closed).await.len(), 1);
}
