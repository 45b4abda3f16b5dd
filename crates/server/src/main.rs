//! The binary `reveille`: parse, run, show what went wrong.

use std::process::ExitCode;

use server::cli::{Cli, report};

fn main() -> ExitCode {
    match Cli::of_process().run() {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}
