//! Direct pushes beside everything else.

use domain::delivery::PushKind;
use domain::policy::IosRoute;
use domain::{DeviceNumber, Outcome, PushId};
use store::model::{BroadcastStep, NewAudience, NewPush, PushAdded};

use super::super::world::{SECOND, users};
use super::player::Player;

impl Player {
    pub(super) async fn push(&mut self, user: &str, all: bool, later: bool, background: bool) {
        let audience = if all { NewAudience::All } else { users(&[user]) };
        let new = self.world.new_push(audience);
        let kind = if background { PushKind::Background } else { PushKind::Alert };
        let send_at = self.world.now.plus(SECOND * if later { 60 } else { 0 });
        let new = NewPush { kind, send_at, expires_at: send_at.plus(SECOND * 3_600), ..new };
        match self.world.add_push(&new).await {
            PushAdded::Added { .. } => self.direct.push(new.id),
            // Nobody has a target.
            PushAdded::Nobody(_) => return,
            PushAdded::IdReused => panic!("a new id"),
        }
        if all {
            self.walk(new.id).await;
        }
    }

    /// One page has everybody, and all of them take it.
    async fn walk(&self, push: PushId) {
        let store = self.world.store();
        let started = store.start_broadcast(push, self.world.now).await.expect("answered");
        let router = store.router(self.world.app).await.expect("read");
        let nobody = DeviceNumber::from_number(0);
        let started = started.expect("it was just taken in");
        let page = store.broadcast_page(started, router, nobody, 100).await.expect("read");
        let step = BroadcastStep {
            push,
            cursor: page.last.unwrap_or(nobody),
            finished: true,
            accepted: u64::try_from(page.devices.len()).expect("few"),
            expired: 0,
            skipped: page.skipped.len() as u64,
            cleared: Vec::new(),
            others: Vec::new(),
            now: self.world.now,
        };
        store.broadcast_step(step).await.expect("stored");
        self.world.look();
    }

    pub(super) async fn settle_delivery(&mut self, nth: usize, outcome: Outcome) {
        if self.deliveries.is_empty() {
            return;
        }
        let claimed = self.deliveries.remove(nth % self.deliveries.len());
        let before = self.world.look();
        let row = before.deliveries_of(claimed.key.push).find(|row| row.key == claimed.key);
        let open = row.and_then(|row| row.attempt);
        let settled = self.world.settle_delivery(&claimed, outcome).await;
        assert_eq!(settled.stale, open != Some(claimed.attempt.bits()), "the open attempt only");
    }

    pub(super) async fn route(&self, firebase: bool, production: bool) {
        let store = self.world.store();
        let settings = store.settings(self.world.app).await.expect("read");
        let mut settings = settings.expect("the app's");
        settings.policy.ios_route = if firebase { IosRoute::Fcm } else { IosRoute::Automatic };
        settings.policy.sandbox_to_production = production;
        store.set_settings(self.world.app, settings, self.world.now).await.expect("set");
        self.world.look();
    }

    /// A push is of use for an hour, and days have passed.
    pub(super) fn every_push_is_over(&self) {
        for push in &self.world.look().pushes {
            assert!(push.ended_at.is_some(), "{push:?}");
        }
    }
}
