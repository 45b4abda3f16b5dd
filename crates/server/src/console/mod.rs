//! The console: pages for whoever runs the server, on the internal address.
//!
//! ```text
//!   browser ─▶ [routes] ─▶ [session: who, CSRF] ─▶ page ─▶ [api] ─▶ the HTTP API, in this process
//!      ▲                                             │
//!      └──────────────── askama templates ◀──────────┘
//! ```
//!
//! The console is a client of the HTTP API: what it shows and does goes through the same routes,
//! checks and audit log as everybody else's, without a socket in between. So there is nothing that
//! it can do and a program cannot, and a refusal reads the same in both.
//!
//! Pages are made here and work without JavaScript; what there is of it makes them lively.

mod api;
mod apps;
pub(crate) mod assets;
mod broadcasts;
mod chart;
mod codes;
mod credentials;
mod deletion;
mod devices;
mod entry;
mod frame;
mod guesses;
mod health;
mod keys;
mod link;
mod overview;
mod password;
mod push_log;
mod records;
pub mod routes;
mod section;
mod session;
mod settings;
mod staying;
mod timeline;
mod upload;
mod users;
mod webhook;
mod webhooks;

pub(crate) use guesses::Guesses;
pub use password::{CODE_FILE, prepare};
pub(crate) use session::is_ours;
