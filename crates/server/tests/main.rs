//! The server as the outside sees it: one binary, so that it links once.

mod apple;
mod attempts;
mod commands;
mod contrib;
mod fleet;
mod http;
mod journeys;
mod lab;
mod walks;
