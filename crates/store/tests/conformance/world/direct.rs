//! Direct pushes taken in, claimed and settled, and what every one of them must be.

use domain::delivery::PushKind;
use domain::{LaneId, Outcome, PushId};
use store::model::{
    ClaimedDelivery, DeliveryRecord, DeliverySettled, DeliveryTo, Effects, Judged, NewAudience,
    NewPush, Push, PushAdded, PushState, SettleDelivery, Subject, Target,
};

use super::super::snapshot::Snapshot;
use super::{BELIEVED, Phone, SECOND, World, digest};

/// To all devices of these users.
pub(crate) fn users(users: &[&str]) -> NewAudience {
    let users = users.iter().map(|user| (*user).to_owned()).collect();
    NewAudience::Listed { users, devices: Vec::new(), targets: Vec::new() }
}

/// To these devices.
pub(crate) fn devices(phones: &[&Phone]) -> NewAudience {
    let devices = phones.iter().map(|phone| phone.name.clone()).collect();
    NewAudience::Listed { users: Vec::new(), devices, targets: Vec::new() }
}

impl World {
    /// A push that is shown to the user, goes out at once and is kept for an hour.
    pub(crate) fn new_push(&mut self, audience: NewAudience) -> NewPush {
        let drawn = self.draw();
        NewPush {
            id: PushId::from_bits(drawn),
            app: self.app,
            request: digest(drawn),
            audience,
            kind: PushKind::Alert,
            content: format!(r#"{{"n":{drawn}}}"#),
            rate: None,
            send_at: self.now,
            expires_at: self.now.plus(SECOND * 3_600),
            now: self.now,
        }
    }

    pub(crate) async fn add_push(&self, push: &NewPush) -> PushAdded {
        let added = self.store().add_push(push.clone()).await.expect("a push is answered");
        self.look();
        added
    }

    /// Takes in a push to somebody who is there.
    pub(crate) async fn push(&self, push: &NewPush) -> (Push, Effects) {
        let PushAdded::Added { push, failed, replayed: false, effects } = self.add_push(push).await
        else {
            panic!("not taken in: {push:?}");
        };
        assert!(failed.is_empty(), "{failed:?}");
        (*push, effects)
    }

    /// Takes in a push that is shown to these users.
    pub(crate) async fn push_to(&mut self, to: &[&str]) -> PushId {
        let push = self.new_push(users(to));
        self.push(&push).await.0.id
    }

    /// How a push stands.
    pub(crate) async fn push_of(&self, push: PushId) -> Push {
        let read = self.store().push(self.app, push).await.expect("a push is read");
        read.expect("a push the test made")
    }

    /// The deliveries of a push, in order.
    pub(crate) async fn deliveries(&self, push: PushId) -> Vec<DeliveryRecord> {
        self.store().deliveries(push, 0, 1_000).await.expect("deliveries are read")
    }

    pub(crate) async fn cancel(&self, push: PushId) -> Push {
        let cancelled = self.store().cancel_push(self.app, push, self.now).await;
        self.look();
        cancelled.expect("answered").expect("a push the test made")
    }

    pub(crate) async fn move_push(&self, push: PushId, state: PushState) -> Push {
        let moved = self.store().move_push(self.app, push, state, self.now).await;
        self.look();
        moved.expect("answered").0.expect("a push the test made")
    }

    /// Claims everything that is due, in every lane.
    pub(crate) async fn claim_deliveries_due(&self) -> Vec<ClaimedDelivery> {
        let mut claimed = Vec::new();
        let lanes = self.store().lanes_due().await.expect("lanes are read");
        for (lane, due) in lanes {
            if due <= self.now {
                claimed.extend(self.claim_deliveries(lane).await);
            }
        }
        claimed
    }

    pub(crate) async fn claim_deliveries(&self, lane: LaneId) -> Vec<ClaimedDelivery> {
        let before = self.look();
        let claimed = self.store().claim_deliveries(lane, 100, self.now).await;
        let (claimed, _) = claimed.expect("a lane is claimed");
        self.look();
        for claimed in &claimed {
            assert_eq!(claimed.lane, lane, "the room that was taken is this lane's");
            self.may_be_sent(&before, claimed);
            if let DeliveryTo::Device(address) = &claimed.to {
                self.is_lane_of(&before, lane, Subject::Push, &address.target).await;
            }
        }
        claimed
    }

    /// The one delivery that is due.
    pub(crate) async fn claim_delivery(&self) -> ClaimedDelivery {
        let mut claimed = self.claim_deliveries_due().await;
        assert_eq!(claimed.len(), 1, "one delivery is due");
        claimed.remove(0)
    }

    /// What every delivery that is claimed must be: of a push that goes on, of use, and to a target
    /// that its device has.
    fn may_be_sent(&self, before: &Snapshot, claimed: &ClaimedDelivery) {
        let push = before.push(claimed.key.push);
        assert_eq!(push.state, PushState::Open, "of a push that goes on");
        assert!(claimed.expires_at > self.now, "of use");
        if let DeliveryTo::Device(address) = &claimed.to {
            let has = before.targets.iter().any(|target| {
                target.device == address.number
                    && target.kind == address.target.kind
                    && target.token == address.target.token
            });
            assert!(has, "a target it has");
        }
    }

    /// A lane is that of a target: its provider, its app and its environment.
    pub(crate) async fn is_lane_of(
        &self,
        seen: &Snapshot,
        lane: LaneId,
        subject: Subject,
        target: &Target,
    ) {
        let lane = seen.lanes.iter().find(|row| row.id == lane).expect("a lane that was claimed");
        let settings = self.store().settings(self.app).await.expect("read").expect("the app's");
        let environment = target
            .kind
            .is_apns()
            .then(|| settings.policy.environment(target.environment, target.learned));
        assert_eq!(
            (lane.subject, lane.kind, lane.environment),
            (subject, target.kind, environment),
            "the target's lane"
        );
    }

    pub(crate) async fn settle_delivery(
        &self,
        claimed: &ClaimedDelivery,
        outcome: Outcome,
    ) -> DeliverySettled {
        let settle = self.delivery_settlement(claimed, outcome);
        let settled = self.store().settle_delivery(settle).await;
        self.look();
        settled.expect("an attempt is settled")
    }

    pub(crate) fn delivery_settlement(
        &self,
        claimed: &ClaimedDelivery,
        outcome: Outcome,
    ) -> SettleDelivery {
        let token = match &claimed.to {
            DeliveryTo::Device(address) => Some(Judged {
                device: address.number,
                target: (address.target.kind, address.target.token.clone()),
                credential: BELIEVED,
                asked_at: claimed.at,
            }),
            DeliveryTo::Raw(_) => None,
        };
        let (key, attempt, now) = (claimed.key, claimed.attempt, self.now);
        SettleDelivery { key, attempt, outcome, token, event: None, now }
    }
}

/// The device a delivery goes to, and by which token.
pub(crate) fn to_device(claimed: &ClaimedDelivery) -> (domain::DeviceNumber, &str) {
    match &claimed.to {
        DeliveryTo::Device(address) => (address.number, &address.target.token),
        DeliveryTo::Raw(target) => panic!("to {target}"),
    }
}
