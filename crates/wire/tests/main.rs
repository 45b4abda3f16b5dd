//! The public shapes, held to their golden files: a change of the wire is a change of a file.

mod client_frames;
mod frames;
mod fuzz;
mod golden;
mod http_answers;
mod http_requests;
mod page;
mod push;
mod pushes;
mod server_frames;
