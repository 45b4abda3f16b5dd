//! A node in this process, on a real disk, with an app and users whose iPhones sleep or live.
//!
//! Users come in by the store, not over sockets: what is measured begins where a frame or a
//! request has been read, at [`server::accept::accept`].

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, anyhow, ensure};
use domain::inbox::Held;
use domain::session::AppState;
use domain::{AppId, DeviceNumber, Epoch, InboxId, Offset, Platform, SessionId, TargetKind};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use server::accept::{self, Incoming};
use server::clock::Clock;
use server::config::{Config, LogLevel};
use server::node::Node;
use server::route::Handle;
use store::model::{Connect, Connected, Identity, Sender, SetTarget};
use tempfile::TempDir;
use wire::UrgencyName;

/// An app, and the bundle id of its iPhone app.
#[derive(Clone, Copy)]
pub(crate) struct App {
    /// Its id.
    pub(crate) id: AppId,
    /// The bundle id, which Android phones give too.
    pub(crate) bundle: &'static str,
}

/// Bytes of a message's body.
const BODY_BYTES: usize = 200;

/// Changes under way at once while the stage is set; not measured.
const AT_ONCE: usize = 512;

/// A node with one app.
pub(crate) struct Stage {
    /// The node.
    pub(crate) node: Arc<Node>,
    /// The app.
    pub(crate) app: App,
    body: Box<serde_json::value::RawValue>,
    /// Messages sent so far: what makes the next one's id its own.
    sent: AtomicU64,
    /// Last, so that the folder goes when nobody uses it any more.
    dir: TempDir,
}

/// A user with one phone.
#[derive(Clone)]
pub(crate) struct User {
    app: AppId,
    name: String,
    inbox: InboxId,
    epoch: Epoch,
    device: DeviceNumber,
    session: SessionId,
    /// In the hub while the app is open, so that nudges find it.
    _handle: Arc<Handle>,
}

impl Stage {
    /// Starts a node on a fresh folder below `target/`, which is on a disk where `/tmp` often is
    /// memory. `configure` changes the default configuration; the folder is its own.
    ///
    /// # Errors
    ///
    /// Whatever keeps a server from starting.
    pub(crate) async fn set(
        configure: impl FnOnce(&mut Config, &Path) -> Result<()>,
    ) -> Result<Self> {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let mut config = Config::defaults()?;
        config.data_dir = dir.path().join("data");
        config.log.level = LogLevel::Error;
        configure(&mut config, dir.path())?;
        let node = Node::start(config, Clock::system(), false).await?;
        let id = node.store.add_app("bench".to_owned(), node.clock.now()).await?.id;
        let app = App { id, bundle: "com.example.bench" };
        let text = format!("\"{}\"", "x".repeat(BODY_BYTES - 2));
        let body = serde_json::value::RawValue::from_string(text)?;
        Ok(Self { node, app, body, sent: AtomicU64::new(0), dir })
    }

    /// The folder of this run; the node's data is in `data` below it.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Adds users of an app who have it open, with iPhones or, for [`TargetKind::Fcm`], Android phones; that
    /// of the n-th has the push token [`token`]`(n)`.
    ///
    /// # Errors
    ///
    /// The store's.
    pub(crate) async fn add_users(
        &self,
        app: App,
        count: usize,
        kind: TargetKind,
    ) -> Result<Vec<User>> {
        let users = (0..count).map(|index| self.add_user(app, index, kind));
        stream::iter(users).buffered(AT_ONCE).try_collect().await
    }

    async fn add_user(&self, app: App, index: usize, kind: TargetKind) -> Result<User> {
        let (store, now) = (&self.node.store, self.node.clock.now());
        let name = format!("{}-user-{index}", kind.as_str());
        let inbox = store.ensure_user(app.id, name.clone(), now).await?.context("no app")?;
        let session = SessionId::from_bits(rand::random());
        let connect = Connect {
            identity: Identity::User { app: app.id, inbox },
            device: format!("{}-phone-{index}", kind.as_str()),
            platform: if kind == TargetKind::Fcm { Platform::Android } else { Platform::Ios },
            app_version: None,
            locale: None,
            time_zone: None,
            secret: None,
            new_secret: rand::random(),
            held: None,
            state: AppState::Foreground,
            replaces: true,
            session,
            incarnation: self.node.incarnation,
            woken_by: None,
            now,
        };
        let Connected::Yes(connected) = store.connect(connect).await? else {
            return Err(anyhow!("{name} could not connect"));
        };
        let target = SetTarget {
            device: connected.device,
            kind,
            token: token(index),
            environment: None,
            app_id: Some(app.bundle.to_owned()),
            now,
        };
        store.set_target(target).await?;
        // Nobody listens: a nudge to it costs what it costs a session, and its reads are ours.
        let handle = Handle::new(session, connected.device, connected.head);
        self.node.hub.add(inbox, Arc::clone(&handle));
        let (epoch, device) = (connected.epoch, connected.device);
        Ok(User { app: app.id, name, inbox, epoch, device, session, _handle: handle })
    }

    /// The users' apps are suspended: their sessions end.
    ///
    /// # Errors
    ///
    /// The store's.
    pub(crate) async fn suspend(&self, users: &[User]) -> Result<()> {
        let ends = users.iter().map(|user| async {
            self.node.hub.remove(user.inbox, user.session);
            let now = self.node.clock.now();
            self.node.store.end_session(user.session, now).await.map(drop)
        });
        Ok(stream::iter(ends).buffer_unordered(AT_ONCE).try_collect().await?)
    }

    /// Sends a message the way the WebSocket's `send` does, and waits until it is durable.
    ///
    /// # Errors
    ///
    /// The problem that a client would be told.
    pub(crate) async fn send(&self, from: &User, to: &User) -> Result<()> {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let sender =
            Sender { inbox: from.inbox, user: from.name.clone(), device: Some(from.device) };
        let incoming = Incoming {
            app: from.app,
            sender: Some(sender),
            sender_key: format!("device:{}", from.device),
            client_id: format!("message-{number}"),
            to: vec![to.name.clone()],
            makes_users: false,
            thread: Some("thread".to_owned()),
            body: self.body.clone(),
            ttl: None,
            urgency: UrgencyName::Normal,
            push: None,
        };
        match accept::accept(&self.node, incoming).await {
            Ok(taken) if taken.failed.is_empty() => Ok(()),
            Ok(taken) => Err(anyhow!("not taken by {:?}", taken.failed)),
            Err(problem) => Err(anyhow!("refused: {}", problem.detail())),
        }
    }

    /// The user's phone reads what it does not hold and acknowledges it; returns how many entries.
    ///
    /// # Errors
    ///
    /// The store's; an ack that does not count.
    pub(crate) async fn read_and_ack(&self, user: &User) -> Result<usize> {
        let (store, now) = (&self.node.store, self.node.clock.now());
        let read = store.read(user.inbox, Offset::ZERO, 100, now).await?.context("no inbox")?;
        let Some(last) = read.entries.last() else { return Ok(0) };
        let held = Held { epoch: user.epoch, offset: last.offset, entry: Some(last.id) };
        let session = Some(user.session);
        let (acked, effects) = store.ack(user.device, held, session, self.node.clock.now()).await?;
        self.node.carry_out(effects);
        let progress = matches!(acked, store::model::Acked::Progress(_));
        ensure!(progress, "an ack of {} came to {acked:?}", user.name);
        Ok(read.entries.len())
    }

    /// Every one of the users' phones reads and acknowledges all there is; returns how many
    /// entries that were.
    ///
    /// # Errors
    ///
    /// The store's.
    pub(crate) async fn drain(&self, users: &[User]) -> Result<usize> {
        let drains = users.iter().map(|user| async {
            let mut drained = 0;
            loop {
                match self.read_and_ack(user).await? {
                    0 => return Ok::<_, anyhow::Error>(drained),
                    some => drained += some,
                }
            }
        });
        let drained = stream::iter(drains).buffer_unordered(AT_ONCE);
        drained.try_fold(0, |sum, some| async move { Ok(sum + some) }).await
    }

    /// Stops the node; its folder goes with the stage.
    pub(crate) async fn strike(&self) {
        self.node.stop().await;
    }
}

/// The push token of the n-th user's iPhone: 64 hex digits that begin with the number.
pub(crate) fn token(index: usize) -> String {
    format!("{index:08x}{:056x}", 0)
}
