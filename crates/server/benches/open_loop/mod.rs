//! An open loop: its schedule, kept by a thread of its own, and the latencies counted from it.
//!
//! Not by the runtime: its timers go by whole milliseconds, and its workers are what is measured.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::mpsc;

/// A schedule under way.
pub(crate) struct Schedule {
    /// The moments, each given when it has come; they end with the last one.
    pub(crate) ticks: mpsc::UnboundedReceiver<Instant>,
}

impl Schedule {
    /// Starts one of `count` moments, so many a second.
    ///
    /// # Errors
    ///
    /// When the machine gives no thread.
    pub(crate) fn start(per_second: usize, count: usize) -> Result<Self> {
        let pause = Duration::from_secs(1) / u32::try_from(per_second)?;
        let (sender, ticks) = mpsc::unbounded_channel();
        thread::Builder::new().name("schedule".to_owned()).spawn(move || {
            let mut next = Instant::now() + pause;
            for _ in 0..count {
                while let Some(rest) = next.checked_duration_since(Instant::now()) {
                    thread::park_timeout(rest);
                }
                // What was due stays due: a late thread sends at once and does not shift the rest.
                if sender.send(next).is_err() {
                    return;
                }
                next += pause;
            }
        })?;
        Ok(Self { ticks })
    }
}

/// Milliseconds from the first to the second moment, sorted.
pub(crate) fn latencies(moments: impl Iterator<Item = (Instant, Instant)>) -> Vec<f64> {
    let mut latencies: Vec<f64> =
        moments.map(|(from, to)| to.saturating_duration_since(from).as_secs_f64() * 1e3).collect();
    latencies.sort_unstable_by(f64::total_cmp);
    latencies
}

/// The value that `percent` of the sorted ones do not exceed; of none, not a number.
pub(crate) fn rank(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
