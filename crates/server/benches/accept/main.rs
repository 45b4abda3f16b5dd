//! Accept whole: message, idempotency key and wake durable in one transaction, full sync.
//!
//! ```text
//!   512 senders ─▶ server::accept::accept ─▶ the store's writer ─▶ disk      a round: 4,096 messages
//!   yardstick: bare SQLite, one 200-byte row a message, 256 a commit, the same disk, in turns
//! ```
//!
//! Closed loop: every sender waits for its answer and sends again. The lane of the sleepers is
//! closed, as it is while a circuit is open: each wake is stored due and none is pushed, so that
//! no push is measured here. What a push costs is measured by the benches beside this one.

mod load;
mod rows;

#[path = "../count/mod.rs"]
mod count;
#[path = "../cpu_time/mod.rs"]
mod cpu_time;
#[path = "../measure/mod.rs"]
mod measure;
#[path = "../stage/mod.rs"]
mod stage;
#[path = "../yardstick/mod.rs"]
mod yardstick;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use domain::{EventType, LaneId, TargetKind};
use store::model::Settings;

use self::count::count;
use self::cpu_time::CpuTime;
use self::load::{IN_FLIGHT, spread};
use self::measure::{Row, median};
use self::rows::RowCount;
use self::stage::{Stage, User};
use self::yardstick::{Yardstick, file_system};

/// Recipients, and messages in a round: each gets one.
const USERS: usize = 4_096;

/// Rounds of a scene at most; the median of so many is steady.
const ROUNDS: usize = 9;

/// No further round of a scene after this long, so that the whole run stays below a minute.
const SCENE: Duration = Duration::from_secs(6);

/// Rows in one commit of the yardstick: the store's own `store.batch`.
const BATCH: usize = 256;

/// Commits of the yardstick before each round.
const COMMITS: usize = 128;

/// Messages whose rows are counted.
const COUNTED: usize = 64;

/// The store's writer thread, whose CPU time is the part that cannot be spread over cores.
const WRITER: &str = "store-writer";

/// What happens to each message of a round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It is accepted.
    Accept,
    /// It is accepted, then read and acknowledged by the recipient's phone.
    Cycle,
}

/// One kind of round.
struct Scene {
    name: &'static str,
    way: Way,
    to: Arc<[User]>,
    /// Whether another message came before, so that a wake is open already.
    joins: bool,
    /// Whether the app keeps `message.offline`, which is then written for every message: at most
    /// once for a user until they connect outside of a bench.
    told: bool,
    budget: Option<(&'static str, f64)>,
}

/// What a round came to.
struct Round {
    took: Duration,
    /// CPU time of the writer thread, where the system tells it.
    writer: Option<Duration>,
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let stage = Arc::new(Stage::set(|_, _| Ok(())).await?);
    let yardstick = Yardstick::open(stage.dir())?;
    let mut users = stage.add_users(stage.app, 2 * USERS, TargetKind::Apns).await?;
    let asleep: Arc<[User]> = users.split_off(USERS).into();
    let live: Arc<[User]> = users.into();
    stage.suspend(&asleep).await?;
    close_lane(&stage).await?;
    let scenes = [
        Scene {
            name: "accept, recipient asleep: a wake opens",
            way: Way::Accept,
            to: Arc::clone(&asleep),
            joins: false,
            told: false,
            budget: Some(("≥ 15,000 messages/s", 15_000.0)),
        },
        Scene {
            name: "the same, and the event message.offline is kept",
            way: Way::Accept,
            to: Arc::clone(&asleep),
            joins: false,
            told: true,
            budget: None,
        },
        Scene {
            name: "accept, recipient asleep: joins an open wake",
            way: Way::Accept,
            to: Arc::clone(&asleep),
            joins: true,
            told: false,
            budget: None,
        },
        Scene {
            name: "accept, recipient live",
            way: Way::Accept,
            to: Arc::clone(&live),
            joins: false,
            told: false,
            budget: Some(("≥ 25,000 messages/s", 25_000.0)),
        },
        Scene {
            name: "accept, read, ack, recipient asleep",
            way: Way::Cycle,
            to: asleep,
            joins: false,
            told: false,
            budget: None,
        },
        Scene {
            name: "accept, read, ack, recipient live",
            way: Way::Cycle,
            to: Arc::clone(&live),
            joins: false,
            told: false,
            budget: None,
        },
    ];
    let mut bare = Vec::new();
    for scene in &scenes {
        scene.measure(&stage, &live, &yardstick, &mut bare).await?;
    }
    let single = median(
        (0..200)
            .map(|_| yardstick.commit(1))
            .collect::<Result<Vec<_>>>()?
            .iter()
            .map(Duration::as_secs_f64),
    );
    Row {
        row: "the yardstick: bare SQLite, one row a message".to_owned(),
        value: median(bare),
        unit: "rows/s",
        ratio: None,
        budget: None,
        met: None,
        note: format!(
            "200 bytes a row, {BATCH} rows a commit, WAL, full sync, on {}; a commit of one row \
             takes {:.2} ms here",
            file_system(stage.dir()),
            single * 1e3
        ),
    }
    .print()?;
    anstream::eprintln!("records that the push log dropped: {}", stage.node.log.dropped());
    stage.strike().await;
    Ok(())
}

/// Lets the app keep `message.offline`, each time a wake opens, or not.
async fn keep_offline(stage: &Stage, keep: bool) -> Result<()> {
    let settings = Settings {
        kept_events: keep.then_some(EventType::MessageOffline).into_iter().collect(),
        offline_event_every: Duration::ZERO,
        ..Settings::default()
    };
    stage.node.store.set_settings(stage.app.id, settings, stage.node.clock.now()).await?;
    Ok(())
}

impl Scene {
    /// Runs its rounds and prints its row; adds the rates of the yardstick to `bare`.
    async fn measure(
        &self,
        stage: &Arc<Stage>,
        senders: &Arc<[User]>,
        yardstick: &Yardstick,
        bare: &mut Vec<f64>,
    ) -> Result<()> {
        keep_offline(stage, self.told).await?;
        let rows = self.count_rows(stage, senders).await?;
        self.round(stage, senders).await?;
        let (mut rates, mut ratios, mut writer) = (Vec::new(), Vec::new(), Vec::new());
        let start = Instant::now();
        while rates.len() < ROUNDS && start.elapsed() < SCENE {
            let mut took = Duration::ZERO;
            for _ in 0..COMMITS {
                took += yardstick.commit(BATCH)?;
            }
            let least = per_second(COMMITS * BATCH, took);
            let round = self.round(stage, senders).await?;
            let rate = per_second(USERS, round.took);
            writer.extend(round.writer.map(|spent| 1e6 / per_second(USERS, spent)));
            anstream::eprintln!("{}: {rate:.0} messages/s, bare {least:.0} rows/s", self.name);
            rates.push(rate);
            ratios.push(rate / least);
            bare.push(least);
        }
        let rate = median(rates.iter().copied());
        Row {
            row: self.name.to_owned(),
            value: rate,
            unit: "messages/s",
            ratio: Some(median(ratios)),
            budget: self.budget.map(|(words, _)| words),
            met: self.budget.map(|(_, least)| rate >= least),
            note: format!(
                "{rows}; {:.0} µs of the writer's CPU a message; {IN_FLIGHT} senders, median of {} \
                 rounds; ratio to bare SQLite rows",
                median(writer),
                rates.len()
            ),
        }
        .print()
    }

    /// One round: every recipient gets one message; returns how long that took. What is needed
    /// before and after is not counted.
    async fn round(&self, stage: &Arc<Stage>, senders: &Arc<[User]>) -> Result<Round> {
        if self.joins {
            self.messages(USERS, Way::Accept, stage, senders).await?;
        }
        let writer = thread(WRITER).and_then(|folder| CpuTime::of_thread(&folder));
        let took = self.messages(USERS, self.way, stage, senders).await?;
        let writer = writer.as_ref().and_then(CpuTime::spent);
        stage.drain(&self.to).await?;
        stage.drain(senders).await?;
        Ok(Round { took, writer })
    }

    async fn messages(
        &self,
        count: usize,
        way: Way,
        stage: &Arc<Stage>,
        senders: &Arc<[User]>,
    ) -> Result<Duration> {
        let (stage, senders, to) = (Arc::clone(stage), Arc::clone(senders), Arc::clone(&self.to));
        spread(count, move |index| {
            let (stage, senders, to) = (Arc::clone(&stage), Arc::clone(&senders), Arc::clone(&to));
            async move {
                // The neighbour, so that nobody writes to themselves.
                let recipient = &to[(index + 1) % to.len()];
                stage.send(&senders[index], recipient).await?;
                if way == Way::Cycle {
                    stage.read_and_ack(recipient).await?;
                }
                Ok(())
            }
        })
        .await
    }

    /// The rows that one message writes, in words.
    async fn count_rows(&self, stage: &Arc<Stage>, senders: &Arc<[User]>) -> Result<String> {
        if self.joins {
            self.messages(COUNTED, Way::Accept, stage, senders).await?;
        }
        let count = RowCount::begin(&stage.dir().join("data").join("reveille.db"))?;
        self.messages(COUNTED, self.way, stage, senders).await?;
        let rows = count.end(COUNTED)?;
        stage.drain(&self.to).await?;
        stage.drain(senders).await?;
        Ok(rows)
    }
}

/// Closes the lane of the sleepers, as an open circuit does.
async fn close_lane(stage: &Stage) -> Result<()> {
    let mut number = 1;
    loop {
        let id = LaneId::from_number(number);
        let lane = stage.node.store.lane(id).await?.context("the sleepers have no lane")?;
        if lane.kind == TargetKind::Apns && lane.subject == store::model::Subject::Message {
            stage.node.slots.close(id);
            return Ok(());
        }
        number += 1;
    }
}

/// The folder in `/proc` of this process's thread of that name.
fn thread(name: &str) -> Option<PathBuf> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?.flatten();
    threads.map(|thread| thread.path()).find(|folder| {
        std::fs::read_to_string(folder.join("comm")).is_ok_and(|comm| comm.trim() == name)
    })
}

fn per_second(number: usize, took: Duration) -> f64 {
    count(number) / took.as_secs_f64()
}
