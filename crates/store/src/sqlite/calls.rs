//! Calls: each transition is one conditional update; the wakes of a call follow its row alone.

use domain::call::{
    Call, CallInput, CallPhase, CallStep, EndReason, RING_ACK, RING_ACK_BACKGROUND,
};
use domain::inbox::Owing;
use domain::wake::{Rung, Wake};
use domain::{AppId, CallId, DeviceNumber, InboxId, Reason, Time};
use rusqlite::params;

use super::rows::{At, Bits, WAKE_COLUMNS, stored_wake, word, word_or_null};
use super::wakes::{DEVICE_COLUMNS, DEVICE_WIDTH, device_row};
use super::writer::Tx;
use crate::Error;
use crate::model::{CallMove, CallMoved, CallRecord, CallStart, CallStarted, Effects};

/// The columns of a call, for [`call_row`], from the alias `c`.
pub(super) const CALL_COLUMNS: &str = "c.number, c.id, c.app, c.caller_inbox, c.caller_device, \
     c.callee_inbox, c.phase, c.until, c.answered_by, c.reason, c.video, c.caller_name, \
     c.caller_handle, c.offer, c.answer, c.created_at, \
     (SELECT user FROM inboxes WHERE id = c.caller_inbox), \
     (SELECT user FROM inboxes WHERE id = c.callee_inbox), \
     c.caller_back_by, c.answerer_back_by, c.silent, \
     EXISTS (SELECT 1 FROM call_rings r WHERE r.call = c.number)";

pub(super) fn call_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<CallRecord> {
    let until = row.get::<_, At>(7)?.0;
    let answered_by = row.get::<_, Option<i64>>(8)?.map(DeviceNumber::from_number);
    let reason = word_or_null(row, 9, EndReason::parse)?;
    let phase = word(row, 6, |text| match (text, answered_by, reason) {
        ("ringing", _, _) => Some(CallPhase::Ringing { until }),
        ("answered", Some(by), _) => Some(CallPhase::Answered { by }),
        ("ended", _, Some(reason)) => Some(CallPhase::Ended { reason }),
        _ => None,
    })?;
    Ok(CallRecord {
        number: row.get(0)?,
        id: CallId::from_bits(row.get::<_, Bits>(1)?.0),
        app: AppId::from_number(row.get(2)?),
        caller_inbox: InboxId::from_number(row.get(3)?),
        call: Call {
            phase,
            caller: DeviceNumber::from_number(row.get(4)?),
            caller_back_by: row.get::<_, Option<At>>(18)?.map(|at| at.0),
            answerer_back_by: row.get::<_, Option<At>>(19)?.map(|at| at.0),
        },
        callee_inbox: InboxId::from_number(row.get(5)?),
        video: row.get(10)?,
        caller_name: row.get(11)?,
        caller_handle: row.get(12)?,
        offer: row.get(13)?,
        answer: row.get(14)?,
        created_at: row.get::<_, At>(15)?.0,
        caller_user: row.get::<_, Option<String>>(16)?.unwrap_or_default(),
        callee_user: row.get::<_, Option<String>>(17)?.unwrap_or_default(),
        answered_by,
        silent: row.get(20)?,
        rings_somewhere: row.get(21)?,
    })
}

impl Tx<'_> {
    /// The caller's id of a call; 0 is none.
    pub(super) fn call_name(&self, number: i64) -> Result<Option<CallId>, Error> {
        if number == 0 {
            return Ok(None);
        }
        self.one("SELECT id FROM calls WHERE number = ?1", [number], |row| {
            Ok(CallId::from_bits(row.get::<_, Bits>(0)?.0))
        })
    }

    pub(super) fn call_by_number(&self, number: i64) -> Result<Option<CallRecord>, Error> {
        let sql = format!("SELECT {CALL_COLUMNS} FROM calls c WHERE c.number = ?1");
        self.one(&sql, [number], call_row)
    }

    fn call_by_id(&self, app: AppId, call: CallId) -> Result<Option<CallRecord>, Error> {
        let sql = format!("SELECT {CALL_COLUMNS} FROM calls c WHERE c.app = ?1 AND c.id = ?2");
        self.one(&sql, params![app.number(), Bits(call.bits())], call_row)
    }

    /// A call that this device has a part in: its caller, or a device of its callee that has not
    /// been kept from it.
    pub(super) fn call_of(
        &self,
        app: AppId,
        call: CallId,
        device: DeviceNumber,
        inbox: InboxId,
    ) -> Result<Option<CallRecord>, Error> {
        let found = self.call_by_id(app, call)?;
        Ok(found.filter(|record| {
            let calls = record.call.caller == device && record.caller_inbox == inbox;
            calls || (record.callee_inbox == inbox && !record.silent)
        }))
    }

    /// Calls that end by themselves now: the ring time or that of a lost leg is over.
    pub(super) fn calls_overdue(&self, now: Time) -> Result<Vec<CallRecord>, Error> {
        let sql = format!("SELECT {CALL_COLUMNS} FROM calls c WHERE c.due <= ?1");
        self.all(&sql, [At(now)], call_row)
    }

    /// When the next call ends by itself.
    pub(super) fn next_call_end(&self) -> Result<Option<Time>, Error> {
        let next = self.one("SELECT MIN(due) FROM calls WHERE due IS NOT NULL", [], |row| {
            row.get::<_, Option<At>>(0)
        })?;
        Ok(next.flatten().map(|at| at.0))
    }

    /// Starts a call and opens a wake for every device of the callee: living sessions get some
    /// time to say that they ring, the others are pushed at once.
    pub(super) fn start_call(
        &mut self,
        start: &CallStart,
        fx: &mut Effects,
    ) -> Result<CallStarted, Error> {
        if let Some(earlier) = self.call_by_id(start.app, start.call)? {
            let same = earlier.call.caller == start.caller && earlier.callee_user == start.callee;
            return Ok(if same { CallStarted::Again(earlier) } else { CallStarted::IdReused });
        }
        let Some(callee) = self.inbox_of(start.app, &start.callee)? else {
            return Ok(CallStarted::UnknownUser);
        };
        let settings = self.settings(start.app)?;
        let until = start.now.plus(settings.policy.ring_time);
        let silent = !self.takes_calls(callee.id, start.caller_inbox)?;
        self.run(
            "INSERT INTO calls (id, app, caller_inbox, caller_device, callee_inbox, phase, until,
                due, video, caller_name, caller_handle, offer, created_at, silent)
             VALUES (?1, ?2, ?3, ?4, ?5, 'ringing', ?6, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                Bits(start.call.bits()),
                start.app.number(),
                start.caller_inbox.number(),
                start.caller.number(),
                callee.id.number(),
                At(until),
                start.video,
                start.caller_name,
                start.caller_handle,
                start.offer,
                At(start.now),
                silent,
            ],
        )?;
        let record = self
            .call_by_number(self.last_id())?
            .ok_or_else(|| Error::Database("a call just written is not there".to_owned()))?;
        fx.calls = true;
        self.leg_lost(&record, start.caller, start.caller_inbox, start.now, fx)?;
        if silent {
            return Ok(CallStarted::Rings(record));
        }
        let sql = format!(
            "SELECT {DEVICE_COLUMNS},
                (SELECT MAX(s.foreground) FROM sessions s WHERE s.device = d.id AND s.suspect = 0)
             FROM devices d WHERE d.inbox = ?1 AND d.id <> ?2"
        );
        let devices = self.all(&sql, [callee.id.number(), start.caller.number()], |row| {
            Ok((device_row(row)?, row.get::<_, Option<bool>>(DEVICE_WIDTH)?))
        })?;
        for (device, foreground) in devices {
            let due = match foreground {
                None => start.now,
                Some(true) => start.now.plus(RING_ACK),
                Some(false) => start.now.plus(RING_ACK_BACKGROUND),
            };
            let wake = Wake::open(Rung::Ring, due, Reason::Ring);
            self.open_wake(
                &device,
                Some(&record),
                wake,
                Owing::Nothing,
                start.birth.as_ref(),
                start.now,
                fx,
            )?;
        }
        Ok(CallStarted::Rings(record))
    }

    /// Whether a callee takes calls of this caller. Where not, the call rings nobody, and goes on
    /// for its caller as if it did.
    fn takes_calls(&self, callee: InboxId, caller: InboxId) -> Result<bool, Error> {
        Ok(!self.blocks(callee, &self.user_of(caller)?)?)
    }

    pub(super) fn rings_here(&self, call: i64, device: DeviceNumber) -> Result<bool, Error> {
        let rings = self.one(
            "SELECT 1 FROM call_rings WHERE call = ?1 AND device = ?2",
            [call, device.number()],
            |_| Ok(()),
        )?;
        Ok(rings.is_some())
    }

    /// A device says that it rings: it needs no push any more.
    pub(super) fn ringing(
        &self,
        app: AppId,
        call: CallId,
        device: DeviceNumber,
        inbox: InboxId,
        fx: &mut Effects,
    ) -> Result<Option<CallRecord>, Error> {
        let Some(record) = self.call_of(app, call, device, inbox)? else { return Ok(None) };
        if record.callee_inbox != inbox || record.call.caller == device {
            return Ok(None);
        }
        if record.call.rings_until().is_some() {
            self.run(
                "INSERT INTO call_rings (call, device) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                [record.number, device.number()],
            )?;
            let key = crate::model::WakeKey { device, call: record.number };
            if let (Some(stored), Some(row)) = (self.wake(key)?, self.device(device)?) {
                self.close_wake(&stored, &row, Reason::Live, fx)?;
            }
        }
        Ok(Some(record))
    }

    /// Moves a call: one conditional update, one winner.
    pub(super) fn move_call(
        &mut self,
        step: &CallMove,
        fx: &mut Effects,
    ) -> Result<CallMoved, Error> {
        let found = match step.by {
            Some((device, inbox)) => self.call_of(step.app, step.call, device, inbox)?,
            None => self.call_by_id(step.app, step.call)?,
        };
        let Some(record) = found else { return Ok(CallMoved::Unknown) };
        if !may_move(&record, step) {
            return Ok(CallMoved::NotYours);
        }
        let changed = match record.call.handle(step.input, step.now) {
            CallStep::Changed(call) => call,
            // Legs are noted where sessions come and go; nobody says so.
            CallStep::Noted(_) | CallStep::TooLate | CallStep::Nothing => {
                return Ok(CallMoved::Stands(record));
            }
            CallStep::NotYours => return Ok(CallMoved::NotYours),
        };
        let (phase, answered_by, reason, ended_at) = match changed.phase {
            CallPhase::Ringing { .. } => ("ringing", None, None, None),
            CallPhase::Answered { by } => ("answered", Some(by.number()), None, None),
            CallPhase::Ended { reason } => {
                ("ended", None, Some(reason.as_str()), Some(At(step.now)))
            }
        };
        self.run(
            "UPDATE calls SET phase = ?2, answered_by = COALESCE(?3, answered_by), reason = ?4,
                    ended_at = ?5, answer = COALESCE(?6, answer), due = ?7, caller_back_by = ?8,
                    answerer_back_by = ?9 WHERE number = ?1",
            params![
                record.number,
                phase,
                answered_by,
                reason,
                ended_at,
                step.answer,
                changed.due().map(At),
                changed.caller_back_by.map(At),
                changed.answerer_back_by.map(At),
            ],
        )?;
        let pushed = self.end_call_wakes(record.number, fx)?;
        let mut record =
            CallRecord { call: changed, answer: step.answer.clone().or(record.answer), ..record };
        if let CallPhase::Answered { by } = changed.phase {
            record.answered_by = Some(by);
            // Who answers from a push handler has no session yet, and some time to open one.
            self.leg_lost(&record, by, record.callee_inbox, step.now, fx)?;
        }
        let missed = record.ended().is_some_and(EndReason::is_missed);
        if missed && record.answered_by.is_none() && !record.silent {
            // The end and the missed call are one transaction.
            self.append_missed_call(&record, step.now, fx)?;
        }
        Ok(CallMoved::Changed { record, pushed })
    }

    /// The wakes of a call that no longer rings; returns the devices that were pushed, or may
    /// have been.
    fn end_call_wakes(&self, call: i64, fx: &mut Effects) -> Result<Vec<DeviceNumber>, Error> {
        let sql = format!("SELECT {WAKE_COLUMNS} FROM wakes w WHERE w.call = ?1");
        let wakes = self.all(&sql, [call], |row| stored_wake(row, 0))?;
        let mut pushed = Vec::new();
        for stored in wakes.into_iter().flatten() {
            if stored.wake.provider.is_some() {
                pushed.push(stored.key.device);
            }
            if let Some(device) = self.device(stored.key.device)? {
                self.close_wake(&stored, &device, Reason::CallOver, fx)?;
            }
        }
        Ok(pushed)
    }
}

/// Whether this device may say this of this call.
fn may_move(record: &CallRecord, step: &CallMove) -> bool {
    let Some((device, inbox)) = step.by else { return true };
    match step.input {
        CallInput::Answer(_) | CallInput::Decline | CallInput::Busy => {
            inbox == record.callee_inbox && device != record.call.caller
        }
        CallInput::Cancel => device == record.call.caller,
        // The domain looks whether it is one of the call's two.
        CallInput::End(_) => true,
        // Only the server itself says these.
        CallInput::Back(_) | CallInput::Lost { .. } | CallInput::Tick => false,
    }
}
