//! The decisions of Reveille.
//!
//! What it does: given a state, an input and the time, it says what the new state is and what to
//! do about it. What it does **not** do: no async, no I/O, no clock, no random numbers, no
//! serde, no logging; it imports nothing of ours and nothing of anybody else's.
//!
//! ```text
//!            input, facts, now
//!                   │
//!   state ──▶ [ a machine ] ──▶ state', effects ──▶ (the store writes, the server does)
//! ```
//!
//! Read first: [`wake::Wake`], [`session::Session`], [`call::Call`].

pub mod outcome;
pub mod target;
pub mod time;

pub use outcome::{Diagnosis, Outcome, Refusal, RetryRule, TokenVerdict};
pub use target::{Environment, Platform, TargetKind};
pub use time::Time;
