//! What this process uses: CPU time but for one thread, and memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cpu_time::CpuTime;

/// Clock ticks a second in `/proc/self/stat`: the same on every Linux that can be had.
const TICKS: u64 = 100;

/// What a process used.
pub(crate) struct Usage {
    /// CPU time of all threads but the one left out.
    pub(crate) cpu: Duration,
    /// Bytes in memory.
    pub(crate) resident: usize,
}

/// A reading of what the process uses.
pub(crate) struct Reading {
    cpu: Duration,
    resident: usize,
    left_out: CpuTime,
}

impl Reading {
    /// Reads what the process uses; the thread of this name is left out.
    ///
    /// # Errors
    ///
    /// Where the system does not tell (Linux does), or there is no such thread.
    pub(crate) fn start(left_out: &str) -> Result<Self> {
        let thread = thread(left_out)?;
        let left_out = CpuTime::of_thread(&thread).context("no CPU time of the thread")?;
        Ok(Self { cpu: process_cpu()?, resident: resident()?, left_out })
    }

    /// What was used since.
    ///
    /// # Errors
    ///
    /// As for [`Reading::start`].
    pub(crate) fn since(&self) -> Result<Usage> {
        let spent = process_cpu()?.saturating_sub(self.cpu);
        let others = self.left_out.spent().context("no CPU time of the thread")?;
        Ok(Usage {
            cpu: spent.saturating_sub(others),
            resident: resident()?.saturating_sub(self.resident),
        })
    }
}

/// The newest thread of this name: an older one may still be ending.
fn thread(name: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let folder = entry?.path();
        if fs::read_to_string(folder.join("comm")).is_ok_and(|comm| comm.trim() == name) {
            found.push(folder);
        }
    }
    found.into_iter().max().with_context(|| format!("no thread {name}"))
}

/// User and system time of all threads, those that have ended included.
fn process_cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name stands in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(')').context("no /proc/self/stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    ensure!(fields.len() > 12, "a short /proc/self/stat");
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS))
}

/// Bytes in memory.
fn resident() -> Result<usize> {
    let status = fs::read_to_string(Path::new("/proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: usize = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("no VmRSS")?
        .trim()
        .parse()?;
    Ok(kib * 1_024)
}
