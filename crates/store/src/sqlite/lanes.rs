//! Lanes: where a device's wakes go, by its targets; and what becomes of targets.

use domain::policy::{route_call, route_messages};
use domain::wake::Phase;
use domain::{AppId, DeviceNumber, Environment, LaneId, TargetKind, Time, TokenVerdict};
use rusqlite::params;

use super::rows::{At, WAKE_COLUMNS, stored_wake, target_kind, word_or_null};
use super::writer::Tx;
use crate::Error;
use crate::model::{Effects, Lane, Settle, Target};

impl Tx<'_> {
    /// Drops a token for cause: the provider's terminal word, newer than the registration.
    pub(super) fn judge_token(
        &mut self,
        settle: &Settle,
        verdict: TokenVerdict,
        fx: &mut Effects,
    ) -> Result<bool, Error> {
        let (kind, token) = &settle.target;
        match verdict {
            TokenVerdict::Keep => Ok(false),
            TokenVerdict::Elsewhere | TokenVerdict::Suspect => {
                self.run(
                    "UPDATE targets SET suspect_since = ?4
                     WHERE device = ?1 AND kind = ?2 AND token = ?3 AND suspect_since IS NULL",
                    params![settle.key.device.number(), kind.as_str(), token, At(settle.now)],
                )?;
                Ok(false)
            }
            TokenVerdict::Drop { invalid_since } => {
                let since = invalid_since.unwrap_or(settle.claimed_at);
                let dropped = self.run(
                    "DELETE FROM targets
                     WHERE device = ?1 AND kind = ?2 AND token = ?3 AND registered_at <= ?4",
                    params![settle.key.device.number(), kind.as_str(), token, At(since)],
                )? > 0;
                if dropped {
                    self.reroute(settle.key.device, settle.now, fx)?;
                } else {
                    // Registered anew meanwhile: the wake may go on with what there is now.
                    self.retarget(settle.key.device, settle.now, fx)?;
                }
                Ok(dropped)
            }
        }
    }

    /// The targets of a device changed: its lanes, and with them its wakes, change too.
    pub(super) fn reroute(
        &mut self,
        device: DeviceNumber,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let Some(row) = self.device(device)? else { return Ok(()) };
        let targets = self.targets(device)?;
        let kinds: Vec<TargetKind> = targets.iter().map(|target| target.kind).collect();
        let mut lane_of = |kind: Option<TargetKind>, call: bool| {
            let target = kind.and_then(|kind| targets.iter().find(|target| target.kind == kind));
            match target {
                None => Ok(None),
                Some(target) => self
                    .lane_id(Lane {
                        app: row.app,
                        call,
                        kind: target.kind,
                        app_id: target.app_id.clone().unwrap_or_default(),
                    })
                    .map(Some),
            }
        };
        let message_lane = lane_of(route_messages(row.platform, &kinds), false)?;
        let call_lane = lane_of(route_call(row.platform, &kinds), true)?;
        self.run(
            "UPDATE devices SET message_lane = ?2, call_lane = ?3 WHERE id = ?1",
            params![
                device.number(),
                message_lane.map(LaneId::number),
                call_lane.map(LaneId::number)
            ],
        )?;
        self.retarget(device, now, fx)
    }

    /// A target, credential or setting changed: the device's wakes look again.
    pub(super) fn retarget(
        &self,
        device: DeviceNumber,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let Some(row) = self.device(device)? else { return Ok(()) };
        let sql = format!("SELECT {WAKE_COLUMNS} FROM wakes w WHERE w.device = ?1");
        let wakes = self.all(&sql, [device.number()], |row| stored_wake(row, 0))?;
        for mut stored in wakes.into_iter().flatten() {
            let Some(changed) = stored.wake.changed(now) else {
                // Its lane may be another one.
                self.save_wake(stored, &row, None, fx)?;
                continue;
            };
            if let Phase::Claimed(_) = changed.phase {
                // The attempt and its lease stay as they are.
                self.run(
                    "UPDATE wakes SET changed = 1 WHERE device = ?1 AND call = ?2",
                    params![stored.key.device.number(), stored.key.call],
                )?;
                continue;
            }
            stored.wake = changed;
            self.save_wake(stored, &row, None, fx)?;
        }
        Ok(())
    }

    pub(super) fn targets(&self, device: DeviceNumber) -> Result<Vec<Target>, Error> {
        self.all(
            "SELECT kind, token, environment, app_id, registered_at FROM targets WHERE device = ?1",
            [device.number()],
            target_row,
        )
    }

    pub(super) fn lane(&self, lane: LaneId) -> Result<Option<Lane>, Error> {
        self.one(
            "SELECT app, call, kind, app_id FROM lanes WHERE id = ?1",
            [lane.number()],
            |row| {
                Ok(Lane {
                    app: AppId::from_number(row.get(0)?),
                    call: row.get(1)?,
                    kind: target_kind(row, 2)?,
                    app_id: row.get(3)?,
                })
            },
        )
    }

    fn lane_id(&mut self, lane: Lane) -> Result<LaneId, Error> {
        if let Some(id) = self.cache.lanes.get(&lane) {
            return Ok(*id);
        }
        self.run(
            "INSERT INTO lanes (app, call, kind, app_id) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
            params![lane.app.number(), lane.call, lane.kind.as_str(), lane.app_id],
        )?;
        let id = self
            .one(
                "SELECT id FROM lanes WHERE app = ?1 AND call = ?2 AND kind = ?3 AND app_id = ?4",
                params![lane.app.number(), lane.call, lane.kind.as_str(), lane.app_id],
                |row| row.get(0),
            )?
            .map(LaneId::from_number)
            .ok_or_else(|| Error::Database("a lane just written is not there".to_owned()))?;
        self.cache.lanes.insert(lane, id);
        Ok(id)
    }
}

/// Reads `kind, token, environment, app_id, registered_at`.
pub(super) fn target_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Target> {
    Ok(Target {
        kind: target_kind(row, 0)?,
        token: row.get(1)?,
        environment: word_or_null(row, 2, Environment::parse)?,
        app_id: row.get(3)?,
        registered_at: row.get::<_, At>(4)?.0,
    })
}
