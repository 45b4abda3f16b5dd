//! A backup that is put back, and what the first start makes of it.

use store::backup::{self, Sealed};

use super::backend::Backend;
use super::conformance::world::World;

#[tokio::test]
async fn who_was_live_and_behind_when_the_backup_was_made_is_woken_after_the_restore() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    let bob = world.phone("bob").await;
    world.send("alice").await;
    world.ring(&bob, "alice").await;
    assert!(world.wake(&alice).await.is_none(), "her session is there for it");
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy");
    backup::copy(&world.backend.options().dir, &copy).expect("copied beside the store");
    world.close();
    let restored = Backend::fresh();
    backup::restore(&copy, &restored.options().dir, Sealed::Keep).expect("restored");
    let (world, _) = World::found(restored).await;
    // The rules hold: the sides of the call are waited for too.
    let snapshot = world.look();
    assert!(snapshot.wake(alice.number).is_some());
    assert!(snapshot.sessions.is_empty());
}
