//! What may go, and when: acks, silent devices, expiry, the size limit.

use domain::Offset;
use store::model::{Accepted, InboxLimits, RecipientFault};

use super::world::{DAY, Phone, SECOND, World, offsets};

fn at(offset: i64) -> Offset {
    Offset::from_number(offset)
}

async fn floor(world: &World, phone: &Phone) -> i64 {
    world.look().inbox(phone.inbox).floor.number()
}

#[tokio::test]
async fn an_entry_goes_once_every_device_has_acknowledged_it() {
    let mut world = World::new().await;
    let phone = world.phone("alice").await;
    let tablet = world.phone("alice").await;
    for _ in 0..4 {
        world.send("alice").await;
    }
    world.ack(&phone, 4).await;
    assert_eq!(floor(&world, &phone).await, 0);
    assert_eq!(offsets(&world.read(&tablet, 0, 10).await), [1, 2, 3, 4]);
    world.ack(&tablet, 3).await;
    let read = world.read(&tablet, 0, 10).await;
    assert_eq!((read.floor, offsets(&read)), (at(3), vec![4]));
    world.ack(&tablet, 4).await;
    let snapshot = world.look();
    assert!(snapshot.entries.is_empty());
    assert_eq!(snapshot.inbox(phone.inbox).head, at(4), "offsets are never given twice");
    assert_eq!(world.send("alice").await, at(5));
}

#[tokio::test]
async fn a_device_silent_for_two_weeks_holds_nothing_back() {
    let mut world = World::new().await;
    let phone = world.phone("alice").await;
    let mut tablet = world.sleeper("alice").await;
    let long = |world: &mut World| {
        let expires_at = world.now.plus(DAY * 30);
        world.message_with(&["alice"], |content| content.expires_at = expires_at)
    };
    for _ in 0..2 {
        let send = long(&mut world);
        world.send_this(send).await;
    }
    world.pass(DAY * 14 - SECOND);
    world.ack(&phone, 1).await;
    assert_eq!(floor(&world, &phone).await, 0);
    world.pass(SECOND * 2);
    world.ack(&phone, 2).await;
    assert_eq!(floor(&world, &phone).await, 2);
    // It comes back, and the read tells it of the gap.
    let connected = world.connect(&mut tablet).await;
    assert_eq!((connected.cursor, connected.head), (at(0), at(2)));
    let read = world.read(&tablet, 0, 10).await;
    assert_eq!((read.floor, read.entries.len(), read.read_to), (at(2), 0, at(2)));
    // From now on it counts again.
    let send = long(&mut world);
    world.send_this(send).await;
    world.ack(&phone, 3).await;
    assert_eq!(floor(&world, &phone).await, 2);
}

#[tokio::test]
async fn a_living_session_is_no_silence_however_long() {
    let mut world = World::new().await;
    let phone = world.phone("alice").await;
    let tablet = world.phone("alice").await;
    world.pass(DAY * 20);
    world.send("alice").await;
    world.ack(&phone, 1).await;
    assert_eq!(floor(&world, &phone).await, 0);
    assert_eq!(offsets(&world.read(&tablet, 0, 10).await), [1]);
}

#[tokio::test]
async fn what_has_expired_is_not_read_and_goes_with_a_sweep() {
    let mut world = World::new().await;
    let phone = world.sleeper("alice").await;
    for seconds in [10, 20, 10] {
        let expires_at = world.now.plus(SECOND * seconds);
        let send = world.message_with(&["alice"], |content| content.expires_at = expires_at);
        world.send_this(send).await;
    }
    world.pass(SECOND * 10);
    let read = world.read(&phone, 0, 10).await;
    assert_eq!((offsets(&read), read.read_to), (vec![2], at(3)));
    // A page may be empty and yet go on.
    let first = world.read(&phone, 0, 1).await;
    assert_eq!((offsets(&first), first.read_to), (vec![], at(1)));
    assert!(world.store().sweep(0, world.now).await.expect("swept").0, "few inboxes");
    let snapshot = world.look();
    assert_eq!(snapshot.entries.len(), 1);
    assert!(snapshot.wake(phone.number).is_some(), "one is still owed");
    world.pass(SECOND * 10);
    world.store().sweep(0, world.now).await.expect("swept");
    assert!(world.look().entries.is_empty());
    // Nothing is owed any more: the wake closes instead of pushing.
    assert!(world.claim_due().await.is_empty());
    assert!(world.wake(&phone).await.is_none());
}

#[tokio::test]
async fn a_send_is_refused_when_the_most_current_device_is_full() {
    let mut world = World::with(|options| {
        options.inbox = InboxLimits { entries: 3, bytes: 1 << 20, ..InboxLimits::default() }
    })
    .await;
    let phone = world.phone("alice").await;
    let bob = world.phone("bob").await;
    for _ in 0..3 {
        world.send("alice").await;
    }
    let send = world.message(&["alice", "bob"]);
    let (accepted, _) = world.accept(send).await;
    let Accepted::Stored { failed, entries, .. } = accepted else { panic!("{accepted:?}") };
    assert_eq!(failed, [("alice".to_owned(), RecipientFault::InboxFull)]);
    assert_eq!(entries, [(bob.inbox, at(1))]);
    let send = world.message(&["alice"]);
    let (accepted, _) = world.accept(send).await;
    assert!(matches!(accepted, Accepted::NoRecipient(_)), "{accepted:?}");
    world.ack(&phone, 1).await;
    assert_eq!(world.send("alice").await, at(4));
}

#[tokio::test]
async fn the_limit_counts_bytes_too() {
    let mut world = World::with(|options| {
        options.inbox = InboxLimits { entries: 100, bytes: 1_000, ..InboxLimits::default() }
    })
    .await;
    let phone = world.phone("alice").await;
    let long = |world: &mut World, bytes| {
        world.message_with(&["alice"], |content| content.body = "x".repeat(bytes))
    };
    let send = long(&mut world, 600);
    world.send_this(send).await;
    let send = long(&mut world, 401);
    let (accepted, _) = world.accept(send).await;
    assert!(matches!(accepted, Accepted::NoRecipient(_)), "{accepted:?}");
    let send = long(&mut world, 400);
    world.send_this(send).await;
    world.ack(&phone, 1).await;
    let send = long(&mut world, 600);
    world.send_this(send).await;
}

/// At the size limit what only lagging devices hold goes first, and they learn of a gap.
#[tokio::test]
async fn a_lagging_device_does_not_fill_the_inbox_of_a_current_one() {
    let mut world = World::with(|options| {
        options.inbox = InboxLimits { entries: 3, bytes: 1 << 20, ..InboxLimits::default() }
    })
    .await;
    let phone = world.phone("alice").await;
    let mut tablet = world.sleeper("alice").await;
    for n in 1..=10 {
        assert_eq!(world.send("alice").await, at(n), "the phone holds all before");
        world.ack(&phone, n).await;
    }
    world.connect(&mut tablet).await;
    let read = world.read(&tablet, 0, 10).await;
    assert!(read.floor > at(0), "it learns of the gap");
    assert!(!read.entries.is_empty() && read.entries.len() <= 3, "and has what there was room for");
}

/// Nothing is taken from a lagging device for a send that is refused all the same.
#[tokio::test]
async fn a_send_for_which_no_room_can_be_made_takes_nothing_away() {
    let mut world = World::with(|options| {
        options.inbox = InboxLimits { entries: 9, bytes: 1_000, ..InboxLimits::default() }
    })
    .await;
    let phone = world.phone("alice").await;
    let tablet = world.sleeper("alice").await;
    for bytes in [300, 600] {
        let send = world.message_with(&["alice"], |content| content.body = "x".repeat(bytes));
        world.send_this(send).await;
    }
    world.ack(&phone, 1).await;
    let before = world.look();
    let send = world.message_with(&["alice"], |content| content.body = "x".repeat(500));
    let (accepted, _) = world.accept(send).await;
    assert!(matches!(accepted, Accepted::NoRecipient(_)), "{accepted:?}");
    assert_eq!(world.look(), before);
    assert_eq!(offsets(&world.read(&tablet, 0, 10).await), [1, 2]);
}
