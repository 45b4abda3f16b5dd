//! Does what the plan says, then lets the world come to rest and gathers the evidence.
//!
//! After the last step the trouble ends and the server stays up. From then on nobody opens an app
//! by hand: phones that were on the screen stay there, all others obey pushes only. The one
//! exception are phones whose push tokens died: no push can reach them until their user has opened
//! the app, so each is opened and suspended once more.

mod gather;
mod pushes;
mod sends;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use http::StatusCode;
use sim::Trouble as Script;
use sim::phone::{Life, Phone};
use sim::trouble::{GoAway, Scripted};
use sim::world::{Tuning, World, WorldOptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use wire::TargetKindName;
use wire::http::Settings;

use self::pushes::Pushes;
use self::sends::Ledger;
use crate::check;
use crate::evidence::Evidence;
use crate::observer::{self, Confirmed};
use crate::plan::{Action, Plan, Role, Trouble, Vendor};

/// The shorter of the two ack deadlines in this world, which the judge grants to every session.
pub(crate) const DEADLINE: Duration = Duration::from_millis(1_000);
/// The ack deadline of apps in the foreground.
const FOREGROUND_DEADLINE: Duration = Duration::from_millis(1_500);
/// How long the world may take to come to rest.
const REST: Duration = Duration::from_secs(60);
/// How long it is watched after that: a wake that was not closed pushes again within the climbing
/// time, or the first repeat, of 5 s.
const WATCH: Duration = Duration::from_secs(7);
/// Between two looks at whether the world is at rest.
const LOOK: Duration = Duration::from_millis(100);

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) evidence: Evidence,
    /// What went wrong besides broken promises: the run itself did not do what it says.
    pub(crate) trouble: Vec<String>,
    /// How often the server was really killed.
    pub(crate) kills: usize,
    /// From the end of the plan until nothing was owed any more; `None`: not within the bound.
    pub(crate) rest: Option<Duration>,
    pub(crate) world: Arc<World>,
    pub(crate) phones: Vec<Phone>,
}

/// Runs the plan against the server's binary.
pub(crate) async fn run(server: &Path, plan: &Plan, length: Duration) -> Result<Outcome> {
    let world = Arc::new(World::start(world_options(server)).await?);
    let phones = try_join_all(plan.cast.iter().map(|role| install(&world, role))).await?;
    let (trace, traced) = mpsc::unbounded_channel();
    for phone in &phones {
        phone.set_trace(trace.clone());
    }
    drop(trace);
    try_join_all(phones.iter().map(Phone::launch)).await.context("the first launch")?;

    let confirmed = Confirmed::default();
    let mut background = JoinSet::new();
    let watched = observer::run(Arc::clone(&world), phones.clone(), traced, confirmed.clone());
    background.spawn(watched);
    let (kill, orders) = mpsc::unbounded_channel();
    let mut killer = JoinSet::new();
    killer.spawn(kill_on_order(Arc::clone(&world), orders));

    let mut stage = Stage {
        world: Arc::clone(&world),
        phones: phones.clone(),
        ledger: Ledger::default(),
        pushes: Pushes::default(),
        kill,
        dead_tokens: Vec::new(),
    };
    let start = Instant::now();
    for step in &plan.steps {
        sleep_until(start + step.at).await;
        stage.perform(&step.action).await;
    }
    sleep_until(start + length).await;
    let Stage { ledger, mut pushes, kill, dead_tokens, .. } = stage;
    drop(kill);
    let Killed { kills, mut trouble } =
        killer.join_next().await.context("there was no killer")?.context("the killer failed")??;

    let ended = Instant::now();
    for script in [world.apns().trouble(), world.fcm().trouble()] {
        script.clear();
    }
    world.wait_ready().await?;
    for (phone, _) in &dead_tokens {
        phones[*phone].launch().await?;
        phones[*phone].suspend().await;
    }
    let rest = come_to_rest(&phones, &ledger).await.then(|| ended.elapsed());
    if rest.is_none() {
        trouble.push(format!("the world did not come to rest within {REST:?}"));
    }
    let direct = pushes.over(&world, ended + REST).await;
    sleep(WATCH).await;
    let mut evidence = gather::evidence(&world, &phones, &ledger, &confirmed, &dead_tokens).await?;
    evidence.direct = direct;
    trouble.extend(vacuous(&evidence));
    Ok(Outcome { evidence, trouble, kills, rest, world, phones })
}

fn world_options(server: &Path) -> WorldOptions {
    WorldOptions {
        settings: Settings {
            climb_after: Some(5),
            repeat_after: Some(vec![5, 5, 10, 10, 20, 20, 30, 30]),
            alert_title: Some("New message".to_owned()),
            ..Settings::default()
        },
        tuning: Tuning {
            ack_deadline: Some(FOREGROUND_DEADLINE),
            background_ack_deadline: Some(DEADLINE),
            restart_grace: Some(Duration::from_millis(500)),
            apns_retry_after_unavailable: Some(Duration::from_millis(500)),
            // A dead socket is to be found by the ack deadline alone: unanswered pings would end
            // it within the time a run waits, and hide a deadline that never comes.
            ping_interval: Some(REST * 5),
            ..Tuning::default()
        },
        ..WorldOptions::new(server)
    }
}

async fn install(world: &World, role: &Role) -> Result<Phone> {
    let mut options = world.phone_options(&role.user, role.platform, &role.name).await?;
    options.behaviour.ignores_background = role.ignores_background;
    options.behaviour.background_run = Duration::from_secs(4);
    Ok(Phone::install(options))
}

/// What the steps act upon.
struct Stage {
    world: Arc<World>,
    phones: Vec<Phone>,
    ledger: Ledger,
    pushes: Pushes,
    kill: mpsc::UnboundedSender<Duration>,
    /// Phones whose tokens died, with the tokens.
    dead_tokens: Vec<(usize, Vec<String>)>,
}

impl Stage {
    async fn perform(&mut self, action: &Action) {
        match action {
            Action::Send { from, to, count } => {
                let phone = &self.phones[*from];
                if phone.life() != Life::Foreground {
                    phone.open();
                }
                self.ledger.send(phone, to, *count);
            }
            Action::BackEndSend { to, count } => {
                self.ledger.send_from_back_end(&self.world, to, *count);
            }
            Action::Push { to } => self.pushes.push(&self.world, to),
            Action::Broadcast { rate } => self.pushes.broadcast(&self.world, *rate),
            Action::Open(phone) => self.phones[*phone].open(),
            Action::Background(phone) => self.phones[*phone].background().await,
            Action::Suspend(phone) => self.phones[*phone].suspend().await,
            Action::Freeze(phone) => self.phones[*phone].freeze().await,
            Action::KillApp(phone) => self.phones[*phone].kill_app().await,
            Action::ForceQuit(phone) => self.phones[*phone].force_quit().await,
            Action::TokensDie(phone) => {
                let tokens = tokens(&self.phones[*phone]);
                for token in &tokens {
                    self.world.devices().unregister(token);
                }
                self.dead_tokens.push((*phone, tokens));
            }
            Action::KillServer { down } => {
                // The killer's task ends only after this side is dropped.
                let _ = self.kill.send(*down);
            }
            Action::Trouble(vendor, trouble) => {
                let (script, unavailable) = match vendor {
                    Vendor::Apple => (
                        self.world.apns().trouble(),
                        Scripted::apns(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
                    ),
                    Vendor::Google => (
                        self.world.fcm().trouble(),
                        Scripted::status(StatusCode::SERVICE_UNAVAILABLE),
                    ),
                };
                make_trouble(script, *trouble, &unavailable);
            }
        }
    }
}

/// The push tokens that a phone has now.
fn tokens(phone: &Phone) -> Vec<String> {
    let kinds = [TargetKindName::Apns, TargetKindName::ApnsVoip, TargetKindName::Fcm];
    kinds.into_iter().filter_map(|kind| phone.push_token(kind)).collect()
}

fn make_trouble(script: &Script, trouble: Trouble, unavailable: &Scripted) {
    match trouble {
        Trouble::Unavailable(count) => script.answer_next(count, unavailable),
        Trouble::GoAway(after) => script.go_away_after(after, &GoAway::plain()),
        Trouble::RefuseStreams(count) => script.refuse_streams(count),
        Trouble::Close(count) => script.close_next(count),
        Trouble::CloseAfterProcessing(count) => script.close_after_processing(count),
        Trouble::Stall => script.hold(),
        Trouble::Release => script.release(),
    }
}

/// What the killer did.
struct Killed {
    kills: usize,
    trouble: Vec<String>,
}

/// Kills the server at each order and starts it again, without waiting until it is ready: the next
/// kill may hit it while it starts. Ends with a server that was started.
async fn kill_on_order(
    world: Arc<World>,
    mut orders: mpsc::UnboundedReceiver<Duration>,
) -> Result<Killed> {
    let mut killed = Killed { kills: 0, trouble: Vec::new() };
    while let Some(down) = orders.recv().await {
        if world.server_runs().await {
            world.kill().await?;
            killed.kills += 1;
        } else {
            killed
                .trouble
                .push(format!("the server had ended by itself before kill {}", killed.kills + 1));
        }
        sleep(down).await;
        world.spawn_server().await?;
    }
    Ok(killed)
}

/// Waits until every accepted message is held and no phone on the screen waits for an answer.
/// Says whether that came in time.
async fn come_to_rest(phones: &[Phone], ledger: &Ledger) -> bool {
    let until = Instant::now() + REST;
    loop {
        let evidence = gather::records(phones, ledger);
        let waiting = gather::unanswered_on_screen(phones, &evidence);
        if waiting == 0 && !ledger.busy() && check::missing(&evidence).is_empty() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        sleep(LOOK).await;
    }
}

/// A run that proves nothing is a failed run.
fn vacuous(evidence: &Evidence) -> Vec<String> {
    let counts = [
        ("message was sent", evidence.sends.len()),
        ("push came after a confirmed ack", check::after_an_ack(evidence)),
        ("ack was confirmed", evidence.confirmations.len()),
        ("push target was found", evidence.targets.len()),
        ("direct push was taken in", evidence.direct.len()),
        ("broadcast was taken in", evidence.direct.iter().filter(|it| it.broadcast).count()),
    ];
    let none = counts.into_iter().filter(|(_, count)| *count == 0);
    none.map(|(what, _)| format!("no {what}, so nothing was proven")).collect()
}
