//! The one writer, and group commit.
//!
//! Every change is a closure over a [`Tx`]; a thread of its own runs all that wait in one
//! transaction and answers them after the commit, so that one disk flush serves many senders:
//!
//! ```text
//!   job ─┐                 ┌ begin ┐
//!   job ─┼─▶ queue ─▶ take │ job job job │ commit ─▶ answer each
//!   job ─┘                 └─────────────┘
//!                               │ a job or the commit fails
//!                               ▼
//!                          roll back, run each again alone: only the failing one is told so
//! ```
//!
//! So a job may run twice, and must depend on nothing but its input and the database.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::{AppId, EventSet, LaneId};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use tokio::sync::{mpsc, oneshot};

use crate::Error;
use crate::bell::Bell;
use crate::model::{InboxLimits, Lane, Settings, Written};

/// Jobs that wait at most; beyond this, senders wait for room.
const QUEUE: usize = 4096;

/// What a change works with.
pub(super) struct Tx<'a> {
    conn: &'a Connection,
    pub(super) cache: &'a mut Cache,
    pub(super) limits: InboxLimits,
}

/// What the writer remembers between changes. Only the writer changes these rows, so it cannot be
/// wrong; after a roll-back it is emptied.
#[derive(Default)]
pub(super) struct Cache {
    pub(super) settings: HashMap<AppId, Arc<Settings>>,
    pub(super) lanes: HashMap<Lane, LaneId>,
    pub(super) apns: HashMap<AppId, bool>,
    /// Which frequent events apps keep.
    pub(super) wanted: HashMap<AppId, EventSet>,
    /// Events of the open transaction.
    pub(super) told: RefCell<Vec<(AppId, i64)>>,
    pub(super) swept: i64,
    pub(super) swept_devices: i64,
}

impl Tx<'_> {
    /// The row of a query that returns at most one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        Ok(self.conn.prepare_cached(sql)?.query_row(params, map).optional()?)
    }

    /// All rows of a query.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map(params, map)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A change; returns how many rows it touched.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> Result<usize, Error> {
        Ok(self.conn.prepare_cached(sql)?.execute(params)?)
    }

    /// The rowid of the last row inserted.
    pub(super) fn last_id(&self) -> i64 {
        self.conn.last_insert_rowid()
    }
}

/// A change that waits for its turn.
trait Job: Send {
    /// Runs it inside the open transaction.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Error>;
    /// Tells the caller what it came to; `Ok` only after the commit.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

struct Change<F, T> {
    change: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<F, T> Job for Change<F, T>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, Error> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Error> {
        // What an earlier run produced goes first: it may hold a place in a lane.
        self.result = None;
        self.result = Some((self.change)(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let Self { result, reply, .. } = *self;
        let answer = committed.and_then(|()| result.ok_or(Error::Closed));
        // The caller may be gone; what it asked for is stored all the same.
        let _gone = reply.send(answer);
    }
}

/// The way to the writer thread.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    done: Arc<Done>,
}

/// What the writer has done. The numbers are read one by one and may be of different moments.
#[derive(Default)]
struct Done {
    commits: AtomicU64,
    changes: AtomicU64,
    busy_micros: AtomicU64,
}

impl Done {
    fn committed(&self, changes: usize, busy: Duration) {
        let micros = u64::try_from(busy.as_micros()).unwrap_or(u64::MAX);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.changes.fetch_add(u64::try_from(changes).unwrap_or(0), Ordering::Relaxed);
        self.busy_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Writer {
    /// Starts the writer thread over a connection of its own.
    pub(super) fn start(
        conn: Connection,
        batch: usize,
        limits: InboxLimits,
        bell: Bell,
    ) -> Result<(Self, std::thread::JoinHandle<()>), Error> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let done = Arc::<Done>::default();
        let told = Arc::clone(&done);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write(&conn, jobs, batch, limits, &bell, &told))
            .map_err(|source| Error::File { path: "store-writer".into(), source })?;
        Ok((Self { queue, done }, thread))
    }

    /// Runs a change and waits until it is durable.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnMut(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Change { change, result: None, reply });
        self.queue.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// What it has done, and what waits.
    pub(super) fn written(&self) -> Written {
        let waiting = self.queue.max_capacity() - self.queue.capacity();
        Written {
            commits: self.done.commits.load(Ordering::Relaxed),
            changes: self.done.changes.load(Ordering::Relaxed),
            busy: Duration::from_micros(self.done.busy_micros.load(Ordering::Relaxed)),
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
        }
    }
}

/// The writer thread: until every [`Writer`] is dropped.
fn write(
    conn: &Connection,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    batch: usize,
    limits: InboxLimits,
    bell: &Bell,
    done: &Done,
) {
    let mut cache = Cache::default();
    let mut waiting: Vec<Box<dyn Job>> = Vec::with_capacity(batch);
    while jobs.blocking_recv_many(&mut waiting, batch) > 0 {
        let began = Instant::now();
        if commit(conn, &mut cache, limits, bell, &mut waiting).is_ok() {
            done.committed(waiting.len(), began.elapsed());
            for job in waiting.drain(..) {
                job.answer(Ok(()));
            }
            continue;
        }
        if waiting.len() > 1 {
            // Whoever asked for the one that fails is told so, and tells the log.
            tracing::debug!(jobs = waiting.len(), "a group was rolled back; each is tried alone");
        }
        for job in waiting.drain(..) {
            let mut alone = [job];
            let began = Instant::now();
            let committed = commit(conn, &mut cache, limits, bell, &mut alone);
            if committed.is_ok() {
                done.committed(1, began.elapsed());
            }
            let [job] = alone;
            job.answer(committed);
        }
    }
}

/// Runs jobs in one transaction; on any failure nothing of it stays.
fn commit(
    conn: &Connection,
    cache: &mut Cache,
    limits: InboxLimits,
    bell: &Bell,
    jobs: &mut [Box<dyn Job>],
) -> Result<(), Error> {
    let run = |cache: &mut Cache, jobs: &mut [Box<dyn Job>]| -> Result<(), Error> {
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut tx = Tx { conn, cache, limits };
        for job in jobs {
            job.run(&mut tx)?;
        }
        conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    };
    let done = run(cache, jobs);
    if done.is_ok() {
        for (app, number) in cache.told.get_mut().drain(..) {
            bell.ring(app, number);
        }
    }
    if done.is_err() {
        *cache = Cache::default();
        if !conn.is_autocommit() {
            // Fails only where the failure itself has rolled back already.
            let _rolled_back = conn.execute_batch("ROLLBACK");
        }
    }
    done
}

/// Opens a connection the way all of ours are opened.
pub(super) fn open(path: &Path, role: Role) -> Result<Connection, Error> {
    let conn = Connection::open(path)?;
    conn.set_prepared_statement_cache_capacity(256);
    // Without the planner's stability guarantee SQLite may want to plan anew for other values, and
    // rusqlite's clearing of the bindings makes every such statement expire: each use of a cached
    // statement parsed its SQL again, two thirds of a message's cost.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    match role {
        // A checkpoint every 64 MiB: message ids are hashes, so pages are written over and over, and
        // the fewer checkpoints the fewer times (38 µs of the writer a message became 27).
        Role::Writer => conn.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA cache_size = -65536;
             PRAGMA temp_store = MEMORY;
             PRAGMA wal_autocheckpoint = 16000;
             PRAGMA journal_size_limit = 134217728;",
        )?,
        Role::Reader => conn.execute_batch(
            "PRAGMA query_only = ON;
             PRAGMA cache_size = -16384;
             PRAGMA temp_store = MEMORY;",
        )?,
    }
    Ok(conn)
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The one writer.
    Writer,
    /// One of the readers beside it.
    Reader,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Killing the process shows nothing of this: what it wrote is the system's by then. Only a
    /// power cut would, so the setting itself is looked at.
    #[test]
    fn every_commit_is_flushed_to_the_disk() {
        const FULL: i64 = 2;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let conn = open(&dir.path().join("reveille.db"), Role::Writer).expect("it opens");
        let synchronous: i64 =
            conn.pragma_query_value(None, "synchronous", |row| row.get(0)).expect("a number");
        let journal: String =
            conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("a word");
        assert_eq!((synchronous, journal.as_str()), (FULL, "wal"));
    }
}
