//! The console's sessions.

use std::time::Duration;

/// How long somebody stays signed in at the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleLimits {
    /// Without doing anything.
    pub idle: Duration,
    /// At most.
    pub longest: Duration,
}
