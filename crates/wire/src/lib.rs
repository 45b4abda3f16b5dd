//! The public shapes of Reveille: what goes over the wire, and nothing else.
//!
//! What it does: names every field of every frame, HTTP body and push payload, parses the ones
//! that come in and writes the ones that go out. What it does **not** do: no decisions, no
//! defaults that depend on settings, no database rows; it imports nothing of ours.
//!
//! ```text
//!   app ──▶ [client frames] ──▶ server ──▶ [server frames] ──▶ app
//!   back end ──▶ [http bodies] ──▶ server ──▶ [push payload] ──▶ phone's push handler
//! ```
//!
//! Every shape has a golden file under `goldens/`: a change of the wire is a change of a file.
//!
//! Read first: [`ClientFrame`], [`ServerFrame`], [`push::Payload`].

mod client;
mod close;
mod frame;
pub mod http;
pub mod limits;
mod position;
mod problem;
pub mod push;
mod schema;
mod server;

pub use client::*;
pub use close::CloseCode;
pub use frame::{FrameError, shortened};
pub use position::{HeldPosition, Position};
pub use problem::Problem;
pub use server::*;

/// The WebSocket sub-protocol a client asks for, and gets.
pub const SUBPROTOCOL: &str = "reveille.v1";

/// The path of the WebSocket.
pub const CONNECT_PATH: &str = "/v1/connect";
