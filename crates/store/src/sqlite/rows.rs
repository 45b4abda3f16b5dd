//! Between rows and the domain's values.

use domain::wake::{Attempt, Phase, Rung, Stage, Wake};
use domain::{
    AttemptId, InboxId, LaneId, Offset, ProviderId, Reason, TargetKind, Time, Urgency, WakeId,
};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::model::WakeKey;

/// A 128-bit name as a blob.
#[derive(Clone, Copy)]
pub(super) struct Bits(pub(super) u128);

impl ToSql for Bits {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.to_be_bytes().to_vec()))
    }
}

impl FromSql for Bits {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes: [u8; 16] = value.as_blob()?.try_into().map_err(|_| FromSqlError::InvalidType)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

/// An instant.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) Time);

impl ToSql for At {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_micros()))
    }
}

impl FromSql for At {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(Time::from_micros(value.as_i64()?)))
    }
}

/// A word of a closed set; a word nobody knows is a broken row.
pub(super) fn word<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            format!("{text:?} is not a word of this column").into(),
        )
    })
}

/// An optional word of a closed set.
pub(super) fn word_or_null<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => word(row, column, parse).map(Some),
    }
}

/// The number of an urgency.
pub(super) const fn urgency_number(urgency: Urgency) -> i64 {
    match urgency {
        Urgency::Normal => 0,
        Urgency::High => 1,
    }
}

/// The urgency of a number.
pub(super) const fn urgency(number: i64) -> Urgency {
    if number == 0 { Urgency::Normal } else { Urgency::High }
}

/// An offset.
pub(super) fn offset(row: &Row<'_>, column: usize) -> rusqlite::Result<Offset> {
    row.get(column).map(Offset::from_number)
}

/// The kind of a target.
pub(super) fn target_kind(row: &Row<'_>, column: usize) -> rusqlite::Result<TargetKind> {
    word(row, column, TargetKind::parse)
}

/// A wake as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredWake {
    pub(super) key: WakeKey,
    pub(super) id: WakeId,
    pub(super) inbox: InboxId,
    pub(super) lane: Option<LaneId>,
    pub(super) opened_at: Time,
    /// When the last push that was taken went out, if nobody has come since.
    pub(super) pushed_at: Option<Time>,
    /// How far it has come.
    pub(super) stage: Stage,
    pub(super) wake: Wake,
}

/// The columns of a wake, for [`stored_wake`], from the table or alias `w`.
pub(super) const WAKE_COLUMNS: &str = "w.device, w.call, w.id, w.inbox, w.lane, w.rung, w.repeats, \
     w.due, w.reason, w.attempt, w.covers, w.covers_urgency, w.provider, w.pushed, \
     w.pushed_urgency, w.refused, w.bare, w.alerts, w.alerted_at, w.deferred, w.opened_at, \
     w.changed, w.pushed_at, w.stage";

/// Reads [`WAKE_COLUMNS`] from column `at` on; `None` where an outer join found no wake.
pub(super) fn stored_wake(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<StoredWake>> {
    let Some(device) = row.get::<_, Option<i64>>(at)? else { return Ok(None) };
    let repeats: u8 = row.get(at + 6)?;
    let rung = word(row, at + 5, |text| match text {
        "background" => Some(Rung::Background),
        "alert" => Some(Rung::Alert),
        "repeat" => Some(Rung::Repeat(repeats)),
        "ring" => Some(Rung::Ring),
        _ => None,
    })?;
    let due = row.get::<_, Option<At>>(at + 7)?.map(|at| at.0);
    let attempt = row.get::<_, Option<Bits>>(at + 9)?;
    let phase = match (attempt, due) {
        (Some(attempt), Some(lapses_at)) => Phase::Claimed(Attempt {
            id: AttemptId::from_bits(attempt.0),
            lapses_at,
            covers: offset(row, at + 10)?,
            urgency: urgency(row.get(at + 11)?),
        }),
        (None, Some(due)) => Phase::Due(due),
        (_, None) => Phase::Parked,
    };
    Ok(Some(StoredWake {
        key: WakeKey { device: domain::DeviceNumber::from_number(device), call: row.get(at + 1)? },
        id: WakeId::from_bits(row.get::<_, Bits>(at + 2)?.0),
        inbox: InboxId::from_number(row.get(at + 3)?),
        lane: row.get::<_, Option<i64>>(at + 4)?.map(LaneId::from_number),
        opened_at: row.get::<_, At>(at + 20)?.0,
        pushed_at: row.get::<_, Option<At>>(at + 22)?.map(|at| at.0),
        stage: word(row, at + 23, Stage::parse)?,
        wake: Wake {
            rung,
            phase,
            reason: word(row, at + 8, Reason::parse)?,
            pushed: offset(row, at + 13)?,
            pushed_urgency: urgency(row.get(at + 14)?),
            provider: row
                .get::<_, Option<Bits>>(at + 12)?
                .map(|bits| ProviderId::from_bits(bits.0)),
            refused: row.get(at + 15)?,
            bare: row.get(at + 16)?,
            alerts: row.get(at + 17)?,
            alerted_at: row.get::<_, Option<At>>(at + 18)?.map(|at| at.0),
            deferred: row.get(at + 19)?,
            changed: row.get(at + 21)?,
        },
    }))
}
