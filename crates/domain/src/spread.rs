//! How long something took, over many times: counts between fixed bounds.
//!
//! The bounds are the R10 series of preferred numbers (ISO 3) from 100 ms to 36 days: each is about
//! a quarter above the one before, so a percentile is told a quarter too long at most, whatever its
//! size.
//!
//! Law: two spreads are added by adding the counts between the same bounds, in any order; the
//! percentile of a day is not made of those of its hours, but of their sum.

use std::time::Duration;

/// The first ten bounds, in milliseconds; the next ten are ten times as long.
const SERIES: [u64; 10] = [100, 125, 160, 200, 250, 315, 400, 500, 630, 800];

/// How many bounds there are.
const BOUNDS: u8 = 76;

/// Between which bounds a time lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u8);

impl Bucket {
    /// Where a time belongs. What is longer than the last bound is counted as that.
    pub fn of(took: Duration) -> Self {
        let fits = (0..BOUNDS).map(Self).find(|bucket| took <= bucket.bound());
        fits.unwrap_or(Self(BOUNDS - 1))
    }

    /// The longest time that belongs there.
    pub fn bound(self) -> Duration {
        Duration::from_millis(self.bound_ms())
    }

    /// The same in milliseconds, which is its name.
    pub fn bound_ms(self) -> u64 {
        let (decade, place) = (u32::from(self.0 / 10), usize::from(self.0 % 10));
        SERIES.get(place).map_or(0, |bound| bound * 10_u64.pow(decade))
    }

    /// The bucket of a bound, if it is one.
    pub fn parse(bound_ms: u64) -> Option<Self> {
        let (mut first, mut decade) = (bound_ms, 0_u8);
        while first >= 1_000 {
            (first, decade) = (first / 10, decade.saturating_add(1));
        }
        let place = SERIES.iter().position(|bound| *bound == first)?;
        let bucket = Self(decade.checked_mul(10)?.checked_add(u8::try_from(place).ok()?)?);
        (bucket.0 < BOUNDS && bucket.bound_ms() == bound_ms).then_some(bucket)
    }
}

/// How many times took how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    counts: [u64; BOUNDS as usize],
}

impl Default for Spread {
    fn default() -> Self {
        Self { counts: [0; BOUNDS as usize] }
    }
}

impl Spread {
    /// Adds times of one bucket.
    pub fn add(&mut self, bucket: Bucket, times: u64) {
        if let Some(count) = self.counts.get_mut(usize::from(bucket.0)) {
            *count = count.saturating_add(times);
        }
    }

    /// The shortest bound that so many of a hundred did not exceed; `None`: there was nothing.
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        let all: u128 = self.counts.iter().map(|count| u128::from(*count)).sum();
        if all == 0 {
            return None;
        }
        let wanted = (all * u128::from(percent)).div_ceil(100).max(1);
        let mut seen = 0;
        let found = (0..BOUNDS).map(Bucket).find(|bucket| {
            seen += self.counts.get(usize::from(bucket.0)).map_or(0, |count| u128::from(*count));
            seen >= wanted
        });
        found.map(Bucket::bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn every_bound_is_about_a_quarter_above_the_one_before() {
        for number in 1..BOUNDS {
            let (before, bound) = (Bucket(number - 1).bound_ms(), Bucket(number).bound_ms());
            assert!(bound * 100 > before * 119 && bound * 100 < before * 130, "{before} {bound}");
            assert_eq!(Bucket::parse(bound), Some(Bucket(number)));
        }
        assert_eq!(Bucket(BOUNDS - 1).bound(), ms(3_150_000_000), "36 days");
        for no_bound in [0, 99, 101, 1_001, 10_001, 4_000_000_000, u64::MAX] {
            assert_eq!(Bucket::parse(no_bound), None, "{no_bound}");
        }
    }

    #[test]
    fn a_time_belongs_below_the_nearest_bound() {
        for (took, bound) in [
            (0, 100),
            (100, 100),
            (101, 125),
            (1_000, 1_000),
            (4_100, 5_000),
            (u64::MAX, 3_150_000_000),
        ] {
            assert_eq!(Bucket::of(ms(took)).bound(), ms(bound), "{took}");
        }
    }

    #[test]
    fn a_percentile_is_a_bound_that_so_many_did_not_exceed() {
        let mut spread = Spread::default();
        assert_eq!(spread.percentile(50), None);
        for took in 1..=100 {
            spread.add(Bucket::of(ms(took * 10)), 1);
        }
        for (percent, bound) in
            [(0, 100), (10, 100), (50, 500), (90, 1_000), (99, 1_000), (100, 1_000)]
        {
            assert_eq!(spread.percentile(percent), Some(ms(bound)), "{percent}");
        }
        spread.add(Bucket::of(ms(60_000)), 1);
        assert_eq!(spread.percentile(99), Some(ms(1_000)), "one of a hundred and one is not told");
        assert_eq!(spread.percentile(100), Some(ms(63_000)));
    }

    #[test]
    fn spreads_are_added_in_any_order() {
        let takes = [(3, 1), (250, 2), (250, 3), (7_000, 4), (90_000, 5)];
        let (mut forth, mut back) = (Spread::default(), Spread::default());
        for (took, times) in takes {
            forth.add(Bucket::of(ms(took)), times);
        }
        for (took, times) in takes.into_iter().rev() {
            back.add(Bucket::of(ms(took)), times);
        }
        assert_eq!(forth, back);
        assert_eq!(forth.counts.iter().sum::<u64>(), 15);
    }
}
