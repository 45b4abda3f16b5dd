//! What our client of APNs costs above a bare `h2` client.
//!
//! ```text
//!   256 tasks ─▶ Apns::send ───────▶┐ one connection each, TLS, the same bytes,
//!   256 tasks ─▶ bare h2 requests ─▶┴▶ one server, in turns: A B A B …
//! ```
//!
//! Both clients run on one thread, this one; the server runs on another. Beside the rate stands
//! the rate per second of this thread's CPU time, which other programs on the machine disturb
//! less.

mod bare;
mod nghttpd;
mod simulator;

#[path = "../cpu_time/mod.rs"]
mod cpu_time;
#[path = "../measure/mod.rs"]
mod measure;
#[path = "../push_service/mod.rs"]
mod push_service;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use domain::{Environment, Time};
use http::StatusCode;
use providers::apns::{Credential, Expiration, KeyDetails, Priority, Push, PushType, Topic};
use providers::{Apns, Config, PushToken, Roots};
use sim::pki::{ApnsKey, Ca, Identity};
use tokio::task::JoinSet;
use uuid::Uuid;

use self::bare::Bare;
use self::cpu_time::CpuTime;
use self::measure::{Row, median};
use self::nghttpd::Nghttpd;
use self::push_service::{PushService, STREAMS};
use self::simulator::Simulator;

/// The bundle id pushed to.
const BUNDLE: &str = "com.example.bench";

/// Pushes under way at once: enough to keep the connection busy, below the server's limit.
const AT_ONCE: usize = 256;

/// Different device tokens, so that header compression finds as little as in real life.
const TOKENS: usize = 1_000;

/// How long each client pushes in its turn.
const TURN: Duration = Duration::from_millis(1_000);

/// Turns of each client that are measured, after one that is not.
const TURNS: usize = 9;

/// Where Linux tells about the thread that asks.
const THIS_THREAD: &str = "/proc/thread-self";

/// One client's turn.
#[derive(Clone, Copy)]
struct Turn {
    per_second: f64,
    /// By CPU time of the client's thread, where the system tells it.
    per_cpu_second: Option<f64>,
}

fn main() -> Result<()> {
    // One thread: this one is the client.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let ca = Ca::generate("Bench CA")?;
    let identity = ca.server_identity()?;
    let pushes: Arc<[Push]> = (0..TOKENS).map(push).collect::<Result<_>>()?;
    let server = Server::start(&identity, &pushes).await?;
    let authority = format!("localhost:{}", server.port());

    let ours = ours(&ca, &authority)?;
    let now = now()?;
    let bare = Bare::connect(&ca, &authority, &pushes).await?;

    let (mut of_ours, mut of_bare) = (Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let both = (turn_of_ours(&ours, &pushes, now).await?, turn_of_bare(&bare).await?);
        if turn > 0 {
            anstream::eprintln!(
                "ours {:.0} pushes/s, bare {:.0}",
                both.0.per_second,
                both.1.per_second
            );
            of_ours.push(both.0);
            of_bare.push(both.1);
        }
    }
    ours.close().await;
    print(&of_ours, &of_bare, &server.note())?;
    drop(server);
    against_the_simulator(&ca, &pushes, now).await
}

/// Our client against the strict simulator, which judges every push as Apple would.
async fn against_the_simulator(ca: &Ca, pushes: &Arc<[Push]>, now: Time) -> Result<()> {
    let key = ApnsKey::generate()?;
    let simulator = Simulator::start(ca, &key)?;
    let client = client(ca, &format!("localhost:{}", simulator.port), &key)?;
    let mut turns = Vec::new();
    for turn in 0..=TURNS {
        let measured = turn_of_ours(&client, pushes, now).await?;
        if turn > 0 {
            turns.push(measured.per_second);
        }
    }
    client.close().await;
    Row {
        row: "the same against the simulator".to_owned(),
        value: median(turns.iter().copied()),
        unit: "pushes/s",
        ratio: None,
        budget: None,
        met: None,
        note: format!(
            "it checks token, headers and payload of every push on a thread of its own, and is \
             the slower of the two; median of {} turns",
            turns.len()
        ),
    }
    .print()
}

fn print(ours: &[Turn], bare: &[Turn], note: &str) -> Result<()> {
    let pairs = || ours.iter().zip(bare);
    let ratio = median(pairs().map(|(ours, bare)| ours.per_second / bare.per_second));
    let rate = |turns: &[Turn]| median(turns.iter().map(|turn| turn.per_second));
    Row {
        row: "pushes through the provider client".to_owned(),
        value: rate(ours),
        unit: "pushes/s",
        ratio: Some(ratio),
        budget: Some("≥ 0.60 of a bare h2 client"),
        met: Some(ratio >= 0.60),
        note: format!(
            "APNs, provider token, TLS, one connection, {AT_ONCE} at once, client on one thread; \
             bare: {:.0} pushes/s; {note}; median of {} turns of each",
            rate(bare),
            ours.len()
        ),
    }
    .print()?;
    let by_cpu = pairs().map(|(ours, bare)| Some(ours.per_cpu_second? / bare.per_cpu_second?));
    let by_cpu: Option<Vec<f64>> = by_cpu.collect();
    let cpu_rate = |turns: &[Turn]| -> Option<f64> {
        let rates: Option<Vec<f64>> = turns.iter().map(|turn| turn.per_cpu_second).collect();
        Some(median(rates?))
    };
    if let (Some(ratios), Some(ours), Some(bare)) = (by_cpu, cpu_rate(ours), cpu_rate(bare)) {
        Row {
            row: "pushes per CPU second of the client's thread".to_owned(),
            value: ours,
            unit: "pushes/CPU s",
            ratio: Some(median(ratios)),
            budget: None,
            met: None,
            note: format!("bare: {bare:.0}; the same turns"),
        }
        .print()?;
    }
    Ok(())
}

/// Whatever answers both clients.
enum Server {
    /// `nghttpd` of the nghttp2 project: somebody else's server.
    Nghttpd(Nghttpd),
    /// Our own, where there is no `nghttpd`.
    Own(PushService),
}

impl Server {
    async fn start(identity: &Identity, pushes: &[Push]) -> Result<Self> {
        if let Some(nghttpd) = Nghttpd::start(identity, STREAMS, pushes).await? {
            return Ok(Self::Nghttpd(nghttpd));
        }
        anstream::eprintln!(
            "no nghttpd on this machine (Debian, Ubuntu: apt-get install nghttp2-server; macOS: \
             brew install nghttp2): the bench's own server answers"
        );
        Ok(Self::Own(PushService::start(identity, |_| Some(StatusCode::OK))?))
    }

    const fn port(&self) -> u16 {
        match self {
            Self::Nghttpd(nghttpd) => nghttpd.port,
            Self::Own(service) => service.address.port(),
        }
    }

    fn note(&self) -> String {
        match self {
            Self::Nghttpd(nghttpd) => format!("server: {}", nghttpd.version),
            Self::Own(_) => "server: the bench's own, by the crate h2".to_owned(),
        }
    }
}

/// Our client with a fresh key.
fn ours(ca: &Ca, authority: &str) -> Result<Apns> {
    client(ca, authority, &ApnsKey::generate()?)
}

/// Our client.
fn client(ca: &Ca, authority: &str, key: &ApnsKey) -> Result<Apns> {
    let mut config = Config::new(Roots::with_extra(ca.pem().as_bytes())?);
    config.apns_production = format!("https://{authority}").parse()?;
    // One connection, as the bare client has.
    config.connections_per_credential = 1;
    let (key_id, team_id) = (&*key.key_id, &*key.team_id);
    let bundle_ids = &[BUNDLE.to_owned()];
    let details = KeyDetails { key_id, team_id, bundle_ids, ..KeyDetails::default() };
    let credential = Credential::parse_p8(key.pem().as_bytes(), &details)?;
    Ok(Apns::new(&config, credential, Environment::Production)?)
}

/// A background push as the server's wakes send it.
fn push(number: usize) -> Result<Push> {
    let payload = format!(
        r#"{{"aps":{{"content-available":1}},"reveille":{{"v":1,"kind":"message","wake":"{}","count":1,"sent_at":"2026-11-23T08:00:00Z","expires_at":"2026-12-23T08:00:00Z"}}}}"#,
        Uuid::new_v4()
    );
    Ok(Push {
        device_token: PushToken::new(format!("{number:08x}{:056x}", rand::random::<u128>())),
        topic: Topic::for_push(BUNDLE, PushType::Background)?,
        push_type: PushType::Background,
        priority: Priority::Considerate,
        expiration: Expiration::At(Time::from_millis(1_800_000_000_000)),
        collapse_id: None,
        id: Uuid::new_v4(),
        payload: Bytes::from(payload),
    })
}

async fn turn_of_ours(client: &Apns, pushes: &Arc<[Push]>, now: Time) -> Result<Turn> {
    turn(|worker, end| {
        let (client, pushes) = (client.clone(), Arc::clone(pushes));
        async move {
            let (mut done, mut next) = (0_u32, worker);
            while Instant::now() < end {
                let exchange = client.send(&pushes[next % TOKENS], now, || true).await;
                ensure!(exchange.outcome.is_accepted(), "a push came to {:?}", exchange.outcome);
                done += 1;
                next += AT_ONCE;
            }
            Ok(done)
        }
    })
    .await
}

async fn turn_of_bare(bare: &Bare) -> Result<Turn> {
    turn(|worker, end| {
        let bare = bare.clone();
        async move {
            let (mut done, mut next) = (0_u32, worker);
            while Instant::now() < end {
                bare.send(next % TOKENS).await?;
                done += 1;
                next += AT_ONCE;
            }
            Ok(done)
        }
    })
    .await
}

/// Lets [`AT_ONCE`] workers push until the turn is over; a worker returns how many it did.
async fn turn<W>(mut worker: impl FnMut(usize, Instant) -> W) -> Result<Turn>
where
    W: Future<Output = Result<u32>> + Send + 'static,
{
    let (cpu, start) = (CpuTime::of_thread(Path::new(THIS_THREAD)), Instant::now());
    let mut workers = JoinSet::new();
    for number in 0..AT_ONCE {
        workers.spawn(worker(number, start + TURN));
    }
    let mut done = 0;
    while let Some(ended) = workers.join_next().await {
        done += ended??;
    }
    let took = start.elapsed().as_secs_f64();
    let cpu = cpu.as_ref().and_then(CpuTime::spent);
    Ok(Turn {
        per_second: f64::from(done) / took,
        per_cpu_second: cpu.map(|spent| f64::from(done) / spent.as_secs_f64()),
    })
}

fn now() -> Result<Time> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(Time::from_millis(i64::try_from(since.as_millis())?))
}
