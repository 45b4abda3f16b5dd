//! What every back end must do, line by line of the design's 6.1, 7.1 and 8.
//!
//! Each scenario plays on a [`world::World`], which looks at the committed state from outside
//! after every step and fails at the first state that breaks a rule of [`snapshot::Snapshot`].

mod accept;
mod acks;
mod apps;
mod audit;
mod broadcasts;
mod budgets;
mod call_history;
mod calls;
mod credentials;
mod deliveries;
mod devices;
mod events;
mod history;
mod legs;
mod opening;
mod pushes;
mod races;
mod reading;
mod relane;
mod removal;
mod sessions;
pub(crate) mod snapshot;
mod stages;
mod standing;
mod tokens;
mod topics;
mod trim;
mod wakes;
mod webhooks;
pub(crate) mod world;

use super::backend::Backend;
