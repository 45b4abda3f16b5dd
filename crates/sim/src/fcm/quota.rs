//! Message quotas: windows of one minute that start with their first message.

use std::collections::HashMap;

use jiff::Timestamp;

use super::answer::Refusal;

const WINDOW_MS: i64 = 60_000;

/// What was sent in the current windows.
#[derive(Debug)]
pub(super) struct Quota {
    per_project: u32,
    per_device: u32,
    projects: HashMap<String, Window>,
    devices: HashMap<String, Window>,
}

#[derive(Debug)]
struct Window {
    start_ms: i64,
    spent: u32,
}

impl Quota {
    pub(super) fn new(per_project: u32, per_device: u32) -> Self {
        Self { per_project, per_device, projects: HashMap::new(), devices: HashMap::new() }
    }

    pub(super) fn spend_project(&mut self, project: &str, now: Timestamp) -> Result<(), Refusal> {
        spend(&mut self.projects, project, self.per_project, now)
            .map_err(|()| Refusal::quota("project"))
    }

    pub(super) fn spend_device(&mut self, token: &str, now: Timestamp) -> Result<(), Refusal> {
        spend(&mut self.devices, token, self.per_device, now).map_err(|()| Refusal::quota("device"))
    }
}

fn spend(
    windows: &mut HashMap<String, Window>,
    key: &str,
    limit: u32,
    now: Timestamp,
) -> Result<(), ()> {
    let now_ms = now.as_millisecond();
    if let Some(window) = windows.get_mut(key) {
        if now_ms - window.start_ms >= WINDOW_MS {
            *window = Window { start_ms: now_ms, spent: 0 };
        }
        window.spent = window.spent.saturating_add(1);
        return if window.spent > limit { Err(()) } else { Ok(()) };
    }
    windows.insert(key.to_owned(), Window { start_ms: now_ms, spent: 1 });
    if limit == 0 { Err(()) } else { Ok(()) }
}
