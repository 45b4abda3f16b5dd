//! Runs the binary, and reads what it says.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use sim::pki::Ca;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// How long a test waits for anything; generous, the machine may be busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The app everybody has.
pub(super) const APP: &str = "com.example.app";
/// Its Firebase project.
pub(super) const PROJECT: &str = "example-1";

/// The binary this test was built with.
const EXE: &str = env!("CARGO_BIN_EXE_reveille");
/// Whether golden files are to be written instead of compared; for whoever runs the tests.
const UPDATE: bool = option_env!("UPDATE_GOLDEN").is_some();

/// A folder to run commands in, with the certificate authority of the simulators in `ca.pem`.
pub(super) struct Desk {
    pub(super) ca: Ca,
    folder: TempDir,
}

/// What a command said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Desk {
    /// A new one.
    pub(super) fn new() -> Self {
        let desk = Self { ca: Ca::generate("Test").expect("an authority"), folder: folder() };
        desk.write("ca.pem", desk.ca.pem());
        desk
    }

    /// Puts a file there.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("it can be written");
        path
    }

    /// Runs a command line there.
    pub(super) async fn run(&self, line: &[&str]) -> Said {
        self.run_with(line, &[]).await
    }

    /// Runs a command line there that reads this from its standard input.
    pub(super) async fn run_on(&self, line: &[&str], input: &[u8]) -> Said {
        let mut child = self.command(line, &[]).stdin(Stdio::piped()).spawn().expect("it runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input).await.expect("it reads");
        drop(stdin);
        said(child.wait_with_output()).await
    }

    /// Runs a command line there with these variables.
    pub(super) async fn run_with(&self, line: &[&str], variables: &[(&str, &str)]) -> Said {
        said(self.command(line, variables).output()).await
    }

    /// Starts a command line there, which ends with the returned process.
    pub(super) fn start(&self, line: &[&str]) -> Child {
        self.command(line, &[]).spawn().expect("it runs")
    }

    fn command(&self, line: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(EXE);
        command.args(line).current_dir(self.folder.path());
        command.env_clear().envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }
}

async fn said(ended: impl Future<Output = std::io::Result<Output>>) -> Said {
    let output = tokio::time::timeout(PATIENCE, ended).await;
    let output = output.expect("it ends in time").expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    Said { code: output.status.code().expect("it was not killed"), out, err }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

impl Said {
    /// Fails unless the command ended so.
    #[track_caller]
    pub(super) fn is(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    /// Fails unless it said this.
    #[track_caller]
    pub(super) fn has(self, text: &str) -> Self {
        assert!(self.out.contains(text) || self.err.contains(text), "no {text:?} in\n{self}");
        self
    }

    /// Fails if it said this.
    #[track_caller]
    pub(super) fn has_not(self, text: &str) -> Self {
        assert!(!self.out.contains(text) && !self.err.contains(text), "{text:?} in\n{self}");
        self
    }

    /// The JSON on its standard output: one line.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self}");
        serde_json::from_str(&self.out).expect("JSON")
    }

    /// Fails unless its standard output is the golden file, once what differs between two runs is
    /// replaced: texts by other texts, and what follows a label up to the next space or line.
    #[track_caller]
    pub(super) fn is_golden(&self, name: &str, replaced: &[(&str, &str)], labels: &[&str]) {
        let mut text = self.out.clone();
        for (from, to) in replaced {
            assert!(text.contains(from), "no {from:?} in\n{self}");
            text = text.replace(from, to);
        }
        for label in labels {
            text = blanked(&text, label);
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(name);
        if UPDATE {
            std::fs::write(&path, &text).expect("the golden file can be written");
        }
        let golden = std::fs::read_to_string(&path).expect("the golden file is there");
        assert_eq!(text, golden, "{name}; UPDATE_GOLDEN=1 writes it anew");
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.out, self.err)
    }
}

/// The text with what follows each `label` replaced.
#[track_caller]
fn blanked(text: &str, label: &str) -> String {
    let mut parts = text.split(label);
    let mut blanked = parts.next().expect("one at least").to_owned();
    let mut found = false;
    for part in parts {
        found = true;
        let end = part.find([' ', '\n', '"', ',']).unwrap_or(part.len());
        blanked.push_str(label);
        blanked.push('*');
        blanked.push_str(&part[end..]);
    }
    assert!(found, "no {label:?} in\n{text}");
    blanked
}

/// What a token is shown as.
pub(super) fn hash(token: &str) -> String {
    format!("sha256:{}", server::secret::token_hash(token))
}
