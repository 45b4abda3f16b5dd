//! Journeys of the clients against the simulators: real sockets, real TLS, real HTTP.
//!
//! Nothing sleeps: a test waits for what the simulator saw, with a time-out that fails.

mod apns;
mod apns_certificate;
mod apns_password;
mod apns_probe;
mod apns_token;
mod apns_trouble;
mod apns_wire;
mod dry_run;
mod fcm;
mod fcm_account;
mod fcm_forms;
mod guard;
mod inside;
mod limits;
mod names;
mod proxy;
mod proxy_server;
mod rig;
mod webpush;
mod webpush_service;
mod webpush_vendors;
mod wire;
