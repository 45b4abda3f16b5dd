//! Does what the plan says, then lets the world come to rest and gathers the evidence.
//!
//! After the last step the trouble ends and the server stays up. From then on nobody opens an app
//! by hand: phones that were on the screen stay there, all others obey pushes only. The one
//! exception are phones whose push tokens died: no push can reach them until their user has opened
//! the app, so each is opened and suspended once more.

mod calls;
mod database;
mod gather;
mod killer;
mod pushes;
mod sends;
mod stage;
mod trouble;
mod webhooks;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use http::Method;
use jiff::SignedDuration;
use serde_json::json;
use sim::phone::{Network, Phone};
use sim::webpush::Vendor;
use sim::world::{Tuning, World, WorldOptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use wire::http::Settings;

use self::killer::{Killed, Killer};
use self::sends::Ledger;
use self::stage::Stage;
use self::webhooks::BackEnd;
use crate::check;
use crate::evidence::Evidence;
use crate::observer::{self, Confirmed};
use crate::plan::{Membership, Plan, Role};

/// The shorter of the two ack deadlines in this world, which the judge grants to every session.
pub(crate) const DEADLINE: Duration = Duration::from_millis(1_000);
/// The ack deadline of apps in the foreground.
const FOREGROUND_DEADLINE: Duration = Duration::from_millis(1_500);
/// After which an unanswered background push is followed by an alert, and that by the first repeat.
pub(crate) const CLIMB: u32 = 5;
/// How long a call rings, in seconds. A VoIP push is not sent with less than 5 left.
pub(crate) const RING: u32 = 10;
/// How long a side of a call may be away, in seconds.
const RESUME: u32 = 5;
/// How long the world may take to come to rest.
const REST: Duration = Duration::from_secs(90);
/// How long nothing may happen to direct pushes, or to events: after that only those pushes may be
/// left that wait out a pause.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it is watched after that: a wake that was not closed pushes again within the climbing
/// time, or the first repeat.
const WATCH: Duration = Duration::from_secs(CLIMB as u64 + 2);
/// Between two looks at whether the world is at rest.
const LOOK: Duration = Duration::from_millis(250);
/// How many phones are launched at once.
const LAUNCHED: usize = 40;

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) evidence: Evidence,
    /// What went wrong besides broken promises: the run itself did not do what it says.
    pub(crate) trouble: Vec<String>,
    /// What took so long that the next steps came late; no fault of the server.
    pub(crate) slow: Vec<String>,
    /// How many databases of killed servers were looked into, and how many of their write-ahead
    /// logs ended in the middle of a commit.
    pub(crate) looks: (usize, usize),
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
    for some in phones.chunks(LAUNCHED) {
        try_join_all(some.iter().map(Phone::launch)).await.context("the first launch")?;
    }
    set_up(&world, plan, &phones).await?;
    let mut back_end = BackEnd::start(&world).await?;

    let confirmed = Confirmed::default();
    let mut background = JoinSet::new();
    let watched = observer::run(Arc::clone(&world), phones.clone(), traced, confirmed.clone());
    background.spawn(watched);
    let (deeds, ordered) = mpsc::unbounded_channel();
    let ledger = Ledger::default();
    let mut killer = JoinSet::new();
    let kills =
        Killer { world: Arc::clone(&world), phones: phones.clone(), ledger: ledger.clone() };
    killer.spawn(kills.run(ordered));

    let mut stage = Stage::new(&world, &phones, &ledger, deeds);
    let start = Instant::now();
    for step in &plan.steps {
        sleep_until(start + step.at).await;
        stage.perform(&step.action).await;
    }
    sleep_until(start + length).await;
    let mut left = stage.leave().await;
    let Killed { kills, restores, torn, looks, faults, slow, mut trouble } =
        killer.join_next().await.context("there was no killer")?.context("the killer failed")??;

    let ended = Instant::now();
    trouble::end_all(&world);
    back_end.calm().await?;
    world.wait_ready().await?;
    calm(&world, plan, &phones, &left.dead_tokens).await?;
    let calls = left.calls.over().await;
    let known = Evidence {
        calls,
        restores,
        read: left.read.clone(),
        blocks: plan.blocks.clone(),
        ..Evidence::default()
    };
    let rested = come_to_rest(&phones, &ledger, &known).await;
    let rest = rested.then(|| ended.elapsed());
    if !rested {
        trouble.push(format!("the world did not come to rest within {REST:?}"));
    }
    let direct = left.pushes.over(&world, PATIENCE).await;
    sleep(WATCH).await;
    let mut evidence =
        gather::evidence(&world, &phones, &ledger, &confirmed, &left.dead_tokens).await?;
    evidence.direct = direct;
    evidence.events = back_end.over(PATIENCE).await?;
    evidence.calls = known.calls;
    evidence.kills = kills;
    evidence.restores = known.restores;
    evidence.faults = faults;
    evidence.mute_services = left.mute_services;
    evidence.unmuted = left.unmuted;
    evidence.read = left.read;
    evidence.blocks.clone_from(&plan.blocks);
    let members = |membership| {
        let some = plan.cast.iter().filter(move |role| role.topic == membership);
        some.map(|role| role.name.clone()).collect()
    };
    evidence.subscribed = members(Membership::Always);
    evidence.strangers = members(Membership::Never);
    trouble.extend(vacuous(&evidence));
    if looks == 0 {
        trouble.push("no database was looked into".to_owned());
    }
    Ok(Outcome { evidence, trouble, slow, looks: (looks, torn), rest, world, phones })
}

fn world_options(server: &Path) -> WorldOptions {
    WorldOptions {
        webpush: Some(Vendor::Plain),
        back_end: true,
        settings: Settings {
            climb_after: Some(CLIMB),
            repeat_after: Some(vec![CLIMB, CLIMB, 10, 10, 20, 20, 30, 30]),
            alert_title: Some("New message".to_owned()),
            ring_time: Some(RING),
            resume_time: Some(RESUME),
            ..Settings::default()
        },
        tuning: Tuning {
            ack_deadline: Some(FOREGROUND_DEADLINE),
            background_ack_deadline: Some(DEADLINE),
            restart_grace: Some(Duration::from_millis(500)),
            apns_retry_after_unavailable: Some(Duration::from_millis(500)),
            request_timeout: Some(Duration::from_secs(3)),
            probe: Some(Duration::from_millis(300)),
            // A dead socket is to be found by the ack deadline alone: unanswered pings would end
            // it within the time a run waits, and hide a deadline that never comes.
            ping_interval: Some(Duration::from_secs(300)),
            more: "[rate]\nmessages_per_minute = 1000000\ncalls_per_minute = 1000000\n\
                   calls_to_user_per_minute = 1000000\n\
                   [webhooks]\nretry_ms = 200\npause_ms = 300\n"
                .to_owned(),
            ..Tuning::default()
        },
        ..WorldOptions::new(server)
    }
}

async fn install(world: &World, role: &Role) -> Result<Phone> {
    let mut options = world.phone_options(&role.user, role.platform, &role.name).await?;
    options.behaviour.ignores_background = role.ignores_background;
    options.behaviour.answers_calls = role.answers;
    options.behaviour.clock_ahead = SignedDuration::from_mins(role.clock_ahead);
    options.behaviour.background_run = Duration::from_secs(4);
    Ok(Phone::install(options))
}

/// What stays as it is for the whole run: who blocks whom, and who is in the topic.
async fn set_up(world: &World, plan: &Plan, phones: &[Phone]) -> Result<()> {
    for (user, blocked) in &plan.blocks {
        let path = format!("/v1/users/{user}/blocks/{blocked}");
        let answer = world.api(Method::PUT, &path, world.app_key(), None).await?;
        anyhow::ensure!(answer.0 == 204, "{path}: {answer:?}");
    }
    let members = plan.cast.iter().zip(phones).filter(|(role, _)| role.topic == Membership::Always);
    let devices: Vec<String> = members.map(|(_, phone)| phone.device_id()).collect();
    let path = format!("/v1/topics/{}/devices", pushes::TOPIC);
    let body = json!({ "devices": devices });
    let answer = world.api(Method::POST, &path, world.app_key(), Some(&body)).await?;
    anyhow::ensure!(answer.0 == 200, "{path}: {answer:?}");
    Ok(())
}

/// Everything that only disturbs is over: networks are back, nobody mutes, phones lie with their
/// screens on, and those whose tokens died are opened once more.
async fn calm(
    world: &World,
    plan: &Plan,
    phones: &[Phone],
    dead_tokens: &[(usize, Vec<String>)],
) -> Result<()> {
    for (phone, role) in phones.iter().zip(&plan.cast) {
        phone.set_network(Network::On);
        phone.screen_on().await;
        phone.behave(|it| it.ignores_background = role.ignores_background);
        let path = format!("/v1/users/{}/mutes/*", role.user);
        let answer = world.api(Method::DELETE, &path, world.app_key(), None).await?;
        anyhow::ensure!(answer.0 == 204, "{path}: {answer:?}");
    }
    for (phone, _) in dead_tokens {
        phones[*phone].launch().await?;
        phones[*phone].suspend().await;
    }
    Ok(())
}

/// Waits until every accepted message is held and no phone on the screen waits for an answer.
/// Says whether that came in time.
async fn come_to_rest(phones: &[Phone], ledger: &Ledger, known: &Evidence) -> bool {
    let until = Instant::now() + REST;
    loop {
        let Evidence { phones: records, sends, .. } = gather::records(phones, ledger);
        let evidence = Evidence { phones: records, sends, ..known.clone() };
        let waiting = gather::unanswered_on_screen(phones, &evidence);
        if waiting == 0
            && !ledger.busy()
            && check::missing(&evidence).is_empty()
            && check::missing_calls(&evidence).is_empty()
        {
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
    use crate::evidence::{About, Audience};
    let pushes = |wanted: fn(&About) -> bool| {
        evidence.pushes.iter().filter(|push| wanted(&push.about)).count()
    };
    let counts = [
        ("message was sent", evidence.sends.len()),
        ("push came after a confirmed ack", check::after_an_ack(evidence)),
        ("ack was confirmed", evidence.confirmations.len()),
        ("push target was found", evidence.targets.len()),
        ("direct push was taken in", evidence.direct.len()),
        (
            "broadcast was taken in",
            evidence.direct.iter().filter(|it| it.to != Audience::Users).count(),
        ),
        ("call was begun", evidence.calls.len()),
        ("phone was rung by a push", pushes(|about| matches!(about, About::Call(_)))),
        ("kill happened", evidence.kills.len()),
        ("event was told", evidence.events.told.len()),
        ("event was told again", evidence.events.again()),
        ("event was refused at first", evidence.events.refused),
    ];
    let none = counts.into_iter().filter(|(_, count)| *count == 0);
    none.map(|(what, _)| format!("no {what}, so nothing was proven")).collect()
}
