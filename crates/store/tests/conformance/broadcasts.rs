//! Broadcasts: one push to many devices, walked in the order of their numbers.

mod late;
mod walk;

use std::time::Duration;

use domain::delivery::End;
use domain::{
    DeviceNumber, Diagnosis, Environment, Outcome, Platform, ProviderId, PushId, RetryRule,
    TargetKind, TokenVerdict,
};
use store::model::{
    Audience, BroadcastOther, BroadcastPage, BroadcastStep, DeviceAddress, Judged, NewAudience,
    NewPush, Push, PushAdded, PushCounts, PushFault, PushState,
};

use super::topics::names;
use super::world::{
    BELIEVED, DAY, NOON, Phone, SECOND, World, accepted, credential, refused, to_device,
};

const HOUR: Duration = Duration::from_secs(3_600);

fn unknown() -> Outcome {
    Outcome::Unknown { detail: "the connection was lost".to_owned() }
}

/// Not now, but after this pause.
fn later(pause: Duration) -> Outcome {
    refused(Diagnosis::TemporarilyDisabled, RetryRule::After(pause), TokenVerdict::Keep)
}

/// A word against the token.
fn bad_token(token: TokenVerdict) -> Outcome {
    refused(Diagnosis::BadPushToken, RetryRule::WhenChanged, token)
}

fn too_large() -> Outcome {
    refused(Diagnosis::BadPayload, RetryRule::Bare, TokenVerdict::Keep)
}

/// The provider's name for a broadcast's push to a device: the same however often it is sent.
fn provider(push: PushId, device: DeviceNumber) -> ProviderId {
    let device = u128::try_from(device.number()).expect("numbers are positive");
    ProviderId::from_bits((push.bits() << 64) | device)
}

fn numbers(page: &BroadcastPage) -> Vec<DeviceNumber> {
    page.devices.iter().map(|device| device.number).collect()
}

impl World {
    /// Takes in a broadcast to all and begins it.
    async fn broadcast(&mut self) -> Push {
        self.broadcast_to(NewAudience::All).await
    }

    async fn broadcast_to(&mut self, audience: NewAudience) -> Push {
        let new = self.new_push(audience);
        self.push(&new).await;
        self.start_broadcast(new.id).await
    }

    async fn start_broadcast(&self, push: PushId) -> Push {
        let started = self.store().start_broadcast(push, self.now).await.expect("answered");
        self.look();
        started.expect("a push the test made")
    }

    /// The devices behind where a broadcast is.
    async fn page(&self, push: PushId, limit: usize) -> BroadcastPage {
        let push = self.push_of(push).await;
        let router = self.store().router(self.app).await.expect("read");
        let after = push.cursor;
        self.store().broadcast_page(push, router, after, limit).await.expect("read")
    }

    /// What is stored of a page: `outcome` says what became of each device's push.
    fn step_of(
        &self,
        push: PushId,
        page: &BroadcastPage,
        mut outcome: impl FnMut(&DeviceAddress) -> Outcome,
    ) -> BroadcastStep {
        let mut step = BroadcastStep {
            push,
            cursor: page.last.unwrap_or(DeviceNumber::from_number(0)),
            finished: page.last.is_none(),
            accepted: 0,
            expired: 0,
            skipped: page.skipped.len() as u64,
            cleared: Vec::new(),
            others: Vec::new(),
            now: self.now,
        };
        for device in &page.devices {
            let token = Judged {
                device: device.number,
                target: (device.target.kind, device.target.token.clone()),
                credential: BELIEVED,
                asked_at: self.now,
            };
            let outcome = outcome(device);
            if !outcome.is_accepted() {
                let provider = provider(push, device.number);
                step.others.push(BroadcastOther { token, outcome, provider });
                continue;
            }
            step.accepted += 1;
            if device.target.suspect_since.is_some() || device.target.learned.is_some() {
                step.cleared.push(token);
            }
        }
        step
    }

    async fn store_step(&self, step: &BroadcastStep) -> PushState {
        let stored = self.store().broadcast_step(step.clone()).await.expect("stored");
        self.look();
        stored.0
    }

    /// Walks what is left; returns whom it came to, and at last whether it goes on.
    async fn walk(
        &self,
        push: PushId,
        limit: usize,
        outcome: impl Fn(&DeviceAddress) -> Outcome,
    ) -> (Vec<DeviceNumber>, PushState) {
        let mut served = Vec::new();
        loop {
            let page = self.page(push, limit).await;
            assert!(page.devices.len() <= limit);
            served.extend(numbers(&page));
            let step = self.step_of(push, &page, &outcome);
            let state = self.store_step(&step).await;
            if step.finished {
                return (served, state);
            }
        }
    }

    /// Broadcasts that go on.
    async fn open(&self) -> Vec<PushId> {
        let open = self.store().broadcasts().await.expect("read");
        open.into_iter().map(|push| push.id).collect()
    }

    async fn add_fcm(&self) {
        let new = credential(self.app, "fcm_service_account", 1, self.now);
        self.store().add_credential(new).await.expect("added");
    }

    async fn sleepers(&mut self, users: &[&str]) -> Vec<Phone> {
        let mut phones = Vec::new();
        for user in users {
            phones.push(self.sleeper(user).await);
        }
        phones
    }
}

fn count(change: impl FnOnce(&mut PushCounts)) -> PushCounts {
    let mut counts = PushCounts::default();
    change(&mut counts);
    counts.devices =
        counts.waiting + counts.accepted + counts.refused + counts.expired + counts.cancelled;
    counts
}

#[tokio::test]
async fn all_devices_there_are_at_the_start_are_served_in_the_order_of_their_numbers() {
    for limit in [1, 2, 100] {
        let mut world = World::new().await;
        let mut phones = world.sleepers(&["alice", "bob", "alice"]).await;
        let mute = world.phone_of("carol", Platform::Ios, None).await;
        world.set_target(&mute, TargetKind::ApnsVoip, "for calls alone").await;
        phones.push(world.phone("dave").await);
        let other = world.store().add_app("other".to_owned(), NOON).await.expect("added").id;
        let push = world.broadcast().await;
        assert_eq!((&push.audience, push.started_at), (&Audience::All, Some(NOON)));
        assert_eq!((push.first, push.bound), (Some(phones[0].number), Some(phones[3].number)));
        let latecomer = world.sleeper("erin").await;
        assert!(latecomer.number > phones[3].number);
        let (served, state) = world.walk(push.id, limit, |_| accepted()).await;
        let expected: Vec<_> = phones.iter().map(|phone| phone.number).collect();
        assert_eq!(served, expected, "pages of {limit}");
        let over = world.push_of(push.id).await;
        assert_eq!((state, over.state), (PushState::Done, PushState::Done));
        assert_eq!(over.ended_at, Some(world.now));
        let counts = count(|counts| (counts.accepted, counts.skipped) = (4, 1));
        assert_eq!(over.counts, counts, "pages of {limit}");
        // An app without devices.
        let new = NewPush { app: other, ..world.new_push(NewAudience::All) };
        world.push(&new).await;
        let over = world.start_broadcast(new.id).await;
        assert_eq!((over.state, over.counts), (PushState::Done, PushCounts::default()));
        assert_eq!(over.first, None, "the first of all devices is another app's");
    }
}

#[tokio::test]
async fn a_topics_devices_are_served_and_no_others() {
    let mut world = World::new().await;
    let phones = world.sleepers(&["alice", "bob", "carol", "dave"]).await;
    world.subscribe("news", names(&[&phones[2], &phones[0], &phones[3]])).await;
    world.subscribe("weather", names(&[&phones[1]])).await;
    let push = world.broadcast_to(NewAudience::Topic("news".to_owned())).await;
    assert_eq!(push.audience, Audience::Topic("news".to_owned()));
    let latecomer = world.sleeper("erin").await;
    world.subscribe("news", names(&[&latecomer])).await;
    world.unsubscribe("news", names(&[&phones[3]])).await;
    let (served, state) = world.walk(push.id, 1, |_| accepted()).await;
    assert_eq!(served, [phones[0].number, phones[2].number]);
    assert_eq!(state, PushState::Done);
    assert_eq!(world.push_of(push.id).await.counts, count(|counts| counts.accepted = 2));
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_named_and_one_that_is_empty_is_done_at_once() {
    let mut world = World::new().await;
    let alice = world.sleeper("alice").await;
    let to = |topic: &str| NewAudience::Topic(topic.to_owned());
    let new = world.new_push(to("news"));
    let PushAdded::Nobody(failed) = world.add_push(&new).await else { panic!("no such topic") };
    assert_eq!(failed, [("news".to_owned(), PushFault::UnknownTopic)]);
    assert!(world.look().pushes.is_empty());
    world.subscribe("news", names(&[&alice])).await;
    world.unsubscribe("news", names(&[&alice])).await;
    let over = world.broadcast_to(to("news")).await;
    assert_eq!((over.state, over.ended_at), (PushState::Done, Some(world.now)));
    // The topic goes between the push and its start, or during the walk; one that is made anew
    // under its name is another one.
    for started in [false, true] {
        world.subscribe("news", names(&[&alice])).await;
        let new = world.new_push(to("news"));
        world.push(&new).await;
        if started {
            world.start_broadcast(new.id).await;
        }
        let push = world.push_of(new.id).await;
        world.store().remove_topic(world.app, "news".to_owned()).await.expect("removed");
        world.subscribe("news", names(&[&alice])).await;
        let push = if started { push } else { world.start_broadcast(new.id).await };
        let router = world.store().router(world.app).await.expect("read");
        let page = world.store().broadcast_page(push.clone(), router, push.cursor, 9).await;
        assert_eq!(numbers(&page.expect("read")), [], "started: {started}");
        world.walk(new.id, 9, |_| accepted()).await;
        assert_eq!(world.push_of(new.id).await.state, PushState::Done, "started: {started}");
    }
}

#[tokio::test]
async fn a_broadcast_begins_once_and_is_found_again_as_long_as_it_walks() {
    let mut world = World::new().await;
    world.sleepers(&["alice", "bob"]).await;
    let new = world.new_push(NewAudience::All);
    let first = NewPush { send_at: NOON.plus(HOUR), expires_at: NOON.plus(DAY), ..new };
    world.push(&first).await;
    let second = world.new_push(NewAudience::All);
    let (push, effects) = world.push(&second).await;
    assert_eq!((push.bound, push.started_at, push.counts), (None, None, PushCounts::default()));
    assert!(effects.due.is_empty(), "no lane has anything of it");
    assert_eq!(world.open().await, [second.id, first.id], "what is due first comes first");
    let begun = world.start_broadcast(second.id).await;
    world.pass(SECOND);
    world.sleeper("carol").await;
    let again = world.start_broadcast(second.id).await;
    assert_eq!((again.bound, again.started_at), (begun.bound, Some(NOON)));
    let page = world.page(second.id, 1).await;
    let step = world.step_of(second.id, &page, |_| accepted());
    assert_eq!(world.store_step(&step).await, PushState::Open);
    world.kill().await;
    assert_eq!(world.open().await, [second.id, first.id]);
    world.walk(second.id, 1, |_| later(SECOND * 60)).await;
    assert_eq!(world.open().await, [first.id], "what is left of it is deliveries");
    assert_eq!(world.push_of(second.id).await.state, PushState::Open);
    world.store().start_broadcast(PushId::from_bits(99), NOON).await.expect("ignored");
    // One that stands still or is cancelled does not begin.
    for state in [PushState::Paused, PushState::Cancelled] {
        let new = world.new_push(NewAudience::All);
        world.push(&new).await;
        match state {
            PushState::Paused => world.move_push(new.id, PushState::Paused).await,
            _ => world.cancel(new.id).await,
        };
        assert_eq!(world.open().await, [first.id], "{state:?}");
        let push = world.start_broadcast(new.id).await;
        assert_eq!((push.state, push.started_at, push.bound), (state, None, None));
    }
}

/// A kill between sending and storing sends a page once more, and skips nobody; a step that was
/// stored though nobody was told so is counted once.
#[tokio::test]
async fn a_step_around_a_kill_skips_nobody_and_is_counted_once() {
    let mut world = World::new().await;
    let phones = world.sleepers(&["alice", "bob", "carol", "dave"]).await;
    let expected: Vec<_> = phones.iter().map(|phone| phone.number).collect();
    let push = world.broadcast().await.id;
    let outcome = |device: &DeviceAddress| match device.name.split_once('-') {
        Some(("alice", _)) => later(SECOND * 60),
        Some(("bob", _)) => too_large(),
        _ => accepted(),
    };
    let sent = world.page(push, 3).await;
    world.kill().await;
    let page = world.page(push, 3).await;
    assert_eq!((numbers(&page), &numbers(&page)[..]), (numbers(&sent), &expected[..3]));
    let step = world.step_of(push, &page, outcome);
    world.store_step(&step).await;
    let after = world.look();
    let counts = count(|counts| (counts.waiting, counts.refused, counts.accepted) = (1, 1, 1));
    assert_eq!(world.push_of(push).await.counts, counts);
    world.kill().await;
    world.store_step(&step).await;
    assert_eq!(world.look(), after, "the same page again changes nothing");
    let (served, _) = world.walk(push, 3, outcome).await;
    assert_eq!(served, expected[3..]);
    // The last step again, after the end of the walk.
    let last = BroadcastStep {
        cursor: phones[3].number,
        finished: true,
        accepted: 1,
        others: Vec::new(),
        ..step
    };
    world.store_step(&last).await;
    let counts = count(|counts| (counts.waiting, counts.refused, counts.accepted) = (1, 1, 2));
    assert_eq!(world.push_of(push).await.counts, counts);
}

#[tokio::test]
async fn what_was_not_taken_and_may_be_later_has_a_delivery_of_its_own() {
    let mut world = World::new().await;
    let phones = world.sleepers(&["later", "unknown", "large", "withdrawn", "taken"]).await;
    let push = world.broadcast().await.id;
    let (_, state) = world
        .walk(push, 2, |device| match device.name.split_once('-').map(|(user, _)| user) {
            Some("later") => later(SECOND * 60),
            Some("unknown") => unknown(),
            Some("large") => too_large(),
            Some("withdrawn") => Outcome::Withdrawn,
            _ => accepted(),
        })
        .await;
    let stood = world.push_of(push).await;
    assert_eq!((state, stood.state, stood.ended_at), (PushState::Open, PushState::Open, None));
    let counts = count(|counts| {
        (counts.waiting, counts.refused, counts.cancelled, counts.accepted) = (2, 1, 1, 1);
    });
    assert_eq!((stood.counts, &*stood.codes), (counts, r#"{"913":1}"#));
    let rows = world.deliveries(push).await;
    let said: Vec<_> = rows.iter().map(|row| (row.device.clone(), row.code)).collect();
    let name = |nth: usize| Some(phones[nth].name.clone());
    assert_eq!(said, [(name(0), Some(902)), (name(1), Some(902))]);
    assert_eq!(rows[0].due, Some(world.now.plus(SECOND * 60)));
    assert_eq!(rows[0].settled_at, Some(world.now));
    world.kill().await;
    world.pass(SECOND * 60);
    for claimed in world.claim_deliveries_due().await {
        let (device, _) = to_device(&claimed);
        let same = claimed.provider == provider(push, device);
        assert_eq!(same, device == phones[1].number, "an unknown end keeps its name");
        world.settle_delivery(&claimed, accepted()).await;
    }
    let over = world.push_of(push).await;
    assert_eq!((over.state, over.ended_at), (PushState::Done, Some(world.now)));
    assert_eq!(over.counts.accepted, 3);
}

#[tokio::test]
async fn a_broadcast_judges_the_tokens_it_meets() {
    let mut world = World::new().await;
    world.iphone("nobody").await;
    let stray = world.iphone("stray").await;
    let phones = world.sleepers(&["gone", "suspect", "cleared"]).await;
    let push = world.broadcast().await.id;
    world
        .walk(push, 9, |device| {
            let cleared = device.number == phones[2].number;
            if cleared { bad_token(TokenVerdict::Suspect) } else { accepted() }
        })
        .await;
    assert!(world.target(&phones[2]).await.suspect_since.is_some());
    world.pass(SECOND);
    let push = world.broadcast().await.id;
    let gone = TokenVerdict::Drop { invalid_since: None };
    world
        .walk(push, 9, |device| match device.name.split_once('-').map(|(user, _)| user) {
            Some("gone") => bad_token(gone),
            Some("suspect") => bad_token(TokenVerdict::Suspect),
            Some("stray") => bad_token(TokenVerdict::Elsewhere),
            _ => accepted(),
        })
        .await;
    let counts = world.push_of(push).await.counts;
    assert_eq!((counts.refused, counts.accepted, counts.waiting), (2, 2, 1));
    assert_eq!(world.events().await.len(), 1, "a token was dropped");
    assert_eq!(world.target(&phones[1]).await.suspect_since, Some(world.now));
    assert_eq!(world.target(&phones[2]).await.suspect_since, None, "it was taken");
    // The stray one is tried at once in the other environment, by a delivery of its own.
    let claimed = world.claim_delivery().await;
    assert_eq!(to_device(&claimed).0, stray.number);
    world.settle_delivery(&claimed, accepted()).await;
    assert_eq!(world.target(&stray).await.learned, Some(Environment::Sandbox));
    assert_eq!(world.push_of(push).await.state, PushState::Done);
    // And by the next broadcast where it belongs.
    let push = world.broadcast().await.id;
    let page = world.page(push, 9).await;
    let device = page.devices.iter().find(|device| device.number == stray.number);
    assert_eq!(device.expect("served").target.learned, Some(Environment::Sandbox));
}

#[tokio::test]
async fn a_device_that_changes_its_target_during_the_walk_is_reached_by_the_new_one() {
    let mut world = World::new().await;
    let phones = world.sleepers(&["alice", "bob", "carol"]).await;
    let push = world.broadcast().await.id;
    let page = world.page(push, 2).await;
    // One that was sent to already, one that is refused, and one that is yet to come.
    world.set_target(&phones[0], TargetKind::Fcm, "alice's new one").await;
    let removed = world.store().remove_targets(phones[1].number, None, world.now).await;
    removed.expect("removed");
    world.set_target(&phones[2], TargetKind::Fcm, "carol's new one").await;
    let step = world.step_of(push, &page, |device| {
        if device.number == phones[0].number {
            bad_token(TokenVerdict::Drop { invalid_since: None })
        } else {
            later(SECOND)
        }
    });
    world.store_step(&step).await;
    let counts = count(|counts| (counts.waiting, counts.refused) = (1, 1));
    let stands = world.push_of(push).await;
    assert_eq!((stands.counts, &*stands.codes), (counts, r#"{"911":1}"#), "bob has none left");
    assert_eq!(to_device(&world.claim_delivery().await), (phones[0].number, "alice's new one"));
    let page = world.page(push, 2).await;
    assert_eq!(page.devices[0].target.token, "carol's new one");
}

#[tokio::test]
async fn a_broadcast_that_is_paused_stands_still_and_goes_on_where_it_was() {
    let mut world = World::new().await;
    let phones = world.sleepers(&["alice", "bob", "carol", "dave"]).await;
    let push = world.broadcast().await.id;
    let page = world.page(push, 1).await;
    let step = world.step_of(push, &page, |_| later(SECOND * 10));
    world.store_step(&step).await;
    let sent = world.page(push, 1).await;
    assert_eq!(world.move_push(push, PushState::Paused).await.state, PushState::Paused);
    assert_eq!(world.open().await, []);
    // What was on its way by then is stored.
    let step = world.step_of(push, &sent, |_| later(SECOND * 20));
    assert_eq!(world.store_step(&step).await, PushState::Paused);
    world.kill().await;
    world.pass(SECOND * 15);
    assert!(world.claim_deliveries_due().await.is_empty(), "deliveries stand still too");
    let due = world.store().lanes_due().await.expect("read");
    assert!(due.iter().all(|(_, due)| *due > world.now), "and nobody looks at them all the time");
    let resumed = world.store().move_push(world.app, push, PushState::Open, world.now).await;
    let (resumed, effects) = resumed.expect("answered");
    assert_eq!(resumed.map(|push| push.state), Some(PushState::Open));
    assert!(effects.due.iter().any(|(_, due)| *due <= world.now), "what was put off is due");
    assert_eq!(world.open().await, [push]);
    let claimed = world.claim_delivery().await;
    assert_eq!(to_device(&claimed).0, phones[0].number);
    world.settle_delivery(&claimed, accepted()).await;
    world.pass(SECOND * 5);
    let claimed = world.claim_delivery().await;
    assert_eq!(to_device(&claimed).0, phones[1].number, "a refusal's pause is not cut short");
    world.settle_delivery(&claimed, accepted()).await;
    let (served, state) = world.walk(push, 1, |_| accepted()).await;
    assert_eq!(served, [phones[2].number, phones[3].number]);
    assert_eq!(state, PushState::Done);
    assert_eq!(world.move_push(push, PushState::Paused).await.state, PushState::Done);
}

#[tokio::test]
async fn a_delivery_of_a_paused_broadcast_expires_in_its_time() {
    let mut world = World::new().await;
    world.sleepers(&["alice", "bob"]).await;
    let push = world.broadcast().await.id;
    let (_, _) = world
        .walk(
            push,
            9,
            |device| {
                if device.name.starts_with("alice") { unknown() } else { accepted() }
            },
        )
        .await;
    world.move_push(push, PushState::Paused).await;
    world.pass(SECOND * 60);
    world.claim_deliveries_due().await;
    assert_eq!(world.push_of(push).await.counts.waiting, 1);
    world.pass(HOUR);
    world.claim_deliveries_due().await;
    assert_eq!(world.store().lanes_due().await.expect("read"), [], "or it is claimed in a circle");
    let over = world.push_of(push).await;
    assert_eq!((over.state, over.counts.expired), (PushState::Done, 1));
}

/// A word against a token that was replaced meanwhile is not the last one: what would go on to the
/// new token is over because the broadcast is, and was not refused.
#[tokio::test]
async fn what_a_cancel_keeps_from_a_new_token_is_cancelled_and_not_refused() {
    let mut world = World::new().await;
    let phones = world.sleepers(&["alice", "bob"]).await;
    let push = world.broadcast().await.id;
    let page = world.page(push, 2).await;
    let step = world.step_of(push, &page, |_| bad_token(TokenVerdict::Suspect));
    world.set_target(&phones[0], TargetKind::Fcm, "the new one").await;
    world.cancel(push).await;
    assert_eq!(world.store_step(&step).await, PushState::Cancelled);
    let counts = count(|counts| (counts.cancelled, counts.refused) = (1, 1));
    assert_eq!(world.push_of(push).await.counts, counts);
}

#[tokio::test]
async fn a_broadcast_that_is_cancelled_serves_nobody_any_more() {
    let mut world = World::new().await;
    let phones = world.sleepers(&["alice", "bob", "carol", "dave", "erin", "frank"]).await;
    let push = world.broadcast().await.id;
    let page = world.page(push, 2).await;
    let step = world.step_of(push, &page, |_| unknown());
    world.store_step(&step).await;
    world.pass(SECOND * 5);
    let lane = world.store().lanes_due().await.expect("read")[0].0;
    world.pass(SECOND * 5);
    let claim = world.store().claim_deliveries(lane, 1, world.now).await;
    let claimed = claim.expect("claimed").0.pop().expect("one is due");
    let sent = world.page(push, 3).await;
    let cancelled = world.cancel(push).await;
    assert_eq!((cancelled.state, cancelled.ended_at), (PushState::Cancelled, None));
    assert_eq!(cancelled.counts, count(|counts| (counts.waiting, counts.cancelled) = (1, 1)));
    // The page that was on its way is counted; what it would try again is not.
    let step = world.step_of(push, &sent, |device| {
        if device.number == phones[2].number {
            accepted()
        } else if device.number == phones[3].number {
            later(SECOND)
        } else {
            too_large()
        }
    });
    assert_eq!(world.store_step(&step).await, PushState::Cancelled);
    world.settle_delivery(&claimed, accepted()).await;
    let counts = count(|counts| {
        (counts.accepted, counts.cancelled, counts.refused) = (2, 2, 1);
    });
    let over = world.push_of(push).await;
    assert_eq!((over.state, over.counts), (PushState::Cancelled, counts));
    assert_eq!(over.ended_at, Some(world.now));
    world.pass(SECOND * 60);
    world.kill().await;
    assert!(world.claim_deliveries_due().await.is_empty());
    assert_eq!(world.open().await, []);
    assert_eq!(world.move_push(push, PushState::Open).await.state, PushState::Cancelled);
    // It is forgotten like any other; a step that comes after that is of nothing.
    world.pass(DAY * 8);
    world.store().sweep(0, world.now).await.expect("swept");
    assert!(world.look().deliveries.is_empty());
    assert_eq!(world.store_step(&step).await, PushState::Cancelled);
    assert!(world.look().pushes.is_empty());
}

/// Rows of a broadcast end like any delivery, one of them as the last.
#[tokio::test]
async fn the_end_of_the_last_delivery_after_the_walk_is_the_end_of_the_broadcast() {
    let mut world = World::new().await;
    world.sleepers(&["alice", "bob"]).await;
    let push = world.broadcast().await.id;
    world.walk(push, 9, |_| later(SECOND)).await;
    world.pass(SECOND);
    let claimed = world.claim_deliveries_due().await;
    let settled = world.settle_delivery(&claimed[0], too_large()).await;
    assert_eq!(settled.ended, Some(End::Refused));
    assert_eq!(world.push_of(push).await.state, PushState::Open);
    world.settle_delivery(&claimed[1], accepted()).await;
    let over = world.push_of(push).await;
    assert_eq!((over.state, &*over.codes), (PushState::Done, r#"{"913":1}"#));
}
