//! SQLite, on disk in a temporary directory.

mod backend;
#[path = "../conformance/mod.rs"]
mod conformance;
mod migrations;
mod restore;
mod silent;
