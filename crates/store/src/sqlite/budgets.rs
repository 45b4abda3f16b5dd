//! What devices have used of their budgets, in their rows.

use domain::{AndroidBudget, BackgroundBudget, DeviceNumber, Time};
use rusqlite::params;

use super::rows::At;
use super::writer::Tx;
use crate::Error;

impl Tx<'_> {
    pub(super) fn spend_budget(
        &self,
        device: DeviceNumber,
        budget: BackgroundBudget,
    ) -> Result<(), Error> {
        let times: Vec<i64> = budget.times().map(Time::as_micros).collect();
        let text =
            serde_json::to_string(&times).map_err(|error| Error::Database(error.to_string()))?;
        self.run(
            "UPDATE devices SET background = ?2 WHERE id = ?1",
            params![device.number(), text],
        )?;
        Ok(())
    }

    pub(super) fn spend_android(
        &self,
        device: DeviceNumber,
        budget: AndroidBudget,
    ) -> Result<(), Error> {
        let (minute, hour) = budget.times();
        self.run(
            "UPDATE devices SET fcm_minute = ?2, fcm_hour = ?3 WHERE id = ?1",
            params![device.number(), minute.map(At), hour.map(At)],
        )?;
        Ok(())
    }
}
