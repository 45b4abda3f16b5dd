//! When the end of a credential is announced.

use crate::time::Time;

/// The days before the end at which it is announced, in the order in which they come.
pub const ANNOUNCED_AT: [u16; 4] = [30, 14, 7, 1];

/// What is to be announced now of a credential that ends at `not_after`: the number of days of the
/// step that was reached last, unless that one, or a later one, was announced before. A credential
/// that has ended is announced no more: its pushes are refused, and say so.
pub fn due(not_after: Time, announced: Option<u16>, now: Time) -> Option<u16> {
    if now > not_after {
        return None;
    }
    let left = now.until(not_after).as_secs();
    let reached = ANNOUNCED_AT.into_iter().rev().find(|days| left <= u64::from(*days) * 86_400)?;
    announced.is_none_or(|before| reached < before).then_some(reached)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const END: Time = Time::from_millis(1_800_000_000_000);

    #[test]
    fn each_step_is_announced_once_and_none_is_made_up_for() {
        let day = |days: u64| END.minus(Duration::from_secs(days * 86_400));
        let table = [
            (day(31), None, None),
            (day(30), None, Some(30)),
            (day(29), Some(30), None),
            (day(14), Some(30), Some(14)),
            // Down for a week: what was missed is past.
            (day(6), Some(30), Some(7)),
            (day(6), Some(7), None),
            (day(1), Some(7), Some(1)),
            (day(0), Some(1), None),
            (day(0), None, Some(1)),
            (END.plus(Duration::from_secs(1)), None, None),
        ];
        for (now, announced, expected) in table {
            assert_eq!(due(END, announced, now), expected, "{now:?} {announced:?}");
        }
    }
}
