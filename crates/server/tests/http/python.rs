//! Somebody else's libraries, in the Python that `cargo xtask test` provides.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs a script that reads this from its standard input.
pub(super) fn python(script: &str, asked: &Value) -> Output {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("python/bin/python");
    let mut child = Command::new(&python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{}: {error}; `cargo xtask test` makes this environment", python.display())
        });
    let mut stdin = child.stdin.take().expect("it has one");
    stdin.write_all(asked.to_string().as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}
