//! Networks that drop, stall and return, with a message in between.

use std::time::Duration;

use sim::phone::{Network, Phone, PhoneEvent, Platform};
use sim::world::{Tuning, World, WorldOptions};

use super::{PATIENCE, SERVER, sender, woken};

/// A world whose server soon suspects a session that acknowledges nothing.
async fn impatient_world() -> World {
    let deadline = Some(Duration::from_millis(300));
    let tuning = Tuning { ack_deadline: deadline, ..Tuning::default() };
    let options = WorldOptions { tuning, ..WorldOptions::new(SERVER) };
    World::start(options).await.expect("the world starts")
}

/// Waits until some push of a wake was taken for the phone, whatever became of it.
async fn pushed(world: &World, message: &str) {
    let pushed = async {
        loop {
            let timeline = world.timeline(message).await.expect("a timeline");
            let taken =
                timeline.items.iter().any(|it| it.step == "push" && it.reason == "accepted");
            if taken {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, pushed).await.expect("a push was accepted");
}

fn count(phone: &Phone, wanted: fn(&PhoneEvent) -> bool) -> usize {
    phone.events().iter().filter(|logged| wanted(&logged.event)).count()
}

#[tokio::test]
async fn a_phone_that_lost_its_network_is_pushed_and_gets_the_message_once_when_it_is_back() {
    for platform in [Platform::Ios, Platform::Android] {
        let world = impatient_world().await;
        let phone = world.phone("alice", platform, "alice's phone").await.expect("a phone");
        phone.launch().await.expect("it connects");
        let sender = sender(&world).await;
        for network in [Network::Off, Network::Stalled] {
            phone.set_network(network);
            let mark = phone.mark();
            let accepted = sender.send("alice", "are you there?").await.expect("accepted");
            // The session lives as far as TCP knows; it is the deadline that tells.
            pushed(&world, &accepted.id).await;
            let came = count(&phone, woken);
            phone.set_network(Network::On);
            phone.wait_since(mark, woken, PATIENCE).await.expect("the message comes");
            let arrived = |event: &PhoneEvent| matches!(event, PhoneEvent::PushArrived { .. });
            phone.wait_since(mark, arrived, PATIENCE).await.expect("the push that waited comes");
            assert_eq!(count(&phone, woken), came + 1, "{platform:?} {network:?}");
        }
    }
}
