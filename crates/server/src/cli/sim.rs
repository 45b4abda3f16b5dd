//! `reveille sim`: the simulated push services as a program of their own.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anstyle::Style;
use anyhow::Context;
use sim::stand::{Stand, StandOptions};
use tokio_util::sync::CancellationToken;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    options: StandOptions,
}

/// Runs until Ctrl-C. What people read goes to standard error, as the log may go to standard
/// output.
pub(super) async fn run(Args { options }: Args) -> anyhow::Result<ExitCode> {
    // Before anything is listening, so that no early Ctrl-C is lost.
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let log = options.log.as_deref().map(open).transpose()?;
    let stand = Stand::start(&options).await?;
    introduce(&stand);
    let stop = CancellationToken::new();
    let running = async {
        match log {
            None => stand.run(std::io::stdout(), stop.clone()).await,
            Some(file) => stand.run(file, stop.clone()).await,
        }
    };
    let mut running = std::pin::pin!(running);
    tokio::select! {
        ended = &mut running => ended?,
        interrupted = &mut interrupt => {
            interrupted.context("could not wait for Ctrl-C")?;
            stop.cancel();
            running.await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new().append(true).create(true).open(path).with_context(|| {
        format!("could not open the log {}; give another with --log", path.display())
    })
}

fn introduce(stand: &Stand) {
    let started = stand.started();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let files = &started["files"];
    anstream::eprintln!("{BOLD}reveille sim{BOLD:#}: simulated push services; Ctrl-C ends them\n");
    for (name, value) in [
        ("APNs production", &started["apns"]),
        ("APNs sandbox", &started["apns_sandbox"]),
        ("FCM", &started["fcm"]),
        ("FCM tokens", &started["fcm_token_url"]),
        ("Web Push", &started["webpush"]),
        ("trouble", &started["control"]),
        ("CA to trust", &files["ca"]),
        ("APNs key", &files["apns_key"]),
        ("  key id", &files["apns_key_id"]),
        ("  team id", &files["apns_team_id"]),
        ("APNs certificate", &files["apns_certificate"]),
        ("service account", &files["service_account"]),
        ("subscription", &files["subscription"]),
        ("VAPID key", &files["vapid_key"]),
    ] {
        anstream::eprintln!("  {DIM}{name:<17}{DIM:#} {}", text(value));
    }
    anstream::eprintln!(
        "\n{DIM}a Reveille finds them with this in its configuration, each line below its section's name if that is there already:{DIM:#}\n"
    );
    anstream::eprintln!("  [providers]");
    for (key, value) in [
        ("apns_production_url", &started["apns"]),
        ("apns_sandbox_url", &started["apns_sandbox"]),
        ("fcm_url", &started["fcm"]),
        ("fcm_oauth_url", &started["fcm_token_url"]),
        ("extra_ca_file", &files["ca"]),
    ] {
        // Rust's escapes of a printable string are TOML's.
        anstream::eprintln!("  {key} = {:?}", text(value));
    }
    // An endpoint is of a browser's choosing: a private address and a host of one's own are named.
    let webpush = text(&started["webpush"]);
    if let Some(Ok(address)) = webpush.strip_prefix("https://").map(str::parse::<SocketAddr>) {
        anstream::eprintln!("\n  [outbound]\n  allow_private = \"{address}\"");
        anstream::eprintln!("\n  [webpush]\n  allowed_hosts = \"{}\"", address.ip());
    }
    anstream::eprintln!();
}
