//! Lanes: where a device's wakes go, by its targets; and what becomes of targets.

use domain::policy::Router;
use domain::wake::Phase;
use domain::{AppId, DeviceNumber, Environment, LaneId, TargetKind, Time};
use rusqlite::params;

use super::rows::{At, WAKE_COLUMNS, stored_wake, target_kind, word, word_or_null};
use super::wakes::DeviceRow;
use super::writer::Tx;
use crate::Error;
use crate::model::{Effects, Lane, Subject, Target};

impl Tx<'_> {
    /// The targets of a device changed: its lanes change, and its wakes look again.
    pub(super) fn reroute(
        &mut self,
        device: DeviceNumber,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        match self.set_lanes(device)? {
            Some(row) => self.retarget_row(&row, now, fx),
            None => Ok(()),
        }
    }

    /// Writes where a device's wakes go by its targets; returns its row as it is then.
    pub(super) fn set_lanes(&mut self, device: DeviceNumber) -> Result<Option<DeviceRow>, Error> {
        let Some(row) = self.device(device)? else { return Ok(None) };
        let router = self.router(row.app)?;
        let targets = self.targets(device)?;
        let kinds: Vec<TargetKind> = targets.iter().map(|target| target.kind).collect();
        let mut lane_of = |kind: Option<TargetKind>, subject: Subject| {
            let target = kind.and_then(|kind| targets.iter().find(|target| target.kind == kind));
            let Some(target) = target else { return Ok(None) };
            let lane = self.lane_of(row.app, subject, target)?;
            self.lane_id(lane).map(Some)
        };
        let message_lane = lane_of(router.messages(row.platform, &kinds), Subject::Message)?;
        let call_lane = lane_of(router.call(row.platform, &kinds), Subject::Call)?;
        self.run(
            "UPDATE devices SET message_lane = ?2, call_lane = ?3 WHERE id = ?1",
            params![
                device.number(),
                message_lane.map(LaneId::number),
                call_lane.map(LaneId::number)
            ],
        )?;
        Ok(Some(DeviceRow { message_lane, call_lane, ..row }))
    }

    /// How an app's devices are reached.
    pub(super) fn router(&mut self, app: AppId) -> Result<Router, Error> {
        let ios = self.settings(app)?.policy.ios_route;
        if let Some(apns) = self.cache.apns.get(&app) {
            return Ok(Router { ios, apns: *apns });
        }
        let found = self.one(
            "SELECT 1 FROM credentials WHERE app = ?1 AND kind LIKE 'apns%' LIMIT 1",
            [app.number()],
            |_| Ok(()),
        )?;
        let apns = found.is_some();
        self.cache.apns.insert(app, apns);
        Ok(Router { ios, apns })
    }

    /// A target, credential or setting changed: the device's wakes and direct pushes look again.
    pub(super) fn retarget(
        &mut self,
        device: DeviceNumber,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        match self.device(device)? {
            Some(row) => self.retarget_row(&row, now, fx),
            None => Ok(()),
        }
    }

    fn retarget_row(
        &mut self,
        device: &DeviceRow,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let sql = format!("SELECT {WAKE_COLUMNS} FROM wakes w WHERE w.device = ?1");
        let wakes = self.all(&sql, [device.number.number()], |row| stored_wake(row, 0))?;
        for mut stored in wakes.into_iter().flatten() {
            let Some(changed) = stored.wake.changed(now) else {
                // Its lane may be another one; an attempt on its way settles in its own.
                let waits = !matches!(stored.wake.phase, Phase::Claimed(_));
                if waits && stored.lane != device.lane(stored.key.call) {
                    self.save_wake(stored, device, None, fx)?;
                }
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
            self.save_wake(stored, device, None, fx)?;
        }
        self.retarget_deliveries(device, now, fx)
    }

    pub(super) fn targets(&self, device: DeviceNumber) -> Result<Vec<Target>, Error> {
        self.all(
            &format!("SELECT {TARGET_COLUMNS} FROM targets WHERE device = ?1"),
            [device.number()],
            target_row,
        )
    }

    pub(super) fn lane(&self, lane: LaneId) -> Result<Option<Lane>, Error> {
        self.one(
            "SELECT app, subject, kind, app_id, environment FROM lanes WHERE id = ?1",
            [lane.number()],
            |row| {
                Ok(Lane {
                    app: AppId::from_number(row.get(0)?),
                    subject: word(row, 1, Subject::parse)?,
                    kind: target_kind(row, 2)?,
                    app_id: row.get(3)?,
                    environment: Environment::parse(row.get_ref(4)?.as_str()?),
                })
            },
        )
    }

    pub(super) fn lane_id(&mut self, lane: Lane) -> Result<LaneId, Error> {
        if let Some(id) = self.cache.lanes.get(&lane) {
            return Ok(*id);
        }
        let environment = lane.environment.map_or("", Environment::as_str);
        let names = params![
            lane.app.number(),
            lane.subject.as_str(),
            lane.kind.as_str(),
            lane.app_id,
            environment
        ];
        self.run(
            "INSERT INTO lanes (app, subject, kind, app_id, environment)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            names,
        )?;
        let id = self
            .one(
                "SELECT id FROM lanes WHERE app = ?1 AND subject = ?2 AND kind = ?3
                   AND app_id = ?4 AND environment = ?5",
                names,
                |row| row.get(0),
            )?
            .map(LaneId::from_number)
            .ok_or_else(|| Error::Database("a lane just written is not there".to_owned()))?;
        self.cache.lanes.insert(lane, id);
        Ok(id)
    }
}

/// The columns of a target, for [`target_row`].
pub(super) const TARGET_COLUMNS: &str =
    "kind, token, environment, learned, app_id, registered_at, suspect_since";

/// Reads [`TARGET_COLUMNS`].
pub(super) fn target_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Target> {
    Ok(Target {
        kind: target_kind(row, 0)?,
        token: row.get(1)?,
        environment: word_or_null(row, 2, Environment::parse)?,
        learned: word_or_null(row, 3, Environment::parse)?,
        app_id: row.get(4)?,
        registered_at: row.get::<_, At>(5)?.0,
        suspect_since: row.get::<_, Option<At>>(6)?.map(|at| at.0),
    })
}
