//! How many pushes a device may get.
//!
//! Apple: "don't try to send more than two or three background notifications per hour"; what goes
//! beyond is throttled by the phone and shortens what is left (providers' facts, 5.1).

use std::time::Duration;

use crate::rate::{Rate, Used};
use crate::time::Time;

/// Background pushes of the last hour to one Apple device; at most three.
///
/// The three times themselves, not a token bucket: a bucket of three that refills every twenty
/// minutes lets five through in some hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackgroundBudget {
    spent: [Option<Time>; Self::PER_HOUR],
}

impl BackgroundBudget {
    /// The most in any hour.
    pub const PER_HOUR: usize = 3;

    const WINDOW: Duration = Duration::from_secs(3600);

    /// From the times of the last pushes, in any order; the newest three count.
    pub fn from_times(times: impl IntoIterator<Item = Time>) -> Self {
        let mut times: Vec<Time> = times.into_iter().collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let mut spent = [None; Self::PER_HOUR];
        for (slot, time) in spent.iter_mut().zip(times) {
            *slot = Some(time);
        }
        Self { spent }
    }

    /// The times, newest first.
    pub fn times(self) -> impl Iterator<Item = Time> {
        self.spent.into_iter().flatten()
    }

    /// Whether one more may go now.
    pub fn allows(self, now: Time) -> bool {
        self.spent.iter().any(|spent| spent.is_none_or(|at| now.since(at) >= Self::WINDOW))
    }

    /// From when on one more may go; `None`: now.
    pub fn free_at(self, now: Time) -> Option<Time> {
        if self.allows(now) {
            return None;
        }
        self.times().min().map(|oldest| oldest.plus(Self::WINDOW))
    }

    /// Spends one.
    #[must_use]
    pub fn spend(self, now: Time) -> Self {
        Self::from_times(self.times().chain([now]))
    }
}

/// How far an Android device is into what FCM takes for one device: 240 messages a minute and 5,000
/// an hour (Google, "Throttling and quotas").
///
/// Direct pushes wait for it. Wakes do not: a device without ack progress gets few of them. They are
/// counted where direct pushes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AndroidBudget {
    minute: Used,
    hour: Used,
}

impl AndroidBudget {
    /// Half of Google's at once and the other half as it comes back: so no minute has more than 240.
    const MINUTE: Rate = Rate { burst: 120, every: Duration::from_millis(500) };

    /// The same: no hour has more than 5,000.
    const HOUR: Rate = Rate { burst: 2_500, every: Duration::from_millis(1_440) };

    /// From the times at which all of the minute's and the hour's share is given back.
    pub const fn from_times(minute: Option<Time>, hour: Option<Time>) -> Self {
        Self { minute: Used::until(minute), hour: Used::until(hour) }
    }

    /// Those times.
    pub const fn times(self) -> (Option<Time>, Option<Time>) {
        (self.minute.given_back_at(), self.hour.given_back_at())
    }

    /// Whether nothing that was counted matters any more.
    pub fn is_unused(self, now: Time) -> bool {
        self.minute.is_over(now) && self.hour.is_over(now)
    }

    /// From when on one more may go; `None`: now.
    pub fn free_at(self, now: Time) -> Option<Time> {
        let minute = Self::MINUTE.take(self.minute, 1, now).err();
        let hour = Self::HOUR.take(self.hour, 1, now).err();
        minute.max(hour).map(|pause| now.plus(pause))
    }

    /// Counts one. What is used up stays so: a wake that goes all the same adds nothing to the wait.
    #[must_use]
    pub fn spend(self, now: Time) -> Self {
        Self {
            minute: Self::MINUTE.take(self.minute, 1, now).unwrap_or(self.minute),
            hour: Self::HOUR.take(self.hour, 1, now).unwrap_or(self.hour),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_minute_has_more_than_google_takes_and_what_is_allowed_comes_back() {
        let mut budget = AndroidBudget::default();
        let mut now = Time::from_millis(1_000_000);
        let mut sent: Vec<Time> = Vec::new();
        // Somebody sends whenever they may, for three hours.
        while now < Time::from_millis(1_000_000 + 3 * 3_600_000) {
            match budget.free_at(now) {
                None => {
                    budget = budget.spend(now);
                    sent.push(now);
                }
                Some(at) => now = at,
            }
        }
        let most = |window: u64| {
            let within = |from: &Time| {
                let inside = |at: &&Time| **at >= *from && at.since(*from).as_secs() < window;
                sent.iter().skip_while(|at| *at < from).take_while(inside).count()
            };
            sent.iter().step_by(97).map(within).max().unwrap_or(0)
        };
        assert!(most(60) <= 240, "{}", most(60));
        assert!((4_000..=5_000).contains(&most(3_600)), "{}", most(3_600));
        assert!(budget.is_unused(now.plus(Duration::from_secs(3_600))));
        let (minute, hour) = budget.times();
        assert_eq!(AndroidBudget::from_times(minute, hour), budget);
    }

    proptest! {
        #[test]
        fn no_hour_has_more_than_three(gaps in proptest::collection::vec(0_u64..3000, 1..60)) {
            let mut budget = BackgroundBudget::default();
            let mut now = Time::from_millis(1_000_000);
            let mut sent: Vec<Time> = Vec::new();
            for gap in gaps {
                now = now.plus(Duration::from_secs(gap));
                if budget.allows(now) {
                    budget = budget.spend(now);
                    sent.push(now);
                }
                let in_window = sent.iter().filter(|at| now.since(**at) < Duration::from_secs(3600)).count();
                prop_assert!(in_window <= BackgroundBudget::PER_HOUR);
            }
        }
    }
}
