//! The CPU time of a thread, which other programs on the machine disturb less than its rate.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A reading of the CPU time that a thread has used.
pub(crate) struct CpuTime {
    source: PathBuf,
    used: Duration,
}

impl CpuTime {
    /// Reads it from a thread's folder in `/proc`; `None` where the system does not tell (Linux
    /// does, in nanoseconds).
    pub(crate) fn of_thread(folder: &Path) -> Option<Self> {
        let source = folder.join("schedstat");
        let used = read(&source)?;
        Some(Self { source, used })
    }

    /// What the thread has used since this reading.
    pub(crate) fn spent(&self) -> Option<Duration> {
        read(&self.source)?.checked_sub(self.used)
    }
}

/// The first number: nanoseconds on a processor.
fn read(source: &Path) -> Option<Duration> {
    let text = fs::read_to_string(source).ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
