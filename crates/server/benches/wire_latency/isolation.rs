//! What the trouble of one credential or push service costs the others.
//!
//! ```text
//!   quiet node:    iPhones ─▶ Apple
//!   the others:    iPhones ─▶ Apple    and beside them 800 phones, their lane full:
//!                    of the same app, behind a Google that never answers
//!                    of another app, whose pushes Apple never answers
//!                    of another app, whose key Apple refuses
//! ```
//!
//! The nodes live in one process and take turns, round by round, with the same load for the iPhones
//! of the good app. What counts is the ratio of two medians of one round: the node's with the
//! trouble, and the quiet one's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use domain::TargetKind;
use http::StatusCode;
use http::request::Parts;
use sim::pki::Ca;
use tokio::task::JoinSet;

use super::credentials::{upload_account, upload_key};
use super::measure::{Row, median};
use super::open_loop::{Schedule, latencies, rank};
use super::push_service::PushService;
use super::sightings::Sightings;
use super::stage::{App, Stage, User};

/// Messages a second in a round.
const RATE: usize = 500;

/// Messages of a round.
const ROUND: usize = 500;

/// Rounds of each node; the first of each warms up and does not count. With the others every node
/// has every place in a round twice.
const ROUNDS: usize = 9;

/// Phones that wait: more than a lane has room for.
const BACKLOG: usize = 800;

/// How long the last push of a round may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// What hangs, hangs for as long as is measured.
const HANGS: Duration = Duration::from_secs(600);

/// A refused key is probed this often at first, and five times as seldom later: much more often
/// than by default, so that every round has some.
const PROBE: Duration = Duration::from_millis(100);

/// The bundle id of the other app.
const OTHER_BUNDLE: &str = "com.example.other";

/// What goes wrong beside the good app's iPhones.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    OtherAppHangs,
    OtherAppRefused,
    ServiceHangs,
}

/// A node and its iPhones.
struct Side {
    trouble: Option<Trouble>,
    stage: Arc<Stage>,
    users: Vec<User>,
    sender: User,
    sightings: Arc<Sightings>,
    /// The sorted latencies of its rounds, in milliseconds.
    rounds: Vec<Vec<f64>>,
    services: [PushService; 2],
}

/// Measures, and prints the rows.
pub(super) async fn run() -> Result<()> {
    let mut sides = vec![Side::start(None).await?];
    for trouble in [Trouble::ServiceHangs, Trouble::OtherAppHangs, Trouble::OtherAppRefused] {
        sides.push(Side::start(Some(trouble)).await?);
    }
    for round in 0..ROUNDS {
        // In turns, and who begins changes too.
        let places = sides.len();
        for place in 0..places {
            sides[(round + place) % places].round(round).await?;
        }
    }
    let (quiet, troubled) = sides.split_first().context("no sides")?;
    for side in troubled {
        side.print(quiet)?;
    }
    for Side { stage, services, .. } in sides {
        // First the push services: a node that stops waits for what hangs at them.
        drop(services);
        stage.strike().await;
    }
    Ok(())
}

impl Trouble {
    /// The name of its rows.
    const fn name(self) -> &'static str {
        match self {
            Self::OtherAppHangs => {
                "an app\u{2019}s latency while another\u{2019}s credential hangs"
            }
            Self::OtherAppRefused => {
                "an app\u{2019}s latency while another\u{2019}s credential is refused"
            }
            Self::ServiceHangs => "others\u{2019} latency while one push service hangs",
        }
    }

    /// Who waits beside the good app's iPhones.
    const fn who_waits(self) -> &'static str {
        match self {
            Self::OtherAppHangs => {
                "800 iPhones of another app wait, their lane is full: Apple never answers its pushes"
            }
            Self::OtherAppRefused => {
                "800 iPhones of another app wait: Apple refuses its key with 403, and goes on doing so to some probes a second"
            }
            Self::ServiceHangs => {
                "800 Android phones of the app wait behind a service that never answers, their lane is full"
            }
        }
    }

    /// What Apple answers a push of the other app with, if it does.
    const fn answer_to_other(self) -> Option<StatusCode> {
        match self {
            Self::OtherAppHangs => None,
            Self::OtherAppRefused => Some(StatusCode::FORBIDDEN),
            // There is no other app.
            Self::ServiceHangs => Some(StatusCode::OK),
        }
    }
}

impl Side {
    async fn start(trouble: Option<Trouble>) -> Result<Self> {
        let ca = Ca::generate("Bench CA")?;
        let sightings = Arc::new(Sightings::of(ROUNDS * ROUND));
        let apple = {
            let sightings = Arc::clone(&sightings);
            PushService::start(&ca.server_identity()?, move |head| match trouble {
                Some(trouble) if is_of_other(head) => trouble.answer_to_other(),
                Some(_) | None => {
                    sightings.saw(head.uri.path());
                    Some(StatusCode::OK)
                }
            })?
        };
        let google = PushService::start(&ca.server_identity()?, |_| None)?;
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
            config.providers.request_timeout = HANGS;
            config.circuit.credential_probe = PROBE;
            Ok(())
        })
        .await?;
        upload_key(&stage, stage.app).await?;
        upload_account(&stage, stage.app).await?;
        let mut users = stage.add_users(stage.app, ROUNDS * ROUND + 1, TargetKind::Apns).await?;
        let sender = users.pop().context("no sender")?;
        stage.suspend(&users).await?;
        let (stage, services) = (Arc::new(stage), [apple, google]);
        let rounds = Vec::new();
        let side = Self { trouble, stage, users, sender, sightings, rounds, services };
        if let Some(trouble) = trouble {
            side.make(trouble).await?;
        }
        Ok(side)
    }

    /// Makes the trouble.
    async fn make(&self, trouble: Trouble) -> Result<()> {
        match trouble {
            Trouble::ServiceHangs => self.wait_in_vain(self.stage.app, TargetKind::Fcm).await,
            Trouble::OtherAppHangs | Trouble::OtherAppRefused => {
                let node = &self.stage.node;
                let id = node.store.add_app("other".to_owned(), node.clock.now()).await?.id;
                let other = App { id, bundle: OTHER_BUNDLE };
                upload_key(&self.stage, other).await?;
                self.wait_in_vain(other, TargetKind::Apns).await
            }
        }
    }

    /// Sends to more sleeping phones of an app than its lane has room for.
    async fn wait_in_vain(&self, app: App, kind: TargetKind) -> Result<()> {
        let stage = &self.stage;
        let mut phones = stage.add_users(app, BACKLOG + 1, kind).await?;
        let sender = phones.pop().context("no sender")?;
        stage.suspend(&phones).await?;
        for phone in &phones {
            stage.send(&sender, phone).await?;
        }
        Ok(())
    }

    /// One round; keeps the latencies of its pushes.
    async fn round(&mut self, number: usize) -> Result<()> {
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
        self.rounds.push(latencies(due.into_iter().zip(seen)));
        // Else the phones of this round would be pushed again in the next ones.
        let drained = self.stage.drain(&self.users[range]).await?;
        ensure!(drained == ROUND, "{drained} messages were in the inboxes, {ROUND} were sent");
        Ok(())
    }

    /// Prints the rows, against the quiet node's.
    fn print(&self, quiet: &Self) -> Result<()> {
        let Some(trouble) = self.trouble else { return Ok(()) };
        for (percent, budget) in [(50, Some("≤ 1.10 of the same without it")), (99, None)] {
            let of = |side: &Self| -> Vec<f64> {
                side.rounds.iter().skip(1).map(|round| rank(round, percent)).collect()
            };
            let (own, without) = (of(self), of(quiet));
            let ratio = median(own.iter().zip(&without).map(|(own, without)| own / without));
            Row {
                row: format!("{}, p{percent}", trouble.name()),
                unit: "ms",
                ratio: Some(ratio),
                budget,
                met: budget.map(|_| ratio <= 1.10),
                note: format!(
                    "{}; {ROUND} messages to sleeping iPhones of the good app, {RATE} a second, in \
                     turns with a node without them ({:.2} ms); median of {} rounds of each",
                    trouble.who_waits(),
                    median(without.iter().copied()),
                    own.len()
                ),
                value: median(own),
            }
            .print()?;
        }
        Ok(())
    }
}

/// Whether a push is for the other app.
fn is_of_other(head: &Parts) -> bool {
    head.headers.get("apns-topic").is_some_and(|topic| topic == OTHER_BUNDLE)
}
