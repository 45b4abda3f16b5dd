//! How long a run lasts, and what its inputs come from.

use std::hash::{BuildHasher, Hasher, RandomState};
#[cfg(fuzzing)]
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long each entry point is fed, in seconds. Not `REVEILLE_…`: a server that a test starts
/// would take that for a misspelt option.
const SECONDS: &str = "FUZZ_SECONDS";
/// The seed of everything random, to have a failure again.
const SEED: &str = "FUZZ_SEED";
/// The folder in which a guided run keeps what it found, for the next one.
#[cfg(fuzzing)]
const CORPUS: &str = "FUZZ_CORPUS";
/// How long when nothing is said: nobody who runs a crate's tests waits for these.
const USUAL: Duration = Duration::from_millis(400);
/// The longest time that can be asked for: a day.
const LONGEST_SECONDS: u64 = 86_400;
/// Runs at least, however slow the machine is.
const LEAST: u64 = 100;

/// How much is tried.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// Runs begin for this long.
    pub(crate) time: Duration,
    /// But this many do at least.
    pub(crate) least: u64,
    /// What everything random comes from.
    pub(crate) seed: u64,
    /// Where inputs are kept from run to run, each entry point's in a folder of its own.
    #[cfg(fuzzing)]
    pub(crate) corpus: Option<PathBuf>,
}

impl Budget {
    /// What the environment says, else the usual.
    pub(crate) fn of_environment() -> Self {
        let seconds = number(SECONDS).map(|seconds| seconds.min(LONGEST_SECONDS));
        Self {
            time: seconds.map_or(USUAL, Duration::from_secs),
            least: LEAST,
            seed: number(SEED).unwrap_or_else(drawn),
            #[cfg(fuzzing)]
            corpus: text(CORPUS).map(PathBuf::from),
        }
    }

    /// Whether another run may begin: the time since `started` and the runs so far decide.
    pub(crate) fn has_left(&self, started: Instant, runs: u64) -> bool {
        runs < self.least || started.elapsed() < self.time
    }
}

/// A number in the environment.
///
/// # Panics
///
/// If something else stands there: a run that tries less than was asked for would look the same.
fn number(name: &str) -> Option<u64> {
    let text = text(name)?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name} is {text:?}; give a whole number"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration; it has these")]
fn text(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A seed that nobody chose: the standard library seeds every hasher from the system. 32 bits are
/// plenty, and a seed is read aloud and typed again.
fn drawn() -> u64 {
    RandomState::new().build_hasher().finish() >> 32
}
