//! What is said of deliveries, how they end, and the counts of their pushes.

use domain::delivery::End;
use domain::{Diagnosis, Outcome, PushId, Time};
use rusqlite::params;

use super::deliveries::StoredDelivery;
use super::rows::{At, Bits};
use super::writer::Tx;
use crate::Error;
use crate::model::DeliveryKey;

impl Tx<'_> {
    /// Notes what was last said of a delivery that goes on.
    pub(super) fn note(
        &self,
        key: DeliveryKey,
        said: Option<&(u16, String)>,
        now: Time,
    ) -> Result<(), Error> {
        self.run(
            "UPDATE deliveries SET settled_at = ?3, code = ?4, reason = ?5
             WHERE push = ?1 AND number = ?2",
            params![
                Bits(key.push.bits()),
                key.number,
                At(now),
                said.map(|(code, _)| code),
                said.map(|(_, reason)| reason),
            ],
        )?;
        Ok(())
    }

    /// Ends a delivery and counts it; the last one ends its push.
    pub(super) fn end_delivery(
        &self,
        stored: &StoredDelivery,
        end: End,
        said: Option<(u16, String)>,
        now: Time,
    ) -> Result<(), Error> {
        self.run(
            "UPDATE deliveries SET due = NULL, attempt = NULL, ended = ?3, settled_at = ?4,
                    code = COALESCE(?5, code), reason = COALESCE(?6, reason)
             WHERE push = ?1 AND number = ?2",
            params![
                Bits(stored.key.push.bits()),
                stored.key.number,
                end.as_str(),
                At(now),
                said.as_ref().map(|(code, _)| code),
                said.as_ref().map(|(_, reason)| reason),
            ],
        )?;
        let code = if end == End::Refused { said.map(|(code, _)| code) } else { None };
        self.count(stored.key.push, end, code)?;
        self.end_push(stored.key.push, now)
    }

    /// Counts the end of a delivery that was waiting.
    pub(super) fn count(&self, push: PushId, end: End, code: Option<u16>) -> Result<(), Error> {
        let column = match end {
            End::Accepted => "accepted",
            End::Cancelled => "cancelled",
            End::Expired => "expired",
            End::Refused => "refused",
        };
        let sql = format!(
            "UPDATE pushes SET waiting = waiting - 1, {column} = {column} + 1 WHERE id = ?1"
        );
        self.run(&sql, [Bits(push.bits())])?;
        if let Some(code) = code {
            self.count_code(push, code, 1)?;
        }
        Ok(())
    }

    fn count_code(&self, push: PushId, code: u16, times: u64) -> Result<(), Error> {
        let path = format!("$.\"{code}\"");
        let times = i64::try_from(times).unwrap_or(i64::MAX);
        self.run(
            "UPDATE pushes SET codes =
                json_set(codes, ?2, COALESCE(json_extract(codes, ?2), 0) + ?3) WHERE id = ?1",
            params![Bits(push.bits()), path, times],
        )?;
        Ok(())
    }

    /// A push whose last delivery is over, and whose cursor is at its end, is done.
    pub(super) fn end_push(&self, push: PushId, now: Time) -> Result<(), Error> {
        self.run(
            "UPDATE pushes SET ended_at = ?2,
                    state = CASE state WHEN 'cancelled' THEN 'cancelled' ELSE 'done' END
             WHERE id = ?1 AND waiting <= 0 AND ended_at IS NULL
               AND (audience = 'listed' OR state = 'cancelled'
                    OR (bound IS NOT NULL AND cursor >= bound))",
            params![Bits(push.bits()), At(now)],
        )?;
        Ok(())
    }
}

/// What an outcome says, for the record of a delivery.
pub(super) fn said(outcome: &Outcome) -> Option<(u16, String)> {
    match outcome {
        Outcome::Refused(refusal) => Some((refusal.diagnosis.code(), refusal.reason.clone())),
        Outcome::Unknown { detail } => {
            Some((Diagnosis::TemporarilyDisabled.code(), detail.clone()))
        }
        Outcome::Accepted { .. } | Outcome::Withdrawn => None,
    }
}

pub(super) fn no_target() -> (u16, String) {
    (Diagnosis::BadPushToken.code(), "no_target".to_owned())
}
