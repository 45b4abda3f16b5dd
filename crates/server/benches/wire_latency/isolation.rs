//! What one push service that hangs costs the others.
//!
//! ```text
//!   quiet node:  iPhones ─▶ APNs
//!   hung node:   iPhones ─▶ APNs       Android phones ─▶ a service that never answers, lane full
//! ```
//!
//! Two nodes in one process take turns, round by round, with the same load for iPhones; one of them
//! has a lane for Google that is full of attempts which hang, and a backlog behind it. What counts
//! is the ratio of the two medians in each pair of rounds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use domain::TargetKind;
use sim::pki::Ca;
use tokio::task::JoinSet;

use super::credentials::{upload_account, upload_key};
use super::measure::{Row, median};
use super::push_service::PushService;
use super::sightings::schedule::Schedule;
use super::sightings::{Sightings, latencies, rank};
use super::stage::{Stage, User};

/// Messages a second in a round.
const RATE: usize = 500;

/// Messages of a round.
const ROUND: usize = 500;

/// Rounds of each node; the first of each warms up and does not count.
const ROUNDS: usize = 7;

/// Android phones that wait: more than the lane has room for.
const BACKLOG: usize = 800;

/// How long the last push of a round may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node and its iPhones.
struct Side {
    stage: Arc<Stage>,
    users: Vec<User>,
    sender: User,
    sightings: Arc<Sightings>,
    _services: Vec<PushService>,
}

/// Measures, and prints the rows.
pub(super) async fn run() -> Result<()> {
    let quiet = Side::start(0).await?;
    let hung = Side::start(BACKLOG).await?;
    let mut pairs = Vec::new();
    for round in 0..ROUNDS {
        // In turns, and the first of a pair in turns too.
        let (first, second) = if round % 2 == 0 { (&quiet, &hung) } else { (&hung, &quiet) };
        let one = first.round(round).await?;
        let other = second.round(round).await?;
        let pair = if round % 2 == 0 {
            Pair { quiet: one, hung: other }
        } else {
            Pair { quiet: other, hung: one }
        };
        if round > 0 {
            pairs.push(pair);
        }
    }
    print(&pairs)?;
    quiet.stage.strike().await;
    hung.stage.strike().await;
    Ok(())
}

/// The sorted latencies of two rounds, in milliseconds.
struct Pair {
    quiet: Vec<f64>,
    hung: Vec<f64>,
}

fn print(pairs: &[Pair]) -> Result<()> {
    for (percent, budget) in [(50, Some("≤ 1.10 of the same without it")), (99, None)] {
        let quiet = median(pairs.iter().map(|pair| rank(&pair.quiet, percent)));
        let hung = median(pairs.iter().map(|pair| rank(&pair.hung, percent)));
        let ratio = |pair: &Pair| rank(&pair.hung, percent) / rank(&pair.quiet, percent);
        let ratio = median(pairs.iter().map(ratio));
        Row {
            row: format!("others\u{2019} latency while one push service hangs, p{percent}"),
            value: hung,
            unit: "ms",
            ratio: Some(ratio),
            budget,
            met: budget.map(|_| ratio <= 1.10),
            note: format!(
                "{BACKLOG} Android phones wait behind a service that never answers, their lane is \
                 full; {ROUND} messages to sleeping iPhones of the same app, {RATE} a second, in \
                 turns with a node without them ({quiet:.2} ms); median of {} pairs of rounds",
                pairs.len()
            ),
        }
        .print()?;
    }
    Ok(())
}

impl Side {
    async fn start(backlog: usize) -> Result<Self> {
        let ca = Ca::generate("Bench CA")?;
        let sightings = Arc::new(Sightings::of(ROUNDS * ROUND));
        let apple = {
            let sightings = Arc::clone(&sightings);
            PushService::start(&ca.server_identity()?, move |head| {
                sightings.saw(head.uri.path());
                true
            })?
        };
        let google = PushService::start(&ca.server_identity()?, |_| false)?;
        let stage = Stage::set(|config, dir| {
            let ca_file = dir.join("ca.pem");
            std::fs::write(&ca_file, ca.pem())?;
            let url = |service: &PushService, path: &str| {
                format!("https://localhost:{}{path}", service.address.port()).parse()
            };
            config.providers.extra_ca_file = Some(ca_file);
            config.providers.apns_production_url = url(&apple, "")?;
            config.providers.fcm_url = url(&google, "")?;
            config.providers.fcm_oauth_url = Some(url(&google, "/token")?);
            // It hangs for as long as is measured.
            config.providers.request_timeout = Duration::from_secs(120);
            Ok(())
        })
        .await?;
        upload_key(&stage).await?;
        upload_account(&stage).await?;
        let mut users = stage.add_users(ROUNDS * ROUND + 1, TargetKind::Apns).await?;
        let sender = users.pop().context("no sender")?;
        stage.suspend(&users).await?;
        let androids = stage.add_users(backlog, TargetKind::Fcm).await?;
        stage.suspend(&androids).await?;
        for android in &androids {
            stage.send(&sender, android).await?;
        }
        let (stage, services) = (Arc::new(stage), vec![apple, google]);
        Ok(Self { stage, users, sender, sightings, _services: services })
    }

    /// One round; returns the latencies of its pushes, sorted.
    async fn round(&self, number: usize) -> Result<Vec<f64>> {
        let range = number * ROUND..(number + 1) * ROUND;
        let mut sends = JoinSet::new();
        let mut due: Vec<Instant> = Vec::with_capacity(ROUND);
        let mut ticks = Schedule::start(RATE, ROUND)?.ticks;
        while let Some(at) = ticks.recv().await {
            let to = self.users[range.start + due.len()].clone();
            let (stage, sender) = (Arc::clone(&self.stage), self.sender.clone());
            sends.spawn(async move { stage.send(&sender, &to).await });
            due.push(at);
        }
        while let Some(sent) = sends.join_next().await {
            sent??;
        }
        let arrived = tokio::time::timeout(PATIENCE, self.sightings.all_of(range.clone())).await;
        let seen = arrived.map_err(|_| anyhow!("pushes of round {number} never came"))?;
        Ok(latencies(due.into_iter().zip(seen)))
    }
}
