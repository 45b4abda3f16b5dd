//! Clients of the push services: APNs, FCM and Web Push, on one transport.
//!
//! What it does: reads credentials and says what they are good for; checks a push against its
//! provider's rules; sends it over shared connections; says what the answer means, in the words
//! of `domain`. What it does **not** do: choose what to push, keep tokens or logs, wait before a
//! retry, read a clock (only intervals are measured; the time is an argument).
//!
//! ```text
//!   credential file ──parse──▶ Credential / ServiceAccount / VapidKey
//!                                   │ authorization
//!                                   ▼
//!   Push / Message ──encode──▶ request ──transport──▶ answer ──classify──▶ Outcome
//!                                  └──────────────────── Exchange ────────────┘
//! ```
//!
//! Beside them, [`outbound::Client`] calls the other URLs that tenants choose, past the same guard
//! and through the same proxy.
//!
//! Read first: [`apns::Push`], [`webpush::Push`], [`Exchange`].

pub mod apns;
mod belief;
mod config;
mod error;
pub mod fcm;
#[cfg(test)]
mod fuzz;
mod jws;
mod origin;
pub mod outbound;
mod record;
mod retry_after;
mod token;
mod transport;
mod upload;
pub mod webpush;

pub use apns::Apns;
pub use belief::Belief;
pub use config::{Config, Pauses};
pub use error::{CredentialFault, Error, FieldFault};
pub use fcm::Fcm;
pub use origin::Origin;
pub use record::{AnswerRecord, Exchange, RequestRecord};
pub use token::{PushToken, TokenHash};
pub use transport::{Hosts, Roots};
pub use webpush::WebPush;
