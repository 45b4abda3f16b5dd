//! The commands at a server that speaks TLS itself, with a certificate that no authority of the
//! system's has signed.

use serde_json::Value;
use sim::world::free_port;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;

use super::rig::{Desk, PATIENCE};

/// A server with an app in a folder of its own.
struct House {
    desk: Desk,
    port: u16,
    _server: Child,
}

impl House {
    async fn start() -> Self {
        let desk = Desk::new();
        let port = free_port().expect("a port").port();
        let file = format!(
            "listen = \"127.0.0.1:{port}\"\ninternal_listen = \"127.0.0.1:0\"\ndata_dir = \"data\"\n\
             tls.certificate_file = \"cert.pem\"\ntls.key_file = \"key.pem\"\n"
        );
        desk.write("reveille.toml", file);
        let identity = desk.ca.server_identity().expect("a certificate");
        desk.write("key.pem", identity.key_pem());
        desk.write("cert.pem", identity.certificate_pem());
        let _made = desk.run(&["init"]).await.is(0);
        let mut server = desk.start(&["serve"]);
        wait_for(&mut server.stderr.take().expect("it is piped"), "listen=").await;
        Self { desk, port, _server: server }
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.port)
    }
}

/// Reads until a line has this.
async fn wait_for(output: &mut (impl AsyncRead + Unpin), wanted: &str) -> String {
    let mut lines = BufReader::new(output).lines();
    let found = async {
        while let Some(line) = lines.next_line().await.expect("text") {
            if line.contains(wanted) {
                return line;
            }
        }
        panic!("it ended without {wanted:?}");
    };
    tokio::time::timeout(PATIENCE, found).await.expect("in time")
}

#[tokio::test]
async fn every_command_speaks_tls_to_the_server_of_its_folder() {
    let house = House::start().await;
    let (desk, url) = (&house.desk, house.url("127.0.0.1"));
    let _ready = desk.run(&["health"]).await.is(0).has("ready");
    let seen = desk.run(&["doctor", "--json"]).await.is(0).json();
    let checks = seen["checks"].as_array().expect("checks");
    let server = checks.iter().find(|check| check["check"] == "server").expect("the server");
    assert_eq!(server["text"], Value::from(format!("It answers at {url}.")));
    assert!(checks.iter().all(|check| check["verdict"] != "failure"), "{seen}");
    assert!(checks.iter().any(|check| check["check"] == "push_log"), "{seen}");

    let mut listen = desk.start(&["listen", "--user", "alice"]);
    let mut remarks = listen.stderr.take().expect("it is piped");
    wait_for(&mut remarks, &format!("listens at {url}")).await;
    let _sent = desk.run(&["send", "--to", "alice", "good morning"]).await.is(0).has("accepted");
    wait_for(&mut listen.stdout.take().expect("it is piped"), "good morning").await;
    let _token = desk.run(&["token", "--user", "bob"]).await.is(0).has("rvl_user_");
    let _known = desk.run(&["explain", "--user", "alice"]).await.has("terminal-");
}

#[tokio::test]
async fn another_certificate_than_its_file_has_is_refused_with_what_to_do() {
    let house = House::start().await;
    let desk = &house.desk;
    let renewed = desk.ca.server_identity().expect("a certificate");
    desk.write("cert.pem", renewed.certificate_pem());
    for line in [&["doctor"][..], &["health"], &["token", "--user", "alice"]] {
        let said = desk.run(line).await.is(1).has("shows another certificate than");
        let _ = said.has("systemctl reload reveille").has_not("rvl_user_");
    }
    // The authority that signed both is no reason to trust either until it is named.
    let _ = desk.run(&["token", "--user", "alice", "--ca", "ca.pem"]).await.is(0);
}

#[tokio::test]
async fn a_server_that_is_named_is_taken_by_the_authorities_that_are_known() {
    let house = House::start().await;
    let (desk, named, own) = (&house.desk, house.url("localhost"), house.url("127.0.0.1"));
    let plain = own.replace("https", "http");
    for (server, more, variables, code, says) in [
        (&named, &[][..], &[][..], 1, "the certificate's authority with --ca"),
        (&named, &["--ca", "ca.pem"], &[], 0, "rvl_user_"),
        (&named, &[], &[("REVEILLE_CA", "ca.pem")], 0, "rvl_user_"),
        (&named, &["--ca", "none.pem"], &[], 1, "--ca: cannot read none.pem"),
        // The server of this folder, in other words.
        (&own, &[], &[], 0, "rvl_user_"),
        (&plain, &[], &[], 1, "write https:// if it speaks TLS itself"),
    ] {
        let line = ["token", "--user", "alice", "--server", server];
        let said = desk.run_with(&[&line, more].concat(), variables).await;
        let _ = said.is(code).has(says);
    }
}
