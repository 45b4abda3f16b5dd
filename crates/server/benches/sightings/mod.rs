//! When pushes were seen on the wire, and what that says.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::sync::Notify;

use super::stage::token;

/// When each push was seen.
pub(crate) struct Sightings {
    seen: Vec<OnceLock<Instant>>,
    missing: Mutex<usize>,
    all: Notify,
    one: Notify,
}

impl Sightings {
    /// None yet of so many.
    pub(crate) fn of(pushes: usize) -> Self {
        Self {
            seen: (0..pushes).map(|_| OnceLock::new()).collect(),
            missing: Mutex::new(pushes),
            all: Notify::new(),
            one: Notify::new(),
        }
    }

    /// A push to this path was seen now. A later one for the same phone does not count.
    pub(crate) fn saw(&self, path: &str) {
        let now = Instant::now();
        let digits = path.rsplit('/').next().and_then(|token| token.get(..8));
        let number = digits.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let Some(seen) = number.and_then(|number| self.seen.get(number)) else { return };
        if seen.set(now).is_err() {
            return;
        }
        self.one.notify_one();
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        *missing -= 1;
        if *missing == 0 {
            self.all.notify_one();
        }
    }

    /// When each of a range was seen, once all of it were.
    pub(crate) async fn all_of(&self, range: std::ops::Range<usize>) -> Vec<Instant> {
        loop {
            let times: Vec<Instant> =
                self.seen[range.clone()].iter().filter_map(|seen| seen.get().copied()).collect();
            if times.len() == range.len() {
                return times;
            }
            self.one.notified().await;
        }
    }

    /// How many were not seen yet.
    pub(crate) fn missing(&self) -> usize {
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves once every push was seen.
    pub(crate) async fn all(&self) {
        self.all.notified().await;
    }

    /// When each was seen, by its number.
    ///
    /// # Errors
    ///
    /// When one was not seen.
    pub(crate) fn times(&self) -> Result<Vec<Instant>> {
        let times = self.seen.iter().enumerate().map(|(number, seen)| {
            seen.get().copied().with_context(|| format!("no push to {}", token(number)))
        });
        times.collect()
    }
}
