//! What a broadcast costs: devices read from the store, pushes over TLS, outcomes stored.
//!
//! ```text
//!   this process: sets the stage ─▶ data folder           push service ◀──┐
//!                                     │                                   │ TLS
//!   a child: starts a node on it ─────┴─ page ─▶ walk ─▶ provider client ─┘
//!                                     ▲            │
//!                                     └─── step ───┘
//! ```
//!
//! The child is a server and nothing else, so what it uses is what a broadcast costs: all its CPU
//! time from the accept to the last stored step, and the most memory that it held at a time beyond
//! what it held before. What the push log takes of that is seen beside a child whose log is closed.

#[path = "../count/mod.rs"]
mod count;
#[path = "../stage/credentials.rs"]
mod credentials;
mod log_cost;
#[path = "../measure/mod.rs"]
mod measure;
#[path = "../process/mod.rs"]
mod process;
#[path = "../push_service/mod.rs"]
mod push_service;
#[expect(dead_code, reason = "users, messages and acks are for other benches")]
#[path = "../stage/mod.rs"]
mod stage;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use domain::session::AppState;
use domain::{AppId, KeyId, Platform, PushId, SessionId, TargetKind};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use server::clock::Clock;
use server::config::{Config, LogLevel};
use server::node::Node;
use server::pushes::accept::Asker;
use sim::pki::Ca;
use store::model::{Connect, Connected, Identity, Push, SetTarget};
use tempfile::TempDir;

use self::count::count;
use self::measure::Row;
use self::process::Usage;
use self::push_service::PushService;
use self::stage::{App, Stage, token};

/// Devices of the large broadcast.
const LARGE: usize = 1_000_000;

/// Devices of the small one: what memory depends on shows between the two.
const SMALL: usize = 100_000;

/// Devices of a user: their number is no matter to a broadcast.
const DEVICES_OF_USER: usize = 50;

/// Changes under way at once while the stage is set; not measured.
const AT_ONCE: usize = 1_024;

/// How long a broadcast may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// The budget, in pushes per second of one core's CPU time.
const BUDGET: f64 = 25_000.0;

/// What tells the child that it is one.
const CHILD: &str = "--broadcast-of";

fn main() -> Result<()> {
    // As the server itself runs.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == CHILD) {
        Some(at) => {
            let (app, rest) = (arguments.get(at + 1), arguments.get(at + 2..));
            let (Some(app), Some([dir, port, log])) = (app, rest) else {
                return Err(anyhow!("{CHILD} takes an app, a folder, a port and a log"));
            };
            let app = AppId::parse(app).context("no app")?;
            let log = PushLog::parse(log).context("no such log")?;
            runtime.block_on(child(app, Path::new(dir), port.parse()?, log))
        }
        None => runtime.block_on(run()),
    }
}

async fn run() -> Result<()> {
    let ca = Ca::generate("Bench CA")?;
    let arrived = Arc::new(AtomicUsize::new(0));
    let refuses = Arc::new(AtomicBool::new(false));
    let service = {
        let (arrived, refuses) = (Arc::clone(&arrived), Arc::clone(&refuses));
        PushService::start(&ca.server_identity()?, move |head| {
            if head.uri.path() == "/token" {
                return Some(StatusCode::OK);
            }
            let number = arrived.fetch_add(1, Ordering::Relaxed);
            let is_gone =
                refuses.load(Ordering::Relaxed) && number.is_multiple_of(log_cost::ONE_IN);
            Some(if is_gone { StatusCode::GONE } else { StatusCode::OK })
        })?
    };
    let port = service.address.port();
    // Outlives the stage: what is on it is measured when the stage's node is gone.
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let dir = folder.path();
    std::fs::write(dir.join("ca.pem"), ca.pem())?;
    let stage = Stage::set(|config, _| configure(config, dir, port)).await?;
    credentials::upload_key(&stage, stage.app).await?;
    credentials::upload_account(&stage, stage.app).await?;
    let app = stage.app;
    let measured = |devices: usize| -> Result<Run> {
        let before = arrived.load(Ordering::Relaxed);
        let run = broadcast(app.id, dir, port, PushLog::Open)?;
        let arrived = arrived.load(Ordering::Relaxed) - before;
        ensure!(arrived == devices && run.accepted == devices, "{arrived} arrived of {run:?}");
        Ok(run)
    };

    add_devices(&stage.node, app, 0..SMALL).await?;
    stage.strike().await;
    drop(stage);
    log_cost::measure(dir, &refuses, |log| broadcast(app.id, dir, port, log))?;
    let small = measured(SMALL)?;
    let node = Node::start(config(dir, port)?, Clock::system(), false).await?;
    add_devices(&node, app, SMALL..LARGE).await?;
    node.stop().await;
    drop(node);
    let apple = measured(LARGE)?;
    print("APNs", &apple, &small)?;
    make_androids(dir)?;
    let google = measured(LARGE)?;
    print("FCM", &google, &small)
}

/// The same devices once more, as Android phones: to add a million takes minutes.
fn make_androids(dir: &Path) -> Result<()> {
    let file = dir.join("data").join("reveille.db");
    let database = rusqlite::Connection::open(file)?;
    database.execute_batch(
        "UPDATE devices SET platform = 'android';
         UPDATE targets SET kind = 'fcm', app_id = NULL;",
    )?;
    Ok(())
}

/// The configuration of both processes.
fn config(dir: &Path, port: u16) -> Result<Config> {
    let mut config = Config::defaults()?;
    config.log.level = LogLevel::Error;
    configure(&mut config, dir, port)?;
    Ok(config)
}

fn configure(config: &mut Config, dir: &Path, port: u16) -> Result<()> {
    let url = format!("https://localhost:{port}");
    config.data_dir = dir.join("data");
    config.providers.extra_ca_file = Some(dir.join("ca.pem"));
    config.providers.apns_production_url = url.parse()?;
    config.providers.fcm_url = url.parse()?;
    config.providers.fcm_oauth_url = Some(format!("{url}/token").parse()?);
    // What our side costs is asked, not what Google grants.
    config.broadcast.fcm_per_second = 1_000_000;
    config.broadcast.fcm_ramp = Duration::ZERO;
    Ok(())
}

/// What a broadcast took.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    accepted: usize,
    took_s: f64,
    usage: Usage,
}

/// What becomes of a child's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PushLog {
    /// They are written.
    Open,
    /// They are dropped at once.
    Closed,
}

impl PushLog {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Open, Self::Closed].into_iter().find(|log| log.as_str() == word)
    }
}

/// Lets a child broadcast to all devices there are.
fn broadcast(app: AppId, dir: &Path, port: u16, log: PushLog) -> Result<Run> {
    let output = Command::new(std::env::current_exe()?)
        .args([CHILD, &app.to_string()])
        .arg(dir)
        .args([&port.to_string(), log.as_str()])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the child ended with {}", output.status);
    serde_json::from_slice(&output.stdout).context("what the child said")
}

/// The child: a server that has one broadcast to send.
async fn child(app: AppId, dir: &Path, port: u16, log: PushLog) -> Result<()> {
    let node = Node::start(config(dir, port)?, Clock::system(), false).await?;
    match log {
        PushLog::Open => {}
        PushLog::Closed => node.log.close().await,
    }
    let before = Usage::of("self")?;
    let start = Instant::now();
    let push = accept(&node, app).await?;
    let done = tokio::time::timeout(PATIENCE, until_done(&node, app, push, &before));
    let (push, usage) = done.await.context("the broadcast is not over")??;
    let took_s = start.elapsed().as_secs_f64();
    let accepted = usize::try_from(push.counts.accepted)?;
    node.stop().await;
    anstream::println!("{}", serde_json::to_string(&Run { accepted, took_s, usage })?);
    Ok(())
}

async fn accept(node: &Arc<Node>, app: AppId) -> Result<PushId> {
    let create = json!({
        "to": { "all": true },
        "title": "We are closed today",
        "body": "Back tomorrow at nine.",
        "open": "https://example.com/news/17",
    });
    let create = serde_json::from_value(create)?;
    let key = KeyId::from_number(1);
    // Each has an id of its own.
    let id = format!("bench-{}", node.clock.now().as_micros());
    let taken = server::pushes::accept::accept(node, app, Asker::Key(key), &id, create).await;
    let taken = taken.map_err(|problem| anyhow!("refused: {}", problem.detail()))?;
    Ok(taken.push.id)
}

/// Waits for its end, and looks at the process meanwhile.
async fn until_done(node: &Node, app: AppId, id: PushId, before: &Usage) -> Result<(Push, Usage)> {
    let mut most = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut usage = Usage::of("self")?.since(before);
        most = usage.resident.max(most);
        usage.resident = most;
        let push = node.store.push(app, id).await?.context("no push")?;
        if push.ended_at.is_some() {
            return Ok((push, usage));
        }
    }
}

/// Adds devices with push tokens.
async fn add_devices(node: &Node, app: App, numbers: std::ops::Range<usize>) -> Result<()> {
    let added = numbers.map(|index| add_device(node, app, index));
    stream::iter(added).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(drop)
}

async fn add_device(node: &Node, app: App, index: usize) -> Result<()> {
    let (store, now) = (&node.store, node.clock.now());
    let user = format!("user-{}", index / DEVICES_OF_USER);
    let inbox = store.ensure_user(app.id, user, now).await?.context("no app")?;
    let connect = Connect {
        identity: Identity::User { app: app.id, inbox },
        device: format!("device-{index}"),
        platform: Platform::Ios,
        app_version: None,
        locale: Some("en".to_owned()),
        time_zone: None,
        secret: None,
        new_secret: rand::random(),
        held: None,
        state: AppState::Foreground,
        replaces: true,
        session: SessionId::from_bits(rand::random()),
        incarnation: node.incarnation,
        woken_by: None,
        now,
    };
    let Connected::Yes(connected) = store.connect(connect).await? else {
        return Err(anyhow!("device {index} could not connect"));
    };
    let target = SetTarget {
        device: connected.device,
        kind: TargetKind::Apns,
        token: token(index),
        environment: None,
        app_id: Some(app.bundle.to_owned()),
        now,
    };
    store.set_target(target).await?;
    Ok(())
}

/// Prints the rows.
fn print(service: &str, large: &Run, small: &Run) -> Result<()> {
    let per_cpu_second = |run: &Run| count(run.accepted) / run.usage.cpu.as_secs_f64();
    let mib = |run: &Run| count(run.usage.resident) / f64::from(1_u32 << 20);
    let rate = per_cpu_second(large);
    Row {
        row: format!("broadcast through {service}, tokens read and outcomes stored"),
        value: rate,
        unit: "pushes/CPU s",
        ratio: None,
        budget: Some("≥ 25,000 pushes per second of one core's CPU time"),
        met: Some(rate >= BUDGET),
        note: format!(
            "{} devices in {:.1} s, {:.0} pushes/s, with the push service on the same two cores; {} devices through APNs: {:.0} pushes/CPU s",
            large.accepted,
            large.took_s,
            count(large.accepted) / large.took_s,
            small.accepted,
            per_cpu_second(small),
        ),
    }
    .print()?;
    Row {
        row: format!("memory of a broadcast through {service}"),
        value: mib(large),
        unit: "MiB",
        ratio: Some(mib(large) / mib(small)),
        budget: Some("independent of size"),
        met: Some(mib(large) < 2.0 * mib(small)),
        note: format!(
            "the most beyond what the server held before, {} devices; {} devices through APNs: {:.1} MiB; the ratio is between the two",
            large.accepted,
            small.accepted,
            mib(small),
        ),
    }
    .print()
}
