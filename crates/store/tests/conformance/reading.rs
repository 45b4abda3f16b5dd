//! What users have read, muted and blocked: who learns of it, and who is left in peace.

use std::sync::Arc;

use domain::call::{CallInput, CallPhase, EndReason};
use domain::{MessageId, Offset, Reason};
use store::model::{
    Accept, Accepted, CallMoved, EntryKind, HushKind, Hushed, OpenWake, Reach, ReadDone, ReadWhat,
    Reading, ReceiptState,
};

use super::calls::missed_calls;
use super::world::{DAY, Phone, SECOND, World, accepted, held};

fn in_thread(mut accept: Accept, thread: &str) -> Accept {
    Arc::make_mut(&mut accept.content).thread = Some(thread.to_owned());
    accept
}

async fn read(world: &World, phone: &Phone, what: ReadWhat) -> ReadDone {
    let reading = Reading { inbox: phone.inbox, what, now: world.now };
    let (done, _) = world.store().read_mark(reading).await.expect("a mark is answered");
    world.look();
    done
}

fn thread(phone: &Phone, thread: &str, up_to: i64) -> ReadWhat {
    let up_to = Offset::from_number(up_to);
    ReadWhat::Thread { thread: thread.to_owned(), epoch: phone.epoch, up_to }
}

/// Message and state of every receipt that waits for the phone's user.
async fn receipts(world: &World, phone: &Phone) -> Vec<(MessageId, ReceiptState)> {
    let entries = world.read(phone, 0, 100).await.entries;
    let rows = entries.into_iter().filter_map(|entry| match entry.kind {
        EntryKind::Receipt { rows } => Some(rows),
        _ => None,
    });
    rows.flatten().map(|row| (row.message, row.state)).collect()
}

/// What the phone's user is told to have read.
async fn synced(world: &World, phone: &Phone) -> Vec<(Option<(String, i64)>, Vec<MessageId>)> {
    let entries = world.read(phone, 0, 100).await.entries;
    let read = entries.into_iter().filter_map(|entry| match entry.kind {
        EntryKind::Read { thread, messages } => {
            Some((thread.map(|(thread, up_to)| (thread, up_to.number())), messages))
        }
        _ => None,
    });
    read.collect()
}

async fn mute(world: &World, phone: &Phone, thread: &str) {
    let hushed =
        world.store().hush(phone.inbox, HushKind::Mute, thread.to_owned(), world.now).await;
    assert_eq!(hushed.expect("a mute is answered"), Hushed::Stands);
    world.look();
}

async fn unmute(world: &World, phone: &Phone, thread: &str) {
    let taken =
        world.store().unhush(phone.inbox, HushKind::Mute, thread.to_owned(), world.now).await;
    assert!(taken.expect("it is answered").0, "there was one");
    world.look();
}

fn standing(wake: &OpenWake) -> (Reason, bool) {
    (wake.wake.reason, wake.wake.due().is_some())
}

#[tokio::test]
async fn a_sender_learns_once_that_a_thread_was_read() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    let bob = world.phone("bob").await;
    let mut sent = Vec::new();
    for name in ["lunch", "lunch", "work"] {
        let send = in_thread(world.message_from(&alice, &["bob"]), name);
        sent.push(send.message);
        world.send_this(send).await;
    }
    // The first two are gone from the inbox when they are read, the mark covers nothing else.
    world.ack(&bob, 2).await;
    assert_eq!(world.look().inbox(bob.inbox).floor.number(), 2);
    assert_eq!(
        read(&world, &bob, thread(&bob, "lunch", 3)).await,
        ReadDone::Noted(sent[..2].to_vec())
    );
    let (delivered, is_read) = (ReceiptState::Delivered, ReceiptState::Read);
    let first_two =
        [(sent[0], delivered), (sent[1], delivered), (sent[0], is_read), (sent[1], is_read)];
    assert_eq!(receipts(&world, &alice).await, first_two);
    // Said again, or less than before: nobody is told twice.
    read(&world, &bob, thread(&bob, "lunch", 3)).await;
    read(&world, &bob, thread(&bob, "lunch", 1)).await;
    assert_eq!(receipts(&world, &alice).await.len(), 4);
    // Read before it was acknowledged: told once as well, and not again when it goes.
    read(&world, &bob, thread(&bob, "work", 3)).await;
    world.ack(&bob, 3).await;
    read(&world, &bob, ReadWhat::Messages(vec![sent[2], sent[0]])).await;
    let all = receipts(&world, &alice).await;
    assert_eq!(all[4..], [(sent[2], is_read), (sent[2], delivered)]);
}

#[tokio::test]
async fn single_messages_are_read_wherever_they_are() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    let bob = world.phone("bob").await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        let mut send = world.message_from(&alice, &["bob"]);
        Arc::make_mut(&mut send.content).expires_at = world.now.plus(DAY * 10);
        sent.push(send.message);
        world.send_this(send).await;
    }
    world.ack(&bob, 1).await;
    // Of an inbox that is not the reader's: nothing.
    let stranger = world.phone("carol").await;
    read(&world, &stranger, ReadWhat::Messages(sent.clone())).await;
    assert_eq!(receipts(&world, &alice).await.len(), 1);
    read(&world, &bob, ReadWhat::Messages(vec![sent[0], sent[1]])).await;
    // So old that no table of sends knows it.
    world.pass(DAY * 3);
    for slice in 0..=255 {
        world.store().sweep(slice, world.now).await.expect("swept");
    }
    assert_eq!(world.store().find_message(world.app, sent[2]).await.unwrap(), None);
    read(&world, &bob, ReadWhat::Messages(vec![sent[2], MessageId::from_bits(1 << 90)])).await;
    let told: Vec<_> = receipts(&world, &alice)
        .await
        .into_iter()
        .filter(|(_, state)| *state == ReceiptState::Read)
        .map(|(message, _)| message)
        .collect();
    assert_eq!(told.len(), 3);
    assert!(sent.iter().all(|message| told.contains(message)));
}

#[tokio::test]
async fn a_mark_of_another_history_is_refused() {
    let mut world = World::new().await;
    let mut bob = world.phone("bob").await;
    world.send("bob").await;
    assert_eq!(read(&world, &bob, thread(&bob, "lunch", 2)).await, ReadDone::AboveHead);
    bob.epoch = domain::Epoch::from_number(bob.epoch.number() ^ 1);
    assert_eq!(read(&world, &bob, thread(&bob, "lunch", 1)).await, ReadDone::OtherEpoch);
}

#[tokio::test]
async fn the_readers_other_devices_learn_of_it_and_are_not_woken_any_more() {
    let mut world = World::new().await;
    let phone = world.phone("bob").await;
    let tablet = world.sleeper("bob").await;
    let send = in_thread(world.message(&["bob"]), "lunch");
    let message = send.message;
    world.send_this(send).await;
    world.ack(&phone, 1).await;
    read(&world, &phone, thread(&phone, "lunch", 1)).await;
    assert_eq!(synced(&world, &tablet).await, [(Some(("lunch".to_owned(), 1)), vec![])]);
    assert!(world.claim_due().await.is_empty(), "what is read wakes nobody");
    let wake = world.wake(&tablet).await.expect("it is still owed");
    assert_eq!(standing(&wake), (Reason::ReadElsewhere, false));
    // Something new does, and only that is what it is about.
    let second = in_thread(world.message(&["bob"]), "lunch");
    let (second, offset) = (second.message, world.send_this(second).await);
    let claimed = world.claim_one().await;
    assert_eq!((claimed.key.device, claimed.plan.count), (tablet.number, 1));
    assert_eq!(claimed.plan.covers, offset);
    // Read while the push is on its way: it counts, and no alert follows.
    read(&world, &phone, ReadWhat::Messages(vec![second])).await;
    world.settle(&claimed, accepted()).await;
    let wake = world.wake(&tablet).await.expect("it is still owed");
    assert_eq!(standing(&wake), (Reason::ReadElsewhere, false));
    assert_eq!(synced(&world, &tablet).await.last(), Some(&(None, vec![second])));
    // Once it has all, the marks go with the entries.
    let head = world.look().inbox(phone.inbox).head.number();
    world.ack_held(&tablet, held(tablet.epoch, head, None), None).await;
    world.ack(&phone, head).await;
    assert!(world.wake(&tablet).await.is_none());
    assert!(world.look().entries.is_empty());
    // Without other devices there is nobody to tell.
    let alone = world.phone("carol").await;
    let send = in_thread(world.message(&["carol"]), "lunch");
    world.send_this(send).await;
    read(&world, &alone, thread(&alone, "lunch", 1)).await;
    assert_eq!(synced(&world, &alone).await, []);
    assert_ne!(message, second);
}

#[tokio::test]
async fn what_nobody_had_in_time_is_told_as_expired() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    let bob = world.sleeper("bob").await;
    let mut sent = Vec::new();
    for seconds in [10, 3_600, 10] {
        let mut send = world.message_from(&alice, &["bob"]);
        Arc::make_mut(&mut send.content).expires_at = world.now.plus(SECOND * seconds);
        sent.push(send.message);
        world.send_this(send).await;
    }
    world.pass(SECOND * 10);
    // Acknowledged past one that no read returned any more: it was not delivered.
    world.ack_held(&bob, held(bob.epoch, 2, None), None).await;
    let (delivered, expired) = (ReceiptState::Delivered, ReceiptState::Expired);
    assert_eq!(receipts(&world, &alice).await, [(sent[0], expired), (sent[1], delivered)]);
    world.store().sweep(0, world.now).await.expect("swept");
    assert_eq!(receipts(&world, &alice).await[2..], [(sent[2], expired)]);
    world.store().sweep(0, world.now).await.expect("swept");
    assert_eq!(receipts(&world, &alice).await.len(), 3, "once");
}

#[tokio::test]
async fn a_long_absence_leaves_few_receipts() {
    let mut world = World::new().await;
    let mut alice = world.phone("alice").await;
    let bob = world.phone("bob").await;
    for _ in 0..150 {
        let send = world.message_from(&alice, &["bob"]);
        world.send_this(send).await;
    }
    // While she is there, each is an entry of its own: one that may be on its way stays.
    for offset in 1..=3 {
        world.ack(&bob, offset).await;
    }
    assert_eq!(world.read(&alice, 0, 100).await.entries.len(), 3);
    world.end(&alice).await;
    for offset in 4..=150 {
        world.ack(&bob, offset).await;
    }
    assert_eq!(receipts(&world, &alice).await.len(), 150, "nothing is lost");
    let entries = world.read(&alice, 0, 100).await.entries.len();
    assert!(entries <= 5, "{entries} entries");
    // What she holds already is not taken from under her.
    world.connect(&mut alice).await;
    let head = world.look().inbox(alice.inbox).head.number();
    world.ack(&alice, head).await;
    assert!(receipts(&world, &alice).await.is_empty());
}

#[tokio::test]
async fn a_muted_thread_wakes_nobody_until_the_mute_is_taken_back() {
    let mut world = World::new().await;
    let bob = world.sleeper("bob").await;
    mute(&world, &bob, "lunch").await;
    let mut muted = in_thread(world.message(&["bob"]), "lunch");
    muted.birth = Some(world.birth(8));
    let (_, effects) = world.accept(muted).await;
    assert!(effects.born.is_empty(), "not even by the node that accepted it");
    assert_eq!(standing(&world.wake(&bob).await.unwrap()), (Reason::Muted, false));
    // A second one changes nothing, one of another thread is the only one that is told of.
    let second = in_thread(world.message(&["bob"]), "lunch");
    world.send_this(second).await;
    assert!(world.claim_due().await.is_empty());
    let loud = in_thread(world.message(&["bob"]), "work");
    world.send_this(loud).await;
    let claimed = world.claim_one().await;
    assert_eq!(claimed.plan.count, 1);
    world.settle(&claimed, accepted()).await;
    // A hundred muted ones do not hide it: the alert still follows.
    for _ in 0..101 {
        let more = in_thread(world.message(&["bob"]), "lunch");
        world.send_this(more).await;
    }
    world.pass(SECOND * 31);
    let claimed = world.claim_one().await;
    assert_eq!((claimed.plan.count, claimed.plan.covers), (1, Offset::from_number(3)));
    world.settle(&claimed, accepted()).await;
    // Muted altogether, then taken back: what waited is due at once.
    mute(&world, &bob, "*").await;
    world.pass(SECOND * 600);
    assert!(world.claim_due().await.is_empty());
    assert_eq!(standing(&world.wake(&bob).await.unwrap()), (Reason::Muted, false));
    unmute(&world, &bob, "lunch").await;
    assert!(world.claim_due().await.is_empty(), "all are muted still");
    unmute(&world, &bob, "*").await;
    let claimed = world.claim_one().await;
    assert_eq!(claimed.plan.count, 100, "as far as is counted");
    let muted = world.store().hushes(bob.inbox, HushKind::Mute).await.unwrap();
    assert!(muted.is_empty());
}

#[tokio::test]
async fn what_was_muted_while_the_wake_was_used_up_is_pushed_once_it_is_heard() {
    let mut world = World::new().await;
    let bob = world.sleeper("bob").await;
    mute(&world, &bob, "lunch").await;
    for thread in ["work", "lunch"] {
        let mut send = in_thread(world.message(&["bob"]), thread);
        Arc::make_mut(&mut send.content).expires_at = world.now.plus(DAY * 20);
        world.send_this(send).await;
    }
    // Every rung and repeat is pushed for the first, and nothing comes of it.
    while standing(&world.wake(&bob).await.unwrap()).0 != Reason::Exhausted {
        world.pass(SECOND * 86_400);
        for claimed in world.claim_due().await {
            assert_eq!(claimed.plan.covers, Offset::from_number(1), "the other one is muted");
            world.settle(&claimed, accepted()).await;
        }
    }
    unmute(&world, &bob, "lunch").await;
    // Alerts of one wake are three seconds apart.
    world.pass(SECOND * 3);
    let claimed = world.claim_one().await;
    assert_eq!(claimed.plan.covers, Offset::from_number(2));
}

#[tokio::test]
async fn whoever_is_blocked_sees_success_and_reaches_nobody() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    let bob = world.sleeper("bob").await;
    let carol = world.sleeper("carol").await;
    let block = world.store().hush(bob.inbox, HushKind::Block, "alice".to_owned(), world.now);
    assert_eq!(block.await.unwrap(), Hushed::Stands);
    let send = world.message_from(&alice, &["bob", "carol"]);
    let (done, _) = world.accept(send.clone()).await;
    let Accepted::Stored { entries, failed, .. } = done else { panic!("{done:?}") };
    assert_eq!((entries, failed.len()), (vec![(carol.inbox, Offset::from_number(1))], 0));
    let (again, _) = world.accept(send).await;
    assert!(matches!(again, Accepted::Stored { replayed: true, .. }));
    let alone = world.message_from(&alice, &["bob"]);
    let (done, _) = world.accept(alone).await;
    assert!(matches!(done, Accepted::Stored { .. }), "{done:?}");
    assert!(world.wake(&bob).await.is_none());
    assert!(world.read(&bob, 0, 10).await.entries.is_empty());
    let reach = async |to: &str, from: &str| {
        let reach = world.store().reach(world.app, to.to_owned(), Some(from.to_owned()));
        reach.await.unwrap()
    };
    assert_eq!(reach("bob", "alice").await, Reach::Blocked);
    assert_eq!(reach("bob", "carol").await, Reach::Open(bob.inbox));
    assert_eq!(reach("nobody", "alice").await, Reach::Unknown);
    // The back end is nobody's to block; and once it is taken back, she reaches him.
    world.send("bob").await;
    let taken = world.store().unhush(bob.inbox, HushKind::Block, "alice".to_owned(), world.now);
    assert!(taken.await.unwrap().0);
    let send = world.message_from(&alice, &["bob"]);
    world.send_this(send).await;
    assert_eq!(world.read(&bob, 0, 10).await.entries.len(), 2);
}

#[tokio::test]
async fn a_call_of_somebody_blocked_rings_nobody_and_is_not_missed() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    let there = world.phone("bob").await;
    let asleep = world.sleeper("bob").await;
    let block = world.store().hush(there.inbox, HushKind::Block, "alice".to_owned(), world.now);
    assert_eq!(block.await.unwrap(), Hushed::Stands);
    let (call, effects) = world.ring(&alice, "bob").await;
    assert!(effects.born.is_empty());
    for _ in 0..4 {
        assert!(world.claim_due().await.is_empty(), "nobody is rung");
        world.pass(SECOND * 10);
    }
    assert!(world.connect(&mut asleep.clone()).await.calls.is_empty(), "nor told of it");
    world.pass(SECOND * 10);
    let (moved, _) = world.play(&call, None, CallInput::Tick).await;
    let CallMoved::Changed { record, .. } = moved else { panic!("{moved:?}") };
    let unanswered = CallPhase::Ended { reason: EndReason::Unanswered };
    assert_eq!(record.call.phase, unanswered, "for its caller as if it had rung");
    assert_eq!(missed_calls(&world, &there).await, 0);
    assert!(world.claim_due().await.is_empty());
}

#[tokio::test]
async fn there_is_an_end_to_what_one_may_mute() {
    let mut world = World::new().await;
    let bob = world.phone("bob").await;
    for number in 0..1_000 {
        let name = format!("thread {number}");
        let hushed = world.store().hush(bob.inbox, HushKind::Mute, name, world.now).await;
        assert_eq!(hushed.unwrap(), Hushed::Stands);
    }
    let mute = async |name: &str| {
        let hushed = world.store().hush(bob.inbox, HushKind::Mute, name.to_owned(), world.now);
        hushed.await.unwrap()
    };
    assert_eq!(mute("one more").await, Hushed::TooMany);
    assert_eq!(mute("thread 7").await, Hushed::Stands, "it stands already");
    assert_eq!(world.store().hushes(bob.inbox, HushKind::Mute).await.unwrap().len(), 1_000);
}
