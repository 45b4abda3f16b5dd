//! What becomes of a device: whether it can be reached, whether its token lives.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::services::Services;
use crate::device::Reach;

/// A device and its new state.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// A token of the first line of the log, a channel, or the endpoint of a subscription.
    token: String,
    state: State,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Connected, and only urgent pushes get through.
    Dozing,
    /// Its token died of age, for good.
    Expired,
    Offline,
    Online,
    /// Its app was removed, for good.
    Unregistered,
}

impl Change {
    /// Reads one.
    pub(super) fn parse(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).context("no change of a device; docs/simulators.md shows how")
    }

    pub(super) fn carry_out(&self, services: &Services) -> Result<()> {
        let (devices, token) = (services.devices(), &*self.token);
        ensure!(
            devices.find(token).is_some(),
            "`token` is none that is known here: take one of the first line of the log, or the \
             endpoint of a subscription"
        );
        match self.state {
            State::Dozing => devices.set_reach(token, Reach::Dozing),
            State::Expired => devices.expire(token),
            State::Offline => devices.set_reach(token, Reach::Offline),
            State::Online => devices.set_reach(token, Reach::Online),
            State::Unregistered => devices.unregister(token),
        }
        Ok(())
    }
}
