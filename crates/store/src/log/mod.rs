//! The push log: what was done for every message and device, and why. Its own store.
//!
//! ```text
//!   append ─▶ queue ──▶ one writer thread ──▶ 2026-11-23.db   a file per UTC day, WAL,
//!    (sync,   (bounded)  (a transaction per   2026-11-22.db   dropped whole after the
//!     cheap)             512 records, or     …               retention
//!                        200 ms)                   ▲
//!   query ─────────────────────────────────────────┘ a connection of its own, newest file first
//! ```
//!
//! It may lose its last second in a crash, and it never holds anybody up: what does not fit the
//! queue or cannot be written is counted and gone ([`Log::dropped`]). It is never corrupt, because
//! WAL with `synchronous=NORMAL` syncs before every checkpoint (<https://sqlite.org/wal.html>,
//! read 2026-11-23); with `OFF` a power cut could damage a file.
//!
//! A file belongs to the day of its records' `at`, so a record that comes late goes to its own
//! day. Records name users and devices by text too, since those may be gone when somebody asks.
//!
//! Beside the records each file has figures: how often what happened, by app and five minutes.
//!
//! Read first: [`Log`], [`Record`], [`Query`]; then [`Figure`].

mod day;
mod figures;
mod file;
mod query;
mod queue;
mod record;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use domain::{AppId, MessageId, Time};
use tokio::sync::{Semaphore, broadcast};

use self::day::Day;
use self::figures::Key;
use self::queue::Queue;
use self::writer::Writer;
use crate::Error;

pub use self::figures::{Counted, Figure, SLOT, Wanted};
pub use self::query::{Cursor, MAX_LIMIT, Order, Page, Place, Query, Trace};
pub use self::record::{Covered, DeviceName, MAX_DETAIL_BYTES, Record, Step};

/// Queries that may run at once; more wait, so that somebody's wide search leaves the machine to
/// the messages.
const QUERIES_AT_ONCE: usize = 2;

/// Records that whoever looks on may be behind.
const LIVE: usize = 1024;

/// The push log, open for appending and reading.
///
/// Dropping it ends the writer after what is queued, without waiting; [`Log::close`] waits.
#[derive(Debug)]
pub struct Log {
    dir: PathBuf,
    queue: Arc<Queue>,
    /// Whoever looks on.
    live: broadcast::Sender<Arc<Record>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    queries: Semaphore,
}

impl Log {
    /// Opens the log in the directory `dir`, which is made if need be, and drops files that the
    /// retention lets go at `now`: a file goes once its day is more than `retention_days` days
    /// before today, so 0 keeps only today.
    ///
    /// # Errors
    /// [`Error::File`] when the directory cannot be made or read, [`Error::Newer`] when today's
    /// file was written by a later version, [`Error::Database`] when it cannot be used at all.
    pub fn open(dir: &Path, retention_days: u32, now: Time) -> Result<Self, Error> {
        let queue = Arc::new(Queue::new());
        let writer = Writer::open(dir.to_owned(), retention_days, Day::of(now), queue.clone())?;
        let thread = thread::Builder::new()
            .name("push-log".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| Error::File { path: dir.to_owned(), source })?;
        Ok(Self {
            dir: dir.to_owned(),
            queue,
            live: broadcast::Sender::new(LIVE),
            writer: Mutex::new(Some(thread)),
            queries: Semaphore::new(QUERIES_AT_ONCE),
        })
    }

    /// Hands a record to the writer. Never blocks on the disk and never fails: a record that does
    /// not fit is counted in [`Log::dropped`].
    pub fn append(&self, record: Record) {
        if self.live.receiver_count() > 0 {
            // Nobody may be left by now, which is no loss.
            let _ = self.live.send(Arc::new(record.clone()));
        }
        self.queue.append(record);
    }

    /// The records that are appended from now on, as they are appended: before they are on the
    /// disk. Whoever does not keep up misses some, and is told how many.
    pub fn follow(&self) -> broadcast::Receiver<Arc<Record>> {
        self.live.subscribe()
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.live.receiver_count()
    }

    /// Adds to a figure of an app. Never blocks on the disk and never fails; like a record it may be
    /// lost with the last second before a crash, or to the disk.
    pub fn count(&self, app: AppId, at: Time, figure: Figure, times: u64) {
        self.queue.count(Key::of(app, at, figure), times);
    }

    /// Keeps so many days from now on, and drops files that go by that.
    pub fn retain(&self, retention_days: u32) {
        self.queue.retain(retention_days);
    }

    /// How many records were lost since the log was opened: to a full queue or to the disk.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// How many records wait to be written.
    pub fn waiting(&self) -> u64 {
        self.queue.waiting()
    }

    /// Waits until everything appended before is committed, or counted as dropped.
    pub async fn flush(&self) {
        self.queue.flush().await;
    }

    /// Records that match, at most `query.limit` of them. Everything appended before is seen.
    ///
    /// # Errors
    /// [`Error::File`] when the directory cannot be read, [`Error::Newer`] when a file was written
    /// by a later version, [`Error::Database`] when a file is damaged; the message names it.
    pub async fn query(&self, query: Query) -> Result<Page, Error> {
        self.read(move |dir| query.run(dir)).await
    }

    /// Everything that was done about a message, in order: the records that name it, and those
    /// about the places in inboxes that it was accepted at. At most [`MAX_LIMIT`].
    ///
    /// # Errors
    /// As [`Log::query`].
    pub async fn timeline(&self, app: AppId, message: MessageId) -> Result<Vec<Record>, Error> {
        self.read(move |dir| query::timeline(dir, app, message)).await
    }

    /// Figures of an app, oldest first. Everything counted before is in them.
    ///
    /// # Errors
    /// As [`Log::query`].
    pub async fn figures(&self, wanted: Wanted) -> Result<Vec<Counted>, Error> {
        self.read(move |dir| wanted.run(dir)).await
    }

    /// Commits what was appended and ends the writer. What is appended later is dropped.
    pub async fn close(&self) {
        self.queue.close();
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Neither a panic of the writer, counted and told by it, nor a runtime that is going
            // down leaves anything to be done here.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    async fn read<T, F>(&self, job: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Path) -> Result<T, Error> + Send + 'static,
    {
        self.flush().await;
        let Ok(_turn) = self.queries.acquire().await else { return Err(Error::Closed) };
        let dir = self.dir.clone();
        tokio::task::spawn_blocking(move || job(&dir)).await.unwrap_or(Err(Error::Closed))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.close();
    }
}
