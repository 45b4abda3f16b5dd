//! Budgets of devices: what waits for room, and what does not.

use domain::delivery::PushKind;
use domain::wake::Rung;
use store::model::NewPush;

use super::world::{SECOND, World, accepted};

impl World {
    /// A push nobody sees; says how many go out now.
    async fn background(&mut self, user: &str) -> usize {
        let new = self.push_of_kind(PushKind::Background, user);
        self.push(&new).await;
        let claimed = self.claim_deliveries_due().await;
        for claimed in &claimed {
            self.settle_delivery(claimed, accepted()).await;
        }
        claimed.len()
    }
}

#[tokio::test]
async fn apples_background_budget_is_one_for_wakes_and_direct_pushes() {
    let mut world = World::new().await;
    let mut alice = world.iphone("alice").await;
    world.sleeper("bob").await;
    assert_eq!(world.background("alice").await, 1);
    // A wake spends of it too.
    world.send("alice").await;
    let claimed = world.claim_one().await;
    assert_eq!(claimed.plan.rung, Rung::Background);
    world.settle(&claimed, accepted()).await;
    world.pass(SECOND * 600);
    assert_eq!(world.background("alice").await, 1);
    // The fourth of the hour waits for the first to be an hour old; an alert does not.
    world.pass(SECOND * 600);
    assert_eq!(world.background("alice").await, 0);
    let new = world.push_of_kind(PushKind::Alert, "alice");
    world.push(&new).await;
    let alert = world.claim_delivery().await;
    world.settle_delivery(&alert, accepted()).await;
    // A wake goes to the next rung instead of waiting.
    world.connect(&mut alice).await;
    world.ack(&alice, 1).await;
    world.end(&alice).await;
    world.send("alice").await;
    assert_eq!(world.claim_one().await.plan.rung, Rung::Alert);
    world.pass(SECOND * 2_400 - SECOND);
    let of_alice = async |world: &World| {
        let claimed = world.claim_deliveries_due().await;
        claimed.into_iter().filter(|claimed| claimed.kind == PushKind::Background).count()
    };
    assert_eq!(of_alice(&world).await, 0);
    world.pass(SECOND);
    assert_eq!(of_alice(&world).await, 1);
    // Google counts otherwise.
    for _ in 0..5 {
        assert_eq!(world.background("bob").await, 1);
    }
}

#[tokio::test]
async fn direct_pushes_to_an_android_phone_wait_for_what_google_takes_for_one_device() {
    let mut world = World::new().await;
    world.sleeper("bob").await;
    let mut sent = 0;
    while world.background("bob").await == 1 {
        sent += 1;
        assert!(sent < 240, "Google takes no more in a minute");
    }
    assert_eq!(sent, 120);
    // A wake does not wait, and is counted.
    world.send("bob").await;
    let claimed = world.claim_one().await;
    world.settle(&claimed, accepted()).await;
    // The one that waited goes when there is room, after a restart as well.
    world.restart().await;
    assert_eq!(world.claim_deliveries_due().await.len(), 0);
    world.pass(SECOND);
    assert_eq!(world.claim_deliveries_due().await.len(), 1);
}

#[tokio::test]
async fn a_background_push_that_waits_for_room_longer_than_it_is_of_use_expires() {
    let mut world = World::new().await;
    world.iphone("alice").await;
    for _ in 0..3 {
        assert_eq!(world.background("alice").await, 1);
    }
    world.pass(SECOND * 60);
    let new = world.push_of_kind(PushKind::Background, "alice");
    let new = NewPush { expires_at: world.now.plus(SECOND * 60), ..new };
    let push = world.push(&new).await.0.id;
    let claimed = world.claim_deliveries_due().await;
    assert!(claimed.iter().all(|claimed| claimed.key.push != push));
    world.pass(SECOND * 60);
    world.claim_deliveries_due().await;
    assert_eq!(world.push_of(push).await.counts.expired, 1);
}
