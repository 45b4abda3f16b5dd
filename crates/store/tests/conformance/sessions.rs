//! Sessions: presence, suspicion, replacement, and the wakes that follow from their end.

use domain::session::AppState;
use domain::{Offset, Reason};
use store::model::{Acked, Connect, Connected, Identity};

use super::world::{GRACE, Phone, SECOND, World, accepted, held};

async fn reason(world: &World, phone: &Phone) -> Option<Reason> {
    world.wake(phone).await.map(|wake| wake.wake.reason)
}

#[tokio::test]
async fn a_message_to_a_living_session_opens_no_wake_and_its_end_opens_one() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    world.send("alice").await;
    assert_eq!(reason(&world, &alice).await, None);
    let effects = world.end(&alice).await;
    assert_eq!(reason(&world, &alice).await, Some(Reason::Disconnected));
    assert!(effects.due.iter().any(|(_, due)| *due <= world.now), "the runner is told");
    assert_eq!(world.claim_due().await.len(), 1);
}

#[tokio::test]
async fn a_session_that_ends_at_the_head_leaves_nothing_open() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    world.send("alice").await;
    world.ack(&alice, 1).await;
    world.end(&alice).await;
    assert_eq!(reason(&world, &alice).await, None);
    // What does not wake leaves nothing either.
    let quiet = world.message_with(&["alice"], |content| content.wakes = false);
    world.send_this(quiet).await;
    assert_eq!(reason(&world, &alice).await, None);
}

#[tokio::test]
async fn the_late_close_of_a_replaced_session_does_nothing() {
    let mut world = World::new().await;
    let mut alice = world.phone("alice").await;
    let old = alice.clone();
    let connected = world.connect(&mut alice).await;
    assert_eq!(connected.replaced, [old.session]);
    world.send("alice").await;
    let before = world.look();
    world.end(&old).await;
    world.suspect(&old).await;
    assert_eq!(world.look(), before);
    world.end(&alice).await;
    assert!(world.wake(&alice).await.is_some());
}

#[tokio::test]
async fn a_fetch_connection_lives_beside_the_apps_and_replaces_nothing() {
    let mut world = World::new().await;
    let mut alice = world.phone("alice").await;
    let app = alice.clone();
    let hello = world.hello(&alice);
    let fetch = Connect { replaces: false, ..hello };
    assert!(world.greet(&mut alice, fetch).await.replaced.is_empty());
    assert_eq!(world.look().sessions.len(), 2);
    world.send("alice").await;
    world.end(&app).await;
    assert!(world.wake(&alice).await.is_none(), "the other one lives");
    world.end(&alice).await;
    assert!(world.wake(&alice).await.is_some());
}

#[tokio::test]
async fn a_suspect_session_counts_as_none() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    world.send("alice").await;
    let effects = world.suspect(&alice).await;
    assert_eq!(reason(&world, &alice).await, Some(Reason::Suspect));
    assert!(effects.due.iter().any(|(_, due)| *due <= world.now), "due at once");
    let claimed = world.claim_one().await;
    world.settle(&claimed, accepted()).await;
    // Ack progress takes the suspicion off.
    world.ack(&alice, 1).await;
    assert!(world.look().lives(alice.number));
    world.send("alice").await;
    assert_eq!(reason(&world, &alice).await, None);
}

#[tokio::test]
async fn progress_on_one_session_says_nothing_of_another() {
    let mut world = World::new().await;
    let mut alice = world.phone("alice").await;
    let first = alice.clone();
    let hello = world.hello(&alice);
    world.greet(&mut alice, Connect { replaces: false, ..hello }).await;
    world.send("alice").await;
    world.suspect(&first).await;
    assert!(world.wake(&alice).await.is_none(), "the other one is not suspect");
    world.suspect(&alice).await;
    assert!(world.wake(&alice).await.is_some());
    world.ack(&alice, 1).await;
    let suspects = |world: &World| {
        let sessions = world.look().sessions;
        sessions.iter().filter(|session| session.suspect).map(|s| s.id).collect::<Vec<_>>()
    };
    assert_eq!(suspects(&world), [first.session]);
    // An ack by HTTP is of no session at all.
    world.suspect(&alice).await;
    world.send("alice").await;
    let (acked, _) = world.ack_held(&alice, held(alice.epoch, 2, None), None).await;
    assert_eq!(acked, Acked::Progress(Offset::from_number(2)));
    assert_eq!(suspects(&world).len(), 2);
}

#[tokio::test]
async fn a_sign_of_life_clears_the_suspicion_when_nothing_is_owed() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    world.send("alice").await;
    world.suspect(&alice).await;
    world.ack_held(&alice, held(alice.epoch, 1, None), None).await;
    assert!(!world.look().lives(alice.number));
    world.store().clear_suspect(alice.session).await.expect("cleared");
    assert!(world.look().lives(alice.number));
}

#[tokio::test]
async fn an_accept_treats_a_suspect_session_as_none() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    world.suspect(&alice).await;
    assert!(world.wake(&alice).await.is_none(), "nothing is owed");
    world.send("alice").await;
    assert_eq!(reason(&world, &alice).await, Some(Reason::Message));
    assert_eq!(world.claim_due().await.len(), 1);
}

#[tokio::test]
async fn a_connect_keeps_the_wake_open_and_the_claim_finds_the_session() {
    let mut world = World::new().await;
    let mut alice = world.sleeper("alice").await;
    world.send("alice").await;
    world.connect(&mut alice).await;
    assert!(world.claim_due().await.is_empty());
    let wake = world.wake(&alice).await.expect("it stays open until the ack").wake;
    assert_eq!(wake.reason, Reason::Live);
    assert_eq!(wake.due(), Some(world.now.plus(SECOND * 5)), "again after the ack deadline");
    // The session ends first: the wake is due at once.
    world.end(&alice).await;
    assert_eq!(reason(&world, &alice).await, Some(Reason::Disconnected));
    assert_eq!(world.claim_due().await.len(), 1);
}

#[tokio::test]
async fn a_restart_ends_all_sessions_and_gives_their_devices_time_to_come_back() {
    let mut world = World::new().await;
    let mut alice = world.phone("alice").await;
    let bob = world.phone("bob").await;
    let carol = world.sleeper("carol").await;
    world.send("alice").await;
    world.send("carol").await;
    let life = world.incarnation;
    world.restart().await;
    assert_ne!(world.incarnation, life);
    assert!(world.look().sessions.is_empty());
    assert_eq!(reason(&world, &alice).await, Some(Reason::Restart));
    assert!(world.wake(&bob).await.is_none(), "nothing is owed to bob");
    let claimed = world.claim_one().await;
    assert_eq!(claimed.key.device, carol.number, "carol slept before");
    world.pass(GRACE - SECOND);
    assert!(world.claim_due().await.is_empty());
    world.pass(SECOND);
    assert_eq!(world.claim_one().await.key.device, alice.number);
    // One that came back in time is not pushed.
    world.connect(&mut alice).await;
    world.ack(&alice, 1).await;
    world.send("alice").await;
    world.restart().await;
    world.pass(SECOND);
    world.connect(&mut alice).await;
    world.pass(GRACE);
    assert!(world.claim_due().await.iter().all(|claimed| claimed.key.device != alice.number));
}

#[tokio::test]
async fn the_state_of_the_app_is_kept_for_the_session() {
    let mut world = World::new().await;
    let alice = world.phone("alice").await;
    world.store().set_state(alice.session, AppState::Background).await.expect("set");
    world.look();
    // A session that is gone has none.
    world.end(&alice).await;
    world.store().set_state(alice.session, AppState::Foreground).await.expect("nothing to do");
    world.look();
}

#[tokio::test]
async fn a_device_is_proven_by_its_secret_from_the_first_time_on() {
    let mut world = World::new().await;
    let mut alice = world.phone("alice").await;
    let first = alice.secret;
    // Not proven yet: its first answer may have been lost, so it gets another secret.
    let lost = Connect { secret: None, ..world.hello(&alice) };
    assert!(world.greet(&mut alice, lost).await.secret_issued);
    assert_ne!(alice.secret, first);
    let connected = world.connect(&mut alice).await;
    assert!(!connected.secret_issued, "proven");
    for (secret, expected) in [(None, "required"), (first, "bad")] {
        let wrong = Connect { secret, ..world.hello(&alice) };
        let before = world.look();
        let answer = match world.connect_as(wrong).await {
            Connected::SecretRequired => "required",
            Connected::BadSecret => "bad",
            Connected::Yes(_) => "yes",
        };
        assert_eq!(answer, expected);
        assert_eq!(world.look(), before);
    }
    // The secret alone is enough for an app whose token has expired.
    let alone = Connect { identity: Identity::Secret, ..world.hello(&alice) };
    let connected = world.greet(&mut alice, alone).await;
    assert_eq!((connected.user.as_str(), connected.inbox), ("alice", alice.inbox));
    let strangers =
        Connect { identity: Identity::Secret, secret: Some([9; 32]), ..world.hello(&alice) };
    assert!(matches!(world.connect_as(strangers).await, Connected::BadSecret));
}

#[tokio::test]
async fn a_device_that_signs_in_as_another_user_leaves_nothing_of_the_first() {
    let mut world = World::new().await;
    let mut phone = world.phone("alice").await;
    let app = phone.clone();
    let fetch = Connect { replaces: false, ..world.hello(&phone) };
    world.greet(&mut phone, fetch).await;
    let fetch = phone.clone();
    world.connect(&mut phone).await;
    world.send("alice").await;
    world.suspect(&phone).await;
    world.suspect(&fetch).await;
    assert!(world.wake(&phone).await.is_some());
    let bob = world.user("bob").await;
    world.send("bob").await;
    // Without the secret it is somebody who knows the device's id.
    let as_bob =
        Connect { identity: Identity::User { app: world.app, inbox: bob }, ..world.hello(&phone) };
    let without = Connect { secret: None, ..as_bob.clone() };
    assert!(matches!(world.connect_as(without).await, Connected::SecretRequired));
    // A fetch connection signs in as well as an app's.
    let old_secret = phone.secret;
    let connected = world.greet(&mut phone, Connect { replaces: false, ..as_bob }).await;
    assert!(connected.secret_issued);
    assert_ne!(phone.secret, old_secret);
    assert_eq!((connected.inbox, connected.user.as_str()), (bob, "bob"));
    assert_eq!(connected.cursor.number(), 0, "bob's first device starts at the floor");
    let snapshot = world.look();
    let sessions: Vec<_> = snapshot.sessions.iter().map(|session| session.id).collect();
    assert_eq!(sessions, [phone.session], "the first user's sessions are over");
    let closed = connected.replaced;
    assert!(closed.contains(&fetch.session), "and are to be closed: {closed:?}");
    assert!(snapshot.wakes.is_empty());
    // An ack that the first user's session still had on its way is worth nothing.
    assert_eq!(world.ack_held(&app, held(app.epoch, 1, None), None).await.0, Acked::OtherEpoch);
    world.end(&phone).await;
    world.end(&app).await;
    assert_eq!(world.claim_one().await.user, "bob");
}
