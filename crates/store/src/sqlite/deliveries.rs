//! Deliveries: claimed, settled, ended.

use std::collections::HashMap;
use std::sync::Arc;

use domain::delivery::{Claim, Delivery, End, Facts, Phase, PushKind, Settled};
use domain::token::Judgement;
use domain::wake::Draw;
use domain::{
    AppId, AttemptId, DeviceNumber, InboxId, LaneId, Outcome, ProviderId, PushId, TargetKind, Time,
    TokenVerdict,
};
use rusqlite::{Row, params};

use super::Sqlite;
use super::ends::{no_target, said};
use super::rows::{At, Bits, word};
use super::wakes::DeviceRow;
use super::writer::Tx;
use crate::Error;
use crate::model::{
    ClaimedDelivery, DeliveryKey, DeliverySettled, DeliveryTo, DeviceAddress, Effects, Judged,
    Lane, PushState, SettleDelivery, Subject, Target,
};

/// A delivery as it is stored.
#[derive(Clone, Debug)]
pub(super) struct StoredDelivery {
    pub(super) key: DeliveryKey,
    pub(super) app: AppId,
    pub(super) device: Option<DeviceNumber>,
    pub(super) inbox: Option<InboxId>,
    pub(super) target: Option<String>,
    pub(super) lane: Option<LaneId>,
    pub(super) delivery: Delivery,
}

/// The columns of a delivery, from the table or alias `d`.
pub(super) const DELIVERY_COLUMNS: &str = "d.push, d.number, d.app, d.device, d.target, d.lane, \
     d.due, d.attempt, d.provider, d.refused, d.ended, d.inbox";

/// How many [`DELIVERY_COLUMNS`] there are.
pub(super) const DELIVERY_WIDTH: usize = 12;

pub(super) fn stored_delivery(row: &Row<'_>) -> rusqlite::Result<StoredDelivery> {
    let due = row.get::<_, Option<At>>(6)?.map(|at| at.0);
    let attempt = row.get::<_, Option<Bits>>(7)?.map(|bits| AttemptId::from_bits(bits.0));
    let phase = match (due, attempt) {
        (Some(lapses_at), Some(attempt)) => Phase::Claimed { attempt, lapses_at },
        (Some(due), None) => Phase::Due(due),
        (None, _) => Phase::Ended(word(row, 10, End::parse)?),
    };
    Ok(StoredDelivery {
        key: DeliveryKey { push: PushId::from_bits(row.get::<_, Bits>(0)?.0), number: row.get(1)? },
        app: AppId::from_number(row.get(2)?),
        device: row.get::<_, Option<i64>>(3)?.map(DeviceNumber::from_number),
        inbox: row.get::<_, Option<i64>>(11)?.map(InboxId::from_number),
        target: row.get(4)?,
        lane: row.get::<_, Option<i64>>(5)?.map(LaneId::from_number),
        delivery: Delivery {
            phase,
            provider: row.get::<_, Option<Bits>>(8)?.map(|bits| ProviderId::from_bits(bits.0)),
            refused: row.get(9)?,
        },
    })
}

/// What a delivery needs to know of its push.
#[derive(Clone, Debug)]
pub(super) struct PushHead {
    pub(super) app: AppId,
    pub(super) kind: PushKind,
    pub(super) content: Arc<str>,
    pub(super) expires_at: Time,
    pub(super) state: PushState,
    pub(super) cursor: DeviceNumber,
    /// When it was to be sent.
    pub(super) send_at: Time,
}

impl Sqlite {
    pub(crate) async fn claim_deliveries(
        &self,
        lane: LaneId,
        limit: usize,
        now: Time,
    ) -> Result<(Vec<ClaimedDelivery>, Effects), Error> {
        self.with_effects(move |tx, fx| tx.claim_deliveries(lane, limit, now, fx)).await
    }

    pub(crate) async fn settle_delivery(
        &self,
        settle: SettleDelivery,
    ) -> Result<DeliverySettled, Error> {
        self.writer.change(move |tx| tx.settle_delivery(&settle)).await
    }
}

impl Tx<'_> {
    /// Claims up to `limit` due deliveries of a lane.
    fn claim_deliveries(
        &mut self,
        lane: LaneId,
        limit: usize,
        now: Time,
        fx: &mut Effects,
    ) -> Result<Vec<ClaimedDelivery>, Error> {
        let sql = format!(
            "SELECT {DELIVERY_COLUMNS} FROM deliveries d
             WHERE d.lane = ?1 AND d.due <= ?2 ORDER BY d.due LIMIT ?3"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let candidates = self.all(&sql, params![lane.number(), At(now), limit], stored_delivery)?;
        let mut claimed = Vec::with_capacity(candidates.len());
        let mut heads: HashMap<PushId, PushHead> = HashMap::new();
        for stored in candidates {
            let head = match heads.get(&stored.key.push) {
                Some(head) => head.clone(),
                None => {
                    let Some(head) = self.push_head(stored.key.push)? else {
                        // Its push is gone; nobody asks for it any more.
                        self.run(
                            "DELETE FROM deliveries WHERE push = ?1",
                            [Bits(stored.key.push.bits())],
                        )?;
                        continue;
                    };
                    heads.entry(stored.key.push).or_insert(head).clone()
                }
            };
            claimed.extend(self.claim_delivery(stored, lane, &head, now, fx)?);
        }
        if let Some(next) = self.deliveries_due(lane)? {
            fx.due.push((lane, next));
        }
        Ok(claimed)
    }

    fn claim_delivery(
        &mut self,
        mut stored: StoredDelivery,
        lane: LaneId,
        head: &PushHead,
        now: Time,
        fx: &mut Effects,
    ) -> Result<Option<ClaimedDelivery>, Error> {
        match head.state {
            PushState::Cancelled => {
                // It was on its way when its push was cancelled, and how it ended is not known.
                self.end_delivery(&stored, End::Cancelled, None, now)?;
                return Ok(None);
            }
            PushState::Paused if head.expires_at > now => {
                // A broadcast's: looked at again when it is resumed.
                let later = Delivery { phase: Phase::Due(head.expires_at), ..stored.delivery };
                stored.delivery = later;
                self.save_delivery(&stored, fx)?;
                return Ok(None);
            }
            // Paused or not, what is of no use any more is over.
            PushState::Done | PushState::Open | PushState::Paused => {}
        }
        let device = match stored.device {
            Some(device) => self.device(device)?,
            None => None,
        };
        let Some(to) = self.destination(&stored, device.as_ref(), head.kind)? else {
            self.end_delivery(&stored, End::Refused, Some(no_target()), now)?;
            return Ok(None);
        };
        if let DeliveryTo::Device(address) = &to {
            let today = self.lane_of(stored.app, Subject::Push, &address.target)?;
            let today = self.lane_id(today)?;
            if today != lane {
                // It came by another target, which has other room and another circuit.
                stored.lane = Some(today);
                self.save_delivery(&stored, fx)?;
                return Ok(None);
            }
        }
        let (to_apple, to_android) = match &to {
            DeliveryTo::Device(address) => {
                let kind = address.target.kind;
                let to_apple = kind.ends_at_apple(address.platform);
                (to_apple, kind == TargetKind::Fcm && !to_apple)
            }
            DeliveryTo::Raw(_) => (false, false),
        };
        let budget = device
            .as_ref()
            .filter(|_| head.kind == PushKind::Background && to_apple)
            .map(|device| device.budget);
        let android = device.as_ref().filter(|_| to_android).map(|device| device.android);
        let facts = Facts {
            kind: head.kind,
            expires_at: head.expires_at,
            budget_at: budget
                .and_then(|budget| budget.free_at(now))
                .or_else(|| android.and_then(|budget| budget.free_at(now))),
        };
        let draw = Draw {
            attempt: AttemptId::from_bits(rand::random()),
            provider: ProviderId::from_bits(uuid::Uuid::new_v4().as_u128()),
        };
        match stored.delivery.clone().claim(&facts, draw, now) {
            Claim::Wait(delivery) => {
                stored.delivery = delivery;
                self.save_delivery(&stored, fx)?;
                Ok(None)
            }
            Claim::End(delivery) => {
                if let Phase::Ended(end) = delivery.phase {
                    self.end_delivery(&stored, end, None, now)?;
                }
                Ok(None)
            }
            Claim::Push(delivery, provider) => {
                let again = matches!(stored.delivery.phase, Phase::Claimed { .. });
                if let (Some(budget), DeliveryTo::Device(address), false) = (budget, &to, again) {
                    self.spend_budget(address.number, budget.spend(now))?;
                }
                // Google counts each try.
                if let (Some(budget), DeliveryTo::Device(address)) = (android, &to) {
                    self.spend_android(address.number, budget.spend(now))?;
                }
                let user = match &to {
                    DeliveryTo::Device(address) => Some(self.user_of(address.inbox)?),
                    DeliveryTo::Raw(_) => None,
                };
                let is_first = !again && stored.delivery.refused == 0;
                stored.delivery = delivery;
                // Its lapse is the lane's business, not news to anybody.
                self.write_delivery(&stored)?;
                Ok(Some(ClaimedDelivery {
                    key: stored.key,
                    lane,
                    app: stored.app,
                    kind: head.kind,
                    content: Arc::clone(&head.content),
                    expires_at: head.expires_at,
                    to,
                    user,
                    attempt: draw.attempt,
                    provider,
                    slot: None,
                    first_since: is_first.then_some(head.send_at),
                    at: now,
                }))
            }
        }
    }

    /// Where a delivery goes as things stand, with the row of its device; `None`: nowhere any more.
    fn destination(
        &mut self,
        stored: &StoredDelivery,
        device: Option<&DeviceRow>,
        kind: PushKind,
    ) -> Result<Option<DeliveryTo>, Error> {
        if stored.device.is_none() {
            return Ok(stored.target.clone().map(DeliveryTo::Raw));
        }
        let Some(device) = device else { return Ok(None) };
        if stored.inbox.is_some_and(|inbox| inbox != device.inbox) {
            // Another user has signed in since: what is for the first one is not for them.
            return Ok(None);
        }
        Ok(self.address(kind, device)?.map(DeliveryTo::Device))
    }

    /// Settles an attempt: what became of the token, then of the delivery.
    fn settle_delivery(&mut self, settle: &SettleDelivery) -> Result<DeliverySettled, Error> {
        let mut done = DeliverySettled::default();
        let judgement = match &settle.token {
            Some(judged) => {
                self.judge_token(judged, &settle.outcome, settle.now, &mut done.effects)?
            }
            None => Judgement::Keep,
        };
        done.dropped = judgement == Judgement::Drop;
        if let Some((app, event)) = &settle.event {
            let device = settle.token.as_ref().map(|judged| judged.device);
            self.tell(*app, device, event, settle.now)?;
        }
        let (Some(mut stored), Some(head)) =
            (self.delivery(settle.key)?, self.push_head(settle.key.push)?)
        else {
            done.stale = true;
            return Ok(done);
        };
        let facts = Facts { kind: head.kind, expires_at: head.expires_at, budget_at: None };
        let spread = rand::random();
        let delivery = match stored.delivery.clone().settle(
            settle.attempt,
            &settle.outcome,
            &facts,
            spread,
            settle.now,
        ) {
            Settled::Stale => {
                done.stale = true;
                return Ok(done);
            }
            Settled::Next(delivery) => delivery,
        };
        let said = said(&settle.outcome);
        let goes_on = match &settle.token {
            Some(judged) if head.state != PushState::Cancelled => {
                self.has_another_target(head.kind, judged, judgement, &settle.outcome)?
            }
            Some(_) | None => false,
        };
        match delivery.phase {
            Phase::Ended(End::Refused) if goes_on => {
                stored.delivery = delivery.elsewhere(settle.now);
                self.follow_target(&mut stored, head.kind)?;
                self.note(stored.key, said.as_ref(), settle.now)?;
                self.save_delivery(&stored, &mut done.effects)?;
            }
            Phase::Ended(end) => {
                self.end_delivery(&stored, end, said, settle.now)?;
                done.ended = Some(end);
            }
            Phase::Due(_) if head.state == PushState::Cancelled => {
                self.end_delivery(&stored, End::Cancelled, said, settle.now)?;
                done.ended = Some(End::Cancelled);
            }
            Phase::Due(_) | Phase::Claimed { .. } => {
                stored.delivery = delivery;
                self.follow_target(&mut stored, head.kind)?;
                self.note(stored.key, said.as_ref(), settle.now)?;
                self.save_delivery(&stored, &mut done.effects)?;
            }
        }
        Ok(done)
    }

    /// Whether a word against a token is not the last one: the device is to be tried in Apple's
    /// other environment, has another target for such a push, or registered this one again since.
    pub(super) fn has_another_target(
        &mut self,
        kind: PushKind,
        judged: &Judged,
        judgement: Judgement,
        outcome: &Outcome,
    ) -> Result<bool, Error> {
        match outcome {
            Outcome::Refused(refusal) if refusal.token != TokenVerdict::Keep => {}
            Outcome::Accepted { .. }
            | Outcome::Refused(_)
            | Outcome::Unknown { .. }
            | Outcome::Withdrawn => return Ok(false),
        }
        if let Judgement::TryThere(_) = judgement {
            return Ok(true);
        }
        let Some(device) = self.device(judged.device)? else { return Ok(false) };
        let Some(address) = self.address(kind, &device)? else { return Ok(false) };
        let target = address.target;
        let is_same = (target.kind, &target.token) == (judged.target.0, &judged.target.1);
        Ok(!is_same || target.registered_at > judged.asked_at)
    }

    /// The lane of the target that a delivery's device has now; without any it keeps its own, where
    /// its claim finds that out.
    fn follow_target(&mut self, stored: &mut StoredDelivery, kind: PushKind) -> Result<(), Error> {
        if let Some(device) = stored.device {
            stored.lane = self.delivery_lane(kind, device)?.or(stored.lane);
        }
        Ok(())
    }

    pub(super) fn delivery(&self, key: DeliveryKey) -> Result<Option<StoredDelivery>, Error> {
        let sql = format!(
            "SELECT {DELIVERY_COLUMNS} FROM deliveries d WHERE d.push = ?1 AND d.number = ?2"
        );
        self.one(&sql, params![Bits(key.push.bits()), key.number], stored_delivery)
    }

    pub(super) fn push_head(&self, push: PushId) -> Result<Option<PushHead>, Error> {
        self.one(
            "SELECT kind, content, expires_at, state, app, cursor, send_at FROM pushes WHERE id = ?1",
            [Bits(push.bits())],
            |row| {
                Ok(PushHead {
                    kind: word(row, 0, PushKind::parse)?,
                    content: row.get(1)?,
                    expires_at: row.get::<_, At>(2)?.0,
                    state: word(row, 3, PushState::parse)?,
                    app: AppId::from_number(row.get(4)?),
                    cursor: DeviceNumber::from_number(row.get(5)?),
                    send_at: row.get::<_, At>(6)?.0,
                })
            },
        )
    }

    /// Writes a delivery that is not over, and says when its lane is due.
    pub(super) fn save_delivery(
        &self,
        stored: &StoredDelivery,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        self.write_delivery(stored)?;
        if let (Some(lane), Some(due)) = (stored.lane, stored.delivery.due()) {
            fx.due.push((lane, due));
        }
        Ok(())
    }

    fn write_delivery(&self, stored: &StoredDelivery) -> Result<(), Error> {
        let attempt = match stored.delivery.phase {
            Phase::Claimed { attempt, .. } => Some(Bits(attempt.bits())),
            Phase::Due(_) | Phase::Ended(_) => None,
        };
        self.run(
            "UPDATE deliveries SET lane = ?3, due = ?4, attempt = ?5, provider = ?6, refused = ?7
             WHERE push = ?1 AND number = ?2",
            params![
                Bits(stored.key.push.bits()),
                stored.key.number,
                stored.lane.map(LaneId::number),
                stored.delivery.due().map(At),
                attempt,
                stored.delivery.provider.map(|provider| Bits(provider.bits())),
                stored.delivery.refused,
            ],
        )?;
        Ok(())
    }

    /// The target of a device that carries a push of this kind.
    pub(super) fn address(
        &mut self,
        kind: PushKind,
        device: &DeviceRow,
    ) -> Result<Option<DeviceAddress>, Error> {
        let Some(target) = self.push_target(kind, device)? else { return Ok(None) };
        Ok(Some(DeviceAddress {
            number: device.number,
            name: device.name.clone(),
            inbox: device.inbox,
            platform: device.platform,
            locale: device.locale.clone(),
            target,
        }))
    }

    fn push_target(&mut self, kind: PushKind, device: &DeviceRow) -> Result<Option<Target>, Error> {
        let router = self.router(device.app)?;
        let targets = self.targets(device.number)?;
        let kinds: Vec<_> = targets.iter().map(|target| target.kind).collect();
        let chosen = match kind {
            PushKind::Alert | PushKind::Background => router.messages(device.platform, &kinds),
            PushKind::Voip => router.call(device.platform, &kinds),
        };
        Ok(chosen.and_then(|kind| targets.into_iter().find(|target| target.kind == kind)))
    }

    /// The lane of a push of this kind to a device; `None`: it has no target for it.
    pub(super) fn delivery_lane(
        &mut self,
        kind: PushKind,
        device: DeviceNumber,
    ) -> Result<Option<LaneId>, Error> {
        match self.device(device)? {
            Some(device) => self.push_lane(kind, &device),
            None => Ok(None),
        }
    }

    /// The same, by the device's row.
    pub(super) fn push_lane(
        &mut self,
        kind: PushKind,
        device: &DeviceRow,
    ) -> Result<Option<LaneId>, Error> {
        let Some(target) = self.push_target(kind, device)? else { return Ok(None) };
        let lane = self.lane_of(device.app, Subject::Push, &target)?;
        self.lane_id(lane).map(Some)
    }

    /// The lane of a target.
    pub(super) fn lane_of(
        &mut self,
        app: AppId,
        subject: Subject,
        target: &Target,
    ) -> Result<Lane, Error> {
        let policy = &self.settings(app)?.policy;
        let environment =
            target.kind.is_apns().then(|| policy.environment(target.environment, target.learned));
        Ok(Lane {
            app,
            subject,
            kind: target.kind,
            app_id: target.app_id.clone().unwrap_or_default(),
            environment,
        })
    }

    /// When a lane's next delivery is due.
    pub(super) fn deliveries_due(&self, lane: LaneId) -> Result<Option<Time>, Error> {
        let due = self.one(
            "SELECT MIN(due) FROM deliveries WHERE lane = ?1 AND due IS NOT NULL",
            [lane.number()],
            |row| row.get::<_, Option<At>>(0),
        )?;
        Ok(due.flatten().map(|at| at.0))
    }

    /// The attempts of a process that is gone are nobody's: due at once, by the same name.
    pub(super) fn orphan_deliveries(&self, now: Time) -> Result<(), Error> {
        self.run(
            "UPDATE deliveries SET due = ?1 WHERE attempt IS NOT NULL AND due > ?1",
            [At(now)],
        )?;
        Ok(())
    }
}
