//! How often something may be done: so many at once, and again as time gives them back.
//!
//! The generic cell rate algorithm: one instant says all that there is to know.

use std::time::Duration;

use crate::time::Time;

/// A rate: up to `burst` at once, one more after each `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once.
    pub burst: u32,
    /// After which time one of them is given back.
    pub every: Duration,
}

/// How far somebody is into their rate; the default has used nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// When all of it is given back; `None`: nothing was used.
    until: Option<Time>,
}

impl Rate {
    /// So many a minute, all of them at once if need be.
    pub fn per_minute(count: u32) -> Self {
        let count = count.max(1);
        Self { burst: count, every: Duration::from_secs(60) / count }
    }

    /// Takes `count` of it, or says after which pause that many are there.
    ///
    /// More than the whole burst at once is taken for the whole of it: else it would never pass.
    ///
    /// # Errors
    ///
    /// The pause; nothing is used then.
    pub fn take(self, used: Used, count: u32, now: Time) -> Result<Used, Duration> {
        let begins = used.until.map_or(now, |until| until.max(now));
        let until = begins.plus(self.every.saturating_mul(count.min(self.burst)));
        let most = now.plus(self.every.saturating_mul(self.burst));
        if until > most { Err(until.since(most)) } else { Ok(Used { until: Some(until) }) }
    }
}

impl Used {
    /// So much that all of it is given back then; `None`: nothing.
    pub const fn until(until: Option<Time>) -> Self {
        Self { until }
    }

    /// When all of it is given back; `None`: nothing was used.
    pub const fn given_back_at(self) -> Option<Time> {
        self.until
    }

    /// Whether everything was given back by `now`: nothing is worth remembering.
    pub fn is_over(self, now: Time) -> bool {
        self.until.is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Time = Time::from_millis(1_000_000);

    #[test]
    fn a_burst_then_one_at_a_time() {
        let rate = Rate { burst: 3, every: Duration::from_secs(2) };
        let mut used = Used::default();
        for _ in 0..3 {
            used = rate.take(used, 1, NOW).unwrap();
        }
        assert_eq!(rate.take(used, 1, NOW), Err(Duration::from_secs(2)));
        let later = NOW.plus(Duration::from_secs(2));
        used = rate.take(used, 1, later).unwrap();
        assert_eq!(rate.take(used, 2, later), Err(Duration::from_secs(4)));
        assert!(!used.is_over(later));
        assert!(used.is_over(later.plus(Duration::from_secs(6))));
    }

    #[test]
    fn more_than_the_burst_passes_when_nothing_is_used() {
        let rate = Rate::per_minute(10);
        let used = rate.take(Used::default(), 50, NOW).unwrap();
        assert_eq!(rate.take(used, 50, NOW), Err(Duration::from_secs(60)));
    }

    proptest! {
        /// Never more than the burst and what time gave back, and whoever waits the pause passes.
        #[test]
        fn never_more_than_the_rate(
            burst in 1_u32..20,
            every in 1_u64..5_000,
            tries in proptest::collection::vec((1_u32..4, 0_u64..10_000), 1..60),
        ) {
            let rate = Rate { burst, every: Duration::from_millis(every) };
            let (mut used, mut now, mut taken) = (Used::default(), NOW, 0_u64);
            for (count, pause) in tries {
                now = now.plus(Duration::from_millis(pause));
                match rate.take(used, count, now) {
                    Ok(next) => {
                        used = next;
                        taken += u64::from(count.min(burst));
                    }
                    Err(wait) => {
                        prop_assert!(rate.take(used, count, now.plus(wait)).is_ok());
                    }
                }
                let given = now.since(NOW).as_millis() / u128::from(every);
                prop_assert!(u128::from(taken) <= u128::from(burst) + given + 1);
            }
        }
    }
}
