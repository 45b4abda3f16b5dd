//! The legs of calls: lost with the last session of their device, back with the next one.

use domain::call::{Call, CallInput, CallStep, RING_ACK, RING_ACK_BACKGROUND};
use domain::session::AppState;
use domain::{DeviceNumber, InboxId, Time};
use rusqlite::params;

use super::calls::{CALL_COLUMNS, call_row};
use super::rows::{At, WAKE_COLUMNS, stored_wake};
use super::wakes::DeviceRow;
use super::writer::Tx;
use crate::Error;
use crate::model::{CallRecord, Effects};

/// Calls that are over and told of at one connect.
const ENDED: i64 = 20;

impl Tx<'_> {
    /// A session of this device ended: if none is left that speaks for this user, its legs are
    /// lost from now on.
    pub(super) fn legs_lost(
        &mut self,
        device: DeviceNumber,
        inbox: InboxId,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        for record in self.legs_of(device, inbox)? {
            self.leg_lost(&record, device, inbox, now, fx)?;
        }
        Ok(())
    }

    /// The same of one call that the device has a leg of.
    pub(super) fn leg_lost(
        &mut self,
        record: &CallRecord,
        device: DeviceNumber,
        inbox: InboxId,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let lives = self.one(
            "SELECT 1 FROM sessions WHERE device = ?1 AND inbox = ?2 LIMIT 1",
            [device.number(), inbox.number()],
            |_| Ok(()),
        )?;
        if lives.is_some() {
            return Ok(());
        }
        let back_by = now.plus(self.settings(record.app)?.policy.resume_time);
        self.note_leg(record, CallInput::Lost { device, back_by }, now, fx)
    }

    /// A session of this device stands: its legs are back.
    pub(super) fn legs_back(
        &self,
        device: DeviceNumber,
        inbox: InboxId,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        for record in self.legs_of(device, inbox)? {
            self.note_leg(&record, CallInput::Back(device), now, fx)?;
        }
        Ok(())
    }

    /// A device connects while calls ring for its user, and is told by frame: what was not pushed
    /// yet gives it the time that a living session has.
    pub(super) fn rung_by_frame(
        &self,
        device: &DeviceRow,
        state: AppState,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        let until = now.plus(match state {
            AppState::Foreground => RING_ACK,
            AppState::Background => RING_ACK_BACKGROUND,
        });
        let sql = format!("SELECT {WAKE_COLUMNS} FROM wakes w WHERE w.device = ?1 AND w.call <> 0");
        let wakes = self.all(&sql, [device.number.number()], |row| stored_wake(row, 0))?;
        for mut stored in wakes.into_iter().flatten() {
            if let Some(moved) = stored.wake.rung_by_frame(until) {
                stored.wake = moved;
                self.save_wake(stored, device, None, fx)?;
            }
        }
        Ok(())
    }

    /// No session outlives its process: every leg is lost.
    pub(super) fn all_legs_lost(&mut self, now: Time, fx: &mut Effects) -> Result<(), Error> {
        let sql = format!("SELECT {CALL_COLUMNS} FROM calls c WHERE c.phase <> 'ended'");
        for record in self.all(&sql, [], call_row)? {
            self.leg_lost(&record, record.call.caller, record.caller_inbox, now, fx)?;
            let answerer = record.answered_by;
            let record = self.call_by_number(record.number)?;
            if let (Some(record), Some(answerer)) = (record, answerer) {
                self.leg_lost(&record, answerer, record.callee_inbox, now, fx)?;
            }
        }
        Ok(())
    }

    fn note_leg(
        &self,
        record: &CallRecord,
        input: CallInput,
        now: Time,
        fx: &mut Effects,
    ) -> Result<(), Error> {
        match record.call.handle(input, now) {
            CallStep::Noted(call) => self.save_legs(record.number, call, fx),
            // The domain ends no call by these.
            CallStep::Changed(_) | CallStep::NotYours | CallStep::Nothing | CallStep::TooLate => {
                Ok(())
            }
        }
    }

    fn save_legs(&self, number: i64, call: Call, fx: &mut Effects) -> Result<(), Error> {
        self.run(
            "UPDATE calls SET caller_back_by = ?2, answerer_back_by = ?3, due = ?4
             WHERE number = ?1",
            params![
                number,
                call.caller_back_by.map(At),
                call.answerer_back_by.map(At),
                call.due().map(At),
            ],
        )?;
        fx.calls |= call.due().is_some();
        Ok(())
    }

    /// The running calls that a device has a leg of, as a device of this user.
    fn legs_of(&self, device: DeviceNumber, inbox: InboxId) -> Result<Vec<CallRecord>, Error> {
        let sql = format!(
            "SELECT {CALL_COLUMNS} FROM calls c
             WHERE c.caller_device = ?1 AND c.phase <> 'ended' AND c.caller_inbox = ?2"
        );
        let mut legs = self.all(&sql, [device.number(), inbox.number()], call_row)?;
        let sql = format!(
            "SELECT {CALL_COLUMNS} FROM calls c
             WHERE c.callee_inbox = ?2 AND c.phase <> 'ended' AND c.answered_by = ?1"
        );
        legs.extend(self.all(&sql, [device.number(), inbox.number()], call_row)?);
        Ok(legs)
    }

    /// What a device that connects has to be told of, oldest first: the calls that ring for its
    /// user or were taken by one of the user's devices, those it has a leg of, and those that ended
    /// since `since`, when it was last there.
    pub(super) fn calls_to_tell(
        &self,
        device: DeviceNumber,
        inbox: InboxId,
        since: Time,
    ) -> Result<Vec<CallRecord>, Error> {
        let mut calls = self.legs_of(device, inbox)?;
        let sql = format!(
            "SELECT {CALL_COLUMNS} FROM calls c
             WHERE c.callee_inbox = ?1 AND c.phase <> 'ended' AND c.silent = 0"
        );
        calls.extend(self.all(&sql, [inbox.number()], call_row)?);
        let sql = format!(
            "SELECT {CALL_COLUMNS} FROM calls c
             WHERE c.callee_inbox = ?1 AND c.ended_at >= ?2 AND c.silent = 0
             ORDER BY c.ended_at DESC LIMIT ?3"
        );
        calls.extend(self.all(&sql, params![inbox.number(), At(since), ENDED], call_row)?);
        let sql = format!(
            "SELECT {CALL_COLUMNS} FROM calls c
             WHERE c.caller_device = ?1 AND c.ended_at >= ?2 AND c.caller_inbox = ?4
             ORDER BY c.ended_at DESC LIMIT ?3"
        );
        let values = params![device.number(), At(since), ENDED, inbox.number()];
        calls.extend(self.all(&sql, values, call_row)?);
        calls.sort_unstable_by_key(|record| record.number);
        calls.dedup_by_key(|record| record.number);
        Ok(calls)
    }
}
