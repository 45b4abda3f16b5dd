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

mod schedule;

#[path = "../measure/mod.rs"]
mod measure;
#[path = "../push_service/mod.rs"]
mod push_service;
#[path = "../stage/mod.rs"]
mod stage;
#[path = "../yardstick/mod.rs"]
mod yardstick;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sim::pki::{ApnsKey, Ca};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use wire::http::{CredentialKind, CredentialUpload};

use self::measure::{Row, median};
use self::push_service::{PushService, STREAMS};
use self::schedule::Schedule;
use self::stage::{BUNDLE, Stage, token};
use self::yardstick::{Yardstick, file_system};

/// Messages a second.
const RATE: usize = 1_000;

/// Messages sent before those that are measured: the connection is made, caches are warm.
const WARM_UP: usize = 1_000;

/// Messages measured.
const MEASURED: usize = 6_000;

/// How long the last push may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// When each push was seen.
struct Sightings {
    seen: Vec<OnceLock<Instant>>,
    missing: Mutex<usize>,
    all: Notify,
}

fn main() -> Result<()> {
    // As the server itself runs.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let messages = WARM_UP + MEASURED;
    let ca = Ca::generate("Bench CA")?;
    let sightings = Arc::new(Sightings::of(messages));
    let service = {
        let sightings = Arc::clone(&sightings);
        PushService::start(&ca.server_identity()?, move |head| sightings.saw(head.uri.path()))?
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
    upload_key(&stage).await?;
    // One more than there are messages: the sender, whose app is open.
    let mut users = stage.add_users(messages + 1).await?;
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

/// Milliseconds from the first to the second moment, sorted.
fn latencies(moments: impl Iterator<Item = (Instant, Instant)>) -> Vec<f64> {
    let mut latencies: Vec<f64> =
        moments.map(|(from, to)| to.saturating_duration_since(from).as_secs_f64() * 1e3).collect();
    latencies.sort_unstable_by(f64::total_cmp);
    latencies
}

/// The value that `percent` of the sorted ones do not exceed; of none, not a number.
fn rank(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// Gives the app a fresh APNs key.
async fn upload_key(stage: &Stage) -> Result<()> {
    let key = ApnsKey::generate()?;
    let upload = CredentialUpload {
        kind: CredentialKind::ApnsKey,
        file: STANDARD.encode(key.pem()),
        file_name: None,
        password: None,
        key_id: Some(key.key_id.clone()),
        team_id: Some(key.team_id.clone()),
        bundle_ids: vec![BUNDLE.to_owned()],
        subject: None,
        probe: None,
    };
    let uploaded = server::credentials::upload(&stage.node, stage.app, upload).await;
    uploaded.map(drop).map_err(|problem| anyhow!("the key was refused: {}", problem.detail()))
}

impl Sightings {
    fn of(pushes: usize) -> Self {
        Self {
            seen: (0..pushes).map(|_| OnceLock::new()).collect(),
            missing: Mutex::new(pushes),
            all: Notify::new(),
        }
    }

    /// A push to this path was seen now. A later one for the same phone does not count.
    fn saw(&self, path: &str) {
        let now = Instant::now();
        let digits = path.rsplit('/').next().and_then(|token| token.get(..8));
        let number = digits.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let Some(seen) = number.and_then(|number| self.seen.get(number)) else { return };
        if seen.set(now).is_err() {
            return;
        }
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        *missing -= 1;
        if *missing == 0 {
            self.all.notify_one();
        }
    }

    fn missing(&self) -> usize {
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves once every push was seen.
    async fn all(&self) {
        self.all.notified().await;
    }

    /// When each was seen, by its number.
    fn times(&self) -> Result<Vec<Instant>> {
        let times = self.seen.iter().enumerate().map(|(number, seen)| {
            seen.get().copied().with_context(|| format!("no push to {}", token(number)))
        });
        times.collect()
    }
}
