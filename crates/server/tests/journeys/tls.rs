//! TLS at the server's own door.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sim::pki::{Ca, Identity};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{PATIENCE, SERVER};

/// A folder with a certificate and its key.
pub(crate) struct Files {
    pub(crate) folder: tempfile::TempDir,
    ca: Ca,
}

impl Files {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ca = Ca::generate("Test CA").expect("an authority");
        let files = Self { folder, ca };
        files.renew();
        files
    }

    /// Puts a new certificate and its key there.
    pub(super) fn renew(&self) {
        let identity = self.identity();
        std::fs::write(self.path("cert.pem"), identity.certificate_pem()).expect("written");
        std::fs::write(self.path("key.pem"), identity.key_pem()).expect("written");
    }

    pub(super) fn identity(&self) -> Identity {
        self.ca.server_identity().expect("a certificate")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn connect(&self, address: &str, alpn: &[u8]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.certificate().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TcpStream::connect(address).await.expect("it listens");
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.expect("TLS stands")
    }
}

fn command(files: &Files, more: &[(&str, &Path)]) -> Command {
    let mut command = Command::new(SERVER);
    command
        .args(["serve", "--listen=127.0.0.1:0", "--internal-listen=127.0.0.1:0", "--data-dir"])
        .arg(files.path("data"));
    for (flag, value) in more {
        command.arg(flag).arg(value);
    }
    command.env_clear().current_dir(files.folder.path()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Starts a server; returns it and where it listens, by its own word.
async fn started(files: &Files) -> (Child, String) {
    let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
    let more = [("--tls-certificate-file", cert.as_path()), ("--tls-key-file", key.as_path())];
    let mut server = command(files, &more).spawn().expect("the server runs");
    let mut lines = BufReader::new(server.stderr.take().expect("piped")).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await.expect("a line") {
            if let Some((_, rest)) = line.split_once("listen=") {
                assert!(line.contains("tls=true"), "{line}");
                return rest.split_whitespace().next().expect("an address").to_owned();
            }
        }
        panic!("it ended before it was ready");
    };
    let address = tokio::time::timeout(PATIENCE, ready).await.expect("it is ready in time");
    (server, address)
}

pub(super) async fn answer(stream: &mut TlsStream<TcpStream>, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut head = vec![0; 1_024];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut head)).await;
    let read = read.expect("an answer in time").expect("an answer");
    String::from_utf8_lossy(&head[..read]).into_owned()
}

#[tokio::test]
async fn http_and_websockets_come_through_tls() {
    let files = Files::new();
    let (_server, address) = started(&files).await;

    let mut stream = files.connect(&address, b"http/1.1").await;
    let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let head = answer(&mut stream, request).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");

    let mut stream = files.connect(&address, b"http/1.1").await;
    let request = "GET /v1/connect HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let head = answer(&mut stream, request).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");

    let stream = files.connect(&address, b"h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn plain_http_gets_nowhere_and_keeps_nobody_else_out() {
    let files = Files::new();
    let (_server, address) = started(&files).await;
    let mut plain = TcpStream::connect(&address).await.expect("it listens");
    plain.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("written");
    // It takes part of a handshake and never goes on.
    let mut silent = TcpStream::connect(&address).await.expect("it listens");
    silent.write_all(&[0x16, 0x03, 0x01]).await.expect("written");
    let mut said = Vec::new();
    let read = tokio::time::timeout(PATIENCE, plain.read_to_end(&mut said)).await;
    // An alert or a reset; no HTTP.
    let _gone = read.expect("the server ends it");
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    drop(files.connect(&address, b"http/1.1").await);
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_said() {
    let files = Files::new();
    let other = files.path("other.pem");
    std::fs::write(&other, files.identity().key_pem()).expect("written");
    let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
    let (c, k) = ("--tls-certificate-file", "--tls-key-file");
    let missing = files.path("nothing.pem");
    let cases: [(&[(&str, &Path)], &str); 5] = [
        (&[(c, &cert)], "tls.key_file is not set, and tls.certificate_file is"),
        (&[(c, &missing), (k, &key)], "tls.certificate_file: cannot read"),
        (&[(c, &key), (k, &key)], "key.pem holds no certificate"),
        (&[(c, &cert), (k, &cert)], "cert.pem holds no private key"),
        (&[(c, &cert), (k, &other)], "do not go together"),
    ];
    for (more, words) in cases {
        let ended = tokio::time::timeout(PATIENCE, command(&files, more).output()).await;
        let output = ended.expect("it gives up in time").expect("the server runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{words}: {said}");
        assert!(!said.contains("PRIVATE"), "{said}");
    }
}
