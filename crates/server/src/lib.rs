//! The server: sockets and state around what the other crates decide, keep and send.
//!
//! What it does: takes messages and calls in, delivers them to living sessions, wakes the devices
//! that sleep, settles what the push services answered, and says what was done and why. What it
//! does **not** do: decide (that is `domain`), keep (that is `store`), speak to push services
//! (that is `providers`), or know the public shapes (that is `wire`).
//!
//! ```text
//!  sender ─▶ (1) accept ─▶ store ─▶ (2) route ─▶ (3a) session ─▶ device
//!                                       │
//!                                       └─▶ (3b) wake ─▶ provider ─▶ (4) settle ─▶ (5) report
//!  back end ─▶ pushes: a direct push, the same way from the store on
//! ```
//!
//! A newcomer's walk: [`accept`], [`route`], [`session`], [`wake`], [`report`]. Read first:
//! [`node::Node`], which wires everything; then [`accept::accept`] and [`session::serve`].

pub mod accept;
pub mod attempt;
pub mod broadcast;
pub mod calls;
pub mod circuits;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod credentials;
pub mod deletion;
mod demo;
pub mod dev;
pub mod doctor;
pub mod explain;
pub mod failures;
pub mod from_wire;
pub mod http;
pub mod ids;
pub mod lab;
pub mod logging;
pub mod metrics;
pub mod node;
pub mod offline;
pub mod opaque;
pub mod pushes;
pub mod rates;
pub mod reading;
pub mod relane;
pub mod reload;
pub mod remembered;
pub mod report;
pub mod route;
pub mod seal;
pub mod secret;
pub mod serve;
pub mod session;
pub mod settings;
pub mod statistics;
pub mod steps;
pub mod sweep;
pub mod targets;
pub mod tasks;
pub mod tls;
pub mod to_wire;
pub mod users;
pub mod wake;
pub mod webhooks;
