//! Devices that go: taken back by their app's back end, or away for too long.

use domain::{DeviceNumber, EventType, SessionId, Time};
use rusqlite::params;

use super::Sqlite;
use super::rows::At;
use super::writer::Tx;
use crate::Error;
use crate::model::Effects;

impl Sqlite {
    pub(crate) async fn remove_device(
        &self,
        device: DeviceNumber,
        now: Time,
    ) -> Result<(Vec<SessionId>, Effects), Error> {
        self.with_effects(move |tx, fx| tx.remove_device(device, Gone::TakenBack, now, fx)).await
    }
}

/// Why a device goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    TakenBack,
    Away,
}

impl Gone {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TakenBack => "taken_back",
            Self::Away => "away",
        }
    }
}

impl Tx<'_> {
    /// Removes a device with all that is its own; returns the sessions that it had.
    fn remove_device(
        &mut self,
        device: DeviceNumber,
        why: Gone,
        now: Time,
        fx: &mut Effects,
    ) -> Result<Vec<SessionId>, Error> {
        let Some(row) = self.device(device)? else { return Ok(Vec::new()) };
        // First the targets, the usual way: what waited for them ends.
        self.remove_targets(device, None, now, fx)?;
        let number = device.number();
        let sessions = self.end_sessions_of(&row, now)?;
        self.run("DELETE FROM wakes WHERE device = ?1", [number])?;
        self.run("DELETE FROM topic_devices WHERE device = ?1", [number])?;
        let body = serde_json::json!({
            "user": self.user_of(row.inbox)?,
            "device": row.name,
            "platform": row.platform.as_str(),
            "reason": why.as_str(),
        });
        self.add_event(row.app, Some(device), EventType::DeviceRemoved, &body, now)?;
        self.run("DELETE FROM devices WHERE id = ?1", [number])?;
        // It may have been the last one that lacked something.
        if let Some(inbox) = self.inbox(row.inbox)? {
            self.trim(&inbox, inbox.delivered, now)?;
        }
        Ok(sessions)
    }

    /// Removes devices that have been away for too long, of some devices at a time.
    pub(super) fn sweep_devices(
        &mut self,
        now: Time,
        devices: i64,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let from = self.cache.swept_devices;
        let away = now.minus(self.limits.forget_after);
        let looked_at = self.all(
            "SELECT id, last_seen_at <= ?3
                    AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.device = devices.id)
             FROM devices WHERE id > ?1 ORDER BY id LIMIT ?2",
            params![from, devices, At(away)],
            |row| Ok((DeviceNumber::from_number(row.get(0)?), row.get::<_, bool>(1)?)),
        )?;
        for (device, gone) in &looked_at {
            if *gone {
                self.remove_device(*device, Gone::Away, now, fx)?;
            }
        }
        let done = i64::try_from(looked_at.len()).unwrap_or(i64::MAX) < devices;
        let last = looked_at.last().map_or(0, |(device, _)| device.number());
        self.cache.swept_devices = if done { 0 } else { last };
        Ok(())
    }
}
