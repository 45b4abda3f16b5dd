//! Wakes: opened, claimed, settled, closed.

use domain::inbox::{Owing, Quiet, Unacked, owing};
use domain::token::Judgement;
use domain::wake::{Claim, Draw, Facts, Phase, Presence, RingFacts, Rung, Settled, Stage, Wake};
use domain::{
    AndroidBudget, AppId, AttemptId, BackgroundBudget, DeviceNumber, EventType, InboxId,
    Incarnation, LaneId, Offset, Platform, Policy, ProviderId, Reason, TargetKind, Time, WakeId,
};
use rusqlite::params;

use super::reading::{IS_MUTED, IS_READ};
use super::rows::{
    At, Bits, StoredWake, WAKE_COLUMNS, offset, stored_wake, urgency, urgency_number, word,
};
use super::writer::Tx;
use crate::Error;
use crate::model::{
    Birth, CallRecord, Claimed, Decision, Effects, Judged, Settle, SettleDone, WakeKey,
};

/// How many of a device's unacknowledged entries a decision reads.
const NEWEST: i64 = 100;

/// A device as wakes see it.
#[derive(Clone, Debug)]
pub(super) struct DeviceRow {
    pub(super) number: DeviceNumber,
    pub(super) app: AppId,
    pub(super) name: String,
    pub(super) inbox: InboxId,
    pub(super) platform: Platform,
    pub(super) cursor: Offset,
    pub(super) budget: BackgroundBudget,
    pub(super) android: AndroidBudget,
    pub(super) message_lane: Option<LaneId>,
    pub(super) call_lane: Option<LaneId>,
    pub(super) live: bool,
    pub(super) locale: Option<String>,
}

/// The columns of a [`DeviceRow`], from the alias `d`.
pub(super) const DEVICE_COLUMNS: &str = "d.id, d.app, d.name, d.inbox, d.platform, d.cursor, \
     d.background, d.message_lane, d.call_lane, \
     EXISTS (SELECT 1 FROM sessions s WHERE s.device = d.id AND s.suspect = 0), d.locale, \
     d.fcm_minute, d.fcm_hour";

/// How many [`DEVICE_COLUMNS`] there are.
pub(super) const DEVICE_WIDTH: usize = 13;

pub(super) fn device_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<DeviceRow> {
    let background: Vec<i64> = serde_json::from_str(row.get_ref(6)?.as_str()?).unwrap_or_default();
    Ok(DeviceRow {
        number: DeviceNumber::from_number(row.get(0)?),
        app: AppId::from_number(row.get(1)?),
        name: row.get(2)?,
        inbox: InboxId::from_number(row.get(3)?),
        platform: word(row, 4, Platform::parse)?,
        cursor: offset(row, 5)?,
        budget: BackgroundBudget::from_times(background.into_iter().map(Time::from_micros)),
        android: AndroidBudget::from_times(
            row.get::<_, Option<At>>(11)?.map(|At(at)| at),
            row.get::<_, Option<At>>(12)?.map(|At(at)| at),
        ),
        message_lane: row.get::<_, Option<i64>>(7)?.map(LaneId::from_number),
        call_lane: row.get::<_, Option<i64>>(8)?.map(LaneId::from_number),
        live: row.get(9)?,
        locale: row.get(10)?,
    })
}

impl DeviceRow {
    /// Where its wakes go: for messages, or for a call.
    pub(super) fn lane(&self, call: i64) -> Option<LaneId> {
        if call == 0 { self.message_lane } else { self.call_lane }
    }

    const fn presence(&self) -> Presence {
        if self.live { Presence::Living } else { Presence::Asleep }
    }
}

impl Tx<'_> {
    pub(super) fn device(&self, device: DeviceNumber) -> Result<Option<DeviceRow>, Error> {
        let sql = format!("SELECT {DEVICE_COLUMNS} FROM devices d WHERE d.id = ?1");
        self.one(&sql, [device.number()], device_row)
    }

    pub(super) fn wake(&self, key: WakeKey) -> Result<Option<StoredWake>, Error> {
        let sql = format!("SELECT {WAKE_COLUMNS} FROM wakes w WHERE w.device = ?1 AND w.call = ?2");
        let found =
            self.one(&sql, params![key.device.number(), key.call], |row| stored_wake(row, 0))?;
        Ok(found.flatten())
    }

    /// What a device still has to get and be woken for.
    pub(super) fn owing(
        &self,
        inbox: InboxId,
        cursor: Offset,
        pushed: Offset,
        now: Time,
    ) -> Result<Owing, Error> {
        let sql = format!(
            "SELECT e.offset, e.urgency, e.expires_at FROM entries e
             WHERE e.inbox = ?1 AND e.offset > ?2 AND e.wakes = 1 AND e.expires_at > ?4
               AND NOT {IS_READ} AND NOT {IS_MUTED}
             ORDER BY e.offset DESC LIMIT ?3"
        );
        let behind = params![inbox.number(), cursor.number(), NEWEST, At(now)];
        let loud = self.all(&sql, behind, |row| {
            Ok(Unacked {
                offset: offset(row, 0)?,
                urgency: urgency(row.get(1)?),
                expires_at: row.get::<_, At>(2)?.0,
                quiet: None,
            })
        })?;
        if !loud.is_empty() {
            return Ok(owing(loud, pushed, now));
        }
        let sql = format!(
            "SELECT e.offset, e.urgency, e.expires_at, {IS_READ} FROM entries e
             WHERE e.inbox = ?1 AND e.offset > ?2 AND e.wakes = 1 AND e.expires_at > ?3
             ORDER BY e.offset DESC LIMIT 1"
        );
        let quiet = self.one(&sql, params![inbox.number(), cursor.number(), At(now)], |row| {
            Ok(Unacked {
                offset: offset(row, 0)?,
                urgency: urgency(row.get(1)?),
                expires_at: row.get::<_, At>(2)?.0,
                quiet: Some(if row.get(3)? { Quiet::Read } else { Quiet::Muted }),
            })
        })?;
        Ok(owing(quiet, pushed, now))
    }

    /// Writes a wake; one that is due but has no lane waits for a target instead.
    pub(super) fn save_wake(
        &self,
        mut stored: StoredWake,
        device: &DeviceRow,
        incarnation: Option<Incarnation>,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let attempt = match stored.wake.phase {
            Phase::Claimed(attempt) => Some(attempt),
            Phase::Due(_) | Phase::Parked => {
                // An attempt on its way settles in the lane it was claimed in.
                stored.lane = device.lane(stored.key.call);
                if stored.lane.is_none() {
                    stored.wake = stored.wake.without_target();
                }
                None
            }
        };
        let wake = &stored.wake;
        let repeats = match wake.rung {
            Rung::Repeat(number) => number,
            Rung::Background | Rung::Alert | Rung::Ring => 0,
        };
        self.run(
            "REPLACE INTO wakes (device, call, id, inbox, lane, rung, repeats, due, reason,
                attempt, covers, covers_urgency, incarnation, provider, pushed, pushed_urgency,
                refused, bare, alerts, alerted_at, deferred, opened_at, changed, pushed_at, stage)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)",
            params![
                stored.key.device.number(),
                stored.key.call,
                Bits(stored.id.bits()),
                stored.inbox.number(),
                stored.lane.map(LaneId::number),
                wake.rung.as_str(),
                repeats,
                wake.due().map(At),
                wake.reason.as_str(),
                attempt.map(|attempt| Bits(attempt.id.bits())),
                attempt.map_or(0, |attempt| attempt.covers.number()),
                attempt.map_or(0, |attempt| urgency_number(attempt.urgency)),
                attempt.and(incarnation).map(Incarnation::number),
                wake.provider.map(|provider| Bits(provider.bits())),
                wake.pushed.number(),
                urgency_number(wake.pushed_urgency),
                wake.refused,
                wake.bare,
                wake.alerts,
                wake.alerted_at.map(At),
                wake.deferred,
                At(stored.opened_at),
                wake.changed,
                stored.pushed_at.map(At),
                stored.stage.as_str(),
            ],
        )?;
        if let (Some(lane), Some(due)) = (stored.lane, wake.due()) {
            fx.due.push((lane, due));
        }
        let due = wake.due();
        let decision = self.decided(&stored, device, wake.reason)?;
        fx.decisions.push(Decision { due, ..decision });
        Ok(())
    }

    /// What was decided about a wake that stays, and waits for nothing.
    fn decided(
        &self,
        stored: &StoredWake,
        device: &DeviceRow,
        reason: Reason,
    ) -> Result<Decision, Error> {
        Ok(Decision {
            app: device.app,
            inbox: stored.inbox,
            device: stored.key.device,
            device_name: device.name.clone(),
            wake: stored.id,
            subject: stored.key.subject(),
            call: self.call_name(stored.key.call)?,
            covers: self.covers(device)?,
            reason,
            opened: false,
            closed: false,
            due: None,
        })
    }

    /// The entries that a decision about a device's wake is about.
    fn covers(&self, device: &DeviceRow) -> Result<(Offset, Offset), Error> {
        let head =
            self.one("SELECT head FROM inboxes WHERE id = ?1", [device.inbox.number()], |row| {
                offset(row, 0)
            })?;
        Ok((device.cursor, head.unwrap_or(device.cursor)))
    }

    /// Closes a wake.
    pub(super) fn close_wake(
        &self,
        stored: &StoredWake,
        device: &DeviceRow,
        reason: Reason,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        self.run(
            "DELETE FROM wakes WHERE device = ?1 AND call = ?2",
            params![stored.key.device.number(), stored.key.call],
        )?;
        let decision = self.decided(stored, device, reason)?;
        fx.decisions.push(Decision { closed: true, ..decision });
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the facts of one decision, all just read")]
    /// Opens a wake. It is born claimed where the node has room; else it is born due.
    pub(super) fn open_wake(
        &mut self,
        device: &DeviceRow,
        call: Option<&CallRecord>,
        wake: Wake,
        owing: Owing,
        birth: Option<&Birth>,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let stored = StoredWake {
            key: WakeKey { device: device.number, call: call.map_or(0, |call| call.number) },
            id: WakeId::from_bits(rand::random()),
            inbox: device.inbox,
            lane: device.lane(call.map_or(0, |call| call.number)),
            opened_at: now,
            pushed_at: None,
            stage: Stage::Owed,
            wake,
        };
        stored.was_opened(device.app, fx);
        let may_be_born = stored.wake.due().is_some_and(|due| due <= now);
        let slot = match (birth, stored.lane) {
            (Some(birth), Some(lane)) if may_be_born => {
                birth.slots.take(lane).map(|slot| (birth.incarnation, slot))
            }
            _ => None,
        };
        let before = fx.decisions.len();
        match slot {
            None => self.save_wake(stored, device, None, fx)?,
            Some((incarnation, slot)) => {
                let call = call.cloned();
                let claimed = self.claim_one(stored, device, call, owing, incarnation, now, fx)?;
                fx.born.extend(claimed.map(|claimed| Claimed { slot: Some(slot), ..claimed }));
            }
        }
        if let Some(decision) = fx.decisions.get_mut(before) {
            decision.opened = true;
        }
        Ok(())
    }

    /// Claims one wake whose row and device were just read; writes what it came to.
    #[expect(clippy::too_many_arguments, reason = "the facts of one decision, all just read")]
    fn claim_one(
        &mut self,
        mut stored: StoredWake,
        device: &DeviceRow,
        call: Option<CallRecord>,
        owing: Owing,
        incarnation: Incarnation,
        now: Time,
        fx: &mut Effects,
    ) -> Result<Option<Claimed>, Error> {
        let settings = self.settings(device.app)?;
        let router = self.router(device.app)?;
        let targets = self.targets(device.number)?;
        let kinds: Vec<TargetKind> = targets.iter().map(|target| target.kind).collect();
        let draw = Draw {
            attempt: AttemptId::from_bits(rand::random()),
            provider: ProviderId::from_bits(uuid::Uuid::new_v4().as_u128()),
        };
        let decision = match &call {
            None => stored.wake.clone().claim(
                &Facts {
                    owing,
                    presence: device.presence(),
                    active_elsewhere: self.active_elsewhere(device, &settings.policy)?,
                    platform: device.platform,
                    target: router.messages(device.platform, &kinds),
                    budget: device.budget,
                },
                &settings.policy,
                draw,
                now,
            ),
            Some(call) => stored.wake.clone().claim_ring(
                &RingFacts {
                    rings_until: call.call.rings_until(),
                    rings_here: self.rings_here(call.number, device.number)?,
                    target: router.call(device.platform, &kinds),
                },
                &settings.policy,
                draw,
                now,
            ),
        };
        let (wake, plan) = match decision {
            Claim::Close(reason) => {
                self.close_wake(&stored, device, reason, fx)?;
                return Ok(None);
            }
            Claim::Wait(wake) => {
                stored.wake = wake;
                self.save_wake(stored, device, None, fx)?;
                return Ok(None);
            }
            Claim::Push(wake, plan) => (wake, plan),
        };
        let target = targets.into_iter().find(|target| target.kind == plan.target);
        let Some(target) = target else {
            // The route came from these very targets; without one the wake waits for one.
            stored.wake = stored.wake.without_target();
            self.save_wake(stored, device, None, fx)?;
            return Ok(None);
        };
        let lane = self.lane_of(device.app, stored.key.subject(), &target)?;
        let lane = self.lane_id(lane)?;
        if stored.lane != Some(lane) {
            self.hand_over(stored, device.number, fx)?;
            return Ok(None);
        }
        // The successor of a lapsed attempt is the same push.
        let costs = plan.rung == Rung::Background && plan.lapsed.is_none();
        if costs && plan.target.ends_at_apple(device.platform) {
            self.spend_budget(device.number, device.budget.spend(now))?;
        }
        // What no direct push goes to needs no counting: wakes alone stay far below Google's limit.
        if plan.target == TargetKind::Fcm && !device.android.is_unused(now) {
            self.spend_android(device.number, device.android.spend(now))?;
        }
        // What was pushed before, whatever came of it, is no measure of the way from its acceptance.
        let is_first = plan.lapsed.is_none()
            && stored.pushed_at.is_none()
            && stored.wake.pushed == Offset::ZERO
            && stored.wake.refused == 0;
        stored.wake = wake;
        let claimed = Claimed {
            wake: stored.id,
            key: stored.key,
            lane,
            app: device.app,
            inbox: device.inbox,
            user: self.user_of(device.inbox)?,
            device_name: device.name.clone(),
            platform: device.platform,
            locale: device.locale.clone(),
            newest: self.newest(device.inbox, &plan)?,
            plan,
            after: device.cursor,
            target,
            call,
            slot: None,
            first_since: is_first.then_some(stored.opened_at),
            at: now,
        };
        self.save_wake(stored, device, Some(incarnation), fx)?;
        Ok(Some(claimed))
    }

    /// Whether the user looks at the app on another device; asked only where it matters.
    fn active_elsewhere(&self, device: &DeviceRow, policy: &Policy) -> Result<bool, Error> {
        if policy.hold_while_active_elsewhere.is_none() {
            return Ok(false);
        }
        let there = self.one(
            "SELECT 1 FROM devices d JOIN sessions s ON s.device = d.id
             WHERE d.inbox = ?1 AND d.id <> ?2 AND s.foreground = 1 AND s.suspect = 0 LIMIT 1",
            [device.inbox.number(), device.number.number()],
            |_| Ok(()),
        )?;
        Ok(there.is_some())
    }

    /// Puts a wake into the lane of the target it goes to: it came by another one, which has other
    /// room and another circuit. So it is with an attempt that lapsed, and as long as a change of
    /// routes has not come to the device yet.
    fn hand_over(
        &mut self,
        mut stored: StoredWake,
        device: DeviceNumber,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let Some(device) = self.set_lanes(device)? else { return Ok(()) };
        stored.lane = device.lane(stored.key.call);
        self.save_wake(stored, &device, None, fx)
    }

    /// Claims up to `limit` due wakes of a lane.
    pub(super) fn claim(
        &mut self,
        lane: LaneId,
        limit: usize,
        incarnation: Incarnation,
        now: Time,
        fx: &mut Effects,
    ) -> Result<Vec<Claimed>, Error> {
        let sql = format!(
            "SELECT {WAKE_COLUMNS} FROM wakes w
             WHERE w.lane = ?1 AND w.due <= ?2 ORDER BY w.due LIMIT ?3"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let candidates =
            self.all(&sql, params![lane.number(), At(now), limit], |row| stored_wake(row, 0))?;
        let mut claimed = Vec::with_capacity(candidates.len());
        for stored in candidates.into_iter().flatten() {
            let Some(device) = self.device(stored.key.device)? else {
                // Its device was removed; nobody is left to wake.
                self.run("DELETE FROM wakes WHERE device = ?1", [stored.key.device.number()])?;
                continue;
            };
            let call = match stored.key.call {
                0 => None,
                number => match self.call_by_number(number)? {
                    Some(call) => Some(call),
                    None => {
                        self.close_wake(&stored, &device, Reason::CallOver, fx)?;
                        continue;
                    }
                },
            };
            let owing = match call {
                Some(_) => Owing::Nothing,
                None => self.owing(device.inbox, device.cursor, stored.wake.pushed, now)?,
            };
            claimed.extend(self.claim_one(stored, &device, call, owing, incarnation, now, fx)?);
        }
        if let Some(next) = self.lane_due(lane)? {
            fx.due.push((lane, next));
        }
        Ok(claimed)
    }

    /// When a lane's next wake is due.
    pub(super) fn lane_due(&self, lane: LaneId) -> Result<Option<Time>, Error> {
        let due = self.one(
            "SELECT MIN(due) FROM wakes WHERE lane = ?1 AND due IS NOT NULL",
            [lane.number()],
            |row| row.get::<_, Option<At>>(0),
        )?;
        Ok(due.flatten().map(|at| at.0))
    }

    /// Settles an attempt: what became of the token, then of the wake.
    pub(super) fn settle(&mut self, settle: &Settle) -> Result<SettleDone, Error> {
        let mut done = SettleDone::default();
        let Some(device) = self.device(settle.key.device)? else {
            done.stale = true;
            return Ok(done);
        };
        let settled = self.settle_wake(settle, &device, &mut done.effects)?;
        done.stale = !settled;
        let judged = Judged {
            device: settle.key.device,
            target: settle.target.clone(),
            credential: settle.credential,
            asked_at: settle.claimed_at,
        };
        let judgement =
            self.judge_token(&judged, &settle.outcome, settle.now, &mut done.effects)?;
        done.dropped = judgement == Judgement::Drop;
        if let Some(event) = &settle.event {
            self.tell(device.app, Some(settle.key.device), event, settle.now)?;
        }
        Ok(done)
    }

    fn settle_wake(
        &mut self,
        settle: &Settle,
        device: &DeviceRow,
        fx: &mut Effects,
    ) -> Result<bool, Error> {
        let Some(mut stored) = self.wake(settle.key)? else { return Ok(false) };
        let now = settle.now;
        let settled = if settle.key.call == 0 {
            let covers = match stored.wake.phase {
                Phase::Claimed(attempt) if settle.outcome.is_accepted() => attempt.covers,
                _ => Offset::ZERO,
            };
            let pushed = stored.wake.pushed.max(covers);
            let owing = self.owing(device.inbox, device.cursor, pushed, now)?;
            let settings = self.settings(device.app)?;
            let spread = rand::random();
            stored.wake.clone().settle(
                settle.attempt,
                &settle.outcome,
                owing,
                &settings.policy,
                spread,
                now,
            )
        } else {
            let rings_until =
                self.call_by_number(settle.key.call)?.and_then(|call| call.call.rings_until());
            let spread = rand::random();
            stored.wake.clone().settle_ring(
                settle.attempt,
                &settle.outcome,
                rings_until,
                spread,
                now,
            )
        };
        if settled != Settled::Stale {
            let stage = stored.stage.settled(&settle.outcome, settle.wrote_at);
            stored.comes_to(stage, device.app, now, fx);
        }
        match settled {
            Settled::Stale => Ok(false),
            Settled::Close(reason) => {
                self.close_wake(&stored, device, reason, fx)?;
                Ok(true)
            }
            Settled::Next(wake) => {
                if wake.phase == Phase::Parked && wake.reason == Reason::Exhausted {
                    self.exhausted(&stored, device, now)?;
                }
                stored.wake = wake;
                if settle.outcome.is_accepted() {
                    stored.pushed_at = settle.wrote_at.or(stored.pushed_at);
                }
                self.save_wake(stored, device, None, fx)?;
                Ok(true)
            }
        }
    }

    fn exhausted(&self, stored: &StoredWake, device: &DeviceRow, now: Time) -> Result<(), Error> {
        let body = serde_json::json!({
            "user": self.user_of(device.inbox)?,
            "device": device.name,
            "platform": device.platform.as_str(),
            "wake": stored.id.to_string(),
        });
        self.add_event(device.app, Some(device.number), EventType::WakeExhausted, &body, now)
    }
}
