//! How often something happened within a window of time that starts with the first.

use std::time::Duration;

use jiff::Timestamp;

/// The current window; an empty one has not begun.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    start_ms: Option<i64>,
    spent: u32,
}

impl Window {
    /// Counts one more; false if that is above the limit. What is above counts too.
    pub(crate) fn spend(&mut self, limit: u32, length: Duration, now: Timestamp) -> bool {
        let now_ms = now.as_millisecond();
        let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        if self.start_ms.is_none_or(|start_ms| now_ms.saturating_sub(start_ms) >= length_ms) {
            *self = Self { start_ms: Some(now_ms), spent: 0 };
        }
        self.spent = self.spent.saturating_add(1);
        self.spent <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_starts_with_its_first_and_ends_by_itself() {
        let at = |ms: i64| Timestamp::from_millisecond(1_000_000 + ms).unwrap();
        let mut window = Window::default();
        let minute = Duration::from_secs(60);
        let mut spent = Vec::new();
        for ms in [0, 1, 59_999, 60_000, 60_001, 60_002, 119_999, 120_000] {
            spent.push(window.spend(2, minute, at(ms)));
        }
        assert_eq!(spent, [true, true, false, true, true, false, false, true]);
        assert!(!Window::default().spend(0, minute, at(0)), "nothing is allowed");
    }
}
