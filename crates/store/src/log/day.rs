//! A UTC day, and the file that is named after it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use domain::Time;

/// A UTC day, by its distance from 1970-01-01; from there to the end of the year 9999.
///
/// What lies outside is taken for the nearest of the two, so that every time has a file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(u32);

impl Day {
    /// 9999-12-31.
    const LAST: i64 = 2_932_896;

    const SECONDS: i64 = 86_400;

    /// The day of an instant.
    pub(super) fn of(time: Time) -> Self {
        let days = time.as_seconds().div_euclid(Self::SECONDS).clamp(0, Self::LAST);
        Self(u32::try_from(days).unwrap_or(0))
    }

    /// How many days `earlier` is before this one; 0 if it is not.
    pub(super) const fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }

    /// Its file in the log's directory.
    pub(super) fn file(self, dir: &Path) -> PathBuf {
        dir.join(format!("{}.db", self.name()))
    }

    /// The days that have a file in `dir`, in order.
    pub(super) fn list(dir: &Path) -> io::Result<Vec<Self>> {
        let mut days = Vec::new();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".db"));
            if let Some(day) = stem.and_then(Self::parse) {
                days.push(day);
            }
        }
        days.sort_unstable();
        Ok(days)
    }

    /// Removes its file and what SQLite keeps beside it. A file that is not there is gone already.
    pub(super) fn remove(self, dir: &Path) -> io::Result<()> {
        // The database first: without it the two others are refuse, the other way round it would
        // lose what only the WAL holds.
        for suffix in ["", "-wal", "-shm"] {
            let path = dir.join(format!("{}.db{suffix}", self.name()));
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// `2026-11-23`.
    fn name(self) -> String {
        // The guess by the mean year is at most one off, to either side.
        let mut year = 1970 + self.0 * 400 / 146_097;
        if Self::first_of(year) > self.0 {
            year -= 1;
        } else if Self::first_of(year + 1) <= self.0 {
            year += 1;
        }
        let mut rest = self.0 - Self::first_of(year);
        let mut month = 1;
        for length in Self::months(year) {
            if rest < length {
                break;
            }
            rest -= length;
            month += 1;
        }
        format!("{year:04}-{month:02}-{:02}", rest + 1)
    }

    /// Reads [`Day::name`] back; nothing else.
    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, '-');
        let mut next = || parts.next().and_then(|part| part.parse::<u32>().ok());
        let (year, month, day) = (next()?, next()?, next()?);
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day)
        {
            return None;
        }
        let before = usize::try_from(month - 1).ok()?;
        let months: u32 = Self::months(year).into_iter().take(before).sum();
        let found = Self(Self::first_of(year) + months + day - 1);
        (found.name() == name).then_some(found)
    }

    /// The number of the first of January.
    const fn first_of(year: u32) -> u32 {
        let past = year - 1;
        // 477 leap days lie before 1970.
        (year - 1970) * 365 + past / 4 - past / 100 + past / 400 - 477
    }

    /// How many days each month has.
    const fn months(year: u32) -> [u32; 12] {
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_names_of_the_calendar() {
        let table = [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_795_391_999, "2026-11-22"),
            (1_795_392_000, "2026-11-23"),
            (4_107_542_400, "2100-03-01"),
            (253_402_300_799, "9999-12-31"),
        ];
        for (seconds, name) in table {
            let day = Day::of(Time::from_millis(seconds * 1_000));
            assert_eq!(day.name(), name);
            assert_eq!(Day::parse(name), Some(day));
        }
        for wrong in ["2026-11-31", "2026-02-29", "2026-1-01", "+2026-1-1", "x", "", "2026-11-23-1"]
        {
            assert_eq!(Day::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_day_has_its_own_name_and_they_sort_as_the_days() {
        let mut before = String::new();
        for number in 0..=u32::try_from(Day::LAST).unwrap() {
            let name = Day(number).name();
            assert!(before < name, "{before} {name}");
            before = name;
        }
        assert_eq!(before, "9999-12-31");
    }

    #[test]
    fn times_outside_the_calendar_have_a_day_too() {
        assert_eq!(Day::of(Time::from_micros(i64::MIN)).name(), "1970-01-01");
        assert_eq!(Day::of(Time::from_micros(i64::MAX)).name(), "9999-12-31");
    }
}
