//! A broadcast's walk against its time limits: the time is the test's, so the test is the server.

use std::time::Duration;

use domain::delivery::PushKind;
use domain::session::AppState;
use domain::{Platform, PushId, SessionId, TargetKind};
use http::StatusCode;
use serde_json::Value;
use server::clock::{Clock, Hand};
use server::pushes::content::{Content, Texts};
use sim::device::{ApnsTokenKind, Environment};
use sim::trouble::Scripted;
use store::log::{Query, Record};
use store::model::{
    Connect, Connected, Identity, NewAudience, NewPush, Push, PushAdded, PushState, SetTarget,
};

use crate::apple::{Apple, BUNDLE};

/// How long a test waits for anything; generous, the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than a walk waits for a push service.
const LONG_WAIT: Duration = Duration::from_secs(300);

const DAY: Duration = Duration::from_secs(86_400);

/// A node with an app of some sleeping iPhones.
struct Rig {
    apple: Apple,
}

impl Rig {
    /// One whose clock is in the test's hand.
    async fn start(iphones: usize) -> (Self, Hand) {
        let (clock, hand) = Clock::by_hand(Clock::system().now());
        (Self::start_by(clock, iphones).await, hand)
    }

    async fn start_by(clock: Clock, iphones: usize) -> Self {
        let apple = Apple::start(clock, |config| {
            config.providers.apns_retry_after_unavailable = Duration::from_secs(1);
            config.circuit.service_probe = Duration::from_millis(100);
        });
        let rig = Self { apple: apple.await };
        for number in 0..iphones {
            let (world, kind) = (Environment::Production, ApnsTokenKind::App);
            let token = rig.apple.devices.register_apns(BUNDLE, world, kind);
            rig.add_iphone(number, token).await;
        }
        rig
    }

    async fn add_iphone(&self, number: usize, token: String) {
        let (store, now) = (&self.apple.node.store, self.apple.node.clock.now());
        let inbox = store.ensure_user(self.apple.app, "alice".to_owned(), now).await.expect("made");
        let session = SessionId::from_bits(number as u128 + 1);
        let connect = Connect {
            identity: Identity::User { app: self.apple.app, inbox: inbox.expect("an app") },
            device: format!("iPhone {number}"),
            platform: Platform::Ios,
            app_version: None,
            locale: None,
            time_zone: None,
            secret: None,
            new_secret: [u8::try_from(number).expect("few"); 32],
            held: None,
            state: AppState::Foreground,
            replaces: true,
            session,
            incarnation: self.apple.node.incarnation,
            woken_by: None,
            now,
        };
        let connected = store.connect(connect).await.expect("answered");
        let Connected::Yes(connected) = connected else { panic!("not let in: {connected:?}") };
        let target = SetTarget {
            device: connected.device,
            kind: TargetKind::Apns,
            token,
            environment: Some(domain::Environment::Production),
            app_id: Some(BUNDLE.to_owned()),
            now,
        };
        store.set_target(target).await.expect("set");
        store.end_session(session, now).await.expect("ended");
    }

    /// Takes in a broadcast to all.
    async fn broadcast(&self, number: u128, rate: Option<u32>, ttl: Duration) -> PushId {
        let now = self.apple.node.clock.now();
        let texts = Texts { title: Some("News".to_owned()), ..Texts::default() };
        let content = Content { texts, ..Content::default() };
        let new = NewPush {
            id: PushId::from_bits(number),
            app: self.apple.app,
            request: [0; 32],
            audience: NewAudience::All,
            kind: PushKind::Alert,
            content: serde_json::to_string(&content).expect("JSON"),
            rate,
            send_at: now,
            expires_at: now.plus(ttl),
            now,
        };
        let added = self.apple.node.store.add_push(new).await.expect("taken in");
        assert!(matches!(added, PushAdded::Added { .. }), "{added:?}");
        self.apple.node.broadcasts.changed();
        PushId::from_bits(number)
    }

    /// Asks how a push stands until it fits.
    async fn until(&self, push: PushId, fits: impl Fn(&Push) -> bool) -> Push {
        let asking = async {
            loop {
                let push = self.apple.node.store.push(self.apple.app, push).await.expect("read");
                let push = push.expect("it is kept");
                if fits(&push) {
                    return push;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("it comes to that in time")
    }

    /// Waits until so many walks wait.
    async fn until_waiting(&self, count: usize) {
        let mut waiting = self.apple.node.broadcasts.waiting();
        let come = waiting.wait_for(|waiting| *waiting == count);
        tokio::time::timeout(PATIENCE, come).await.expect("in time").expect("the node lives");
    }

    /// The app's pushes are enabled, or not.
    async fn enable(&self, enabled: bool) {
        let (store, now) = (&self.apple.node.store, self.apple.node.clock.now());
        let mut settings = store.settings(self.apple.app).await.expect("read").expect("an app");
        settings.policy.push_enabled = enabled;
        store.set_settings(self.apple.app, settings, now).await.expect("set");
        self.apple.node.settings_cache.forget(self.apple.app);
    }

    /// What the push log says of a push.
    async fn records(&self, push: PushId) -> Vec<Record> {
        self.apple.node.log.flush().await;
        let query = Query { push: Some(push), ..Query::of(self.apple.app) };
        self.apple.node.log.query(query).await.expect("read").records
    }

    async fn stop(self) {
        self.apple.node.stop().await;
        assert_eq!(self.apple.node.tasks.panics(), 0, "tasks panicked");
    }
}

fn detail(record: &Record) -> Value {
    serde_json::from_str(record.detail.as_deref().expect("a detail")).expect("JSON")
}

#[tokio::test]
async fn a_walk_waits_five_minutes_for_its_service_and_leaves_the_devices_to_the_deliveries() {
    let (rig, hand) = Rig::start(6).await;
    rig.apple.apns.trouble().answer_for(DAY, &Scripted::status(StatusCode::SERVICE_UNAVAILABLE));
    // Six refusals in a row: the circuit is open.
    let first = rig.broadcast(1, None, DAY * 20).await;
    rig.until(first, |push| push.counts.devices == 6).await;
    let second = rig.broadcast(2, None, DAY * 20).await;
    rig.until_waiting(1).await;
    let before = rig.until(second, |_| true).await.counts;
    assert_eq!(before.devices, 0, "it waits before it sends");
    hand.advance(LONG_WAIT);
    let left = rig.until(second, |push| push.counts.devices == 6).await;
    assert_eq!((left.state, left.counts.waiting), (PushState::Open, 6), "{left:?}");
    rig.until_waiting(0).await;
    let deliveries = rig.apple.node.store.deliveries(second, 0, 100).await.expect("read");
    assert_eq!(deliveries.len(), 6, "each has a delivery of its own");
    rig.apple.apns.trouble().clear();
    let sent = async |push| {
        rig.until(push, |push| push.state == PushState::Done && push.counts.accepted == 6).await
    };
    let mut both = Box::pin(async { tokio::join!(sent(first), sent(second)) });
    // Probes and deliveries are due a little later, whatever that is for each.
    let step = Duration::from_millis(50);
    while tokio::time::timeout(step, &mut both).await.is_err() {
        hand.advance(Duration::from_secs(1));
    }
    drop(both);
    rig.stop().await;
}

#[tokio::test]
async fn a_walk_stands_still_while_the_apps_pushes_are_switched_off() {
    let rig = Rig::start_by(Clock::system(), 8).await;
    // Two pages of four devices. The first is on its way when the switch goes off.
    rig.apple.apns.trouble().hold();
    let push = rig.broadcast(1, Some(2), DAY).await;
    rig.apple.apns.trouble().wait_held(1, PATIENCE).await.expect("it is under way");
    rig.enable(false).await;
    rig.apple.apns.trouble().release();
    rig.until_waiting(1).await;
    // What was done is stored before the wait, which may be long.
    let still = rig.until(push, |push| push.counts.devices == 4).await;
    assert_eq!((still.state, still.counts.accepted), (PushState::Open, 4), "{still:?}");
    assert_eq!(rig.apple.apns.seen().len(), 4);
    rig.enable(true).await;
    let over = rig.until(push, |push| push.state == PushState::Done).await;
    assert_eq!((over.counts.devices, over.counts.accepted), (8, 8), "{over:?}");
    assert_eq!(*rig.apple.node.broadcasts.waiting().borrow(), 0);
    rig.stop().await;
}

#[tokio::test]
async fn who_is_not_come_to_while_the_switch_is_off_is_counted_and_not_pushed() {
    let (rig, hand) = Rig::start(4).await;
    rig.enable(false).await;
    let push = rig.broadcast(1, None, Duration::from_secs(60)).await;
    rig.until_waiting(1).await;
    hand.advance(Duration::from_secs(61));
    // A change of anything else; the walk looks again.
    rig.enable(false).await;
    let over = rig.until(push, |push| push.state == PushState::Done).await;
    assert_eq!((over.counts.devices, over.counts.expired), (4, 4), "{over:?}");
    assert!(rig.apple.apns.seen().is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn a_walk_whose_time_runs_out_counts_the_rest_in_one_piece() {
    let (rig, hand) = Rig::start(12).await;
    // Pages of four devices, and at a clock that stands hardly one is let out.
    let push = rig.broadcast(1, Some(2), Duration::from_secs(60)).await;
    rig.until(push, |push| push.started_at.is_some()).await;
    hand.advance(Duration::from_secs(61));
    let over = rig.until(push, |push| push.state == PushState::Done).await;
    let counts = over.counts;
    assert_eq!((counts.devices, counts.accepted + counts.expired), (12, 12), "{counts:?}");
    assert!(counts.expired >= 8, "{counts:?}");
    assert!(rig.apple.node.store.deliveries(push, 0, 100).await.expect("read").is_empty());
    // A record for the page that was on its way, if it was, and one for all behind it.
    let records = rig.records(push).await;
    assert!((1..=2).contains(&records.len()), "{records:?}");
    let expired = records.iter().map(|record| detail(record)["expired"].as_u64().unwrap_or(0));
    assert_eq!(expired.sum::<u64>(), counts.expired, "{records:?}");
    assert!(records.iter().all(|record| record.device.is_none()), "none of them one by one");
    rig.stop().await;
}
