//! Broadcasts whose time is over before all devices were come to.

use domain::{DeviceNumber, Platform, PushId};
use store::model::{BroadcastRest, BroadcastStep, NewAudience, PushState};

use super::super::topics::names;
use super::super::world::{World, accepted};
use super::count;

impl World {
    /// Whoever is left of a broadcast.
    async fn rest(&self, push: PushId) -> Option<BroadcastRest> {
        let push = self.push_of(push).await;
        let after = push.cursor;
        self.store().broadcast_rest(push, after).await.expect("read")
    }

    /// The step that ends a broadcast because it is too late.
    fn too_late(&self, push: PushId, rest: BroadcastRest) -> BroadcastStep {
        BroadcastStep {
            push,
            cursor: rest.last,
            finished: true,
            accepted: 0,
            expired: rest.reachable,
            skipped: rest.unreachable,
            cleared: Vec::new(),
            others: Vec::new(),
            now: self.now,
        }
    }
}

#[tokio::test]
async fn whoever_is_left_when_it_is_too_late_is_counted_in_one_piece_and_once() {
    for audience in [NewAudience::All, NewAudience::Topic("news".to_owned())] {
        let mut world = World::new().await;
        let phones = world.sleepers(&["alice", "bob"]).await;
        let tablet = world.phone_of("bob", Platform::Android, None).await;
        let last = world.sleeper("carol").await;
        let all = [&phones[0], &phones[1], &tablet, &last];
        world.subscribe("news", names(&all)).await;
        let push = world.broadcast_to(audience).await.id;
        // Not part of it: it came later.
        let latecomer = world.sleeper("dave").await;
        world.subscribe("news", names(&[&latecomer])).await;
        let page = world.page(push, 1).await;
        world.store_step(&world.step_of(push, &page, |_| accepted())).await;

        let rest = world.rest(push).await.expect("three are left");
        let expected = BroadcastRest { last: last.number, reachable: 2, unreachable: 1 };
        assert_eq!(rest, expected);
        let step = world.too_late(push, rest);
        assert_eq!(world.store_step(&step).await, PushState::Done);
        let mut counts = count(|counts| (counts.accepted, counts.expired) = (1, 2));
        counts.skipped = 1;
        let over = world.push_of(push).await;
        assert_eq!((over.counts, over.ended_at), (counts, Some(world.now)));
        // Its answer was lost.
        world.kill().await;
        assert_eq!(world.store_step(&step).await, PushState::Done);
        assert_eq!(world.push_of(push).await.counts, counts);
        assert_eq!(world.rest(push).await, None);
        assert!(world.deliveries(push).await.is_empty(), "nobody has a row");
    }
}

#[tokio::test]
async fn a_listed_push_is_no_broadcast_and_has_no_rest() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    let push = world.push_to(&["alice"]).await;
    let push = world.push_of(push).await;
    let rest = world.store().broadcast_rest(push, DeviceNumber::from_number(0)).await;
    assert_eq!(rest.expect("read"), None);
}
