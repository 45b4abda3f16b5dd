//! The phones of the lab, and what is known of them and of what was sent last.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use sim::phone::{Logged, Phone, Platform};
use sim::world::World;
use tokio::sync::{mpsc, watch};
use wire::http::{Page, Record};

use super::fault::Faults;
use super::sending::Sent;
use super::view::{View, called};
use crate::http::problem::{Problem, ProblemCode};
use crate::tasks::Tasks;

/// Phones at most; a wall with more is no wall.
const MOST: usize = 12;

/// Between two looks at what the server says of the last message.
const LOOK: Duration = Duration::from_millis(200);

/// How long a woken app stays for more: long enough to be seen, and well within what the systems
/// allow.
const LINGER: Duration = Duration::from_millis(2_500);

/// The phones to begin with: whose, and what they are.
const FIRST: [(&str, Platform); 4] = [
    ("alice", Platform::Ios),
    ("alice", Platform::Web),
    ("bob", Platform::Android),
    ("carol", Platform::Ios),
];

/// What the pages of the lab are about.
pub struct Lab {
    world: Arc<World>,
    address: SocketAddr,
    tasks: Tasks,
    wall: Mutex<Wall>,
    /// Grows with everything that a page may show.
    changed: watch::Sender<u64>,
    /// Where phones write what they note.
    trace: mpsc::UnboundedSender<(Arc<str>, Logged)>,
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").field("server", &self.world.address()).finish_non_exhaustive()
    }
}

/// Why there is no lab.
#[derive(Debug, thiserror::Error)]
#[error("the lab cannot be set up: {0}")]
pub struct SetUpError(String);

/// What can change.
pub(super) struct Wall {
    pub(super) handsets: Vec<Handset>,
    pub(super) last: Option<Sent>,
    pub(super) faults: Faults,
}

/// One phone on the wall.
pub(super) struct Handset {
    /// Names it in addresses.
    pub(super) id: String,
    pub(super) user: String,
    pub(super) phone: Phone,
    pub(super) view: View,
}

impl Lab {
    /// The lab of a world, with its first phones switched on, and one of them asleep. `address` is
    /// where its pages are; what it has to do meanwhile is the tasks'.
    ///
    /// # Errors
    ///
    /// When the world's server refuses a phone.
    pub async fn open(
        world: Arc<World>,
        address: SocketAddr,
        tasks: &Tasks,
    ) -> Result<Arc<Self>, SetUpError> {
        let (trace, events) = mpsc::unbounded_channel();
        let wall = Wall { handsets: Vec::new(), last: None, faults: Faults::default() };
        let lab = Arc::new(Self {
            world,
            address,
            tasks: tasks.clone(),
            wall: Mutex::new(wall),
            changed: watch::Sender::new(0),
            trace,
        });
        tasks.start("lab phones", Arc::clone(&lab).watch(events));
        tasks.start("lab timeline", Arc::clone(&lab).follow());
        for (user, platform) in FIRST {
            lab.install(user, platform).await.map_err(|why| SetUpError(why.detail().to_owned()))?;
        }
        let phones: Vec<Phone> =
            lab.wall().handsets.iter().map(|handset| handset.phone.clone()).collect();
        let launches = join_all(phones.iter().map(Phone::launch)).await;
        for launched in launches {
            launched.map_err(|error| SetUpError(format!("{error:#}")))?;
        }
        if let Some(sleeper) = phones.last() {
            sleeper.suspend().await;
            lab.see(sleeper, |view| view.locked = true);
        }
        Ok(lab)
    }

    /// The world that it is a window of.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Where its pages are.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is known; not to be held over an `await`.
    pub(super) fn wall(&self) -> MutexGuard<'_, Wall> {
        // Every change under the lock is whole.
        self.wall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something changed that a page may show.
    pub(super) fn touch(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    /// Learns of every change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Resolves when the lab is to end.
    pub(super) async fn ended(&self) {
        self.tasks.stopped().await;
    }

    /// The phone of an id.
    pub(super) fn phone(&self, id: &str) -> Result<Phone, Problem> {
        let wall = self.wall();
        let found = wall.handsets.iter().find(|handset| handset.id == id);
        found.map(|handset| handset.phone.clone()).ok_or_else(|| {
            let ids: Vec<&str> = wall.handsets.iter().map(|handset| handset.id.as_str()).collect();
            Problem::new(
                ProblemCode::NotFound,
                format!("there is no such phone; there are {}", ids.join(", ")),
            )
            .with_field("phone")
        })
    }

    /// Changes what is seen of a phone.
    pub(super) fn see(&self, phone: &Phone, change: impl FnOnce(&mut View)) {
        let mut wall = self.wall();
        if let Some(handset) = wall.handset(phone.name()) {
            change(&mut handset.view);
        }
        drop(wall);
        self.touch();
    }

    /// Puts another phone on the wall; it was never opened.
    pub(super) async fn install(&self, user: &str, platform: Platform) -> Result<Phone, Problem> {
        let full = || {
            let detail = format!("the wall has room for {MOST} phones; use one of those");
            Problem::new(ProblemCode::Conflict, detail).with_field("user")
        };
        let (id, name) = {
            let wall = self.wall();
            if wall.handsets.len() >= MOST {
                return Err(full());
            }
            wall.name_for(user, platform)
        };
        let phone = self.world.phone(user, platform, &name).await.map_err(|error| {
            tracing::warn!(error = %format!("{error:#}"), "no phone could be made");
            let detail = format!("the server gave the phone no user token: {error:#}");
            Problem::new(ProblemCode::Unavailable, detail)
        })?;
        phone.behave(|behaviour| behaviour.linger = LINGER);
        phone.set_trace(self.trace.clone());
        let handset =
            Handset { id, user: user.to_owned(), phone: phone.clone(), view: View::new() };
        let mut wall = self.wall();
        // Another one may have come in between; its name would be taken too.
        if wall.handsets.len() >= MOST || wall.handset(&name).is_some() {
            return Err(full());
        }
        wall.handsets.push(handset);
        drop(wall);
        self.touch();
        Ok(phone)
    }

    /// Takes in what the phones note.
    async fn watch(self: Arc<Self>, mut events: mpsc::UnboundedReceiver<(Arc<str>, Logged)>) {
        loop {
            let (name, logged) = tokio::select! {
                event = events.recv() => match event {
                    Some(event) => event,
                    None => return,
                },
                () = self.tasks.stopped() => return,
            };
            let mut wall = self.wall();
            if let Some(last) = &mut wall.last {
                last.saw(&logged);
            }
            if let Some(handset) = wall.handset(&name) {
                handset.view.saw(&logged);
            }
            drop(wall);
            self.touch();
        }
    }

    /// Asks the server what it says of the last message, as long as that may change.
    async fn follow(self: Arc<Self>) {
        let mut changes = self.changes();
        loop {
            let asked = self.wall().last.as_mut().and_then(Sent::look);
            let pause = async {
                match asked {
                    Some(_) => tokio::time::sleep(LOOK).await,
                    // The sender lives in `self`.
                    None => drop(changes.changed().await),
                }
            };
            if let Some(path) = &asked {
                self.ask(path).await;
            }
            tokio::select! {
                () = pause => {}
                () = self.tasks.stopped() => return,
            }
        }
    }

    async fn ask(&self, path: &str) {
        let answer = self.world.call::<Page<Record>>(http::Method::GET, path, None).await;
        let records = match answer {
            Ok(page) => page.items,
            // A message on its way is on no record yet.
            Err(error) => return tracing::debug!(error = %format!("{error:#}"), "no timeline"),
        };
        let mut wall = self.wall();
        let changed = wall.last.as_mut().is_some_and(|last| last.learns(path, records));
        drop(wall);
        if changed {
            self.touch();
        }
    }
}

impl Wall {
    /// The phone of that name.
    pub(super) fn handset(&mut self, name: &str) -> Option<&mut Handset> {
        self.handsets.iter_mut().find(|handset| handset.phone.name() == name)
    }

    /// The users, each once.
    pub(super) fn users(&self) -> Vec<&str> {
        let mut users: Vec<&str> =
            self.handsets.iter().map(|handset| handset.user.as_str()).collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    /// Id and name of another phone.
    fn name_for(&self, user: &str, platform: Platform) -> (String, String) {
        let (word, what) = match platform {
            Platform::Android => ("android", "Android"),
            Platform::Ios => ("iphone", "iPhone"),
            Platform::Web => ("browser", "browser"),
        };
        let (id, name) = (format!("{user}-{word}"), format!("{}'s {what}", called(user)));
        let same =
            |handset: &&Handset| handset.user == user && handset.phone.platform() == platform;
        match self.handsets.iter().filter(same).count() {
            0 => (id, name),
            others => (format!("{id}-{}", others + 1), format!("{name} {}", others + 1)),
        }
    }
}
