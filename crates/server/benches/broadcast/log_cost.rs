//! What the push log costs a broadcast: the same one with its log open and closed, in turns.
//!
//! Where all is taken there is a record a page. Where one device in ten is gone, that has a record
//! of its own, with request and answer. With the log closed records are made and dropped, so the
//! figure is what it takes to hand them over, store and index them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io};

use anyhow::{Result, ensure};

use super::count::count;
use super::measure::{Row, median};
use super::{PushLog, Run, SMALL};

/// One push in so many is for a device that is gone.
pub(crate) const ONE_IN: usize = 10;

/// Turns of each.
const ROUNDS: usize = 5;

/// The budget: how much more CPU time a push may take with its log.
const BUDGET: f64 = 1.15;

/// Measures and prints both.
pub(crate) fn measure(
    dir: &Path,
    refuses: &AtomicBool,
    broadcast: impl Fn(PushLog) -> Result<Run>,
) -> Result<()> {
    let (data, pristine) = (dir.join("data"), dir.join("pristine"));
    fs::rename(&data, &pristine)?;
    for (gone, name) in [(false, "all taken"), (true, "one device in ten gone")] {
        refuses.store(gone, Ordering::Relaxed);
        let mut pairs = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let run = |log| -> Result<f64> {
                // Tokens of devices that are gone are dropped: each turn begins with all of them.
                copy(&pristine, &data)?;
                let run = broadcast(log)?;
                let least = if gone { SMALL - SMALL / ONE_IN - 1 } else { SMALL };
                ensure!(run.accepted >= least, "{name}: {} were taken", run.accepted);
                Ok(run.usage.cpu.as_secs_f64() / count(SMALL))
            };
            pairs.push((run(PushLog::Open)?, run(PushLog::Closed)?));
        }
        let ratio = median(pairs.iter().map(|(open, closed)| open / closed));
        Row {
            row: format!("push log on a broadcast, {name}"),
            value: median(pairs.iter().map(|(open, _)| open * 1e6)),
            unit: "µs CPU/push",
            ratio: Some(ratio),
            budget: Some("≤ 1.15 of the same with the log closed"),
            met: Some(ratio <= BUDGET),
            note: format!(
                "{SMALL} devices through APNs; log closed: {:.1} µs; all threads of the server; median of {ROUNDS} turns of each",
                median(pairs.iter().map(|(_, closed)| closed * 1e6)),
            ),
        }
        .print()?;
    }
    refuses.store(false, Ordering::Relaxed);
    copy(&pristine, &data)?;
    fs::remove_dir_all(&pristine)?;
    Ok(())
}

/// Puts a copy of a data folder in the place of another one.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => fs::create_dir(to)?,
    }
    for entry in fs::read_dir(from)? {
        let file = entry?;
        let place = to.join(file.file_name());
        if file.file_type()?.is_dir() {
            copy(&file.path(), &place)?;
        } else {
            fs::copy(file.path(), place)?;
        }
    }
    Ok(())
}
