//! Devices that go: taken back, or away for too long.

use domain::EventType;
use store::model::Connected;

use super::world::{DAY, SECOND, World, held};

#[tokio::test]
async fn a_device_that_is_taken_back_holds_nothing_and_is_owed_nothing() {
    let mut world = World::new().await;
    let phone = world.phone("alice").await;
    let lost = world.phone("alice").await;
    world.send("alice").await;
    world.ack(&phone, 1).await;
    world.suspect(&lost).await;
    assert!(world.wake(&lost).await.is_some());
    let (sessions, _) = world.store().remove_device(lost.number, world.now).await.unwrap();
    assert_eq!(sessions, [lost.session]);
    let snapshot = world.look();
    assert!(snapshot.entries.is_empty(), "it was the last one to lack it");
    assert!(snapshot.wakes.is_empty() && snapshot.targets.len() == 1);
    assert!(world.claim_due().await.is_empty());
    let secret = lost.secret.unwrap();
    assert_eq!(world.store().device_by_secret(secret).await.unwrap().map(|found| found.name), None);
    // Its late end and its ack find nothing; with its secret it is nobody.
    world.end(&lost).await;
    let acked = world.ack_held(&lost, held(lost.epoch, 1, None), None).await.0;
    assert_eq!(acked, store::model::Acked::NoDevice);
    let mut hello = world.hello(&lost);
    hello.identity = store::model::Identity::Secret;
    assert!(matches!(world.connect_as(hello).await, Connected::BadSecret));
    let (again, _) = world.store().remove_device(lost.number, world.now).await.unwrap();
    assert!(again.is_empty());
    let events = world.events().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, EventType::DeviceRemoved);
    assert!(events[0].body.contains("taken_back"), "{}", events[0].body);
}

#[tokio::test]
async fn a_device_away_for_a_quarter_of_a_year_is_forgotten() {
    let mut world = World::new().await;
    let there = world.phone("alice").await;
    let away = world.sleeper("alice").await;
    let sweep = async |world: &World| {
        world.store().sweep(0, world.now).await.expect("swept");
        world.look().devices.len()
    };
    world.pass(DAY * 90 - SECOND);
    assert_eq!(sweep(&world).await, 2);
    world.pass(SECOND);
    assert_eq!(sweep(&world).await, 1);
    assert_eq!(world.look().devices[0].number, there.number, "who is connected is not away");
    let events = world.events().await;
    assert!(events[0].body.contains("\"away\""), "{}", events[0].body);
    assert!(events[0].body.contains(&away.name), "{}", events[0].body);
}
