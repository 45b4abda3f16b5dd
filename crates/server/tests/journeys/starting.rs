//! What keeps the server from starting is said in words.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use tokio::process::Command;

use super::{PATIENCE, SERVER};

/// Runs `reveille serve` on a folder until it gives up.
async fn serve(data_dir: &Path, listen: &str) -> Output {
    serve_with(data_dir, listen, "text").await
}

async fn serve_with(data_dir: &Path, listen: &str, log_format: &str) -> Output {
    let server = Command::new(SERVER)
        .args(["serve", "--log-format", log_format, "--listen", listen, "--data-dir"])
        .arg(data_dir)
        .env_clear()
        .env("REVEILLE_INTERNAL_LISTEN", "127.0.0.1:0")
        .current_dir(data_dir)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, server).await;
    output.expect("it gives up in time").expect("the server runs")
}

fn said(output: &Output) -> String {
    assert!(!output.status.success(), "it started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = said(&serve(folder.path(), &address).await);
    assert!(said.contains(&address) && said.contains("listen"), "{said}");
}

#[tokio::test]
async fn the_internal_port_in_use_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    std::fs::write(folder.path().join("reveille.toml"), "").expect("written");
    let mut server = Command::new(SERVER);
    server.args(["serve", "--listen=127.0.0.1:0", "--data-dir=.", "--internal-listen", &address]);
    server.env_clear().current_dir(folder.path()).kill_on_drop(true);
    let output =
        tokio::time::timeout(PATIENCE, server.output()).await.expect("it gives up in time");
    let said = said(&output.expect("the server runs"));
    assert!(said.contains(&address) && said.contains("`internal_listen`"), "{said}");
}

#[tokio::test]
async fn health_says_by_its_exit_code_whether_requests_are_taken() {
    let world = super::world().await;
    let health = async |more: &[&str]| {
        let mut command = Command::new(SERVER);
        command.arg("health").args(more).env_clear().kill_on_drop(true);
        command.current_dir(world.directory());
        let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("in time");
        let output = output.expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).expect("text"))
    };
    assert_eq!(health(&[]).await, (true, "ready\n".to_owned()));
    let url = format!("http://{}", world.address());
    assert_eq!(health(&["--server", &url]).await, (true, "ready\n".to_owned()));
    world.stop().await.expect("it stops");
    let (ready, said) = health(&[]).await;
    assert!(!ready && said.contains("no server answers"), "{said}");
}

#[tokio::test]
async fn a_log_of_objects_says_so_in_an_object() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = said(&serve_with(folder.path(), &address, "json").await);
    let line: serde_json::Value = serde_json::from_str(&said).expect("one object");
    assert_eq!(
        (&line["level"], &line["message"]),
        (&"ERROR".into(), &"the server cannot start".into())
    );
    assert!(line["error"].as_str().is_some_and(|error| error.contains(&address)), "{said}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = rusqlite::Connection::open(folder.path().join("reveille.db")).expect("a file");
    database.pragma_update(None, "user_version", 99).expect("a version");
    database.close().expect("closed");
    let said = said(&serve(folder.path(), "127.0.0.1:0").await);
    assert!(said.contains("schema version 99") && said.contains("newer reveille"), "{said}");
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = store::Store::open(&store::Options::new(folder.path())).expect("a database");
    let said = said(&serve(folder.path(), "127.0.0.1:0").await);
    assert!(said.contains("in use by another reveille"), "{said}");
    first.close();
}
