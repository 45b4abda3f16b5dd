//! SIGHUP: what can change changes, and what cannot is said.

use std::path::Path;
use std::process::Stdio;

use sim::phone::Platform;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio_rustls::client::TlsStream;

use super::tls::{Files, answer};
use super::{PATIENCE, SERVER, world};

/// A server whose configuration is a file.
struct Server {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    address: String,
}

const ALIVE: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

impl Server {
    async fn start(folder: &Path, config: &str) -> Self {
        let file = folder.join("reveille.toml");
        std::fs::write(&file, config).expect("written");
        let mut command = Command::new(SERVER);
        command.arg("serve").arg("--config").arg(&file).env_clear().kill_on_drop(true);
        command.env("REVEILLE_INTERNAL_LISTEN", "127.0.0.1:0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server runs");
        let log = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut server = Self { child, log, address: String::new() };
        let ready = server.line("listen=").await;
        let (_, rest) = ready.split_once("listen=").expect("it says where it listens");
        server.address = rest.split_whitespace().next().expect("an address").to_owned();
        server
    }

    /// The next line of the log with these words in it; those before it are passed over.
    async fn line(&mut self, words: &str) -> String {
        let found = async {
            while let Some(line) = self.log.next_line().await.expect("a line") {
                if line.contains(words) {
                    return line;
                }
            }
            panic!("it ended without: {words}");
        };
        tokio::time::timeout(PATIENCE, found).await.expect("a line in time")
    }

    /// Sends SIGHUP.
    async fn hang_up(&self) {
        let pid = self.child.id().expect("it runs");
        let sent = Command::new("sh").arg("-c").arg(format!("kill -HUP {pid}")).status().await;
        assert!(sent.expect("a shell").success());
    }

    /// Sends SIGHUP; the line that the log has next of all.
    async fn reload(&mut self) -> String {
        self.hang_up().await;
        self.line("").await
    }
}

/// The certificate that the server showed.
fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let chain = stream.get_ref().1.peer_certificates().expect("it showed one");
    chain[0].as_ref().to_vec()
}

#[tokio::test]
async fn a_new_certificate_is_taken_and_one_that_is_no_good_is_left() {
    let files = Files::new();
    let config = "data_dir = \"data\"\nlisten = \"127.0.0.1:0\"\n[tls]\n\
        certificate_file = \"cert.pem\"\nkey_file = \"key.pem\"\n";
    let mut server = Server::start(files.folder.path(), config).await;
    let address = server.address.clone();
    let mut old = files.connect(&address, b"http/1.1").await;
    assert!(answer(&mut old, ALIVE).await.starts_with("HTTP/1.1 200"));

    let said = server.reload().await;
    assert!(said.contains("INFO") && said.contains("new_certificate=false"), "{said}");
    files.renew();
    let said = server.reload().await;
    assert!(said.contains("INFO") && said.contains("new_certificate=true"), "{said}");
    let new = shown(&files.connect(&address, b"http/1.1").await);
    assert_ne!(new, shown(&old));
    // Whoever was there before has lost nothing.
    assert!(answer(&mut old, ALIVE).await.starts_with("HTTP/1.1 200"));

    for (file, text) in [
        ("cert.pem", "no certificate".to_owned()),
        ("key.pem", files.identity().key_pem().to_owned()),
        ("key.pem", String::new()),
    ] {
        files.renew();
        std::fs::write(files.path(file), text).expect("written");
        let said = server.reload().await;
        let refused = said.contains("ERROR") && said.contains("the old one stays");
        assert!(refused && said.contains(file) || said.contains("do not go together"), "{said}");
        assert!(!said.contains("PRIVATE"), "{said}");
        assert!(server.line("").await.contains("was read anew"));
        assert_eq!(shown(&files.connect(&address, b"h2").await), new, "{said}");
    }
    files.renew();
    assert!(server.reload().await.contains("new_certificate=true"));
    assert_ne!(shown(&files.connect(&address, b"h2").await), new);
}

#[tokio::test]
async fn what_takes_a_restart_is_named_until_there_is_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let write = |text: &str| std::fs::write(path.join("reveille.toml"), text).expect("written");
    let first = "data_dir = \"data\"\nlisten = \"127.0.0.1:0\"\n";
    let mut server = Server::start(path, first).await;

    let told =
        "options=\"listen, tls.certificate_file, tls.key_file, outbound.proxy_url, store.batch\"";
    write(
        "data_dir = \"data\"\nlisten = \"127.0.0.1:1\"\ntls.certificate_file = \"a.pem\"\n\
         tls.key_file = \"b.pem\"\nstore.batch = 7\nsession.ping_interval_ms = 9000\n\
         outbound.proxy_url = \"http://me:hidden@proxy.example\"\n",
    );
    for changed in ["changed=\"session.ping_interval_ms\"", "changed=\"\""] {
        let said = server.reload().await;
        assert!(said.contains("was read anew") && said.contains(changed), "{said}");
        let said = server.line("").await;
        assert!(said.contains("WARN") && said.contains(told), "{said}");
        assert!(!said.contains("hidden"), "{said}");
    }

    write("listen = 1\nstore.batches = 7\nlog.level = \"off\"\n");
    let said = server.reload().await;
    assert!(said.contains("ERROR") && said.contains("all stays as it was"), "{said}");
    assert!(said.contains("listen is a number") && said.contains("store.batches"), "{said}");
    write("[[[");
    assert!(server.reload().await.contains("reveille.toml:1"));
    std::fs::remove_file(path.join("reveille.toml")).expect("removed");
    assert!(server.reload().await.contains("cannot read the configuration file"));

    write(first);
    let said = server.reload().await;
    assert!(said.contains("changed=\"session.ping_interval_ms\""), "{said}");
    write("data_dir = \"data\"\nlisten = \"127.0.0.1:0\"\nlog.level = \"debug\"\n");
    let said = server.reload().await;
    assert!(said.contains("changed=\"log.level\""), "no more about restarts: {said}");
}

#[tokio::test]
async fn the_log_says_more_and_less() {
    let files = Files::new();
    let config = |level: &str| {
        format!(
            "data_dir = \"data\"\nlisten = \"127.0.0.1:0\"\nlog.level = \"{level}\"\n[tls]\n\
             certificate_file = \"cert.pem\"\nkey_file = \"key.pem\"\n"
        )
    };
    let mut server = Server::start(files.folder.path(), &config("info")).await;
    let write = |level: &str| {
        std::fs::write(files.path("reveille.toml"), config(level)).expect("written");
    };
    // A decision of each connection, told at the level `debug`.
    let refuse = async |address: String| {
        let mut plain = TcpStream::connect(address).await.expect("it listens");
        let mut said = Vec::new();
        tokio::io::AsyncWriteExt::write_all(&mut plain, ALIVE.as_bytes()).await.expect("written");
        let read = tokio::io::AsyncReadExt::read_to_end(&mut plain, &mut said);
        // An alert or a reset.
        let _gone = tokio::time::timeout(PATIENCE, read).await.expect("it is ended");
    };
    refuse(server.address.clone()).await;
    write("debug");
    assert!(server.reload().await.contains("changed=\"log.level\""));
    refuse(server.address.clone()).await;
    assert!(server.line("").await.contains("a TLS handshake failed"));
    write("warn");
    assert!(server.reload().await.contains("changed=\"log.level\""), "told before it is silent");
    refuse(server.address.clone()).await;
    write("info");
    assert!(server.reload().await.contains("changed=\"log.level\""));
}

#[tokio::test]
async fn rates_go_by_what_was_read_anew() {
    let world = world().await;
    world.user_token("bob", None).await.expect("a user");
    let before = world.phone("alice", Platform::Android, "before").await.expect("a phone");
    before.launch().await.expect("it connects");
    before.send("bob", "one").await.expect("accepted");
    before.send("bob", "two").await.expect("accepted");
    let said = world.reload(|config| format!("{config}\n[rate]\nmessages_per_minute = 1\n")).await;
    let said = said.expect("a reload");
    assert!(said.contains("changed=\"rate.messages_per_minute\""), "{said}");
    let refused = before.send("bob", "three").await.expect_err("too many").to_string();
    assert!(refused.contains("1 messages a minute"), "{refused}");
    let said = world.reload(|config| format!("{config}\n[push_log]\nretention_days = 3\n"));
    assert!(said.await.expect("a reload").contains("changed=\"push_log.retention_days\""));
    world.stop().await.expect("it stops in good order");
}
