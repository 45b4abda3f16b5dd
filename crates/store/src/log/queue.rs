//! Between those who append and the one who writes.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::figures::{Counts, Key};
use super::record::Record;

/// Records in one transaction; this many waiting wake the writer at once.
pub(super) const BATCH: usize = 512;

/// How long a first record waits for others to share its transaction.
const LINGER: Duration = Duration::from_millis(200);

/// The most records that wait. At 10,000 a second it is the writer's absence for a second and a
/// half; after that, records are dropped.
pub(super) const CAPACITY: usize = 16 * 1024;

/// The most bytes of `detail` that wait.
const CAPACITY_BYTES: usize = 32 << 20;

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    records: Vec<Record>,
    /// Bytes of `detail` in `records`.
    bytes: usize,
    figures: Counts,
    flushes: Vec<oneshot::Sender<()>>,
    /// How many days are kept from now on, if that changed.
    retention_days: Option<u32>,
    /// Nothing is taken in any more.
    closed: bool,
    /// The writer is gone.
    ended: bool,
}

/// What the writer takes: everything there is.
#[derive(Debug)]
pub(super) struct Taken {
    /// In the order they were appended.
    pub(super) records: Vec<Record>,
    /// What was counted.
    pub(super) figures: Counts,
    /// Whoever waits for them; dropped or answered once they are dealt with.
    pub(super) flushes: Vec<oneshot::Sender<()>>,
    /// How many days are kept from now on, if that changed.
    pub(super) retention_days: Option<u32>,
    /// Nothing will follow.
    pub(super) last: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// How many records there are.
    pub(super) fn waiting(&self) -> u64 {
        u64::try_from(self.lock().records.len()).unwrap_or(u64::MAX)
    }

    /// Takes a record in, or counts it as dropped.
    pub(super) fn append(&self, record: Record) {
        let record = record.bounded();
        let bytes = record.detail.as_ref().map_or(0, String::len);
        let mut state = self.lock();
        let fits = state.records.len() < CAPACITY && state.bytes + bytes <= CAPACITY_BYTES;
        if state.closed || !fits {
            drop(state);
            self.count_dropped(1);
            return;
        }
        state.records.push(record);
        state.bytes += bytes;
        let waiting = state.records.len();
        drop(state);
        if waiting == 1 || waiting == BATCH {
            self.changed.notify_one();
        }
    }

    /// Adds to a count.
    pub(super) fn count(&self, key: Key, times: u64) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        let is_first = state.figures.is_empty();
        let count = state.figures.entry(key).or_default();
        *count = count.saturating_add(times);
        drop(state);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Waits until everything taken in before is dealt with.
    pub(super) async fn flush(&self) {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.ended {
                return;
            }
            state.flushes.push(sender);
        }
        self.changed.notify_one();
        // An error means that the writer ended, which it does only after the last record.
        let _ = receiver.await;
    }

    /// Keeps so many days from now on.
    pub(super) fn retain(&self, days: u32) {
        self.lock().retention_days = Some(days);
        self.changed.notify_one();
    }

    /// Takes nothing in any more; the writer ends after what waits.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// The writer's side: waits for work and takes it. `room` is an empty list to be filled by
    /// those who append meanwhile, so that a steady flow allocates nothing.
    pub(super) fn take(&self, room: Vec<Record>) -> Taken {
        let idle = |state: &mut State| {
            state.records.is_empty()
                && state.figures.is_empty()
                && state.flushes.is_empty()
                && state.retention_days.is_none()
                && !state.closed
        };
        let lingers = |state: &mut State| {
            state.records.len() < BATCH && state.flushes.is_empty() && !state.closed
        };
        let state =
            self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, LINGER, lingers)
            .unwrap_or_else(PoisonError::into_inner);
        state.bytes = 0;
        Taken {
            records: mem::replace(&mut state.records, room),
            figures: mem::take(&mut state.figures),
            flushes: mem::take(&mut state.flushes),
            retention_days: state.retention_days.take(),
            last: state.closed,
        }
    }

    /// The writer is gone: nobody waits for it any more.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ended = true;
        let lost = state.records.len();
        state.records = Vec::new();
        state.figures = Counts::new();
        state.flushes = Vec::new();
        drop(state);
        self.count_dropped(lost);
    }

    /// Counts records that are lost.
    pub(super) fn count_dropped(&self, records: usize) {
        self.dropped.fetch_add(u64::try_from(records).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many were lost.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// How many wait for a flush.
    #[cfg(test)]
    pub(super) fn flushes_waiting(&self) -> usize {
        self.lock().flushes.len()
    }

    /// A panic elsewhere leaves the lists whole: each change is one push or one swap.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
