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

pub mod budget;
pub mod call;
pub mod circuit;
pub mod delivery;
pub mod event;
pub mod expiry;
pub mod explain;
pub mod id;
pub mod inbox;
pub mod locale;
mod mass_failure;
pub mod outcome;
pub mod policy;
pub mod rate;
pub mod reason;
mod rights;
pub mod session;
pub mod spread;
pub mod target;
pub mod time;
pub mod token;
pub mod wake;
pub mod webhook;

pub use budget::{AndroidBudget, BackgroundBudget};
pub use circuit::Circuit;
pub use delivery::Delivery;
pub use event::{EventSet, EventType};
pub use id::{
    AppId, AttemptId, CallId, CredentialId, DeviceNumber, EntryId, EventId, InboxId, Incarnation,
    KeyId, LaneId, MessageId, ProviderId, PushId, SessionId, TokenKeyId, WakeId, WebhookId,
};
pub use inbox::{Epoch, Offset, Owed, Urgency};
pub use mass_failure::{Failing, MassFailure};
pub use outcome::{Diagnosis, Outcome, Refusal, RetryRule, Scope, TokenVerdict};
pub use policy::{FirstRung, IosRoute, Policy, Router};
pub use reason::Reason;
pub use rights::{KeyScope, KeyScopes, MaySend};
pub use target::{Environment, Platform, TargetKind};
pub use time::Time;
