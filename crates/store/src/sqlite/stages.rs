//! How far wakes for messages have come: each stage is told of once.

use domain::wake::Stage;
use domain::{AppId, DeviceNumber, Time};
use rusqlite::params;

use super::rows::StoredWake;
use super::writer::Tx;
use crate::Error;
use crate::model::{Effects, Passed, WakeKey};

impl StoredWake {
    /// Comes to a stage, if it is not there yet. Rings are no part of the count: they are over
    /// before a phone that is late could come.
    pub(super) fn comes_to(&mut self, stage: Stage, app: AppId, now: Time, fx: &mut Effects) {
        if self.key.call != 0 {
            return;
        }
        let passed = self.stage.up_to(stage);
        fx.passed.extend(passed.map(|stage| Passed {
            app,
            stage,
            opened_at: self.opened_at,
            at: now,
        }));
        self.stage = self.stage.max(stage);
    }

    /// Its device has acknowledged all that it was for.
    pub(super) fn was_acknowledged(&mut self, app: AppId, now: Time, fx: &mut Effects) {
        self.comes_to(self.stage.acknowledged(self.wake.phase), app, now, fx);
    }

    /// It was opened just now.
    pub(super) fn was_opened(&self, app: AppId, fx: &mut Effects) {
        if self.key.call == 0 {
            let (opened_at, at) = (self.opened_at, self.opened_at);
            fx.passed.push(Passed { app, stage: Stage::Owed, opened_at, at });
        }
    }
}

impl Tx<'_> {
    /// A device came, for whatever waits for it.
    pub(super) fn came(
        &self,
        device: DeviceNumber,
        app: AppId,
        now: Time,
        fx: &mut Effects,
    ) -> Result<Option<StoredWake>, Error> {
        let Some(mut stored) = self.wake(WakeKey { device, call: 0 })? else { return Ok(None) };
        let before = stored.stage;
        stored.comes_to(before.came(stored.wake.phase), app, now, fx);
        if stored.stage != before {
            self.run(
                "UPDATE wakes SET stage = ?2 WHERE device = ?1 AND call = 0",
                params![device.number(), stored.stage.as_str()],
            )?;
        }
        Ok(Some(stored))
    }
}
