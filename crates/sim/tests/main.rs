//! The push services met by faulty clients: raw HTTP/2, no code of the client that they are there to test.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apns;
mod apns_broadcasts;
mod apns_certificates;
mod apns_faults;
mod apns_keys;
mod apns_limits;
mod apns_trouble;
mod client;
mod fcm;
mod fcm_oauth;
mod fcm_targets;
mod fcm_trouble;
mod page;
mod pki;
mod proxy;
mod webpush;
mod webpush_client;
mod webpush_faults;
mod webpush_wire;
mod why;
