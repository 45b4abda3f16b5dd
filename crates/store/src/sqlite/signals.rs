//! Signals of calls: numbered in the transaction that keeps them, read in that order.

use domain::call::{CallPhase, MOST_SIGNAL_BYTES, MOST_SIGNALS};
use domain::{AppId, CallId, DeviceNumber, InboxId, Time};
use rusqlite::{Connection, params};

use super::rows::At;
use super::writer::Tx;
use crate::Error;
use crate::model::{Signal, SignalKept};

/// Signals in one read.
const PAGE: i64 = 100;

impl Tx<'_> {
    /// Keeps a signal; returns it numbered, and the call.
    pub(super) fn signal(
        &self,
        app: AppId,
        call: CallId,
        device: DeviceNumber,
        inbox: InboxId,
        body: &str,
    ) -> Result<SignalKept, Error> {
        let Some(record) = self.call_of(app, call, device, inbox)? else {
            return Ok(SignalKept::Unknown);
        };
        match record.call.phase {
            CallPhase::Ringing { .. } => {}
            CallPhase::Answered { .. } if record.call.has_leg(device) => {}
            CallPhase::Answered { .. } | CallPhase::Ended { .. } => {
                return Ok(SignalKept::Stands(record));
            }
        }
        let bytes = i64::try_from(body.len()).unwrap_or(i64::MAX);
        let sequence = self.one(
            "UPDATE calls SET signals = signals + 1, signal_bytes = signal_bytes + ?2
             WHERE number = ?1 AND signals < ?3 AND signal_bytes + ?2 <= ?4 RETURNING signals",
            params![record.number, bytes, MOST_SIGNALS, MOST_SIGNAL_BYTES],
            |row| row.get(0),
        )?;
        let Some(sequence) = sequence else { return Ok(SignalKept::Full) };
        self.run(
            "INSERT INTO call_signals (call, sequence, device, body) VALUES (?1, ?2, ?3, ?4)",
            params![record.number, sequence, device.number(), body],
        )?;
        Ok(SignalKept::Kept(record, Signal { sequence, from: device, body: body.to_owned() }))
    }

    /// Forgets the signals of calls that ended some time ago, and long ago the calls.
    pub(super) fn sweep_calls(&self, now: Time) -> Result<(), Error> {
        let signals = now.minus(domain::call::KEPT_AFTER_END);
        self.run(
            "DELETE FROM call_signals WHERE call IN
                (SELECT number FROM calls WHERE ended_at IS NOT NULL AND ended_at <= ?1)",
            [At(signals)],
        )?;
        let day = now.minus(std::time::Duration::from_secs(86_400));
        self.run(
            "DELETE FROM call_rings WHERE call IN
                (SELECT number FROM calls WHERE ended_at IS NOT NULL AND ended_at <= ?1)",
            [At(day)],
        )?;
        self.run("DELETE FROM calls WHERE ended_at IS NOT NULL AND ended_at <= ?1", [At(day)])?;
        Ok(())
    }
}

/// The signals of a call for a device, behind `after`, in order: one page. The caller gets what the
/// callee's devices sent, each of those what the caller sent.
pub(super) fn signals(
    conn: &Connection,
    call: i64,
    device: DeviceNumber,
    after: i64,
) -> Result<Vec<Signal>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT s.sequence, s.device, s.body FROM call_signals s
         JOIN calls c ON c.number = s.call
         WHERE s.call = ?1 AND s.sequence > ?2
           AND (s.device = c.caller_device) <> (?3 = c.caller_device)
         ORDER BY s.sequence LIMIT ?4",
    )?;
    let rows = statement.query_map(params![call, after, device.number(), PAGE], |row| {
        Ok(Signal {
            sequence: row.get(0)?,
            from: DeviceNumber::from_number(row.get(1)?),
            body: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many signals of a call a device has sent.
pub(super) fn signals_sent(
    conn: &Connection,
    call: i64,
    device: DeviceNumber,
) -> Result<i64, Error> {
    let mut statement =
        conn.prepare_cached("SELECT COUNT(*) FROM call_signals WHERE call = ?1 AND device = ?2")?;
    Ok(statement.query_row([call, device.number()], |row| row.get(0))?)
}

/// Whether a call rings.
pub(super) fn call_rings(conn: &Connection, call: i64) -> Result<bool, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM calls WHERE number = ?1 AND phase = 'ringing')",
    )?;
    Ok(statement.query_row([call], |row| row.get(0))?)
}
