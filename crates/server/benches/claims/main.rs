//! How fast due wakes are claimed, with few devices and with very many.
//!
//! ```text
//!   10,000 devices, each owed a wake ─▶ some are due ─▶ Store::claim, 256 at a time
//!   10,000,000 of them               ─▶ as many due ─▶ the same
//! ```
//!
//! A claim reads wake, device, targets, settings and what the inbox holds, decides, and writes the
//! wake as claimed, durable. Every device has a wake open, most of them due tomorrow; those that
//! are due lie evenly among them, so with many devices hardly two share a page.

mod clones;

#[path = "../count/mod.rs"]
mod count;
#[path = "../measure/mod.rs"]
mod measure;
#[expect(dead_code, reason = "reads and acks are for other benches")]
#[path = "../stage/mod.rs"]
mod stage;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use domain::{LaneId, TargetKind, Time};
use server::clock::Clock;
use store::Store;
use tempfile::TempDir;

use self::clones::Clones;
use self::count::count;
use self::measure::{Row, median};
use self::stage::Stage;

/// Devices of the small database.
const FEW: i64 = 10_000;

/// Devices of the large one.
const MANY: i64 = 10_000_000;

/// Wakes that are due in a round.
const DUE: i64 = 1_024;

/// Rounds that are measured, after one that is not.
const ROUNDS: i64 = 7;

/// Wakes claimed at a time: what a lane has room for by default.
const AT_ONCE: usize = 256;

/// How long a restarted server waits before it wakes whom it had connected; none was.
const GRACE: Duration = Duration::ZERO;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

/// What a database of one size came to.
struct Measured {
    rate: f64,
    /// Microseconds of the writer a claim.
    took_us: f64,
    start: Duration,
    /// Size of the database.
    gib: f64,
}

async fn run() -> Result<()> {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let data = folder.path().join("data");
    let lane = sleeper(&data).await?;
    let mut clones = Clones::open(&data)?;
    let first = clones.next();
    clones.grow_to(FEW, first)?;
    let few = measure(&data, &clones, first, lane).await?;
    clones.grow_to(MANY, first)?;
    let many = measure(&data, &clones, first, lane).await?;
    print(&few, &many)
}

/// A data folder with one device that is owed a wake; returns its lane.
async fn sleeper(data: &Path) -> Result<LaneId> {
    let stage = Stage::set(|config, _| {
        config.data_dir = data.to_owned();
        Ok(())
    })
    .await?;
    let mut users = stage.add_users(stage.app, 2, TargetKind::Apns).await?;
    let (sender, asleep) = (users.pop().context("no sender")?, users);
    stage.suspend(&asleep).await?;
    let lane = LaneId::from_number(1);
    ensure!(stage.node.store.lane(lane).await?.is_some(), "the sleeper has no lane");
    // Claimed by nobody but the bench.
    stage.node.slots.close(lane);
    stage.send(&sender, &asleep[0]).await?;
    stage.suspend(&[sender]).await?;
    stage.strike().await;
    Ok(lane)
}

async fn measure(data: &Path, clones: &Clones, first: i64, lane: LaneId) -> Result<Measured> {
    let start = Instant::now();
    let store = Store::open(&store::Options::new(data))?;
    let now = Clock::system().now();
    let incarnation = store.start(now, now.plus(GRACE)).await?.incarnation;
    let start = start.elapsed();
    let mut rates = Vec::new();
    for round in 0..=ROUNDS {
        clones.make_due(DUE, round, first)?;
        let begun = Instant::now();
        let mut claimed = 0;
        while claimed < usize::try_from(DUE)? {
            let now: Time = Clock::system().now();
            let (some, _) = store.claim(lane, AT_ONCE, incarnation, now).await?;
            ensure!(!some.is_empty(), "{claimed} of {DUE} due wakes were claimed");
            claimed += some.len();
        }
        let rate = count(claimed) / begun.elapsed().as_secs_f64();
        if round > 0 {
            rates.push(rate);
        }
    }
    store.close();
    let rate = median(rates);
    let bytes = std::fs::metadata(data.join("reveille.db"))?.len();
    let gib = count(usize::try_from(bytes)?) / f64::from(1 << 30);
    Ok(Measured { rate, took_us: 1e6 / rate, start, gib })
}

fn print(few: &Measured, many: &Measured) -> Result<()> {
    let ratio = many.rate / few.rate;
    Row {
        row: "due wakes claimed, 10 million devices".to_owned(),
        value: many.rate,
        unit: "wakes/s",
        ratio: Some(ratio),
        budget: Some("≥ 0.80 of the rate with 10 thousand"),
        met: Some(ratio >= 0.8),
        note: format!(
            "{DUE} due among {MANY} open wakes, {AT_ONCE} at a time, durable: {:.0} µs each; with \
             {FEW} devices {:.0}/s, {:.0} µs; median of {ROUNDS} rounds; database {:.1} GiB, open \
             and ready after {:.2} s",
            many.took_us,
            few.rate,
            few.took_us,
            many.gib,
            many.start.as_secs_f64(),
        ),
    }
    .print()
}
