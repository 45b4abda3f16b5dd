//! A call that its callee does not take. Who decides that is not here yet, so the test writes it.

use domain::call::{CallInput, EndReason};
use rusqlite::Connection;
use store::model::CallMoved;

use super::conformance::world::{Phone, SECOND, World};

#[tokio::test]
async fn a_silent_call_is_none_for_its_callee_and_goes_unanswered_for_its_caller() {
    let mut world = World::new().await;
    let mut bob = world.phone("bob").await;
    let mut alice = world.sleeper("alice").await;
    let (record, _) = world.ring(&bob, "alice").await;
    let outside = Connection::open(world.backend.file()).expect("it opens");
    outside.execute("UPDATE calls SET silent = 1", []).expect("written");
    drop(outside);
    let seen = async |world: &World, phone: &Phone| {
        let found = world.store().call_of(world.app, record.id, phone.number, phone.inbox);
        found.await.expect("read").is_some()
    };
    assert!(seen(&world, &bob).await && !seen(&world, &alice).await);
    assert!(world.connect(&mut alice).await.calls.is_empty(), "it never hears of it");
    assert_eq!(world.connect(&mut bob).await.calls.len(), 1);
    for input in [CallInput::Answer(alice.number), CallInput::Decline] {
        let (moved, _) = world.play(&record, Some(&alice), input).await;
        assert!(matches!(moved, CallMoved::Unknown), "{moved:?}");
    }
    let rings = world.store().ringing(world.app, record.id, alice.number, alice.inbox).await;
    assert!(rings.expect("answered").0.is_none());
    world.end(&alice).await;
    world.pass(SECOND * 45);
    let (moved, _) = world.play(&record, None, CallInput::Tick).await;
    let CallMoved::Changed { record, .. } = moved else { panic!("{moved:?}") };
    assert_eq!(record.ended(), Some(EndReason::Unanswered));
    assert!(world.read(&alice, 0, 10).await.entries.is_empty(), "no missed call");
    assert!(world.connect(&mut alice).await.calls.is_empty());
    assert_eq!(world.connect(&mut bob).await.calls.len(), 1);
}
