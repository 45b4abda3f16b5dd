//! `reveille webhooks listen`: an app's events in the terminal, as a webhook would get them; for who
//! builds a back end and has no URL yet that the server could call.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use wire::http::{Event, Page};

use super::peer::{Peer, PeerArgs};
use super::say::{self, BOLD, DIM};
use crate::config::Environment;

/// How long the server is asked to wait for news: well below what a client waits for an answer.
const WAIT_SECONDS: u32 = 15;

/// Pauses after the server did not answer, the last one again and again.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15)];

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show an app's events as they happen
    Listen(Listen),
}

#[derive(clap::Args)]
struct Listen {
    /// Begin behind the event of this number; 0 shows all that are kept. Without it, what happens
    /// from now on
    #[arg(long, value_name = "NUMBER")]
    after: Option<i64>,
    /// Only events of these types, separated by commas, such as message.offline,push.failed
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    events: Vec<String>,
    /// One JSON object a line, as a webhook gets them
    #[arg(long)]
    json: bool,
    /// End after so many events
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    #[command(flatten)]
    peer: PeerArgs,
}

pub(super) async fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    let Command::Listen(listen) = args.command;
    let peer = listen.peer.resolve(environment)?;
    let shown = Shown { types: listen.events, json: listen.json };
    tokio::select! {
        ended = follow(&peer, listen.after, &shown, listen.count) => ended?,
        pressed = tokio::signal::ctrl_c() => pressed.context("cannot wait for Ctrl-C")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Which events are shown, and how.
struct Shown {
    types: Vec<String>,
    json: bool,
}

async fn follow(
    peer: &Peer,
    after: Option<i64>,
    shown: &Shown,
    count: Option<usize>,
) -> anyhow::Result<()> {
    // The first answer shows what is set up wrong; later ones meet a server that restarts.
    let mut after = match after {
        Some(number) => number,
        None => newest(peer).await?,
    };
    say::remark(format!("events of {} behind number {after}; Ctrl-C ends it", peer.server));
    let (mut left, mut failures) = (count, 0);
    while left != Some(0) {
        let path = format!("/v1/events?after={after}&wait={WAIT_SECONDS}");
        let page: Page<Event> = match peer.server.get(&path, &peer.key).await {
            Ok(page) => page,
            Err(error) => {
                let pause = PAUSES.get(failures).or(PAUSES.last()).copied().unwrap_or_default();
                failures += 1;
                let why = say::plain(&format!("{error:#}"));
                say::remark(format!("{why}; again in {} s", pause.as_secs()));
                tokio::time::sleep(pause).await;
                continue;
            }
        };
        failures = 0;
        for event in page.items {
            after = event.number;
            if !shown.types.is_empty() && !shown.types.contains(&event.r#type) {
                continue;
            }
            say::line(shown.line(&event)?)?;
            left = left.map(|left| left.saturating_sub(1));
            if left == Some(0) {
                break;
            }
        }
    }
    Ok(())
}

/// The number of the newest event there is.
async fn newest(peer: &Peer) -> anyhow::Result<i64> {
    let page: Page<Event> = peer.server.get("/v1/events?after=newest", &peer.key).await?;
    let next = page.next.context("the server does not say where its events end")?;
    next.parse().context("the server says with no number where its events end")
}

impl Shown {
    fn line(&self, event: &Event) -> anyhow::Result<String> {
        if self.json {
            return Ok(serde_json::to_string(event)?);
        }
        let time = event.timestamp.to_zoned_datetime(jiff::tz::TimeZone::system());
        let time = time.strftime("%H:%M:%S");
        let (kind, number) = (say::plain(&event.r#type), event.number);
        let said = say::plain(&said(&event.data));
        Ok(format!("{DIM}{time}  {number:>6}{DIM:#}  {BOLD}{kind}{BOLD:#}  {said}"))
    }
}

/// What an event says, in a line: its fields without quotes, those that are empty left out.
fn said(data: &Value) -> String {
    let Some(fields) = data.as_object() else { return data.to_string() };
    let told = fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}: {text}")
    });
    told.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_or_its_json() {
        let event: Event = serde_json::from_str(
            r#"{"id":"evt_1","number":17,"type":"call.missed","timestamp":"2026-03-01T06:30:00Z",
                "data":{"user":"alice","thread":null,"devices":[{"device":"phone"}]}}"#,
        )
        .unwrap();
        let line = Shown { types: Vec::new(), json: false }.line(&event).unwrap();
        let line = anstream::adapter::strip_str(&line).to_string();
        assert!(
            line.ends_with("17  call.missed  devices: [{\"device\":\"phone\"}], user: alice"),
            "{line}"
        );
        let json = Shown { types: Vec::new(), json: true }.line(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}
