//! The load: phones that live and what their users and the back end do, at rates that never change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use http::Method;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sim::phone::{Life, Logged, Phone, PhoneEvent, Platform, message};
use sim::webpush::Vendor;
use sim::world::{Tuning, World, WorldOptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use wire::RejectReason;
use wire::http::Settings;

/// Between two messages of users.
const SEND: Duration = Duration::from_millis(40);
/// Between two messages of the back end.
const BACK_END: Duration = Duration::from_millis(200);
/// Between two changes of one app's life.
const LIFE: Duration = Duration::from_millis(60);
/// Between two direct pushes.
const PUSH: Duration = Duration::from_millis(500);
/// Between two broadcasts.
const BROADCAST: Duration = Duration::from_secs(30);
/// Between two calls.
const CALL: Duration = Duration::from_millis(1_000);
/// Between two looks of all users at what they have got.
const READ: Duration = Duration::from_secs(1);
/// A callee who answers does so after so long.
const PICK_UP: Duration = Duration::from_millis(700);
/// A call is over after so long, whether it was taken or not.
const TALK: Duration = Duration::from_secs(4);
/// For how long a message is kept, in seconds: what nobody reads is to be over within the run.
const TTL: u32 = 300;
/// As long for messages of the fill.
const FILL_TTL: u32 = 60;
/// Who fills, to whom, and how many messages at a time.
const FILLERS: usize = 20;
const FILLED: usize = 50;
const BATCH: usize = 500;
/// How long the server may take to accept one batch.
const BATCH_LIMIT: Duration = Duration::from_secs(120);

/// A world under load. Dropping it ends everything.
pub(crate) struct Load {
    stage: Arc<Stage>,
    seed: u64,
    tasks: JoinSet<()>,
}

/// What the tasks act upon.
struct Stage {
    world: World,
    phones: Vec<Phone>,
    tally: Tally,
}

/// Something that is done again and again; what takes longer goes on in the set.
type Work = fn(&Arc<Stage>, &mut StdRng, &mut JoinSet<()>);

#[derive(Default)]
struct Tally {
    sent: AtomicU64,
    accepted: AtomicU64,
    held: AtomicU64,
    read: AtomicU64,
    pushes: AtomicU64,
    direct: AtomicU64,
    broadcasts: AtomicU64,
    woken: AtomicU64,
    answered: AtomicU64,
}

/// Everything that was done by some moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Messages that phones and the back end sent.
    pub(crate) sent: u64,
    /// Of them, accepted.
    pub(crate) accepted: u64,
    /// Copies that phones took.
    pub(crate) held: u64,
    /// Messages that were read.
    pub(crate) read: u64,
    /// Pushes that reached a phone.
    pub(crate) pushes: u64,
    /// Direct pushes that were taken in.
    pub(crate) direct: u64,
    /// Broadcasts that were taken in.
    pub(crate) broadcasts: u64,
    /// Sessions that a push brought.
    pub(crate) woken: u64,
    /// Calls that were answered.
    pub(crate) answered: u64,
}

impl Counts {
    /// All of them, by name.
    pub(crate) fn named(&self) -> [(&'static str, u64); 9] {
        let Self { sent, accepted, held, read, pushes, direct, broadcasts, woken, answered } =
            *self;
        [
            ("messages sent", sent),
            ("messages accepted", accepted),
            ("copies held", held),
            ("messages read", read),
            ("pushes", pushes),
            ("direct pushes", direct),
            ("broadcasts", broadcasts),
            ("sessions woken", woken),
            ("calls answered", answered),
        ]
    }

    /// Each by its name.
    pub(crate) fn read(of: impl Fn(&str) -> u64) -> Self {
        let [sent, accepted, held, read, pushes, direct, broadcasts, woken, answered] =
            Self::default().named().map(|(name, _)| of(name));
        Self { sent, accepted, held, read, pushes, direct, broadcasts, woken, answered }
    }

    /// The same of all.
    #[cfg(test)]
    pub(crate) fn of_all(number: u64) -> Self {
        Self {
            sent: number,
            accepted: number,
            held: number,
            read: number,
            pushes: number,
            direct: number,
            broadcasts: number,
            woken: number,
            answered: number,
        }
    }
}

impl Load {
    /// Starts the world and all phones; nothing happens yet.
    pub(crate) async fn start(server: &Path, seed: u64, phones: usize) -> Result<Self> {
        let world = World::start(options(server)).await?;
        let mut draw = StdRng::seed_from_u64(seed);
        let mut cast = Vec::with_capacity(phones);
        for number in 0..phones {
            // Every fourth user or so has two devices.
            let user = format!("user{:03}", number - usize::from(draw.random_bool(0.25)));
            let platform = match draw.random_range(0..10) {
                0..5 => Platform::Android,
                5..9 => Platform::Ios,
                _ => Platform::Web,
            };
            let answers = draw.random_bool(0.5).then_some(PICK_UP);
            cast.push((user, platform, format!("p{number:03}"), answers));
        }
        let installed = cast.iter().map(async |(user, platform, name, answers)| {
            let mut options = world.phone_options(user, *platform, name).await?;
            options.behaviour.answers_calls = *answers;
            anyhow::Ok(Phone::install(options))
        });
        let phones = try_join_all(installed).await?;
        for some in phones.chunks(50) {
            try_join_all(some.iter().map(Phone::launch)).await.context("the first launch")?;
        }
        let stage = Arc::new(Stage { world, phones, tally: Tally::default() });
        Ok(Self { stage, seed, tasks: JoinSet::new() })
    }

    /// So many messages to users without a device, over within a minute: the tables and the
    /// server's caches are then as large as after days of such load.
    pub(crate) async fn fill(&self, count: u32) -> Result<()> {
        let world = &self.stage.world;
        let users: Vec<String> = (0..FILLED).map(|number| format!("filled{number:02}")).collect();
        for user in &users {
            world.user_token(user, None).await?;
        }
        let each = count as usize / FILLERS;
        let fillers = (0..FILLERS).map(async |number| {
            let user = format!("filler{number:02}");
            let phone = world.phone(&user, Platform::Android, &user).await?;
            phone.launch().await?;
            let mut done = 0;
            while done < each {
                let (mark, batch) = (phone.mark(), BATCH.min(each - done));
                let mut last = String::new();
                for one in 0..batch {
                    let to = &users[(number + done + one) % users.len()];
                    let mut frame = message(&[to], "filled");
                    frame.ttl = Some(FILL_TTL);
                    last.clone_from(&frame.id);
                    phone.post(frame);
                }
                let answer = |event: &PhoneEvent| match event {
                    PhoneEvent::SendAccepted { client_id, .. }
                    | PhoneEvent::SendRejected { client_id, .. } => *client_id == last,
                    _ => false,
                };
                phone.wait_since(mark, answer, BATCH_LIMIT).await?;
                done += batch;
            }
            phone.force_quit().await;
            anyhow::Ok(())
        });
        try_join_all(fillers).await.map(drop)
    }

    /// Everything that goes on begins.
    pub(crate) fn begin(&mut self) {
        let (trace, traced) = mpsc::unbounded_channel();
        for phone in &self.stage.phones {
            phone.set_trace(trace.clone());
        }
        self.tasks.spawn(watch(Arc::clone(&self.stage), traced));
        let works: [(Duration, Work); 6] = [
            (SEND, Stage::send),
            (BACK_END, Stage::back_end),
            (LIFE, Stage::life),
            (PUSH, Stage::push),
            (BROADCAST, Stage::broadcast),
            (CALL, Stage::call),
        ];
        for (number, (pause, work)) in works.into_iter().enumerate() {
            let stage = Arc::clone(&self.stage);
            let mut draw = StdRng::seed_from_u64(self.seed.wrapping_add(1 + number as u64));
            self.tasks.spawn(async move {
                let mut doing = JoinSet::new();
                let mut tick = interval(pause);
                tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tick.tick().await;
                    while doing.try_join_next().is_some() {}
                    work(&stage, &mut draw, &mut doing);
                }
            });
        }
    }

    /// Everything that goes on ends.
    pub(crate) fn end(&mut self) {
        self.tasks.abort_all();
    }

    /// The server's process, while it runs.
    pub(crate) async fn process(&self) -> Option<u32> {
        if self.stage.world.server_runs().await {
            self.stage.world.server_pid().await
        } else {
            None
        }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.stage.world.data_dir()
    }

    pub(crate) fn counts(&self) -> Counts {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let tally = &self.stage.tally;
        Counts {
            sent: of(&tally.sent),
            accepted: of(&tally.accepted),
            held: of(&tally.held),
            read: of(&tally.read),
            pushes: of(&tally.pushes),
            direct: of(&tally.direct),
            broadcasts: of(&tally.broadcasts),
            woken: of(&tally.woken),
            answered: of(&tally.answered),
        }
    }
}

fn options(server: &Path) -> WorldOptions {
    WorldOptions {
        webpush: Some(Vendor::Plain),
        settings: Settings {
            climb_after: Some(5),
            repeat_after: Some(vec![10, 20, 30, 60]),
            alert_title: Some("New message".to_owned()),
            default_ttl: Some(TTL),
            ..Settings::default()
        },
        tuning: Tuning {
            log_level: "warn".to_owned(),
            // The fill is not to wait for limits that are there for people.
            more:
                "[rate]\nmessages_per_minute = 10000000\nmessages_to_user_per_minute = 10000000\n\
                   frames_per_minute = 10000000\n"
                    .to_owned(),
            ..Tuning::default()
        },
        ..WorldOptions::new(server)
    }
}

impl Stage {
    fn any<'a>(&'a self, draw: &mut StdRng) -> &'a Phone {
        &self.phones[draw.random_range(0..self.phones.len())]
    }

    /// A phone on the screen if there is one, and somebody else.
    fn pair<'a>(&'a self, draw: &mut StdRng) -> (&'a Phone, &'a Phone) {
        let mut from = self.any(draw);
        for _ in 0..20 {
            if from.life() == Life::Foreground {
                break;
            }
            from = self.any(draw);
        }
        loop {
            let to = self.any(draw);
            if to.user() != from.user() {
                return (from, to);
            }
        }
    }

    fn send(self: &Arc<Self>, draw: &mut StdRng, _: &mut JoinSet<()>) {
        let (from, to) = self.pair(draw);
        if from.life() != Life::Foreground {
            from.open();
        }
        from.post(message(&[to.user()], "Shall we meet at eight in front of the station?"));
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
    }

    fn back_end(self: &Arc<Self>, draw: &mut StdRng, doing: &mut JoinSet<()>) {
        let to = self.any(draw).user().to_owned();
        let body = json!({ "to": [to], "body": { "text": "Your order is on its way." } });
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
        self.ask(doing, "/v1/messages", body, |tally| &tally.accepted);
    }

    fn push(self: &Arc<Self>, draw: &mut StdRng, doing: &mut JoinSet<()>) {
        let to = self.any(draw).user().to_owned();
        let body = json!({ "to": { "users": [to] }, "title": "News", "ttl": 60 });
        self.ask(doing, "/v1/pushes", body, |tally| &tally.direct);
    }

    fn broadcast(self: &Arc<Self>, _: &mut StdRng, doing: &mut JoinSet<()>) {
        let body = json!({ "to": { "all": true }, "title": "To all", "ttl": 60 });
        self.ask(doing, "/v1/pushes", body, |tally| &tally.broadcasts);
    }

    fn ask(
        self: &Arc<Self>,
        doing: &mut JoinSet<()>,
        path: &'static str,
        body: Value,
        tally: fn(&Tally) -> &AtomicU64,
    ) {
        let stage = Arc::clone(self);
        doing.spawn(async move {
            let key = stage.world.app_key();
            let answer = stage.world.api(Method::POST, path, key, Some(&body)).await;
            if matches!(answer, Ok((200..=299, _))) {
                tally(&stage.tally).fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    fn life(self: &Arc<Self>, draw: &mut StdRng, doing: &mut JoinSet<()>) {
        let phone = self.any(draw).clone();
        let chance = draw.random_range(0..100);
        let ios = phone.platform() == Platform::Ios;
        doing.spawn(async move {
            match chance {
                0..35 => phone.open(),
                35..70 => phone.suspend().await,
                70..78 => phone.freeze().await,
                78..85 => phone.background().await,
                85..90 if ios => phone.force_quit().await,
                _ => phone.kill_app().await,
            }
        });
    }

    fn call(self: &Arc<Self>, draw: &mut StdRng, doing: &mut JoinSet<()>) {
        let (from, to) = self.pair(draw);
        let (from, to) = (from.clone(), to.clone());
        let reject = draw.random_bool(0.1);
        doing.spawn(async move {
            let call = from.start_call(to.user(), "A friend");
            sleep(TALK).await;
            if reject {
                to.reject(call.id(), RejectReason::Declined);
            }
            // One of the two applies: it was taken, or it still rings.
            call.end();
            call.cancel();
        });
    }
}

/// Counts what the phones see, and lets their users read it.
async fn watch(stage: Arc<Stage>, mut traced: mpsc::UnboundedReceiver<(Arc<str>, Logged)>) {
    let by_name: BTreeMap<&str, &Phone> =
        stage.phones.iter().map(|phone| (phone.name(), phone)).collect();
    let mut to_read: BTreeMap<Arc<str>, Vec<String>> = BTreeMap::new();
    let mut tick = interval(READ);
    loop {
        let (name, logged) = tokio::select! {
            event = traced.recv() => match event {
                Some(event) => event,
                None => return,
            },
            _ = tick.tick() => {
                read(&stage, &by_name, &mut to_read);
                continue;
            }
        };
        let count = |number: &AtomicU64| number.fetch_add(1, Ordering::Relaxed);
        match logged.event {
            PhoneEvent::SendAccepted { .. } => drop(count(&stage.tally.accepted)),
            PhoneEvent::MessageReceived { id, own_copy, .. } => {
                count(&stage.tally.held);
                if !own_copy {
                    to_read.entry(name).or_default().push(id);
                }
            }
            PhoneEvent::PushArrived { .. } => drop(count(&stage.tally.pushes)),
            PhoneEvent::Connected { woken_by: Some(_), .. } => drop(count(&stage.tally.woken)),
            PhoneEvent::CallAnswered { .. } => drop(count(&stage.tally.answered)),
            _ => {}
        }
    }
}

/// Who looks at the screen reads what came.
fn read(
    stage: &Stage,
    by_name: &BTreeMap<&str, &Phone>,
    to_read: &mut BTreeMap<Arc<str>, Vec<String>>,
) {
    to_read.retain(|name, messages| {
        let Some(phone) = by_name.get(&**name) else { return false };
        if phone.life() != Life::Foreground {
            return true;
        }
        stage.tally.read.fetch_add(messages.len() as u64, Ordering::Relaxed);
        for some in messages.chunks(100) {
            phone.read(some.to_vec());
        }
        false
    });
}
