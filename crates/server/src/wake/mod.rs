//! Step 3b of the way: brings devices back.
//!
//! ```text
//!   due ─▶ [runner] ─claim─▶ Claimed ─┐
//!   accept ──── born claimed ─────────┴▶ [attempt]: [payload] ─▶ provider ─▶ settle ─▶ report
//! ```

mod attempt;
mod call_ended;
mod payload;
mod runner;

pub use attempt::push;
pub use call_ended::push_call_ended;
pub use payload::{Readers, call_alert};
pub use runner::Runner;
