//! Watches that every run ends, and keeps its input should it take the process along.
//!
//! A parser that never ends is a fault as much as one that panics, and a test that waits for it
//! says nothing. The input cannot be taken back from a thread that is busy with it, so the process
//! is ended. One that overflows the stack leaves nobody who could say what it was given, so that
//! stands in a file.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::report;

/// No input takes a parser this long, on any machine: the dearest, a `.p12` that asks for as many
/// rounds as are allowed, takes some seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is being tried right now.
pub(crate) struct Watch {
    /// The number of the try, and its input.
    current: Mutex<(u64, Vec<u8>)>,
    /// The same input in a file, should the process die; none where no file can be written.
    file: Option<(File, PathBuf)>,
}

impl Watch {
    /// Watches while `work` tries inputs and tells each of them.
    pub(crate) fn over(name: &str, work: impl FnOnce(&Self)) {
        let path = folder().join(format!("fuzz-{name}-{}.input", std::process::id()));
        let file = File::create(&path).ok().map(|file| (file, path));
        if let Some((_, path)) = &file {
            report::remains(name, path);
        }
        let watch = Self { current: Mutex::new((0, Vec::new())), file };
        std::thread::scope(|scope| {
            let (done, ended) = channel::<()>();
            let watching = &watch;
            scope.spawn(move || {
                let mut seen = watching.try_number();
                // The other end goes away when the work is done, and when it panics.
                while ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                    let now = watching.try_number();
                    if now == seen {
                        watching.give_up(name);
                    }
                    seen = now;
                }
            });
            work(&watch);
            drop(done);
        });
    }

    /// Tells that this input is tried next.
    pub(crate) fn sees(&self, input: &[u8]) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.0 += 1;
        current.1.clear();
        current.1.extend_from_slice(input);
        if let Some((file, _)) = &self.file {
            let mut file = file;
            let written = file.rewind().and_then(|()| file.write_all(input));
            // What is lost so is lost only if the process dies as well.
            let _unwritten = written.and_then(|()| file.set_len(input.len() as u64));
        }
    }

    /// The number of the try.
    fn try_number(&self) -> u64 {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ends the process. Not through the test's own output, which an abort would lose.
    fn give_up(&self, name: &str) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = PATIENCE.as_secs();
        let input = report::literal(&current.1);
        let text = format!("fuzz {name}: no end after {seconds} s of the input\n{input}\n");
        // Where that cannot be written there is nobody to tell.
        let _unheard = std::io::stderr().write_all(text.as_bytes());
        std::process::abort();
    }
}

/// Where a file can be written many thousand times a second: in memory where the system has that.
fn folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.file {
            let _left = std::fs::remove_file(path);
        }
    }
}
