//! Tells who waits for an app's events that there are new ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::AppId;
use tokio::sync::watch;

/// Who waits, by app. Losing a ring costs nothing but time: whoever waits looks again anyway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell(Arc<Mutex<HashMap<AppId, watch::Sender<i64>>>>);

impl Bell {
    /// Changes whenever an event of the app was committed; the number is the newest one's.
    pub(crate) fn listen(&self, app: AppId) -> watch::Receiver<i64> {
        // Every change under the lock is whole.
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        apps.retain(|_, sender| sender.receiver_count() > 0);
        apps.entry(app).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// An event was committed.
    pub(crate) fn ring(&self, app: AppId, number: i64) {
        let apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = apps.get(&app) {
            sender.send_replace(number);
        }
    }
}
