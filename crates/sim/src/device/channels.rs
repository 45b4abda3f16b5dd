//! Channels of Apple's broadcasts, from "Sending channel management requests to APNs".

use std::sync::PoisonError;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Devices, Environment, Registration};

/// What a channel keeps for devices that are away; chosen when it is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChannelStorage {
    /// The most recent message.
    MostRecent,
    /// No message.
    Nothing,
}

impl Devices {
    /// A new channel of an app. All its subscribers are one device here: what they hear arrives at
    /// [`deliveries`](Self::deliveries) of the channel's id.
    pub fn create_channel(
        &self,
        bundle_id: &str,
        environment: Environment,
        storage: ChannelStorage,
    ) -> String {
        let id = STANDARD.encode(rand::random::<[u8; 16]>());
        let bundle_id = bundle_id.to_owned();
        self.register(id, Registration::ApnsChannel { bundle_id, environment, storage })
    }

    /// Whether an app has a channel, so that broadcasts must have been enabled for it.
    pub(crate) fn has_channels(&self, app: &str, place: Environment) -> bool {
        let devices = self.0.devices.read().unwrap_or_else(PoisonError::into_inner);
        devices.values().any(|device| {
            matches!(
                &device.registration,
                Registration::ApnsChannel { bundle_id, environment, .. }
                    if bundle_id == app && *environment == place
            )
        })
    }
}
