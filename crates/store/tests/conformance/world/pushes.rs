//! Wakes claimed and settled, and what every push must be.

use domain::token::CredentialFacts;
use domain::{AppId, Diagnosis, LaneId, Outcome, Refusal, RetryRule, Time, TokenVerdict};
use store::Slots;
use store::model::{Birth, Claimed, NewCredential, OpenWake, Settle, SettleDone, Subject};

use super::super::snapshot::Snapshot;
use super::{Phone, World};

impl World {
    /// The phone's open wake for messages.
    pub(crate) async fn wake(&self, phone: &Phone) -> Option<OpenWake> {
        let devices = self.store().devices(phone.inbox).await.expect("devices are read");
        let device = devices.into_iter().find(|device| device.number == phone.number);
        device.expect("the phone is there").wakes.into_iter().find(|wake| !wake.call)
    }

    /// Claims everything that is due, in every lane.
    pub(crate) async fn claim_due(&self) -> Vec<Claimed> {
        let mut claimed = Vec::new();
        let lanes = self.store().lanes_due().await.expect("lanes are read");
        for (lane, due) in lanes {
            if due <= self.now {
                claimed.extend(self.claim(lane).await);
            }
        }
        claimed
    }

    pub(crate) async fn claim(&self, lane: LaneId) -> Vec<Claimed> {
        let before = self.look();
        let claimed = self.store().claim(lane, 100, self.incarnation, self.now).await;
        let (claimed, _) = claimed.expect("a lane is claimed");
        self.look();
        for claimed in &claimed {
            self.no_push_to_the_awake(&before, claimed);
            let subject = if claimed.key.call == 0 { Subject::Message } else { Subject::Call };
            self.is_lane_of(&before, claimed.lane, subject, &claimed.target).await;
        }
        claimed
    }

    /// The one wake that is due.
    pub(crate) async fn claim_one(&self) -> Claimed {
        let mut claimed = self.claim_due().await;
        assert_eq!(claimed.len(), 1, "one wake is due");
        claimed.remove(0)
    }

    /// What every push that was decided on must be: to a device that sleeps and is owed something,
    /// to a target it has, in that target's lane.
    pub(crate) fn no_push_to_the_awake(&self, before: &Snapshot, claimed: &Claimed) {
        let device = before.device(claimed.key.device);
        let lane = before.lanes.iter().find(|lane| lane.id == claimed.lane);
        assert_eq!(lane.map(|lane| lane.kind), Some(claimed.target.kind), "the target's lane");
        let has = before.targets.iter().any(|target| {
            target.device == device.number
                && target.kind == claimed.target.kind
                && target.token == claimed.target.token
        });
        assert!(has, "a target it has");
        if claimed.key.call == 0 {
            assert!(!before.lives(device.number), "a push to the awake");
            let owed = before.owed(device, self.now);
            assert!(owed.is_some_and(|head| claimed.plan.covers <= head), "for what is owed");
            assert!(before.owed_aloud(device, self.now).is_some(), "for what is read or muted");
            assert!(claimed.plan.covers > device.cursor, "for what it does not have");
            assert!(claimed.plan.expires_at > self.now);
        }
    }

    pub(crate) async fn settle(&self, claimed: &Claimed, outcome: Outcome) -> SettleDone {
        let settle = self.settlement(claimed, outcome);
        let settled = self.store().settle(settle).await;
        self.look();
        settled.expect("an attempt is settled")
    }

    pub(crate) fn settlement(&self, claimed: &Claimed, outcome: Outcome) -> Settle {
        Settle {
            key: claimed.key,
            attempt: claimed.plan.attempt,
            target: (claimed.target.kind, claimed.target.token.clone()),
            outcome,
            credential: BELIEVED,
            claimed_at: claimed.at,
            wrote_at: Some(self.now),
            event: None,
            now: self.now,
        }
    }

    /// Room to be born claimed in, `capacity` places a lane.
    pub(crate) fn birth(&self, capacity: usize) -> Birth {
        Birth { incarnation: self.incarnation, slots: Slots::new(capacity) }
    }
}

/// A credential that its push service has taken: by such a one tokens are dropped.
pub(crate) const BELIEVED: CredentialFacts =
    CredentialFacts { believed_at: Some(Time::from_micros(i64::MAX)), in_mass_failure: false };

/// A credential to be kept.
pub(crate) fn credential(app: AppId, kind: &str, sealed: u8, now: Time) -> NewCredential {
    NewCredential {
        app,
        kind: kind.to_owned(),
        facts: "{}".to_owned(),
        sealed: vec![sealed],
        not_after: None,
        now,
    }
}

pub(crate) const fn accepted() -> Outcome {
    Outcome::Accepted { provider_id: None }
}

pub(crate) fn refused(diagnosis: Diagnosis, retry: RetryRule, token: TokenVerdict) -> Outcome {
    Outcome::Refused(Refusal {
        diagnosis,
        scope: diagnosis.scope(),
        retry,
        token,
        status: Some(400),
        reason: "ByTheTest".to_owned(),
        remedy: "nothing; it is a test".to_owned(),
    })
}
