//! How many background pushes an Apple device may get.
//!
//! Apple: "don't try to send more than two or three background notifications per hour"; what goes
//! beyond is throttled by the phone and shortens what is left (providers' facts, 5.1).

use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
