//! The server as the outside sees it: one binary, so that it links once.

mod http;
mod journeys;
