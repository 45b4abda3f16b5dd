//! Apps' settings, remembered: every accept and every push asks for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::AppId;
use store::model::Settings;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::node::Node;

/// The settings of apps that were asked for. What a delivery decision needs, the store reads anew
/// under its lock; this serves texts, sounds and defaults.
#[derive(Debug, Default)]
pub struct SettingsCache {
    apps: Mutex<HashMap<AppId, Arc<Settings>>>,
    changed: Notify,
}

impl SettingsCache {
    /// Forgets an app's settings: they have changed.
    pub fn forget(&self, app: AppId) {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner).remove(&app);
        self.changed.notify_waiters();
    }

    /// Resolves once settings of an app change after this call.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }
}

impl Node {
    /// An app's settings; the defaults for an app that is gone.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn settings(&self, app: AppId) -> Result<Arc<Settings>, store::Error> {
        let known = self
            .settings_cache
            .apps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&app)
            .map(Arc::clone);
        if let Some(settings) = known {
            return Ok(settings);
        }
        let settings = Arc::new(self.store.settings(app).await?.unwrap_or_default());
        let mut apps = self.settings_cache.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.insert(app, Arc::clone(&settings));
        Ok(settings)
    }
}
