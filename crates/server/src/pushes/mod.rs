//! Direct pushes: sent once, and tried again until their ttl.
//!
//! ```text
//!   POST /v1/pushes ─▶ [check] ─▶ [preview] ─▶ [accept] ─▶ store ─▶ 202
//!                       fields     rendered      one transaction: push + deliveries
//!
//!   wake runner ─claim─▶ ClaimedDelivery ─▶ [attempt]: [render] ─▶ provider ─▶ settle ─▶ report
//! ```
//!
//! A broadcast, to a topic or to all of an app, is taken in here and has no deliveries of its own:
//! [`crate::broadcast`] walks its devices, and makes a delivery of each push that was not taken.
//!
//! Read first: [`accept::accept`], [`content::Content`], [`render::Parts`].

pub mod accept;
pub mod address;
mod attempt;
pub mod check;
pub mod content;
mod moves;
pub mod preview;
pub mod render;
pub mod sending;
pub mod test;

pub use attempt::{check_switch, push};
pub use moves::{cancel, pause, resume};
