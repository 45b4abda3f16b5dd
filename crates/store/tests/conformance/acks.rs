//! Positions: cursors, acks, epochs, receipts.

use domain::{EntryId, Offset};
use store::model::{Acked, Connect, EntryKind, ReceiptRow, ReceiptState};

use super::world::{NOON, Phone, SECOND, World, held, offsets};

fn at(offset: i64) -> Offset {
    Offset::from_number(offset)
}

/// A user with a sleeping phone and four messages.
async fn four() -> (World, Phone) {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    for _ in 0..4 {
        world.send("alice").await;
    }
    world.connect(&mut alice).await;
    (world, alice)
}

#[tokio::test]
async fn the_first_device_starts_at_the_floor_and_a_later_one_at_what_was_delivered() {
    let mut world = World::new().await;
    world.user("alice").await;
    for _ in 0..5 {
        world.send("alice").await;
    }
    let phone = world.phone("alice").await;
    assert_eq!(world.look().device(phone.number).cursor, at(0), "nothing is lost on the first");
    let tablet = world.phone("alice").await;
    assert_eq!(world.look().device(tablet.number).cursor, at(0), "nothing was delivered yet");
    world.ack(&phone, 3).await;
    let laptop = world.phone("alice").await;
    let snapshot = world.look();
    assert_eq!(snapshot.device(laptop.number).cursor, at(3), "old messages are not new to it");
    // The two start cursors were never acked, so they trim nothing and deliver nothing.
    let inbox = snapshot.inbox(phone.inbox);
    assert_eq!((inbox.floor, inbox.delivered), (at(0), at(3)));
    world.ack(&tablet, 3).await;
    assert_eq!(world.look().inbox(phone.inbox).floor, at(3));
}

#[tokio::test]
async fn a_first_device_after_a_trim_starts_at_the_floor() {
    let (mut world, alice) = four().await;
    world.ack(&alice, 2).await;
    let signed_out = world.hello(&alice);
    let bob = world.user("bob").await;
    let identity = store::model::Identity::User { app: world.app, inbox: bob };
    world.connect_as(Connect { identity, ..signed_out }).await;
    let new = world.phone("alice").await;
    assert_eq!(world.look().device(new.number).cursor, at(2));
    assert_eq!(offsets(&world.read(&new, 2, 10).await), [3, 4]);
}

#[tokio::test]
async fn an_ack_moves_the_cursor_forward_and_never_back() {
    let (world, alice) = four().await;
    let epoch = alice.epoch;
    let other = domain::Epoch::from_number(epoch.number() ^ 1);
    let ids: Vec<_> =
        world.read(&alice, 0, 10).await.entries.iter().map(|entry| entry.id.bits()).collect();
    let table = [
        ("nothing held", held(epoch, 0, None), Acked::Nothing, 0),
        ("progress", held(epoch, 2, None), Acked::Progress(at(2)), 2),
        ("said again", held(epoch, 2, Some(ids[1])), Acked::Nothing, 2),
        ("below", held(epoch, 1, None), Acked::Nothing, 2),
        ("of another epoch", held(other, 4, None), Acked::OtherEpoch, 2),
        ("above the head", held(epoch, 5, None), Acked::Contradiction, 2),
        ("another entry there", held(epoch, 3, Some(ids[3])), Acked::Contradiction, 2),
        ("the right entry there", held(epoch, 3, Some(ids[2])), Acked::Progress(at(3)), 3),
        ("at the head", held(epoch, 4, Some(ids[3])), Acked::Progress(at(4)), 4),
    ];
    for (name, held, expected, cursor) in table {
        let (acked, _) = world.ack_held(&alice, held, Some(alice.session)).await;
        assert_eq!(acked, expected, "{name}");
        assert_eq!(world.look().device(alice.number).cursor, at(cursor), "{name}");
    }
    assert_eq!(world.look().inbox(alice.inbox).epoch, epoch.number(), "an ack opens no epoch");
    let stranger = Phone { number: domain::DeviceNumber::from_number(999), ..alice };
    assert_eq!(world.ack(&stranger, 4).await.0, Acked::NoDevice);
}

#[tokio::test]
async fn the_position_of_a_connect_is_an_ack() {
    let (mut world, mut alice) = four().await;
    world.end(&alice).await;
    assert!(world.wake(&alice).await.is_some());
    let hello = world.hello(&alice);
    let connect = Connect { held: Some(held(alice.epoch, 3, None)), ..hello };
    let connected = world.greet(&mut alice, connect).await;
    assert_eq!((connected.cursor, connected.head), (at(3), at(4)));
    assert!(!connected.rolled_back);
    // Below the stored cursor: served from the cursor, which stays.
    let hello = world.hello(&alice);
    let connect = Connect { held: Some(held(alice.epoch, 1, None)), ..hello };
    assert_eq!(world.greet(&mut alice, connect).await.cursor, at(3));
    // All of it: nothing is owed, the wake is closed.
    let hello = world.hello(&alice);
    let connect = Connect { held: Some(held(alice.epoch, 4, None)), ..hello };
    assert_eq!(world.greet(&mut alice, connect).await.cursor, at(4));
    assert!(world.wake(&alice).await.is_none());
}

#[tokio::test]
async fn a_position_of_another_epoch_resumes_at_the_stored_cursor() {
    let (mut world, mut alice) = four().await;
    world.ack(&alice, 2).await;
    let elsewhere = domain::Epoch::from_number(alice.epoch.number() ^ 1);
    let hello = world.hello(&alice);
    let connect = Connect { held: Some(held(elsewhere, 900, None)), ..hello };
    let connected = world.greet(&mut alice, connect).await;
    assert_eq!((connected.cursor, connected.rolled_back), (at(2), false));
}

#[tokio::test]
async fn a_contradiction_at_connect_opens_a_new_epoch_and_ends_the_users_sessions() {
    for above_the_head in [true, false] {
        let (mut world, mut alice) = four().await;
        let tablet = world.phone("alice").await;
        let bob = world.phone("bob").await;
        world.ack(&alice, 2).await;
        let old = alice.clone();
        let hello = world.hello(&alice);
        let position = if above_the_head {
            held(alice.epoch, 9, None)
        } else {
            held(alice.epoch, 3, Some(0xbad))
        };
        let connect = Connect { held: Some(position), ..hello };
        let connected = world.greet(&mut alice, connect).await;
        assert!(connected.rolled_back);
        assert_ne!(connected.epoch, old.epoch);
        assert_eq!((connected.cursor, connected.head), (at(2), at(4)), "offsets and cursors stay");
        assert!(connected.replaced.contains(&tablet.session), "the user's sessions are closed");
        let snapshot = world.look();
        let sessions: Vec<_> = snapshot.sessions.iter().map(|session| session.id).collect();
        assert_eq!(sessions.len(), 2, "{sessions:?}");
        assert!(sessions.contains(&alice.session) && sessions.contains(&bob.session));
        assert!(world.wake(&tablet).await.is_some(), "it lost its session behind the head");
        // The old epoch's positions are worth nothing now, the new one's are.
        assert_eq!(world.ack(&old, 4).await.0, Acked::OtherEpoch);
        assert_eq!(world.ack(&alice, 4).await.0, Acked::Progress(at(4)));
        // The same device with the same old position does not open epoch after epoch.
        let hello = world.hello(&alice);
        let connect = Connect { held: Some(position), ..hello };
        let again = world.greet(&mut alice, connect).await;
        assert_eq!((again.rolled_back, again.epoch), (false, connected.epoch));
    }
}

#[tokio::test]
async fn the_first_ack_tells_the_sender_and_a_second_device_does_not_again() {
    let mut world = World::new().await;
    let bob = world.phone("bob").await;
    let mut phone = world.sleeper("alice").await;
    let mut tablet = world.sleeper("alice").await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        let send = world.message_from(&bob, &["alice"]);
        sent.push(send.message);
        world.accept(send).await;
    }
    world.pass(SECOND);
    world.connect(&mut phone).await;
    let (_, effects) = world.ack(&phone, 2).await;
    assert!(effects.nudges.iter().any(|(inbox, _)| *inbox == bob.inbox), "bob should look");
    let row = |message, at| ReceiptRow {
        message,
        user: "alice".to_owned(),
        state: ReceiptState::Delivered,
        at,
    };
    let first = NOON.plus(SECOND);
    assert_eq!(receipts(&world, &bob).await, [row(sent[0], first), row(sent[1], first)]);
    world.pass(SECOND);
    world.connect(&mut tablet).await;
    world.ack(&tablet, 3).await;
    world.ack(&phone, 3).await;
    let second = NOON.plus(SECOND * 2);
    let expected = [row(sent[0], first), row(sent[1], first), row(sent[2], second)];
    assert_eq!(receipts(&world, &bob).await, expected);
    // A receipt wakes nobody.
    world.end(&bob).await;
    assert!(world.wake(&bob).await.is_none());
}

/// The receipts in a phone's inbox, in order.
async fn receipts(world: &World, phone: &Phone) -> Vec<ReceiptRow> {
    let entries = world.read(phone, 0, 100).await.entries;
    entries
        .into_iter()
        .flat_map(|entry| match entry.kind {
            EntryKind::Receipt { rows } => rows,
            _ => Vec::new(),
        })
        .collect()
}

#[tokio::test]
async fn a_message_to_oneself_is_delivered_to_oneself() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    let send = world.message_from(&alice, &["alice"]);
    let message = send.message;
    world.accept(send).await;
    world.ack(&alice, 1).await;
    let receipts = receipts(&world, &alice).await;
    assert_eq!(receipts.iter().map(|row| row.message).collect::<Vec<_>>(), [message]);
    let read = world.read(&alice, 1, 10).await;
    assert_eq!(offsets(&read), [2]);
    assert_ne!(read.entries[0].id, EntryId::from_bits(message.bits()));
}
