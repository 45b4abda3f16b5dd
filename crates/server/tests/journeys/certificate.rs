//! Apple's other way: a `.p12` certificate instead of a `.p8` key.

use sim::phone::{PhoneEvent, Platform, Via};
use sim::world::{ApnsAuth, World, WorldOptions};

use super::{PATIENCE, SERVER};

#[tokio::test]
async fn a_certificate_wakes_an_iphone_and_rings_it() {
    let options = WorldOptions { apns: ApnsAuth::Certificate, ..WorldOptions::new(SERVER) };
    let world = World::start(options).await.expect("the world starts");
    let sender = world.phone("bob", Platform::Android, "bob's phone").await.expect("a phone");
    sender.launch().await.expect("it connects");
    let phone = world.phone("alice", Platform::Ios, "alice's iPhone").await.expect("a phone");
    phone.launch().await.expect("it connects");
    phone.suspend().await;
    sender.send("alice", "wake up").await.expect("accepted");
    phone.wait_messages(1, PATIENCE).await.expect("received");
    phone.wait_life(sim::phone::Life::Suspended, PATIENCE).await.expect("suspended again");
    let mark = phone.mark();
    let call = sender.start_call("alice", "Bob");
    let rings = |event: &PhoneEvent| matches!(event, PhoneEvent::CallScreen { via: Via::Push, .. });
    phone.wait_since(mark, rings, PATIENCE).await.expect("it rings");
    call.cancel();
    let seen = world.apns().seen();
    assert!(
        seen.iter().all(|push| push.header("authorization").is_none()),
        "a token beside the certificate"
    );
    let topics: Vec<_> = seen.iter().filter_map(|push| push.header("apns-topic")).collect();
    assert!(topics.contains(&"com.example.reveille.voip"), "{topics:?}");
}
