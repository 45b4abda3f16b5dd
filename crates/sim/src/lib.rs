//! The outside world as servers.
//!
//! Strict stand-ins for the push services, over real TLS and HTTP with the vendors' authentication: what the vendor
//! would refuse, they refuse with the vendor's words. They share no code with the crate they test; every rule is
//! written from the vendor's page.
//!
//! ```text
//!            TLS, HTTP/2               accepted                    mpsc
//!  client ──────────┬────▶ apns, fcm, ──────────▶ device::Devices ──────▶ a phone, a test
//!             (ProxySim)   webpush
//!                           ▲      │
//!     Trouble (scripted) ───┘      └──▶ SeenPush (what came, what was answered)
//! ```
//!
//! What phones and browsers do with a push are rules of their own, without any socket ([`platform`]). It is no load
//! generator.
//! Read first: [`ApnsSim`], [`Devices`], [`Trouble`].

pub mod apns;
pub mod device;
pub mod fcm;
mod http2;
pub mod phone;
pub mod pki;
pub mod platform;
pub mod proxy;
pub mod sink;
pub mod stand;
pub mod trouble;
pub mod webpush;
mod window;
pub mod world;

use std::time::Duration;

pub use apns::{ApnsOptions, ApnsSim};
pub use device::{Clock, Delivery, Devices};
pub use fcm::{FcmOptions, FcmSim};
pub use http2::{Counts, Fate, Recording, SeenPush, Sighting, Unanswered};
pub use proxy::{ProxyOptions, ProxySim};
pub use sink::WebhookSink;
pub use trouble::Trouble;
pub use webpush::{WebPushOptions, WebPushSim};

/// Why a simulator could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port is taken, or the machine gives no more sockets.
    #[error("could not listen on {address}: {source}; choose another port or 0 for any")]
    Listen {
        /// What was asked for.
        address: std::net::SocketAddr,
        /// The machine's word.
        source: std::io::Error,
    },
    /// A key or certificate could not be made.
    #[error("could not make a key or certificate: {0}")]
    Keys(#[from] rcgen::Error),
    /// TLS refused the keys or certificates.
    #[error("could not set up TLS: {0}")]
    Tls(String),
    /// The machine's `openssl` is missing or refused.
    #[error("could not make a PKCS#12 file: {why}; install openssl or use the PEM form")]
    Openssl {
        /// What it said.
        why: String,
    },
    /// What was waited for did not come.
    #[error("waited {limit:?} for {what}; until then: {seen}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
        /// What there was instead.
        seen: String,
    },
}
