//! What the system says of the process: Linux, `/proc/self` (proc(5)).

use domain::Time;

use super::labels::Whole;
use super::table::Process;

/// What `/proc` said; `None`: this system has none, or not this of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reading {
    cpu_seconds: Option<f64>,
    resident: Option<f64>,
    mapped: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
}

impl Reading {
    /// Reads it. With many open connections that takes milliseconds: not for a thread that others
    /// wait for.
    #[cfg(target_os = "linux")]
    pub(super) fn now() -> Self {
        use std::fs::{read_dir, read_to_string};

        let stat = read_to_string("/proc/self/stat").unwrap_or_default();
        let memory = read_to_string("/proc/self/statm").unwrap_or_default();
        let limits = read_to_string("/proc/self/limits").unwrap_or_default();
        let ticks = number(rustix::param::clock_ticks_per_second());
        let page = count(rustix::param::page_size());
        let pages = |place| memory.split(' ').nth(place)?.parse::<u64>().ok().map(number);
        Self {
            cpu_seconds: processor_ticks(&stat).map(|used| number(used) / ticks),
            resident: pages(1).map(|pages| pages * page),
            mapped: pages(0).map(|pages| pages * page),
            // The folder that is read here is open too.
            open_fds: read_dir("/proc/self/fd").ok().map(|open| count(open.count()) - 1.0),
            max_fds: most_open(&limits).map(number),
        }
    }

    /// Reads nothing.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn now() -> Self {
        Self::default()
    }

    pub(super) fn show(self, process: &Process, started_at: Time) {
        let gauges = [
            (&process.start_time_seconds, Some(seconds(started_at))),
            (&process.resident_memory_bytes, self.resident),
            (&process.virtual_memory_bytes, self.mapped),
            (&process.open_fds, self.open_fds),
            (&process.max_fds, self.max_fds),
        ];
        for (gauge, value) in gauges {
            if let Some(value) = value {
                gauge.get_or_create(&Whole {}).set(value);
            }
        }
        if let Some(used) = self.cpu_seconds {
            process.cpu_seconds.get_or_create(&Whole {}).inc_by(used);
        }
    }
}

/// `utime` and `stime` of `/proc/self/stat`: fields 14 and 15, counted from 1. The second field is
/// the name of the program in parentheses, which may hold anything.
#[cfg(target_os = "linux")]
fn processor_ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(") ")?;
    let mut fields = behind_name.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The soft limit of the line `Max open files` of `/proc/self/limits`; `None` where there is none.
#[cfg(target_os = "linux")]
fn most_open(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Prometheus has floats alone; what is counted here stays below the 2^53 that they hold exactly.
#[expect(clippy::cast_precision_loss, reason = "the format has floats alone")]
pub(super) const fn number(value: u64) -> f64 {
    value as f64
}

fn count(value: usize) -> f64 {
    number(u64::try_from(value).unwrap_or(u64::MAX))
}

fn seconds(at: Time) -> f64 {
    number(u64::try_from(at.as_millis()).unwrap_or_default()) / 1_000.0
}
