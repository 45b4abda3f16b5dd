//! The server as a child process: started, killed, stopped and started again on its own port.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::options::Output;

/// How long a start may take. Building nothing, opening one file: far less on any machine.
pub(super) const READY: Duration = Duration::from_secs(30);
/// How long a graceful stop may take.
const STOP: Duration = Duration::from_secs(30);
/// Between two looks at a server that is about to come up.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// Ports to choose from. They are below what the systems hand out to clients (from 32768 on Linux,
/// 49152 on macOS): a phone that connects to the port of a dead server could otherwise be given
/// that very port as its own, reach itself, and keep the server from coming back.
const PORTS: std::ops::Range<u16> = 15_000..30_000;

/// A port of 127.0.0.1 that nobody listens on.
///
/// # Errors
/// When none is found.
pub fn free_port() -> Result<SocketAddr> {
    for _ in 0..100 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rand::random_range(PORTS)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port of {PORTS:?} is free on 127.0.0.1; end what listens there")
}

/// The server's process and what it takes to start it.
#[derive(Debug)]
pub(super) struct Server {
    exe: PathBuf,
    config: PathBuf,
    pub(super) log: PathBuf,
    output: Output,
    child: Option<Child>,
}

impl Server {
    /// A server that does not run yet.
    pub(super) fn new(exe: &Path, directory: &Path, config: PathBuf, output: Output) -> Self {
        let log = directory.join("server.log");
        Self { exe: exe.to_owned(), config, log, output, child: None }
    }

    /// Starts the process without waiting until it is ready.
    pub(super) fn spawn(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("the server runs already; kill or stop it first");
        }
        let mut command = Command::new(&self.exe);
        command.arg("serve").arg("--config").arg(&self.config).kill_on_drop(true);
        // The surroundings of whoever runs the tests must not configure the server.
        command.env_clear().env("RUST_BACKTRACE", "1").stdin(Stdio::null());
        match self.output {
            Output::File => {
                let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
                command.stdout(File::try_clone(&log)?).stderr(log);
            }
            Output::Inherited => {}
        }
        let child = command
            .spawn()
            .with_context(|| format!("could not start the server {}", self.exe.display()))?;
        self.child = Some(child);
        Ok(())
    }

    /// Says whether the process was started and still runs.
    pub(super) fn check(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else { bail!("the server does not run") };
        if let Some(status) = child.try_wait()? {
            self.child = None;
            bail!("the server ended with {status}:\n{}", self.tail());
        }
        Ok(())
    }

    /// Runs one of the binary's commands with the server's configuration, to its end.
    pub(super) async fn command(&self, arguments: &[&OsStr]) -> Result<()> {
        let mut command = Command::new(&self.exe);
        command.args(arguments).arg("--config").arg(&self.config).kill_on_drop(true);
        let output = command.env_clear().stdin(Stdio::null()).output().await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{arguments:?} ended with {}: {said}", output.status);
        }
        Ok(())
    }

    /// The process's id while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// SIGKILL, and waits until the process is gone. The process gets no chance to do anything.
    pub(super) async fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().await.context("could not kill the server")
    }

    /// SIGTERM, and waits until the process has ended by itself.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let Some(pid) = child.id() else { return Ok(()) };
        signal("TERM", pid).await?;
        match tokio::time::timeout(STOP, child.wait()).await {
            Ok(status) => {
                let status = status?;
                if !status.success() {
                    bail!("the server ended with {status} after SIGTERM:\n{}", self.tail());
                }
                Ok(())
            }
            Err(_) => bail!("the server did not end within {STOP:?} after SIGTERM"),
        }
    }

    /// SIGHUP, and waits until the log says what became of it: its lines from there on.
    pub(super) async fn reload(&self) -> Result<String> {
        let Some(pid) = self.pid() else { bail!("the server does not run") };
        let before = log(&self.log).len();
        signal("HUP", pid).await?;
        let until = Instant::now() + READY;
        loop {
            let log = log(&self.log);
            let new = log.get(before..).unwrap_or_default();
            let told = ["was read anew", "the configuration cannot be used"];
            if told.iter().any(|words| new.contains(words)) {
                return Ok(new.to_owned());
            }
            if Instant::now() >= until {
                bail!("the server said nothing within {READY:?} of SIGHUP:\n{}", self.tail());
            }
            sleep(LOOK).await;
        }
    }

    /// The end of the log, for an error's text.
    pub(super) fn tail(&self) -> String {
        let log = log(&self.log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

/// The shell's own `kill`: a signal needs either unsafe code or a program that a small system may
/// lack.
async fn signal(name: &str, pid: u32) -> Result<()> {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().await?;
    if !sent.success() {
        bail!("could not send SIG{name} to the server: {sent}");
    }
    Ok(())
}

/// What the server wrote to its file, over all starts.
pub(super) fn log(file: &Path) -> String {
    std::fs::read(file)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
