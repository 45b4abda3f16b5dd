//! The store on SQLite: one file in WAL mode with full sync, one writer that commits in groups,
//! readers beside it.
//!
//! The inbox lock of the design is the one writer: every change is alone while it runs.

mod acks;
mod apps;
mod audit;
mod bodies;
mod broadcasts;
mod budgets;
mod calls;
mod console;
mod credentials;
mod deletion;
mod deliveries;
mod devices;
mod ends;
mod entries;
mod events;
mod inboxes;
mod lanes;
mod legs;
mod pushes;
mod readers;
mod reading;
mod receipts;
mod relane;
mod removal;
mod rows;
mod settings;
mod signals;
mod stages;
mod standing;
mod targets;
mod tokens;
mod topics;
mod users;
mod wakes;
mod webhooks;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::inbox::Held;
use domain::session::AppState;
use domain::{
    AppId, CallId, DeviceNumber, InboxId, Incarnation, KeyId, KeyScopes, LaneId, MessageId, Offset,
    SessionId, TargetKind, Time,
};
use rusqlite::Connection;

use crate::bell::Bell;
use crate::model::{
    Accept, Accepted, Acked, ApiKey, App, CallMove, CallMoved, CallRecord, CallStart, CallStarted,
    Claimed, Connect, Connected, Device, DeviceIdentity, Digest, Effects, InboxRead, Lane,
    SetTarget, Settings, Settle, SettleDone, Signal, SignalKept, TargetSet,
};
use crate::{Error, Options, Started};
use readers::Readers;
use rows::At;
use writer::{Role, Writer};

/// The schema, one step a file; a step once released never changes.
const MIGRATIONS: [&str; 15] = [
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_pushes.sql"),
    include_str!("migrations/0003_users.sql"),
    include_str!("migrations/0004_reading.sql"),
    include_str!("migrations/0005_calls.sql"),
    include_str!("migrations/0006_android_budget.sql"),
    include_str!("migrations/0007_webhooks.sql"),
    include_str!("migrations/0008_keys.sql"),
    include_str!("migrations/0009_pushed_at.sql"),
    include_str!("migrations/0010_console.sql"),
    include_str!("migrations/0011_deleted_apps.sql"),
    include_str!("migrations/0012_wake_stage.sql"),
    include_str!("migrations/0013_broadcasts_of_app.sql"),
    include_str!("migrations/0014_offline_told.sql"),
    include_str!("migrations/0015_calls_of_app.sql"),
];

/// How long a direct push is kept after it is over.
const PUSHES_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// How long the audit log keeps an act: a year, and some to look back on it.
const AUDIT_KEPT: Duration = Duration::from_secs(400 * 86_400);
/// How long an event is kept.
const EVENTS_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// Pushes forgotten by one sweep.
const SWEEP_PUSHES: i64 = 50;

/// Devices looked at by one sweep for those that stay away.
const SWEEP_DEVICES: i64 = 500;

/// Inboxes looked at by one sweep for expired entries.
const SWEEP_INBOXES: i64 = 200;

#[derive(Clone)]
pub(crate) struct Sqlite {
    writer: Writer,
    readers: Readers,
    bell: Bell,
    id_key: [u8; 32],
    thread: std::sync::Arc<std::sync::Mutex<Option<std::thread::JoinHandle<()>>>>,
    /// Held for as long as the store lives: one process a data directory.
    _lock: std::sync::Arc<File>,
}

impl Sqlite {
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        make_private(&options.dir)
            .map_err(|source| Error::File { path: options.dir.clone(), source })?;
        let lock = lock(&options.dir.join("reveille.lock"))?;
        let path = options.dir.join(crate::backup::DATABASE_FILE);
        let conn = writer::open(&path, Role::Writer)?;
        if let Some(pages) = options.max_pages {
            conn.pragma_update(None, "max_page_count", pages)?;
        }
        migrate(&conn, &path)?;
        let id_key = id_key(&conn)?;
        let readers = Readers::start(&path, options.readers)?;
        let bell = Bell::default();
        let (writer, thread) =
            Writer::start(conn, options.batch.max(1), options.inbox, bell.clone())?;
        Ok(Self {
            writer,
            readers,
            bell,
            id_key,
            thread: std::sync::Arc::new(std::sync::Mutex::new(Some(thread))),
            _lock: std::sync::Arc::new(lock),
        })
    }

    pub(crate) const fn id_key(&self) -> [u8; 32] {
        self.id_key
    }

    /// Waits for the writer thread, once every other handle is gone.
    pub(crate) fn close(self) {
        let Self { writer, thread, .. } = self;
        drop(writer);
        let thread = thread.lock().map_or(None, |mut thread| thread.take());
        if let Some(thread) = thread {
            // A panic of the writer was reported when it happened.
            let _ended = thread.join();
        }
    }

    pub(crate) async fn start(&self, now: Time, grace: Time) -> Result<Started, Error> {
        self.writer
            .change(move |tx| {
                tx.run("INSERT INTO incarnations (started_at) VALUES (?1)", [At(now)])?;
                let incarnation = Incarnation::from_number(tx.last_id());
                let mut effects = Effects::default();
                tx.void_last_life(now, grace, &mut effects)?;
                Ok(Started { incarnation, effects })
            })
            .await
    }

    pub(crate) async fn accept(&self, accept: Accept) -> Result<(Accepted, Effects), Error> {
        self.with_effects(move |tx, fx| tx.accept(&accept, fx)).await
    }

    pub(crate) async fn read(
        &self,
        inbox: InboxId,
        after: Offset,
        limit: usize,
        now: Time,
    ) -> Result<Option<InboxRead>, Error> {
        self.readers.read(move |conn| entries::read(conn, inbox, after, limit, now)).await
    }

    pub(crate) async fn ack(
        &self,
        device: DeviceNumber,
        held: Held,
        session: Option<SessionId>,
        now: Time,
    ) -> Result<(Acked, Effects), Error> {
        self.with_effects(move |tx, fx| tx.ack(device, held, session, now, fx)).await
    }

    pub(crate) async fn fetched(&self, device: DeviceNumber, now: Time) -> Result<Effects, Error> {
        self.effects(move |tx, fx| tx.fetched(device, now, fx)).await
    }

    pub(crate) async fn find_message(
        &self,
        app: AppId,
        message: MessageId,
    ) -> Result<Option<Vec<(InboxId, Offset)>>, Error> {
        self.readers.read(move |conn| entries::find_message(conn, app, message)).await
    }

    pub(crate) async fn connect(&self, connect: Connect) -> Result<Connected, Error> {
        self.writer.change(move |tx| tx.connect(&connect)).await
    }

    pub(crate) async fn end_session(
        &self,
        session: SessionId,
        now: Time,
    ) -> Result<Effects, Error> {
        self.effects(move |tx, fx| tx.end_session(session, now, fx)).await
    }

    pub(crate) async fn suspect(&self, session: SessionId, now: Time) -> Result<Effects, Error> {
        self.effects(move |tx, fx| tx.suspect(session, now, fx)).await
    }

    pub(crate) async fn clear_suspect(&self, session: SessionId) -> Result<(), Error> {
        self.writer.change(move |tx| tx.clear_suspect(session)).await
    }

    pub(crate) async fn sessions(&self, before: Time) -> Result<Vec<SessionId>, Error> {
        self.readers.read(move |conn| devices::sessions(conn, before)).await
    }

    pub(crate) async fn set_state(&self, session: SessionId, state: AppState) -> Result<(), Error> {
        self.writer.change(move |tx| tx.set_state(session, state)).await
    }

    pub(crate) async fn set_target(&self, set: SetTarget) -> Result<TargetSet, Error> {
        self.writer.change(move |tx| tx.set_target(&set)).await
    }

    pub(crate) async fn webpush_services(&self, limit: usize) -> Result<Vec<String>, Error> {
        self.readers.read(move |conn| targets::webpush_services(conn, limit)).await
    }

    pub(crate) async fn remove_targets(
        &self,
        device: DeviceNumber,
        kind: Option<TargetKind>,
        now: Time,
    ) -> Result<(usize, Effects), Error> {
        self.with_effects(move |tx, fx| tx.remove_targets(device, kind, now, fx)).await
    }

    pub(crate) async fn claim(
        &self,
        lane: LaneId,
        limit: usize,
        incarnation: Incarnation,
        now: Time,
    ) -> Result<(Vec<Claimed>, Effects), Error> {
        self.with_effects(move |tx, fx| tx.claim(lane, limit, incarnation, now, fx)).await
    }

    pub(crate) async fn settle(&self, settle: Settle) -> Result<SettleDone, Error> {
        self.writer.change(move |tx| tx.settle(&settle)).await
    }

    pub(crate) async fn lanes_due(&self) -> Result<Vec<(LaneId, Time)>, Error> {
        self.writer
            .change(move |tx| {
                let lanes = tx.all("SELECT id FROM lanes", [], |row| row.get(0))?;
                let mut due = Vec::new();
                for lane in lanes.into_iter().map(LaneId::from_number) {
                    due.extend(tx.lane_due(lane)?.map(|at| (lane, at)));
                    due.extend(tx.deliveries_due(lane)?.map(|at| (lane, at)));
                }
                Ok(due)
            })
            .await
    }

    pub(crate) async fn lane(&self, lane: LaneId) -> Result<Option<Lane>, Error> {
        self.writer.change(move |tx| tx.lane(lane)).await
    }

    pub(crate) async fn start_call(
        &self,
        start: CallStart,
    ) -> Result<(CallStarted, Effects), Error> {
        self.with_effects(move |tx, fx| tx.start_call(&start, fx)).await
    }

    pub(crate) async fn ringing(
        &self,
        app: AppId,
        call: CallId,
        device: DeviceNumber,
        inbox: InboxId,
    ) -> Result<(Option<CallRecord>, Effects), Error> {
        self.with_effects(move |tx, fx| tx.ringing(app, call, device, inbox, fx)).await
    }

    pub(crate) async fn move_call(&self, step: CallMove) -> Result<(CallMoved, Effects), Error> {
        self.with_effects(move |tx, fx| tx.move_call(&step, fx)).await
    }

    pub(crate) async fn call_rings(&self, number: i64) -> Result<bool, Error> {
        self.readers.read(move |conn| signals::call_rings(conn, number)).await
    }

    pub(crate) async fn calls_overdue(
        &self,
        now: Time,
    ) -> Result<(Vec<CallRecord>, Option<Time>), Error> {
        self.writer.change(move |tx| Ok((tx.calls_overdue(now)?, tx.next_call_end()?))).await
    }

    pub(crate) async fn signal(
        &self,
        app: AppId,
        call: CallId,
        device: DeviceNumber,
        inbox: InboxId,
        body: String,
    ) -> Result<SignalKept, Error> {
        self.writer.change(move |tx| tx.signal(app, call, device, inbox, &body)).await
    }

    pub(crate) async fn signals(
        &self,
        call: i64,
        device: DeviceNumber,
        after: i64,
    ) -> Result<Vec<Signal>, Error> {
        self.readers.read(move |conn| signals::signals(conn, call, device, after)).await
    }

    pub(crate) async fn signals_sent(&self, call: i64, device: DeviceNumber) -> Result<i64, Error> {
        self.readers.read(move |conn| signals::signals_sent(conn, call, device)).await
    }

    pub(crate) async fn call_of(
        &self,
        app: AppId,
        call: CallId,
        device: DeviceNumber,
        inbox: InboxId,
    ) -> Result<Option<CallRecord>, Error> {
        self.writer.change(move |tx| tx.call_of(app, call, device, inbox)).await
    }

    pub(crate) async fn calls_to_tell(
        &self,
        device: DeviceNumber,
        inbox: InboxId,
        since: Time,
    ) -> Result<Vec<CallRecord>, Error> {
        self.writer.change(move |tx| tx.calls_to_tell(device, inbox, since)).await
    }

    pub(crate) async fn note(&self, name: &'static str) -> Result<Option<Vec<u8>>, Error> {
        self.writer
            .change(move |tx| {
                tx.one("SELECT value FROM meta WHERE key = ?1", [name], |row| row.get(0))
            })
            .await
    }

    pub(crate) async fn set_note(&self, name: &'static str, value: Vec<u8>) -> Result<(), Error> {
        self.writer
            .change(move |tx| {
                tx.run(
                    "REPLACE INTO meta (key, value) VALUES (?1, ?2)",
                    rusqlite::params![name, value],
                )?;
                Ok(())
            })
            .await
    }

    pub(crate) async fn add_app(&self, name: String, now: Time) -> Result<App, Error> {
        self.writer.change(move |tx| tx.add_app(&name, now)).await
    }

    pub(crate) async fn apps(&self) -> Result<Vec<App>, Error> {
        self.readers.read(apps::apps).await
    }

    pub(crate) async fn app(&self, app: AppId) -> Result<Option<App>, Error> {
        self.readers.read(move |conn| apps::app(conn, app)).await
    }

    pub(crate) async fn add_key(
        &self,
        app: AppId,
        name: String,
        scopes: KeyScopes,
        hash: Digest,
        now: Time,
    ) -> Result<Option<ApiKey>, Error> {
        self.writer.change(move |tx| tx.add_key(app, &name, scopes, hash, now)).await
    }

    pub(crate) async fn note_key_use(&self, key: KeyId, now: Time) -> Result<(), Error> {
        self.writer.change(move |tx| tx.note_key_use(key, now)).await
    }

    pub(crate) async fn keys(&self, app: AppId) -> Result<Vec<ApiKey>, Error> {
        self.readers.read(move |conn| apps::keys(conn, app)).await
    }

    pub(crate) async fn key_by_hash(&self, hash: Digest) -> Result<Option<ApiKey>, Error> {
        self.readers.read(move |conn| apps::key_by_hash(conn, hash)).await
    }

    pub(crate) async fn remove_key(&self, app: AppId, key: KeyId) -> Result<bool, Error> {
        self.writer.change(move |tx| tx.remove_key(app, key)).await
    }

    pub(crate) async fn settings(&self, app: AppId) -> Result<Option<Settings>, Error> {
        self.readers.read(move |conn| settings::settings(conn, app)).await
    }

    pub(crate) async fn set_settings(
        &self,
        app: AppId,
        settings: Settings,
        now: Time,
    ) -> Result<(bool, Effects), Error> {
        self.with_effects(move |tx, fx| tx.set_settings(app, &settings, now, fx)).await
    }

    pub(crate) async fn ensure_user(
        &self,
        app: AppId,
        user: String,
        now: Time,
    ) -> Result<Option<InboxId>, Error> {
        self.writer.change(move |tx| tx.ensure_user(app, &user, now)).await
    }

    pub(crate) async fn device_by_secret(
        &self,
        secret: Digest,
    ) -> Result<Option<DeviceIdentity>, Error> {
        self.readers.read(move |conn| apps::device_by_secret(conn, secret)).await
    }

    pub(crate) async fn device_by_name(
        &self,
        app: AppId,
        name: String,
    ) -> Result<Option<DeviceIdentity>, Error> {
        self.readers.read(move |conn| apps::device_by_name(conn, app, &name)).await
    }

    pub(crate) async fn devices(&self, inbox: InboxId) -> Result<Vec<Device>, Error> {
        self.readers.read(move |conn| apps::devices(conn, inbox)).await
    }

    pub(crate) async fn sweep(&self, slice: u8, now: Time) -> Result<(bool, Effects), Error> {
        self.with_effects(move |tx, fx| {
            tx.sweep_sends(slice, now.minus(tx.limits.sends_kept))?;
            tx.sweep_calls(now)?;
            tx.sweep_pushes(now.minus(PUSHES_KEPT), SWEEP_PUSHES)?;
            tx.sweep_events(now.minus(EVENTS_KEPT))?;
            tx.sweep_audit(now.minus(AUDIT_KEPT))?;
            tx.sweep_devices(now, SWEEP_DEVICES, fx)?;
            tx.sweep_entries(now, SWEEP_INBOXES, fx)
        })
        .await
    }

    async fn with_effects<T: Send + 'static>(
        &self,
        mut change: impl FnMut(&mut writer::Tx<'_>, &mut Effects) -> Result<T, Error> + Send + 'static,
    ) -> Result<(T, Effects), Error> {
        self.writer
            .change(move |tx| {
                let mut effects = Effects::default();
                let done = change(tx, &mut effects)?;
                Ok((done, effects))
            })
            .await
    }

    async fn effects(
        &self,
        change: impl FnMut(&mut writer::Tx<'_>, &mut Effects) -> Result<(), Error> + Send + 'static,
    ) -> Result<Effects, Error> {
        self.with_effects(change).await.map(|((), effects)| effects)
    }
}

/// Makes the data directory, for nobody else's eyes: it holds messages and push tokens. One that
/// is there already keeps the permissions its owner gave it.
pub(crate) fn make_private(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// One process a data directory: the lock goes with the process, however it dies.
fn lock(path: &Path) -> Result<File, Error> {
    let file =
        File::create(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => {
            Err(Error::File { path: path.to_owned(), source })
        }
    }
}

/// The version of the schema that this program makes.
pub(crate) fn known_schema() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Brings the schema up to date; refuses one that is newer than this program.
pub(crate) fn migrate(conn: &Connection, path: &Path) -> Result<(), Error> {
    let found: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = known_schema();
    if found > known {
        return Err(Error::Newer { path: PathBuf::from(path), found, known });
    }
    for (version, step) in (1_i64..).zip(MIGRATIONS) {
        if version > found {
            conn.execute_batch(&format!(
                "BEGIN IMMEDIATE; {step} PRAGMA user_version = {version}; COMMIT;"
            ))?;
        }
    }
    Ok(())
}

/// The key that turns idempotency keys into message ids; made with the database.
fn id_key(conn: &Connection) -> Result<[u8; 32], Error> {
    let drawn: [u8; 32] = rand::random();
    conn.execute(
        "INSERT INTO meta (key, value) VALUES ('id_key', ?1) ON CONFLICT DO NOTHING",
        [&drawn[..]],
    )?;
    Ok(conn.query_row("SELECT value FROM meta WHERE key = 'id_key'", [], |row| row.get(0))?)
}
