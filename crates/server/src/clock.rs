//! The one place that reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::Time;

/// Says what time it is. Cheap to clone and to ask.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    /// Set by a test, in microseconds since the Unix epoch.
    Hand(Arc<AtomicI64>),
    #[default]
    System,
}

/// Moves a clock made by [`Clock::by_hand`].
#[derive(Clone, Debug)]
pub struct Hand(Arc<AtomicI64>);

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until its hand is moved.
    pub fn by_hand(start: Time) -> (Self, Hand) {
        let micros = Arc::new(AtomicI64::new(start.as_micros()));
        (Self(Source::Hand(micros.clone())), Hand(micros))
    }

    /// The wall time. It may go back when somebody sets the system's clock.
    pub fn now(&self) -> Time {
        match &self.0 {
            Source::Hand(micros) => Time::from_micros(micros.load(Ordering::Acquire)),
            Source::System => {
                let micros = |duration: Duration| i64::try_from(duration.as_micros());
                let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
                    Ok(after) => micros(after).unwrap_or(i64::MAX),
                    Err(before) => micros(before.duration()).map_or(i64::MIN, |micros| -micros),
                };
                Time::from_micros(micros)
            }
        }
    }

    /// Starts to measure how long something takes, whatever happens to the wall time meanwhile.
    pub fn stopwatch(&self) -> Stopwatch {
        match &self.0 {
            Source::Hand(_) => Stopwatch(Start::Hand(self.clone(), self.now())),
            Source::System => Stopwatch(Start::System(Instant::now())),
        }
    }
}

impl Hand {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::AcqRel);
    }

    /// Sets the clock, back too.
    pub fn set(&self, time: Time) {
        self.0.store(time.as_micros(), Ordering::Release);
    }
}

/// Measures how long something takes.
#[derive(Clone, Debug)]
pub struct Stopwatch(Start);

#[derive(Clone, Debug)]
enum Start {
    Hand(Clock, Time),
    System(Instant),
}

impl Stopwatch {
    /// Since it was started.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Start::Hand(clock, start) => clock.now().since(*start),
            Start::System(start) => start.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_by_hand_stands_until_it_is_moved() {
        let (clock, hand) = Clock::by_hand(Time::from_millis(1_000));
        let (same, watch) = (clock.clone(), clock.stopwatch());
        assert_eq!(clock.now(), Time::from_millis(1_000));
        hand.advance(Duration::from_millis(500));
        assert_eq!(same.now(), Time::from_millis(1_500));
        assert_eq!(watch.elapsed(), Duration::from_millis(500));
        hand.set(Time::EPOCH);
        assert_eq!(clock.now(), Time::EPOCH);
        assert_eq!(watch.elapsed(), Duration::ZERO);
    }

    #[test]
    fn the_system_clock_is_past_the_day_this_was_written() {
        // 2026-01-01, in seconds.
        assert!(Clock::system().now().as_seconds() > 1_767_225_600);
    }
}
