//! Tokens and credentials that change while something is under way.

use domain::wake::Phase;
use domain::{Diagnosis, Reason, RetryRule, TargetKind, TokenVerdict};
use store::model::{SetTarget, TargetSet};

use super::super::world::{Phone, SECOND, World, accepted, credential, refused};
use super::Order;

#[tokio::test]
async fn a_token_that_moves_to_another_device_during_a_wake() {
    let gone = || {
        refused(
            Diagnosis::BadPushToken,
            RetryRule::WhenChanged,
            TokenVerdict::Drop { invalid_since: None },
        )
    };
    for order in Order::ALL {
        for outcome in [accepted(), gone()] {
            let mut world = World::new().await;
            let alice = world.sleeper("alice").await;
            let bob = world.sleeper("bob").await;
            world.send("alice").await;
            let claimed = world.claim_one().await;
            let token = token_of(&alice);
            let settle = world.settlement(&claimed, outcome.clone());
            let store = world.store();
            let moves = store.set_target(target(&world, &bob, &token));
            let (settled, moved) = order.run(store.settle(settle), moves).await;
            assert!(!settled.expect("settled").stale);
            let TargetSet::Yes { .. } = moved.expect("moved") else { panic!("a token moves") };
            let snapshot = world.look();
            let holders: Vec<_> = snapshot
                .targets
                .iter()
                .filter(|target| target.token == token)
                .map(|target| target.device)
                .collect();
            assert_eq!(holders, [bob.number], "{order:?}: what was said of alice is not of bob");
            let wake = world.wake(&alice).await.expect("open").wake;
            assert_eq!((wake.phase, wake.reason), (Phase::Parked, Reason::NoTarget), "{order:?}");
            world.pass(SECOND * 100);
            assert!(world.claim_due().await.is_empty());
            // A new token brings the wake back.
            world.set_target(&alice, TargetKind::Fcm, "another").await;
            assert_eq!(world.claim_one().await.target.token, "another");
        }
    }
}

#[tokio::test]
async fn one_token_registered_by_two_devices_at_once() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let alice = world.sleeper("alice").await;
        let bob = world.sleeper("bob").await;
        let store = world.store();
        let (first, second) = order
            .run(
                store.set_target(target(&world, &alice, "one")),
                store.set_target(target(&world, &bob, "one")),
            )
            .await;
        let mut moved = 0;
        for set in [first.expect("set"), second.expect("set")] {
            let TargetSet::Yes { moved_from, .. } = set else { panic!("{set:?}") };
            moved += moved_from.len();
        }
        assert_eq!(moved, 1, "{order:?}: the earlier one lost it, and is told of");
        let snapshot = world.look();
        assert_eq!(snapshot.targets.iter().filter(|target| target.token == "one").count(), 1);
    }
}

#[tokio::test]
async fn accept_against_the_first_target() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let alice = world.phone_of("alice", domain::Platform::Android, None).await;
        world.end(&alice).await;
        let send = world.message(&["alice"]);
        let store = world.store();
        let (sent, set) =
            order.run(store.accept(send), store.set_target(target(&world, &alice, "new"))).await;
        sent.expect("stored");
        set.expect("set");
        world.look();
        assert_eq!(world.claim_one().await.target.token, "new", "{order:?}");
    }
}

/// A verdict on what was sent before a change says nothing about what holds after it.
#[tokio::test]
async fn a_credential_that_changes_while_an_attempt_is_on_its_way() {
    for order in Order::ALL {
        let mut world = World::new().await;
        let alice = world.sleeper("alice").await;
        world.send("alice").await;
        let claimed = world.claim_one().await;
        world.pass(SECOND);
        let broken =
            refused(Diagnosis::CertificateError, RetryRule::WhenChanged, TokenVerdict::Keep);
        let settle = world.settlement(&claimed, broken);
        let store = world.store();
        let credential =
            store.add_credential(credential(world.app, "fcm_service_account", 1, world.now));
        let (settled, added) = order.run(store.settle(settle), credential).await;
        assert!(!settled.expect("settled").stale);
        added.expect("added");
        world.look();
        let wake = world.wake(&alice).await.expect("open").wake;
        assert_ne!(wake.phase, Phase::Parked, "{order:?}: nobody would look at it again");
    }
}

/// The same for a token that the app registered anew meanwhile.
#[tokio::test]
async fn a_token_that_is_replaced_while_an_attempt_is_on_its_way() {
    let verdicts =
        [TokenVerdict::Keep, TokenVerdict::Suspect, TokenVerdict::Drop { invalid_since: None }];
    for order in Order::ALL {
        for verdict in verdicts {
            let mut world = World::new().await;
            let alice = world.sleeper("alice").await;
            world.send("alice").await;
            let claimed = world.claim_one().await;
            world.pass(SECOND);
            let bad = refused(Diagnosis::BadPushToken, RetryRule::WhenChanged, verdict);
            let settle = world.settlement(&claimed, bad);
            let store = world.store();
            let replaced = store.set_target(target(&world, &alice, "new"));
            let (settled, set) = order.run(store.settle(settle), replaced).await;
            assert!(!settled.expect("settled").stale);
            set.expect("set");
            world.look();
            let claimed = world.claim_due().await;
            let tokens: Vec<_> = claimed.iter().map(|claimed| &*claimed.target.token).collect();
            assert_eq!(tokens, ["new"], "{order:?} {verdict:?}");
        }
    }
}

fn token_of(phone: &Phone) -> String {
    format!("token of {}", phone.name)
}

fn target(world: &World, phone: &Phone, token: &str) -> SetTarget {
    SetTarget {
        device: phone.number,
        kind: TargetKind::Fcm,
        token: token.to_owned(),
        environment: None,
        app_id: Some("com.example.chat".to_owned()),
        now: world.now,
    }
}
