//! Accept: offsets, what is stored for whom, idempotency, group commit.

use std::collections::BTreeSet;

use domain::Offset;
use store::model::{Accepted, EntryKind, RecipientFault};

use super::world::{DAY, NOON, SECOND, World, digest, offsets};

#[tokio::test]
async fn offsets_count_up_in_each_inbox_by_itself() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let bob = world.sleeper("bob").await;
    assert_eq!(world.send("alice").await.number(), 1);
    assert_eq!(world.send("alice").await.number(), 2);
    let both = world.message(&["bob", "alice"]);
    let (accepted, effects) = world.accept(both.clone()).await;
    let Accepted::Stored { at, mut entries, failed, own_copy: None, replayed } = accepted else {
        panic!("{accepted:?}");
    };
    entries.sort();
    assert_eq!(
        entries,
        [(alice.inbox, Offset::from_number(3)), (bob.inbox, Offset::from_number(1))]
    );
    assert_eq!((at, failed, replayed), (NOON, vec![], false));
    let mut nudges = effects.nudges;
    nudges.sort();
    assert_eq!(nudges, entries, "the sessions of both are told to look");
    let read = world.read(&alice, 0, 10).await;
    assert_eq!(offsets(&read), [1, 2, 3]);
    assert_eq!((read.head.number(), read.read_to.number()), (3, 3));
    let last = &read.entries[2];
    assert_eq!(last.id.bits(), both.message.bits());
    assert_eq!((last.created_at, last.expires_at), (NOON, both.content.expires_at));
    let expected = EntryKind::Message {
        message: both.message,
        from: None,
        thread: None,
        body: both.content.body.clone(),
    };
    assert_eq!(last.kind, expected);
}

#[tokio::test]
async fn a_stored_entry_never_changes() {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    let other = world.sleeper("alice").await;
    for _ in 0..3 {
        world.send("alice").await;
    }
    let before = world.read(&alice, 0, 10).await.entries;
    // What a read does not show, whether it wakes and how urgently, is looked at as well.
    world.look();
    world.connect(&mut alice).await;
    world.ack(&alice, 3).await;
    world.send("alice").await;
    world.restart().await;
    let after = world.read(&other, 0, 3).await.entries;
    assert_eq!(after, before);
    world.look();
}

#[tokio::test]
async fn many_at_once_get_their_offsets_without_a_hole_and_are_stored_when_answered() {
    const SENDERS: usize = 40;
    const EACH: usize = 25;
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    world.user("bob").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..SENDERS {
        let sends: Vec<_> = (0..EACH).map(|_| world.message(&["alice", "bob"])).collect();
        let store = world.store().clone();
        tasks.spawn(async move {
            let mut got = Vec::new();
            for send in sends {
                let message = send.message;
                let (accepted, _) = store.accept(send).await.expect("answered");
                let Accepted::Stored { entries, .. } = accepted else { panic!("{accepted:?}") };
                let stored = store.find_message(world_app(), message).await.expect("answered");
                assert_eq!(stored.as_ref(), Some(&entries), "answered means stored");
                got.push((entries[0].1.number(), message));
            }
            assert!(got.is_sorted(), "the sends of one sender keep their order");
            got
        });
    }
    let mut all = BTreeSet::new();
    while let Some(got) = tasks.join_next().await {
        all.extend(got.expect("a sender"));
    }
    world.look();
    let read = world.read(&alice, 0, SENDERS * EACH + 1).await;
    let stored = read.entries.iter().map(|entry| (entry.offset.number(), entry.id.bits()));
    assert!(stored.eq(all.iter().map(|(offset, message)| (*offset, message.bits()))));
    let last = i64::try_from(SENDERS * EACH).expect("small");
    assert_eq!(offsets(&read), (1..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_change_that_fails_takes_no_other_of_its_group_with_it() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    let again = store::model::Connect { session: alice.session, ..world.hello(&alice) };
    let taken = store::model::Connect { replaces: false, ..again };
    let store = world.store().clone();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..60 {
        let store = store.clone();
        let taken = taken.clone();
        let send = world.message(&["alice"]);
        tasks.spawn(async move {
            if n % 10 == 5 {
                // A session id that is in use: the row cannot be written.
                store.connect(taken).await.expect_err("a session id twice");
            } else {
                store.accept(send).await.expect("stored");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("every other change is made");
    }
    world.look();
    assert_eq!(world.read(&alice, 0, 100).await.entries.len(), 54);
}

#[tokio::test]
async fn the_same_send_again_is_answered_the_same_and_stored_once() {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    let send = world.message(&["nobody", "alice"]);
    let (first, _) = world.accept(send.clone()).await;
    let Accepted::Stored { at, failed, entries, own_copy: None, replayed: false } = first else {
        panic!("{first:?}");
    };
    assert_eq!(failed, [("nobody".to_owned(), RecipientFault::UnknownUser)]);
    // Meanwhile everything moves on: the message is acked and trimmed, the user appears.
    world.connect(&mut alice).await;
    world.ack(&alice, 1).await;
    world.user("nobody").await;
    world.pass(SECOND * 60);
    for restarts in 0..2 {
        let again = store::model::Accept { now: world.now, ..send.clone() };
        let (second, effects) = world.accept(again).await;
        let Accepted::Stored {
            at: at2, failed: failed2, entries: entries2, replayed: true, ..
        } = second
        else {
            panic!("{second:?} after {restarts} restarts");
        };
        assert_eq!((at2, &failed2, &entries2), (at, &failed, &entries));
        assert!(effects.born.is_empty() && effects.nudges.is_empty());
        world.restart().await;
    }
    assert_eq!(world.read(&alice, 0, 10).await.head.number(), 1);
}

#[tokio::test]
async fn the_same_id_with_another_request_is_refused() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let send = world.message(&["alice"]);
    world.send_this(send.clone()).await;
    // Another body, other recipients: the hash is of the whole request.
    let other = store::model::Accept { request: digest(99), ..send };
    let (accepted, _) = world.accept(other).await;
    assert!(matches!(accepted, Accepted::IdReused), "{accepted:?}");
    assert_eq!(offsets(&world.read(&alice, 0, 10).await), [1]);
}

#[tokio::test]
async fn the_same_send_at_once_from_many_is_stored_once() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let send = world.message(&["alice"]);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, send) = (world.store().clone(), send.clone());
        tasks.spawn(async move { store.accept(send).await.expect("answered").0 });
    }
    let mut fresh = 0;
    while let Some(accepted) = tasks.join_next().await {
        let accepted = accepted.expect("a sender");
        let Accepted::Stored { entries, replayed, .. } = accepted else { panic!("{accepted:?}") };
        assert_eq!(entries, [(alice.inbox, Offset::from_number(1))]);
        fresh += usize::from(!replayed);
    }
    assert_eq!(fresh, 1);
    world.look();
}

#[tokio::test]
async fn an_idempotency_key_is_kept_for_two_days() {
    for (after, kept) in [(DAY * 2 - SECOND, true), (DAY * 2 + SECOND, false)] {
        let mut world = World::new().await;
        let alice = world.phone("alice").await;
        let send = world.message(&["alice"]);
        world.send_this(send.clone()).await;
        world.ack(&alice, 1).await;
        world.pass(after);
        for slice in 0..=255 {
            world.store().sweep(slice, world.now).await.expect("swept");
        }
        let found = world.store().find_message(world.app, send.message).await.expect("read");
        assert_eq!(found.is_some(), kept);
        // A resend after that has the same id, so that the client drops it.
        let again = store::model::Accept { now: world.now, ..send.clone() };
        let (accepted, _) = world.accept(again).await;
        let Accepted::Stored { replayed, entries, .. } = accepted else { panic!("{accepted:?}") };
        assert_eq!((replayed, entries[0].1.number()), (kept, if kept { 1 } else { 2 }));
    }
}

#[tokio::test]
async fn a_send_that_nobody_can_take_stores_nothing_and_may_be_tried_again() {
    let mut world = World::new().await;
    let send = world.message(&["carol", "dave"]);
    let before = world.look();
    let (accepted, effects) = world.accept(send.clone()).await;
    let Accepted::NoRecipient(failed) = accepted else { panic!("{accepted:?}") };
    let expected = ["carol", "dave"].map(|user| (user.to_owned(), RecipientFault::UnknownUser));
    assert_eq!(failed, expected);
    assert!(effects.nudges.is_empty());
    assert_eq!(world.look(), before);
    world.user("dave").await;
    let (accepted, _) = world.accept(send).await;
    let Accepted::Stored { failed, entries, replayed: false, .. } = accepted else {
        panic!("{accepted:?}");
    };
    assert_eq!((failed.len(), entries.len()), (1, 1));
}

#[tokio::test]
async fn a_recipient_named_twice_gets_it_once() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let send = world.message(&["alice", "alice"]);
    world.send_this(send).await;
    assert_eq!(offsets(&world.read(&alice, 0, 10).await), [1]);
}

#[tokio::test]
async fn the_senders_other_devices_get_a_copy_that_never_wakes() {
    let mut world = World::new().await;
    let bob = world.sleeper("bob").await;
    let alone = world.phone("alice").await;
    let first = world.message_from(&alone, &["bob"]);
    world.accept(first).await;
    assert_eq!(world.read(&alone, 0, 10).await.head.number(), 0, "no other device, no copy");
    let tablet = world.sleeper("alice").await;
    let second = world.message_from(&alone, &["bob", "nobody"]);
    // Whoever sent it is told where the copy is, also when asked again.
    for again in [false, true] {
        let (accepted, _) = world.accept(second.clone()).await;
        let Accepted::Stored { own_copy, replayed, .. } = accepted else { panic!("{accepted:?}") };
        assert_eq!((own_copy, replayed), (Some((tablet.epoch, Offset::from_number(1))), again));
    }
    let read = world.read(&tablet, 0, 10).await;
    let expected = EntryKind::OwnCopy {
        message: second.message,
        to: vec!["bob".to_owned(), "nobody".to_owned()],
        thread: None,
        body: second.content.body.clone(),
    };
    assert_eq!(read.entries.iter().map(|entry| &entry.kind).collect::<Vec<_>>(), [&expected]);
    assert!(world.wake(&tablet).await.is_none());
    assert!(world.wake(&bob).await.is_some());
    let read = world.read(&bob, 0, 10).await;
    let from: Vec<_> = read
        .entries
        .iter()
        .map(|entry| match &entry.kind {
            EntryKind::Message { from, .. } => from.as_deref(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(from, [Some("alice"), Some("alice")]);
}

/// The app every world has first.
fn world_app() -> domain::AppId {
    domain::AppId::from_number(1)
}
