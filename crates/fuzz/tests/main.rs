//! Whether coverage guides, in a build that counts what code runs.

#[cfg(fuzzing)]
mod fuzz;
