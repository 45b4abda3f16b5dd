//! Opening, closing, and a disk that is full.

use domain::Offset;
use store::Error;
use store::model::Accepted;

use super::Backend;
use super::world::World;

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_is_gone() {
    let mut world = World::new().await;
    let Err(error) = world.backend.open(&world.options) else { panic!("two processes, one store") };
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("in use") && text.contains("data_dir"), "{text}");
    // The first one is none the worse for it.
    let alice = world.sleeper("alice").await;
    world.send("alice").await;
    world.close();
    world.reopen().await;
    assert!(world.wake(&alice).await.is_some());
}

#[tokio::test]
async fn a_database_of_a_later_version_is_refused_and_left_alone() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    world.send("alice").await;
    world.close();
    let before = world.backend.snapshot();
    world.backend.look_away();
    world.backend.make_newer();
    for _ in 0..2 {
        let Err(error) = world.backend.open(&world.options) else { panic!("it is newer") };
        assert!(matches!(error, Error::Newer { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("1000") && text.contains("newer reveille"), "{text}");
    }
    assert_eq!(world.backend.snapshot(), before);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let backend = Backend::fresh();
    let mut options = backend.options();
    let file = options.dir.join("file");
    std::fs::write(&file, "in the way").expect("written");
    options.dir = file.join("data");
    let Err(error) = backend.open(&options) else { panic!("a directory in a file") };
    assert!(matches!(&error, Error::File { path, .. } if *path == options.dir), "{error}");
}

#[tokio::test]
async fn the_key_of_message_ids_goes_with_the_database() {
    let mut world = World::new().await;
    let key = world.store().id_key();
    world.restart().await;
    assert_eq!(world.store().id_key(), key);
    assert_ne!(World::new().await.store().id_key(), key);
}

#[tokio::test]
async fn everything_is_there_after_a_restart_and_after_a_kill() {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    for _ in 0..3 {
        world.send("alice").await;
    }
    world.connect(&mut alice).await;
    world.ack(&alice, 1).await;
    world.end(&alice).await;
    let before = world.look();
    world.restart().await;
    assert_eq!(world.look(), before);
    world.kill().await;
    assert_eq!(world.look(), before);
}

#[tokio::test]
async fn a_full_disk_is_said_and_loses_nothing_that_was_accepted() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    world.close();
    world.options = world.backend.small_disk();
    world.reopen().await;
    let long = |world: &mut World| {
        world.message_with(&["alice"], |content| content.body = "x".repeat(20_000))
    };
    let mut stored = Vec::new();
    let refused = loop {
        // Several at once, so that some share a commit with the one that does not fit.
        let sends: Vec<_> = (0..4).map(|_| long(&mut world)).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for send in sends {
            let store = world.store().clone();
            tasks.spawn(async move { (send.clone(), store.accept(send).await) });
        }
        let mut refused = None;
        while let Some(done) = tasks.join_next().await {
            match done.expect("a sender") {
                (send, Ok((Accepted::Stored { .. }, _))) => stored.push(send.message),
                (send, Err(error)) => refused = Some((send, error)),
                (_, Ok((other, _))) => panic!("{other:?}"),
            }
        }
        world.look();
        assert!(stored.len() < 1_000, "the disk never fills");
        if let Some(refused) = refused {
            break refused;
        }
    };
    let (send, error) = refused;
    assert!(matches!(error, Error::Full), "{error}");
    assert!(!stored.is_empty(), "the schema alone fills the disk; give it more room");
    assert!(error.to_string().contains("full"), "{error}");
    let readable = async |world: &World| {
        let entries = world.read(&alice, 0, 1_000).await.entries;
        let ids = entries.iter().map(|entry| entry.id.bits()).collect::<Vec<_>>();
        stored.iter().all(|message| ids.contains(&message.bits())) && ids.len() == stored.len()
    };
    assert!(readable(&world).await, "what was accepted is there, and nothing else");
    assert!(!world.claim_due().await.is_empty() || world.wake(&alice).await.is_some());
    world.kill().await;
    assert!(readable(&world).await);
    // With room again, the same send goes through.
    world.close();
    world.options = world.backend.options();
    world.reopen().await;
    let next = i64::try_from(stored.len()).expect("few") + 1;
    assert_eq!(world.send_this(send).await, Offset::from_number(next));
}
