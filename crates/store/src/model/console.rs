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

/// What asks on behalf of whoever is signed in at the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleVisit {
    /// They themselves; they are not idle.
    Person,
    /// A page that looks again by itself, whether or not anybody is there.
    Page,
}
