//! The HTTP API over real sockets: every route's happy path, and what it refuses.
//!
//! The server runs inside the test, on a folder of its own; the push services it is told of do not
//! answer.

mod access;
mod apps;
mod audit;
mod calls;
mod console;
mod credentials;
mod cross_origin;
mod deletion;
mod described;
mod doctor;
mod events;
mod explain;
mod fuzz;
mod guides;
mod impostors;
mod inbox;
mod messages;
mod metrics;
mod openapi;
mod outbound_urls;
mod page;
mod paths;
mod push_log;
mod push_targets;
mod pushes;
mod python;
mod reading;
mod rig;
mod sdk;
mod sessions;
mod shape;
mod shell;
mod stage;
mod statistics;
mod steps;
mod strangers;
mod throttle;
mod token_keys;
mod topics;
mod uploads;
mod users;
mod webhooks;
