//! Room on the disk.

use std::io;
use std::path::Path;

use domain::explain::Verdict;
use wire::http::Check;

use super::Checked;

const MIB: u64 = 1 << 20;

/// With less than this a day's push log may fill the disk.
const LITTLE: u64 = 1_024 * MIB;

/// With less than this the next burst may.
const TOO_LITTLE: u64 = 128 * MIB;

/// The bytes that are free for this process where a folder is.
///
/// # Errors
///
/// What the system says.
#[cfg(unix)]
pub fn free_space(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The bytes that are free for this process where a folder is.
///
/// # Errors
///
/// Always: only Unix is asked.
#[cfg(not(unix))]
pub fn free_space(_: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether there is room.
pub(super) fn check(folder: &Path) -> Check {
    match free_space(folder) {
        Ok(free) => judged(free, folder),
        Err(error) => {
            let text = format!("Nobody knows how much room {} has: {error}.", folder.display());
            Checked::DiskSpace.found(Verdict::Note, text, None)
        }
    }
}

fn judged(free: u64, folder: &Path) -> Check {
    let (mib, folder) = (free / MIB, folder.display());
    let text = format!("{mib} MiB are free at {folder}.");
    let verdict = match free {
        0..TOO_LITTLE => Verdict::Failure,
        TOO_LITTLE..LITTLE => Verdict::Warning,
        LITTLE.. => return Checked::DiskSpace.ok(text),
    };
    let remedy = "Make room, or keep the push log for fewer days (push_log.retention_days): with a full disk the server refuses messages rather than lose them.";
    Checked::DiskSpace.found(verdict, text, Some(remedy.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_a_warning_and_too_little_a_failure() {
        for (mib, verdict) in
            [(127, "failure"), (128, "warning"), (1_023, "warning"), (1_024, "ok")]
        {
            assert_eq!(judged(mib * MIB, Path::new("/data")).verdict, verdict, "{mib} MiB");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_system_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_space(folder.path()).unwrap() > 0);
        assert!(free_space(&folder.path().join("nothing")).is_err());
        assert_eq!(check(&folder.path().join("nothing")).verdict, "note");
    }
}
