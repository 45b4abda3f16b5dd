//! How often an address may show a key, token or secret that is not good.
//!
//! Nobody guesses 256 random bits; what is held off is the load and the noise of trying, and the
//! reading of answers: with too many failures an address is told no more why a key is not good,
//! only to wait. A good key passes all the same, from the same address too. Behind one address
//! there may be a whole carrier's phones, and whoever makes it fail must not put them to sleep.
//!
//! Not counted is who shows no key at all, one of another kind, or a token that has expired: it was
//! good once, and its phone has to be told so, to get a new one.
//!
//! Kept in memory by this node, and bounded: an attacker who has as many addresses as are counted
//! is not held off by counting addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Time;
use domain::rate::{Rate, Used};

use crate::http::problem::{Problem, ProblemCode};

/// Addresses that are counted at once, at most: some 3 MiB.
const MOST: usize = 50_000;

/// How often each address has failed of late.
#[derive(Debug)]
pub struct Failures {
    per_minute: AtomicU32,
    failed: Mutex<HashMap<Source, Used>>,
}

/// What is counted as one: an IPv4 address; of IPv6 the network of one customer, who chooses the
/// rest (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Source(IpAddr);

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                Self(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into())
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

impl Failures {
    /// Nobody has failed. So many failures a minute are answered with their reason.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute: AtomicU32::new(per_minute), failed: Mutex::default() }
    }

    /// Answers another number a minute from here on; what was counted stays counted.
    pub fn set(&self, per_minute: u32) {
        self.per_minute.store(per_minute, Ordering::Relaxed);
    }

    /// Counts a failure that is about to be told; what is to be told instead, if they were too
    /// many.
    pub fn count(&self, address: IpAddr, now: Time) -> Option<Problem> {
        self.take(Source::of(address), now).err().map(|pause| {
            Problem::new(
                ProblemCode::RateLimited,
                "too many keys from this address were not good; show a good one, or wait",
            )
            .with_retry_after(pause)
        })
    }

    /// After which pause the next failure of an address would be told with its reason; `None`: at
    /// once. Counts nothing.
    pub fn pause(&self, address: IpAddr, now: Time) -> Option<Duration> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let used = failed.get(&Source::of(address)).copied().unwrap_or_default();
        self.rate().take(used, 1, now).err()
    }

    /// What was counted of an address counts no more.
    pub fn forget(&self, address: IpAddr) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.remove(&Source::of(address));
    }

    fn rate(&self) -> Rate {
        Rate::per_minute(self.per_minute.load(Ordering::Relaxed))
    }

    fn take(&self, source: Source, now: Time) -> Result<(), Duration> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= MOST && !failed.contains_key(&source) {
            failed.retain(|_, used| !used.is_over(now));
            if failed.len() >= MOST {
                failed.clear();
            }
        }
        let used = failed.entry(source).or_default();
        *used = self.rate().take(*used, 1, now)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_000_000);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_its_own_count_and_gets_it_back() {
        let failures = Failures::new(2);
        let told = |from: &str, now| failures.count(address(from), now).is_none();
        let pause = |from: &str| failures.pause(address(from), NOW);
        assert!(told("192.0.2.1", NOW) && pause("192.0.2.1").is_none());
        assert!(told("192.0.2.1", NOW));
        assert_eq!(pause("192.0.2.1"), Some(Duration::from_secs(30)));
        assert_eq!(pause("192.0.2.2"), None, "asking counts nothing");
        let held = failures.count(address("192.0.2.1"), NOW).unwrap();
        assert_eq!(held.code(), ProblemCode::RateLimited);
        assert_eq!(held.retry_after(), Some(Duration::from_secs(30)));
        assert!(told("192.0.2.2", NOW), "another address is counted apart");
        assert!(!told("::ffff:192.0.2.1", NOW), "the same in another spelling");
        assert!(told("192.0.2.1", NOW.plus(Duration::from_secs(30))));
        // One customer's network is one.
        assert!(told("2001:db8:0:1::1", NOW) && told("2001:db8:0:1::2", NOW));
        assert!(!told("2001:db8:0:1:ffff::3", NOW));
        assert!(told("2001:db8:0:2::1", NOW));
        failures.forget(address("2001:db8:0:1::3"));
        assert_eq!(pause("2001:db8:0:1::1"), None);
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let remembered = |failures: &Failures| failures.failed.lock().unwrap().len();
        let full = || {
            let failures = Failures::new(1);
            for number in 0..u32::try_from(MOST).unwrap() {
                assert!(failures.count(IpAddr::V4(number.into()), NOW).is_none());
            }
            failures
        };
        let failures = full();
        assert_eq!(remembered(&failures), MOST);
        // Known ones are still counted, and one more has the others forgotten.
        assert!(failures.count(IpAddr::V4(1.into()), NOW).is_some());
        assert!(failures.count(address("192.0.2.1"), NOW).is_none());
        assert_eq!(remembered(&failures), 1);
        // Those that are over go first, and only they.
        let failures = full();
        let later = NOW.plus(Duration::from_secs(60));
        assert!(failures.count(IpAddr::V4(7.into()), later).is_none());
        assert!(failures.count(address("192.0.2.1"), later).is_none());
        assert_eq!(remembered(&failures), 2);
    }
}
