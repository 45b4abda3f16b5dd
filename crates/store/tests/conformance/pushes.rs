//! Direct pushes to whom was listed: taken in once, counted, cancelled, forgotten.

use std::time::Duration;

use domain::delivery::End;
use domain::{Environment, Outcome, Platform, PushId, TargetKind};
use store::model::{
    Audience, DeliveryTo, Lane, Listing, NewAudience, NewPush, Push, PushAdded, PushCounts,
    PushFault, PushState, RawTarget, Subject,
};

use super::world::{DAY, NOON, Phone, SECOND, World, accepted, devices, digest, to_device, users};

const HOUR: Duration = Duration::from_secs(3_600);

/// So many devices, and how their deliveries stand.
fn counts(change: impl FnOnce(&mut PushCounts)) -> PushCounts {
    let mut counts = PushCounts::default();
    change(&mut counts);
    counts.devices =
        counts.waiting + counts.accepted + counts.refused + counts.expired + counts.cancelled;
    counts
}

/// A target that is no device's: an APNs token, in the sandbox.
pub(super) fn raw(world: &World, token: &str) -> RawTarget {
    let lane = Lane {
        app: world.app,
        subject: Subject::Push,
        kind: TargetKind::Apns,
        app_id: "com.example.chat".to_owned(),
        environment: Some(Environment::Sandbox),
    };
    RawTarget { lane, target: format!(r#"{{"apns":"{token}"}}"#) }
}

impl World {
    /// Who was not found when a push was taken in, and whom it goes to.
    async fn audience(&self, push: &NewPush) -> (Vec<String>, Vec<(String, PushFault)>) {
        match self.add_push(push).await {
            PushAdded::Added { failed, .. } => {
                let deliveries = self.deliveries(push.id).await;
                let to = deliveries.into_iter().map(|row| row.device.or(row.target));
                (to.map(|to| to.expect("one of both")).collect(), failed)
            }
            PushAdded::Nobody(failed) => (Vec::new(), failed),
            PushAdded::IdReused => panic!("a new id"),
        }
    }
}

#[tokio::test]
async fn the_same_id_is_the_same_push_and_another_request_by_it_is_refused() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    let new = world.new_push(users(&["alice", "nobody"]));
    let PushAdded::Added { push, failed, replayed: false, effects } = world.add_push(&new).await
    else {
        panic!("taken in");
    };
    assert_eq!(failed, [("nobody".to_owned(), PushFault::UnknownUser)]);
    assert_eq!(effects.due.len(), 1);
    let claimed = world.claim_delivery().await;
    world.settle_delivery(&claimed, accepted()).await;
    world.pass(HOUR);
    for round in 0..3 {
        let again = NewPush { now: world.now, ..new.clone() };
        let PushAdded::Added { push: now, failed: still, replayed: true, effects } =
            world.add_push(&again).await
        else {
            panic!("the same answer, round {round}");
        };
        assert_eq!((now.id, now.created_at, &still), (push.id, NOON, &failed));
        assert_eq!(now.counts.accepted, 1, "as it stands");
        assert!(effects.due.is_empty());
        let other = NewPush { request: digest(99), ..again };
        assert!(matches!(world.add_push(&other).await, PushAdded::IdReused));
        if round == 0 {
            world.restart().await;
        } else {
            world.kill().await;
        }
    }
    assert!(world.claim_deliveries_due().await.is_empty(), "it is sent once");
}

#[tokio::test]
async fn the_same_push_at_once_from_many_is_stored_once() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    let new = world.new_push(users(&["alice"]));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, new) = (world.store().clone(), new.clone());
        tasks.spawn(async move { store.add_push(new).await.expect("answered") });
    }
    let mut first = 0;
    while let Some(done) = tasks.join_next().await {
        let PushAdded::Added { replayed, .. } = done.expect("a sender") else { panic!("added") };
        first += usize::from(!replayed);
    }
    assert_eq!(first, 1);
    world.look();
    assert_eq!(world.claim_deliveries_due().await.len(), 1);
}

#[tokio::test]
async fn a_push_as_it_was_taken_in_is_what_is_claimed_and_read() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let new = world.new_push(users(&["alice"]));
    let (push, effects) = world.push(&new).await;
    let expected = Push {
        id: new.id,
        app: world.app,
        audience: Audience::Listed,
        kind: new.kind,
        content: new.content.clone().into(),
        rate: None,
        state: PushState::Open,
        created_at: NOON,
        send_at: NOON,
        expires_at: NOON.plus(HOUR),
        started_at: None,
        ended_at: None,
        cursor: domain::DeviceNumber::from_number(0),
        bound: None,
        first: None,
        counts: counts(|counts| counts.waiting = 1),
        codes: "{}".to_owned(),
    };
    assert_eq!(push, expected);
    world.restart().await;
    assert_eq!(world.push_of(push.id).await, expected);
    let [(lane, due)] = effects.due[..] else { panic!("one lane: {effects:?}") };
    assert_eq!((due, world.claim(lane).await.len()), (NOON, 0), "a push lane gives no wakes");
    let claimed = world.claim_deliveries(lane).await.pop().expect("it is due");
    assert_eq!((claimed.app, claimed.kind, claimed.at), (world.app, new.kind, NOON));
    assert_eq!((&*claimed.content, claimed.expires_at), (&*new.content, new.expires_at));
    let DeliveryTo::Device(to) = &claimed.to else { panic!("{claimed:?}") };
    assert_eq!((to.number, &to.name, to.platform), (alice.number, &alice.name, alice.platform));
    let other = world.store().add_app("other".to_owned(), NOON).await.expect("added").id;
    assert_eq!(world.store().push(other, push.id).await.expect("read"), None);
    assert_eq!(world.store().cancel_push(other, push.id, NOON).await.expect("answered"), None);
}

#[tokio::test]
async fn everybody_listed_is_reached_once_and_who_is_not_is_named() {
    let mut world = World::new().await;
    let phone = world.sleeper("alice").await;
    let tablet = world.sleeper("alice").await;
    let bob = world.sleeper("bob").await;
    let mute = world.phone_of("carol", Platform::Android, None).await;
    // Dave has two devices, and one of them has no target.
    let dave = world.sleeper("dave").await;
    let mute_too = world.phone_of("dave", Platform::Android, None).await;
    world.user("erin").await;
    let named = |phones: &[&Phone]| phones.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
    let to = |listed: &[&str], phones: &[&Phone]| {
        let NewAudience::Listed { users, .. } = users(listed) else { unreachable!("as made") };
        NewAudience::Listed { users, devices: named(phones), targets: vec![] }
    };
    let fault = |who: &str, fault| (who.to_owned(), fault);
    let (no_target, no_user) = (PushFault::NoTarget, PushFault::UnknownUser);
    let table = [
        (to(&["alice"], &[]), named(&[&phone, &tablet]), vec![]),
        (to(&["alice", "alice"], &[&tablet, &tablet]), named(&[&phone, &tablet]), vec![]),
        (to(&[], &[&bob, &phone]), named(&[&bob, &phone]), vec![]),
        (to(&["dave"], &[]), named(&[&dave]), vec![]),
        (to(&["dave"], &[&mute_too]), named(&[&dave]), vec![fault(&mute_too.name, no_target)]),
        (to(&["carol"], &[&bob]), named(&[&bob]), vec![fault("carol", no_target)]),
        (to(&["erin"], &[&bob]), named(&[&bob]), vec![fault("erin", no_target)]),
        (
            to(&["frank", "erin"], &[]),
            vec![],
            vec![fault("frank", no_user), fault("erin", no_target)],
        ),
        (to(&[], &[&mute]), vec![], vec![fault(&mute.name, no_target)]),
    ];
    for (audience, reached, failed) in table {
        let before = world.look().pushes.len();
        let new = world.new_push(audience);
        assert_eq!(world.audience(&new).await, (reached.clone(), failed), "{:?}", new.audience);
        let stored = world.look().pushes.len() - before;
        assert_eq!(stored, usize::from(!reached.is_empty()), "nobody: nothing is stored");
    }
    // A device that is named like a user is another one all the same.
    let namesake = Phone { name: "alice".to_owned(), ..mute.clone() };
    let mut hello = world.hello(&namesake);
    hello.secret = None;
    world.connect_as(hello).await;
    let new = world.new_push(to(&["alice"], &[&namesake]));
    let expected = (named(&[&phone, &tablet]), vec![fault("alice", no_target)]);
    assert_eq!(world.audience(&new).await, expected);
    // Of another app there is nobody.
    let other = world.store().add_app("other".to_owned(), NOON).await.expect("added").id;
    let new = NewPush { app: other, ..world.new_push(to(&["alice"], &[&phone])) };
    let unknown = fault(&phone.name, PushFault::UnknownDevice);
    assert_eq!(world.audience(&new).await, (vec![], vec![fault("alice", no_user), unknown]));
}

#[tokio::test]
async fn a_target_that_is_no_devices_is_sent_to_as_it_was_given() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let targets = vec![raw(&world, "one"), raw(&world, "two")];
    let audience = NewAudience::Listed {
        users: vec!["alice".to_owned()],
        devices: Vec::new(),
        targets: targets.clone(),
    };
    let new = world.new_push(audience);
    let (push, _) = world.push(&new).await;
    assert_eq!(push.counts, counts(|counts| counts.waiting = 3));
    let claimed = world.claim_deliveries_due().await;
    for claimed in &claimed {
        let lane = world.store().lane(claimed.lane).await.expect("read").expect("it is there");
        match &claimed.to {
            DeliveryTo::Device(to) => assert_eq!(to.number, alice.number),
            DeliveryTo::Raw(target) => {
                let number = usize::try_from(claimed.key.number).expect("from 1");
                assert_eq!(*target, targets[number - 2].target);
                assert_eq!(lane, targets[number - 2].lane);
            }
        }
        world.settle_delivery(claimed, accepted()).await;
    }
    assert_eq!(world.push_of(push.id).await.state, PushState::Done);
}

#[tokio::test]
async fn a_push_waits_for_its_time() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    let send_at = NOON.plus(HOUR);
    let new =
        NewPush { send_at, expires_at: send_at.plus(HOUR), ..world.new_push(users(&["alice"])) };
    let (push, effects) = world.push(&new).await;
    let [(lane, due)] = effects.due[..] else { panic!("one lane: {effects:?}") };
    assert_eq!((push.send_at, due), (send_at, send_at));
    world.kill().await;
    assert_eq!(world.store().lanes_due().await.expect("read"), [(lane, send_at)]);
    world.pass(HOUR - SECOND);
    assert!(world.claim_deliveries(lane).await.is_empty());
    world.pass(SECOND);
    assert_eq!(world.claim_deliveries(lane).await.len(), 1);
    // What was to be sent before now goes out now.
    let late = NewPush { send_at: NOON, ..world.new_push(users(&["alice"])) };
    let (_, effects) = world.push(&late).await;
    assert_eq!(effects.due, [(lane, world.now)]);
}

#[tokio::test]
async fn counts_follow_the_deliveries_and_the_last_of_them_ends_the_push() {
    let mut world = World::new().await;
    for user in ["alice", "bob", "carol", "dave"] {
        world.sleeper(user).await;
    }
    let push = world.push_to(&["alice", "bob", "carol", "dave"]).await;
    let stands = async |world: &World| {
        let push = world.push_of(push).await;
        (push.counts, push.state, push.ended_at)
    };
    let open = |change: fn(&mut PushCounts)| (counts(change), PushState::Open, None);
    assert_eq!(stands(&world).await, open(|counts| counts.waiting = 4));
    let claimed = world.claim_deliveries_due().await;
    assert_eq!(stands(&world).await, open(|counts| counts.waiting = 4), "on its way is waiting");
    world.settle_delivery(&claimed[0], accepted()).await;
    let bad = super::world::refused(
        domain::Diagnosis::BadPayload,
        domain::RetryRule::Bare,
        domain::TokenVerdict::Keep,
    );
    world.settle_delivery(&claimed[1], bad).await;
    world.settle_delivery(&claimed[2], Outcome::Withdrawn).await;
    let three = |counts: &mut PushCounts| {
        (counts.waiting, counts.accepted, counts.refused, counts.cancelled) = (1, 1, 1, 1);
    };
    assert_eq!(stands(&world).await, open(three));
    // The end of the last one comes too late.
    let unknown = Outcome::Unknown { detail: "the connection was lost".to_owned() };
    world.pass(HOUR);
    let settled = world.settle_delivery(&claimed[3], unknown).await;
    assert_eq!(settled.ended, Some(End::Expired));
    let ended = counts(|counts| {
        (counts.accepted, counts.refused, counts.cancelled, counts.expired) = (1, 1, 1, 1);
    });
    assert_eq!(stands(&world).await, (ended, PushState::Done, Some(world.now)));
    assert_eq!(world.push_of(push).await.codes, r#"{"913":1}"#);
    world.kill().await;
    assert_eq!(stands(&world).await, (ended, PushState::Done, Some(world.now)));
    // What is over can neither be cancelled nor settled again.
    world.pass(SECOND);
    assert_eq!(world.cancel(push).await.state, PushState::Done);
    assert!(world.settle_delivery(&claimed[0], accepted()).await.stale);
}

#[tokio::test]
async fn a_cancel_catches_what_waits_and_what_is_on_its_way_is_counted_once() {
    let unknown = || Outcome::Unknown { detail: "the connection was lost".to_owned() };
    let table = [
        ("taken", accepted(), counts(|counts| (counts.accepted, counts.cancelled) = (1, 1))),
        ("no longer wanted", Outcome::Withdrawn, counts(|counts| counts.cancelled = 2)),
        ("its end unknown", unknown(), counts(|counts| counts.cancelled = 2)),
    ];
    for (name, outcome, expected) in table {
        let mut world = World::new().await;
        world.sleeper("alice").await;
        let bob = world.sleeper("bob").await;
        let new = world.new_push(users(&["alice", "bob"]));
        let (push, effects) = world.push(&new).await;
        let lane = effects.due[0].0;
        // One has gone, the other waits.
        let claim = world.store().claim_deliveries(lane, 1, world.now).await;
        let claimed = claim.expect("claimed").0.pop().expect("one is due");
        world.pass(SECOND);
        let cancelled = world.cancel(push.id).await;
        assert_eq!((cancelled.state, cancelled.ended_at), (PushState::Cancelled, None), "{name}");
        let half = counts(|counts| (counts.waiting, counts.cancelled) = (1, 1));
        assert_eq!(cancelled.counts, half, "{name}");
        let rows = world.deliveries(push.id).await;
        let caught = rows.iter().find(|row| row.device.as_deref() == Some(&*bob.name));
        assert_eq!(caught.expect("bob's").ended, Some(End::Cancelled), "{name}");
        assert_eq!(world.cancel(push.id).await.counts, half, "{name}: a second cancel");
        world.pass(SECOND);
        world.settle_delivery(&claimed, outcome.clone()).await;
        assert!(world.settle_delivery(&claimed, outcome).await.stale, "{name}");
        let over = world.push_of(push.id).await;
        let state = (over.state, over.ended_at, over.counts);
        assert_eq!(state, (PushState::Cancelled, Some(world.now), expected), "{name}");
        world.pass(HOUR);
        assert!(world.claim_deliveries_due().await.is_empty(), "{name}: nothing is sent any more");
    }
}

/// The end of an attempt that died with its process is not known. The push is cancelled: it is not
/// sent to make sure.
#[tokio::test]
async fn a_cancelled_push_whose_attempt_nobody_settles_is_not_sent_again() {
    for restarts in [false, true] {
        let mut world = World::new().await;
        world.sleeper("alice").await;
        let push = world.push_to(&["alice"]).await;
        world.claim_delivery().await;
        world.cancel(push).await;
        if restarts {
            world.kill().await;
        } else {
            world.pass(domain::wake::LAPSE);
        }
        assert!(world.claim_deliveries_due().await.is_empty());
        let push = world.push_of(push).await;
        assert_eq!(push.counts, counts(|counts| counts.cancelled = 1));
        assert_eq!((push.state, push.ended_at), (PushState::Cancelled, Some(world.now)));
    }
}

#[tokio::test]
async fn a_scheduled_push_that_is_cancelled_is_over_at_once() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    let new = NewPush {
        send_at: NOON.plus(DAY),
        expires_at: NOON.plus(DAY * 2),
        ..world.new_push(users(&["alice"]))
    };
    let (push, _) = world.push(&new).await;
    let over = world.cancel(push.id).await;
    assert_eq!((over.state, over.ended_at), (PushState::Cancelled, Some(NOON)));
    world.pass(DAY);
    assert!(world.claim_deliveries_due().await.is_empty());
    // It is no broadcast, and cannot be paused either.
    let push = world.push_to(&["alice"]).await;
    for state in [PushState::Paused, PushState::Open, PushState::Cancelled, PushState::Done] {
        assert_eq!(world.move_push(push, state).await.state, PushState::Open, "{state:?}");
    }
}

#[tokio::test]
async fn pushes_are_listed_newest_first_and_deliveries_in_order_a_page_at_a_time() {
    let mut world = World::new().await;
    let mut phones = Vec::new();
    for user in ["alice", "bob", "carol"] {
        phones.push(world.sleeper(user).await);
    }
    let mut ids = Vec::new();
    // Two of them in the same moment.
    for pause in [0, 1, 0, 1] {
        world.pass(SECOND * pause);
        ids.push(world.push_to(&["alice", "bob", "carol"]).await);
    }
    let other = world.store().add_app("other".to_owned(), NOON).await.expect("added").id;
    ids.reverse();
    let page = async |app, before: Option<PushId>, limit| {
        let page = world.store().pushes(app, Listing::All, before, limit).await.expect("read");
        page.into_iter().map(|push| push.id).collect::<Vec<_>>()
    };
    assert_eq!(page(world.app, None, 100).await, ids);
    let mut paged = Vec::new();
    while let Some(id) = page(world.app, paged.last().copied(), 1).await.pop() {
        paged.push(id);
    }
    assert_eq!(paged, ids);
    assert_eq!(page(other, None, 9).await, []);
    let listed = world.store().pushes(world.app, Listing::Broadcasts, None, 9).await.expect("read");
    assert!(listed.is_empty(), "to some devices each: {listed:?}");
    assert_eq!(page(world.app, Some(PushId::from_bits(99)), 9).await, []);
    let rows = async |after, limit| {
        let page = world.store().deliveries(ids[0], after, limit).await.expect("read");
        page.into_iter().map(|row| (row.number, row.device.expect("one"))).collect::<Vec<_>>()
    };
    let name = |nth: usize| phones[nth].name.clone();
    assert_eq!(rows(0, 2).await, [(1, name(0)), (2, name(1))]);
    assert_eq!(rows(2, 2).await, [(3, name(2))]);
    assert_eq!(rows(3, 2).await, []);
}

#[tokio::test]
async fn a_push_is_forgotten_a_week_after_its_end() {
    let mut world = World::new().await;
    world.sleeper("alice").await;
    let kept = NewPush { expires_at: NOON.plus(DAY * 30), ..world.new_push(users(&["alice"])) };
    let open = world.push(&kept).await.0.id;
    let claimed = world.claim_delivery().await;
    let new = world.new_push(users(&["alice"]));
    let over = world.push(&new).await.0.id;
    world.cancel(over).await;
    let sweep = async |world: &World| {
        world.store().sweep(0, world.now).await.expect("swept");
        let left = world.look();
        let deliveries = left.deliveries.len();
        assert_eq!(left.pushes.len(), deliveries, "each has one");
        left.pushes.into_iter().map(|push| push.id).collect::<Vec<_>>()
    };
    world.pass(DAY * 7);
    assert_eq!(sweep(&world).await.len(), 2);
    world.pass(SECOND);
    assert_eq!(sweep(&world).await, [open], "what goes on is kept");
    assert_eq!(world.store().push(world.app, over).await.expect("read"), None);
    // Its id is as good as new.
    let again = NewPush { now: world.now, expires_at: world.now.plus(HOUR), ..new };
    world.push(&again).await;
    assert!(!world.settle_delivery(&claimed, accepted()).await.stale);
}

/// A user's push is for that user, also when another one signs in on the device before it goes out.
#[tokio::test]
async fn a_users_push_does_not_go_to_who_signs_in_after() {
    let mut world = World::new().await;
    let mut phone = world.phone("alice").await;
    let bob = world.user("bob").await;
    let by_user = world.push_to(&["alice"]).await;
    let new = world.new_push(devices(&[&phone]));
    let by_device = world.push(&new).await.0.id;
    let hello = world.hello(&phone);
    let identity = store::model::Identity::User { app: world.app, inbox: bob };
    world.greet(&mut phone, store::model::Connect { identity, ..hello }).await;
    let claimed = world.claim_delivery().await;
    assert_eq!((claimed.key.push, to_device(&claimed).0), (by_device, phone.number));
    let push = world.push_of(by_user).await;
    assert_eq!((push.state, push.counts.refused), (PushState::Done, 1));
    assert_eq!(world.deliveries(by_user).await[0].reason.as_deref(), Some("no_target"));
}
