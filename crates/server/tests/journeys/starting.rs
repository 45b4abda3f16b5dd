//! What keeps the server from starting is said in words.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use super::SERVER;

/// Runs `reveille serve` on a folder until it gives up.
fn serve(data_dir: &Path, listen: &str) -> Output {
    Command::new(SERVER)
        .args(["serve", "--listen", listen, "--data-dir"])
        .arg(data_dir)
        .env_clear()
        .current_dir(data_dir)
        .output()
        .expect("the server runs")
}

fn said(output: &Output) -> String {
    assert!(!output.status.success(), "it started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = said(&serve(folder.path(), &address));
    assert!(said.contains(&address) && said.contains("listen"), "{said}");
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    store::Store::open(&store::Options::new(folder.path())).expect("a database").close();
    let database = folder.path().join("reveille.db");
    // Bytes 60 to 63 of the header are `user_version`, big end first (SQLite's file format, 1.3).
    let mut bytes = std::fs::read(&database).expect("the file");
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&database, bytes).expect("written");
    let said = said(&serve(folder.path(), "127.0.0.1:0"));
    assert!(said.contains("schema version 99") && said.contains("newer reveille"), "{said}");
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = store::Store::open(&store::Options::new(folder.path())).expect("a database");
    let said = said(&serve(folder.path(), "127.0.0.1:0"));
    assert!(said.contains("in use by another reveille"), "{said}");
    first.close();
}
