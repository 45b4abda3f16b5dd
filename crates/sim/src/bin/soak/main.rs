//! The soak: a real server under the same load for an hour, with nothing killed, and a look at what
//! grows.
//!
//! ```text
//!   fill ──▶ load (phones that live, send, read, call; direct pushes, broadcasts) ──▶ server
//!              │ counts                                                                 │
//!              ▼                                                                        ▼
//!            row a minute ◀──────────── Sample (/proc, files, tables) ◀── every 10 s ── its process
//!                                          └──▶ judge ──▶ verdict, CSV, exit code
//! ```
//!
//! What it does: keeps the load constant, and compares the last quarter of the run with the second.
//! What it does **not** do: it checks no message; that is the torture run's.
//! What is kept for a day or longer by design (idempotency, direct pushes, events, the push log)
//! reaches no level within an hour. It is named, with what bounds it, and only its rate is judged.
//!
//! Read first: [`judge::Bound`], [`sample::Sample`], [`load::Load`].

mod csv;
mod judge;
mod load;
mod print;
mod sample;
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::time::{Instant, sleep_until};

use self::load::{Counts, Load};
use self::sample::Sample;

/// Between two samples.
const EVERY: Duration = Duration::from_secs(10);
/// Samples in a minute.
const A_MINUTE: u32 = 6;

/// Runs a server under constant load, and says whether its memory or its files grow.
#[derive(Debug, Parser)]
#[command(name = "soak")]
struct Options {
    /// The server's binary
    #[arg(long, value_name = "PATH", required_unless_present = "judge")]
    server: Option<PathBuf>,
    /// Run nothing: judge the samples that an earlier run left
    #[arg(long, value_name = "FILE")]
    judge: Option<PathBuf>,
    /// How long
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1440))]
    minutes: u32,
    /// Seed of what everybody does; drawn if left out
    #[arg(long)]
    seed: Option<u64>,
    /// How many phones take part
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u16).range(10..=2000))]
    phones: u16,
    /// Messages that are sent before, so that the server's caches are full when the run begins
    #[arg(long, default_value_t = 250_000)]
    fill: u32,
    /// Where the samples go
    #[arg(long, value_name = "FILE", default_value = "target/soak.csv")]
    csv: PathBuf,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if let Some(file) = &options.judge {
        let samples = csv::read(file)?;
        let kept = say_verdict(&samples);
        return Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let server = options.server.as_deref().context("name the server's binary with --server")?;
    // Small enough to be typed again by hand.
    let seed = options.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let Options { minutes, phones, .. } = options;
    print::line(&format!("soak: seed {seed}, {minutes} min, {phones} phones"));
    let mut load = Load::start(server, seed, usize::from(phones)).await?;
    load.fill(options.fill).await.context("the fill")?;
    load.begin();
    let samples = watch(&load, minutes).await?;
    load.end();
    csv::write(&options.csv, &samples)?;
    print::line(&format!("soak: the samples are in {}", options.csv.display()));
    let kept = say_verdict(&samples);
    let long_enough = minutes >= judge::SHORTEST;
    print::line(&match (kept, long_enough) {
        (true, true) => format!("soak: seed {seed}: nothing grows beyond its bounds"),
        (true, false) => format!("soak: seed {seed}: too short to say; nothing stood out"),
        (false, true) => format!("soak: seed {seed}: FAILED"),
        (false, false) => {
            format!("soak: seed {seed}: too short to say ({} minutes do)", judge::SHORTEST)
        }
    });
    Ok(if kept || !long_enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what becomes of the samples; whether nothing grows and nothing stood still.
fn say_verdict(samples: &[Sample]) -> bool {
    let judgements = judge::judge(samples);
    print::verdict(&judgements);
    let idle = judge::idle(samples);
    for what in &idle {
        print::line(&format!("TROUBLE  {what}"));
    }
    judgements.iter().all(|it| it.kept) && idle.is_empty()
}

/// Samples until the time is over; a row each minute.
async fn watch(load: &Load, minutes: u32) -> Result<Vec<Sample>> {
    print::head();
    let start = Instant::now();
    let mut samples = Vec::new();
    let mut before = Counts::default();
    for number in 0..=minutes * A_MINUTE {
        sleep_until(start + EVERY * number).await;
        let process = load.process().await.context("the server is gone")?;
        let whole = number % A_MINUTE == 0;
        let counts = load.counts();
        let sample = Sample::take(process, &load.data_dir(), start.elapsed(), counts, whole)
            .context("a sample")?;
        if whole {
            print::row(&sample, &before);
            before = counts;
        }
        samples.push(sample);
    }
    Ok(samples)
}
