//! A change of settings or credentials: devices go by other lanes, and what waited looks again.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::policy::IosRoute;
use domain::wake::Phase;
use domain::{
    AppId, CredentialId, Diagnosis, Environment, LaneId, Outcome, Platform, Reason, RetryRule,
    TargetKind, TokenVerdict,
};
use store::model::{
    Connected, Effects, Identity, NewAudience, PushAdded, RawTarget, SetTarget, Settings, Settle,
};

use super::world::{NOON, Phone, SECOND, World, accepted, credential, refused, to_device};

/// Devices looked at in one transaction, as the design says.
const SLICE: usize = 1_000;

/// Not with this credential.
fn not_with_this() -> Outcome {
    refused(Diagnosis::CertificateError, RetryRule::WhenChanged, TokenVerdict::Keep)
}

impl World {
    async fn change_settings(&self, change: impl FnOnce(&mut Settings)) -> Effects {
        let settings = self.store().settings(self.app).await.expect("read");
        let mut settings = settings.expect("the app's");
        change(&mut settings);
        let (set, effects) =
            self.store().set_settings(self.app, settings, self.now).await.expect("set");
        assert!(set);
        self.look();
        effects
    }

    async fn add(&self, kind: &str) -> (CredentialId, Effects) {
        let added = self.store().add_credential(credential(self.app, kind, 1, self.now)).await;
        let (added, effects) = added.expect("added");
        self.look();
        (added.expect("the app is there").id, effects)
    }

    async fn remove(&self, credential: CredentialId) -> Effects {
        let removed = self.store().remove_credential(self.app, credential, self.now).await;
        self.look();
        let (removed, effects) = removed.expect("answered");
        assert!(removed);
        effects
    }

    /// Looks at more devices until none is left; returns in how many slices.
    async fn relane(&self) -> usize {
        let mut slices = 0;
        loop {
            let (more, _) = self.store().relane(self.now).await.expect("looked");
            self.look();
            slices += 1;
            if !more {
                return slices;
            }
        }
    }

    /// An iPhone with an APNs token of the sandbox, which it declares, and an FCM token.
    async fn both(&mut self, user: &str) -> Phone {
        let phone = self.phone_of(user, Platform::Ios, Some(TargetKind::Fcm)).await;
        self.end(&phone).await;
        self.set_apns(&phone, &format!("apple's for {user}"), Some(Environment::Sandbox)).await;
        phone
    }

    /// So many users with an iPhone each that is asleep, and has both tokens.
    async fn crowd(&mut self, count: usize) -> Vec<String> {
        let users: Vec<_> = (0..count).map(|nth| format!("user {nth}")).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for user in &users {
            let nobody = Phone {
                number: domain::DeviceNumber::from_number(0),
                name: format!("phone of {user}"),
                user: user.clone(),
                inbox: domain::InboxId::from_number(0),
                platform: Platform::Ios,
                secret: None,
                epoch: domain::Epoch::from_number(0),
                session: domain::SessionId::from_bits(0),
            };
            let hello = self.hello(&nobody);
            let (store, app, now, user) = (self.store().clone(), self.app, self.now, user.clone());
            tasks.spawn(async move {
                let inbox = store.ensure_user(app, user, now).await.expect("made");
                let inbox = inbox.expect("the app is there");
                let hello =
                    store::model::Connect { identity: Identity::User { app, inbox }, ..hello };
                let session = hello.session;
                let Connected::Yes(connected) = store.connect(hello).await.expect("answered")
                else {
                    panic!("a new phone");
                };
                for kind in [TargetKind::Fcm, TargetKind::Apns] {
                    let set = SetTarget {
                        device: connected.device,
                        kind,
                        token: format!("{kind:?} of {inbox}"),
                        environment: None,
                        app_id: Some("com.example.chat".to_owned()),
                        now,
                    };
                    store.set_target(set).await.expect("set");
                }
                store.end_session(session, now).await.expect("ended");
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("a phone");
        }
        users
    }

    /// How many open wakes are in lanes of each kind.
    fn wakes_by_kind(&self) -> BTreeMap<TargetKind, usize> {
        let seen = self.look();
        let mut kinds = BTreeMap::new();
        let lanes: BTreeMap<_, _> = seen.lanes.iter().map(|lane| (lane.id, lane.kind)).collect();
        for wake in &seen.wakes {
            let lane = wake.lane.expect("every phone here has a target");
            *kinds.entry(lanes[&lane]).or_default() += 1;
        }
        kinds
    }

    /// The lane that is due and carries wakes by targets of this kind.
    async fn lane_by(&self, kind: TargetKind) -> LaneId {
        for (lane, _) in self.store().lanes_due().await.expect("read") {
            if self.store().lane(lane).await.expect("read").is_some_and(|lane| lane.kind == kind) {
                return lane;
            }
        }
        panic!("nothing is due by {kind:?}");
    }
}

/// What changes the way to iPhones.
#[derive(Clone, Copy, Debug)]
enum Change {
    FirstCredential,
    LastCredential,
    ToFirebase,
    ToProduction,
}

#[tokio::test]
async fn wakes_and_pushes_go_by_todays_way_after_a_change() {
    use Change::{FirstCredential, LastCredential, ToFirebase, ToProduction};
    use Environment::{Production, Sandbox};
    use TargetKind::{Apns, Fcm};
    let table = [
        (FirstCredential, (Fcm, None), (Apns, Some(Sandbox))),
        (LastCredential, (Apns, Some(Sandbox)), (Fcm, None)),
        (ToFirebase, (Apns, Some(Sandbox)), (Fcm, None)),
        (ToProduction, (Apns, Some(Sandbox)), (Apns, Some(Production))),
    ];
    for (change, before, after) in table {
        // The process may have begun since the last question about the app.
        for restarts in [false, true] {
            let mut world = World::new().await;
            let mut has = None;
            if !matches!(change, FirstCredential) {
                has = Some(world.add("apns_key").await.0);
            }
            // One whose push is due, one whose push is on its way, one that waits for a change.
            let mut phones = Vec::new();
            for user in ["alice", "bob", "carol"] {
                phones.push(world.both(user).await);
            }
            let lane_of = async |world: &World, lane: LaneId| {
                let lane = world.store().lane(lane).await.expect("read").expect("it is there");
                (lane.kind, lane.environment)
            };
            for (user, outcome) in [("bob", None), ("carol", Some(not_with_this()))] {
                world.send(user).await;
                world.push_to(&[user]).await;
                let (wake, delivery) = (world.claim_one().await, world.claim_delivery().await);
                assert_eq!(lane_of(&world, wake.lane).await, before, "{change:?}");
                assert_eq!(lane_of(&world, delivery.lane).await, before, "{change:?}");
                if let Some(outcome) = outcome {
                    world.settle(&wake, outcome.clone()).await;
                    world.settle_delivery(&delivery, outcome).await;
                }
            }
            world.send("alice").await;
            world.push_to(&["alice"]).await;
            if restarts {
                world.restart().await;
            }
            world.pass(SECOND);
            let effects = match change {
                FirstCredential => world.add("apns_certificate").await.1,
                LastCredential => world.remove(has.take().expect("added")).await,
                ToFirebase => {
                    world
                        .change_settings(|settings| settings.policy.ios_route = IosRoute::Fcm)
                        .await
                }
                ToProduction => {
                    let to = |settings: &mut Settings| settings.policy.sandbox_to_production = true;
                    world.change_settings(to).await
                }
            };
            assert!(!effects.relane, "{change:?}: a few devices are looked at in one go");
            let seen = world.look();
            let wakes = seen.wakes.iter().map(|row| (row.lane, row.attempt));
            let deliveries = seen.deliveries.iter().map(|row| (row.lane, row.attempt));
            // What is on its way is handed over when it lapses.
            let waits = wakes.chain(deliveries).filter(|(_, attempt)| attempt.is_none());
            for (lane, _) in waits {
                let lane = lane.expect("they have a target");
                assert_eq!(lane_of(&world, lane).await, after, "{change:?}, {restarts}");
                let told = effects.due.iter().any(|(told, due)| *told == lane && *due <= world.now);
                assert!(told, "{change:?}, {restarts}: nobody looks there");
            }
            world.pass(domain::wake::LAPSE);
            // What lapsed is found in its old lane first, and handed over.
            let (mut wakes, mut pushes) = (Vec::new(), Vec::new());
            for _ in 0..2 {
                wakes.extend(world.claim_due().await);
                pushes.extend(world.claim_deliveries_due().await);
            }
            let mut woken: Vec<_> = wakes.iter().map(|claimed| claimed.key.device).collect();
            let mut pushed: Vec<_> = pushes.iter().map(|claimed| to_device(claimed).0).collect();
            woken.sort_unstable();
            pushed.sort_unstable();
            let all: Vec<_> = phones.iter().map(|phone| phone.number).collect();
            assert_eq!((&woken, &pushed), (&all, &all), "{change:?}, {restarts}");
            for lane in wakes.iter().map(|c| c.lane).chain(pushes.iter().map(|c| c.lane)) {
                assert_eq!(lane_of(&world, lane).await, after, "{change:?}, {restarts}");
            }
        }
    }
}

#[tokio::test]
async fn a_credential_that_changes_no_way_opens_what_is_parked_and_nothing_else() {
    let mut world = World::new().await;
    world.add("apns_key").await;
    let alice = world.both("alice").await;
    world.both("bob").await;
    world.send("alice").await;
    let claimed = world.claim_one().await;
    world.settle(&claimed, not_with_this()).await;
    world.send("bob").await;
    world.pass(SECOND);
    for round in ["a second key", "it is gone again", "the service believes it again", "settings"] {
        let parked = world.wake(&alice).await.expect("open").wake;
        assert_eq!((parked.phase, parked.reason), (Phase::Parked, Reason::Credential), "{round}");
        let effects = match round {
            "a second key" => world.add("apns_key").await.1,
            "it is gone again" => {
                let all = world.store().credentials(Some(world.app)).await.expect("read");
                world.remove(all[0].id).await
            }
            "settings" => {
                world.change_settings(|settings| settings.sound = "none".to_owned()).await
            }
            _ => world.store().recovered(world.app, world.now).await.expect("looked"),
        };
        let decided: Vec<_> = effects.decisions.iter().map(|d| (d.device, d.reason)).collect();
        assert_eq!(decided, [(alice.number, Reason::Changed)], "{round}");
        let claimed = world.claim_due().await;
        let alices = claimed.iter().find(|claimed| claimed.key.device == alice.number);
        world.settle(alices.expect("it is due"), not_with_this()).await;
        world.pass(SECOND);
    }
}

/// A device whose way did not change is not written, nor told of in the log.
#[tokio::test]
async fn what_goes_on_as_before_is_no_decision() {
    let mut world = World::new().await;
    world.add("apns_key").await;
    let alice = world.both("alice").await;
    // Bob's phone has no APNs token, and goes by FCM anyway.
    let bob = world.phone_of("bob", Platform::Ios, Some(TargetKind::Fcm)).await;
    world.end(&bob).await;
    for user in ["alice", "bob"] {
        world.send(user).await;
    }
    let to_firebase = |settings: &mut Settings| settings.policy.ios_route = IosRoute::Fcm;
    let effects = world.change_settings(to_firebase).await;
    let decided: Vec<_> = effects.decisions.iter().map(|decision| decision.device).collect();
    assert_eq!(decided, [alice.number]);
}

/// More devices than one transaction looks at: the rest is a job that a restart goes on with, and
/// until it comes by, a claim hands over what is in another lane than it belongs to.
#[tokio::test]
async fn very_many_devices_are_looked_at_in_slices_and_a_restart_goes_on() {
    use TargetKind::{Apns, Fcm};
    let mut world = World::new().await;
    let users = world.crowd(SLICE * 2 + 100).await;
    let all = users.len();
    let to: Vec<&str> = users.iter().map(String::as_str).collect();
    let message = world.message(&to);
    world.accept(message).await;
    assert_eq!(world.wakes_by_kind(), BTreeMap::from([(Fcm, all)]));
    let (_, effects) = world.add("apns_key").await;
    assert!(effects.relane, "there is more to look at");
    let moved =
        |slices: usize| BTreeMap::from([(Apns, SLICE * slices), (Fcm, all - SLICE * slices)]);
    assert_eq!(world.wakes_by_kind(), moved(1));
    // `World::claim` holds the lane against the target.
    let fcm = world.lane_by(Fcm).await;
    assert!(world.claim(fcm).await.is_empty());
    assert_eq!(world.wakes_by_kind().get(&Apns), Some(&(SLICE + 100)), "handed over");
    let apns = world.lane_by(Apns).await;
    assert_eq!(world.claim(apns).await.len(), 100);
    // In good order or not, the next process is told of the rest.
    assert!(world.kill().await.relane);
    assert!(world.restart().await.relane);
    let (more, effects) = world.store().relane(world.now).await.expect("looked");
    assert!(more && effects.due.iter().all(|(lane, _)| *lane == apns));
    assert_eq!(world.relane().await, 1);
    assert_eq!(world.wakes_by_kind(), BTreeMap::from([(Apns, all)]));
    assert!(!world.restart().await.relane);
    assert!(!world.store().relane(world.now).await.expect("looked").0);
}

/// A second change while the first is being carried out begins anew, and forgets nothing of it.
#[tokio::test]
async fn a_change_during_the_job_begins_it_anew() {
    use TargetKind::{Apns, Fcm};
    let mut world = World::new().await;
    let users = world.crowd(SLICE + 50).await;
    let all = users.len();
    let to: Vec<&str> = users.iter().map(String::as_str).collect();
    let message = world.message(&to);
    world.accept(message).await;
    world.add("apns_key").await;
    // Of itself this one would look at parked wakes alone.
    let (_, effects) = world.add("apns_key").await;
    assert!(effects.relane);
    assert_eq!(world.relane().await, 1);
    assert_eq!(world.wakes_by_kind(), BTreeMap::from([(Apns, all)]));
    // Back again before it is through: the first devices too.
    world.change_settings(|settings| settings.policy.ios_route = IosRoute::Fcm).await;
    world.change_settings(|settings| settings.policy.ios_route = IosRoute::Automatic).await;
    assert_eq!(world.relane().await, 1);
    assert_eq!(world.wakes_by_kind(), BTreeMap::from([(Apns, all)]));
    world.change_settings(|settings| settings.policy.ios_route = IosRoute::Fcm).await;
    assert_eq!(world.relane().await, 1);
    assert_eq!(world.wakes_by_kind(), BTreeMap::from([(Fcm, all)]));
}

#[tokio::test]
async fn very_many_parked_wakes_are_opened_in_slices() {
    let mut world = World::new().await;
    world.add("apns_key").await;
    let users = world.crowd(SLICE + 50).await;
    let to: Vec<&str> = users.iter().map(String::as_str).collect();
    let message = world.message(&to);
    world.accept(message).await;
    let lane = world.lane_by(TargetKind::Apns).await;
    let claim = world.store().claim(lane, 10_000, world.incarnation, world.now).await;
    let mut tasks = tokio::task::JoinSet::new();
    for claimed in claim.expect("claimed").0 {
        let settle = Settle { now: world.now, ..world.settlement(&claimed, not_with_this()) };
        let store = world.store().clone();
        tasks.spawn(async move { store.settle(settle).await.expect("settled") });
    }
    while let Some(done) = tasks.join_next().await {
        assert!(!done.expect("settled").stale);
    }
    let parked =
        |world: &World| world.look().wakes.iter().filter(|wake| wake.due.is_none()).count();
    assert_eq!(parked(&world), users.len());
    let effects = world.store().recovered(world.app, world.now).await.expect("looked");
    assert!(effects.relane);
    assert_eq!(parked(&world), 50);
    assert!(world.kill().await.relane);
    assert_eq!(world.relane().await, 1);
    assert_eq!(parked(&world), 0);
}

/// All pushes that wait out a refusal look again, also where there are more than a slice of them.
#[tokio::test]
async fn very_many_pushes_that_wait_for_a_credential_look_again() {
    let mut world = World::new().await;
    let raw = super::pushes::raw(&world, "one");
    let targets = (0..SLICE + 50)
        .map(|nth| RawTarget { lane: raw.lane.clone(), target: format!(r#"{{"apns":"{nth}"}}"#) });
    let audience =
        NewAudience::Listed { users: Vec::new(), devices: Vec::new(), targets: targets.collect() };
    let new = world.new_push(audience);
    let PushAdded::Added { effects, .. } = world.add_push(&new).await else { panic!("taken in") };
    let lane = effects.due[0].0;
    let refuse_all = async |world: &World| {
        let claim = world.store().claim_deliveries(lane, 10_000, world.now).await;
        let claimed = claim.expect("claimed").0;
        let mut tasks = tokio::task::JoinSet::new();
        for claimed in &claimed {
            let settle = world.delivery_settlement(claimed, not_with_this());
            let store = world.store().clone();
            tasks.spawn(async move { store.settle_delivery(settle).await.expect("settled") });
        }
        while let Some(done) = tasks.join_next().await {
            assert!(!done.expect("settled").stale);
        }
        claimed.len()
    };
    assert_eq!(refuse_all(&world).await, SLICE + 50);
    world.pass(SECOND);
    let (_, effects) = world.add("apns_key").await;
    assert!(effects.relane);
    assert!(world.kill().await.relane);
    // Those of the first slice are refused again meanwhile: they have had their chance.
    assert_eq!(refuse_all(&world).await, SLICE);
    assert_eq!(world.relane().await, 1);
    assert_eq!(refuse_all(&world).await, 50);
}

#[tokio::test]
async fn the_jobs_of_two_apps_do_not_mix() {
    let mut world = World::new().await;
    let other = world.store().add_app("other".to_owned(), NOON).await.expect("added").id;
    let ours = world.app;
    let mut phones = Vec::new();
    for (app, user) in [(ours, "alice"), (other, "alice")] {
        world.app = app;
        phones.push(world.both(user).await);
        world.send(user).await;
    }
    let kinds = async |world: &World| {
        let seen = world.look();
        let kind = |phone: &Phone| {
            let lane = seen.wake(phone.number).expect("open").lane;
            seen.lanes.iter().find(|row| Some(row.id) == lane).expect("its lane").kind
        };
        [kind(&phones[0]), kind(&phones[1])]
    };
    let add = async |world: &World, app: AppId| {
        world.store().add_credential(credential(app, "apns_key", 1, NOON)).await.expect("added");
    };
    add(&world, other).await;
    assert_eq!(kinds(&world).await, [TargetKind::Fcm, TargetKind::Apns]);
    add(&world, ours).await;
    assert_eq!(kinds(&world).await, [TargetKind::Apns, TargetKind::Apns]);
}

/// What a device runs may be another thing than when it registered its targets.
#[tokio::test]
async fn a_claim_goes_by_what_the_device_runs_now() {
    let mut world = World::new().await;
    world.add("apns_key").await;
    let mut alice = world.phone_of("alice", Platform::Other, Some(TargetKind::Fcm)).await;
    world.set_apns(&alice, "apple's", None).await;
    world.end(&alice).await;
    world.send("alice").await;
    world.claim_one().await;
    alice.platform = Platform::Ios;
    world.connect(&mut alice).await;
    world.end(&alice).await;
    world.pass(Duration::from_secs(60));
    let mut claimed = world.claim_due().await;
    claimed.extend(world.claim_due().await);
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].target.kind, TargetKind::Apns);
    world.settle(&claimed[0], accepted()).await;
}

/// PushKit's tokens are not Firebase's: a call that rings while the way changes goes by the new one.
#[tokio::test]
async fn a_call_that_is_not_pushed_yet_goes_by_todays_way() {
    let mut world = World::new().await;
    world.add("apns_key").await;
    let alice = world.both("alice").await;
    world.set_target(&alice, TargetKind::ApnsVoip, "pushkit's").await;
    let bob = world.phone("bob").await;
    let (_, effects) = world.ring(&bob, "alice").await;
    let lane = world.store().lane(effects.due[0].0).await.expect("read").expect("it is there");
    assert_eq!(lane.kind, TargetKind::ApnsVoip);
    world.change_settings(|settings| settings.policy.ios_route = IosRoute::Fcm).await;
    let claimed = world.claim_one().await;
    assert_eq!((claimed.key.device, claimed.target.kind), (alice.number, TargetKind::Fcm));
    // One that is on its way is never sent again, by whatever way.
    world.change_settings(|settings| settings.policy.ios_route = IosRoute::Automatic).await;
    world.pass(domain::wake::LAPSE);
    assert!(world.claim_due().await.is_empty());
}
