//! The torture run: a real server process that is killed again and again, and put back to an older
//! snapshot now and then; some hundred phones and browsers of mixed habits; sends, calls, direct
//! pushes and broadcasts; push services and a back end in trouble; and a judge of what came of it.
//!
//! ```text
//!   seed ──▶ plan ──▶ driver ──▶ World (server, push services), phones
//!                        │           │ observer: acks that the server confirms
//!                        ▼           ▼
//!                     Evidence ──▶ check ──▶ report, exit code
//! ```
//!
//! The same seed, length and number of phones give the same script of actions; the timing, and so
//! the outcome of a race, is the machine's.
//! The judge reads the phones' and senders' own records, what the push services and the back end's
//! webhook saw, and the public API; and after each kill the database that is left, with SQL of its own.
//! What it does **not** do: it never looks into a running server.
//!
//! Read first: [`plan::Plan`], [`check::check`], [`driver::run`].

mod check;
mod driver;
mod evidence;
mod observer;
mod plan;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Kills a server over and over under load, and checks that it keeps its promises.
#[derive(Debug, Parser)]
#[command(name = "torture")]
struct Options {
    /// The server's binary
    #[arg(long, value_name = "PATH")]
    server: PathBuf,
    /// How long sends, lives, kills and trouble go on
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seed of the script; drawn if left out
    #[arg(long)]
    seed: Option<u64>,
    /// How many phones take part
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u16).range(2..=1000))]
    phones: u16,
    /// Milliseconds between two kills, on the average
    #[arg(long, default_value_t = 2_250, value_parser = clap::value_parser!(u64).range(100..))]
    kill_gap: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    // Small enough to be typed again by hand.
    let seed = options.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    report::line(&format!(
        "torture: seed {seed}, {} s, {} phones",
        options.seconds, options.phones
    ));
    let length = Duration::from_secs(options.seconds);
    let gap = Duration::from_millis(options.kill_gap);
    let plan = plan::Plan::new(seed, length, usize::from(options.phones), gap);
    let outcome = driver::run(&options.server, &plan, length).await?;
    let violations = check::check(&outcome.evidence, driver::DEADLINE);
    report::print(&outcome, &plan, &violations).await;
    let kept = violations.is_empty() && outcome.trouble.is_empty();
    report::line(&format!(
        "torture: seed {seed}: {}",
        if kept { "every promise kept" } else { "FAILED" }
    ));
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
