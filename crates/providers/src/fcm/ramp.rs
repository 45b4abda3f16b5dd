//! How fast a broadcast may go.

use std::num::NonZeroU32;
use std::time::Duration;

use domain::Time;

/// Microseconds in a second.
const MICROS: u128 = 1_000_000;
/// What was not used is kept for this long; after a longer wait there is no larger burst.
const KEPT: Duration = Duration::from_millis(250);
/// One call moves the ramp by at most this: while nobody asks, nothing is sent, and what was not
/// sent warms nobody up.
const LONGEST_STEP_US: u64 = 1_000_000;

/// The rate limit of a broadcast: from nothing to its peak, evenly, over a minute or more.
///
/// ```text
///   per second
///   peak ┤          ╭───────────
///        │       ╭──╯
///        │    ╭──╯
///      0 ┼────╯─────┬──────────▶ time
///        start      over
/// ```
///
/// Google asks for at least 60 s, and for large shifts of traffic in steps of an hour or more.
/// It also asks not to start within two minutes of the full hour and its quarters (:00, :15, :30,
/// :45), when everybody's schedules fire; that is for whoever chooses the start.
/// <https://firebase.google.com/docs/cloud-messaging/scale-fcm>
///
/// A bucket of permits that fills along the ramp. Pure: the time is an argument. A pause as long as
/// the whole ramp starts it anew, because by then Google has scaled down as well.
#[derive(Clone, Debug)]
pub struct Ramp {
    /// The highest rate.
    peak_per_s: NonZeroU32,
    /// How long it takes to get there, in microseconds; at least one.
    over_us: u64,
    /// How far up the ramp we are.
    position: Duration,
    /// When the bucket was last filled.
    filled_at: Option<Time>,
    /// Permits in the bucket.
    permits: u32,
}

impl Ramp {
    /// The shortest climb that Google asks for.
    pub const SHORTEST: Duration = Duration::from_secs(60);
    /// The longest climb; a longer one is taken for this.
    const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// A ramp that starts with the first call of [`Ramp::take`]. Google asks for
    /// [`Ramp::SHORTEST`] or more; zero is the peak at once, for tests.
    pub fn new(peak_per_s: NonZeroU32, over: Duration) -> Self {
        let over_us = u64::try_from(over.min(Self::LONGEST).as_micros()).unwrap_or(u64::MAX);
        let (position, filled_at, permits) = (Duration::ZERO, None, 0);
        Self { peak_per_s, over_us: over_us.max(1), position, filled_at, permits }
    }

    /// The rate so long after the start, per second, rounded down.
    pub fn per_second_at(&self, elapsed: Duration) -> u32 {
        let over = u128::from(self.over_us);
        let rate = u128::from(self.peak_per_s.get()) * elapsed.as_micros().min(over) / over;
        u32::try_from(rate).unwrap_or(u32::MAX)
    }

    /// Takes up to `wanted` permits and says how many there were: that many may be sent now.
    pub fn take(&mut self, now: Time, wanted: u32) -> u32 {
        self.fill(now);
        let taken = wanted.min(self.permits);
        self.permits -= taken;
        taken
    }

    /// When to ask again: as soon as there is a permit, and after a second at the latest.
    pub fn next(&self, now: Time) -> Time {
        let mut ramp = self.clone();
        ramp.fill(now);
        if ramp.permits > 0 {
            return now;
        }
        let wanted = ramp.granted(ramp.position) + 1;
        let has_permit = |wait| ramp.granted(ramp.position.saturating_add(wait)) >= wanted;
        // Halving finds the first microsecond with a permit: what is granted only grows.
        let (mut without_us, mut with_us) = (0, LONGEST_STEP_US);
        while with_us - without_us > 1 {
            let middle_us = (without_us + with_us) / 2;
            if has_permit(Duration::from_micros(middle_us)) {
                with_us = middle_us;
            } else {
                without_us = middle_us;
            }
        }
        now.plus(Duration::from_micros(with_us))
    }

    /// Moves up the ramp and fills the bucket with what that grants.
    fn fill(&mut self, now: Time) {
        let passed = self.filled_at.map_or(Duration::ZERO, |at| now.since(at));
        if self.filled_at.is_none_or(|at| at < now) {
            self.filled_at = Some(now);
        }
        let step = Duration::from_micros(LONGEST_STEP_US);
        let over = Duration::from_micros(self.over_us);
        // A ramp of a step or less has nothing to begin anew, and whoever comes for the only permit
        // of a second comes a moment late.
        if passed > over && over > step {
            (self.position, self.permits) = (Duration::ZERO, 0);
            return;
        }
        let before = self.granted(self.position);
        self.position = self.position.saturating_add(passed.min(step));
        let granted = self.granted(self.position) - before;
        let rate = u128::from(self.per_second_at(self.position));
        let kept = (rate * KEPT.as_micros() / MICROS).max(1);
        let permits = (u128::from(self.permits) + granted).min(kept);
        self.permits = u32::try_from(permits).unwrap_or(u32::MAX);
    }

    /// How many permits a ramp grants up to a position: the area below the line.
    fn granted(&self, position: Duration) -> u128 {
        let (peak, over) = (u128::from(self.peak_per_s.get()), u128::from(self.over_us));
        let position = position.as_micros();
        let (slope, level) = (position.min(over), position.saturating_sub(over));
        // On the slope peak·t²/2·over, then peak·t; both at once, so that no rounding is lost.
        (peak * slope * slope + 2 * over * peak * level) / (2 * over * MICROS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ramp(peak_per_s: u32, over: Duration) -> Ramp {
        Ramp::new(NonZeroU32::new(peak_per_s).expect("not zero"), over)
    }

    const START: Time = Time::from_millis(1_772_346_600_000);

    #[test]
    fn a_minute_leads_to_the_peak() {
        let check = |seconds, rate| {
            let minute = ramp(600, Ramp::SHORTEST);
            assert_eq!(minute.per_second_at(Duration::from_secs(seconds)), rate, "{seconds}");
        };
        check(0, 0);
        check(1, 10);
        check(30, 300);
        check(60, 600);
        check(3600, 600);
    }

    /// What a caller gets that asks whenever there may be something.
    fn taken_until(ramp: &mut Ramp, from: Time, until: Time) -> u64 {
        let (mut now, mut taken) = (from, 0);
        while now <= until {
            taken += u64::from(ramp.take(now, u32::MAX));
            now = ramp.next(now);
        }
        taken
    }

    #[test]
    fn a_diligent_caller_gets_all_of_it() {
        let mut ramp = ramp(100, Ramp::SHORTEST);
        let peak = START.plus(Ramp::SHORTEST);
        assert_eq!(ramp.take(START, 1), 0, "it starts from nothing");
        // The area of a triangle, then of a rectangle.
        assert_eq!(taken_until(&mut ramp, START, peak), 100 * 60 / 2);
        let second = Duration::from_secs(1);
        let next = ramp.next(peak);
        assert_eq!(taken_until(&mut ramp, next, peak.plus(second * 10)), 100 * 10);
    }

    #[test]
    fn a_pause_gives_no_burst_and_a_long_one_starts_anew() {
        let mut ramp = ramp(100, Ramp::SHORTEST);
        let peak = START.plus(Ramp::SHORTEST);
        taken_until(&mut ramp, START, peak);
        let later = peak.plus(Duration::from_secs(50));
        assert_eq!(ramp.take(later, u32::MAX), 25, "a quarter of a second's worth");
        let much_later = later.plus(Duration::from_secs(61));
        assert_eq!(ramp.take(much_later, u32::MAX), 0);
        let second = much_later.plus(Duration::from_secs(2));
        let next = ramp.next(much_later);
        assert!(taken_until(&mut ramp, next, second) < 5, "from nothing again");
    }

    #[test]
    fn whoever_wakes_a_moment_late_has_the_permit_all_the_same() {
        for (peak, over) in [(1, Duration::ZERO), (2, Duration::ZERO), (1, Ramp::SHORTEST)] {
            let mut ramp = ramp(peak, over);
            let (mut now, mut taken) = (START, 0);
            while now < START.plus(Duration::from_secs(300)) {
                taken += u64::from(ramp.take(now, 1));
                now = ramp.next(now).plus(Duration::from_millis(1));
            }
            let most = ramp.granted(Duration::from_secs(300));
            assert!(u128::from(taken) > most * 9 / 10, "{taken} of {most} at {peak} a second");
        }
    }

    #[test]
    fn a_clock_set_back_gives_nothing_away() {
        let mut ramp = ramp(1000, Duration::ZERO);
        let second = Duration::from_secs(1);
        assert_eq!(ramp.take(START, 1), 0);
        assert_eq!(ramp.take(START.plus(second), 1000), 250);
        assert_eq!(ramp.take(START, 1000), 0);
        assert_eq!(ramp.take(START.plus(second), 1000), 0);
    }

    proptest! {
        #[test]
        fn the_rate_only_grows_and_ends_at_the_peak(
            peak in 1_u32..,
            over_ms in 0_u64..10_000_000,
            first in 0_u64..20_000_000,
            second in 0_u64..20_000_000,
        ) {
            let ramp = ramp(peak, Duration::from_millis(over_ms));
            let at = |ms| ramp.per_second_at(Duration::from_millis(ms));
            prop_assert!(at(first.min(second)) <= at(first.max(second)));
            prop_assert!(at(first) <= peak);
            prop_assert_eq!(at(over_ms.max(1)), peak);
        }

        /// However it is asked, no more goes out than the area below the ramp.
        #[test]
        fn it_never_grants_more_than_the_ramp(
            peak in 1_u32..100_000,
            over_ms in 0_u64..100_000,
            calls in proptest::collection::vec((0_u64..2_000_000, 0_u32..10_000), 1..60),
        ) {
            let mut ramp = ramp(peak, Duration::from_millis(over_ms));
            let whole = ramp.clone();
            let (mut now, mut total) = (START, 0);
            for (pause_us, wanted) in calls {
                now = now.plus(Duration::from_micros(pause_us));
                let taken = ramp.take(now, wanted);
                total += u128::from(taken);
                prop_assert!(taken <= wanted);
                prop_assert!(taken <= (peak / 4).max(1), "a burst of {taken}");
                prop_assert!(total <= whole.granted(now.since(START)));
            }
        }

        #[test]
        fn the_next_time_is_the_first_with_a_permit(
            peak in 1_u32..100_000,
            over_ms in 0_u64..100_000,
            pauses_us in proptest::collection::vec(0_u64..2_000_000, 1..20),
        ) {
            let mut ramp = ramp(peak, Duration::from_millis(over_ms));
            let mut now = START;
            for pause_us in pauses_us {
                now = now.plus(Duration::from_micros(pause_us));
                ramp.take(now, u32::MAX);
                let next = ramp.next(now);
                prop_assert!(next > now && next <= now.plus(Duration::from_secs(1)));
                let wait = next.since(now);
                let just_before = next.minus(Duration::from_micros(1));
                prop_assert_eq!(ramp.clone().take(just_before, 1), 0);
                let permit = ramp.clone().take(next, 1);
                prop_assert!(permit == 1 || wait == Duration::from_secs(1));
            }
        }
    }
}
