//! Figures: how often what happened, counted as it happens for each app and five minutes.
//!
//! They stand in the day's file beside the records and go with it. A question about a month reads
//! some hundreds of thousands of small rows at worst, in order, and not one record.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use domain::spread::Bucket;
use domain::wake::Stage;
use domain::{AppId, Diagnosis, Time};

use super::day::Day;
use super::file::File;
use crate::Error;

/// What is counted together. A day has a whole number of them.
pub const SLOT: Duration = Duration::from_secs(300);

/// The same in seconds.
const SLOT_S: i64 = 300;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Figure {
    /// Messages that were taken in and stored.
    Messages,
    /// Pushes that their push service took.
    PushesAccepted,
    /// Pushes that were refused, with what they are refused for.
    PushesRefused(Diagnosis),
    /// Pushes whose end nobody knows.
    PushesUnknown,
    /// Wakes for messages that came to a stage.
    Wakes(Stage),
    /// Devices that came after a push, by how long they were owed something.
    WokenWithin(Bucket),
}

impl Figure {
    /// Its name, and which part of it where it has parts.
    pub(super) fn stored(self) -> (&'static str, i64) {
        match self {
            Self::Messages => ("messages", 0),
            Self::PushesAccepted => ("pushes_accepted", 0),
            Self::PushesRefused(diagnosis) => ("pushes_refused", diagnosis.code().into()),
            Self::PushesUnknown => ("pushes_unknown", 0),
            Self::Wakes(stage) => match stage {
                Stage::Owed => ("wakes_owed", 0),
                Stage::Pushed => ("wakes_pushed", 0),
                Stage::Accepted => ("wakes_accepted", 0),
                Stage::Connected => ("wakes_connected", 0),
                Stage::Drained => ("wakes_drained", 0),
            },
            Self::WokenWithin(bucket) => {
                ("woken_within_ms", i64::try_from(bucket.bound_ms()).unwrap_or(i64::MAX))
            }
        }
    }

    /// The figure of a stored name.
    pub(super) fn parse(name: &str, part: i64) -> Option<Self> {
        Some(match name {
            "messages" => Self::Messages,
            "pushes_accepted" => Self::PushesAccepted,
            "pushes_refused" => {
                Self::PushesRefused(Diagnosis::from_code(u16::try_from(part).ok()?)?)
            }
            "pushes_unknown" => Self::PushesUnknown,
            "woken_within_ms" => Self::WokenWithin(Bucket::parse(u64::try_from(part).ok()?)?),
            stage => Self::Wakes(Stage::parse(stage.strip_prefix("wakes_")?)?),
        })
    }
}

/// Which count it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The app.
    pub(super) app: AppId,
    /// The beginning of its five minutes, in seconds since 1970-01-01.
    pub(super) slot: i64,
    /// What is counted.
    pub(super) figure: Figure,
}

impl Key {
    /// What happened to an app at a time.
    pub(super) fn of(app: AppId, at: Time, figure: Figure) -> Self {
        Self { app, slot: at.as_seconds().div_euclid(SLOT_S) * SLOT_S, figure }
    }

    /// The day it is kept with.
    pub(super) fn day(&self) -> Day {
        Day::of(Time::from_millis(self.slot.saturating_mul(1_000)))
    }
}

/// What was counted and is not written yet. Bounded by the apps: what happens again adds to what is
/// there.
pub(super) type Counts = HashMap<Key, u64>;

/// How often something happened from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The beginning of the step.
    pub at: Time,
    /// What.
    pub figure: Figure,
    /// How often.
    pub times: u64,
}

/// Which figures are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The app.
    pub app: AppId,
    /// From then on; at the beginning of a step.
    pub since: Time,
    /// Before then.
    pub until: Time,
    /// What is added up: a multiple of [`SLOT`], counted from 1970-01-01.
    pub step: Duration,
}

impl Wanted {
    /// The step that a slot is a part of.
    pub(super) fn step_of(&self, slot: i64) -> Time {
        let step = i64::try_from(self.step.as_secs()).unwrap_or(i64::MAX).max(1);
        Time::from_millis((slot.div_euclid(step) * step).saturating_mul(1_000))
    }

    /// Reads the files of `dir` that have something of it; oldest first.
    pub(super) fn run(&self, dir: &Path) -> Result<Vec<Counted>, Error> {
        let days = Day::list(dir).map_err(|source| Error::File { path: dir.to_owned(), source })?;
        let mut counted: Vec<Counted> = Vec::new();
        for day in days {
            if day < Day::of(self.since) || day > Day::of(self.until) {
                continue;
            }
            let Some(file) = File::read(&day.file(dir))? else { continue };
            counted.extend(file.counted(self)?);
        }
        Ok(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_reads_back() {
        let mut all = vec![Figure::Messages, Figure::PushesAccepted, Figure::PushesUnknown];
        all.extend(Stage::ALL.map(Figure::Wakes));
        all.extend(Diagnosis::ALL.map(Figure::PushesRefused));
        all.push(Figure::WokenWithin(Bucket::of(Duration::from_secs(5))));
        assert_eq!(all.len(), 17, "{all:?}");
        for figure in all {
            let (name, part) = figure.stored();
            assert_eq!(Figure::parse(name, part), Some(figure));
        }
        for (name, part) in [("wakes_lost", 0), ("pushes_refused", 1), ("woken_within_ms", 101)] {
            assert_eq!(Figure::parse(name, part), None, "{name}");
        }
    }

    #[test]
    fn what_happens_belongs_to_its_five_minutes() {
        let app = AppId::from_number(1);
        for (at, slot) in [(0, 0), (299_999, 0), (300_000, 300), (-1, -300)] {
            assert_eq!(Key::of(app, Time::from_millis(at), Figure::Messages).slot, slot, "{at}");
        }
    }
}
