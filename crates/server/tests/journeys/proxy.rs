//! A server that gets out by a proxy alone, as in many a company.

use std::collections::BTreeSet;
use std::time::Duration;

use sim::phone::{Phone, PhoneEvent, Platform};
use sim::proxy::{Answered, Conduct, ProxySim, ProxyUser, SeenConnect};
use sim::webpush::Vendor;
use sim::world::{Tuning, Way, World, WorldOptions};

use super::{PATIENCE, SERVER, sender, woken};

/// The password of the proxy.
const PASSWORD: &str = "hard-to-guess";

/// A world where only the proxy knows the way to the push services.
async fn fenced_world() -> World {
    let user = ProxyUser { name: "reveille".to_owned(), password: PASSWORD.to_owned() };
    let tuning = Tuning {
        log_level: "trace".to_owned(),
        probe: Some(Duration::from_millis(300)),
        ..Tuning::default()
    };
    let options = WorldOptions {
        webpush: Some(Vendor::Apple),
        way: Way::Proxy(user),
        tuning,
        ..WorldOptions::new(SERVER)
    };
    World::start(options).await.expect("the world starts")
}

fn proxy(world: &World) -> &ProxySim {
    world.proxy().expect("a proxy")
}

async fn asleep(world: &World, platform: Platform, name: &str) -> Phone {
    let phone = world.phone("alice", platform, name).await.expect("a phone");
    phone.launch().await.expect("it connects");
    phone.suspend().await;
    phone
}

#[tokio::test]
async fn every_push_service_is_reached_through_the_proxy_and_nothing_goes_around_it() {
    let world = fenced_world().await;
    let sender = sender(&world).await;
    let phones = [
        asleep(&world, Platform::Android, "alice's phone").await,
        asleep(&world, Platform::Ios, "alice's iPhone").await,
        asleep(&world, Platform::Web, "alice's browser").await,
    ];
    let marks = phones.each_ref().map(Phone::mark);
    sender.send("alice", "wake up").await.expect("accepted");
    for (phone, mark) in phones.iter().zip(marks) {
        phone.wait_since(mark, woken, PATIENCE).await.expect("woken through the proxy");
    }
    let seen = proxy(&world).seen();
    let targets: BTreeSet<&str> = seen.iter().map(|connect| connect.target.as_str()).collect();
    let expected = [
        "api.push.apple.com:443",
        "fcm.googleapis.com:443",
        "oauth2.googleapis.com:443",
        "web.push.apple.com:443",
    ];
    assert_eq!(targets, BTreeSet::from(expected));
    let granted = |connect: &SeenConnect| {
        connect.answered == Answered::Status(200) && connect.user.as_deref() == Some("reveille")
    };
    assert!(seen.iter().all(granted), "{seen:?}");
    let webpush = world.webpush().expect("a Web Push service").counts();
    let taken =
        [world.apns().counts(), world.apns_sandbox().counts(), world.fcm().counts(), webpush];
    let connections: u64 = taken.iter().map(|counts| counts.connections).sum();
    assert_eq!(connections, seen.len() as u64, "a connection came around the proxy");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_in_the_record_and_waited_for() {
    let world = fenced_world().await;
    let sender = sender(&world).await;
    let phone = asleep(&world, Platform::Ios, "alice's iPhone").await;
    let mark = phone.mark();
    proxy(&world).always(Conduct::Refuse(503));
    let accepted = sender.send("alice", "wake up").await.expect("accepted");
    let refused = async {
        loop {
            let timeline = world.timeline(&accepted.id).await.expect("a timeline");
            if let Some(push) = timeline.items.into_iter().find(|record| record.step == "push") {
                return push;
            }
            tokio::task::yield_now().await;
        }
    };
    let record = tokio::time::timeout(PATIENCE, refused).await.expect("a record of the push");
    assert_eq!((record.reason.as_str(), record.code), ("refused", Some(902)));
    let detail = record.detail.expect("what happened").to_string();
    let place = proxy(&world).addr().to_string();
    assert!(detail.contains(&place) && detail.contains("503"), "{detail}");
    proxy(&world).always(Conduct::Tunnel);
    phone.wait_since(mark, woken, PATIENCE).await.expect("woken once the proxy lets it");
    let log = world.server_log();
    let records = serde_json::to_string(&world.push_log(&phone).await.expect("records"));
    for text in [&log, &records.expect("JSON"), &detail] {
        assert!(!text.contains(PASSWORD), "the proxy's password is written down");
    }
}

#[tokio::test]
async fn tunnels_that_are_cut_cost_no_message() {
    let world = fenced_world().await;
    let sender = sender(&world).await;
    let page = asleep(&world, Platform::Web, "alice's browser").await;
    for text in ["through the first tunnel", "through the second"] {
        let mark = page.mark();
        sender.send("alice", text).await.expect("accepted");
        let acked = |event: &PhoneEvent| matches!(event, PhoneEvent::Acked { confirmed: true, .. });
        page.wait_since(mark, acked, PATIENCE).await.expect("woken and acknowledged");
        proxy(&world).cut();
        proxy(&world).wait_open_tunnels(0, PATIENCE).await.expect("cut");
    }
    assert_eq!(proxy(&world).seen().len(), 2, "each by a tunnel of its own");
}
