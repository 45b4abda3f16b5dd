//! `nghttpd`, the HTTP/2 server of the nghttp2 project, as the push service.
//!
//! It answers a POST to a file that exists with 200, so every push's path is an empty file.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use providers::apns::{Push, encode};
use sim::pki::Identity;
use tempfile::TempDir;
use tokio::net::TcpStream;

/// Where it is: on the path, or where Debian puts it, which is on root's path only.
const PROGRAMS: [&str; 2] = ["nghttpd", "/usr/sbin/nghttpd"];

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running `nghttpd`, killed when dropped.
pub(super) struct Nghttpd {
    /// Where it listens.
    pub(super) port: u16,
    /// What it says of itself.
    pub(super) version: String,
    child: Child,
    /// Its certificate and the files it serves.
    _dir: TempDir,
}

impl Nghttpd {
    /// Starts one with one worker thread that answers these pushes; `None` if there is none on
    /// this machine.
    ///
    /// # Errors
    ///
    /// When there is one and it does not serve.
    pub(super) async fn start(
        identity: &Identity,
        streams: u32,
        pushes: &[Push],
    ) -> Result<Option<Self>> {
        let Some((program, version)) = PROGRAMS.into_iter().find_map(version_of) else {
            return Ok(None);
        };
        let dir = TempDir::new()?;
        let (key, certificate) = (dir.path().join("key.pem"), dir.path().join("cert.pem"));
        fs::write(&key, identity.key_pem())?;
        fs::write(&certificate, identity.certificate_pem())?;
        let files = dir.path().join("files");
        fs::create_dir_all(files.join("3/device"))?;
        for push in pushes {
            let path = String::from_utf8(encode(push)?.path.to_vec())?;
            fs::write(files.join(path.trim_start_matches('/')), "")?;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let child = Command::new(program)
            .args(["--address=127.0.0.1", "--workers=1"])
            .arg(format!("--max-concurrent-streams={streams}"))
            .arg(format!("--htdocs={}", files.display()))
            .arg(port.to_string())
            .args([&key, &certificate])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let mut nghttpd = Self { port, version, child, _dir: dir };
        tokio::time::timeout(PATIENCE, nghttpd.listens())
            .await
            .with_context(|| format!("{program} does not listen on port {port}"))??;
        Ok(Some(nghttpd))
    }

    async fn listens(&mut self) -> Result<()> {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("nghttpd ended with {status}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Nghttpd {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after this.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn version_of(program: &'static str) -> Option<(&'static str, String)> {
    let answer = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    Some((program, text.lines().next()?.trim().to_owned()))
}
