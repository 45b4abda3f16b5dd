//! What a process uses: CPU time and memory, where Linux tells.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Clock ticks a second in `/proc/…/stat`: the same on every Linux that can be had.
const TICKS: u64 = 100;

/// What the process used so far, or since another reading.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// CPU time of all threads, those that have ended included.
    pub(crate) cpu: Duration,
    /// Bytes in memory.
    pub(crate) resident: usize,
}

impl Usage {
    /// Reads it of a process: its number, or `self`.
    ///
    /// # Errors
    ///
    /// Where the system does not tell, or when the process is gone.
    pub(crate) fn of(process: &str) -> Result<Self> {
        let folder = Path::new("/proc").join(process);
        Ok(Self { cpu: cpu(&folder)?, resident: resident(&folder)? })
    }

    /// What was used after another reading.
    pub(crate) const fn since(&self, before: &Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            resident: self.resident.saturating_sub(before.resident),
        }
    }
}

/// User and system time.
fn cpu(folder: &Path) -> Result<Duration> {
    let stat = fs::read_to_string(folder.join("stat"))?;
    // The name stands in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(')').context("no name in stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    ensure!(fields.len() > 12, "a short stat");
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS))
}

/// Bytes in memory.
fn resident(folder: &Path) -> Result<usize> {
    let status = fs::read_to_string(folder.join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: usize = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("no VmRSS")?
        .trim()
        .parse()?;
    Ok(kib * 1_024)
}
