//! What sessions cost, over real sockets, at the server as it is installed.
//!
//! ```text
//!   this process: clients ──── TCP, WebSocket, frames ────▶ a child: `reveille serve`
//!                                                           a child: bare axum, for comparison
//! ```
//!
//! The clients share the two cores with the server, so beside each rate stands the CPU time of the
//! server's process, which is the honest one.

mod child;
mod client;
mod crowd;
mod live;

#[path = "../count/mod.rs"]
mod count;
#[path = "../measure/mod.rs"]
mod measure;
#[path = "../open_loop/mod.rs"]
mod open_loop;
#[path = "../process/mod.rs"]
mod process;

use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use self::child::{BARE, Child, serve_bare};
use self::client::Client;
use self::count::count;
use self::crowd::Crowd;
use self::measure::{Row, median};

/// Sessions to be held, where the system lets a process have so many connections.
const SESSIONS: usize = 50_000;

/// File descriptors that are no session's.
const SPARE: usize = 1_000;

/// Sessions over TLS.
const TLS_SESSIONS: usize = 10_000;

/// Starts on an empty folder.
const STARTS: usize = 9;

/// How long a process is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == BARE) {
        let address = arguments.get(at + 1).context("an address is missing")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(serve_bare(address));
    }
    // One thread: the clients should take as little of the two cores as they can.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    starts().await?;
    let sessions = SESSIONS.min(open_files()?.saturating_sub(SPARE));
    let bare = bare(sessions).await?;
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut crowd = Crowd::gather(folder.path(), sessions).await?;
    let server = Child::server(folder.path()).await?;
    let first = crowd.connect(&server).await?;
    print_memory(&first, bare, sessions)?;
    live::measure(&server, &mut crowd).await?;
    crowd.leave();
    tokio::time::sleep(SETTLE).await;
    let again = crowd.connect(&server).await?;
    print_connects(&first, &again, sessions)?;
    drop((crowd, server));
    print_tls(&tls(sessions.min(TLS_SESSIONS)).await?)
}

/// From the start of the process until it answers, and what it holds then.
async fn starts() -> Result<()> {
    let (mut took, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let server = Child::server(folder.path()).await?;
        took.push(server.ready_after.as_secs_f64() * 1e3);
        tokio::time::sleep(SETTLE).await;
        resident.push(count(server.usage()?.resident) / f64::from(1 << 20));
    }
    let (ms, mib) = (median(took), median(resident));
    Row {
        row: "start to ready, empty database".to_owned(),
        value: ms,
        unit: "ms",
        ratio: None,
        budget: Some("≤ 100 ms"),
        met: Some(ms <= 100.0),
        note: format!(
            "from the start of the process until `/readyz` answers: keys made, migrations run, \
             database and push log created with full sync; median of {STARTS}"
        ),
    }
    .print()?;
    Row {
        row: "idle memory after a start".to_owned(),
        value: mib,
        unit: "MiB",
        ratio: None,
        budget: Some("≤ 25 MiB resident"),
        met: Some(mib <= 25.0),
        note: format!(
            "resident {SETTLE:?} after the start, the program's own pages included; the same starts"
        ),
    }
    .print()
}

/// What a bare WebSocket takes, in bytes.
async fn bare(sessions: usize) -> Result<f64> {
    let server = Child::bare().await?;
    let before = server.usage()?;
    let mut clients = Vec::with_capacity(sessions);
    for _ in 0..sessions {
        clients.push(Client::open(server.stream().await?).await?);
    }
    tokio::time::sleep(SETTLE).await;
    Ok(count(server.usage()?.since(&before).resident) / count(sessions))
}

fn print_memory(first: &crowd::Connects, bare: f64, sessions: usize) -> Result<()> {
    let bytes = count(first.usage.resident) / count(sessions);
    let half = count(first.half.resident) / count(sessions / 2);
    Row {
        row: "idle session, memory".to_owned(),
        value: bytes / 1_024.0,
        unit: "KiB",
        ratio: Some(bytes / bare),
        budget: Some("≤ 5 KiB at 50,000 sessions"),
        met: Some(bytes <= 5.0 * 1_024.0),
        note: format!(
            "{sessions} sessions over plain WebSocket, as many as a process may have connections \
             here (50,000 at most); at half of them {:.1} KiB each; a bare axum WebSocket {:.1} \
             KiB, the ratio is to it; resident memory, the kernel's buffers are not in it",
            half / 1_024.0,
            bare / 1_024.0
        ),
    }
    .print()
}

/// Sessions over TLS: bytes each, and microseconds of the server's CPU until they stand.
async fn tls(sessions: usize) -> Result<(f64, f64, usize)> {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut crowd = Crowd::gather(folder.path(), sessions).await?;
    let server = Child::server_with_tls(folder.path()).await?;
    let usage = crowd.connect(&server).await?.usage;
    let each = count(crowd.len());
    Ok((count(usage.resident) / each, 1e6 * usage.cpu.as_secs_f64() / each, crowd.len()))
}

fn print_tls((bytes, cpu_us, sessions): &(f64, f64, usize)) -> Result<()> {
    Row {
        row: "idle session over TLS, memory".to_owned(),
        value: bytes / 1_024.0,
        unit: "KiB",
        ratio: None,
        budget: None,
        met: None,
        note: format!(
            "{sessions} sessions, TLS 1.3 by the server itself; full handshakes: {cpu_us:.0} µs of \
             the server's CPU for each new session"
        ),
    }
    .print()
}

fn print_connects(first: &crowd::Connects, again: &crowd::Connects, sessions: usize) -> Result<()> {
    let rate = |connects: &crowd::Connects| count(sessions) / connects.took.as_secs_f64();
    let cost =
        |connects: &crowd::Connects| 1e6 * connects.usage.cpu.as_secs_f64() / count(sessions);
    Row {
        row: "connects of known devices".to_owned(),
        value: rate(again),
        unit: "sessions/s",
        ratio: None,
        budget: None,
        met: None,
        note: format!(
            "{sessions} devices come back at once, {} at a time: TCP, upgrade, token, `connected`, \
             durable; {:.0} µs of the server's CPU each; new devices: {:.0}/s, {:.0} µs",
            crowd::AT_ONCE,
            cost(again),
            rate(first),
            cost(first)
        ),
    }
    .print()
}

/// How many files a process may have open.
fn open_files() -> Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).context("no limit")?;
    Ok(soft.parse().unwrap_or(usize::MAX))
}
