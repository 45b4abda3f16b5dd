//! `reveille explain`: why a push does not arrive, and the one thing to fix.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use wire::http::{Conclusion, DeviceExplained, Explanation, Finding, Record};

use super::peer::{PeerArgs, path_segment};
use super::say::{self, BAD, BOLD, DIM, GOOD, HINT};
use crate::config::Environment;

/// What may keep pushes away, now or soon.
const WARNING: Style = AnsiColor::Yellow.on_default();

#[derive(clap::Args)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// The whole answer as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    peer: PeerArgs,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Subject {
    /// All devices of this user, as they are now
    #[arg(long)]
    user: Option<String>,
    /// This device, as it is now
    #[arg(long)]
    device: Option<String>,
    /// What became of this message, msg_…, and its recipients' devices as they are now
    #[arg(long)]
    message: Option<String>,
}

pub(super) async fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    let peer = args.peer.resolve(environment)?;
    let Subject { user, device, message } = args.subject;
    let given = [("user", user), ("device", device), ("message", message)];
    let asked = given.into_iter().find_map(|(name, value)| Some((name, value?)));
    let (name, value) = asked.unwrap_or_default();
    let path = format!("/v1/explain?{name}={}", path_segment(&value));
    let explanation: Explanation = peer.get(&path).await?;
    if args.json {
        say::line(serde_json::to_string(&explanation)?)?;
    } else {
        say::line(shown(&explanation, &TimeZone::system()).trim_end())?;
    }
    let is_failure = explanation.conclusion.verdict == "failure";
    Ok(if is_failure { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// An explanation as a person reads it.
pub(super) fn shown(explanation: &Explanation, zone: &TimeZone) -> String {
    let Explanation { conclusion, devices, timeline, .. } = explanation;
    let mut text = String::new();
    for record in timeline {
        text.push_str(&step(record, zone));
    }
    if !timeline.is_empty() {
        text.push('\n');
    }
    for device in devices {
        text.push_str(&of_device(device));
        text.push('\n');
    }
    text + &concluded(conclusion)
}

fn step(record: &Record, zone: &TimeZone) -> String {
    let at = record.at.to_zoned_datetime(zone.clone()).strftime("%H:%M:%S%.3f").to_string();
    let device = record
        .device
        .as_deref()
        .map_or_else(String::new, |device| format!("  {DIM}{}{DIM:#}", say::plain(device)));
    let (step, reason) = (say::plain(&record.step), say::plain(&record.reason));
    let code = record.code.map_or_else(String::new, |code| format!(" {code}"));
    format!(
        "{DIM}{at}{DIM:#}  {BOLD}{step} {reason}{code}{BOLD:#}{device}\n              {}\n",
        say::plain(&record.sentence)
    )
}

fn of_device(device: &DeviceExplained) -> String {
    let platform = serde_json::to_value(device.platform).unwrap_or_default();
    let acknowledged = match device.acknowledged {
        Some(true) => ", has acknowledged the message",
        Some(false) => ", has not acknowledged the message",
        None => "",
    };
    let mut text = format!(
        "{BOLD}{}{BOLD:#} of {} ({}){acknowledged}\n",
        say::plain(&device.device),
        say::plain(&device.user),
        platform.as_str().unwrap_or_default(),
    );
    device.findings.iter().for_each(|finding| text.push_str(&found(finding)));
    text
}

fn found(finding: &Finding) -> String {
    let style = style(&finding.verdict);
    let (verdict, rule) = (say::plain(&finding.verdict), say::plain(&finding.rule));
    let mut text = format!(
        "  {style}{verdict:<8}{style:#}{}  {DIM}{rule}{DIM:#}\n",
        say::plain(&finding.text)
    );
    if let Some(remedy) = &finding.remedy {
        text.push_str(&format!("          {HINT}{}{HINT:#}\n", say::plain(remedy)));
    }
    text
}

fn concluded(conclusion: &Conclusion) -> String {
    let style = style(&conclusion.verdict);
    let at = conclusion
        .device
        .as_deref()
        .map_or_else(String::new, |device| format!("{}: ", say::plain(device)));
    let head = if conclusion.rule.is_some() { "to fix" } else { "good" };
    let text = say::plain(&conclusion.text);
    let mut shown = format!("{style}{head}{style:#}  {at}{text}\n");
    if let Some(remedy) = &conclusion.remedy {
        shown.push_str(&format!("{HINT}do{HINT:#}      {}\n", say::plain(remedy)));
    }
    shown
}

/// How a verdict is coloured.
pub(super) fn style(verdict: &str) -> Style {
    match verdict {
        "ok" => GOOD,
        "warning" => WARNING,
        "failure" => BAD,
        _ => DIM,
    }
}
