//! What goes into the store and comes out of it. Not rows, and not wire shapes.

mod accept;
mod apps;
mod audit;
mod calls;
mod console;
mod devices;
mod effects;
mod events;
mod inbox;
mod pushes;
mod reading;
mod standing;
mod topics;
mod wakes;
mod webhooks;

pub use accept::*;
pub use apps::*;
pub use audit::*;
pub use calls::*;
pub use console::*;
pub use devices::*;
pub use effects::*;
pub use events::*;
pub use inbox::*;
pub use pushes::*;
pub use reading::*;
pub use standing::*;
pub use topics::*;
pub use wakes::*;
pub use webhooks::*;

/// A SHA-256 of a secret or token: all that the store keeps of it.
///
/// It is looked up by an index, whose time may tell how much of a digest fits one that is kept.
/// That helps nobody: each secret has 256 random bits, and whoever knew a whole digest would still
/// have to find a secret that has it. Where two stand side by side they are compared in a time that
/// does not depend on where they differ.
pub type Digest = [u8; 32];
