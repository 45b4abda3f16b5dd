//! What the tests need beyond the Rust toolchain and a C compiler, installed or named.

pub(crate) mod chromium;
pub(crate) mod node;
mod unpacked;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run::answer;
use crate::say;
use crate::workspace::Workspace;

/// A program that the tests call.
struct Need {
    /// How to find out whether it is there: a call that does nothing.
    probe: &'static [&'static str],
    /// The package of Debian and Ubuntu that brings it.
    debian: &'static str,
    /// The Homebrew formula that brings it.
    brew: &'static str,
    /// What the tests want it for.
    why: &'static str,
}

/// Everything the tests need. Add a row rather than a line in a script.
const NEEDS: &[Need] = &[
    Need {
        probe: &["openssl", "version"],
        debian: "openssl",
        brew: "openssl@3",
        why: "tests make PKCS#12 files as Keychain and openssl do, `-legacy` included",
    },
    Need {
        probe: &["python3", "-c", "import ensurepip, venv"],
        debian: "python3-venv",
        brew: "python@3",
        why: "tests have webhooks and the API's description checked by somebody else's libraries",
    },
];

/// Python packages that the tests use, in an environment of their own inside the target folder.
const PYTHON: &[&str] = &["openapi-spec-validator==0.9.0", "standardwebhooks==1.1.0"];

/// Makes sure that everything is there: installs it where that is ours to do, else says how.
///
/// It installs only as root on Debian and Ubuntu, as in a container or in CI. Anywhere else it
/// names the exact command and leaves the machine alone.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    programs()?;
    python(workspace)?;
    unpacked::run(workspace);
    node::run(workspace);
    chromium::run();
    Ok(())
}

/// Makes the Python environment `python` in the target folder, unless it has all it needs.
fn python(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target_dir.join("python");
    let marker = folder.join("reveille-packages");
    let wanted = PYTHON.join("\n");
    if std::fs::read_to_string(&marker).is_ok_and(|has| has == wanted) {
        return Ok(());
    }
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let place = folder.display().to_string();
    install(&owned(&["python3", "-m", "venv", "--clear", &place]))?;
    let pip = folder.join("bin/python").display().to_string();
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    install(&owned(&[&[pip.as_str()], &quiet[..], PYTHON].concat()))?;
    std::fs::write(&marker, wanted).with_context(|| format!("cannot write {}", marker.display()))
}

/// The programs of [`NEEDS`].
fn programs() -> Result<()> {
    let missing: Vec<_> = NEEDS.iter().filter(|need| !is_there(need)).collect();
    for need in &missing {
        say::line(format_args!("    missing: {} ({})", need.probe[0], need.why));
    }
    if missing.is_empty() {
        return Ok(());
    }
    match Remedy::choose(System::here(), &missing) {
        Remedy::Install(calls) => {
            for call in calls {
                say::line(format_args!("    {}", call.join(" ")));
                install(&call)?;
            }
            match missing.iter().find(|need| !is_there(need)) {
                Some(need) => bail!("{} is still missing after the install", need.probe[0]),
                None => Ok(()),
            }
        }
        Remedy::Name(command) => {
            bail!("install what is missing, then run this again:\n\n    {command}\n")
        }
    }
}

/// What kind of system this is, as far as installing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    DebianRoot,
    DebianUser,
    MacOs,
    Other,
}

/// What to do about missing programs.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    /// Run these commands.
    Install(Vec<Vec<String>>),
    /// Tell the reader this command.
    Name(String),
}

impl System {
    fn here() -> Self {
        if cfg!(target_os = "macos") {
            return Self::MacOs;
        }
        if !Path::new("/etc/debian_version").exists() {
            return Self::Other;
        }
        match answer("id", &["-u"]).as_deref() {
            Some("0") => Self::DebianRoot,
            _ => Self::DebianUser,
        }
    }
}

impl Remedy {
    fn choose(system: System, missing: &[&Need]) -> Self {
        let debian: Vec<_> = missing.iter().map(|need| need.debian).collect();
        let brew: Vec<_> = missing.iter().map(|need| need.brew).collect();
        let programs: Vec<_> = missing.iter().map(|need| need.probe[0]).collect();
        match system {
            System::DebianRoot => Self::Install(apt_calls(&debian)),
            System::DebianUser => {
                let calls = apt_calls(&debian);
                let calls: Vec<_> = calls.iter().map(|c| format!("sudo {}", c.join(" "))).collect();
                Self::Name(calls.join(" && "))
            }
            System::MacOs => Self::Name(format!("brew install {}", brew.join(" "))),
            System::Other => Self::Name(format!(
                "(your system's package manager) {}   # Debian's names: {}",
                programs.join(" "),
                debian.join(" ")
            )),
        }
    }
}

fn apt_calls(packages: &[&str]) -> Vec<Vec<String>> {
    let install = ["apt-get", "install", "-y", "--no-install-recommends"];
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    vec![owned(&["apt-get", "update"]), owned(&[&install[..], packages].concat())]
}

fn is_there(need: &Need) -> bool {
    answer(need.probe[0], &need.probe[1..]).is_some()
}

fn install(call: &[String]) -> Result<()> {
    let status = Command::new(&call[0])
        .args(&call[1..])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start `{}`", call.join(" ")))?;
    if !status.success() {
        bail!("`{}` failed ({status})", call.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(system: System) -> Remedy {
        Remedy::choose(system, &NEEDS.iter().collect::<Vec<_>>())
    }

    #[test]
    fn root_on_debian_installs() {
        let Remedy::Install(calls) = remedy(System::DebianRoot) else {
            panic!("root on Debian installs by itself");
        };
        assert_eq!(calls[0], ["apt-get", "update"]);
        assert_eq!(
            calls[1],
            ["apt-get", "install", "-y", "--no-install-recommends", "openssl", "python3-venv"]
        );
    }

    #[test]
    fn everybody_else_is_told_the_command() {
        assert_eq!(
            remedy(System::DebianUser),
            Remedy::Name(
                "sudo apt-get update && sudo apt-get install -y --no-install-recommends openssl python3-venv"
                    .to_owned()
            )
        );
        assert_eq!(
            remedy(System::MacOs),
            Remedy::Name("brew install openssl@3 python@3".to_owned())
        );
    }
}
