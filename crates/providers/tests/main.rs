//! Journeys of the clients against the simulators: real sockets, real TLS, real HTTP/2.
//!
//! Nothing sleeps: a test waits for what the simulator saw, with a time-out that fails.

mod apns;
mod apns_certificate;
mod apns_password;
mod apns_probe;
mod apns_token;
mod apns_trouble;
mod apns_wire;
mod fcm;
mod rig;
mod wire;
