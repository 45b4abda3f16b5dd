//! `reveille doctor`: whether all is as it should be, and whether a user is reached.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use domain::explain::Verdict;
use serde_json::json;
use store::backup;
use wire::http::{Check, Examination, Explanation, MessageAccepted};

use super::backup::master_key;
use super::client::ServerAddress;
use super::explain::{shown, style};
use super::flags::{OptionFlags, config_file};
use super::peer::{PeerArgs, path_segment};
use super::say::{self, Advice, BOLD, DIM, GOOD, HINT};
use super::token::seconds;
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::doctor::{Checked, sentence};
use crate::seal::rotate::MASTER_KEY_NOTE;
use crate::secret::{ADMIN_KEY_FILE, KeyKind, load_key};
use crate::to_wire;

/// How often it is looked whether a test has arrived.
const LOOK: Duration = Duration::from_millis(250);

/// How long a test message waits for its device.
const TEST_TTL: u32 = 600;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Send this user a test message and wait until a device of theirs has acknowledged it
    #[arg(long)]
    user: Option<String>,
    /// How long to wait for that: a number with s, m, h or d
    #[arg(long, default_value = "60s", value_parser = seconds, requires = "user")]
    wait: u32,
    /// One JSON object on one line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    peer: PeerArgs,
}

pub(super) async fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    match args.user {
        Some(user) => {
            let wait = Duration::from_secs(args.wait.into());
            test(args.peer, environment, &user, wait, args.json).await
        }
        None => examine(&args.peer, environment, args.json).await,
    }
}

/// Looks at everything; fails if anything does.
async fn examine(
    peer: &PeerArgs,
    environment: &Environment,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let mut checks = Vec::new();
    let file = peer.server().config().cloned();
    if let Some(config) = configuration(file, environment, &mut checks) {
        folder(&config, &mut checks);
        checks.extend(by_server(&config, peer.server().find(environment)).await);
    }
    let failed = checks.iter().any(|check| check.verdict == Verdict::Failure.as_str());
    if json {
        let at = to_wire::time(Clock::system().now());
        say::line(serde_json::to_string(&Examination { at, checks })?)?;
    } else {
        checks.iter().try_for_each(|check| say::line(line(check)))?;
        say::line(summary(&checks))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn failed(checked: Checked, text: String, remedy: &str) -> Check {
    checked.found(Verdict::Failure, text, Some(remedy.to_owned()))
}

fn configuration(
    file: Option<PathBuf>,
    environment: &Environment,
    checks: &mut Vec<Check>,
) -> Option<Config> {
    let resolved = config_file(file, environment).and_then(|file| {
        let shown = file.as_deref().map(|file| file.display().to_string());
        let config = OptionFlags::default().read(file, environment)?.resolve()?;
        anyhow::Ok((config, shown))
    });
    match resolved {
        Ok((config, file)) => {
            let text = file.map_or_else(
                || "Every option is understood; there is no file here.".to_owned(),
                |file| format!("Every option is understood ({file})."),
            );
            checks.push(Checked::Configuration.ok(text));
            Some(config)
        }
        Err(error) => {
            let remedy = "Correct it; `reveille config check` and `config explain` help.";
            checks.push(failed(Checked::Configuration, format!("{error:#}."), remedy));
            None
        }
    }
}

/// The data folder, the database and the key, whether or not a server runs on them.
fn folder(config: &Config, checks: &mut Vec<Check>) {
    let folder = config.data_dir.display();
    let admin_key = config.data_dir.join(ADMIN_KEY_FILE);
    checks.push(match load_key(&admin_key, KeyKind::Admin) {
        Ok(_) => Checked::DataFolder.ok(format!("{folder} and the admin key in it can be read.")),
        Err(error) => failed(
            Checked::DataFolder,
            format!("{error}."),
            "Run this as the server's user, where reveille.toml lies; a server makes its folder at its first start.",
        ),
    });
    let database = config.data_dir.join(backup::DATABASE_FILE);
    checks.push(match backup::look(&database) {
        Ok(looked) => Checked::Database.ok(format!(
            "Its schema has version {}, and it is whole ({} MiB).",
            looked.schema,
            looked.bytes.div_ceil(1 << 20)
        )),
        Err(error) => failed(
            Checked::Database,
            format!("{error}."),
            "If it is damaged, stop the server, keep the file, and bring back a backup: `reveille restore`.",
        ),
    });
    let sealed = backup::note(&database, MASTER_KEY_NOTE);
    let opened = master_key(config).and_then(|key| Ok((key, sealed?)));
    checks.push(match opened {
        Ok((Some(key), Some(sealed))) if key.open(MASTER_KEY_NOTE, &sealed).is_ok() => {
            let text = format!("The master key {} opens what is sealed.", key.fingerprint());
            Checked::MasterKey.ok(text)
        }
        Ok((Some(key), Some(_))) => failed(
            Checked::MasterKey,
            format!("The master key {} is not the one that sealed this database.", key.fingerprint()),
            "Put the right one in place: master.key in the data folder, or REVEILLE_MASTER_KEY.",
        ),
        Ok((None, _)) => failed(
            Checked::MasterKey,
            "There is no master key.".to_owned(),
            "Bring back the copy that you keep elsewhere; without it credentials must be uploaded again.",
        ),
        Ok((Some(_), None)) => {
            let text = "Nothing was sealed yet; the first start of the server does.";
            Checked::MasterKey.found(Verdict::Note, text, None)
        }
        Err(error) => failed(Checked::MasterKey, format!("{error:#}."), "See the database's check."),
    });
}

/// What the running server sees.
async fn by_server(config: &Config, server: anyhow::Result<ServerAddress>) -> Vec<Check> {
    let asked = async {
        let server = server?;
        let key = load_key(&config.data_dir.join(ADMIN_KEY_FILE), KeyKind::Admin)?;
        let seen: Examination = server.get("/v1/doctor", &key).await?;
        anyhow::Ok((server, seen))
    };
    match asked.await {
        Ok((server, seen)) => {
            let answers = Checked::Server.ok(format!("It answers at {server}."));
            std::iter::once(answers).chain(seen.checks).collect()
        }
        Err(error) => {
            let text =
                format!("{error:#}; credentials, push services and webhooks were not looked at.");
            let remedy = error.downcast_ref::<Advice>().map_or(
                "Look into the server's log, or name another server with --server.",
                Advice::hint,
            );
            vec![failed(Checked::Server, text, &sentence(remedy))]
        }
    }
}

fn line(check: &Check) -> String {
    let style = style(&check.verdict);
    let (verdict, name) = (say::plain(&check.verdict), say::plain(&check.check));
    let about = check
        .about
        .as_deref()
        .map_or_else(String::new, |about| format!("{DIM}{}{DIM:#}  ", say::plain(about)));
    let text = say::plain(&check.text);
    let mut line = format!("{style}{verdict:<8}{style:#}{BOLD}{name:<14}{BOLD:#}{about}{text}");
    if let Some(remedy) = &check.remedy {
        line.push_str(&format!("\n{:22}{HINT}{}{HINT:#}", "", say::plain(remedy)));
    }
    line
}

fn summary(checks: &[Check]) -> String {
    let count =
        |verdict: Verdict| checks.iter().filter(|check| check.verdict == verdict.as_str()).count();
    let (failures, warnings) = (count(Verdict::Failure), count(Verdict::Warning));
    let style = match (failures, warnings) {
        (0, 0) => GOOD,
        (0, _) => style("warning"),
        (_, _) => style("failure"),
    };
    format!("\n{style}{} checks, {warnings} warnings, {failures} failures{style:#}", checks.len())
}

/// Sends a test the way of every message, and waits for a device's own acknowledgement.
async fn test(
    peer: PeerArgs,
    environment: &Environment,
    user: &str,
    wait: Duration,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let peer = peer.resolve(environment)?;
    let message = json!({
        "to": [user],
        "body": { "type": "reveille.test" },
        "ttl": TEST_TTL,
        "push": { "title": "Test", "body": "This is a test of your notifications." },
    });
    let sent: MessageAccepted = peer.post("/v1/messages", &message).await?;
    if !json {
        say::remark(format!("sent {} to {}; waiting for a device", sent.id, say::plain(user)));
    }
    let clock = Clock::system().stopwatch();
    let path = format!("/v1/explain?message={}", path_segment(&sent.id));
    let explanation: Explanation = loop {
        let explanation: Explanation = peer.get(&path).await?;
        if arrived(&explanation) || clock.elapsed() >= wait {
            break explanation;
        }
        tokio::time::sleep(LOOK).await;
    };
    if json {
        say::line(serde_json::to_string(&explanation)?)?;
    } else {
        say::line(shown(&explanation, &jiff::tz::TimeZone::system()).trim_end())?;
    }
    if arrived(&explanation) {
        if !json {
            say::line(format!("{GOOD}acknowledged{GOOD:#} by a device of {}", say::plain(user)))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !json {
        say::line(format!("no device has acknowledged it within {} s", wait.as_secs()))?;
    }
    Ok(ExitCode::FAILURE)
}

fn arrived(explanation: &Explanation) -> bool {
    explanation.devices.iter().any(|device| device.acknowledged == Some(true))
}
