//! Many devices, each with a user of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use domain::MaySend;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;
use server::clock::Clock;
use server::config::{Config, LogLevel};
use server::node::Node;
use server::secret::{KeyKind, KeyText};
use wire::{HeldPosition, ServerFrame};

use super::SETTLE;
use super::child::Child;
use super::client::Client;
use super::process::Usage;

/// Devices that connect at the same time.
pub(super) const AT_ONCE: usize = 256;

/// How long tokens are good.
const TOKEN_TTL: Duration = Duration::from_secs(86_400);

/// All of them.
pub(super) struct Crowd {
    pub(super) members: Vec<Member>,
}

/// One device.
pub(super) struct Member {
    pub(super) user: String,
    token: String,
    secret: Option<String>,
    pub(super) held: Option<HeldPosition>,
    pub(super) client: Option<Client>,
}

/// What it took until all were connected.
pub(super) struct Connects {
    pub(super) took: Duration,
    /// CPU time until all were connected, memory when they had settled.
    pub(super) usage: Usage,
    /// The same for the first half of them.
    pub(super) half: Usage,
}

impl Crowd {
    /// Makes their users and tokens in a data folder below `dir`.
    ///
    /// # Errors
    ///
    /// The store's.
    pub(super) async fn gather(dir: &Path, size: usize) -> Result<Self> {
        let mut config = Config::defaults()?;
        config.data_dir = dir.join("data");
        config.log.level = LogLevel::Error;
        let node = Node::start(config, Clock::system(), false).await?;
        let now = node.clock.now();
        let app = node.store.add_app("bench".to_owned(), now).await?.id;
        let members = (0..size).map(|index| {
            let store = &node.store;
            async move {
                let (user, token) = (format!("user-{index}"), KeyText::generate(KeyKind::User));
                let inbox = store.ensure_user(app, user.clone(), now).await?.context("no app")?;
                let (hash, until) = (*token.hash().as_bytes(), now.plus(TOKEN_TTL));
                store.add_user_token(hash, inbox, MaySend::Known, until).await?;
                let token = token.expose().to_owned();
                anyhow::Ok(Member { user, token, secret: None, held: None, client: None })
            }
        });
        let members = stream::iter(members).buffered(AT_ONCE).try_collect().await?;
        node.stop().await;
        Ok(Self { members })
    }

    /// Connects all of them.
    ///
    /// # Errors
    ///
    /// When one of them cannot connect.
    pub(super) async fn connect(&mut self, server: &Child) -> Result<Connects> {
        let before = server.usage()?;
        let mid = self.members.len() / 2;
        let mut took = connect(server, &mut self.members[..mid]).await?;
        tokio::time::sleep(SETTLE).await;
        let half = server.usage()?.since(&before);
        took += connect(server, &mut self.members[mid..]).await?;
        let cpu = server.usage()?.since(&before).cpu;
        tokio::time::sleep(SETTLE).await;
        let usage = Usage { cpu, ..server.usage()?.since(&before) };
        Ok(Connects { took, usage, half })
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.members.len()
    }

    /// All connections break.
    pub(super) fn leave(&mut self) {
        for member in &mut self.members {
            member.client = None;
        }
    }
}

async fn connect(server: &Child, members: &mut [Member]) -> Result<Duration> {
    let start = Instant::now();
    let connects = members.iter_mut().map(|member| member.connect(server));
    stream::iter(connects).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(start.elapsed())
}

impl Member {
    async fn connect(&mut self, server: &Child) -> Result<()> {
        let mut client = Client::open(server.stream().await?).await?;
        let frame = json!({
            "type": "connect",
            "token": self.token,
            "device": { "id": format!("{}-phone", self.user), "platform": "android" },
            "device_secret": self.secret,
            "position": self.held,
            "state": "foreground",
        });
        client.send(&frame.to_string()).await?;
        let first = client.next().await?;
        let ServerFrame::Connected(connected) = ServerFrame::parse(&first)? else {
            bail!("this came first: {first}");
        };
        self.secret = connected.device_secret.or_else(|| self.secret.take());
        self.client = Some(client);
        Ok(())
    }
}
