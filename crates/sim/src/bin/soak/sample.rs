//! One look at the server's process, its files and its tables.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::load::Counts;
use super::tables::{self, Table};

/// What there was at one moment. Sizes are bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// From the start of the run.
    pub(crate) at: Duration,
    /// Resident memory.
    pub(crate) resident: u64,
    /// Of it, what belongs to no file: heap and stacks.
    pub(crate) anonymous: u64,
    /// Open file descriptors, sockets included.
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    /// The database without its write-ahead log.
    pub(crate) database: u64,
    /// The database's write-ahead log.
    pub(crate) wal: u64,
    /// All files of the push log.
    pub(crate) push_log: u64,
    /// Everything that was done by then.
    pub(crate) counts: Counts,
    /// Once a minute: the tables.
    pub(crate) tables: Vec<Table>,
}

impl Sample {
    /// Looks. `whole`: into the database too.
    pub(crate) fn take(
        process: u32,
        data: &Path,
        at: Duration,
        counts: Counts,
        whole: bool,
    ) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))
            .context("the process cannot be looked at; this needs Linux")?;
        let database = data.join("reveille.db");
        Ok(Self {
            at,
            resident: field(&status, "VmRSS:") * 1024,
            anonymous: field(&status, "RssAnon:") * 1024,
            descriptors: count(&format!("/proc/{process}/fd"))?,
            threads: field(&status, "Threads:"),
            wal: size(&data.join("reveille.db-wal")),
            push_log: size_below(&data.join("log"))?,
            tables: if whole { tables::read(&database)? } else { Vec::new() },
            database: size(&database),
            counts,
        })
    }
}

/// The number behind a name in `/proc/<pid>/status`; sizes there are KiB.
fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn count(folder: &str) -> Result<u64> {
    Ok(fs::read_dir(folder).with_context(|| format!("cannot read {folder}"))?.count() as u64)
}

/// A file that is not there has no size.
fn size(file: &Path) -> u64 {
    fs::metadata(file).map(|it| it.len()).unwrap_or_default()
}

fn size_below(folder: &Path) -> Result<u64> {
    let files =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(files.flatten().map(|file| size(&file.path())).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_by_its_names() {
        let status = "Name:\treveille\nVmRSS:\t   71234 kB\nRssAnon:\t 64000 kB\nThreads:\t9\n";
        assert_eq!(field(status, "VmRSS:"), 71_234);
        assert_eq!(field(status, "Threads:"), 9);
        assert_eq!(field(status, "RssShmem:"), 0);
    }
}
