//! After a change of settings or credentials: devices' lanes, and what waits for such a change,
//! are looked at anew.
//!
//! A job in the database, by device number, some at a time, so that an app with very many devices
//! keeps the writer from nobody and a restart goes on where it stopped.

use std::collections::HashMap;

use domain::delivery::PushKind;
use domain::{AppId, DeviceNumber, Time};
use rusqlite::params;

use super::Sqlite;
use super::deliveries::{DELIVERY_COLUMNS, DELIVERY_WIDTH, stored_delivery};
use super::rows::{At, word};
use super::wakes::DeviceRow;
use super::writer::Tx;
use crate::Error;
use crate::model::Effects;

/// Devices looked at in one transaction.
const SLICE: usize = 1_000;

/// Which devices of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All: their routes may be other ones.
    All,
    /// Those with a wake that waits for a change.
    Parked,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Parked => "parked",
        }
    }
}

impl Sqlite {
    pub(crate) async fn relane(&self, now: Time) -> Result<(bool, Effects), Error> {
        self.with_effects(move |tx, fx| tx.relane(now, fx)).await
    }
}

impl Tx<'_> {
    /// Begins to look at an app's devices: the first ones at once, so that a small app's changes
    /// hold when they are answered.
    pub(super) fn begin_relane(
        &mut self,
        app: AppId,
        scope: Scope,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        // One that is under way starts over, and looks at all if either wanted all.
        self.run(
            "INSERT INTO relanes (app, scope, cursor, began_at) VALUES (?1, ?2, 0, ?3)
             ON CONFLICT (app) DO UPDATE SET cursor = 0, began_at = excluded.began_at,
                scope = CASE WHEN scope = 'all' THEN 'all' ELSE excluded.scope END",
            params![app.number(), scope.as_str(), At(now)],
        )?;
        self.relane_app(app, now, fx)?;
        fx.relane = self.one("SELECT 1 FROM relanes", [], |_| Ok(()))?.is_some();
        Ok(())
    }

    /// Looks at some more devices of one app; returns whether there are more.
    fn relane(&mut self, now: Time, fx: &mut Effects) -> Result<bool, Error> {
        let app = self.one("SELECT app FROM relanes ORDER BY app LIMIT 1", [], |row| {
            row.get(0).map(AppId::from_number)
        })?;
        let Some(app) = app else { return Ok(false) };
        self.relane_app(app, now, fx)?;
        Ok(self.one("SELECT 1 FROM relanes LIMIT 1", [], |_| Ok(()))?.is_some())
    }

    fn relane_app(&mut self, app: AppId, now: Time, fx: &mut Effects) -> Result<(), Error> {
        let sql = "SELECT scope, cursor, began_at FROM relanes WHERE app = ?1";
        let job = self.one(sql, [app.number()], |row| {
            let all = row.get::<_, String>(0)? == Scope::All.as_str();
            Ok((all, row.get::<_, i64>(1)?, row.get::<_, At>(2)?.0))
        })?;
        let Some((all, cursor, began_at)) = job else { return Ok(()) };
        let opened = self.changed_deliveries(app, began_at, now, fx)?;
        let sql = if all {
            "SELECT id FROM devices WHERE app = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
        } else {
            // CROSS: by the wakes there are, not by every device of the app, which took 80 ms of
            // the writer with a million of them.
            "SELECT DISTINCT w.device FROM wakes w CROSS JOIN devices d ON d.id = w.device
             WHERE d.app = ?1 AND w.device > ?2
               AND (w.due IS NULL OR w.attempt IS NOT NULL OR w.reason = 'refused')
             ORDER BY w.device LIMIT ?3"
        };
        let slice = i64::try_from(SLICE).unwrap_or(i64::MAX);
        let devices = self.all(sql, params![app.number(), cursor, slice], |row| {
            row.get(0).map(DeviceNumber::from_number)
        })?;
        for device in &devices {
            if all {
                self.reroute(*device, now, fx)?;
            } else {
                self.retarget(*device, now, fx)?;
            }
        }
        if devices.len() < SLICE && opened < SLICE {
            self.run("DELETE FROM relanes WHERE app = ?1", [app.number()])?;
        } else if let Some(last) = devices.last() {
            self.run(
                "UPDATE relanes SET cursor = ?2 WHERE app = ?1",
                params![app.number(), last.number()],
            )?;
        }
        Ok(())
    }

    /// Direct pushes that wait out a refusal from before `began_at` need not wait; returns how many
    /// of them there were, a slice at most. One that is refused once more waits, or a credential
    /// that stays bad would make the job endless.
    fn changed_deliveries(
        &self,
        app: AppId,
        began_at: Time,
        now: Time,
        fx: &mut Effects,
    ) -> Result<usize, Error> {
        let sql = format!(
            "SELECT {DELIVERY_COLUMNS} FROM deliveries d
             WHERE d.due IS NOT NULL AND d.refused > 0 AND d.app = ?1 AND d.settled_at < ?2
               AND d.attempt IS NULL AND d.due > ?3
             LIMIT {SLICE}"
        );
        let waiting =
            self.all(&sql, params![app.number(), At(began_at), At(now)], stored_delivery)?;
        let found = waiting.len();
        for mut stored in waiting {
            if let Some(changed) = stored.delivery.changed(now) {
                stored.delivery = changed;
                self.save_delivery(&stored, fx)?;
            }
        }
        Ok(found)
    }

    /// The targets of a device changed: direct pushes that wait for it go by today's lanes.
    pub(super) fn retarget_deliveries(
        &mut self,
        device: &DeviceRow,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        // An attempt on its way settles in the lane it was claimed in.
        let sql = format!(
            "SELECT {DELIVERY_COLUMNS}, p.kind FROM deliveries d JOIN pushes p ON p.id = d.push
             WHERE d.device = ?1 AND d.due IS NOT NULL AND d.attempt IS NULL"
        );
        let waiting = self.all(&sql, [device.number.number()], |row| {
            Ok((stored_delivery(row)?, word(row, DELIVERY_WIDTH, PushKind::parse)?))
        })?;
        let mut lanes = HashMap::new();
        for (mut stored, kind) in waiting {
            let lane = match lanes.get(&kind) {
                Some(lane) => *lane,
                None => *lanes.entry(kind).or_insert(self.push_lane(kind, device)?),
            };
            let lane = lane.or(stored.lane);
            let changed = stored.delivery.changed(now);
            if lane == stored.lane && changed.is_none() {
                continue;
            }
            stored.lane = lane;
            stored.delivery = changed.unwrap_or(stored.delivery);
            self.save_delivery(&stored, fx)?;
        }
        Ok(())
    }
}
