//! What a broadcast costs: devices read from the store, pushes over TLS, outcomes stored.
//!
//! ```text
//!   store ─ page ─▶ walk ─▶ provider client ─▶ TLS ─▶ push service (own thread)
//!     ▲                       │
//!     └──────── step ─────────┘
//! ```
//!
//! The figure is pushes per second of CPU time: everything that the process spends from the accept
//! of the broadcast to its last stored step, but for the push service's own thread. Memory is the
//! most that the process held at a time beyond what it held before.

#[path = "../cpu_time/mod.rs"]
mod cpu_time;
#[path = "../stage/credentials.rs"]
mod credentials;
#[expect(dead_code, reason = "the median is for other benches")]
#[path = "../measure/mod.rs"]
mod measure;
mod process;
#[path = "../push_service/mod.rs"]
mod push_service;
#[expect(dead_code, reason = "users, messages and acks are for other benches")]
#[path = "../stage/mod.rs"]
mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use domain::session::AppState;
use domain::{AppId, KeyId, Platform, PushId, SessionId, TargetKind};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;
use sim::pki::Ca;
use store::model::{Connect, Connected, Identity, Push, SetTarget};

use self::measure::Row;
use self::process::{Reading, Usage};
use self::push_service::PushService;
use self::stage::{BUNDLE, Stage, token};

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

fn main() -> Result<()> {
    // As the server itself runs.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        for kind in [TargetKind::Apns, TargetKind::Fcm] {
            let small = broadcast(kind, SMALL).await?;
            let large = broadcast(kind, LARGE).await?;
            print(kind, &small, &large)?;
        }
        Ok(())
    })
}

/// What a broadcast took.
struct Run {
    devices: usize,
    took: Duration,
    usage: Usage,
}

async fn broadcast(kind: TargetKind, devices: usize) -> Result<Run> {
    let ca = Ca::generate("Bench CA")?;
    let arrived = Arc::new(AtomicUsize::new(0));
    let service = {
        let arrived = Arc::clone(&arrived);
        PushService::start(&ca.server_identity()?, move |head| {
            if head.uri.path() != "/token" {
                arrived.fetch_add(1, Ordering::Relaxed);
            }
            true
        })?
    };
    let stage = Stage::set(|config, dir| {
        let ca_file = dir.join("ca.pem");
        std::fs::write(&ca_file, ca.pem())?;
        let url = format!("https://localhost:{}", service.address.port());
        config.providers.extra_ca_file = Some(ca_file);
        config.providers.apns_production_url = url.parse()?;
        config.providers.fcm_url = url.parse()?;
        config.providers.fcm_oauth_url = Some(format!("{url}/token").parse()?);
        // What our side costs is asked, not what Google grants.
        config.broadcast.fcm_per_second = 1_000_000;
        config.broadcast.fcm_ramp = Duration::ZERO;
        Ok(())
    })
    .await?;
    credentials::upload_key(&stage).await?;
    credentials::upload_account(&stage).await?;
    add_devices(&stage, kind, devices).await?;

    let before = Reading::start("push-service")?;
    let start = Instant::now();
    let push = accept(&stage).await?;
    let done = tokio::time::timeout(PATIENCE, until_done(&stage, push, &before));
    let (push, usage) = done.await.context("the broadcast is not over")??;
    let took = start.elapsed();
    let counts = push.counts;
    let whole = u64::try_from(devices)?;
    ensure!(counts.accepted == whole, "{counts:?}, codes {}", push.codes);
    let arrived = arrived.load(Ordering::Relaxed);
    ensure!(arrived == devices, "{arrived} pushes arrived");
    stage.strike().await;
    Ok(Run { devices, took, usage })
}

async fn accept(stage: &Stage) -> Result<PushId> {
    let create = json!({
        "to": { "all": true },
        "title": "We are closed today",
        "body": "Back tomorrow at nine.",
        "open": "https://example.com/news/17",
    });
    let create = serde_json::from_value(create)?;
    let key = KeyId::from_number(1);
    let taken = server::pushes::accept::accept(&stage.node, stage.app, key, "bench", create).await;
    let taken = taken.map_err(|problem| anyhow!("refused: {}", problem.detail()))?;
    Ok(taken.push.id)
}

/// Waits for its end, and looks at the process meanwhile.
async fn until_done(stage: &Stage, id: PushId, before: &Reading) -> Result<(Push, Usage)> {
    let mut most = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut usage = before.since()?;
        most = usage.resident.max(most);
        usage.resident = most;
        let push = stage.node.store.push(stage.app, id).await?.context("no push")?;
        if push.ended_at.is_some() {
            return Ok((push, usage));
        }
    }
}

/// Adds devices with push tokens.
async fn add_devices(stage: &Stage, kind: TargetKind, count: usize) -> Result<()> {
    let added = (0..count).map(|index| add_device(stage, kind, index));
    stream::iter(added).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(drop)
}

async fn add_device(stage: &Stage, kind: TargetKind, index: usize) -> Result<()> {
    let (store, now) = (&stage.node.store, stage.node.clock.now());
    let app: AppId = stage.app;
    let user = format!("user-{}", index / DEVICES_OF_USER);
    let inbox = store.ensure_user(app, user, now).await?.context("no app")?;
    let connect = Connect {
        identity: Identity::User { app, inbox },
        device: format!("device-{index}"),
        platform: if kind == TargetKind::Fcm { Platform::Android } else { Platform::Ios },
        app_version: None,
        locale: Some("en".to_owned()),
        time_zone: None,
        secret: None,
        new_secret: rand::random(),
        held: None,
        state: AppState::Foreground,
        replaces: true,
        session: SessionId::from_bits(rand::random()),
        incarnation: stage.node.incarnation,
        woken_by: None,
        now,
    };
    let Connected::Yes(connected) = store.connect(connect).await? else {
        return Err(anyhow!("device {index} could not connect"));
    };
    let target = SetTarget {
        device: connected.device,
        kind,
        token: token(index),
        environment: None,
        app_id: (kind == TargetKind::Apns).then(|| BUNDLE.to_owned()),
        now,
    };
    store.set_target(target).await?;
    Ok(())
}

/// Prints the rows.
fn print(kind: TargetKind, small: &Run, large: &Run) -> Result<()> {
    let name = if kind == TargetKind::Fcm { "FCM" } else { "APNs" };
    let per_cpu_second = |run: &Run| count(run.devices) / run.usage.cpu.as_secs_f64();
    let mib = |run: &Run| count(run.usage.resident) / f64::from(1_u32 << 20);
    let rate = per_cpu_second(large);
    Row {
        row: format!("broadcast through {name}, tokens read and outcomes stored"),
        value: rate,
        unit: "pushes/CPU s",
        ratio: None,
        budget: Some("≥ 25,000 pushes per second of one core's CPU time"),
        met: Some(rate >= BUDGET),
        note: format!(
            "{} devices in {:.1} s, {:.0} pushes/s, two cores shared with the push service; {} devices: {:.0} pushes/CPU s",
            large.devices,
            large.took.as_secs_f64(),
            count(large.devices) / large.took.as_secs_f64(),
            small.devices,
            per_cpu_second(small),
        ),
    }
    .print()?;
    Row {
        row: format!("memory of a broadcast through {name}"),
        value: mib(large),
        unit: "MiB",
        ratio: Some(mib(large) / mib(small)),
        budget: None,
        met: None,
        note: format!(
            "the most beyond what the process held before, {} devices; {} devices: {:.1} MiB; the ratio is between the two",
            large.devices,
            small.devices,
            mib(small),
        ),
    }
    .print()
}

/// Counts here are far below 2^53, up to which an `f64` holds every integer.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
const fn count(number: usize) -> f64 {
    number as f64
}
