//! How long it takes from a message to the push about it on the wire.
//!
//! ```text
//!   schedule, 1,000/s ─▶ accept ─▶ commit ─▶ wake born claimed ─▶ Apns::send ─▶ TLS ─▶ push service
//!          t0 ──────────────────────────────────────────────────────────────────────── HEADERS read
//! ```
//!
//! Open loop: message n is due n milliseconds after the start, whatever became of the ones
//! before, and its latency counts from that moment, so that a stall is paid for by every message
//! it delays. Every message goes to another sleeping iPhone, so each makes a push. The push
//! service runs in this process on a thread of its own and notes when it has read a push's
//! HEADERS: its TLS and its parsing are in the figure, and so are the settles of the pushes
//! before, which share the one writer.
//!
//! With the argument `isolation` it measures something else on the same stage: what the troubles
//! of one credential or push service add to that.

#[path = "../stage/credentials.rs"]
mod credentials;
mod isolation;
#[path = "../measure/mod.rs"]
mod measure;
#[path = "../open_loop/mod.rs"]
mod open_loop;
#[path = "../push_service/mod.rs"]
mod push_service;
#[path = "../sightings/mod.rs"]
mod sightings;
#[path = "../stage/mod.rs"]
mod stage;
#[path = "../yardstick/mod.rs"]
mod yardstick;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use domain::TargetKind;
use http::StatusCode;
use sim::pki::Ca;
use tokio::task::JoinSet;

use self::measure::{Row, median};
use self::open_loop::{Schedule, latencies, rank};
use self::push_service::{PushService, STREAMS};
use self::sightings::Sightings;
use self::stage::Stage;
use self::yardstick::{Yardstick, file_system};

/// Messages a second.
const RATE: usize = 1_000;

/// Messages sent before those that are measured: the connection is made, caches are warm.
const WARM_UP: usize = 1_000;

/// Messages measured.
const MEASURED: usize = 6_000;

/// How long the last push may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> Result<()> {
    // As the server itself runs.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if std::env::args().any(|argument| argument == "isolation") {
            isolation::run().await
        } else {
            run().await
        }
    })
}

async fn run() -> Result<()> {
    let messages = WARM_UP + MEASURED;
    let ca = Ca::generate("Bench CA")?;
    let sightings = Arc::new(Sightings::of(messages));
    let service = {
        let sightings = Arc::clone(&sightings);
        PushService::start(&ca.server_identity()?, move |head| {
            sightings.saw(head.uri.path());
            Some(StatusCode::OK)
        })?
    };
    let stage = Arc::new(
        Stage::set(|config, dir| {
            let ca_file = dir.join("ca.pem");
            std::fs::write(&ca_file, ca.pem())?;
            config.providers.extra_ca_file = Some(ca_file);
            config.providers.apns_production_url =
                format!("https://localhost:{}", service.address.port()).parse()?;
            Ok(())
        })
        .await?,
    );
    credentials::upload_key(&stage, stage.app).await?;
    // One more than there are messages: the sender, whose app is open.
    let mut users = stage.add_users(stage.app, messages + 1, TargetKind::Apns).await?;
    let sender = users.pop().context("no sender")?;
    stage.suspend(&users).await?;
    let yardstick = Yardstick::open(stage.dir())?;
    let flush = median(
        (0..500)
            .map(|_| yardstick.commit(1).map(|took| took.as_secs_f64() * 1e3))
            .collect::<Result<Vec<_>>>()?,
    );

    let mut sends = JoinSet::new();
    let schedule = Schedule::start(RATE, messages)?;
    let mut due = Vec::with_capacity(messages);
    {
        let mut ticks = schedule.ticks;
        while let Some(at) = ticks.recv().await {
            let (stage, sender, to) =
                (Arc::clone(&stage), sender.clone(), users[due.len()].clone());
            sends.spawn(async move {
                stage.send(&sender, &to).await?;
                anyhow::Ok((at, Instant::now()))
            });
            due.push(at);
        }
    }
    let mut answered = Vec::with_capacity(messages);
    while let Some(sent) = sends.join_next().await {
        answered.push(sent??);
    }
    let arrived = tokio::time::timeout(PATIENCE, sightings.all()).await;
    arrived.map_err(|_| anyhow!("{} pushes never came", sightings.missing()))?;

    let pushed = latencies(due.iter().copied().zip(sightings.times()?).skip(WARM_UP));
    answered.sort_unstable();
    let answered = latencies(answered.into_iter().skip(WARM_UP));
    let drained = stage.drain(&users).await?;
    ensure!(drained == messages, "{drained} messages were in the inboxes, {messages} were sent");
    print(&pushed, &answered, flush, &file_system(stage.dir()))?;
    stage.strike().await;
    Ok(())
}

/// Prints the rows.
fn print(pushed: &[f64], answered: &[f64], flush: f64, file_system: &str) -> Result<()> {
    let p99 = rank(pushed, 99);
    Row {
        row: "accept → request on the wire to the provider, p99".to_owned(),
        value: p99,
        unit: "ms",
        ratio: None,
        budget: Some("≤ 10 ms at 1,000 messages/s"),
        met: Some(p99 <= 10.0),
        note: format!(
            "{} messages to sleeping iPhones, open loop, from the scheduled moment to HEADERS read \
             by the push service ({STREAMS} streams, same process, own thread): commit, claim, \
             encode, TLS both ways; worst {:.1} ms",
            pushed.len(),
            rank(pushed, 100)
        ),
    }
    .print()?;
    Row {
        row: "the same, p50".to_owned(),
        value: rank(pushed, 50),
        unit: "ms",
        ratio: None,
        budget: None,
        met: None,
        note: format!(
            "of it until the sender is answered, the message durable: p50 {:.2} ms, p99 {:.2} ms; \
             a bare commit of one row takes {flush:.2} ms here ({file_system})",
            rank(answered, 50),
            rank(answered, 99)
        ),
    }
    .print()
}
