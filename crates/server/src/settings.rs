//! Apps' settings, remembered: every accept and every push asks for them.

use std::sync::Arc;

use domain::AppId;
use store::model::Settings;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::node::Node;
use crate::remembered::Remembered;

/// The settings of apps that were asked for. What a delivery decision needs, the store reads anew
/// under its lock; this serves texts, sounds and defaults.
#[derive(Debug, Default)]
pub struct SettingsCache {
    apps: Remembered<Arc<Settings>>,
    changed: Notify,
}

impl SettingsCache {
    /// Forgets an app's settings: they have changed.
    pub fn forget(&self, app: AppId) {
        self.apps.forget(app);
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
        let asked = match self.settings_cache.apps.look(app) {
            Ok(settings) => return Ok(settings),
            Err(asked) => asked,
        };
        let settings = Arc::new(self.store.settings(app).await?.unwrap_or_default());
        self.settings_cache.apps.keep(app, asked, Arc::clone(&settings));
        Ok(settings)
    }
}
