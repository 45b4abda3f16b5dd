//! The commands of the binary as people run them: as a child process, over real sockets.

mod doctor;
mod lost_key;
mod push_apns;
mod push_fcm;
mod push_stored;
mod push_usage;
mod push_webpush;
mod rig;
mod tls;
