//! What is counted for whoever watches over the process, and what the way of a push is measured by.

use domain::Platform;
use store::model::{Standing, Waiting, Written};

use super::world::{SECOND, World, accepted, users};

async fn standing(world: &World) -> Standing {
    world.store().standing(world.now).await.expect("read")
}

#[tokio::test]
async fn wakes_are_counted_by_what_they_wait_for() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    world.sleeper("bob").await;
    let carol = world.phone_of("carol", Platform::Other, None).await;
    world.end(&carol).await;
    let message = world.message(&["alice", "bob", "carol"]);
    world.accept(message).await;
    let waiting = Waiting { due: 2, later: 0, under_way: 0, parked: 1 };
    assert_eq!(standing(&world).await.message_wakes, waiting);
    let claimed = world.claim_due().await;
    let waiting = Waiting { due: 0, later: 0, under_way: 2, parked: 1 };
    assert_eq!(standing(&world).await.message_wakes, waiting);
    world.settle(&claimed[0], accepted()).await;
    let waiting = Waiting { due: 0, later: 1, under_way: 1, parked: 1 };
    assert_eq!(standing(&world).await.message_wakes, waiting);
    assert_eq!(standing(&world).await.call_wakes, Waiting::default());
}

#[tokio::test]
async fn deliveries_are_counted_until_they_are_over() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    world.sleeper("bob").await;
    world.push_to(&["alice", "bob"]).await;
    let waiting = Waiting { due: 2, ..Waiting::default() };
    assert_eq!(standing(&world).await.deliveries, waiting);
    let claimed = world.claim_deliveries_due().await;
    let waiting = Waiting { under_way: 2, ..Waiting::default() };
    assert_eq!(standing(&world).await.deliveries, waiting);
    for delivery in &claimed {
        world.settle_delivery(delivery, accepted()).await;
    }
    assert_eq!(standing(&world).await.deliveries, Waiting::default());
}

#[tokio::test]
async fn the_writer_counts_what_it_commits() {
    let mut world = World::new().await;
    let before = world.store().written();
    world.sleeper("alice").await;
    let Written { commits, changes, busy, waiting } = world.store().written();
    assert!(commits > before.commits && changes >= before.changes + (commits - before.commits));
    assert!(busy > before.busy);
    assert_eq!(waiting, 0);
}

/// However long a device takes, the way from push to connect is measured once.
#[tokio::test]
async fn the_first_connect_after_a_push_learns_when_it_went_out_and_no_other() {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    world.send("alice").await;
    let claimed = world.claim_one().await;
    assert_eq!(claimed.first_since, Some(world.now));
    world.settle(&claimed, accepted()).await;
    let pushed_at = world.now;
    world.pass(SECOND * 40);
    // The next rung is not the first push; it is the last, though.
    let again = world.claim_one().await;
    assert_eq!(again.first_since, None);
    world.restart().await;
    assert_eq!(world.connect(&mut alice).await.pushed_at, Some(pushed_at));
    world.end(&alice).await;
    assert_eq!(world.connect(&mut alice).await.pushed_at, None);
}

#[tokio::test]
async fn a_delivery_is_measured_from_when_it_was_to_be_sent_and_on_its_first_try_alone() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    let mut push = world.new_push(users(&["alice"]));
    push.send_at = world.now.plus(SECOND * 60);
    push.expires_at = push.send_at.plus(SECOND * 600);
    world.push(&push).await;
    world.pass(SECOND * 90);
    let claimed = world.claim_delivery().await;
    assert_eq!(claimed.first_since, Some(push.send_at));
    let unknown = domain::Outcome::Unknown { detail: "no answer".to_owned() };
    world.settle_delivery(&claimed, unknown).await;
    world.pass(SECOND * 60);
    assert_eq!(world.claim_delivery().await.first_since, None);
}
