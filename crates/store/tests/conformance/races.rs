//! Two things at once: one before the other, the other before the one, and both together.
//!
//! A store may take them in any order, or in one commit. Whatever it does, the state after it must
//! be one that both orders allow, and [`super::snapshot`]'s rules hold at every commit between.

mod targets;

use std::future::Future;
use std::time::Duration;

use domain::wake::{Phase, Rung};
use domain::{Offset, Urgency};
use store::model::{Acked, Connect};

use super::world::{GRACE, Phone, SECOND, World, accepted, held};

/// In which order two changes are asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    FirstThenSecond,
    SecondThenFirst,
    Together,
}

impl Order {
    const ALL: [Self; 3] = [Self::FirstThenSecond, Self::SecondThenFirst, Self::Together];

    async fn run<A, B>(
        self,
        first: impl Future<Output = A>,
        second: impl Future<Output = B>,
    ) -> (A, B) {
        match self {
            Self::FirstThenSecond => {
                let first = first.await;
                (first, second.await)
            }
            Self::SecondThenFirst => {
                let second = second.await;
                (first.await, second)
            }
            Self::Together => tokio::join!(first, second),
        }
    }
}

fn at(offset: i64) -> Offset {
    Offset::from_number(offset)
}

#[tokio::test]
async fn accept_against_session_end() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let alice = world.phone("alice").await;
        let send = world.message(&["alice"]);
        let store = world.store();
        let (sent, ended) =
            order.run(store.accept(send), store.end_session(alice.session, world.now)).await;
        sent.expect("stored");
        ended.expect("ended");
        world.look();
        let claimed = world.claim_one().await;
        assert_eq!((claimed.key.device, claimed.plan.covers), (alice.number, at(1)), "{order:?}");
    }
}

#[tokio::test]
async fn accept_against_connect() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let alice = world.sleeper("alice").await;
        let (send, hello) = (world.message(&["alice"]), world.hello(&alice));
        let session = hello.session;
        let store = world.store();
        let (sent, connected) = order.run(store.accept(send), store.connect(hello)).await;
        sent.expect("stored");
        connected.expect("connected");
        world.look();
        assert!(world.claim_due().await.is_empty(), "{order:?}: no push to the awake");
        let alice = Phone { session, ..alice };
        world.end(&alice).await;
        assert_eq!(world.claim_due().await.len(), 1, "{order:?}");
    }
}

#[tokio::test]
async fn accept_against_suspect() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let alice = world.phone("alice").await;
        let send = world.message(&["alice"]);
        let store = world.store();
        let (sent, marked) =
            order.run(store.accept(send), store.suspect(alice.session, world.now)).await;
        sent.expect("stored");
        marked.expect("marked");
        world.look();
        assert_eq!(world.claim_due().await.len(), 1, "{order:?}");
    }
}

#[tokio::test]
async fn accept_against_an_ack_of_all_before() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let alice = world.sleeper("alice").await;
        world.send("alice").await;
        let send = world.message(&["alice"]);
        let store = world.store();
        let ack = store.ack(alice.number, held(alice.epoch, 1, None), None, world.now);
        let (sent, acked) = order.run(store.accept(send), ack).await;
        sent.expect("stored");
        assert_eq!(acked.expect("acked").0, Acked::Progress(at(1)));
        world.look();
        world.pass(SECOND * 30);
        let claimed = world.claim_one().await;
        assert_eq!((claimed.plan.covers, claimed.plan.count), (at(2), 1), "{order:?}");
    }
}

#[tokio::test]
async fn claim_against_ack() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let alice = world.sleeper("alice").await;
        world.send("alice").await;
        let (lane, _) = world.store().lanes_due().await.expect("read")[0];
        let store = world.store();
        let ack = store.ack(alice.number, held(alice.epoch, 1, None), None, world.now);
        let claim = store.claim(lane, 9, world.incarnation, world.now);
        let (claimed, acked) = order.run(claim, ack).await;
        assert_eq!(acked.expect("acked").0, Acked::Progress(at(1)));
        let (claimed, _) = claimed.expect("claimed");
        world.look();
        assert!(world.wake(&alice).await.is_none(), "{order:?}: nothing is owed");
        match order {
            Order::FirstThenSecond => assert_eq!(claimed.len(), 1),
            Order::SecondThenFirst => assert!(claimed.is_empty(), "no push to the awake"),
            Order::Together => {}
        }
        for claimed in claimed {
            assert!(world.settle(&claimed, accepted()).await.stale);
            assert!(world.wake(&alice).await.is_none());
        }
    }
}

#[tokio::test]
async fn settle_against_a_newer_message() {
    for order in Order::ALL {
        for (urgency, wait) in [(Urgency::Normal, SECOND * 30), (Urgency::High, Duration::ZERO)] {
            let mut world = World::new().await;
            let alice = world.sleeper("alice").await;
            world.send("alice").await;
            let claimed = world.claim_one().await;
            let send = world.message_with(&["alice"], |content| content.urgency = urgency);
            let settle = world.settlement(&claimed, accepted());
            let store = world.store();
            let (settled, sent) = order.run(store.settle(settle), store.accept(send)).await;
            assert!(!settled.expect("settled").stale);
            sent.expect("stored");
            world.look();
            let wake = world.wake(&alice).await.expect("two are owed").wake;
            assert_eq!((wake.pushed, wake.rung), (at(1), Rung::Alert), "{order:?}");
            assert_eq!(wake.due(), Some(world.now.plus(wait)), "{order:?} {urgency:?}");
            world.pass(wait);
            assert_eq!(world.claim_one().await.plan.covers, at(2));
        }
    }
}

#[tokio::test]
async fn settle_of_an_alert_against_a_newer_message() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let alice = world.sleeper("alice").await;
        world.send("alice").await;
        let claimed = world.claim_one().await;
        world.settle(&claimed, accepted()).await;
        world.pass(SECOND * 30);
        let alert = world.claim_one().await;
        let send = world.message(&["alice"]);
        let settle = world.settlement(&alert, accepted());
        let store = world.store();
        let (settled, sent) = order.run(store.settle(settle), store.accept(send)).await;
        assert!(!settled.expect("settled").stale);
        sent.expect("stored");
        world.look();
        let wake = world.wake(&alice).await.expect("two are owed").wake;
        let soon = world.now.plus(domain::wake::ALERT_SPACING);
        assert_eq!((wake.rung, wake.due()), (Rung::Alert, Some(soon)), "{order:?}");
    }
}

#[tokio::test]
async fn the_late_close_of_a_replaced_session_against_the_connect_that_replaces_it() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let alice = world.phone("alice").await;
        world.send("alice").await;
        let hello = world.hello(&alice);
        let new = Phone { session: hello.session, ..alice.clone() };
        let store = world.store();
        let (connected, ended) =
            order.run(store.connect(hello), store.end_session(alice.session, world.now)).await;
        connected.expect("connected");
        ended.expect("ended");
        assert!(world.look().lives(alice.number), "{order:?}");
        assert!(world.claim_due().await.is_empty(), "{order:?}: no push to the awake");
        world.end(&new).await;
        assert_eq!(world.claim_due().await.len(), 1, "{order:?}");
    }
}

#[tokio::test]
async fn a_lapsed_lease_against_its_successor() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let alice = world.sleeper("alice").await;
        world.send("alice").await;
        let first = world.claim_one().await;
        world.pass(domain::wake::LAPSE);
        let settle = world.settlement(&first, accepted());
        let store = world.store();
        let claim = store.claim(first.lane, 9, world.incarnation, world.now);
        let (settled, claimed) = order.run(store.settle(settle), claim).await;
        let (claimed, _) = claimed.expect("claimed");
        let stale = settled.expect("settled").stale;
        world.look();
        assert_eq!(stale, claimed.len() == 1, "{order:?}: one of them had it");
        match order {
            Order::FirstThenSecond => assert!(!stale),
            Order::SecondThenFirst => assert!(stale),
            Order::Together => {}
        }
        let wake = world.wake(&alice).await.expect("open").wake;
        if let Some(second) = claimed.first() {
            assert_eq!(second.plan.lapsed, Some(first.plan.attempt));
            assert!(matches!(wake.phase, Phase::Claimed(open) if open.id == second.plan.attempt));
        } else {
            assert_eq!((wake.rung, wake.pushed), (Rung::Alert, at(1)));
        }
    }
}

#[tokio::test]
async fn suspect_against_ack() {
    for order in Order::ALL {
        for messages in [1, 2] {
            let mut world = World::new().await;
            let alice = world.phone("alice").await;
            for _ in 0..messages {
                world.send("alice").await;
            }
            let store = world.store();
            let ack =
                store.ack(alice.number, held(alice.epoch, 1, None), Some(alice.session), world.now);
            let (marked, acked) = order.run(store.suspect(alice.session, world.now), ack).await;
            marked.expect("marked");
            assert_eq!(acked.expect("acked").0, Acked::Progress(at(1)));
            let snapshot = world.look();
            assert!(messages == 2 || snapshot.wakes.is_empty(), "{order:?}: nothing is owed");
            if order == Order::FirstThenSecond {
                assert!(snapshot.lives(alice.number), "the progress came later");
            }
            // Whichever was last, the next message finds its way.
            world.send("alice").await;
            if !world.look().lives(alice.number) {
                world.pass(SECOND * 30);
                assert_eq!(world.claim_due().await.len(), 1, "{order:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_kill_between_accept_and_push() {
    for born in [false, true] {
        let mut world = World::new().await;
        let alice = world.sleeper("alice").await;
        let birth = born.then(|| world.birth(1));
        let send = store::model::Accept { birth, ..world.message(&["alice"]) };
        let (_, effects) = world.accept(send.clone()).await;
        assert_eq!(effects.born.len(), usize::from(born));
        let started = world.kill().await;
        assert!(!born || !started.due.is_empty());
        let claimed = world.claim_one().await;
        assert_eq!((claimed.key.device, claimed.plan.covers), (alice.number, at(1)));
        assert_eq!(claimed.plan.lapsed, effects.born.first().map(|born| born.plan.attempt));
        // The sender, who had its answer, asks again all the same.
        let (again, _) = world.accept(send).await;
        assert!(matches!(again, store::model::Accepted::Stored { replayed: true, .. }));
    }
}

#[tokio::test]
async fn a_kill_with_a_session_at_work() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    world.send("alice").await;
    world.ack(&alice, 1).await;
    world.send("alice").await;
    world.kill().await;
    world.pass(GRACE);
    let claimed = world.claim_one().await;
    assert_eq!((claimed.after, claimed.plan.covers), (at(1), at(2)));
}

#[tokio::test]
async fn signing_in_as_another_user_against_a_message_to_the_first() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let mut phone = world.phone("alice").await;
        world.connect(&mut phone).await;
        let bob = world.user("bob").await;
        let hello = world.hello(&phone);
        let identity = store::model::Identity::User { app: world.app, inbox: bob };
        let send = world.message(&["alice"]);
        let store = world.store();
        let connect = store.connect(Connect { identity, ..hello });
        let (connected, sent) = order.run(connect, store.accept(send)).await;
        connected.expect("connected");
        sent.expect("stored");
        assert!(world.look().wakes.is_empty(), "{order:?}: alice has no device to wake");
        // Her next device gets it.
        let next = world.phone("alice").await;
        assert_eq!(world.read(&next, 0, 9).await.entries.len(), 1);
    }
}

#[tokio::test]
async fn a_trim_against_a_new_device() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let phone = world.phone("alice").await;
        for _ in 0..3 {
            world.send("alice").await;
        }
        let hello = Connect { device: "tablet".to_owned(), secret: None, ..world.hello(&phone) };
        let store = world.store();
        let ack = store.ack(phone.number, held(phone.epoch, 2, None), None, world.now);
        let (acked, connected) = order.run(ack, store.connect(hello)).await;
        acked.expect("acked");
        let store::model::Connected::Yes(tablet) = connected.expect("answered") else {
            panic!("let in");
        };
        let snapshot = world.look();
        let cursor = snapshot.device(tablet.device).cursor;
        assert!(cursor >= snapshot.inbox(phone.inbox).floor, "{order:?}: what is left, it gets");
        let read = world.read(&phone, cursor.number(), 9).await;
        let expected: Vec<_> = (cursor.number() + 1..=3).collect();
        assert_eq!(super::world::offsets(&read), expected, "{order:?}");
    }
}
