//! Everything that lives in one server process, wired together in one place.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::Incarnation;
use domain::session::Deadlines;
use store::log::Log;
use store::model::{Birth, Effects, InboxLimits};
use store::{Slots, Store};

use crate::broadcast::Broadcasts;
use crate::calls::Ringing;
use crate::circuits::Circuits;
use crate::clock::Clock;
use crate::config::Config;
use crate::console::Guesses;
use crate::credentials::Clients;
use crate::failures::Failures;
use crate::ids::Ids;
use crate::metrics::Metrics;
use crate::pushes::sending::Sending;
use crate::rates::Rates;
use crate::report;
use crate::route::Hub;
use crate::seal::{MasterKey, rotate};
use crate::secret::{KeyHash, load_or_create_admin_key};
use crate::settings::SettingsCache;
use crate::statistics;
use crate::tasks::Tasks;
use crate::users::keys::TokenKeys;
use crate::wake::Runner;
use crate::webhooks::Webhooks;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is not to be had.
    #[error(transparent)]
    Listen(#[from] crate::serve::ListenError),
    /// The certificate cannot be read.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The admin key cannot be read or made.
    #[error(transparent)]
    Secret(#[from] crate::secret::SecretError),
    /// The master key cannot be read or made.
    #[error(transparent)]
    Seal(#[from] crate::seal::SealError),
    /// Another key sealed what is in the database.
    #[error(transparent)]
    MasterKey(#[from] rotate::RotateError),
    /// The push services cannot be set up.
    #[error(transparent)]
    Clients(#[from] crate::credentials::ClientError),
}

/// One server process. Shared by everything that runs in it.
pub struct Node {
    /// The configuration, resolved, as it is since the last reload.
    config: RwLock<Arc<Config>>,
    /// What takes TLS connections; `None`: plain HTTP.
    pub tls: Option<crate::tls::Door>,
    /// The one clock.
    pub clock: Clock,
    /// The durable truth.
    pub store: Store,
    /// What was done and why.
    pub log: Log,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The living sessions.
    pub hub: Hub,
    /// The wake runner's mailbox.
    pub runner: Runner,
    /// Room in the lanes.
    pub slots: Slots,
    /// This life of the node.
    pub incarnation: Incarnation,
    /// Clients of the push services, by app and credential.
    pub clients: Clients,
    /// What proves user tokens that back ends sign.
    pub token_keys: TokenKeys,
    /// Which of the push services' clients are left alone for now.
    pub circuits: Circuits,
    /// What seals secrets at rest.
    pub master_key: MasterKey,
    /// The hash of the admin key.
    pub admin_key: KeyHash,
    /// Apps' settings, remembered.
    pub settings_cache: SettingsCache,
    /// Whoever signs in at the console.
    pub(crate) guesses: Guesses,
    /// Tells those who follow something in the console that sessions were ended.
    pub(crate) signed_out: tokio::sync::watch::Sender<()>,
    /// How often addresses have shown keys that are not good.
    pub failures: Failures,
    /// How much users have used of what they may do.
    pub rates: Rates,
    /// Calls that ring, as far as this node knows.
    pub ringing: Ringing,
    /// Direct pushes that this node is sending.
    pub sending: Sending,
    /// The broadcasts that this node walks.
    pub broadcasts: Broadcasts,
    /// All tasks.
    pub tasks: Tasks,
    /// The endpoints that events are sent to.
    pub webhooks: Webhooks,
    /// Wakes the job that looks at devices anew after a change.
    pub relane: tokio::sync::Notify,
    /// Wakes the job that takes away what deleted apps had.
    pub deletion: tokio::sync::Notify,
    /// Strict about unknown fields, for developers.
    pub dev: bool,
    /// Names that are keyed hashes.
    pub ids: Ids,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("incarnation", &self.incarnation).finish_non_exhaustive()
    }
}

impl Node {
    /// Opens the store, voids what the last life held, and starts the tasks.
    ///
    /// # Errors
    ///
    /// Whatever keeps the server from starting, in words for its operator.
    pub async fn start(config: Config, clock: Clock, dev: bool) -> Result<Arc<Self>, StartError> {
        let now = clock.now();
        let tls = crate::tls::Door::open(&config.tls)?;
        let options = store::Options {
            readers: config.store.readers,
            batch: config.store.batch,
            // 256 pages of 4 KiB are one MiB.
            max_pages: u32::try_from(config.store.max_size_mb.saturating_mul(256)).ok(),
            inbox: inbox_limits(&config),
            ..store::Options::new(&config.data_dir)
        };
        let store = Store::open(&options)?;
        let admin_key = load_or_create_admin_key(&config.data_dir)?.hash();
        let master_key = rotate::open(&store, &config).await?;
        let log_dir = config.data_dir.join("log");
        let log = Log::open(Path::new(&log_dir), config.push_log.retention_days, now)?;
        let started = store.start(now, now.plus(config.wake.restart_grace)).await?;
        let clients = Clients::new(&config)?;
        let tasks = Tasks::default();
        let (runner, mailbox) = Runner::new();
        let node = Arc::new(Self {
            slots: Slots::new(config.wake.lane_slots),
            ids: Ids::new(&store.id_key()),
            incarnation: started.incarnation,
            hub: Hub::default(),
            ringing: Ringing::default(),
            broadcasts: Broadcasts::default(),
            sending: Sending::default(),
            relane: tokio::sync::Notify::new(),
            deletion: tokio::sync::Notify::new(),
            circuits: Circuits::new(&config.circuit),
            guesses: Guesses::new(config.rate.failed_logins_per_minute),
            signed_out: tokio::sync::watch::Sender::default(),
            failures: Failures::new(config.rate.failed_logins_per_minute),
            rates: Rates::new(config.rate),
            settings_cache: SettingsCache::default(),
            token_keys: TokenKeys::new(clients.outbound()?),
            webhooks: Webhooks::new(clients.outbound()?, config.webhooks),
            runner,
            clients,
            master_key,
            admin_key,
            tasks,
            dev,
            tls,
            config: RwLock::new(Arc::new(config)),
            clock,
            store,
            log,
            metrics: Arc::new(Metrics::new(now)),
        });
        node.clients.load_all(&node).await?;
        node.carry_out(started.effects);
        mailbox.start(&node).await?;
        crate::broadcast::start(&node);
        crate::calls::start_clock(&node);
        crate::relane::start(&node);
        crate::deletion::start(&node);
        crate::credentials::expiry::start(&node);
        crate::webhooks::start(&node).await?;
        crate::sweep::start(&node);
        Ok(node)
    }

    /// Does what a committed change calls for.
    pub fn carry_out(self: &Arc<Self>, effects: Effects) {
        let Effects { nudges, due, born, decisions, passed, relane, calls } = effects;
        for (inbox, head) in nudges {
            self.hub.nudge(inbox, head);
        }
        self.runner.due(due);
        for claimed in born {
            crate::wake::push(self, claimed);
        }
        report::decisions(self, decisions);
        statistics::passed(self, passed);
        if relane {
            crate::relane::nudge(self);
        }
        if calls {
            self.ringing.look();
        }
    }

    /// Where this node lets wakes be born claimed.
    pub fn birth(&self) -> Option<Birth> {
        (!self.tasks.is_stopping())
            .then(|| Birth { incarnation: self.incarnation, slots: self.slots.clone() })
    }

    /// How long devices may take to acknowledge.
    pub fn deadlines(&self) -> Deadlines {
        let session = self.config().session;
        Deadlines { foreground: session.ack_deadline, background: session.background_ack_deadline }
    }

    /// The configuration as it is now. What is built into the parts of this node stays what it was
    /// when they were built; [`crate::config::options::Change`] says which options that are.
    pub fn config(&self) -> Arc<Config> {
        // A configuration is put there whole.
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes from a configuration that was read anew what a running node can.
    pub fn take(&self, new: &Config) {
        let taken = Arc::new(self.config().reloaded(new));
        self.rates.set(taken.rate);
        self.failures.set(taken.rate.failed_logins_per_minute);
        self.guesses.set(taken.rate.failed_logins_per_minute);
        self.log.retain(taken.push_log.retention_days);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = taken;
    }

    /// Stops: sessions are told to come back elsewhere or later, attempts end, the log is written.
    pub async fn stop(self: &Arc<Self>) {
        self.hub.close_all(wire::CloseCode::GoingAway, "the server is stopping; connect again");
        self.tasks.stop();
        self.tasks.ended().await;
        self.log.close().await;
    }
}

fn inbox_limits(config: &Config) -> InboxLimits {
    let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
    InboxLimits {
        entries: i64::from(config.inbox.max_entries),
        bytes: i64::from(config.inbox.max_size_mb) << 20,
        silent_after: days(config.inbox.silent_after_days),
        forget_after: days(config.inbox.forget_device_after_days),
        sends_kept: days(config.inbox.idempotency_days),
    }
}
