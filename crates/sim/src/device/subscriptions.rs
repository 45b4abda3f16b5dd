//! How devices of FCM are found other than by token: by installation id, and by what they have
//! subscribed to.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError},
};

use super::{Device, Devices};

impl Devices {
    /// The Firebase installation id of a token of FCM, which reaches the same app.
    pub fn installation(&self, token: &str) -> Option<String> {
        let (fid, _) = token.split_once(':')?;
        (self.find_installation(fid)? == token).then(|| fid.to_owned())
    }

    /// Subscribes an app to a topic of FCM, as its SDK does on the phone; false if nobody has this
    /// token.
    pub fn subscribe(&self, token: &str, topic: &str) -> bool {
        let Some(device) = self.find(token) else { return false };
        device.state().topics.insert(topic.to_owned());
        true
    }

    /// Ends a subscription; false if there was none.
    pub fn unsubscribe(&self, token: &str, topic: &str) -> bool {
        self.find(token).is_some_and(|device| device.state().topics.remove(topic))
    }

    pub(super) fn remember_installation(&self, token: &str) {
        if let Some((fid, _)) = token.split_once(':') {
            let installations = &self.0.installations;
            let mut installations = installations.write().unwrap_or_else(PoisonError::into_inner);
            installations.insert(fid.to_owned(), token.to_owned());
        }
    }

    /// The token of an installation.
    pub(crate) fn find_installation(&self, fid: &str) -> Option<String> {
        let installations = &self.0.installations;
        installations.read().unwrap_or_else(PoisonError::into_inner).get(fid).cloned()
    }

    /// Everybody with subscriptions that fit, with their tokens.
    pub(crate) fn subscribers(
        &self,
        fits: impl Fn(&HashSet<String>) -> bool,
    ) -> Vec<(String, Arc<Device>)> {
        let devices = self.0.devices.read().unwrap_or_else(PoisonError::into_inner);
        let fitting = devices.iter().filter(|(_, device)| fits(&device.state().topics));
        fitting.map(|(token, device)| (token.clone(), device.clone())).collect()
    }
}
