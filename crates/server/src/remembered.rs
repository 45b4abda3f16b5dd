//! What the store said of an app, remembered until it changes.
//!
//! ```text
//!   look ──▶ known
//!     └────▶ Asked ──▶ the store is read ──▶ keep: unless something was forgotten meanwhile
//! ```

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::AppId;

/// One answer for each app that was asked about.
#[derive(Debug)]
pub struct Remembered<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    apps: HashMap<AppId, T>,
    /// Counts what was forgotten.
    forgotten: u64,
}

/// When the store was asked. What was read before something was forgotten may be what was before
/// it, and is not remembered after it.
#[derive(Clone, Copy, Debug)]
pub struct Asked(u64);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { apps: HashMap::new(), forgotten: 0 }) }
    }
}

impl<T: Clone> Remembered<T> {
    /// What is known of an app.
    ///
    /// # Errors
    ///
    /// Nothing is: the store is to be read now, and its answer to be kept with this.
    pub fn look(&self, app: AppId) -> Result<T, Asked> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.apps.get(&app).cloned().ok_or(Asked(state.forgotten))
    }

    /// Remembers what the store said.
    pub fn keep(&self, app: AppId, asked: Asked, answer: T) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.forgotten == asked.0 {
            state.apps.insert(app, answer);
        }
    }

    /// Forgets an app's: it has changed.
    pub fn forget(&self, app: AppId) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.apps.remove(&app);
        state.forgotten += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let (one, two) = (AppId::from_number(1), AppId::from_number(2));
        let remembered = Remembered::default();
        let asked = remembered.look(one).unwrap_err();
        remembered.keep(one, asked, "old");
        assert_eq!(remembered.look(one).ok(), Some("old"));
        // It is read, it changes, and what was read comes late.
        remembered.forget(one);
        let asked = remembered.look(one).unwrap_err();
        remembered.forget(one);
        remembered.keep(one, asked, "old");
        assert!(remembered.look(one).is_err());
        let asked = remembered.look(one).unwrap_err();
        remembered.keep(one, asked, "new");
        remembered.forget(two);
        assert_eq!(remembered.look(one).ok(), Some("new"), "another app's change");
    }
}
