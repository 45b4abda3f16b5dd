//! Topics: named sets of devices.

use domain::Time;

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name, unique in the app.
    pub name: String,
    /// How many devices are in it.
    pub devices: u64,
    /// When it was made, by the first device.
    pub created_at: Time,
}

/// What a change of a topic's devices came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicChanged {
    /// Devices that were not in it before, or were.
    pub changed: u64,
    /// Names of devices that the app does not have.
    pub unknown: Vec<String>,
}
