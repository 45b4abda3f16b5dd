//! After a change of settings or credentials: devices' lanes, and what waits for such a change,
//! are looked at anew.
//!
//! A job in the database, by device number, some at a time, so that an app with very many devices
//! keeps the writer from nobody and a restart goes on where it stopped.

use domain::delivery::Phase;
use domain::{AppId, DeviceNumber, Time};
use rusqlite::params;

use super::Sqlite;
use super::deliveries::{DELIVERY_COLUMNS, stored_delivery};
use super::writer::Tx;
use crate::Error;
use crate::model::Effects;

/// Devices looked at in one transaction.
const SLICE: i64 = 1_000;

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
            "INSERT INTO relanes (app, scope, cursor) VALUES (?1, ?2, 0)
             ON CONFLICT (app) DO UPDATE SET cursor = 0,
                scope = CASE WHEN scope = 'all' THEN 'all' ELSE excluded.scope END",
            params![app.number(), scope.as_str()],
        )?;
        self.changed_deliveries(app, now, fx)?;
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
        let job =
            self.one("SELECT scope, cursor FROM relanes WHERE app = ?1", [app.number()], |row| {
                Ok((row.get::<_, String>(0)? == Scope::All.as_str(), row.get::<_, i64>(1)?))
            })?;
        let Some((all, cursor)) = job else { return Ok(()) };
        let sql = if all {
            "SELECT id FROM devices WHERE app = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
        } else {
            "SELECT DISTINCT w.device FROM wakes w JOIN devices d ON d.id = w.device
             WHERE d.app = ?1 AND w.device > ?2
               AND (w.due IS NULL OR w.attempt IS NOT NULL OR w.reason = 'refused')
             ORDER BY w.device LIMIT ?3"
        };
        let devices = self.all(sql, params![app.number(), cursor, SLICE], |row| {
            row.get(0).map(DeviceNumber::from_number)
        })?;
        for device in &devices {
            if all {
                self.reroute(*device, now, fx)?;
            } else {
                self.retarget(*device, now, fx)?;
            }
        }
        let full = i64::try_from(devices.len()).unwrap_or(0) == SLICE;
        match devices.last().filter(|_| full) {
            Some(last) => self.run(
                "UPDATE relanes SET cursor = ?2 WHERE app = ?1",
                params![app.number(), last.number()],
            )?,
            None => self.run("DELETE FROM relanes WHERE app = ?1", [app.number()])?,
        };
        Ok(())
    }

    /// Direct pushes that wait out a refusal need not wait.
    fn changed_deliveries(&self, app: AppId, now: Time, fx: &mut Effects) -> Result<(), Error> {
        let sql = format!(
            "SELECT {DELIVERY_COLUMNS} FROM deliveries d
             WHERE d.due IS NOT NULL AND d.attempt IS NULL AND d.refused > 0 AND d.app = ?1
             LIMIT ?2"
        );
        let waiting = self.all(&sql, params![app.number(), SLICE], stored_delivery)?;
        for mut stored in waiting {
            if let Some(changed) = stored.delivery.changed(now) {
                stored.delivery = changed;
                self.save_delivery(&stored, fx)?;
            }
        }
        Ok(())
    }

    /// The targets of a device changed: direct pushes that wait for it go by today's lanes.
    pub(super) fn retarget_deliveries(
        &mut self,
        device: DeviceNumber,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let sql = format!(
            "SELECT {DELIVERY_COLUMNS} FROM deliveries d WHERE d.device = ?1 AND d.due IS NOT NULL"
        );
        let waiting = self.all(&sql, [device.number()], stored_delivery)?;
        for mut stored in waiting {
            // An attempt on its way settles in the lane it was claimed in.
            if let Phase::Claimed { .. } = stored.delivery.phase {
                continue;
            }
            let Some(push) = self.push_head(stored.key.push)? else { continue };
            self.follow_target(&mut stored, push.kind)?;
            if let Some(changed) = stored.delivery.changed(now) {
                stored.delivery = changed;
            }
            self.save_delivery(&stored, fx)?;
        }
        Ok(())
    }
}
