//! The quota of projects: windows of one minute that start with their first message.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

use super::answer::Refusal;
use crate::window::Window;

/// Google's windows, which are not aligned to the clock ("Throttling and quotas").
const MINUTE: Duration = Duration::from_secs(60);

/// What was sent in the current windows.
#[derive(Debug)]
pub(super) struct Quota {
    per_minute: u32,
    projects: HashMap<String, Window>,
}

impl Quota {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute, projects: HashMap::new() }
    }

    /// Counts a request, also one that is refused later: client errors cost quota too.
    pub(super) fn spend(&mut self, project: &str, now: Timestamp) -> Result<(), Refusal> {
        let window = self.projects.entry(project.to_owned()).or_default();
        if window.spend(self.per_minute, MINUTE, now) {
            Ok(())
        } else {
            Err(Refusal::quota("project"))
        }
    }
}
