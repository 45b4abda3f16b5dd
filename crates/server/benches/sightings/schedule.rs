//! The schedule of an open loop, kept by a thread of its own.
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
